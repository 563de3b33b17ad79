"""The routes beside the smooth course: who may, what each answers, and that a repeat under its key is answered the same."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.envelope import new_id
from contracts.events import QuestionAsked
from services.runtime.identity import Role
from tests.agencies import a_letter, known_in, somebody
from tests.builders import CASE
from tests.integration.origin_agency.test_afterwards import DIFFERENCE_FEN, raise_2022
from tests.integration.origin_agency.test_api import Counter, code_of
from tests.integration.origin_agency.test_api import counter as counter

HE = known_in("44")
LIST = {"case_ids": [CASE]}
WHY = "the base of 2022 was 5,500"
CLERKS = frozenset({Role.MAKER, Role.CHECKER})
QUESTION = {"case_id": CASE, "text": "Was it paid?"}
ANSWER = {"case_id": CASE, "question_id": CASE, "text": "It was."}
CALLS: list[tuple[str, str, Any, frozenset[Role]]] = [
    ("POST", "/amendments/proposals", {**LIST, "reason": WHY}, frozenset({Role.MAKER})),
    ("POST", "/amendments/approvals", LIST, frozenset({Role.CHECKER})),
    ("POST", "/recalls/proposals", {**LIST, "code": "RECALL_NEVER_DUE", "reason": WHY}, frozenset({Role.MAKER})),
    ("POST", "/recalls/approvals", LIST, frozenset({Role.CHECKER})),
    ("POST", "/questions", QUESTION, CLERKS),
    ("POST", "/answers", ANSWER, CLERKS),
    ("GET", f"/cases/{CASE}/questions", None, CLERKS | {Role.FUND_DESK, Role.OPERATOR}),
    ("POST", "/deaths", {**LIST, "died_on": "2024-05-05"}, CLERKS),
    ("POST", "/settlements/proposals", LIST, frozenset({Role.MAKER})),
    ("POST", "/settlements/approvals", LIST, frozenset({Role.CHECKER})),
    ("POST", "/notices/proposals", LIST, frozenset({Role.MAKER})),
    ("POST", "/notices/approvals", LIST, frozenset({Role.CHECKER})),
    ("POST", "/arrears", {**LIST, "pay_until": "2024-05-20"}, frozenset({Role.MAKER})),
    ("POST", "/escalations", LIST, CLERKS),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[path[1:24] for _, path, _, _ in CALLS])
async def test_each_call_is_for_its_roles_of_this_province_alone(
    counter: Counter, method: str, path: str, body: Any, allowed: frozenset[Role]
) -> None:
    answers = {role: await counter.http.request(method, path, json=body, headers=counter.bearer(role)) for role in Role}
    elsewhere = await counter.http.request(method, path, json=body, headers=counter.bearer(next(iter(allowed)), "33"))
    nobody = await counter.http.request(method, path, json=body)

    assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed
    assert {answer.status_code for role, answer in answers.items() if role in allowed} <= {200, 404}
    assert code_of(elsewhere) == (403, "WRONG_PROVINCE")
    assert code_of(nobody) == (401, "TOKEN_MISSING")


async def test_a_form_is_amended_over_http_and_the_case_shows_what_it_waits_for(counter: Counter) -> None:
    await counter.imported(HE)
    [case_id] = await counter.origin.remitted(HE)
    await raise_2022(counter.origin)

    proposed = await counter.post("/amendments/proposals", Role.MAKER, {"case_ids": [case_id], "reason": WHY})
    waiting = (await counter.http.get(f"/cases/{case_id}", headers=counter.bearer(Role.CHECKER))).json()
    approved = await counter.act("/amendments/approvals", Role.CHECKER, case_id)
    done = (await counter.http.get(f"/cases/{case_id}", headers=counter.bearer(Role.CHECKER))).json()

    assert proposed.json()["done"] == 1
    assert (waiting["wish"]["kind"], waiting["wish"]["reason"], waiting["form_version"]) == ("amendment", WHY, 1)
    assert approved["rows"][0]["code"] == "FORM_ISSUED"
    assert (done["form_version"], done["wish"], done["to_remit_fen"]) == (2, None, DIFFERENCE_FEN)


async def test_what_stays_is_told_over_http_and_the_case_shows_until_when_it_must_be(counter: Counter) -> None:
    rows = tuple(
        replace(HE.contributions[0], start=f"{year}-01", end=f"{year}-12", kind="one_off", paid_on=date(2018, 6, 1))
        for year in (2015, 2016, 2017)
    )
    person = somebody(1, rows=(*rows, *HE.contributions), first_insured_on=date(2015, 1, 1))
    await counter.imported(person)
    case_id = await counter.origin.holding(a_letter(person))

    waiting = (await counter.http.get(f"/cases/{case_id}", headers=counter.bearer(Role.CHECKER))).json()
    [line] = (await counter.http.get("/cases", headers=counter.bearer(Role.CHECKER))).json()
    await counter.act("/notices/proposals", Role.MAKER, case_id)
    approved = await counter.act("/notices/approvals", Role.CHECKER, case_id)
    told = (await counter.http.get(f"/cases/{case_id}", headers=counter.bearer(Role.CHECKER))).json()

    assert waiting["not_movable_notice"] == {"due_on": "2024-05-17", "late": False, "told": False}
    assert line["notice_due_on"] == "2024-05-17"
    assert approved["rows"][0]["result"] == "done"
    assert told["not_movable_notice"] == {"due_on": None, "late": False, "told": True}


async def test_a_soft_return_over_http_says_until_when_it_can_be_cured(counter: Counter) -> None:
    case_id = await counter.origin.holding()
    wish = {"case_ids": [case_id], "cure_days": 5, "right_division": "445200", "note": "moved to Jieyang"}

    proposed = await counter.post("/handlings/proposals", Role.MAKER, wish)
    hard = await counter.post("/handlings/proposals", Role.MAKER, {**wish, "return_code": "PERSON_DECEASED"})

    assert proposed.json()["rows"][0]["code"] == "NO_RELATIONSHIP"
    [row] = hard.json()["rows"]
    assert (row["result"], row["code"]) == ("refused", "NOT_CURABLE")
    shown = (await counter.http.get(f"/cases/{case_id}", headers=counter.bearer(Role.MAKER))).json()
    assert (shown["proposal"]["cure_days"], shown["proposal"]["right_division"]) == (5, "445200")


async def test_a_question_is_asked_once_for_its_key_and_read_with_its_words(counter: Counter) -> None:
    case_id = await counter.origin.holding()
    wish = {"case_id": case_id, "kind": "MONTHS_DIFFER", "text": "Was it paid?"}
    key = new_id()

    first = await counter.post("/questions", Role.MAKER, wish, key=key)
    second = await counter.post("/questions", Role.MAKER, wish, key=key)
    other = await counter.post("/questions", Role.MAKER, {**wish, "text": "Was it?"}, key=key)
    read = await counter.http.get(f"/cases/{case_id}/questions", headers=counter.bearer(Role.CHECKER))

    assert first.json() == second.json()
    assert other.status_code in (409, 422)
    assert len(await counter.origin.at.facts(QuestionAsked)) == 1
    assert [(each["asked_by"], each["text"], each["answer"]) for each in read.json()] == [("44", "Was it paid?", None)]


@pytest.mark.parametrize(
    ("path", "role", "body", "code"),
    [
        ("/recalls/proposals", Role.MAKER, {**LIST, "code": "STILL_CONTRIBUTING", "reason": WHY}, "UNKNOWN_CODE"),
        (
            "/notices/proposals",
            Role.MAKER,
            {**LIST, "papers": [{"kind": "HOUSEHOLD_REGISTER", "dated": "2018-03-01", "issuer": "court"}]},
            "PAPER_INVALID",
        ),
        ("/arrears", Role.MAKER, {**LIST, "pay_until": "2024-05-05"}, "PAY_UNTIL_PAST"),
        ("/handlings/proposals", Role.MAKER, {**LIST, "return_code": "SAME_PROVINCE"}, "UNKNOWN_CODE"),
        (
            "/handlings/proposals",
            Role.MAKER,
            {**LIST, "papers": [{"kind": "HOUSEHOLD_REGISTER", "dated": "2018-03-01", "issuer": "court"}]},
            "PAPER_INVALID",
        ),
        ("/amendments/proposals", Role.MAKER, {**LIST, "reason": ""}, "INVALID_INPUT"),
        ("/deaths", Role.MAKER, {**LIST, "died_on": "2024-05-05", "reported_by": "other_agency"}, "INVALID_INPUT"),
        ("/handlings/proposals", Role.MAKER, {**LIST, "cure_days": 0}, "INVALID_INPUT"),
    ],
    ids=["recall code", "notice paper", "past", "return code", "paper", "no reason", "source", "no days"],
)
async def test_what_no_row_can_mean_is_refused_by_name_as_a_whole(
    counter: Counter, path: str, role: Role, body: Any, code: str
) -> None:
    answer = await counter.post(path, role, body)

    assert code_of(answer) == (422, code)


async def test_questions_of_no_case_are_not_found(counter: Counter) -> None:
    answer = await counter.http.get(f"/cases/{new_id()}/questions", headers=counter.bearer(Role.MAKER))

    assert code_of(answer) == (404, "NO_SUCH_CASE")
