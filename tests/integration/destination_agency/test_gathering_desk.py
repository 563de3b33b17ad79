"""The paying place gathers: whoever was never insured there is registered, each place gets its letter, the sum is told."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.envelope import new_id
from contracts.events import Accepted, AccountOpened, Applied, GatheringCompleted, GatheringOpened, GatheringPlaceDiffers
from deploy.local.stack import Stack
from services.destination_agency.case import Refused, State
from services.destination_agency.gathering import Place
from services.destination_agency.gathering_desk import Claim, GatheringDesk
from services.destination_agency.intake import Applicant
from services.records import store as records
from services.rules.months import Month
from services.runtime.identity import Role
from services.world.plan import ProvinceRecord
from tests.integration.destination_agency.conftest import (
    Destination,
    earlier,
    know,
    number_of,
    serving,
    someone,
    the_books_agree,
    wish,
)

CLERK = Applicant("maker-33", "clerk")
# Sixty since 2024-03-15, hukou Zhejiang (33), never insured there: 27 months in Guangdong, 27 on a temporary account in Henan.
BORN = "19640315"
NUMBER = number_of(5, born=BORN, prefix="330106")
GUANGDONG = Place("440100", 27, Month(2024, 3))
HENAN = Place("410100", 27, Month(2014, 3), account_kind="temporary")


def known_to(province: str) -> ProvinceRecord:
    record = someone(5, "44", born=BORN, hukou="33")
    rows = tuple(replace(row, id_number=NUMBER) for row in record.contributions)
    record = replace(record, province=province, person=replace(record.person, id_number=NUMBER), contributions=rows)
    if province in ("44", "33"):
        return record
    henan = earlier(replace(record, province="41"))
    return replace(henan, contributions=tuple(replace(row, kind="temporary") for row in henan.contributions))


def a_claim(**changed: Any) -> Claim:
    usual: dict[str, Any] = {
        "id_number": NUMBER,
        "name": known_to("44").person.name,
        "destination_division": "330100",
        "hukou": "33",
        "places": (GUANGDONG, HENAN),
    }
    return Claim(**{**usual, **changed})


def desk(here: Destination) -> GatheringDesk:
    return GatheringDesk(here.at.database, here.at.agency, here.at.ring)


def ten_years(record: ProvinceRecord, division: str) -> ProvinceRecord:
    """The same record with 2003 to 2012, paid in a place; what other provinces sent stands beside the own months."""
    [like, *_] = record.contributions
    years = (replace(like, division=division, start=f"{year}-01", end=f"{year}-12") for year in range(2003, 2013))
    return replace(record, contributions=(*years, *record.contributions))


async def moved_away(here: Destination) -> str:
    """The person was insured here since 2003, and the relationship left with a transfer; returns the pseudonym."""
    own = known_to("33")
    person = replace(own.person, first_insured_on=date(2003, 1, 1), stopped_on=date(2012, 12, 31))
    await know(here, replace(own, person=person, contributions=ten_years(own, "330100").contributions[:10]))
    record = await here.at.record(NUMBER)
    async with here.at.database.transaction("test") as tx:
        await records.close(tx, here.at.vault, {record.person_ref: new_id()})
    return record.person_ref


async def admitted(here: Destination, answer: dict[str, Any]) -> dict[str, str]:
    """The case of each place, with its letter sent by two persons."""
    cases = {each["origin"]: each["case_id"] for each in answer["cases"]}
    assert (await here.desk.propose_admissions(list(cases.values()), "maker-33")).done == len(cases)
    assert (await here.desk.approve_admissions(list(cases.values()), "checker-33")).done == len(cases)
    return cases


async def arrived(here: Destination, case_id: str, origin: ProvinceRecord) -> None:
    form = await here.form_comes(case_id, origin)
    await here.money_comes(case_id, form.items.total_fen, payer=origin.province)
    await here.completed(case_id)


async def test_who_was_never_insured_here_is_registered_and_everything_comes_together(bare: Destination) -> None:
    gatherings = desk(bare)

    answer = await gatherings.gather(a_claim(), CLERK)
    cases = await admitted(bare, answer)
    letters = [await bare.letter(case_id) for case_id in cases.values()]
    await arrived(bare, cases["44"], known_to("44"))
    half = await gatherings.look_at_gatherings()
    await arrived(bare, cases["41"], known_to("41"))
    whole = [await gatherings.look_at_gatherings(), await gatherings.look_at_gatherings()]

    [opened], [account] = await bare.at.facts(GatheringOpened), await bare.at.facts(AccountOpened)
    [completed] = await bare.at.facts(GatheringCompleted)
    record = await bare.at.record(NUMBER)
    assert (answer["place"], answer["rule"], answer["months"]) == ("33", "HUKOU_GATHERS", 54)
    assert (opened.place, opened.rule, opened.origins, opened.actor) == ("33", "HUKOU_GATHERS", ("44", "41"), "maker-33")
    assert set(opened.cases) == set(cases.values())
    assert (account.person_ref, account.kind, account.opening_fen) == (opened.person_ref, "normal", 0)
    assert [letter.gathering for letter in letters] == [True, True]
    assert (half, whole) == (0, [1, 0])
    assert (completed.months, completed.own_months, set(completed.cases)) == (54, 0, set(cases.values()))
    assert (completed.rule, completed.minimum_months, completed.missing_months) == ("HUKOU_GATHERS", 180, 126)
    assert (record.state, record.person_ref) == ("stopped", opened.person_ref)
    assert await bare.at.balance_fen(record.person_ref) > 0
    found = await gatherings.gathering(answer["gathering_id"])
    assert found is not None
    assert (found["state"], {each["state"] for each in found["cases"]}) == ("completed", {State.COMPLETED})
    for said in (answer, found):  # what is missing is said at the claim, and again of the rows that came
        assert (said["months"], said["minimum_months"], said["missing_months"]) == (54, 180, 126)
        assert [each["way"] for each in said["ways"]] == ["continue", "resident_scheme", "end"]
        assert all(each["legal_basis"] and each["reason"]["zh-CN"] and each["reason"]["en"] for each in said["ways"])
        assert said["ways"][0]["place"] == "33"
    await the_books_agree(bare)


async def test_months_that_were_moved_before_are_asked_for_where_they_are_and_belong_to_where_they_were_earned(
    bare: Destination,
) -> None:
    """Eight years of Guangdong's went to Henan, which has four of its own: neither has ten, and Henan alone gets a letter."""
    moved = Place("440100", 96, Month(2013, 12), held_by="410100")
    henan = Place("410200", 48, Month(2017, 12))
    gatherings = desk(bare)

    with pytest.raises(Refused, match="NOT_THE_PLACE_OF_PAYMENT"):
        await gatherings.gather(a_claim(places=(replace(henan, months=144),)), CLERK)
    answer = await gatherings.gather(a_claim(places=(moved, henan)), CLERK)
    cases = await admitted(bare, answer)

    [opened], [applied] = await bare.at.facts(GatheringOpened), await bare.at.facts(Applied)
    assert (answer["rule"], answer["months"], list(cases)) == ("HUKOU_GATHERS", 144, ["41"])
    assert (opened.origins, opened.cases, applied.origin) == (("41",), (cases["41"],), "41")
    assert (await bare.letter(cases["41"])).gathering


