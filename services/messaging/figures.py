"""What a service tells Prometheus of its messages: how far behind it is, what waits in its outbox, what stands in quarantine."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, Counter, Histogram

from services.runtime.database import Database, queries
from services.runtime.metrics import Figure, Figures, Readings

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

OUTBOX = (
    Figure("jiexu_outbox_unpublished_rows", "Rows that Kafka has not acknowledged, as the relay last wrote down."),
    Figure("jiexu_outbox_oldest_seconds", "How long the oldest of them has waited; 0 when there is none."),
)
QUARANTINE = (
    Figure("jiexu_quarantine_rows", "Records in quarantine that nobody has decided about.", ("state", "reason")),
    Figure("jiexu_quarantine_oldest_seconds", "How long the oldest of them has stood there.", ("state",)),
)


class HandlerFigures:
    """What a batch handler counts. Without a registry nobody reads it, as in tests."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._inbox = Counter(
            "jiexu_inbox_records",
            "Records by what the inbox said.",
            ("result",),
            registry=registry,
        )
        self._records = Counter(
            "jiexu_handler_records", "Records that were handled, and that were parked.", ("result",), registry=registry
        )
        self._seconds = Histogram(
            "jiexu_handler_transaction_seconds",
            "How long a handler's transactions took.",
            registry=registry,
            buckets=_SECONDS,
        )
        self._batch = Histogram(
            "jiexu_handler_batch_records", "Records of a handler's transaction.", registry=registry, buckets=_RECORDS
        )
        for result in ("accepted", "duplicate", "reused"):
            self._inbox.labels(result)
        for result in ("handled", "parked"):
            self._records.labels(result)

    def accepted(self, offered: int, fresh: int, reused: int) -> None:
        """The inbox was asked about some records, and the transaction was committed."""
        self._inbox.labels("accepted").inc(fresh)
        self._inbox.labels("reused").inc(reused)
        self._inbox.labels("duplicate").inc(max(0, offered - fresh - reused))

    def transacted(self, handled: int, parked: int, seconds: float) -> None:
        """A transaction was committed."""
        self._records.labels("handled").inc(handled)
        self._records.labels("parked").inc(parked)
        self._seconds.observe(seconds)
        self._batch.observe(handled + parked)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a service asks of its database beside what all services ask.

    Args:
        sql: gives rows `figure`, `labels`, `value` (text, text[], float8), and reads open rows by an index alone.
        values: its parameters, asked for anew each time.
        figures: those that come of it.
        read: makes figures of its rows; by default each row is one.
    """

    sql: str
    values: Callable[[], tuple[object, ...]]
    figures: tuple[Figure, ...]
    read: Callable[[Sequence[asyncpg.Record]], Readings] | None = None


def rows_as_readings(rows: Iterable[asyncpg.Record]) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    """One value a row."""
    found: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for row in rows:
        found.setdefault(row["figure"], []).append((tuple(row["labels"]), float(row["value"])))
    return found


def ask_database(figures: Figures, database: Database, schema: str, more: Asked | None) -> None:
    """Add what the database knows: one statement for all of it."""
    common = queries(__file__, schema=schema)["figures"].rstrip().rstrip(";")
    sql = common if more is None else f"{common}\nUNION ALL\n{more.sql.rstrip().rstrip(';')}"
    own = {figure.name for figure in (*OUTBOX, *QUARANTINE)}

    async def ask() -> Readings:
        async with database.transaction("figures") as tx:
            rows = await tx.fetch(sql, *(more.values() if more is not None else ()))
        ours = rows_as_readings(row for row in rows if row["figure"] in own)
        if more is None:
            return ours
        theirs = [row for row in rows if row["figure"] not in own]
        return {**ours, **(more.read(theirs) if more.read is not None else rows_as_readings(theirs))}

    figures.asked_of("database", ask, *OUTBOX, *QUARANTINE, *(more.figures if more is not None else ()))


def tell_relay(figures: Figures, leads: Callable[[], bool]) -> None:
    """Add whether this replica's relay is the one at work."""
    figures.told_by(
        "relay",
        lambda: {"jiexu_relay_leads": [((), float(leads()))]},
        Figure("jiexu_relay_leads", "1 at the replica that publishes, 0 at those that stand by."),
    )


Places = Mapping[TopicPartition, int]


def ask_consumer(figures: Figures, places: Callable[[], Awaitable[tuple[Places, Places] | None]]) -> None:
    """Add how far behind the consumer is.

    Args:
        figures: of the service.
        places: gives where the consumer stands and where each of its partitions ends; None while it has none.
    """

    async def ask() -> Readings:
        found = await places()
        positions, ends = found if found is not None else ({}, {})
        return {
            "jiexu_consumer_partitions": [((), float(len(positions)))],
            "jiexu_consumer_lag_records": [
                ((at.topic, str(at.partition)), float(max(0, ends[at] - position))) for at, position in sorted(positions.items())
            ],
        }

    figures.asked_of(
        "consumer",
        ask,
        Figure("jiexu_consumer_partitions", "Partitions that this replica reads."),
        Figure("jiexu_consumer_lag_records", "Records that it has not taken yet.", ("topic", "partition")),
    )
