"""Two provinces on servers of their own, whose services are started anew for each measurement with the settings it asks for."""

import asyncio
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import Endpoints, Provinces, forget, tokens
from deploy.local.stack import Stack
from services.cli.demo.story import day
from services.cli.play import Stage
from tests.bench import people

PROVINCES = (people.ORIGIN, people.DESTINATION)
PROFILING = CHECKOUT / "tests" / "bench" / "profiling"
AT_ONCE = 5_000  # persons an import

_READY_S = 120.0
_IMPORT_S = 900.0


@dataclass
class Country:
    """The stack of a bench. `began` is when it came up, so that the scenario's clock never goes back at a restart."""

    stack: Stack
    began: float = field(default_factory=time.monotonic)
    imported: int = 0
    """How many people are on record."""
    used: int = 0
    """How many of them have applied."""
    services: Provinces | None = None
    endpoints: Endpoints | None = None

    def start(
        self, settings: Mapping[str, str], *, profile: str = "", sampled: bool = False, now: datetime | None = None
    ) -> Stage:
        """Start all services with these settings; `profile` names one to be profiled, `44.origin-agency`. Give the stage back.

        `now` is what their clocks show, the story's day if it is left out.
        """
        assert self.services is None, "stop them before"
        overrides: dict[str, dict[str, str]] = {"*": dict(settings), "bank": {"DELAY_MINUTES": "0"}}
        if profile:
            overrides[profile] = {"PYTHONPATH": str(PROFILING), "JIEXU_PROFILE": str(self.profile_file(profile))}
            overrides[profile] |= {"JIEXU_PROFILE_SAMPLED": "yes"} if sampled else {}
        now = (now or day("2024-05-06")) + timedelta(seconds=int(time.monotonic() - self.began))
        self.services = Provinces(self.stack, PROVINCES, clock="scenario", scenario_start=now, overrides=overrides)
        self.endpoints = self.services.start()
        self.services.wait_ready(_READY_S)
        return Stage(self.endpoints, tokens(self.stack.home))

    async def stop(self, stage: Stage) -> None:
        """Stop the services; the servers run on."""
        assert self.services is not None
        await stage.close()
        await asyncio.to_thread(self.services.stop)
        self.services = self.endpoints = None

    def applicants(self, count: int) -> range:
        """The places of the next people who apply."""
        assert self.used + count <= self.imported, (self.used, count, self.imported)
        first, self.used = self.used, self.used + count
        return range(first, self.used)

    async def bring(self, stage: Stage, count: int) -> float:
        """Import the records of so many more people in both provinces, as an operator does; returns the seconds."""
        began = time.monotonic()
        end = self.imported + count
        while self.imported < end:
            last = min(end, self.imported + AT_ONCE)
            texts = people.files(self.imported, last)
            ids = {code: await stage.import_records(code, each.persons, each.contributions) for code, each in texts.items()}
            async with asyncio.timeout(_IMPORT_S):
                for code, import_id in ids.items():
                    while (state := await stage.import_state(code, import_id))["state"] != "done":  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                    assert state["refused_rows"] == 0, state["errors"][:3]
            self.imported = last
        await stage.idle()
        return time.monotonic() - began

    def profile_file(self, name: str) -> Path:
        """Where a profiled service writes what it has noted."""
        return self.stack.home / f"{name}.pstats"

    def pids(self) -> dict[str, int]:
        """The processes of the stack by name."""
        return {name: record.pid for name, record in self.stack.processes.items()}


@contextmanager
def a_country(name: str = "bench") -> Iterator[Country]:
    """Bring up servers in a folder of their own; whatever happens, all of it is ended and removed."""
    homes = CHECKOUT / ".jiexu"
    _sweep(homes)
    home = homes / f"{name}-{os.getpid()}"
    try:
        stack = Stack.up(home, tell=lambda _: None)
        prepare(stack, PROVINCES)
        yield Country(stack)
    finally:
        _remove(home)


def _sweep(homes: Path) -> None:
    """Take down what an earlier bench left behind because it was killed."""
    for home in homes.glob("bench-*"):
        if (found := re.fullmatch(r"bench-(\d{1,7})", home.name)) and not Path("/proc", found[1]).exists():
            _remove(home)


def _remove(home: Path) -> None:
    Stack(home).down(wipe=True)
    if home.exists():
        forget(home)
        shutil.rmtree(home)
