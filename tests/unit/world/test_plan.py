from collections import Counter
from datetime import date
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.admission import AdmissionFacts, Admitted, age_on, decide
from services.rules.amounts import compute
from services.rules.identity import parse_id_number
from services.rules.loader import Tables, load_tables
from services.world import people
from services.world.people import Contribution
from services.world.plan import PROTAGONIST, Case, Ending, ProvinceRecord, World, mean_transfer_fen, plan, segment_of

MAY_2024 = date(2024, 5, 6)
PUBLISHED_MEAN_2014_FEN = 1_906_400


@cache
def the_tables() -> Tables:
    return load_tables()


@cache
def a_world() -> World:
    return plan(11, 3000, protagonist=True)


@cache
def the_cases() -> tuple[Case, ...]:
    return tuple(a_world().cases())


def those(ending: Ending) -> list[Case]:
    found = [case for case in the_cases() if case.application.ending is ending]
    assert found, ending
    return found


def origin_of(case: Case) -> ProvinceRecord:
    record = case.record(case.application.origin)
    assert record is not None, case
    return record


def destination_of(case: Case) -> ProvinceRecord:
    record = case.record(case.application.destination)
    assert record is not None, case
    return record


def paid_months(rows: tuple[Contribution, ...]) -> set[str]:
    return {
        f"{row.start[:4]}-{month:02d}"
        for row in rows
        if row.status == "paid"
        for month in range(int(row.start[5:]), int(row.end[5:]) + 1)
    }


def age_when_first_insured_here(case: Case) -> int:
    return age_on(parse_id_number(case.application.id_number).birth_on, destination_of(case).person.first_insured_on)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), cases=st.integers(1, 40))
def test_the_same_seed_makes_the_same_world(seed: int, cases: int) -> None:
    assert list(plan(seed, cases).cases()) == list(plan(seed, cases).cases())


def test_another_seed_makes_another_world() -> None:
    assert set(plan(1, 50).applications).isdisjoint(plan(2, 50).applications)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), cases=st.integers(100, 400))
def test_from_a_hundred_cases_on_every_ending_is_there(seed: int, cases: int) -> None:
    world = plan(seed, cases)

    endings = Counter(world.ending(index) for index in range(cases))

    assert set(endings) == set(Ending)
    assert 0.75 <= endings[Ending.COMPLETED] / cases <= 0.85
    assert sum(endings.values()) == cases


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    year=st.integers(2010, 2025),
    provinces=st.lists(st.sampled_from(sorted(people.calibration().provinces)), min_size=2, max_size=6, unique=True),
)
def test_any_provinces_in_any_year_make_a_world(seed: int, year: int, provinces: list[str]) -> None:
    world = plan(seed, 30, tuple(provinces), date(year, 5, 6))

    for case in world.cases():
        assert {case.application.origin, case.application.destination} <= set(provinces)
        assert all(record.person.first_insured_on < world.applied_on for record in case.records)
        assert all(row.end < f"{year}-05" for record in case.records for row in record.contributions)


@pytest.mark.parametrize("cases", [1, 2, 10, 99])
def test_a_small_world_is_mostly_completed(cases: int) -> None:
    endings = Counter(plan(5, cases).ending(index) for index in range(cases))

    assert endings[Ending.COMPLETED] >= 0.8 * cases
    assert sum(endings.values()) == cases


def test_no_two_people_share_an_id_number_or_an_address() -> None:
    people_there = [case.application for case in the_cases() if case.records]

    assert len({one.id_number for one in people_there}) == len(people_there)
    assert len({one.email for one in people_there}) == len(people_there)


def test_a_province_s_files_hold_exactly_the_records_of_the_cases() -> None:
    world = a_world()

    for code, files in world.provinces.items():
        records = [record for case in the_cases() for record in case.records if record.province == code]
        assert list(files.persons) == [record.person for record in records]
        assert list(files.contributions) == [row for record in records for row in record.contributions]


def test_every_person_has_stopped_and_paid_again_unless_the_ending_says_otherwise() -> None:
    excepted = {
        Ending.REFUSED_DUPLICATE_APPLICATION,
        Ending.REFUSED_SAME_PROVINCE,
        Ending.REFUSED_NOT_INSURED_AT_DESTINATION,
        Ending.REFUSED_ALREADY_DRAWING,
        Ending.RETURNED_NO_RELATIONSHIP,
        Ending.RETURNED_STILL_CONTRIBUTING,
    }
    for case in the_cases():
        if case.application.ending in excepted:
            continue
        there, here = origin_of(case), destination_of(case)
        assert there.person.stopped_on is not None
        assert there.person.stopped_on < date(2024, 5, 1)
        assert here.person.stopped_on is None
        assert "2024-04" in paid_months(here.contributions)
        assert there.contributions[-1].division == case.application.origin_division
        assert here.contributions[-1].division == case.application.destination_division
        assert paid_months(there.contributions).isdisjoint(paid_months(here.contributions))


