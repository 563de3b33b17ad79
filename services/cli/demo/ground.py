"""Where the demo is played: on processes of this machine, or in containers. Nothing but this differs between the two."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Protocol

from deploy.compose.engine import look_for_docker
from deploy.compose.stack import ComposeStack
from deploy.local.exchange import prepare
from deploy.local.native import Tell
from deploy.local.services import Endpoints, Provinces
from deploy.local.stack import DEFAULT_HOME, Stack
from services.cli.stack import StackKind

PROCESSES_HOME = DEFAULT_HOME / "demo"
CONTAINERS_HOME = DEFAULT_HOME / "compose-demo"

CONTAINERS_PORTS = "19"
"""The first digits of its ports, so that it can run beside a stack of `jiexu up --stack compose`."""


class Ground(Protocol):
    """A fresh exchange for one demo."""

    home: Path
    what: str
    """What it is made of, for the first heading."""
    ends_with: str
    """Options of `jiexu down` that end it when it was kept."""
    again: str
    """What runs it again and keeps it."""

    def up(self, tell: Tell) -> tuple[Stack, Endpoints]:
        """Wipe what an earlier demo left behind, and return when all services are ready."""

    def down(self) -> None:
        """Stop everything and keep the data."""


class Processes:
    """Servers and services as processes of this machine."""

    what = "Kafka with SCRAM and ACLs, PostgreSQL, the services of {provinces}, a bank, a mail sink"

    def __init__(self, provinces: tuple[str, ...], start: datetime, home: Path | None = None) -> None:
        self.home = home or PROCESSES_HOME
        self.ends_with = "--home"
        self.again = "make demo ARGS=--keep"
        self._provinces = provinces
        self._start = start
        self._stack = Stack(self.home)

    def up(self, tell: Tell) -> tuple[Stack, Endpoints]:
        """See `Ground`."""
        if (before := Stack.load(self.home)) is not None:
            before.down(wipe=True)
        shutil.rmtree(self.home / "audit", ignore_errors=True)
        (self.home / "mail.jsonl").unlink(missing_ok=True)
        stack = Stack.up(self.home, tell=tell)
        prepare(stack, self._provinces, tell=tell)
        services = Provinces(stack, self._provinces, clock="scenario", scenario_start=self._start)
        endpoints = services.start(tell=lambda _: None)
        services.wait_ready(90)
        tell(f"{len(services.names)} processes are ready")
        return stack, endpoints

    def down(self) -> None:
        """See `Ground`."""
        self._stack.down()


class Containers:
    """Servers and services in containers, by docker-compose.yml."""

    what = "in containers: Kafka with SCRAM and ACLs, a PostgreSQL a province, the services of {provinces}, a bank, a mail sink"

    def __init__(self, start: datetime, home: Path | None = None) -> None:
        self.home = home or CONTAINERS_HOME
        self.ends_with = "--stack compose --home"
        self.again = "STACK=compose make demo ARGS=--keep"
        self._stack = ComposeStack(self.home, clock="scenario", scenario_start=start, ports=CONTAINERS_PORTS)

    def up(self, tell: Tell) -> tuple[Stack, Endpoints]:
        """See `Ground`."""
        look_for_docker()
        self._stack.down(wipe=True)
        shutil.rmtree(self.home / "audit", ignore_errors=True)
        return self._stack.up(tell=tell)

    def down(self) -> None:
        """See `Ground`."""
        self._stack.down()


def ground(kind: StackKind, provinces: tuple[str, ...], start: datetime, home: Path | None = None) -> Ground:
    """The ground of this kind. `home` is where it lives instead of the usual folder."""
    return Containers(start, home) if kind is StackKind.COMPOSE else Processes(provinces, start, home)
