"""Records that come back out of quarantine: tried again by themselves with growing pauses, or when an operator says so.

A record takes effect here once, as it does in the batch handler: what changes in the quarantine, the effects, and what is told of
them are one transaction, in which the open records of its case are locked.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from contracts.base import Fact
from contracts.envelope import Envelope, decode, envelope
from contracts.events import MessageReleased, QuarantineReason
from services.messaging.handler import BatchHandler, Poison, failure
from services.messaging.inbox import Taken
from services.messaging.parking import Refused, State, not_its_turn, pause_after
from services.messaging.quarantine import Quarantined
from services.messaging.received import Received
from services.runtime.database import TRANSIENT, Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a try.

    `handled`: it took effect. `repeated`: its effect was there already. `queued`: its case, which is known only now, has
    something open before it. `failed`: it stays in quarantine, for `reason`. `gone`: somebody else dealt with it.
    """

    outcome: Literal["handled", "repeated", "queued", "failed", "gone"]
    reason: QuarantineReason | None = None
    detail: str = ""


GONE = Attempt("gone")


class Hand(Protocol):
    """Somebody who decided that a record is to be tried now."""

    amendment: bytes | None
    """What is to be handled in its place."""

    async def check(self, tx: Transaction, entry: Quarantined) -> None:
        """Whether that may be done; the record is locked. Raises `Refused`."""

    async def settle(self, tx: Transaction, entry: Quarantined, attempt: Attempt) -> list[Envelope[Fact]]:
        """Write down what came of it, in the same transaction; returns what is to be told."""


