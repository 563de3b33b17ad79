"""No batch that a broker takes makes the reader raise, and a partition that stands still is named."""

import gzip
import struct
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.consumer import Batches, Progress, read_whatever_comes, wait_for_records

HERE = TopicPartition("exchange.33", 3)
NAME = b"a-name"
GZIP, ZSTD = 1, 4

Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
ROWS: list[Row] = [
    (b"case-a", b"one", [(NAME.decode(), b"\xff"), ("null", None)]),
    (None, b"two", []),
    (b"case-c", None, [("x", b"")]),
]


def a_batch(rows: Sequence[Row], *, base: int = 0, compression: int = 0) -> bytes:
    """A batch as a broker keeps it."""
    builder = DefaultRecordBatchBuilder(
        2,
        compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for at, (key, value, headers) in enumerate(rows):
        builder.append(at, timestamp=1_700_000_000_000 + at, key=key, value=value, headers=headers)
    return struct.pack(">q", base) + bytes(builder.build())[8:]


def resealed(batch: bytes) -> bytes:
    """With a checksum that holds."""
    return batch[:17] + struct.pack(">I", calc_crc32c(batch[21:])) + batch[21:]


def renamed(batch: bytes, name: bytes = b"\xff\xfename"[: len(NAME)]) -> bytes:
    """With bytes that are no text where a header's name was."""
    assert batch.count(NAME) == 1
    return resealed(batch.replace(NAME, name))


def with_codec(batch: bytes, codec: int) -> bytes:
    """As if its records were compressed in this way."""
    return resealed(batch[:22] + bytes([batch[22] & ~0x07 | codec]) + batch[23:])


def taken(data: bytes, *, reader: Callable[[bytes], Any] = Batches, position: int = 0) -> tuple[list[Any], int]:
    """What aiokafka hands on of a fetch, and where it goes on."""
    records = fetcher.PartitionRecords(HERE, reader(data), [], position, None, None, True, fetcher.READ_UNCOMMITTED)
    return list(records), records.next_fetch_offset


@pytest.mark.parametrize("compression", [0, GZIP])
def test_good_batches_are_read_as_aiokafka_reads_them(compression: int) -> None:
    data = a_batch(ROWS, compression=compression) + a_batch(ROWS, base=3, compression=compression)

    assert taken(data) == taken(data, reader=MemoryRecords)
    assert taken(data)[1] == 6


def test_a_fetch_that_begins_or_ends_within_a_batch_is_read_as_aiokafka_reads_it() -> None:
    data = a_batch(ROWS) + a_batch(ROWS, base=3)[:-1]

    assert taken(data, position=1) == taken(data, reader=MemoryRecords, position=1)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_header_name_that_is_no_text_costs_no_record_of_its_batch(at: int) -> None:
    rows = [*ROWS[1:]]
    rows.insert(at, ROWS[0])
    data = renamed(a_batch(rows)) + a_batch(ROWS, base=3)

    found, following = taken(data)

    assert [(record.offset, record.key, record.value) for record in found[:3]] == [
        (offset, key, value) for offset, (key, value, _) in enumerate(rows)
    ]
    assert dict(found[at].headers) == {"\udcff\udcfename": b"\xff", "null": None}
    assert [record.timestamp for record in found[:3]] == [1_700_000_000_000 + offset for offset in range(3)]
    assert (len(found), following) == (6, 6)
    with pytest.raises(UnicodeDecodeError):
        taken(data, reader=MemoryRecords)


def test_a_position_behind_such_a_record_in_its_batch_is_kept() -> None:
    found, following = taken(renamed(a_batch(ROWS)), position=1)

    assert ([record.value for record in found], following) == ([b"two", None], 3)


def test_a_compressed_batch_with_such_a_name_is_read_too() -> None:
    plain = renamed(a_batch(ROWS))
    head, body = plain[:61], plain[61:]
    squeezed = with_codec(head + gzip.compress(body), GZIP)
    squeezed = resealed(squeezed[:8] + struct.pack(">i", len(squeezed) - 12) + squeezed[12:])

    assert taken(squeezed) == taken(plain)


def test_a_batch_that_cannot_be_read_is_one_record_and_the_next_batch_comes() -> None:
    sick = with_codec(a_batch(ROWS), ZSTD)

    found, following = taken(sick + a_batch(ROWS, base=3))

    assert [(record.offset, record.key) for record in found] == [(0, None), (3, b"case-a"), (4, None), (5, b"case-c")]
    assert found[0].value == sick
    assert following == 6


def test_what_can_be_read_of_a_batch_comes_before_what_cannot() -> None:
    whole = a_batch(ROWS)
    torn = resealed(whole[:-3] + b"\xff\xff\xff")

    found, following = taken(torn)

    assert [record.value for record in found] == [b"one", b"two", torn]
    assert ([record.offset for record in found], following) == ([0, 1, 2], 3)


def test_a_broken_checksum_ends_what_is_there_and_raises_nothing() -> None:
    good, torn = a_batch(ROWS), a_batch(ROWS, base=3)[:-1] + b"\xff"

    found, following = taken(good + torn)

    assert (len(found), following) == (3, 3)
    # With this aiokafka reports an error of the partition and fetches it again, instead of passing over it.
    assert not Batches(torn).has_next()
    assert Batches(torn).size_in_bytes() > 0


@given(st.binary(max_size=60), st.integers(0, 7), st.integers(-1, 5))
def test_whatever_a_batch_holds_reading_it_does_not_raise(body: bytes, codec: int, count: int) -> None:
    head = a_batch(ROWS)[:57] + struct.pack(">i", count)
    data = with_codec(head[:8] + struct.pack(">i", len(head) + len(body) - 12) + head[12:] + body, codec)

    found, following = taken(data + a_batch(ROWS, base=3))

    assert [record.offset for record in found[-3:]] == [3, 4, 5]
    assert following == 6


@given(st.data())
def test_whichever_byte_of_a_batch_is_another_reading_it_does_not_raise(data: st.DataObject) -> None:
    whole = bytearray(a_batch(ROWS))
    whole[data.draw(st.integers(61, len(whole) - 1))] = data.draw(st.integers(0, 255))

    found, following = taken(resealed(bytes(whole)) + a_batch(ROWS, base=3))

    assert [record.value for record in found[-3:]] == [b"one", b"two", None]
    assert following == 6


def test_the_consumers_of_the_process_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)

    read_whatever_comes()

    assert fetcher.MemoryRecords is Batches


