"""The destination's side of a transfer as a state machine. Pure: time, decisions and documents come in as arguments."""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Literal

from contracts.banking import StatementLine
from contracts.base import SealedForPerson
from contracts.documents import (
    CompletionDocument,
    CompletionNotice,
    ContactLetter,
    ContactLetterDocument,
    InformationForm,
    LetterReturn,
    Query,
    QueryDocument,
    Reminder,
    ReminderDocument,
    Withdrawal,
    WithdrawalAnswer,
    WithdrawalDocument,
)
from contracts.events import (
    Accepted,
    Applied,
    Cancelled,
    Completed,
    ContactLetterSent,
    DeadlineBreached,
    DeadlineRecomputed,
    DeadlineReminded,
    DiscrepancyRaised,
    DiscrepancyResolved,
    FundsReceived,
    FundsSentBack,
    InformationFormReceived,
    Refused,
    TransferReturned,
    WithdrawalDeclined,
    WithdrawalRequested,
)
from contracts.statuses import Leg, PublicStatus, Status
from services.records.decisions import Due, Letter, Told
from services.records.decisions import NotNow as NotNow
from services.records.decisions import SamePerson as SamePerson
from services.records.model import Personal


class State(StrEnum):
    """Where the destination's part of a case stands."""

    REVIEWING = "REVIEWING"
    ADMISSION_PROPOSED = "ADMISSION_PROPOSED"
    REFUSED = "REFUSED"
    LETTER_SENT = "LETTER_SENT"
    WITHDRAWING = "WITHDRAWING"
    RETURNED = "RETURNED"
    FORM_HELD = "FORM_HELD"
    MONEY_HELD = "MONEY_HELD"
    DISCREPANCY = "DISCREPANCY"
    BOOKING = "BOOKING"
    COMPLETION_PROPOSED = "COMPLETION_PROPOSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({State.REFUSED, State.RETURNED, State.COMPLETED, State.CANCELLED})
BEFORE_LETTER = frozenset({State.REVIEWING, State.ADMISSION_PROPOSED})
WITH_ORIGIN = frozenset({State.LETTER_SENT, State.WITHDRAWING, State.FORM_HELD, State.MONEY_HELD, State.DISCREPANCY})
WITH_US = frozenset({State.BOOKING, State.COMPLETION_PROPOSED})

