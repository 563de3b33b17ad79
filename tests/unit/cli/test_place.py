"""``jiexu place``, run on the cases of domain § 3.1 and scenario 25."""

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


def text_of(example: str) -> str:
    return (EXAMPLES / f"{example}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("example", "place", "code", "letters"),
    [
        ("place_a", "31", "LAST_PLACE", ["44"]),
        ("place_b", "33", "EARLIER_PLACE", ["32"]),
        ("place_c", "43", "HUKOU_GATHERS", ["44", "35", "31"]),
        ("place_d", "42", "HUKOU_IS_LAST", ["44"]),
        ("place_e", "32", "EARLIER_PLACE", ["31"]),
        ("place_25", "43", "HUKOU_GATHERS", ["44", "35", "31"]),
    ],
)
def test_the_published_places_come_out_as_json(example: str, place: str, code: str, letters: list[str]) -> None:
    result = RUNNER.invoke(build_app(), ["place", str(EXAMPLES / f"{example}.toml"), "--json"])

    assert result.exit_code == ExitCode.YES
    answer = json.loads(result.stdout)
    assert (answer["place"]["province"], answer["code"]) == (place, code)
    assert [letter["to"]["province"] for letter in answer["letters"]] == letters
    assert answer["rule_set"].startswith("2026-09+")
    assert all(rule["source"] and rule["confidence"] for rule in answer["rules"])


def test_scenario_25_is_answered_with_registration_three_letters_and_enough_months() -> None:
    result = RUNNER.invoke(build_app(), ["place", str(EXAMPLES / "place_25.toml"), "--json"])

    answer = json.loads(result.stdout)
    assert answer["registers"] is True
    assert [letter["account"] for letter in answer["letters"]] == ["normal", "normal", "temporary"]
    eligibility = answer["eligibility"]
    assert (eligibility["total_months"], eligibility["minimum_months"], eligibility["missing_months"]) == (216, 192, 0)
    assert (eligibility["statutory_on"], eligibility["minimum_of_year"]) == ("2031-06-15", 2031)


def test_too_few_months_are_answered_no() -> None:
    result = RUNNER.invoke(build_app(), ["place", str(EXAMPLES / "place_short.toml")])

    assert result.exit_code == ExitCode.NO
    assert "156 months of 192 needed in 2031, 36 missing; statutory age in 2031-06" in result.stdout


def test_the_reason_is_told_in_the_language_asked_for() -> None:
    english = RUNNER.invoke(build_app(), ["place", str(EXAMPLES / "place_25.toml")])
    chinese = RUNNER.invoke(build_app(), ["place", str(EXAMPLES / "place_25.toml"), "--language", "zh-CN"])

    assert english.exit_code == chinese.exit_code == ExitCode.YES
    assert english.stdout.startswith("Hunan (43)  HUKOU_GATHERS")
    assert "Hunan registers the person first" in english.stdout
    assert "letter to Shanghai: temporary account, 84 months of 31" in english.stdout
    assert chinese.stdout.startswith("湖南省 (43)")
    assert "归集到户籍所在地" in chinese.stdout
    assert "国办发〔2009〕66号 第六条第(四)项" in english.stdout


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ('hukou = "43"', 'hukou = "81"', 4, "hukou"),
        ("on = 2031-10-15", "on = 2009-10-15", 5, "on"),
        ('category = "male"', 'category = "man"', 7, "category"),
        ('category = "male"', "", 1, ""),
        ("on = 2031-10-15", "on = 2031-10-15\nretires_on = 2027-01-01", 6, "retires_on"),
        ("birth_on = 1970-02-15", "birth_on = 1910-02-15", 6, "birth_on"),
        ("months = 60", "months = 0", 14, "relationship[2]"),
        ('last_month = "2019-03"', 'last_month = "2009-03"', 14, "relationship[2]"),
        ('account = "temporary"', 'account = "temporary"\nheld_by = "44"', 19, "relationship[3]"),
        ('account = "temporary"', 'kind = "temporary"', 23, "relationship[3].kind"),
    ],
)
def test_an_error_names_line_and_field(tmp_path: Path, old: str, new: str, line: int, field: str) -> None:
    text = text_of("place_25")
    assert old in text
    file = tmp_path / "facts.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")

    listed = RUNNER.invoke(build_app(), ["place", str(file), "--json"])
    told = RUNNER.invoke(build_app(), ["place", str(file)])

    assert listed.exit_code == told.exit_code == ExitCode.NO
    [error] = json.loads(listed.stdout)["errors"]
    assert (error["line"], error["field"]) == (line, field)
    assert error["reason"]
    assert told.stderr.startswith(f"line {line}")


def test_where_no_rule_names_a_place_it_could_not_be_told(tmp_path: Path) -> None:
    rules = (TABLES_DIRECTORY / "place_of_payment.toml").read_text(encoding="utf-8")
    (tmp_path / "place_of_payment.toml").write_text(rules.replace('= "longest"', '= "refuse"'), encoding="utf-8")
    file = tmp_path / "facts.txt"
    file.write_text(text_of("place_c").replace('hukou = "43"', 'hukou = "none"'), encoding="utf-8")

    longest = RUNNER.invoke(build_app(), ["place", str(file), "--json"])
    refused = RUNNER.invoke(build_app(), ["place", str(file), "--tables", str(tmp_path)])

    assert json.loads(longest.stdout)["code"] == "LONGEST_PLACE"
    assert refused.exit_code == ExitCode.COULD_NOT_TELL
    assert "no household register" in refused.stderr


@pytest.mark.parametrize("arguments", [[], ["nowhere.toml"], [str(EXAMPLES / "place_a.toml"), "--tables", "nowhere"]])
def test_wrong_use_is_told_apart(arguments: list[str]) -> None:
    assert RUNNER.invoke(build_app(), ["place", *arguments]).exit_code == ExitCode.WRONG_USE
