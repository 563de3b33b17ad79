"""Deaths, settlements and holds over HTTP: who may what, and what is answered."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from services.records.deaths import Deaths
from services.records.decisions import Told
from services.records.holds import Holds
from services.records.persons_api import add_routes
from services.rules.deadlines import Pause
from services.runtime.database import Transaction
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.agencies import InProcess, known_in
from tests.integration.records.test_corrections_api import STAFF, Counter

HE = known_in("44")
REF = "0" * 36
LIST = {"person_refs": [REF]}


@pytest.fixture
async def counter(at: InProcess, stack: Stack) -> AsyncIterator[Counter]:
    async def ready() -> dict[str, str | None]:
        return {}

    async def nobody(_: Transaction, __: Sequence[str]) -> set[str]:
        return set()

    async def nothing(_: Transaction, __: Mapping[str, Pause]) -> Sequence[Told]:
        return ()

    api = make_api("records", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
    deaths = Deaths(at.database, at.agency, at.ring, nobody)
    add_routes(api, deaths, Holds(at.database, at.agency, at.ring, nothing), "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://records") as http:
        yield Counter(at, http, stack)


CALLS: list[tuple[str, str, Any, set[Role]]] = [
    ("POST", "/records/deaths", {"person_ref": REF, "died_on": "2024-05-05"}, {Role.MAKER, Role.CHECKER}),
    ("POST", "/records/settlements/proposals", LIST, {Role.MAKER}),
    ("POST", "/records/settlements/approvals", LIST, {Role.CHECKER}),
    ("GET", "/records/settlements", None, STAFF | {Role.AUDITOR}),
    ("POST", "/records/holds/proposals", {"person_ref": REF, "ordered_by": "court", "reason": "order 1"}, {Role.MAKER}),
    ("POST", "/records/holds/approvals", {"hold_ids": [REF]}, {Role.CHECKER}),
    ("POST", "/records/holds/releases/proposals", {"hold_ids": [REF], "reason": "order 2"}, {Role.MAKER}),
    ("POST", "/records/holds/releases/approvals", {"hold_ids": [REF]}, {Role.CHECKER}),
    ("GET", "/records/holds", None, STAFF | {Role.AUDITOR}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[f"{call[0]} {call[1][9:]}" for call in CALLS])
async def test_each_call_is_for_its_roles_of_this_province_alone(
    counter: Counter, method: str, path: str, body: Any, allowed: set[Role]
) -> None:
    answers = {role: await counter.ask(method, path, role, body) for role in Role}
    elsewhere = await counter.ask(method, path, next(iter(allowed)), body, province="33")

    assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed
    assert elsewhere.json()["code"] == "WRONG_PROVINCE"


async def test_a_death_is_noted_and_its_account_settled(counter: Counter) -> None:
    await counter.at.importing(HE)
    ref = (await counter.at.record(HE.person.id_number)).person_ref

    noted = await counter.ask("POST", "/records/deaths", Role.MAKER, {"person_ref": ref, "died_on": "2024-05-05"})
    twice = await counter.ask("POST", "/records/deaths", Role.MAKER, {"person_ref": ref, "died_on": "2024-05-05"})
    proposed = await counter.ask("POST", "/records/settlements/proposals", Role.MAKER, {"person_refs": [ref]})
    waiting = await counter.ask("GET", "/records/settlements", Role.AUDITOR)
    settled = await counter.ask("POST", "/records/settlements/approvals", Role.CHECKER, {"person_refs": [ref]})

    assert (noted.status_code, noted.json()["report_due_on"]) == (201, "2024-05-30")
    assert (twice.status_code, twice.json()["code"]) == (409, "DEATH_KNOWN")
    assert [each["person_ref"] for each in waiting.json()] == [ref]
    assert (proposed.json()["done"], settled.json()["done"]) == (1, 1)


async def test_a_hold_is_proposed_approved_listed_and_released(counter: Counter) -> None:
    await counter.at.importing(HE)
    ref = (await counter.at.record(HE.person.id_number)).person_ref
    wish = {"person_ref": ref, "ordered_by": "court", "reason": "order 12"}

    hold_id = (await counter.ask("POST", "/records/holds/proposals", Role.MAKER, wish)).json()["hold_id"]
    second = await counter.ask("POST", "/records/holds/proposals", Role.MAKER, wish)
    held = await counter.ask("POST", "/records/holds/approvals", Role.CHECKER, {"hold_ids": [hold_id]})
    [listed] = (await counter.ask("GET", "/records/holds", Role.AUDITOR)).json()
    release = {"hold_ids": [hold_id], "reason": "order 13"}
    await counter.ask("POST", "/records/holds/releases/proposals", Role.MAKER, release)
    free = await counter.ask("POST", "/records/holds/releases/approvals", Role.CHECKER, {"hold_ids": [hold_id]})

    assert (second.status_code, second.json()["code"]) == (409, "HOLD_OPEN")
    assert (held.json()["done"], free.json()["done"]) == (1, 1)
    assert (listed["state"], listed["ordered_by"], listed["held_since"]) == ("held", "court", "2024-05-06")
