"""What became of stories, as a test runner says it: a line a step, expected beside actual, a table, JUnit, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from services.cli.scenario.looks import Check
from services.cli.scenario.reading import Problem
from services.cli.scenario.run import Outcome, StepResult, StoryResult

Say = Callable[[str], None]

_MARKS = {Outcome.PASSED: "ok", Outcome.FAILED: "WRONG", Outcome.COULD_NOT_TELL: "?", Outcome.NOT_RUN: "-"}


def step_line(result: StepResult) -> str:
    """One step: mark, line in the file, day, verb, how many things were compared, seconds."""
    step = result.step
    compared = f"{len(result.checks)} as expected" if result.outcome is Outcome.PASSED and result.checks else ""
    where = f"line {step.place.line}"
    return f"  {_MARKS[result.outcome]:<6}{where:<9} {step.on}  {step.verb.name:<22}{compared:<18}{result.seconds:6.2f} s"


def details(result: StepResult) -> list[str]:
    """Of a step that went wrong: what was expected beside what is, and what else there is to say."""
    lines = [f"         {part}" for part in result.says.splitlines()]
    return [*lines, *side_by_side(result.wrong)]


def side_by_side(checks: Sequence[Check]) -> list[str]:
    """Expected and actual in two columns."""
    if not checks:
        return []
    rows = [("", "expected", "actual"), *((check.what, check.expected, check.actual) for check in checks)]
    first, second = (max(len(row[at]) for row in rows) for at in (0, 1))
    return [f"         {what:<{first}}  {expected:<{second}}  {actual}".rstrip() for what, expected, actual in rows]


def story_lines(result: StoryResult) -> list[str]:
    """How a story ended, in a line; why it could not begin, in another."""
    told = f"{result.outcome}: {Path(result.story.file).name}: {result.story.title}"
    return [told, *(f"         {part}" for part in result.says.splitlines())]


def table(results: Sequence[StoryResult]) -> list[str]:
    """One line a story, and the sums."""
    rows = [("story", "source", "steps", "compared", "seconds", "")]
    rows += [
        (
            Path(result.story.file).name,
            result.story.source,
            str(len(result.story.steps)),
            str(result.checks),
            f"{result.seconds:.1f}",
            str(result.outcome),
        )
        for result in results
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(6)]
    lines = [
        "  ".join(
            cell.rjust(width) if 2 <= at <= 4 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    counted = Counter(result.outcome for result in results)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counted.items()) or "no stories"
    steps, checks = sum(len(result.story.steps) for result in results), sum(result.checks for result in results)
    return [*lines, f"{told}; {steps} steps, {checks} comparisons, {sum(result.seconds for result in results):.1f} s"]


def problem_lines(problem: Problem, source: str | None) -> list[str]:
    """What is wrong with a file, and its line with a mark under the place."""
    lines = [str(problem)]
    found = source.splitlines() if source is not None else []
    if 0 < problem.place.line <= len(found):
        lines += [f"    {found[problem.place.line - 1]}", f"    {' ' * (problem.place.column - 1)}^"]
    return lines


def as_json(results: Iterable[StoryResult]) -> list[dict[str, Any]]:
    """Everything, for a program."""
    return [
        {
            "file": result.story.file,
            "title": result.story.title,
            "source": result.story.source,
            "outcome": result.outcome,
            "says": result.says,
            "seconds": round(result.seconds, 3),
            "steps": [_step_as_json(step) for step in result.steps],
        }
        for result in results
    ]


def _step_as_json(result: StepResult) -> dict[str, Any]:
    step = result.step
    return {
        "step": step.at,
        "line": step.place.line,
        "verb": step.verb.name,
        "on": step.on.isoformat(),
        "outcome": result.outcome,
        "says": result.says,
        "seconds": round(result.seconds, 3),
        "compared": [
            {"what": check.what, "expected": check.expected, "actual": check.actual, "holds": check.holds}
            for check in result.checks
        ],
    }


def junit(results: Sequence[StoryResult]) -> bytes:
    """JUnit's XML: a suite a story, a case a step; a step that went wrong has expected beside actual as its text."""
    root = ElementTree.Element("testsuites", name="jiexu scenario", time=_seconds(sum(result.seconds for result in results)))
    totals: Counter[str] = Counter()
    for result in results:
        suite = ElementTree.SubElement(root, "testsuite", name=Path(result.story.file).stem, time=_seconds(result.seconds))
        suite.set("file", result.story.file)
        counts: Counter[str] = Counter()
        if result.outcome is Outcome.COULD_NOT_TELL and result.says:
            case = ElementTree.SubElement(suite, "testcase", classname=result.story.title, name="the beginning", time=_seconds(0))
            ElementTree.SubElement(case, "error", message=_clean(result.says)).text = _clean(result.says)
            counts.update(tests=1, errors=1)
        for step in result.steps:
            counts.update(_case(suite, result, step))
        for name in ("tests", "failures", "errors", "skipped"):
            suite.set(name, str(counts[name]))
        totals.update(counts)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(totals[name]))
    ElementTree.indent(root)
    found: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def _case(suite: ElementTree.Element, result: StoryResult, step: StepResult) -> dict[str, int]:
    name = f"{step.step.at:02d} {step.step.verb.name} (line {step.step.place.line})"
    case = ElementTree.SubElement(suite, "testcase", classname=result.story.title, name=name, time=_seconds(step.seconds))
    text = _clean("\n".join(details(step)))
    match step.outcome:
        case Outcome.FAILED:
            first = step.wrong[0] if step.wrong else None
            message = f"{first.what}: expected {first.expected}, actual {first.actual}" if first is not None else step.says
            ElementTree.SubElement(case, "failure", message=_clean(message)).text = text
            return {"tests": 1, "failures": 1}
        case Outcome.COULD_NOT_TELL:
            ElementTree.SubElement(case, "error", message=_clean(step.says)).text = text
            return {"tests": 1, "errors": 1}
        case Outcome.NOT_RUN:
            ElementTree.SubElement(case, "skipped", message="an earlier step went wrong")
            return {"tests": 1, "skipped": 1}
        case _:
            return {"tests": 1}


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(
        sign for sign in text if sign in "\t\n" or " " <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign > "\uffff"
    )
