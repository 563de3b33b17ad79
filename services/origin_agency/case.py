"""The origin's side of a transfer as a state machine. Pure: time, records and amounts come in as arguments."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Literal

from contracts.base import Items
from contracts.documents import (
    CompletionNotice,
    ContactLetter,
    InformationForm,
    InformationFormDocument,
    LetterReturn,
    LetterReturnDocument,
    Query,
    Reminder,
    Withdrawal,
    WithdrawalAnswer,
    WithdrawalAnswerDocument,
)
from contracts.events import (
    AccountClosed,
    AccountSealed,
    ContactLetterReceived,
    ContactLetterReturned,
    DeadlineBreached,
    DeadlineRecomputed,
    DeadlineReminded,
    FundsRemitted,
    FundsReturned,
    InformationFormIssued,
    RelationshipClosed,
    TransferSettled,
    WithdrawalAnswered,
)
from contracts.statuses import Leg
from services.records.decisions import Due, Letter, Told
from services.records.decisions import NotNow as NotNow
from services.records.decisions import SamePerson as SamePerson
from services.rules.loader import RefusalText


class State(StrEnum):
    """Where the origin's part of a case stands."""

    LETTER_HELD = "LETTER_HELD"
    HANDLING_PROPOSED = "HANDLING_PROPOSED"
    RETURNED = "RETURNED"
    FORM_ISSUED = "FORM_ISSUED"
    REMITTANCE_PROPOSED = "REMITTANCE_PROPOSED"
    REMITTANCE_ORDERED = "REMITTANCE_ORDERED"
    REMITTED = "REMITTED"
    SETTLED = "SETTLED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({State.RETURNED, State.SETTLED, State.CANCELLED})
# While nothing is approved the person may still withdraw, and the leg's clock still runs.
UNDECIDED = frozenset({State.LETTER_HELD, State.HANDLING_PROPOSED})
OPEN_LEG = UNDECIDED | {State.FORM_ISSUED, State.REMITTANCE_PROPOSED, State.REMITTANCE_ORDERED}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a maker proposes for a letter: the form, or a return with its code."""

    maker: str
    outcome: Literal["form", "return"]
    code: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One transfer as the origin holds it."""

    case_id: str
    destination: str
    letter: ContactLetter
    state: State
    received_on: date
    due: Due
    person_ref: str | None = None
    proposal: Proposal | None = None
    form_version: int = 0
    items: Items | None = None
    remittance_id: str | None = None
    remitted_fen: int = 0
    closed: bool = False
    reminded: bool = False
    breached: bool = False

    @property
    def known_as(self) -> str:
        """The person's pseudonym, or the case where the province does not know the person."""
        return self.person_ref or self.case_id

    @property
    def letter_province(self) -> str:
        """This province, to which the letter is addressed."""
        return self.letter.origin_division[:2]

    @property
    def to_remit_fen(self) -> int:
        """What is approved and not yet paid."""
        return (self.items.total_fen if self.items else 0) - self.remitted_fen


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case as it is now, and what is to be told."""

    case: Case
    told: tuple[Told, ...] = ()


def open_case(case_id: str, destination: str, letter: ContactLetter, person_ref: str | None, *, on: date, due: Due) -> Outcome:
    """The contact letter arrived; the 15 working days of the origin's leg begin (Art. 8(3))."""
    case = Case(case_id, destination, letter, State.LETTER_HELD, on, due, person_ref)
    fact = ContactLetterReceived(
        case_id=case_id,
        person_ref=case.known_as,
        destination=destination,
        letter_no=letter.letter_no,
        received_on=on,
        due_on=due.due_on,
    )
    return Outcome(case, (fact,))


def propose(case: Case, proposal: Proposal) -> Outcome:
    """A maker proposes the form or a return.

    Raises:
        NotNow: when the letter is not waiting for that.
    """
    if case.state not in UNDECIDED:
        raise NotNow("a proposal", case.state)
    return Outcome(replace(case, state=State.HANDLING_PROPOSED, proposal=proposal))


def _checked(case: Case, checker: str, step: str) -> Proposal:
    if case.state is not State.HANDLING_PROPOSED or case.proposal is None:
        raise NotNow(step, case.state)
    if case.proposal.maker == checker:
        raise SamePerson(checker)
    return case.proposal


