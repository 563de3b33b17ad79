"""What a row credits, the interest of a year by both methods, and the rate of a year that is not published."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from services.rules.amount_tables import PendingPolicy
from services.rules.amounts import (
    EmployerRateTooLow,
    InterestForYear,
    PrincipalOfRow,
    RatePending,
    RowStatus,
    Segment,
    complete_years,
    compute,
    half_up,
    interest_for_year,
    principal_of,
)
from services.rules.interest import month_products, rates_for_transfer
from services.rules.loader import InterestKind, Tables
from services.rules.months import Month
from tests.unit.rules.amount_builders import annual_method, going_on, with_rate
from tests.unit.rules.builders import a_row, own, tables


def test_the_money_of_a_row_is_split_into_account_and_pool() -> None:
    assert principal_of(a_row("2023-01", "2023-12"), tables()) == PrincipalOfRow(480000, 960000)
    # 1998: 20 % and 5 % paid in, 11 % to the account.
    assert principal_of(a_row("1998-01", "1998-12", 100_000, employer_rate="0.20"), tables()) == PrincipalOfRow(132000, 168000)
    assert principal_of(a_row("2023-01", "2023-12", status=RowStatus.ARREARS), tables()) == PrincipalOfRow(0, 0)
    assert principal_of(a_row("1997-01", "1997-12"), tables()) == PrincipalOfRow(0, 0)


def test_each_month_is_rounded_by_itself_half_up() -> None:
    # 333.31 × 8 % = 26.6648; 0.06 × 8 % = 0.0048; 6.25 × 8 % = 0.50 exactly.
    assert principal_of(a_row("2023-01", "2023-03", 33331), tables()).account_fen == 3 * 2666
    assert principal_of(a_row("2023-01", "2023-03", 6), tables()).account_fen == 0
    assert half_up(Decimal("0.5")) == 1
    assert half_up(Decimal("2.5")) == 3


def test_rates_that_do_not_pay_for_the_account_are_refused() -> None:
    row = a_row("1998-01", "1998-12", employer_rate="0.05")

    with pytest.raises(EmployerRateTooLow):
        principal_of(row, tables())
    with pytest.raises(EmployerRateTooLow):
        compute([own(row)], transfer_on=date(2010, 2, 1), province="44", tables=tables())


def test_a_ratio_that_changes_within_a_year_splits_the_row() -> None:
    first, second = tables().account_ratios
    july = replace(
        tables(),
        account_ratios=(
            replace(first, effective_to=date(2006, 6, 30)),
            replace(second, effective_from=date(2006, 7, 1)),
        ),
    )

    split = principal_of(a_row("2006-01", "2006-12", 100_000, employer_rate="0.20"), july)

    assert split.account_fen == 6 * 11000 + 6 * 8000
    assert split.account_fen + split.pool_fen == 12 * 28000


def test_the_year_end_run_credits_nothing_for_years_inside_the_opening() -> None:
    arrived = Segment(2022, 10_000, 495_912, (a_row("2022-01", "2022-12"),))

    assert interest_for_year([arrived], 2022, "33", tables()) == InterestForYear(0, 0)
    assert interest_for_year([arrived], 2023, "33", tables()) == InterestForYear(397, 19688)
    assert interest_for_year([arrived], 2023, "33", tables()).total_fen == 20085


def test_the_annual_method_gives_the_published_interest_of_example_2() -> None:
    record = [own(a_row("2023-01", "2023-12"))]

    amounts = compute(record, transfer_on=date(2024, 5, 1), province="44", tables=annual_method("1.083"))

    assert amounts.until_last_year_fen == 480000 + 10319


def test_without_its_factor_the_annual_method_gives_half_a_year() -> None:
    assert interest_for_year([own(a_row("2023-01", "2023-12"))], 2023, "44", annual_method("1")) == InterestForYear(0, 9528)


def test_january_earns_for_twelve_months_and_december_for_one() -> None:
    assert [month_products(*_months(start, end)) for start, end in ((1, 1), (12, 12), (1, 12), (3, 5))] == [12, 1, 78, 27]


def _months(start: int, end: int) -> tuple[Month, Month]:
    return Month(2023, start), Month(2023, end)


def test_the_method_of_interest_is_the_provinces_own_in_the_years_for_which_it_has_one() -> None:
    [national] = tables().interest_methods
    annual = replace(
        national,
        provinces=("37",),
        method=InterestKind.ANNUAL,
        factor=Decimal("1.083"),
        effective_from=date(2022, 1, 1),
        effective_to=date(2022, 12, 31),
    )
    rules = replace(tables(), interest_methods=(national, annual))
    record = [own(a_row("2022-01", "2022-12"), a_row("2023-01", "2023-12"))]

    by_month = complete_years(record, 2023, "44", rules)
    mixed = complete_years(record, 2023, "37", rules)

    # 2022: 4,800 × 6.12 % × 78/144 = 159.12 by the month, 4,800 × 6.12 % × 1.083/2 = 159.07 by the year.
    # 2023, by the month for both: 4,959.12 × 3.97 % + 103.22 = 300.097064; 4,959.07 × 3.97 % + 103.22 = 300.095079.
    assert [year.since_1998.interest_fen for year in by_month] == [15912, 30010]
    assert [year.since_1998.interest_fen for year in mixed] == [15907, 30010]
    assert mixed[1].since_1998.opening_fen == by_month[1].since_1998.opening_fen - 5


def test_an_idle_account_earns_on_all_of_it_each_year() -> None:
    record = [own(a_row("2020-01", "2020-12"))]

    statements = complete_years(record, 2023, "44", tables())

    assert [(year.year, year.since_1998.principal_fen) for year in statements] == [
        (2020, 480000),
        (2021, 0),
        (2022, 0),
        (2023, 0),
    ]
    for year in statements[1:]:
        assert year.rate is not None
        assert year.since_1998.interest_fen == half_up(year.since_1998.opening_fen * year.rate)


def test_a_year_before_anything_stands_in_the_account_needs_no_rate() -> None:
    # No rate of 1995 and before is known; deemed and unpaid months need none.
    record = [own(a_row("1990-01", "1990-12", 0, status=RowStatus.DEEMED), a_row("2023-01", "2023-12"))]

    assert [year.year for year in complete_years(record, 2023, "44", tables())] == [2023]


def record_of_2025_and_2026() -> list[Segment]:
    return [own(a_row("2025-01", "2025-12"), a_row("2026-01", "2026-12"))]


def test_a_province_that_waits_is_told_the_year_and_nothing_else() -> None:
    with pytest.raises(RatePending) as pending:
        compute(record_of_2025_and_2026(), transfer_on=date(2027, 2, 1), province="44", tables=tables())

    assert (pending.value.year, pending.value.province) == (2026, "44")


@pytest.mark.parametrize(
    ("rules", "rate", "interest_fen"),
    [
        # 2025: 4,800 at 1.50 %, 78/12 months of 400: 39.00. 2026 opens with 4,839.00.
        # At 1.50 % again: 72.585 + 39.00 = 111.585 -> 111.59. At 2.60 %: 125.814 + 67.60 = 193.414 -> 193.41.
        (going_on(PendingPolicy.LAST_PUBLISHED), "0.0150", 11159),
        (going_on(PendingPolicy.NAMED_RATE, rate="0.0260"), "0.0260", 19341),
    ],
    ids=["last published", "named"],
)
def test_a_province_that_does_not_wait_goes_on_at_an_interim_rate_and_the_amounts_say_so(
    rules: Tables, rate: str, interest_fen: int
) -> None:
    amounts = compute(record_of_2025_and_2026(), transfer_on=date(2027, 2, 1), province="44", tables=rules)

    assert dict(amounts.interim) == {2026: Decimal(rate)}
    [year] = [year for year in amounts.years if year.interim]
    assert (year.year, year.rate, year.since_1998.interest_fen) == (2026, Decimal(rate), interest_fen)
    assert amounts.until_last_year_fen == 483900 + 480000 + interest_fen
    [line] = [step for step in amounts.steps if "interim" in step.text_en]
    assert "2026年利息，该年记账利率尚未公布" in line.text_zh
    assert line.confidence == "design"


def test_amounts_at_published_rates_alone_are_final() -> None:
    rules = with_rate(2026, "0.0260", going_on(PendingPolicy.LAST_PUBLISHED))

    amounts = compute(record_of_2025_and_2026(), transfer_on=date(2027, 2, 1), province="44", tables=rules)

    assert dict(amounts.interim) == {}
    assert not any(year.interim for year in amounts.years)


def test_a_year_that_is_not_needed_is_not_interim() -> None:
    rules = going_on(PendingPolicy.LAST_PUBLISHED)

    amounts = compute([own(a_row("2027-01", "2027-01"))], transfer_on=date(2027, 2, 1), province="44", tables=rules)

    assert dict(amounts.interim) == {}


def test_only_the_own_province_goes_on_without_the_rate() -> None:
    rules = going_on(PendingPolicy.LAST_PUBLISHED, province="33")

    assert compute(record_of_2025_and_2026(), transfer_on=date(2027, 2, 1), province="33", tables=rules).interim
    with pytest.raises(RatePending):
        compute(record_of_2025_and_2026(), transfer_on=date(2027, 2, 1), province="44", tables=rules)


def test_a_rate_that_is_missing_and_not_late_is_waited_for_under_any_policy() -> None:
    # In 2030 the rate of 2026 is no more late; only those of 2028 and 2029 may be interim.
    rules = with_rate(2027, "0.02", going_on(PendingPolicy.LAST_PUBLISHED))

    with pytest.raises(RatePending) as pending:
        compute(record_of_2025_and_2026(), transfer_on=date(2030, 2, 1), province="44", tables=rules)

    assert pending.value.year == 2026


def test_a_last_rate_is_known_only_where_one_of_the_years_before_is_published() -> None:
    rules = going_on(PendingPolicy.LAST_PUBLISHED)

    assert dict(rates_for_transfer(date(2040, 5, 6), "44", rules).interim) == {}
    assert sorted(rates_for_transfer(date(2028, 5, 6), "44", rules).interim) == [2026, 2027]


def test_a_form_is_computed_again_at_the_interim_rates_that_it_names_even_when_the_rate_is_published_since() -> None:
    since = with_rate(2026, "0.0260")
    stated = {2026: Decimal("0.0150"), 2019: Decimal("0.9")}

    amounts = compute(record_of_2025_and_2026(), transfer_on=date(2027, 2, 1), province="44", tables=since, interim=stated)

    # 2019 is long published: no form may name another rate for it.
    assert dict(amounts.interim) == {2026: Decimal("0.0150")}
    assert amounts.until_last_year_fen == 483900 + 480000 + 11159


def test_the_year_end_run_never_credits_at_an_interim_rate() -> None:
    rules = going_on(PendingPolicy.LAST_PUBLISHED)

    with pytest.raises(RatePending):
        interest_for_year(record_of_2025_and_2026(), 2026, "44", rules)
    with pytest.raises(RatePending):
        complete_years(record_of_2025_and_2026(), 2026, "44", rules)
