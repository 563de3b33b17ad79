"""``jiexu rules``: rows of the dated tables come into a running province, and what holds on a day is shown."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.cli.running import answering, find_province
from services.rules.loader import TablesInvalid, build_tables, read_contents
from services.rules.table_import import ImportRefused, in_force_on

app = typer.Typer(no_args_is_help=True, help="The dated tables: what holds on a day, and rows that come in.")

IMPORT_HELP = f"""Import rows of one dated table into a province that runs here (jiexu up).

The file is TOML in the form of the tables, [[recording_rate]] and so on, or a holiday notice as CSV with date,kind. The journal \
says who brought which rows and what the rule set is called now; the services decide with them from here on, without a restart. \
A row that is in force without an end gives way on the first day of a new one. What would change answers for days that have \
passed is refused, unless --replace says so with a --reason. The same file again changes nothing.

Example: jiexu rules import rate-2026.toml --province 44

{EXIT_CODES}
"""
SHOW_HELP = f"""Show the rows of a dated table, or those in force on a day.

Of the province's running services with --province, else of the tables that we ship or that --tables names.

Example: jiexu rules show recording_rates --on 2024-12-31 --province 44

{EXIT_CODES}
"""
DECIDED_HELP = f"""Show every row that no source settles: decided by us, or not sure.

design: decided without a source. unsure: from memory, or of one place. untrusted: a list that nobody has checked. Change one \
with `jiexu rules import`: another value from a day, or for one province.

Example: jiexu rules decided --confidence design

{EXIT_CODES}
"""


@app.command("import", help=IMPORT_HELP)
def import_(
    file: Annotated[Path, typer.Argument(help="Rows, TOML or CSV.", exists=True, dir_okay=False, show_default=False)],
    province: Annotated[str, typer.Option("--province", help="Two digits.")],
    source: Annotated[str, typer.Option("--source", help="Title of the notice; needed for CSV.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="They may change answers for days that have passed.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, with --replace; it stands on the journal.")] = "",
    home: Annotated[Path | None, typer.Option("--home", help="Where the stack lives instead of .jiexu.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Import rows of one dated table."""
    form = "toml" if file.suffix == ".toml" else "csv"
    if form == "csv" and not source:
        raise typer.BadParameter("a CSV file does not say what notice it is", param_hint="--source")
    if replace and len(reason.strip()) < 3:
        raise typer.BadParameter("rows that replace others need a reason", param_hint="--reason")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise fail(f"{file} is not UTF-8", ExitCode.WRONG_USE) from None
    wish = {"text": text, "form": form, "source": source, "replace": replace, "reason": reason}
    status, answer = asyncio.run(_ask(province, home, "POST", "/rules/imports", json=wish))
    if as_json:
        print_json(answer)
    elif status >= 400:
        for error in answer.get("errors", ()):
            typer.echo(error["reason"], err=True)
        typer.echo(f"{answer['code']}: {answer['detail']} {answer.get('remedy', '')}".rstrip(), err=True)
    else:
        known = "were there already" if status == 200 else "are in force"
        typer.echo(f"{answer['rows']} rows of {answer['table']} from {answer['effective_from']} {known}")
        typer.echo(f"rule set {answer['rule_set_before']} -> {answer['rule_set_after']}")
    if status >= 400:
        raise typer.Exit(ExitCode.NO)


