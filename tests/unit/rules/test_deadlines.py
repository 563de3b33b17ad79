"""Working days by the State Council's calendar, with the vectors of domain § 1.4."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.deadlines import (
    Calendar,
    CalendarYear,
    DatesReversed,
    DueDate,
    Pause,
    PauseOpen,
    PauseReversed,
    WorkingDaysInvalid,
    due_on,
    working_days_between,
)
from tests.unit.rules.builders import tables

CALENDAR = tables().calendar

VECTORS = [
    (date(2025, 3, 3), 10, date(2025, 3, 17)),
    (date(2025, 3, 3), 15, date(2025, 3, 24)),
    (date(2025, 1, 20), 10, date(2025, 2, 8)),  # A Saturday, made a working day.
    (date(2025, 1, 20), 15, date(2025, 2, 14)),
    (date(2025, 4, 25), 15, date(2025, 5, 20)),
    (date(2025, 9, 22), 10, date(2025, 10, 11)),  # A Saturday, made a working day.
    (date(2025, 9, 22), 15, date(2025, 10, 17)),
    (date(2026, 2, 10), 15, date(2026, 3, 9)),
]


@pytest.mark.parametrize(("start", "working_days", "expected"), VECTORS)
def test_a_limit_ends_on_the_day_the_calendar_gives(start: date, working_days: int, expected: date) -> None:
    assert due_on(start, working_days, CALENDAR) == DueDate(on=expected, provisional=False)


@pytest.mark.parametrize(("start", "working_days", "expected"), VECTORS)
def test_the_working_days_to_a_due_date_are_those_of_the_limit(start: date, working_days: int, expected: date) -> None:
    assert working_days_between(start, expected, CALENDAR) == working_days


def test_a_limit_that_reaches_a_year_without_a_notice_is_provisional_and_counts_monday_to_friday() -> None:
    due = due_on(date(2026, 12, 21), 15, CALENDAR)

    assert due == DueDate(on=date(2027, 1, 11), provisional=True)


def test_a_limit_that_ends_on_the_last_known_day_is_final() -> None:
    assert due_on(date(2026, 12, 30), 1, CALENDAR) == DueDate(on=date(2026, 12, 31), provisional=False)


def test_a_limit_that_starts_in_a_year_without_a_notice_is_provisional() -> None:
    assert due_on(date(2009, 12, 31), 1, CALENDAR).provisional


def test_a_due_date_is_final_once_the_notice_is_known() -> None:
    notice = CalendarYear(2027, frozenset({date(2027, 1, 1)}), frozenset({date(2027, 1, 9)}), date(2027, 1, 1), None, "s", "f")

    due = due_on(date(2026, 12, 21), 15, CALENDAR.with_year(notice))

    # New Year's Day is off and Saturday the 9th is worked, so the end stays where it was.
    assert due == DueDate(on=date(2027, 1, 11), provisional=False)


def test_a_notice_replaces_what_was_known_of_its_year() -> None:
    notice = CalendarYear(2026, frozenset({date(2026, 7, 1)}), frozenset(), date(2026, 1, 1), None, "s", "f")

    changed = CALENDAR.with_year(notice)

    assert changed.is_working_day(date(2026, 10, 1))
    assert not changed.is_working_day(date(2026, 7, 1))
    assert not changed.is_working_day(date(2025, 10, 1))


def test_zero_working_days_are_due_at_once() -> None:
    assert due_on(date(2025, 3, 1), 0, CALENDAR).on == date(2025, 3, 1)


def test_a_limit_below_zero_is_refused() -> None:
    with pytest.raises(WorkingDaysInvalid):
        due_on(date(2025, 3, 3), -1, CALENDAR)


def test_days_are_not_counted_backwards() -> None:
    with pytest.raises(DatesReversed):
        working_days_between(date(2025, 3, 3), date(2025, 3, 2), CALENDAR)


@settings(deadline=None)
@given(st.dates(date(2010, 1, 1), date(2027, 12, 31)), st.integers(1, 60))
def test_every_limit_ends_on_a_working_day_and_holds_exactly_its_days(start: date, working_days: int) -> None:
    due = due_on(start, working_days, CALENDAR)

    assert CALENDAR.is_working_day(due.on)
    assert working_days_between(start, due.on, CALENDAR) == working_days


def test_an_empty_calendar_knows_nothing() -> None:
    assert not Calendar.of(()).knows(date(2025, 1, 1))


def test_a_clock_that_stands_counts_nothing_and_the_day_on_which_the_pause_ends_is_not_counted() -> None:
    pause = Pause("MATERIAL_ASKED", date(2025, 3, 5), date(2025, 3, 7))

    # Monday the 3rd; the 4th and 5th count, the 6th and 7th stand, then 13 days from Monday the 10th.
    assert due_on(date(2025, 3, 3), 15, CALENDAR, [pause]).on == date(2025, 3, 26)
    assert working_days_between(date(2025, 3, 3), date(2025, 3, 7), CALENDAR, [pause]) == 2
    assert [pause.covers(date(2025, 3, day)) for day in (5, 6, 7, 8)] == [False, True, True, False]


def test_pauses_that_overlap_stand_once_and_one_on_a_single_day_not_at_all() -> None:
    both = [Pause("A", date(2025, 3, 5), date(2025, 3, 7)), Pause("B", date(2025, 3, 6), date(2025, 3, 7))]

    assert due_on(date(2025, 3, 3), 15, CALENDAR, both).on == date(2025, 3, 26)
    assert due_on(date(2025, 3, 3), 15, CALENDAR, [Pause("A", date(2025, 3, 5), date(2025, 3, 5))]).on == date(2025, 3, 24)


def test_an_open_pause_is_counted_as_if_it_ended_on_a_given_day_and_without_one_not_at_all() -> None:
    pause = Pause("A", date(2025, 3, 5))

    assert due_on(date(2025, 3, 3), 15, CALENDAR, [pause], resumed_on=date(2025, 3, 7)).on == date(2025, 3, 26)
    assert due_on(date(2025, 3, 3), 15, CALENDAR, [pause], resumed_on=date(2025, 3, 4)).on == date(2025, 3, 24)
    assert working_days_between(date(2025, 3, 3), date(2025, 4, 3), CALENDAR, [pause]) == 2
    with pytest.raises(PauseOpen):
        due_on(date(2025, 3, 3), 15, CALENDAR, [pause])


def test_a_pause_cannot_end_before_it_begins() -> None:
    with pytest.raises(PauseReversed):
        Pause("A", date(2025, 3, 5), date(2025, 3, 4))
