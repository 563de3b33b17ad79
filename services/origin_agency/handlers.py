"""What the origin does with the documents that arrive: load, decide, book, tell, for a whole batch at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from contracts.base import SealedForPerson
from contracts.documents import (
    Answer,
    Body,
    CompletionNotice,
    ContactLetter,
    ContactLetterDocument,
    DeathReport,
    Document,
    Query,
    Question,
    RecallAnswer,
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
from services.origin_agency.case import Case, NotNow, Outcome, Refused, State
from services.origin_agency.checks import id_number_of
from services.origin_agency.composing import notice_until
from services.origin_agency.deaths import death_heard
from services.origin_agency.letters import correct_letter, hear, open_case, withdraw
from services.origin_agency.money import settle
from services.origin_agency.questions import answer_received, question_received
from services.origin_agency.recalls import recall_answered
from services.origin_agency.reopening import reopen
from services.records import store as records
from services.records.agency import Agency, receipt
from services.records.decisions import Told
from services.records.vault import Vault
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
        await agency.vault.make([case for case in letters if case not in refs])
        # Words of one agency to the other may be about the person.
        spoken = {record.key for record, body in opened if isinstance(body, Question | Answer)}
        under = [(known_as.get(key), refs.get(key, key)) for key in spoken]
        keys = await agency.vault.keys(ref for either in under for ref in either if ref)
        told: list[Told] = []
        changed: dict[str, Case] = {}
        for record, body in opened:
            if record.event_id in rejected:
                told.extend((receipt(record, rejected[record.event_id].person_ref), rejected[record.event_id]))
                continue
            case = changed.get(record.key) or cases.get(record.key)
            outcome = self._decide(record, body, case, refs.get(record.key), keys)
            if isinstance(body, ContactLetter) and outcome.case.state is State.LETTER_HELD and not outcome.case.told_stays:
                known = persons.get(letters[record.key])
                until = notice_until(agency, known, (), received_on=outcome.case.received_on)
                late = outcome.case.notice_late and until == outcome.case.notice_until
                outcome = Outcome(replace(outcome.case, notice_until=until, notice_late=late), outcome.told)
            changed[record.key] = outcome.case
            told.extend((receipt(record, outcome.case.known_as), *outcome.told))
        told.extend(await reopen(tx, agency, cases, changed))
        await self._note_deaths(tx, cases, changed)
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

    async def _note_deaths(self, tx: Transaction, before: Mapping[str, Case], changed: Mapping[str, Case]) -> None:
        """Note on the persons' records what a destination has reported, so that no other letter of theirs is handled."""
        died = {
            case.person_ref: case.died_on
            for case_id, case in changed.items()
            if case.died_on is not None and case.person_ref and case_id in before and before[case_id].died_on is None
        }
        if died:
            await records.note_deaths(tx, self._agency.vault, died)

    def _decide(
        self, record: Received, body: Body, case: Case | None, person_ref: str | None, keys: Mapping[str, bytes]
    ) -> Outcome:
        document = record.fact
        assert isinstance(document, Document), type(document)
        agency = self._agency
        today = agency.clock.today()
        if isinstance(body, ContactLetter) and body.destination_division[:2] != document.sender:
            raise Poison(record, QuarantineReason.WRONG_SENDER, "the letter names another destination than its sender")
        if isinstance(body, ContactLetter) and case is None:
            due = agency.due("LETTER_TO_FORM", today)
            return open_case(document.case_id, document.sender, body, person_ref, on=today, due=due)
        if case is None:
            raise Poison(record, QuarantineReason.UNEXPECTED, "no letter of this case was received")
        if document.sender != case.destination:
            raise Poison(record, QuarantineReason.WRONG_SENDER, f"the case is with province {case.destination}")
        sender = record.envelope.service if record.envelope is not None else document.sender
        try:
            match body:
                case ContactLetter():
                    due = agency.due("LETTER_TO_FORM", today)
                    return correct_letter(case, body, person_ref, on=today, due=due)
                case CompletionNotice():
                    return settle(case, body)
                case Withdrawal():
                    return withdraw(case, body)
                case Reminder() | Query():
                    return hear(case, body, sender=sender)
                case Question():
                    return question_received(case, body, _sealed(keys, case, body.text), today=today)
                case Answer():
                    return answer_received(case, body, _sealed(keys, case, body.text), today=today)
                case RecallAnswer():
                    return recall_answered(case, body)
                case DeathReport():
                    return death_heard(case, body, sender=sender, today=today, tables=agency.tables)
                case _:
                    raise Poison(record, QuarantineReason.UNEXPECTED, f"{type(body).__name__} is not for the origin")
        except (NotNow, Refused) as error:
            raise Poison(record, QuarantineReason.UNEXPECTED, str(error)) from error


def _sealed(keys: Mapping[str, bytes], case: Case, text: str) -> SealedForPerson:
    return Vault.seal(keys, case.known_as, text.encode())


def _sender(record: Received) -> str:
    document = record.fact
    assert isinstance(document, Document), type(document)
    return document.sender
