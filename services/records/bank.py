"""The bank as a fund desk sees it: a port, and the adapter that speaks to the bank's HTTP interface."""

from pathlib import Path
from typing import Literal, Protocol

import httpx

from contracts.banking import OrderTaken, RemittanceOrder, ReturnOrder, Statement, StatementLine

PAGE = 500  # lines that one look at a statement gives at most


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

    async def lines(self, province: str, kind: Literal["payment", "returned"], after: int) -> tuple[StatementLine, ...]:
        """Statement lines of one kind after a line number, oldest first."""


class HttpBank:
    """The embedded bank, or any other behind the same interface."""

    def __init__(self, url: str, token_file: Path) -> None:
        token = token_file.read_text(encoding="ascii").strip()
        self._client = httpx.AsyncClient(base_url=url, timeout=10, headers={"authorization": f"Bearer {token}"})

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

    async def lines(self, province: str, kind: Literal["payment", "returned"], after: int) -> tuple[StatementLine, ...]:
        """Statement lines after a number, at most 500.

        Raises:
            BankAway: when the bank does not answer.
        """
        params = {"province": province, "kind": kind, "after": str(after)}
        response = await self._ask("GET", "/statement", params=params)
        return Statement.model_validate_json(response.content).lines

    async def _ask(
        self, method: str, path: str, *, content: str | None = None, params: dict[str, str] | None = None
    ) -> httpx.Response:
        headers = {"content-type": "application/json"} if content is not None else {}
        try:
            response = await self._client.request(method, path, content=content, params=params, headers=headers)
        except httpx.TransportError as error:
            raise BankAway(type(error).__name__) from error
        if response.status_code >= 500:
            raise BankAway(f"HTTP {response.status_code}")
        if response.status_code >= 300:
            raise BankRefused(f"{path}: HTTP {response.status_code} {response.text[:300]}")
        return response
