"""Sees on a topic when each case comes to its end, as anybody does who reads it."""

import threading
import time
from types import TracebackType

from confluent_kafka import OFFSET_END, TopicPartition

from contracts import topics
from deploy.local.stack import Stack
from tests.bench.meters import consumer


class Watcher:
    """Reads one topic from now on in a thread of its own, and notes when a record of one type comes, by its key.

    Args:
        stack: whose Kafka is read.
        topic: all its partitions.
        wanted: the type, as the header `ce_type` has it.
        soon: note each record as soon as it is there, for latencies; else fetch at ease, for that costs the broker less.
    """

    def __init__(self, stack: Stack, topic: str, wanted: str, *, soon: bool = False) -> None:
        self._reader = consumer(stack, wait_ms=100, at_least_bytes=1 if soon else 1 << 16)
        self._topic = topic
        self._wanted = wanted.encode()
        # `consume` comes back when it has as many as asked for or when its time is over, however early the first one came.
        self._at_once = 1 if soon else 500
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"watch {topic}", daemon=True)
        self.seen: dict[str, float] = {}
        """When each key's record came, by the monotonic clock."""

    def __enter__(self) -> "Watcher":
        partitions = [TopicPartition(self._topic, at) for at in range(topics.PARTITIONS)]
        # Asked for now, for `OFFSET_END` would be looked up only at the first fetch, and what came before would be missed.
        ends = [TopicPartition(self._topic, each.partition, self._end(each)) for each in partitions]
        self._reader.assign(ends)
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(10)
        self._reader.close()

    @property
    def last(self) -> float:
        """When the last record came."""
        return max(self.seen.values())

    def _end(self, partition: TopicPartition) -> int:
        _, high = self._reader.get_watermark_offsets(partition, timeout=10)
        assert high != OFFSET_END, partition
        return int(high)

    def _read(self) -> None:
        while not self._stopping.is_set():
            messages = self._reader.consume(self._at_once, 0.05)
            now = time.monotonic()
            for message in messages:
                if message.error() is None and dict(message.headers() or ()).get(topics.TYPE) == self._wanted:
                    key = (message.key() or b"").decode()
                    self.seen.setdefault(key, now)
