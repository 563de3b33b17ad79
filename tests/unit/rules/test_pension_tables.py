"""The dated rows of retirement: complete, found by day and province, and refused by name when they are wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.rules.loader import TABLES_DIRECTORY, RuleNotInForce, TablesInvalid, load_tables
from services.rules.pension_tables import (
    BaseNotPublished,
    BetweenAges,
    Category,
    CaveatCode,
    FormulaName,
    PlaceCode,
)
from tests.unit.rules.builders import tables

ON = date(2025, 6, 1)


def changed(tmp_path: Path, name: str, *replacements: tuple[str, str]) -> Path:
    text = (TABLES_DIRECTORY / name).read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_answer_and_every_caveat_has_words_in_both_languages() -> None:
    rules = tables().pension

    assert {one.code for one in rules.place_reasons} == set(PlaceCode)
    assert {one.code for one in rules.caveats} == set(CaveatCode)
    assert all(one.legal_basis and one.reason_zh and one.reason_en for one in rules.place_reasons)
    assert all(one.text_zh and one.text_en for one in rules.caveats)


def test_a_provinces_own_formula_wins_from_the_day_it_began() -> None:
    rules = tables().pension

    assert rules.formula(ON, "44").formula is FormulaName.GUANGDONG
    assert rules.formula(ON, "31").formula is FormulaName.SHANGHAI
    assert rules.formula(ON, "43").formula is FormulaName.NATIONAL
    assert rules.formula(date(2021, 9, 30), "31").formula is FormulaName.NATIONAL
    with pytest.raises(RuleNotInForce):
        rules.formula(date(2005, 12, 31), "43")


def test_only_the_bases_that_beijing_announced_are_known_and_the_others_are_asked_for() -> None:
    rules = tables().pension

    assert rules.calculation_base("11", 2024).base_fen == 1188300
    assert rules.calculation_base("11", 2025).base_fen == 1204900
    for province, year in (("11", 2026), ("44", 2025)):
        with pytest.raises(BaseNotPublished) as missing:
            rules.calculation_base(province, year)
        assert (missing.value.province, missing.value.year) == (province, year)


def test_nothing_that_was_decided_without_a_source_is_called_found() -> None:
    rules = tables().pension

    assert rules.minimum_year(ON).confidence == "unsure"
    assert rules.index_method(ON, "43").confidence == "design"
    assert rules.transitional_coefficient(ON, "43").confidence == "design"
    assert rules.divisor_between(date(2024, 12, 31), "43").confidence == "design"
    assert rules.formula(ON, "44").confidence == rules.formula(ON, "31").confidence == "unsure"


def test_a_row_is_named_after_its_table_its_province_and_its_day() -> None:
    rules = tables().pension

    assert rules.formula(ON, "44").rule == "pension_formulas/44@2006-07-01"
    assert rules.transitional_coefficient(ON, "44").rule == "transitional_coefficient/31,44@2006-01-01"
    assert rules.calculation_base("11", 2025).rule == "calculation_bases/11@2025"
    assert {row.rule for row in rules.statutory_ages} >= {"statutory_ages/male@2025-01-01", "statutory_ages/female_50@2025-01-01"}


def test_a_provinces_own_way_between_two_birthdays_is_a_row(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "divisors.toml").read_text(encoding="utf-8")
    own = '[[divisor_between]]\nprovince = "44"\nmethod = "full_years"\ndecimals = 0\neffective_from = 2025-01-01\n'
    (tmp_path / "divisors.toml").write_text(text + own + 'source = "test"\nconfidence = "design"\n', encoding="utf-8")
    rules = load_tables(tmp_path).pension

    assert rules.divisor_between(ON, "44").method is BetweenAges.FULL_YEARS
    assert rules.divisor_between(ON, "43").method is BetweenAges.LINEAR


@pytest.mark.parametrize(
    ("name", "replacements", "problem"),
    [
        ("place_of_payment.toml", [('code = "LONGEST_PLACE"', 'code = "LAST_PLACE"')], "two rows for 'LAST_PLACE'"),
        ("place_of_payment.toml", [('code = "LONGEST_PLACE"', 'code = "LAST_PLACE"')], "LONGEST_PLACE is missing"),
        ("place_of_payment.toml", [('without_hukou = "longest"', 'without_hukou = "any"')], "is none of longest, refuse"),
        ("statutory_ages.toml", [('category = "female_55"', 'category = "male"')], "two rows for 'male' are in force"),
        ("statutory_ages.toml", [("step_months = 4", "step_months = 0")], "step_months = 0 is not a whole number from 1"),
        ("minimum_months.toml", [("first_year = 2030", "first_year = 2031")], "first_year = 2031 lies after effective_from"),
        ("minimum_months.toml", [("effective_to = 2029-12-31", 'effective_to = "open"')], "two rows are in force on 2030-01-01"),
        ("divisors.toml", [("  56, ", '  "56", ')], "is not a list of whole numbers"),
        ("divisors.toml", [('method = "linear"', 'method = "curved"')], "is none of linear, full_years"),
        ("pension_formulas.toml", [('formula = "guangdong"', 'formula = "jilin"')], "is none of national, guangdong, shanghai"),
        ("pension_formulas.toml", [('index_floor = "0.6"', 'index_floor = "0"')], "index_floor = 0 leaves factor a undefined"),
        ("pension_formulas.toml", [('deemed_index = "actual"', 'deemed_index = "four"')], "is neither"),
        ("pension_formulas.toml", [('deemed_index = "actual"', 'deemed_index = "4"')], "is neither"),
        ("calculation_bases.toml", [("year = 2025", "year = 2024")], "the base of 2024 for '11' is there twice"),
        ("calculation_bases.toml", [('province = "11"', 'province = "*"')], "a base belongs to one province"),
        ("calculation_bases.toml", [('"11883"', '"11883.005"')], "has more than two decimals"),
        ("pension_caveats.toml", [('code = "ESTIMATE"', 'code = "BASE_GIVEN"')], "ESTIMATE is missing"),
    ],
)
def test_a_wrong_row_is_refused_with_what_is_wrong(
    tmp_path: Path, name: str, replacements: list[tuple[str, str]], problem: str
) -> None:
    with pytest.raises(TablesInvalid) as refused:
        load_tables(changed(tmp_path, name, *replacements))

    assert [one for one in refused.value.problems if one.startswith(name) and problem in one]


def test_a_deemed_index_may_be_a_number(tmp_path: Path) -> None:
    rules = load_tables(changed(tmp_path, "pension_formulas.toml", ('deemed_index = "actual"', 'deemed_index = "1"'))).pension

    assert rules.index_method(ON, "44").deemed_index == 1
    assert tables().pension.index_method(ON, "44").deemed_index is None


def test_each_category_has_its_former_age() -> None:
    former = {(row.category, row.former_age_months) for row in tables().pension.statutory_ages}

    assert former == {(Category.MALE, 720), (Category.FEMALE_55, 660), (Category.FEMALE_50, 600)}