async def test_whose_ten_years_have_moved_on_is_gathered_by_their_province_again(bare: Destination) -> None:
    """Art. 6 (3): ten years here went to Guangdong, where two more were paid; the hukou is Henan's, and this province pays."""
    ref = await moved_away(bare)
    before_fen = await bare.at.balance_fen(ref)
    gatherings = desk(bare)
    there = Place("330100", 120, Month(2012, 12), held_by="440100")

    answer = await gatherings.gather(a_claim(places=(there, GUANGDONG), hukou="41"), CLERK)
    again = await bare.at.record(NUMBER)
    cases = await admitted(bare, answer)
    await arrived(bare, cases["44"], ten_years(known_to("44"), "330100"))
    done = await gatherings.look_at_gatherings()

    [accepted], [account] = await bare.at.facts(Accepted), await bare.at.facts(AccountOpened)
    [completed] = await bare.at.facts(GatheringCompleted)
    record = await bare.at.record(NUMBER)
    assert (answer["rule"], list(cases), done) == ("EARLIER_PLACE", ["44"], 1)
    assert (again.person_ref, again.state, again.segments, again.personal.hukou) == (ref, "stopped", (), "41")
    assert (account.person_ref, account.opening_fen) == (ref, 0)
    assert (accepted.account_kind, accepted.rule) == ("normal", "K4")
    assert (completed.months, completed.own_months, completed.rule) == (147, 120, "EARLIER_PLACE")
    assert (record.state, record.left_with is not None) == ("stopped", True)
    came = (await bare.case(cases["44"])).booked
    assert came is not None
    assert await bare.at.balance_fen(ref) == before_fen + came.items.account_fen


