"""A simulated Kafka: logs that keep their order, producers whose requests and answers get lost, groups that move about.

What our code uses of aiokafka (producer, consumer of the directory) and of FastStream (broker, subscriber) stands here, too. How
a batch is acknowledged and given back is FastStream's: after the handler, all positions; after an exception, back to the batch's
first records.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError
from faststream import AckPolicy

from contracts import topics
from services.messaging.received import Received
from services.runtime.broker import KafkaAccess
from tests.simulation.loop import PROCESS, Process
from tests.simulation.nature import Nature
from tests.simulation.postgres import reached_not

SESSION_S = 10.0
OUTSIDE = Context()  # belongs to no process: what the cluster does by itself


@dataclass(slots=True)
class Record:
    """One record of a log. It can be read from `visible_at` on."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    visible_at: float
    sent_at: float


class Cluster:
    """All topics and groups."""

    name = "kafka"

    def __init__(self, nature: Nature) -> None:
        self.nature = nature
        self.logs: dict[TopicPartition, list[Record]] = {}
        self.groups: dict[str, Group] = {}
        self.followers: list[DirectoryConsumer] = []
        self.down = False
        self.on_append: list[Callable[[Record], None]] = []

    def reachable(self, process: Process | None) -> bool:
        """Whether a process has a way to the brokers now."""
        return not self.down and (process is None or (process.name, self.name) not in reached_not(self.nature))

    def append(
        self, topic: str, partition: int, rows: Sequence[tuple[bytes | None, bytes, tuple[tuple[str, bytes], ...]]]
    ) -> None:
        """Put records at the end of a log."""
        nature = self.nature
        now = nature.loop.now
        place = TopicPartition(topic, partition)
        log = self.logs.setdefault(place, [])
        visible_at = max(now + 0.01 * nature.chance.random(), log[-1].visible_at if log else 0.0)
        if nature.happens(nature.weather.slow):
            visible_at += nature.chance.choice((0.2, 1.0, 5.0)) * nature.chance.random()
            nature.counts["records delayed"] += len(rows)
        for key, value, headers in rows:
            record = Record(topic, partition, len(log), key, value, headers, visible_at, now)
            log.append(record)
            for callback in self.on_append:
                callback(record)
        for group in self.groups.values():
            if topic in group.topics:
                group.wake(place, visible_at)
        if topic == topics.DIRECTORY:
            for follower in self.followers:
                follower.news.set()

    def records(self) -> list[Record]:
        """Everything that was ever appended, log by log."""
        return [record for place in sorted(self.logs) for record in self.logs[place]]

    def behind(self) -> str | None:
        """The first group that has something left to read, or in hand; None when there is none.

        A commit that was lost is no work: nobody repeats it before there is something new.
        """
        for group in self.groups.values():
            positions: dict[TopicPartition, int] = {}
            for member in group.members.values():
                if member.in_batch:
                    return f"{group.name} has a batch in hand"
                positions |= member.positions
            for place, log in self.logs.items():
                if place.topic in group.topics and positions.get(place, 0) < len(log):
                    return f"{group.name} is behind on {place.topic}-{place.partition}"
        return None


