"""What is made of readings: costs a case, medians, percentiles, and whether a target is met. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOAD = "load generator"
SERVERS = ("postgres", "kafka")


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement of one system: so many cases (or transfers of the bare saga) from beginning to end.

    `quiet_s` lasts from the first byte to the moment when nothing is in hand anywhere: every outbox is published and every
    notice is durably queued. `last_s` ends when a reader of the topic sees the last completion.
    """

    cases: int
    last_s: float
    quiet_s: float
    cpu_s: Mapping[str, float]
    """By process; PostgreSQL with all its backends."""
    records: int
    counts: Mapping[str, tuple[int, int]]
    """Statements and commits by service and purpose."""

    @property
    def a_second(self) -> float:
        """Cases a second, until all is quiet."""
        return self.cases / self.quiet_s

    @property
    def records_a_second(self) -> float:
        """Records published a second."""
        return self.records / self.quiet_s

    @property
    def records_a_case(self) -> float:
        """Records published a case."""
        return self.records / self.cases

    @property
    def core_ms_a_case(self) -> float:
        """Processor time a case in milliseconds, of everything but the load generator."""
        return 1000 * sum(spent for name, spent in self.cpu_s.items() if name != LOAD) / self.cases

    @property
    def core_ms_a_record(self) -> float:
        """The same a record."""
        return self.core_ms_a_case / self.records_a_case

    @property
    def statements_a_case(self) -> float:
        """SQL statements of the services a case."""
        return sum(statements for statements, _ in self.counts.values()) / self.cases

    @property
    def commits_a_case(self) -> float:
        """Commits of the services a case."""
        return sum(commits for _, commits in self.counts.values()) / self.cases

    @property
    def busy_cores(self) -> float:
        """How many cores were at work on average, the load generator's share among them."""
        return sum(self.cpu_s.values()) / self.quiet_s

    def core_ms_by_part(self) -> dict[str, float]:
        """Processor time a case in milliseconds: our processes together, the bank, each server, the load generator."""
        found: dict[str, float] = {}
        for name, spent in self.cpu_s.items():
            part = name if name in (*SERVERS, LOAD, "bank", "smtp-sink") else "services"
            found[part] = found.get(part, 0.0) + 1000 * spent / self.cases
        return found

    def as_json(self) -> dict[str, Any]:
        """The readings, and what follows from them."""
        return {
            "cases": self.cases,
            "last_s": round(self.last_s, 3),
            "quiet_s": round(self.quiet_s, 3),
            "cpu_s": {name: round(spent, 3) for name, spent in self.cpu_s.items()},
            "records": self.records,
            "counts": {name: list(pair) for name, pair in sorted(self.counts.items(), key=lambda each: -each[1][0])},
            "a_second": round(self.a_second, 1),
            "records_a_second": round(self.records_a_second),
            "core_ms_a_case": round(self.core_ms_a_case, 3),
            "core_ms_a_record": round(self.core_ms_a_record, 4),
            "statements_a_case": round(self.statements_a_case, 3),
            "commits_a_case": round(self.commits_a_case, 4),
            "busy_cores": round(self.busy_cores, 2),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Run":
        """The readings as they were written down."""
        return cls(
            found["cases"],
            found["last_s"],
            found["quiet_s"],
            found["cpu_s"],
            found["records"],
            {name: (pair[0], pair[1]) for name, pair in found["counts"].items()},
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """The same figure of several rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 1) -> str:
        """The median, and the range where there is one."""
        median = f"{self.median:,.{digits}f}"
        if self.lowest == self.highest:
            return median
        return f"{median} ({self.lowest:,.{digits}f} to {self.highest:,.{digits}f})"


def percentile(values: Sequence[float], per_cent: float) -> float:
    """The smallest value that at least so many per cent of the values do not exceed (nearest rank)."""
    assert values, "no values"
    assert 0 < per_cent <= 100, per_cent
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * per_cent / 100) - 1]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None
    """None where there is no target, or nothing was measured."""

    @property
    def verdict(self) -> str:
        """In a word."""
        return "" if self.met is None else "met" if self.met else "not met"


def growth_ratio(costs: Sequence[float]) -> float:
    """The last cost over the first: 1 where a case costs the same however many there are."""
    assert costs[0] > 0, costs
    return costs[-1] / costs[0]
