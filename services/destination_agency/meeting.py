"""Form and money at the destination: they come in either order, meet or differ, and what is too much goes back. Pure."""

from dataclasses import replace
from datetime import date

from contracts.banking import StatementLine
from contracts.documents import InformationForm, PaymentReturned, Query, QueryDocument
from contracts.events import (
    DiscrepancyAgreed,
    DiscrepancyRaised,
    DiscrepancyResolved,
    FundsReceived,
    FundsSentBack,
    InformationFormReceived,
)
from contracts.statuses import Status
from services.destination_agency.case import (
    CAME_TO_NOTHING,
    WITH_US,
    Case,
    NotNow,
    Outcome,
    Payment,
    Proposal,
    Refused,
    State,
    approved,
    new_leg,
    shown,
)
from services.destination_agency.matching import Examined
from services.records.decisions import Due, Letter, Told

SHORT, OVERPAID, PAYMENT_RETURNED = "SHORT", "OVERPAID", "PAYMENT_RETURNED"
ACCOUNT_SETTLED = "ACCOUNT_SETTLED"  # the person has died and the heirs have their claim
_OF_MONEY = frozenset({SHORT, OVERPAID, PAYMENT_RETURNED})
# Faults of a form in itself about which both agencies may agree that it is right as it stands. The others cannot be booked:
# another person, another letter, rows that cannot be, or sums that would leave money without an account.
AGREEABLE = frozenset({"MONTHS_DIFFER", "AMOUNTS_DIFFER", "RATE_PENDING", "RATIO_OUT_OF_TABLE"})

BEFORE_COMPLETION = (
    frozenset(
        {State.LETTER_SENT, State.WITHDRAWING, State.RETURNED_CURABLE, State.FORM_HELD, State.MONEY_HELD, State.DISCREPANCY}
    )
    | WITH_US
)
# What is booked and can still be corrected; a form for it waits until two persons book the difference.
_CORRECTABLE = frozenset({State.COMPLETED, State.DUPLICATE_CLEARING, State.CORRECTION_HELD, State.CORRECTION_PROPOSED})
_DONE = _CORRECTABLE | {State.RECALL_HELD, State.SETTLED, State.RECALLED}
# In these states money waits for its form; elsewhere it is counted and changes nothing.
_MEETS = BEFORE_COMPLETION - WITH_US - {State.RETURNED_CURABLE}

TAKES_FORM = BEFORE_COMPLETION | _CORRECTABLE | {State.RECALL_HELD, State.SETTLED}
NOTES_FORM = BEFORE_COMPLETION | _DONE  # an older version is kept wherever one can have been overtaken
DIFFERS = frozenset({State.DISCREPANCY})
SENDS_BACK = CAME_TO_NOTHING | WITH_US | _DONE | {State.DISCREPANCY}


def receive_form(case: Case, form: InformationForm, found: Examined, *, today: date, due: Due) -> Outcome:
    """The information form arrived. A newer version replaces an older one; an older one that comes late is only noted.

    After the completion a newer version waits to be booked as a difference: at once, or when a recall is decided. Where the
    account is settled with the heirs nothing can be booked any more; the form is kept and named, and its money goes back.

    Args:
        found: what came of the form's examination.
        due: the destination's last leg, counted from today.

    Raises:
        NotNow: when no form is expected.
    """
    old = case.form is not None and form.form_version <= case.form.form_version
    if case.state not in (NOTES_FORM if old else TAKES_FORM):
        raise NotNow("an information form", case.state)
    fact = InformationFormReceived(
        case_id=case.case_id,
        person_ref=case.person_ref,
        origin=case.origin,
        form_version=form.form_version,
        items=form.items,
        months=form.months,
        superseded=old,
        rounding_difference_fen=found.rounding_difference_fen,
    )
    if old:
        return Outcome(case, (fact,))
    if case.state is State.SETTLED:
        assert case.booked is not None, case.case_id
        named = raise_by_name(case, ACCOUNT_SETTLED, case.booked.items.total_fen, form.items.total_fen)
        return Outcome(case, (fact, named))
    if case.state is State.RECALL_HELD:
        # What a maker proposed of the recall stands; the form is looked at when the recall is declined.
        held = replace(case, form=form, discrepancy=found.fault)
        return Outcome(held, (fact, *_asked(held, found.fault)))
    changed = replace(case, form=form, maker=None, proposal=None)
    if case.state in _CORRECTABLE:
        return _hold_correction(changed, fact, found.fault, due=due)
    if case.discrepancy == PAYMENT_RETURNED and found.fault is None and case.available_fen < form.items.total_fen:
        return Outcome(changed, (fact,))  # a form pays nothing: the letter with another account is wanted still
    return meet(changed, (fact,), found.fault, today=today, due=due)


