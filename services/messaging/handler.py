"""The batch handler: one database transaction over a batch of records, with five beats.

*Accept* (inbox, quarantine) is the same for every service and stands here; *load*, *decide*, *book* and *tell* are the service's
`work`. The offset is committed after the transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set

import structlog

from contracts import topics
from contracts.base import Fact
from contracts.events import QuarantineReason
from services.messaging.inbox import Inbox
from services.messaging.outbox import Outbox
from services.messaging.quarantine import Parked, Quarantine
from services.messaging.received import Received
from services.messaging.verification import Unverified, Verifier
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT, Database, Transaction, pause

log = structlog.get_logger()

Work = Callable[[Transaction, Sequence[Received]], Awaitable[None]]


class Poison(Exception):
    """Raised by a service's work for one record that it cannot take, by name; the record is parked."""

    def __init__(self, record: Received, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.record = record
        self.reason = reason
        self.detail = detail


class BatchHandler:
    """Handles batches for one consumer.

    Args:
        concerns: whether a record is for this consumer, told from its headers alone.
        wants: CloudEvents facts that the work takes; a decoded record of another type is passed over on a journal and
            parked on an exchange.
        work: load, decide, book, tell.
        told: called after the commit, to wake the relay.
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
        attempts: int = 3,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._outbox = outbox
        self._quarantine = quarantine
        self._verifier = verifier
        self._clock = clock
        self._concerns = concerns
        self._wants = wants
        self._work = work
        self._told = told
        self._attempts = attempts
        self._failures = 0
        self.in_flight = 0
        self.waits_for: str | None = None

    async def handle(self, records: Sequence[Received]) -> None:
        """Take a batch as Kafka gave it. Returns when all of it is done or parked; raises what passes by itself."""
        mine = [record for record in records if self._concerns(record)]
        if not mine:
            return
        self.in_flight += 1
        try:
            good, bad = self._examine(mine)
            await self._transact(good, bad)
            self._failures, self.waits_for = 0, None
        except TRANSIENT as error:
            self.waits_for = f"database: {type(error).__name__}"
            log.warning("handler.waits", error=type(error).__name__, attempt=self._failures)
            await pause(self._failures)  # FastStream gives the batch back at once; the waiting is ours
            self._failures += 1
            raise
        except Exception as error:
            log.warning("handler.batch_failed", error=type(error).__name__, records=len(mine))
            await self._case_by_case(good, bad)
        finally:
            self.in_flight -= 1

    def _examine(self, records: Iterable[Received]) -> tuple[list[Received], list[Parked]]:
        """Decode and verify: what is good, and what is poison with its reason."""
        good: list[Received] = []
        bad: list[Parked] = []
        for record in records:
            record.read()
            if record.problem is not None:
                bad.append(Parked(record, QuarantineReason(record.problem[0]), record.problem[1]))
                continue
            try:
                self._verifier.check(record)
            except Unverified as error:
                bad.append(Parked(record, error.reason, error.detail))
                continue
            except Exception as error:  # a bug of ours, but whoever sends such a record must not stop all others
                log.exception("handler.unexaminable", topic=record.topic, partition=record.partition, offset=record.offset)
                bad.append(Parked(record, QuarantineReason.HANDLER_FAILED, f"{type(error).__name__} while it was verified"))
                continue
            if isinstance(record.fact, self._wants):
                good.append(record)
            elif record.topic.startswith("exchange."):
                known = record.role in topics.ROLES
                reason = QuarantineReason.UNEXPECTED if known else QuarantineReason.NO_ROLE
                bad.append(Parked(record, reason, f"{type(record.fact).__name__} is not for this role"))
        return good, bad

    async def _transact(self, good: Sequence[Received], bad: Sequence[Parked]) -> None:
        if not good and not bad:
            return
        async with self._database.transaction("handler") as tx:
            accepted = await self._inbox.accept(tx, good)
            parked = [
                *bad,
                *(Parked(record, QuarantineReason.ID_REUSED, "another body has this id") for record in accepted.reused),
            ]
            free, behind = _split(accepted.fresh, parked, accepted.waiting)
            parked.extend(Parked(record, QuarantineReason.BEHIND_PARKED, "its case has something parked") for record in behind)
            if free:
                await self._work(tx, free)
            await self._outbox.tell(tx, await self._quarantine.park(tx, parked, now=self._clock.now()))
        self._told()

    async def _case_by_case(self, good: Sequence[Received], bad: Sequence[Parked]) -> None:
        """A batch failed for a reason that does not pass: find the guilty case, let all others go on."""
        await self._transact([], bad)
        cases: dict[str, list[Received]] = {}
        for record in good:
            cases.setdefault(record.key, []).append(record)
        for records in cases.values():
            for record in records:
                await self._alone(record)

    async def _alone(self, record: Received) -> None:
        for attempt in range(self._attempts):
            try:
                await self._transact([record], [])
                return
            except TRANSIENT:
                raise
            except Poison as error:
                await self._transact([], [Parked(record, error.reason, error.detail, attempt + 1)])
                return
            except Exception as error:
                log.exception("handler.failed", case=record.key, attempt=attempt)
                if attempt + 1 == self._attempts:
                    detail = f"{type(error).__name__} after {self._attempts} attempts"
                    await self._transact([], [Parked(record, QuarantineReason.HANDLER_FAILED, detail, self._attempts)])
                    return
                await asyncio.sleep(0.05 * 2**attempt)


def _split(fresh: Sequence[Received], parked: Sequence[Parked], waiting: Set[str]) -> tuple[list[Received], list[Received]]:
    """What may be handled now, and what must wait behind its case's poison. What came before the poison may go on."""
    poisoned_at: dict[str, tuple[str, int, int]] = {}
    for item in parked:
        at = (item.record.topic, item.record.partition, item.record.offset)
        poisoned_at[item.record.key] = min(at, poisoned_at.get(item.record.key, at))
    free: list[Received] = []
    behind: list[Received] = []
    for record in fresh:
        place = poisoned_at.get(record.key)
        before = place is None or (place[:2] == (record.topic, record.partition) and record.offset < place[2])
        (free if before and record.key not in waiting else behind).append(record)
    return free, behind