class Retries:
    """Tries records again.

    Args:
        handler: whose work they are.
        poll_s: how long another replica's records may go unseen; this one's are looked at when they are due.
    """

    def __init__(self, handler: BatchHandler, *, poll_s: float = 2.0) -> None:
        self._handler = handler
        self._quarantine = handler.quarantine
        self._poll_s = poll_s
        self._bell = asyncio.Event()
        self._looking = False

    @property
    def busy(self) -> bool:
        """Whether it was just told to look, or is trying something."""
        return self._looking or self._bell.is_set()

    def ring(self) -> None:
        """Look now: something is to be tried, or when it is has changed."""
        self._bell.set()

    async def run(self) -> None:
        """Try what is due, for as long as the service lives."""
        while True:
            self._bell.clear()
            soon_s = await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._poll_s, soon_s) if soon_s is not None else self._poll_s):
                    await self._bell.wait()

    async def look(self) -> float | None:
        """Try everything that is due, and what that lets go on; returns in how many seconds something is due, if anything."""
        handler = self._handler
        self._looking = True
        try:
            while True:
                async with handler.database.transaction("poll") as tx:
                    due = await self._quarantine.due(tx)
                ready = [quarantine_id for quarantine_id, _, in_s in due if in_s <= 0]
                if not ready:
                    return due[0][2] if due else None
                attempts = [await self.attempt(quarantine_id) for quarantine_id in ready]
                if all(attempt is GONE for attempt in attempts):
                    return 0.1  # another replica has them in hand
        finally:
            self._looking = False

    async def attempt(self, quarantine_id: str, *, by: Hand | None = None) -> Attempt:
        """Try one record, by itself or because somebody decided it.

        Returns `GONE` where by itself nothing is to be done (any more): it is closed, not the first of its case, or not due.

        Raises:
            Refused: by the one who decided, or because something of the case, which is known only now, stands before it.
        """
        handler = self._handler
        record: Received | None = None
        entry: Quarantined | None = None
        try:
            async with handler.database.transaction("retry") as tx:
                entry = await self._quarantine.hold(tx, quarantine_id)
                if by is not None:
                    if entry is None:
                        raise no_such_record(quarantine_id)
                    await by.check(tx, entry)
                elif entry is None or not _its_turn(entry):
                    return GONE
                record = entry.received()
                if by is not None and by.amendment is not None:
                    record.envelope = decode(by.amendment)
                attempt = await self._take(tx, entry, record, amended=by is not None and by.amendment is not None)
                await self._tell(tx, entry, attempt, by)
        except Refused:
            raise
        except TRANSIENT:
            raise
        except Exception as error:
            if not isinstance(error, Poison):
                log.exception("retry.failed", quarantine_id=quarantine_id)
            assert entry is not None, quarantine_id
            return await self._failed(entry, record, error, by)
        handler.told()
        log.info("retry.done", quarantine_id=quarantine_id, outcome=attempt.outcome)
        self.ring()  # what waits behind it may go on
        return attempt

    async def _take(self, tx: Transaction, entry: Quarantined, record: Received, *, amended: bool) -> Attempt:
        """Handle a record as if it had just come. Raises what the work raises, and `Poison`."""
        handler = self._handler
        verdict = handler.examine(record)
        if verdict is not None:
            raise Poison(record, verdict.reason, verdict.detail)
        if not handler.wants(record.fact):
            raise Poison(record, QuarantineReason.UNEXPECTED, f"{type(record.fact).__name__} is not for this service")
        taken = await handler.inbox.take_over(tx, record, ours=entry.row["accepted"])
        if taken is Taken.REUSED:
            raise Poison(record, QuarantineReason.ID_REUSED, "another body has this id")
        if taken is Taken.REPEATED:
            await self._quarantine.release(tx, entry, State.RETRIED, tries=1)
            return Attempt("repeated")
        if record.key != entry.case_key:
            # It is proven now, so it belongs to its case from here on, and to that case's order.
            await self._quarantine.hold_case(tx, record.key)
            await self._quarantine.accepted(tx, entry)
            await self._quarantine.keep(
                tx,
                entry,
                State.BEHIND,
                QuarantineReason.BEHIND_PARKED,
                "its case has something in quarantine",
                case_key=record.key,
                now=handler.clock.now(),
            )
            first = (await self._quarantine.hold_case(tx, record.key))[0]
            if first != entry.quarantine_id and amended:
                raise not_its_turn(first)
            if first != entry.quarantine_id:
                return Attempt("queued")
        await handler.work(tx, [record])
        await self._quarantine.release(tx, entry, State.AMENDED if amended else State.RETRIED, tries=1)
        return Attempt("handled")

    async def _failed(self, tried: Quarantined, record: Received | None, error: Exception, by: Hand | None) -> Attempt:
        """Write down that a try failed. A reason without a name may pass by itself; an operator has looked at it already."""
        handler, quarantine_id = self._handler, tried.quarantine_id
        async with handler.database.transaction("retry") as tx:
            entry = await self._quarantine.hold(tx, quarantine_id)
            if entry is None or not entry.is_open:
                return GONE
            if by is None and entry.row["attempts"] != tried.row["attempts"]:
                return GONE  # another replica has tried it between our two transactions, and failed, too
            if by is not None:
                await by.check(tx, entry)
            tries = entry.row["attempts"] + 1
            pause_s = None
            if isinstance(error, Poison):
                attempt = Attempt("failed", error.reason, error.detail)
            else:
                attempt = Attempt("failed", QuarantineReason.HANDLER_FAILED, failure(error, tries))
                pause_s = pause_after(tries, handler.pauses_s, lot=handler.lot()) if by is None else None
            assert attempt.reason is not None
            # What was proven, or disproven, also says whose case it holds up; an amended text proves nothing.
            moved = record is not None and isinstance(error, Poison) and (by is None or by.amendment is None)
            told: Sequence[Envelope[Fact]] = await self._quarantine.keep(
                tx,
                entry,
                State.PARKED if pause_s is None else State.WAITING,
                attempt.reason,
                attempt.detail,
                case_key=record.key if record is not None and moved else entry.case_key,
                now=handler.clock.now(),
                pause_s=pause_s,
                tell=by is None or not entry.row["told"],
            )
            await handler.outbox.tell(tx, told)
            if by is not None:
                await self._tell(tx, entry, attempt, by)
        handler.told()
        log.warning("retry.again_in_quarantine", quarantine_id=quarantine_id, reason=str(attempt.reason), tries=tries)
        self.ring()
        return attempt

    async def _tell(self, tx: Transaction, entry: Quarantined, attempt: Attempt, by: Hand | None) -> None:
        handler = self._handler
        told: list[Envelope[Fact]] = []
        if by is not None:
            told = await by.settle(tx, entry, attempt)
        elif entry.row["told"]:
            assert attempt.outcome in ("handled", "repeated"), attempt
            outcome: Literal["handled", "repeated"] = "handled" if attempt.outcome == "handled" else "repeated"
            fact = MessageReleased(
                quarantine_id=entry.quarantine_id, outcome=outcome, digest=entry.digest, event_id=entry.row["event_id"]
            )
            told = [envelope(fact, source=self._quarantine.service, subject=entry.quarantine_id, time=handler.clock.now())]
        await handler.outbox.tell(tx, told)


def _its_turn(entry: Quarantined) -> bool:
    """Whether it may be tried without anybody's decision."""
    first = entry.is_open and entry.open[0] == entry.quarantine_id
    return first and entry.state is not State.PARKED and not entry.row["too_early"]


def no_such_record(quarantine_id: str) -> Refused:
    """Nothing in this quarantine has the id."""
    return Refused("NO_SUCH_RECORD", f"{quarantine_id[:64]} is not in this quarantine.", "List it for its ids.", status=404)
