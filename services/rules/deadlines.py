"""Working days by the State Council's holiday notices (S-66 Art. 8 counts in them; 民法典 Art. 201 starts the count).

Beyond the years whose notice is known, Monday to Friday are counted and the answer says that it is provisional.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

_DAY = timedelta(days=1)


class WorkingDaysInvalid(ValueError):
    """A number of working days below zero."""


class DatesReversed(ValueError):
    """The second date lies before the first."""


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


def due_on(start: date, working_days: int, calendar: Calendar) -> DueDate:
    """Return the last day of a limit of so many working days; the day of the triggering event is not counted.

    Zero working days are due on the starting day itself. Raises WorkingDaysInvalid below zero. S-66 Art. 8.
    """
    if working_days < 0:
        raise WorkingDaysInvalid(f"a limit cannot have {working_days} working days")
    day = start
    provisional = not calendar.knows(start)
    left = working_days
    while left:
        day += _DAY
        provisional = provisional or not calendar.knows(day)
        left -= calendar.is_working_day(day)
    return DueDate(on=day, provisional=provisional)


def working_days_between(start: date, end: date, calendar: Calendar) -> int:
    """Count the working days after start up to and including end, the way a limit that began on start has run.

    Raises DatesReversed when end lies before start. S-66 Art. 8.
    """
    if end < start:
        raise DatesReversed(f"{end} lies before {start}")
    return sum(calendar.is_working_day(start + _DAY * offset) for offset in range(1, (end - start).days + 1))
