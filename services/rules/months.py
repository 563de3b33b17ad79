"""Calendar months, the unit in which contributions are paid, counted and booked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache

_PATTERN = re.compile(r"([0-9]{4})-([0-9]{2})")
_FIRST_YEAR, _LAST_YEAR = 1950, 2050  # The range of field AAE001 of the information form.


class MonthInvalid(ValueError):
    """The text or the numbers do not name a month between 1950-01 and 2050-12."""

    def __init__(self, value: str) -> None:
        super().__init__(f"{value!r} is not a month between {_FIRST_YEAR}-01 and {_LAST_YEAR}-12 written YYYY-MM")
        self.value = value


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """One calendar month; ordered, hashable. Raises MonthInvalid outside 1950-01 to 2050-12."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (_FIRST_YEAR <= self.year <= _LAST_YEAR and 1 <= self.month <= 12):
            raise MonthInvalid(f"{self.year:04d}-{self.month:02d}")

    @classmethod
    @cache
    def parse(cls, text: str) -> Month:
        """Read ``YYYY-MM``. Raises MonthInvalid."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise MonthInvalid(text)
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Month:
        """Return the month in which a day lies. Raises MonthInvalid."""
        return cls(day.year, day.month)

    @property
    def ordinal(self) -> int:
        """Count months since year 0, so that the difference of two ordinals is a number of months."""
        return self.year * 12 + self.month - 1

    @property
    def first_day(self) -> date:
        """Return the first day of the month."""
        return date(self.year, self.month, 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def months_from(start: Month, end: Month) -> Iterator[Month]:
    """Yield every month from start to end, both included; nothing when start lies after end."""
    for ordinal in range(start.ordinal, end.ordinal + 1):
        yield Month(ordinal // 12, ordinal % 12 + 1)
