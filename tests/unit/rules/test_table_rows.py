"""A row is read whole: what is wrong is noted with its place, and what is right comes out typed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.rules.table_rows import Contents, Dated, Row, RuleNotInForce, in_force, of_province

DATED = {"effective_from": date(2020, 1, 1), "effective_to": "open", "source": "S", "confidence": "found"}


def a_row(**values: Any) -> tuple[Row, list[str]]:
    problems: list[str] = []
    return Row("t.toml", 1, values, problems), problems


def a_dated(effective_from: date, effective_to: date | None = None, rule: str = "r") -> Dated:
    return Dated(rule, effective_from, effective_to, "S", "found")


def test_values_come_out_typed_and_nothing_is_noted() -> None:
    row, problems = a_row(
        name="x", on=True, count=3, list=[1, 2], ratio="0.08", money="11883.50", day=date(2020, 1, 1), province=["44", "*"]
    )

    read = (
        row.text("name"),
        row.flag("on"),
        row.integer("count", 1, 3),
        row.integers("list", 1, 2),
        row.fraction("ratio"),
        row.money_fen("money"),
        row.day("day"),
        row.open_day("until"),
        row.provinces(),
    )
    row.finish()

    assert read == ("x", True, 3, (1, 2), Decimal("0.08"), 1188350, date(2020, 1, 1), None, ("44", "*"))
    assert problems == []


@pytest.mark.parametrize(
    ("reader", "value", "problem"),
    [
        ("text", 3, "is not a text"),
        ("flag", 1, "is not true or false"),
        ("day", "2020-01-01", "is not a date"),
        ("texts", [], "is not a text or a list of texts"),
        ("fraction", "1.1", "is not a number from 0 to 1"),
        ("fraction", "abc", "is not a number from 0 to 1"),
        ("fraction", 0.5, "is not a number from 0 to 1"),
        ("money_fen", "1.005", "has more than two decimals"),
    ],
)
def test_a_wrong_value_is_noted_with_file_row_and_field(reader: str, value: object, problem: str) -> None:
    row, problems = a_row(key=value)

    getattr(row, reader)("key")

    assert len(problems) == 1
    assert problems[0].startswith("t.toml row 1: key = ")
    assert problem in problems[0]


@pytest.mark.parametrize("value", [True, "3", 0, 5, 2.0])
def test_a_whole_number_out_of_bounds_or_of_another_kind_is_noted(value: object) -> None:
    row, problems = a_row(key=value, keys=[3, value])

    assert row.integer("key", 1, 4) == 1
    assert row.integers("keys", 1, 4) == (1,)
    assert len(problems) == 2


def test_what_is_missing_and_what_nobody_reads_is_noted() -> None:
    row, problems = a_row(other=1)

    row.text("key")
    row.one_of("kind", ["a", "b"])
    row.finish()

    assert "t.toml row 1: key is missing" in problems
    assert "t.toml row 1: kind = '' is none of a, b" in problems
    assert problems[-1] == "t.toml row 1: other is not a field of this table"


def test_the_dated_fields_name_the_row() -> None:
    row, problems = a_row(**DATED)
    other, _ = a_row(**DATED)

    assert row.dated("ratios")["rule"] == "ratios@2020-01-01"
    assert other.dated("ratios/44")["rule"] == "ratios/44"
    assert problems == []


def test_the_row_of_the_day_is_found_and_a_provinces_own_wins() -> None:
    old, new = a_dated(date(2010, 1, 1), date(2019, 12, 31)), a_dated(date(2020, 1, 1))

    assert in_force([old, new], "t", date(2019, 12, 31)) is old
    assert in_force([old, new], "t", date(2020, 1, 1)) is new
    with pytest.raises(RuleNotInForce, match="no rule of t is in force on 2009-12-31"):
        in_force([old, new], "t", date(2009, 12, 31))

    class Provincial:
        def __init__(self, *provinces: str) -> None:
            self.provinces = provinces

    national, own, others = Provincial("*"), Provincial("44", "31"), Provincial("33")

    assert of_province((national, own, others), "44") == [own, national]


def test_rows_of_a_file_are_read_and_a_file_without_any_is_a_problem() -> None:
    reading = Contents({"t": {"one": [DATED | {"name": "x"}]}, "empty": {}})

    found = reading.rows("t", "one", lambda row: (row.dated("t")["rule"], row.text("name")))
    none = reading.rows("empty", "one", lambda row: row.text("name"))

    assert (found, none) == ((("t@2020-01-01", "x"),), ())
    assert reading.problems == ["empty.toml has no [[one]] row"]


def test_two_rows_for_one_key_on_one_day_are_a_problem_and_two_codes_as_well() -> None:
    reading = Contents({})
    rows = (a_dated(date(2020, 1, 1)), a_dated(date(2010, 1, 1), date(2020, 1, 1)))

    reading.once(rows, lambda row: ("44",), "t.toml")
    reading.once(rows, lambda row: (str(row.effective_from),), "t.toml")

    class Coded:
        code = "A"

    index = reading.by_code((Coded(), Coded()), "t.toml")

    assert list(index) == ["A"]
    assert reading.problems == ["t.toml: two rows for '44' are in force on 2020-01-01", "t.toml: the code A is there twice"]
