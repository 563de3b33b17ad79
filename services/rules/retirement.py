"""When a person may draw the pension, how many months it takes, and by what the account is divided (domain § 3.2–3.4).

Ages are counted in calendar months, as the annexed tables of S-DELAY are: the day of the month plays no part.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import assert_never

from services.rules.pension_tables import BetweenAges, Category, PensionTables, YearOf
from services.rules.table_rows import Dated, RuleNotInForce


class AgeOutsideTable(ValueError):
    """The divisors' table has no figure for the age, given in months."""

    def __init__(self, age_months: int, first_age: int, last_age: int) -> None:
        super().__init__(f"an age of {age_text(age_months)} lies outside the divisors' table, {first_age} to {last_age} years")
        self.age_months = age_months


class TooEarly(ValueError):
    """The chosen day lies before the earliest one on which the person may draw the pension."""

    def __init__(self, retires_on: date, earliest_on: date) -> None:
        super().__init__(f"{retires_on:%Y-%m} lies before {earliest_on:%Y-%m}, the earliest month of retirement")
        self.retires_on = retires_on
        self.earliest_on = earliest_on


class Timing(StrEnum):
    """Where a chosen month lies around the statutory age."""

    EARLY = "early"
    AT_STATUTORY_AGE = "at_statutory_age"
    LATE = "late"
    LATER_THAN_FLEXIBLE = "later_than_flexible"


@dataclass(frozen=True, slots=True)
class Retirement:
    """The statutory age of one person and the months around it that may be chosen.

    `former_on` is the day on which the age before 2025 is reached, which is never undercut.
    """

    category: Category
    birth_on: date
    delay_months: int
    statutory_age_months: int
    former_on: date
    statutory_on: date
    earliest_on: date
    latest_on: date
    early_notice_months: int
    late_notice_months: int
    rules: tuple[Dated, ...]

    def timing(self, retires_on: date) -> Timing:
        """Say where a chosen month lies. Raises TooEarly."""
        chosen, statutory = _ordinal(retires_on), _ordinal(self.statutory_on)
        if chosen < _ordinal(self.earliest_on):
            raise TooEarly(retires_on, self.earliest_on)
        if chosen == statutory:
            return Timing.AT_STATUTORY_AGE
        if chosen < statutory:
            return Timing.EARLY
        return Timing.LATE if chosen <= _ordinal(self.latest_on) else Timing.LATER_THAN_FLEXIBLE

    def notice_by(self, retires_on: date) -> date | None:
        """Return by when the choice is put in writing: before the chosen day if early, before the statutory one if late.

        None at the statutory age. Raises TooEarly.
        """
        match self.timing(retires_on):
            case Timing.AT_STATUTORY_AGE:
                return None
            case Timing.EARLY:
                return add_months(retires_on, -self.early_notice_months)
            case Timing.LATE | Timing.LATER_THAN_FLEXIBLE:
                return add_months(self.statutory_on, -self.late_notice_months)


@dataclass(frozen=True, slots=True)
class MinimumMonths:
    """How many months a monthly pension takes for one person: the figure, the year it is of, and why that year."""

    months: int
    year: int
    year_of: YearOf
    timing: Timing
    rules: tuple[Dated, ...]


@dataclass(frozen=True, slots=True)
class Divisor:
    """The months by which the balance is divided for one age."""

    months: Decimal
    age_months: int
    rules: tuple[Dated, ...]


def statutory_retirement(birth_on: date, category: Category, tables: PensionTables) -> Retirement:
    """Return when somebody born on the day reaches the statutory age, and the limits of the flexible choice. S-DELAY.

    Raises RuleNotInForce for whoever reached the age before 1978.
    """
    # The day on which the former age is reached decides which row holds: before 2025 nobody is delayed.
    own = (row for row in tables.statutory_ages if row.category is category)
    age = next((row for row in own if row.in_force(add_months(birth_on, row.former_age_months))), None)
    if age is None:
        raise RuleNotInForce(f"statutory_ages for {category}, born", birth_on)
    delay = age.delay_months(birth_on)
    former_on, statutory_on = add_months(birth_on, age.former_age_months), add_months(birth_on, age.former_age_months + delay)
    flexible = tables.flexible_retirement(statutory_on)
    return Retirement(
        category=category,
        birth_on=birth_on,
        delay_months=delay,
        statutory_age_months=age.former_age_months + delay,
        former_on=former_on,
        statutory_on=statutory_on,
        earliest_on=max(former_on, add_months(statutory_on, -flexible.early_months)),
        latest_on=add_months(statutory_on, flexible.late_months),
        early_notice_months=flexible.early_notice_months,
        late_notice_months=flexible.late_notice_months,
        rules=(age, flexible),
    )


def minimum_months(retirement: Retirement, retires_on: date, tables: PensionTables) -> MinimumMonths:
    """Return how many months it takes whoever retires on the chosen day. 社会保险法 Art. 16, S-DELAY.

    Whose year counts when the day is not that of the statutory age is a row of `minimum_year`. Raises TooEarly.
    """
    timing = retirement.timing(retires_on)
    rule = tables.minimum_year(retires_on)
    match timing:
        case Timing.AT_STATUTORY_AGE:
            year_of = YearOf.STATUTORY
        case Timing.EARLY:
            year_of = rule.early
        case Timing.LATE | Timing.LATER_THAN_FLEXIBLE:
            year_of = rule.late
        case _:
            assert_never(timing)
    year = retires_on.year if year_of is YearOf.CHOSEN else retirement.statutory_on.year
    row = tables.minimum_months(year)
    # At the statutory age both answers are the same, so the doubtful rule has no part in it.
    rules: tuple[Dated, ...] = (row,) if timing is Timing.AT_STATUTORY_AGE else (row, rule)
    return MinimumMonths(months=row.in_year(year), year=year, year_of=year_of, timing=timing, rules=rules)


def divisor(age_months: int, retires_on: date, province: str, tables: PensionTables) -> Divisor:
    """Return the divisor for an age in months, as the paying province finds it between two birthdays. S-38.

    Raises AgeOutsideTable, RuleNotInForce.
    """
    table = tables.divisor_table(retires_on)
    years, rest = divmod(age_months, 12)
    if not (table.first_age <= years <= table.last_age) or (years == table.last_age and rest):
        raise AgeOutsideTable(age_months, table.first_age, table.last_age)
    here = table.months[years - table.first_age]
    if rest == 0:
        return Divisor(Decimal(here), age_months, (table,))
    between = tables.divisor_between(retires_on, province)
    match between.method:
        case BetweenAges.FULL_YEARS:
            months = Decimal(here)
        case BetweenAges.LINEAR:
            following = table.months[years - table.first_age + 1]
            exact = (Decimal(here) * (12 - rest) + Decimal(following) * rest) / 12
            months = exact.quantize(Decimal(1).scaleb(-between.decimals), rounding=ROUND_HALF_UP)
        case _:
            assert_never(between.method)
    return Divisor(months, age_months, (table, between))


def age_in_months(birth_on: date, on: date) -> int:
    """Return the age in calendar months, from the month of birth to the month of the day."""
    return _ordinal(on) - _ordinal(birth_on)


def add_months(day: date, months: int) -> date:
    """Return the same day so many months later or earlier; where the month has no such day, its last (民法典 Art. 202)."""
    year, month = divmod(_ordinal(day) + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def age_text(age_months: int) -> str:
    """Show an age in months: ``60y1m``."""
    return f"{age_months // 12}y{age_months % 12}m"


def _ordinal(day: date) -> int:
    return day.year * 12 + day.month - 1