def _hold_correction(case: Case, fact: InformationFormReceived, fault: str | None, *, due: Due) -> Outcome:
    """A version after the completion: it is booked when two persons say so, and where it says more, when the money is here.

    Months that wait to be cleared wait for it: what is refunded depends on it.
    """
    waiting = case.state in (State.CORRECTION_HELD, State.CORRECTION_PROPOSED)
    leg = {} if waiting else new_leg(due)
    changed = replace(case, **leg, state=State.CORRECTION_HELD, discrepancy=fault, paused_on=None)
    return Outcome(changed, (fact, *_asked(changed, fault)))


def _asked(case: Case, fault: str | None) -> tuple[Told, ...]:
    """What a form with a fault makes the journal and the origin hear, where the person is not concerned."""
    if fault is None:
        return ()
    assert case.form is not None
    total = case.form.items.total_fen
    return (raise_by_name(case, fault, total, case.received_fen), query(case, fault, total, case.received_fen))


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
    if case.state not in _MEETS:
        raised = raise_by_name(changed, OVERPAID, changed.expected_fen, changed.received_fen)
        return Outcome(changed, (fact, raised) if changed.surplus_fen else (fact,))
    return meet(changed, (fact,), case.discrepancy if of_form(case.discrepancy) else None, today=today, due=due)


def of_form(discrepancy: str | None) -> bool:
    """Whether what differs is the form in itself, and not the money beside it."""
    return discrepancy is not None and discrepancy not in _OF_MONEY


def meet(case: Case, told: tuple[Told, ...], fault: str | None, *, today: date, due: Due) -> Outcome:
    """Form and money: both there and equal, or what is missing, or what differs (Art. 8(4))."""
    form = case.form
    if form is None:
        return Outcome(replace(case, state=State.MONEY_HELD), told)
    total, found = form.items.total_fen, case.available_fen
    kind = fault or (SHORT if 0 < found < total else None)
    if kind is not None:
        if case.discrepancy == kind:
            return Outcome(replace(case, state=State.DISCREPANCY), told)
        changed = replace(case, **shown(case, Status.DISCREPANCY, today), state=State.DISCREPANCY, discrepancy=kind, code=None)
        raised = raise_by_name(changed, kind, total, found, shown=True)
        return Outcome(changed, (*told, raised, query(changed, kind, total, found)))
    if case.discrepancy is not None:
        told = (
            *told,
            DiscrepancyResolved(case_id=case.case_id, person_ref=case.person_ref, origin=case.origin, kind=case.discrepancy),
        )
    if found == 0 and total > 0:
        held = shown(case, Status.FUND_IN_TRANSIT, today)
        changed = replace(case, **held, state=State.FORM_HELD, discrepancy=None, code=None)
        return Outcome(changed, with_public(told, changed))
    booking = {**shown(case, Status.BOOKING, today), **new_leg(due)}
    changed = replace(case, **booking, state=State.BOOKING, discrepancy=None, code=None)
    told = with_public(told, changed)
    if found > total:
        told = (*told, raise_by_name(changed, OVERPAID, total, found))
    return Outcome(changed, told)


def with_public(told: tuple[Told, ...], case: Case) -> tuple[Told, ...]:
    """Put the new public status on the last fact: the person is told once for what happened at once."""
    last = told[-1]
    assert not isinstance(last, Letter), last
    return (*told[:-1], last.model_copy(update={"public": case.public()}))


def raise_by_name(case: Case, kind: str, expected: int, found: int, *, shown: bool = False) -> DiscrepancyRaised:
    """The fact that something differs; the person is told of it where that is what the case waits for."""
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


