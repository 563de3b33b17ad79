"""``jiexu doctor``: names what is wrong with a stack, its cause before its symptoms, and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json

# What looks at servers takes long to import, and `jiexu amounts` shall not wait for it.
if TYPE_CHECKING:
    from deploy.local.services import Endpoints
    from deploy.local.stack import Stack
    from services.cli.doctor.findings import Diagnosis, Finding, Found

HELP = f"""Look at every server and service of a stack, and name what is wrong: the cause first, then what follows from it, and \
for each cause what to do. Nothing is changed.

Example: jiexu doctor --json

{EXIT_CODES} 0: all is well. 1: something is wrong. 3: nothing wrong was found, but not everything could be looked at.
"""

Home = Annotated[
    Path | None,
    typer.Option("--home", file_okay=False, help="Where this stack lives instead of .jiexu.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Say what is wrong with the stack of a home."""
    from deploy.local.processes import StackError
    from deploy.local.stack import DEFAULT_HOME

    began = time.monotonic()
    try:
        found = examine((home or DEFAULT_HOME).resolve())
    except StackError as error:
        raise fail(str(error), ExitCode.COULD_NOT_TELL) from None
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found, time.monotonic() - began)
    if found.causes:
        raise typer.Exit(ExitCode.NO)
    if found.unknown:
        raise typer.Exit(ExitCode.COULD_NOT_TELL)


def examine(home: Path) -> Diagnosis:
    """Look at everything, servers before services, so that a cause is known before its symptoms.

    Raises:
        StackError: when what the home remembers cannot be read.
    """
    from deploy.local.services import Endpoints
    from deploy.local.stack import DEFAULT_HOME, Stack
    from services.cli.doctor.findings import Finding, Found

    found = Found()
    stack = Stack(home)
    endpoints = Endpoints.load(home) if home.is_dir() else None
    where = "" if home == DEFAULT_HOME else f" --home {home}"
    if endpoints is None:
        found.add([Finding("stack", f"nothing was ever brought up in {home}", f"jiexu up{where}")])
        return found.diagnosis()
    clock = " --clock scenario" if endpoints.clock == "scenario" else ""
    up = f"jiexu up --provinces {','.join(endpoints.provinces)}{clock}{where}"
    _Examination(stack, endpoints, up, where, found).run()
    return found.diagnosis()


