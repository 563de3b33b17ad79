"""An application at the destination, from its arrival to the contact letter, the refusal or its end before the letter. Pure."""

from dataclasses import replace
from datetime import date

from contracts.base import SealedForPerson
from contracts.documents import ContactLetter, ContactLetterDocument, Withdrawal, WithdrawalAnswer, WithdrawalDocument
from contracts.events import (
    Accepted,
    Applied,
    Cancelled,
    ContactLetterSent,
    MaterialRequested,
    MaterialSupplied,
    WithdrawalDeclined,
    WithdrawalRequested,
)
from contracts.events import Refused as ApplicationRefused
from contracts.statuses import Status
from services.destination_agency.case import (
    AFTER_LETTER,
    BEFORE_LETTER,
    CAME_TO_NOTHING,
    ENDED,
    SENT_BACK,
    UNDECIDED,
    Case,
    Decision,
    NotNow,
    Outcome,
    Proposal,
    Refused,
    State,
    approved,
    checked,
    new_leg,
    shown,
)
from services.records.decisions import Due, Letter

MATERIAL_BASIS = "社会保险经办条例 第三十一条"
# Papers that somebody has to see before two persons decide: codes of the materials table, and kinds under which they are filed.
PROXY_AUTHORISATION = "PROXY_AUTHORISATION"
PERSONNEL_TRANSFER_APPROVAL = "PERSONNEL_TRANSFER_APPROVAL"

# Whoever withdraws then ends the case at once: the origin has nothing of it, or nothing any more.
WITHDRAWN_AT_ONCE = UNDECIDED | {State.RETURNED_CURABLE}
WITHDRAWABLE = WITHDRAWN_AT_ONCE | {State.LETTER_SENT}
WAITS_FOR_MATERIAL = frozenset({State.NEED_MATERIAL})
PROPOSED = frozenset({State.ADMISSION_PROPOSED})
# Money may overtake the origin's answer. A form may not: where one was approved, the origin declines.
CONFIRMABLE = frozenset({State.WITHDRAWING, State.MONEY_HELD})
# The origin's form is approved, for it or its money is here: that it is too late is true of these alone.
TOO_LATE = AFTER_LETTER - WITHDRAWABLE - CAME_TO_NOTHING - {State.WITHDRAWING, State.SETTLED}


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
        # To older readers it is the person who applies through a proxy.
        applied_by="person" if case.applied_by == "proxy" else case.applied_by,
        by_proxy=case.applied_by == "proxy",
        channel=case.channel,
        materials=case.handed_in,
        language=case.personal.language,
        due_on=case.due.due_on,
        personal=sealed,
    )
    return Outcome(case, (fact,))


def ask_for_material(case: Case, actor: str, items: tuple[str, ...], *, today: date) -> Outcome:
    """Ask for everything that is missing, all of it at once; the clock stands until it is here (经办条例 Art. 31).

    Args:
        items: codes of the materials table, each once.

    Raises:
        NotNow: when the application is decided.
        Refused: ASKED_ALREADY, for an agency asks once.
    """
    if case.state not in BEFORE_LETTER:
        raise NotNow("asking for material", case.state)
    if case.asked:
        raise Refused(
            "ASKED_ALREADY",
            "What was missing has been asked for before; an agency asks once, for all of it.",
            legal_basis=MATERIAL_BASIS,
            remedy="Decide with what is there.",
        )
    assert items, case.case_id
    changed = replace(
        case,
        **shown(case, Status.NEED_MATERIAL, today),
        state=State.NEED_MATERIAL,
        asked=items,
        paused_on=today,
        maker=None,
        decision=None,
    )
    fact = MaterialRequested(
        case_id=case.case_id, person_ref=case.person_ref, public=changed.public(), items=items, paused_on=today, actor=actor
    )
    return Outcome(changed, (fact,))


def supply_material(case: Case, actor: str, items: tuple[str, ...], *, today: date, due: Due, paused_days: int) -> Outcome:
    """What was asked for is here: the clock runs on, later by the working days that it stood.

    Args:
        items: what was handed in; everything that was asked for must be among it.
        due: the leg's due date counted with the pause.
        paused_days: working days that the clock stood.

    Raises:
        NotNow: when nothing is waited for.
        Refused: MATERIAL_INCOMPLETE, with what is missing still.
    """
    if case.state not in WAITS_FOR_MATERIAL:
        raise NotNow("supplying material", case.state)
    missing = [item for item in case.asked if item not in items]
    if missing:
        raise Refused(
            "MATERIAL_INCOMPLETE",
            f"Still missing: {', '.join(missing)}.",
            legal_basis=MATERIAL_BASIS,
            remedy="Hand in everything that the list names; or withdraw the application.",
        )
    changed = replace(case, **shown(case, Status.REVIEWING, today), state=State.REVIEWING, supplied=True, paused_on=None, due=due)
    fact = MaterialSupplied(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        items=case.asked,
        due_on=due.due_on,
        paused_days=paused_days,
        actor=actor,
    )
    return Outcome(changed, (fact,))


