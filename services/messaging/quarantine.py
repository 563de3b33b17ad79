"""The quarantine: park the case, not the partition. What cannot be handled is data, kept with its reason."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.base import Fact
from contracts.envelope import Envelope, envelope, new_id
from contracts.events import MessageParked, QuarantineReason
from services.messaging.received import Received
from services.runtime.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that waits for an operator, and why."""

    record: Received
    reason: QuarantineReason
    detail: str
    attempts: int = 1


class Quarantine:
    """The quarantine of one service, in its schema."""

    def __init__(self, schema: str, service: str) -> None:
        self._sql = queries(__file__, schema=schema)
        self._service = service

    async def park(self, tx: Transaction, parked: Sequence[Parked], *, now: datetime) -> list[Envelope[Fact]]:
        """Keep records as data; returns one fact for each record that was not there yet, to be told."""
        if not parked:
            return []
        ids = [new_id() for _ in parked]
        rows = [
            (
                quarantine_id,
                item.record.topic,
                item.record.partition,
                item.record.offset,
                item.record.key,
                item.record.envelope.id if item.record.envelope else None,
                str(item.reason),
                item.detail[:500].replace("\x00", "\ufffd"),
                item.record.value,
                json.dumps({name.replace("\x00", "\ufffd"): value.hex() for name, value in item.record.headers.items()}),
                item.attempts,
            )
            for quarantine_id, item in zip(ids, parked, strict=True)
        ]
        new = {
            row["quarantine_id"]
            for row in await tx.fetch(self._sql["park"], *(list(column) for column in zip(*rows, strict=True)))
        }
        return [
            envelope(
                MessageParked(
                    quarantine_id=quarantine_id,
                    topic=item.record.topic,
                    partition=item.record.partition,
                    offset=item.record.offset,
                    reason=str(item.reason),
                    digest=item.record.digest.hex(),
                ),
                source=self._service,
                subject=quarantine_id,
                time=now,
            )
            for quarantine_id, item in zip(ids, parked, strict=True)
            if quarantine_id in new
        ]

    async def waiting(self, tx: Transaction, state: str = "parked", limit: int = 100) -> list[dict[str, Any]]:
        """The quarantine's rows in a state, oldest first, without their content."""
        return [dict(row) for row in await tx.fetch(self._sql["list_quarantine"], state, limit)]
