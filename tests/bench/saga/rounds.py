"""Runs the baseline on a stack: its databases and topics, its two processes, its sums."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from contracts import topics
from deploy.kafka.provision import TopicSpec, admin_client, provision
from deploy.local.native import CHECKOUT
from deploy.local.processes import ProcessRecord, StackError, alive, last_lines, spawn, stop_all
from deploy.local.stack import Stack
from tests.bench.figures import Run
from tests.bench.meters import cpu_s, records_published
from tests.bench.saga.bus import SQL
from tests.bench.saga.ledger import IN_TRANSIT
from tests.bench.saga.messages import COMMANDS, DONE, EVENTS, JOURNAL
from tests.bench.saga.orchestrator import ACCOUNTS
from tests.bench.watcher import Watcher

ORCHESTRATOR, LEDGER = "orchestrator", "ledger"
OPENING_FEN = 100_000_000
TOPICS = (COMMANDS, EVENTS, JOURNAL)

_READY_S, _DONE_S = 60.0, 600.0


@dataclass
class Saga:
    """The baseline on a stack. What it has done before stays, as with us."""

    stack: Stack
    taken: int = 0
    """How many transfers were ever handed in."""
    processes: dict[str, ProcessRecord] = field(default_factory=dict)

    async def prepare(self) -> None:
        """Create topics, databases and accounts, once."""
        access = self.stack.kafka
        specs = [TopicSpec(name, topics.PARTITIONS, {"retention.ms": "-1"}) for name in TOPICS]
        admin = admin_client(access.bootstrap, access.username, access.password)
        await asyncio.to_thread(provision, admin, principals=[], topics=specs, acls=[])
        server = await asyncpg.connect(self.stack.postgres.url)
        try:
            for name in (ORCHESTRATOR, LEDGER):
                await server.execute(f"CREATE DATABASE saga_{name}")
        finally:
            await server.close()
        async with self._connection(ORCHESTRATOR) as connection:
            await connection.execute(SQL["bus"])
            await connection.execute(SQL["transfers"])
        async with self._connection(LEDGER) as connection:
            await connection.execute(SQL["bus"])
            await connection.execute(SQL["ledger"])
            rows = [(IN_TRANSIT, 0, 0), *((account, OPENING_FEN, OPENING_FEN) for account in range(1, ACCOUNTS + 1))]
            await connection.executemany("INSERT INTO accounts VALUES ($1, $2, $3)", rows)

    @contextmanager
    def running(self, takes: Sequence[int], settings: Mapping[str, str]) -> Iterator[None]:
        """Both processes, which take in these numbers of transfers one after the other when they are asked to."""
        ready = {name: self.stack.home / f"saga-{name}.ready" for name in (ORCHESTRATOR, LEDGER)}
        for file in ready.values():
            file.unlink(missing_ok=True)
        access = self.stack.kafka
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        for name in (ORCHESTRATOR, LEDGER):
            env = {
                **inherited,
                "LANG": "C.UTF-8",
                "KAFKA_BOOTSTRAP": access.bootstrap,
                "KAFKA_USERNAME": access.username,
                "KAFKA_PASSWORD": access.password,
                "DATABASE_URL": self._url(name),
                "READY_FILE": str(ready[name]),
                "SAGA_TAKE": ",".join(str(number) for number in takes),
                "MAX_RECORDS": "200",
                "RELAY_BATCH": "500",
                **settings,
            }
            argv = [sys.executable, "-m", f"tests.bench.saga.{name}"]
            self.processes[f"saga {name}"] = spawn(name, argv, env, self.stack.log(f"saga-{name}"), CHECKOUT)
        try:
            end = time.monotonic() + _READY_S
            while not all(file.exists() for file in ready.values()):
                self.check()
                if time.monotonic() > end:
                    raise StackError("the baseline is not ready in time")
                time.sleep(0.05)
            yield
        finally:
            stop_all(self.processes.values())
            self.processes.clear()

    def pids(self) -> dict[str, int]:
        """Both processes by name."""
        return {name: record.pid for name, record in self.processes.items()}

    def check(self) -> None:
        """See that both run.

        Raises:
            StackError: with the last lines of the log of one that has ended.
        """
        for name, record in self.processes.items():
            if not alive(record):
                raise StackError(f"{name} ended; its log says:\n{last_lines(record.log)}")

    async def carry(self, count: int, pids: Mapping[str, int]) -> Run:
        """Ask for the next transfers, and return when they are done and nothing waits; `pids` are the servers."""
        everybody = {**pids, **self.pids()}
        before, spent = await asyncio.to_thread(records_published, self.stack, TOPICS), cpu_s(everybody)
        with Watcher(self.stack, JOURNAL, DONE) as watcher:
            began = time.monotonic()
            os.kill(self.processes[f"saga {ORCHESTRATOR}"].pid, signal.SIGUSR1)
            while len(watcher.seen) < count:
                self.check()
                if time.monotonic() > began + _DONE_S:
                    raise StackError(f"{len(watcher.seen)} of {count} transfers are done")
                await asyncio.sleep(0.02)
            while await self._waiting():  # noqa: ASYNC110 - other processes are asked
                await asyncio.sleep(0.02)
            quiet = time.monotonic()
            last = watcher.last
        used = {name: after - spent[name] for name, after in cpu_s(everybody).items()}
        records = await asyncio.to_thread(records_published, self.stack, TOPICS) - before
        self.taken += count
        return Run(count, last - began, quiet - began, used, records, {})

    async def sums(self) -> list[str]:
        """What is not exactly as it must be after all transfers until now; nothing where all is well."""
        count = self.taken
        wanted = {
            ORCHESTRATOR: {
                "SELECT count(*) FROM transfers": count,
                "SELECT count(*) FROM transfers WHERE state = 'DONE'": count,
                "SELECT count(*) FROM inbox": 3 * count,
                "SELECT count(*) FROM outbox": 0,
            },
            LEDGER: {
                "SELECT sum(balance_fen)::bigint FROM accounts": ACCOUNTS * OPENING_FEN,
                f"SELECT balance_fen FROM accounts WHERE account = {IN_TRANSIT}": 0,
                "SELECT count(*) FROM lines": 4 * count,
                "SELECT sum(amount_fen)::bigint FROM lines": 0,
                "SELECT count(*) FROM accounts AS a WHERE balance_fen <> opening_fen + coalesce("
                "(SELECT sum(amount_fen) FROM lines AS l WHERE l.account = a.account), 0)": 0,
                "SELECT count(*) FROM inbox": 2 * count,
                "SELECT count(*) FROM outbox": 0,
            },
        }
        wrong = []
        for name, questions in wanted.items():
            async with self._connection(name) as connection:
                for question, expected in questions.items():
                    found = await connection.fetchval(question)
                    if found != expected:
                        wrong.append(f"{name}: {question}: expected {expected}, found {found}")
        return wrong

    async def _waiting(self) -> bool:
        for name in (ORCHESTRATOR, LEDGER):
            async with self._connection(name) as connection:
                if await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                    return True
        return False

    def _connection(self, name: str) -> Any:
        return _Connection(self._url(name))

    def _url(self, name: str) -> str:
        access = self.stack.postgres
        return access.url_of(f"saga_{name}", access.username, access.password)


class _Connection:
    """A connection for the length of a block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
