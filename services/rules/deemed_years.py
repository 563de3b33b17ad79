"""Years that are not plain contributions: by place, deemed ones, those known by year only, and soldiers' allowance years.

S-66 Art. 12, S-5 items 1, 2 and 6; domain § 1.6.5, § 1.6.7, § 1.6.8, § 1.6.17.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from services.rules.exception_tables import FigureCode, Reason, SwitchCode
from services.rules.interest import half_up
from services.rules.loader import Tables
from services.rules.months import Month, months_from
from services.rules.pieces import pieces
from services.rules.reasons import because
from services.rules.table_rows import RuleNotInForce
from services.rules.year_rows import RowKind, RowStatus, Segment, YearRow

ALLOWANCE_NOTE = "军人退役养老保险补助"  # How a row says that it is a soldier's allowance.
YEAR_ONLY_NOTE = "无分月数据，依转出地起止时间"  # How a deemed row says that its place knows the years alone.


class MonthCountedTwice(ValueError):
    """Two rows of a record count the same month; clear the duplicates first."""

    def __init__(self, month: Month) -> None:
        super().__init__(f"{month} is counted twice")
        self.month = month


class YearOnlyInvalid(ValueError):
    """A time record that ends before it starts."""


class AllowanceInvalid(ValueError):
    """An allowance that ends before it starts, or of a time for which no rate is in force."""


@dataclass(frozen=True, slots=True)
class YearsAt:
    """What a province counts of a record, in months; arrears are in neither number."""

    province: str
    paid_months: int
    deemed_months: int

    @property
    def months(self) -> int:
        """Return paid and deemed months."""
        return self.paid_months + self.deemed_months


@dataclass(frozen=True, slots=True)
class YearsByPlace:
    """The months of a record by the place of the work, and added up once. `reasons` say by which rules."""

    places: tuple[YearsAt, ...]
    reasons: tuple[Reason, ...]

    @property
    def paid_months(self) -> int:
        """Return the paid months of all places."""
        return sum(place.paid_months for place in self.places)

    @property
    def deemed_months(self) -> int:
        """Return the deemed months of all places."""
        return sum(place.deemed_months for place in self.places)

    @property
    def months(self) -> int:
        """Return all months that count."""
        return self.paid_months + self.deemed_months

    def at(self, province: str) -> int:
        """Return the months that belong to a province; none when it has no part."""
        return sum(place.months for place in self.places if place.province == province)


@dataclass(frozen=True, slots=True)
class TimeRecord:
    """The origin's time record of years that it knows by year only: first and last month of the insurance at a place."""

    division: str
    start: Month
    end: Month


