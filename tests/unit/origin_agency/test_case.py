"""The origin's side of a transfer: each step, what it tells, and what is refused by name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.base import Fact
from contracts.documents import (
    Body,
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
    ContactLetterReceived,
    ContactLetterReturned,
    DeadlineBreached,
    DeadlineReminded,
    FundsRemitted,
    FundsReturned,
    InformationFormIssued,
    RelationshipClosed,
    TransferSettled,
    WithdrawalAnswered,
)
from contracts.statuses import Leg
from services.audit.cases import step
from services.origin_agency.case import (
    ENDED,
    OPEN_LEG,
    UNDECIDED,
    Case,
    NotNow,
    Outcome,
    SamePerson,
    State,
    count_again,
    hear,
    issue_form,
    look_at_clock,
    open_case,
    order_remittance,
    propose,
    propose_remittance,
    remitted,
    returned_by_bank,
    send_back,
    settle,
    withdraw,
)
from services.records.decisions import Due, Letter
from tests.builders import CASE, PERSON, a, items
from tests.unit.origin_agency.builders import (
    DUE_ON,
    FORM,
    LETTER_NO,
    MONDAY,
    REMIND_ON,
    RETURN,
    a_case,
    a_completion,
    a_form,
    a_letter,
)
from tests.unit.rules.builders import tables

RETURN_TEXT = tables().refusal("STILL_CONTRIBUTING")
WITHDRAWAL = a(Withdrawal, letter_no=LETTER_NO)


def kinds(outcome: Outcome) -> list[type[Any]]:
    """What was told, by kind."""
    return [told.kind if isinstance(told, Letter) else type(told) for told in outcome.told]


def fact(outcome: Outcome, at: int = 0) -> Any:
    found = outcome.told[at]
    assert isinstance(found, Fact), found
    return found


def body(outcome: Outcome, at: int = -1) -> Body:
    found = outcome.told[at]
    assert isinstance(found, Letter), found
    return found.body


def pay(case: Case, amount_fen: int = 1000) -> Outcome:
    return remitted(case, bank_reference="B1", amount_fen=amount_fen, maker="fund-1", checker="checker-1")


def bank_returns(case: Case, amount_fen: int = 1000) -> Outcome:
    return returned_by_bank(case, remittance_id="R1", line_id="L1", amount_fen=amount_fen, reason="account closed")


def test_an_arriving_letter_opens_a_case_with_its_due_date() -> None:
    letter = a_letter()

    outcome = open_case(CASE, "33", letter, PERSON, on=MONDAY, due=Due(DUE_ON, REMIND_ON))

    assert outcome.case == a_case(State.LETTER_HELD, letter=letter)
    assert outcome.told == (
        ContactLetterReceived(
            case_id=CASE, person_ref=PERSON, destination="33", letter_no=LETTER_NO, received_on=MONDAY, due_on=DUE_ON
        ),
    )


def test_somebody_unknown_here_goes_by_the_case() -> None:
    outcome = open_case(CASE, "33", a_letter(), None, on=MONDAY, due=Due(DUE_ON, REMIND_ON))

    assert outcome.case.known_as == CASE
    assert fact(outcome).person_ref == CASE


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_a_proposal_is_made_or_made_anew_while_nothing_is_approved(state: State) -> None:
    outcome = propose(a_case(state), RETURN)

    assert outcome.case.state is State.HANDLING_PROPOSED
    assert outcome.case.proposal == RETURN
    assert outcome.told == ()


def test_an_approved_return_sends_the_letter_back_with_code_and_legal_basis() -> None:
    outcome = send_back(a_case(State.HANDLING_PROPOSED, proposal=RETURN), "checker-1", RETURN_TEXT)

    assert outcome.case.state is State.RETURNED
    assert kinds(outcome) == [ContactLetterReturned, LetterReturnDocument]
    returned = fact(outcome)
    assert (returned.code, returned.legal_basis) == ("STILL_CONTRIBUTING", RETURN_TEXT.legal_basis)
    assert (returned.maker, returned.checker) == ("maker-1", "checker-1")
    assert body(outcome) == LetterReturn(
        letter_no=LETTER_NO, code="STILL_CONTRIBUTING", legal_basis=RETURN_TEXT.legal_basis, note="pays until June"
    )


def test_an_approved_form_is_told_with_both_persons_and_leaves_for_the_destination() -> None:
    form = a_form(items(300, 700), form_version=1, months=27)

    outcome = issue_form(a_case(State.HANDLING_PROPOSED), "checker-1", form)

    assert outcome.case == a_case(State.FORM_ISSUED)
    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument]
    issued = fact(outcome)
    assert (issued.items, issued.supersedes, issued.months) == (form.items, None, 27)
    assert (issued.maker, issued.checker) == ("maker-1", "checker-1")
    letter = outcome.told[-1]
    assert letter == Letter(InformationFormDocument, form, CASE, PERSON, "33", version=1)


def test_a_second_form_names_what_it_replaces() -> None:
    case = a_case(State.HANDLING_PROPOSED, form_version=1, items=items(300, 700))

    outcome = issue_form(case, "checker-1", a_form(items(400, 800), form_version=2))

    assert fact(outcome).supersedes == items(300, 700)
    assert outcome.case.items == items(400, 800)
    assert outcome.case.to_remit_fen == 1200


def test_whoever_proposed_a_return_cannot_approve_it() -> None:
    case = a_case(State.HANDLING_PROPOSED, proposal=RETURN)

    with pytest.raises(SamePerson):
        send_back(case, "maker-1", RETURN_TEXT)


def test_whoever_proposed_the_form_cannot_approve_it() -> None:
    case = a_case(State.HANDLING_PROPOSED)

    with pytest.raises(SamePerson):
        issue_form(case, "maker-1", a_form())


def test_a_remittance_is_proposed_then_ordered_then_paid_and_ends_the_relationship() -> None:
    proposed = propose_remittance(a_case(State.FORM_ISSUED))

    ordered = order_remittance(proposed.case, "R1")
    paid = pay(ordered.case)

    assert proposed.case.state is State.REMITTANCE_PROPOSED
    assert ordered.case == a_case(State.REMITTANCE_ORDERED)
    assert (proposed.told, ordered.told) == ((), ())
    assert paid.case == a_case(State.REMITTED)
    assert kinds(paid) == [FundsRemitted, RelationshipClosed, AccountClosed]
    money = fact(paid)
    assert (money.remittance_id, money.bank_reference, money.amount_fen, money.form_version) == ("R1", "B1", 1000, 1)
    assert (money.maker, money.checker) == ("fund-1", "checker-1")


def test_money_that_the_bank_returns_is_owed_again_and_paid_again_without_a_second_end() -> None:
    back = bank_returns(a_case(State.REMITTED))

    again = pay(order_remittance(propose_remittance(back.case).case, "R2").case)

    assert back.case.state is State.FORM_ISSUED
    assert back.case.to_remit_fen == 1000
    assert kinds(back) == [FundsReturned]
    assert (fact(back).line_id, fact(back).reason) == ("L1", "account closed")
    assert kinds(again) == [FundsRemitted]
    assert again.case.remitted_fen == 1000


def test_what_is_paid_is_what_the_form_says_and_nothing_else() -> None:
    with pytest.raises(AssertionError):
        pay(a_case(State.REMITTANCE_ORDERED), amount_fen=999)


def test_a_form_without_money_has_nothing_to_remit() -> None:
    with pytest.raises(NotNow):
        propose_remittance(a_case(State.FORM_ISSUED, items=items(0, 0)))


def test_the_completion_settles_the_case_once() -> None:
    first = settle(a_case(State.REMITTED), a_completion())

    second = settle(first.case, a_completion())

    assert first.case.state is State.SETTLED
    assert kinds(first) == [TransferSettled]
    assert second == Outcome(first.case)


def test_a_completion_may_overtake_the_booking_of_the_own_payment_which_is_still_booked() -> None:
    # The bank took the order, the desk's process died before it had booked, and the money was faster than its return.
    overtaken = settle(a_case(State.REMITTANCE_ORDERED), a_completion())

    booked = pay(overtaken.case)

    assert kinds(overtaken) == [TransferSettled]
    assert kinds(booked) == [FundsRemitted, RelationshipClosed, AccountClosed]
    assert booked.case.state is State.SETTLED
    assert booked.case.to_remit_fen == 0


def test_a_form_without_money_is_settled_without_a_remittance() -> None:
    outcome = settle(a_case(State.FORM_ISSUED, items=items(0, 0)), a_completion(total_fen=0))

    assert outcome.case.state is State.SETTLED


@pytest.mark.parametrize("state", sorted(UNDECIDED | {State.RETURNED, State.CANCELLED, State.FORM_ISSUED}))
def test_a_completion_of_what_was_never_sent_is_refused(state: State) -> None:
    with pytest.raises(NotNow, match=str(state)):
        settle(a_case(state), a_completion())


def test_a_completion_of_another_letter_cannot_be() -> None:
    with pytest.raises(AssertionError):
        settle(a_case(State.REMITTED), a_completion(letter_no="LXH-330100-20240506-000002"))


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_a_withdrawal_is_confirmed_while_nothing_is_approved(state: State) -> None:
    outcome = withdraw(a_case(state), WITHDRAWAL)

    assert outcome.case.state is State.CANCELLED
    assert kinds(outcome) == [WithdrawalAnswered, WithdrawalAnswerDocument]
    assert fact(outcome).confirmed
    assert body(outcome) == WithdrawalAnswer(letter_no=LETTER_NO, confirmed=True)


@pytest.mark.parametrize("state", sorted(set(State) - UNDECIDED - ENDED | {State.SETTLED}))
def test_a_withdrawal_is_declined_with_its_reason_once_the_form_is_approved(state: State) -> None:
    case = a_case(state)

    outcome = withdraw(case, WITHDRAWAL)

    assert outcome.case == case
    assert not fact(outcome).confirmed
    assert body(outcome) == WithdrawalAnswer(letter_no=LETTER_NO, confirmed=False, reason="the information form is approved")


def test_a_withdrawal_that_crossed_a_return_is_not_told_of_a_form_that_never_was() -> None:
    outcome = withdraw(a_case(State.RETURNED), WITHDRAWAL)

    assert body(outcome) == WithdrawalAnswer(letter_no=LETTER_NO, confirmed=False, reason="the letter was sent back")


STEPS: dict[str, tuple[frozenset[State], Callable[[Case], Outcome]]] = {
    "a proposal": (UNDECIDED, lambda case: propose(case, FORM)),
    "approving a return": (
        frozenset({State.HANDLING_PROPOSED}),
        lambda case: send_back(a_case(case.state, proposal=RETURN), "checker-1", RETURN_TEXT),
    ),
    "approving the form": (frozenset({State.HANDLING_PROPOSED}), lambda case: issue_form(case, "checker-1", a_form())),
    "a remittance": (frozenset({State.FORM_ISSUED}), propose_remittance),
    "approving a remittance": (frozenset({State.REMITTANCE_PROPOSED}), lambda case: order_remittance(case, "R1")),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("name", list(STEPS))
def test_a_step_is_taken_in_its_own_states_and_refused_in_every_other(name: str, state: State) -> None:
    allowed, act = STEPS[name]

    try:
        act(a_case(state))
        found: tuple[str, str] | None = None
    except NotNow as refused:
        found = (refused.step, str(refused.state))

    assert found == (None if state in allowed else (name, str(state)))


def test_what_the_cases_tell_follows_the_order_that_auditors_demand() -> None:
    opened = open_case(CASE, "33", a_letter(), PERSON, on=MONDAY, due=Due(DUE_ON, REMIND_ON))
    issued = issue_form(propose(opened.case, FORM).case, "checker-1", a_form())
    paid = pay(order_remittance(propose_remittance(issued.case).case, "R1").case)
    back = bank_returns(paid.case)
    again = pay(order_remittance(propose_remittance(back.case).case, "R2").case)
    ended = settle(again.case, a_completion())

    seen, problems = 0, []
    for outcome in (opened, issued, paid, back, again, ended):
        for told in outcome.told:
            if isinstance(told, Fact):
                seen, problem = step(seen, told.type_name)
                problems.append(problem)

    assert problems == [None] * 8


def test_before_ten_working_days_the_clock_says_nothing() -> None:
    case = a_case()

    outcome = look_at_clock(case, today=REMIND_ON - timedelta(days=1))

    assert outcome == Outcome(case)


def test_after_ten_working_days_the_clock_reminds_once() -> None:
    first = look_at_clock(a_case(), today=REMIND_ON)

    second = look_at_clock(first.case, today=DUE_ON)

    assert first.told == (DeadlineReminded(case_id=CASE, person_ref=PERSON, leg=Leg.ORIGIN, holder="44", due_on=DUE_ON),)
    assert second == Outcome(first.case)


def test_on_the_day_after_the_fifteenth_the_breach_is_raised_once() -> None:
    reminded = look_at_clock(a_case(), today=REMIND_ON).case

    first = look_at_clock(reminded, today=DUE_ON + timedelta(days=1))
    second = look_at_clock(first.case, today=DUE_ON + timedelta(days=30))

    assert first.told == (DeadlineBreached(case_id=CASE, person_ref=PERSON, leg=Leg.ORIGIN, holder="44", due_on=DUE_ON),)
    assert second == Outcome(first.case)


def test_a_clock_that_is_first_looked_at_too_late_raises_the_breach_without_a_reminder_after_it() -> None:
    late = look_at_clock(a_case(), today=DUE_ON + timedelta(days=1))

    again = look_at_clock(late.case, today=DUE_ON + timedelta(days=2))

    assert kinds(late) == [DeadlineBreached]
    assert again.told == ()


@pytest.mark.parametrize("state", list(State))
def test_the_clock_runs_until_the_money_has_left(state: State) -> None:
    outcome = look_at_clock(a_case(state), today=DUE_ON + timedelta(days=1))

    assert bool(outcome.told) is (state in OPEN_LEG)


def test_a_reminder_of_the_destination_shows_on_the_case_and_a_query_changes_nothing() -> None:
    case = a_case(State.REMITTED)

    reminded, asked = hear(case, a(Reminder)), hear(case, a(Query))

    assert reminded.case.reminded
    assert asked == Outcome(case)


def test_a_form_without_money_ends_the_relationship_at_once_and_nothing_is_to_be_paid() -> None:
    proposed = a_case(state=State.HANDLING_PROPOSED, proposal=FORM)
    form = a_form(items=items(account_fen=0, pool_fen=0))

    outcome = issue_form(proposed, "checker", form)

    assert (outcome.case.state, outcome.case.closed) == (State.REMITTED, True)
    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument, RelationshipClosed, AccountClosed]
    with pytest.raises(NotNow):
        propose_remittance(outcome.case)


def test_a_provisional_due_date_is_counted_again_once_the_calendar_is_known() -> None:
    guessed = Due(DUE_ON, REMIND_ON, provisional=True, limit="LETTER_TO_FORM", started_on=MONDAY)
    known = Due(DUE_ON + timedelta(days=3), REMIND_ON, provisional=False, limit="LETTER_TO_FORM", started_on=MONDAY)

    outcome = count_again(a_case(due=guessed), known, rule_set="new")

    assert outcome.case.due == known
    assert (fact(outcome).was_due_on, fact(outcome).due_on, fact(outcome).rule_set) == (DUE_ON, known.due_on, "new")
    assert count_again(a_case(due=known), known, rule_set="new").told == ()
