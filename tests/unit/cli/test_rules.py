"""``jiexu rules`` on the tables that are shipped; tests/integration/cli/test_year_end.py imports rows into a running province."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import ExitCode
from services.cli.main import build_app
from tests.unit.rules.builders import tables

EXAMPLES = Path(__file__).parents[2] / "examples"
TABLES = Path(__file__).parents[3] / "services" / "rules" / "tables"
RUNNER = CliRunner()


def test_the_rows_of_a_day_are_shown_with_the_rule_set() -> None:
    told = RUNNER.invoke(build_app(), ["rules", "show", "recording_rates", "--on", "2024-12-31"])
    listed = RUNNER.invoke(build_app(), ["rules", "show", "account_ratios", "--on", "2005-12-31", "--json"])

    assert told.exit_code == listed.exit_code == ExitCode.YES
    assert told.stdout.startswith(f"rule set {tables().version}\n2024-01-01 to 2024-12-31  year 2024, province *, rate 0.0262")
    answer = json.loads(listed.stdout)
    assert (answer["on"], answer["rule_set"]) == ("2005-12-31", tables().version)
    [row] = answer["rows"]
    assert (row["ratio"], row["effective_from"], row["effective_to"]) == ("0.11", "1998-01-01", "2005-12-31")
    assert row["confidence"] == "found"


def test_all_rows_are_shown_where_no_day_is_named_and_lists_are_short() -> None:
    told = RUNNER.invoke(build_app(), ["rules", "show", "calendar"])

    assert told.exit_code == ExitCode.YES
    assert len(told.stdout.splitlines()) == 1 + 17
    assert "..." in told.stdout


def test_other_tables_may_take_the_place_of_ours() -> None:
    told = RUNNER.invoke(build_app(), ["rules", "show", "pending_rates", "--tables", str(EXAMPLES / "interim_tables")])

    assert told.exit_code == ExitCode.YES
    assert "policy last_published" in told.stdout


def test_every_row_that_no_source_settles_is_shown_and_no_other() -> None:
    found = json.loads(RUNNER.invoke(build_app(), ["rules", "decided", "--json"]).stdout)
    design = RUNNER.invoke(build_app(), ["rules", "decided", "--confidence", "design"]).stdout.splitlines()

    shipped = "".join(path.read_text(encoding="utf-8") for path in sorted(TABLES.glob("*.toml")))
    for confidence in ("design", "unsure", "untrusted"):
        in_files = shipped.count(f'\nconfidence = "{confidence}"')
        assert len([row for row in found if row["confidence"] == confidence]) == in_files > 0
    assert design[-1] == f"{len(design) - 1} rows"
    assert "design  switches  2010-01-01  code DUPLICATE_SIDE_KEPT, province *, value destination" in "\n".join(design)


def test_an_unknown_confidence_is_wrong_use() -> None:
    assert RUNNER.invoke(build_app(), ["rules", "decided", "--confidence", "sure"]).exit_code == ExitCode.WRONG_USE


def test_a_day_without_a_rule_is_answered_no() -> None:
    result = RUNNER.invoke(build_app(), ["rules", "show", "pool_ratios", "--on", "2009-12-31"])

    assert result.exit_code == ExitCode.NO


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "weather"],
        ["show", "version"],
        ["show", "limits", "--on", "today"],
        ["show", "limits", "--province", "44", "--tables", str(EXAMPLES / "interim_tables")],
        ["show", "limits", "--province", "44", "--home", "nowhere"],
        ["import", str(EXAMPLES / "ex1_contributions.csv"), "--province", "44"],
        ["import", str(EXAMPLES / "interim_tables" / "pending_rates.toml"), "--province", "44", "--home", "nowhere"],
        ["import", str(EXAMPLES / "interim_tables" / "pending_rates.toml"), "--province", "44", "--replace"],
    ],
    ids=["table", "version", "day", "two tables", "no stack", "no source", "no stack to import into", "no reason"],
)
def test_wrong_use_is_told_apart(arguments: list[str]) -> None:
    result = RUNNER.invoke(build_app(), ["rules", *arguments])

    assert result.exit_code == ExitCode.WRONG_USE


@pytest.mark.parametrize("verb", ["import", "show"])
def test_the_help_shows_an_example(verb: str) -> None:
    result = RUNNER.invoke(build_app(), ["rules", verb, "--help"])

    assert result.exit_code == ExitCode.YES
    assert f"Example: jiexu rules {verb}" in result.stdout