class _Examination:
    """One examination of one stack."""

    def __init__(self, stack: Stack, endpoints: Endpoints, up: str, where: str, found: Found) -> None:
        self._stack = stack
        self._endpoints = endpoints
        self._up = up
        self._where = where
        self._found = found

    def run(self) -> None:
        """Look at everything."""
        from services.cli.doctor import machine, running
        from services.cli.doctor.findings import Finding

        stack, endpoints, found = self._stack, self._endpoints, self._found
        services = {**endpoints.services, **getattr(endpoints, "replicas", {}), "bank": endpoints.bank}
        records, ports = stack.processes, stack.ports
        local = "kafka" in ports or bool(records)  # containers and named servers are not this machine's processes
        if local and not records:
            says = f"nothing of the stack in {stack.home} runs: it was taken down"
            found.add([Finding("stack", says, self._up)])
            return
        self._check("disk", lambda: machine.disk(stack.home))
        if local:
            expected = ["smtp-sink", *services, *(name for name in ("kafka", "postgres") if name in ports)]
            self._check("processes", lambda: machine.processes(expected, records, ports, self._up))
        self._kafka()
        self._postgres()
        if local:
            self._check("mail", lambda: running.mail(endpoints.smtp_port), "smtp-sink")
        answering = {name: url for name, url in services.items() if not found.wrong_with(name)}
        heard = running.hear(answering, operator=self._operators() if endpoints.clock == "scenario" else {})
        self._check("health", lambda: running.health(heard, up=self._up))
        for look in (*self._late_kafka, *self._late_postgres):
            look()
        self._check("figures", lambda: running.figures(heard, where=self._where))
        self._check("clocks", lambda: running.clocks(heard))
        clock = max((each.clock for each in heard if each.clock is not None), default=None)
        self._check("tables", lambda: self._tables(clock))
        if local:
            self._check("leftovers", lambda: machine.leftovers(stack.home, records))
            self._check("secrets", lambda: machine.secrets(stack.home))
        self._check("packages", machine.packages)

    def _check(self, name: str, look: Callable[[], list[Finding]], *because: str) -> None:
        """Do one check; whatever goes wrong with it is told as something that could not be looked at."""
        from services.cli.doctor.findings import Unknown

        try:
            self._found.add(look())
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            self._found.unknown.append(Unknown(name, reason, because))

    def _kafka(self) -> None:
        from deploy.local.exchange import signed_directory
        from services.cli.doctor import trust
        from services.cli.doctor.servers import KafkaDoctor
        from services.runtime.clock import Clock

        self._late_kafka: list[Callable[[], None]] = []
        if self._found.wrong_with("kafka"):
            return
        doctor = KafkaDoctor(self._stack, self._endpoints.provinces, self._up)
        self._check("kafka", doctor.answers, "kafka")
        if self._found.wrong_with("kafka"):
            return
        self._check("kafka principals", doctor.credentials, "kafka")
        self._check("kafka topics", doctor.contents, "kafka")
        self._check("kafka ACLs", doctor.acls, "kafka")

        def keys() -> list[Finding]:
            folder, provinces = self._stack.secrets.folder, self._endpoints.provinces
            if not (folder / "password-kafka-00.audit").exists():
                raise FileNotFoundError(f"{folder}/password-kafka-00.audit")  # to ask for it would make another one
            directory = signed_directory(self._stack)
            return trust.look(folder, directory, provinces, now=Clock().now(), up=self._up)

        self._check("directory and keys", keys, "kafka", "principal 00.audit", "acl 00.audit", "topic directory")
        self._late_kafka.append(lambda: self._check("consumers", doctor.groups, "kafka"))

    def _postgres(self) -> None:
        from services.cli.doctor.servers import PostgresDoctor

        self._late_postgres: list[Callable[[], None]] = []
        if self._found.wrong_with("postgres"):
            return
        doctor = PostgresDoctor(self._stack, self._endpoints.provinces, self._up)
        self._check("postgres", doctor.answers, "postgres")
        if self._found.wrong_with("postgres"):
            return
        self._check("postgres settings", doctor.server, "postgres")
        self._check("postgres roles", doctor.roles, "postgres")
        self._check("migrations", doctor.migrations, "postgres")
        self._late_postgres.append(lambda: self._check("relays", doctor.relays, "postgres"))

    def _operators(self) -> dict[str, str]:
        """By province, a token with which a scenario's clock may be read."""
        from deploy.local.services import tokens
        from services.runtime.identity import Role

        if not (self._stack.secrets.folder / "tokens.private.json").exists():
            return {}  # to ask for it would make another one
        known = tokens(self._stack.home)
        return {province: known.staff(province, Role.OPERATOR) for province in self._endpoints.provinces} | {
            "bank": known.staff("00", Role.OPERATOR)
        }

    def _tables(self, clock: datetime | None) -> list[Finding]:
        from services.cli.doctor import running
        from services.rules.loader import load_tables
        from services.runtime.clock import Clock

        return running.tables(load_tables(), clock.date() if clock is not None else Clock().today())


def _as_json(found: Diagnosis) -> dict[str, object]:
    return {
        "well": found.well,
        "looked_at": found.looked_at,
        "causes": [
            {
                "about": cause.finding.about,
                "says": cause.finding.says,
                "remedy": cause.finding.remedy,
                "explains": [{"about": each.about, "says": each.says} for each in cause.explains],
            }
            for cause in found.causes
        ],
        "could_not_tell": [asdict(each) for each in found.unknown],
        "notes": [{"about": each.about, "says": each.says, "remedy": each.remedy} for each in found.notes],
    }


def _print(found: Diagnosis, seconds: float) -> None:
    for number, cause in enumerate(found.causes, 1):
        typer.echo(typer.style(f"{number}. {cause.finding.says}", fg=typer.colors.RED))
        typer.echo(f"   do: {cause.finding.remedy}")
        for each in cause.explains:
            typer.echo(f"   so: {each.says}")
    for unknown in found.unknown:
        typer.echo(typer.style(f"could not tell: {unknown.check}: {unknown.reason}", fg=typer.colors.YELLOW))
    for note in found.notes:
        typer.echo(f"note: {note.says}")
        typer.echo(f"   do: {note.remedy}")
    if found.well:
        typer.echo(typer.style("all is well", fg=typer.colors.GREEN) + f": {found.looked_at} checks in {seconds:.1f} s")
    elif found.causes:
        many = f"{len(found.causes)} causes" if len(found.causes) > 1 else "1 cause"
        typer.echo(f"{many}; {found.looked_at} checks in {seconds:.1f} s")
