"""Where the demo is played: STACK=compose means containers, begun afresh, with a clock that the scenario moves."""

from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.demo import run
from services.cli.demo.ground import CONTAINERS_HOME, PROCESSES_HOME, Containers, Processes, ground
from services.cli.main import build_app
from services.cli.stack import StackKind
from tests.unit.compose.conftest import FakeDocker, fake_docker
from tests.unit.compose.test_stack import as_compose_tells

__all__ = ["fake_docker"]

START = datetime.fromisoformat("2024-05-06T09:00:00+08:00")


def test_each_kind_of_demo_has_a_home_of_its_own() -> None:
    processes, containers = (ground(kind, ("44", "33", "41"), START) for kind in StackKind)

    assert isinstance(processes, Processes)
    assert isinstance(containers, Containers)
    assert (processes.home, containers.home) == (PROCESSES_HOME, CONTAINERS_HOME)


def test_the_environment_says_where_the_demo_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []

    def notes(**options: object) -> int:
        told.append(options["kind"])
        return 0

    monkeypatch.setattr(run, "demo", notes)

    CliRunner().invoke(build_app(), ["demo"], env={"STACK": None})
    CliRunner().invoke(build_app(), ["demo"], env={"STACK": "compose"})
    CliRunner().invoke(build_app(), ["demo", "--stack", "native"], env={"STACK": "compose"})

    assert told == [StackKind.NATIVE, StackKind.COMPOSE, StackKind.NATIVE]


def test_containers_begin_afresh_with_a_clock_that_the_scenario_moves(fake_docker: FakeDocker, tmp_path: Path) -> None:
    fake_docker.answer("version", "20.10.24")
    fake_docker.answer("ps", as_compose_tells(digits="19"))
    on = Containers(START, tmp_path / "demo")

    stack, endpoints = on.up(lambda _: None)
    on.down()

    asked = [words for words in fake_docker.composed() if words[0] in ("up", "down")]
    assert [words[0] for words in asked] == ["down", "up", "down"]
    assert "--volumes" in asked[0]  # what an earlier demo left behind
    assert "--volumes" not in asked[2]
    settings = fake_docker.calls[-1][1]
    assert settings["CLOCK"] == "scenario"
    assert settings["SCENARIO_START"] == START.isoformat()
    assert settings["JIEXU_PORTS"] == "19"
    assert endpoints.clock == "scenario"
    assert stack.kafka.bootstrap == "127.0.0.1:19092"


def test_a_demo_that_fails_takes_its_containers_down(
    fake_docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers at the ports, so the story breaks off at its first request."""
    fake_docker.answer("version", "20.10.24")
    # Port 1 of this machine: nobody listens there.
    told = as_compose_tells(digits="19").replace('"PublishedPort": 19', '"PublishedPort": 1, "was": 19')
    fake_docker.answer("ps", told)

    with pytest.raises(Exception, match=r"(?i)connect"):
        run.demo(cases=100, home=tmp_path / "demo", kind=StackKind.COMPOSE)

    assert fake_docker.composed()[-1][0] == "down"


def test_without_docker_the_demo_says_what_to_do_and_starts_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    result = CliRunner().invoke(build_app(), ["demo", "--stack", "compose"])

    assert result.exit_code == 1
    assert "docker is missing; install Docker Engine 20.10 or later" in result.output
    assert "the same runs without containers" in result.output
