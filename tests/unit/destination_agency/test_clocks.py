"""The clocks of the legs: reminders, breaches, escalation, and what stands or closes by itself."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from contracts.documents import (
    Reminder,
)
from contracts.events import (
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineRecomputed,
    DeadlineReminded,
    TransferClosed,
)
from contracts.statuses import Leg
from services.destination_agency.case import ENDED, PAUSES, Case, Refused, State
from services.destination_agency.clocks import CLOCK, count_again, escalate, look_at_clock, remind
from tests.unit.destination_agency.builders import (
    APPLIED,
    ARRIVED,
    CURABLE_UNTIL,
    DECIDED,
    LETTER_NO,
    ORIGIN_DUE,
    a_case,
    booking,
    completion_proposed,
    correction_held,
    fact_of,
    form_comes,
    in_state,
    lettered,
    letters_of,
    money_comes,
    names,
    proposed,
    shown,
    withdrawing,
)

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
    reminder, breach = fact_of(reminded, DeadlineReminded), fact_of(breached, DeadlineBreached)
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

    [letter] = letters_of(outcome)
    assert (letter.addressee, letter.body) == (
        "44",
        Reminder(letter_no=LETTER_NO, due_on=ORIGIN_DUE.due_on, breached=is_breach),
    )


@pytest.mark.parametrize("make", [a_case, booking])
def test_nobody_else_is_written_to_about_our_own_delay(make: Callable[[], Case]) -> None:
    outcome = look_at_clock(make(), today=date(2024, 6, 30))

    assert letters_of(outcome) == []


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_case_has_no_clock(state: State) -> None:
    case = in_state(state)

    outcome = look_at_clock(case, today=date(2030, 1, 1))

    assert outcome.told == ()
    assert case.leg is None
    assert case.public().due_on is None


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
    assert fact_of(outcome, DeadlineRecomputed).was_due_on == guessed.due_on


# The supervisors


ESCALATED_ON = ORIGIN_DUE.due_on + timedelta(days=8)


def overdue(make: Callable[[], Case] = lettered) -> Case:
    case = make()
    return look_at_clock(case, today=case.due.due_on + timedelta(days=1), escalate_on=ESCALATED_ON).case


def test_a_leg_that_stays_overdue_is_escalated_once_and_the_origin_is_told_so() -> None:
    case = overdue()

    early = look_at_clock(case, today=ESCALATED_ON - timedelta(days=1))
    outcome = look_at_clock(case, today=ESCALATED_ON)
    later = look_at_clock(outcome.case, today=ESCALATED_ON + timedelta(days=60))

    fact = fact_of(outcome, DeadlineEscalated)
    [letter] = letters_of(outcome)
    assert early.told == later.told == ()
    assert (fact.leg, fact.holder, fact.due_on, fact.actor) == (Leg.ORIGIN, "44", ORIGIN_DUE.due_on, CLOCK)
    assert fact.public == outcome.case.public()
    assert fact.public is not None
    assert fact.public.overdue
    assert letter.body == Reminder(letter_no=LETTER_NO, due_on=ORIGIN_DUE.due_on, breached=True, escalated=True)


def test_a_clerk_may_escalate_what_is_overdue_and_the_clock_does_not_do_it_again() -> None:
    outcome = escalate(overdue(booking), "maker-33")

    assert fact_of(outcome, DeadlineEscalated).actor == "maker-33"
    assert letters_of(outcome) == []  # it is our own leg
    assert look_at_clock(outcome.case, today=date(2024, 12, 31)).told == ()


def test_a_leg_that_is_in_time_or_escalated_already_is_not_escalated() -> None:
    with pytest.raises(Refused, match="NOT_OVERDUE"):
        escalate(lettered(), "maker-33")
    with pytest.raises(Refused, match="ALREADY_ESCALATED"):
        escalate(escalate(overdue(), "maker-33").case, "maker-33")


def test_a_new_leg_begins_without_reminder_breach_or_escalation() -> None:
    case = escalate(overdue(), "maker-33").case

    met = money_comes(form_comes(case).case).case

    assert (met.reminded, met.breached, met.escalated, met.escalate_on) == (False, False, False, None)


def test_what_is_late_after_the_completion_is_ours_and_no_notice_for_the_person() -> None:
    breached = look_at_clock(correction_held(), today=date(2024, 6, 30), escalate_on=date(2024, 7, 5))
    escalated = look_at_clock(breached.case, today=date(2024, 7, 5))

    assert (fact_of(breached, DeadlineBreached).holder, fact_of(breached, DeadlineBreached).public) == ("33", None)
    assert fact_of(escalated, DeadlineEscalated).public is None


# Reminders by hand


def test_a_clerk_reminds_the_origin_once_a_day_and_the_clock_does_so_in_its_time_all_the_same() -> None:
    outcome = remind(lettered(), today=ARRIVED)

    assert names(outcome) == ["deadline.reminded", "document.reminder"]
    with pytest.raises(Refused, match="REMINDED_TODAY"):
        remind(outcome.case, today=ARRIVED)
    assert names(remind(outcome.case, today=ARRIVED + timedelta(days=1))) == names(outcome)
    assert names(look_at_clock(outcome.case, today=ORIGIN_DUE.remind_on)) == names(outcome)


# What stands, and what closes by itself


@pytest.mark.parametrize("state", sorted(PAUSES))
def test_a_clock_that_stands_says_nothing(state: State) -> None:
    assert look_at_clock(in_state(state), today=date(2030, 1, 1)).told == ()


def test_a_letter_that_nobody_cured_closes_its_case_the_day_after() -> None:
    case = in_state(State.RETURNED_CURABLE)

    last_day = look_at_clock(case, today=CURABLE_UNTIL)
    outcome = look_at_clock(case, today=CURABLE_UNTIL + timedelta(days=1))

    assert last_day.told == ()
    assert fact_of(outcome, TransferClosed).actor == CLOCK
    assert (outcome.case.state, shown(outcome)) == (State.CLOSED, ["CANCELLED"])
