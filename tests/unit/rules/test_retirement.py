"""Statutory age, minimum months and divisors equal the published anchors PW5, PW6 and PW7 (domain § 2.5)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.loader import TABLES_DIRECTORY, RuleNotInForce, load_tables
from services.rules.pension_tables import Category, YearOf
from services.rules.retirement import (
    AgeOutsideTable,
    Retirement,
    Timing,
    TooEarly,
    add_months,
    age_in_months,
    age_text,
    divisor,
    minimum_months,
    statutory_retirement,
)
from tests.unit.rules.builders import tables

MALE, FEMALE_55, FEMALE_50 = Category.MALE, Category.FEMALE_55, Category.FEMALE_50


def month(text: str) -> date:
    return date.fromisoformat(f"{text}-15")


def retirement(birth: str, category: Category = MALE) -> Retirement:
    return statutory_retirement(month(birth), category, tables().pension)


@pytest.mark.parametrize(
    ("category", "birth", "reached", "age"),
    [
        (MALE, "1964-09", "2024-09", "60y0m"),
        (MALE, "1964-12", "2024-12", "60y0m"),
        (MALE, "1965-01", "2025-02", "60y1m"),
        (MALE, "1965-05", "2025-07", "60y2m"),
        (MALE, "1965-10", "2026-01", "60y3m"),
        (MALE, "1976-02", "2038-12", "62y10m"),
        (MALE, "1976-09", "2039-09", "63y0m"),
        (MALE, "1990-03", "2053-03", "63y0m"),
        (FEMALE_55, "1969-12", "2024-12", "55y0m"),
        (FEMALE_55, "1970-01", "2025-02", "55y1m"),
        (FEMALE_55, "1981-09", "2039-09", "58y0m"),
        (FEMALE_50, "1974-12", "2024-12", "50y0m"),
        (FEMALE_50, "1975-01", "2025-02", "50y1m"),
        (FEMALE_50, "1975-03", "2025-05", "50y2m"),
        (FEMALE_50, "1975-12", "2026-06", "50y6m"),
        (FEMALE_50, "1984-11", "2039-11", "55y0m"),
    ],
)
def test_pw5_the_statutory_age_by_month_of_birth(category: Category, birth: str, reached: str, age: str) -> None:
    found = retirement(birth, category)

    assert found.statutory_on == month(reached)
    assert age_text(found.statutory_age_months) == age


def test_pw5_one_may_go_three_years_earlier_but_never_below_the_former_age_or_three_years_later() -> None:
    found, full = retirement("1965-10"), retirement("1980-01")

    assert (found.earliest_on, found.latest_on) == (month("2025-10"), month("2029-01"))
    assert (full.statutory_on, full.earliest_on, full.latest_on) == (month("2043-01"), month("2040-01"), month("2046-01"))


def test_who_reached_the_age_before_2025_has_no_choice() -> None:
    found = retirement("1964-09")

    assert found.delay_months == 0
    assert found.earliest_on == found.statutory_on == found.latest_on == month("2024-09")


@pytest.mark.parametrize("category", list(Category))
def test_the_delay_never_falls_with_the_month_of_birth_and_ends_at_its_most(category: Category) -> None:
    births = [add_months(month("1960-01"), count) for count in range(12 * 40)]

    delays = [statutory_retirement(birth, category, tables().pension).delay_months for birth in births]

    steps = {later - earlier for earlier, later in pairwise(delays)}
    assert delays[0] == 0
    assert steps <= {0, 1}
    assert delays[-1] == (60 if category is FEMALE_50 else 36)


@pytest.mark.parametrize(
    ("year", "months"),
    [*((year, 180) for year in range(2025, 2030)), (2030, 186), (2031, 192), (2038, 234), (2039, 240), (2040, 240), (2050, 240)],
)
def test_pw6_the_minimum_months_by_year(year: int, months: int) -> None:
    assert tables().pension.minimum_months(year).in_year(year) == months


def test_the_formula_of_the_minimum_months_holds_for_every_year() -> None:
    for year in range(2012, 2101):
        expected = 180 if year < 2030 else min(240, 180 + 6 * (year - 2029))
        assert tables().pension.minimum_months(year).in_year(year) == expected


def test_at_the_statutory_age_its_year_counts_and_nothing_is_in_doubt() -> None:
    found = minimum_months(retirement("1970-02"), month("2031-06"), tables().pension)

    assert (found.months, found.year, found.timing) == (192, 2031, Timing.AT_STATUTORY_AGE)
    assert {rule.confidence for rule in found.rules} == {"found"}


def test_who_goes_earlier_has_the_minimum_of_the_chosen_year_and_who_goes_later_that_of_the_statutory_year() -> None:
    person = retirement("1970-02")

    early = minimum_months(person, month("2030-02"), tables().pension)
    late = minimum_months(person, month("2033-02"), tables().pension)

    assert (early.months, early.year, early.year_of, early.timing) == (186, 2030, YearOf.CHOSEN, Timing.EARLY)
    assert (late.months, late.year, late.year_of, late.timing) == (192, 2031, YearOf.STATUTORY, Timing.LATE)
    assert early.rules[-1].confidence == late.rules[-1].confidence == "unsure"


def test_which_years_minimum_holds_is_a_row(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "minimum_months.toml").read_text(encoding="utf-8")
    (tmp_path / "minimum_months.toml").write_text(text.replace('late = "statutory"', 'late = "chosen"'), encoding="utf-8")

    late = minimum_months(retirement("1970-02"), month("2033-02"), load_tables(tmp_path).pension)

    assert (late.months, late.year) == (204, 2033)


def test_the_day_that_is_chosen_is_placed_around_the_statutory_age() -> None:
    person = retirement("1965-10")

    assert person.timing(date(2026, 1, 1)) is Timing.AT_STATUTORY_AGE
    assert person.timing(date(2025, 12, 31)) is Timing.EARLY
    assert person.timing(date(2029, 1, 31)) is Timing.LATE
    assert person.timing(date(2029, 2, 1)) is Timing.LATER_THAN_FLEXIBLE
    with pytest.raises(TooEarly, match="2025-09 lies before 2025-10"):
        person.timing(date(2025, 9, 30))


def test_the_choice_is_written_three_months_before_or_one_month_before_the_statutory_age() -> None:
    person = retirement("1970-02")

    assert person.notice_by(month("2030-02")) == month("2029-11")
    assert person.notice_by(month("2033-02")) == month("2031-05")
    assert person.notice_by(month("2031-06")) is None


@pytest.mark.parametrize(
    ("years", "months", "expected"),
    [
        (60, 0, "139"),
        (60, 1, "138.4"),
        (50, 1, "194.6"),
        (58, 1, "151.4"),
        (62, 10, "118.3"),
        (58, 0, "152"),
        (47, 0, "208"),
        (40, 0, "233"),
        (70, 0, "56"),
    ],
)
def test_pw7_the_divisors_at_and_between_birthdays(years: int, months: int, expected: str) -> None:
    found = divisor(years * 12 + months, date(2025, 2, 1), "44", tables().pension)

    assert str(found.months) == expected


def test_all_divisors_of_the_annex_stand_at_their_age() -> None:
    listed = (
        "233 230 226 223 220 216 212 208 204 199 195 190 185 180 175 170 164 158 152 145 139 132 125 117 109 101 93 84 75 65 56"
    )

    found = [int(divisor(age * 12, date(2025, 2, 1), "44", tables().pension).months) for age in range(40, 71)]

    assert found == [int(one) for one in listed.split()]


def test_before_2025_the_last_birthday_counts_and_from_2025_the_line_between() -> None:
    before = divisor(60 * 12 + 6, date(2024, 12, 31), "44", tables().pension)
    since = divisor(60 * 12 + 6, date(2025, 1, 1), "44", tables().pension)

    assert (before.months, before.rules[-1].confidence) == (Decimal(139), "design")
    assert (since.months, since.rules[-1].confidence) == (Decimal("135.5"), "unsure")


@pytest.mark.parametrize("age_months", [39 * 12 + 11, 70 * 12 + 1])
def test_an_age_outside_the_annex_has_no_divisor(age_months: int) -> None:
    with pytest.raises(AgeOutsideTable):
        divisor(age_months, date(2025, 2, 1), "44", tables().pension)


@given(age_months=st.integers(40 * 12, 70 * 12 - 1))
def test_the_divisor_falls_with_every_month_of_age(age_months: int) -> None:
    on = date(2026, 1, 1)

    assert divisor(age_months + 1, on, "44", tables().pension).months < divisor(age_months, on, "44", tables().pension).months


@given(birth_on=st.dates(date(1930, 1, 1), date(2010, 12, 31)), category=st.sampled_from(Category))
def test_nobody_retires_before_the_former_age_or_after_the_flexible_limit(birth_on: date, category: Category) -> None:
    found = statutory_retirement(birth_on, category, tables().pension)

    assert found.former_on <= found.earliest_on <= found.statutory_on <= found.latest_on
    assert age_in_months(birth_on, found.statutory_on) == found.statutory_age_months


def test_who_reached_the_age_before_the_tables_begin_is_refused() -> None:
    with pytest.raises(RuleNotInForce):
        retirement("1910-01")


def test_a_month_without_the_day_ends_earlier() -> None:
    assert add_months(date(2024, 1, 31), 1) == date(2024, 2, 29)
    assert add_months(date(2024, 2, 29), -12) == date(2023, 2, 28)
    assert add_months(date(2024, 12, 15), 1) == date(2025, 1, 15)