_LEGS = {
    **dict.fromkeys(BEFORE_LETTER, Leg.ADMISSION),
    **dict.fromkeys(WITH_ORIGIN, Leg.ORIGIN),
    **dict.fromkeys(WITH_US, Leg.BOOKING),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules, or a maker, say of an application."""

    outcome: Literal["accept", "refuse"]
    rule: str
    code: str = ""
    legal_basis: str = ""
    account_kind: Literal["normal", "temporary"] = "normal"


@dataclass(frozen=True, slots=True)
class Payment:
    """A statement line that was booked for a case."""

    line_id: str
    remittance_id: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Case:
    """One transfer as the destination holds it. Money is in fen."""

    case_id: str
    person_ref: str
    province: str
    origin: str
    origin_division: str
    destination_division: str
    state: State
    status: Status
    since: date
    applied_on: date
    applied_by: Literal["person", "employer", "clerk"]
    applicant: str
    channel: Literal["single", "batch"]
    approved_transfer: bool
    personal: Personal
    open_key: bytes
    due: Due
    serial: int = 0  # given by the database
    maker: str | None = None
    decision: Decision | None = None
    letter_no: str | None = None
    form: InformationForm | None = None
    received_fen: int = 0
    payments: tuple[Payment, ...] = ()
    discrepancy: str | None = None
    reminded: bool = False
    breached: bool = False
    surplus_maker: str | None = None
    code: str | None = None  # why it was refused or returned

    @property
    def leg(self) -> Leg | None:
        """The leg whose clock runs, None when the case has ended."""
        return _LEGS.get(self.state)

    @property
    def surplus_fen(self) -> int:
        """Money that is here and not this case's: paid twice or above the form."""
        if self.state in (State.REFUSED, State.RETURNED, State.CANCELLED):
            return self.received_fen
        return max(0, self.received_fen - self.form.items.total_fen) if self.form else 0

    def public(self) -> PublicStatus:
        """What the person is shown now."""
        return PublicStatus(
            status=self.status,
            holder=self.origin if self.leg is Leg.ORIGIN else self.province,
            since=self.since,
            due_on=self.due.due_on if self.leg else None,
            due_provisional=self.due.provisional if self.leg else False,
            overdue=self.breached,
            code=self.code,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case as it is now, and what is to be told."""

    case: Case
    told: tuple[Told, ...] = ()


def _shown(case: Case, status: Status, today: date) -> Case:
    return case if case.status is status else replace(case, status=status, since=today)


def apply(case: Case, sealed: SealedForPerson) -> Outcome:
    """The application is in; the destination's 15 working days begin (Art. 8(1), (2))."""
    fact = Applied(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=case.public(),
        origin=case.origin,
        origin_division=case.origin_division,
        destination=case.province,
        destination_division=case.destination_division,
        applied_on=case.applied_on,
        applied_by=case.applied_by,
        channel=case.channel,
        language=case.personal.language,
        due_on=case.due.due_on,
        personal=sealed,
    )
    return Outcome(case, (fact,))


def propose_admission(case: Case, maker: str, decision: Decision) -> Outcome:
    """A maker proposes to accept or to refuse, with rule and legal basis.

    Raises:
        NotNow: when the application is decided already.
    """
    if case.state not in BEFORE_LETTER:
        raise NotNow("deciding an application", case.state)
    return Outcome(replace(case, state=State.ADMISSION_PROPOSED, maker=maker, decision=decision))


def _proposed(case: Case, checker: str, state: State, step: str) -> str:
    if case.state is not state or case.maker is None:
        raise NotNow(step, case.state)
    if case.maker == checker:
        raise SamePerson(checker)
    return case.maker


def refuse(case: Case, checker: str, *, today: date, rule_set: str) -> Outcome:
    """A checker approves a refusal; the written explanation goes to the person (Art. 8(2)).

    Raises:
        NotNow, SamePerson: by name.
    """
    maker = _proposed(case, checker, State.ADMISSION_PROPOSED, "approving an admission")
    decision = case.decision
    assert decision is not None, case.case_id
    assert decision.outcome == "refuse", decision
    status = Status.TEMP_ACCOUNT if decision.code == "TEMP_ACCOUNT_AT_DESTINATION" else Status.REJECTED
    changed = replace(_shown(case, status, today), state=State.REFUSED, code=decision.code)
    fact = Refused(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        code=decision.code,
        rule=decision.rule,
        legal_basis=decision.legal_basis,
        rule_set=rule_set,
        maker=maker,
        checker=checker,
    )
    return Outcome(changed, (fact,))


def send_letter(case: Case, checker: str, letter: ContactLetter, *, today: date, due: Due, rule_set: str) -> Outcome:
    """A checker approves the admission; the contact letter leaves for the origin (Art. 8(2)).

    Args:
        due: the origin's leg, counted from today; the origin counts from the day it holds the letter.

    Raises:
        NotNow, SamePerson: by name.
    """
    maker = _proposed(case, checker, State.ADMISSION_PROPOSED, "approving an admission")
    decision = case.decision
    assert decision is not None, case.case_id
    assert decision.outcome == "accept", decision
    changed = replace(
        _shown(case, Status.LETTER_SENT, today),
        state=State.LETTER_SENT,
        letter_no=letter.letter_no,
        due=due,
        maker=None,
        reminded=False,
        breached=False,
    )
    accepted = Accepted(
        case_id=case.case_id,
        person_ref=case.person_ref,
        rule=decision.rule,
        account_kind=decision.account_kind,
        rule_set=rule_set,
        maker=maker,
        checker=checker,
    )
    sent = ContactLetterSent(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        letter_no=letter.letter_no,
        letter_version=letter.letter_version,
        due_on=due.due_on,
    )
    return Outcome(changed, (accepted, sent, Letter(ContactLetterDocument, letter, case.case_id, case.person_ref, case.origin)))


def returned(case: Case, body: LetterReturn, *, today: date) -> Outcome:
    """The origin sent the letter back: the person is told why and what helps."""
    if case.state not in (State.LETTER_SENT, State.WITHDRAWING):
        raise NotNow("a return", case.state)
    changed = replace(_shown(case, Status.RETURNED, today), state=State.RETURNED, code=body.code)
    fact = TransferReturned(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        code=body.code,
        legal_basis=body.legal_basis,
    )
    return Outcome(changed, (fact,))


def receive_form(case: Case, form: InformationForm, fault: str | None, *, today: date, due: Due) -> Outcome:
    """The information form arrived. A newer version replaces an older one; an older one that comes late is only noted.

    Args:
        fault: what is wrong with the form in itself (services.destination_agency.matching), None where it is sound.
        due: the destination's last leg, counted from today.
    """
    if case.state in ENDED:
        raise NotNow("an information form", case.state)
    old = case.form is not None and form.form_version <= case.form.form_version
    fact = InformationFormReceived(
        case_id=case.case_id,
        person_ref=case.person_ref,
        origin=case.origin,
        form_version=form.form_version,
        items=form.items,
        months=form.months,
        superseded=old,
    )
    if old:
        return Outcome(case, (fact,))
    return _match(replace(case, form=form, maker=None), (fact,), fault, today=today, due=due)


def receive_funds(case: Case, line: StatementLine, *, today: date, due: Due) -> Outcome:
    """Money for the case stands on the bank account; it stays in suspense until it meets its form.

    A line that was booked before changes nothing.
    """
    if any(payment.line_id == line.line_id for payment in case.payments):
        return Outcome(case)
    again = any((known.remittance_id, known.amount_fen) == (line.remittance_id, line.amount_fen) for known in case.payments)
    fact = FundsReceived(
        case_id=case.case_id,
        person_ref=case.person_ref,
        origin=line.payer,
        remittance_id=line.remittance_id,
        line_id=line.line_id,
        amount_fen=line.amount_fen,
        duplicate=again,
    )
    payment = Payment(line.line_id, line.remittance_id, line.amount_fen)
    changed = replace(case, received_fen=case.received_fen + line.amount_fen, payments=(*case.payments, payment))
    # Money that nobody asked for yet waits as well; it must not keep the application from being decided.
    if case.state in ENDED or case.state in WITH_US or case.state in BEFORE_LETTER:
        raised = _raised(changed, "OVERPAID", case.form.items.total_fen if case.form else 0, changed.received_fen)
        return Outcome(changed, (fact, raised) if changed.surplus_fen else (fact,))
    return _match(changed, (fact,), case.discrepancy if _of_form(case.discrepancy) else None, today=today, due=due)


def _of_form(discrepancy: str | None) -> bool:
    return discrepancy is not None and discrepancy not in ("SHORT", "OVERPAID")


def _match(case: Case, told: tuple[Told, ...], fault: str | None, *, today: date, due: Due) -> Outcome:
    """Form and money: both there and equal, or what is missing, or what differs (Art. 8(4))."""
    form = case.form
    if form is None:
        return Outcome(replace(case, state=State.MONEY_HELD), told)
    total, found = form.items.total_fen, case.received_fen
    kind = fault or ("SHORT" if 0 < found < total else None)
    if kind is not None:
        if case.discrepancy == kind:
            return Outcome(replace(case, state=State.DISCREPANCY), told)
        changed = replace(_shown(case, Status.DISCREPANCY, today), state=State.DISCREPANCY, discrepancy=kind)
        raised = _raised(changed, kind, total, found, shown=True)
        return Outcome(changed, (*told, raised, _query(changed, kind, total, found)))
    if case.discrepancy is not None:
        told = (
            *told,
            DiscrepancyResolved(case_id=case.case_id, person_ref=case.person_ref, origin=case.origin, kind=case.discrepancy),
        )
    if found == 0 and total > 0:
        changed = replace(_shown(case, Status.FUND_IN_TRANSIT, today), state=State.FORM_HELD, discrepancy=None)
        return Outcome(changed, _with_public(told, changed))
    changed = replace(
        _shown(case, Status.BOOKING, today),
        state=State.BOOKING,
        discrepancy=None,
        due=due,
        reminded=False,
        breached=False,
    )
    told = _with_public(told, changed)
    if found > total:
        told = (*told, _raised(changed, "OVERPAID", total, found))
    return Outcome(changed, told)


def _with_public(told: tuple[Told, ...], case: Case) -> tuple[Told, ...]:
    """Put the new public status on the last fact: the person is told once for what happened at once."""
    last = told[-1]
    assert not isinstance(last, Letter), last
    return (*told[:-1], last.model_copy(update={"public": case.public()}))


def _raised(case: Case, kind: str, expected: int, found: int, *, shown: bool = False) -> DiscrepancyRaised:
    return DiscrepancyRaised(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=case.public() if shown else None,
        origin=case.origin,
        kind=kind,
        expected_fen=expected,
        found_fen=found,
        difference_fen=found - expected,
    )


def _query(case: Case, kind: str, expected: int, found: int) -> Letter:
    assert case.letter_no is not None
    body = Query(letter_no=case.letter_no, kind=kind, expected_fen=expected, found_fen=found)
    return Letter(QueryDocument, body, case.case_id, case.person_ref, case.origin)


def propose_completion(case: Case, maker: str) -> Outcome:
    """A maker proposes to book what form and money agree on.

    Raises:
        NotNow: while they do not.
    """
    if case.state is not State.BOOKING:
        raise NotNow("a completion", case.state)
    return Outcome(replace(case, state=State.COMPLETION_PROPOSED, maker=maker))


def complete(case: Case, checker: str, *, today: date) -> Outcome:
    """A checker approves: years and account are booked here, and both the person and the origin are told (Art. 8(4)).

    Raises:
        NotNow, SamePerson: by name.
    """
    maker = _proposed(case, checker, State.COMPLETION_PROPOSED, "approving a completion")
    form = case.form
    assert form is not None, case.case_id
    assert case.received_fen >= form.items.total_fen, (case.received_fen, form.items)
    changed = replace(_shown(case, Status.COMPLETED, today), state=State.COMPLETED)
    fact = Completed(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        form_version=form.form_version,
        items=form.items,
        months=form.months,
        maker=maker,
        checker=checker,
    )
    notice = CompletionNotice(
        letter_no=form.letter_no,
        form_version=form.form_version,
        completed_on=today,
        months=form.months,
        total_fen=form.items.total_fen,
    )
    return Outcome(changed, (fact, Letter(CompletionDocument, notice, case.case_id, case.person_ref, case.origin)))


def withdraw(case: Case, actor: str, *, today: date) -> Outcome:
    """The person withdraws: at once before the letter, with the origin's word after it (domain § 1.6.12).

    Raises:
        NotNow: when the form is here, the case has ended, or it is being withdrawn already.
    """
    if case.state in BEFORE_LETTER:
        return _cancelled(case, "withdrawn by the person", today)
    if case.state is not State.LETTER_SENT:
        raise NotNow("a withdrawal", case.state)
    assert case.letter_no is not None
    fact = WithdrawalRequested(case_id=case.case_id, person_ref=case.person_ref, origin=case.origin, actor=actor)
    body = Withdrawal(letter_no=case.letter_no, requested_on=today)
    letter = Letter(WithdrawalDocument, body, case.case_id, case.person_ref, case.origin)
    return Outcome(replace(case, state=State.WITHDRAWING), (fact, letter))


def withdrawal_answered(case: Case, answer: WithdrawalAnswer, *, today: date) -> Outcome:
    """The origin confirmed the withdrawal, or the form was approved already and the transfer goes on."""
    if answer.confirmed:
        # Money may overtake the answer. A form may not: where one was approved, the origin declines.
        if case.state not in (State.WITHDRAWING, State.MONEY_HELD):
            raise NotNow("a confirmed withdrawal", case.state)
        return _cancelled(case, "withdrawn by the person, confirmed by the origin", today)
    fact = WithdrawalDeclined(case_id=case.case_id, person_ref=case.person_ref, origin=case.origin, reason=answer.reason)
    state = State.LETTER_SENT if case.state is State.WITHDRAWING else case.state
    return Outcome(replace(case, state=state), (fact,))


def _cancelled(case: Case, reason: str, today: date) -> Outcome:
    changed = replace(_shown(case, Status.CANCELLED, today), state=State.CANCELLED)
    fact = Cancelled(case_id=case.case_id, person_ref=case.person_ref, public=changed.public(), reason=reason)
    return Outcome(changed, (fact,))


def propose_sending_back(case: Case, maker: str) -> Outcome:
    """The fund desk proposes to give back money that is not this case's.

    Raises:
        NotNow: when there is none.
    """
    if case.surplus_fen == 0:
        raise NotNow("sending money back", case.state)
    return Outcome(replace(case, surplus_maker=maker))


def sent_back(case: Case, *, remittance_id: str, reference: str, amount_fen: int, maker: str, checker: str) -> Outcome:
    """The bank took the surplus back."""
    assert 0 < amount_fen <= case.received_fen, (amount_fen, case.received_fen)
    fact = FundsSentBack(
        case_id=case.case_id,
        person_ref=case.person_ref,
        origin=case.origin,
        remittance_id=remittance_id,
        bank_reference=reference,
        amount_fen=amount_fen,
        maker=maker,
        checker=checker,
    )
    return Outcome(replace(case, received_fen=case.received_fen - amount_fen, surplus_maker=None), (fact,))


def count_again(case: Case, due: Due, *, rule_set: str) -> Outcome:
    """The calendar of the year is known now: the due date is what it says, and no longer provisional."""
    leg = case.leg
    if leg is None or due == case.due:
        return Outcome(case)
    holder = case.origin if leg is Leg.ORIGIN else case.province
    fact = DeadlineRecomputed(
        case_id=case.case_id,
        person_ref=case.person_ref,
        leg=leg,
        holder=holder,
        was_due_on=case.due.due_on,
        due_on=due.due_on,
        rule_set=rule_set,
    )
    return Outcome(replace(case, due=due), (fact,))


def look_at_clock(case: Case, *, today: date) -> Outcome:
    """Remind at ten working days and raise the breach after fifteen, each once a leg. The origin is written to."""
    leg = case.leg
    if leg is None:
        return Outcome(case)
    holder = case.origin if leg is Leg.ORIGIN else case.province
    if not case.breached and today > case.due.due_on:
        changed = replace(case, reminded=True, breached=True)
        breach = DeadlineBreached(
            case_id=case.case_id,
            person_ref=case.person_ref,
            public=changed.public(),
            leg=leg,
            holder=holder,
            due_on=case.due.due_on,
        )
        return Outcome(changed, (breach, *_reminder(case, leg, breached=True)))
    if not case.reminded and today >= case.due.remind_on:
        reminded = DeadlineReminded(
            case_id=case.case_id, person_ref=case.person_ref, leg=leg, holder=holder, due_on=case.due.due_on
        )
        return Outcome(replace(case, reminded=True), (reminded, *_reminder(case, leg, breached=False)))
    return Outcome(case)


def _reminder(case: Case, leg: Leg, *, breached: bool) -> tuple[Told, ...]:
    if leg is not Leg.ORIGIN or case.letter_no is None:
        return ()
    body = Reminder(letter_no=case.letter_no, due_on=case.due.due_on, breached=breached)
    return (Letter(ReminderDocument, body, case.case_id, case.person_ref, case.origin),)
