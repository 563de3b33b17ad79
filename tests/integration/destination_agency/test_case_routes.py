"""The verbs beside the smooth course over HTTP: who may what, what is answered, and what is refused by name."""

from datetime import date
from typing import Any

import httpx
import pytest

from contracts.documents import Question, QuestionToDestinationDocument
from contracts.envelope import new_id
from services.destination_agency.case import State
from services.runtime.identity import Role
from tests.integration.destination_agency.conftest import ID_NUMBER, Http, wish

CASE = "018f4c1e-0000-7000-8000-00000000ffff"
QUESTION = "018f4c1e-0000-7000-8000-00000000aaaa"
LIST: dict[str, Any] = {"case_ids": [CASE]}
REASONED = {**LIST, "reason": "because"}

# Path, body, and who may; everybody else of the staff and every insured person may not.
MAY: list[tuple[str, dict[str, Any], set[Role]]] = [
    ("/materials/requests", {**LIST, "items": ["IDENTITY_DOCUMENT"]}, {Role.MAKER}),
    ("/cancellations/proposals", REASONED, {Role.MAKER}),
    ("/cancellations/approvals", LIST, {Role.CHECKER}),
    ("/letters/proposals", REASONED, {Role.MAKER}),
    ("/letters/approvals", LIST, {Role.CHECKER}),
    ("/closures", REASONED, {Role.MAKER}),
    ("/reminders", LIST, {Role.MAKER, Role.CHECKER}),
    ("/escalations", LIST, {Role.MAKER, Role.CHECKER}),
    ("/questions", {"case_id": CASE, "text": "where?"}, {Role.MAKER, Role.CHECKER}),
    ("/answers", {"case_id": CASE, "question_id": QUESTION, "text": "there"}, {Role.MAKER, Role.CHECKER}),
    ("/agreements/proposals", {"case_id": CASE, "question_id": QUESTION, "reason": "because"}, {Role.MAKER}),
    ("/agreements/approvals", LIST, {Role.CHECKER}),
    ("/corrections/proposals", LIST, {Role.MAKER}),
    ("/corrections/approvals", LIST, {Role.CHECKER}),
    ("/recalls/proposals", {**REASONED, "agreed": True}, {Role.MAKER}),
    ("/recalls/approvals", LIST, {Role.CHECKER}),
    ("/duplicates/proposals", {**LIST, "kept": "own"}, {Role.MAKER}),
    ("/duplicates/approvals", LIST, {Role.CHECKER}),
    ("/deaths", {**LIST, "died_on": "2024-05-01"}, {Role.MAKER, Role.CHECKER}),
    ("/settlements/proposals", LIST, {Role.MAKER}),
    ("/settlements/approvals", LIST, {Role.CHECKER}),
]
STAFF = (Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR, Role.AUDITOR)


@pytest.fixture
async def insured(http: Http) -> str:
    """The token of the story's person."""
    return http.issued.insured("33", (await http.here.at.record(ID_NUMBER)).person_ref)


def staff(http: Http, role: Role, name: str = "") -> str:
    return http.issued.staff("33", role, name=name)


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def test_each_verb_is_for_its_role_alone_and_an_unknown_case_is_named_in_its_row(http: Http, insured: str) -> None:
    for path, body, may in MAY:
        for role in STAFF:
            answer = await http.call("POST", path, staff(http, role), body)
            if role in may:
                assert answer.status_code == 200, (path, role, answer.text)
                assert [row["code"] for row in answer.json()["rows"]] == ["NO_SUCH_CASE"], path
            else:
                assert answer.status_code == 403, (path, role)
        assert (await http.call("POST", path, insured, body)).status_code == 403, path
    assert await http.here.at.told() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/materials/requests", {**LIST, "items": []}),
        ("/letters/proposals", {**REASONED, "name": "half an identity"}),
        ("/letters/proposals", {"case_ids": [CASE, QUESTION], "reason": "because", "name": "x", "id_number": "4" * 18}),
        ("/letters/proposals", {**REASONED, "origin_division": "41"}),
        ("/closures", {**LIST, "reason": ""}),
        ("/questions", {"case_id": CASE, "text": ""}),
        ("/duplicates/proposals", {**LIST, "kept": "both"}),
        ("/deaths", {**LIST, "died_on": "yesterday"}),
        ("/deaths", {**LIST, "died_on": "2024-05-01", "fee_paid": True}),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_happens(http: Http, path: str, body: dict[str, Any]) -> None:
    answer = await http.call("POST", path, staff(http, Role.MAKER), body)

    assert problem(answer) == (422, "INVALID_INPUT")
    assert "half an identity" not in answer.text


async def test_a_person_is_asked_sees_the_list_and_hands_it_in(http: Http, insured: str) -> None:
    case_id = (await http.call("POST", "/applications", insured, wish())).json()["case_id"]
    asked = {"case_ids": [case_id], "items": ["IDENTITY_DOCUMENT", "PROXY_AUTHORISATION"]}
    maker, headers = staff(http, Role.MAKER), {"Idempotency-Key": "ask-1"}

    first = await http.call("POST", "/materials/requests", maker, asked, headers=headers)
    again = await http.call("POST", "/materials/requests", maker, asked, headers=headers)
    seen = (await http.call("GET", f"/cases/{case_id}", insured)).json()
    half = await http.call("POST", f"/cases/{case_id}/material", insured, {"items": ["IDENTITY_DOCUMENT"]})
    whole = await http.call("POST", f"/cases/{case_id}/material", insured, {"items": asked["items"]})

    assert first.json() == again.json()
    assert [item["code"] for item in seen["material"]] == asked["items"]
    assert problem(half) == (409, "MATERIAL_INCOMPLETE")
    assert half.json()["legal_basis"] == "社会保险经办条例 第三十一条"
    assert whole.json()["done"] == 1
    assert (await http.call("GET", f"/cases/{case_id}", insured)).json()["status"] == "REVIEWING"


