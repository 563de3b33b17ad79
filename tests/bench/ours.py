"""The measurements of our own services: bulk, mail, latency, restart, growth."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.envelope import type_of
from contracts.events import Completed
from contracts.topics import journal
from services.cli.play import DESTINATION, ORIGIN, Stage, Unexpected
from services.runtime.identity import Role
from tests.bench import carry, people
from tests.bench.carry import Clerks
from tests.bench.country import PROVINCES, Country
from tests.bench.figures import LOAD, Run
from tests.bench.meters import Reading, cpu_s, databases_of, made_between, read, rows_of, settle
from tests.bench.watcher import Watcher

COMPLETED = type_of(Completed)
JOURNAL = journal(people.DESTINATION)


@dataclass(frozen=True, slots=True)
class Way:
    """How cases are carried: the services' settings, who approves, and how applications are handed in."""

    name: str
    settings: Mapping[str, str]
    clerks: Clerks | None = None
    """None where the provinces approve by themselves."""
    windows: int = 0
    """Windows at which applications are handed in one by one; 0 for employers' submissions."""

    def with_settings(self, more: Mapping[str, str]) -> "Way":
        """The same with further settings."""
        return replace(self, settings={**self.settings, **more})


# Notices are queued durably and wait: what the mail server takes is a figure of its own.
_QUEUED = {"MAIL_DISPATCH": "false"}
_ONE = {"MAX_RECORDS": "1", "RELAY_BATCH": "1"}
_ALONE = {"APPROVALS": "automatic"}

AUTOMATIC = Way("batches, automatic approvals", {**_QUEUED, **_ALONE})
LISTS = Way("batches, list approvals of 500", _QUEUED, Clerks())
ONE = Way("one message a transaction, automatic approvals", {**_QUEUED, **_ALONE, **_ONE}, windows=4)
LISTS_OF_ONE = Way("one message a transaction, approvals one by one", {**_QUEUED, **_ONE}, Clerks(cases=1, lists=4), windows=4)
MAILING = Way("mails are sent", _ALONE)


@dataclass(frozen=True, slots=True)
class Profiler:
    """Lets one service note where its time goes while something is measured; `name` is empty where nobody asked for it."""

    name: str = ""
    file: Path | None = None
    sampled: bool = False
    """Look at the stack now and then, in the place of counting calls."""

    def begin(self, country: Country) -> None:
        """From now on."""
        if self.name:
            os.kill(country.pids()[self.name], signal.SIGUSR1)

    async def end(self, country: Country) -> None:
        """Until now; returns when the file is written."""
        if not self.name:
            return
        draft = country.profile_file(self.name)
        os.kill(country.pids()[self.name], signal.SIGUSR2)
        async with asyncio.timeout(60):
            while not draft.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        assert self.file is not None
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(self.file)


NOBODY = Profiler()


@asynccontextmanager
async def services(country: Country, way: Way, *, warm: int = 0, profiler: Profiler = NOBODY) -> AsyncIterator[Stage]:
    """The services under these settings, warmed with some cases that nobody counts."""
    stage = await asyncio.to_thread(country.start, way.settings, profile=profiler.name, sampled=profiler.sampled)
    try:
        if warm:
            await bulk(country, stage, way, warm)
        yield stage
    finally:
        await country.stop(stage)


async def bulk(
    country: Country, stage: Stage, way: Way, count: int, *, within_s: float = 3600, profiler: Profiler = NOBODY
) -> Run:
    """Hand so many applications in and carry them to their completion, until nothing is in hand anywhere."""
    places = country.applicants(count)
    before = await read(stage, country.stack, country.pids(), PROVINCES)
    profiler.begin(country)
    with Watcher(country.stack, JOURNAL, COMPLETED) as watcher:
        began = time.monotonic()
        async with carry.at_work(stage, way.clerks) as check:
            if way.windows:
                await carry.hand_in_singly(stage, places, at_once=way.windows)
            else:
                await carry.hand_in(stage, places)
            await carry.until(watcher, count, check, within_s=within_s)
        await stage.idle()
        quiet = time.monotonic()
        last = watcher.last
    await profiler.end(country)
    after = await read(stage, country.stack, country.pids(), PROVINCES)
    return _run(count, before, after, last - began, quiet - began)


async def window(country: Country, stage: Stage, way: Way, count: int) -> tuple[Run, dict[str, int]]:
    """Carry so many cases, and see which tables PostgreSQL reads for that: rows by table, the most first."""
    await settle()
    before = await rows_of(country.stack, databases_of(PROVINCES))
    run = await bulk(country, stage, way, count)
    await settle()
    after = await rows_of(country.stack, databases_of(PROVINCES))
    read = {name: (after[name] - before[name]).read for name in after if name in before}
    return run, dict(sorted(((name, rows) for name, rows in read.items() if rows), key=lambda each: -each[1]))


def _run(count: int, before: Reading, after: Reading, last_s: float, quiet_s: float) -> Run:
    spent = {name: seconds - before.cpu_s.get(name, 0.0) for name, seconds in after.cpu_s.items()}
    return Run(count, last_s, quiet_s, spent, after.records - before.records, made_between(before.counts, after.counts))


