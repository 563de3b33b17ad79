"""What the service does with what its province says happened: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Callable, Sequence

from contracts.events import Applied, QuarantineReason, VoucherIssued
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.notification import store
from services.notification.notices import HEARD_TYPES, Notice, NoWords, notice_for
from services.notification.store import Claimed, Contact
from services.rules.loader import Tables
from services.runtime.database import Transaction


def concerns(record: Received) -> bool:
    """Whether a record may change what a person is shown, told from its header alone; one without a type is looked at."""
    return record.type in HEARD_TYPES or not record.type


class Handlers:
    """Queues notices.

    Args:
        tables: the words of statuses, provinces and refusals.
        domain: of the sender's address, in which Message-IDs are made.
        mailer: in whose hand a notice is at once that need not wait.
        lease_s: for how many seconds.
        hand: called after the commit with what is in the mailer's hand.
    """

    def __init__(
        self, tables: Tables, *, domain: str, mailer: str, lease_s: float, hand: Callable[[Sequence[Claimed]], None]
    ) -> None:
        self._tables = tables
        self._domain = domain
        self._mailer = mailer
        self._lease_s = lease_s
        self._hand = hand

    async def facts(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Take a batch of facts. Nothing needs to be loaded: a fact carries all that its notice says.

        Raises:
            Poison: for a fact that we have no words for, so that its case waits until we do.
        """
        contacts = [contact for record in batch if (contact := _contact(record)) is not None]
        notices = [notice for record in batch if (notice := self._decide(record)) is not None]
        await store.keep_contacts(tx, contacts)
        handed = await store.queue(tx, notices, mailer=self._mailer, lease_s=self._lease_s)
        if notices:
            tx.after_commit(lambda: self._hand(handed))

    def _decide(self, record: Received) -> Notice | None:
        assert record.envelope is not None
        try:
            return notice_for(record.envelope, self._tables, self._domain)
        except NoWords as error:
            raise Poison(record, QuarantineReason.UNEXPECTED, str(error)) from error


def _contact(record: Received) -> Contact | None:
    match record.fact:
        case Applied() as fact:
            return Contact(fact.case_id, fact.person_ref, fact.language, fact.personal)
        case VoucherIssued() as fact:
            return Contact(record.event_id, fact.person_ref, fact.language, fact.personal)
        case _:
            return None
