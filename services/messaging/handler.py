"""The batch handler: one database transaction over a batch of records, with five beats.

*Accept* (inbox, quarantine) is the same for every service and stands here; *load*, *decide*, *book* and *tell* are the service's
`work`. The offset is committed after the transaction.
"""

import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set

import structlog

from contracts import topics
from contracts.base import Fact
from contracts.documents import Document
from contracts.events import QuarantineReason
from services.messaging.figures import HandlerFigures
from services.messaging.inbox import Inbox
from services.messaging.outbox import Outbox
from services.messaging.parking import State, pause_after
from services.messaging.quarantine import Parked, Quarantine
from services.messaging.received import Received
from services.messaging.verification import Unverified, Verifier
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT, Database, Transaction, pause

log = structlog.get_logger()

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Work = Callable[[Transaction, Sequence[Received]], Awaitable[None]]


PAUSES_S = (0.5, 2.0, 8.0)
"""After how long a record that failed without a name is tried again, unless settings say otherwise."""

_NAMED_AT_ONCE = 3  # so many guilty records are taken out one by one; where there are more, the batch is halved


class Poison(Exception):
    """Raised by a service's work for one record that it cannot take, by name; the record is parked.

    Whoever has no part in a case (WRONG_SENDER) must not hold it up: such a record loses the case of its key.
    """

    def __init__(self, record: Received, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        if reason is QuarantineReason.WRONG_SENDER:
            detail = record.disown(detail)
        self.record = record
        self.reason = reason
        self.detail = detail


Place = tuple[str, int, int]


def place(record: Received) -> Place:
    """Where a record stands in Kafka: no other stands there."""
    return record.topic, record.partition, record.offset


def failure(error: Exception, tries: int) -> str:
    """What is kept of an error that has no name of ours; never its text, which may hold a person's data."""
    return f"{type(error).__name__} after {tries} {'try' if tries == 1 else 'tries'}"


class BatchHandler:
    """Handles batches for one consumer.

    Args:
        concerns: whether a record is for this consumer, told from its headers alone.
        wants: CloudEvents facts that the work takes; a decoded record of another type is passed over on a journal and
            parked on an exchange.
        work: load, decide, book, tell.
        told: called after the commit, to wake the relay.
        delayed: called after a commit that left something to be tried again.
        pauses_s: seconds between the tries of a record that failed without a name; after the last it is parked.
        lot: gives numbers between 0 and 1, for jitter.
        figures: counts what was done.
    """

    def __init__(
        self,
        *,
        database: Database,
        inbox: Inbox,
        outbox: Outbox,
        quarantine: Quarantine,
        verifier: Verifier,
        clock: Clock,
        concerns: Callable[[Received], bool],
        wants: tuple[type[Fact], ...],
        work: Work,
        told: Callable[[], None],
        delayed: Callable[[], None] = lambda: None,
        pauses_s: Sequence[float] = PAUSES_S,
        lot: Callable[[], float] = random.random,
        figures: HandlerFigures | None = None,
    ) -> None:
        self.database = database
        self.inbox = inbox
        self.outbox = outbox
        self.quarantine = quarantine
        self.verifier = verifier
        self.clock = clock
        self.told = told
        self.delayed = delayed
        self.pauses_s = tuple(pauses_s)
        self.lot = lot
        self._figures = figures or HandlerFigures()
        self._concerns = concerns
        self._wants = wants
        self._roles = {kind.to_role for kind in wants if issubclass(kind, Document)}
        self._work = work
        self._failures = 0
        self.in_flight = 0
        self.waits_for: str | None = None

    async def handle(self, records: Sequence[Received]) -> None:
        """Take a batch as Kafka gave it. Returns when all of it is done or in quarantine; raises what passes by itself."""
        mine = [record for record in records if self._concerns(record)]
        if not mine:
            return
        self.in_flight += 1
        try:
            await self._take(mine, {place(item.record): item for item in map(self.examine, mine) if item is not None})
            self._failures, self.waits_for = 0, None
        except TRANSIENT as error:
            self.waits_for = f"database: {type(error).__name__}"
            log.warning("handler.waits", error=type(error).__name__, attempt=self._failures)
            await pause(self._failures)  # FastStream gives the batch back at once; the waiting is ours
            self._failures += 1
            raise
        finally:
            self.in_flight -= 1

    async def work(self, tx: Transaction, records: Sequence[Received]) -> None:
        """The service's own work, for records that were examined and accepted."""
        await self._work(tx, records)

    def wants(self, fact: Fact) -> bool:
        """Whether the work takes such a fact."""
        return isinstance(fact, self._wants)

    def examine(self, record: Received) -> Parked | None:
        """Decode and verify a record; if it is poison, that is returned with its reason."""
        record.read()
        if record.problem is not None:
            return Parked(record, QuarantineReason(record.problem[0]), record.problem[1])
        try:
            self.verifier.check(record)
        except Unverified as error:
            return Parked(record, error.reason, error.detail)
        except Exception as error:  # a bug of ours, but whoever sends such a record must not stop all others
            log.exception("handler.unexaminable", topic=record.topic, partition=record.partition, offset=record.offset)
            return Parked(record, QuarantineReason.HANDLER_FAILED, f"{type(error).__name__} while it was verified")
        fact = record.fact
        if self.wants(fact) or not record.topic.startswith("exchange."):
            return None
        reason = QuarantineReason.UNEXPECTED if record.role in topics.ROLES else QuarantineReason.NO_ROLE
        detail = f"{type(fact).__name__} is not for this role"
        if isinstance(fact, Document) and fact.to_role not in self._roles:
            detail = record.disown(detail)  # the role is not signed, and no case of ours waits for another role's documents
        return Parked(record, reason, detail)

    async def _take(self, records: Sequence[Received], verdicts: Mapping[Place, Parked]) -> None:
        """Take records in one transaction. What fails is narrowed to the guilty, and none of the others waits for that.

        A guilty record that was named is left out and all others run again. One that was not named is found by halving, each
        half a transaction of its own; then it waits in quarantine for its next try.

        Args:
            records: in the order of the batch.
            verdicts: those of them whose guilt is known.
        """
        known = dict(verdicts)
        named = 0
        while True:
            free = [record for record in records if place(record) not in known]
            try:
                await self._transact(records, known)
                return
            except TRANSIENT:
                raise
            except Exception as error:
                if isinstance(error, Poison) and any(error.record is record for record in free):
                    known[place(error.record)] = Parked(error.record, error.reason, error.detail, accepted=True)
                    named += 1
                    if named < _NAMED_AT_ONCE or len(free) <= 2:
                        continue
                elif len(free) > 1:
                    log.warning("handler.batch_failed", error=type(error).__name__, records=len(free))
                elif free:
                    log.exception("handler.failed", case=free[0].key)
                    known[place(free[0])] = self._waits(free[0], error)
                    continue
                else:
                    raise
            half = len(records) // 2
            for part in (records[:half], records[half:]):
                places = {place(record) for record in part}
                await self._take(part, {at: item for at, item in known.items() if at in places})
            return

    def _waits(self, record: Received, error: Exception) -> Parked:
        pause_s = pause_after(1, self.pauses_s, lot=self.lot())
        return Parked(
            record,
            QuarantineReason.HANDLER_FAILED,
            failure(error, 1),
            state=State.PARKED if pause_s is None else State.WAITING,
            accepted=True,
            pause_s=pause_s,
            told=pause_s is None,
        )

    async def _transact(self, records: Sequence[Received], verdicts: Mapping[Place, Parked]) -> None:
        """One transaction: accept, work, park."""
        found = [verdicts.get(place(record)) for record in records]
        good = [record for record, verdict in zip(records, found, strict=True) if verdict is None or verdict.accepted]
        parked = [verdict for verdict in found if verdict is not None and not verdict.accepted]
        good = [record for record in good if self.wants(record.fact)]
        if not good and not parked:
            return
        began = time.perf_counter()
        async with self.database.transaction("handler") as tx:
            accepted = await self.inbox.accept(tx, good)
            parked += [Parked(record, QuarantineReason.ID_REUSED, "another body has this id") for record in accepted.reused]
            # A guilty record that is not new stands in quarantine already; one whose case waits stands behind, untried.
            parked += [
                verdicts[place(record)]
                for record in accepted.fresh
                if place(record) in verdicts and record.key not in accepted.waiting
            ]
            fresh = [record for record in accepted.fresh if place(record) not in verdicts or record.key in accepted.waiting]
            free, behind = _split(fresh, parked, accepted.waiting)
            needy = accepted.parked | {item.record.key for item in parked if item.state is State.PARKED}
            parked += [
                Parked(
                    record,
                    QuarantineReason.BEHIND_PARKED,
                    "its case has something in quarantine",
                    0,
                    State.BEHIND,
                    accepted=True,
                    told=record.key in needy,
                )
                for record in behind
            ]
            if free:
                await self._work(tx, free)
            await self.outbox.tell(tx, await self.quarantine.park(tx, parked, now=self.clock.now()))
        self._figures.accepted(len(good), len(accepted.fresh), len(accepted.reused))
        self._figures.transacted(len(free), len(parked), time.perf_counter() - began)
        _say(free, parked, time.perf_counter() - began)
        self.told()
        if any(item.state is State.WAITING for item in parked):
            self.delayed()


def _say(handled: Sequence[Received], parked: Sequence[Parked], seconds: float) -> None:
    """Say in the log what was committed: a batch in one line, what was parked in one each."""
    if handled:
        cases = {record.key for record in handled}
        alone = case_in_log(cases.pop()) if len(cases) == 1 else {}
        log.info("handler.handled", records=len(handled), ms=round(seconds * 1000, 1), **alone)
    for item in parked:
        at = item.record
        where = {"topic": at.topic, "partition": at.partition, "offset": at.offset}
        log.warning("handler.parked", reason=str(item.reason), state=str(item.state), **where, **case_in_log(at.key))


def case_in_log(key: str) -> dict[str, str]:
    """A record's key as a log line has it: a case's id, or nothing, for what a stranger wrote there may be anything."""
    return {"case_id": key} if _UUID.fullmatch(key) else {}


def _split(fresh: Sequence[Received], parked: Sequence[Parked], waiting: Set[str]) -> tuple[list[Received], list[Received]]:
    """What may be handled now, and what must wait behind its case's poison. What came before the poison may go on."""
    poisoned_at: dict[str, Place] = {}
    for item in parked:
        at = place(item.record)
        poisoned_at[item.record.key] = min(at, poisoned_at.get(item.record.key, at))
    free: list[Received] = []
    behind: list[Received] = []
    for record in fresh:
        poison = poisoned_at.get(record.key)
        before = poison is None or (poison[:2] == (record.topic, record.partition) and record.offset < poison[2])
        (free if before and record.key not in waiting else behind).append(record)
    return free, behind
