"""Year rows and the segments they form: a person's contribution record, refused by name where it cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.rules.months import Month

SINCE_1998 = Month(1998, 1)
_MOST_FEN = 9_999_999_999  # 99,999,999.99 yuan, the width of the form's money fields.


class RowStatus(StrEnum):
    """What became of the months of a row; only paid ones carry money."""

    PAID = "paid"
    ARREARS = "arrears"
    DEEMED = "deemed"


class RowKind(StrEnum):
    """How the months of a row were contributed."""

    NORMAL = "normal"
    TEMPORARY = "temporary"
    ONE_OFF = "one_off"
    DEFERRED = "deferred"


class Participant(StrEnum):
    """As what the person took part in the months of a row: with an employer, or alone (灵活就业人员)."""

    EMPLOYEE = "employee"
    FLEXIBLE = "flexible"


class RecordInvalid(ValueError):
    """A record that cannot exist; the subclasses say why."""


class DivisionInvalid(RecordInvalid):
    """A division that is not six digits."""


class StartAfterEnd(RecordInvalid):
    """A row whose first month lies after its last."""


class RowCrossesYear(RecordInvalid):
    """A row that does not lie in one calendar year."""


class WageInvalid(RecordInvalid):
    """A wage below zero or beyond the form's 99,999,999.99 yuan."""


class EmployerRateInvalid(RecordInvalid):
    """An employer rate outside 0 to 1, or with more than four decimals."""


class EmployerRateTooLow(RecordInvalid):
    """An employer and a personal rate that together do not even pay for the account's share."""


class MonthsOverlap(RecordInvalid):
    """Two rows of one record that hold the same month."""

    def __init__(self, first: YearRow, second: YearRow) -> None:
        super().__init__(f"{first.start}..{first.end} and {second.start}..{second.end} hold the same month")
        self.first = first
        self.second = second


class OpeningInvalid(RecordInvalid):
    """An opening balance below zero, or one without the year at whose end it stood."""


class RowAfterTransfer(RecordInvalid):
    """A row with months after the month of the transfer."""


class OpeningAfterTransfer(RecordInvalid):
    """An opening balance of the transfer's own year or later."""


@dataclass(frozen=True, slots=True)
class YearRow:
    """Months of one place and one year with the same wage (information form, part 2).

    `monthly_wage_fen` is the contribution wage of each month, `employer_rate` a fraction of one. A flexible worker has no
    employer: there it is what the person pays beside the personal rate, 0.12 of the usual 0.20. Raises DivisionInvalid,
    StartAfterEnd, RowCrossesYear, WageInvalid, EmployerRateInvalid.
    """

    division: str
    start: Month
    end: Month
    monthly_wage_fen: int
    employer_rate: Decimal
    status: RowStatus = RowStatus.PAID
    kind: RowKind = RowKind.NORMAL
    paid_on: date | None = None
    note: str = ""
    participant: Participant = Participant.EMPLOYEE

    def __post_init__(self) -> None:
        if not (len(self.division) == 6 and self.division.isascii() and self.division.isdigit()):
            raise DivisionInvalid(f"the division {self.division!r} is not six digits")
        if self.start > self.end:
            raise StartAfterEnd(f"the row starts in {self.start} and ends before, in {self.end}")
        if self.start.year != self.end.year:
            raise RowCrossesYear(f"the row {self.start}..{self.end} does not lie in one year")
        if not 0 <= self.monthly_wage_fen <= _MOST_FEN:
            raise WageInvalid(f"the wage of {self.start}..{self.end} is {self.monthly_wage_fen} fen")
        exponent = self.employer_rate.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -4 or not 0 <= self.employer_rate <= 1:
            raise EmployerRateInvalid(f"the employer rate of {self.start}..{self.end} is {self.employer_rate}")

    @property
    def year(self) -> int:
        """Return the calendar year of the row."""
        return self.start.year

    @property
    def months(self) -> int:
        """Return the number of months of the row."""
        return self.end.month - self.start.month + 1


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that are computed together: a place's own, or what came with an earlier transfer.

    The opening balances, in fen, stand at 31 December of `opening_year`: ① (the person's own part before 1998) and ②
    (everything since). The principal of rows up to that year is inside them, so those rows count for months and for
    the pooled fund's wages only. Own record without an account before 1998: None, 0, 0. Arrived by a transfer in year
    T: T-1 with ① and ② of its form. Raises OpeningInvalid, MonthsOverlap.
    """

    opening_year: int | None
    opening_before_1998_fen: int
    opening_since_1998_fen: int
    rows: tuple[YearRow, ...]

    def __post_init__(self) -> None:
        openings = (self.opening_before_1998_fen, self.opening_since_1998_fen)
        if min(openings) < 0:
            raise OpeningInvalid(f"an opening balance is below zero: {openings}")
        if self.opening_year is None and any(openings):
            raise OpeningInvalid(f"the opening balances {openings} need the year at whose end they stood")
        refuse_overlaps(self.rows)

    def carries_principal(self, row: YearRow) -> bool:
        """Say whether the row's account part is outside the opening balance and was credited month by month."""
        return (
            row.status is RowStatus.PAID
            and row.start >= SINCE_1998
            and (self.opening_year is None or row.year > self.opening_year)
        )


def refuse_overlaps(rows: Iterable[YearRow]) -> None:
    """Raise MonthsOverlap when two rows hold the same month."""
    ordered = sorted(rows, key=lambda row: row.start.ordinal)
    for position in range(1, len(ordered)):
        if ordered[position].start <= ordered[position - 1].end:
            raise MonthsOverlap(ordered[position - 1], ordered[position])


def refuse_impossible(segments: Iterable[Segment], transfer_on: date) -> None:
    """Refuse a record that cannot be moved on a day.

    Raises MonthsOverlap, RowAfterTransfer, OpeningAfterTransfer.
    """
    listed = list(segments)
    rows = [row for segment in listed for row in segment.rows]
    refuse_overlaps(rows)
    last = Month.of(transfer_on)
    for row in rows:
        if row.end > last:
            raise RowAfterTransfer(f"the row {row.start}..{row.end} lies after the transfer on {transfer_on}")
    for segment in listed:
        if segment.opening_year is not None and segment.opening_year >= transfer_on.year:
            raise OpeningAfterTransfer(
                f"an opening balance at the end of {segment.opening_year} cannot be part of a transfer on {transfer_on}"
            )
