"""The one clock: business dates are Shanghai's; a scenario moves it forward, and back only where another story begins."""

from datetime import date, datetime, timedelta

import pytest

from services.runtime.clock import SHANGHAI, Clock, ScenarioClock

MONDAY = datetime(2024, 5, 6, 9, tzinfo=SHANGHAI)


def test_the_systems_clock_says_the_time_in_shanghai() -> None:
    now = Clock().now()

    assert now.utcoffset() == timedelta(hours=8)
    assert not Clock.movable


def test_the_business_date_is_shanghais_whatever_offset_a_scenario_was_started_with() -> None:
    late_in_london = datetime.fromisoformat("2024-05-05T20:00:00+00:00")

    clock = ScenarioClock(late_in_london)

    assert clock.today() == date(2024, 5, 6)
    assert clock.now().utcoffset() == timedelta(hours=8)


def test_a_scenario_goes_on_from_where_it_was_put() -> None:
    clock = ScenarioClock(MONDAY)

    clock.move(MONDAY + timedelta(days=15))

    assert clock.today() == date(2024, 5, 21)
    assert clock.now() >= MONDAY + timedelta(days=15)


def test_time_does_not_run_backwards() -> None:
    clock = ScenarioClock(MONDAY)

    with pytest.raises(ValueError, match="does not go back"):
        clock.move(MONDAY - timedelta(seconds=1))


def test_another_story_may_begin_before() -> None:
    clock = ScenarioClock(MONDAY)

    clock.move(MONDAY - timedelta(days=365), back=True)

    assert clock.today() == date(2023, 5, 7)
    with pytest.raises(ValueError, match="does not go back"):
        clock.move(MONDAY - timedelta(days=366))


def test_a_time_without_an_offset_is_no_time() -> None:
    clock = ScenarioClock(MONDAY)

    with pytest.raises(ValueError, match="offset"):
        clock.move(datetime(2024, 5, 7, 9))  # noqa: DTZ001
    with pytest.raises(AssertionError):
        ScenarioClock(datetime(2024, 5, 7, 9))  # noqa: DTZ001


def test_a_moved_clock_counts_in_shanghai_too() -> None:
    clock = ScenarioClock(MONDAY)

    clock.move(datetime.fromisoformat("2024-05-07T20:00:00+00:00"))

    assert clock.today() == date(2024, 5, 8)
