"""What the origin does with the documents that arrive: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Callable, Mapping, Sequence

from contracts.documents import (
    Body,
    CompletionNotice,
    ContactLetter,
    ContactLetterDocument,
    Document,
    Query,
    Rejection,
    RejectionToOriginDocument,
    Reminder,
    Withdrawal,
)
from contracts.events import QuarantineReason
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.messaging.rejections import Rejections
from services.messaging.sealing import Opener, Unopenable
from services.origin_agency import store
from services.origin_agency.automatic import answer
from services.origin_agency.case import Case, NotNow, Outcome, hear, open_case, settle, withdraw
from services.origin_agency.checks import id_number_of
from services.records import store as records
from services.records.agency import Agency, receipt
from services.records.decisions import Told
from services.runtime.database import Transaction


class Handlers:
    """The origin's work on documents.

    Args:
        ordered: called after the commit when a remittance was ordered without a person, to wake the fund desk.
    """

    def __init__(self, agency: Agency, opener: Opener, ordered: Callable[[], None] = lambda: None) -> None:
        self._agency = agency
        self._opener = opener
        self._ordered = ordered
        self._rejections = Rejections(agency.service.replace("-", "_"))

    async def documents(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Take a batch of documents of other provinces.

        Raises:
            Poison: for a record that cannot be opened, or that no case of ours expects.
        """
        agency = self._agency
        cases = await store.load(tx, agency.vault, [record.key for record in batch])
        partners = {record.key: _sender(record) for record in reversed(batch) if isinstance(record.fact, ContactLetterDocument)}
        partners |= {case_id: case.destination for case_id, case in cases.items()}
        opened = [(record, self._open(record, partners)) for record in batch]
        known_as = {case_id: case.known_as for case_id, case in cases.items()}
        rejected = await self._rejections.take(
            tx, [(record, body) for record, body in opened if isinstance(body, Rejection)], known_as
        )
        letters = {
            record.key: agency.vault.id_hash(id_number_of(body)) for record, body in opened if isinstance(body, ContactLetter)
        }
        # Locked where they may be answered at once: another province may be faster.
        persons = await records.by_hash(tx, agency.vault, list(letters.values()), locked=agency.approvals.automatic)
        refs = {case: persons[id_hash].person_ref for case, id_hash in letters.items() if id_hash in persons}
        await agency.vault.make([case for case in letters if case not in refs and case not in cases])
        told: list[Told] = []
        changed: dict[str, Case] = {}
        for record, body in opened:
            if record.event_id in rejected:
                told.extend((receipt(record, rejected[record.event_id].person_ref), rejected[record.event_id]))
                continue
            case = changed.get(record.key) or cases.get(record.key)
            outcome = self._decide(record, body, case, refs.get(record.key))
            changed[record.key] = outcome.case
            told.extend((receipt(record, outcome.case.known_as), *outcome.told))
        by_ref = {record.person_ref: record for record in persons.values()}
        answered = await answer(tx, agency, cases, changed, by_ref, ordered=self._ordered)
        causes = {record.key: record.event_id for record in batch}
        await agency.tell(tx, [*told, *answered.told], causes, held=answered.held)
        await records.close(tx, agency.vault, answered.moved)
        await store.save(tx, agency.vault, list(changed.values()))

    def _open(self, record: Received, partners: Mapping[str, str]) -> Body:
        """The body; who has no part in the case is told so before anything of theirs is looked at."""
        document = record.fact
        assert isinstance(document, Document), type(document)
        partner = partners.get(record.key, document.sender)
        if document.sender != partner and not isinstance(document, RejectionToOriginDocument):
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {partner}")
        try:
            return self._opener.open(document)
        except Unopenable as error:
            # A rejection says of itself which document it is about, and no case waits for it.
            detail = record.disown(str(error)) if isinstance(document, RejectionToOriginDocument) else str(error)
            raise Poison(record, QuarantineReason.UNOPENABLE, detail) from error

    def _decide(self, record: Received, body: Body, case: Case | None, person_ref: str | None) -> Outcome:
        document = record.fact
        assert isinstance(document, Document), type(document)
        today = self._agency.clock.today()
        if isinstance(body, ContactLetter):
            if case is not None:
                raise Poison(record, QuarantineReason.UNEXPECTED, "the case has a letter already")
            if body.destination_division[:2] != document.sender:
                raise Poison(record, QuarantineReason.WRONG_SENDER, "the letter names another destination than its sender")
            due = self._agency.due("LETTER_TO_FORM", today)
            return open_case(document.case_id, document.sender, body, person_ref, on=today, due=due)
        if case is None:
            raise Poison(record, QuarantineReason.UNEXPECTED, "no letter of this case was received")
        if document.sender != case.destination:
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {case.destination}")
        match body:
            case CompletionNotice():
                try:
                    return settle(case, body)
                except NotNow as error:
                    raise Poison(record, QuarantineReason.UNEXPECTED, str(error)) from error
            case Withdrawal():
                return withdraw(case, body)
            case Reminder() | Query():
                return hear(case, body)
            case _:
                raise Poison(record, QuarantineReason.UNEXPECTED, f"{type(body).__name__} is not for the origin")


def _sender(record: Received) -> str:
    document = record.fact
    assert isinstance(document, Document), type(document)
    return document.sender
