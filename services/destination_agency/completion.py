"""Booking at the destination: the completion, months paid twice, and what a later form changes afterwards. Pure."""

from dataclasses import replace
from datetime import date
from typing import Literal

from contracts.documents import CompletionDocument, CompletionNotice, InformationForm
from contracts.events import Completed, Corrected, DuplicatesCleared, DuplicatesFound
from contracts.statuses import Status
from services.destination_agency import meeting
from services.destination_agency.case import (
    Case,
    NotNow,
    Outcome,
    Proposal,
    Refused,
    State,
    approved,
    checked,
    shown,
)
from services.records.decisions import Letter, Told

SET_ASIDE = "CORRECTION_SET_ASIDE"
BOOKS = frozenset({State.BOOKING})
COMPLETES = frozenset({State.COMPLETION_PROPOSED})
CLEARS = frozenset({State.DUPLICATE_CLEARING})
HOLDS_CORRECTION = frozenset({State.CORRECTION_HELD})
CORRECTS = frozenset({State.CORRECTION_PROPOSED})
SETS_ASIDE = HOLDS_CORRECTION | CORRECTS


def propose_completion(case: Case, maker: str) -> Outcome:
    """A maker proposes to book what form and money agree on.

    Raises:
        NotNow: while they do not.
    """
    if case.state not in BOOKS:
        raise NotNow("a completion", case.state)
    return Outcome(replace(case, state=State.COMPLETION_PROPOSED, maker=maker))


def complete(case: Case, checker: str, *, today: date, overlap: tuple[str, ...] = ()) -> Outcome:
    """A checker approves: years and account are booked here, and both the person and the origin are told (Art. 8(4)).

    Args:
        overlap: months, `YYYY-MM`, that the person's record here held already: they are transferred first and cleared then
            (S-70 Art. 10), on the side that the person chooses; the clock stands until the choice.

    Raises:
        NotNow, SamePerson: by name.
    """
    maker = checked(case, checker, COMPLETES, "approving a completion")
    form = case.form
    assert form is not None, case.case_id
    assert case.available_fen >= form.items.total_fen, (case.received_fen, case.returning_fen, form.items)
    changed = replace(case, **shown(case, Status.COMPLETED, today), state=State.COMPLETED, booked=form)
    if overlap:
        changed = replace(
            case, **shown(case, Status.DUPLICATE_CLEARING, today), state=State.DUPLICATE_CLEARING, booked=form, paused_on=today
        )
    fact = Completed(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=None if overlap else changed.public(),
        origin=case.origin,
        form_version=form.form_version,
        items=form.items,
        months=form.months,
        maker=maker,
        checker=checker,
    )
    return Outcome(changed, (fact, _notice(case, form, today), *_found(changed, overlap, today)))


def _notice(case: Case, form: InformationForm, today: date) -> Letter:
    notice = CompletionNotice(
        letter_no=form.letter_no,
        form_version=form.form_version,
        completed_on=today,
        months=form.months,
        total_fen=form.items.total_fen,
    )
    return Letter(CompletionDocument, notice, case.case_id, case.person_ref, case.origin)


def choose_duplicates(case: Case, maker: str, kept: Literal["own", "transferred"]) -> Outcome:
    """The person, or a clerk with the person's word, chooses whose contribution is kept for the months paid twice.

    One relationship is kept for the same time (S-187 item 3), so there is one side for all months of the transfer.

    Raises:
        NotNow: when none wait to be cleared.
    """
    if case.state not in CLEARS:
        raise NotNow("choosing between months paid twice", case.state)
    return Outcome(replace(case, proposal=Proposal("duplicates", maker, kept=kept)))


