"""Booking: the completion, what a later form corrects, and months that were paid twice."""

from typing import Literal

import pytest

from contracts.documents import CompletionNotice, Query
from contracts.events import Completed, Corrected, DiscrepancyRaised, DuplicatesCleared, DuplicatesFound
from contracts.statuses import Status
from services.destination_agency.case import Case, NotNow, Outcome, Refused, SamePerson, State
from services.destination_agency.completion import (
    choose_duplicates,
    clear_duplicates,
    complete,
    correct,
    propose_completion,
    propose_correction,
    propose_setting_aside,
    set_aside,
)
from tests.unit.destination_agency.builders import (
    BOOKED,
    LETTER_NO,
    TOTAL,
    a_form,
    a_smaller_form,
    completed,
    completion_proposed,
    correction_held,
    fact_of,
    form_comes,
    in_state,
    letters_of,
    money_comes,
    names,
    shown,
)


def test_a_completion_is_booked_by_two_persons_and_told_to_the_person_and_the_origin() -> None:
    case = completion_proposed()

    outcome = complete(case, "checker-33", today=BOOKED)

    told = fact_of(outcome, Completed)
    [notice] = letters_of(outcome)
    form = a_form()
    assert (told.items, told.months, told.form_version) == (form.items, 27, 1)
    assert (told.maker, told.checker) == ("maker-33", "checker-33")
    assert notice.body == CompletionNotice(
        letter_no=LETTER_NO, form_version=1, completed_on=BOOKED, months=27, total_fen=form.items.total_fen
    )
    public = outcome.case.public()
    assert (public.status, public.holder, public.since, public.due_on) == (Status.COMPLETED, "33", BOOKED, None)


def test_who_proposed_a_completion_cannot_approve_it() -> None:
    with pytest.raises(SamePerson):
        complete(completion_proposed(), "maker-33", today=BOOKED)


@pytest.mark.parametrize("state", sorted(set(State) - {State.BOOKING}))
def test_nothing_is_proposed_for_completion_before_form_and_money_agree(state: State) -> None:
    with pytest.raises(NotNow, match="a completion is not possible"):
        propose_completion(in_state(state), "maker-33")


@pytest.mark.parametrize("state", sorted(set(State) - {State.COMPLETION_PROPOSED}))
def test_nothing_is_completed_that_was_not_proposed(state: State) -> None:
    with pytest.raises(NotNow, match="approving a completion is not possible"):
        complete(in_state(state), "checker-33", today=BOOKED)


# Months that were paid twice


OVERLAP = ("2024-02", "2024-03")


def clearing() -> Case:
    return in_state(State.DUPLICATE_CLEARING)


def test_months_that_were_paid_twice_are_transferred_first_and_wait_for_the_person() -> None:
    outcome = complete(completion_proposed(), "checker-33", today=BOOKED, overlap=OVERLAP)

    found, done = fact_of(outcome, DuplicatesFound), fact_of(outcome, Completed)
    public = outcome.case.public()
    assert names(outcome) == ["transfer.completed", "document.completion", "duplicates.found"]
    assert (found.overlap, found.months, found.paused_on) == (OVERLAP, 2, BOOKED)
    assert (done.public, found.public) == (None, public)
    assert (public.status, public.paused, public.holder) == (Status.DUPLICATE_CLEARING, "DUPLICATE_CHOICE", "33")


@pytest.mark.parametrize("kept", ["own", "transferred"])
def test_the_choice_is_carried_out_by_a_second_person(kept: Literal["own", "transferred"]) -> None:
    case = choose_duplicates(clearing(), "insured-1", kept).case

    outcome = _cleared(case)

    fact = fact_of(outcome, DuplicatesCleared)
    assert (fact.kept, fact.months, fact.refund_principal_fen, fact.refund_interest_fen) == (kept, 2, 120_000, 794)
    assert (fact.maker, fact.checker) == ("insured-1", "checker-33")
    assert (outcome.case.state, shown(outcome)) == (State.COMPLETED, ["COMPLETED"])
    assert outcome.case.public().paused is None
    with pytest.raises(SamePerson):
        _cleared(case, checker="insured-1")


def _cleared(case: Case, checker: str = "checker-33") -> Outcome:
    return clear_duplicates(
        case, checker, months=2, refund_principal_fen=120_000, refund_interest_fen=794, rule_set="2024.1", today=BOOKED
    )


