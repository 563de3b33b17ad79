"""The destination agency over HTTP: who may do what, what a person sees, and what a bad request is told."""

import asyncio
import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import httpx
import pytest

from contracts.events import Applied
from services.destination_agency import store
from services.destination_agency.case import State
from services.runtime.database import Transaction
from services.runtime.identity import Role
from tests.agencies import tables
from tests.integration.destination_agency.conftest import ID_NUMBER, NAME, PROXY, Http, wish

UNKNOWN = "018f4c1e-0000-7000-8000-00000000ffff"
LISTS = ("admissions", "completions", "surpluses")


@pytest.fixture
async def insured(http: Http) -> str:
    """The token of the story's person."""
    return http.issued.insured("33", (await http.here.at.record(ID_NUMBER)).person_ref)


def staff(http: Http, role: Role, province: str = "33", name: str = "") -> str:
    return http.issued.staff(province, role, name=name)


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def test_a_person_applies_and_is_shown_where_it_is_and_until_when(http: Http, insured: str) -> None:
    answer = await http.call("POST", "/applications", insured, wish())

    case = (await http.call("GET", f"/cases/{answer.json()['case_id']}", insured)).json()
    assert answer.status_code == 201
    assert (case["status"], case["step"], case["steps"], case["holder"]) == ("SUBMITTED", 1, 5, "33")
    assert (case["due_on"], case["working_days_left"], case["overdue"]) == ("2024-05-24", 15, False)
    assert (case["holder_name"], case["holder_phone"]) == ("agency of 33", "0330-12333")
    assert set(case["text"]) == set(case["to_do"]) == {"zh-CN", "en"}
    assert case["as_of"].startswith("2024-05-06T09:00")


async def test_a_second_application_is_answered_with_the_case_that_is_open(http: Http, insured: str) -> None:
    first = await http.call("POST", "/applications", insured, wish())

    again = await http.call("POST", "/applications", insured, wish())

    assert (again.status_code, again.json()["code"]) == (200, "DUPLICATE_APPLICATION")
    assert again.json()["case_id"] == first.json()["case_id"]


async def test_two_windows_at_the_same_moment_are_answered_with_one_case(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    really, both, calls = store.open_cases, asyncio.Barrier(2), []

    async def at_the_same_moment(tx: Transaction, open_keys: Sequence[bytes]) -> dict[bytes, tuple[str, str]]:
        found = await really(tx, open_keys)
        calls.append(dict(found))
        if len(calls) <= 2:
            await both.wait()  # neither has seen the other's case
        return found

    monkeypatch.setattr(store, "open_cases", at_the_same_moment)
    token = staff(http, Role.MAKER)
    answers = await asyncio.gather(*(http.call("POST", "/applications", token, wish()) for _ in range(2)))

    assert calls[:2] == [{}, {}]
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert len({answer.json()["case_id"] for answer in answers}) == 1
    assert len(await http.here.at.facts(Applied)) == 1


async def test_the_same_key_and_body_are_answered_the_same(http: Http, insured: str) -> None:
    headers = {"Idempotency-Key": "k-1"}

    first = await http.call("POST", "/applications", insured, wish(), headers=headers)
    again = await http.call("POST", "/applications", insured, wish(), headers=headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_the_same_key_with_another_body_is_refused_by_name(http: Http, insured: str) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await http.call("POST", "/applications", insured, wish(), headers=headers)

    other = await http.call("POST", "/applications", insured, wish(origin_division="410100"), headers=headers)

    assert problem(other) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(await http.here.at.facts(Applied)) == 1


async def test_a_key_belongs_to_its_caller_alone(http: Http, insured: str) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await http.call("POST", "/applications", insured, wish(), headers=headers)

    clerk = await http.call("POST", "/applications", staff(http, Role.MAKER), wish(origin_division="410100"), headers=headers)

    assert clerk.status_code == 201


async def test_a_list_with_the_same_key_is_answered_the_same_and_done_once(http: Http) -> None:
    [case_id] = await http.here.applied()
    token, headers, body = staff(http, Role.MAKER), {"Idempotency-Key": "list-1"}, {"case_ids": [case_id]}
    first = await http.call("POST", "/admissions/proposals", token, body, headers=headers)
    await http.call("POST", "/admissions/approvals", staff(http, Role.CHECKER), body)

    again = await http.call("POST", "/admissions/proposals", token, body, headers=headers)

    assert first.json() == again.json()
    assert again.json()["done"] == 1


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"id_number": "410105199003159990"}, "ID_NUMBER_INVALID", "id_number"),
        ({"id_number": "4101051990031599AB"}, "ID_NUMBER_INVALID", "id_number"),
        ({"id_number": "41"}, "INVALID_INPUT", "id_number"),
        ({"origin_division": "990000"}, "UNKNOWN_PROVINCE", "origin_division"),
        ({"origin_division": "44"}, "INVALID_INPUT", "origin_division"),
        ({"destination_division": "440100"}, "WRONG_DESTINATION", "destination_division"),
        ({"origin_division": "110000"}, "PROVINCE_NOT_CONNECTED", "origin_division"),
        ({"name": ""}, "INVALID_INPUT", "name"),
        ({"email": "nobody"}, "INVALID_INPUT", "email"),
        ({"language": "fr"}, "INVALID_INPUT", "language"),
        ({"fee_paid": True}, "INVALID_INPUT", "fee_paid"),
    ],
)
async def test_bad_input_is_refused_by_name_field_and_remedy(http: Http, changed: dict[str, Any], code: str, field: str) -> None:
    answer = await http.call("POST", "/applications", staff(http, Role.MAKER), wish(**changed))

    body = answer.json()
    assert problem(answer) == (422, code)
    assert field in (body.get("field"), *(error["field"] for error in body.get("errors", ())))
    assert body["remedy"]
    assert await http.here.at.told() == []