async def test_a_hukou_province_that_once_moved_the_person_away_gathers_all_the_same(bare: Destination) -> None:
    ref = await moved_away(bare)
    gatherings = desk(bare)

    answer = await gatherings.gather(a_claim(places=(GUANGDONG,)), CLERK)
    cases = await admitted(bare, answer)
    await arrived(bare, cases["44"], known_to("44"))
    await gatherings.look_at_gatherings()

    [accepted], [completed] = await bare.at.facts(Accepted), await bare.at.facts(GatheringCompleted)
    assert (answer["rule"], accepted.rule, accepted.account_kind) == ("HUKOU_GATHERS", "K1", "normal")
    assert (completed.person_ref, completed.months, completed.missing_months) == (ref, 27, 153)


async def test_whoever_claims_says_the_hukou_where_no_relationship_here_does(bare: Destination) -> None:
    """Else any province could gather for a stranger; of a relationship that moved away years ago the record is no witness."""
    gatherings = desk(bare)

    with pytest.raises(Refused, match="HUKOU_NEEDED") as refused:
        await gatherings.gather(a_claim(hukou=None), CLERK)
    with pytest.raises(Refused, match="NOT_THE_PLACE_OF_PAYMENT"):
        await gatherings.gather(a_claim(hukou="none"), CLERK)  # no register in the mainland: the longest place
    await moved_away(bare)
    with pytest.raises(Refused, match="HUKOU_NEEDED"):
        await gatherings.gather(a_claim(hukou=None), CLERK)

    assert refused.value.legal_basis
    assert refused.value.remedy
    assert await bare.at.facts(GatheringOpened) == []


async def test_where_the_rows_that_came_make_another_place_the_gathering_is_not_completed(bare: Destination) -> None:
    """A clerk typed 27 months for Guangdong; its form brings 147, so Guangdong pays."""
    gatherings = desk(bare)
    answer = await gatherings.gather(a_claim(places=(GUANGDONG,)), CLERK)
    cases = await admitted(bare, answer)
    await arrived(bare, cases["44"], ten_years(known_to("44"), "440100"))

    looked = [await gatherings.look_at_gatherings(), await gatherings.look_at_gatherings()]

    [differs] = await bare.at.facts(GatheringPlaceDiffers)
    assert looked == [1, 0]
    assert await bare.at.facts(GatheringCompleted) == []
    assert (differs.found_place, differs.rule, differs.months, differs.cases) == ("44", "LAST_PLACE", 147, (cases["44"],))
    [listed] = await gatherings.gatherings("place_differs", 10)
    assert listed["gathering_id"] == answer["gathering_id"]
    assert (listed["place_differs"]["code"], listed["place_differs"]["found_place"]) == ("PLACE_DIFFERS", "44")
    assert listed["place_differs"]["remedy"]
    assert await gatherings.gatherings("completed", 10) == []
    assert await gatherings.gatherings(None, 10) == [listed]


