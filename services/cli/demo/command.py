"""The command `jiexu demo`."""

from typing import Annotated

import typer

from services.cli import ExitCode, fail
from services.cli.stack import Kind, StackKind

HELP = """Start three provinces, move accounts between them, and prove what was done.

They run as processes of this machine or, with --stack compose, in containers.

Example: jiexu demo --cases 1000

Exit codes: 0 the replay agrees and the planted lie was found, 1 otherwise.
"""


def demo(
    cases: Annotated[int, typer.Option(min=100, max=100_000, help="Transfers beside the story's.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 20240506,
    keep: Annotated[bool, typer.Option(help="Leave everything running, to look further.")] = False,
    stack: Kind = StackKind.NATIVE,
) -> None:
    """Run the demo."""
    from deploy.local.processes import StackError
    from services.cli.demo.run import demo as run

    try:
        raise typer.Exit(run(cases=cases, seed=seed, keep=keep, kind=stack))
    except StackError as error:
        raise fail(str(error), ExitCode.NO) from None
