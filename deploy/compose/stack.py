"""The stack in containers as the command sees it: brought up, described by the same files as a local one, taken down."""

import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Literal

from deploy.compose.engine import Compose, Container, look_for_docker
from deploy.compose.home import DIRECTORY_FILE, HOME, KAFKA_PUBLISHED, MAIL_FILE, PROVINCES, make
from deploy.kafka.broker import ADMIN as KAFKA_ADMIN
from deploy.kafka.provision import principal_name
from deploy.local.native import Tell
from deploy.local.processes import StackError
from deploy.local.secrets import Secrets
from deploy.local.services import BANK, Endpoints, Health
from deploy.local.stack import KafkaAccess, PostgresAccess, Stack
from deploy.postgres.server import ADMIN as POSTGRES_ADMIN
from services.areas import PROVINCE_SERVICES
from services.runtime.clock import SHANGHAI

HTTP_PORT, POSTGRES_PORT = 8080, 5432
"""Ports of a service and of PostgreSQL in their containers."""

_MADE = (DIRECTORY_FILE, "directory.json", "endpoints.json", "stack.json", "stack.lock")


class ComposeStack:
    """The exchange of docker-compose.yml in one home.

    Args:
        home: where its secrets and mails are; the project is named like it, `jiexu-compose`, unless COMPOSE_PROJECT_NAME says
            otherwise.
        clock: `scenario` for a clock that a scenario moves.
        scenario_start: what a scenario's clock shows first; now, if not given.
        ports: the first digits of all published ports; what JIEXU_PORTS says goes before it.
    """

    def __init__(
        self,
        home: Path = HOME,
        *,
        clock: Literal["system", "scenario"] = "system",
        scenario_start: datetime | None = None,
        ports: str | None = None,
    ) -> None:
        self.home = home.resolve()
        self._clock: Literal["system", "scenario"] = clock
        self._start = scenario_start
        if clock == "scenario" and scenario_start is None:
            self._start = datetime.now(SHANGHAI).replace(microsecond=0)
        settings = {"JIEXU_HOME": str(self.home), "CLOCK": clock}
        if self._start is not None:
            settings["SCENARIO_START"] = self._start.isoformat()
        if ports is not None and not os.environ.get("JIEXU_PORTS"):
            settings["JIEXU_PORTS"] = ports
        self.compose = Compose(os.environ.get("COMPOSE_PROJECT_NAME") or project_name(self.home), settings)

    def up(self, *, tell: Tell = lambda _: None, timeout_s: int = 300) -> tuple[Stack, Endpoints]:
        """Build the image, start what does not run, and return when all are healthy.

        Raises `NoDocker` when there is no Docker, `StackError` naming what did not become healthy, with its last lines.
        """
        tell(look_for_docker())
        tell(f"making secrets in {self.home}")
        make(self.home)
        tell("building the image and starting the containers")
        words = ("up", "--detach", "--build", "--wait", "--wait-timeout", str(timeout_s), "--quiet-pull")
        try:
            self.compose.run(*words, doing="docker compose up", timeout_s=timeout_s + 900)
        except StackError as error:
            raise StackError(f"{error}\n{self._blame()}".rstrip()) from error
        containers = self.compose.containers()
        tell(f"{sum(not each.done for each in containers)} containers are healthy")
        return self.describe(containers)

    def describe(self, containers: list[Container]) -> tuple[Stack, Endpoints]:
        """Write down, as a local stack does, where everything is and who administers it."""
        ports = {each.service: each.published for each in containers}
        secrets = Secrets.of(self.home)

        def port(service: str, inside: int) -> int:
            try:
                return ports[service][inside]
            except KeyError:
                raise StackError(f"Compose tells of no port on 127.0.0.1 for {service}:{inside}") from None

        stack = Stack.upon(
            self.home,
            kafka=KafkaAccess(
                bootstrap=f"127.0.0.1:{port('kafka', KAFKA_PUBLISHED)}",
                username=KAFKA_ADMIN,
                password=secrets.password("kafka-admin"),
            ),
            postgres={
                owner: PostgresAccess(
                    host="127.0.0.1",
                    port=port(f"postgres-{owner}", POSTGRES_PORT),
                    username=POSTGRES_ADMIN,
                    password=secrets.password(f"postgres-admin-{owner}"),
                )
                for owner in (*PROVINCES, BANK)
            },
        )
        names = [principal_name(province, service) for province in PROVINCES for service in PROVINCE_SERVICES]
        endpoints = Endpoints(
            provinces=PROVINCES,
            services={name: f"http://127.0.0.1:{port(name, HTTP_PORT)}" for name in names},
            bank=f"http://127.0.0.1:{port(BANK, HTTP_PORT)}",
            smtp_port=0,  # the sink is reached by containers alone
            mail=self.home / MAIL_FILE,
            clock=self._clock,
            scenario_start=self._start,
        )
        (self.home / "endpoints.json").write_text(endpoints.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return stack, endpoints

    def health(self) -> list[Health]:
        """How each container is doing; jobs that ran to their end are left out."""
        return [self._health(each) for each in self.compose.containers() if not each.done]

    def down(self, *, wipe: bool = False, tell: Tell = lambda _: None) -> list[str]:
        """Stop and remove the containers and keep the data; with `wipe`, remove the data, secrets and mails as well.

        Returns the names of the services that had a container.
        """
        found = [each.service for each in self.compose.containers()]
        if found:
            tell(f"removing {len(found)} containers{' and their data' if wipe else ''}")
        # Also when there is no container: data and networks may be left.
        volumes = ("--volumes",) if wipe else ()
        self.compose.run("down", "--remove-orphans", *volumes, doing="docker compose down")
        if wipe:
            forget(self.home)
        return found

    def _health(self, container: Container) -> Health:
        port = next(iter(container.published.values()), None)
        if container.state in ("exited", "dead"):
            return Health(container.service, "ended", port=port, waits_for={"exit": f"status {container.exit_code}"})
        if container.state == "running" and container.health in ("healthy", ""):
            return Health(container.service, "ready", port=port)
        return Health(container.service, "waiting", port=port, waits_for={"container": container.health or container.state})

    def _blame(self) -> str:
        """What did not become healthy, each with the last lines of its log."""
        guilty = [each for each in self.compose.containers() if not each.done and each.state != "created"]
        guilty = [each for each in guilty if each.state != "running" or each.health not in ("healthy", "")]
        return "\n".join(
            f"{each.service} is {each.health or each.state}; its log ends with:\n{self.compose.last_lines(each.service)}".rstrip()
            for each in guilty
        )


def project_name(home: Path) -> str:
    """The project of a home: `jiexu-compose` for `.jiexu/compose`."""
    return f"jiexu-{re.sub('[^a-z0-9_-]', '-', home.name.lower())}"


def forget(home: Path) -> None:
    """Remove what `make` and `up` have left in a home."""
    for name in ("secrets", "mail"):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in _MADE:
        (home / name).unlink(missing_ok=True)
