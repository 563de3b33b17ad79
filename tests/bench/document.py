"""docs/bench.md: the table and the curves of one run, with the readings that they were made from beside them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.curves import draw, points
from tests.bench.figures import Run, Spread
from tests.bench.plan import evidences, runs
from tests.bench.table import conditions, rows

_HEAD = """# What a case costs, and how fast it goes

Written by `make bench DOCS=1` from [bench/result.json](bench/result.json), which holds everything that was read. `make bench`
runs the same again on your machine (`FULL=1`: to 100,000 cases). How it measures, and what a figure leaves out, is in
[decision 0024](decisions/0024-bench.md). A figure whose run cannot be replayed without a difference is not given.
"""

_GROWTH = """## Growth

Each point is a window of the same size: what a case of it cost when there were so many cases in the provinces already.

![Cost of a case over the number of cases](bench/growth.svg)
"""


def write_document(result: Mapping[str, Any], docs: Path) -> None:
    """Write the page, and what it shows, into the documents."""
    folder = docs / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if "growth" in result:
        draw(result["growth"]["windows"], folder / "growth.svg")
    (docs / "bench.md").write_text(page(result), encoding="utf-8")


def page(result: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    parts = [_HEAD, "## Figures\n", _table(("", "figure", "target", ""), _figures(result))]
    if wrong := [(part, first) for part, agrees, first in evidences(result) if not agrees]:
        parts += ["### Replays that disagree\n", _table(("part", "first difference"), wrong)]
    parts += ["## Taken under these conditions\n", _table(("", ""), conditions(result))]
    if "rounds" in result and not wrong:
        parts += ["## Statements and commits by purpose\n", _purposes(result)]
    if "growth" in result and not wrong:
        parts += [_GROWTH, _piles(result["growth"]["windows"]), "### Rows read, by table\n", _tables(result["growth"]["windows"])]
    return "\n".join(parts)


def _figures(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(f"&emsp;{row.what.strip()}" if row.what.startswith(" ") else row.what, row.figure, row.target, row.verdict)
            for row in rows(result)]  # fmt: skip


def _purposes(result: Mapping[str, Any]) -> str:
    of = runs(result, "ours")
    names = sorted(
        {name for run in of for name in run.counts}, key=lambda name: -max(run.counts.get(name, (0, 0))[0] for run in of)
    )
    shown = [
        (
            name,
            *(Spread.of([1000 * run.counts.get(name, (0, 0))[at] / run.cases for run in of]).text(0) for at in (0, 1)),
        )
        for name in names
    ]
    return _table(("service and purpose", "statements a thousand cases", "commits a thousand cases"), shown)


def _piles(windows: Sequence[Mapping[str, Any]]) -> str:
    curves = points(windows)
    shown = []
    for at, window in enumerate(windows):
        run = Run.from_json(window["window"])
        costs = [f"{curve[at][1]:.3f}" for curve in curves.values()]
        filled = f"{window['fill']['a_second']:,.0f}" if window["fill"] else ""
        shown.append((f"{window['pile']:,}", f"{run.cases:,}", *costs, f"{run.a_second:,.0f}", filled))
    return _table(("cases", "window", *curves, "cases/s in the window", "cases/s on the way there"), shown)


def _tables(windows: Sequence[Mapping[str, Any]]) -> str:
    first = windows[-1]["rows_read"]
    names = list(first)[:12]
    shown = [
        (name, *(f"{window['rows_read'].get(name, 0) / window['window']['cases']:.2f}" for window in windows)) for name in names
    ]
    return _table(("rows read a case", *(f"at {window['pile']:,}" for window in windows)), shown)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
