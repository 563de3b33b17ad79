import pytest
from typer.testing import CliRunner

from services.cli.demo import run
from services.cli.main import build_app
from services.cli.stack import StackKind


def test_the_command_ends_with_the_demos_own_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    def disagrees(**options: object) -> int:
        told.update(options)
        return 1

    monkeypatch.setattr(run, "demo", disagrees)

    result = CliRunner().invoke(build_app(), ["demo", "--cases", "200", "--seed", "7"])

    assert result.exit_code == 1
    assert told == {"cases": 200, "seed": 7, "keep": False, "kind": StackKind.NATIVE}


def test_too_few_cases_are_refused_with_the_bound() -> None:
    result = CliRunner().invoke(build_app(), ["demo", "--cases", "3"])

    assert result.exit_code == 2
    assert "100" in result.output
