"""What is made of readings."""

import pytest

from tests.bench.figures import LOAD, Run, Spread, growth_ratio, percentile


def a_run(**changed: object) -> Run:
    given: dict[str, object] = {
        "cases": 100,
        "last_s": 3.0,
        "quiet_s": 4.0,
        "cpu_s": {"44.origin-agency": 1.0, "33.notification": 0.5, "postgres": 0.3, "kafka": 0.2, LOAD: 9.0},
        "records": 2000,
        "counts": {"44.origin-agency handler": (150, 20), "33.notification relay": (50, 30)},
    }
    return Run(**(given | changed))  # type: ignore[arg-type]


def test_a_case_counts_when_all_is_quiet_and_not_when_the_last_completion_is_seen() -> None:
    assert a_run().a_second == 25.0
    assert a_run().records_a_second == 500.0


def test_the_load_generator_costs_a_case_nothing() -> None:
    run = a_run()

    assert run.core_ms_a_case == pytest.approx(20.0)
    assert run.core_ms_a_record == pytest.approx(1.0)
    assert run.busy_cores == pytest.approx(11.0 / 4)


def test_processes_are_shown_as_services_together_and_each_server() -> None:
    parts = a_run().core_ms_by_part()

    assert parts == pytest.approx({"services": 15.0, "postgres": 3.0, "kafka": 2.0, LOAD: 90.0})


def test_statements_and_commits_are_those_of_all_purposes() -> None:
    assert (a_run().statements_a_case, a_run().commits_a_case) == (2.0, 0.5)


def test_readings_come_back_as_they_were_written_down() -> None:
    run = a_run()

    again = Run.from_json(run.as_json())

    assert again == run


def test_a_spread_is_the_median_and_the_range() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([3.0, 1.0, 2.0]).text() == "2.0 (1.0 to 3.0)"
    assert Spread.of([1234.5]).text() == "1,234.5"


@pytest.mark.parametrize(("per_cent", "expected"), [(50, 50), (95, 95), (99, 99), (100, 100), (0.5, 1)])
def test_a_percentile_is_a_value_that_was_seen(per_cent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), per_cent) == expected


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert [percentile([7.0], per_cent) for per_cent in (1, 50, 99)] == [7.0, 7.0, 7.0]


def test_growth_is_the_last_cost_over_the_first() -> None:
    assert growth_ratio([2.0, 9.0, 3.0]) == 1.5