class Group:
    """A consumer group and its coordinator."""

    def __init__(self, cluster: Cluster, name: str, names: Sequence[str]) -> None:
        self.cluster = cluster
        self.name = name
        self.topics = tuple(names)
        self.partitions = [TopicPartition(topic, at) for topic in names for at in range(topics.PARTITIONS)]
        self.committed: dict[TopicPartition, int] = {}
        self.members: dict[str, Subscriber] = {}  # by instance id

    def join(self, member: "Subscriber") -> None:
        """A member comes; one that comes back under its old name takes its old place."""
        known = self.members.get(member.instance)
        self.members[member.instance] = member
        if known is not None:
            assigned = known.assigned
            known.assigned = set()
            member.give(assigned)
        else:
            self.rebalance()

    def leave(self, member: "Subscriber") -> None:
        """A member goes, or was not heard of for too long."""
        if self.members.get(member.instance) is member:
            del self.members[member.instance]
            member.assigned = set()
            member.positions = {}
            member.news.set()  # it will find out
            self.rebalance()

    def rebalance(self) -> None:
        """Share the partitions out anew. Nobody asks those who are in the middle of a batch."""
        members = sorted(self.members.values(), key=lambda member: member.instance)
        if not members:
            return
        if len(members) > 1:
            self.cluster.nature.note(f"{self.name} is shared out among {len(members)}", fault="rebalances")
        shift = self.cluster.nature.chance.randrange(len(members))
        for at, member in enumerate(members):
            member.give({place for n, place in enumerate(self.partitions) if (n + shift) % len(members) == at})

    def wake(self, place: TopicPartition, at: float) -> None:
        """Tell whoever has the partition, when the record can be read."""
        loop = self.cluster.nature.loop
        loop.call_at(at, self._tell, place, context=OUTSIDE.copy())

    def _tell(self, place: TopicPartition) -> None:
        for member in self.members.values():
            if place in member.assigned:
                member.news.set()


class Subscriber:
    """FastStream's batch subscriber, one member of its group."""

    def __init__(self, broker: "Broker", names: Sequence[str], options: dict[str, Any]) -> None:
        self.cluster = broker.cluster
        self.process = PROCESS.get()
        self.topics = names
        self.instance: str = options["group_instance_id"]
        self.group_id: str = options["group_id"]
        self.max_records: int = options["max_records"]
        self.first: bool = options["ack_policy"] is AckPolicy.ACK_FIRST
        self.assigned: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.news = asyncio.Event()
        self.handle: Callable[[list[Received]], Awaitable[None]] | None = None
        self.running = False
        self.in_batch = False
        self.consumer: Any = None

    def __call__(self, handle: Callable[[list[Received]], Awaitable[None]]) -> Any:
        self.handle = handle
        return handle

    @property
    def group(self) -> Group:
        """Its group."""
        found = self.cluster.groups.get(self.group_id)
        if found is None:
            found = self.cluster.groups[self.group_id] = Group(self.cluster, self.group_id, self.topics)
        return found

    def give(self, assigned: set[TopicPartition]) -> None:
        """New partitions; where to read on is what the group has committed."""
        self.assigned = set(assigned)
        group = self.group
        self.positions = {place: group.committed.get(place, 0) for place in sorted(assigned)}
        for place, position in self.positions.items():
            log = self.cluster.logs.get(place, ())
            if position < len(log):
                group.wake(place, log[position].visible_at)
        self.news.set()

    async def run(self) -> None:
        """FastStream's loop: take a batch, handle it, acknowledge it or give it back."""
        assert self.handle is not None
        nature = self.cluster.nature
        while self.running:
            taken = await self.consumer.getmany(timeout_ms=1, max_records=self.max_records)
            batch = [record for records in taken.values() for record in records]
            if not batch:
                await asyncio.sleep(0.001)
                continue
            self.in_batch = True
            await nature.step("fetched")
            if self.first:
                await self._commit()
            try:
                await self.handle([Received.of(record) for record in batch])
            except Exception as error:
                nature.note(f"batch given back: {type(error).__name__}", fault="batches given back")
                if not self.first:
                    for record in reversed(batch):
                        place = TopicPartition(record.topic, record.partition)
                        if place in self.assigned:
                            self.positions[place] = min(self.positions[place], record.offset)
                    self.news.set()
            else:
                if not self.first:
                    await self._commit()
            finally:
                self.in_batch = False

    async def ready(self, max_records: int) -> dict[TopicPartition, list[Record]]:
        """Wait until something can be read, and take it; positions move on."""
        while True:
            self.news.clear()
            if not self.cluster.reachable(self.process):
                await asyncio.sleep(1)
                self.news.set()
                continue
            if self.group.members.get(self.instance) is not self:
                self.group.join(self)  # it was not heard of for too long, and comes back
            found = self._fetch(max_records)
            if found:
                return found
            await self.news.wait()
            await asyncio.sleep(0.01)

    async def _commit(self) -> None:
        nature = self.cluster.nature
        await nature.step("before the offsets are committed")
        if not self.cluster.reachable(self.process) or self.group.members.get(self.instance) is not self:
            nature.note("offsets refused", fault="offset commits lost")
            return
        if nature.happens(nature.weather.commit_lost):
            nature.note("offsets lost", fault="offset commits lost")
            return
        self.group.committed.update(self.positions)

    def _fetch(self, max_records: int) -> dict[TopicPartition, list[Record]]:
        chance, now = self.cluster.nature.chance, self.cluster.nature.loop.now
        found: dict[TopicPartition, list[Record]] = {}
        left = max_records
        ready = []
        for place, position in self.positions.items():
            log = self.cluster.logs.get(place)
            if log is not None and position < len(log) and log[position].visible_at <= now:
                ready.append(place)
        if len(ready) > 1:
            chance.shuffle(ready)
            self.cluster.nature.counts["partitions reordered"] += 1
        for place in ready:
            log = self.cluster.logs[place]
            position = self.positions[place]
            end = position
            most = left
            if chance.random() < 0.2:
                most = min(most, chance.randint(1, 4))
            while end < len(log) and log[end].visible_at <= now and end - position < most:
                end += 1
            if end > position:
                found[place] = log[position:end]
            left -= end - position
            self.positions[place] = end
            if end < len(log):
                self.news.set()
        return found


