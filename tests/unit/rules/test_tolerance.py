"""What is a rounding difference and what is a discrepancy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from contracts.base import Items
from services.rules.amounts import Item
from services.rules.loader import RuleNotInForce
from services.rules.tolerance import Agreement, compare
from tests.unit.rules.builders import tables

ON = date(2024, 5, 6)
OURS = Items(
    before_1998_fen=100,
    until_last_year_fen=1_000,
    this_year_fen=100,
    account_fen=1_200,
    pool_fen=720,
    total_fen=1_920,
)


def said(**of_items: int) -> Items:
    """What another place says, with sums that hold."""
    changed = OURS.model_copy(update={name: getattr(OURS, name) + fen for name, fen in of_items.items()})
    account = changed.before_1998_fen + changed.until_last_year_fen + changed.this_year_fen
    return changed.model_copy(update={"account_fen": account, "total_fen": account + changed.pool_fen})


def test_equal_amounts_are_exact() -> None:
    found = compare(said(), OURS, year_rows=3, on=ON, tables=tables())

    assert (found.agreement, dict(found.differences), found.total_fen) == (Agreement.EXACT, {}, 0)
    assert (found.allowed_fen, found.rule) == (3, "rounding_tolerances@2010-01-01")


@pytest.mark.parametrize(
    ("rows", "fen", "agreement"),
    [
        (1, 1, "rounding_difference"),
        (1, 2, "discrepancy"),
        (35, 35, "rounding_difference"),
        (35, -35, "rounding_difference"),
        (35, 36, "discrepancy"),
        (35, -36, "discrepancy"),
        (0, 1, "discrepancy"),
    ],
)
@pytest.mark.parametrize("item", ["before_1998_fen", "until_last_year_fen", "this_year_fen", "pool_fen"])
def test_one_fen_a_year_row_is_rounding_and_more_is_a_discrepancy(item: str, rows: int, fen: int, agreement: str) -> None:
    found = compare(said(**{item: fen}), OURS, year_rows=rows, on=ON, tables=tables())

    assert (found.agreement, found.total_fen) == (agreement, fen)


def test_the_difference_is_named_item_by_item_theirs_less_ours() -> None:
    found = compare(said(until_last_year_fen=-1, pool_fen=2), OURS, year_rows=3, on=ON, tables=tables())

    assert found.agreement is Agreement.ROUNDING_DIFFERENCE
    assert dict(found.differences) == {Item.UNTIL_LAST_YEAR: -1, Item.ACCOUNT: -1, Item.POOL: 2, Item.TOTAL: 1}
    assert found.total_fen == 1


def test_small_differences_that_add_up_to_more_are_a_discrepancy() -> None:
    found = compare(said(until_last_year_fen=2, pool_fen=2), OURS, year_rows=3, on=ON, tables=tables())

    assert found.agreement is Agreement.DISCREPANCY
    assert found.total_fen == 4


def test_what_one_item_has_too_much_another_cannot_make_good() -> None:
    found = compare(said(until_last_year_fen=5, this_year_fen=-5), OURS, year_rows=3, on=ON, tables=tables())

    assert found.total_fen == 0
    assert found.agreement is Agreement.DISCREPANCY


def test_the_tolerance_is_a_dated_row() -> None:
    [row] = tables().amounts.tolerances
    later = (replace(row, effective_to=date(2025, 12, 31)), replace(row, effective_from=date(2026, 1, 1), fen_a_year_row=0))
    rules = replace(tables(), amounts=replace(tables().amounts, tolerances=later))

    assert compare(said(pool_fen=1), OURS, year_rows=3, on=date(2025, 12, 31), tables=rules).agreement == "rounding_difference"
    assert compare(said(pool_fen=1), OURS, year_rows=3, on=date(2026, 1, 1), tables=rules).agreement == "discrepancy"
    with pytest.raises(RuleNotInForce):
        compare(said(), OURS, year_rows=3, on=date(2009, 12, 31), tables=rules)