def admission_code(case: Case) -> str:
    """Decide a case by the law from what the destination can know."""
    application, record = case.application, case.record(case.application.destination)
    person = (record or origin_of(case)).person
    number = parse_id_number(application.id_number)
    decision = decide(
        AdmissionFacts(
            on=application.applied_on,
            birth_on=number.birth_on,
            sex=number.sex,
            hukou=person.hukou,
            origin_province=application.origin,
            destination_province=application.destination,
            scheme=person.scheme,
            drawing=person.drawing_since is not None,
            insured_at_destination_since=record.person.first_insured_on if record else None,
            has_paid_contribution=record is not None and bool(paid_months(record.contributions)),
            open_case_id=None,
            identity_verified=person.name == application.name,
            approved_transfer=application.approved_transfer,
        ),
        the_tables(),
    )
    return "ADMITTED" if isinstance(decision, Admitted) else decision.code


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    year=st.integers(2010, 2025),
    provinces=st.lists(st.sampled_from(sorted(people.calibration().provinces)), min_size=2, max_size=6, unique=True),
)
def test_the_law_admits_and_refuses_as_planned(seed: int, year: int, provinces: list[str]) -> None:
    for case in plan(seed, 120, tuple(provinces), date(year, 5, 6)).cases():
        match case.application.ending:
            case Ending.REFUSED_DUPLICATE_APPLICATION:
                continue
            case Ending.TEMP_ACCOUNT:
                expected = "TEMP_ACCOUNT_AT_DESTINATION"
            case ending if ending.startswith("REFUSED_"):
                expected = ending.removeprefix("REFUSED_")
            case _:
                expected = "ADMITTED"
        assert admission_code(case) == expected, case.application


def test_nobody_paid_before_growing_up_or_more_rows_than_thirty() -> None:
    for case in the_cases():
        born = parse_id_number(case.application.id_number).birth_on
        for record in case.records:
            assert 1 <= len(record.contributions) <= 30
            assert age_on(born, date.fromisoformat(f"{record.contributions[0].start}-01")) >= 18


def test_only_the_temporary_accounts_meet_the_rule_of_50_and_40() -> None:
    expected = set(Ending) - {
        Ending.TEMP_ACCOUNT,
        Ending.REFUSED_NOT_INSURED_AT_DESTINATION,
        Ending.REFUSED_SAME_PROVINCE,
        Ending.REFUSED_DUPLICATE_APPLICATION,
        Ending.REFUSED_ALREADY_DRAWING,
    }
    for case in the_cases():
        if case.application.ending in expected:
            person = destination_of(case).person
            limit = 50 if person.sex == "male" else 40
            home = person.hukou == case.application.destination
            assert home or case.application.approved_transfer or age_when_first_insured_here(case) < limit


def test_a_temporary_account_is_of_somebody_too_old_and_away_from_home() -> None:
    for case in those(Ending.TEMP_ACCOUNT):
        person = destination_of(case).person
        assert age_when_first_insured_here(case) >= (50 if person.sex == "male" else 40)
        assert person.hukou != case.application.destination
        assert not case.application.approved_transfer
        assert {row.kind for row in destination_of(case).contributions} == {"temporary"}


def test_who_already_draws_a_pension_is_known_for_it_at_the_destination() -> None:
    for case in those(Ending.REFUSED_ALREADY_DRAWING):
        person = destination_of(case).person
        born = parse_id_number(case.application.id_number).birth_on
        assert person.drawing_since is not None
        assert person.stopped_on is not None
        assert person.stopped_on < person.drawing_since < MAY_2024
        assert age_on(born, person.drawing_since) in ((60,) if person.sex == "male" else (50, 55))
        assert len(paid_months(destination_of(case).contributions)) >= 180


def test_a_move_inside_a_province_has_one_record_and_two_cities() -> None:
    for case in those(Ending.REFUSED_SAME_PROVINCE):
        (record,) = case.records
        assert case.application.origin == case.application.destination == record.province
        assert case.application.origin_division != case.application.destination_division
        assert {case.application.origin_division, case.application.destination_division} <= {
            row.division for row in record.contributions
        }


def test_who_never_paid_at_the_destination_is_unknown_there() -> None:
    for case in those(Ending.REFUSED_NOT_INSURED_AT_DESTINATION):
        assert case.record(case.application.destination) is None
        assert origin_of(case).contributions


def test_another_scheme_is_another_scheme_in_both_provinces() -> None:
    for case in those(Ending.REFUSED_WRONG_SCHEME):
        assert origin_of(case).person.scheme == destination_of(case).person.scheme != "110"


def test_a_mismatch_of_identity_is_another_name_in_the_application() -> None:
    for case in those(Ending.REFUSED_IDENTITY_MISMATCH):
        assert case.application.name != destination_of(case).person.name == origin_of(case).person.name


