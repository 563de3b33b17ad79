"""``jiexu calendar``: bring next year's holiday notice into a directory of tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.rules.calendar_import import CalendarInvalid, parse_calendar, render_calendar
from services.rules.loader import TABLES_DIRECTORY, TablesInvalid, load_tables

HELP = f"""Take the State Council's holiday notice of a year into a directory of tables.

The file is CSV with the columns date,kind (holiday or make_up), or TOML like tables/calendar.toml. \
All errors are told at once and nothing is written then. \
Services read the directory that TABLES_DIR names when they start, and count provisional due dates again. A province that runs \
takes the notice without a restart: jiexu rules import.

Example: jiexu calendar notice-2027.csv --into tables --source "国务院办公厅关于2027年部分节假日安排的通知"

{EXIT_CODES}
"""


def calendar(
    file: Annotated[Path, typer.Argument(help="The notice, CSV or TOML.", exists=True, dir_okay=False, show_default=False)],
    into: Annotated[Path, typer.Option("--into", help="Directory of tables; made if it is not there.")],
    source: Annotated[str, typer.Option("--source", help="Title of the notice; needed for CSV.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Take a holiday notice into a directory of tables."""
    form: Literal["csv", "toml"] = "toml" if file.suffix == ".toml" else "csv"
    if form == "csv" and not source:
        raise typer.BadParameter("a CSV file does not say what notice it is", param_hint="--source")
    try:
        notices = parse_calendar(file.read_text(encoding="utf-8"), form, source=source)
    except UnicodeDecodeError:
        raise fail(f"{file} is not UTF-8", ExitCode.WRONG_USE) from None
    except CalendarInvalid as error:
        raise fail(str(error), ExitCode.NO) from None
    target = into / "calendar.toml"
    before = (target if target.exists() else TABLES_DIRECTORY / "calendar.toml").read_text(encoding="utf-8")
    known = {notice.year for notice in parse_calendar(before, "toml")}
    again = sorted(known & {notice.year for notice in notices})
    if again:
        years = ", ".join(map(str, again))
        raise fail(f"the notice of {years} is known already; edit {target} if it was changed", ExitCode.NO)
    into.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(".calendar.toml.new")
    draft.write_text(before.rstrip() + "\n\n" + "\n".join(render_calendar(notice) for notice in notices), encoding="utf-8")
    os.replace(draft, target)
    try:
        version = load_tables(into).version
    except TablesInvalid as error:
        raise fail(f"the notice is in, but {into} cannot be used: {error}", ExitCode.COULD_NOT_TELL) from None
    years_in = [notice.year for notice in notices]
    if as_json:
        print_json({"years": years_in, "tables": str(into), "rule_set": version})
        return
    typer.echo(f"{', '.join(map(str, years_in))} is in {target}; rule set {version}")
