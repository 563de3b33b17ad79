"""An estimate: the published examples to the fen, the index from the wages, the segments by place, the caveats."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.loader import TABLES_DIRECTORY, ProvinceUnknown, Tables, load_tables
from services.rules.months import Month
from services.rules.pension import (
    AverageWageMissing,
    BalanceInvalid,
    DeemedIndexMissing,
    Estimate,
    GivenIndex,
    IndexInvalid,
    MonthsInvalid,
    NothingContributed,
    PartCode,
    PensionFacts,
    RowAfterRetirement,
    Stay,
    WageRecord,
    estimate,
)
from services.rules.pension_tables import BaseNotPublished, Category
from services.rules.retirement import AgeOutsideTable, Timing, TooEarly
from services.rules.year_rows import MonthsOverlap, RowStatus, YearRow
from tests.unit.rules.builders import tables

PAID, ARREARS, DEEMED = RowStatus.PAID, RowStatus.ARREARS, RowStatus.DEEMED


def a_claim(**facts: Any) -> PensionFacts:
    """A man of 60 in Hunan with 20 years at index 1, a calculation base of 8,000 and 139,000 on his account (Ex. P1)."""
    usual: dict[str, Any] = {
        "place": "43",
        "birth_on": date(1964, 9, 10),
        "category": Category.MALE,
        "retires_on": date(2024, 9, 10),
        "balance_fen": 13_900_000,
        "record": GivenIndex(Decimal("1.0"), (Stay("43", 240),)),
        "base_fen": 800_000,
    }
    return PensionFacts(**{**usual, **facts})


def estimated(rules: Tables | None = None, **facts: Any) -> Estimate:
    return estimate(a_claim(**facts), rules or tables())


def fen_of(found: Estimate) -> dict[PartCode, int]:
    return {part.code: part.amount_fen for part in found.parts}


def codes(found: Estimate) -> list[str]:
    return [caveat.code for caveat in found.caveats]


def a_row(start: str, end: str, wage_fen: int = 400_000, *, province: str = "43", status: RowStatus = PAID) -> YearRow:
    return YearRow(f"{province}0100", Month.parse(start), Month.parse(end), wage_fen, Decimal("0.16"), status=status)


def years(first: int, last: int, wage_fen: int = 400_000, *, province: str = "43") -> tuple[YearRow, ...]:
    return tuple(a_row(f"{year}-01", f"{year}-12", wage_fen, province=province) for year in range(first, last + 1))


def averages(first: int, last: int, wage_fen: int = 400_000) -> dict[int, int]:
    return dict.fromkeys(range(first, last + 1), wage_fen)


def test_example_p1_comes_out_to_the_fen() -> None:
    found = estimated()

    assert fen_of(found) == {PartCode.BASIC: 160_000, PartCode.ACCOUNT: 100_000}
    assert found.total_fen == 260_000
    assert (found.months, found.minimum.months, found.missing_months, found.timing) == (240, 180, 0, Timing.AT_STATUTORY_AGE)


def test_example_p2_comes_out_to_the_fen() -> None:
    found = estimated(
        birth_on=date(1965, 1, 10),
        retires_on=date(2025, 2, 10),
        balance_fen=6_000_000,
        record=GivenIndex(Decimal("0.6"), (Stay("43", 180),)),
    )

    assert fen_of(found) == {PartCode.BASIC: 96_000, PartCode.ACCOUNT: 43_353}
    assert found.total_fen == 139_353


def test_pw2_the_account_is_divided_by_139_whatever_the_page_printed() -> None:
    found = estimated(base_fen=356_600, balance_fen=5_000_000, record=GivenIndex(Decimal("0.6"), (Stay("43", 180),)))

    assert fen_of(found) == {PartCode.BASIC: 42_792, PartCode.ACCOUNT: 35_971}


def test_every_part_names_its_numbers_and_its_rows() -> None:
    found = estimated(deemed_index=Decimal(1), record=GivenIndex(Decimal("0.8"), (Stay("43", 200, 40),)))

    assert [part.code for part in found.parts] == list(PartCode)
    for part in found.parts:
        assert part.text_zh
        assert part.text_en
        assert "÷" in part.formula
        assert part.rules
    # 8,000 × 1 × 40 ÷ 12 × 1.2 % = 320.00
    assert fen_of(found)[PartCode.TRANSITIONAL] == 32_000


def test_the_calculation_base_of_beijing_is_known_and_others_have_to_be_given() -> None:
    person: dict[str, Any] = {"birth_on": date(1965, 1, 10), "retires_on": date(2025, 2, 10), "base_fen": None}
    stays = GivenIndex(Decimal("0.8"), (Stay("11", 360),))

    known = estimated(place="11", record=stays, **person)

    # (12,049 + 12,049 × 0.8) ÷ 2 × 30 × 1 % = 3,253.23
    assert (known.base_fen, fen_of(known)[PartCode.BASIC]) == (1_204_900, 325_323)
    assert "BASE_GIVEN" not in codes(known)
    assert "BASE_GIVEN" in codes(estimated())
    with pytest.raises(BaseNotPublished):
        estimated(place="44", record=stays, **person)


def test_the_index_compares_each_month_with_the_paying_places_average_of_the_same_year() -> None:
    rows = (*years(2004, 2013, 400_000), *years(2014, 2023, 900_000, province="44"))
    record = WageRecord(rows, averages(2004, 2013, 500_000) | averages(2014, 2023, 600_000))

    found = estimated(record=record)

    # (120 × 0.8 + 120 × 1.5) ÷ 240
    assert found.index == Decimal("1.1500")
    assert [(one.year, one.months, one.index) for one in found.years[9:11]] == [
        (2013, 12, Decimal("0.8000")),
        (2014, 12, Decimal("1.5000")),
    ]


def test_months_weigh_and_not_years() -> None:
    record = WageRecord((a_row("2022-01", "2022-03", 800_000), a_row("2023-01", "2023-09", 400_000)), averages(2022, 2023))

    # (3 × 2 + 9 × 1) ÷ 12
    assert estimated(record=record).index == Decimal("1.2500")


def test_the_previous_years_average_is_a_row_of_the_province(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "pension_formulas.toml").read_text(encoding="utf-8")
    (tmp_path / "pension_formulas.toml").write_text(text.replace('average_of = "same"', 'average_of = "previous"'), "utf-8")
    record = WageRecord(years(2022, 2023), {2021: 200_000, 2022: 400_000, 2023: 800_000})

    same, previous = estimated(record=record), estimated(load_tables(tmp_path), record=record)

    assert (same.index, previous.index) == (Decimal("0.7500"), Decimal("1.5000"))
    assert [one.average_year for one in previous.years] == [2021, 2022]


def test_an_average_wage_that_is_needed_and_not_given_is_named() -> None:
    with pytest.raises(AverageWageMissing) as missing:
        estimated(record=WageRecord(years(2022, 2023), {2022: 400_000}))

    assert (missing.value.province, missing.value.year) == ("43", 2023)


def test_arrears_count_nothing_and_deemed_months_have_no_wage() -> None:
    rows = (
        a_row("1990-01", "1990-12", 0, status=DEEMED),
        *years(2004, 2020),
        a_row("2021-01", "2021-06", status=ARREARS),
    )

    found = estimated(record=WageRecord(rows, averages(2004, 2020)))

    assert (found.months, found.deemed_months, found.index) == (204, 12, Decimal("1.0000"))
    assert "DEEMED_INDEX_ASSUMED" in codes(found)
    assert "DEEMED_INDEX_ASSUMED" not in codes(replace_index(found, rows))


def replace_index(found: Estimate, rows: tuple[YearRow, ...]) -> Estimate:
    return estimated(record=WageRecord(rows, averages(2004, 2020)), deemed_index=found.index)


def test_the_segments_show_each_places_months_and_their_share_and_add_up_to_the_basic_pension() -> None:
    stays = (Stay("44", 100), Stay("31", 70), Stay("43", 60, 10), Stay("44", 5))

    found = estimated(record=GivenIndex(Decimal("0.7771"), stays))

    assert [(one.province, one.months, one.deemed_months) for one in found.segments] == [
        ("44", 105, 0),
        ("31", 70, 0),
        ("43", 60, 10),
    ]
    assert [one.share for one in found.segments] == [Decimal("0.4286"), Decimal("0.2857"), Decimal("0.2857")]
    assert sum(one.basic_fen for one in found.segments) == found.parts[0].amount_fen
    assert {one.index for one in found.segments} == {None}


def test_a_segment_with_higher_wages_has_a_larger_part() -> None:
    # (C + C × 1) and (C + C × 3) over 120 months each: 1/3 and 2/3 of (C + C × 2) over 240.
    rows = (*years(2004, 2013, 400_000, province="44"), *years(2014, 2023, 1_200_000, province="43"))

    found = estimated(record=WageRecord(rows, averages(2004, 2023)))

    assert [(one.province, one.index, one.basic_fen) for one in found.segments] == [
        ("44", Decimal("1.0000"), 80_000),
        ("43", Decimal("3.0000"), 160_000),
    ]


def test_guangdong_and_shanghai_compute_by_their_own_formula_and_are_not_sure_of_it() -> None:
    low = GivenIndex(Decimal("0.3"), (Stay("43", 240),))
    odd = GivenIndex(Decimal("1.0"), (Stay("43", 247),))

    guangdong, national = estimated(place="44", record=low), estimated(record=low)
    shanghai = estimated(place="31", record=odd, balance_fen=5_000_000)

    # 8,000 × (0.5 + 0.3) ÷ 2 × 20 % and 8,000 × (1 + 0.3) ÷ 2 × 20 %
    assert (fen_of(guangdong)[PartCode.BASIC], fen_of(national)[PartCode.BASIC]) == (64_000, 104_000)
    # 8,000 × (20 × 1 % + 7 × 0.083 %) = 1,646.48; 50,000 ÷ 139 = 359.71
    assert fen_of(shanghai) == {PartCode.BASIC: 164_650, PartCode.ACCOUNT: 35_970}
    for found, rule in ((guangdong, "pension_formulas/44@2006-07-01"), (shanghai, "pension_formulas/31@2021-10-01")):
        assert "NATIONAL_FORMULA" not in codes(found)
        assert [one.rule for one in found.caveats if one.code == "UNSURE_RULE" and one.rule == rule]
    assert "NATIONAL_FORMULA" in codes(national)


def test_too_few_months_are_told_with_how_many_are_missing() -> None:
    found = estimated(record=GivenIndex(Decimal(1), (Stay("43", 150),)))

    assert found.missing_months == 30
    assert "TOO_FEW_MONTHS" in codes(found)
    assert "TOO_FEW_MONTHS" not in codes(estimated())


def test_every_rule_that_nobody_has_read_is_a_caveat_with_its_source_in_both_languages() -> None:
    found = estimated(
        birth_on=date(1970, 2, 10),
        retires_on=date(2030, 3, 10),
        record=WageRecord(years(2004, 2023), averages(2004, 2023)),
    )

    unsure = {one.rule: one for one in found.caveats if one.code == "UNSURE_RULE"}
    assert set(unsure) == {"minimum_year@1998-01-01", "index_method/*@2006-01-01", "divisor_between/*@2025-01-01"}
    for one in unsure.values():
        assert one.source in one.text_zh
        assert one.source in one.text_en
        assert one.confidence in ("unsure", "design")


def test_later_than_the_flexible_limit_is_possible_and_told() -> None:
    found = estimated(retires_on=date(2028, 9, 10))

    assert found.timing is Timing.LATER_THAN_FLEXIBLE
    assert "LATER_THAN_FLEXIBLE" in codes(found)


def test_facts_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(TooEarly):
        estimated(retires_on=date(2024, 8, 10))
    with pytest.raises(AgeOutsideTable):
        estimated(retires_on=date(2034, 10, 10))
    with pytest.raises(BalanceInvalid):
        estimated(balance_fen=-1)
    with pytest.raises(BalanceInvalid):
        estimated(base_fen=0)
    with pytest.raises(BalanceInvalid):
        estimated(record=WageRecord(years(2022, 2022), {2022: 0}))
    with pytest.raises(IndexInvalid):
        estimated(record=GivenIndex(Decimal(0), (Stay("43", 180),)))
    with pytest.raises(IndexInvalid):
        estimated(record=GivenIndex(Decimal(1), (Stay("43", 180, 12),)), deemed_index=Decimal(11))
    with pytest.raises(MonthsInvalid):
        estimated(record=GivenIndex(Decimal(1), (Stay("43", -1),)))
    with pytest.raises(NothingContributed):
        estimated(record=GivenIndex(Decimal(1), (Stay("43", 0),)))
    with pytest.raises(NothingContributed):
        estimated(record=WageRecord((a_row("2020-01", "2020-12", status=ARREARS),), {}))
    with pytest.raises(RowAfterRetirement):
        estimated(record=WageRecord((a_row("2024-01", "2024-10"),), averages(2024, 2024)))
    with pytest.raises(MonthsOverlap):
        estimated(record=WageRecord((*years(2020, 2020), *years(2020, 2020, province="44")), averages(2020, 2020)))
    with pytest.raises(DeemedIndexMissing):
        estimated(record=WageRecord((a_row("1990-01", "1990-12", 0, status=DEEMED),), {}))
    with pytest.raises(ProvinceUnknown):
        estimated(record=GivenIndex(Decimal(1), (Stay("00", 180),)))


STAYS = st.lists(
    st.builds(Stay, st.sampled_from(["11", "31", "43", "44"]), st.integers(0, 200), st.integers(0, 60)),
    min_size=1,
    max_size=5,
).filter(lambda stays: any(stay.months for stay in stays))
PLACES = st.sampled_from(["43", "44", "31"])
INDEXES = st.decimals("0.01", "3", places=3)


@given(stays=STAYS, place=PLACES, index=INDEXES, more=st.integers(1, 60))
def test_another_month_never_makes_the_pension_less(stays: list[Stay], place: str, index: Decimal, more: int) -> None:
    longer = [replace(stays[0], months=stays[0].months + more), *stays[1:]]

    before, after = (estimated(place=place, record=GivenIndex(index, tuple(one))) for one in (stays, longer))

    assert after.total_fen >= before.total_fen
    assert after.missing_months <= before.missing_months


@given(place=PLACES, balance_fen=st.integers(0, 100_000_000), more=st.integers(1, 1_000_000))
def test_a_larger_balance_never_makes_the_pension_less(place: str, balance_fen: int, more: int) -> None:
    before, after = (estimated(place=place, balance_fen=one) for one in (balance_fen, balance_fen + more))

    assert after.total_fen >= before.total_fen


@given(stays=STAYS, place=PLACES, index=INDEXES)
def test_the_parts_add_up_to_the_total_and_the_segments_to_the_basic_pension(
    stays: list[Stay], place: str, index: Decimal
) -> None:
    found = estimated(place=place, record=GivenIndex(index, tuple(stays)))

    assert found.total_fen == sum(part.amount_fen for part in found.parts)
    assert sum(one.basic_fen for one in found.segments) == found.parts[0].amount_fen
    assert sum(one.months + one.deemed_months for one in found.segments) == found.months + found.deemed_months
    assert min(one.basic_fen for one in found.segments) >= 0


@given(cut=st.integers(1, 11), wages=st.lists(st.integers(100_000, 2_000_000), min_size=3, max_size=3), place=PLACES)
def test_a_year_row_that_is_split_changes_nothing(cut: int, wages: list[int], place: str) -> None:
    whole = tuple(a_row(f"{2020 + at}-01", f"{2020 + at}-12", wage) for at, wage in enumerate(wages))
    split = (a_row("2020-01", f"2020-{cut:02d}", wages[0]), a_row(f"2020-{cut + 1:02d}", "2020-12", wages[0]), *whole[1:])

    one, other = (estimated(place=place, record=WageRecord(rows, averages(2020, 2022, 777_700))) for rows in (whole, split))

    assert (one.index, one.parts, one.segments) == (other.index, other.parts, other.segments)
