"""Plays the people of some provinces over HTTP: clerks, fund desks, the bank, the clock. For the demo, tests and scenarios."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import httpx

from deploy.local.services import Endpoints, Tokens
from services.runtime.identity import Role

ORIGIN = "origin-agency"
DESTINATION = "destination-agency"
NOTIFICATION = "notification"
LIST = 500  # cases in one list of proposals or approvals
BACK_WITHIN_S = 30.0  # while services look at this and that by themselves

Tell = Callable[[str], None]


class Unexpected(RuntimeError):
    """A service answered something else than the play expects; the text holds the answer."""


class Stage:
    """The provinces as they are played. Makers and checkers are two persons in every province."""

    def __init__(self, endpoints: Endpoints, tokens: Tokens) -> None:
        self._endpoints = endpoints
        self._tokens = tokens
        # A service closes a connection that was idle for five seconds; one given up before is never found closed in mid-question.
        limits = httpx.Limits(max_connections=32, keepalive_expiry=2)
        self._client = httpx.AsyncClient(timeout=120, limits=limits)
        self._issued: dict[tuple[str, Role], str] = {}

    @property
    def provinces(self) -> tuple[str, ...]:
        """The provinces on stage."""
        return self._endpoints.provinces

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def token(self, province: str, role: Role) -> str:
        """The token of the one who plays a role in a province."""
        key = (province, role)
        if key not in self._issued:
            self._issued[key] = self._tokens.staff(province, role)
        return self._issued[key]

    def person(self, province: str, person_ref: str) -> str:
        """The token of an insured person."""
        return self._tokens.insured(province, person_ref)

    def several(self, province: str, name: str, roles: Sequence[Role]) -> str:
        """The token of one person with several roles."""
        return self._tokens.staff(province, *roles, name=name)

    def url(self, province: str, service: str) -> str:
        """The base URL of a province's service. Raises `KeyError` where there is none."""
        return self._endpoints.url(province, service)

    @property
    def bank_url(self) -> str:
        """The base URL of the bank."""
        return self._endpoints.bank

    async def ask(
        self,
        method: str,
        url: str,
        token: str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request, whatever the answer.

        What breaks off is asked again where asking twice is asking once (GET, PUT); another wish is not, it may have been heard.
        """
        told = {"authorization": f"Bearer {token}", **(headers or {})}
        try:
            return await self._client.request(method, url, json=json, params=params, headers=told)
        except httpx.TransportError:
            if method not in ("GET", "PUT"):
                raise
            return await self._client.request(method, url, json=json, params=params, headers=told)

    async def call(
        self,
        method: str,
        province: str,
        service: str,
        path: str,
        role: Role | str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """One request that must be answered well. `role` may also be a token.

        Raises:
            Unexpected: with the problem that the service named.
        """
        token = self.token(province, role) if isinstance(role, Role) else role
        response = await self.ask(method, self._endpoints.url(province, service) + path, token, json=json, params=params)
        if response.status_code >= 300:
            raise Unexpected(f"{province}/{service} {path}: HTTP {response.status_code} {response.text[:500]}")
        return response.json()

    async def bank(self, method: str, path: str, province: str, role: Role, *, json: Any = None) -> Any:
        """One request to the bank."""
        response = await self.ask(method, self._endpoints.bank + path, self.token(province, role), json=json)
        if response.status_code >= 300:
            raise Unexpected(f"bank {path}: HTTP {response.status_code} {response.text[:500]}")
        return response.json()

    def every_service(self) -> list[tuple[str, str]]:
        """Province and base URL of every service that has a clock."""
        every = {**self._endpoints.services, **self._endpoints.replicas}
        found = [(name.split(".")[0], url) for name, url in every.items()]
        return [*found, (self.provinces[0], self._endpoints.bank)]

    async def move(self, to: datetime, *, bank_first: bool = True, provinces: Collection[str] | None = None) -> None:
        """Move every service's clock, and return when all are idle again.

        Args:
            to: from where they go on.
            provinces: whose services must be idle; all, unless told otherwise.
            bank_first: whether the bank's clock is moved before all others; else after them, and what it pays then is booked on
                the new day by everybody.

        Raises:
            Unexpected: when a service does not let its clock be moved.
        """
        await self._move(to, bank_first=bank_first)
        await self.idle(provinces=provinces)

    async def put_back(self, to: datetime) -> None:
        """Put all clocks back, as another story begins; a service that has something in hand is waited for.

        Raises:
            Unexpected: when a service does not let its clock be put back.
        """
        until = time.monotonic() + BACK_WITHIN_S
        while True:
            try:
                return await self._move(to, back=True)
            except Unexpected:
                if time.monotonic() > until:
                    raise
            await self.idle()

    async def _move(self, to: datetime, *, back: bool = False, bank_first: bool = True) -> None:
        wish = {"now": to.isoformat(), **({"back": True} if back else {})}

        async def one(province: str, url: str) -> None:
            token = self.token(province, Role.OPERATOR)
            response = await self.ask("PUT", f"{url}/scenario/clock", token, json=wish)
            if response.status_code >= 300:
                raise Unexpected(f"{url}: {response.text[:300]}")

        others = [(province, url) for province, url in self.every_service() if url != self._endpoints.bank]
        if bank_first:
            # So that no fund desk looks at its statement before.
            await one(self.provinces[0], self._endpoints.bank)
        await asyncio.gather(*(one(province, url) for province, url in others))
        if not bank_first:
            await one(self.provinces[0], self._endpoints.bank)

    async def idle(self, *, within_s: float = 300, provinces: Collection[str] | None = None) -> None:
        """Return when no service has anything in hand, twice in a row: what one lets go may be on its way to another.

        Args:
            within_s: how long it may take.
            provinces: whose services, with the bank; all, unless told otherwise.

        Raises:
            Unexpected: when that takes too long; the text names who is at work with what.
        """
        until = time.monotonic() + within_s
        bank = self._endpoints.bank
        asked = [each for each in self.every_service() if provinces is None or each[0] in provinces or each[1] == bank]
        quiet = 0
        while quiet < 2:
            answers = await asyncio.gather(*(self._in_hand(province, url) for province, url in asked))
            busy = [answer for answer in answers if answer is not None]
            quiet = 0 if busy else quiet + 1
            if time.monotonic() > until:
                raise Unexpected(f"still at work after {within_s:.0f} s: {'; '.join(busy)}")
            if quiet < 2:
                await asyncio.sleep(0.05 if busy else 0.03)

    async def _in_hand(self, province: str, url: str) -> str | None:
        response = await self.ask("GET", f"{url}/scenario/idle", self.token(province, Role.OPERATOR))
        if response.status_code >= 300:
            return f"{url} answers {response.status_code}"
        in_hand = response.json()["in_hand"]
        return None if in_hand is None else f"{url}: {in_hand}"

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Statements and commits of all services since their start, by service and purpose."""
        found: dict[str, tuple[int, int]] = {}
        for name, url in [*self._endpoints.services.items(), *self._endpoints.replicas.items(), ("bank", self._endpoints.bank)]:
            province = name.split(".")[0] if "." in name else self.provinces[0]
            answer = await self.ask("GET", f"{url}/scenario/counts", self.token(province, Role.OPERATOR))
            for purpose, (statements, commits) in answer.json().items():
                found[f"{name} {purpose}"] = (statements, commits)
        return found

    async def cases(self, province: str, service: str, *states: str, **params: Any) -> list[dict[str, Any]]:
        """A work list."""
        wanted = {"state": list(states), "limit": 5000, **params}
        found: list[dict[str, Any]] = await self.call("GET", province, service, "/cases", Role.AUDITOR, params=wanted)
        return found

    async def two_hands(
        self, province: str, service: str, what: str, case_ids: Sequence[str], *, first: Role = Role.MAKER
    ) -> list[dict[str, Any]]:
        """A maker proposes a list, a checker approves what was proposed; returns the rows of both that were refused."""
        refused: list[dict[str, Any]] = []
        for chunk in _chunks(case_ids, LIST):
            for step, role in (("proposals", first), ("approvals", Role.CHECKER)):
                answer = await self.call("POST", province, service, f"/{what}/{step}", role, json={"case_ids": chunk})
                refused.extend(row for row in answer["rows"] if row["result"] == "refused")
        return refused

    async def decide_admissions(self, province: str) -> int:
        """Decide everything that waits for a decision; returns how many cases."""
        waiting = [case["case_id"] for case in await self.cases(province, DESTINATION, "REVIEWING")]
        await self.two_hands(province, DESTINATION, "admissions", waiting)
        return len(waiting)

    async def handle_letters(self, province: str, *, but: Iterable[str] = ()) -> int:
        """Make forms, or return letters, for everything that waits at an origin, but for some cases."""
        leave = set(but)
        waiting = [case["case_id"] for case in await self.cases(province, ORIGIN, "LETTER_HELD") if case["case_id"] not in leave]
        await self.two_hands(province, ORIGIN, "handlings", waiting)
        return len(waiting)

    async def remit(self, province: str) -> int:
        """Pay everything that is approved at an origin; returns how many cases.

        What the bank gave back because of the account waits for the destination's corrected letter (see `correct_accounts`).
        """
        waiting = [case["case_id"] for case in await self.cases(province, ORIGIN, "FORM_ISSUED", "PAYMENT_RETURNED")]
        refused = await self.two_hands(province, ORIGIN, "remittances", waiting, first=Role.FUND_DESK)
        return len(waiting) - len({row["case_id"] for row in refused})

    async def correct_accounts(self, province: str) -> int:
        """Send corrected letters, with the account of the day, for payments that the bank gave back; returns how many cases."""
        differing = await self.cases(province, DESTINATION, "DISCREPANCY")
        waiting = [case["case_id"] for case in differing if case["code"] == "PAYMENT_RETURNED"]
        for chunk in _chunks(waiting, LIST):
            wish = {"case_ids": chunk, "reason": "the bank gave the payment back: another account"}
            await self.call("POST", province, DESTINATION, "/letters/proposals", Role.MAKER, json=wish)
            await self.call("POST", province, DESTINATION, "/letters/approvals", Role.CHECKER, json={"case_ids": chunk})
        return len(waiting)

    async def complete(self, province: str) -> int:
        """Book everything where form and money agree; returns how many cases."""
        waiting = [case["case_id"] for case in await self.cases(province, DESTINATION, "BOOKING")]
        await self.two_hands(province, DESTINATION, "completions", waiting)
        return len(waiting)

    async def give_back(self, province: str) -> int:
        """Give back everything that was paid twice or too much; returns how many cases."""
        waiting = [case["case_id"] for case in await self.cases(province, DESTINATION, surplus=True)]
        await self.two_hands(province, DESTINATION, "surpluses", waiting, first=Role.FUND_DESK)
        return len(waiting)

    async def import_records(self, province: str, persons: str, contributions: str) -> str:
        """Import a province's files and wait until they are booked; returns the import's id."""
        files = {"persons_csv": persons, "contributions_csv": contributions}
        begun = await self.call("POST", province, ORIGIN, "/records/imports", Role.OPERATOR, json=files)
        return str(begun["import_id"])

    async def import_state(self, province: str, import_id: str) -> dict[str, Any]:
        """How far an import is."""
        found: dict[str, Any] = await self.call("GET", province, ORIGIN, f"/records/imports/{import_id}", Role.OPERATOR)
        return found


def _chunks(items: Sequence[str], size: int) -> Iterable[list[str]]:
    return (list(items[at : at + size]) for at in range(0, len(items), size))
