"""Two clocks a leg: the legal limit, and what the province of the leg promises. Both stand while a pause lasts.

A missed limit is a violation, a missed service target a warning. A question between the agencies stops no clock: only the reasons
of ``pauses.toml`` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.rules.deadlines import DueDate, Pause, due_on, working_days_between
from services.rules.exception_tables import LEGS, TOTAL
from services.rules.loader import Tables
from services.rules.material_tables import Pause as PauseReason


class ClockState(StrEnum):
    """How a leg stands against its two clocks."""

    ON_TIME = "on_time"
    TARGET_MISSED = "target_missed"
    LIMIT_BREACHED = "limit_breached"


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock: its working days, the last of them, whether that is past, and how many are left (below zero: so many too late).

    `rule`, `source` and `confidence` are those of the row that sets it.
    """

    working_days: int
    due: DueDate
    passed: bool
    left_wd: int
    rule: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A pause with its words and basis, and the working days for which the clock stood (up to today while it is open)."""

    pause: Pause
    reason: PauseReason
    working_days: int


@dataclass(frozen=True, slots=True)
class LegClocks:
    """Both clocks of a leg on a day. While it `stands` the due dates are those that it would have if it ran again today."""

    code: str
    started_on: date
    limit: Clock
    target: Clock
    warn_on: date
    stops: tuple[Stop, ...]
    stands: Stop | None
    used_wd: int

    @property
    def state(self) -> ClockState:
        """Say how the leg stands."""
        if self.limit.passed:
            return ClockState.LIMIT_BREACHED
        if self.target.passed:
            return ClockState.TARGET_MISSED
        return ClockState.ON_TIME


def leg_clocks(
    code: str,
    started_on: date,
    *,
    province: str,
    today: date,
    tables: Tables,
    pauses: Sequence[Pause] = (),
) -> LegClocks:
    """Return both clocks of a leg that began on a day, as they stand today; `province` holds the leg.

    `code` is one of limits.toml. Where the province promises nothing its target is the legal limit. Pass the day a leg ended as
    `today` to judge it. Raises LimitUnknown, RuleNotInForce, PauseUnknown, PauseReversed, DatesReversed.
    """
    limit = tables.limit(code, started_on)
    target = tables.exceptions.service_target(code, province, started_on)
    target_wd = limit.legal_limit_wd if target is None else target.service_target_wd
    target_row = limit if target is None else target
    calendar = tables.calendar
    stops = tuple(_stop(pause, started_on, today, tables) for pause in pauses)
    used_wd = working_days_between(started_on, today, calendar, pauses)

    def clock(working_days: int, rule: str, source: str, confidence: str) -> Clock:
        due = due_on(started_on, working_days, calendar, pauses, resumed_on=today)
        return Clock(working_days, due, today > due.on, working_days - used_wd, rule, source, confidence)

    return LegClocks(
        code=code,
        started_on=started_on,
        limit=clock(limit.legal_limit_wd, limit.rule, limit.source, limit.confidence),
        target=clock(target_wd, target_row.rule, target_row.source, target_row.confidence),
        warn_on=due_on(started_on, limit.warn_at_wd, calendar, pauses, resumed_on=today).on,
        stops=stops,
        stands=next((stop for stop in stops if stop.pause.until is None), None),
        used_wd=used_wd,
    )


def total_target_wd(province: str, on: date, tables: Tables) -> int:
    """Return what a province promises for all legs together in working days; without a promise, the sum of the legal limits."""
    target = tables.exceptions.service_target(TOTAL, province, on)
    if target is not None:
        return target.service_target_wd
    return sum(tables.limit(code, on).legal_limit_wd for code in LEGS)


def _stop(pause: Pause, started_on: date, today: date, tables: Tables) -> Stop:
    reason = tables.material.pause(pause.reason, pause.since)
    first, last = max(pause.since, started_on), min(pause.until or today, today)
    stood = working_days_between(first, last, tables.calendar) if first <= last else 0
    return Stop(pause, reason, stood)
