"""The year's end over HTTP: who proposes, who lets it go, and how far it is."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contracts.envelope import new_id
from contracts.events import InterestCredited
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.origin_agency import store
from services.records.year_end import YearEnd
from services.records.year_end_api import add_routes
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.agencies import MONDAY, InProcess, in_process, known_in
from tests.integration.conftest import UrlOf

HE = known_in("44")


class Desk:
    """The routes, and tokens of all roles."""

    def __init__(self, at: InProcess, run: YearEnd, http: httpx.AsyncClient, stack: Stack) -> None:
        self.at = at
        self.run = run
        self.http = http
        self._stack = stack

    def bearer(self, role: Role, province: str = "44", name: str = "") -> dict[str, str]:
        return {"authorization": f"Bearer {tokens(self._stack.home).staff(province, role, name=name)}"}

    async def post(self, path: str, role: Role, body: Any = None, *, name: str = "") -> httpx.Response:
        return await self.http.post(path, json=body, headers=self.bearer(role, name=name))

    async def get(self, path: str, role: Role = Role.AUDITOR) -> Any:
        return (await self.http.get(path, headers=self.bearer(role))).json()


@pytest.fixture
async def desk(province_database: UrlOf, keys_database: UrlOf, stack: Stack) -> AsyncIterator[Desk]:
    async def ready() -> dict[str, str | None]:
        return {}

    async with in_process(province_database, keys_database) as at:
        await at.importing(HE)
        at.clock.move(MONDAY.replace(year=2027, month=2))
        api = make_api("year end", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
        run = YearEnd(at.database, at.agency, at.ring, store.leaving)
        add_routes(api, run, "44")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://year-end") as http:
            yield Desk(at, run, http, stack)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_one_person_proposes_another_lets_it_go_and_everybody_sees_how_far_it_is(desk: Desk) -> None:
    proposed = await desk.post("/year-ends", Role.OPERATOR, {"year": 2024})
    path = f"/year-ends/{proposed.json()['run_id']}"
    approved = await desk.post(f"{path}/approvals", Role.CHECKER)
    running = await desk.get(path)
    while await desk.run.work():
        pass
    ended = await desk.get(path)

    assert (proposed.status_code, approved.status_code) == (201, 202)
    assert (running["state"], running["due"], running["looked_at"]) == ("running", 1, 0)
    assert (ended["state"], ended["looked_at"], ended["credited"], ended["reason"]) == ("done", 1, 1, "")
    assert ended["interest_fen"] == [fact.interest_fen for fact in await desk.at.facts(InterestCredited)][-1]
    assert await desk.get("/year-ends") == [ended]


async def test_each_call_is_for_its_roles(desk: Desk) -> None:
    run_id = (await desk.post("/year-ends", Role.FUND_DESK, {"year": 2024})).json()["run_id"]

    async def allowed(method: str, path: str, body: Any = None) -> set[Role]:
        answers = {
            role: await desk.http.request(method, path, json=body, headers=desk.bearer(role, name="another")) for role in Role
        }
        return {role for role, answer in answers.items() if answer.status_code != 403}

    staff = {Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR, Role.AUDITOR}
    assert await allowed("POST", "/year-ends", {"year": 2030}) == {Role.OPERATOR, Role.FUND_DESK}
    assert await allowed("POST", f"/year-ends/{new_id()}/approvals") == {Role.CHECKER, Role.FUND_DESK}
    assert await allowed("POST", f"/year-ends/{new_id()}/withdrawals") == {Role.OPERATOR, Role.FUND_DESK}
    assert await allowed("GET", f"/year-ends/{run_id}") == staff
    assert await allowed("GET", "/year-ends") == staff


async def test_what_cannot_be_is_answered_by_name(desk: Desk) -> None:
    early = await desk.post("/year-ends", Role.OPERATOR, {"year": 2027})
    pending = await desk.post("/year-ends", Role.OPERATOR, {"year": 2026})
    proposed = await desk.post("/year-ends", Role.FUND_DESK, {"year": 2024}, name="lin")
    again = await desk.post("/year-ends", Role.OPERATOR, {"year": 2024})
    path = f"/year-ends/{proposed.json()['run_id']}"
    alone = await desk.post(f"{path}/approvals", Role.FUND_DESK, name="lin")
    other = await desk.post(f"{path}/approvals", Role.FUND_DESK, name="wei")
    twice = await desk.post(f"{path}/approvals", Role.CHECKER)
    withdrawn = await desk.post(f"{path}/withdrawals", Role.OPERATOR)

    assert (code_of(early), early.json()["field"]) == ((409, "YEAR_NOT_OVER"), "year")
    assert (code_of(pending), pending.json()["legal_basis"]) == ((409, "RATE_PENDING"), "社会保险法 第十四条")
    assert code_of(again) == (409, "YEAR_END_OPEN")
    assert code_of(alone) == (409, "SAME_PERSON")
    assert other.status_code == 202
    assert code_of(twice) == code_of(withdrawn) == (409, "NOT_NOW")
    assert code_of(await desk.post("/year-ends/nothing/approvals", Role.CHECKER)) == (404, "NO_SUCH_RUN")
    assert (await desk.get("/year-ends/nothing"))["code"] == "NO_SUCH_RUN"


async def test_a_proposal_is_taken_back(desk: Desk) -> None:
    run_id = (await desk.post("/year-ends", Role.OPERATOR, {"year": 2024})).json()["run_id"]

    taken_back = await desk.post(f"/year-ends/{run_id}/withdrawals", Role.OPERATOR)

    assert (taken_back.status_code, taken_back.json()["state"]) == (200, "dropped")
    assert (await desk.post("/year-ends", Role.OPERATOR, {"year": 2024})).status_code == 201
