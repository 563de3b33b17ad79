"""The plug-ins: the national formula, Guangdong's factor a, Shanghai's months and its rounding."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.pension_formulas import (
    GuangdongFormula,
    NationalFormula,
    PensionFormula,
    ShanghaiFormula,
    formula_of,
    rounded_fen,
)
from services.rules.pension_tables import PensionFormulaRow, RoundingMode
from tests.unit.rules.builders import tables

ON = date(2025, 6, 1)


def row(province: str) -> PensionFormulaRow:
    return tables().pension.formula(ON, province)


def plugin(province: str) -> PensionFormula:
    return formula_of(row(province))


def basic_fen(province: str, base_fen: int, index: str, months: int) -> int:
    return rounded_fen(plugin(province).basic(base_fen, Decimal(index), months).exact_fen, row(province))


def test_each_row_brings_its_plug_in() -> None:
    assert [type(plugin(province)) for province in ("43", "44", "31")] == [NationalFormula, GuangdongFormula, ShanghaiFormula]


@pytest.mark.parametrize(
    ("months", "index", "amount_fen"),
    [
        (180, "0.6", 48000),
        (180, "1.0", 60000),
        (180, "3.0", 120000),
        (480, "0.6", 128000),
        (480, "1.0", 160000),
        (480, "3.0", 320000),
    ],
)
def test_pw1_the_basic_pension_at_an_average_wage_of_4000(months: int, index: str, amount_fen: int) -> None:
    assert basic_fen("43", 400000, index, months) == amount_fen


def test_pw2_and_pw3_come_out_as_published() -> None:
    assert basic_fen("43", 356600, "0.6", 180) == 42792
    assert basic_fen("43", 700000, "0.6", 180) == 84000


@pytest.mark.parametrize(
    ("index", "a", "amount_fen"),
    [
        # 9,000 × (a + index) ÷ 2 × 15 × 1 % = 675 × (a + index)
        ("1.0", "1", 135000),
        ("0.6", "1", 108000),
        ("0.48", "0.8", 86400),
        ("0.3", "0.5", 54000),
    ],
)
def test_guangdong_lowers_the_base_below_index_0_6(index: str, a: str, amount_fen: int) -> None:
    assert plugin("44").base_factor(Decimal(index)) == Fraction(a)
    assert basic_fen("44", 900000, index, 180) == amount_fen


def test_guangdong_is_exact_where_factor_a_has_no_end() -> None:
    # index 0.5: a = 0.8333…, a + index = 4/3; 900.09 × 4/3 ÷ 2 × 7.5 × 1 % = 45.0045 is exactly half a fen.
    assert basic_fen("44", 90009, "0.5", 90) == 4500
    assert plugin("44").basic(90009, Decimal("0.5"), 90).exact_fen == Fraction("4500.45")


def test_shanghai_counts_months_left_over_at_0_083_percent_and_rounds_to_0_1_yuan() -> None:
    # (12,000 + 9,600) ÷ 2 × (15 × 1 % + 7 × 0.083 %) = 10,800 × 0.15581 = 1,682.748
    assert basic_fen("31", 1200000, "0.8", 187) == 168270
    assert plugin("31").basic(1200000, Decimal("0.8"), 187).exact_fen == Fraction("168274.8")
    # By the national formula the same months are 10,800 × 187 ÷ 12 × 1 % = 1,683.00.
    assert basic_fen("43", 1200000, "0.8", 187) == 168300


def test_the_numbers_are_written_out() -> None:
    assert plugin("43").basic(800000, Decimal("1.0"), 240).formula == "(8,000.00 + 8,000.00 × 1.0) ÷ 2 × 240 ÷ 12 × 1 %"
    assert plugin("44").basic(800000, Decimal("0.3"), 12).formula == "(8,000.00 × 0.3 ÷ 0.6 + 8,000.00 × 0.3) ÷ 2 × 12 ÷ 12 × 1 %"
    assert plugin("31").basic(800000, Decimal("1.0"), 187).formula == "(8,000.00 + 8,000.00 × 1.0) ÷ 2 × (15 × 1 % + 7 × 0.083 %)"
    assert plugin("31").basic(800000, Decimal("1.0"), 24).formula == "(8,000.00 + 8,000.00 × 1.0) ÷ 2 × (2 × 1 %)"


@pytest.mark.parametrize(
    ("mode", "unit", "exact", "rounded"),
    [
        (RoundingMode.HALF_UP, 1, "100.5", 101),
        (RoundingMode.HALF_UP, 1, "100.49", 100),
        (RoundingMode.HALF_UP, 10, "104.99", 100),
        (RoundingMode.HALF_UP, 10, "105", 110),
        (RoundingMode.UP, 10, "100.01", 110),
        (RoundingMode.UP, 10, "100", 100),
    ],
)
def test_a_part_is_rounded_as_the_row_says(mode: RoundingMode, unit: int, exact: str, rounded: int) -> None:
    assert rounded_fen(Fraction(exact), replace(row("31"), round_to_fen=unit, rounding=mode)) == rounded


PROVINCES = st.sampled_from(["43", "44", "31"])
INDEXES = st.decimals("0.01", "3", places=4)


@given(province=PROVINCES, base_fen=st.integers(100_000, 2_000_000), index=INDEXES, months=st.integers(1, 600))
def test_more_months_or_a_higher_index_never_make_the_basic_pension_less(
    province: str, base_fen: int, index: Decimal, months: int
) -> None:
    here = plugin(province).basic(base_fen, index, months).exact_fen

    assert plugin(province).basic(base_fen, index, months + 1).exact_fen > here
    assert plugin(province).basic(base_fen, index + Decimal("0.0001"), months).exact_fen > here


@given(base_fen=st.integers(100_000, 2_000_000), index=INDEXES, months=st.integers(1, 600))
def test_guangdong_and_shanghai_never_pay_more_than_the_national_formula(base_fen: int, index: Decimal, months: int) -> None:
    national = plugin("43").basic(base_fen, index, months).exact_fen

    assert plugin("44").basic(base_fen, index, months).exact_fen <= national
    assert plugin("31").basic(base_fen, index, months).exact_fen <= national