def send_back(case: Case, checker: str, text: RefusalText) -> Outcome:
    """A checker approves the return of the letter with its code (退回联系函).

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = _checked(case, checker, "approving a return")
    assert proposal.outcome == "return", proposal
    body = LetterReturn(letter_no=case.letter.letter_no, code=proposal.code, legal_basis=text.legal_basis, note=proposal.note)
    fact = ContactLetterReturned(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        code=proposal.code,
        legal_basis=text.legal_basis,
        maker=proposal.maker,
        checker=checker,
    )
    letter = Letter(LetterReturnDocument, body, case.case_id, case.known_as, case.destination)
    told: tuple[Told, ...] = (fact, letter)
    if proposal.code == "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW" and case.person_ref is not None:
        # Whoever moves on while holding a temporary account leaves it sealed; the paying place gathers it (domain § 1.5).
        told = (*told, AccountSealed(person_ref=case.person_ref, reason="the person moved on; the paying place gathers it"))
    return Outcome(replace(case, state=State.RETURNED), told)


def issue_form(case: Case, checker: str, form: InformationForm) -> Outcome:
    """A checker approves the information form: the origin's books owe the money from here (Art. 8(3)).

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = _checked(case, checker, "approving the form")
    assert proposal.outcome == "form", proposal
    assert case.person_ref is not None, case.case_id
    fact = InformationFormIssued(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        form_version=form.form_version,
        items=form.items,
        supersedes=case.items,
        months=form.months,
        transfer_on=form.transfer_on,
        rule_set=form.rule_set,
        maker=proposal.maker,
        checker=checker,
    )
    letter = Letter(InformationFormDocument, form, case.case_id, case.person_ref, case.destination, version=form.form_version)
    if form.items.total_fen == 0:
        # Deemed years, or arrears alone, move without money; there is nothing to pay, and the relationship ends here.
        changed = replace(case, state=State.REMITTED, form_version=form.form_version, items=form.items, closed=True)
        return Outcome(changed, (fact, letter, *_closing(case)))
    changed = replace(case, state=State.FORM_ISSUED, form_version=form.form_version, items=form.items)
    return Outcome(changed, (fact, letter))


def _closing(case: Case) -> tuple[Told, ...]:
    """The local relationship and its account end because they moved (Art. 8(3)), once."""
    if case.closed:
        return ()
    assert case.person_ref is not None, case.case_id
    return (
        RelationshipClosed(case_id=case.case_id, person_ref=case.person_ref, destination=case.destination),
        AccountClosed(person_ref=case.person_ref, reason="the relationship moved to another province"),
    )


def propose_remittance(case: Case) -> Outcome:
    """The fund desk proposes to pay what the form says.

    Raises:
        NotNow: when nothing waits to be paid.
    """
    if case.state is not State.FORM_ISSUED or case.to_remit_fen <= 0:
        raise NotNow("a remittance", case.state)
    return Outcome(replace(case, state=State.REMITTANCE_PROPOSED))


def order_remittance(case: Case, remittance_id: str) -> Outcome:
    """A second person approved the remittance; the bank is asked to pay.

    Raises:
        NotNow: when none is proposed.
    """
    if case.state is not State.REMITTANCE_PROPOSED:
        raise NotNow("approving a remittance", case.state)
    return Outcome(replace(case, state=State.REMITTANCE_ORDERED, remittance_id=remittance_id))


def remitted(case: Case, *, bank_reference: str, amount_fen: int, maker: str, checker: str) -> Outcome:
    """The bank took the order: the money left, and the local relationship ends (Art. 8(3)).

    The completion may have come first, where the bank's answer was lost: then the case stays settled.
    """
    assert case.state in (State.REMITTANCE_ORDERED, State.SETTLED), case
    assert amount_fen == case.to_remit_fen, (amount_fen, case)
    assert case.person_ref is not None
    assert case.remittance_id is not None
    fact = FundsRemitted(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        remittance_id=case.remittance_id,
        bank_reference=bank_reference,
        amount_fen=amount_fen,
        form_version=case.form_version,
        maker=maker,
        checker=checker,
    )
    state = State.SETTLED if case.state is State.SETTLED else State.REMITTED
    changed = replace(case, state=state, remitted_fen=case.remitted_fen + amount_fen, closed=True)
    return Outcome(changed, (fact, *_closing(case)))