class Fetcher:
    """The part of aiokafka's consumer that plans fetches; here nothing is fetched ahead."""

    def __init__(self) -> None:
        self._fetch_max_wait_ms = 40
        self._records: dict[TopicPartition, list[Record]] = {}

    def _get_actions_per_node(self, _: Any) -> None:
        raise AssertionError("nothing is fetched ahead")


class Consumer:
    """aiokafka's consumer inside a subscriber."""

    def __init__(self, member: Subscriber) -> None:
        self._member = member
        self._fetcher = Fetcher()

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Record]]:
        """What can be read. Waiting costs nothing here, so it waits until there is something."""
        return await self._member.ready(max_records or self._member.max_records)

    def assignment(self) -> set[TopicPartition]:
        """The partitions of this member."""
        return set(self._member.assigned)


class Broker:
    """FastStream's KafkaBroker, as far as the house uses it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.subscribers: list[Subscriber] = []
        self._tasks: list[asyncio.Task[None]] = []

    def subscriber(self, *names: str, **options: Any) -> Subscriber:
        """Declare a subscriber."""
        found = Subscriber(self, names, options)
        self.subscribers.append(found)
        return found

    async def start(self) -> None:
        """Connect, join, consume.

        Raises:
            KafkaConnectionError: while no broker can be reached.
        """
        process = PROCESS.get()
        nature = self.cluster.nature
        await nature.step("kafka")
        if not self.cluster.reachable(process):
            raise KafkaConnectionError("no broker")
        for subscriber in self.subscribers:
            subscriber.running = True
            subscriber.process = process
            subscriber.consumer = Consumer(subscriber)
            subscriber.group.join(subscriber)
            self._tasks.append(asyncio.create_task(subscriber.run()))
            if process is not None:
                process.at_death.append(self._fall_silent)

    async def stop(self) -> None:
        """Finish the batch in hand and leave."""
        for subscriber in self.subscribers:
            subscriber.running = False
            while subscriber.in_batch:  # noqa: ASYNC110 - FastStream waits so, too
                await asyncio.sleep(0.05)
            subscriber.group.leave(subscriber)
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def _fall_silent(self) -> None:
        self.cluster.nature.loop.call_later(SESSION_S, self._silent, context=OUTSIDE.copy())

    def _silent(self) -> None:
        for subscriber in self.subscribers:
            subscriber.group.leave(subscriber)

    def expire(self) -> None:
        """The coordinator has not heard of this member for a session's time."""
        self._silent()


