"""A command finds the province that it asks, or says why not; tests/integration/cli asks provinces that run."""

from pathlib import Path

import httpx
import pytest
import typer

from services.cli import ExitCode
from services.cli.running import answering, find_province


def test_where_nothing_runs_the_command_is_wrong_use_and_says_how_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        find_province("44", tmp_path)

    assert ended.value.exit_code == ExitCode.WRONG_USE
    assert capsys.readouterr().err == f"province 44 does not run in {tmp_path}; start it: jiexu up --provinces 44\n"


def test_endpoints_that_cannot_be_read_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "endpoints.json").write_text("{}", encoding="utf-8")

    with pytest.raises(typer.Exit) as ended:
        find_province("44", tmp_path)

    assert ended.value.exit_code == ExitCode.WRONG_USE
    assert "endpoints.json cannot be read; remove it and run jiexu up" in capsys.readouterr().err


def test_a_service_that_does_not_answer_cannot_be_told_about(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, answering("the origin agency of 44"):
        raise httpx.ConnectError("refused")

    assert ended.value.exit_code == ExitCode.COULD_NOT_TELL
    assert capsys.readouterr().err == "the origin agency of 44 does not answer: ConnectError\n"


def test_any_other_error_goes_through() -> None:
    with pytest.raises(KeyError), answering("the origin agency of 44"):
        raise KeyError("run_id")
