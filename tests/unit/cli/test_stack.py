"""`jiexu up`, `status` and `down` with --stack compose: the same answers, asked of Compose."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli import ExitCode
from services.cli.main import build_app
from tests.unit.compose.conftest import FakeDocker, fake_docker
from tests.unit.compose.test_stack import as_compose_tells

__all__ = ["fake_docker"]


def jiexu(*words: str, home: Path) -> Result:
    return CliRunner().invoke(build_app(), [*words, "--stack", "compose", "--home", str(home)])


@pytest.fixture
def running(fake_docker: FakeDocker) -> FakeDocker:
    fake_docker.answer("version", "20.10.24")
    fake_docker.answer("ps", as_compose_tells())
    return fake_docker


def test_what_came_up_in_containers_is_shown_as_without(running: FakeDocker, tmp_path: Path) -> None:
    up = jiexu("up", "--json", home=tmp_path / "compose")

    assert up.exit_code == ExitCode.YES, up.output
    endpoints = json.loads(up.stdout)
    assert endpoints["services"]["44.origin-agency"] == "http://127.0.0.1:18441"
    assert endpoints["clock"] == "system"


def test_other_provinces_than_those_of_the_file_are_refused_before_anything_starts(running: FakeDocker, tmp_path: Path) -> None:
    up = jiexu("up", "--provinces", "44,12", home=tmp_path / "compose")

    assert up.exit_code == ExitCode.WRONG_USE
    assert "44,33,41" in up.output
    assert running.calls == []


def test_status_says_no_while_one_container_is_not_healthy(fake_docker: FakeDocker, tmp_path: Path) -> None:
    fake_docker.answer("version", "20.10.24")
    fake_docker.answer("ps", as_compose_tells(bank="unhealthy"))

    status = jiexu("status", "--json", home=tmp_path / "compose")

    assert status.exit_code == ExitCode.NO
    answer = json.loads(status.stdout)
    assert answer["ready"] is False
    assert [each["name"] for each in answer["processes"] if each["state"] != "ready"] == ["bank"]


def test_status_says_yes_when_all_are_healthy(running: FakeDocker, tmp_path: Path) -> None:
    status = jiexu("status", home=tmp_path / "compose")

    assert status.exit_code == ExitCode.YES
    assert "44.origin-agency" in status.stdout


def test_down_names_what_it_stopped(running: FakeDocker, tmp_path: Path) -> None:
    down = jiexu("down", "--wipe", "--json", home=tmp_path / "compose")

    assert down.exit_code == ExitCode.YES
    answer = json.loads(down.stdout)
    assert answer["wiped"] is True
    assert {"kafka", "postgres-44", "bank"} <= set(answer["stopped"])
    assert running.composed()[-1] == ["down", "--remove-orphans", "--volumes"]


def test_without_docker_each_verb_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    for verb in ("up", "status", "down"):
        said = jiexu(verb, home=tmp_path / "compose")
        assert said.exit_code in (ExitCode.NO, ExitCode.COULD_NOT_TELL), verb
        assert "docker is missing; install" in said.output
