"""The bank as a process: put together from its environment, ready when its database answers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from deploy.local.services import bank_token_file
from deploy.local.stack import Stack
from services.bank.app import app
from tests.agencies import MONDAY
from tests.integration.bank.conftest import an_order
from tests.integration.conftest import UrlOf


@asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch, stack: Stack, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    environment = {
        "DATABASE_URL": database_url,
        "TOKEN_KEYS_FILE": str(stack.secrets.token_public_file()),
        "CLOCK": "scenario",
        "SCENARIO_START": MONDAY.isoformat(),
        "DELAY_MINUTES": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("services.bank.app.configure_logs", lambda *_: None)
    api = app()
    async with (
        api.router.lifespan_context(api),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://bank") as http,
    ):
        yield http


async def test_the_bank_is_ready_when_its_database_answers_and_pays_after_its_set_delay(
    monkeypatch: pytest.MonkeyPatch, stack: Stack, bank_database: UrlOf
) -> None:
    bearer = {"authorization": f"Bearer {bank_token_file(stack.home, '44').read_text()}"}

    async with running(monkeypatch, stack, bank_database("bank")) as http:
        ready = await http.get("/readyz")
        await http.post("/remittances", json=an_order(1000, payee="44").model_dump(mode="json"), headers=bearer)
        statement = await http.get("/statement", params={"province": "44", "kind": "payment"}, headers=bearer)

    assert ready.json() == {"status": "ready", "waits_for": {}}
    assert [line["amount_fen"] for line in statement.json()["lines"]] == [1000]


async def test_without_its_database_the_bank_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> None:
    nobody = f"postgresql://bank:x@127.0.0.1:{stack.port('nobody')}/bank"

    async with running(monkeypatch, stack, nobody) as http:
        alive, ready = await http.get("/livez"), await http.get("/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["waits_for"]) == (503, {"database": "the database does not answer"})


async def test_a_bank_that_is_told_to_stop_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, stack: Stack, bank_database: UrlOf
) -> None:
    heard: list[int] = []
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in (signal.SIGTERM, signal.SIGINT)}
    bearer = {"authorization": f"Bearer {bank_token_file(stack.home, '44').read_text()}"}
    asked = {"province": "44", "kind": "payment", "wait_s": "60"}
    try:
        async with running(monkeypatch, stack, bank_database("bank")) as http:
            question = asyncio.create_task(http.get("/statement", params=asked, headers=bearer, timeout=90))
            await asyncio.sleep(0.5)
            stood = not question.done()
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(10):
                answer = await question
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert stood
    assert answer.json() == {"lines": []}
    assert heard == [signal.SIGTERM]  # the server's own handler was asked, too
