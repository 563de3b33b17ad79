"""The rows that only amounts read: found by day and province, refused by name where they cannot be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from services.rules.amount_tables import PendingPolicy
from services.rules.loader import RuleNotInForce, TablesInvalid, load_tables
from services.rules.months import Month
from tests.unit.rules.builders import tables

DAY = date(2024, 5, 6)
BEFORE = date(2009, 12, 31)
ROW = """[[pending_rate]]
province = {province}
policy = "{policy}"
years = {years}
{more}
effective_from = 2010-01-01
effective_to = "open"
source = "test"
confidence = "design"
"""


def a_table(folder: Path, *rows: dict[str, object]) -> Path:
    usual = {"province": '"*"', "policy": "wait", "years": 2, "more": ""}
    text = "\n".join(ROW.format(**{**usual, **row}) for row in rows)
    (folder / "pending_rates.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("rate", "province", "first", "last", "most"),
    [
        ("0.20", "44", Month(2024, 1), Month(2024, 12), None),
        ("0.2001", "44", Month(2024, 1), Month(2024, 12), "0.20"),
        ("0.22", "31", Month(2015, 1), Month(2015, 12), None),
        ("0.22", "31", Month(2016, 1), Month(2016, 4), None),
        ("0.22", "31", Month(2016, 1), Month(2016, 12), "0.20"),
        ("0.26", "31", Month(2015, 1), Month(2015, 12), "0.255"),
        ("0.90", "44", Month(1997, 1), Month(1997, 12), None),
    ],
)
def test_an_employers_rate_is_held_against_the_most_of_its_months_and_place(
    rate: str, province: str, first: Month, last: Month, most: str | None
) -> None:
    found = tables().amounts.rate_too_high(Decimal(rate), province, first, last)

    assert (found and found.most) == (most and Decimal(most))


def test_what_is_shipped_waits_pays_no_interest_on_the_pool_and_calls_a_fen_a_row_rounding() -> None:
    found = tables().amounts

    assert found.pending_rate(DAY, "44").policy is PendingPolicy.WAIT
    assert not found.temp_pool_interest(DAY).bears_interest
    assert found.tolerance(DAY).fen_a_year_row == 1


def test_before_the_measures_there_is_no_rule() -> None:
    with pytest.raises(RuleNotInForce):
        tables().amounts.pending_rate(BEFORE, "44")
    with pytest.raises(RuleNotInForce):
        tables().amounts.temp_pool_interest(BEFORE)
    with pytest.raises(RuleNotInForce):
        tables().amounts.tolerance(BEFORE)


def test_a_province_has_its_own_policy(tmp_path: Path) -> None:
    named = {"province": '["33", "44"]', "policy": "named_rate", "more": 'rate = "0.0262"', "years": 1}

    found = load_tables(a_table(tmp_path, {}, named)).amounts

    assert found.pending_rate(DAY, "41").policy is PendingPolicy.WAIT
    own = found.pending_rate(DAY, "44")
    assert (own.policy, own.rate, own.years) == (PendingPolicy.NAMED_RATE, Decimal("0.0262"), 1)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"policy": "hope"}, "policy = 'hope' is none of wait, last_published, named_rate"),
        ({"policy": "named_rate"}, "rate is missing"),
        ({"policy": "wait", "more": 'rate = "0.02"'}, "rate is not a field of this table"),
        ({"policy": "named_rate", "more": 'rate = "0.02625"'}, "rate = 0.02625 has more than four decimals"),
        ({"years": 0}, "years = 0 is not a whole number from 1 to 10"),
    ],
    ids=["policy", "no rate", "a rate to wait with", "decimals", "years"],
)
def test_a_policy_that_cannot_be_is_refused(tmp_path: Path, row: dict[str, object], problem: str) -> None:
    with pytest.raises(TablesInvalid) as refused:
        load_tables(a_table(tmp_path, row))

    assert any(problem in each for each in refused.value.problems)


def test_two_policies_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TablesInvalid, match=r"pending_rates\.toml: two rows for '44' are in force on 2010-01-01"):
        load_tables(a_table(tmp_path, {}, {"province": '["33", "44"]'}, {"province": '"44"'}))
