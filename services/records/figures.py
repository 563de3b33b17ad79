"""What both agencies tell operators of their open cases: how many, how old, how many too late."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta

import asyncpg

from services.records.agency import Agency
from services.rules.deadlines import working_days_between
from services.runtime.clock import SHANGHAI
from services.runtime.metrics import Figure

CASES = (
    Figure("jiexu_cases_open", "Cases that have not ended.", ("stage", "state")),
    Figure("jiexu_cases_overdue", "Open cases whose due date is past.", ("stage",)),
    Figure("jiexu_oldest_case_seconds", "Age of the oldest open case of a stage, from the start of its day.", ("stage",)),
    Figure("jiexu_oldest_case_working_days", "The same in working days, as limits are counted.", ("stage",)),
)

_NO_YEAR = timedelta(days=3660)  # a count of working days walks day by day


def cases_by_stage(
    rows: Iterable[asyncpg.Record], stages: Mapping[str, str], agency: Agency
) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    """Figures of open cases from one row a state.

    Args:
        rows: of `figures` in `queries.sql`, labelled by state: `case_count`, `case_late`, `case_since` (days since 1970-01-01).
        stages: the stage of each state; one that has no cases is told as zero.
        agency: whose clock and calendar count.
    """
    now = agency.clock.now()
    found = {(row["figure"], row["labels"][0]): row["value"] for row in rows if row["figure"].startswith("case_")}
    late = dict.fromkeys(stages.values(), 0.0)
    since: dict[str, float] = {}
    for (figure, state), value in found.items():
        stage = stages[state]
        if figure == "case_late":
            late[stage] += value
        elif figure == "case_since":
            since[stage] = min(value, since.get(stage, value))
    days, seconds = dict.fromkeys(stages.values(), 0.0), dict.fromkeys(stages.values(), 0.0)
    for stage, day in since.items():
        began = datetime.combine(datetime.fromtimestamp(day * 86400, SHANGHAI).date(), time(), SHANGHAI)
        seconds[stage] = max(0.0, (now - began).total_seconds())
        if timedelta() <= now - began < _NO_YEAR:
            days[stage] = working_days_between(began.date(), now.date(), agency.tables.calendar)
    return {
        "jiexu_cases_open": [((stage, state), found.get(("case_count", state), 0.0)) for state, stage in stages.items()],
        "jiexu_cases_overdue": [((stage,), value) for stage, value in late.items()],
        "jiexu_oldest_case_seconds": [((stage,), value) for stage, value in seconds.items()],
        "jiexu_oldest_case_working_days": [((stage,), float(value)) for stage, value in days.items()],
    }
