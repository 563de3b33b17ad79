"""The bank on a database of the test's own, and its interface over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from contracts.banking import Fault, RemittanceLine, RemittanceOrder, ReturnOrder, StatementLine
from contracts.documents import PayeeAccount
from contracts.envelope import new_id
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.bank.api import add_routes
from services.bank.store import BankStore
from services.runtime.clock import Clock, ScenarioClock
from services.runtime.database import Database
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.agencies import MONDAY
from tests.builders import a
from tests.integration.conftest import UrlOf

DELAY = timedelta(minutes=30)
LATER = MONDAY + DELAY
MUCH_LATER = MONDAY + timedelta(days=30)


def an_order(*amounts_fen: int, payer: str = "44", payee: str = "33", **fields: Any) -> RemittanceOrder:
    """An order that pays each of these amounts (by default one of 1,000 fen) for a case of its own."""
    lines = tuple(
        RemittanceLine(case_id=new_id(), letter_no="LXH-330100-20240506-000001", amount_fen=amount)
        for amount in amounts_fen or (1000,)
    )
    usual: dict[str, Any] = {
        "remittance_id": new_id(),
        "payer": payer,
        "payee_province": payee,
        "payee": a(PayeeAccount),
        "lines": lines,
        "total_fen": sum(line.amount_fen for line in lines),
    }
    return RemittanceOrder(**{**usual, **fields})


def a_return(order: RemittanceOrder, amount_fen: int = 1000, **fields: Any) -> ReturnOrder:
    """Money of an order's first case that its payee gives back."""
    usual: dict[str, Any] = {
        "return_id": new_id(),
        "payer": order.payee_province,
        "remittance_id": order.remittance_id,
        "case_id": order.lines[0].case_id,
        "amount_fen": amount_fen,
    }
    return ReturnOrder(**{**usual, **fields})


FaultKind = Literal["delay", "lose", "duplicate", "return", "short"]


@dataclass
class Bank:
    """The bank's store, and short ways to ask it."""

    store: BankStore
    database: Database

    async def told(self, order: RemittanceOrder, kind: FaultKind, **fields: int) -> RemittanceOrder:
        """Tell the bank what to do wrong with the first line of an order, and give it the order."""
        await self.store.tell_faults([a(Fault, case_id=order.lines[0].case_id, kind=kind, **fields)])
        await self.store.take(order, MONDAY)
        return order

    async def paid(self, province: str = "33", at: datetime = LATER) -> tuple[StatementLine, ...]:
        """What came in on a province's account by that time."""
        return await self.store.statement(province, "payment", 0, at)

    async def returned(self, province: str = "44", at: datetime = LATER) -> tuple[StatementLine, ...]:
        """What came back to a province's account by that time."""
        return await self.store.statement(province, "returned", 0, at)

    async def in_hands_fen(self) -> dict[tuple[str, str], int]:
        """What the bank holds between two provinces."""
        return {(holding.payer, holding.payee): holding.in_hands_fen for holding in await self.store.holdings()}


@pytest.fixture
async def bank(bank_database: UrlOf) -> AsyncIterator[Bank]:
    database = Database(bank_database("bank"), name="bank")
    yield Bank(BankStore(database, delay=DELAY), database)
    await database.close()


@asynccontextmanager
async def serving(api: FastAPI) -> AsyncIterator[str]:
    """An API on a free port of loopback; its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(api, log_config=None, lifespan="off"))
        task = asyncio.create_task(server._serve([listener]))  # serve() would take the signals of this process
        try:
            async with asyncio.timeout(10):
                while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@dataclass
class Counter:
    """The bank's HTTP interface, and tokens for it."""

    stack: Stack
    bank: Bank

    def api(self, clock: Clock | None = None) -> FastAPI:
        """The bank's routes, by default under a scenario's clock."""

        async def ready() -> dict[str, str | None]:
            return {}

        found = make_api("bank", verifier=TokenVerifier(self.stack.secrets.token_public_file()), ready=ready)
        add_routes(found, self.bank.store, clock or ScenarioClock(MONDAY))
        return found

    def client(self, clock: Clock | None = None) -> httpx.AsyncClient:
        """A client at the counter."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.api(clock)), base_url="http://bank")

    def bearer(self, role: Role = Role.FUND_DESK, province: str = "44") -> dict[str, str]:
        """Headers of somebody with this role."""
        return {"authorization": f"Bearer {tokens(self.stack.home).staff(province, role)}"}


@pytest.fixture
def counter(stack: Stack, bank: Bank) -> Counter:
    return Counter(stack, bank)


@pytest.fixture
async def http(counter: Counter) -> AsyncIterator[httpx.AsyncClient]:
    async with counter.client() as client:
        yield client
