"""What a transfer at an interim rate still owes when the rate is published, in either direction."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from services.rules.adjustment import interest_differences, rate_adjustment
from services.rules.amount_tables import PendingPolicy
from services.rules.amounts import RatePending, RowKind, Segment, compute
from tests.unit.rules.amount_builders import going_on, with_pool_interest, with_rate
from tests.unit.rules.builders import a_row, own, tables

ON = date(2027, 2, 1)
INTERIM = {2026: Decimal("0.0150")}


def record() -> list[Segment]:
    return [own(a_row("2025-01", "2025-12"), a_row("2026-01", "2026-12"))]


@pytest.mark.parametrize(
    ("rate", "difference_fen"),
    # At 1.50 % the year bore 111.59; at 2.60 %: 4,839.00 × 2.60 % + 67.60 = 193.414; at 1.00 %: 48.39 + 26.00 = 74.39.
    [("0.0260", 19341 - 11159), ("0.0150", 0), ("0.0100", 7439 - 11159)],
    ids=["more", "the same", "less"],
)
def test_the_difference_of_the_items_is_the_interest_that_the_year_should_have_borne(rate: str, difference_fen: int) -> None:
    rules = with_rate(2026, rate)

    found = rate_adjustment(record(), transfer_on=ON, province="44", tables=rules, interim=INTERIM)

    assert found.items.until_last_year_fen == found.items.account_fen == found.items.total_fen == difference_fen
    assert (found.items.before_1998_fen, found.items.this_year_fen, found.items.pool_fen) == (0, 0, 0)
    assert dict(found.interest_by_year) == ({2026: difference_fen} if difference_fen else {})
    assert found.interest_fen == difference_fen
    assert dict(found.rates) == {2026: Decimal(rate)}


def test_what_was_issued_and_the_difference_are_what_the_published_rate_gives() -> None:
    issued = compute(record(), transfer_on=ON, province="44", tables=going_on(PendingPolicy.LAST_PUBLISHED))
    published = with_rate(2026, "0.0275")

    found = rate_adjustment(record(), transfer_on=ON, province="44", tables=published, interim=issued.interim)

    final = compute(record(), transfer_on=ON, province="44", tables=published)
    assert issued.account_fen + found.items.account_fen == final.account_fen == found.amounts.account_fen
    assert not found.amounts.interim


def test_nothing_can_be_settled_before_the_rate_is_published() -> None:
    with pytest.raises(RatePending) as pending:
        rate_adjustment(record(), transfer_on=ON, province="44", tables=tables(), interim=INTERIM)

    assert pending.value.year == 2026


def test_an_older_part_before_1998_is_adjusted_with_the_rest() -> None:
    old = [Segment(2025, 100_000, 0, ())]

    found = rate_adjustment(old, transfer_on=ON, province="44", tables=with_rate(2026, "0.0260"), interim=INTERIM)

    assert (found.items.before_1998_fen, found.items.until_last_year_fen) == (1100, 0)
    assert dict(found.interest_by_year) == {2026: 1100}


def test_two_interim_years_are_adjusted_each_with_what_follows_from_the_first() -> None:
    rules = with_rate(2027, "0.0300", with_rate(2026, "0.0260"))
    stated = {2026: Decimal("0.0150"), 2027: Decimal("0.0150")}

    found = rate_adjustment(
        [Segment(2025, 0, 1_000_000, ())], transfer_on=date(2028, 2, 1), province="44", tables=rules, interim=stated
    )

    # 10,000: 150.00 and 152.25 at 1.50 %; 260.00 at 2.60 %, then 10,260 × 3 % = 307.80.
    assert dict(found.interest_by_year) == {2026: 11000, 2027: 30780 - 15225}
    assert found.items.total_fen == 11000 + 30780 - 15225


def test_the_interest_of_a_temporary_accounts_pooled_part_is_adjusted_in_item_5() -> None:
    rules = with_pool_interest(with_rate(2026, "0.0260"))
    rows = (a_row("2025-01", "2025-12", kind=RowKind.TEMPORARY),)

    found = rate_adjustment([own(*rows)], transfer_on=ON, province="33", tables=rules, interim=INTERIM)

    # The pool has 9,600.00 and 78.00 of 2025: 9,678.00 × 2.60 % = 251.628 against × 1.50 % = 145.17.
    # The account has 4,800.00 and 39.00: 4,839.00 × 2.60 % = 125.814 against × 1.50 % = 72.585.
    assert found.items.pool_fen == 25163 - 14517
    assert found.items.account_fen == 12581 - 7259
    assert found.items.total_fen == found.items.pool_fen + found.items.account_fen
    assert dict(found.interest_by_year) == {2026: found.items.account_fen}


def test_a_wage_corrected_later_changes_the_interest_of_its_year_and_of_all_years_after() -> None:
    before = [own(a_row("2022-01", "2022-12"))]
    after = [own(a_row("2022-01", "2022-12", 550_000))]

    found = interest_differences(before, after, through=2024, province="44", tables=tables())

    # 40.00 more a month. 2022: 440 × 78 × 6.12 % / 12 = 175.032 against 159.12, so 5,455.03 stand against 4,959.12.
    # 2023: 5,455.03 × 3.97 % = 216.564691 against 196.877064. 2024: 5,671.59 × 2.62 % = 148.595658 against 5,156.00 × 2.62 %.
    assert dict(found) == {2022: 17503 - 15912, 2023: 21656 - 19688, 2024: 14860 - 13509}


def test_records_that_earn_the_same_have_no_difference() -> None:
    assert interest_differences(record(), record(), through=2025, province="44", tables=tables()) == {}
