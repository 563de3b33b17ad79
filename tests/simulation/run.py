"""Runs worlds and says what became of them: `make simulate SEEDS=n [SEED=first]`."""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tests.simulation.world import Outcome, run

SHOWN = 25  # steps of a schedule that a report shows


def command(seed: int) -> str:
    """The exact command that repeats a world."""
    return f"make simulate SEED={seed}"


def report(outcome: Outcome) -> str:
    """A failure as a person needs it: the seed, the first measure that is broken, the last steps, how to repeat it."""
    assert outcome.violations, outcome.seed
    more = len(outcome.violations) - 1
    return "\n".join(
        [
            f"seed {outcome.seed} breaks a measure: {outcome.violations[0]}",
            *([f"and {more} more: {outcome.violations[1]}"] if more else []),
            "the last steps of its schedule (time in virtual seconds, process, step):",
            *(f"  {step[:200]}" for step in outcome.last[-SHOWN:]),
            f"repeat it: {command(outcome.seed)}",
        ]
    )


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """What was run, and what went wrong in it by kind."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    rows: list[tuple[str, str]] = [
        ("seeds", f"{len(outcomes):,}"),
        ("seeds that break a measure", f"{sum(bool(outcome.violations) for outcome in outcomes):,}"),
        ("events (each counted once)", f"{sum(outcome.events for outcome in outcomes):,}"),
        ("records in Kafka, repeats included", f"{sum(outcome.records for outcome in outcomes):,}"),
        ("virtual time", f"{sum(outcome.virtual_s for outcome in outcomes) / 3600:,.1f} h"),
        ("CPU a seed", f"{sum(outcome.cpu_s for outcome in outcomes) / max(1, len(outcomes)):.2f} s"),
        ("time", f"{seconds:,.0f} s"),
        *((kind, f"{count:,}") for kind, count in sorted(counts.items())),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value:>12}" for name, value in rows)


def outcomes_of(seeds: Sequence[int], workers: int) -> Iterator[Outcome]:
    """Run worlds on so many cores, each as it comes."""
    if workers == 1 or len(seeds) == 1:
        yield from map(run, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=4)


def _say(text: str) -> None:
    print(text, flush=True)  # a long run that is broken off has said what it found


def main(arguments: Sequence[str] | None = None, *, say: Callable[[str], None] = _say) -> int:
    """Run what is asked for; 0 when all measures hold, 1 when one does not, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many worlds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--digest", action="store_true", help="say the digest of each world's whole schedule, too")
    parser.add_argument("--trace", action="store_true", help="say every step of one world")
    asked = parser.parse_args(arguments)
    if asked.seeds < 1:
        parser.error("at least one seed")
    if asked.trace:
        outcome = run(asked.first, trace=True)
        say("\n".join(outcome.trace or []))
    began = time.perf_counter()
    found: list[Outcome] = []
    broken = 0
    for outcome in outcomes_of(range(asked.first, asked.first + asked.seeds), asked.workers):
        found.append(outcome)
        if asked.digest:
            say(f"{outcome.seed} {outcome.digest}")
        if outcome.violations:
            broken += 1
            if broken <= 5:
                say(report(outcome) + "\n")
        if sys.stderr.isatty():
            print(f"\r{len(found)} of {asked.seeds} worlds, {broken} broken", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    say(summary(found, time.perf_counter() - began))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
