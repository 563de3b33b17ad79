"""Tells stories on a stage: each with people of its own and its own day, step by step, looking after each at what is expected."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from services.cli.play import Stage, Unexpected
from services.cli.scenario.format import Step, Story
from services.cli.scenario.looks import LOOK_BY_NAME, NONE, Check, compare
from services.cli.scenario.telling import Answer, CouldNotTell, Refusal, Telling


class Outcome(StrEnum):
    """How a step or a story ended."""

    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_TELL = "could not tell"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one step: everything that was compared, and in words what else went wrong."""

    step: Step
    outcome: Outcome
    checks: tuple[Check, ...] = ()
    says: str = ""
    seconds: float = 0.0

    @property
    def wrong(self) -> tuple[Check, ...]:
        """What was expected and is not so."""
        return tuple(check for check in self.checks if not check.holds)


@dataclass(frozen=True, slots=True)
class StoryResult:
    """What became of one story. `says` is why it could not begin."""

    story: Story
    outcome: Outcome
    steps: tuple[StepResult, ...]
    says: str = ""
    seconds: float = 0.0

    @property
    def checks(self) -> int:
        """How many things were compared."""
        return sum(len(step.checks) for step in self.steps)


Told = Callable[[StepResult], None]
Ended = Callable[[StoryResult], None]


async def tell_all(
    stage: Stage,
    stories: Iterable[Story],
    *,
    home: Path | None = None,
    told: Told = lambda _: None,
    ended: Ended = lambda _: None,
) -> list[StoryResult]:
    """Tell stories one after the other; each begins with a fresh clock.

    Args:
        stage: the provinces.
        stories: what is told.
        home: the stack's folder, where it is known.
        told: called after each step.
        ended: called after each story.
    """
    results = []
    for story in stories:
        result = await tell(stage, story, home=home, told=told)
        ended(result)
        results.append(result)
    return results


async def tell(stage: Stage, story: Story, *, home: Path | None = None, told: Told = lambda _: None) -> StoryResult:
    """Tell one story. After a step that went wrong nothing further is done: what follows would stand on it."""
    began = time.monotonic()
    telling = Telling(stage, story, run=secrets.token_hex(6), home=home)
    try:
        await telling.begin()
    except (CouldNotTell, Unexpected, httpx.TransportError) as error:
        rest = tuple(StepResult(step, Outcome.NOT_RUN) for step in story.steps)
        return StoryResult(story, Outcome.COULD_NOT_TELL, rest, _told(error), time.monotonic() - began)
    results: list[StepResult] = []
    outcome = Outcome.PASSED
    try:
        for step in story.steps:
            result = await _step(telling, step) if outcome is Outcome.PASSED else StepResult(step, Outcome.NOT_RUN)
            if result.outcome is not Outcome.NOT_RUN:
                outcome = result.outcome
            told(result)
            results.append(result)
    finally:
        with suppress(CouldNotTell, Unexpected, httpx.TransportError):
            await telling.end()
    return StoryResult(story, outcome, tuple(results), "", time.monotonic() - began)


async def _step(telling: Telling, step: Step) -> StepResult:
    began = time.monotonic()

    def ended(outcome: Outcome, checks: Iterable[Check] = (), says: str = "") -> StepResult:
        return StepResult(step, outcome, tuple(checks), says, time.monotonic() - began)

    entered = [province for province, books in (step.expect.get("ledger") or {}).items() if "entries" in books]
    try:
        if entered:
            await telling.before(entered)
        try:
            answer = await step.verb.act(telling, step)
        except Unexpected as error:
            return ended(Outcome.FAILED, (), str(error))
        if step.verb.settles:
            await telling.idle()
        telling.paying = telling.paying or step.verb.pays
        checks = [*_refusals(step, answer.refusal), *_answered(step, answer)]
        for name, expected in step.expect.items():
            if name in LOOK_BY_NAME:
                checks.extend(await LOOK_BY_NAME[name].look(telling, step, expected))
    except (CouldNotTell, Unexpected, httpx.TransportError) as error:
        return ended(Outcome.COULD_NOT_TELL, (), _told(error))
    return ended(Outcome.PASSED if all(check.holds for check in checks) else Outcome.FAILED, checks)


def _refusals(step: Step, found: Refusal | None) -> list[Check]:
    """Whether the step was refused as it must be, or not at all."""
    if step.refused is None:
        return [] if found is None else [Check("refused", "no", found.says, False)]
    if found is None:
        return [Check("refused.code", step.refused["code"], "not refused", False)]
    actual = {"code": found.code, "basis": found.basis, "field": found.field}
    return [
        Check(f"refused.{name}", expected, actual[name] or NONE, expected == actual[name])
        for name, expected in step.refused.items()
    ]


def _answered(step: Step, answer: Answer) -> list[Check]:
    expected = step.expect.get("answer")
    return compare("answer", step.verb.answer, expected, answer.body) if expected is not None else []


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