async def test_a_refusal_does_not_repeat_the_identity_number(http: Http) -> None:
    answer = await http.call("POST", "/applications", staff(http, Role.MAKER), wish(id_number="410105199003159990"))

    assert "410105199003159990" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"rows": 1}', b"\xff\xfe", b'{"id_number": "\\ud800"}'])
@pytest.mark.parametrize("path", ["/applications", "/application-batches", "/admissions/proposals"])
async def test_what_is_not_what_it_should_be_is_a_refusal_and_never_an_error_of_ours(http: Http, path: str, body: bytes) -> None:
    headers = {"authorization": f"Bearer {staff(http, Role.MAKER)}", "content-type": "application/json"}

    answer = await http.client.post(path, content=body, headers=headers)

    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("text", ["\ud800", "a\x00b"], ids=["half a character", "a NUL"])
async def test_no_character_in_a_name_breaks_the_service(http: Http, text: str) -> None:
    headers = {"authorization": f"Bearer {staff(http, Role.MAKER)}", "content-type": "application/json"}

    single = await http.client.post("/applications", content=json.dumps(wish(name=text)), headers=headers)
    many = await http.client.post("/application-batches", content=json.dumps({"rows": [wish(name=text)]}), headers=headers)

    assert single.status_code < 500
    assert many.status_code < 500


async def test_a_body_above_the_limit_is_refused_before_it_is_read(http: Http) -> None:
    rows = [{"name": "x" * 1_000_000}] * 17

    answer = await http.call("POST", "/application-batches", staff(http, Role.EMPLOYER), {"rows": rows})

    assert problem(answer) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("role", "province", "code"),
    [
        (Role.MAKER, "44", "WRONG_PROVINCE"),
        (Role.AUDITOR, "00", "WRONG_ROLE"),
        (Role.CHECKER, "33", "WRONG_ROLE"),
        (Role.FUND_DESK, "33", "WRONG_ROLE"),
        (Role.OPERATOR, "33", "WRONG_ROLE"),
    ],
)
async def test_only_a_person_an_employer_or_a_maker_of_this_province_applies(
    http: Http, role: Role, province: str, code: str
) -> None:
    answer = await http.call("POST", "/applications", staff(http, role, province), wish())

    assert answer.status_code == 403
    # The ministry's auditor is of another province as well; either name says why.
    assert answer.json()["code"] in (code, "WRONG_PROVINCE")


