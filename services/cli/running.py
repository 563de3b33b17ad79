"""A province that runs here (jiexu up), as commands find it: where its services are, and tokens of its staff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli import ExitCode, fail

if TYPE_CHECKING:
    from deploy.local.services import Endpoints, Tokens


def find_province(province: str, home: Path | None) -> tuple[Endpoints, Tokens]:
    """Where the services of a province are that runs here, and who issues tokens for them.

    Args:
        home: where the stack lives instead of `.jiexu`.

    Raises:
        Exit: WRONG_USE where the province does not run there.
    """
    from deploy.local.processes import StackError
    from deploy.local.services import Endpoints, tokens
    from deploy.local.stack import DEFAULT_HOME

    where = home or DEFAULT_HOME
    try:
        endpoints = Endpoints.load(where)
        if endpoints is None or province not in endpoints.provinces:
            what = f"province {province} does not run in {where}; start it: jiexu up --provinces {province}"
            raise fail(what, ExitCode.WRONG_USE)
        return endpoints, tokens(where)
    except StackError as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None


@contextmanager
def answering(who: str) -> Iterator[None]:
    """End the command where the service that is asked does not answer.

    Raises:
        Exit: COULD_NOT_TELL, in place of any error of HTTP.
    """
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise fail(f"{who} does not answer: {type(error).__name__}", ExitCode.COULD_NOT_TELL) from None