@dataclass(frozen=True, slots=True)
class YearOnly:
    """Rows made from a time record, and why; `open_periods` are the months that the rule does not reach (since 1998)."""

    rows: tuple[YearRow, ...]
    reason: Reason | None
    open_periods: tuple[tuple[Month, Month], ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """A soldier's allowance (军人退役基本养老保险补助) of some months: `monthly_base_fen` is the wage it was computed on."""

    start: Month
    end: Month
    monthly_base_fen: int


@dataclass(frozen=True, slots=True)
class AllowanceRows:
    """The allowance as actual contributions at the place of settlement."""

    rows: tuple[YearRow, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class AdjustmentLine:
    """What one row's allowance is short of in the account: so many months at the rate it moves at less the rate credited."""

    row: YearRow
    credited: Decimal
    moved: Decimal
    amount_fen: int


@dataclass(frozen=True, slots=True)
class AllowanceAdjustment:
    """What the pooled fund puts into the account before a soldier's allowance moves on, in fen, line by line."""

    lines: tuple[AdjustmentLine, ...]
    with_interest: bool
    reason: Reason

    @property
    def amount_fen(self) -> int:
        """Return the whole adjustment, without interest."""
        return sum(line.amount_fen for line in self.lines)


def years_by_place(segments: Sequence[Segment]) -> tuple[YearsAt, ...]:
    """Count the months of a record by the province of each row, in the order of the first month.

    Several places stay apart, whatever chain of transfers brought their rows. Raises MonthCountedTwice.
    """
    seen: set[Month] = set()
    found: dict[str, YearsAt] = {}
    rows = (row for segment in segments for row in segment.rows if row.status is not RowStatus.ARREARS)
    for row in sorted(rows, key=lambda row: row.start):
        for month in months_from(row.start, row.end):
            if month in seen:
                raise MonthCountedTwice(month)
            seen.add(month)
        province = row.division[:2]
        at = found.get(province, YearsAt(province, 0, 0))
        if row.status is RowStatus.PAID:
            found[province] = replace(at, paid_months=at.paid_months + row.months)
        else:
            found[province] = replace(at, deemed_months=at.deemed_months + row.months)
    return tuple(found.values())


def add_up(segments: Sequence[Segment], *, on: date, tables: Tables) -> YearsByPlace:
    """Count a record by place and add it up once, with the rules that say so. S-66 Art. 12. Raises MonthCountedTwice."""
    places = years_by_place(segments)
    codes = ["YEARS_BY_PLACE"]
    if any(place.deemed_months for place in places):
        codes.append("DEEMED_NO_MONEY")
    return YearsByPlace(places, tuple(because(code, on, tables) for code in codes))


def from_time_record(records: Iterable[TimeRecord], *, on: date, tables: Tables) -> YearOnly:
    """Take years that the origin knows by year only as deemed years, by its time record. S-5 item 2, domain § 1.6.7.

    The rule reaches the months for which the switch YEAR_ONLY_MONTHS stands at ``deemed`` (before 1998); the others come
    back as open periods, for which monthly data are needed. Raises YearOnlyInvalid.
    """
    rows: list[YearRow] = []
    open_periods: list[tuple[Month, Month]] = []
    for record in records:
        if record.start > record.end:
            raise YearOnlyInvalid(f"the time record of {record.division} runs from {record.start} to {record.end}")
        for row in _by_year(record.division, record.start, record.end):
            for piece, deemed in pieces(row, lambda month: _is_deemed(month, tables)):
                if deemed:
                    rows.append(piece)
                elif open_periods and open_periods[-1][1].ordinal + 1 == piece.start.ordinal:
                    open_periods[-1] = (open_periods[-1][0], piece.end)
                else:
                    open_periods.append((piece.start, piece.end))
    reason = because("YEAR_ONLY_DEEMED", on, tables) if rows else None
    return YearOnly(tuple(rows), reason, tuple(open_periods))


def settle_allowance(allowances: Iterable[Allowance], division: str, *, on: date, tables: Tables) -> AllowanceRows:
    """Write a soldier's allowance as actual contributions at the settlement place (six digits). S-5 item 6, domain § 1.6.17.

    The rows say what they are in their note, so that a later move finds them. Raises AllowanceInvalid.
    """
    rows: list[YearRow] = []
    for allowance in allowances:
        if allowance.start > allowance.end:
            raise AllowanceInvalid(f"the allowance runs from {allowance.start} to {allowance.end}")
        rate = tables.exceptions.figure_if_any(FigureCode.ALLOWANCE_EMPLOYER_RATE, allowance.start.first_day)
        if rate is None:
            raise AllowanceInvalid(f"no rate of the allowance is in force in {allowance.start}")
        for row in _by_year(division, allowance.start, allowance.end):
            rows.append(
                replace(
                    row,
                    monthly_wage_fen=allowance.monthly_base_fen,
                    employer_rate=rate.number,
                    status=RowStatus.PAID,
                    note=ALLOWANCE_NOTE,
                )
            )
    return AllowanceRows(tuple(rows), because("SOLDIER_COUNTS_HERE", on, tables))


def adjust_allowance(rows: Iterable[YearRow], *, on: date, tables: Tables) -> AllowanceAdjustment | None:
    """Return what the pooled fund puts into the account when a soldier's allowance moves on; None when nothing is short.

    Each month moves at ALLOWANCE_MOVED (11 % from 1998-01 to 2005-12) of its base and was credited at ALLOWANCE_CREDITED; both
    are rounded by the month, half up. Rows that are no allowance (`ALLOWANCE_NOTE`) are passed over. S-5 item 6.
    """
    lines: list[AdjustmentLine] = []
    for row in rows:
        if row.note != ALLOWANCE_NOTE or row.status is not RowStatus.PAID:
            continue
        for piece, (moved, credited) in pieces(row, lambda month: _allowance_rates(month, tables)):
            base = piece.monthly_wage_fen
            short_fen = piece.months * (half_up(base * moved) - half_up(base * credited))
            if short_fen > 0:
                lines.append(AdjustmentLine(piece, credited, moved, short_fen))
    if not lines:
        return None
    interest = tables.exceptions.switch(SwitchCode.SOLDIER_ADJUSTMENT_INTEREST, on).on
    return AllowanceAdjustment(tuple(lines), interest, because("SOLDIER_ADJUSTED", on, tables))


def served_first(*, soldier: bool, on: date, tables: Tables) -> Reason | None:
    """Say why somebody is served first, or None. It changes the order of the work list and never an answer. 经办条例 Art. 17."""
    try:
        return because("SOLDIER_PRIORITY", on, tables) if soldier else None
    except RuleNotInForce:
        return None


def _allowance_rates(month: Month, tables: Tables) -> tuple[Decimal, Decimal]:
    moved = tables.exceptions.figure_if_any(FigureCode.ALLOWANCE_MOVED, month.first_day)
    credited = tables.exceptions.figure_if_any(FigureCode.ALLOWANCE_CREDITED, month.first_day)
    if moved is None or credited is None:
        return Decimal(0), Decimal(0)
    return moved.number, credited.number


def _is_deemed(month: Month, tables: Tables) -> bool:
    rows = (row for row in tables.exceptions.switches if row.code is SwitchCode.YEAR_ONLY_MONTHS)
    return any(row.in_force(month.first_day) and row.value == "deemed" for row in rows)


def _by_year(division: str, start: Month, end: Month) -> Iterable[YearRow]:
    """Yield deemed rows from start to end, one a calendar year."""
    for year in range(start.year, end.year + 1):
        first = start if year == start.year else Month(year, 1)
        last = end if year == end.year else Month(year, 12)
        yield YearRow(division, first, last, 0, Decimal(0), RowStatus.DEEMED, RowKind.NORMAL)