def test_the_person_may_choose_otherwise_until_somebody_has_approved() -> None:
    first = choose_duplicates(clearing(), "insured-1", "own").case

    again = choose_duplicates(first, "insured-1", "transferred").case

    assert fact_of(_cleared(again), DuplicatesCleared).kept == "transferred"


def test_nothing_is_cleared_that_nobody_chose() -> None:
    with pytest.raises(NotNow, match="approving a choice between months paid twice"):
        _cleared(clearing())


# A form after the completion


def test_a_later_form_waits_and_what_was_booked_stays() -> None:
    outcome = form_comes(completed(), a_smaller_form(2))

    assert names(outcome) == ["information_form.received"]
    assert shown(outcome) == []
    assert outcome.case.state is State.CORRECTION_HELD
    assert (outcome.case.form, outcome.case.booked) == (a_smaller_form(2), a_form(1))


def test_a_smaller_form_is_booked_as_a_difference_and_the_rest_is_too_much() -> None:
    outcome = corrected_outcome(correction_held())

    fact = fact_of(outcome, Corrected)
    [notice] = letters_of(outcome)
    assert names(outcome) == ["transfer.corrected", "document.completion", "discrepancy.raised"]
    assert (fact.form_version, fact.items, fact.supersedes) == (2, a_smaller_form(2).items, a_form().items)
    assert (fact.maker, fact.checker, fact.months) == ("maker-33", "checker-33", 27)
    assert fact.public == outcome.case.public()
    assert isinstance(notice.body, CompletionNotice)
    assert (notice.body.form_version, notice.body.total_fen) == (2, TOTAL - 180_000)
    assert (outcome.case.state, outcome.case.booked, outcome.case.surplus_fen) == (State.COMPLETED, a_smaller_form(2), 180_000)
    assert outcome.case.public().status is Status.COMPLETED


def corrected_outcome(case: Case, checker: str = "checker-33") -> Outcome:
    return correct(propose_correction(case, "maker-33").case, checker, today=BOOKED)


def test_a_larger_form_waits_for_its_money_in_either_order() -> None:
    larger = a_form(2, changed={"pool_fen": a_form().items.pool_fen + 500, "total_fen": TOTAL + 500})
    short = form_comes(completed(), larger).case
    money_first = form_comes(money_comes(completed(), 500).case, larger).case

    with pytest.raises(Refused, match="MONEY_SHORT"):
        propose_correction(short, "maker-33")
    paid = money_comes(short, 500)

    assert names(paid) == ["funds.received"]
    for case in (paid.case, money_first):
        outcome = corrected_outcome(case)
        assert names(outcome) == ["transfer.corrected", "document.completion"]
        assert (outcome.case.booked, outcome.case.surplus_fen) == (larger, 0)


def test_a_later_form_with_a_fault_is_asked_about_and_not_booked() -> None:
    outcome = form_comes(completed(), a_form(2), fault="AMOUNTS_DIFFER")

    assert names(outcome) == ["information_form.received", "discrepancy.raised", "document.query"]
    with pytest.raises(Refused, match="FORM_DIFFERS"):
        propose_correction(outcome.case, "maker-33")
    sound = form_comes(outcome.case, a_smaller_form(3)).case
    assert corrected_outcome(sound).case.booked == a_smaller_form(3)


def test_a_still_later_form_takes_back_a_proposed_correction() -> None:
    case = propose_correction(correction_held(), "maker-33").case

    newer = form_comes(case, a_form(3)).case

    assert (newer.state, newer.maker, newer.form) == (State.CORRECTION_HELD, None, a_form(3))
    assert newer.booked == a_form(1)
    with pytest.raises(NotNow, match="approving a correction"):
        correct(newer, "checker-33", today=BOOKED)


def test_a_correction_needs_two_persons() -> None:
    with pytest.raises(SamePerson):
        corrected_outcome(correction_held(), checker="maker-33")


def test_corrections_follow_each_other() -> None:
    once = corrected_outcome(correction_held()).case

    again = corrected_outcome(form_comes(once, a_form(3)).case)

    fact = fact_of(again, Corrected)
    assert (fact.form_version, fact.supersedes, fact.items) == (3, a_smaller_form(2).items, a_form().items)
    assert again.case.surplus_fen == 0


