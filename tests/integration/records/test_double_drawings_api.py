"""Double drawings over HTTP: who may say what, and what the answer explains."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import httpx
import pytest

from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.origin_agency.store import transferring
from services.records.double_drawings import DoubleDrawings
from services.records.double_drawings_api import add_routes
from services.runtime.http import make_api
from services.runtime.identity import STAFF, Role, TokenVerifier
from tests.agencies import InProcess, known_in
from tests.builders import CASE

HE = known_in("44")
HE = replace(HE, person=replace(HE.person, drawing_since=date(2024, 4, 1)))


@dataclass
class Counter:
    at: InProcess
    http: httpx.AsyncClient
    stack: Stack

    async def ask(self, method: str, path: str, role: Role, body: Any = None, *, province: str = "44") -> httpx.Response:
        issued = tokens(self.stack.home)
        token = issued.insured(province, CASE) if role is Role.INSURED else issued.staff(province, role)
        return await self.http.request(method, path, json=body, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
async def counter(at: InProcess, stack: Stack) -> AsyncIterator[Counter]:
    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("records", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
    add_routes(api, DoubleDrawings(at.database, at.agency, at.ring, transferring), "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://records") as http:
        yield Counter(at, http, stack)


def wish(person_ref: str = CASE, **more: Any) -> dict[str, Any]:
    usual = {"keeps": "33", "kept_monthly_fen": 300_000, "monthly_fen": 400_000, "paid_twice_fen": 2_000_000}
    return {"person_ref": person_ref, **usual, **more}


CALLS: list[tuple[str, str, Any, set[Role]]] = [
    ("POST", "/records/double-drawings", wish(), {Role.MAKER}),
    ("POST", "/records/double-drawings/approvals", {"settlement_ids": [CASE]}, {Role.CHECKER}),
    ("POST", f"/records/double-drawings/{CASE}/withdrawals", None, {Role.MAKER}),
    ("GET", "/records/double-drawings", None, {*STAFF, Role.AUDITOR}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[f"{call[0]} {call[1][-12:]}" for call in CALLS])
async def test_each_call_is_for_its_roles_of_this_province_alone(
    counter: Counter, method: str, path: str, body: Any, allowed: set[Role]
) -> None:
    answers = {role: await counter.ask(method, path, role, body) for role in Role}
    elsewhere = await counter.ask(method, path, next(iter(allowed)), body, province="33")

    assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed
    assert elsewhere.json()["code"] == "WRONG_PROVINCE"


async def test_the_answer_says_where_every_fen_comes_from_and_why(counter: Counter) -> None:
    """20,000.00 less 12,479.86 is 7,520.14; of 3,000.00 a month 600.00 are taken: twelve times and 320.14."""
    await counter.at.importing(HE)
    ref = (await counter.at.record(HE.person.id_number)).person_ref

    proposed = await counter.ask("POST", "/records/double-drawings", Role.MAKER, wish(ref))
    twice = await counter.ask("POST", "/records/double-drawings", Role.MAKER, wish(ref))
    found = proposed.json()
    ids = {"settlement_ids": [found["settlement_id"]]}
    listed = await counter.ask("GET", "/records/double-drawings", Role.AUDITOR)
    approved = await counter.ask("POST", "/records/double-drawings/approvals", Role.CHECKER, ids)
    late = await counter.ask("POST", f"/records/double-drawings/{found['settlement_id']}/withdrawals", Role.MAKER)

    assert proposed.status_code == 201
    assert (found["set_off_fen"], found["paid_out_fen"]) == (1_247_986, 0)
    assert (found["deduction_months"], found["deduction_monthly_fen"], found["deduction_last_fen"]) == (13, 60_000, 32_014)
    assert [reason["code"] for reason in found["reasons"]] == ["DOUBLE_KEEP_ONE", "DOUBLE_SET_OFF", "DOUBLE_MONTHLY"]
    assert all(reason["legal_basis"] and reason["zh-CN"] and reason["en"] for reason in found["reasons"])
    assert (twice.status_code, twice.json()["code"]) == (409, "SETTLEMENT_OPEN")
    assert [(row["settlement_id"], row["state"], row["keeps"]) for row in listed.json()] == [
        (found["settlement_id"], "proposed", "33")
    ]
    assert "2000000" not in listed.text
    assert approved.json()["done"] == 1
    assert (late.status_code, late.json()["code"]) == (409, "NOT_NOW")
    assert await counter.at.balance_fen(ref) == 0


async def test_whoever_is_not_on_record_or_settles_nothing_is_answered_by_name(counter: Counter) -> None:
    unknown = await counter.ask("POST", "/records/double-drawings", Role.MAKER, wish())
    missing = await counter.ask("POST", f"/records/double-drawings/{CASE}/withdrawals", Role.MAKER)

    assert (unknown.status_code, unknown.json()["code"]) == (404, "NO_RELATIONSHIP")
    assert (missing.status_code, missing.json()["code"]) == (404, "NO_SUCH_SETTLEMENT")