def paper_needed(case: Case, decision: Decision, *, filed: frozenset[str] = frozenset()) -> str | None:
    """The paper that is missing for a decision: a proxy's authority for any, the approval of the transfer for K2.

    Args:
        filed: kinds of the papers in the case's file.
    """
    there = case.has_in_hand | filed
    if case.personal.proxy is not None and PROXY_AUTHORISATION not in there:
        return PROXY_AUTHORISATION
    if decision.rule == "K2" and PERSONNEL_TRANSFER_APPROVAL not in there:
        return PERSONNEL_TRANSFER_APPROVAL
    return None


def propose_admission(case: Case, maker: str, decision: Decision) -> Outcome:
    """A maker proposes to accept or to refuse, with rule and legal basis.

    Raises:
        NotNow: when the application is decided already, or material is waited for.
    """
    if case.state not in BEFORE_LETTER:
        raise NotNow("deciding an application", case.state)
    return Outcome(replace(case, state=State.ADMISSION_PROPOSED, maker=maker, decision=decision))


def refuse(case: Case, checker: str, *, today: date, rule_set: str) -> Outcome:
    """A checker approves a refusal; the written explanation goes to the person (Art. 8(2)).

    Raises:
        NotNow, SamePerson: by name.
    """
    maker = checked(case, checker, PROPOSED, "approving an admission")
    decision = case.decision
    assert decision is not None, case.case_id
    assert decision.outcome == "refuse", decision
    status = Status.TEMP_ACCOUNT if decision.code == "TEMP_ACCOUNT_AT_DESTINATION" else Status.REJECTED
    changed = replace(case, **shown(case, status, today), state=State.REFUSED, code=decision.code)
    fact = ApplicationRefused(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        code=decision.code,
        rule=decision.rule,
        legal_basis=decision.legal_basis,
        scheme=decision.scheme or None,
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
    maker = checked(case, checker, PROPOSED, "approving an admission")
    decision = case.decision
    assert decision is not None, case.case_id
    assert decision.outcome == "accept", decision
    changed = replace(
        case,
        **shown(case, Status.LETTER_SENT, today),
        **new_leg(due),
        state=State.LETTER_SENT,
        letter_no=letter.letter_no,
        letter_version=letter.letter_version,
        maker=None,
        proposal=None,
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


def withdraw(case: Case, actor: str, *, today: date) -> Outcome:
    """The person withdraws: at once while the origin has nothing of it, by the origin's word after that (domain § 1.6.12).

    Raises:
        NotNow: when the form is here, the case has ended, or it is being withdrawn already.
    """
    if case.state in WITHDRAWN_AT_ONCE:
        return cancelled(case, "withdrawn by the person", today)
    if case.state not in WITHDRAWABLE:
        raise NotNow("a withdrawal", case.state)
    assert case.letter_no is not None
    fact = WithdrawalRequested(case_id=case.case_id, person_ref=case.person_ref, origin=case.origin, actor=actor)
    body = Withdrawal(letter_no=case.letter_no, requested_on=today)
    letter = Letter(WithdrawalDocument, body, case.case_id, case.person_ref, case.origin)
    return Outcome(replace(case, state=State.WITHDRAWING), (fact, letter))


def withdrawal_answered(case: Case, answer: WithdrawalAnswer, *, sender: str, today: date) -> Outcome:
    """The origin confirmed the withdrawal, or the form was approved already and the transfer goes on.

    Args:
        sender: the province that answers: the case's, or one that returned the letter before it heard of the withdrawal and
            says so while the letter is with another one already.

    Raises:
        NotNow: when nobody withdrew, or a form is here.
    """
    if answer.confirmed:
        if case.state not in CONFIRMABLE or sender != case.origin:
            raise NotNow("a confirmed withdrawal", case.state)
        return cancelled(case, "withdrawn by the person, confirmed by the origin", today)
    if case.state not in AFTER_LETTER:
        raise NotNow("a declined withdrawal", case.state)
    goes_on = case.state is State.WITHDRAWING and sender == case.origin
    changed = replace(case, state=State.LETTER_SENT if goes_on else case.state)
    # Of a letter that is back, or a case that has ended, the person was told what became of it.
    tells = sender == case.origin and case.state not in SENT_BACK | ENDED
    fact = WithdrawalDeclined(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public() if tells else None,
        origin=sender,
        reason=answer.reason,
    )
    return Outcome(changed, (fact,))


def propose_cancellation(case: Case, maker: str, reason: str) -> Outcome:
    """A maker proposes to end a case that the agency opened in error, or that nobody supplies what it lacks for.

    Raises:
        NotNow: once the letter has left or the application is refused.
    """
    if case.state not in UNDECIDED:
        raise NotNow("a cancellation", case.state)
    return Outcome(replace(case, proposal=Proposal("cancellation", maker, reason)))


def cancel(case: Case, checker: str, *, today: date) -> Outcome:
    """A checker approves the cancellation: the case ends before anything has left the house.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = approved(case, checker, UNDECIDED, "cancellation", "approving a cancellation")
    return cancelled(case, proposal.reason, today, maker=proposal.maker, checker=checker)


def cancelled(case: Case, reason: str, today: date, *, maker: str | None = None, checker: str | None = None) -> Outcome:
    """The case ended before the origin approved anything; two persons are named where the agency itself ended it."""
    changed = replace(
        case, **shown(case, Status.CANCELLED, today), state=State.CANCELLED, code=None, paused_on=None, proposal=None
    )
    fact = Cancelled(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        reason=reason,
        maker=maker,
        checker=checker,
    )
    return Outcome(changed, (fact,))
