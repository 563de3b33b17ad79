"""The pooled fund's part: uniform, whole for temporary accounts, with interest only where the switch says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from services.rules.amount_tables import PendingPolicy
from services.rules.amounts import Amounts, Item, Participant, RatePending, RowKind, RowStatus, Segment, YearRow, compute
from services.rules.loader import InterestKind, Tables
from tests.unit.rules.amount_builders import going_on, with_pool_interest
from tests.unit.rules.builders import a_row, own, tables


def a_temporary(start: str, end: str, wage_fen: int = 400_000, *, employer_rate: str = "0.16") -> YearRow:
    return a_row(start, end, wage_fen, division="330100", employer_rate=employer_rate, kind=RowKind.TEMPORARY)


def moved(*rows: YearRow, on: date = date(2024, 5, 1), rules: Tables | None = None) -> Amounts:
    return compute([own(*rows)], transfer_on=on, province="33", tables=rules or tables())


@pytest.mark.parametrize("employer_rate", ["0.05", "0.12", "0.16", "0.20"])
def test_twelve_percent_is_uniform_whatever_the_employer_paid(employer_rate: str) -> None:
    amounts = moved(a_row("2023-01", "2023-12", employer_rate=employer_rate))

    assert (amounts.pool_fen, amounts.pool_from_temporary_fen) == (720000, 0)


@pytest.mark.parametrize(
    ("employer_rate", "pool_fen"),
    [("0.20", 960000), ("0.1201", 576480), ("0.12", 576000), ("0.1199", 576000), ("0.05", 576000)],
)
def test_a_temporary_account_moves_the_employers_own_rate_down_to_twelve_percent(employer_rate: str, pool_fen: int) -> None:
    amounts = moved(a_temporary("2023-01", "2023-12", employer_rate=employer_rate))

    assert (amounts.pool_fen, amounts.pool_from_temporary_fen) == (pool_fen, pool_fen)


@pytest.mark.parametrize("kind", [RowKind.NORMAL, RowKind.TEMPORARY])
@pytest.mark.parametrize("employer_rate", ["0.12", "0.20"])
def test_of_a_flexible_worker_the_part_outside_the_account_is_always_twelve_percent(kind: RowKind, employer_rate: str) -> None:
    row = replace(a_row("2023-01", "2023-12", employer_rate=employer_rate, kind=kind), participant=Participant.FLEXIBLE)

    amounts = moved(row)

    assert (amounts.account_fen, amounts.pool_fen) == (490322, 720000)


def test_only_paid_wages_since_1998_count() -> None:
    amounts = moved(
        a_row("1997-01", "1997-12"),
        a_row("2022-01", "2022-12", 0, status=RowStatus.DEEMED),
        a_row("2023-01", "2023-06", status=RowStatus.ARREARS),
        a_row("2023-07", "2023-12"),
    )

    assert amounts.pool_fen == 360000


def test_the_pool_is_rounded_once_and_not_by_the_month() -> None:
    # 12 % of 333.37 is 40.0044 a month: 480.0528 in twelve, where twelve rounded months would be 480.00.
    assert moved(a_row("2023-01", "2023-12", 33337)).pool_fen == 48005


def test_without_the_switch_the_pooled_part_of_a_temporary_account_bears_no_interest() -> None:
    amounts = moved(a_temporary("2020-01", "2020-12"))

    assert (amounts.pool_fen, amounts.pool_interest_fen) == (768000, 0)


def test_with_the_switch_it_bears_the_interest_of_the_account() -> None:
    amounts = moved(a_temporary("2022-01", "2022-12"), a_temporary("2024-01", "2024-03"), rules=with_pool_interest())

    # 640.00 a month. 2022: 640 × 78 × 6.12 % / 12 = 254.592 -> 254.59. 2023: (7,680 + 254.59) × 3.97 % = 315.003223 -> 315.00.
    # 2024 is the transfer's year: principal alone, three months of 640.00.
    assert amounts.pool_interest_fen == 25459 + 31500
    assert amounts.pool_fen == 768000 + 3 * 64000 + 25459 + 31500
    assert amounts.pool_from_temporary_fen == amounts.pool_fen
    lines = [step for step in amounts.steps if step.item is Item.POOL]
    assert [step.amount_fen for step in lines] == [960000, 25459, 31500]
    assert lines[1].formula == "(49,920) × 0.0612 ÷ 12 = 254.59"
    assert lines[2].formula == "7,934.59 × 0.0397 = 315.00"
    assert all("temp_pool_interest@2010-01-01" in step.rule and step.confidence == "unsure" for step in lines[1:])


def test_the_switch_leaves_normal_rows_without_interest() -> None:
    amounts = moved(a_row("2022-01", "2022-12"), a_temporary("2023-01", "2023-12"), rules=with_pool_interest())

    # 640.00 a month of 2023 alone: 640 × 78 × 3.97 % / 12 = 165.152 -> 165.15.
    assert amounts.pool_interest_fen == 16515
    assert amounts.pool_from_temporary_fen == 768000 + 16515
    assert amounts.pool_fen == 720000 + 768000 + 16515


def test_the_switch_is_a_dated_row() -> None:
    [row] = tables().amounts.temp_pool_interests
    later = (
        replace(row, effective_to=date(2024, 12, 31)),
        replace(row, effective_from=date(2025, 1, 1), bears_interest=True),
    )
    rules = replace(tables(), amounts=replace(tables().amounts, temp_pool_interests=later))

    assert moved(a_temporary("2023-01", "2023-12"), on=date(2024, 12, 31), rules=rules).pool_interest_fen == 0
    assert moved(a_temporary("2023-01", "2023-12"), on=date(2025, 1, 1), rules=rules).pool_interest_fen > 0


def test_a_rate_that_is_not_published_keeps_the_pool_waiting_only_where_it_bears_interest() -> None:
    # The rows of 2023 lie inside an opening balance of the year before the transfer: the account itself needs no rate.
    record = [Segment(2026, 0, 500_000, (a_temporary("2023-01", "2023-12"),))]
    late = date(2027, 2, 1)

    without = compute(record, transfer_on=late, province="33", tables=tables())
    interim = compute(record, transfer_on=late, province="33", tables=with_pool_interest(going_on(PendingPolicy.LAST_PUBLISHED)))

    assert (without.pool_fen, dict(without.interim)) == (768000, {})
    assert dict(interim.interim) == {2026: Decimal("0.0150")}
    assert any("interim rate 0.0150" in step.text_en for step in interim.steps if step.item is Item.POOL)
    with pytest.raises(RatePending):
        compute(record, transfer_on=late, province="33", tables=with_pool_interest())


def test_an_annual_method_counts_for_the_pool_as_well() -> None:
    [method] = tables().interest_methods
    annual = replace(method, method=InterestKind.ANNUAL, factor=Decimal("1.083"))
    rules = replace(with_pool_interest(), interest_methods=(annual,))

    amounts = moved(a_temporary("2023-01", "2023-12"), rules=rules)

    # 7,680 × 3.97 % × 1.083 / 2 = 165.101184 -> 165.10.
    assert amounts.pool_interest_fen == 16510
    assert "7,680 × 0.0397 × 1.083 ÷ 2 = 165.10" in [step.formula for step in amounts.steps]
