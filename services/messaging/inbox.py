"""The inbox: an event takes effect once. A redelivery changes nothing; another body under a known id is refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from services.messaging.received import Received
from services.runtime.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class Accepted:
    """What of a batch is new, what claims an id that another body already has, and which of the cases wait in quarantine.

    `waiting` are the cases of which anything is open there; in `parked` are those of which something needs an operator.
    """

    fresh: list[Received]
    reused: list[Received]
    waiting: frozenset[str] = frozenset()
    parked: frozenset[str] = frozenset()


class Taken(Enum):
    """What the inbox says to a record that comes back out of quarantine."""

    FRESH = auto()
    REPEATED = auto()
    REUSED = auto()


class Inbox:
    """The inbox of one service, in its schema."""

    def __init__(self, schema: str, consumer: str) -> None:
        self._sql = queries(__file__, schema=schema)
        self._consumer = consumer

    async def accept(self, tx: Transaction, batch: Sequence[Received]) -> Accepted:
        """Write down the ids of a batch and say which of its records are new, in their order.

        Waits for another transaction that has the same ids in hand, so that of two replicas one acts; and, where a case has
        something in quarantine, for whoever is just trying that again, so that nothing overtakes it.
        """
        first: dict[str, Received] = {}
        reused: list[Received] = []
        for record in batch:
            known = first.setdefault(record.event_id, record)
            if known is not record and known.digest != record.digest:
                reused.append(record)
        if not first:
            return Accepted([], [])
        ids = sorted(first)  # one order for all replicas, so that they cannot deadlock
        rows = await tx.fetch(
            self._sql["accept"],
            self._consumer,
            ids,
            [first[event_id].digest for event_id in ids],
            [first[event_id].key for event_id in ids],
        )
        new = {row["event_id"] for row in rows}
        doubtful = {first[row["event_id"]].key for row in rows if row["waits"]}
        if len(new) < len(first):
            old = [event_id for event_id in ids if event_id not in new]
            for row in await tx.fetch(self._sql["known_digests"], self._consumer, old):
                if row["digest"] != first[row["event_id"]].digest:
                    reused.append(first[row["event_id"]])
            # Whom we waited for may have parked something that the first statement, which began before, did not see.
            doubtful = {first[event_id].key for event_id in new}
        held = await tx.fetch(self._sql["hold_cases"], sorted(doubtful)) if doubtful else []
        return Accepted(
            [record for event_id, record in first.items() if event_id in new],
            reused,
            frozenset(row["case_key"] for row in held),
            frozenset(row["case_key"] for row in held if row["parked"]),
        )

    async def take_over(self, tx: Transaction, record: Received, *, ours: bool) -> Taken:
        """Accept a record that comes back out of quarantine.

        Args:
            tx: the transaction of its effect.
            record: decoded.
            ours: whether the inbox has its id on this record's own behalf, and so without an effect.
        """
        if await tx.value(self._sql["take_over"], self._consumer, record.event_id, record.digest) is not None:
            return Taken.FRESH
        (known,) = await tx.fetch(self._sql["known_digests"], self._consumer, [record.event_id])
        if known["digest"] != record.digest:
            return Taken.REUSED
        return Taken.FRESH if ours else Taken.REPEATED
