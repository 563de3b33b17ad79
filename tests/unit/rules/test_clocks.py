"""Two clocks a leg, and the pauses in which both stand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.clocks import ClockState, LegClocks, leg_clocks, total_target_wd
from services.rules.deadlines import DatesReversed, Pause, due_on, working_days_between
from services.rules.exception_tables import LEGS
from services.rules.loader import LimitUnknown
from services.rules.material_tables import PauseUnknown
from services.rules.statuses import StatusCode
from tests.unit.rules.builders import tables

START = date(2025, 4, 25)  # a Friday; 15 working days end on 2025-05-20, five on 2025-05-06
CALENDAR = tables().calendar


def on(today: date, *pauses: Pause, province: str = "32", code: str = "LETTER_TO_FORM") -> LegClocks:
    return leg_clocks(code, START, province=province, today=today, tables=tables(), pauses=pauses)


def test_the_legal_limit_and_the_provinces_target_come_out_together() -> None:
    clocks = on(START)

    assert (clocks.limit.working_days, clocks.limit.due.on, clocks.limit.left_wd) == (15, date(2025, 5, 20), 15)
    # 27 April (a Sunday) is a make-up day; 1 to 5 May are off: 27, 28, 29, 30 April and 6 May.
    assert (clocks.target.working_days, clocks.target.due.on, clocks.target.left_wd) == (5, date(2025, 5, 6), 5)
    assert clocks.warn_on == date(2025, 5, 13)
    assert clocks.limit.source.startswith("国办发〔2009〕66号")
    assert "S-ZJ" in clocks.target.source


def test_a_province_without_a_promise_has_the_legal_limit_for_its_target() -> None:
    clocks = on(START, province="33")

    assert clocks.target == clocks.limit
    assert [total_target_wd(province, START, tables()) for province in ("32", "33")] == [15, 45]
    assert total_target_wd("32", date(2025, 3, 24), tables()) == 45


@pytest.mark.parametrize(
    ("today", "state", "left"),
    [
        (date(2025, 5, 6), ClockState.ON_TIME, (10, 0)),
        (date(2025, 5, 7), ClockState.TARGET_MISSED, (9, -1)),
        (date(2025, 5, 20), ClockState.TARGET_MISSED, (0, -10)),
        (date(2025, 5, 21), ClockState.LIMIT_BREACHED, (-1, -11)),
    ],
)
def test_a_missed_target_is_a_warning_and_a_missed_limit_a_violation(
    today: date, state: ClockState, left: tuple[int, int]
) -> None:
    clocks = on(today)

    assert clocks.state is state
    assert (clocks.limit.left_wd, clocks.target.left_wd) == left


def test_the_weekend_after_the_last_day_is_too_late_though_no_working_day_has_passed() -> None:
    # Five working days from Monday the 5th of January 2026 end on Monday the 12th; from the 4th, a working Sunday, on the 9th.
    started = date(2026, 1, 4)
    saturday = leg_clocks("LETTER_TO_FORM", started, province="32", today=date(2026, 1, 10), tables=tables())

    assert saturday.target.due.on == date(2026, 1, 9)
    assert saturday.target.left_wd == 0
    assert saturday.state is ClockState.TARGET_MISSED


def test_a_pause_moves_both_dates_by_its_working_days_and_says_why() -> None:
    # From Tuesday the 6th to Tuesday the 13th of May: the 7th to the 13th stand, five working days.
    pause = Pause("MATERIAL_ASKED", date(2025, 5, 6), date(2025, 5, 13))

    clocks = on(date(2025, 5, 14), pause)

    assert (clocks.limit.due.on, clocks.target.due.on) == (date(2025, 5, 27), date(2025, 5, 6))
    assert clocks.used_wd == 6
    (stop,) = clocks.stops
    assert (stop.working_days, stop.reason.code, stop.pause) == (5, "MATERIAL_ASKED", pause)
    assert stop.reason.legal_basis
    assert "期限暂停计算" in stop.reason.text_zh
    assert clocks.stands is None


def test_while_a_pause_is_open_the_clock_stands_and_the_dates_are_those_of_running_again_today() -> None:
    pause = Pause("DUPLICATE_CHOICE", date(2025, 4, 28))

    early, late = on(date(2025, 4, 30), pause), on(date(2025, 6, 30), pause)

    assert early.stands is not None
    assert late.stands is not None
    assert late.stands.reason.code == "DUPLICATE_CHOICE"
    assert (early.used_wd, late.used_wd) == (2, 2)  # 27 and 28 April
    assert (early.limit.left_wd, late.limit.left_wd) == (13, 13)
    assert late.limit.due.on == due_on(date(2025, 6, 30), 13, CALENDAR).on
    assert late.state is ClockState.ON_TIME


def test_a_question_between_the_agencies_stops_no_clock() -> None:
    for code in ("AGENCY_QUESTION", "BANK_RETURN", "RATE_PENDING"):
        with pytest.raises(PauseUnknown):
            on(START, Pause(code, START))


def test_the_statuses_that_wait_for_the_person_are_those_that_the_pauses_are_for() -> None:
    waiting = {status.code for status in tables().statuses.values() if status.paused}

    assert waiting == {StatusCode.NEED_MATERIAL, StatusCode.DUPLICATE_CLEARING}
    assert {"MATERIAL_ASKED", "DUPLICATE_CHOICE"} <= {row.code for row in tables().material.pauses}


def test_a_leg_that_no_table_has_or_that_has_not_begun_is_refused() -> None:
    with pytest.raises(LimitUnknown):
        on(START, code="NO_SUCH")
    with pytest.raises(DatesReversed):
        on(START - timedelta(days=1))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(LEGS),
    st.dates(date(2025, 4, 1), date(2026, 6, 30)),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), max_size=3),
    st.sampled_from(["32", "33"]),
)
def test_pauses_never_shorten_a_clock_and_lengthen_it_by_the_days_they_stand(
    code: str, start: date, spans: list[tuple[int, int]], province: str
) -> None:
    pauses = [
        Pause("MATERIAL_ASKED", start + timedelta(days=first), start + timedelta(days=first + length)) for first, length in spans
    ]

    clocks = leg_clocks(code, start, province=province, today=start, tables=tables(), pauses=pauses)

    for clock in (clocks.limit, clocks.target):
        assert clock.due.on >= due_on(start, clock.working_days, CALENDAR).on
        assert working_days_between(start, clock.due.on, CALENDAR, pauses) == clock.working_days
        stood = {
            day
            for day in (start + timedelta(days=offset) for offset in range(1, (clock.due.on - start).days + 1))
            if CALENDAR.is_working_day(day) and any(pause.covers(day) for pause in pauses)
        }
        assert working_days_between(start, clock.due.on, CALENDAR) == clock.working_days + len(stood)
    assert clocks.target.due.on <= clocks.limit.due.on
