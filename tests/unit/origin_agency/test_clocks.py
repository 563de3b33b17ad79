"""The clock of the origin's leg: reminded, breached, escalated, each once, and counted again when the calendar is known."""

from datetime import date, timedelta

import pytest

from contracts.events import DeadlineBreached, DeadlineEscalated, DeadlineReminded
from contracts.statuses import Leg
from services.origin_agency.case import OPEN_LEG, Case, NotNow, Outcome, Refused, State
from services.origin_agency.clocks import count_again, escalate, look_at_clock
from services.records.decisions import Due
from tests.builders import CASE, PERSON
from tests.unit.origin_agency.builders import DUE_ON, MONDAY, REMIND_ON, a_case, fact, kinds

FIVE_DAYS_LATER = DUE_ON + timedelta(days=8)


def look(case: Case, *, today: date) -> Outcome:
    return look_at_clock(case, today=today, escalate_on=FIVE_DAYS_LATER)


def test_before_ten_working_days_the_clock_says_nothing() -> None:
    case = a_case()

    outcome = look(case, today=REMIND_ON - timedelta(days=1))

    assert outcome == Outcome(case)


def test_after_ten_working_days_the_clock_reminds_once() -> None:
    first = look(a_case(), today=REMIND_ON)

    second = look(first.case, today=DUE_ON)

    assert first.told == (DeadlineReminded(case_id=CASE, person_ref=PERSON, leg=Leg.ORIGIN, holder="44", due_on=DUE_ON),)
    assert second == Outcome(first.case)


def test_on_the_day_after_the_fifteenth_the_breach_is_raised_once() -> None:
    reminded = look(a_case(), today=REMIND_ON).case

    first = look(reminded, today=DUE_ON + timedelta(days=1))
    second = look(first.case, today=FIVE_DAYS_LATER - timedelta(days=1))

    assert first.told == (DeadlineBreached(case_id=CASE, person_ref=PERSON, leg=Leg.ORIGIN, holder="44", due_on=DUE_ON),)
    assert second == Outcome(first.case)


def test_the_notice_of_what_stays_has_a_limit_of_its_own_that_is_raised_once_and_leaves_the_leg_in_time() -> None:
    last = date(2024, 5, 17)
    case = a_case(reminded=True, notice_until=last)

    in_time = look(case, today=last)
    late = look(case, today=last + timedelta(days=1))
    again = look(late.case, today=last + timedelta(days=2))

    assert (case.speaks_on, late.case.speaks_on) == (last + timedelta(days=1), None)
    assert in_time == Outcome(case)
    told = fact(late)
    assert (told.due_on, told.limit, told.leg) == (last, "LETTER_TO_NOT_MOVABLE_NOTICE", Leg.ORIGIN)
    assert (late.case.notice_late, late.case.breached) == (True, False)
    assert again == Outcome(late.case)
    # The leg's own breach comes on its own day, with its own limit.
    assert fact(look(late.case, today=DUE_ON + timedelta(days=1))).limit is None


def test_a_clock_that_is_first_looked_at_too_late_raises_the_breach_without_a_reminder_after_it() -> None:
    late = look(a_case(), today=DUE_ON + timedelta(days=1))

    again = look(late.case, today=DUE_ON + timedelta(days=2))

    assert kinds(late) == [DeadlineBreached]
    assert again.told == ()


@pytest.mark.parametrize("state", list(State))
def test_the_clock_runs_until_the_money_has_left(state: State) -> None:
    def breached() -> bool:
        try:
            return bool(look(a_case(state), today=DUE_ON + timedelta(days=1)).told)
        except NotNow:
            return False

    assert breached() is (state in OPEN_LEG)


def test_a_provisional_due_date_is_counted_again_once_the_calendar_is_known() -> None:
    guessed = Due(DUE_ON, REMIND_ON, provisional=True, limit="LETTER_TO_FORM", started_on=MONDAY)
    known = Due(DUE_ON + timedelta(days=3), REMIND_ON, provisional=False, limit="LETTER_TO_FORM", started_on=MONDAY)

    outcome = count_again(a_case(due=guessed), known, rule_set="new")

    assert outcome.case.due == known
    assert (fact(outcome).was_due_on, fact(outcome).due_on, fact(outcome).rule_set) == (DUE_ON, known.due_on, "new")
    assert count_again(a_case(due=known), known, rule_set="new").told == ()


def test_a_leg_that_stays_breached_is_told_to_the_supervisors_once() -> None:
    breached = look(a_case(), today=DUE_ON + timedelta(days=1)).case

    before = look(breached, today=FIVE_DAYS_LATER - timedelta(days=1))
    first = look(breached, today=FIVE_DAYS_LATER)
    second = look(first.case, today=FIVE_DAYS_LATER + timedelta(days=30))

    assert breached.escalate_on == FIVE_DAYS_LATER
    assert before == Outcome(breached)
    assert first.told == (
        DeadlineEscalated(case_id=CASE, person_ref=PERSON, leg=Leg.ORIGIN, holder="44", due_on=DUE_ON, actor="clock"),
    )
    assert second == Outcome(first.case)


def test_a_clerk_may_tell_the_supervisors_before_the_clock_does() -> None:
    breached = look(a_case(), today=DUE_ON + timedelta(days=1)).case

    told = escalate(breached, "maker-1")

    assert kinds(told) == [DeadlineEscalated]
    assert fact(told).actor == "maker-1"
    assert look(told.case, today=FIVE_DAYS_LATER) == Outcome(told.case)
    with pytest.raises(Refused, match="ALREADY_ESCALATED"):
        escalate(told.case, "maker-2")


def test_a_leg_that_is_not_overdue_cannot_be_escalated() -> None:
    with pytest.raises(Refused, match="NOT_OVERDUE"):
        escalate(a_case(), "maker-1")
