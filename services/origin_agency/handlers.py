"""What the origin does with the documents that arrive: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Sequence

from contracts.documents import Body, CompletionNotice, ContactLetter, Document, Query, Reminder, Withdrawal
from contracts.events import QuarantineReason
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.messaging.sealing import Opener, Unopenable
from services.origin_agency import store
from services.origin_agency.case import Case, NotNow, Outcome, hear, open_case, settle, withdraw
from services.origin_agency.checks import id_number_of
from services.records import store as records
from services.records.agency import Agency, receipt
from services.records.decisions import Told
from services.runtime.database import Transaction


class Handlers:
    """The origin's work on documents."""

    def __init__(self, agency: Agency, opener: Opener) -> None:
        self._agency = agency
        self._opener = opener

    async def documents(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Take a batch of documents of other provinces.

        Raises:
            Poison: for a record that cannot be opened, or that no case of ours expects.
        """
        agency = self._agency
        opened = [(record, self._open(record)) for record in batch]
        letters = {
            record.key: agency.vault.id_hash(id_number_of(body)) for record, body in opened if isinstance(body, ContactLetter)
        }
        cases = await store.load(tx, agency.vault, [record.key for record, _ in opened])
        persons = await records.by_hash(tx, agency.vault, list(letters.values()))
        refs = {case: persons[id_hash].person_ref for case, id_hash in letters.items() if id_hash in persons}
        await agency.vault.make([case for case in letters if case not in refs and case not in cases])
        told: list[Told] = []
        changed: dict[str, Case] = {}
        for record, body in opened:
            case = changed.get(record.key) or cases.get(record.key)
            outcome = self._decide(record, body, case, refs.get(record.key))
            changed[record.key] = outcome.case
            told.extend((receipt(record, outcome.case.known_as), *outcome.told))
        await agency.tell(tx, told, {record.key: record.event_id for record in batch})
        await store.save(tx, agency.vault, list(changed.values()))

    def _open(self, record: Received) -> Body:
        document = record.fact
        assert isinstance(document, Document), type(document)
        try:
            return self._opener.open(document)
        except Unopenable as error:
            raise Poison(record, QuarantineReason.UNOPENABLE, str(error)) from error

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
