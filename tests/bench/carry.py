"""Hands applications in and carries them to their completion, as employers and clerks do over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.cli.play import DESTINATION, ORIGIN, Stage, Unexpected
from services.runtime.identity import Role
from tests.bench import people
from tests.bench.watcher import Watcher

SUBMISSION = 10_000  # applications a submission, the most that an agency takes


@dataclass(frozen=True, slots=True)
class Clerks:
    """How the clerks of both provinces work: how many cases stand on a list, how many lists are in hand at the same time,
    and how long a clerk who found nothing waits before the next look."""

    cases: int = 500
    lists: int = 1
    rest_s: float = 0.05


@dataclass(frozen=True, slots=True)
class _Step:
    province: str
    service: str
    state: str
    what: str
    first: Role


STEPS = (
    _Step(people.DESTINATION, DESTINATION, "REVIEWING", "admissions", Role.MAKER),
    _Step(people.ORIGIN, ORIGIN, "LETTER_HELD", "handlings", Role.MAKER),
    _Step(people.ORIGIN, ORIGIN, "FORM_ISSUED", "remittances", Role.FUND_DESK),
    _Step(people.DESTINATION, DESTINATION, "BOOKING", "completions", Role.MAKER),
)


async def hand_in(stage: Stage, places: Sequence[int]) -> None:
    """Hand applications in as an employer's submissions; returns when they are taken, not when they are worked off."""
    for at in range(0, len(places), SUBMISSION):
        rows = [people.application(index) for index in places[at : at + SUBMISSION]]
        await stage.call("POST", people.DESTINATION, DESTINATION, "/application-batches", Role.EMPLOYER, json={"rows": rows})


async def hand_in_singly(stage: Stage, places: Sequence[int], *, at_once: int = 1) -> None:
    """Hand applications in one by one at the window, some windows at the same time."""
    gate = asyncio.Semaphore(at_once)

    async def one(place: int) -> None:
        async with gate:
            await apply(stage, place)

    await asyncio.gather(*(one(place) for place in places))


async def apply(stage: Stage, place: int) -> str:
    """Hand one application in; returns the case."""
    wish = people.application(place)
    answer: dict[str, Any] = await stage.call("POST", people.DESTINATION, DESTINATION, "/applications", Role.MAKER, json=wish)
    return str(answer["case_id"])


@asynccontextmanager
async def at_work(stage: Stage, clerks: Clerks | None) -> AsyncIterator[Callable[[], None]]:
    """Let the clerks of every step work until the block ends. Without clerks the provinces approve by themselves.

    Gives a function that raises what a clerk has stumbled over.
    """
    tasks = [asyncio.create_task(_work(stage, step, clerks)) for step in STEPS] if clerks is not None else []

    def check() -> None:
        for task in tasks:
            if task.done():
                task.result()

    try:
        yield check
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _work(stage: Stage, step: _Step, clerks: Clerks) -> None:
    """One step's maker and checker: look at the work list, propose, approve, again."""
    gate = asyncio.Semaphore(clerks.lists)

    async def one_list(case_ids: list[str]) -> None:
        async with gate:
            refused = await stage.two_hands(step.province, step.service, step.what, case_ids, first=step.first)
        if refused:
            raise Unexpected(f"{step.what}: {refused[0]}")

    while True:
        waiting = await stage.cases(step.province, step.service, step.state, limit=clerks.cases * clerks.lists)
        case_ids = [case["case_id"] for case in waiting]
        if not case_ids:
            await asyncio.sleep(clerks.rest_s)
            continue
        await asyncio.gather(*(one_list(case_ids[at : at + clerks.cases]) for at in range(0, len(case_ids), clerks.cases)))


async def until(watcher: Watcher, count: int, check: Callable[[], None], *, within_s: float, look_s: float = 0.02) -> None:
    """Return when so many cases have come to their end.

    Raises:
        Unexpected: when that takes too long.
    """
    end = time.monotonic() + within_s
    while len(watcher.seen) < count:
        check()
        if time.monotonic() > end:
            raise Unexpected(f"{len(watcher.seen)} of {count} cases came to their end within {within_s:.0f} s")
        await asyncio.sleep(look_s)
