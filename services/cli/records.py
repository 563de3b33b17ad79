"""``jiexu records import``: bring a province's contribution records in, through its origin agency."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.cli.running import answering, find_province

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(no_args_is_help=True, help="Contribution records of a province.")

HELP = f"""Import persons and contributions into a province that runs here (jiexu up).

Everything that is wrong is told at once by file, line, column, value and remedy, and nothing of a bad file is stored, unless \
--accept-good-rows takes the persons without any error. The same files again are the same import.

Example: jiexu records import --persons persons.csv --contributions contributions.csv --province 44

{EXIT_CODES}
"""

_Refusal = dict[str, Any]


@app.callback()
def records() -> None:
    """Keep subcommands by name, however few there are."""


@app.command("import", help=HELP)
def import_(
    province: Annotated[str, typer.Option("--province", help="Two digits.")],
    persons: Annotated[Path | None, typer.Option("--persons", exists=True, dir_okay=False)] = None,
    contributions: Annotated[Path | None, typer.Option("--contributions", exists=True, dir_okay=False)] = None,
    accept_good_rows: Annotated[bool, typer.Option("--accept-good-rows", help="Take the persons without any error.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="Where the stack lives instead of .jiexu.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Import persons and contributions."""
    if persons is None and contributions is None:
        raise typer.BadParameter("name --persons, --contributions or both")
    try:
        files = {
            "persons_csv": persons.read_text(encoding="utf-8") if persons else None,
            "contributions_csv": contributions.read_text(encoding="utf-8") if contributions else None,
            "accept_good_rows": accept_good_rows,
        }
    except UnicodeDecodeError:
        raise fail("the files must be UTF-8", ExitCode.WRONG_USE) from None
    state, refused = asyncio.run(_import(province, files, home))
    errors: list[_Refusal] = (refused or state)["errors"]
    if as_json:
        print_json(refused or state)
    else:
        for error in errors:
            line = f"{error['file']}, line {error['line']}, {error['column']}: {error['value']!r} {error['reason']}"
            typer.echo(f"{line}; {error['remedy']}", err=True)
        if refused:
            typer.echo(refused["detail"], err=True)
        else:
            typer.echo(f"{state['persons_done']} persons with {state['rows']} rows are booked; {state['refused_rows']} refused")
    if refused or (errors and not accept_good_rows):
        raise typer.Exit(ExitCode.NO)


async def _import(province: str, files: dict[str, Any], home: Path | None) -> tuple[dict[str, Any], _Refusal | None]:
    """Send the files and wait until they are booked; returns the import's state, or the refusal."""
    import httpx

    from services.cli.play import ORIGIN
    from services.runtime.identity import Role

    endpoints, tokens = find_province(province, home)
    token = tokens.staff(province, Role.OPERATOR)
    base = endpoints.url(province, ORIGIN)
    with answering(f"the origin agency of {province}"):
        async with httpx.AsyncClient(base_url=base, timeout=120, headers={"authorization": f"Bearer {token}"}) as client:
            answer = await client.post("/records/imports", json=files)
            if answer.status_code == 422:
                return {}, answer.json()
            answer.raise_for_status()
            begun = answer.json()
            with _bar(begun.get("persons", 0)) as put:
                while True:
                    state: dict[str, Any] = (await client.get(f"/records/imports/{begun['import_id']}")).json()
                    put(state["persons_done"])
                    if state["state"] == "done":
                        return state, None
                    await asyncio.sleep(0.2)


class _bar:
    """A progress bar on standard error where somebody looks."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty())
        self._task = self._progress.add_task("booking persons", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda at: self._progress.update(self._task, completed=at)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
