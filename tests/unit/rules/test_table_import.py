"""Rows that come in: what was in force without an end gives way, the past stays, and wrong files are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from services.rules.loader import TablesInvalid, build_tables, read_contents
from services.rules.months import Month
from services.rules.table_import import Form, ImportRefused, Merged, NewRows, explained, in_force_on, merge, read_rows

TODAY = date(2027, 6, 15)
EVE, NEW_YEAR = date(2027, 12, 31), date(2028, 1, 1)


@cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    return read_contents()


def a_rate(year: int = 2026, rate: str = "0.0260", **more: str) -> str:
    usual = {"year": str(year), "province": '"*"', "rate": f'"{rate}"'}
    dated = {
        "effective_from": f"{year}-01-01",
        "effective_to": f"{year}-12-31",
        "source": '"the notice"',
        "confidence": '"found"',
    }
    return "[[recording_rate]]\n" + "".join(f"{key} = {value}\n" for key, value in {**usual, **dated, **more}.items())


def a_pool_ratio(ratio: str, effective_from: str, effective_to: str = '"open"') -> str:
    return (
        f'[[pool_ratio]]\nratio = "{ratio}"\nwages_from = 1998-01-01\neffective_from = {effective_from}\n'
        f'effective_to = {effective_to}\nsource = "a law"\nconfidence = "found"\n'
    )


def taken(text: str, *, form: Form = "toml", today: date | None = TODAY, replace: bool = False, source: str = "") -> Merged:
    return merge(shipped(), read_rows(text, form, shipped(), source=source), today=today, replace=replace)


def refusal(text: str, *, form: Form = "toml", source: str = "") -> str:
    with pytest.raises(ImportRefused) as refused:
        taken(text, form=form, source=source)
    return refused.value.code


def test_a_published_rate_is_a_row_more_and_another_rule_set() -> None:
    merged = taken(a_rate())

    rules, before = build_tables(merged.contents), build_tables(shipped())
    assert rules.recording_rate(2026, "44").rate == Decimal("0.0260")
    assert rules.recording_rates[:-1] == before.recording_rates
    assert rules.version != before.version
    assert rules.version.startswith("2026-09+")
    assert not merged.replaces


def test_the_same_rows_make_the_same_rule_set() -> None:
    one, two = taken(a_rate()), taken(f"# another comment\n{a_rate()}")

    assert build_tables(one.contents).version == build_tables(two.contents).version


def test_a_change_of_law_ends_the_old_row_the_day_before_and_leaves_old_cases_as_they_were() -> None:
    rules = build_tables(taken(a_pool_ratio("0.14", "2028-07-01")).contents)

    assert [row.ratio for row in rules.pool_ratios] == [Decimal("0.12"), Decimal("0.14")]
    assert rules.pool_ratio(date(2028, 6, 30)).ratio == Decimal("0.12")
    assert rules.pool_ratio(date(2028, 7, 1)).ratio == Decimal("0.14")
    assert rules.pool_ratio(date(2010, 1, 1)).ratio == Decimal("0.12")


@pytest.mark.parametrize(
    ("table", "key", "code", "field", "value"),
    [
        ("refusals", "refusal", "DUPLICATE_APPLICATION", "legal_basis", "the notice of 2028"),
        ("schemes", "scheme", "170", "transferable", True),
        ("place_of_payment", "place_reason", "LAST_PLACE", "legal_basis", "the notice of 2028"),
        ("pension_caveats", "pension_caveat", "ESTIMATE", "text_en", "An estimate by the rules of 2028."),
        ("pauses", "pause", "MATERIAL_ASKED", "legal_basis", "the notice of 2028"),
        ("reasons", "reason", "KIND_HUKOU", "legal_basis", "the notice of 2028"),
        ("materials", "material", "APPLICATION_DATA", "legal_basis", "the notice of 2028"),
    ],
)
def test_what_has_a_code_can_change_from_a_day_on_and_old_cases_keep_their_words(
    table: str, key: str, code: str, field: str, value: str | bool
) -> None:
    known = next(row for row in in_force_on(shipped(), table, TODAY) if row.get("code") == code)
    del known["key"]
    row = {**known, field: value, "effective_from": date(2028, 1, 1), "effective_to": "open"}

    merged = merge(shipped(), NewRows(table, key, (row,), date(2028, 1, 1)), today=TODAY)

    build_tables(merged.contents)
    assert not merged.replaces
    on = [next(row for row in in_force_on(merged.contents, table, day) if row.get("code") == code) for day in (EVE, NEW_YEAR)]
    assert [row[field] for row in on] == [known[field], value]


def test_a_refusal_and_a_scheme_are_told_in_the_words_of_their_day() -> None:
    text = """[[refusal]]
