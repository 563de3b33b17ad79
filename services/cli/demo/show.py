"""How the demo speaks: headings, facts and tables on standard output, progress on standard error where somebody looks."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.rules.amounts import yuan


class Show:
    """Writes what happens, with the time since the beginning."""

    def __init__(self) -> None:
        self.out = Console(width=120, highlight=False)
        self._started = time.monotonic()
        self._watched = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the demo began."""
        return time.monotonic() - self._started

    def head(self, text: str) -> None:
        """A heading."""
        self.out.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        """A line."""
        self.out.print(text, markup=False, soft_wrap=True)

    def at(self, day: datetime, text: str) -> None:
        """A line of the story, with its day."""
        self.out.print(f"  {day:%Y-%m-%d}  {text}", markup=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """A step of the machinery, with the seconds since the beginning."""
        self.out.print(f"  {self.seconds:5.1f} s  {text}", markup=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """A table; columns named in `right` are aligned for numbers."""
        found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        found.add_column("")
        for at, column in enumerate(columns):
            found.add_column(column, justify="right" if at in right else "left", no_wrap=True)
        for row in rows:
            found.add_row("", *row)
        self.out.print(found)

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator["Bar"]:
        """A bar for something that takes a while."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=sys.stderr), transient=True, disable=not self._watched) as bars:
            yield Bar(bars, bars.add_task(text, total=total))


class Bar:
    """One bar on its way."""

    def __init__(self, bars: Progress, task: object) -> None:
        self._bars = bars
        self._task = task

    def advance(self, by: int = 1) -> None:
        """Go on by so many."""
        self._bars.advance(self._task, by)  # type: ignore[arg-type]

    def put(self, at: int) -> None:
        """Stand at so many."""
        self._bars.update(self._task, completed=at)  # type: ignore[arg-type]


def money(fen: int) -> str:
    """Yuan with two decimals."""
    return yuan(fen)
