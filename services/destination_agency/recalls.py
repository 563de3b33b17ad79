"""A completed transfer that the origin asks back (退回): two persons decide, and what is given up goes back as money. Pure."""

from dataclasses import replace
from datetime import date

from contracts.documents import RecallAnswer, RecallAnswerDocument, RecallRequest
from contracts.events import RecallDeclined, Recalled, RecallReceived
from contracts.statuses import Status
from services.destination_agency import meeting
from services.destination_agency.case import Case, NotNow, Outcome, Proposal, State, approved, new_leg, shown
from services.records.decisions import Due, Letter

RECALLABLE = frozenset({State.COMPLETED, State.DUPLICATE_CLEARING, State.CORRECTION_HELD, State.CORRECTION_PROPOSED})
HEARS = RECALLABLE | {State.SETTLED}
HELD = frozenset({State.RECALL_HELD})


def recall_received(case: Case, body: RecallRequest, *, due: Due) -> Outcome:
    """The origin asks the transfer back; its wish is on the work list, and nothing is given up yet.

    Where the account is settled with the heirs nothing can be given up, and the origin is told so at once.

    Raises:
        NotNow: when nothing is booked, or it is asked back already.
    """
    if case.state not in HEARS:
        raise NotNow("a recall", case.state)
    fact = RecallReceived(
        case_id=case.case_id, person_ref=case.person_ref, origin=case.origin, code=body.code, reason=body.reason
    )
    if case.state is State.SETTLED:
        return Outcome(case, (fact, _answer(case, agreed=False, reason="the person has died and the account is settled")))
    before = State.CORRECTION_HELD if case.state is State.CORRECTION_PROPOSED else case.state
    changed = replace(
        case,
        **new_leg(due),
        state=State.RECALL_HELD,
        before_recall=before,
        recall_code=body.code,
        paused_on=None,
        maker=None,
        proposal=None,
    )
    return Outcome(changed, (fact,))


def propose_recall_answer(case: Case, maker: str, *, agreed: bool, reason: str) -> Outcome:
    """A maker proposes to give the transfer up, or to keep it.

    Raises:
        NotNow: when nobody asks for it.
    """
    if case.state not in HELD:
        raise NotNow("answering a recall", case.state)
    return Outcome(replace(case, proposal=Proposal("recall", maker, reason, agreed=agreed)))


def decline_recall(case: Case, checker: str, *, today: date, due: Due) -> Outcome:
    """A checker approves that what was booked stays. A form that came meanwhile waits to be booked now.

    Args:
        due: the destination's last leg, counted from today.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = approved(case, checker, HELD, "recall", "approving the answer to a recall")
    assert not proposal.agreed, proposal
    assert case.before_recall is not None, case.case_id
    assert case.form is not None, case.case_id
    assert case.booked is not None, case.case_id
    newer = case.form.form_version > case.booked.form_version
    state = State.CORRECTION_HELD if newer else case.before_recall
    changed = replace(case, state=state, before_recall=None, recall_code="", proposal=None)
    if newer:
        changed = replace(changed, **new_leg(due))
    elif state is State.DUPLICATE_CLEARING:
        changed = replace(changed, paused_on=today)
    fact = RecallDeclined(
        case_id=case.case_id,
        person_ref=case.person_ref,
        origin=case.origin,
        reason=proposal.reason,
        maker=proposal.maker,
        checker=checker,
    )
    return Outcome(changed, (fact, _answer(case, agreed=False, reason=proposal.reason)))


def recall(case: Case, checker: str, *, today: date) -> Outcome:
    """A checker approves: the amounts stand in suspense of the origin again, all of it to be sent back.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = approved(case, checker, HELD, "recall", "approving the answer to a recall")
    assert proposal.agreed, proposal
    booked = case.booked
    assert booked is not None, case.case_id
    changed = replace(
        case,
        **shown(case, Status.CANCELLED, today),
        state=State.RECALLED,
        booked=None,
        before_recall=None,
        discrepancy=None,
        proposal=None,
    )
    fact = Recalled(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        code=case.recall_code,
        items=booked.items,
        months=booked.months,
        maker=proposal.maker,
        checker=checker,
    )
    surplus = meeting.raise_by_name(changed, meeting.OVERPAID, 0, changed.received_fen)
    answer = _answer(case, agreed=True, reason=proposal.reason, total_fen=booked.items.total_fen)
    return Outcome(changed, (fact, *((surplus,) if changed.received_fen else ()), answer))


def _answer(case: Case, *, agreed: bool, reason: str, total_fen: int = 0) -> Letter:
    assert case.letter_no is not None, case.case_id
    body = RecallAnswer(letter_no=case.letter_no, agreed=agreed, reason=reason, total_fen=total_fen)
    return Letter(RecallAnswerDocument, body, case.case_id, case.person_ref, case.origin)
