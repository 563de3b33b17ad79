"""The year's end on running services: how fast a province's accounts are credited, in how much memory, and after a kill -9."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psutil

from services.cli.play import ORIGIN, Stage
from services.runtime.clock import SHANGHAI
from services.runtime.identity import Role
from tests.bench.accounts import PROVINCE
from tests.bench.country import PROVINCES, Country
from tests.bench.figures import Run
from tests.bench.meters import made_between, read

SERVICE = f"{PROVINCE}.{ORIGIN}"
SUMMER = datetime(2026, 7, 1, 9, tzinfo=SHANGHAI)
"""When both years are over, and their rates are published."""

MEASURED, KILLED = 2024, 2025
SETTINGS = {"MAIL_DISPATCH": "false", "RELAY_BATCH": "2000"}
_LOOK_S = 0.25


@dataclass
class Memory:
    """What a process holds while a run goes on, in MiB: before it, and the most in each quarter of it."""

    pid: int
    before: int = 0
    quarters: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def __post_init__(self) -> None:
        self.before = self.now()

    def now(self) -> int:
        """What it holds now."""
        return int(psutil.Process(self.pid).memory_info().rss // (1 << 20))

    def look(self, part: float) -> None:
        """Look at it when so much of the run, from 0 to 1, is over."""
        at = min(3, int(4 * part))
        self.quarters[at] = max(self.quarters[at], self.now())

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"before_mib": self.before, "quarters_mib": self.quarters, "peak_mib": max(self.before, *self.quarters)}


async def begin(stage: Stage, year: int) -> str:
    """Two persons let a year's run go; its id."""
    proposed = await stage.call("POST", PROVINCE, ORIGIN, "/year-ends", Role.OPERATOR, json={"year": year})
    path = f"/year-ends/{proposed['run_id']}/approvals"
    await stage.call("POST", PROVINCE, ORIGIN, path, Role.CHECKER)
    return str(proposed["run_id"])


async def seen(stage: Stage, run_id: str) -> dict[str, Any]:
    """How far a run is."""
    run: dict[str, Any] = await stage.call("GET", PROVINCE, ORIGIN, f"/year-ends/{run_id}", Role.OPERATOR)
    return run


async def run_undisturbed(country: Country, stage: Stage, *, within_s: float) -> tuple[Run, dict[str, Any], dict[str, Any]]:
    """Credit a year to every account: readings, memory, and the run at its end."""
    before = await read(stage, country.stack, country.pids(), PROVINCES)
    memory = Memory(country.pids()[SERVICE])
    began = time.monotonic()
    run_id = await begin(stage, MEASURED)
    async with asyncio.timeout(within_s):
        while (run := await seen(stage, run_id))["state"] == "running":
            memory.look(run["looked_at"] / max(1, run["due"]))
            await asyncio.sleep(_LOOK_S)
    credited = time.monotonic()
    await stage.idle(within_s=within_s)
    quiet = time.monotonic()
    memory.look(1)
    after = await read(stage, country.stack, country.pids(), PROVINCES)
    spent = {name: seconds - before.cpu_s.get(name, 0.0) for name, seconds in after.cpu_s.items()}
    made = made_between(before.counts, after.counts)
    counted = {name: pair for name, pair in made.items() if name == f"{SERVICE} year-end"}
    readings = Run(run["looked_at"], credited - began, quiet - began, spent, after.records - before.records, counted)
    return readings, memory.as_json(), run


async def run_killed(country: Country, stage: Stage, *, within_s: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Credit the next year, kill the service in the middle, start it again, and see the run to its end."""
    assert country.services is not None
    run_id = await begin(stage, KILLED)
    async with asyncio.timeout(within_s):
        while (run := await seen(stage, run_id))["looked_at"] * 2 < run["due"] and run["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    os.kill(country.pids()[SERVICE], signal.SIGKILL)
    killed = time.monotonic()
    await asyncio.sleep(0.2)
    country.services.start_again(SERVICE, now=SUMMER)
    await asyncio.to_thread(country.services.wait_ready, 120)
    ready = time.monotonic()
    async with asyncio.timeout(within_s):
        while (after := await seen(stage, run_id))["state"] == "running":  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(_LOOK_S)
    ended = time.monotonic()
    await stage.idle(within_s=within_s)
    return {"at": run["looked_at"], "ready_s": ready - killed, "ended_s": ended - killed}, after


def wrong_with(run: dict[str, Any], accounts: int) -> str | None:
    """What is wrong with a run that is over, or None: every account was due, reached and credited, once."""
    expected = {"state": "done", "due": accounts, "looked_at": accounts, "credited": accounts}
    found = {name: run[name] for name in expected}
    return None if found == expected else f"the run of {run['year']} is {found} and should be {expected}"