class Batch:
    """aiokafka's batch builder."""

    def __init__(self) -> None:
        self.rows: list[tuple[bytes | None, bytes, tuple[tuple[str, bytes], ...]]] = []

    def append(self, *, key: bytes, value: bytes, timestamp: None, headers: Sequence[tuple[str, bytes]]) -> object:
        """Add a record; None when there is no room."""
        if len(self.rows) >= 200:
            return None
        self.rows.append((key, value, tuple(headers)))
        return self

    def close(self) -> None:
        """No more records."""


class Producer:
    """aiokafka's producer: a request may be lost, or its answer, or it may arrive once more and late."""

    def __init__(self, *, cluster: Cluster, **_: Any) -> None:
        self._cluster = cluster
        self._process = PROCESS.get()

    async def start(self) -> None:
        """Connect.

        Raises:
            KafkaConnectionError: while no broker can be reached.
        """
        await self._cluster.nature.step("kafka")
        if not self._cluster.reachable(self._process):
            raise KafkaConnectionError("no broker")

    async def stop(self) -> None:
        """Disconnect."""

    def create_batch(self) -> Batch:
        """An empty batch."""
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Task[None]":
        """Begin to send; the answer comes with the returned task."""
        task = asyncio.create_task(self._send(batch, topic, partition))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _send(self, batch: Batch, topic: str, partition: int) -> None:
        cluster, nature = self._cluster, self._cluster.nature
        await nature.step("produce", 0.05)
        if not cluster.reachable(self._process) or nature.happens(nature.weather.produce_lost):
            nature.note(f"lost on the way to {topic}-{partition}", fault="records lost")
            await asyncio.sleep(1)
            raise KafkaTimeoutError
        cluster.append(topic, partition, batch.rows)
        nature.note(f"{len(batch.rows)} records to {topic}-{partition}")
        if nature.happens(nature.weather.late_twin):
            nature.counts["records doubled"] += len(batch.rows)
            later = 5 * nature.chance.random()
            nature.loop.call_later(later, cluster.append, topic, partition, list(batch.rows), context=OUTSIDE.copy())
        await nature.step("produced")
        if nature.happens(nature.weather.ack_lost):
            nature.note(f"answer of {topic}-{partition} lost", fault="produce answers lost")
            await asyncio.sleep(1)
            raise KafkaTimeoutError


class DirectoryConsumer:
    """aiokafka's consumer, as far as the directory's reader uses it."""

    def __init__(self, *, cluster: Cluster, **_: Any) -> None:
        self._cluster = cluster
        self._process = PROCESS.get()
        self._positions: dict[TopicPartition, int] = {}
        self.news = asyncio.Event()

    async def start(self) -> None:
        """Connect.

        Raises:
            KafkaConnectionError: while no broker can be reached.
        """
        await self._cluster.nature.step("kafka")
        if not self._cluster.reachable(self._process):
            raise KafkaConnectionError("no broker")
        self._cluster.followers.append(self)

    async def stop(self) -> None:
        """Disconnect."""
        if self in self._cluster.followers:
            self._cluster.followers.remove(self)

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these."""
        self._positions = dict.fromkeys(partitions, 0)

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """From the first record on."""
        self._positions.update(dict.fromkeys(partitions, 0))

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the logs end."""
        return {place: len(self._cluster.logs.get(place, ())) for place in partitions}

    async def position(self, place: TopicPartition) -> int:
        """Where it reads on."""
        return self._positions[place]

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        """What is new."""
        found = {}
        for place, position in self._positions.items():
            log = self._cluster.logs.get(place, [])
            if position < len(log):
                found[place] = log[position:]
                self._positions[place] = len(log)
        if not found:
            self.news.clear()
            await self.news.wait()
        return found


class Access(KafkaAccess):
    """The house's way to the simulated cluster."""

    cluster: Cluster

    def client(self) -> dict[str, Any]:
        """Arguments of a simulated client."""
        return {"cluster": type(self).cluster}

    def broker(self, *, graceful_timeout_s: float = 15.0) -> Any:
        """A simulated FastStream broker."""
        return Broker(type(self).cluster)
