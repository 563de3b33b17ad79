"""FastStream's parser and codec for us: they take records as they are and never raise."""

from collections.abc import Sequence
from typing import Any

from faststream.kafka.message import KafkaAckableMessage
from faststream.message import StreamMessage

from services.messaging.received import Received


async def parse_batch(records: Sequence[Any], original: Any) -> StreamMessage[Any]:
    """Parse a batch without looking at headers: one that is not UTF-8 would otherwise lose the whole batch.

    FastStream's own parser is asked with the headers left out, so that acknowledging works as it does for it.
    """
    message: StreamMessage[Any] = await original(tuple(_WithoutHeaders(record) for record in records))
    assert isinstance(message, KafkaAckableMessage), type(message)
    message.raw_message = tuple(records)
    return message


class _WithoutHeaders:
    """A record whose headers FastStream does not see."""

    __slots__ = ("_record",)
    headers: tuple[()] = ()

    def __init__(self, record: Any) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)


class RawCodec:
    """Hands records on as `Received`. Decoding comes later, after the role header has been read."""

    async def decode(self, msg: StreamMessage[Any]) -> Received:
        """One record."""
        return Received.of(msg.raw_message)

    async def decode_batch(self, msg: StreamMessage[Sequence[Any]]) -> list[Any]:
        """A batch of records."""
        return [Received.of(record) for record in msg.raw_message]

    async def encode(self, msg: Any, serializer: Any = None) -> tuple[bytes, str | None]:
        """Refuse: what is published goes through the relay alone."""
        raise AssertionError("publish through the outbox")

    async def encode_batch(self, msgs: Sequence[Any], serializer: Any = None) -> list[tuple[bytes, str | None]]:
        """Refuse: what is published goes through the relay alone."""
        raise AssertionError("publish through the outbox")
