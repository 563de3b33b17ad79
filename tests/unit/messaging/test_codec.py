"""FastStream's parser and codec for us: no record makes them raise, and a batch loses none."""

import time
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.parser import AioKafkaBatchParser

from services.messaging.codec import RawCodec, parse_batch

ODD_HEADERS: list[tuple[tuple[str, Any], ...]] = [
    (),
    (("content-type", b"application/json"),),
    (("correlation_id", b"\xff\xfe"),),
    (("content-type", b"\xff"),),
    (("reply_to", b"\x80"),),
    (("correlation_id", None),),
    (("a", b"1"), ("a", b"2")),
]


def a_record(headers: tuple[tuple[str, Any], ...], offset: int = 0, value: bytes | None = b"\xff{") -> ConsumerRecord[Any, Any]:
    return ConsumerRecord(
        topic="exchange.33",
        partition=3,
        offset=offset,
        timestamp=int(time.time() * 1000),
        timestamp_type=0,
        key=b"\xff",
        value=value,
        checksum=None,
        serialized_key_size=1,
        serialized_value_size=2,
        headers=headers,
    )


def faststreams_parser() -> Any:
    parser = AioKafkaBatchParser(msg_class=KafkaAckableMessage, regex=None)
    return parser.parse_batch


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=str)
async def test_no_header_makes_the_parser_or_the_codec_raise(headers: tuple[tuple[str, Any], ...]) -> None:
    records = (a_record(headers), a_record((), offset=1))

    message = await parse_batch(records, faststreams_parser())
    taken = await RawCodec().decode_batch(message)

    assert [record.offset for record in taken] == [0, 1]
    assert [record.value for record in taken] == [b"\xff{", b"\xff{"]
    assert {name: value or b"" for name, value in headers} == taken[0].headers


async def test_faststream_alone_would_lose_the_batch() -> None:
    with pytest.raises(UnicodeDecodeError):
        await faststreams_parser()((a_record((("correlation_id", b"\xff\xfe"),)),))


async def test_the_message_keeps_the_records_that_acknowledging_needs() -> None:
    records = (a_record((("x", b"\xff"),)), a_record((), offset=1))

    message = await parse_batch(records, faststreams_parser())

    assert isinstance(message, KafkaAckableMessage)
    assert message.raw_message == records


async def test_a_record_without_a_value_comes_through_too() -> None:
    message = await parse_batch((a_record((), value=None),), faststreams_parser())

    (taken,) = await RawCodec().decode_batch(message)

    assert taken.value == b""


async def test_nothing_is_published_past_the_outbox() -> None:
    for refused in (RawCodec().encode(b"x"), RawCodec().encode_batch([b"x"])):
        with pytest.raises(AssertionError, match="outbox"):
            await refused