@dataclass(frozen=True, slots=True)
class Mails:
    """How fast queued notices leave, and what one costs."""

    mails: int
    seconds: float
    """From the first mail to the last."""
    core_ms: float | None
    """A mail, of everything that runs; None when all had left before the services were ready."""

    @property
    def a_second(self) -> float:
        """Mails a second that the server took."""
        return self.mails / self.seconds


async def mails(country: Country, *, within_s: float = 20.0) -> Mails:
    """Start the services with mail, and let go what is queued for so many seconds, or until nothing is."""
    file = country.stack.home / "mail.jsonl"
    already, first = _lines(file), 0.0
    starting = asyncio.create_task(asyncio.to_thread(country.start, MAILING.settings))
    while not first and not starting.done():
        first = time.monotonic() if _lines(file) > already else 0.0
        await asyncio.sleep(0.01)
    stage = await starting
    first = first or time.monotonic()
    try:
        ready, spent = _lines(file), cpu_s(country.pids())
        with suppress(Unexpected):  # still at work when the time is up
            await stage.idle(within_s=within_s)
        left = _lines(file)
        assert left > already, f"no mail came within {within_s:.0f} s"
        last = file.stat().st_mtime
        seconds = max(0.01, last - time.time() + time.monotonic() - first)
        used = sum(after - spent.get(name, 0.0) for name, after in cpu_s(country.pids()).items() if name != LOAD)
        return Mails(left - already, seconds, 1000 * used / (left - ready) if left > ready else None)
    finally:
        await country.stop(stage)


def _lines(file: Path) -> int:
    try:
        with file.open("rb") as text:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: text.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


async def latencies(country: Country, stage: Stage, way: Way, count: int, *, a_second: float | None = None) -> list[float]:
    """Seconds from the POST of each application to its completion's publication, as a reader of the journal sees it.

    Args:
        count: applications.
        a_second: handed in so many a second, whether or not the others are done; one after the other if None.
    """
    places = country.applicants(count)
    begun: dict[str, float] = {}
    with Watcher(country.stack, JOURNAL, COMPLETED, soon=True) as watcher:
        async with carry.at_work(stage, way.clerks) as check:

            async def one(place: int) -> str:
                now = time.monotonic()
                case_id = await carry.apply(stage, place)
                begun[case_id] = now
                return case_id

            if a_second is None:
                for done, place in enumerate(places, 1):
                    await asyncio.sleep(0.1)  # what follows the last completion is over by then
                    await one(place)
                    await carry.until(watcher, done, check, within_s=60, look_s=0.002)
            else:
                waiting = []
                started = time.monotonic()
                for at, place in enumerate(places):
                    await asyncio.sleep(max(0.0, started + at / a_second - time.monotonic()))
                    waiting.append(asyncio.create_task(one(place)))
                await asyncio.gather(*waiting)
                await carry.until(watcher, count, check, within_s=300)
        await stage.idle()
        return [watcher.seen[case_id] - moment for case_id, moment in begun.items()]


@dataclass(frozen=True, slots=True)
class Restart:
    """How a service caught up that was killed and found records waiting for it."""

    service: str
    backlog: int
    ready_s: float
    """From the start of the process until it says that it is ready."""
    caught_up_s: float
    """From the start of the process until nothing waits for it."""


async def restart(country: Country, stage: Stage, way: Way, count: int) -> Restart:
    """Kill an origin agency, let so many letters pile up for it, start it again, and see all cases through."""
    assert country.services is not None
    name = f"{people.ORIGIN}.{ORIGIN}"
    os.kill(country.pids()[name], signal.SIGKILL)
    places = country.applicants(count)
    with Watcher(country.stack, JOURNAL, COMPLETED) as watcher:
        await carry.hand_in(stage, places)
        await _until_idle(stage, people.DESTINATION, DESTINATION)
        if way.clerks is not None:
            while await stage.decide_admissions(people.DESTINATION):
                pass
            await _until_idle(stage, people.DESTINATION, DESTINATION)
        began = time.monotonic()
        country.services.start_again(name)
        await asyncio.to_thread(country.services.wait_ready, 120)
        ready_s = time.monotonic() - began
        await _until_idle(stage, people.ORIGIN, ORIGIN)
        caught_up_s = time.monotonic() - began
        async with carry.at_work(stage, way.clerks) as check:
            await carry.until(watcher, count, check, within_s=600)
        await stage.idle()
    return Restart(name, count, ready_s, caught_up_s)


async def _asked(stage: Stage, province: str, service: str) -> str | None:
    answer: dict[str, str | None] = await stage.call("GET", province, service, "/scenario/idle", Role.OPERATOR)
    return answer["in_hand"]


async def _until_idle(stage: Stage, province: str, service: str) -> None:
    """Return when one service has no record waiting, none in hand and nothing to publish."""
    async with asyncio.timeout(600):
        while (await _asked(stage, province, service)) is not None:  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(0.01)
