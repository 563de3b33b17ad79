"""The curves of growth as an SVG: what a case costs when there are so many already."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.figures import Run


def points(windows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Each curve as pairs of how many cases there are, and the cost of one then."""
    found: dict[str, list[tuple[int, float]]] = {}
    for window in windows:
        run = Run.from_json(window["window"])
        costs = {
            "core-ms a case": run.core_ms_a_case,
            "SQL statements a case": run.statements_a_case,
            "commits a case": run.commits_a_case,
            "rows read a case": sum(window["rows_read"].values()) / run.cases,
        }
        for title, cost in costs.items():
            found.setdefault(title, []).append((int(window["pile"]), cost))
    return found


def draw(windows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw the curves; the same figures give the same bytes."""
    # Only who draws has it, from requirements/bench.lock; the rest of the bench and its tests do without.
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "jiexu"
    matplotlib.rcParams["svg.fonttype"] = "none"
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 5.6), layout="constrained")
    for place, (title, curve) in zip(axes.flat, points(windows).items(), strict=True):
        place.plot([pile for pile, _ in curve], [cost for _, cost in curve], marker="o", color="#1f5f8b")
        place.set_xscale("log")
        place.set_ylim(0, 1.3 * max(cost for _, cost in curve))
        place.set_title(title, fontsize=10)
        place.set_xlabel("cases in the provinces", fontsize=8)
        place.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
