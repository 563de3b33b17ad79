"""Figures of one process for Prometheus: counted where things happen, asked for where only a server knows them.

No label ever holds an id, a name or anything else of a person or a case: labels are topics, states, stages, codes, provinces.
"""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from services.runtime.database import COUNTS, Database

log = structlog.get_logger()

MEDIA_TYPE = CONTENT_TYPE_LATEST

Readings = Mapping[str, Iterable[tuple[tuple[str, ...], float]]]
"""By figure, its values, each with the values of its labels."""

ASK_AGAIN_AFTER_S = 2.0
PATIENCE_S = 4.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A value that is read and not counted by us. `total` says that it only grows."""

    name: str
    says: str
    labels: tuple[str, ...] = ()
    total: bool = False


@dataclass(eq=False, slots=True)
class _Source(Collector):
    """Some figures that are read together; one that was not answered says nothing rather than something old."""

    name: str
    figures: tuple[Figure, ...]
    read: Callable[[], Readings]

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """What Prometheus is given of them."""
        readings = self.read()
        for figure in self.figures:
            kind = CounterMetricFamily if figure.total else GaugeMetricFamily
            family = kind(figure.name, figure.says, labels=figure.labels)
            for labels, value in readings.get(figure.name, ()):
                family.add_metric(labels, value)
            yield family

    def describe(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Their names, without reading anything."""
        return [
            (CounterMetricFamily if figure.total else GaugeMetricFamily)(figure.name, figure.says, labels=figure.labels)
            for figure in self.figures
        ]


@dataclass(slots=True)
class _Asked:
    """What a server answered last."""

    ask: Callable[[], Awaitable[Readings]]
    readings: Readings = field(default_factory=dict)
    failed: bool = False


class Figures:
    """The figures of one service, in a registry of its own.

    Args:
        service: its name.
        province: its province; `00` for what belongs to none.
    """

    def __init__(self, service: str, province: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began is of no use to anybody, and doubles the answer
        self.registry = CollectorRegistry()
        self._asked: dict[str, _Asked] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        ProcessCollector(registry=self.registry)
        build = (service, province, version("jiexu"), platform.python_version())
        self.told_by(
            "build",
            lambda: {"jiexu_build_info": [(build, 1.0)]},
            Figure("jiexu_build_info", "What runs.", ("service", "province", "version", "python")),
        )
        self.told_by(
            "counts",
            lambda: {
                "jiexu_sql_statements": [((purpose,), row[0]) for purpose, row in sorted(COUNTS.by_purpose.items())],
                "jiexu_sql_commits": [((purpose,), row[1]) for purpose, row in sorted(COUNTS.by_purpose.items())],
            },
            Figure("jiexu_sql_statements", "SQL statements by purpose, without BEGIN and COMMIT.", ("purpose",), total=True),
            Figure("jiexu_sql_commits", "Database transactions committed, by purpose.", ("purpose",), total=True),
        )
        self.told_by(
            "figures",
            lambda: {"jiexu_figures_unknown": [((name,), float(asked.failed)) for name, asked in self._asked.items()]},
            Figure("jiexu_figures_unknown", "1 where a source did not answer, so that its figures are missing.", ("source",)),
        )

    def told_by(self, name: str, read: Callable[[], Readings], *figures: Figure) -> None:
        """Add figures that the process knows itself; they are read when somebody asks."""
        self.registry.register(_Source(name, figures, read))

    def asked_of(self, name: str, ask: Callable[[], Awaitable[Readings]], *figures: Figure) -> None:
        """Add figures that a server knows. It is asked when somebody looks, but not more often than every two seconds."""
        asked = self._asked[name] = _Asked(ask)
        self.told_by(name, lambda: asked.readings, *figures)

    def pool(self, name: str, database: Database) -> None:
        """Add what a pool of connections is doing."""

        def read() -> Readings:
            known = database.connections
            return {f"jiexu_database_{name}_connections": [((state,), float(count)) for state, count in known.items()]}

        says = "Connections of this process: in use, idle, and how many it may open."
        self.told_by(f"pool {name}", read, Figure(f"jiexu_database_{name}_connections", says, ("state",)))

    async def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        async with self._asking:  # of two that look at once, the second gets what the first asked for
            if time.monotonic() - self._asked_at >= ASK_AGAIN_AFTER_S:
                await asyncio.gather(*(self._ask(name, asked) for name, asked in self._asked.items()))
                self._asked_at = time.monotonic()
        return generate_latest(self.registry)

    async def _ask(self, name: str, asked: _Asked) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                asked.readings, asked.failed = await asked.ask(), False
        except Exception as error:  # whoever looks shall see all the rest, whatever is wrong with one source
            asked.readings, asked.failed = {}, True
            log.warning("figures.unknown", source=name, error=type(error).__name__)
