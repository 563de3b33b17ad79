"""Arrears (欠费): paid before the information form they count as if paid in time; refused they count nothing and move nothing.

The transfer goes on either way (S-NOTRANS cases 4, 5; domain § 1.6.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from services.rules.exception_tables import FigureCode, Reason
from services.rules.interest import half_up
from services.rules.loader import Tables
from services.rules.months import Month, months_from
from services.rules.pieces import pieces
from services.rules.reasons import because
from services.rules.year_rows import RowStatus, Segment, YearRow

_DAY = timedelta(days=1)


class NoArrears(ValueError):
    """A payment for a month in which nothing is in arrears."""

    def __init__(self, month: Month) -> None:
        super().__init__(f"{month} is not in arrears")
        self.month = month


class MonthPaidTwice(ValueError):
    """Two payments for the same month of arrears."""

    def __init__(self, month: Month) -> None:
        super().__init__(f"two payments are for {month}")
        self.month = month


class AmountInvalid(ValueError):
    """An amount below zero, or a period that ends before it starts."""


@dataclass(frozen=True, slots=True)
class ArrearsPayment:
    """The person paid the arrears of some months on a day; the wage is that of the rows."""

    start: Month
    end: Month
    paid_on: date


@dataclass(frozen=True, slots=True)
class ArrearsMonths:
    """Months of arrears with what became of them, and why. `reason.code` is a code of reasons.toml or refusals.toml."""

    start: Month
    end: Month
    counts: bool
    reason: Reason

    @property
    def months(self) -> int:
        """Return the number of months."""
        return self.end.ordinal - self.start.ordinal + 1


@dataclass(frozen=True, slots=True)
class ArrearsAnswer:
    """The record as the information form counts it, and what the person is told of the arrears, in the order of the months."""

    segments: tuple[Segment, ...]
    decided: tuple[ArrearsMonths, ...]

    @property
    def counted_months(self) -> int:
        """Return the months that were paid in time for the form."""
        return sum(one.months for one in self.decided if one.counts)

    @property
    def lost_months(self) -> int:
        """Return the months that count nothing from now on."""
        return sum(one.months for one in self.decided if not one.counts)


@dataclass(frozen=True, slots=True)
class LateFee:
    """What an employer's arrears cost by a day, as information: `fee_fen` is no part of any account and never moves."""

    days: int
    rate_per_day: Decimal
    fee_fen: int
    reason: Reason


def settle_arrears(
    segments: Sequence[Segment], payments: Iterable[ArrearsPayment], *, form_on: date, tables: Tables
) -> ArrearsAnswer:
    """Decide the arrears of a record on the day its information form is made. Domain § 1.6.2, § 8 scenarios 12, 13.

    Months paid by that day become paid months of their own time; the others stay arrears, which carry no month and no money
    and are lost for good. A payment after the day changes nothing (ARREARS_TOO_LATE). Raises NoArrears, MonthPaidTwice.
    """
    paid_on: dict[Month, date] = {}
    for payment in payments:
        for month in months_from(payment.start, payment.end):
            if month in paid_on:
                raise MonthPaidTwice(month)
            paid_on[month] = payment.paid_on
    owed = {
        month
        for segment in segments
        for row in segment.rows
        if row.status is RowStatus.ARREARS
        for month in months_from(row.start, row.end)
    }
    for month in sorted(paid_on):
        if month not in owed:
            raise NoArrears(month)

    told: list[ArrearsMonths] = []
    settled: list[Segment] = []
    for segment in segments:
        rows: list[YearRow] = []
        for row in segment.rows:
            if row.status is not RowStatus.ARREARS:
                rows.append(row)
                continue
            for piece, day in pieces(row, paid_on.get):
                counts = day is not None and day <= form_on
                code = "ARREARS_REFUSED" if day is None else "ARREARS_PAID" if counts else "ARREARS_TOO_LATE"
                rows.append(replace(piece, status=RowStatus.PAID, paid_on=day) if counts else piece)
                told.append(ArrearsMonths(piece.start, piece.end, counts, because(code, form_on, tables)))
        settled.append(replace(segment, rows=tuple(rows)))
    return ArrearsAnswer(tuple(settled), tuple(sorted(told, key=lambda one: one.start)))


def late_fee(amount_fen: int, *, owed_since: date, on: date, tables: Tables) -> LateFee:
    """Return the late fee of an employer's arrears from the first unpaid day up to and including `on`, in fen.

    Each day bears the rate in force that day; days before any rate bear none. 社会保险法 Art. 86. Raises AmountInvalid.
    """
    if amount_fen < 0 or on < owed_since:
        raise AmountInvalid(f"{amount_fen} fen owed from {owed_since} to {on}")
    total = Decimal(0)
    days = 0
    day = owed_since
    while day <= on:
        figure = tables.exceptions.figure_if_any(FigureCode.LATE_FEE_PER_DAY, day)
        if figure is None:
            day += _DAY
            continue
        last = on if figure.effective_to is None else min(on, figure.effective_to)
        run = (last - day).days + 1
        days += run
        total += figure.number * run
        day = last + _DAY
    rate = tables.exceptions.figure(FigureCode.LATE_FEE_PER_DAY, on).number
    return LateFee(days, rate, half_up(amount_fen * total), because("EMPLOYER_ARREARS", on, tables))
