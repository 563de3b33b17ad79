"""The table of verbs: each is whole, each goes to a route that there is, and what is more than a request does what it says."""

import re
from functools import cache
from typing import Any

import httpx
import pytest

from services.cli.openapi import documents
from services.cli.play import DESTINATION, NOTIFICATION, ORIGIN
from services.cli.scenario.making import BY, EITHER, Verb
from services.cli.scenario.reading import Shape
from services.cli.scenario.run import Outcome, StoryResult, tell
from services.cli.scenario.verbs import BY_NAME, VERBS
from tests.unit.cli.scenario.stories import a_story, problems_of, written
from tests.unit.cli.scenario.town import Town, a_stage, problem, rows

APPLY = "  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }\n"


async def told(steps: str, town: Town) -> StoryResult:
    return await tell(a_stage(town), a_story(steps=f"steps:\n{steps}"))


def test_every_verb_says_what_it_does_and_every_field_what_it_is() -> None:
    for verb in VERBS:
        assert verb.says.endswith("."), verb.name
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", verb.name)
        assert [each.name for each in verb.takes.fields if not each.says] == []
        assert set(verb.by.split(", ")) <= set(BY.schema["enum"]), verb.name
    assert len(BY_NAME) == len(VERBS)


@cache
def routes() -> set[tuple[str, str, str]]:
    """Service, method and path of every route that is offered."""
    return {
        (service, verb.upper(), re.sub(r"\{\w+\}", "{}", path))
        for service, document in documents().items()
        for path, operations in document["paths"].items()
        for verb in operations
    }


@pytest.mark.parametrize("verb", [verb for verb in VERBS if ": " in verb.request], ids=lambda verb: verb.name)
def test_every_verb_goes_to_a_route_that_its_service_offers(verb: Verb) -> None:
    where, _, requests = verb.request.partition(": ")
    services = {EITHER: [ORIGIN, DESTINATION], "the bank": ["bank"], "the service": [ORIGIN, DESTINATION, NOTIFICATION]}
    method = ""
    for request in requests.split(", then "):
        found, _, path = request.rpartition(" ")
        method = found or method
        if "/scenario/" in path:
            continue  # of no document: nobody is offered what only a scenario may do
        wanted = re.sub(r"\{\w+\}", "{}", path)
        for service in services.get(where, [where]):
            assert (service, method, wanted) in routes(), request


def test_no_two_shapes_of_different_fields_have_one_name() -> None:
    found: dict[str, Shape] = {}
    for verb in VERBS:
        for shape in (verb.takes, verb.answer):
            assert found.setdefault(shape.name, shape) == shape, shape.name


async def test_an_application_says_who_applies_and_is_sent_as_the_person() -> None:
    town = Town()

    result = await told(APPLY, town)

    assert result.outcome is Outcome.PASSED
    [(method, path, who, sent)] = town.to("/applications")
    assert (method, path, who) == ("POST", "33.destination-agency/applications", "insured-ref-33")
    assert (sent["name"], sent["origin_division"], sent["destination_division"]) == ("陈建国", "440100", "330100")
    assert len(sent["id_number"]) == 18
    assert "person" not in sent


async def test_an_open_application_that_is_answered_with_its_case_is_a_refusal() -> None:
    """The service answers 200 with the open case; a story must say that it expects that."""
    town = Town({"/applications": {"result": "refused", "case_id": "c", "code": "DUPLICATE_APPLICATION", "detail": "open"}})

    expected = await told(APPLY + "    refused: { code: DUPLICATE_APPLICATION }\n", town)
    unexpected = await told(APPLY, town)

    assert expected.outcome is Outcome.PASSED
    assert unexpected.steps[0].wrong[0].actual == "DUPLICATE_APPLICATION: open"


