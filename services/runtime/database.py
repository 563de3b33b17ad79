"""PostgreSQL for a service: one pool, named statements, counted transactions."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import structlog

log = structlog.get_logger()

_NAME = re.compile(r"^-- ([a-z_0-9]+) --$", re.MULTILINE)

# What passes by itself: the server is away, restarts, or asks us to try again.
TRANSIENT: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
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
    """How many statements and commits this process has asked for; BEGIN and COMMIT are not statements."""

    statements: int = 0
    commits: int = 0
    by_purpose: dict[str, list[int]] = field(default_factory=dict)

    def note(self, purpose: str, statements: int) -> None:
        """Add one committed transaction of `purpose`."""
        self.commits += 1
        row = self.by_purpose.setdefault(purpose, [0, 0])
        row[0] += statements
        row[1] += 1


COUNTS = Counts()


class Transaction:
    """One open database transaction. Every statement of ours goes through it, so that it can be counted."""

    def __init__(
        self, connection: "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
    ) -> None:
        self._connection = connection
        self.statements = 0

    async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        self._count()
        return await self._connection.fetch(statement, *values)

    async def one(self, statement: str, *values: object) -> asyncpg.Record | None:
        """Run one statement and return its first row, or None."""
        self._count()
        return await self._connection.fetchrow(statement, *values)

    async def value(self, statement: str, *values: object) -> Any:
        """Run one statement and return the first column of its first row, or None."""
        self._count()
        return await self._connection.fetchval(statement, *values)

    async def execute(self, statement: str, *values: object) -> str:
        """Run one statement and return the server's command tag."""
        self._count()
        return await self._connection.execute(statement, *values)

    def _count(self) -> None:
        self.statements += 1
        COUNTS.statements += 1


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
                    server_settings={"application_name": self._name, "timezone": "Asia/Shanghai"},
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

    @asynccontextmanager
    async def transaction(self, purpose: str) -> AsyncIterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        if self._pool is None:
            await self.open()
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            tx = Transaction(connection)
            async with connection.transaction():
                yield tx
            COUNTS.note(purpose, tx.statements)

    @asynccontextmanager
    async def session(self, settings: Sequence[str] = ()) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection of one's own beside the pool, for what lives as long as a session: an advisory lock."""
        connection = await asyncpg.connect(
            self._url, timeout=10, command_timeout=60, server_settings={"application_name": f"{self._name}-session"}
        )
        try:
            for setting in settings:
                await connection.execute(setting)
            yield connection
        finally:
            await connection.close(timeout=5)

    async def answers(self) -> bool:
        """Whether the server answers now; for readiness."""
        try:
            async with asyncio.timeout(3), self.transaction("readiness") as tx:
                return bool(await tx.value("SELECT true"))
        except TRANSIENT:
            return False


async def pause(attempt: int, *, base_s: float = 0.1, cap_s: float = 5.0) -> None:
    """Wait with exponential back-off and jitter before attempt + 1."""
    await asyncio.sleep(min(cap_s, base_s * 2 ** min(attempt, 20)) * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret
