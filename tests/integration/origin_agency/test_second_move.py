"""Year rows travel whole: each with the division it was earned in, through a second move, and sealed on the journal."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import date

import pytest

from contracts.documents import InformationForm, InformationFormDocument
from contracts.events import Accepted, ContributionRecorded
from deploy.postgres.provision import owner_role
from services.areas import keys_areas, province_areas
from services.records.commands import RowResult
from services.records.vault import open_rows
from services.rules.amounts import YearRow
from services.rules.identity import check_character
from services.world.people import Contribution
from services.world.plan import ProvinceRecord
from tests.agencies import InProcess, a_country, a_letter, arriving_letter, contributions_csv, in_process, known_in, persons_csv
from tests.integration.conftest import Pristine, UrlOf, _users
from tests.integration.destination_agency.conftest import Destination, wish
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
# A year with a gap in August, a change of wage in April and a change of place in October: four rows, of three places.
ROWS_2023 = (
    ("440100", "2023-01", "2023-03", 600_000),
    ("440100", "2023-04", "2023-07", 650_000),
    ("440300", "2023-09", "2023-09", 650_000),
    ("441900", "2023-10", "2023-12", 650_000),
)
# Without money, and told all the same: a deemed year and one in arrears.
DEEMED, UNPAID = ("440100", "1995-01", "1995-12", 0), ("440300", "2024-01", "2024-03", 600_000)


def row(division: str, start: str, end: str, wage_fen: int, **fields: object) -> Contribution:
    return replace(HE.contributions[0], division=division, start=start, end=end, monthly_wage_fen=wage_fen, **fields)  # type: ignore[arg-type]


HIM = replace(
    HE,
    person=replace(HE.person, first_insured_on=date(1995, 1, 1)),
    contributions=(
        row(*DEEMED, status="deemed"),
        HE.contributions[0],
        *(row(*each) for each in ROWS_2023),
        row(*UNPAID, status="arrears"),
    ),
)


def shown(rows: list[YearRow]) -> list[tuple[str, str, str, int, str]]:
    return [(each.division, str(each.start), str(each.end), each.monthly_wage_fen, str(each.status)) for each in rows]


WHOLE = [
    (each.division, each.start, each.end, each.monthly_wage_fen, str(each.status))
    for each in sorted(HIM.contributions, key=lambda each: each.start)
]


@dataclass
class Country:
    """44's origin, both agencies of 33 on databases of their own."""

    first: Origin
    middle: Destination
    second: Origin


@pytest.fixture
async def country(province_database: UrlOf, keys_database: UrlOf, pristine: Pristine) -> AsyncIterator[Country]:
    async with AsyncExitStack() as closing:
        enter = closing.enter_async_context
        everywhere = a_country()
        province_33 = await enter(pristine.copy("province", owner_role("44"), _users(), province_areas("44")))
        keys_33 = await enter(pristine.copy("keys", owner_role("44"), _users(), keys_areas("44")))
        there = await enter(in_process(province_database, keys_database, country=everywhere))
        here = await enter(in_process(province_33, keys_33, province="33", country=everywhere))
        middle = await enter(in_process(province_33, keys_33, province="33", service="destination-agency", country=everywhere))
        yield Country(Origin(there), Destination(middle, (province_33, keys_33)), Origin(here))


async def test_rows_keep_their_places_wages_and_gaps_through_a_second_move(country: Country) -> None:
    first, middle, second = country.first, country.middle, country.second
    await first.at.importing(HIM)
    await second.at.importing(known_in("33"))
    [case_id] = await middle.admitted()
    letter = await middle.letter(case_id)
    await first.hear(arriving_letter(first.at, letter, case_id=case_id))
    await first.desk.propose([case_id], "maker-1")
    assert (await first.desk.approve([case_id], "checker-1")).done == 1
    [form] = await first.at.letters(InformationFormDocument)
    assert isinstance(form, InformationForm)
    await middle.hear(middle.arriving(InformationFormDocument, form, case_id))
    await middle.money_comes(case_id, form.items.total_fen)
    await middle.completed(case_id)

    joined = await second.at.record(HE.person.id_number)
    here = known_in("33")
    await second.at.importing(replace(here, person=replace(here.person, stopped_on=date(2024, 5, 1)), contributions=()))
    again = await second.holding(a_letter(here, origin="33", destination="41"), sender="41")
    await second.desk.propose([again], "maker-1")
    result = await second.desk.approve([again], "checker-1")

    assert shown([each for segment in joined.segments[1:] for each in segment.rows]) == WHOLE
    assert [each.code for each in result.rows] == ["FORM_ISSUED"], result
    [onward] = await second.at.letters(InformationFormDocument)
    assert isinstance(onward, InformationForm)
    rows = [each for segment in onward.segments for each in segment.rows]
    moved = [(each.division, each.start, each.end, each.monthly_wage_fen, each.status) for each in rows]
    own = [("330100", each.start, each.end, each.monthly_wage_fen, "paid") for each in here.contributions]
    assert moved == [*own, *WHOLE]
    assert onward.months == form.months + sum(each.months for each in rows if each.division == "330100")
    assert onward.deemed_months == 12


