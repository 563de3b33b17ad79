"""PostgreSQL for a service: one pool, named statements, counted transactions."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import structlog

log = structlog.get_logger()

# Our statements are short; to compile them would cost many times their run. The relay's `enable_seqscan = off` makes every cost
# look high enough for it.
# A process that stands still in the middle of a transaction would keep everybody else from what it has locked. The server takes
# its session away, and whoever handles the same records in its stead goes on; no transaction of ours pauses so long by itself.
_SETTINGS = {
    "jit": "off",
    "idle_in_transaction_session_timeout": "15s",
    # Every question of ours goes through an index, and a table that was small when its plan was made grows under it: whole tables
    # of cases were read for a batch of two hundred. Where there is no index it is read all the same.
    "enable_seqscan": "off",
}

_NAME = re.compile(r"^-- ([a-z_0-9]+) --$", re.MULTILINE)
_PARAMETER = re.compile(r"\$(\d+)")

# What passes by itself: the server is away, restarts, or asks us to try again.
TRANSIENT: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that the server has just ended, before the client has seen the end
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.CannotConnectNowError,
)


def queries(module_file: str, *, schema: str | None = None, name: str = "queries.sql") -> dict[str, str]:
    """The statements of the `queries.sql` beside a module, by name; `{schema}` is filled in where a schema is given."""
    text = (Path(module_file).parent / name).read_text(encoding="utf-8")
    if schema is not None:
        text = text.replace("{schema}", schema)
    parts = _NAME.split(text)
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass(slots=True)
class Counts:
    """How many statements and commits this process has made, by purpose; BEGIN and COMMIT are not statements."""

    by_purpose: dict[str, list[int]] = field(default_factory=dict)

    def note(self, purpose: str, statements: int) -> None:
        """Add one committed transaction; a statement beside a transaction commits by itself."""
        row = self.by_purpose.setdefault(purpose, [0, 0])
        row[0] += statements
        row[1] += 1

    @property
    def statements(self) -> int:
        """All statements."""
        return sum(statements for statements, _ in self.by_purpose.values())

    @property
    def commits(self) -> int:
        """All commits."""
        return sum(commits for _, commits in self.by_purpose.values())


COUNTS = Counts()


class Transaction:
    """One open database transaction. Every statement of ours goes through it, so that it can be counted.

    Writes that nobody waits for are deferred and run together as one statement: before the next read, or at the end.
    """

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
        purpose: str = "",
    ) -> None:
        self._connection = connection
        self.purpose = purpose
        self.afterwards: list[Callable[[], None]] = []
        self._deferred: list[tuple[str, tuple[object, ...]]] = []
        self.statements = 0

    async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        await self._begin()
        return await self._connection.fetch(statement, *values)

    async def one(self, statement: str, *values: object) -> asyncpg.Record | None:
        """Run one statement and return its first row, or None."""
        await self._begin()
        return await self._connection.fetchrow(statement, *values)

    async def value(self, statement: str, *values: object) -> Any:
        """Run one statement and return the first column of its first row, or None."""
        await self._begin()
        return await self._connection.fetchval(statement, *values)

    async def execute(self, statement: str, *values: object) -> str:
        """Run one statement and return the server's command tag."""
        await self._begin()
        return await self._connection.execute(statement, *values)

    def defer(self, statement: str, *values: object) -> None:
        """Note an INSERT, UPDATE or DELETE whose answer nobody needs. Of what is noted together, each row may be written once.

        `{before}` in a statement stands for what the statement noted just before it returns.
        """
        self._deferred.append((statement, values))

    async def flush(self) -> str:
        """Run what was deferred, as one statement; returns the server's command tag of the last of it, or nothing."""
        if not self._deferred:
            return ""
        noted, self._deferred = self._deferred, []
        self.statements += 1
        return await self._connection.execute(
            together(tuple(statement for statement, _ in noted)), *(value for _, values in noted for value in values)
        )

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call something when the transaction is committed, and only then."""
        self.afterwards.append(callback)

    async def _begin(self) -> None:
        await self.flush()
        self.statements += 1


@cache
def together(statements: tuple[str, ...]) -> str:
    """Several writes as one statement: all but the last become common table expressions, parameters are counted on.

    `{before}` becomes the name of the write before.
    """
    parts: list[str] = []
    used = 0
    for at, statement in enumerate(statements):
        most = max((int(number) for number in _PARAMETER.findall(statement)), default=0)
        shift = used
        part = _PARAMETER.sub(lambda found, shift=shift: f"${int(found[1]) + shift}", statement)  # type: ignore[misc]
        parts.append(part.replace("{before}", f"w{at - 1}").rstrip().rstrip(";"))
        used += most
    if len(parts) == 1:
        return parts[0]
    first = ",\n".join(f"w{at} AS (\n{part}\n)" for at, part in enumerate(parts[:-1]))
    return f"WITH {first}\n{parts[-1]}"


class Database:
    """A pool to one database, opened when the server answers and never given up.

    Args:
        url: `postgresql://role:password@host:port/database`.
        size: connections at most.
    """

    def __init__(self, url: str, *, size: int = 8, name: str = "jiexu") -> None:
        self._url = url
        self._size = size
        self._name = name
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._answered_at = float("-inf")

    async def open(self) -> None:
        """Open the pool; raises what asyncpg raises when the server is away."""
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=1,
                    max_size=self._size,
                    command_timeout=60,
                    timeout=10,
                    server_settings={"application_name": self._name, "timezone": "Asia/Shanghai", **_SETTINGS},
                )

    async def open_when_there(self) -> None:
        """Keep trying to open the pool until the server answers."""
        attempt = 0
        while True:
            try:
                await self.open()
            except TRANSIENT as error:
                log.warning("database.away", database=self._name, error=type(error).__name__, attempt=attempt)
                await pause(attempt)
                attempt += 1
            else:
                return

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    @property
    def is_open(self) -> bool:
        """Whether the pool was opened."""
        return self._pool is not None

    @property
    def connections(self) -> dict[str, int]:
        """How many connections are in use, how many are idle, and how many there may be at most."""
        size, idle = (self._pool.get_size(), self._pool.get_idle_size()) if self._pool is not None else (0, 0)
        return {"in_use": size - idle, "idle": idle, "most": self._size}

    @asynccontextmanager
    async def transaction(self, purpose: str) -> AsyncIterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `purpose` is for counting; what only looks whether there is something to do is called `poll`.
        """
        if self._pool is None:
            await self.open()
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            tx = Transaction(connection, purpose)
            async with connection.transaction():
                yield tx
                await tx.flush()
            COUNTS.note(tx.purpose, tx.statements)
            self._answered_at = time.monotonic()
        for callback in tx.afterwards:
            callback()

    @asynccontextmanager
    async def session(self, settings: Sequence[str] = ()) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection of one's own beside the pool, for what lives as long as a session: an advisory lock."""
        connection = await asyncpg.connect(
            self._url, timeout=10, command_timeout=60, server_settings={"application_name": f"{self._name}-session", **_SETTINGS}
        )
        try:
            for setting in settings:
                await connection.execute(setting)
            yield connection
        finally:
            await connection.close(timeout=5)

    async def answers(self) -> bool:
        """Whether the server answers now; for readiness. A pool that is all in use answers by what it does."""
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(3), self.transaction("readiness") as tx:
                return bool(await tx.value("SELECT true"))
        except TimeoutError:
            return self._answered_at > asked_at
        except TRANSIENT:
            return False


async def pause(attempt: int, *, base_s: float = 0.1, cap_s: float = 5.0) -> None:
    """Wait with exponential back-off and jitter before attempt + 1."""
    await asyncio.sleep(min(cap_s, base_s * 2 ** min(attempt, 20)) * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret
