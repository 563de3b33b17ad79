"""What the months of a row credit to an individual account, and the interest of each year on it (S-116, S-187).

Interest runs from the month a contribution is paid *for*, so arrears paid later count as if paid in time (domain § 8,
scenario 13). Each month's credit and each year's interest is rounded by itself, half up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import assert_never

from services.rules.amount_tables import PendingPolicy
from services.rules.loader import AccountRatio, InterestKind, InterestMethod, RateNotPublished, RecordingRate, Tables
from services.rules.months import Month, months_from
from services.rules.year_rows import SINCE_1998, EmployerRateTooLow, RowStatus, Segment, YearRow

_ONE = Decimal(1)


class RatePending(Exception):
    """The recording rate of a needed year is not published yet, so the amounts cannot be final."""

    def __init__(self, year: int, province: str) -> None:
        super().__init__(f"the recording rate of {year} for province {province} is not published yet")
        self.year = year
        self.province = province


def half_up(number: Decimal) -> int:
    """Round to a whole number of fen, halves up."""
    return int(number.quantize(_ONE, rounding=ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Rates:
    """Which recording rate each year bears in a province: the published one, and `interim` ones in the place of others.

    An interim rate is used even when the year's own has been published since: what was issued at it is computed again so.
    """

    province: str
    tables: Tables
    interim: Mapping[int, RecordingRate] = field(default_factory=dict)

    def of(self, year: int) -> RecordingRate:
        """Return the rate of a year. Raises RatePending."""
        found = self.interim.get(year)
        if found is not None:
            return found
        try:
            return self.tables.recording_rate(year, self.province)
        except RateNotPublished as error:
            raise RatePending(year, self.province) from error

    def method(self, year: int) -> InterestMethod:
        """Return how the interest of a year is computed. Raises RuleNotInForce."""
        return self.tables.interest_method(year, self.province)


def rates_for_transfer(transfer_on: date, province: str, tables: Tables, stated: Mapping[int, Decimal] | None = None) -> Rates:
    """Return the rates for a transfer on a day: published, or interim where the province goes on without (RATE_PENDING).

    `stated` are the interim rates that an information form names: these are used then and no others, but only for the last
    years before the transfer's, whose rates may be late. Raises RuleNotInForce before 2010.
    """
    policy = tables.amounts.pending_rate(transfer_on, province)
    late = range(transfer_on.year - policy.years, transfer_on.year)
    if stated is not None:
        named = {
            year: _interim(year, stated[year], "form/interim_rates", "the information form") for year in late if year in stated
        }
        return Rates(province, tables, named)
    if policy.policy is PendingPolicy.WAIT:
        return Rates(province, tables)
    interim: dict[int, RecordingRate] = {}
    last: Decimal | None = None
    for year in range(late.start - 1, late.stop):
        try:
            last = tables.recording_rate(year, province).rate
        except RateNotPublished:
            rate = policy.rate if policy.policy is PendingPolicy.NAMED_RATE else last
            if rate is not None and year in late:
                interim[year] = _interim(year, rate, policy.rule, policy.source, policy.confidence)
    return Rates(province, tables, interim)


def _interim(year: int, rate: Decimal, rule: str, source: str, confidence: str = "design") -> RecordingRate:
    return RecordingRate(
        rule=rule,
        effective_from=date(year, 1, 1),
        effective_to=date(year, 12, 31),
        source=source,
        confidence=confidence,
        year=year,
        provinces=(),
        rate=rate,
    )


@dataclass(frozen=True, slots=True)
class PartOfYear:
    """One part of an account in one year, in fen: closing = opening + principal + interest."""

    opening_fen: int
    principal_fen: int
    interest_fen: int

    @property
    def closing_fen(self) -> int:
        """Return the balance at 31 December, or at the transfer in its year."""
        return self.opening_fen + self.principal_fen + self.interest_fen


@dataclass(frozen=True, slots=True)
class YearStatement:
    """An account's year in one segment (by its position); `rate` is None in the transfer's year, which bears none.

    `interim` says that the year's own rate was not published and another one stands in its place.
    """

    segment: int
    year: int
    rate: Decimal | None
    before_1998: PartOfYear
    since_1998: PartOfYear
    interim: bool = False


@dataclass(frozen=True, slots=True)
class InterestForYear:
    """What the year-end run credits to an account, in fen, to the part before 1998 and the part since."""

    before_1998_fen: int
    since_1998_fen: int

    @property
    def total_fen(self) -> int:
        """Return the interest of both parts."""
        return self.before_1998_fen + self.since_1998_fen


@dataclass(frozen=True, slots=True)
class PrincipalOfRow:
    """Where the money of a row goes, in fen: the individual account, and the rest to the pooled fund."""

    account_fen: int
    pool_fen: int


def complete_years(segments: Sequence[Segment], last_year: int, province: str, tables: Tables) -> tuple[YearStatement, ...]:
    """Return every year up to `last_year` in which an account held something, with principal and interest in fen. S-116.

    Published rates only: nothing is booked for good at an interim one. Raises RatePending, EmployerRateTooLow.
    """
    rates = Rates(province, tables)
    return tuple(
        work.statement(position) for position, segment in enumerate(segments) for work in fold_years(segment, last_year, rates)
    )


def interest_for_year(segments: Sequence[Segment], year: int, province: str, tables: Tables) -> InterestForYear:
    """Return what the year-end run of a province credits to a record for one complete year, in fen. S-116.

    The balances of earlier years are folded with their own interest first. Raises RatePending, EmployerRateTooLow.
    """
    rates = Rates(province, tables)
    before = since = 0
    for segment in segments:
        for work in fold_years(segment, year, rates):
            if work.year == year:
                before += work.before_1998.interest_fen
                since += work.since_1998.interest_fen
    return InterestForYear(before_1998_fen=before, since_1998_fen=since)


def principal_of(row: YearRow, tables: Tables) -> PrincipalOfRow:
    """Split the money of a row, in fen: each month's account share, and what is left of what was paid in.

    Paid in is (employer rate + personal rate) × wage, rounded each month. Rows that are not paid carry no money;
    nor do those before 1998, whose personal part enters the books with the opening balance. Raises
    EmployerRateTooLow. S-187, 国发〔2005〕38号.
    """
    if row.status is not RowStatus.PAID or row.start < SINCE_1998:
        return PrincipalOfRow(0, 0)
    account_fen = paid_in_fen = 0
    for credit in _row_credits(row, tables):
        account_fen += credit.total_fen
        paid_in_fen += credit.months * credit.paid_in_month_fen
    return PrincipalOfRow(account_fen=account_fen, pool_fen=paid_in_fen - account_fen)


@dataclass(frozen=True, slots=True)
class Credit:
    """Months of one row under one ratio: what each adds to the account, and what each brought in."""

    start: Month
    end: Month
    wage_fen: int
    month_fen: int
    paid_in_month_fen: int
    ratio: AccountRatio

    @property
    def months(self) -> int:
        """Return how many months these are."""
        return self.end.ordinal - self.start.ordinal + 1

    @property
    def total_fen(self) -> int:
        """Return what they add together."""
        return self.months * self.month_fen

    @property
    def weight(self) -> int:
        """Return the month products: January earns for 12 months, December for one."""
        return month_products(self.start, self.end)


def month_products(start: Month, end: Month) -> int:
    """Add up the months for which each month of one year earns: January 12, December one."""
    return (end.ordinal - start.ordinal + 1) * (26 - start.month - end.month) // 2


@dataclass(frozen=True, slots=True)
class YearWork:
    """One complete year of one segment with what is needed to explain it."""

    year: int
    rate: RecordingRate
    interim: bool
    method: InterestMethod
    credits: tuple[Credit, ...]
    before_1998: PartOfYear
    since_1998: PartOfYear

    def statement(self, position: int) -> YearStatement:
        """Return the year as it is shown."""
        return YearStatement(position, self.year, self.rate.rate, self.before_1998, self.since_1998, self.interim)


def credits_of(rows: Iterable[YearRow], tables: Tables) -> tuple[Credit, ...]:
    """Return what rows credit, in their order. Raises EmployerRateTooLow."""
    return tuple(credit for row in rows for credit in _row_credits(row, tables))


def principal_rows(segment: Segment) -> dict[int, list[YearRow]]:
    """Return the rows whose account part is credited month by month, by year, each year in the order of its months."""
    found: dict[int, list[YearRow]] = {}
    for row in sorted(segment.rows, key=lambda row: row.start.ordinal):
        if segment.carries_principal(row):
            found.setdefault(row.year, []).append(row)
    return found


def fold_years(segment: Segment, last_year: int, rates: Rates) -> Iterator[YearWork]:
    """Fold the years of a segment, from its opening to last_year; years in which nothing stands are skipped.

    Idle years go on earning (Art. 9). Raises RatePending, EmployerRateTooLow.
    """
    rows = principal_rows(segment)
    first_years = list(rows)
    if segment.opening_year is not None:
        first_years.append(segment.opening_year + 1)
    if not first_years:
        return
    before, since = segment.opening_before_1998_fen, segment.opening_since_1998_fen
    for year in range(min(first_years), last_year + 1):
        credits = credits_of(rows.get(year, ()), rates.tables)
        if not (before or since or credits):
            continue
        rate, method = rates.of(year), rates.method(year)
        principal = sum(credit.total_fen for credit in credits)
        products = sum(credit.month_fen * credit.weight for credit in credits)
        work = YearWork(
            year=year,
            rate=rate,
            interim=year in rates.interim,
            method=method,
            credits=credits,
            before_1998=PartOfYear(before, 0, interest_fen(before, 0, 0, rate.rate, method)),
            since_1998=PartOfYear(since, principal, interest_fen(since, principal, products, rate.rate, method)),
        )
        yield work
        before, since = work.before_1998.closing_fen, work.since_1998.closing_fen


def interest_fen(
    opening: Decimal | int, principal: Decimal | int, products: Decimal | int, rate: Decimal, method: InterestMethod
) -> int:
    """Compute a year's interest in fen. S-116.

    `opening` and `principal` are in fen, `products` is the sum of each month's credit times the months it earns for.
    """
    match method.method:
        case InterestKind.MONTH_PRODUCT:
            return half_up((opening * 12 + products) * rate / 12)
        case InterestKind.ANNUAL:
            return half_up(opening * rate + principal * rate * method.factor / 2)
        case _:
            assert_never(method.method)


def _row_credits(row: YearRow, tables: Tables) -> Iterator[Credit]:
    """Split a row where a ratio or a rate changes within the year; nearly always it is one piece."""
    province = row.division[:2]  # Local personal rates before 2006 are those of the place that collected.
    pieces: list[tuple[Month, Month]] = []
    first = (tables.account_ratio(row.start), tables.personal_rate(row.start, province))
    last = (tables.account_ratio(row.end), tables.personal_rate(row.end, province))
    if first[0] is last[0] and first[1] is last[1]:
        pieces.append((row.start, row.end))
    else:
        held = first
        start = previous = row.start
        for month in months_from(row.start, row.end):
            now = (tables.account_ratio(month), tables.personal_rate(month, province))
            if now != held:
                pieces.append((start, previous))
                start, held = month, now
            previous = month
        pieces.append((start, row.end))
    for begin, end in pieces:
        ratio, personal = tables.account_ratio(begin), tables.personal_rate(begin, province)
        if row.employer_rate + personal.rate < ratio.ratio:
            raise EmployerRateTooLow(
                f"{begin}..{end}: employer rate {row.employer_rate} and personal rate {personal.rate} "
                f"do not reach the account's {ratio.ratio}"
            )
        yield Credit(
            start=begin,
            end=end,
            wage_fen=row.monthly_wage_fen,
            month_fen=half_up(row.monthly_wage_fen * ratio.ratio),
            paid_in_month_fen=half_up(row.monthly_wage_fen * (row.employer_rate + personal.rate)),
            ratio=ratio,
        )
