"""What the service does with what its province says happened: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Callable, Sequence

from contracts.events import Applied, QuarantineReason, VoucherIssued
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.notification import store
from services.notification.notices import HEARD_TYPES, Notice, NoWords, notice_for
from services.notification.store import Contact
from services.rules.loader import Tables
from services.runtime.database import Transaction

CommitIsOver = Callable[[], bool]


def concerns(record: Received) -> bool:
    """Whether a record may change what a person is shown, told from its header alone; one without a type is looked at."""
    return record.type in HEARD_TYPES or not record.type


class Handlers:
    """Queues notices.

    Args:
        tables: the words of statuses, provinces and refusals.
        domain: of the sender's address, in which Message-IDs are made.
        queued: called when notices were written; it is given a way to ask whether their transaction is over.
        handling: whether a batch is being handled at the moment.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        domain: str,
        queued: Callable[[CommitIsOver], None],
        handling: Callable[[], bool],
    ) -> None:
        self._tables = tables
        self._domain = domain
        self._queued = queued
        self._handling = handling
        self._round = 0

    async def facts(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Take a batch of facts. Nothing needs to be loaded: a fact carries all that its notice says.

        Raises:
            Poison: for a fact that we have no words for, so that its case waits until we do.
        """
        self._round += 1
        mine = self._round
        contacts = [contact for record in batch if (contact := _contact(record)) is not None]
        notices = [notice for record in batch if (notice := self._decide(record)) is not None]
        await store.keep_contacts(tx, contacts)
        await store.queue(tx, notices)
        if notices:
            # The next batch, or none, means that this one is committed or rolled back.
            self._queued(lambda: self._round != mine or not self._handling())

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
