"""Consume, process, produce: inbox, work and outbox in one transaction, and a relay that publishes the outbox."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import SASLScram512

from contracts import topics
from services.messaging.relay import partition_of
from services.runtime.broker import KafkaAccess
from services.runtime.database import queries
from tests.bench.saga.messages import ADAPTER, TOPIC_OF, AnyMessage, Message

SQL = queries(__file__)

Connection = Any
Work = Callable[[Connection, Sequence[AnyMessage]], Awaitable[Sequence[Message]]]
"""Loads, decides and books in the transaction that it is given; returns what is to be told."""


class Bus:
    """One process of the saga: what it hears, its database, its relay. Settings come from the environment."""

    def __init__(self, name: str, hears: str, work: Work) -> None:
        self.name = name
        self.access = KafkaAccess(
            os.environ["KAFKA_BOOTSTRAP"], os.environ["KAFKA_USERNAME"], os.environ["KAFKA_PASSWORD"], f"saga.{name}"
        )
        self._max_records = int(os.environ["MAX_RECORDS"])
        self._relay_batch = int(os.environ["RELAY_BATCH"])
        self._hears = hears
        self._work = work
        self._wake = asyncio.Event()
        self._pool: Any = None

    async def run(self, beside: Callable[[], Awaitable[None]] | None = None) -> None:
        """Work until SIGTERM ends the process; what stands half done is rolled back and comes again."""
        self._pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=4, server_settings={"jit": "off"})
        relay = asyncio.create_task(self._relay())
        broker: Any = KafkaBroker(
            self.access.bootstrap,
            client_id=self.access.client_id,
            security=SASLScram512(self.access.username, self.access.password, use_ssl=False),
            allow_auto_create_topics=False,
            consumer_only=True,
            apply_types=False,
            logger=None,
        )

        async def as_it_is(message: Any) -> Any:
            return message.body

        subscriber = broker.subscriber(
            self._hears,
            group_id=f"saga.{self.name}",
            batch=True,
            max_records=self._max_records,
            batch_timeout_ms=10,
            fetch_max_wait_ms=40,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            decoder=as_it_is,
        )
        subscriber(self._handle)
        await broker.start()
        Path(os.environ["READY_FILE"]).touch()  # noqa: ASYNC240 - once, at the start
        await asyncio.gather(relay, *([beside()] if beside is not None else []))

    async def tell(self, connection: Connection, messages: Sequence[Message]) -> None:
        """Write messages into the outbox, in one statement."""
        rows = [(TOPIC_OF[type(each)], each.transfer_id, each.type, ADAPTER.dump_json(each)) for each in messages]  # type: ignore[attr-defined,arg-type]
        await connection.execute(SQL["tell"], *(list(column) for column in zip(*rows, strict=True)))

    async def begin(self, messages: Sequence[Message]) -> None:
        """Tell what begins a transfer, in a transaction of its own."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self.tell(connection, messages)
        self._wake.set()

    async def _handle(self, bodies: list[bytes]) -> None:
        messages = [ADAPTER.validate_json(body) for body in bodies]
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(SQL["accept"], [message.event_id for message in messages])
            fresh = {row["event_id"] for row in rows}
            told = await self._work(connection, [message for message in messages if message.event_id in fresh])
            if told:
                await self.tell(connection, told)
        self._wake.set()

    async def _relay(self) -> None:
        producer: Any = AIOKafkaProducer(
            **self.access.client(), acks="all", enable_idempotence=True, max_batch_size=512 * 1024, linger_ms=0
        )
        await producer.start()
        connection: Any = await asyncpg.connect(os.environ["DATABASE_URL"])
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SELECT pg_advisory_lock(1)")
        while True:
            self._wake.clear()
            async with connection.transaction():
                rows = await connection.fetch(SQL["waiting"], self._relay_batch)
                if rows:
                    await self._send(producer, rows)
                    await connection.execute(SQL["sent"], [row["seq"] for row in rows])
            if len(rows) < self._relay_batch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._wake.wait()

    async def _send(self, producer: Any, rows: Sequence[Any]) -> None:
        places: dict[tuple[str, int], list[Any]] = {}
        for row in rows:
            places.setdefault((row["topic"], partition_of(row["key"])), []).append(row)
        sent = []
        for (topic, partition), of_place in places.items():
            batch = producer.create_batch()
            for row in of_place:
                headers = [(topics.TYPE, row["type"].encode())]
                taken = batch.append(key=row["key"].encode(), value=row["payload"], timestamp=None, headers=headers)
                assert taken is not None, "half a mebibyte holds every batch of ours"
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
