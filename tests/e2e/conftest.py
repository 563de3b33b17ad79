"""Whole provinces as processes: a stack of their own for each module, and the people who work there."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import Endpoints, Override, Provinces, Tokens, forget, tokens
from deploy.local.stack import Stack
from services.cli.demo.story import day
from services.cli.play import Stage
from services.world.files import write_provinces
from services.world.plan import World

START = day("2024-05-06")


@dataclass(frozen=True)
class Country:
    """Some provinces that run, or are about to."""

    stack: Stack
    services: Provinces
    endpoints: Endpoints

    def stage(self) -> Stage:
        """The people who work there; each test has its own connections."""
        return Stage(self.endpoints, self.tokens())

    def tokens(self) -> Tokens:
        """Bearer tokens that the services accept."""
        return tokens(self.stack.home)

    def logs(self) -> str:
        """Everything that services and servers have logged."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted((self.stack.home / "logs").glob("*.log")))


@contextmanager
def a_country(
    name: str,
    provinces: tuple[str, ...],
    *,
    before_start: Callable[[Stack], None] = lambda _: None,
    replicas: int = 1,
    overrides: Override | None = None,
) -> Iterator[Country]:
    """A stack of its own with the services of these provinces, which are started and not waited for."""
    homes = CHECKOUT / ".jiexu"
    _sweep(homes)
    home = homes / f"test-e2e-{os.getpid()}-{name}"
    try:
        stack = Stack.up(home, tell=lambda _: None)
        prepare(stack, provinces)
        before_start(stack)
        services = Provinces(stack, provinces, clock="scenario", scenario_start=START, overrides=overrides, replicas=replicas)
        yield Country(stack, services, services.start())
    finally:
        _remove(home)


async def bring_records(stage: Stage, world: World) -> None:
    """Import the records of all provinces, and return when they are booked."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_provinces(world, Path(folder))
        texts = {code: (each.persons.read_text("utf-8"), each.contributions.read_text("utf-8")) for code, each in files.items()}
    ids = {code: await stage.import_records(code, *both) for code, both in texts.items()}
    for code, import_id in ids.items():
        async with asyncio.timeout(60):
            while (await stage.import_state(code, import_id))["state"] != "done":  # noqa: ASYNC110 - as an operator would ask
                await asyncio.sleep(0.1)
    await stage.idle()


def _sweep(homes: Path) -> None:
    """Take down what an earlier run left behind because it was killed."""
    for home in homes.glob("test-e2e-*"):
        if (found := re.fullmatch(r"test-e2e-(\d{1,7})-.*", home.name)) and not Path("/proc", found[1]).exists():
            _remove(home)


def _remove(home: Path) -> None:
    Stack(home).down(wipe=True)
    if home.exists():
        forget(home)
        shutil.rmtree(home)
