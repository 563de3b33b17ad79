"""Ending a relationship over HTTP: who may say what, and that no clerk speaks for two."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.origin_agency.store import transferring
from services.records.endings import Endings
from services.records.endings_api import add_routes
from services.runtime.http import make_api
from services.runtime.identity import STAFF, Role, TokenVerifier
from tests.agencies import InProcess, known_in
from tests.builders import CASE

HE = known_in("44")
OWN = {Role.INSURED, Role.MAKER}


@dataclass
class Counter:
    at: InProcess
    http: httpx.AsyncClient
    stack: Stack

    async def ask(self, method: str, path: str, role: Role, body: Any = None, *, province: str = "44") -> httpx.Response:
        return await self.send(method, path, tokens(self.stack.home).staff(province, role), body)

    async def as_person(self, ref: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.send(method, path, tokens(self.stack.home).insured("44", ref), body)

    async def send(self, method: str, path: str, token: str, body: Any) -> httpx.Response:
        return await self.http.request(method, path, json=body, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
async def counter(at: InProcess, stack: Stack) -> AsyncIterator[Counter]:
    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("records", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
    add_routes(api, Endings(at.database, at.agency, at.ring, transferring), "44", at.agency.clock.today)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://records") as http:
        yield Counter(at, http, stack)


def wish(person_ref: str = CASE, ground: str = "nationality_lost", **more: Any) -> dict[str, Any]:
    return {"person_ref": person_ref, "ground": ground, **more}


CALLS: list[tuple[str, str, Any, set[Role]]] = [
    ("POST", "/records/endings/assessments", wish(), OWN),
    ("POST", "/records/endings", wish(), OWN),
    ("POST", "/records/endings/notices", {"ending_ids": [CASE]}, {Role.MAKER}),
    ("POST", f"/records/endings/{CASE}/confirmation", {}, OWN),
    ("POST", f"/records/endings/{CASE}/withdrawal", None, OWN),
    ("POST", "/records/endings/proposals", {"ending_ids": [CASE]}, {Role.MAKER}),
    ("POST", "/records/endings/approvals", {"ending_ids": [CASE]}, {Role.CHECKER}),
    ("GET", "/records/endings", None, {*STAFF, Role.AUDITOR}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[f"{call[0]} {call[1][-12:]}" for call in CALLS])
async def test_each_call_is_for_its_roles_of_this_province_alone(
    counter: Counter, method: str, path: str, body: Any, allowed: set[Role]
) -> None:
    answers: dict[Role, httpx.Response] = {Role.INSURED: await counter.as_person(CASE, method, path, body)}
    answers |= {role: await counter.ask(method, path, role, body) for role in Role if role is not Role.INSURED}
    elsewhere = await counter.ask(method, path, Role.MAKER if Role.MAKER in allowed else Role.CHECKER, body, province="33")

    assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed
    assert elsewhere.json()["code"] == "WRONG_PROVINCE"


async def test_a_person_applies_confirms_and_is_paid_by_two_clerks(counter: Counter) -> None:
    await counter.at.importing(HE)
    ref = (await counter.at.record(HE.person.id_number)).person_ref

    abroad = await counter.as_person(ref, "POST", "/records/endings/assessments", wish(ref, "settled_abroad"))
    kept = await counter.as_person(ref, "POST", "/records/endings", wish(ref, "settled_abroad"))
    # The day of a paper is a clerk's to say; what the person says here is said today.
    applied = await counter.as_person(ref, "POST", "/records/endings", wish(ref, applied_on="2020-01-01"))
    ending_id = applied.json()["ending_id"]
    ids = {"ending_ids": [ending_id]}
    early = await counter.as_person(ref, "POST", f"/records/endings/{ending_id}/confirmation", {})
    await counter.ask("POST", "/records/endings/notices", Role.MAKER, ids)
    confirmed = await counter.as_person(ref, "POST", f"/records/endings/{ending_id}/confirmation", {})
    listed = await counter.ask("GET", "/records/endings", Role.AUDITOR)
    proposed = await counter.ask("POST", "/records/endings/proposals", Role.MAKER, ids)
    paid = await counter.ask("POST", "/records/endings/approvals", Role.CHECKER, ids)
    too_late = await counter.as_person(ref, "POST", f"/records/endings/{ending_id}/withdrawal")

    assert (abroad.json()["step"], abroad.json()["reasons"][0]["code"]) == ("keep", "ABROAD_ACCOUNT_KEPT")
    assert (kept.status_code, kept.json()["code"]) == (409, "NATIONALITY_KEPT")
    assert kept.json()["legal_basis"]
    assert (applied.status_code, applied.json()["applied_on"]) == (201, "2024-05-06")
    assert (early.status_code, early.json()["code"]) == (409, "END_NOTICE_NEEDED")
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")
    assert [(row["ending_id"], row["state"]) for row in listed.json()] == [(ending_id, "confirmed")]
    assert (proposed.json()["done"], paid.json()["done"]) == (1, 1)
    assert (too_late.status_code, too_late.json()["code"]) == (409, "NOT_NOW")
    assert await counter.at.balance_fen(ref) == 0


async def test_nobody_speaks_for_another_person_and_cashing_out_is_refused_with_its_article(counter: Counter) -> None:
    await counter.at.importing(HE)
    ref = (await counter.at.record(HE.person.id_number)).person_ref
    mine = await counter.as_person(ref, "POST", "/records/endings", wish(ref))
    ending_id = mine.json()["ending_id"]

    others = [
        await counter.as_person(CASE, "POST", "/records/endings", wish(ref)),
        await counter.as_person(CASE, "POST", "/records/endings/assessments", wish(ref)),
    ]
    unseen = await counter.as_person(CASE, "POST", f"/records/endings/{ending_id}/withdrawal")
    cash = await counter.ask("POST", "/records/endings", Role.MAKER, wish(ref, "wish"))

    assert [answer.json()["code"] for answer in others] == ["NOT_YOUR_RECORD", "NOT_YOUR_RECORD"]
    assert (unseen.status_code, unseen.json()["code"]) == (404, "NO_SUCH_ENDING")
    assert (cash.status_code, cash.json()["code"]) == (403, "SURRENDER_NOT_ALLOWED")
    assert "第三条" in cash.json()["legal_basis"]