def returned_by_bank(case: Case, *, remittance_id: str, line_id: str, amount_fen: int, reason: str) -> Outcome:
    """The bank gave the money back (payee account wrong or closed): it is owed again and can be paid again."""
    assert case.state in (State.REMITTED, State.SETTLED), case
    assert case.person_ref is not None
    fact = FundsReturned(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        remittance_id=remittance_id,
        line_id=line_id,
        amount_fen=amount_fen,
        reason=reason,
    )
    return Outcome(replace(case, state=State.FORM_ISSUED, remitted_fen=case.remitted_fen - amount_fen), (fact,))


def settle(case: Case, notice: CompletionNotice) -> Outcome:
    """The destination booked; the case ends here.

    Raises:
        NotNow: when there is nothing that it could have booked.
    """
    assert notice.letter_no == case.letter.letter_no, (notice.letter_no, case.letter.letter_no)
    if case.state is State.SETTLED:
        return Outcome(case)
    nothing_to_pay = case.state is State.FORM_ISSUED and case.to_remit_fen == 0
    if case.state not in (State.REMITTANCE_ORDERED, State.REMITTED) and not nothing_to_pay:
        raise NotNow("a completion", case.state)
    fact = TransferSettled(case_id=case.case_id, person_ref=case.known_as, destination=case.destination)
    return Outcome(replace(case, state=State.SETTLED), (fact,))


def withdraw(case: Case, wish: Withdrawal) -> Outcome:
    """The person withdrew: confirmed while nothing is approved, declined afterwards (domain § 1.6.12)."""
    confirmed = case.state in UNDECIDED
    fact = WithdrawalAnswered(case_id=case.case_id, person_ref=case.known_as, destination=case.destination, confirmed=confirmed)
    too_late = "the letter was sent back" if case.state is State.RETURNED else "the information form is approved"
    body = WithdrawalAnswer(letter_no=wish.letter_no, confirmed=confirmed, reason="" if confirmed else too_late)
    answer = Letter(WithdrawalAnswerDocument, body, case.case_id, case.known_as, case.destination)
    return Outcome(replace(case, state=State.CANCELLED) if confirmed else case, (fact, answer))


def hear(case: Case, body: Reminder | Query) -> Outcome:
    """A reminder or a query of the destination: it is on the journal; the work list shows it."""
    return Outcome(replace(case, reminded=True) if isinstance(body, Reminder) else case)


def count_again(case: Case, due: Due, *, rule_set: str) -> Outcome:
    """The calendar of the year is known now: the due date is what it says, and no longer provisional."""
    leg, holder = Leg.ORIGIN, case.letter_province
    if case.state not in OPEN_LEG or due == case.due:
        return Outcome(case)
    fact = DeadlineRecomputed(
        case_id=case.case_id,
        person_ref=case.known_as,
        leg=leg,
        holder=holder,
        was_due_on=case.due.due_on,
        due_on=due.due_on,
        rule_set=rule_set,
    )
    return Outcome(replace(case, due=due), (fact,))


def look_at_clock(case: Case, *, today: date) -> Outcome:
    """Remind at ten working days and raise the breach after fifteen, each once."""
    if case.state not in OPEN_LEG:
        return Outcome(case)
    if not case.breached and today > case.due.due_on:
        breach = DeadlineBreached(
            case_id=case.case_id,
            person_ref=case.known_as,
            leg=Leg.ORIGIN,
            holder=case.letter_province,
            due_on=case.due.due_on,
        )
        return Outcome(replace(case, reminded=True, breached=True), (breach,))
    if not case.reminded and today >= case.due.remind_on:
        reminder = DeadlineReminded(
            case_id=case.case_id,
            person_ref=case.known_as,
            leg=Leg.ORIGIN,
            holder=case.letter_province,
            due_on=case.due.due_on,
        )
        return Outcome(replace(case, reminded=True), (reminder,))
    return Outcome(case)