async def test_a_voucher_is_checked_by_its_number_and_code_or_by_another() -> None:
    town = Town(
        {
            "/vouchers": {"voucher_no": "PZ-1", "check_code": "ABCD", "months": 12, "balance_fen": 490_322},
            "/vouchers/checks": lambda request: {"genuine": b"ABCD" in request.content},
        }
    )

    result = await told(
        """\
  - voucher: { person: chen, province: 44 }
    expect: { answer: { months: 12, balance: 4903.22 } }
  - check_voucher: { voucher: voucher }
    expect: { answer: { genuine: true } }
  - check_voucher: { voucher: voucher, check_code: "0000" }
    expect: { answer: { genuine: false } }
""",
        town,
    )

    assert result.outcome is Outcome.PASSED
    assert town.to("/vouchers")[0][2:] == ("insured-ref-44", {"person_ref": "ref-44"})


async def test_a_fault_is_of_the_case_and_in_fen() -> None:
    town = Town({"/scenario/faults": {"faults": 1}, "/investigations/case-1": {"payments_found": 1}})

    await told(APPLY + "  - bank_fault: { kind: short, amount: 1800.00 }\n  - bank_investigation:\n", town)

    fault = {"case_id": "case-1", "kind": "short", "amount_fen": 180_000}
    assert [request[3] for request in town.to("/scenario/faults")] == [{"faults": [fault]}]
    assert town.to("/investigations/case-1")[0][2] == "fund-desk-44"


async def test_a_letter_that_goes_to_another_province_takes_the_case_there() -> None:
    town = Town({"/letters/proposals": rows(), "/letters/approvals": rows(), "/handlings/proposals": rows()})

    await told(APPLY + "  - correct_letter: { reason: it is in 33, origin_division: 330200 }\n  - propose_handling:\n", town)

    assert town.to("/letters/proposals")[0][3] == {"case_ids": ["case-1"], "reason": "it is in 33", "origin_division": "330200"}
    assert town.to("/handlings/proposals")[0][1].startswith("33.origin-agency")


async def test_a_letter_may_name_the_person_as_the_other_agency_knows_them() -> None:
    town = Town({"/letters/proposals": rows(), "/letters/approvals": rows()})

    await told(APPLY + "  - correct_letter: { reason: a misspelt name, identity_of: chen }\n", town)

    sent = town.to("/letters/proposals")[0][3]
    assert (sent["name"], len(sent["id_number"])) == ("陈建国", 18)


async def test_a_gathering_opens_a_case_a_place_each_under_its_own_name() -> None:
    cases = [{"case_id": "c44", "origin": "44"}, {"case_id": "c51", "origin": "51"}]
    town = Town(
        {
            "/gatherings": {"gathering_id": "g1", "place": "33", "months": 36, "cases": cases},
            "/gatherings/g1": {"state": "open", "rule": "4"},
            "/cases/c44": {"status": "SUBMITTED"},
        }
    )

    result = await told(
        """\
  - gather:
      person: chen
      destination_division: 330100
      places:
        - { division: 440100, months: 12, until: 2023-12 }
        - { division: 510100, months: 24, until: 2021-12, account_kind: temporary }
    as: pension
    expect:
      answer: { place: 33, months: 36 }
      gathering: { state: open, rule: "4" }
  - look:
    expect:
      case: { case: pension-44, status: SUBMITTED }
""",
        town,
    )

    assert result.outcome is Outcome.PASSED
    [(_, path, who, sent)] = town.to("/gatherings")
    assert (path, who, sent["name"]) == ("33.destination-agency/gatherings", "maker-33", "陈建国")
    assert sent["places"][1] == {"division": "510100", "months": 24, "until": "2021-12", "account_kind": "temporary"}


def test_a_gatherings_cases_are_known_by_the_places_that_it_names() -> None:
    steps = """\
steps:
  - gather: { person: chen, destination_division: 330100, places: [{ division: 440100, months: 12, until: 2023-12 }] }
  - admit: { case: case-51 }
"""

    assert [problem.says for problem in problems_of(written(steps=steps))] == [
        "'case-51' is no case that an earlier step gave; expected one of case-44"
    ]


