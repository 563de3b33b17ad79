"""``jiexu scenario run``: stories of cases against running services; ``jiexu scenario schema``: their format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json

# What speaks with services takes long to import, and `jiexu amounts` shall not wait for it.
if TYPE_CHECKING:
    from services.cli.scenario.format import Story
    from services.cli.scenario.run import StoryResult

app = typer.Typer(no_args_is_help=True, help="Stories of cases, told against running services.")

RUN_HELP = f"""Tell stories, each a YAML file, or every one of a folder; docs/scenarios.md says how they are written.

The services must ask a scenario's clock (jiexu up --clock scenario): each story begins with a fresh clock on its own day and \
with people of its own. While it runs nobody else should use the stack. Nothing is sent before every file was found right.

Example: jiexu scenario run tests/scenarios --junit report.xml

{EXIT_CODES} 1: something was not as expected; 2: a file is no story, and is named by line and field; 3: no services, or not \
those that a story needs.
"""
SCHEMA_HELP = f"""Print the JSON Schema of a story, for editors that check while one writes.

Example: jiexu scenario schema > scenario.schema.json

{EXIT_CODES}
"""


@app.command("run", help=RUN_HELP)
def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="A stack's folder, or a file or URL with the services' addresses; .jiexu by default.",
            show_default=False,
        ),
    ] = None,
    token_key: Annotated[
        Path | None, typer.Option("--token-key", dir_okay=False, help="Private JWK that issues tokens.", show_default=False)
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", dir_okay=False, help="Write JUnit's XML there.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read the files and say what is wrong with them.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="A line a story, and what went wrong.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Read all stories, then tell them in the order in which they are named."""
    import asyncio

    from services.cli.scenario import report
    from services.cli.scenario.run import Outcome

    stories = _read(files, as_json=as_json)
    if check:
        if as_json:
            print_json([{"file": story.file, "title": story.title, "problems": []} for story in stories])
        else:
            typer.echo(f"{len(stories)} stories, nothing wrong with any")
        return
    results = asyncio.run(_tell(stories, against, token_key, quiet=quiet, silent=as_json))
    if junit is not None:
        junit.write_bytes(report.junit(results))
    if as_json:
        print_json(report.as_json(results))
    else:
        for line in ("", *report.table(results)):
            typer.echo(line)
    ended = {result.outcome for result in results}
    if Outcome.FAILED in ended:
        raise typer.Exit(ExitCode.NO)
    if Outcome.COULD_NOT_TELL in ended:
        raise typer.Exit(ExitCode.COULD_NOT_TELL)


@app.command("schema", help=SCHEMA_HELP)
def schema() -> None:
    """Print the JSON Schema."""
    from services.cli.scenario.schema import json_schema

    print_json(json_schema())


def _read(files: list[Path], *, as_json: bool) -> list[Story]:
    """Read every file before anything is sent.

    Raises:
        typer.Exit: 2 with everything that is wrong in any of them.
    """
    from services.cli.scenario import report
    from services.cli.scenario.format import read_story
    from services.cli.scenario.reading import Problem, StoryInvalid

    stories: list[Story] = []
    problems: list[tuple[Problem, str | None]] = []
    for file in _expanded(files):
        try:
            stories.append(read_story(file))
        except StoryInvalid as error:
            text = file.read_text("utf-8", "replace") if file.is_file() else None
            problems.extend((problem, text) for problem in error.problems)
    if problems:
        if as_json:
            rows = [
                {
                    "file": problem.file,
                    "line": problem.place.line,
                    "column": problem.place.column,
                    "field": problem.field,
                    "says": problem.says,
                }
                for problem, _ in problems
            ]
            print_json({"problems": rows})
        else:
            for problem, text in problems:
                for line in report.problem_lines(problem, text):
                    typer.echo(line, err=True)
        raise typer.Exit(ExitCode.WRONG_USE)
    return stories


def _expanded(files: list[Path]) -> list[Path]:
    """The files, and of a folder its stories by name; what waits in a folder below is left out."""
    found: list[Path] = []
    for file in files:
        if file.is_dir():
            inside = sorted(file.glob("*.yaml"))
            if not inside:
                raise fail(f"{file} holds no story (*.yaml)", ExitCode.WRONG_USE)
            found.extend(inside)
        else:
            found.append(file)
    return found


async def _tell(
    stories: list[Story], against: str | None, token_key: Path | None, *, quiet: bool, silent: bool
) -> list[StoryResult]:
    from services.cli.play import Stage
    from services.cli.scenario import report
    from services.cli.scenario.against import AddressInvalid, NothingThere, ground
    from services.cli.scenario.run import Outcome, StepResult, tell_all

    try:
        on = ground(against, token_key)
    except AddressInvalid as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None
    except NothingThere as error:
        raise fail(str(error), ExitCode.COULD_NOT_TELL) from None

    def told(result: StepResult) -> None:
        went_wrong = result.outcome in (Outcome.FAILED, Outcome.COULD_NOT_TELL)
        if silent or (quiet and not went_wrong):
            return
        for line in (report.step_line(result), *report.details(result)):
            typer.echo(line)

    def ended(result: StoryResult) -> None:
        if not silent:
            for line in report.story_lines(result):
                typer.echo(line)

    stage = Stage(on.endpoints, on.tokens)
    try:
        return await tell_all(stage, stories, home=on.home, told=told, ended=ended)
    finally:
        await stage.close()
