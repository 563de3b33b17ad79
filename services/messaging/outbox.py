"""The transactional outbox, kept as the service's journal: rows are added with the business, and never change again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from contracts import topics
from contracts.base import Fact
from contracts.documents import Document
from contracts.envelope import Envelope, encode
from services.runtime.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way out: where it goes and its exact bytes."""

    event_id: str
    topic: str
    key: str
    role: str | None
    type: str
    subject: str
    payload: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the exact bytes, by which both sides name a document."""
        return hashlib.sha256(self.payload).hexdigest()


class TooLarge(ValueError):
    """A message that Kafka would never take. Once in the outbox, it would stop the relay for ever."""

    def __init__(self, type: str, size_bytes: int) -> None:
        super().__init__(f"{type} has {size_bytes} bytes, more than {topics.MAX_VALUE_BYTES}")
        self.type = type
        self.size_bytes = size_bytes


def outgoing(message: Envelope[Fact]) -> Outgoing:
    """Address a message: a document goes to its addressee's exchange, everything else to the own journal.

    Raises:
        TooLarge: when Kafka would refuse it.
    """
    fact = message.data
    if isinstance(fact, Document):
        topic, role = topics.exchange(fact.addressee), fact.to_role
    else:
        topic, role = topics.journal(message.province), None
    payload = encode(message)
    if len(payload) > topics.MAX_VALUE_BYTES:
        raise TooLarge(message.type, len(payload))
    return Outgoing(message.id, topic, message.subject, role, message.type, message.subject, payload)


class Outbox:
    """The outbox of one service, in its schema."""

    def __init__(self, schema: str) -> None:
        self._sql = queries(__file__, schema=schema)

    async def append(self, tx: Transaction, rows: Sequence[Outgoing]) -> None:
        """Add rows in order, in one statement."""
        if rows:
            columns = zip(
                *((row.event_id, row.topic, row.key, row.role, row.type, row.subject, row.payload) for row in rows), strict=True
            )
            tx.defer(self._sql["append"], *(list(column) for column in columns))
            tx.defer(self._sql["append_pending"])

    async def tell(self, tx: Transaction, messages: Sequence[Envelope[Fact]]) -> None:
        """Encode and add messages that are not needed as rows before."""
        await self.append(tx, [outgoing(message) for message in messages])

    async def unnumbered(self, tx: Transaction) -> bool:
        """Whether the relay has not seen all rows."""
        return bool(await tx.value(self._sql["any_unnumbered"]))

    async def unpublished(self, tx: Transaction) -> int:
        """How many rows Kafka has not acknowledged."""
        return int(await tx.value(self._sql["unpublished"]))
