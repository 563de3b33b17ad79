"""What is still owed when a rate that was not published is: the difference of items ①–⑥ and of the interest booked since.

Both are differences: what was booked stays as it was, and the remittance goes in either direction (domain § 2.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.rules.amounts import Amounts, compute
from services.rules.interest import complete_years
from services.rules.loader import Tables
from services.rules.year_rows import Segment


@dataclass(frozen=True, slots=True)
class ItemsDifference:
    """How much each item grows (or shrinks), in fen."""

    before_1998_fen: int
    until_last_year_fen: int
    this_year_fen: int
    account_fen: int
    pool_fen: int
    total_fen: int


@dataclass(frozen=True, slots=True)
class RateAdjustment:
    """A transfer that went at interim rates, computed again at the published ones.

    `items` is to be remitted, to the destination where it is above zero and back where it is below; `interest_by_year` is what
    the origin's books add to the interest of each interim year. `rates` are the published rates; `amounts` the items as they
    should have been, for the next version of the form.
    """

    items: ItemsDifference
    interest_by_year: Mapping[int, int]
    rates: Mapping[int, Decimal]
    amounts: Amounts

    @property
    def interest_fen(self) -> int:
        """Return what the origin's books add to the account, all years together."""
        return sum(self.interest_by_year.values())


def rate_adjustment(
    segments: Sequence[Segment], *, transfer_on: date, province: str, tables: Tables, interim: Mapping[int, Decimal]
) -> RateAdjustment:
    """Compute what a transfer that went at interim rates still owes.

    `segments` is the record as the form carried it, `interim` the rates that the form names. Raises RatePending while one of
    them is not published, and what `compute` raises.
    """
    issued = compute(segments, transfer_on=transfer_on, province=province, tables=tables, interim=interim)
    final = compute(segments, transfer_on=transfer_on, province=province, tables=tables, interim={})
    booked, due = _interest(issued), _interest(final)
    by_year = {year: due.get(year, 0) - booked.get(year, 0) for year in sorted(due.keys() | booked.keys())}
    return RateAdjustment(
        items=items_difference(issued, final),
        interest_by_year={year: fen for year, fen in by_year.items() if fen},
        rates={year: tables.recording_rate(year, province).rate for year in sorted(interim)},
        amounts=final,
    )


def items_difference(before: Amounts, after: Amounts) -> ItemsDifference:
    """Subtract item by item: `after` - `before`."""
    return ItemsDifference(
        before_1998_fen=after.before_1998_fen - before.before_1998_fen,
        until_last_year_fen=after.until_last_year_fen - before.until_last_year_fen,
        this_year_fen=after.this_year_fen - before.this_year_fen,
        account_fen=after.account_fen - before.account_fen,
        pool_fen=after.pool_fen - before.pool_fen,
        total_fen=after.total_fen - before.total_fen,
    )


def interest_differences(
    before: Sequence[Segment], after: Sequence[Segment], *, through: int, province: str, tables: Tables
) -> Mapping[int, int]:
    """Return by how many fen the interest of each year up to `through` differs between two states of one record.

    For a record that was corrected after its interest was booked, at the origin or at the place it has moved to; years
    without a difference are left out. Raises RatePending, EmployerRateTooLow.
    """
    booked, due = (_by_year(segments, through, province, tables) for segments in (before, after))
    found = {year: due.get(year, 0) - booked.get(year, 0) for year in sorted(due.keys() | booked.keys())}
    return {year: fen for year, fen in found.items() if fen}


def _interest(amounts: Amounts) -> dict[int, int]:
    found: dict[int, int] = {}
    for year in amounts.years:
        found[year.year] = found.get(year.year, 0) + year.before_1998.interest_fen + year.since_1998.interest_fen
    return found


def _by_year(segments: Sequence[Segment], through: int, province: str, tables: Tables) -> dict[int, int]:
    found: dict[int, int] = {}
    for year in complete_years(segments, through, province, tables):
        found[year.year] = found.get(year.year, 0) + year.before_1998.interest_fen + year.since_1998.interest_fen
    return found