@pytest.mark.parametrize("what", LISTS)
@pytest.mark.parametrize("role", [Role.INSURED, Role.EMPLOYER, Role.OPERATOR, Role.AUDITOR])
async def test_lists_are_for_those_who_decide(http: Http, what: str, role: Role) -> None:
    body = {"case_ids": [UNKNOWN]}

    proposed = await http.call("POST", f"/{what}/proposals", staff(http, role), body)
    approved = await http.call("POST", f"/{what}/approvals", staff(http, role), body)

    assert problem(proposed) == problem(approved) == (403, "WRONG_ROLE")


@pytest.mark.parametrize("what", LISTS)
async def test_proposing_is_no_approving(http: Http, what: str) -> None:
    proposer = Role.FUND_DESK if what == "surpluses" else Role.MAKER

    approved = await http.call("POST", f"/{what}/approvals", staff(http, proposer), {"case_ids": [UNKNOWN]})
    proposed = await http.call("POST", f"/{what}/proposals", staff(http, Role.CHECKER), {"case_ids": [UNKNOWN]})

    assert problem(approved) == problem(proposed) == (403, "WRONG_ROLE")


async def test_no_token_a_forged_one_and_another_province_s_are_refused_by_name(http: Http) -> None:
    none = await http.client.get("/cases")
    forged = await http.call("GET", "/cases", "a.b.c")
    foreign = await http.call("GET", "/cases", staff(http, Role.MAKER, "44"))

    assert problem(none) == (401, "TOKEN_MISSING")
    assert problem(forged) == (401, "TOKEN_REFUSED")
    assert problem(foreign) == (403, "WRONG_PROVINCE")


async def test_one_person_with_both_roles_is_still_one_person(http: Http) -> None:
    [case_id] = await http.here.applied()
    both = http.issued.staff("33", Role.MAKER, Role.CHECKER, name="zhang")
    await http.call("POST", "/admissions/proposals", both, {"case_ids": [case_id]})

    answer = await http.call("POST", "/admissions/approvals", both, {"case_ids": [case_id]})

    [row] = answer.json()["rows"]
    assert (row["result"], row["code"]) == ("refused", "SAME_PERSON")
    assert row["legal_basis"] == "社会保险经办条例 第三十七条"
    assert row["remedy"]
    assert (await http.here.case(case_id)).state is State.ADMISSION_PROPOSED


async def test_a_list_is_answered_row_by_row(http: Http) -> None:
    [case_id] = await http.here.applied()

    answer = await http.call("POST", "/admissions/proposals", staff(http, Role.MAKER), {"case_ids": [UNKNOWN, case_id]})

    rows = answer.json()["rows"]
    assert (answer.json()["done"], answer.json()["refused"]) == (1, 1)
    assert [(row["case_id"], row["code"]) for row in rows] == [(UNKNOWN, "NO_SUCH_CASE"), (case_id, "K4")]


async def test_a_refused_person_reads_reason_legal_basis_and_remedy_in_both_languages(http: Http, insured: str) -> None:
    [case_id] = await http.here.applied(wish(name="陈志近"))
    await http.here.desk.propose_admissions([case_id], "maker-33")
    await http.here.desk.approve_admissions([case_id], "checker-33")

    case = (await http.call("GET", f"/cases/{case_id}", insured)).json()

    assert (case["status"], case["code"]) == ("REJECTED", "IDENTITY_MISMATCH")
    assert set(case["reason"]) == set(case["remedy"]) == {"zh-CN", "en"}
    assert all([*case["reason"].values(), *case["remedy"].values(), case["legal_basis"]])


async def test_a_person_sees_the_own_case_alone(http: Http) -> None:
    [case_id] = await http.here.applied()

    other = await http.call("GET", f"/cases/{case_id}", http.issued.insured("33", UNKNOWN))
    nobody = await http.call("GET", f"/cases/{UNKNOWN}", staff(http, Role.MAKER))

    assert problem(other) == problem(nobody) == (404, "NO_SUCH_CASE")
    assert other.json()["detail"] == nobody.json()["detail"]