def clear_duplicates(
    case: Case, checker: str, *, months: int, refund_principal_fen: int, refund_interest_fen: int, rule_set: str, today: date
) -> Outcome:
    """A checker approves the choice: the months of the other side are cleared and refunded (S-187 item 3).

    Args:
        months: how many are cleared.
        refund_principal_fen: what they brought to the account.
        refund_interest_fen: its interest, where the rules give any.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = approved(case, checker, CLEARS, "duplicates", "approving a choice between months paid twice")
    assert proposal.kept, proposal
    changed = replace(case, **shown(case, Status.COMPLETED, today), state=State.COMPLETED, paused_on=None, proposal=None)
    fact = DuplicatesCleared(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        kept=proposal.kept,
        months=months,
        refund_principal_fen=refund_principal_fen,
        refund_interest_fen=refund_interest_fen,
        rule_set=rule_set,
        maker=proposal.maker,
        checker=checker,
    )
    return Outcome(changed, (fact,))


def propose_correction(case: Case, maker: str) -> Outcome:
    """A maker proposes to book the difference that a form after the completion makes.

    Raises:
        NotNow: when there is no such form.
        Refused: FORM_DIFFERS while it is wrong in itself, MONEY_SHORT until what it says is here.
    """
    if case.state not in HOLDS_CORRECTION:
        raise NotNow("a correction", case.state)
    assert case.form is not None, case.case_id
    if meeting.of_form(case.discrepancy):
        raise Refused("FORM_DIFFERS", f"The form has a fault: {case.discrepancy}.", remedy="Ask the origin for another version.")
    if case.available_fen < case.form.items.total_fen:
        detail = f"The form says {case.form.items.total_fen} fen and {case.available_fen} fen are here."
        raise Refused("MONEY_SHORT", detail, remedy="Wait for the difference.")
    return Outcome(replace(case, state=State.CORRECTION_PROPOSED, maker=maker, proposal=None))


def propose_setting_aside(case: Case, maker: str, reason: str) -> Outcome:
    """A maker proposes not to book a form that came after the completion: the origin is to correct it otherwise.

    What was proposed to be booked, and cannot be, waits no longer.

    Raises:
        NotNow: when there is no such form.
    """
    if case.state not in SETS_ASIDE:
        raise NotNow("setting a correction aside", case.state)
    return Outcome(replace(case, state=State.CORRECTION_HELD, maker=None, proposal=Proposal("aside", maker, reason)))


def set_aside(case: Case, checker: str, *, today: date) -> Outcome:
    """A checker approves: what is booked stays, the origin is asked, and money that came for the form goes back.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = approved(case, checker, HOLDS_CORRECTION, "aside", "approving that a correction is set aside")
    form, booked = case.form, case.booked
    assert form is not None, case.case_id
    assert booked is not None, case.case_id
    # Months that waited to be cleared wait again.
    clears = case.status is Status.DUPLICATE_CLEARING
    changed = replace(
        case,
        state=State.DUPLICATE_CLEARING if clears else State.COMPLETED,
        form=booked,
        proposal=None,
        discrepancy=None,
        paused_on=today if clears else None,
    )
    fact = meeting.raise_by_name(changed, SET_ASIDE, booked.items.total_fen, form.items.total_fen).model_copy(
        update={"reason": proposal.reason, "maker": proposal.maker, "checker": checker}
    )
    told: tuple[Told, ...] = (fact, meeting.query(changed, SET_ASIDE, booked.items.total_fen, form.items.total_fen))
    if changed.surplus_fen:
        surplus = meeting.raise_by_name(changed, meeting.OVERPAID, changed.expected_fen, changed.received_fen)
        told = (fact, surplus, *told[1:])
    return Outcome(changed, told)


def correct(case: Case, checker: str, *, today: date, overlap: tuple[str, ...] = ()) -> Outcome:
    """A checker approves: the difference between the two forms is booked, what stood stays as it was.

    Args:
        overlap: months that the person's record here holds as well: they wait for the person's choice, as after a completion.

    Raises:
        NotNow, SamePerson: by name.
    """
    maker = checked(case, checker, CORRECTS, "approving a correction")
    form, before = case.form, case.booked
    assert form is not None, case.case_id
    assert before is not None, case.case_id
    assert case.available_fen >= form.items.total_fen, (case.received_fen, case.returning_fen, form.items)
    changed = replace(case, state=State.COMPLETED, status=Status.COMPLETED, since=today)
    if overlap:
        status, since = Status.DUPLICATE_CLEARING, case.since if case.status is Status.DUPLICATE_CLEARING else today
        changed = replace(case, state=State.DUPLICATE_CLEARING, status=status, since=since, paused_on=today)
    changed = replace(changed, booked=form, maker=None, discrepancy=None)
    fact = Corrected(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        form_version=form.form_version,
        items=form.items,
        supersedes=before.items,
        months=form.months,
        maker=maker,
        checker=checker,
    )
    told: tuple[Told, ...] = (fact, _notice(case, form, today))
    if form.items.total_fen < before.items.total_fen:
        # What was booked and is not the person's any more stands in suspense until it is sent back.
        overpaid = meeting.raise_by_name(changed, meeting.OVERPAID, changed.expected_fen, changed.received_fen)
        told = (*told, overpaid)
    return Outcome(changed, (*told, *_found(changed, overlap, today)))


def _found(case: Case, overlap: tuple[str, ...], today: date) -> tuple[DuplicatesFound, ...]:
    """That months were paid twice, so that the person is asked to choose."""
    if not overlap:
        return ()
    return (
        DuplicatesFound(
            case_id=case.case_id,
            person_ref=case.person_ref,
            public=case.public(),
            origin=case.origin,
            months=len(overlap),
            overlap=overlap,
            paused_on=today,
        ),
    )
