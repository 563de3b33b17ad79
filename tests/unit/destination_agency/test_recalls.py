"""A completed transfer that the origin asks back: two persons decide, and all of it goes back or nothing does."""

import pytest

from contracts.documents import RecallAnswer
from contracts.events import DiscrepancyRaised, RecallDeclined, Recalled, RecallReceived
from services.destination_agency.case import Case, NotNow, Outcome, SamePerson, State
from services.destination_agency.recalls import RECALLABLE, decline_recall, propose_recall_answer, recall, recall_received
from tests.unit.destination_agency.builders import (
    BOOKED,
    BOOKING_DUE,
    LETTER_NO,
    RECALL,
    RECALL_DUE,
    TOTAL,
    a_form,
    a_smaller_form,
    completed,
    fact_of,
    form_comes,
    in_state,
    letters_of,
    money_comes,
    names,
    recall_held,
    shown,
)


def answered(case: Case, *, agreed: bool, checker: str = "checker-33") -> Outcome:
    proposal = propose_recall_answer(case, "maker-33", agreed=agreed, reason="it was another person's").case
    return recall(proposal, checker, today=BOOKED) if agreed else decline_recall(proposal, checker, today=BOOKED, due=BOOKING_DUE)


def test_a_recall_is_on_the_work_list_and_nothing_is_given_up_yet() -> None:
    outcome = recall_received(completed(), RECALL, due=RECALL_DUE)

    fact = fact_of(outcome, RecallReceived)
    assert names(outcome) == ["recall.received"]
    assert (fact.code, fact.reason, fact.public) == (RECALL.code, RECALL.reason, None)
    assert (outcome.case.state, outcome.case.surplus_fen, outcome.case.booked) == (State.RECALL_HELD, 0, a_form())
    assert outcome.case.due == RECALL_DUE


def test_a_transfer_that_is_given_up_stands_in_suspense_and_all_of_it_goes_back() -> None:
    outcome = answered(recall_held(), agreed=True)

    fact, raised = fact_of(outcome, Recalled), fact_of(outcome, DiscrepancyRaised)
    [letter] = letters_of(outcome)
    assert (fact.items, fact.months, fact.code) == (a_form().items, 27, RECALL.code)
    assert (fact.maker, fact.checker) == ("maker-33", "checker-33")
    assert (raised.kind, raised.expected_fen, raised.found_fen) == ("OVERPAID", 0, TOTAL)
    assert letter.body == RecallAnswer(letter_no=LETTER_NO, agreed=True, reason="it was another person's", total_fen=TOTAL)
    assert (outcome.case.state, outcome.case.booked, outcome.case.surplus_fen) == (State.RECALLED, None, TOTAL)
    assert shown(outcome) == ["CANCELLED"]


def test_money_that_came_twice_goes_back_with_it() -> None:
    held = recall_received(money_comes(completed(), 700).case, RECALL, due=RECALL_DUE).case

    assert held.surplus_fen == 700
    assert answered(held, agreed=True).case.surplus_fen == TOTAL + 700


@pytest.mark.parametrize("state", sorted(RECALLABLE))
def test_a_declined_recall_leaves_the_case_where_it_was_but_for_what_was_proposed(state: State) -> None:
    case = in_state(state)
    held = recall_received(case, RECALL, due=RECALL_DUE).case

    outcome = answered(held, agreed=False)

    [letter] = letters_of(outcome)
    expected = State.CORRECTION_HELD if state is State.CORRECTION_PROPOSED else state
    assert fact_of(outcome, RecallDeclined).reason == "it was another person's"
    assert letter.body == RecallAnswer(letter_no=LETTER_NO, agreed=False, reason="it was another person's")
    assert (outcome.case.state, outcome.case.booked) == (expected, a_form())
    assert outcome.case.public().paused == case.public().paused
    assert (outcome.case.paused_on is None) is (case.paused_on is None)
    assert shown(outcome) == []


def test_a_form_that_comes_while_a_recall_is_decided_waits_for_the_decision() -> None:
    proposal = propose_recall_answer(recall_held(), "maker-33", agreed=False, reason="it is right").case

    came = form_comes(proposal, a_smaller_form(2))
    declined = decline_recall(came.case, "checker-33", today=BOOKED, due=BOOKING_DUE).case
    given_up = answered(came.case, agreed=True).case

    assert names(came) == ["information_form.received"]
    assert (came.case.state, came.case.booked, came.case.form) == (State.RECALL_HELD, a_form(), a_smaller_form(2))
    assert (declined.state, declined.due) == (State.CORRECTION_HELD, BOOKING_DUE)
    assert (given_up.state, given_up.surplus_fen) == (State.RECALLED, TOTAL)


def test_what_is_settled_with_the_heirs_is_not_given_up_and_the_origin_is_told_at_once() -> None:
    outcome = recall_received(in_state(State.SETTLED), RECALL, due=RECALL_DUE)

    [letter] = letters_of(outcome)
    assert names(outcome) == ["recall.received", "document.recall_answer"]
    assert isinstance(letter.body, RecallAnswer)
    assert not letter.body.agreed
    assert outcome.case.state is State.SETTLED


@pytest.mark.parametrize("agreed", [True, False], ids=["given up", "kept"])
def test_the_answer_needs_two_persons(agreed: bool) -> None:
    with pytest.raises(SamePerson):
        answered(recall_held(), agreed=agreed, checker="maker-33")


def test_nothing_is_given_up_that_nobody_proposed() -> None:
    with pytest.raises(NotNow, match="approving the answer to a recall"):
        recall(recall_held(), "checker-33", today=BOOKED)


def test_a_recalled_case_takes_no_form_any_more() -> None:
    with pytest.raises(NotNow):
        form_comes(in_state(State.RECALLED), a_form(2))
