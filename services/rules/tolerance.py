"""Whether the amounts that another place says are those that we compute: equal, apart by rounding, or a discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.rules.explanation import Item, SixItems
from services.rules.loader import Tables


class Agreement(StrEnum):
    """How two computings of the same items stand to each other."""

    EXACT = "exact"
    ROUNDING_DIFFERENCE = "rounding_difference"
    DISCREPANCY = "discrepancy"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it: `differences` in fen by item (said − computed, without those that agree), and how far is rounding.

    `rule` names the row of the table that says so.
    """

    agreement: Agreement
    differences: Mapping[Item, int]
    allowed_fen: int
    rule: str

    @property
    def total_fen(self) -> int:
        """Return the difference of item ⑥."""
        return self.differences.get(Item.TOTAL, 0)


def compare(said: SixItems, computed: SixItems, *, year_rows: int, on: date, tables: Tables) -> Comparison:
    """Compare items ①–⑥ as another place says them with our own computing from its rows (domain § 2.2).

    No item may be further apart than 0.01 yuan a year row; then the difference is rounding, and the figure said is booked.
    `on` is the day of the transfer. Raises RuleNotInForce.
    """
    rule = tables.amounts.tolerance(on)
    allowed_fen = rule.fen_a_year_row * year_rows
    pairs = {
        Item.BEFORE_1998: (said.before_1998_fen, computed.before_1998_fen),
        Item.UNTIL_LAST_YEAR: (said.until_last_year_fen, computed.until_last_year_fen),
        Item.THIS_YEAR: (said.this_year_fen, computed.this_year_fen),
        Item.ACCOUNT: (said.account_fen, computed.account_fen),
        Item.POOL: (said.pool_fen, computed.pool_fen),
        Item.TOTAL: (said.total_fen, computed.total_fen),
    }
    differences = {item: theirs - ours for item, (theirs, ours) in pairs.items() if theirs != ours}
    if not differences:
        agreement = Agreement.EXACT
    elif max(map(abs, differences.values())) <= allowed_fen:
        agreement = Agreement.ROUNDING_DIFFERENCE
    else:
        agreement = Agreement.DISCREPANCY
    return Comparison(agreement, differences, allowed_fen, rule.rule)
