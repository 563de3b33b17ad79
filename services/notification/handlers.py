"""What the service does with what its province says happened: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Awaitable, Callable, Sequence

from contracts.events import (
    Applied,
    ArrearsNotified,
    DeathReported,
    DoubleDrawingSettled,
    EndingNotified,
    NotMovableNotified,
    QuarantineReason,
    VoucherIssued,
)
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.notification import store
from services.notification.notices import HEARD_TYPES, Notice, NoWords, employers_notice_for, notice_for
from services.notification.store import Claimed, Contact
from services.records.rulebook import Holder
from services.runtime.database import Transaction


def concerns(record: Received) -> bool:
    """Whether a record may change what a person is shown, told from its header alone; one without a type is looked at."""
    return record.type in HEARD_TYPES or not record.type


async def _nothing() -> None:
    """Nobody imports rows here."""


class Handlers:
    """Queues notices.

    Args:
        law: whose tables have the words of statuses, provinces and refusals.
        domain: of the sender's address, in which Message-IDs are made.
        mailer: in whose hand a notice is at once that need not wait.
        lease_s: for how many seconds.
        hand: called after the commit with what is in the mailer's hand.
        refresh: looks for rows that were imported since, where a fact has a word that is not known.
    """

    def __init__(
        self,
        law: Holder,
        *,
        domain: str,
        mailer: str,
        lease_s: float,
        hand: Callable[[Sequence[Claimed]], None],
        refresh: Callable[[], Awaitable[object]] = _nothing,
    ) -> None:
        self._law = law
        self._refresh = refresh
        self._domain = domain
        self._mailer = mailer
        self._lease_s = lease_s
        self._hand = hand

    async def facts(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Take a batch of facts. Nothing needs to be loaded: a fact carries all that its notice says.

        Nobody is written to about their own death: from the report on, what is queued for the person is not sent.

        Raises:
            Poison: for a fact that we have no words for, so that its case waits until we do.
        """
        contacts = [contact for record in batch if (contact := _contact(record)) is not None]
        notices = [notice for record in batch for notice in await self._told(record)]
        deaths = {record.fact.person_ref: record.event_id for record in batch if isinstance(record.fact, DeathReported)}
        await store.keep_contacts(tx, contacts)
        await store.keep_deaths(tx, deaths)
        handed = await store.queue(tx, notices, mailer=self._mailer, lease_s=self._lease_s)
        if notices:
            tx.after_commit(lambda: self._hand(handed))

    async def _told(self, record: Received) -> list[Notice]:
        try:
            return self._decide(record)
        except NoWords:
            # The word may be in a row that was imported a moment ago: whoever said it had the row first.
            await self._refresh()
        try:
            return self._decide(record)
        except NoWords as error:
            raise Poison(record, QuarantineReason.UNEXPECTED, str(error)) from error

    def _decide(self, record: Received) -> list[Notice]:
        assert record.envelope is not None
        both = [decide(record.envelope, self._law.tables, self._domain) for decide in (notice_for, employers_notice_for)]
        return [notice for notice in both if notice is not None]


def _contact(record: Received) -> Contact | None:
    match record.fact:
        case Applied() as fact:
            return Contact(fact.case_id, fact.person_ref, fact.language, fact.personal)
        case VoucherIssued() | EndingNotified() | DoubleDrawingSettled() | NotMovableNotified() | ArrearsNotified() as fact:
            return Contact(record.event_id, fact.person_ref, fact.language, fact.personal)
        case _:
            return None
