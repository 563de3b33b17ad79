"""Working days by the State Council's holiday notices (S-66 Art. 8 counts in them; 民法典 Art. 201 starts the count).

Beyond the years whose notice is known, Monday to Friday are counted and the answer says that it is provisional. A clock that
stands counts nothing; which reasons make it stand is said in `services.rules.clocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

_DAY = timedelta(days=1)


class WorkingDaysInvalid(ValueError):
    """A number of working days below zero."""


class DatesReversed(ValueError):
    """The second date lies before the first."""


class PauseReversed(ValueError):
    """A pause that ends before it begins."""


class PauseOpen(ValueError):
    """A pause is still open, so a due date can be counted only as if the clock ran again from a given day."""


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """The State Council's notice for one year: days off (weekends in them included) and make-up working days."""

    year: int
    holidays: frozenset[date]
    make_up_days: frozenset[date]
    effective_from: date
    effective_to: date | None
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days off and make-up working days of the years whose notice is known."""

    known_years: frozenset[int]
    holidays: frozenset[date]
    make_up_days: frozenset[date]

    @classmethod
    def of(cls, years: tuple[CalendarYear, ...]) -> Calendar:
        """Put the notices of several years together."""
        return cls(
            known_years=frozenset(year.year for year in years),
            holidays=frozenset[date]().union(*(year.holidays for year in years)),
            make_up_days=frozenset[date]().union(*(year.make_up_days for year in years)),
        )

    def with_year(self, notice: CalendarYear) -> Calendar:
        """Return this calendar with the notice of one more year, which replaces what was known of that year."""
        return replace(
            self,
            known_years=self.known_years | {notice.year},
            holidays=frozenset(day for day in self.holidays if day.year != notice.year) | notice.holidays,
            make_up_days=frozenset(day for day in self.make_up_days if day.year != notice.year) | notice.make_up_days,
        )

    def knows(self, day: date) -> bool:
        """Say whether the notice for the day's year is known."""
        return day.year in self.known_years

    def is_working_day(self, day: date) -> bool:
        """Say whether agencies work on the day; in a year without a notice, Monday to Friday are taken."""
        if day in self.make_up_days:
            return True
        return day.weekday() < 5 and day not in self.holidays


@dataclass(frozen=True, slots=True)
class DueDate:
    """The last day of a limit; provisional when a day of the count lies in a year whose notice is not known."""

    on: date
    provisional: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a clock stands: `reason` is a code of pauses.toml, `until` None while it is open.

    The day on which it begins still counts; the day on which it ends does not, for it is the event that starts the clock
    again. Raises PauseReversed.
    """

    reason: str
    since: date
    until: date | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.until < self.since:
            raise PauseReversed(f"a pause from {self.since} cannot end on {self.until}")

    def covers(self, day: date) -> bool:
        """Say whether the clock stands on the day."""
        return self.since < day and (self.until is None or day <= self.until)


def due_on(
    start: date,
    working_days: int,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
    *,
    resumed_on: date | None = None,
) -> DueDate:
    """Return the last day of a limit of so many working days; the day of the triggering event is not counted.

    Days on which the clock stands are not counted either. An open pause is taken to end on `resumed_on`. Zero working days
    are due on the starting day itself. Raises WorkingDaysInvalid below zero, PauseOpen. S-66 Art. 8.
    """
    if working_days < 0:
        raise WorkingDaysInvalid(f"a limit cannot have {working_days} working days")
    closed = _closed(pauses, resumed_on)
    day = start
    provisional = not calendar.knows(start)
    left = working_days
    while left:
        day += _DAY
        provisional = provisional or not calendar.knows(day)
        left -= calendar.is_working_day(day) and not any(pause.covers(day) for pause in closed)
    return DueDate(on=day, provisional=provisional)


def working_days_between(start: date, end: date, calendar: Calendar, pauses: Sequence[Pause] = ()) -> int:
    """Count the working days after start up to and including end, the way a limit that began on start has run.

    Days on which the clock stands are not counted. Raises DatesReversed when end lies before start. S-66 Art. 8.
    """
    if end < start:
        raise DatesReversed(f"{end} lies before {start}")
    days = (start + _DAY * offset for offset in range(1, (end - start).days + 1))
    return sum(calendar.is_working_day(day) and not any(pause.covers(day) for pause in pauses) for day in days)


def _closed(pauses: Sequence[Pause], resumed_on: date | None) -> tuple[Pause, ...]:
    if all(pause.until is not None for pause in pauses):
        return tuple(pauses)
    if resumed_on is None:
        raise PauseOpen("a pause is still open and nobody has said from which day the clock is to run again")
    return tuple(pause if pause.until is not None else replace(pause, until=max(pause.since, resumed_on)) for pause in pauses)
