"""The one command, ``jiexu``: every answer also as JSON, every outcome as an exit code."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

import typer


class ExitCode(IntEnum):
    """How every subcommand ends."""

    YES = 0
    NO = 1
    WRONG_USE = 2
    COULD_NOT_TELL = 3


EXIT_CODES = "Exit codes: 0 yes, 1 the answer is no, 2 wrong use, 3 could not tell."


def print_json(answer: Any) -> None:
    """Write an answer as one JSON document to standard output."""
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def fail(message: str, code: ExitCode) -> typer.Exit:
    """Write why to standard error and return the exit to raise."""
    typer.echo(message, err=True)
    return typer.Exit(code)
