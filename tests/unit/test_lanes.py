"""On which servers the integration tests run: named ones, else containers, else processes, and the run says which."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lanes
from tests.lanes import Choice, Lane, choose, summary


def never() -> str | None:
    raise AssertionError("Docker need not be asked")


def here() -> str | None:
    return None


def away() -> str | None:
    return "no Docker engine answers"


@pytest.mark.parametrize(
    ("environment", "docker", "lane"),
    [
        ({"JIEXU_KAFKA_BOOTSTRAP": "kafka.example:9092"}, never, Lane.NAMED),
        ({"JIEXU_POSTGRES_URL": "postgresql://a@b/c", "JIEXU_TEST_SERVERS": "containers"}, never, Lane.NAMED),
        ({}, here, Lane.CONTAINERS),
        ({}, away, Lane.NATIVE),
        ({"JIEXU_TEST_SERVERS": ""}, away, Lane.NATIVE),
        ({"JIEXU_TEST_SERVERS": "native"}, never, Lane.NATIVE),
        ({"JIEXU_TEST_SERVERS": "containers"}, here, Lane.CONTAINERS),
    ],
)
def test_named_servers_come_first_then_containers_then_processes(
    environment: dict[str, str], docker: Callable[[], str | None], lane: Lane
) -> None:
    assert choose(environment, docker).lane is lane


def test_a_run_says_why_it_is_not_on_containers() -> None:
    assert str(choose({}, away)) == "Kafka and PostgreSQL as processes of this machine (no Docker engine answers)"


def test_containers_that_were_asked_for_and_cannot_be_had_are_an_error_and_no_other_lane() -> None:
    with pytest.raises(RuntimeError, match="asks for containers, but no Docker engine answers"):
        choose({"JIEXU_TEST_SERVERS": "containers"}, away)


def test_another_lane_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'podman'; it may be native or containers"):
        choose({"JIEXU_TEST_SERVERS": "podman"}, here)


def test_an_engine_that_is_not_there_is_noticed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")

    assert lanes.why_no_containers() == "no Docker engine answers"


def test_workers_with_the_same_servers_share_a_line() -> None:
    on = str(Choice(Lane.NATIVE, "no Docker engine answers"))

    assert summary({"this process": on}) == [f"integration tests ran on {on}"]
    assert summary({"gw0": on, "gw1": on}) == [f"integration tests ran on {on}, each of 2 workers with its own"]
    assert len(summary({"gw0": on, "gw1": "other"})) == 2


PROJECT = """
from tests import lanes
import pytest

@pytest.fixture(scope="session")
def stack(pytestconfig):
    lanes.note(pytestconfig, str(lanes.choose({"JIEXU_TEST_SERVERS": "native"}, lambda: None)))

@pytest.mark.parametrize("at", range(4))
def test_something(stack, at):
    pass
"""


@pytest.mark.parametrize(("workers", "ending"), [("0", ""), ("2", ", each of 2 workers with its own")])
def test_the_end_of_a_run_says_which_also_with_workers(workers: str, ending: str, tmp_path: Path) -> None:
    (tmp_path / "test_project.py").write_text(PROJECT, encoding="utf-8")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "tests.lanes", f"--rootdir={tmp_path}", str(tmp_path)]

    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    on = "Kafka and PostgreSQL as processes of this machine (JIEXU_TEST_SERVERS says so)"
    assert f"integration tests ran on {on}{ending}" in done.stdout.splitlines()
