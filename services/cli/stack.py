"""``jiexu up``, ``down`` and ``status``: the local stack with every service."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json

# What starts servers takes long to import, and `jiexu amounts` shall not wait for it.
if TYPE_CHECKING:
    from deploy.compose.stack import ComposeStack
    from deploy.local.services import Endpoints, Health

UP_HELP = f"""Bring up Kafka, PostgreSQL and the services of some provinces on this machine; return when all are ready.

What runs already is left alone, unless its settings or code have changed. Everything listens on 127.0.0.1 only and lives \
in one folder, .jiexu of this checkout, whose secrets are made when it first comes up. Servers named in the environment \
are used instead of local ones: JIEXU_KAFKA_BOOTSTRAP, JIEXU_KAFKA_ADMIN_USERNAME, JIEXU_KAFKA_ADMIN_PASSWORD, \
JIEXU_POSTGRES_URL. With --stack compose all of it runs in containers, by docker-compose.yml; its home is .jiexu/compose.

Example: jiexu up --provinces 44,33,41

{EXIT_CODES} 1: something did not become ready; what has started runs on, so that it can be looked at.
"""

DOWN_HELP = f"""Stop every service, then PostgreSQL and Kafka. The data stay, unless --wipe is given.

Example: jiexu down --wipe

{EXIT_CODES} 0 also when nothing ran.
"""

STATUS_HELP = f"""Show every server and service: its pid, its port, and whether it is ready or what it waits for.

Example: jiexu status --json

{EXIT_CODES} 1: something is not ready, or nothing was ever brought up.
"""

Home = Annotated[
    Path | None,
    typer.Option("--home", file_okay=False, help="Where this stack lives instead of .jiexu.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


class StackKind(StrEnum):
    """How servers and services run."""

    NATIVE = "native"
    COMPOSE = "compose"


Kind = Annotated[
    StackKind, typer.Option("--stack", envvar="STACK", help="Processes of this machine (native), or containers (compose).")
]


class ClockKind(StrEnum):
    """Which clock the services ask."""

    SYSTEM = "system"
    SCENARIO = "scenario"


def up(
    provinces: Annotated[str, typer.Option("--provinces", help="Two-digit codes, separated by commas.")] = "44,33,41",
    clock: Annotated[ClockKind, typer.Option("--clock", help="With `scenario`, days pass when they are told to.")] = (
        ClockKind.SYSTEM
    ),
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout", min=1, help="Seconds in which all have to be ready; 90, or 300 in containers.", show_default=False
        ),
    ] = None,
    stack: Kind = StackKind.NATIVE,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Bring the local stack up and return when all of it is ready."""
    from deploy.local.exchange import UnknownProvince, participating, prepare
    from deploy.local.processes import StackError
    from deploy.local.services import Provinces
    from deploy.local.stack import Stack

    codes = tuple(code.strip() for code in provinces.split(",") if code.strip())
    tell = _teller()
    try:
        participating(codes)  # before anything is started for nothing
        if stack is StackKind.COMPOSE:
            endpoints = _up_in_containers(codes, clock, timeout or 300, _home(home, stack), tell)
        else:
            servers = Stack.up(_home(home), tell=tell)
            prepare(servers, codes, tell=tell)
            running = Provinces(servers, codes, clock=clock.value)
            endpoints = running.start(tell=tell)
            running.wait_ready(timeout or 90)
    except UnknownProvince as error:
        raise typer.BadParameter(str(error), param_hint="--provinces") from None
    except StackError as error:
        raise fail(str(error), ExitCode.NO) from None
    tell("all are ready")
    if as_json:
        print_json(_as_json(endpoints))
    else:
        for name, url in [*endpoints.services.items(), ("bank", endpoints.bank)]:
            typer.echo(f"{name:24}  {url}")
        typer.echo(f"{'mails':24}  {endpoints.mail}")


