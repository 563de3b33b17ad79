"""HTTP as every service speaks it: problems with codes, bounded bodies, health, and never a value that was sent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import httpx
import pytest
from fastapi import Depends, FastAPI

from contracts.base import Command, Fen, MonthText
from services.runtime.http import MEDIA_TYPE, Problem, any_caller, make_api, require
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

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()) == (503, {"status": "waiting", "waits_for": {"kafka": "Kafka does not answer"}})


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