code = "WRONG_SCHEME"
rule = "R06"
uses = ["admission", "return"]
curable = false
legal_basis = "the notice of 2028"
reason_zh = "新规定"
reason_en = "by the new notice"
remedy_zh = "新规定"
remedy_en = "by the new notice"
effective_from = 2028-01-01
effective_to = "open"
source = "the notice of 2028"
confidence = "found"
"""
    scheme = """[[scheme]]
code = "170"
name_zh = "x"
name_en = "x"
transferable = true
pointer_zh = ""
pointer_en = ""
effective_from = 2028-01-01
effective_to = "open"
source = "the notice of 2028"
confidence = "found"
"""
    one = taken(text).contents
    rules = build_tables(merge(one, read_rows(scheme, "toml", one), today=TODAY).contents)

    before, after = rules.refusal("WRONG_SCHEME", EVE), rules.refusal("WRONG_SCHEME", NEW_YEAR)
    assert before == replace(build_tables(shipped()).refusal("WRONG_SCHEME", EVE), effective_to=EVE)
    assert (after.legal_basis, after.rule) == ("the notice of 2028", "refusals/WRONG_SCHEME@2028-01-01")
    assert [rules.scheme("170", day).transferable for day in (EVE, NEW_YEAR)] == [False, True]


def test_a_rule_for_some_time_gives_way_to_the_old_one_again() -> None:
    rules = build_tables(taken(a_pool_ratio("0.10", "2028-01-01", "2028-12-31")).contents)

    ratios = [rules.pool_ratio(date(year, month, 1)).ratio for year, month in ((2027, 12), (2028, 1), (2028, 12), (2029, 1))]
    assert ratios == [Decimal(text) for text in ("0.12", "0.10", "0.10", "0.12")]


def test_what_would_change_an_answer_of_the_past_is_refused_unless_it_is_said_to_replace() -> None:
    backdated = a_pool_ratio("0.14", "2027-06-15")

    with pytest.raises(ImportRefused, match="answers for days up to 2027-06-15 would change") as refused:
        taken(backdated)
    replaced = taken(backdated, replace=True)

    assert refused.value.code == "CHANGES_THE_PAST"
    assert replaced.replaces
    assert build_tables(replaced.contents).pool_ratio(TODAY).ratio == Decimal("0.14")
    assert not taken(a_pool_ratio("0.14", "2027-06-16")).replaces


def test_a_rate_that_was_published_wrongly_is_replaced_by_name_alone() -> None:
    assert refusal(a_rate(2023, "0.0379")) == "CHANGES_THE_PAST"

    rules = build_tables(taken(a_rate(2023, "0.0379"), replace=True).contents)
    assert rules.recording_rate(2023, "44").rate == Decimal("0.0379")
    assert len([row for row in rules.recording_rates if row.year == 2023]) == 1


def test_a_provinces_own_row_takes_the_place_of_its_part_of_a_row_for_many() -> None:
    own = a_rate(2010, "0.0250", province='"44"')
    assert refusal(own) == "CHANGES_THE_PAST"

    rules = build_tables(taken(own, replace=True).contents)
    assert rules.recording_rate(2010, "44").rate == Decimal("0.0250")
    assert rules.recording_rate(2010, "33").rate == Decimal("0.0225")


def test_a_provinces_own_row_beside_a_national_one_changes_its_past_as_well() -> None:
    text = '[[interest_method]]\nprovince = "37"\nmethod = "annual"\nfactor = "1.083"\neffective_from = {}\n'
    text += 'effective_to = "open"\nsource = "s"\nconfidence = "found"\n'

    assert refusal(text.format("1998-01-01")) == "CHANGES_THE_PAST"
    later = taken(text.format("2028-01-01"))
    assert build_tables(later.contents).interest_method(2028, "37").factor == Decimal("1.083")
    assert build_tables(later.contents).interest_method(2028, "44").factor == 0
    assert not later.replaces


def test_a_rate_of_one_province_for_a_year_that_nobody_has_is_no_change_of_the_past() -> None:
    rules = build_tables(taken(a_rate(2026, province='["44", "33"]')).contents)

    assert rules.recording_rate(2026, "33").rate == Decimal("0.0260")


def test_what_was_taken_before_is_merged_again_whatever_the_day() -> None:
    again = taken(a_pool_ratio("0.14", "2020-01-01"), today=None)

    assert build_tables(again.contents).pool_ratio(date(2021, 1, 1)).ratio == Decimal("0.14")


def test_a_holiday_notice_comes_in_as_a_spreadsheet_or_as_a_table() -> None:
    days = ("01-01", "05-01", "10-01", "10-02", "10-03")
    sheet = "date,kind\n" + "".join(f"2027-{day},holiday\n" for day in days) + "2027-01-03,make_up\n"
    listed = ", ".join(f"2027-{day}" for day in days)
    table = f'[[calendar]]\nyear = 2027\nsource = "the notice"\nholidays = [{listed}]\nmake_up_days = [2027-01-03]\n'

    for merged in (taken(sheet, form="csv", source="the notice"), taken(table)):
        calendar = build_tables(merged.contents).calendar
        assert calendar.knows(date(2027, 5, 1))
        assert not calendar.is_working_day(date(2027, 10, 1))
        assert calendar.is_working_day(date(2027, 1, 3))
    assert not build_tables(shipped()).calendar.knows(date(2027, 5, 1))


@pytest.mark.parametrize(
    ("text", "form", "code"),
    [
        ("[[recording_rate", "toml", "NOT_TOML"),
        ("", "toml", "NOT_A_TABLE"),
        ('name = "2030"\n', "toml", "NOT_A_TABLE"),
        ("[[weather]]\nrain = true\n", "toml", "NOT_A_TABLE"),
        (a_rate() + a_pool_ratio("0.14", "2028-01-01"), "toml", "NOT_A_TABLE"),
        ("recording_rate = []\n", "toml", "NOT_A_TABLE"),
        ("[[pool_ratio]]\nratio = '0.14'\n", "toml", "ROW_INVALID"),
        (a_pool_ratio("0.14", '"soon"'), "toml", "ROW_INVALID"),
        (a_pool_ratio("0.14", "2028-01-01", "2027-01-01"), "toml", "ROW_INVALID"),
        ("date,kind\n2027-01-01,holiday\n", "csv", "CALENDAR_INVALID"),
        ("[[calendar]]\nyear = 2027\n", "toml", "CALENDAR_INVALID"),
        (
            a_rate(2025, "0.0150", source='"人社部 财政部 yearly notice under 人社部发〔2017〕31号; S-RATE, two sources"'),
            "toml",
            "NOTHING_NEW",
        ),
    ],
    ids=range(12),
)
def test_a_file_that_cannot_be_taken_is_refused_by_name(text: str, form: Form, code: str) -> None:
    assert refusal(text, form=form, source="the notice") == code


def test_what_is_wrong_with_a_row_is_told_in_the_numbers_of_the_file() -> None:
    text = a_rate() + "\n" + a_rate(2027, "2.6") + "\n" + a_rate(2027, "0.02", extra="1")
    new = read_rows(text, "toml", shipped())
    merged = merge(shipped(), new, today=TODAY)

    with pytest.raises(TablesInvalid) as refused:
        build_tables(merged.contents)

    problems = explained(refused.value.problems, merged.contents, new)
    assert any(problem.startswith("row 2 of the file: rate = '2.6' is not a number") for problem in problems)
    assert any(problem.startswith("row 3 of the file: extra is not a field") for problem in problems)
    assert "recording_rates.toml: the rate of 2027 for '*' is there twice" in problems


def test_the_rows_of_a_day_are_those_in_force_on_it() -> None:
    merged = taken(a_pool_ratio("0.14", "2028-07-01")).contents

    def ratios(on: date | None) -> list[str]:
        return [row["ratio"] for row in in_force_on(merged, "pool_ratios", on)]

    assert (ratios(date(2028, 6, 30)), ratios(date(2028, 7, 1)), ratios(date(2009, 1, 1))) == (["0.12"], ["0.14"], [])
    assert ratios(None) == ["0.12", "0.14"]
    assert {row["key"] for row in in_force_on(merged, "pool_ratios", None)} == {"pool_ratio"}
    for unknown in ("weather", "version"):
        with pytest.raises(ImportRefused):
            in_force_on(merged, unknown, None)


@pytest.mark.parametrize("table", sorted(set(shipped()) - {"version"}))
def test_the_rows_of_every_table_can_be_shown(table: str) -> None:
    assert in_force_on(shipped(), table, None)


def test_months_of_old_wages_keep_the_ratio_of_their_time() -> None:
    text = '[[account_ratio]]\nratio = "0.07"\neffective_from = 2028-01-01\neffective_to = "open"\n'
    text += 'source = "s"\nconfidence = "found"\n'

    rules = build_tables(taken(text).contents)

    assert rules.account_ratio(Month(2027, 12)).ratio == Decimal("0.08")
    assert rules.account_ratio(Month(2028, 1)).ratio == Decimal("0.07")