async def test_what_may_be_asked_for_is_a_list_with_its_laws_and_nothing_else_is_asked_for(http: Http) -> None:
    [case_id] = await http.here.applied()
    maker = staff(http, Role.MAKER)

    offered = (await http.call("GET", "/materials", maker)).json()
    refused = await http.call("POST", "/materials/requests", maker, {"case_ids": [case_id], "items": ["PROOF_OF_SURVIVAL"]})

    assert {item["code"] for item in offered} >= {"IDENTITY_DOCUMENT", "APPLICATION_DATA"}
    assert all(item["legal_basis"] and item["text"]["zh-CN"] and item["text"]["en"] for item in offered)
    assert problem(refused) == (422, "MATERIAL_UNKNOWN")


async def test_nobody_hands_in_for_a_stranger(http: Http) -> None:
    [case_id] = await http.here.applied()
    await http.here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT"])
    stranger = http.issued.insured("33", new_id())

    for path, body in (("material", {"items": ["IDENTITY_DOCUMENT"]}), ("duplicates", {"kept": "own"})):
        assert problem(await http.call("POST", f"/cases/{case_id}/{path}", stranger, body)) == (404, "NO_SUCH_CASE")
    assert (await http.here.case(case_id)).state is State.NEED_MATERIAL


async def test_a_choice_where_nothing_was_paid_twice_is_refused_by_name(http: Http, insured: str) -> None:
    case_id = (await http.call("POST", "/applications", insured, wish())).json()["case_id"]

    answer = await http.call("POST", f"/cases/{case_id}/duplicates", insured, {"kept": "own"})

    assert problem(answer) == (409, "NOT_NOW")


async def test_two_persons_correct_a_letter_over_http_and_its_place_is_checked_first(http: Http) -> None:
    [case_id] = await http.here.admitted()
    await http.here.returned(case_id)
    maker, checker = staff(http, Role.MAKER), staff(http, Role.CHECKER)
    wish_ = {"case_ids": [case_id], "reason": "paid in Henan", "origin_division": "990000"}

    nowhere = await http.call("POST", "/letters/proposals", maker, wish_)
    proposed = await http.call("POST", "/letters/proposals", maker, {**wish_, "origin_division": "410100"})
    approved = await http.call("POST", "/letters/approvals", checker, {"case_ids": [case_id]})

    assert problem(nowhere) == (422, "UNKNOWN_PROVINCE")
    assert (proposed.json()["done"], approved.json()["done"]) == (1, 1)
    assert (await http.here.case(case_id)).origin == "41"


async def test_the_words_of_questions_are_for_the_staff(http: Http, insured: str) -> None:
    [case_id] = await http.here.admitted()
    theirs = Question(
        letter_no=(await http.here.letter(case_id)).letter_no, question_id=QUESTION, kind="other", text="since when?"
    )
    await http.here.hear(http.here.arriving(QuestionToDestinationDocument, theirs, case_id))
    checker = staff(http, Role.CHECKER)

    waiting = (await http.call("GET", "/cases?unanswered=true", checker)).json()
    asked = await http.call("POST", "/questions", checker, {"case_id": case_id, "kind": "SHORT", "text": "how much?"})
    await http.call("POST", "/answers", checker, {"case_id": case_id, "question_id": QUESTION, "text": "since April"})
    found = (await http.call("GET", f"/cases/{case_id}/questions", staff(http, Role.AUDITOR))).json()

    assert [(row["case_id"], row["unanswered"]) for row in waiting] == [(case_id, 1)]
    assert (await http.call("GET", "/cases?unanswered=true", checker)).json() == []
    today = date(2024, 5, 6).isoformat()
    assert [(each["asked_by"], each["kind"], each["text"], each["answer"]) for each in found] == [
        ("44", "other", "since when?", "since April"),
        ("33", "SHORT", "how much?", None),
    ]
    assert (found[0]["asked_on"], found[0]["answered_on"]) == (today, today)
    assert found[1]["question_id"] == asked.json()["rows"][0]["code"]
    assert (await http.call("GET", f"/cases/{case_id}/questions", insured)).status_code == 403
    assert problem(await http.call("GET", f"/cases/{CASE}/questions", checker)) == (404, "NO_SUCH_CASE")
    assert (await http.call("GET", f"/cases/{CASE}/questions", insured)).status_code == 403


async def test_a_clock_that_stands_has_no_due_date_on_the_work_list(http: Http) -> None:
    [case_id] = await http.here.applied()
    await http.here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT"])

    [row] = (await http.call("GET", "/cases?state=NEED_MATERIAL", staff(http, Role.CHECKER))).json()

    assert (row["case_id"], row["due_on"]) == (case_id, None)
