"""The pooled fund's part, item ⑤: a share of the wages since 1998, uniform but for temporary accounts (S-66, S-187)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.rules.amount_tables import TempPoolInterest
from services.rules.interest import Rates, half_up, interest_fen, month_products
from services.rules.loader import InterestMethod, PoolRatio, RecordingRate
from services.rules.months import Month
from services.rules.year_rows import Participant, RowKind, YearRow


@dataclass(frozen=True, slots=True)
class PoolYear:
    """A year's interest on the pooled part of a temporary account; money in fen, `opening` not rounded."""

    year: int
    opening: Decimal
    principal: Decimal
    products: Decimal
    rate: RecordingRate
    interim: bool
    method: InterestMethod
    interest_fen: int


@dataclass(frozen=True, slots=True)
class Pool:
    """The pooled fund's part in fen, and the rows by the rate that applies to them with their months.

    `total_fen` holds `from_temporary_fen`, and that holds the interest of `years`, which there is only where the switch
    `temp_pool_interest` says so.
    """

    total_fen: int
    from_temporary_fen: int
    ratio: PoolRatio
    normal: Mapping[Decimal, Sequence[tuple[YearRow, int]]]
    temporary: Mapping[Decimal, Sequence[tuple[YearRow, int]]]
    years: tuple[PoolYear, ...]
    switch: TempPoolInterest

    @property
    def interest_fen(self) -> int:
        """Return the interest in it."""
        return sum(year.interest_fen for year in self.years)


def pool_of(paid: Sequence[YearRow], transfer_on: date, rates: Rates) -> Pool:
    """Compute item ⑤ of paid rows for a transfer on a day, in fen, rounded once.

    The share is uniform whatever the local employer rate. A temporary account hands over the employer's actual rate where
    that is higher; of a flexible worker, who has no employer, it is always the uniform share. Without interest, but for
    temporary accounts where the switch says so. Raises RuleNotInForce before 2010, RatePending where interest is asked for.
    """
    ratio = rates.tables.pool_ratio(transfer_on)
    switch = rates.tables.amounts.temp_pool_interest(transfer_on)
    normal = _by_rate(ratio, [row for row in paid if row.kind is not RowKind.TEMPORARY])
    temporary = _by_rate(ratio, [row for row in paid if row.kind is RowKind.TEMPORARY])
    years = tuple(_years(ratio, temporary, transfer_on.year - 1, rates)) if switch.bears_interest else ()
    normal_fen = _share(normal)
    total_fen = half_up(normal_fen + _share(temporary)) + sum(year.interest_fen for year in years)
    return Pool(total_fen, total_fen - half_up(normal_fen), ratio, normal, temporary, years, switch)


def pool_rate(row: YearRow, ratio: PoolRatio) -> Decimal:
    """Return the share of a row's wages that the pooled fund hands over."""
    if row.kind is RowKind.TEMPORARY and row.participant is not Participant.FLEXIBLE:
        return max(ratio.ratio, row.employer_rate)
    return ratio.ratio


def _by_rate(ratio: PoolRatio, rows: Sequence[YearRow]) -> dict[Decimal, list[tuple[YearRow, int]]]:
    """Group rows by the rate that applies to them, with the months that count."""
    by_rate: dict[Decimal, list[tuple[YearRow, int]]] = {}
    for row in sorted(rows, key=lambda row: row.start.ordinal):
        if row.end >= ratio.wages_from:
            months = row.end.ordinal - _first_month(row, ratio).ordinal + 1
            by_rate.setdefault(pool_rate(row, ratio), []).append((row, months))
    return by_rate


def _first_month(row: YearRow, ratio: PoolRatio) -> Month:
    return max(row.start, ratio.wages_from)


def _share(by_rate: Mapping[Decimal, Sequence[tuple[YearRow, int]]]) -> Decimal:
    """Sum the pool's share, not yet rounded."""
    shares = (rate * sum(row.monthly_wage_fen * months for row, months in counted) for rate, counted in by_rate.items())
    return sum(shares, Decimal(0))


def _years(
    ratio: PoolRatio, temporary: Mapping[Decimal, Sequence[tuple[YearRow, int]]], last_year: int, rates: Rates
) -> Iterator[PoolYear]:
    """Fold the pooled part of a temporary account like the account itself: year by year, each year's interest rounded."""
    principals: dict[int, Decimal] = {}
    products: dict[int, Decimal] = {}
    for rate, counted in temporary.items():
        for row, months in counted:
            start = _first_month(row, ratio)
            month_fen = rate * row.monthly_wage_fen
            principals[row.year] = principals.get(row.year, Decimal(0)) + month_fen * months
            products[row.year] = products.get(row.year, Decimal(0)) + month_fen * month_products(start, row.end)
    if not principals:
        return
    opening = Decimal(0)
    for year in range(min(principals), last_year + 1):
        principal, weighed = principals.get(year, Decimal(0)), products.get(year, Decimal(0))
        recording, method = rates.of(year), rates.method(year)
        fen = interest_fen(opening, principal, weighed, recording.rate, method)
        yield PoolYear(year, opening, principal, weighed, recording, year in rates.interim, method, fen)
        opening += principal + fen
