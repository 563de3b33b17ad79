"""Questions that stand: whoever asks for a statement without new lines may wait until one comes.

A line that this process books, or that becomes due, is answered at once. What another process of the bank books is seen at the
next look.
"""

import asyncio
from datetime import datetime

from contracts.banking import StatementLine
from services.bank.store import Account, BankStore
from services.runtime.clock import Clock


class Standing:
    """The questions that stand in this process.

    Args:
        look_again_s: after so many seconds a question looks by itself, for what another process may have booked.
    """

    def __init__(self, store: BankStore, clock: Clock, *, look_again_s: float = 2.0) -> None:
        self._store = store
        self._clock = clock
        self._look_again_s = look_again_s
        self._waiting: dict[Account, set[asyncio.Event]] = {}
        self._followed: dict[Account, int] = {}
        self._closed = False

    async def lines(self, account: Account, after: int, wait_s: float) -> tuple[StatementLine, ...]:
        """Lines of a statement after a number: at once when there are any, else when one comes, or none when the time is over."""
        if wait_s > 0:
            self._followed[account] = max(after, self._followed.get(account, 0))
        self._store.booked = self._wake
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        rung = asyncio.Event()
        self._waiting.setdefault(account, set()).add(rung)  # before the first look, so that nothing is booked unheard
        try:
            while True:
                rung.clear()
                found, due = await self._store.look(account, after, self._clock.now())
                left_s = until - loop.time()
                if found or left_s <= 0 or self._closed:
                    return found
                pause_s = min(left_s, self._look_again_s, self._until(due))
                try:
                    async with asyncio.timeout(pause_s):
                        await rung.wait()
                except TimeoutError:
                    pass
        finally:
            self._waiting[account].discard(rung)

    def _until(self, due: datetime | None) -> float:
        """Seconds until then; never none at all, for the database's clock is finer than ours."""
        return self._look_again_s if due is None else max(0.001, (due - self._clock.now()).total_seconds())

    def look_again(self) -> None:
        """The clock was moved: every question looks at once."""
        self._wake(frozenset(self._waiting))

    def close(self) -> None:
        """Answer every question now: the bank stops."""
        self._closed = True
        self.look_again()

    async def unread(self) -> str | None:
        """The first statement with a line, booked or due, behind the number after which it was last asked for, or None."""
        for account, after in list(self._followed.items()):
            if await self._store.statement(account.province, account.kind, after, self._clock.now()):
                return f"{account.province} has not taken its statement of {account.kind}s beyond {after}"
        return None

    def _wake(self, accounts: frozenset[Account]) -> None:
        for account in accounts:
            for rung in self._waiting.get(account, ()):
                rung.set()