def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove data, logs, secrets and mails.")] = False,
    stack: Kind = StackKind.NATIVE,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Stop the local stack."""
    from deploy.local.processes import StackError
    from deploy.local.services import forget
    from deploy.local.stack import Stack

    where = _home(home, stack)
    try:
        if stack is StackKind.COMPOSE:
            stopped = _compose(where).down(wipe=wipe, tell=_teller())
        else:
            servers = Stack(where)
            stopped = sorted(servers.processes)
            servers.down(wipe=wipe, tell=_teller())
    except StackError as error:
        raise fail(str(error), ExitCode.COULD_NOT_TELL) from None
    if wipe:
        forget(where)
    if as_json:
        print_json({"stopped": stopped, "wiped": wipe})
    elif not stopped:
        typer.echo("nothing was running")


def status(stack: Kind = StackKind.NATIVE, home: Home = None, as_json: AsJson = False) -> None:
    """Show how every server and service is doing."""
    from deploy.local.processes import StackError
    from deploy.local.services import health
    from deploy.local.stack import Stack

    where = _home(home, stack)
    try:
        found = _compose(where).health() if stack is StackKind.COMPOSE else health(Stack(where))
    except StackError as error:
        raise fail(str(error), ExitCode.COULD_NOT_TELL) from None
    ready = bool(found) and all(one.state == "ready" for one in found)
    if as_json:
        print_json({"ready": ready, "processes": [_health_as_json(one) for one in found]})
    elif not found:
        typer.echo("nothing was brought up; do so with: jiexu up")
    else:
        _print_table(found)
    if not ready:
        raise typer.Exit(ExitCode.NO)


def _home(home: Path | None, kind: StackKind = StackKind.NATIVE) -> Path:
    from deploy.local.stack import DEFAULT_HOME

    usual = DEFAULT_HOME / "compose" if kind is StackKind.COMPOSE else DEFAULT_HOME
    return (home or usual).resolve()


def _up_in_containers(
    provinces: tuple[str, ...], clock: ClockKind, timeout: int, home: Path, tell: Callable[[str], None]
) -> Endpoints:
    from deploy.compose.home import PROVINCES
    from deploy.compose.stack import ComposeStack

    if set(provinces) != set(PROVINCES):
        raise typer.BadParameter(f"docker-compose.yml has {','.join(PROVINCES)}, and no others", param_hint="--provinces")
    return ComposeStack(home, clock=clock.value).up(tell=tell, timeout_s=timeout)[1]


def _compose(home: Path) -> ComposeStack:
    from deploy.compose.engine import look_for_docker
    from deploy.compose.stack import ComposeStack

    look_for_docker()
    return ComposeStack(home)


def _teller() -> Callable[[str], None]:
    """Tells each step on standard error with the seconds since the first, so that answers can be piped."""
    began = time.monotonic()

    def tell(sentence: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {sentence}", err=True)

    return tell


def _as_json(endpoints: Endpoints) -> dict[str, object]:
    return endpoints.model_dump(mode="json", exclude={"started_with"})


def _health_as_json(one: Health) -> dict[str, object]:
    return {
        "name": one.name,
        "state": one.state,
        "pid": one.pid,
        "port": one.port,
        "waits_for": dict(one.waits_for),
        "log": str(one.log) if one.log is not None else None,
    }


def _print_table(found: list[Health]) -> None:
    typer.echo(f"{'name':<24}{'pid':>9}{'port':>7}  state    waits for")
    colours = {"ready": typer.colors.GREEN, "waiting": typer.colors.YELLOW}
    for one in found:
        reasons = "; ".join(f"{part}: {reason}" for part, reason in one.waits_for.items())
        if one.state == "ended":
            reasons = f"see {one.log}"
        state = typer.style(f"{one.state:<9}", fg=colours.get(one.state, typer.colors.RED))
        typer.echo(f"{one.name:<24}{one.pid or '':>9}{one.port or '':>7}  {state}{reasons}")