async def test_a_question_is_answered_and_agreed_on_by_its_name() -> None:
    questions = [
        {"question_id": "q0", "asked_by": "44"},
        {"question_id": "q1", "asked_by": "33"},
    ]
    town = Town(
        {
            "/questions": rows(),
            "/cases/case-1/questions": questions,
            "/answers": rows(),
            "/agreements/proposals": rows(),
            "/agreements/approvals": rows(),
        }
    )

    result = await told(
        APPLY
        + """\
  - ask: { at: destination, text: "Is it right?", kind: MONTHS_DIFFER }
    as: whether
  - answer: { at: origin, question: whether, text: It is., confirms: true }
  - agree: { question: whether, reason: the origin confirms it }
""",
        town,
    )

    assert result.outcome is Outcome.PASSED
    assert town.to("/questions")[0][3] == {"case_id": "case-1", "text": "Is it right?", "kind": "MONTHS_DIFFER"}
    answered = {"case_id": "case-1", "question_id": "q1", "text": "It is.", "confirms": True}
    assert town.to("/answers")[0][1:] == ("44.origin-agency/answers", "maker-44", answered)
    assert town.to("/agreements/proposals")[0][3]["question_id"] == "q1"
    assert town.to("/agreements/approvals")[0][2:] == ("checker-33", {"case_ids": ["case-1"]})


async def test_what_is_held_back_is_released_at_the_end_of_the_story_whatever_happened() -> None:
    town = Town({"/admissions/proposals": problem(409, "NOT_NOW")})

    result = await told(
        APPLY + "  - hold_documents: { province: 33, service: destination-agency }\n  - propose_admission:\n", town
    )

    assert result.outcome is Outcome.FAILED
    held = [(path, sent) for _, path, _, sent in town.to("/scenario/documents")[6:]]
    assert held == [("33.destination-agency/scenario/documents", {"held": value}) for value in (True, False)]


async def test_an_operators_verb_is_on_what_came_into_quarantine_since_the_story_began() -> None:
    old, new = {"quarantine_id": "old", "proposal": None}, {"quarantine_id": "new", "proposal": "d1"}
    town = Town(
        {
            "/quarantine": [httpx.Response(200, json=[old]), httpx.Response(200, json=[old, new])],
            "/quarantine/new/skip": {"outcome": "proposed"},
            "/quarantine/decisions/d1/approve": {"outcome": "set_aside"},
        }
    )

    result = await told(
        """\
  - quarantine_skip: { province: 33, service: notification, reason: nobody's }
    expect: { answer: { outcome: proposed } }
  - quarantine_approve: { province: 33, service: notification, reason: looked at }
""",
        town,
    )

    assert result.outcome is Outcome.PASSED
    assert town.to("/skip")[0][2:] == ("operator-33", {"reason": "nobody's"})
    assert town.to("/approve")[0][2] == "checker-33"


async def test_an_operators_verb_without_a_record_fails_by_name() -> None:
    result = await told("  - quarantine_retry: { province: 33, service: notification, reason: again }\n", Town())

    assert result.outcome is Outcome.FAILED
    assert "nothing has come to stand in the quarantine of 33/notification" in result.steps[0].says


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.local], ids=lambda verb: verb.name)
async def test_what_needs_the_stacks_own_folder_cannot_be_told_against_an_address(verb: Verb) -> None:
    fields: dict[str, Any] = {
        "deliver_again": "{ province: 33 }",
        "deliver_late": "{ province: 33, document: document.information_form }",
        "deliver_garbage": "{ province: 33, role: origin-agency }",
    }

    result = await told(f"{APPLY}  - {verb.name}: {fields.get(verb.name, '')}\n", Town())

    assert result.outcome is Outcome.COULD_NOT_TELL
    assert "needs the stack's own folder" in result.steps[1].says
