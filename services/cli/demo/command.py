"""The command `jiexu demo`."""

from typing import Annotated

import typer

HELP = """Start three provinces, move accounts between them, and prove what was done.

Example: jiexu demo --cases 1000

Exit codes: 0 the replay agrees and the planted lie was found, 1 otherwise.
"""


def demo(
    cases: Annotated[int, typer.Option(min=100, max=100_000, help="Transfers beside the story's.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 20240506,
    keep: Annotated[bool, typer.Option(help="Leave everything running, to look further.")] = False,
) -> None:
    """Run the demo."""
    from services.cli.demo.run import demo as run

    raise typer.Exit(run(cases=cases, seed=seed, keep=keep))
