"""What the destination does with the documents that arrive: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Sequence

from contracts.documents import (
    Body,
    Document,
    InformationForm,
    LetterReturn,
    Rejection,
    RejectionToDestinationDocument,
    WithdrawalAnswer,
)
from contracts.events import QuarantineReason
from services.destination_agency import store
from services.destination_agency.automatic import complete_what_agrees
from services.destination_agency.case import Case, NotNow, Outcome, receive_form, returned, withdrawal_answered
from services.destination_agency.matching import fault_of
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.messaging.rejections import Rejections
from services.messaging.sealing import Opener, Unopenable
from services.records import store as records
from services.records.agency import Agency, receipt
from services.records.decisions import Told
from services.runtime.database import Transaction


class Handlers:
    """The destination's work on documents."""

    def __init__(self, agency: Agency, opener: Opener) -> None:
        self._agency = agency
        self._opener = opener
        self._rejections = Rejections(agency.service.replace("-", "_"))

    async def documents(self, tx: Transaction, batch: Sequence[Received]) -> None:
        """Take a batch of documents of other provinces.

        Raises:
            Poison: for a record that cannot be opened, or that no case of ours expects.
        """
        agency = self._agency
        cases = await store.load(tx, agency.vault, agency.province, [record.key for record in batch])
        opened = [(record, self._open(record, cases.get(record.key))) for record in batch]
        known_as = {case_id: case.person_ref for case_id, case in cases.items()}
        rejected = await self._rejections.take(
            tx, [(record, body) for record, body in opened if isinstance(body, Rejection)], known_as
        )
        told: list[Told] = []
        changed: dict[str, Case] = {}
        for record, body in opened:
            if record.event_id in rejected:
                told.extend((receipt(record, rejected[record.event_id].person_ref), rejected[record.event_id]))
                continue
            case = changed.get(record.key) or cases.get(record.key)
            outcome = self._decide(record, body, case)
            changed[record.key] = outcome.case
            told.extend((receipt(record, outcome.case.person_ref), *outcome.told))
        told, grown = await complete_what_agrees(tx, agency, cases, changed, told)
        await agency.tell(tx, told, {record.key: record.event_id for record in batch})
        await records.change(tx, agency.vault, grown)
        await store.save(tx, agency.vault, list(changed.values()))

    def _open(self, record: Received, case: Case | None) -> Body:
        """The body; who has no part in the case is told so before anything of theirs is looked at."""
        document = record.fact
        assert isinstance(document, Document), type(document)
        rejection = isinstance(document, RejectionToDestinationDocument)
        if case is not None and document.sender != case.origin and not rejection:
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {case.origin}")
        try:
            return self._opener.open(document)
        except Unopenable as error:
            # A rejection says of itself which document it is about, and no case waits for it.
            detail = record.disown(str(error)) if rejection else str(error)
            raise Poison(record, QuarantineReason.UNOPENABLE, detail) from error

    def _decide(self, record: Received, body: Body, case: Case | None) -> Outcome:
        document = record.fact
        assert isinstance(document, Document), type(document)
        if case is None:
            raise Poison(record, QuarantineReason.UNEXPECTED, "this agency has no such case")
        if document.sender != case.origin:
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {case.origin}")
        today = self._agency.clock.today()
        try:
            match body:
                case InformationForm():
                    if case.letter_no is None:  # nobody was asked for a form yet
                        raise NotNow("an information form", case.state)
                    fault = fault_of(
                        body,
                        origin=case.origin,
                        letter_no=case.letter_no,
                        id_number=case.personal.id_number,
                        tables=self._agency.tables,
                    )
                    due = self._agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
                    return receive_form(case, body, fault, today=today, due=due)
                case LetterReturn():
                    return returned(case, body, today=today)
                case WithdrawalAnswer():
                    return withdrawal_answered(case, body, today=today)
                case _:
                    raise Poison(record, QuarantineReason.UNEXPECTED, f"{type(body).__name__} is not for the destination")
        except NotNow as error:
            raise Poison(record, QuarantineReason.UNEXPECTED, str(error)) from error
