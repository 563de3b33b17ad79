"""A simulated PostgreSQL: rows with versions, snapshots a statement (read committed), row locks, unique indexes, sequences.

It knows no SQL. Each of our named statements has an implementation in `statements.py`, written against `Query`; an unknown
statement fails with its name. What our code uses of asyncpg (pool, connection, transaction) stands here too, so that the real
`Database` and `Transaction` run on it, and the network between them breaks by the seed.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.runtime.clock import SHANGHAI
from services.runtime.database import together as real_together
from tests.simulation.loop import PROCESS, Process
from tests.simulation.nature import EPOCH_MS, Nature

Answer = list["Row"] | str
Implementation = Callable[..., Awaitable[Answer]]


class Row(dict[str, Any]):
    """A row of an answer, by name or by place."""

    def __missing__(self, key: Any) -> Any:
        if isinstance(key, int):
            return list(self.values())[key]
        raise KeyError(key)


class UnknownStatement(AssertionError):
    """Our code sent a statement that nobody has taught the simulation."""


class WrittenTwice(AssertionError):
    """Two writes that go out as one statement touch the same row; PostgreSQL would do one of them and say nothing."""


@dataclass(frozen=True)
class Index:
    """A unique index: the key of a row, or None where the index does not hold it."""

    name: str
    key: Callable[[dict[str, Any]], Any]


class Slot:
    """One row through time. `owner` is the transaction that has it locked, `pending` what it will be then."""

    __slots__ = ("owner", "pending", "versions", "written")

    def __init__(self) -> None:
        self.versions: list[tuple[int, dict[str, Any] | None]] = []
        self.owner: Work | None = None
        self.pending: dict[str, Any] | None = None
        self.written: tuple[int, int] = (0, 0)  # by which statement, and which part of it

    @property
    def latest(self) -> dict[str, Any] | None:
        """What is committed."""
        return self.versions[-1][1] if self.versions else None


class Table:
    """A table: columns (`!` after the name where NULL is refused), unique indexes, defaults, checks.

    Rows are found through the first index where a statement knows the key.
    """

    def __init__(
        self,
        name: str,
        columns: str,
        *unique: str,
        indexes: Sequence[Index] = (),
        serial: str | None = None,
        defaults: dict[str, Any] | None = None,
        checks: Sequence[Callable[[dict[str, Any]], bool]] = (),
        kept: Callable[[dict[str, Any]], bool] | None = None,
        references: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.columns = [column.rstrip("!") for column in columns.split()]
        self.required = [column.rstrip("!") for column in columns.split() if column.endswith("!")]
        self.indexes = [*(Index(names, _key_of(names.split(","))) for names in unique), *indexes]
        self.serial = serial
        self.defaults = defaults or {}
        self.checks = checks
        self.kept = kept
        self.references = references or {}
        self.slots: list[Slot] = []
        self.places: list[dict[Any, list[Slot]]] = [{} for _ in self.indexes]
        self.next = 1

    def candidates(self, key: Any) -> Sequence[Slot]:
        """Rows that have, had, or may get this key in the first index."""
        return self.places[0].get(key, ())

    def rows(self) -> list[dict[str, Any]]:
        """What is committed, in the order in which it came."""
        return [row for slot in self.slots if (row := slot.latest) is not None]

    def file(self, slot: Slot, row: dict[str, Any]) -> None:
        """Make a row findable."""
        for index, place in zip(self.indexes, self.places, strict=True):
            key = index.key(row)
            if key is not None:
                known = place.setdefault(key, [])
                if slot not in known:
                    known.append(slot)


def _key_of(columns: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    if len(columns) == 1:
        return lambda row, column=columns[0]: row[column]  # type: ignore[misc]
    return lambda row: tuple(row[column] for column in columns)


class Work:
    """One transaction at the server."""

    def __init__(self, server: "Server", connection: "Connection") -> None:
        self.server = server
        self.connection = connection
        self.touched: dict[Slot, None] = {}
        self.ended: list[asyncio.Future[None]] = []
        self.waits_for: Work | None = None
        self.waiting: asyncio.Future[None] | None = None
        self.began_at = server.now()
        self.open = True
        self.failed = False

    def commit(self) -> None:
        """Make what was written visible."""
        server = self.server
        server.lsn += 1
        for slot in self.touched:
            if slot.pending is not slot.latest:
                slot.versions.append((server.lsn, slot.pending))
        self._end()
        for callback in server.on_commit:
            callback()

    def rollback(self) -> None:
        """Forget it."""
        self._end()

    def _end(self) -> None:
        self.open = False
        for slot in self.touched:
            slot.owner = None
            slot.pending = None
        self.touched.clear()
        for future in self.ended:
            if not future.done():
                future.set_result(None)


def _check(table: "Table", row: dict[str, Any]) -> None:
    """Refuse what a column or a check of the table does not take."""
    for column in table.required:
        if row[column] is None:
            raise asyncpg.NotNullViolationError(f"{table.name}.{column}")
    if not all(check(row) for check in table.checks):
        raise asyncpg.CheckViolationError(f"{table.name}: {row}")


class Query:
    """What an implementation works with: one statement (or one part of one) with its snapshot."""

    def __init__(self, work: Work, schema: str, statement: int, part: int, snapshot: int, before: Sequence[Row] = ()) -> None:
        self.work = work
        self.server = work.server
        self.schema = schema
        self.before = before  # what the part before it returned: `{before}`
        self.added = False  # whether the last insert added a row
        self._at = (statement, part)
        self._snapshot = snapshot

    @property
    def now(self) -> datetime:
        """`now()`: when the transaction began."""
        return self.work.began_at

    def clock(self) -> datetime:
        """`clock_timestamp()`."""
        return self.server.now()

    def table(self, name: str) -> Table:
        """A table by its name, with or without schema."""
        return self.server.tables[name if "." in name else f"{self.schema}.{name}"]

    def see(self, slot: Slot) -> dict[str, Any] | None:
        """What this statement sees of a row."""
        if slot.owner is self.work:
            if slot.written[0] == self._at[0] and slot.written != self._at:
                raise WrittenTwice(str(slot.pending))
            return slot.pending
        for lsn, row in reversed(slot.versions):
            if lsn <= self._snapshot:
                seen: dict[str, Any] | None = row
                return seen
        return None

    def scan(
        self, name: str, wanted: Callable[[dict[str, Any]], Any] = lambda row: True
    ) -> Iterator[tuple[Slot, dict[str, Any]]]:
        """Rows that fulfil a condition, in the order in which they came."""
        for slot in list(self.table(name).slots):
            row = self.see(slot)
            if row is not None and wanted(row):
                yield slot, row

    def find(self, name: str, keys: Iterable[Any]) -> Iterator[tuple[Slot, dict[str, Any]]]:
        """Rows by the key of the first index."""
        table = self.table(name)
        for key in dict.fromkeys(keys):
            for slot in table.candidates(key):
                row = self.see(slot)
                if row is not None and table.indexes[0].key(row) == key:
                    yield slot, row

    async def lock(self, slot: Slot, wanted: Callable[[dict[str, Any]], Any] = lambda row: True) -> dict[str, Any] | None:
        """Lock a row and look at it again; None where it does not fulfil the condition any more."""
        while slot.owner is not None and slot.owner is not self.work:
            await self._wait(slot.owner)
        if slot.owner is None:
            slot.owner = self.work
            slot.pending = slot.latest
            self.work.touched[slot] = None
        row = slot.pending
        return row if row is not None and wanted(row) else None

    async def update(self, name: str, slot: Slot, **changes: Any) -> dict[str, Any]:
        """Change a locked row."""
        table = self.table(name)
        row = slot.pending
        assert row is not None
        if table.kept is not None and table.kept(row):
            raise asyncpg.RaiseError(f"a row of {table.name} is kept")
        changed = {**row, **changes}
        await self._write(table, slot, changed)
        return changed

    async def delete(self, slot: Slot) -> None:
        """Remove a locked row."""
        slot.pending = None
        slot.written = self._at

    async def insert(self, name: str, row: dict[str, Any], *, on_conflict: str = "error") -> Slot | None:
        """Add a row.

        Args:
            on_conflict: `error`, `nothing`, `nothing:` and the name of the one index that is asked, or the name of the index
                whose conflict is answered with the row that is there.

        Returns:
            The row's place; None where `nothing` was done. With an index it may be the row that was there, locked: see `added`.
        """
        table = self.table(name)
        self.added = False
        full = {column: row.get(column) for column in table.columns}
        for column, default in table.defaults.items():
            if column not in row:
                full[column] = default(self) if callable(default) else default
        if table.serial is not None:
            full[table.serial] = table.next
            table.next += 1
        _check(table, full)  # before any index is asked, as PostgreSQL does
        asked = on_conflict.partition(":")[2]
        if asked and await self._conflict(table, full, only=asked) is not None:
            return None
        while (found := await self._conflict(table, full)) is not None:
            index, known = found
            if on_conflict == "nothing":
                return None
            if on_conflict == index.name:
                if await self.lock(known) is None:
                    continue
                return known
            raise asyncpg.UniqueViolationError(f'duplicate key value violates unique constraint "{index.name}" of {table.name}')
        for column, other in table.references.items():
            if not any(slot.pending or slot.latest for slot in self.table(other).candidates(full[column])):
                raise asyncpg.ForeignKeyViolationError(f"{table.name}.{column}")
        slot = Slot()
        slot.owner = self.work
        self.work.touched[slot] = None
        table.slots.append(slot)
        await self._write(table, slot, full, new=True)
        self.added = True
        return slot

    async def alone(self, *what: Any) -> None:
        """A transaction's advisory lock."""
        slot = self.server.advisory_slots.setdefault(what, Slot())
        await self.lock(slot)

    async def _conflict(
        self, table: Table, row: dict[str, Any], but: Slot | None = None, only: str = ""
    ) -> tuple[Index, Slot] | None:
        for index, place in zip(table.indexes, table.places, strict=True):
            key = index.key(row)
            if key is None or (only and index.name != only):
                continue
            again = True
            while again:
                again = False
                for slot in place.get(key, ()):
                    if slot is but:
                        continue
                    pending, latest = slot.pending, slot.latest
                    if slot.owner is self.work:
                        if pending is not None and index.key(pending) == key:
                            return index, slot
                    elif slot.owner is not None:
                        if any(known is not None and index.key(known) == key for known in (pending, latest)):
                            await self._wait(slot.owner)
                            again = True
                            break
                    elif latest is not None and index.key(latest) == key:
                        return index, slot
        return None

    async def _write(self, table: Table, slot: Slot, row: dict[str, Any], *, new: bool = False) -> None:
        if not new:
            _check(table, row)
            if slot.written[0] == self._at[0] and slot.written != self._at:
                raise WrittenTwice(f"{table.name}: {row}")
            conflict = await self._conflict(table, row, but=slot)
            if conflict is not None:
                raise asyncpg.UniqueViolationError(f"{table.name}: {conflict[0].name}")
        slot.pending = row
        slot.written = self._at
        table.file(slot, row)

    async def _wait(self, owner: Work) -> None:
        """Wait until another transaction has ended; whoever closes a circle is refused."""
        at: Work | None = owner
        while at is not None:
            if at is self.work:
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            at = at.waits_for
        ended = asyncio.get_running_loop().create_future()
        owner.ended.append(ended)
        self.work.waits_for, self.work.waiting = owner, ended
        try:
            await ended
        finally:
            self.work.waits_for = self.work.waiting = None
        if not self.work.open:
            raise asyncpg.ConnectionDoesNotExistError("the connection was closed while the statement waited")


