"""The quarantine: park the case, not the partition. What cannot be handled is data, kept with its reason."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from contracts.base import Fact
from contracts.envelope import Envelope, envelope, new_id
from contracts.events import MessageParked, QuarantineReason
from services.messaging.parking import OPEN, Place, State
from services.messaging.received import Received
from services.runtime.database import Transaction, queries


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that could not be handled, and why.

    `accepted` says that the inbox has its id on its behalf; `pause_s` after how many seconds it is tried again, where it waits
    for that; `told` whether the journal shall say that it is parked.
    """

    record: Received
    reason: QuarantineReason
    detail: str
    attempts: int = 1
    state: State = State.PARKED
    accepted: bool = False
    pause_s: float | None = None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record in quarantine as it is kept, and the open records of its case in log order."""

    row: Mapping[str, Any]
    open: tuple[str, ...] = ()

    @property
    def quarantine_id(self) -> str:
        """Its id."""
        return str(self.row["quarantine_id"])

    @property
    def state(self) -> State:
        """Where it stands."""
        return State(self.row["state"])

    @property
    def is_open(self) -> bool:
        """Whether something may still become of it."""
        return self.state in OPEN

    @property
    def case_key(self) -> str:
        """The case that waits with it."""
        return str(self.row["case_key"])

    @property
    def digest(self) -> str:
        """SHA-256 of the exact bytes as they came."""
        return hashlib.sha256(self.row["value"]).hexdigest()

    def place(self, *, proposed: bool = False) -> Place:
        """What decides which verbs may be done now."""
        return Place(self.quarantine_id, self.state, self.open[0] if self.open else self.quarantine_id, proposed)

    def received(self) -> Received:
        """The record as it came from Kafka: same bytes, same headers, same key."""
        row = self.row
        was_key = row["record_key"]
        if was_key is None and not row["case_key"].startswith("unproven:"):
            was_key = row["case_key"]
        record = Received(
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            key=was_key or "",
            value=row["value"],
            headers={name: bytes.fromhex(text) for name, text in json.loads(row["headers"]).items()},
            digest=hashlib.sha256(row["value"]).digest(),
        )
        if was_key is None and record.read().envelope is not None:  # parked before the key was kept; the subject is the same
            assert record.envelope is not None
            record.key = record.envelope.subject
        return record


class Quarantine:
    """The quarantine of one service, in its schema."""

    def __init__(self, schema: str, service: str) -> None:
        self.sql = queries(__file__, schema=schema)
        self.service = service

    async def park(self, tx: Transaction, parked: Sequence[Parked], *, now: datetime) -> list[Envelope[Fact]]:
        """Keep records as data; returns one fact for each record that was not there yet and is to be told."""
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
                shown(item.detail),
                item.record.value,
                json.dumps({name.replace("\x00", "\ufffd"): value.hex() for name, value in item.record.headers.items()}),
                item.attempts,
                str(item.state),
                item.record.key if item.record.was_key is None else item.record.was_key,
                item.accepted,
                item.told,
                item.pause_s,
            )
            for quarantine_id, item in zip(ids, parked, strict=True)
        ]
        new = {
            row["quarantine_id"]
            for row in await tx.fetch(self.sql["park"], *(list(column) for column in zip(*rows, strict=True)))
        }
        return [
            self._told(
                MessageParked(
                    quarantine_id=quarantine_id,
                    topic=item.record.topic,
                    partition=item.record.partition,
                    offset=item.record.offset,
                    reason=str(item.reason),
                    digest=item.record.digest.hex(),
                ),
                quarantine_id,
                now,
            )
            for quarantine_id, item in zip(ids, parked, strict=True)
            if quarantine_id in new and item.told
        ]

    async def waiting(
        self,
        tx: Transaction,
        state: str | Sequence[str] | None = "parked",
        limit: int = 100,
        *,
        reasons: Sequence[str] | None = None,
        case_key: str | None = None,
        older_than_s: float = 0,
    ) -> list[dict[str, Any]]:
        """The quarantine's rows in these states, oldest first, without their content."""
        states = [state] if isinstance(state, str) else list(state) if state is not None else None
        wanted = list(reasons) if reasons else None
        rows = await tx.fetch(self.sql["list_quarantine"], states, wanted, case_key, float(older_than_s), limit)
        return [dict(row) for row in rows]

    async def find(self, tx: Transaction, quarantine_id: str) -> Quarantined | None:
        """One record and where it stands among those of its case, not locked."""
        row = await tx.one(self.sql["quarantined"], quarantine_id)
        if row is None:
            return None
        return Quarantined(dict(row), await self._open(tx, row["case_key"]))

    async def hold(self, tx: Transaction, quarantine_id: str) -> Quarantined | None:
        """One record with its case locked: nobody else tries it, and nothing of its case is taken in, until the end."""
        while (case_key := await tx.value(self.sql["case_of_quarantined"], quarantine_id)) is not None:
            await self.hold_case(tx, case_key)
            entry = await self.find(tx, quarantine_id)  # as it is now, after whoever had it before
            if entry is not None and entry.case_key == case_key:
                return entry  # otherwise it was given to its real case while we waited
        return None

    async def hold_case(self, tx: Transaction, case_key: str) -> tuple[str, ...]:
        """Lock what is open of a case; returns it in log order, as it is after the wait."""
        await tx.fetch(self.sql["hold_case"], case_key)
        return await self._open(tx, case_key)

    async def _open(self, tx: Transaction, case_key: str) -> tuple[str, ...]:
        return tuple(row["quarantine_id"] for row in await tx.fetch(self.sql["open_of_case"], case_key))

    async def release(self, tx: Transaction, entry: Quarantined, state: State, *, tries: int = 0) -> None:
        """It ended: it took effect, or never will. Proposals about it lapse."""
        assert state not in OPEN, state
        await tx.execute(self.sql["release"], entry.quarantine_id, str(state), entry.row["attempts"] + tries)
        await tx.execute(self.sql["lapse_proposals"], entry.quarantine_id)

    async def keep(
        self,
        tx: Transaction,
        entry: Quarantined,
        state: State,
        reason: QuarantineReason,
        detail: str,
        *,
        case_key: str,
        now: datetime,
        pause_s: float | None = None,
        tries: int = 1,
        tell: bool = True,
    ) -> list[Envelope[Fact]]:
        """It goes on waiting, for this reason; what has to be told is returned.

        When it needs an operator from now on, so does everything behind it, and the journal says that, too.
        """
        assert (state is State.WAITING) == (pause_s is not None), (state, pause_s)
        attempts = entry.row["attempts"] + tries
        tell = tell and state is State.PARKED
        await tx.execute(
            self.sql["keep_waiting"],
            entry.quarantine_id,
            str(state),
            str(reason),
            shown(detail),
            attempts,
            case_key,
            tell,
            pause_s,
        )
        if state is not State.PARKED:
            return []
        row = {**entry.row, "reason": str(reason)}
        told = [self._parked(row, now)] if tell else []
        return [*told, *(self._parked(behind, now) for behind in await tx.fetch(self.sql["tell_behind"], case_key))]

    async def accepted(self, tx: Transaction, entry: Quarantined) -> None:
        """The inbox has its id on its behalf from now on."""
        await tx.execute(self.sql["accept_quarantined"], entry.quarantine_id)

    async def due(self, tx: Transaction, limit: int = 200) -> list[tuple[str, State, float]]:
        """What is tried again by itself: id, state, and in how many seconds. Only the first of each case, the soonest first."""
        rows = await tx.fetch(self.sql["due_quarantined"], limit)
        return [(row["quarantine_id"], State(row["state"]), float(row["in_s"])) for row in rows]

    def _parked(self, row: Mapping[str, Any] | asyncpg.Record, now: datetime) -> Envelope[Fact]:
        fact = MessageParked(
            quarantine_id=row["quarantine_id"],
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            reason=row["reason"],
            digest=hashlib.sha256(row["value"]).hexdigest(),
        )
        return self._told(fact, row["quarantine_id"], now)

    def _told(self, fact: Fact, quarantine_id: str, now: datetime) -> Envelope[Fact]:
        return envelope(fact, source=self.service, subject=quarantine_id, time=now)


def shown(detail: str) -> str:
    """A detail as it is kept: bounded, and without what PostgreSQL's text cannot hold."""
    return detail[:500].replace("\x00", "\ufffd")
