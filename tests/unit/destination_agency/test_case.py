"""The destination's side of a transfer, step by step: what is told, what the person sees, and what is not possible now."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeVar

import pytest

from contracts.base import Fact, SealedForPerson
from contracts.documents import (
    CompletionNotice,
    LetterReturn,
    Query,
    Reminder,
    Withdrawal,
    WithdrawalAnswer,
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
    FundsReceived,
    FundsSentBack,
    InformationFormReceived,
    Refused,
    TransferReturned,
    WithdrawalDeclined,
    WithdrawalRequested,
)
from contracts.statuses import Leg, Status
from services.destination_agency.case import (
    ENDED,
    Case,
    Decision,
    NotNow,
    Outcome,
    SamePerson,
    State,
    apply,
    complete,
    count_again,
    look_at_clock,
    propose_admission,
    propose_completion,
    propose_sending_back,
    refuse,
    returned,
    send_letter,
    sent_back,
    withdraw,
    withdrawal_answered,
)
from services.records.decisions import Letter
from tests.builders import a
from tests.unit.destination_agency.builders import (
    ACCEPT,
    ADMISSION_DUE,
    APPLIED,
    ARRIVED,
    BOOKED,
    BOOKING_DUE,
    DECIDED,
    LETTER_NO,
    ORIGIN_DUE,
    REFUSE,
    TOTAL,
    a_case,
    a_form,
    a_letter,
    a_line,
    a_smaller_form,
    booking,
    completed,
    completion_proposed,
    facts,
    form_comes,
    in_state,
    lettered,
    money_comes,
    names,
    proposed,
    shown,
    withdrawing,
)

FactT = TypeVar("FactT", bound=Fact)

CONFIRMED = WithdrawalAnswer(letter_no=LETTER_NO, confirmed=True)
DECLINED = WithdrawalAnswer(letter_no=LETTER_NO, confirmed=False, reason="the information form is approved")
RETURN = LetterReturn(letter_no=LETTER_NO, code="NO_RELATIONSHIP", legal_basis="国办发〔2009〕66号 第八条第(三)项")


def _letters(outcome: Outcome) -> list[Letter]:
    return [told for told in outcome.told if isinstance(told, Letter)]


def _fact(outcome: Outcome, kind: type[FactT]) -> FactT:
    [found] = [fact for fact in facts(outcome) if isinstance(fact, kind)]
    return found


# The application and its decision


def test_an_application_tells_the_person_who_holds_it_and_until_when() -> None:
    case = a_case()

    outcome = apply(case, a(SealedForPerson))

    applied = _fact(outcome, Applied)
    assert outcome.case == case
    assert applied.public is not None
    assert (applied.public.status, applied.public.holder) == (Status.SUBMITTED, "33")
    assert applied.public.due_on == applied.due_on == ADMISSION_DUE.due_on


def test_a_proposal_tells_nobody_anything_yet() -> None:
    case = a_case()

    outcome = propose_admission(case, "maker-33", ACCEPT)

    assert outcome.told == ()
    assert (outcome.case.state, outcome.case.status) == (State.ADMISSION_PROPOSED, Status.SUBMITTED)
    assert (outcome.case.maker, outcome.case.decision) == ("maker-33", ACCEPT)


def test_another_maker_may_propose_otherwise_while_nobody_has_checked() -> None:
    case = proposed(ACCEPT)

    again = propose_admission(case, "maker-b", REFUSE).case

    assert (again.maker, again.decision) == ("maker-b", REFUSE)


def test_an_admitted_case_leaves_as_a_contact_letter_and_the_origin_s_clock_begins() -> None:
    case = proposed()

    outcome = send_letter(case, "checker-33", a_letter(), today=DECIDED, due=ORIGIN_DUE, rule_set="2024.1")

    accepted, sent = _fact(outcome, Accepted), _fact(outcome, ContactLetterSent)
    [letter] = _letters(outcome)
    assert names(outcome) == ["transfer.accepted", "contact_letter.sent", "document.contact_letter"]
    assert (accepted.maker, accepted.checker, accepted.rule) == ("maker-33", "checker-33", "K4")
    assert sent.public == outcome.case.public()
    assert (letter.addressee, letter.body) == ("44", a_letter())
    public = outcome.case.public()
    assert (public.status, public.holder, public.since, public.due_on) == (Status.LETTER_SENT, "44", DECIDED, ORIGIN_DUE.due_on)


def test_a_letter_starts_a_leg_that_was_neither_reminded_nor_breached() -> None:
    late = look_at_clock(proposed(), today=ADMISSION_DUE.due_on + timedelta(days=1)).case

    sent = send_letter(late, "checker-33", a_letter(), today=date(2024, 5, 28), due=ORIGIN_DUE, rule_set="2024.1").case

    assert late.breached
    assert (sent.reminded, sent.breached, sent.public().overdue) == (False, False, False)


def test_a_refusal_is_told_in_writing_with_rule_code_and_legal_basis() -> None:
    case = proposed(REFUSE)

    outcome = refuse(case, "checker-33", today=DECIDED, rule_set="2024.1")

    refused = _fact(outcome, Refused)
    public = outcome.case.public()
    assert (refused.code, refused.rule) == ("NOT_INSURED_AT_DESTINATION", "R03")
    assert refused.legal_basis == "国办发〔2009〕66号 第八条第(一)项"
    assert (refused.maker, refused.checker) == ("maker-33", "checker-33")
    assert outcome.case.state is State.REFUSED
    assert (public.status, public.holder, public.due_on) == (Status.REJECTED, "33", None)
    assert public.code == "NOT_INSURED_AT_DESTINATION"


def test_a_temporary_account_is_shown_as_such_and_not_as_a_rejection() -> None:
    case = proposed(Decision("refuse", "K3", "TEMP_ACCOUNT_AT_DESTINATION", "国办发〔2009〕66号 第五条第(二)项"))

    outcome = refuse(case, "checker-33", today=DECIDED, rule_set="2024.1")

    assert shown(outcome) == ["TEMP_ACCOUNT"]
    assert outcome.case.state is State.REFUSED


@pytest.mark.parametrize("decision", [ACCEPT, REFUSE], ids=["acceptance", "refusal"])
def test_an_admission_needs_two_persons(decision: Decision) -> None:
    case = proposed(decision)

    with pytest.raises(SamePerson):
        _approve(case, "maker-33")


@pytest.mark.parametrize("state", sorted(set(State) - {State.ADMISSION_PROPOSED}))
def test_only_what_was_proposed_can_be_approved(state: State) -> None:
    case = in_state(state)

    with pytest.raises(NotNow, match=f"approving an admission is not possible while the case is {state}"):
        _approve(case, "checker-33")


@pytest.mark.parametrize("state", sorted(set(State) - {State.REVIEWING, State.ADMISSION_PROPOSED}))
def test_a_decided_application_is_not_decided_again(state: State) -> None:
    case = in_state(state)

    with pytest.raises(NotNow) as refused:
        propose_admission(case, "maker-33", ACCEPT)

    assert refused.value.state is state


def _approve(case: Case, checker: str) -> Outcome:
    if case.decision is not None and case.decision.outcome == "refuse":
        return refuse(case, checker, today=DECIDED, rule_set="2024.1")
    return send_letter(case, checker, a_letter(), today=DECIDED, due=ORIGIN_DUE, rule_set="2024.1")


# The letter comes back


@pytest.mark.parametrize("state", [State.LETTER_SENT, State.WITHDRAWING])
def test_a_returned_letter_ends_the_case_with_the_origin_s_reason(state: State) -> None:
    outcome = returned(in_state(state), RETURN, today=ARRIVED)

    told = _fact(outcome, TransferReturned)
    public = outcome.case.public()
    assert (told.code, told.legal_basis) == (RETURN.code, RETURN.legal_basis)
    assert outcome.case.state is State.RETURNED
    assert (public.status, public.code, public.holder, public.due_on) == (Status.RETURNED, "NO_RELATIONSHIP", "33", None)


@pytest.mark.parametrize("state", sorted(set(State) - {State.LETTER_SENT, State.WITHDRAWING}))
def test_a_letter_that_is_not_out_cannot_come_back(state: State) -> None:
    with pytest.raises(NotNow, match="a return is not possible"):
        returned(in_state(state), RETURN, today=ARRIVED)


# Form and money


def test_a_form_that_comes_first_waits_for_its_money_with_the_origin() -> None:
    outcome = form_comes(lettered())

    received = _fact(outcome, InformationFormReceived)
    public = outcome.case.public()
    assert outcome.case.state is State.FORM_HELD
    assert (received.form_version, received.items, received.superseded) == (1, a_form().items, False)
    assert received.public == public
    assert (public.status, public.holder, public.due_on) == (Status.FUND_IN_TRANSIT, "44", ORIGIN_DUE.due_on)


def test_money_that_comes_first_stays_in_suspense_and_the_last_leg_does_not_begin() -> None:
    outcome = money_comes(lettered())

    assert names(outcome) == ["funds.received"]
    assert shown(outcome) == []
    assert outcome.case.state is State.MONEY_HELD
    assert outcome.case.received_fen == TOTAL
    assert (outcome.case.public().status, outcome.case.public().holder) == (Status.LETTER_SENT, "44")
    assert outcome.case.due == ORIGIN_DUE


@pytest.mark.parametrize("first", ["form", "money"])
def test_when_form_and_money_meet_the_last_leg_begins_here_in_either_order(first: str) -> None:
    case = lettered()

    outcome = money_comes(form_comes(case).case) if first == "form" else form_comes(money_comes(case).case)

    public = outcome.case.public()
    assert outcome.case.state is State.BOOKING
    assert shown(outcome) == ["BOOKING"]
    assert (public.holder, public.since, public.due_on) == ("33", ARRIVED, BOOKING_DUE.due_on)
    assert (outcome.case.reminded, outcome.case.breached) == (False, False)


def test_short_money_is_a_discrepancy_and_the_origin_is_asked() -> None:
    outcome = money_comes(form_comes(lettered()).case, TOTAL - 180_000)

    raised = _fact(outcome, DiscrepancyRaised)
    [query] = _letters(outcome)
    assert names(outcome) == ["funds.received", "discrepancy.raised", "document.query"]
    assert (raised.kind, raised.expected_fen, raised.found_fen, raised.difference_fen) == (
        "SHORT",
        TOTAL,
        TOTAL - 180_000,
        -180_000,
    )
    assert query.body == Query(letter_no=LETTER_NO, kind="SHORT", expected_fen=TOTAL, found_fen=TOTAL - 180_000)
    assert (outcome.case.state, shown(outcome)) == (State.DISCREPANCY, ["DISCREPANCY"])
    assert outcome.case.public().holder == "44"


def test_a_discrepancy_is_raised_once_while_it_lasts() -> None:
    short = money_comes(form_comes(lettered()).case, TOTAL - 200).case

    still_short = money_comes(short, 100)

    assert names(still_short) == ["funds.received"]
    assert still_short.case.state is State.DISCREPANCY


def test_the_missing_money_resolves_the_discrepancy() -> None:
    short = money_comes(form_comes(lettered()).case, TOTAL - 180_000).case

    outcome = money_comes(short, 180_000)

    assert names(outcome) == ["funds.received", "discrepancy.resolved"]
    assert (outcome.case.state, outcome.case.discrepancy) == (State.BOOKING, None)
    assert shown(outcome) == ["BOOKING"]


def test_a_new_version_of_the_form_resolves_the_discrepancy() -> None:
    short = money_comes(form_comes(lettered()).case, TOTAL - 180_000).case

    outcome = form_comes(short, a_smaller_form(2))

    assert names(outcome) == ["information_form.received", "discrepancy.resolved"]
    assert outcome.case.state is State.BOOKING
    assert outcome.case.form == a_smaller_form(2)


def test_money_above_the_form_is_booked_up_to_the_form_and_named() -> None:
    outcome = money_comes(form_comes(lettered()).case, TOTAL + 500)

    raised = _fact(outcome, DiscrepancyRaised)
    assert (raised.kind, raised.difference_fen, raised.public) == ("OVERPAID", 500, None)
    assert outcome.case.state is State.BOOKING
    assert outcome.case.surplus_fen == 500
    assert shown(outcome) == ["BOOKING"]


def test_the_same_remittance_twice_is_noted_as_a_duplicate_and_its_money_as_surplus() -> None:
    outcome = money_comes(booking())

    received = _fact(outcome, FundsReceived)
    assert received.duplicate
    assert names(outcome) == ["funds.received", "discrepancy.raised"]
    assert (outcome.case.state, outcome.case.surplus_fen) == (State.BOOKING, TOTAL)


def test_money_of_another_remittance_is_no_duplicate() -> None:
    outcome = money_comes(booking(), line=a_line(remittance="remittance-2"))

    assert not _fact(outcome, FundsReceived).duplicate
    assert outcome.case.surplus_fen == TOTAL


def test_a_statement_line_that_is_shown_again_changes_nothing() -> None:
    line = a_line()
    case = money_comes(lettered(), line=line).case

    outcome = money_comes(case, line=line)

    assert outcome.told == ()
    assert outcome.case == case


def test_money_after_the_completion_is_surplus_and_does_not_open_the_case_again() -> None:
    outcome = money_comes(completed(), 700)

    assert names(outcome) == ["funds.received", "discrepancy.raised"]
    assert (outcome.case.state, outcome.case.surplus_fen) == (State.COMPLETED, 700)


@pytest.mark.parametrize("state", [State.REFUSED, State.RETURNED, State.CANCELLED])
def test_all_money_of_a_case_that_came_to_nothing_is_surplus(state: State) -> None:
    outcome = money_comes(in_state(state), 700)

    raised = _fact(outcome, DiscrepancyRaised)
    assert (raised.kind, raised.expected_fen, raised.found_fen) == ("OVERPAID", 0, 700)
    assert outcome.case.surplus_fen == 700


@pytest.mark.parametrize("state", [State.REVIEWING, State.ADMISSION_PROPOSED])
def test_money_that_nobody_asked_for_yet_does_not_keep_the_application_from_being_decided(state: State) -> None:
    outcome = money_comes(in_state(state))

    assert names(outcome) == ["funds.received"]
    assert (outcome.case.state, outcome.case.received_fen) == (state, TOTAL)
    sent = _approve(propose_admission(outcome.case, "maker-33", ACCEPT).case, "checker-33").case
    assert form_comes(sent).case.state is State.BOOKING


def test_a_form_that_disagrees_with_itself_is_a_discrepancy_whatever_money_is_there() -> None:
    outcome = form_comes(lettered(), fault="AMOUNTS_DIFFER")
    with_money = money_comes(outcome.case)

    assert (outcome.case.state, outcome.case.discrepancy) == (State.DISCREPANCY, "AMOUNTS_DIFFER")
    assert names(outcome) == ["information_form.received", "discrepancy.raised", "document.query"]
    assert names(with_money) == ["funds.received"]
    assert with_money.case.state is State.DISCREPANCY


def test_a_sound_second_version_resolves_the_fault_of_the_first() -> None:
    faulty = form_comes(lettered(), fault="AMOUNTS_DIFFER").case

    without_money = form_comes(faulty, a_form(2))
    with_money = form_comes(money_comes(faulty).case, a_form(2))

    assert names(without_money) == ["information_form.received", "discrepancy.resolved"]
    assert (without_money.case.state, shown(without_money)) == (State.FORM_HELD, ["FUND_IN_TRANSIT"])
    assert (with_money.case.state, shown(with_money)) == (State.BOOKING, ["BOOKING"])


def test_an_older_version_that_comes_late_is_noted_and_changes_nothing() -> None:
    case = form_comes(lettered(), a_form(2)).case

    outcome = form_comes(case, a_smaller_form(1), fault="AMOUNTS_DIFFER")

    assert _fact(outcome, InformationFormReceived).superseded
    assert names(outcome) == ["information_form.received"]
    assert outcome.case == case


def test_a_newer_form_takes_back_a_proposed_completion() -> None:
    case = completion_proposed()

    same = form_comes(case, a_form(2)).case
    larger = form_comes(case, a_form(2, changed={"pool_fen": 9, "total_fen": TOTAL + 9}))

    assert (same.state, same.maker) == (State.BOOKING, None)
    assert (larger.case.state, larger.case.discrepancy) == (State.DISCREPANCY, "SHORT")
    with pytest.raises(NotNow):
        complete(same, "checker-33", today=BOOKED)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_form_for_an_ended_case_is_not_expected(state: State) -> None:
    with pytest.raises(NotNow, match="an information form is not possible"):
        form_comes(in_state(state), a_form(9))


# The completion


def test_a_completion_is_booked_by_two_persons_and_told_to_the_person_and_the_origin() -> None:
    case = completion_proposed()

    outcome = complete(case, "checker-33", today=BOOKED)

    told = _fact(outcome, Completed)
    [notice] = _letters(outcome)
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


# Withdrawals


@pytest.mark.parametrize("state", [State.REVIEWING, State.ADMISSION_PROPOSED])
def test_before_the_letter_a_withdrawal_takes_effect_at_once(state: State) -> None:
    outcome = withdraw(in_state(state), "insured-1", today=DECIDED)

    assert names(outcome) == ["transfer.cancelled"]
    assert (outcome.case.state, shown(outcome)) == (State.CANCELLED, ["CANCELLED"])
    assert outcome.case.public().due_on is None


def test_after_the_letter_the_origin_is_asked_first() -> None:
    outcome = withdraw(lettered(), "insured-1", today=ARRIVED)

    [letter] = _letters(outcome)
    assert _fact(outcome, WithdrawalRequested).actor == "insured-1"
    assert (letter.addressee, letter.body) == ("44", Withdrawal(letter_no=LETTER_NO, requested_on=ARRIVED))
    assert outcome.case.state is State.WITHDRAWING
    assert shown(outcome) == []


def test_a_confirmed_withdrawal_cancels_the_case() -> None:
    outcome = withdrawal_answered(withdrawing(), CONFIRMED, today=ARRIVED)

    assert _fact(outcome, Cancelled).public == outcome.case.public()
    assert outcome.case.state is State.CANCELLED


def test_a_declined_withdrawal_lets_the_transfer_go_on() -> None:
    outcome = withdrawal_answered(withdrawing(), DECLINED, today=ARRIVED)

    assert _fact(outcome, WithdrawalDeclined).reason == "the information form is approved"
    assert outcome.case.state is State.LETTER_SENT


def test_a_form_that_was_on_its_way_wins_over_the_withdrawal() -> None:
    held = form_comes(withdrawing()).case

    outcome = withdrawal_answered(held, DECLINED, today=ARRIVED)

    assert held.state is outcome.case.state is State.FORM_HELD
    assert names(outcome) == ["withdrawal.declined"]


def test_money_that_overtakes_a_confirmed_withdrawal_is_surplus() -> None:
    held = money_comes(withdrawing(), 700).case

    outcome = withdrawal_answered(held, CONFIRMED, today=ARRIVED)

    assert outcome.case.state is State.CANCELLED
    assert outcome.case.surplus_fen == 700


@pytest.mark.parametrize("state", sorted(set(State) - {State.WITHDRAWING, State.MONEY_HELD}))
def test_no_origin_can_cancel_what_nobody_withdrew_or_what_has_a_form(state: State) -> None:
    with pytest.raises(NotNow, match="a confirmed withdrawal is not possible"):
        withdrawal_answered(in_state(state), CONFIRMED, today=ARRIVED)


@pytest.mark.parametrize("state", sorted(set(State) - {State.REVIEWING, State.ADMISSION_PROPOSED, State.LETTER_SENT}))
def test_a_withdrawal_is_too_late_once_something_has_arrived_or_ended(state: State) -> None:
    with pytest.raises(NotNow, match="a withdrawal is not possible"):
        withdraw(in_state(state), "insured-1", today=ARRIVED)


# Money that goes back


def test_surplus_goes_back_and_what_the_form_says_stays() -> None:
    case = propose_sending_back(money_comes(completed(), 700).case, "fund-desk-33").case

    outcome = sent_back(
        case, remittance_id="remittance-1", reference="bank-7", amount_fen=700, maker="fund-desk-33", checker="checker-33"
    )

    fact = _fact(outcome, FundsSentBack)
    assert (fact.amount_fen, fact.remittance_id, fact.bank_reference) == (700, "remittance-1", "bank-7")
    assert (fact.maker, fact.checker) == ("fund-desk-33", "checker-33")
    assert (outcome.case.received_fen, outcome.case.surplus_fen, outcome.case.surplus_maker) == (TOTAL, 0, None)


@pytest.mark.parametrize("state", sorted(State))
def test_where_nothing_is_too_much_nothing_is_proposed_to_go_back(state: State) -> None:
    with pytest.raises(NotNow, match="sending money back"):
        propose_sending_back(in_state(state), "fund-desk-33")


# The clocks


LEGS: list[tuple[Callable[[], Case], Leg, str]] = [
    (a_case, Leg.ADMISSION, "33"),
    (proposed, Leg.ADMISSION, "33"),
    (lettered, Leg.ORIGIN, "44"),
    (withdrawing, Leg.ORIGIN, "44"),
    (booking, Leg.BOOKING, "33"),
    (completion_proposed, Leg.BOOKING, "33"),
]


@pytest.mark.parametrize(("make", "leg", "holder"), LEGS)
def test_each_leg_is_reminded_at_ten_working_days_and_breached_after_fifteen(
    make: Callable[[], Case], leg: Leg, holder: str
) -> None:
    case = make()

    early = look_at_clock(case, today=case.due.remind_on - timedelta(days=1))
    reminded = look_at_clock(case, today=case.due.remind_on)
    last_day = look_at_clock(reminded.case, today=case.due.due_on)
    breached = look_at_clock(reminded.case, today=case.due.due_on + timedelta(days=1))
    later = look_at_clock(breached.case, today=case.due.due_on + timedelta(days=60))

    assert early.told == ()
    reminder, breach = _fact(reminded, DeadlineReminded), _fact(breached, DeadlineBreached)
    assert (reminder.leg, reminder.holder, reminder.due_on) == (leg, holder, case.due.due_on)
    assert last_day.told == ()
    assert (breach.leg, breach.holder) == (leg, holder)
    assert breach.public is not None
    assert breach.public.overdue
    assert breach.public == breached.case.public()
    assert later.told == ()


def test_a_breach_that_nobody_was_reminded_of_is_not_reminded_afterwards() -> None:
    breached = look_at_clock(a_case(), today=date(2024, 6, 30))

    again = look_at_clock(breached.case, today=date(2024, 7, 1))

    assert names(breached) == ["deadline.breached"]
    assert again.told == ()


@pytest.mark.parametrize(("days", "is_breach"), [(0, False), (8, True)], ids=["reminder", "breach"])
def test_the_origin_is_written_to_when_its_leg_runs_out(days: int, is_breach: bool) -> None:
    outcome = look_at_clock(lettered(), today=ORIGIN_DUE.remind_on + timedelta(days=days))

    [letter] = _letters(outcome)
    assert (letter.addressee, letter.body) == (
        "44",
        Reminder(letter_no=LETTER_NO, due_on=ORIGIN_DUE.due_on, breached=is_breach),
    )


@pytest.mark.parametrize("make", [a_case, booking])
def test_nobody_else_is_written_to_about_our_own_delay(make: Callable[[], Case]) -> None:
    outcome = look_at_clock(make(), today=date(2024, 6, 30))

    assert _letters(outcome) == []


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_case_has_no_clock(state: State) -> None:
    case = in_state(state)

    outcome = look_at_clock(case, today=date(2030, 1, 1))

    assert outcome.told == ()
    assert case.leg is None
    assert case.public().due_on is None


def test_every_open_state_has_a_leg_and_a_due_date() -> None:
    open_states = [in_state(state) for state in State if state not in ENDED]

    assert [case for case in open_states if case.leg is None or case.public().due_on is None] == []


def test_what_is_shown_is_since_the_day_it_changed_and_stays_so() -> None:
    case = lettered()

    later = look_at_clock(case, today=date(2024, 6, 30)).case

    assert a_case().public().since == APPLIED
    assert case.public().since == later.public().since == DECIDED
    assert replace(later, breached=False).public() == case.public()


def test_a_provisional_due_date_is_shown_as_such_and_counted_again_once_the_calendar_is_known() -> None:
    known = ORIGIN_DUE
    guessed = replace(known, due_on=known.due_on - timedelta(days=3), provisional=True)
    case = replace(lettered(), due=guessed)

    outcome = count_again(case, known, rule_set="new")

    assert case.public().due_provisional
    assert not outcome.case.public().due_provisional
    assert outcome.case.due == known
    assert _fact(outcome, DeadlineRecomputed).was_due_on == guessed.due_on


def test_a_form_without_money_goes_straight_to_booking() -> None:
    nothing = a_form().items.model_copy(update=dict.fromkeys(a_form().items.model_fields_set, 0))

    outcome = form_comes(lettered(), a_form().model_copy(update={"items": nothing}))

    assert outcome.case.state is State.BOOKING
    assert shown(outcome) == ["BOOKING"]
