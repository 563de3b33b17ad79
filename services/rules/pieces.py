"""Cutting a record in two: rows by the month, and a segment into a part that is computed alone and the rest, to the fen.

A year's interest is rounded once, so two parts computed alone may differ from the whole by a fen a year. Whoever is told an
amount (a form, a refund) gets the part computed alone; the rest is the difference, so that nothing is lost or made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from services.rules.amounts import Amounts, compute
from services.rules.loader import Tables
from services.rules.months import Month, months_from
from services.rules.year_rows import Segment, YearRow

_KeyT = TypeVar("_KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Parted:
    """A segment cut in two on a day: `apart` and what it is worth alone, and `rest`, the difference to the whole.

    `rest` opens at the end of the year before the day, with what the whole held then and `apart` does not.
    """

    whole: Amounts
    apart: Amounts
    rest: Segment


def pieces(row: YearRow, key: Callable[[Month], _KeyT]) -> Iterator[tuple[YearRow, _KeyT]]:
    """Cut a row wherever the key of its months changes; a row with one key throughout comes out as it is."""
    start = previous = row.start
    held = key(row.start)
    for month in months_from(row.start, row.end):
        now = key(month)
        if now != held:
            yield replace(row, start=start, end=previous), held
            start, held = month, now
        previous = month
    yield (row if start == row.start else replace(row, start=start)), held


def part(segment: Segment, apart: Segment, rest_rows: tuple[YearRow, ...], *, on: date, province: str, tables: Tables) -> Parted:
    """Cut a segment on a day: `apart` is computed alone, the rows left make the rest, which gets the difference.

    The rest's principal of the day's own year follows from its rows. Raises what `amounts.compute` raises.
    """
    whole = compute((segment,), transfer_on=on, province=province, tables=tables)
    alone = compute((apart,), transfer_on=on, province=province, tables=tables)
    rest = Segment(
        opening_year=on.year - 1,
        opening_before_1998_fen=whole.before_1998_fen - alone.before_1998_fen,
        opening_since_1998_fen=whole.until_last_year_fen - alone.until_last_year_fen,
        rows=rest_rows,
    )
    return Parted(whole=whole, apart=alone, rest=rest)
