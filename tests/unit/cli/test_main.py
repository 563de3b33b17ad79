"""The one command and its subcommands."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from services.cli import ExitCode
from services.cli.main import build_app, main


def test_the_subcommands_are_listed_with_the_exit_codes() -> None:
    result = CliRunner().invoke(build_app(), ["--help"])

    assert result.exit_code == ExitCode.YES
    assert "amounts" in result.stdout
    assert "deadline" in result.stdout
    assert "3 could not tell" in result.stdout


def test_the_console_script_ends_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["jiexu", "deadline", "2025-03-03"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == ExitCode.YES