async def test_amounts_are_for_the_owner_and_the_staff_and_for_nobody_else(http: Http, insured: str) -> None:
    employer = staff(http, Role.EMPLOYER)
    case_id = (await http.call("POST", "/applications", employer, wish())).json()["case_id"]
    await http.here.desk.propose_admissions([case_id], "maker-33")
    await http.here.desk.approve_admissions([case_id], "checker-33")
    form = await http.here.form_comes(case_id)

    owner = (await http.call("GET", f"/cases/{case_id}", insured)).json()
    clerk = (await http.call("GET", f"/cases/{case_id}", staff(http, Role.CHECKER))).json()
    handed_in = await http.call("GET", f"/cases/{case_id}", employer)
    another = await http.call("GET", f"/cases/{case_id}", staff(http, Role.EMPLOYER, name="employer-b"))

    assert owner["items"] == clerk["items"] == form.items.model_dump()
    assert owner["months"] == 27
    assert handed_in.json()["status"] == "FUND_IN_TRANSIT"
    assert "items" not in handed_in.json()
    assert str(form.items.total_fen) not in handed_in.text
    assert problem(another) == (404, "NO_SUCH_CASE")


async def test_no_answer_about_a_case_holds_a_name_or_a_number(http: Http, insured: str) -> None:
    case_id = await http.here.booking()

    shown = await http.call("GET", f"/cases/{case_id}", insured)
    listed = await http.call("GET", "/cases", staff(http, Role.MAKER))

    assert [text for text in (ID_NUMBER, NAME) if text in shown.text + listed.text] == []


async def test_the_work_list_shows_what_waits_and_what_is_late(http: Http) -> None:
    [case_id] = await http.here.applied()
    token = staff(http, Role.AUDITOR)
    http.here.at.move(days=40)
    await http.here.desk.look_at_clocks()

    waiting = (await http.call("GET", "/cases", token, params={"state": "REVIEWING"})).json()
    late = (await http.call("GET", "/cases", token, params={"overdue": "true"})).json()
    booked = (await http.call("GET", "/cases", token, params={"state": "BOOKING"})).json()

    assert [row["case_id"] for row in waiting] == [row["case_id"] for row in late] == [case_id]
    assert late[0]["breached"]
    assert booked == []


async def test_a_withdrawal_before_the_letter_ends_the_case(http: Http, insured: str) -> None:
    case_id = (await http.call("POST", "/applications", insured, wish())).json()["case_id"]

    answer = await http.call("POST", f"/cases/{case_id}/withdrawal", insured)

    assert answer.status_code == 200
    assert (await http.here.case(case_id)).state is State.CANCELLED


async def test_a_withdrawal_after_the_form_is_too_late_and_says_what_helps(http: Http, insured: str) -> None:
    case_id = await http.here.booking()

    answer = await http.call("POST", f"/cases/{case_id}/withdrawal", insured)

    assert problem(answer) == (409, "WITHDRAWAL_TOO_LATE")
    text = tables().refusal("WITHDRAWAL_TOO_LATE", date(2024, 5, 6))
    assert (answer.json()["legal_basis"], answer.json()["remedy_zh"]) == (text.legal_basis, text.remedy_zh)
    assert "new transfer" in answer.json()["remedy"]
    assert (await http.here.case(case_id)).state is State.BOOKING


async def test_nobody_withdraws_another_person_s_case(http: Http) -> None:
    [case_id] = await http.here.applied()

    person = await http.call("POST", f"/cases/{case_id}/withdrawal", http.issued.insured("33", UNKNOWN))
    clerk = await http.call("POST", f"/cases/{case_id}/withdrawal", staff(http, Role.CHECKER))

    assert problem(person) == problem(clerk) == (404, "NO_SUCH_CASE")
    assert (await http.here.case(case_id)).state is State.REVIEWING


async def test_cashing_out_is_refused_by_name_with_article_3(http: Http, insured: str) -> None:
    answer = await http.call("POST", "/surrenders", insured)

    body = answer.json()
    assert problem(answer) == (403, "SURRENDER_NOT_ALLOWED")
    assert "第三条" in body["legal_basis"]
    assert body["detail"]
    assert body["detail_zh"]
    assert body["remedy_zh"]