OTHER = TopicPartition("exchange.33", 4)


async def test_a_fetch_waits_long_only_where_it_leaves_no_partition_out() -> None:
    planned: list[int] = []
    asked: list[int] = []
    reader: Any = SimpleNamespace(_fetch_max_wait_ms=40, _records={})
    reader._get_actions_per_node = lambda _: planned.append(reader._fetch_max_wait_ms)

    async def getmany(*_: TopicPartition, timeout_ms: int, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        asked.append(timeout_ms)
        return {}

    consumer: Any = SimpleNamespace(_fetcher=reader, getmany=getmany)
    wait_for_records(consumer, at_most_ms=500)

    reader._get_actions_per_node(None)
    reader._records = {TopicPartition("exchange.44", 0): ["lies here"]}
    reader._get_actions_per_node(None)
    await consumer.getmany(timeout_ms=1)

    assert planned == [500, 40]
    assert asked == [500]


def test_a_partition_that_has_something_to_read_and_does_not_move_is_named_when_patience_ends() -> None:
    progress = Progress(60)

    looks = [
        progress.standing({HERE: 5, OTHER: at}, {HERE: 6, OTHER: 99}, now=now) for at, now in enumerate([0.0, 30, 60, 60.1, 90])
    ]

    assert looks == [None, None, None, HERE, HERE]


def test_a_partition_that_moves_however_slowly_is_well() -> None:
    progress = Progress(60)

    looks = [progress.standing({HERE: at}, {HERE: 99}, now=59.0 * at) for at in range(5)]

    assert looks == [None] * 5


def test_a_partition_with_nothing_to_read_may_stand_and_its_time_begins_with_the_first_record() -> None:
    progress = Progress(60)

    looks = [
        progress.standing({HERE: 5}, {HERE: end}, now=now) for end, now in [(6, 0.0), (5, 50), (6, 1000), (6, 1050), (6, 1061)]
    ]

    assert looks == [None, None, None, None, HERE]


def test_a_partition_that_went_to_another_replica_is_forgotten() -> None:
    progress = Progress(60)
    progress.standing({HERE: 5}, {HERE: 6}, now=0)

    progress.standing({}, {}, now=30)

    assert progress.standing({HERE: 5}, {HERE: 6}, now=100) is None