def test_months_that_wait_to_be_cleared_wait_for_a_later_form_and_are_asked_about_again() -> None:
    chosen = choose_duplicates(clearing(), "insured-1", "own").case

    held = form_comes(chosen, a_smaller_form(2)).case
    again = correct(propose_correction(held, "maker-33").case, "checker-33", today=BOOKED, overlap=OVERLAP)

    assert (held.state, held.proposal, held.paused_on) == (State.CORRECTION_HELD, None, None)
    assert held.public().status is Status.DUPLICATE_CLEARING
    assert names(again) == ["transfer.corrected", "document.completion", "discrepancy.raised", "duplicates.found"]
    assert (again.case.state, again.case.booked) == (State.DUPLICATE_CLEARING, a_smaller_form(2))
    assert again.case.public().paused == "DUPLICATE_CHOICE"
    assert shown(again) == ["DUPLICATE_CLEARING", "DUPLICATE_CLEARING"]


def test_where_a_later_form_brings_nothing_twice_any_more_the_transfer_is_done() -> None:
    held = form_comes(clearing(), a_smaller_form(2)).case

    outcome = correct(propose_correction(held, "maker-33").case, "checker-33", today=BOOKED)

    assert (outcome.case.state, outcome.case.public().status) == (State.COMPLETED, Status.COMPLETED)


# A form after the completion that is not booked


def test_two_persons_set_a_correction_aside_the_origin_is_asked_and_what_is_booked_stays() -> None:
    held = correction_held()
    booked = held.booked
    assert booked is not None
    proposal = propose_setting_aside(held, "maker-33", "the months were refunded").case

    outcome = set_aside(proposal, "checker-33", today=BOOKED)

    fact = fact_of(outcome, DiscrepancyRaised)
    [letter] = letters_of(outcome)
    assert (fact.kind, fact.reason, fact.maker, fact.checker) == (
        "CORRECTION_SET_ASIDE",
        "the months were refunded",
        "maker-33",
        "checker-33",
    )
    assert (fact.expected_fen, fact.found_fen) == (booked.items.total_fen, held.form.items.total_fen if held.form else None)
    assert isinstance(letter.body, Query)
    assert (letter.addressee, letter.body.kind) == ("44", "CORRECTION_SET_ASIDE")
    assert (outcome.case.state, outcome.case.form, outcome.case.booked) == (State.COMPLETED, booked, booked)
    with pytest.raises(SamePerson):
        set_aside(proposal, "maker-33", today=BOOKED)


def test_a_correction_that_was_proposed_and_cannot_be_booked_can_be_set_aside_and_the_other_way_round() -> None:
    proposed = propose_correction(correction_held(), "maker-33").case

    aside = propose_setting_aside(proposed, "maker-33", "the months were refunded").case
    again = propose_correction(aside, "maker-33").case

    assert (aside.state, aside.maker) == (State.CORRECTION_HELD, None)
    assert set_aside(aside, "checker-33", today=BOOKED).case.state is State.COMPLETED
    assert correct(again, "checker-33", today=BOOKED).case.proposal is None


def test_what_came_for_a_form_that_is_set_aside_is_a_surplus_that_can_go_back() -> None:
    paid = money_comes(correction_held(), amount_fen=700).case
    proposal = propose_setting_aside(paid, "maker-33", "booked otherwise").case

    outcome = set_aside(proposal, "checker-33", today=BOOKED)

    assert outcome.case.surplus_fen == paid.received_fen - (paid.booked.items.total_fen if paid.booked else 0)
    assert [fact.kind for fact in outcome.told if isinstance(fact, DiscrepancyRaised)] == ["CORRECTION_SET_ASIDE", "OVERPAID"]


def test_months_that_waited_to_be_cleared_wait_again_when_the_correction_is_set_aside() -> None:
    held = form_comes(clearing(), a_form(2)).case
    assert held.state is State.CORRECTION_HELD
    proposal = propose_setting_aside(held, "maker-33", "booked otherwise").case

    outcome = set_aside(proposal, "checker-33", today=BOOKED)

    assert (outcome.case.state, outcome.case.paused_on) == (State.DUPLICATE_CLEARING, BOOKED)
