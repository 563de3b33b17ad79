"""What the destination does with the documents that arrive: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from contracts.base import SealedForPerson
from contracts.documents import (
    Answer,
    Body,
    DeathReport,
    Document,
    InformationForm,
    LetterReturn,
    PaymentReturned,
    Question,
    RecallRequest,
    Rejection,
    RejectionToDestinationDocument,
    WithdrawalAnswer,
)
from contracts.events import QuarantineReason
from services.destination_agency import store
from services.destination_agency.application import withdrawal_answered
from services.destination_agency.automatic import complete_what_agrees
from services.destination_agency.case import Case, NotNow, Outcome, Refused
from services.destination_agency.deaths import death_heard
from services.destination_agency.letters import returned
from services.destination_agency.matching import examine
from services.destination_agency.meeting import payment_returned, receive_form
from services.destination_agency.questions import answer_received, question_received
from services.destination_agency.recalls import recall_received
from services.messaging.handler import Poison
from services.messaging.received import Received
from services.messaging.rejections import Rejections
from services.messaging.sealing import Opener, Unopenable
from services.records import store as records
from services.records.agency import Agency, receipt
from services.records.decisions import Told
from services.records.model import Record
from services.records.vault import Vault
from services.runtime.database import Transaction

RECALL = "RECALL_TO_ANSWER"
# What an agency may still say of a case whose letter went to another one.
_LATE = (Question, Answer, DeathReport, WithdrawalAnswer)


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
        worded = [record.key for record, body in opened if isinstance(body, Question | Answer) and record.key in cases]
        keys = await agency.vault.keys(cases[case_id].person_ref for case_id in worded) if worded else {}
        told: list[Told] = []
        changed: dict[str, Case] = {}
        for record, body in opened:
            if record.event_id in rejected:
                told.extend((receipt(record, rejected[record.event_id].person_ref), rejected[record.event_id]))
                continue
            case = changed.get(record.key) or cases.get(record.key)
            outcome = self._decide(record, body, case, keys)
            changed[record.key] = outcome.case
            told.extend((receipt(record, outcome.case.person_ref), *outcome.told))
        died = {case.person_ref: case.died_on for case_id, case in changed.items() if case.died_on != cases[case_id].died_on}
        told, grown = await complete_what_agrees(tx, agency, cases, changed, told)
        await agency.tell(tx, told, {record.key: record.event_id for record in batch})
        await records.change(tx, agency.vault, await self._dead(tx, died, grown) if died else grown)
        await store.save(tx, agency.vault, list(changed.values()))

    async def _dead(self, tx: Transaction, died: Mapping[str, date | None], grown: Sequence[Record]) -> list[Record]:
        """The records that change, with those of persons of whose death the batch told."""
        persons = await records.by_ref(tx, self._agency.vault, list(died))
        changing = {**persons, **{record.person_ref: record for record in grown}}
        return [replace(each, died_on=died.get(ref, each.died_on)) for ref, each in changing.items()]

    def _open(self, record: Received, case: Case | None) -> Body:
        """The body; who has no part in the case is told so before anything of theirs is looked at."""
        document = record.fact
        assert isinstance(document, Document), type(document)
        rejection = isinstance(document, RejectionToDestinationDocument)
        if case is not None and not _has_part(document.sender, case) and not rejection:
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {case.origin}")
        try:
            return self._opener.open(document)
        except Unopenable as error:
            # A rejection says of itself which document it is about, and no case waits for it.
            detail = record.disown(str(error)) if rejection else str(error)
            raise Poison(record, QuarantineReason.UNOPENABLE, detail) from error

    def _decide(self, record: Received, body: Body, case: Case | None, keys: Mapping[str, bytes]) -> Outcome:
        document = record.fact
        assert isinstance(document, Document), type(document)
        if case is None:
            raise Poison(record, QuarantineReason.UNEXPECTED, "this agency has no such case")
        if document.sender != case.origin and not (isinstance(body, _LATE) and document.sender in case.former):
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {case.origin}")
        today = self._agency.clock.today()
        try:
            match body:
                case InformationForm():
                    if case.letter_no is None:  # nobody was asked for a form yet
                        raise NotNow("an information form", case.state)
                    found = examine(
                        body,
                        origin=case.origin,
                        letter_no=case.letter_no,
                        id_number=case.known_there.id_number,
                        tables=self._agency.tables,
                    )
                    due = self._agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
                    return receive_form(case, body, found, today=today, due=due)
                case LetterReturn():
                    return returned(case, body, today=today)
                case WithdrawalAnswer():
                    return withdrawal_answered(case, body, sender=document.sender, today=today)
                case PaymentReturned():
                    return payment_returned(case, body, today=today)
                case Question():
                    return question_received(case, body, _words(keys, case, body.text), sender=document.sender, today=today)
                case Answer():
                    return answer_received(case, body, _words(keys, case, body.text), sender=document.sender, today=today)
                case RecallRequest():
                    return recall_received(case, body, due=self._agency.due(RECALL, today))
                case DeathReport():
                    sender = record.envelope.service if record.envelope is not None else document.sender
                    return death_heard(case, body, sender=sender, today=today, tables=self._agency.tables)
                case _:
                    raise Poison(record, QuarantineReason.UNEXPECTED, f"{type(body).__name__} is not for the destination")
        except (NotNow, Refused) as error:
            raise Poison(record, QuarantineReason.UNEXPECTED, str(error)) from error


def _has_part(province: str, case: Case) -> bool:
    """Whether the case is with that province, or was before its letter went to another one."""
    return province == case.origin or province in case.former


def _words(keys: Mapping[str, bytes], case: Case, text: str) -> SealedForPerson:
    return Vault.seal(keys, case.person_ref, text.encode())
