"""Corrections over HTTP: the operator proposes and sees the difference, a checker approves, nobody else may."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.origin_agency.store import form_day
from services.records.corrections import Corrections
from services.records.corrections_api import add_routes
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.agencies import InProcess, known_in
from tests.builders import CASE

HE = known_in("44")
ROW = {"division": "440100", "start": "2022-01", "end": "2022-12", "monthly_wage_fen": 550_000, "employer_rate": "0.16"}
STAFF = {Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR}


@dataclass
class Counter:
    at: InProcess
    http: httpx.AsyncClient
    stack: Stack

    async def ask(self, method: str, path: str, role: Role, body: Any = None, *, province: str = "44") -> httpx.Response:
        token = tokens(self.stack.home).staff(province, role)
        return await self.http.request(method, path, json=body, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
async def counter(at: InProcess, stack: Stack) -> AsyncIterator[Counter]:
    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("records", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
    add_routes(api, Corrections(at.database, at.agency, at.ring, form_day), "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://records") as http:
        yield Counter(at, http, stack)


def wish(person_ref: str = CASE, **fields: Any) -> dict[str, Any]:
    return {"person_ref": person_ref, "year": 2022, "rows": [ROW], "reason": "the base was 5,500", **fields}


CALLS: list[tuple[str, str, Any, set[Role]]] = [
    ("POST", "/records/corrections", wish(), {Role.OPERATOR}),
    ("POST", "/records/corrections/approvals", {"correction_ids": [CASE]}, {Role.CHECKER}),
    ("POST", f"/records/corrections/{CASE}/withdrawals", None, {Role.OPERATOR}),
    ("GET", "/records/corrections", None, STAFF | {Role.AUDITOR}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[f"{call[0]} {call[1][20:32]}" for call in CALLS])
async def test_each_call_is_for_its_roles_of_this_province_alone(
    counter: Counter, method: str, path: str, body: Any, allowed: set[Role]
) -> None:
    answers = {role: await counter.ask(method, path, role, body) for role in Role}
    elsewhere = await counter.ask(method, path, next(iter(allowed)), body, province="33")

    assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed
    assert elsewhere.json()["code"] == "WRONG_PROVINCE"


async def test_a_year_is_proposed_with_its_difference_listed_and_approved(counter: Counter) -> None:
    await counter.at.importing(HE)
    record = await counter.at.record(HE.person.id_number)

    proposed = await counter.ask("POST", "/records/corrections", Role.OPERATOR, wish(record.person_ref))
    listed = await counter.ask("GET", "/records/corrections", Role.CHECKER)
    again = await counter.ask("POST", "/records/corrections", Role.OPERATOR, wish(record.person_ref))
    correction_id = proposed.json()["correction_id"]
    approved = await counter.ask("POST", "/records/corrections/approvals", Role.CHECKER, {"correction_ids": [correction_id]})

    assert proposed.status_code == 201
    assert {name: fen for name, fen in proposed.json().items() if name != "correction_id"} == {
        "account_difference_fen": 48_000,
        "interest_difference_fen": 3_560,
        "pool_difference_fen": 96_000,
    }
    assert [(each["correction_id"], each["year"], each["reason"]) for each in listed.json()] == [
        (correction_id, 2022, "the base was 5,500")
    ]
    assert (again.status_code, again.json()["code"]) == (409, "CORRECTION_OPEN")
    assert (approved.json()["done"], approved.json()["refused"]) == (1, 0)
    assert (await counter.at.record(HE.person.id_number)).segments[0].rows[0].monthly_wage_fen == 550_000


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 404, "NO_RELATIONSHIP"),
        ({"rows": [{**ROW, "end": "2023-01"}]}, 422, "RECORD_INVALID"),
        ({"rows": [{**ROW, "start": "1949-01", "end": "1949-02"}]}, 422, "RECORD_INVALID"),
        ({"rows": [{**ROW, "monthly_wage_fen": -1}]}, 422, "INVALID_INPUT"),
        ({"reason": ""}, 422, "INVALID_INPUT"),
    ],
    ids=["nobody", "two years", "before all time", "below zero", "without a reason"],
)
async def test_what_cannot_be_corrected_is_refused_by_name(
    counter: Counter, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = await counter.ask("POST", "/records/corrections", Role.OPERATOR, wish(**fields))

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_proposal_can_be_taken_back(counter: Counter) -> None:
    await counter.at.importing(HE)
    record = await counter.at.record(HE.person.id_number)
    proposed = await counter.ask("POST", "/records/corrections", Role.OPERATOR, wish(record.person_ref))
    path = f"/records/corrections/{proposed.json()['correction_id']}/withdrawals"

    first = await counter.ask("POST", path, Role.OPERATOR)
    second = await counter.ask("POST", path, Role.OPERATOR)
    unknown = await counter.ask("POST", f"/records/corrections/{CASE}/withdrawals", Role.OPERATOR)

    assert (first.status_code, first.json()["state"]) == (200, "dropped")
    assert (second.status_code, second.json()["code"]) == (409, "NOT_NOW")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NO_SUCH_CORRECTION")
