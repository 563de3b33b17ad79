"""Commands of the Docker engine and of Compose, and what to do where there are none."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.native import CHECKOUT
from deploy.local.processes import StackError

WITHOUT = "or leave STACK=compose out: the same runs without containers"
"""What else can be done."""

_ASKING_S = 10.0


class NoDocker(StackError):
    """Docker cannot be used here; the message says why and what to do."""


@dataclass(frozen=True)
class Container:
    """One container of a project, as Compose tells of it."""

    service: str
    name: str
    state: str
    """`running`, `restarting`, `exited`, `created`."""
    health: str
    """`healthy`, `unhealthy`, `starting`, or nothing where there is no health check."""
    exit_code: int
    published: Mapping[int, int] = field(default_factory=dict)
    """Ports on 127.0.0.1 by the container's ports."""

    @property
    def done(self) -> bool:
        """Whether this is a job that ran to its end."""
        return self.state == "exited" and self.exit_code == 0


@dataclass(frozen=True)
class Compose:
    """`docker compose` with this checkout's docker-compose.yml.

    Args:
        project: name of the project, which keeps two stacks of one machine apart.
        settings: variables of docker-compose.yml; they go before those of the environment and of `.env`.
    """

    project: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, doing: str, timeout_s: float = 900.0) -> str:
        """Run `docker compose WORDS` and return what it prints; what it says meanwhile is shown only if it fails.

        Raises `StackError` with the last lines, `NoDocker` when there is no Docker.
        """
        file = str(CHECKOUT / "docker-compose.yml")
        argv = ["docker", "compose", "--project-name", self.project, "--file", file, "--ansi", "never", *words]
        return command(argv, doing, environment=self.settings, timeout_s=timeout_s)

    def containers(self) -> list[Container]:
        """All containers of the project, those that have ended too."""
        told = self.run("ps", "--all", "--format", "json", doing="asking Compose for its containers", timeout_s=60)
        return sorted((_container(json.loads(line)) for line in told.splitlines() if line.strip()), key=lambda each: each.service)

    def last_lines(self, service: str, count: int = 10) -> str:
        """The last lines that a service has logged."""
        return self.run(
            "logs", "--no-color", "--no-log-prefix", "--tail", str(count), service, doing="reading a log", timeout_s=60
        )


def command(
    argv: Sequence[str], doing: str, *, environment: Mapping[str, str] | None = None, timeout_s: float = _ASKING_S
) -> str:
    """Run a command to its end and return what it prints on standard output.

    Raises `StackError` with the last lines when it fails or takes longer, `NoDocker` when the program is missing.
    """
    try:
        done = subprocess.run(
            list(argv),
            cwd=CHECKOUT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise NoDocker(f"{argv[0]} is missing; install Docker Engine 20.10 or later with Compose 2, {WITHOUT}") from error
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{doing}: no answer within {timeout_s:.0f} s") from error
    if done.returncode != 0:
        lines = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise StackError(f"{doing} failed with status {done.returncode}:\n{lines}")
    return done.stdout


def look_for_docker() -> str:
    """The versions of engine and Compose. Raises `NoDocker`, with what to do, when one of them is missing."""
    if shutil.which("docker") is None:
        raise NoDocker(f"docker is missing; install Docker Engine 20.10 or later with Compose 2, {WITHOUT}")
    try:
        engine = command(["docker", "version", "--format", "{{.Server.Version}}"], "asking the Docker engine").strip()
    except StackError as error:
        said = str(error).splitlines()[-1]
        raise NoDocker(
            f"the Docker engine does not answer ({said}); start it, as with `sudo systemctl start docker`, and see that you may "
            f"use it: `docker info` must answer; {WITHOUT}"
        ) from error
    try:
        plugin = command(["docker", "compose", "version", "--short"], "asking for Compose").strip()
    except StackError as error:
        raise NoDocker(f"docker compose is missing; install Docker's Compose plugin, version 2.20 or later, {WITHOUT}") from error
    return f"Docker {engine}, Compose {plugin}"


def _container(told: Mapping[str, Any]) -> Container:
    ports = {
        int(each["TargetPort"]): int(each["PublishedPort"])
        for each in told.get("Publishers") or []
        if each.get("PublishedPort") and each.get("URL") == "127.0.0.1"
    }
    return Container(
        service=told["Service"],
        name=told["Name"],
        state=told["State"],
        health=told.get("Health") or "",
        exit_code=int(told.get("ExitCode") or 0),
        published=ports,
    )
