"""The inbox: an event takes effect once. A redelivery changes nothing; another body under a known id is refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.messaging.received import Received
from services.runtime.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class Accepted:
    """What of a batch is new, what claims an id that another body already has, and which of the cases wait in quarantine."""

    fresh: list[Received]
    reused: list[Received]
    waiting: frozenset[str] = frozenset()


class Inbox:
    """The inbox of one service, in its schema."""

    def __init__(self, schema: str, consumer: str) -> None:
        self._sql = queries(__file__, schema=schema)
        self._consumer = consumer

    async def accept(self, tx: Transaction, batch: Sequence[Received]) -> Accepted:
        """Write down the ids of a batch and say which of its records are new, in their order.

        Waits for another transaction that has the same ids in hand, so that of two replicas one acts.
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
        waiting = frozenset(first[row["event_id"]].key for row in rows if row["waits"])
        new = {row["event_id"] for row in rows}
        if len(new) < len(first):
            old = [event_id for event_id in ids if event_id not in new]
            for row in await tx.fetch(self._sql["known_digests"], self._consumer, old):
                if row["digest"] != first[row["event_id"]].digest:
                    reused.append(first[row["event_id"]])
        return Accepted([record for event_id, record in first.items() if event_id in new], reused, waiting)
