"""The relay: the only writer of a service's log. It numbers, signs and publishes outbox rows in order.

First the number, proof and checkpoint are stored with the rows, then the rows are sent. So a resend after a crash has the same
bytes, and handlers never wait for each other.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from contracts import topics
from contracts.directory import NO_CHECKPOINT, SignedCheckpoint
from services.messaging.signing import Signer
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.database import COUNTS, TRANSIENT, Database, Transaction, pause, queries

log = structlog.get_logger()

# A leader looks at its outbox many times a second. One that stands still, its process or its machine, loses its session after
# this and with it the lock, so that another replica goes on; what the late one sends is the same to the byte.
STANDS_STILL_S = 10


@dataclass(frozen=True, slots=True)
class Numbered:
    """A record with its evidence, ready to be sent."""

    number: int
    topic: str
    key: str
    role: str | None
    type: str
    payload: bytes
    proof: bytes
    checkpoint: bytes
    last_of_batch: bool


def lock_of(schema: str) -> int:
    """The advisory lock that the one relay at work holds in its province's database."""
    return int.from_bytes(hashlib.sha256(f"relay:{schema}".encode()).digest()[:8], "big", signed=True)


@lru_cache(maxsize=65536)  # a case says many things, and murmur2 is written in Python
def partition_of(key: str, partitions: int = topics.PARTITIONS) -> int:
    """Where a key lives: Kafka's own murmur2 rule."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


class Sender:
    """Sends numbered records to Kafka: acks=all, idempotent, grouped by partition, and waits for all of them."""

    def __init__(self, access: KafkaAccess, service: str) -> None:
        self._access = access
        self._service = service.encode()
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Connect; raises KafkaError while Kafka is away."""
        producer = AIOKafkaProducer(
            **self._access.client(), acks="all", enable_idempotence=True, max_batch_size=512 * 1024, linger_ms=0
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def close(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def send(self, records: Sequence[Numbered]) -> None:
        """Send records and wait until every one of them is acknowledged."""
        if self._producer is None:
            await self.open()
        assert self._producer is not None
        places: dict[tuple[str, int], list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = {}
        for record in records:
            headers = [
                (topics.SERVICE, self._service),
                (topics.NUMBER, str(record.number).encode()),
                (topics.PROOF, record.proof),
                (topics.CHECKPOINT, record.checkpoint),
                (topics.TYPE, record.type.encode()),
            ]
            if record.role is not None:
                headers.append((topics.ROLE, record.role.encode()))
            place = (record.topic, partition_of(record.key))
            places.setdefault(place, []).append((record.key.encode(), record.payload, headers))
            if record.last_of_batch:
                place = (topics.CHECKPOINTS, partition_of(self._service.decode()))
                places.setdefault(place, []).append((self._service, record.checkpoint, []))
        await asyncio.gather(*(self._send_to(topic, partition, rows) for (topic, partition), rows in places.items()))

    async def _send_to(self, topic: str, partition: int, rows: Sequence[tuple[bytes, bytes, list[tuple[str, bytes]]]]) -> None:
        producer: Any = self._producer
        batch = producer.create_batch()
        waiting = []
        for key, value, headers in rows:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                batch.close()
                waiting.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                taken = batch.append(key=key, value=value, timestamp=None, headers=headers)
                assert taken is not None, (topic, len(value))
        batch.close()
        waiting.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*waiting)


class Relay:
    """Publishes one service's outbox. Replicas stand by: an advisory lock lets one of them work."""

    def __init__(
        self,
        *,
        database: Database,
        schema: str,
        signer: Signer,
        sender: Sender,
        clock: Clock,
        batch: int = 500,
        poll_s: float = 0.05,
    ) -> None:
        self._database = database
        self._sql = queries(__file__, schema=schema)
        self._signer = signer
        self._sender = sender
        self._clock = clock
        self._batch = batch
        self._poll_s = poll_s
        self._lock = lock_of(schema)
        self._wake = asyncio.Event()
        self._busy = False
        self._stands_by = False
        self._head = (0, NO_CHECKPOINT)  # last number and checkpoint digest, known only to the leader
        self.waits_for: str | None = "starting"
        self.leads = False

    def wake(self) -> None:
        """Say that a transaction with new rows was committed."""
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is known to wait; the database may know more. What a replica that stands by wrote, the leader sends."""
        return self._stands_by or (not self._busy and not self._wake.is_set())

    async def close(self) -> None:
        """Disconnect from Kafka."""
        await self._sender.close()

    async def run(self) -> None:
        """Work for as long as the service lives; whatever breaks is tried again."""
        attempt = 0
        while True:
            try:
                async with self._database.session(
                    ("SET enable_seqscan = off", "SET enable_hashjoin = off", "SET enable_mergejoin = off")
                ) as connection:
                    await self._lead(connection)
                    still_s = max(STANDS_STILL_S, 2 * self._poll_s)
                    await connection.execute(f"SET idle_session_timeout = '{still_s:.0f}s'")
                    attempt = 0
                    await self._work(connection)
            except (KafkaError, *TRANSIENT) as error:
                self.waits_for = f"relay: {type(error).__name__}"
                log.warning("relay.interrupted", error=type(error).__name__)
                await self._sender.close()
                await pause(attempt)
                attempt += 1
            finally:
                self.leads = False

    async def _lead(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Wait until this replica is the one that may publish."""
        self.waits_for = None
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock):
            self._stands_by = True
            try:
                await connection.fetchval("SELECT pg_advisory_lock($1)", self._lock, timeout=3600)
            finally:
                self._stands_by = False
        self.leads = True

    async def _work(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        head = await connection.fetchrow(self._sql["head"])
        self._head = (head["last"], head["digest"]) if head else (0, NO_CHECKPOINT)
        sent_through = int(await connection.fetchval(self._sql["sent_through"]))
        sent_through = await self._resend(connection, sent_through)
        marked = sent_through
        while True:
            self._busy = self._wake.is_set()  # a look of the safety net alone is not work
            self._wake.clear()
            try:
                if not self._busy and not await connection.fetchval(self._sql["any_unnumbered"]):
                    records = []
                else:
                    records = await self._number(connection, marked, sent_through)
                if records:
                    self._busy = True
                    marked = sent_through  # written together with the numbers
                    await self._sender.send(records)
                    sent_through = records[-1].number
                self.waits_for = None
                if len(records) == self._batch:
                    continue
            finally:
                self._busy = False
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
            except TimeoutError:
                # Nothing new to write it down with. A crash before this costs a resend of the same bytes.
                if sent_through > marked:
                    await connection.execute(self._sql["mark_sent"], sent_through)
                    COUNTS.note("relay", 1)
                    marked = sent_through

    async def _resend(self, connection: "asyncpg.Connection[asyncpg.Record]", sent_through: int) -> int:
        """Send what was numbered before a crash and perhaps not acknowledged: the same bytes again."""
        while True:
            rows = await connection.fetch(self._sql["unsent"], sent_through, self._batch)
            if not rows:
                return sent_through
            await self._sender.send(
                [
                    Numbered(
                        row["number"],
                        row["topic"],
                        row["key"],
                        row["role"],
                        row["type"],
                        row["payload"],
                        row["proof"],
                        _signed(row["checkpoint"], row["signature"]),
                        row["number"] == row["last"],
                    )
                    for row in rows
                ]
            )
            sent_through = rows[-1]["number"]
            await connection.execute(self._sql["mark_sent"], sent_through)
            log.info("relay.resent", through=sent_through, records=len(rows))

    async def _number(self, connection: "asyncpg.Connection[asyncpg.Record]", marked: int, sent_through: int) -> list[Numbered]:
        """Give the next rows their numbers, sign them as one batch, and store all that in one transaction."""
        async with connection.transaction():
            tx = Transaction(connection)
            rows = await tx.fetch(self._sql["unnumbered"], self._batch)
            if not rows:
                return []
            first = self._head[0] + 1
            last = first + len(rows) - 1
            signed, proofs = self._signer.sign_batch(
                [row["payload"] for row in rows], first=first, previous=self._head[1], now=self._clock.now()
            )
            if sent_through > marked:
                tx.defer(self._sql["mark_sent"], sent_through)
            tx.defer(self._sql["add_checkpoint"], first, last, signed.checkpoint, signed.signature, signed.digest)
            places = [row["seq"] for row in rows]
            tx.defer(self._sql["not_pending"], places)
            tx.defer(self._sql["number"], places, list(range(first, last + 1)), proofs, last)
            done = await tx.flush()
            assert done == f"INSERT 0 {len(rows)}", (done, first, last)
        COUNTS.note("relay", tx.statements)
        self._head = (last, signed.digest)
        checkpoint = _signed(signed.checkpoint, signed.signature)
        return [
            Numbered(
                number, row["topic"], row["key"], row["role"], row["type"], row["payload"], proof, checkpoint, number == last
            )
            for number, row, proof in zip(range(first, last + 1), rows, proofs, strict=True)
        ]


def _signed(checkpoint: str, signature: str) -> bytes:
    return SignedCheckpoint.model_construct(checkpoint=checkpoint, signature=signature).model_dump_json().encode()