async def test_the_rows_of_every_year_are_on_the_journal_for_whoever_has_the_persons_key(country: Country) -> None:
    first = country.first
    await first.at.importing(HIM)
    record = await first.at.record(HE.person.id_number)
    keys = await first.at.vault.keys([record.person_ref])

    told = await first.at.facts(ContributionRecorded)

    assert [(each.year, each.months) for each in told] == [(1995, 0), (2022, 12), (2023, 11), (2024, 0)]
    sealed = [each.rows for each in told if each.rows is not None]
    assert len(sealed) == len(told)
    assert shown([each for rows in sealed for each in open_rows(keys, record.person_ref, rows)]) == WHOLE
    assert await first.at.places_of("441900", "650000") == {}


async def test_a_year_that_comes_later_is_sealed_for_the_same_person(country: Country) -> None:
    first = country.first
    await first.at.importing(HE)
    record = await first.at.record(HE.person.id_number)
    later = replace(HE, contributions=(row("440100", "2024-04", "2024-04", 600_000),))

    await first.at.importing(later)

    told = (await first.at.facts(ContributionRecorded))[-1]
    keys = await first.at.vault.keys([record.person_ref])
    assert told.rows is not None
    assert [str(each.start) for each in open_rows(keys, record.person_ref, told.rows)] == ["2024-04"]


def with_number(known: ProvinceRecord, number: str) -> ProvinceRecord:
    """The same person under a number of another kind, without a household register in the mainland."""
    rows = tuple(replace(each, id_number=number) for each in known.contributions)
    return replace(known, person=replace(known.person, id_number=number, hukou=""), contributions=rows)


async def brings(at: InProcess, known: ProvinceRecord, birth_on: str) -> None:
    """Import somebody with the column of birthdays that the number does not say."""
    header, row = persons_csv([known]).decode().splitlines()
    await at.importing_files(f"{header},birth_on\n{row},{birth_on}\n".encode(), contributions_csv([known]))


@pytest.mark.parametrize(
    ("number", "birth_on"),
    [
        (f"81000019900315001{check_character('81000019900315001')}", ""),
        (f"82000019900315001{check_character('82000019900315001')}", ""),
        (f"83000019900315001{check_character('83000019900315001')}", ""),
        (f"91112419900315001{check_character('91112419900315001')}", ""),
        ("DEU0000000G0123456", "1990-03-15"),
    ],
    ids=["Hong Kong", "Macao", "Taiwan", "permanent residence", "foreigner"],
)
async def test_whoever_has_a_number_of_another_kind_is_imported_applies_and_is_transferred(
    country: Country, number: str, birth_on: str
) -> None:
    first, middle, second = country.first, country.middle, country.second
    there, here = with_number(HE, number), with_number(known_in("33"), number)
    await brings(first.at, there, birth_on)
    await brings(second.at, here, birth_on)

    [case_id] = await middle.admitted(wish(here.person, id_number=number.lower()))
    letter = await middle.letter(case_id)
    await first.hear(arriving_letter(first.at, letter, case_id=case_id))
    await first.desk.propose([case_id], "maker-1")
    [approved] = (await first.desk.approve([case_id], "checker-1")).rows
    [form] = await first.at.letters(InformationFormDocument)
    assert isinstance(form, InformationForm)
    await middle.hear(middle.arriving(InformationFormDocument, form, case_id))
    await middle.money_comes(case_id, form.items.total_fen)
    await middle.completed(case_id)

    [accepted] = await middle.at.facts(Accepted)
    record = await second.at.record(number)
    assert (accepted.rule, approved.code) == ("K4", "FORM_ISSUED")
    assert (letter.person.id_number, form.person.id_number) == (number, number)
    assert (form.months, form.items.total_fen) == (27, 3_047_986)  # Example 3
    assert record.personal.birth_on == date(1990, 3, 15)
    assert sum(each.months for segment in record.segments for each in segment.rows) == 27 + 1
    assert await middle.at.places_of(number) == await first.at.places_of(number) == {}


async def test_the_age_of_a_foreigner_is_that_of_the_document(country: Country) -> None:
    number = "DEU0000000G0123456"
    here = with_number(known_in("33"), number)
    await brings(country.second.at, here, "1970-03-15")

    desk, said = country.middle.desk, list[RowResult]()
    for beside in ({}, {"birth_on": "1970-03-15", "sex": "male"}, {"birth_on": "1971-03-15", "sex": "male"}):
        [case_id] = await country.middle.applied({**wish(here.person, id_number=number), **beside})
        said += (await desk.propose_admissions([case_id], "maker-33")).rows
        await desk.withdraw(case_id, "insured-1")

    # Fifty-four when the relationship began, and no household register to return to.
    assert [row.code for row in said] == [
        "TEMP_ACCOUNT_AT_DESTINATION",
        "TEMP_ACCOUNT_AT_DESTINATION",
        "IDENTITY_MISMATCH",
    ]


async def test_a_foreigner_whom_the_place_does_not_know_states_what_the_number_does_not_say(country: Country) -> None:
    told = wish(with_number(known_in("33"), "DEU0000000G0123456").person)

    [silent] = await country.middle.take(told)
    [stated] = await country.middle.take({**told, "birth_on": "1985-06-30", "sex": "female"})

    assert (silent.code, silent.field) == ("ID_NUMBER_INVALID", "birth_on")
    assert stated.case_id is not None
    personal = (await country.middle.case(stated.case_id)).personal
    assert (personal.birth_on, personal.sex, personal.hukou) == (date(1985, 6, 30), "female", "")
