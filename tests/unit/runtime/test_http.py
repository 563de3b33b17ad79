"""HTTP as every service speaks it: problems with codes, bounded bodies, health, and never a value that was sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI

from contracts.base import Command, Fen, MonthText
from services.runtime.heartbeat import Heartbeat
from services.runtime.http import MEDIA_TYPE, Problem, Readiness, any_caller, make_api, require
from services.runtime.identity import Caller, Role, TokenIssuer, TokenVerifier
from tests.unit.runtime.test_identity import Keys

LIMIT = 1000


class Wish(Command):
    """What a caller wishes."""

    id_number: str
    month: MonthText
    amount_fen: Fen = 0


READY: dict[str, str | None] = {}
Maker = Annotated[Caller, Depends(require("44", [Role.MAKER, Role.AUDITOR]))]
Anybody = Annotated[Caller, Depends(any_caller)]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def api(keys: Keys) -> FastAPI:
    async def ready() -> dict[str, str | None]:
        return READY

    api = make_api("test", verifier=TokenVerifier(keys.public), ready=ready, body_limit=LIMIT)

    @api.post("/wishes")
    async def wish(wish: Wish, caller: Maker) -> dict[str, Any]:
        """Take a wish."""
        return {"sub": caller.sub, "amount_fen": wish.amount_fen}

    @api.get("/me")
    async def me(caller: Anybody) -> dict[str, str]:
        """Say who calls."""
        return {"sub": caller.sub}

    @api.get("/breaks/{how}")
    async def breaks(how: str) -> None:
        """Break."""
        match how:
            case "refused":
                raise Problem(409, "TOO_LATE", "The form is approved.", remedy="Ask the agency.", legal_basis="Art. 8")
            case "database":
                raise asyncpg.ConnectionDoesNotExistError("gone")
            case "network":
                raise ConnectionRefusedError("gone")
            case "slow":
                raise TimeoutError
            case _:
                raise AssertionError(how)

    return api


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    READY.clear()
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture
def token(keys: Keys) -> Any:
    def issue(*roles: Role, province: str = "44") -> dict[str, str]:
        return {"authorization": f"Bearer {TokenIssuer(keys.private).issue('clerk-1', list(roles), province)}"}

    return issue


GOOD = {"id_number": "440101199003151234", "month": "2024-04"}


def code_of(response: httpx.Response) -> str:
    """The code of a problem answer, whose form is checked on the way."""
    problem = response.json()
    assert response.headers["content-type"] == MEDIA_TYPE
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:jiexu:problem:{problem['code'].lower().replace('_', '-')}"
    assert problem["title"]
    assert problem["detail"]
    return str(problem["code"])


async def test_a_good_request_is_done(client: httpx.AsyncClient, token: Any) -> None:
    response = await client.post("/wishes", json=GOOD, headers=token(Role.MAKER))

    assert (response.status_code, response.json()) == (200, {"sub": "clerk-1", "amount_fen": 0})


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "bearertoken"])
async def test_without_a_token_nothing_is_said(client: httpx.AsyncClient, header: str | None) -> None:
    response = await client.get("/me", headers={} if header is None else {"authorization": header})

    assert (response.status_code, code_of(response)) == (401, "TOKEN_MISSING")
    assert "Bearer" in response.json()["remedy"]


async def test_a_token_that_does_not_hold_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/me", headers={"authorization": "Bearer a.b.c"})

    assert (response.status_code, code_of(response)) == (401, "TOKEN_REFUSED")


async def test_a_clerk_of_another_province_is_refused(client: httpx.AsyncClient, token: Any) -> None:
    response = await client.post("/wishes", json=GOOD, headers=token(Role.MAKER, province="33"))

    assert (response.status_code, code_of(response)) == (403, "WRONG_PROVINCE")


async def test_a_caller_without_the_role_is_told_which_roles_may(client: httpx.AsyncClient, token: Any) -> None:
    response = await client.post("/wishes", json=GOOD, headers=token(Role.INSURED))

    assert (response.status_code, code_of(response)) == (403, "WRONG_ROLE")
    assert "maker" in response.json()["detail"]


async def test_the_ministrys_auditor_may_read_in_every_province(client: httpx.AsyncClient, token: Any) -> None:
    auditor = await client.post("/wishes", json=GOOD, headers=token(Role.AUDITOR, province="00"))
    clerk = await client.post("/wishes", json=GOOD, headers=token(Role.MAKER, province="00"))

    assert auditor.status_code == 200
    assert code_of(clerk) == "WRONG_PROVINCE"


async def test_who_may_not_call_is_refused_before_the_body_is_judged(client: httpx.AsyncClient, token: Any) -> None:
    response = await client.post("/wishes", json={"nonsense": 1}, headers=token(Role.INSURED))

    assert code_of(response) == "WRONG_ROLE"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**GOOD, "month": "4401-X1"}, "month"),
        ({**GOOD, "month": "2024-13"}, "month"),
        ({**GOOD, "amount_fen": "440101199003151234"}, "amount_fen"),
        ({**GOOD, "amount_fen": 1.5}, "amount_fen"),
        ({**GOOD, "amount_fen": -1}, "amount_fen"),
        ({**GOOD, "id_number": 440101199003151234}, "id_number"),
        ({"month": "2024-04"}, "id_number"),
        ({**GOOD, "hurry": "440101199003151234"}, "hurry"),
        ([], ""),
        ("440101199003151234", ""),
    ],
)
async def test_wrong_input_is_named_by_field_and_never_repeated(
    client: httpx.AsyncClient, token: Any, body: Any, field: str
) -> None:
    response = await client.post("/wishes", json=body, headers=token(Role.MAKER))

    assert (response.status_code, code_of(response)) == (422, "INVALID_INPUT")
    assert [error["field"] for error in response.json()["errors"]] == [field]
    for value in ("440101199003151234", "4401-X1", "2024-13"):
        assert value not in response.text


async def test_a_body_that_is_no_json_is_named(client: httpx.AsyncClient, token: Any) -> None:
    headers = {**token(Role.MAKER), "content-type": "application/json"}

    response = await client.post("/wishes", content=b'{"id_number": "440101199003151234", ', headers=headers)

    assert (response.status_code, code_of(response)) == (422, "INVALID_INPUT")
    assert "440101199003151234" not in response.text


async def test_a_body_above_the_limit_is_refused_by_its_declared_length(client: httpx.AsyncClient, token: Any) -> None:
    response = await client.post("/wishes", json={**GOOD, "id_number": "x" * LIMIT}, headers=token(Role.MAKER))

    assert (response.status_code, code_of(response)) == (413, "BODY_TOO_LARGE")


async def test_a_body_above_the_limit_is_refused_while_it_arrives(client: httpx.AsyncClient, token: Any) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 100
            yield b" " * 100

    response = await client.post("/wishes", content=endless(), headers={**token(Role.MAKER), "content-type": "application/json"})

    assert (response.status_code, code_of(response)) == (413, "BODY_TOO_LARGE")


async def test_a_body_at_the_limit_is_taken(client: httpx.AsyncClient, token: Any) -> None:
    async def exact() -> AsyncIterator[bytes]:
        text = b'{"id_number": "x", "month": "2024-04"}'
        yield text + b" " * (LIMIT - len(text))

    response = await client.post("/wishes", content=exact(), headers={**token(Role.MAKER), "content-type": "application/json"})

    assert response.status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/wishes", 405)])
async def test_a_path_or_verb_that_is_not_there_is_a_problem_too(client: httpx.AsyncClient, path: str, status: int) -> None:
    response = await client.get(path)

    assert (response.status_code, code_of(response)) == (status, f"HTTP_{status}")


async def test_a_refusal_carries_its_remedy_and_legal_basis(client: httpx.AsyncClient) -> None:
    response = await client.get("/breaks/refused")

    assert (response.status_code, code_of(response)) == (409, "TOO_LATE")
    assert (response.json()["remedy"], response.json()["legal_basis"]) == ("Ask the agency.", "Art. 8")


@pytest.mark.parametrize("how", ["database", "network", "slow"])
async def test_a_server_that_is_away_is_said_to_be_away_for_now(client: httpx.AsyncClient, how: str) -> None:
    response = await client.get(f"/breaks/{how}")

    assert (response.status_code, code_of(response)) == (503, "TEMPORARILY_AWAY")


async def test_a_bug_says_nothing_of_itself(client: httpx.AsyncClient) -> None:
    response = await client.get("/breaks/secret-440101199003151234")

    assert (response.status_code, code_of(response)) == (500, "INTERNAL_ERROR")
    assert "440101199003151234" not in response.text


async def test_a_service_is_alive_while_it_waits_and_says_for_what(client: httpx.AsyncClient) -> None:
    READY.update(database=None, kafka="Kafka does not answer")

    alive, ready = await client.get("/livez"), await client.get("/readyz")
    later = await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert ready.status_code == 503
    assert (ready.json()["status"], ready.json()["waits_for"]) == ("waiting", {"kafka": "Kafka does not answer"})
    assert datetime.fromisoformat(ready.json()["since"]["kafka"]) <= datetime.now(UTC)
    assert later.json()["since"] == ready.json()["since"]


async def test_what_should_run_for_ever_and_ended_makes_a_service_not_alive() -> None:
    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("test", verifier=None, ready=ready, alive=lambda: {"relay": "has ended"})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://service") as client:
        answer = await client.get("/livez")

    assert (answer.status_code, answer.json()) == (503, {"status": "standing", "because": {"relay": "has ended"}})


async def test_a_service_whose_event_loop_stood_still_is_not_alive() -> None:
    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("test", verifier=None, ready=ready)
    heart: Heartbeat = api.state.heart
    heart._limit_s = 0.8  # ten seconds outside of tests
    async with (
        api.router.lifespan_context(api),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://service") as client,
    ):
        await asyncio.sleep(0.5)
        before = await client.get("/livez")
        time.sleep(2.0)  # noqa: ASYNC251 - that is what is tried
        await asyncio.sleep(0.5)
        after = await client.get("/livez")

    assert (before.status_code, after.status_code) == (200, 503)
    assert "the event loop stood still" in after.json()["because"]["loop"]


async def test_what_passes_by_itself_is_noise_until_it_lasts() -> None:
    found: dict[str, str | None] = {"handler": "database: DeadlockDetectedError"}

    async def ready() -> dict[str, str | None]:
        return found

    readiness = Readiness(ready, noise_s=0.1)

    at_start = await readiness.look()
    found["handler"] = None
    await readiness.look()
    found["handler"] = "database: DeadlockDetectedError"
    first = await readiness.look()
    await asyncio.sleep(0.15)
    lasting = await readiness.look()

    assert at_start[0] == {"handler": "database: DeadlockDetectedError"}  # it never was well
    assert first[:2] == ({}, {"handler": "database: DeadlockDetectedError"})
    assert lasting[0] == {"handler": "database: DeadlockDetectedError"}


async def test_requests_are_counted_and_logged_by_the_template_of_their_route(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as told:
        await client.get("/breaks/refused-440101199003151234")
        await client.get("/nowhere/440101199003151234")
        await client.get("/livez")
    figures = (await client.get("/metrics")).text

    lines = [(line["route"], line["method"], line["status"]) for line in told if line["event"] == "http.request"]
    assert lines == [("/breaks/{how}", "GET", 500), ("unmatched", "GET", 404)]
    assert 'jiexu_http_requests_total{method="GET",route="/breaks/{how}",status="500"}' in figures
    assert 'jiexu_http_request_seconds_count{method="GET",route="/breaks/{how}"}' in figures
    assert "440101199003151234" not in figures + str(told)


async def test_a_request_keeps_the_id_that_it_came_with_if_that_can_be_nobodys(client: httpx.AsyncClient) -> None:
    given = "01a2086d-b5bf-7236-8a45-a54a9c543bfb"

    kept = await client.get("/nowhere", headers={"x-request-id": given})
    fresh = await client.get("/nowhere", headers={"x-request-id": "440101199003151234"})

    assert kept.headers["x-request-id"] == given
    assert len(fresh.headers["x-request-id"]) == len(given)


async def test_a_line_of_a_request_has_its_case_and_nothing_else_from_the_path(keys: Keys) -> None:
    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("test", verifier=None, ready=ready)

    @api.get("/cases/{case_id}")
    async def case(case_id: str) -> str:
        return case_id

    case_id = "01a2086d-b5bf-7236-8a45-a54a9c543bfb"
    with structlog.testing.capture_logs() as told:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://service") as client:
            await client.get(f"/cases/{case_id}")
            await client.get("/cases/440101199003151234")

    assert [line.get("case_id") for line in told if line["event"] == "http.request"] == [case_id, None]


async def test_a_service_that_waits_for_nothing_is_ready(client: httpx.AsyncClient) -> None:
    READY.update(database=None)

    response = await client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready", "waits_for": {}})


def test_no_interactive_page_is_served_that_would_load_scripts_from_elsewhere(api: FastAPI) -> None:
    assert (api.docs_url, api.redoc_url) == (None, None)


def test_a_document_can_be_made_without_keys(tmp_path: Path) -> None:
    async def ready() -> dict[str, str | None]:
        return {}

    assert make_api("empty", verifier=None, ready=ready).openapi()["info"]["title"] == "empty"