@app.command(help=SHOW_HELP)
def show(
    table: Annotated[str, typer.Argument(help="Name of the table, like recording_rates.", show_default=False)],
    on: Annotated[str, typer.Option("--on", help="Only what is in force on this day, YYYY-MM-DD.")] = "",
    province: Annotated[str, typer.Option("--province", help="Ask this province's services.")] = "",
    tables: Annotated[Path | None, typer.Option("--tables", help="Directory whose tables take the place of ours.")] = None,
    home: Annotated[Path | None, typer.Option("--home", help="Where the stack lives instead of .jiexu.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Show the rows of a dated table."""
    try:
        day = date.fromisoformat(on) if on else None
    except ValueError:
        raise typer.BadParameter(f"{on!r} is not YYYY-MM-DD", param_hint="--on") from None
    if province and tables is not None:
        raise typer.BadParameter("a running province has tables of its own", param_hint="--tables")
    answer = _running(province, home, table, on) if province else _shipped(tables, table, day)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"rule set {answer['rule_set']}")
        for row in answer["rows"]:
            until = "" if row.get("effective_to", "open") == "open" else f" to {row['effective_to']}"
            said = {key: value for key, value in row.items() if key not in _DATES}
            typer.echo(f"{row['effective_from']}{until}  " + ", ".join(f"{key} {_short(value)}" for key, value in said.items()))
    if not answer["rows"]:
        raise typer.Exit(ExitCode.NO)


@app.command(help=DECIDED_HELP)
def decided(
    confidence: Annotated[list[str] | None, typer.Option("--confidence", help="design, unsure or untrusted; all three.")] = None,
    tables: Annotated[Path | None, typer.Option("--tables", help="Directory whose tables take the place of ours.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Show every row that no source settles."""
    wanted = set(confidence or DOUBTFUL)
    if not wanted <= set(DOUBTFUL):
        raise typer.BadParameter(f"write {' or '.join(DOUBTFUL)}", param_hint="--confidence")
    try:
        names = sorted(
            name for name, rows in read_contents(tables).items() if any(isinstance(row, list) for row in rows.values())
        )
        found = [
            {"table": name, **row}
            for name in names
            for row in _shipped(tables, name, None)["rows"]
            if row["confidence"] in wanted
        ]
    except TablesInvalid as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None
    if as_json:
        print_json(found)
        return
    for row in found:
        says = ", ".join(f"{key} {_short(value)}" for key, value in row.items() if key not in {*_DATES, *_WORDS})
        typer.echo(f"{row['confidence']}  {row['table']}  {row['effective_from']}  {says}")
    typer.echo(f"{len(found)} rows")


DOUBTFUL = ("design", "unsure", "untrusted")
_DATES = ("effective_from", "effective_to", "key")
# What a row says to people, and what stands in the line already.
_WORDS = frozenset(
    {"table", "confidence", "source", "legal_basis"}
    | {f"{what}_{language}" for what in ("name", "text", "reason", "remedy", "to_do") for language in ("zh", "en")}
)


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _shipped(directory: Path | None, table: str, on: date | None) -> dict[str, Any]:
    try:
        contents = read_contents(directory)
        rows, rule_set = in_force_on(contents, table, on), build_tables(contents).version
    except ImportRefused as error:
        raise fail(f"{error}; there are {', '.join(sorted(set(contents) - {'version'}))}", ExitCode.WRONG_USE) from None
    except TablesInvalid as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None
    plain = [{key: value if isinstance(value, bool | int | list) else str(value) for key, value in row.items()} for row in rows]
    listed = [{key: list(map(str, value)) if isinstance(value, list) else value for key, value in row.items()} for row in plain]
    return {"table": table, "on": None if on is None else on.isoformat(), "rule_set": rule_set, "rows": listed}


def _running(province: str, home: Path | None, table: str, on: str) -> dict[str, Any]:
    status, answer = asyncio.run(_ask(province, home, "GET", f"/rules/{table}", params={"on": on} if on else None))
    if status >= 400:
        raise fail(f"{answer['code']}: {answer['detail']}", ExitCode.WRONG_USE)
    return answer


async def _ask(
    province: str, home: Path | None, method: str, path: str, *, json: Any = None, params: Any = None
) -> tuple[int, dict[str, Any]]:
    """One request to a province's origin agency, as an operator."""
    import httpx

    from services.cli.play import ORIGIN
    from services.runtime.identity import Role

    endpoints, tokens = find_province(province, home)
    token = tokens.staff(province, Role.OPERATOR)
    base = endpoints.url(province, ORIGIN)
    with answering(f"the origin agency of {province}"):
        async with httpx.AsyncClient(base_url=base, timeout=60, headers={"authorization": f"Bearer {token}"}) as client:
            answer = await client.request(method, path, json=json, params=params)
            if answer.status_code >= 500:
                answer.raise_for_status()
            return answer.status_code, answer.json()