async def test_a_submission_of_ten_thousand_and_one_rows_is_refused(http: Http) -> None:
    token = staff(http, Role.EMPLOYER)

    too_many = await http.call("POST", "/application-batches", token, {"rows": [{}] * 10_001})
    none = await http.call("POST", "/application-batches", token, {"rows": []})

    assert problem(too_many) == problem(none) == (422, "INVALID_INPUT")
    assert await http.here.at.rows("SELECT FROM destination_agency.batches") == []


async def test_a_case_that_has_ended_is_not_said_to_be_too_late_to_withdraw(http: Http, insured: str) -> None:
    case_id = (await http.call("POST", "/applications", insured, wish())).json()["case_id"]
    await http.call("POST", f"/cases/{case_id}/withdrawal", insured)

    answer = await http.call("POST", f"/cases/{case_id}/withdrawal", insured)

    assert problem(answer) == (409, "NOT_NOW")
    assert all(answer.json()[each] for each in ("legal_basis", "remedy", "detail_zh", "remedy_zh"))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"id_number": "110101199003074515"}, "ID_NUMBER_INVALID"),
        ({"origin_division": "990100"}, "UNKNOWN_PROVINCE"),
        ({"destination_division": "440100"}, "WRONG_DESTINATION"),
        ({"proxy": {**PROXY, "id_number": "110101199003074515"}}, "ID_NUMBER_INVALID"),
        ({"materials": ["NO_SUCH_PAPER"]}, "INVALID_INPUT"),
    ],
    ids=["number", "former place", "new place", "number of the proxy", "material"],
)
async def test_an_application_is_refused_with_its_basis_and_remedy_alone_and_in_a_list(
    http: Http, wrong: dict[str, Any], code: str
) -> None:
    token = staff(http, Role.MAKER)
    batch_id = (await http.call("POST", "/application-batches", token, {"rows": [wish(**wrong)]})).json()["batch_id"]
    await http.here.batches._work_off(batch_id)

    alone = await http.call("POST", "/applications", token, wish(**wrong))
    [row] = (await http.call("GET", f"/application-batches/{batch_id}/rows", token)).json()

    text = tables().refusal(code, date(2024, 5, 6))
    assert problem(alone) == (422, code)
    for found in (alone.json(), row):
        assert found["code"] == code
        assert (found["legal_basis"], found["detail_zh"]) == (text.legal_basis, text.reason_zh)
        assert (found["remedy"], found["remedy_zh"]) == (text.remedy_en, text.remedy_zh)


async def test_an_employer_sees_the_own_submissions_alone(http: Http) -> None:
    token = staff(http, Role.EMPLOYER)
    batch_id = (await http.call("POST", "/application-batches", token, {"rows": [wish()]})).json()["batch_id"]

    own = await http.call("GET", f"/application-batches/{batch_id}", token)
    other = await http.call("GET", f"/application-batches/{batch_id}", staff(http, Role.EMPLOYER, name="employer-b"))
    rows = await http.call("GET", f"/application-batches/{batch_id}/rows", staff(http, Role.EMPLOYER, name="employer-b"))

    assert own.json() == {
        "batch_id": batch_id,
        "total": 1,
        "handled": 0,
        "accepted": 0,
        "refused": 0,
        "state": "running",
        "relocation": None,
    }
    assert problem(other) == problem(rows) == (404, "NO_SUCH_BATCH")


async def test_a_submission_with_the_same_key_is_kept_once(http: Http) -> None:
    token, headers = staff(http, Role.EMPLOYER), {"Idempotency-Key": "list-7"}

    first = await http.call("POST", "/application-batches", token, {"rows": [wish()]}, headers=headers)
    again = await http.call("POST", "/application-batches", token, {"rows": [wish()]}, headers=headers)
    other = await http.call("POST", "/application-batches", token, {"rows": [wish(), {}]}, headers=headers)

    assert first.json() == again.json()
    assert problem(other) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(await http.here.at.rows("SELECT FROM destination_agency.batches")) == 1