class Server:
    """One database with its tables, reached by `sim://<name>`."""

    def __init__(
        self, name: str, nature: Nature, tables: Iterable[Table], statements: dict[str, tuple[str, str, Implementation]]
    ):
        self.name = name
        self.nature = nature
        self.tables = {table.name: table for table in tables}
        self.statements = statements
        self.lsn = 1
        self.count = 0
        self.down = False
        self.connections: dict[Connection, None] = {}
        self.sessions: dict[int, Connection] = {}  # advisory locks that live as long as a connection
        self.queues: dict[int, list[tuple[Connection, asyncio.Future[None]]]] = {}
        self.advisory_slots: dict[Any, Slot] = {}
        self.sequences: dict[str, int] = {}
        self.on_commit: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The server's own clock; nobody moves it."""
        return datetime.fromtimestamp(EPOCH_MS / 1000, SHANGHAI) + timedelta(seconds=self.nature.loop.now)

    def nextval(self, name: str) -> int:
        """The next number of a sequence; it is not given back."""
        self.sequences[name] = self.sequences.get(name, 0) + 1
        return self.sequences[name]

    def restart(self) -> None:
        """Everything that is open is lost."""
        for connection in list(self.connections):
            connection.lose()

    def forget(self, process: Process) -> None:
        """A process is gone; what it had open is rolled back."""
        for connection in [known for known in self.connections if known.process is process]:
            connection.lose()

    async def run(self, work: Work, statement: str, values: Sequence[Any]) -> Answer:
        """One statement in a transaction."""
        if work.failed:
            raise asyncpg.InFailedSQLTransactionError("current transaction is aborted")
        self.count += 1
        try:
            parts = statement.parts if isinstance(statement, Together) else ((statement, len(values)),)
            number, at, answer = self.count, 0, ""  # type: int, int, Answer
            snapshot = self.lsn
            for part, (text, used) in enumerate(parts):
                _, schema, implementation = self.known(text)
                before = answer if isinstance(answer, list) else ()
                answer = await implementation(Query(work, schema, number, part, snapshot, before), *values[at : at + used])
                at += used
            return answer
        except asyncpg.PostgresError:
            work.failed = True
            raise

    def known(self, text: str) -> tuple[str, str, Implementation]:
        """The implementation of a statement.

        Raises:
            UnknownStatement: with its text; a statement of ours is named in `statements.py`.
        """
        found = self.statements.get(text)
        if found is None:
            raise UnknownStatement(f"the simulated database does not know this statement:\n{text}")
        return found

    async def lead(self, connection: "Connection", key: int) -> None:
        """`pg_advisory_lock` of a session."""
        holder = self.sessions.get(key)
        if holder is connection:
            return
        if holder is None:
            self.sessions[key] = connection
            return
        turn = asyncio.get_running_loop().create_future()
        self.queues.setdefault(key, []).append((connection, turn))
        await turn

    def release(self, connection: "Connection") -> None:
        """A session ended."""
        for queue in self.queues.values():
            for waiting, turn in queue:
                if waiting is connection and not turn.done():
                    turn.set_result(None)
            queue[:] = [entry for entry in queue if entry[0] is not connection]
        for key, holder in list(self.sessions.items()):
            if holder is connection:
                del self.sessions[key]
                queue = self.queues.get(key, [])
                while queue:
                    waiting, turn = queue.pop(0)
                    if not waiting.lost and not turn.done():
                        self.sessions[key] = waiting
                        turn.set_result(None)
                        break


