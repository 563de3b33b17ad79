"""``jiexu amounts``, run on the worked examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import ExitCode
from services.cli.main import build_app
from services.rules.loader import TABLES_DIRECTORY

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("example", "on", "more", "account_fen", "pool_fen", "total_fen", "months"),
    [
        ("ex1", "2024-08", [], 240000, 360000, 600000, 6),
        ("ex2", "2024-05", [], 490322, 720000, 1210322, 12),
        ("ex3", "2024-04", [], 1247986, 1800000, 3047986, 27),
        (
            "ex4",
            "2010-03",
            ["--persons", str(EXAMPLES / "ex4_persons.csv"), "--tables", str(EXAMPLES / "ex4_tables")],
            498684,
            432000,
            930684,
            24,
        ),
        ("ex5", "2024-05", [], 392258, 768000, 1160258, 12),
        ("ex5b", "2024-05", [], 392258, 576000, 968258, 12),
        ("ex7", "2024-05", ["--province", "44"], 409925, 600000, 1009925, 10),
        ("ex8", "2024-05", [], 490322, 720000, 1210322, 12),
        # What is cleared of it: the refund of 1,207.94 is its ④, the 1,800.00 that stay in the destination's pool its ⑤.
        ("ex8_cleared", "2024-05", [], 120794, 180000, 300794, 3),
        ("flexible", "2024-05", [], 392258, 576000, 968258, 12),
        ("ex2", "2024-05", ["--tables", str(EXAMPLES / "annual_tables")], 490319, 720000, 1210319, 12),
        # Ex. 5 with the switch: 640 × 78 × 3.97 % / 12 = 165.152 on the employer's part.
        ("ex5", "2024-05", ["--tables", str(EXAMPLES / "pool_interest_tables")], 392258, 768000 + 16515, 1160258 + 16515, 12),
    ],
)
def test_the_worked_examples_come_out_to_the_fen(
    example: str, on: str, more: list[str], account_fen: int, pool_fen: int, total_fen: int, months: int
) -> None:
    file = str(EXAMPLES / f"{example}_contributions.csv")

    result = RUNNER.invoke(build_app(), ["amounts", file, "--on", on, "--json", *more])

    assert result.exit_code == ExitCode.YES
    [person] = json.loads(result.stdout)["persons"]
    assert (person["items"]["account_fen"], person["items"]["pool_fen"]) == (account_fen, pool_fen)
    assert (person["items"]["total_fen"], person["months"]) == (total_fen, months)
    assert all(step["rule"] and step["source"] for step in person["steps"])


def test_the_explanation_names_rule_and_source_line_by_line_and_hides_the_number() -> None:
    file = str(EXAMPLES / "ex3_contributions.csv")

    english = RUNNER.invoke(build_app(), ["amounts", file, "--on", "2024-04-15"])
    chinese = RUNNER.invoke(build_app(), ["amounts", file, "--on", "2024-04", "--language", "zh-CN"])

    assert english.exit_code == chinese.exit_code == ExitCode.YES
    assert "4,959.12 × 0.0397 + (480.00 × 78) × 0.0397 ÷ 12 = 320.74" in english.stdout
    assert "[recording_rates@2023/*; interest_methods@1996-01-01]" in english.stdout
    assert english.stdout.rstrip().endswith("⑤ 18,000.00  ⑥ 30,479.86")
    assert "410***********1234" in english.stdout
    assert "410101199003151234" not in english.stdout
    assert "2023年利息" in chinese.stdout


def test_a_file_with_errors_is_answered_no_with_every_error(tmp_path: Path) -> None:
    file = tmp_path / "contributions.csv"
    text = (EXAMPLES / "ex3_contributions.csv").read_text(encoding="utf-8")
    file.write_text(text.replace("2022-12", "2023-12").replace("2024-03", "2024-3"), encoding="utf-8")

    told = RUNNER.invoke(build_app(), ["amounts", str(file), "--on", "2024-04"])
    listed = RUNNER.invoke(build_app(), ["amounts", str(file), "--on", "2024-04", "--json"])

    assert told.exit_code == listed.exit_code == ExitCode.NO
    assert "contributions, line 2, end: '2023-12'" in told.stderr
    assert [(error["line"], error["column"]) for error in json.loads(listed.stdout)["errors"]] == [(2, "end"), (4, "end")]


def test_a_record_that_cannot_be_transferred_that_day_is_answered_no() -> None:
    result = RUNNER.invoke(build_app(), ["amounts", str(EXAMPLES / "ex3_contributions.csv"), "--on", "2024-02", "--json"])

    assert result.exit_code == ExitCode.NO
    [person] = json.loads(result.stdout)["persons"]
    assert (person["outcome"], person["error"]) == ("invalid", "RowAfterTransfer")


def test_a_rate_that_is_not_published_cannot_be_told() -> None:
    result = RUNNER.invoke(build_app(), ["amounts", str(EXAMPLES / "ex2_contributions.csv"), "--on", "2027-02"])

    assert result.exit_code == ExitCode.COULD_NOT_TELL
    assert "2026" in result.stdout


def test_a_province_that_goes_on_without_the_rate_says_which_years_are_not_final() -> None:
    file, tables = str(EXAMPLES / "pending_contributions.csv"), str(EXAMPLES / "interim_tables")

    listed = RUNNER.invoke(build_app(), ["amounts", file, "--on", "2027-02", "--tables", tables, "--json"])
    told = RUNNER.invoke(build_app(), ["amounts", file, "--on", "2027-02", "--tables", tables])

    assert listed.exit_code == told.exit_code == ExitCode.YES
    [person] = json.loads(listed.stdout)["persons"]
    # 4,839.00 × 1.50 % + 400 × 78 × 1.50 % / 12 = 72.585 + 39.00.
    assert person["interim_rates"] == {"2026": "0.0150"}
    assert person["items"]["until_last_year_fen"] == 483900 + 480000 + 11159
    assert [year["year"] for year in person["years"] if year["interim"]] == [2026]
    assert "not final: 2026 at 0.0150 until the rate is published" in told.stdout


def test_what_is_still_owed_is_told_once_the_rate_is_published(tmp_path: Path) -> None:
    file = str(EXAMPLES / "pending_contributions.csv")
    rates = (TABLES_DIRECTORY / "recording_rates.toml").read_text(encoding="utf-8")
    published = '[[recording_rate]]\nyear = 2026\nprovince = "*"\nrate = "0.0260"\neffective_from = 2026-01-01\n'
    published += 'effective_to = 2026-12-31\nsource = "test"\nconfidence = "design"\n'
    (tmp_path / "recording_rates.toml").write_text(f"{rates}\n{published}", encoding="utf-8")
    common = ["amounts", file, "--on", "2027-02", "--interim", "2026=0.0150"]

    early = RUNNER.invoke(build_app(), common)
    listed = RUNNER.invoke(build_app(), [*common, "--tables", str(tmp_path), "--json"])
    told = RUNNER.invoke(build_app(), [*common, "--tables", str(tmp_path)])

    assert early.exit_code == ExitCode.COULD_NOT_TELL
    [person] = json.loads(listed.stdout)["persons"]
    # 4,839.00 × 2.60 % + 400 × 78 × 2.60 % / 12 = 193.414 in the place of 111.585.
    assert person["adjustment"]["items"]["total_fen"] == 19341 - 11159
    assert person["adjustment"]["interest_by_year_fen"] == {"2026": 8182}
    assert person["items"]["account_fen"] == 483900 + 480000 + 19341
    assert "still owed at the published rates: ④ 81.82  ⑤ 0.00  ⑥ 81.82" in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere.csv", "--on", "2024-04"],
        [str(EXAMPLES / "ex2_contributions.csv")],
        [str(EXAMPLES / "ex2_contributions.csv"), "--on", "april"],
        [str(EXAMPLES / "ex2_contributions.csv"), "--on", "2009-12"],
        [str(EXAMPLES / "ex2_contributions.csv"), "--on", "2024-04", "--province", "99"],
        [str(EXAMPLES / "ex2_contributions.csv"), "--on", "2024-04", "--province", "81"],
        [str(EXAMPLES / "ex2_contributions.csv"), "--on", "2024-04", "--tables", "nowhere"],
        [str(EXAMPLES / "ex2_contributions.csv"), "--on", "2024-05", "--interim", "2023"],
    ],
)
def test_wrong_use_is_told_apart(arguments: list[str]) -> None:
    result = RUNNER.invoke(build_app(), ["amounts", *arguments])

    assert result.exit_code == ExitCode.WRONG_USE


def test_a_record_of_several_provinces_needs_to_be_told_whose_it_is(tmp_path: Path) -> None:
    file = tmp_path / "contributions.csv"
    text = (EXAMPLES / "ex3_contributions.csv").read_text(encoding="utf-8")
    file.write_text(text.replace("440100,2022", "330100,2022"), encoding="utf-8")

    asked = RUNNER.invoke(build_app(), ["amounts", str(file), "--on", "2024-04"])
    told = RUNNER.invoke(build_app(), ["amounts", str(file), "--on", "2024-04", "--province", "44"])

    assert asked.exit_code == ExitCode.WRONG_USE
    assert told.exit_code == ExitCode.YES


def test_the_help_shows_an_example() -> None:
    result = RUNNER.invoke(build_app(), ["amounts", "--help"])

    assert result.exit_code == ExitCode.YES
    assert "Example: jiexu amounts" in result.stdout
