"""Items ①–⑥ to the fen: the worked examples of domain § 2.4 and what must hold of every record."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.amounts import (
    Item,
    PartOfYear,
    RatePending,
    RowKind,
    RowStatus,
    Segment,
    compute,
    half_up,
    interest_for_year,
    principal_of,
)
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, load_tables
from tests.unit.rules.amount_builders import TRANSFER_YEAR, annual_method, flat_rate, items, records
from tests.unit.rules.builders import a_row, own, tables

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_example_1_half_a_year_moved_in_the_same_year_bears_no_interest() -> None:
    record = [own(a_row("2024-01", "2024-06"))]

    amounts = compute(record, transfer_on=date(2024, 8, 1), province="44", tables=tables())

    assert items(amounts) == (0, 0, 240000, 240000, 360000, 600000)
    assert amounts.months == 6


def test_example_2_one_full_year_bears_interest_by_month_products() -> None:
    record = [own(a_row("2023-01", "2023-12"))]

    amounts = compute(record, transfer_on=date(2024, 5, 1), province="44", tables=tables())

    assert items(amounts) == (0, 490322, 0, 490322, 720000, 1210322)
    assert amounts.months == 12


def test_example_3_two_years_and_three_months() -> None:
    record = [own(a_row("2022-01", "2022-12"), a_row("2023-01", "2023-12", 600_000), a_row("2024-01", "2024-03", 600_000))]

    amounts = compute(record, transfer_on=date(2024, 4, 1), province="44", tables=tables())

    assert items(amounts) == (0, 1103986, 144000, 1247986, 1800000, 3047986)
    assert amounts.months == 27
    assert [(year.year, year.since_1998) for year in amounts.years] == [
        (2022, PartOfYear(0, 480000, 15912)),
        (2023, PartOfYear(495912, 576000, 32074)),
        (2024, PartOfYear(1103986, 144000, 0)),
    ]
    assert amounts.years[1].since_1998.closing_fen == 1103986


def test_example_4_crossing_1998_and_2006() -> None:
    rows = (
        a_row("1998-01", "1998-12", 100_000, employer_rate="0.20"),
        a_row("2006-01", "2006-12", 200_000, employer_rate="0.20"),
    )

    amounts = compute([Segment(1997, 100_000, 0, rows)], transfer_on=date(2010, 3, 1), province="44", tables=flat_rate("0.02"))

    assert items(amounts) == (126823, 371861, 0, 498684, 432000, 930684)
    closings = {year.year: year.since_1998.closing_fen for year in amounts.years}
    assert {year: closings[year] for year in (1998, 2005, 2006, 2009)} == {
        1998: 133430,
        2005: 153269,
        2006: 350414,
        2009: 371861,
    }


@pytest.mark.parametrize(("employer_rate", "pool_fen", "total_fen"), [("0.16", 768000, 1160258), ("0.10", 576000, 968258)])
def test_example_5_a_temporary_account_moves_the_actual_employer_rate_but_never_less_than_12_percent(
    employer_rate: str, pool_fen: int, total_fen: int
) -> None:
    row = a_row("2023-01", "2023-12", 400_000, employer_rate=employer_rate, kind=RowKind.TEMPORARY)

    amounts = compute([own(row)], transfer_on=date(2024, 5, 1), province="33", tables=tables())

    assert items(amounts) == (0, 392258, 0, 392258, pool_fen, total_fen)
    assert amounts.pool_from_temporary_fen == pool_fen


def test_example_7_arrears_count_neither_months_nor_money() -> None:
    record = [own(a_row("2023-01", "2023-10"), a_row("2023-11", "2023-12", status=RowStatus.ARREARS))]

    amounts = compute(record, transfer_on=date(2024, 5, 1), province="44", tables=tables())

    assert items(amounts) == (0, 409925, 0, 409925, 600000, 1009925)
    assert (amounts.months, amounts.arrears_months) == (10, 2)


def test_deemed_months_are_counted_apart_and_carry_no_money() -> None:
    record = [own(a_row("1990-01", "1990-12", 0, status=RowStatus.DEEMED), a_row("2024-01", "2024-06"))]

    amounts = compute(record, transfer_on=date(2024, 8, 1), province="44", tables=tables())

    assert items(amounts) == (0, 0, 240000, 240000, 360000, 600000)
    assert (amounts.months, amounts.deemed_months) == (6, 12)


def test_paid_months_before_1998_count_as_months_only() -> None:
    record = [Segment(1997, 100_000, 0, (a_row("1997-01", "1997-12", 80_000), a_row("1998-01", "1998-01", 100_000)))]

    amounts = compute(record, transfer_on=date(2010, 1, 4), province="44", tables=flat_rate("0"))

    assert items(amounts) == (100000, 11000, 0, 111000, 12000, 123000)
    assert amounts.months == 13


def test_what_arrived_with_an_earlier_transfer_keeps_its_balances_and_books_only_the_rows_of_that_year() -> None:
    arrived = Segment(2022, 0, 495912, (a_row("2022-01", "2022-12"), a_row("2023-01", "2023-03", 600_000)))
    since = own(a_row("2023-04", "2023-12", 600_000, division="330100"))

    amounts = compute([arrived, since], transfer_on=date(2024, 4, 1), province="33", tables=tables())

    # By the numbers of example 3, but each segment's interest is rounded by itself.
    arrived_2023 = 495912 + 3 * 48000 + half_up((495912 * 12 + 48000 * (12 + 11 + 10)) * Decimal("0.0397") / 12)
    own_2023 = 9 * 48000 + half_up(48000 * sum(range(1, 10)) * Decimal("0.0397") / 12)
    assert amounts.until_last_year_fen == arrived_2023 + own_2023
    assert amounts.pool_fen == half_up(Decimal("0.12") * (12 * 500_000 + 12 * 600_000))
    assert amounts.months == 24
    assert [year.segment for year in amounts.years] == [0, 0, 1, 1]


def test_a_relationship_that_lies_idle_keeps_earning_interest() -> None:
    record = [own(a_row("2018-01", "2018-12"))]

    amounts = compute(record, transfer_on=date(2021, 2, 1), province="44", tables=tables())

    assert [year.year for year in amounts.years] == [2018, 2019, 2020, 2021]
    assert amounts.years[2].since_1998.interest_fen > 0


def test_a_transfer_that_needs_a_rate_not_yet_published_waits_and_names_the_year() -> None:
    record = [own(a_row("2025-01", "2025-12"))]

    with pytest.raises(RatePending) as pending:
        compute(record, transfer_on=date(2027, 2, 1), province="44", tables=tables())

    assert (pending.value.year, pending.value.province) == (2026, "44")


def test_a_record_of_the_transfer_year_alone_needs_no_rate() -> None:
    amounts = compute([own(a_row("2026-01", "2026-02"))], transfer_on=date(2026, 3, 2), province="44", tables=tables())

    assert amounts.this_year_fen == 80000


def test_an_empty_record_moves_nothing_and_says_so_for_every_item() -> None:
    amounts = compute([], transfer_on=date(2024, 5, 1), province="44", tables=tables())

    assert items(amounts) == (0, 0, 0, 0, 0, 0)
    assert [step.item for step in amounts.steps] == list(Item)


@pytest.mark.parametrize(("code", "error"), [("99", ProvinceUnknown), ("81", ProvinceOutOfScope)])
def test_a_province_that_takes_no_part_is_refused(code: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        compute([], transfer_on=date(2024, 5, 1), province=code, tables=tables())


@settings(deadline=None, max_examples=150)
@given(records(), st.sampled_from(["month_product", "annual"]))
def test_what_was_booked_month_by_month_and_year_by_year_is_item_4_to_the_fen(record: list[Segment], method: str) -> None:
    rules = tables() if method == "month_product" else annual_method("1.083")

    amounts = compute(record, transfer_on=date(TRANSFER_YEAR, 6, 28), province="44", tables=rules)

    openings = sum(segment.opening_before_1998_fen + segment.opening_since_1998_fen for segment in record)
    principal = sum(
        principal_of(row, rules).account_fen for segment in record for row in segment.rows if segment.carries_principal(row)
    )
    interest = sum(interest_for_year(record, year, "44", rules).total_fen for year in range(1996, TRANSFER_YEAR))
    assert openings + principal + interest == amounts.account_fen
    assert amounts.total_fen == amounts.account_fen + amounts.pool_fen
    assert amounts.account_fen == amounts.before_1998_fen + amounts.until_last_year_fen + amounts.this_year_fen
    assert 0 <= amounts.pool_from_temporary_fen <= amounts.pool_fen
    sums = {item: sum(step.amount_fen or 0 for step in amounts.steps if step.item is item) for item in Item}
    assert tuple(sums.values())[1:] == items(amounts)


@settings(deadline=None, max_examples=150)
@given(records())
def test_every_year_opens_where_the_last_one_closed(record: list[Segment]) -> None:
    amounts = compute(record, transfer_on=date(TRANSFER_YEAR, 6, 28), province="44", tables=tables())

    for position, segment in enumerate(record):
        before, since = segment.opening_before_1998_fen, segment.opening_since_1998_fen
        for year in (year for year in amounts.years if year.segment == position):
            assert (year.before_1998.opening_fen, year.since_1998.opening_fen) == (before, since)
            before, since = year.before_1998.closing_fen, year.since_1998.closing_fen
    by_row = [principal_of(row, tables()) for segment in record for row in segment.rows]
    assert all(part.account_fen >= 0 and part.pool_fen >= 0 for part in by_row)


def test_the_amounts_follow_tables_given_from_outside() -> None:
    rules = load_tables(EXAMPLES / "ex4_tables")

    assert rules.recording_rate(2005, "44").rate == Decimal("0.02")
    with pytest.raises(RatePending):
        compute([own(a_row("2023-01", "2023-12"))], transfer_on=date(2024, 5, 1), province="44", tables=rules)


def test_every_line_names_its_rule_and_source_and_the_lines_add_up_to_the_items() -> None:
    record = [
        Segment(1997, 100_000, 0, (a_row("2003-01", "2003-12", 123_456, employer_rate="0.2"),)),
        Segment(2009, 5_000, 70_000, (a_row("2009-01", "2009-12"), a_row("2010-01", "2010-06"))),
    ]

    amounts = compute(record, transfer_on=date(2012, 7, 2), province="44", tables=tables())

    sums = {item: sum(step.amount_fen or 0 for step in amounts.steps if step.item is item) for item in Item}
    assert sums.pop(Item.MONTHS) == 0
    assert tuple(sums.values()) == items(amounts)
    assert all(step.rule and step.source and step.formula and step.text_zh and step.text_en for step in amounts.steps)
    assert amounts.rule_set == tables().version
    untrusted = [step for step in amounts.steps if step.confidence == "untrusted"]
    assert untrusted
    assert all("recording_rates" in step.rule for step in untrusted)
