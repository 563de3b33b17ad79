"""``jiexu deadline``: the last day of a limit in working days."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.rules.deadlines import due_on
from services.rules.loader import TablesInvalid, load_tables

HELP = f"""Say on which day a limit of so many working days ends. The day it starts is not counted.

Working days are those of the State Council's holiday notices. Beyond the years whose notice is known, Monday to Friday \
are counted and the date is marked provisional.

Example: jiexu deadline 2025-03-03 --days 15

{EXIT_CODES} A provisional date is an answer (0).
"""


def deadline(
    start: Annotated[str, typer.Argument(help="Day of the triggering event, YYYY-MM-DD.", show_default=False)],
    days: Annotated[int, typer.Option("--days", min=0, max=10_000, help="Working days of the limit.")] = 15,
    tables: Annotated[Path | None, typer.Option("--tables", help="Directory whose tables take the place of ours.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Say on which day a limit of so many working days ends."""
    try:
        started_on = date.fromisoformat(start)
    except ValueError:
        raise typer.BadParameter(f"{start!r} is not a date YYYY-MM-DD", param_hint="START") from None
    try:
        rules = load_tables(tables)
    except TablesInvalid as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None

    try:
        due = due_on(started_on, days, rules.calendar)
    except OverflowError:
        raise typer.BadParameter(f"{days} working days after {start} lie beyond all calendars") from None
    if as_json:
        print_json(
            {
                "start": started_on.isoformat(),
                "working_days": days,
                "due_on": due.on.isoformat(),
                "provisional": due.provisional,
                "rule_set": rules.version,
            }
        )
        return
    note = "  (provisional: no holiday notice is known for a year it touches)" if due.provisional else ""
    typer.echo(f"{due.on.isoformat()} {due.on:%A}{note}")
