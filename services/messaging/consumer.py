"""What aiokafka's consumer lacks: it reads every batch that a broker takes, and somebody watches that it moves.

aiokafka decodes strictly where Kafka does not: one header name that is not UTF-8, or one batch compressed in a way that we have
no library for, makes it raise out of `getmany` for ever. Its partition stands still, and what `getmany` had already taken from
other partitions is lost. So its reader is given batches that cannot raise.
"""

import asyncio
import gzip
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from services.runtime.broker import KafkaAccess

log = structlog.get_logger()

_LENGTH = struct.Struct(">qi")  # base offset, and the length of what follows
_HEAD = struct.Struct(">qiibIhiqqqhii")
_COMPRESSION, _LOG_APPEND_TIME = 0x07, 0x08  # in a batch's attributes


def read_whatever_comes() -> None:
    """Make every aiokafka consumer of this process read with `Batches`; aiokafka offers no other way in."""
    fetcher.MemoryRecords = Batches


def wait_for_records(consumer: AIOKafkaConsumer, *, at_most_ms: int = 500) -> None:
    """Let a consumer wait in Kafka's hand until there is something to read.

    FastStream asks for some milliseconds and sleeps as long again when there was nothing: what arrives while it sleeps lies, and
    an idle service is busy asking. With the shortest of its sleeps and our longer wait neither is so.

    A fetch that asks for every partition may wait as long. One that leaves while records of some partition still lie here, and
    so without that partition, must come back soon: nothing of it is read until then.
    """
    reader: Any = consumer._fetcher
    shortest_ms, plan = reader._fetch_max_wait_ms, reader._get_actions_per_node

    def plan_fetches(assignment: Any) -> Any:
        reader._fetch_max_wait_ms = shortest_ms if reader._records else at_most_ms
        return plan(assignment)

    reader._get_actions_per_node = plan_fetches
    ask = consumer.getmany

    async def getmany(*partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        return await ask(*partitions, timeout_ms=max(timeout_ms, at_most_ms), max_records=max_records)

    consumer.getmany = getmany


class Ends:
    """Says where partitions end, over a connection of its own.

    On the consumer's connection the question stands behind a fetch that waits for records, up to half a second; a scenario that
    asks after each of its steps whether all are idle would do little else but wait.
    """

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access
        self._asker: AIOKafkaConsumer | None = None
        self._one = asyncio.Lock()

    async def of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last record of each partition. Raises aiokafka's `KafkaError` while Kafka is away."""
        async with self._one:
            if self._asker is None:
                asker = AIOKafkaConsumer(**self._access.client())
                try:
                    await asker.start()
                except BaseException:
                    await asker.stop()
                    raise
                self._asker = asker
            found: dict[TopicPartition, int] = await self._asker.end_offsets(partitions)
            return found

    async def close(self) -> None:
        """Close the connection."""
        if self._asker is not None:
            await self._asker.stop()
            self._asker = None


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as aiokafka's reader gives it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    checksum: None = None


class Batches:
    """In the place of aiokafka's MemoryRecords: the batches that one fetch brought for one partition."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._records = MemoryRecords(data)
        self._next: Batch | None = None

    def size_in_bytes(self) -> int:
        """Of all batches."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is another whole batch.

        A broken checksum ends what is there: its bytes changed on the way or on the broker's disk, so they are fetched again, and
        the partition stands until they are whole. aiokafka would raise in the middle of `getmany` instead.
        """
        if self._next is None and self._records.has_next():
            batch = self._records.next_batch()
            base, length = _LENGTH.unpack_from(self._data, self._at)
            start, self._at = self._at, self._at + _LENGTH.size + length
            if not batch.validate_crc():
                log.error("consumer.checksum_broken", base_offset=base)
                self._records = MemoryRecords(b"")
                return False
            self._next = Batch(batch, base, self._data[start : self._at])
        return self._next is not None

    def next_batch(self) -> "Batch | None":
        """The next batch; its checksum holds."""
        found, self._next = (self._next if self.has_next() else None), None
        return found


class Batch:
    """One batch: read by aiokafka while it can; from where it cannot, by us.

    A header name that is not UTF-8 is handed on with surrogate escapes. What follows the last readable record is handed on as
    one record without a key, whose value is the batch as it came: poison like any other.
    """

    def __init__(self, batch: Any, base: int, raw: memoryview) -> None:
        self._batch = batch
        self._base = base
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def validate_crc(self) -> bool:
        """It was checked before."""
        return True

    def __next__(self) -> Any:
        return next(self._batch)  # aiokafka reads a control batch this way

    def __iter__(self) -> Iterator[Any]:
        read = 0
        following = self._base
        try:
            for record in self._batch:
                yield record
                read += 1
                following = record.offset + 1
            return
        except Exception as error:  # whatever it is, it would come again with every fetch
            log.warning("consumer.batch_reread", base_offset=self._base, read=read, error=type(error).__name__)
        try:
            for record in islice(_records(self._raw), read, None):
                yield record
                following = record.offset + 1
        except Exception as error:
            log.warning("consumer.batch_unreadable", base_offset=self._base, error=type(error).__name__)
            yield Record(following, 0, 0, None, bytes(self._raw))


def _records(raw: memoryview) -> Iterator[Record]:
    """The records of one batch of Kafka's format 2. Raises where the bytes are no such batch."""
    base, _, _, magic, _, attributes, _, first_time, max_time, _, _, _, count = _HEAD.unpack_from(raw)
    if magic != 2:
        raise ValueError(f"format {magic}")
    body: bytes | memoryview = raw[_HEAD.size :]
    match attributes & _COMPRESSION:
        case 0:
            pass
        case 1:
            body = gzip.decompress(body)
        case other:
            raise ValueError(f"compression {other}")
    appended = bool(attributes & _LOG_APPEND_TIME)
    reader = _Reader(body)
    for _ in range(count):
        end = reader.number() + reader.at
        reader.number()  # attributes of the record: none are in use
        passed, delta = reader.number(), reader.number()
        key, value = reader.content(), reader.content()
        headers = tuple(
            ((reader.content() or b"").decode("utf-8", "surrogateescape"), reader.content()) for _ in range(reader.number())
        )
        if reader.at != end:
            raise ValueError(f"record {delta} ends at {reader.at}, not {end}")
        yield Record(base + delta, max_time if appended else first_time + passed, int(appended), key, value, headers)


class _Reader:
    """Numbers and contents, one after the other."""

    def __init__(self, body: bytes | memoryview) -> None:
        self._body = bytearray(body)
        self.at = 0

    def number(self) -> int:
        found: int
        found, self.at = decode_varint(self._body, self.at)
        return found

    def content(self) -> bytes | None:
        """Bytes with their length before them, or None."""
        length = self.number()
        if length < 0:
            return None
        start, self.at = self.at, self.at + length
        if self.at > len(self._body):
            raise ValueError("the batch ends too early")
        return bytes(self._body[start : self.at])


class Progress:
    """Says which partition has had something to read for long without moving.

    Args:
        patience_s: how long is long.
    """

    def __init__(self, patience_s: float = 60.0) -> None:
        self.patience_s = patience_s
        self._since: dict[TopicPartition, tuple[int, float]] = {}

    def standing(
        self, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], *, now: float
    ) -> TopicPartition | None:
        """The first such partition, or None. Two looks at least are needed to see one."""
        before, self._since = self._since, {}
        found: list[TopicPartition] = []
        for partition, position in positions.items():
            if position >= ends[partition]:
                continue
            seen_at, since = before.get(partition, (position, now))
            self._since[partition] = (position, since if seen_at == position else now)
            if now - self._since[partition][1] > self.patience_s:
                found.append(partition)
        return min(found, default=None)
