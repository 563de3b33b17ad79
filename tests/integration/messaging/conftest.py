"""One service of province 44 on a database of its own, and ways to look at what it published and what it keeps."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.base import Fact
from contracts.envelope import Envelope, envelope, new_id
from contracts.events import FundsReceived
from contracts.topics import NUMBER
from deploy.local.stack import Stack
from services.messaging.outbox import Outbox
from services.messaging.relay import Relay, Sender
from services.messaging.signing import Signer
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.database import Database
from tests.builders import a
from tests.integration.conftest import UrlOf

SERVICE = "44/origin-agency"
SCHEMA = "origin_agency"
ROLE = "p44_origin_agency"
OWNER = "p44_owner"
JOURNAL = "journal.44"


@dataclass
class Service:
    """A service's database as its own role sees it, and as its owner does."""

    stack: Stack
    database: Database
    owner_url: str
    outbox: Outbox

    def access(self, principal: str = "44.origin-agency") -> KafkaAccess:
        """How a principal reaches Kafka."""
        return KafkaAccess(self.stack.kafka.bootstrap, principal, self.stack.secrets.password(f"kafka-{principal}"), principal)

    def relay(
        self, *, sender: Sender | None = None, batch: int = 500, poll_s: float = 0.02, database: Database | None = None
    ) -> Relay:
        """A relay of this service."""
        return Relay(
            database=database or self.database,
            schema=SCHEMA,
            signer=Signer(SERVICE, self.stack.secrets.signing_key("44", "origin-agency")),
            sender=sender or Sender(self.access(), SERVICE),
            clock=Clock(),
            batch=batch,
            poll_s=poll_s,
        )

    async def tell(self, *facts: Fact, case: str | None = None) -> list[Envelope[Fact]]:
        """Say facts in one transaction, each of a case of its own if none is given."""
        told = [envelope(fact, source=SERVICE, subject=case or new_id(), time=Clock().now()) for fact in facts]
        async with self.database.transaction("test") as tx:
            await self.outbox.tell(tx, told)
        return told

    async def rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Ask as the owner."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def execute(self, statement: str) -> None:
        """Do something as the owner."""
        await self.rows(statement)

    async def as_role(self, statement: str, *values: object) -> None:
        """Do something as the service's own role."""
        async with self.database.transaction("test") as tx:
            await tx.execute(statement, *values)

    async def terminate(self, like: str) -> int:
        """Cut the connections of this database whose application name is like this, as a server does that goes down."""
        admin = await asyncpg.connect(self.stack.postgres.url)
        name = self.owner_url.rpartition("/")[2]
        try:
            rows = await admin.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE $2",
                name,
                like,
            )
            return len(rows)
        finally:
            await admin.close()


@pytest.fixture(autouse=True, scope="session")
def plain_tracebacks() -> None:
    """Drawn with every local variable, a traceback takes seconds, and these tests make many on purpose."""
    processors = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors[:-1], renderer])


@pytest.fixture
async def service(stack: Stack, province_database: UrlOf) -> AsyncIterator[Service]:
    """44's origin agency, of which nothing runs."""
    database = Database(province_database(ROLE), name=SERVICE)
    await database.open()
    yield Service(stack, database, province_database(OWNER), Outbox(SCHEMA))
    await database.close()


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    """A relay at work."""
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await relay.close()


async def until(holds: Callable[[], Any], *, seconds: float = 20) -> None:
    """Wait until a condition holds; it may be asynchronous."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)


class Tail:
    """Reads what comes to some topics from now on, as the auditor."""

    def __init__(self, access: KafkaAccess, *topics: str) -> None:
        self._topics = topics
        self._consumer = AIOKafkaConsumer(**access.client(), enable_auto_commit=False, fetch_max_wait_ms=20)
        self.records: list[ConsumerRecord[bytes, bytes]] = []

    async def __aenter__(self) -> "Tail":
        await self._consumer.start()
        partitions = [TopicPartition(topic, at) for topic in self._topics for at in range(12)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def until(self, count: int, *, seconds: float = 20) -> Sequence[ConsumerRecord[bytes, bytes]]:
        """Wait until so many records have come; in the order of their partitions' logs."""
        async with asyncio.timeout(seconds):
            while len(self.records) < count:
                for found in (await self._consumer.getmany(timeout_ms=50)).values():
                    self.records.extend(found)
        return self.records

    async def until_number(self, number: int, *, seconds: float = 20) -> Sequence[ConsumerRecord[bytes, bytes]]:
        """Wait until the record with this number has come. Records may come again, with the same bytes."""
        async with asyncio.timeout(seconds):
            while not any(number_of(record) == number for record in self.records):
                for found in (await self._consumer.getmany(timeout_ms=50)).values():
                    self.records.extend(found)
        return self.records

    async def rest(self, *, seconds: float = 0.3) -> Sequence[ConsumerRecord[bytes, bytes]]:
        """What has come when nothing more comes for a while."""
        while found := await self._consumer.getmany(timeout_ms=int(seconds * 1000)):
            for records in found.values():
                self.records.extend(records)
        return self.records


def headers(record: ConsumerRecord[bytes, bytes]) -> dict[str, bytes]:
    """A record's headers by name."""
    return dict(record.headers)


def number_of(record: ConsumerRecord[bytes, bytes]) -> int:
    """A record's place in its service's log."""
    return int(headers(record)[NUMBER])


def some(count: int) -> list[Fact]:
    """That many small facts, told apart by their amount."""
    return [a(FundsReceived, amount_fen=at) for at in range(count)]