def test_a_duplicate_application_repeats_an_earlier_one_that_completes() -> None:
    earlier: dict[str, Ending] = {}
    for case in the_cases():
        if case.application.ending is Ending.REFUSED_DUPLICATE_APPLICATION:
            assert earlier[case.application.id_number] is Ending.COMPLETED
            assert case.records == ()
        else:
            assert case.application.id_number not in earlier
        earlier[case.application.id_number] = case.application.ending
    assert Ending.REFUSED_DUPLICATE_APPLICATION in earlier.values()


def test_no_relationship_means_that_the_origin_knows_nothing() -> None:
    for case in those(Ending.RETURNED_NO_RELATIONSHIP):
        assert case.record(case.application.origin) is None
        assert destination_of(case).contributions


def test_who_still_contributes_has_not_stopped_and_paid_last_month() -> None:
    for case in those(Ending.RETURNED_STILL_CONTRIBUTING):
        assert origin_of(case).person.stopped_on is None
        assert "2024-04" in paid_months(origin_of(case).contributions)


def test_lists_come_from_employers_only_and_flexible_workers_have_none() -> None:
    channels = Counter(case.application.channel for case in the_cases())

    assert set(channels) == {"single", "batch"}
    for case in the_cases():
        application = case.application
        assert application.channel == "single" or application.applied_by == "employer"
        assert application.applied_by == "person" or application.employer_name is not None
        assert all((record.person.category == "flexible") == (application.employer_name is None) for record in case.records)


def test_some_people_bring_arrears_old_balances_and_english() -> None:
    rows = [row for case in the_cases() for record in case.records for row in record.contributions]
    persons = [record.person for case in the_cases() for record in case.records]

    assert {row.status for row in rows} == {"paid", "arrears"}
    assert {person.language for person in persons} == {"zh-CN", "en"}
    for person in persons:
        assert (person.personal_balance_1997_fen > 0) == (person.first_insured_on.year < 1998)
    assert any(person.personal_balance_1997_fen for person in persons)


def test_the_story_s_person_is_the_first_case_of_a_world_that_asks_for_it() -> None:
    assert a_world().case(0) is PROTAGONIST
    assert PROTAGONIST not in plan(11, 100).cases()
    repeated = [case.application.id_number for case in those(Ending.REFUSED_DUPLICATE_APPLICATION)]
    assert PROTAGONIST.application.id_number not in repeated


def test_the_story_s_person_is_example_three() -> None:
    number = parse_id_number(PROTAGONIST.application.id_number)
    there = origin_of(PROTAGONIST)

    assert (number.birth_on, number.sex, there.person.hukou) == (date(1990, 3, 15), "male", "41")
    assert [(row.start, row.end, row.monthly_wage_fen) for row in there.contributions] == [
        ("2022-01", "2022-12", 500_000),
        ("2023-01", "2023-12", 600_000),
        ("2024-01", "2024-03", 600_000),
    ]
    assert there.person.stopped_on == date(2024, 3, 31)
    assert paid_months(destination_of(PROTAGONIST).contributions) == {"2024-04"}


def test_the_story_s_amounts_are_those_of_example_three() -> None:
    amounts = compute([segment_of(origin_of(PROTAGONIST))], transfer_on=MAY_2024, province="44", tables=the_tables())

    assert (amounts.account_fen, amounts.pool_fen, amounts.total_fen, amounts.months) == (
        1_247_986,
        1_800_000,
        3_047_986,
        27,
    )


def test_the_mean_transfer_of_2014_is_near_the_published_one() -> None:
    measured_fen = mean_transfer_fen(the_tables(), cases=3000)

    assert abs(measured_fen - PUBLISHED_MEAN_2014_FEN) < PUBLISHED_MEAN_2014_FEN * 5 // 100, measured_fen


def test_every_record_of_the_world_can_be_computed() -> None:
    for case in the_cases():
        for record in case.records:
            amounts = compute([segment_of(record)], transfer_on=MAY_2024, province=record.province, tables=the_tables())
            assert amounts.months == len(paid_months(record.contributions))


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"cases": 0}, "a world has between 1 and"),
        ({"cases": 10**7}, "a world has between 1 and"),
        ({"provinces": ("44",)}, "two provinces or more"),
        ({"provinces": ("44", "44")}, "two provinces or more"),
        ({"provinces": ("44", "99")}, r"do not know the provinces \['99'\]"),
        ({"applied_on": date(2009, 5, 6)}, "measures of 2010"),
        ({"applied_on": date(2031, 5, 6)}, "wages are known"),
        ({"provinces": ("44", "41"), "protagonist": True}, "from 44 to 33"),
    ],
)
def test_a_world_that_cannot_be_is_refused_by_name(arguments: dict[str, object], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        plan(**({"seed": 1, "cases": 10} | arguments))  # type: ignore[arg-type]
