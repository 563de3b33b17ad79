"""``jiexu pension``, run on every example of domain § 2.5 and § 3.4."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import ExitCode
from services.cli.main import build_app

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNER = CliRunner()


def text_of(example: str) -> str:
    return (EXAMPLES / f"{example}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("example", "basic_fen", "account_fen", "transitional_fen"),
    [
        ("pension_p1", 160_000, 100_000, 0),
        ("pension_p2", 96_000, 43_353, 0),
        ("pension_pw1_15y_06", 48_000, 0, 0),
        ("pension_pw1_15y_10", 60_000, 0, 0),
        ("pension_pw1_15y_30", 120_000, 0, 0),
        ("pension_pw1_40y_06", 128_000, 0, 0),
        ("pension_pw1_40y_10", 160_000, 0, 0),
        ("pension_pw1_40y_30", 320_000, 0, 0),
        ("pension_pw2", 42_792, 35_971, 0),
        ("pension_pw3", 84_000, 0, 0),
        ("pension_beijing", 325_323, 100_000, 0),
        ("pension_shanghai", 168_270, 36_130, 0),
        ("pension_rows", 97_920, 60_000, 21_600),
    ],
)
def test_the_examples_come_out_to_the_fen(example: str, basic_fen: int, account_fen: int, transitional_fen: int) -> None:
    result = RUNNER.invoke(build_app(), ["pension", str(EXAMPLES / f"{example}.toml"), "--json"])

    assert result.exit_code == ExitCode.YES
    answer = json.loads(result.stdout)
    amounts = {part["part"]: part["amount_fen"] for part in answer["parts"]}
    assert (amounts["basic"], amounts["account"], amounts.get("transitional", 0)) == (basic_fen, account_fen, transitional_fen)
    assert answer["total_fen"] == basic_fen + account_fen + transitional_fen
    assert sum(segment["basic_fen"] for segment in answer["segments"]) == basic_fen
    assert all(caveat["text_zh"] and caveat["text_en"] for caveat in answer["caveats"])
    assert all(rule["rule"] and rule["source"] for part in answer["parts"] for rule in part["rules"])


def test_the_segments_show_what_each_place_has_to_do_with_it() -> None:
    result = RUNNER.invoke(build_app(), ["pension", str(EXAMPLES / "pension_rows.toml"), "--json"])

    answer = json.loads(result.stdout)
    assert answer["index"] == "0.4800"
    assert [
        (one["province"], one["months"], one["deemed_months"], one["share"], one["index"], one["basic_fen"])
        for one in answer["segments"]
    ] == [
        ("43", 36, 24, "0.2941", "0.5333", 29_520),
        ("44", 120, 0, "0.5882", "0.5000", 58_500),
        ("31", 24, 0, "0.1176", "0.3000", 9_900),
    ]
    assert (answer["years"][0]["year"], answer["years"][0]["index"]) == (2001, "0.6000")


def test_the_explanation_shows_numbers_rules_and_caveats_in_the_language_asked_for() -> None:
    english = RUNNER.invoke(build_app(), ["pension", str(EXAMPLES / "pension_p2.toml")])
    chinese = RUNNER.invoke(build_app(), ["pension", str(EXAMPLES / "pension_p2.toml"), "--language", "zh-CN"])

    assert english.exit_code == chinese.exit_code == ExitCode.YES
    assert "(8,000.00 + 8,000.00 × 0.6) ÷ 2 × 180 ÷ 12 × 1 %" in english.stdout
    assert "60,000.00 ÷ 138.4 (60y1m)" in english.stdout
    assert "= 1,393.53 a month" in english.stdout
    assert "! This is an estimate and no decision" in english.stdout
    assert "The rule divisor_between/*@2025-01-01 rests on" in english.stdout
    assert "基础养老金  960.00" in chinese.stdout
    assert "! 本结果为估算" in chinese.stdout


def test_the_files_of_the_documentation_are_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "pension.md").read_text(encoding="utf-8")
    place, known, rows = (part.split("```")[0] for part in text.split("```toml")[1:])
    wages = known[: known.index("index =")] + rows
    codes = []

    for command, facts in (("place", place), ("pension", known), ("pension", wages)):
        file = tmp_path / "facts.toml"
        file.write_text(facts, encoding="utf-8")
        result = RUNNER.invoke(build_app(), [command, str(file), "--json"])
        assert "errors" not in json.loads(result.stdout), result.stdout
        codes.append(result.exit_code)

    # Six years and two years are too few for a pension; fifteen are enough.
    assert codes == [ExitCode.NO, ExitCode.YES, ExitCode.NO]


def test_too_few_months_are_answered_no(tmp_path: Path) -> None:
    file = tmp_path / "facts.toml"
    file.write_text(text_of("pension_p1").replace("months = 240", "months = 150"), encoding="utf-8")

    result = RUNNER.invoke(build_app(), ["pension", str(file)])

    assert result.exit_code == ExitCode.NO
    assert "not payable yet: 180 months are needed (2024), 30 are missing" in result.stdout


@pytest.mark.parametrize(
    ("example", "old", "new", "needed"),
    [
        ("pension_p1", 'base = "8000.00"\n', "", "no calculation base of 2024 for province 43"),
        ("pension_rows", '  { year = 2015, monthly = "5000.00" },\n', "", "the average wage of 2015 in province 44"),
    ],
)
def test_what_is_neither_published_nor_given_could_not_be_told(
    tmp_path: Path, example: str, old: str, new: str, needed: str
) -> None:
    text = text_of(example)
    assert old in text
    file = tmp_path / "facts.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")

    result = RUNNER.invoke(build_app(), ["pension", str(file)])

    assert result.exit_code == ExitCode.COULD_NOT_TELL
    assert needed in result.stderr


@pytest.mark.parametrize(
    ("example", "old", "new", "line", "field"),
    [
        ("pension_p1", 'place = "43"', 'place = "99"', 2, "place"),
        ("pension_p1", 'balance = "139000.00"', 'balance = "-1"', 6, "balance"),
        ("pension_p1", 'base = "8000.00"', 'base = "0"', 7, "base"),
        ("pension_p1", 'index = "1.0"', 'index = "0"', 8, "index"),
        ("pension_p1", "months = 240", "months = 0", 1, ""),
        ("pension_p1", 'index = "1.0"\n', "", 1, ""),
        ("pension_p1", "retires_on = 2024-09-10", "retires_on = 2024-08-10", 5, "retires_on"),
        ("pension_p1", "retires_on = 2024-09-10", "retires_on = 2034-10-10", 5, "retires_on"),
        ("pension_p1", "birth_on = 1964-09-10", "birth_on = 1910-09-10", 3, "birth_on"),
        ("pension_p1", "months = 240", "month = 240", 10, "stay[1].months"),
        ("pension_rows", 'start = "2002-01"', 'start = "2001-12"', 21, "row[4]"),
        ("pension_rows", 'start = "2002-01", end = "2002-12"', 'start = "2001-01", end = "2001-12"', 21, "row[4]"),
        ("pension_rows", 'start = "2015-01", end = "2015-12"', 'start = "2025-04", end = "2025-05"', 34, "row[17]"),
        ("pension_rows", "{ year = 2002,", "{ year = 2001,", 39, "average_wage[2].year"),
    ],
)
def test_an_error_names_line_and_field(tmp_path: Path, example: str, old: str, new: str, line: int, field: str) -> None:
    text = text_of(example)
    assert old in text
    file = tmp_path / "facts.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")

    listed = RUNNER.invoke(build_app(), ["pension", str(file), "--json"])
    told = RUNNER.invoke(build_app(), ["pension", str(file)])

    assert listed.exit_code == told.exit_code == ExitCode.NO
    error = json.loads(listed.stdout)["errors"][0]
    assert (error["line"], error["field"]) == (line, field)
    assert told.stderr.startswith(f"line {line}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[stay]]", '[[row]]\ndivision = "430100"\nstart = "2020-01"\nend = "2020-12"\n\n[[stay]]'),
        ("[[stay]]", '[[average_wage]]\nyear = 2020\nmonthly = "5000"\n\n[[stay]]'),
    ],
)
def test_an_index_and_wages_together_are_refused(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "facts.toml"
    file.write_text(text_of("pension_p1").replace(old, new), encoding="utf-8")

    assert RUNNER.invoke(build_app(), ["pension", str(file)]).exit_code == ExitCode.NO


@pytest.mark.parametrize("arguments", [[], ["nowhere.toml"], [str(EXAMPLES / "pension_p1.toml"), "--tables", "nowhere"]])
def test_wrong_use_is_told_apart(arguments: list[str]) -> None:
    assert RUNNER.invoke(build_app(), ["pension", *arguments]).exit_code == ExitCode.WRONG_USE
