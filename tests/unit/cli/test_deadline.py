"""``jiexu deadline``."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.cli import ExitCode
from services.cli.main import build_app

RUNNER = CliRunner()


def test_the_last_day_of_fifteen_working_days_is_told() -> None:
    result = RUNNER.invoke(build_app(), ["deadline", "2025-03-03", "--days", "15"])

    assert (result.exit_code, result.stdout) == (ExitCode.YES, "2025-03-24 Monday\n")


def test_the_answer_comes_as_json() -> None:
    result = RUNNER.invoke(build_app(), ["deadline", "2025-01-20", "--days", "10", "--json"])

    answer = json.loads(result.stdout)
    assert answer.pop("rule_set").startswith("2026-09+")
    assert answer == {"start": "2025-01-20", "working_days": 10, "due_on": "2025-02-08", "provisional": False}


def test_a_date_beyond_the_known_notices_is_told_to_be_provisional() -> None:
    result = RUNNER.invoke(build_app(), ["deadline", "2027-03-01"])

    assert result.exit_code == ExitCode.YES
    assert "provisional" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["2025-02-30"],
        ["monday"],
        ["2025-03-03", "--days", "-1"],
        ["2025-03-03", "--tables", "nowhere"],
        ["9999-12-01", "--days", "100"],
        [],
    ],
)
def test_wrong_use_is_told_apart(arguments: list[str]) -> None:
    assert RUNNER.invoke(build_app(), ["deadline", *arguments]).exit_code == ExitCode.WRONG_USE
