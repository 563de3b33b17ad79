"""Years by place, years known by year only, and soldiers' years: domain § 1.6.5, § 1.6.7, § 1.6.8, § 1.6.17."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.amounts import compute
from services.rules.deemed_years import (
    ALLOWANCE_NOTE,
    Allowance,
    AllowanceInvalid,
    MonthCountedTwice,
    TimeRecord,
    YearOnlyInvalid,
    YearsAt,
    add_up,
    adjust_allowance,
    from_time_record,
    served_first,
    settle_allowance,
    years_by_place,
)
from services.rules.loader import TABLES_DIRECTORY, load_tables
from services.rules.months import Month
from services.rules.year_rows import RowStatus, Segment
from tests.unit.rules.builders import a_row, own, tables

ON = date(2024, 5, 20)


def a_record(start: str, end: str, division: str = "420100") -> TimeRecord:
    return TimeRecord(division, Month.parse(start), Month.parse(end))


def an_allowance(start: str, end: str, base_fen: int = 100_000) -> Allowance:
    return Allowance(Month.parse(start), Month.parse(end), base_fen)


def test_months_belong_to_the_place_of_the_work_and_are_added_up_once() -> None:
    arrived = Segment(
        2022,
        0,
        1_000_000,
        (
            a_row("1995-01", "1995-12", 0, division="420100", status=RowStatus.DEEMED),
            a_row("2010-01", "2010-12", division="110100"),
            a_row("2011-01", "2011-06", division="440100"),
        ),
    )
    here = own(
        a_row("2023-01", "2023-10", division="330100"),
        a_row("2023-11", "2023-12", division="330100", status=RowStatus.ARREARS),
    )

    found = add_up([here, arrived], on=ON, tables=tables())

    assert found.places == (YearsAt("42", 0, 12), YearsAt("11", 12, 0), YearsAt("44", 6, 0), YearsAt("33", 10, 0))
    assert (found.paid_months, found.deemed_months, found.months) == (28, 12, 40)
    assert (found.at("42"), found.at("51")) == (12, 0)
    assert [reason.code for reason in found.reasons] == ["YEARS_BY_PLACE", "DEEMED_NO_MONEY"]


def test_deemed_years_of_several_places_are_counted_place_by_place() -> None:
    rows = [
        a_row("1990-01", "1990-12", 0, division="420100", status=RowStatus.DEEMED),
        a_row("1991-01", "1991-06", 0, division="510100", status=RowStatus.DEEMED),
    ]

    assert years_by_place([own(*rows)]) == (YearsAt("42", 0, 12), YearsAt("51", 0, 6))


def test_deemed_years_count_and_carry_no_money() -> None:
    deemed = a_row("1998-01", "1998-12", 300_000, status=RowStatus.DEEMED)
    paid = a_row("2023-01", "2023-12")

    amounts = compute([own(deemed, paid)], transfer_on=ON, province="44", tables=tables())

    assert (amounts.total_fen, amounts.months, amounts.deemed_months) == (1_210_322, 12, 12)  # Ex. 2


def test_a_month_that_two_rows_count_is_refused() -> None:
    with pytest.raises(MonthCountedTwice, match="2023-06"):
        years_by_place([own(a_row("2023-01", "2023-06")), own(a_row("2023-06", "2023-07", division="330100"))])


def test_a_record_without_months_has_no_place() -> None:
    found = add_up([own()], on=ON, tables=tables())

    assert (found.places, found.months) == ((), 0)
    assert [reason.code for reason in found.reasons] == ["YEARS_BY_PLACE"]


def test_years_known_by_year_only_become_deemed_years_on_the_origins_time_record() -> None:
    found = from_time_record([a_record("1992-03", "1994-06")], on=ON, tables=tables())

    assert [(str(row.start), str(row.end), row.status, row.monthly_wage_fen, row.division) for row in found.rows] == [
        ("1992-03", "1992-12", RowStatus.DEEMED, 0, "420100"),
        ("1993-01", "1993-12", RowStatus.DEEMED, 0, "420100"),
        ("1994-01", "1994-06", RowStatus.DEEMED, 0, "420100"),
    ]
    assert found.reason is not None
    assert found.reason.code == "YEAR_ONLY_DEEMED"
    assert found.open_periods == ()
    assert add_up([own(*found.rows)], on=ON, tables=tables()).at("42") == 28


def test_months_since_1998_need_monthly_data() -> None:
    found = from_time_record([a_record("1997-11", "1999-02")], on=ON, tables=tables())

    assert [(str(row.start), str(row.end)) for row in found.rows] == [("1997-11", "1997-12")]
    assert found.open_periods == ((Month(1998, 1), Month(1999, 2)),)
    with pytest.raises(YearOnlyInvalid):
        from_time_record([a_record("1997-11", "1997-10")], on=ON, tables=tables())


def test_the_switch_ends_the_rule_for_years_known_by_year_only(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "switches.toml").read_text(encoding="utf-8")
    (tmp_path / "switches.toml").write_text(text.replace('value = "deemed"', 'value = "as_recorded"'), encoding="utf-8")

    found = from_time_record([a_record("1992-03", "1994-06")], on=ON, tables=load_tables(tmp_path))

    assert (found.rows, found.reason) == ((), None)
    assert found.open_periods == ((Month(1992, 3), Month(1994, 6)),)


def test_a_soldiers_allowance_counts_as_actual_years_at_the_place_of_settlement() -> None:
    settled = settle_allowance([an_allowance("2004-11", "2006-02")], "370100", on=ON, tables=tables())

    assert settled.reason.code == "SOLDIER_COUNTS_HERE"
    assert [(str(row.start), str(row.end), row.status, row.note) for row in settled.rows] == [
        ("2004-11", "2004-12", RowStatus.PAID, ALLOWANCE_NOTE),
        ("2005-01", "2005-12", RowStatus.PAID, ALLOWANCE_NOTE),
        ("2006-01", "2006-02", RowStatus.PAID, ALLOWANCE_NOTE),
    ]
    assert years_by_place([own(*settled.rows)]) == (YearsAt("37", 16, 0),)


def test_the_allowance_moves_at_11_percent_for_1998_to_2005_and_at_8_percent_since() -> None:
    settled = settle_allowance([an_allowance("2005-12", "2006-01")], "370100", on=ON, tables=tables())

    amounts = compute([own(*settled.rows)], transfer_on=date(2010, 3, 1), province="37", tables=tables())

    principal = {year.year: year.since_1998.principal_fen for year in amounts.years}
    assert (principal[2005], principal[2006]) == (11_000, 8_000)  # 1,000 × 11 % and 1,000 × 8 %
    assert amounts.pool_fen == 24_000  # 2 × 1,000 × 12 %


def test_the_pooled_fund_puts_three_percent_into_the_account_for_1998_to_2005() -> None:
    settled = settle_allowance([an_allowance("2004-11", "2006-02")], "370100", on=ON, tables=tables())

    adjustment = adjust_allowance(settled.rows, on=ON, tables=tables())

    # 14 months of 1,000 × (11 % − 8 %) = 14 × 30 = 420.00; 2006 needs nothing.
    assert adjustment is not None
    assert [(line.row.year, line.amount_fen) for line in adjustment.lines] == [(2004, 6_000), (2005, 36_000)]
    assert (adjustment.amount_fen, adjustment.with_interest) == (42_000, False)
    assert adjustment.reason.code == "SOLDIER_ADJUSTED"


def test_only_an_allowance_of_those_years_is_adjusted() -> None:
    civil = a_row("2004-01", "2004-12", 100_000)
    later = settle_allowance([an_allowance("2006-01", "2006-12")], "370100", on=ON, tables=tables())

    assert adjust_allowance([civil, *later.rows], on=ON, tables=tables()) is None
    owed = replace(a_row("2004-01", "2004-12", 100_000, status=RowStatus.ARREARS), note=ALLOWANCE_NOTE)
    assert adjust_allowance([owed], on=ON, tables=tables()) is None


def test_an_allowance_before_1998_or_backwards_is_refused() -> None:
    with pytest.raises(AllowanceInvalid):
        settle_allowance([an_allowance("1997-12", "1998-01")], "370100", on=ON, tables=tables())
    with pytest.raises(AllowanceInvalid):
        settle_allowance([an_allowance("1999-02", "1999-01")], "370100", on=ON, tables=tables())


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3_000_000), st.integers(1998, 2004), st.integers(1998, 2012))
def test_what_the_settlement_place_credited_and_the_adjustment_are_what_moves(base_fen: int, one: int, other: int) -> None:
    allowance = an_allowance(f"{min(one, other)}-01", f"{max(one, other)}-12", base_fen)
    rows = settle_allowance([allowance], "370100", on=ON, tables=tables()).rows

    adjustment = adjust_allowance(rows, on=ON, tables=tables())

    credited_fen = sum(row.months for row in rows) * ((base_fen * 8 + 50) // 100)
    years = compute([own(*rows)], transfer_on=date(2013, 1, 31), province="37", tables=tables()).years
    moved_fen = sum(year.since_1998.principal_fen for year in years)
    assert credited_fen + (adjustment.amount_fen if adjustment else 0) == moved_fen


def test_a_soldier_is_served_first_and_nobody_else() -> None:
    reason = served_first(soldier=True, on=ON, tables=tables())

    assert reason is not None
    assert reason.code == "SOLDIER_PRIORITY"
    assert served_first(soldier=False, on=ON, tables=tables()) is None
    assert served_first(soldier=True, on=date(2023, 11, 30), tables=tables()) is None