class Together(str):
    """Several writes as one statement, which remembers its parts."""

    parts: tuple[tuple[str, int], ...]


_TOGETHER: dict[tuple[str, ...], Together] = {}


def together(statements: tuple[str, ...]) -> str:
    """In the place of `services.runtime.database.together`, which makes the text."""
    if len(statements) == 1:
        return statements[0]
    found = _TOGETHER.get(statements)
    if found is None:
        found = _TOGETHER[statements] = Together(real_together(statements))
        found.parts = tuple((text, _parameters(text)) for text in statements)
    return found


def _parameters(text: str) -> int:
    return max((int(number) for number in re.findall(r"\$(\d+)", text)), default=0)


LOCK = "SELECT pg_advisory_lock($1)"
TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
_IDLE = re.compile(r"SET idle_session_timeout = '(\d+)s'")


class Connection:
    """What asyncpg gives to our code, as far as it uses it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.process = PROCESS.get()
        self.work: Work | None = None
        self.lost = False
        self.used_at = 0.0
        server.connections[self] = None

    async def fetch(self, statement: str, *values: Any, timeout: float | None = None) -> list[Row]:
        """All rows."""
        answer = await self._run(statement, values)
        return answer if isinstance(answer, list) else []

    async def fetchrow(self, statement: str, *values: Any) -> Row | None:
        """The first row."""
        rows = await self.fetch(statement, *values)
        return rows[0] if rows else None

    async def fetchval(self, statement: str, *values: Any, timeout: float | None = None) -> Any:
        """The first column of the first row."""
        row = await self.fetchrow(statement, *values)
        return None if row is None else next(iter(row.values()))

    async def execute(self, statement: str, *values: Any) -> str:
        """The command tag."""
        if statement.startswith("SET "):
            found = _IDLE.fullmatch(statement)
            if found is not None:
                self._end_when_idle(float(found[1]))
            return "SET"
        answer = await self._run(statement, values)
        return answer if isinstance(answer, str) else f"SELECT {len(answer)}"

    def transaction(self) -> "_Transaction":
        """A transaction."""
        return _Transaction(self)

    async def close(self, timeout: float | None = None) -> None:
        """Take leave."""
        self.lose()

    def lose(self) -> None:
        """The connection is gone; the server rolls back."""
        if self.lost:
            return
        self.lost = True
        self.server.connections.pop(self, None)
        if self.work is not None and self.work.open:
            self.work.rollback()
            if self.work.waiting is not None and not self.work.waiting.done():
                self.work.waiting.set_result(None)
        self.server.release(self)

    def _end_when_idle(self, idle_s: float) -> None:
        """`idle_session_timeout`: the server ends a session that asks nothing for so long."""
        loop = self.server.nature.loop

        def look() -> None:
            if self.lost:
                return
            left_s = self.used_at + idle_s - loop.now
            if left_s <= 0 and self.work is None:
                self.lose()
            else:
                loop.call_later(max(0.1, left_s), look, context=Context())

        loop.call_later(idle_s, look, context=Context())

    async def way(self, where: str) -> None:
        """To the server and back; on the way the connection may break and the process may die."""
        nature = self.server.nature
        self.used_at = nature.loop.now
        self.check()
        await nature.step(where)
        self.check()
        if nature.happens(nature.weather.database_lost):
            nature.note(f"{self.server.name}: connection lost", fault="database connections lost")
            self.lose()
            self.check()

    def check(self) -> None:
        """Raise what asyncpg raises on a connection that is gone."""
        if self.lost:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def _run(self, statement: str, values: Sequence[Any]) -> Answer:
        await self.way("statement")
        if statement == TRY_LOCK:
            holder = self.server.sessions.setdefault(values[0], self)
            return [Row(pg_try_advisory_lock=holder is self)]
        if statement == LOCK:
            await self.server.lead(self, values[0])
            self.check()
            return [Row(pg_advisory_lock=None)]
        if self.work is not None:
            answer = await self.server.run(self.work, statement, values)
            self.check()
        else:
            work = Work(self.server, self)
            self.work = work
            try:
                answer = await self.server.run(work, statement, values)
                self.check()
                work.commit()
            finally:
                if work.open:
                    work.rollback()
                self.work = None
        await self.server.nature.step("answer", 0.005)
        self.check()
        return answer


class _Transaction:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        connection = self._connection
        connection.check()
        assert connection.work is None, "a transaction within a transaction"
        connection.work = Work(connection.server, connection)

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        connection = self._connection
        work = connection.work
        assert work is not None
        if kind is not None and not (isinstance(kind, type) and issubclass(kind, Exception | asyncio.CancelledError)):
            return  # the process is being swept away
        if kind is not None:
            connection.work = None
            if connection.lost:
                raise asyncpg.InterfaceError("cannot call Transaction.rollback(): the underlying connection is closed")
            work.rollback()
            return
        nature = connection.server.nature
        try:
            await connection.way("commit")
            if work.failed:
                work.rollback()  # COMMIT of a failed transaction is a ROLLBACK
            else:
                work.commit()
            if nature.happens(nature.weather.commit_unknown):
                nature.note(f"{connection.server.name}: committed, the answer is lost", fault="commit answers lost")
                connection.lose()
            await nature.step("committed", 0.005)
            connection.check()
        finally:
            connection.work = None
            if work.open:
                work.rollback()


class Pool:
    """A pool of connections of one process."""

    def __init__(self, server: Server, size: int) -> None:
        self._server = server
        self._free: list[Connection] = []
        self._turns = asyncio.Semaphore(size)

    def acquire(self) -> "_Acquired":
        """A connection for a block."""
        return _Acquired(self)

    async def close(self) -> None:
        """Close all of them."""
        for connection in self._free:
            connection.lose()
        self._free.clear()

    async def take(self) -> Connection:
        """A free connection, or a new one."""
        await self._turns.acquire()
        try:
            while self._free:
                connection = self._free.pop()
                if not connection.lost:
                    return connection
            return await connect(self._server)
        except BaseException:
            self._turns.release()
            raise

    def give(self, connection: Connection) -> None:
        """Put it back."""
        if not connection.lost:
            self._free.append(connection)
        self._turns.release()


class _Acquired:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(self, *_: Any) -> None:
        assert self._connection is not None
        self._pool.give(self._connection)


async def connect(server: Server) -> Connection:
    """Open a connection.

    Raises:
        ConnectionRefusedError: while the server is down, or out of reach.
    """
    nature = server.nature
    await nature.step("connect")
    process = PROCESS.get()
    if server.down or (process is not None and (process.name, server.name) in reached_not(nature)):
        raise ConnectionRefusedError(server.name)
    return Connection(server)


def reached_not(nature: Nature) -> set[tuple[str, str]]:
    """Which process cannot reach which server now."""
    found: set[tuple[str, str]] = nature.__dict__.setdefault("cuts", set())
    return found
