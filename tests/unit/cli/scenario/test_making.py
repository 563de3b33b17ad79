"""How verbs are made of requests: to whom, as whom, with what body."""

from typing import Any

import pytest

from services.cli.play import DESTINATION, ORIGIN
from services.cli.scenario.format import Step
from services.cli.scenario.kinds import CODE, DAY, MONEY
from services.cli.scenario.making import EITHER, Verb, body, in_province, listed, on_case, paying, plain, two_hands
from services.cli.scenario.reading import Field, Many, Place, Values
from services.cli.scenario.telling import Answer, Telling
from tests.unit.cli.scenario.stories import a_story
from tests.unit.cli.scenario.town import Town, a_stage, problem, rows

HERE = Place(1, 1)


def a_step(verb: Verb, *, by: str | None = None, **given: Any) -> Step:
    story = a_story()
    return Step(1, HERE, verb, Values(HERE, given), "", by, None, Values(HERE), story.begins)


async def done(verb: Verb, town: Town, *, by: str | None = None, **given: Any) -> Answer:
    """Do a verb on a case of 44 that applied in 33."""
    telling = Telling(a_stage(town), a_story(), run="r1")
    telling.opened("case", Answer({"result": "accepted", "case_id": "case-1"}), "chen", "44", "33")
    return await verb.act(telling, a_step(verb, by=by, **given))


async def test_a_request_on_a_case_goes_to_the_agency_that_has_it_as_the_person() -> None:
    verb = on_case("choose", DESTINATION, "POST /cases/{case}/duplicates", "person", "x", Field("kept", CODE, "side"))
    town = Town({"/cases/case-1/duplicates": {"done": 1}})

    await done(verb, town, kept="OWN")

    assert town.asked == [("POST", "33.destination-agency/cases/case-1/duplicates", "insured-stranger-r1-chen", {"kept": "OWN"})]


@pytest.mark.parametrize(("at", "host"), [(ORIGIN, "44.origin-agency"), (DESTINATION, "33.destination-agency")])
async def test_a_list_of_one_goes_to_the_agency_and_its_row_is_the_answer(at: str, host: str) -> None:
    verb = listed("x", at, "closures", "maker", "x", Field("reason", CODE, "why"))
    town = Town({"/closures": rows(code="CLOSED")})

    answer = await done(verb, town, reason="BECAUSE")

    [(_, where, who, sent)] = town.asked
    assert (where, sent) == (f"{host}/closures", {"case_ids": ["case-1"], "reason": "BECAUSE"})
    assert who == f"maker-{host[:2]}"
    assert answer.body["code"] == "CLOSED"
    assert answer.refusal is None


async def test_a_refused_row_is_a_refusal_with_its_basis() -> None:
    town = Town({"/closures": rows(result="refused", code="NOT_NOW", detail="wait", legal_basis="Art. 8")})

    answer = await done(listed("x", DESTINATION, "closures", "maker", "x"), town)

    assert answer.refusal is not None
    assert (answer.refusal.code, answer.refusal.basis, answer.refusal.says) == ("NOT_NOW", "Art. 8", "NOT_NOW: wait")


async def test_two_hands_are_two_persons_unless_a_step_says_otherwise() -> None:
    verb = two_hands("admit", DESTINATION, "admissions", "x")
    answers = {"/admissions/proposals": rows(), "/admissions/approvals": rows()}
    town, alone = Town(dict(answers)), Town(dict(answers))

    await done(verb, town)
    await done(verb, alone, by="one-person")

    assert [(path.rpartition("/")[2], who) for _, path, who, _ in town.asked] == [
        ("proposals", "maker-33"),
        ("approvals", "checker-33"),
    ]
    assert {who for _, _, who, _ in alone.asked} == {"one-person-33"}


async def test_what_was_refused_as_a_proposal_is_not_approved() -> None:
    town = Town({"/admissions/proposals": problem(403, "WRONG_ROLE")})

    answer = await done(two_hands("admit", DESTINATION, "admissions", "x"), town)

    assert answer.refusal is not None
    assert answer.refusal.code == "WRONG_ROLE"
    assert len(town.asked) == 1


@pytest.mark.parametrize(("at", "host"), [("origin", "44.origin-agency"), ("destination", "33.destination-agency")])
async def test_a_verb_of_both_agencies_goes_where_the_step_says(at: str, host: str) -> None:
    verb = listed("report_death", EITHER, "deaths", "maker", "x")
    town = Town({"/deaths": rows()})

    await done(verb, town, at=at)

    assert town.asked[0][1] == f"{host}/deaths"
    assert "at" not in town.asked[0][3]
    assert verb.takes.field("at") is not None


async def test_a_request_to_a_province_goes_to_its_service() -> None:
    verb = in_province("run", ORIGIN, "POST /year-ends", "operator", "x", Field("amount", MONEY, "much", goes_as="amount_fen"))
    town = Town({"/year-ends": {"year": 2024}})

    answer = await done(verb, town, province="44", amount=100)

    assert town.asked == [("POST", "44.origin-agency/year-ends", "operator-44", {"amount_fen": 100})]
    assert answer.body["year"] == 2024


def test_a_body_has_days_as_text_and_money_as_fen_under_the_services_own_names() -> None:
    inner = Values(HERE, {"dated": DAY.read("2024-05-06")})
    fields = (Field("all", Many(CODE), "x"), Field("amount", MONEY, "x", goes_as="amount_fen"), Field("left_out", CODE, "x"))
    given = Values(HERE, {"case": "first", "all": (inner, "B"), "amount": 180_000})

    assert body(fields, given) == {"all": [{"dated": "2024-05-06"}, "B"], "amount_fen": 180_000}
    assert plain(True) is True


def test_a_verb_that_pays_says_so() -> None:
    verb = two_hands("remit", ORIGIN, "remittances", "x", first="fund-desk")

    assert (verb.pays, paying(verb).pays) == (False, True)
    assert verb.by == "fund-desk, checker"
