"""What is read before and after a measurement: processor time, statements, records, rows. Every reading only ever grows."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import admin as kafka_admin

from contracts import topics
from deploy.kafka.provision import admin_client
from deploy.local.stack import Stack
from services.cli.play import Stage

LOAD = "load generator"
POSTGRES = "postgres"

# What looks whether there is something to do costs the same with and without a case; the rest is asked by the bench itself.
LOOKS = ("poll", "idle", "readiness")

Counts = Mapping[str, tuple[int, int]]


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds of each process since its start, the bench itself as the load generator.

    PostgreSQL is its postmaster with all its children: those that live are asked, those that have ended stand in what the
    postmaster has waited for.
    """
    own = psutil.Process().cpu_times()
    found = {LOAD: own.user + own.system}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        found[name] = _seconds(process)
        if name == POSTGRES:
            times = process.cpu_times()
            found[name] += times.children_user + times.children_system
            found[name] += sum(_seconds(child) for child in process.children(recursive=True))
    return found


async def idle_ms(pids: Mapping[str, int], *, seconds: float = 3.0) -> float:
    """Milliseconds of processor time a second that everything but the bench spends while it has nothing to do."""
    before = cpu_s(pids)
    await asyncio.sleep(seconds)
    after = cpu_s(pids)
    return 1000 * sum(after[name] - before[name] for name in pids) / seconds


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def records_published(stack: Stack, names: Iterable[str]) -> int:
    """How many records stand in these topics."""
    access = stack.kafka
    admin: Any = admin_client(access.bootstrap, access.username, access.password)
    partitions = [TopicPartition(name, at) for name in names for at in range(topics.PARTITIONS)]
    exported: Any = kafka_admin  # the library re-exports its names in a way that a strict checker refuses
    ends = admin.list_offsets({partition: exported.OffsetSpec.latest() for partition in partitions})
    return sum(future.result(30).offset for future in ends.values())


def our_topics(provinces: Iterable[str]) -> list[str]:
    """Every topic that the services publish to."""
    return [*(name for code in provinces for name in (topics.exchange(code), topics.journal(code))), topics.CHECKPOINTS]


@dataclass(frozen=True, slots=True)
class Rows:
    """What PostgreSQL has read, over all tables of some databases, and what it has committed."""

    sequential: int = 0
    by_index: int = 0
    commits: int = 0

    @property
    def read(self) -> int:
        """All rows that were looked at."""
        return self.sequential + self.by_index

    def __sub__(self, before: "Rows") -> "Rows":
        return Rows(self.sequential - before.sequential, self.by_index - before.by_index, self.commits - before.commits)


_READ = """
SELECT schemaname || '.' || relname AS name, seq_tup_read, coalesce(idx_tup_fetch, 0) AS idx_tup_fetch
  FROM pg_stat_user_tables
"""
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def rows_of(stack: Stack, databases: Iterable[str]) -> dict[str, Rows]:
    """Rows read by table since the statistics began, `province_44 ledger.heads`; commits stand under the database's name.

    A backend reports at most once a second, and when it has been idle for ten; see `settle`.
    """
    found: dict[str, Rows] = {}
    for database in databases:
        connection = await asyncpg.connect(stack.postgres.url_of(database, stack.postgres.username, stack.postgres.password))
        try:
            found[database] = Rows(commits=int(await connection.fetchval(_COMMITS)))
            for row in await connection.fetch(_READ):
                found[f"{database} {row['name']}"] = Rows(row["seq_tup_read"], row["idx_tup_fetch"])
        finally:
            await connection.close()
    return found


async def settle() -> None:
    """Wait until every backend, idle by now, has reported what it has read."""
    await asyncio.sleep(11)


def databases_of(provinces: Iterable[str]) -> list[str]:
    """The databases of some provinces."""
    return [f"{kind}_{code}" for code in provinces for kind in ("province", "keys")]


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that is read at one moment."""

    cpu_s: Mapping[str, float]
    counts: Counts
    records: int


async def read(stage: Stage, stack: Stack, pids: Mapping[str, int], provinces: Iterable[str]) -> Reading:
    """Read everything but the rows."""
    counts = await stage.counts()
    records = await asyncio.to_thread(records_published, stack, our_topics(provinces))
    return Reading(cpu_s(pids), counts, records)


def made_between(before: Counts, after: Counts) -> dict[str, tuple[int, int]]:
    """Statements and commits of the provinces' services by purpose, without looks and without the bank."""
    found = {}
    for name, (statements, commits) in after.items():
        service, _, purpose = name.partition(" ")
        if service == "bank" or purpose in LOOKS:
            continue
        earlier = before.get(name, (0, 0))
        if commits > earlier[1]:
            found[name] = (statements - earlier[0], commits - earlier[1])
    return found


def consumer(stack: Stack, *, wait_ms: int, at_least_bytes: int = 1) -> Consumer:
    """A reader of any topic, as Kafka's administrator. Nothing is committed, the group is only a name."""
    access = stack.kafka
    return Consumer(
        {
            "bootstrap.servers": access.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": access.username,
            "sasl.password": access.password,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": wait_ms,
            "fetch.min.bytes": at_least_bytes,
        }
    )
