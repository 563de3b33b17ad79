"""The bank as a fund desk sees it: a port, and the adapter that speaks to the bank's HTTP interface."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, Protocol

import httpx

from contracts.banking import OrderTaken, RemittanceOrder, ReturnOrder, Statement, StatementLine

PAGE = 500  # lines that one look at a statement gives at most
PATIENCE_S = 10.0  # how long an answer may take that the bank does not hold back


class BankAway(OSError):
    """The bank does not answer, or is in trouble of its own; the same order may be sent again."""


class BankRefused(Exception):
    """The bank will not take this order, and says why; the others may go on."""


class Bank(Protocol):
    """What a fund desk needs of its bank."""

    async def remit(self, order: RemittanceOrder) -> OrderTaken:
        """Order a payment; the same order again is answered the same."""

    async def give_back(self, order: ReturnOrder) -> OrderTaken:
        """Give money back to the bank; the same order again is answered the same."""

    async def lines(
        self, province: str, kind: Literal["payment", "returned"], after: int, *, wait_s: float = 0
    ) -> tuple[StatementLine, ...]:
        """Statement lines of one kind after a line number, oldest first; where there are none, those that come in that time."""


async def follow(look: Callable[[float], Awaitable[int]], *, wait_s: float, rest_s: float) -> None:
    """Follow a statement for as long as the service lives: one question stands at the bank until a line comes.

    Args:
        look: asks, lets the bank wait that many seconds for a line, and books; returns how many lines came.
        wait_s: how long a question stands.
        rest_s: between two questions at least, where the bank answers at once that there is nothing.
    """
    rest_s = min(rest_s, wait_s) if wait_s else rest_s
    loop = asyncio.get_running_loop()
    while True:
        asked_at = loop.time()
        if not await look(wait_s):
            await asyncio.sleep(max(0.0, asked_at + rest_s - loop.time()))


class HttpBank:
    """The embedded bank, or any other behind the same interface."""

    def __init__(self, url: str, token_file: Path) -> None:
        token = token_file.read_text(encoding="ascii").strip()
        self._client = httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, headers={"authorization": f"Bearer {token}"})

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def remit(self, order: RemittanceOrder) -> OrderTaken:
        """Order a payment.

        Raises:
            BankAway: when the bank does not answer.
            BankRefused: when it will not take the order.
        """
        response = await self._ask("POST", "/remittances", content=order.model_dump_json())
        return OrderTaken.model_validate_json(response.content)

    async def give_back(self, order: ReturnOrder) -> OrderTaken:
        """Give money back.

        Raises:
            BankAway: when the bank does not answer.
            BankRefused: when it will not take the order.
        """
        response = await self._ask("POST", "/returns", content=order.model_dump_json())
        return OrderTaken.model_validate_json(response.content)

    async def lines(
        self, province: str, kind: Literal["payment", "returned"], after: int, *, wait_s: float = 0
    ) -> tuple[StatementLine, ...]:
        """Statement lines after a number, at most 500; where there are none, those that come in that time.

        Raises:
            BankAway: when the bank does not answer.
        """
        params = {"province": province, "kind": kind, "after": str(after), "wait_s": str(wait_s)}
        response = await self._ask("GET", "/statement", params=params, wait_s=wait_s)
        return Statement.model_validate_json(response.content).lines

    async def _ask(
        self, method: str, path: str, *, content: str | None = None, params: dict[str, str] | None = None, wait_s: float = 0
    ) -> httpx.Response:
        headers = {"content-type": "application/json"} if content is not None else {}
        timeout = httpx.Timeout(PATIENCE_S, read=PATIENCE_S + wait_s)
        try:
            response = await self._client.request(method, path, content=content, params=params, headers=headers, timeout=timeout)
        except httpx.TransportError as error:
            raise BankAway(type(error).__name__) from error
        if response.status_code >= 500:
            raise BankAway(f"HTTP {response.status_code}")
        if response.status_code >= 300:
            raise BankRefused(f"{path}: HTTP {response.status_code} {response.text[:300]}")
        return response
