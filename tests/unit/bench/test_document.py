"""The page that a bench writes."""

from tests.bench.curves import points
from tests.bench.document import page
from tests.unit.bench.test_table import a_result


def test_the_page_shows_figures_conditions_purposes_and_growth() -> None:
    written = page(a_result())

    assert "| full cases a second | 500.0 | >= 500 | met |" in written
    assert "| 44.origin-agency handler | 1,000 | 1,000 |" in written
    assert "![Cost of a case over the number of cases](bench/growth.svg)" in written
    assert "| province_33 ledger.heads | 3.00 | 3.00 |" in written


def test_the_page_says_which_replay_disagrees_and_shows_no_curve_then() -> None:
    broken = a_result()
    broken["growth"]["evidence"] = {"agrees": False, "first": "EVENT_TWICE"}

    written = page(broken)

    assert "| growth | EVENT_TWICE |" in written
    assert "growth.svg" not in written


def test_a_curve_is_the_cost_of_a_case_over_how_many_there_are() -> None:
    curves = points(a_result()["growth"]["windows"])

    assert curves["core-ms a case"] == [(1000, 4.0), (10_000, 4.0)]
    assert curves["rows read a case"] == [(1000, 3.0), (10_000, 3.0)]
