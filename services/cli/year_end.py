"""``jiexu year-end``: a year's interest for every account of a province, proposed by one person and let go by another."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli import EXIT_CODES, ExitCode, print_json
from services.cli.running import answering, find_province

if TYPE_CHECKING:
    import httpx

HELP = f"""Credit a year's interest to every account of a province that runs here (jiexu up).

Without --approve the run is proposed, or shown where it is proposed already. With --approve a second person lets it go, or go \
on where it stopped, and its progress is shown until its end. It may be broken off anywhere: it goes on when the service is \
there again, and no account gets a year twice.

Example: jiexu year-end 2024 --province 44, then: jiexu year-end 2024 --province 44 --approve

{EXIT_CODES} 1: the year is not over, its rate is not published, or the run stopped; the reason is told.
"""


def year_end(
    year: Annotated[int, typer.Argument(min=1998, max=2100, help="The year.", show_default=False)],
    province: Annotated[str, typer.Option("--province", help="Two digits.")],
    approve: Annotated[bool, typer.Option("--approve", help="Let it go, as a second person.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="Where the stack lives instead of .jiexu.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Credit a year's interest to every account of a province."""
    status, run = asyncio.run(_run(province, year, approve, home))
    if as_json:
        print_json(run)
    elif status >= 400:
        typer.echo(f"{run['code']}: {run['detail']} {run.get('remedy', '')}".rstrip(), err=True)
    elif run["state"] == "proposed":
        typer.echo(
            f"the run of {year} is proposed; a second person lets it go: jiexu year-end {year} --province {province} --approve"
        )
    else:
        from services.rules.amounts import yuan

        typer.echo(
            f"the run of {year} is {run['state']}: {run['looked_at']:,} of {run['due']:,} accounts, "
            f"{run['credited']:,} credited with {yuan(run['interest_fen'])} yuan"
        )
        if run["reason"]:
            typer.echo(run["reason"], err=True)
    if status >= 400 or run["state"] == "stopped":
        raise typer.Exit(ExitCode.NO)


async def _run(province: str, year: int, approve: bool, home: Path | None) -> tuple[int, dict[str, Any]]:
    """Propose, or approve and wait for the end; the status of the last answer, and the run or the problem."""
    import httpx

    from services.cli.play import ORIGIN
    from services.runtime.identity import Role

    endpoints, tokens = find_province(province, home)
    staff = {role: tokens.staff(province, role) for role in (Role.OPERATOR, Role.CHECKER)}
    base = endpoints.url(province, ORIGIN)
    headers = {role: {"authorization": f"Bearer {token}"} for role, token in staff.items()}
    with answering(f"the origin agency of {province}"):
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            every = await client.get("/year-ends", headers=headers[Role.OPERATOR])
            every.raise_for_status()
            open_run = next(
                (run for run in every.json() if run["year"] == year and run["state"] in ("proposed", "running", "stopped")), None
            )
            if open_run is None:
                answer = await client.post("/year-ends", json={"year": year}, headers=headers[Role.OPERATOR])
                if answer.status_code >= 400 or not approve:
                    return _read(answer)
                open_run = answer.json()
            elif not approve:
                return 200, open_run
            path = f"/year-ends/{open_run['run_id']}"
            if open_run["state"] != "running":
                answer = await client.post(f"{path}/approvals", headers=headers[Role.CHECKER])
                if answer.status_code >= 400:
                    return _read(answer)
            return await _watch(client, path, headers[Role.OPERATOR])


def _read(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    if answer.status_code >= 500:
        answer.raise_for_status()
    return answer.status_code, answer.json()


async def _watch(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Show how far a run is, on standard error where somebody looks, until it is at its end or stands still."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("crediting accounts", total=None)
        while True:
            status, run = _read(await client.get(path, headers=headers))
            if status >= 400 or run["state"] != "running":
                return status, run
            progress.update(task, total=run["due"], completed=run["looked_at"])
            await asyncio.sleep(0.5)
