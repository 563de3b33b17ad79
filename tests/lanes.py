"""Which servers the integration tests run on, chosen once a process, and the lines at the end of a run that say so.

Servers named in the environment come first; else containers, where a Docker engine answers and has the images; else processes of
this machine. JIEXU_TEST_SERVERS=native or =containers chooses between the latter two. A lane that was asked for and cannot be had
is an error: nothing falls back silently, and nothing is skipped.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from deploy.local.native import TOOLS, exclusive

# What speaks with Docker takes long to import, and most runs need none of it.
if TYPE_CHECKING:
    import docker

KAFKA_IMAGE, POSTGRES_IMAGE = "apache/kafka:4.3.0", "postgres:15"
"""The images of docker-compose.yml."""

FORCED = "JIEXU_TEST_SERVERS"

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
OLDEST_API = "1.41"
"""That of engine 20.10. Named, so that the library does not ask for it while it is being made."""

ENGINE_S, FIRST_WORD_S, PULL_S = 2.0, 15.0, 300.0
"""How long the engine, the first word about an image to be pulled, and all of the image may take."""


class Lane(StrEnum):
    """Where Kafka and PostgreSQL come from."""

    NAMED = "named"
    CONTAINERS = "containers"
    NATIVE = "native"


@dataclass(frozen=True)
class Choice:
    """A lane and why it was chosen."""

    lane: Lane
    because: str

    def __str__(self) -> str:
        return f"{_WORDS[self.lane]} ({self.because})"


_WORDS = {
    Lane.NAMED: "the servers that the environment names",
    Lane.CONTAINERS: f"containers of {KAFKA_IMAGE} and {POSTGRES_IMAGE}",
    Lane.NATIVE: "Kafka and PostgreSQL as processes of this machine",
}


def choose(environment: Mapping[str, str], why_no_containers: Callable[[], str | None]) -> Choice:
    """The lane for this environment.

    `why_no_containers` is asked only if its answer matters; it says why containers cannot be used, or nothing if they can.
    Raises `ValueError` for another value of JIEXU_TEST_SERVERS, `RuntimeError` when containers are asked for in vain.
    """
    named = [name for name in ("JIEXU_KAFKA_BOOTSTRAP", "JIEXU_POSTGRES_URL") if environment.get(name)]
    if named:
        return Choice(Lane.NAMED, " and ".join(named))
    forced = environment.get(FORCED)
    if forced not in (None, "", Lane.NATIVE, Lane.CONTAINERS):
        raise ValueError(f"{FORCED} is {forced!r}; it may be {Lane.NATIVE} or {Lane.CONTAINERS}")
    if forced == Lane.NATIVE:
        return Choice(Lane.NATIVE, f"{FORCED} says so")
    reason = why_no_containers()
    if forced == Lane.CONTAINERS:
        if reason is not None:
            raise RuntimeError(f"{FORCED} asks for containers, but {reason}")
        return Choice(Lane.CONTAINERS, f"{FORCED} says so")
    return Choice(Lane.CONTAINERS, "the engine answers") if reason is None else Choice(Lane.NATIVE, reason)


def why_no_containers() -> str | None:
    """Why tests cannot run on containers here, or None if they can. An image that is missing is pulled, within bounds."""
    if not _engine_listens():
        return "no Docker engine answers"
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from testcontainers.core.config import testcontainers_config

    client = docker.from_env(version=OLDEST_API, timeout=ENGINE_S)
    try:
        client.ping()
        # One process pulls, the others find what it brought.
        with exclusive(TOOLS / "images.lock"):
            for image in (KAFKA_IMAGE, POSTGRES_IMAGE, testcontainers_config.ryuk_image):
                if (reason := _why_no_image(client, image)) is not None:
                    return reason
    except (DockerException, RequestException, OSError) as error:
        return f"the Docker engine does not answer: {type(error).__name__}"
    finally:
        client.close()
    return None


def _engine_listens() -> bool:
    """Whether somebody listens where the engine should. The library is not asked: it leaves a socket open if nobody does."""
    where = urlsplit(os.environ.get("DOCKER_HOST") or DEFAULT_ENGINE)
    local = where.scheme in ("unix", "http+unix")
    with socket.socket(socket.AF_UNIX if local else socket.AF_INET) as probe:
        probe.settimeout(ENGINE_S)
        try:
            probe.connect(where.path if local else (where.hostname or "", where.port or 2375))
        except OSError:
            return False
    return True


def _why_no_image(client: "docker.DockerClient", image: str) -> str | None:
    from docker.errors import ImageNotFound

    try:
        client.images.get(image)
    except ImageNotFound:
        return _why_not_pulled(image)
    return None


def _why_not_pulled(image: str) -> str | None:
    """Pull an image; returns why that cannot be done. A registry that does not answer costs seconds, not the whole run."""
    import docker
    from docker.errors import APIError
    from requests.exceptions import RequestException

    puller = docker.from_env(version=OLDEST_API, timeout=FIRST_WORD_S)
    end = time.monotonic() + PULL_S
    try:
        for step in puller.api.pull(*image.rsplit(":", 1), stream=True, decode=True):
            if "error" in step:
                return f"there is no image {image}, and it cannot be pulled"
            if time.monotonic() > end:
                return f"the image {image} is not pulled within {PULL_S:.0f} s"
    except (APIError, RequestException, OSError):
        return f"there is no image {image}, and no registry answers"
    finally:
        puller.close()
    return None


_USED = pytest.StashKey[dict[str, str]]()


def note(config: pytest.Config, text: str) -> None:
    """Remember which servers this process uses, for the end of the run."""
    if (output := getattr(config, "workeroutput", None)) is not None:
        output["jiexu_servers"] = text  # one of several workers: it tells who started it
    else:
        config.stash.setdefault(_USED, {})["this process"] = text


def summary(used: Mapping[str, str]) -> Sequence[str]:
    """The lines of a run: one, if all workers used the same."""
    if len(set(used.values())) == 1:
        who = f", each of {len(used)} workers with its own" if len(used) > 1 else ""
        return [f"integration tests ran on {next(iter(used.values()))}{who}"]
    return [f"integration tests of {worker} ran on {text}" for worker, text in sorted(used.items())]


@pytest.hookimpl(optionalhook=True)  # there is none without xdist
def pytest_testnodedown(node: object, error: object) -> None:
    """A worker has ended: take over what it noted."""
    output = getattr(node, "workeroutput", None) or {}
    if (text := output.get("jiexu_servers")) is not None:
        config: pytest.Config = node.config  # type: ignore[attr-defined]
        config.stash.setdefault(_USED, {})[node.gateway.id] = str(text)  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say on which servers the integration tests ran."""
    if used := config.stash.get(_USED, None):
        terminalreporter.section("servers")
        for line in summary(used):
            terminalreporter.line(line)


def chosen() -> Choice:
    """The lane of this process."""
    return choose(os.environ, why_no_containers)
