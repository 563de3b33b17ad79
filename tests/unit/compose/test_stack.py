"""The stack in containers as the command sees it: how Compose is asked, what is written down, and what is said when it fails."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from deploy.compose.engine import NoDocker, look_for_docker
from deploy.compose.home import PROVINCES
from deploy.compose.stack import ComposeStack
from deploy.local.exchange import database_url
from deploy.local.processes import StackError
from deploy.local.secrets import Secrets
from deploy.local.services import Endpoints, tokens
from deploy.local.stack import Stack
from services.runtime.identity import TokenVerifier
from tests.unit.compose.composition import composition
from tests.unit.compose.conftest import FakeDocker

START = datetime.fromisoformat("2024-05-06T09:00:00+08:00")


def as_compose_tells(*, digits: str = "18", **health: str) -> str:
    """What `docker compose ps` answers when everything runs, from the ports of docker-compose.yml itself."""
    lines = []
    for name, service in composition({"JIEXU_PORTS": digits})["services"].items():
        job = name.startswith("provision-")
        ports = [port.split(":") for port in service.get("ports", [])]
        lines.append(
            {
                "Service": name,
                "Name": f"jiexu-{name}-1",
                "State": "exited" if job else "running",
                "Health": "" if job else health.get(name, "healthy"),
                "ExitCode": 0,
                "Publishers": [
                    {"URL": address, "PublishedPort": int(port), "TargetPort": int(inside)} for address, port, inside in ports
                ],
            }
        )
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def docker_here(fake_docker: FakeDocker) -> FakeDocker:
    fake_docker.answer("version", "20.10.24\n")
    return fake_docker


def test_it_is_built_and_started_in_one_go_and_waited_for(docker_here: FakeDocker, tmp_path: Path) -> None:
    docker_here.answer("ps", as_compose_tells())

    ComposeStack(tmp_path / "compose", clock="scenario", scenario_start=START).up()

    asked = docker_here.composed()
    assert asked[0][:4] == ["up", "--detach", "--build", "--wait"]
    words, settings = docker_here.calls[-1]
    assert words[2] == "jiexu-compose"
    assert settings == {
        "CLOCK": "scenario",
        "SCENARIO_START": START.isoformat(),
        "JIEXU_HOME": str(tmp_path / "compose"),
        "JIEXU_PORTS": None,
    }


def test_what_is_written_down_finds_every_service_and_every_server(docker_here: FakeDocker, tmp_path: Path) -> None:
    docker_here.answer("ps", as_compose_tells(digits="19"))
    home = tmp_path / "compose"

    ComposeStack(home).up()

    stack, endpoints = Stack.load(home), Endpoints.load(home)
    assert stack is not None
    assert endpoints is not None
    assert endpoints.provinces == PROVINCES
    assert endpoints.url("44", "origin-agency") == "http://127.0.0.1:19441"
    assert endpoints.url("33", "notification") == "http://127.0.0.1:19333"
    assert endpoints.bank == "http://127.0.0.1:19001"
    assert endpoints.mails() == []
    assert (stack.kafka.bootstrap, stack.kafka.username) == ("127.0.0.1:19092", "admin")
    assert database_url(stack, "province_41", "p41_owner").endswith("@127.0.0.1:19419/province_41")
    assert database_url(stack, "keys_33", "p33_owner").endswith("@127.0.0.1:19339/keys_33")
    assert database_url(stack, "bank", "bank").endswith("@127.0.0.1:19009/bank")
    # Tokens that the demo issues are tokens that the containers accept.
    token = tokens(home).auditor()
    assert TokenVerifier(Secrets.of(home).token_public_file()).verify(token).province == "00"


def test_what_did_not_become_healthy_is_named_with_its_last_lines(docker_here: FakeDocker, tmp_path: Path) -> None:
    docker_here.answer("up", status=1, err="dependency failed to start: container jiexu-postgres-44-1 is unhealthy")
    docker_here.answer("ps", as_compose_tells(**{"postgres-44": "unhealthy"}))
    docker_here.answer("logs", "FATAL: could not create lock file")

    with pytest.raises(StackError) as failure:
        ComposeStack(tmp_path / "compose").up()

    assert "postgres-44 is unhealthy; its log ends with:\nFATAL: could not create lock file" in str(failure.value)
    assert "origin-agency" not in str(failure.value)


def test_a_container_that_is_not_ready_is_shown_and_finished_jobs_are_not(docker_here: FakeDocker, tmp_path: Path) -> None:
    docker_here.answer("ps", as_compose_tells(kafka="starting"))

    found = {health.name: health for health in ComposeStack(tmp_path / "compose").health()}

    assert found["kafka"].state == "waiting"
    assert found["kafka"].waits_for == {"container": "starting"}
    assert found["44.origin-agency"].state == "ready"
    assert found["44.origin-agency"].port == 18441
    assert not [name for name in found if name.startswith("provision-")]


@pytest.mark.parametrize("wipe", [False, True])
def test_data_and_secrets_go_only_when_they_are_to(docker_here: FakeDocker, wipe: bool, tmp_path: Path) -> None:
    docker_here.answer("ps", as_compose_tells())
    stack = ComposeStack(tmp_path / "compose")
    stack.up()

    stack.down(wipe=wipe)

    assert ("--volumes" in docker_here.composed()[-1]) is wipe
    assert (stack.home / "secrets").exists() is not wipe
    assert Endpoints.load(stack.home) is None if wipe else Endpoints.load(stack.home) is not None


def test_a_machine_without_docker_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoDocker, match="docker is missing; install Docker Engine"):
        look_for_docker()


def test_an_engine_that_does_not_answer_is_told_how_to_start_it(fake_docker: FakeDocker) -> None:
    fake_docker.answer("version", status=1, err="Cannot connect to the Docker daemon. Is it running?")

    with pytest.raises(NoDocker, match=r"Is it running\?.*systemctl start docker.*docker info"):
        look_for_docker()


def test_an_engine_without_compose_is_told_to_get_it(fake_docker: FakeDocker) -> None:
    fake_docker.answer("compose", status=125, err="docker: 'compose' is not a docker command.")
    fake_docker.answer("version", "20.10.24")

    with pytest.raises(NoDocker, match="install Docker's Compose plugin"):
        look_for_docker()