async def test_a_place_that_has_nothing_ends_the_waiting_for_it_when_its_case_is_closed(bare: Destination) -> None:
    gatherings = desk(bare)
    cases = await admitted(bare, await gatherings.gather(a_claim(), CLERK))
    await arrived(bare, cases["44"], known_to("44"))
    await bare.returned(cases["41"])

    still = await gatherings.look_at_gatherings()  # the right agency may still be named
    await bare.desk.close([cases["41"]], "maker-33", "nothing was ever paid there")
    done = await gatherings.look_at_gatherings()

    [completed] = await bare.at.facts(GatheringCompleted)
    assert (still, done) == (0, 1)
    assert (completed.cases, completed.months) == ((cases["44"],), 27)


async def test_where_one_place_cannot_be_asked_none_is(bare: Destination) -> None:
    [open_case] = await bare.applied(wish(known_to("44").person, origin_division="410100"))

    with pytest.raises(Refused, match="DUPLICATE_APPLICATION"):
        await desk(bare).gather(a_claim(), CLERK)

    assert [fact.case_id for fact in await bare.at.facts(Applied)] == [open_case]
    assert await bare.at.facts(AccountOpened) == []
    assert await bare.at.person(NUMBER) is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"id_number": "330106196403150000"}, "ID_NUMBER_INVALID"),
        ({"destination_division": "440100"}, "WRONG_DESTINATION"),
        ({"places": (replace(GUANGDONG, months=120), HENAN)}, "NOT_THE_PLACE_OF_PAYMENT"),
        ({"places": (replace(GUANGDONG, division="110000"),)}, "PROVINCE_NOT_CONNECTED"),
        ({"id_number": number_of(5, prefix="330106")}, "TOO_YOUNG"),
    ],
)
async def test_what_cannot_be_gathered_is_refused_by_name(bare: Destination, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused, match=code):
        await desk(bare).gather(a_claim(**changed), CLERK)

    assert await bare.at.told() == []


async def test_gathering_over_http_is_a_maker_s_and_the_same_key_is_answered_the_same(bare: Destination, stack: Stack) -> None:
    body: dict[str, Any] = {
        "id_number": NUMBER,
        "name": known_to("44").person.name,
        "destination_division": "330100",
        "hukou": "33",
        "places": [
            {"division": "440100", "months": 27, "until": "2024-03"},
            {"division": "410100", "months": 27, "until": "2014-03", "account_kind": "temporary"},
        ],
    }
    async with serving(bare, stack) as http:
        maker, checker = (http.issued.staff("33", role) for role in (Role.MAKER, Role.CHECKER))
        headers = {"Idempotency-Key": "gather-1"}

        first = await http.call("POST", "/gatherings", maker, body, headers=headers)
        again = await http.call("POST", "/gatherings", maker, body, headers=headers)
        other = await http.call("POST", "/gatherings", checker, body)
        twice = await http.call("POST", "/gatherings", maker, {**body, "places": body["places"][:1] * 2})
        no_month = await http.call("POST", "/gatherings", maker, {**body, "places": [{**body["places"][0], "until": "2024-13"}]})
        no_age = await http.call("POST", "/gatherings", maker, {**body, "sex": "male", "category": "female_50"})
        no_hukou = await http.call("POST", "/gatherings", maker, {**body, "hukou": None})
        listed = await http.call("GET", "/gatherings?state=open", checker)
        found = await http.call("GET", f"/gatherings/{first.json()['gathering_id']}", checker)
        unknown = await http.call("GET", f"/gatherings/{new_id()}", checker)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert [answer.status_code for answer in (other, twice, no_month, no_age, unknown)] == [403, 422, 422, 422, 404]
    assert (no_hukou.status_code, no_hukou.json()["code"]) == (422, "DUPLICATE_APPLICATION")  # registered by now, so it is known
    assert [each["gathering_id"] for each in listed.json()] == [first.json()["gathering_id"]]
    assert (found.json()["state"], len(found.json()["cases"])) == ("open", 2)
    assert len(await bare.at.facts(GatheringOpened)) == 1