def query(case: Case, kind: str, expected: int, found: int) -> Letter:
    """The question to the origin how a difference came about."""
    assert case.letter_no is not None
    body = Query(letter_no=case.letter_no, kind=kind, expected_fen=expected, found_fen=found)
    return Letter(QueryDocument, body, case.case_id, case.person_ref, case.origin)


def payment_returned(case: Case, body: PaymentReturned, *, today: date) -> Outcome:
    """The bank gave the origin's payment back: the person sees that the two places are at it, and a corrected letter is wanted.

    Raises:
        NotNow: when nobody can have paid for the case.
    """
    if case.state not in NOTES_FORM:
        raise NotNow("a returned payment", case.state)
    if case.form is None or case.available_fen >= case.expected_fen:
        return Outcome(case)  # what the forms say is here all the same
    waits = case.state is State.FORM_HELD or (case.state is State.DISCREPANCY and not of_form(case.discrepancy))
    changed = case
    if waits:
        changed = replace(
            case,
            **shown(case, Status.DISCREPANCY, today),
            state=State.DISCREPANCY,
            discrepancy=PAYMENT_RETURNED,
            code=PAYMENT_RETURNED,
        )
    raised = raise_by_name(changed, PAYMENT_RETURNED, case.expected_fen, case.received_fen, shown=waits)
    return Outcome(changed, (raised,))


def propose_agreement(case: Case, maker: str, question_id: str, reason: str) -> Outcome:
    """A maker proposes to take the form as it stands: the origin confirmed it in its answer to a question about this version.

    Raises:
        NotNow: when nothing differs.
        Refused: NOT_AGREEABLE for money and for what cannot be booked, NOT_CONFIRMED where no such answer is here.
    """
    if case.state not in DIFFERS:
        raise NotNow("an agreement", case.state)
    _refuse_agreement(case, question_id)
    return Outcome(replace(case, proposal=Proposal("agreement", maker, reason, question_id=question_id)))


def _refuse_agreement(case: Case, question_id: str) -> None:
    if case.discrepancy not in AGREEABLE:
        raise Refused(
            "NOT_AGREEABLE",
            f"{case.discrepancy} cannot be agreed on.",
            remedy="Ask for a new version of the form, or for the money.",
        )
    assert case.form is not None, case.case_id
    for question in case.questions:
        ours = question.question_id == question_id and question.asked_by == case.province
        about_this = question.kind == case.discrepancy and question.form_version == case.form.form_version
        if ours and about_this and question.answer is not None and question.confirms:
            return
    raise Refused(
        "NOT_CONFIRMED",
        "No answer of the origin confirms this version of the form.",
        remedy=f"Ask the origin about {case.discrepancy}; its answer must confirm the form.",
    )


def agree(case: Case, checker: str, *, today: date, due: Due) -> Outcome:
    """A checker approves: both sides agree on the form as it stands, and it meets the money.

    Raises:
        NotNow, SamePerson: by name.
        Refused: when what was proposed does not hold any more.
    """
    proposal = approved(case, checker, DIFFERS, "agreement", "approving an agreement")
    _refuse_agreement(case, proposal.question_id)
    assert case.discrepancy is not None
    fact = DiscrepancyAgreed(
        case_id=case.case_id,
        person_ref=case.person_ref,
        origin=case.origin,
        kind=case.discrepancy,
        question_id=proposal.question_id,
        reason=proposal.reason,
        maker=proposal.maker,
        checker=checker,
    )
    return meet(replace(case, discrepancy=None, proposal=None), (fact,), None, today=today, due=due)


def propose_sending_back(case: Case, maker: str) -> Outcome:
    """The fund desk proposes to give back money that is not this case's.

    Raises:
        NotNow: when there is none.
    """
    if case.state not in SENDS_BACK or case.surplus_fen == 0:
        raise NotNow("sending money back", case.state)
    return Outcome(replace(case, surplus_maker=maker))


def order_return(case: Case) -> Outcome:
    """A second person approved the return: the bank will be given the surplus, and nothing can be booked with it any more."""
    assert case.surplus_fen > 0, case.case_id
    return Outcome(replace(case, returning_fen=case.surplus_fen))


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
    return Outcome(replace(case, received_fen=case.received_fen - amount_fen, returning_fen=0, surplus_maker=None), (fact,))
