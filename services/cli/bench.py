"""The command `jiexu bench`: starts the bench of this checkout, which is no part of what is installed."""

import os
import subprocess
import sys

import typer

from services.cli import ExitCode, fail

HELP = """Measure what a case costs and how fast it goes, beside a bare saga on the same servers.

Whatever follows goes to the bench; `jiexu bench -- --help` shows what it takes. It runs from a checkout alone.

Example: jiexu bench --only rounds --cases 2000

Exit codes: 0 each figure has its clean replay, 1 one has not, 2 wrong use, 3 no figures.
"""

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}
"""So that options which are the bench's own are handed on."""


def bench(context: typer.Context) -> None:
    """Run the bench as a process of its own: what is measured must not share one with the command."""
    from deploy.local.native import CHECKOUT

    if not (CHECKOUT / "tests" / "bench" / "__main__.py").is_file():
        raise fail("the bench is not here; run this from a checkout", ExitCode.COULD_NOT_TELL)
    command = [sys.executable, "-m", "tests.bench", *context.args]
    done = subprocess.run(command, cwd=CHECKOUT, env=dict(os.environ), check=False)  # noqa: S603 - our own module
    raise typer.Exit(done.returncode)
