"""Open cases by stage, from one row a state."""

from datetime import date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.records.agency import Agency
from services.records.figures import cases_by_stage
from services.runtime.clock import SHANGHAI
from tests.agencies import tables

STAGES = {"LETTER_HELD": "handling", "HANDLING_PROPOSED": "handling", "REMITTED": "settlement"}
NOW = datetime(2024, 5, 8, 12, tzinfo=SHANGHAI)


def rows(*found: tuple[str, str, float]) -> Any:
    return [{"figure": figure, "labels": [state], "value": value} for figure, state, value in found]


def since(text: str) -> float:
    return float((date.fromisoformat(text) - date(1970, 1, 1)).days)


@pytest.fixture
def agency() -> Agency:
    clock = SimpleNamespace(now=lambda: NOW)
    return cast(Agency, SimpleNamespace(clock=clock, tables=tables()))


def test_states_of_one_stage_are_taken_together_and_the_oldest_counts(agency: Agency) -> None:
    found = cases_by_stage(
        rows(
            ("case_count", "LETTER_HELD", 3),
            ("case_late", "LETTER_HELD", 1),
            ("case_since", "LETTER_HELD", since("2024-04-30")),
            ("case_count", "HANDLING_PROPOSED", 2),
            ("case_late", "HANDLING_PROPOSED", 1),
            ("case_since", "HANDLING_PROPOSED", since("2024-05-07")),
        ),
        STAGES,
        agency,
    )

    assert (("handling", "LETTER_HELD"), 3) in found["jiexu_cases_open"]
    assert (("handling", "HANDLING_PROPOSED"), 2) in found["jiexu_cases_open"]
    assert (("handling",), 2.0) in found["jiexu_cases_overdue"]
    assert (("handling",), 8.5 * 86400) in found["jiexu_oldest_case_seconds"]
    # 1 to 5 May is a holiday, and 28 April had been worked for it.
    assert (("handling",), 3.0) in found["jiexu_oldest_case_working_days"]


def test_a_stage_without_cases_is_told_as_zero(agency: Agency) -> None:
    found = cases_by_stage(rows(), STAGES, agency)

    assert found["jiexu_cases_open"] == [((stage, state), 0.0) for state, stage in STAGES.items()]
    for name in ("jiexu_cases_overdue", "jiexu_oldest_case_seconds", "jiexu_oldest_case_working_days"):
        assert found[name] == [(("handling",), 0.0), (("settlement",), 0.0)]


def test_a_date_after_today_or_far_away_is_no_reason_to_fail(agency: Agency) -> None:
    found = cases_by_stage(
        rows(("case_since", "REMITTED", since("2024-06-01")), ("case_since", "LETTER_HELD", since("1970-01-01"))), STAGES, agency
    )

    assert (("settlement",), 0.0) in found["jiexu_oldest_case_seconds"]
    assert (("handling",), 0.0) in found["jiexu_oldest_case_working_days"]
