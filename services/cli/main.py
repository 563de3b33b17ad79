"""The console script ``jiexu``: puts the subcommands together."""

from __future__ import annotations

import typer

from services.cli import EXIT_CODES
from services.cli.amounts import HELP as AMOUNTS_HELP
from services.cli.amounts import amounts
from services.cli.audit import app as audit
from services.cli.bench import CONTEXT as BENCH_CONTEXT
from services.cli.bench import HELP as BENCH_HELP
from services.cli.bench import bench
from services.cli.calendar import HELP as CALENDAR_HELP
from services.cli.calendar import calendar
from services.cli.deadline import HELP as DEADLINE_HELP
from services.cli.deadline import deadline
from services.cli.demo.command import HELP as DEMO_HELP
from services.cli.demo.command import demo
from services.cli.doctor.command import HELP as DOCTOR_HELP
from services.cli.doctor.command import doctor
from services.cli.pension import HELP as PENSION_HELP
from services.cli.pension import pension
from services.cli.place import HELP as PLACE_HELP
from services.cli.place import place
from services.cli.quarantine import app as quarantine
from services.cli.records import app as records
from services.cli.rules import app as rules
from services.cli.scenario.command import app as scenario
from services.cli.stack import DOWN_HELP, STATUS_HELP, UP_HELP, down, status, up
from services.cli.year_end import HELP as YEAR_END_HELP
from services.cli.year_end import year_end
from services.runtime.logs import logs_of_a_command


def build_app() -> typer.Typer:
    """Assemble the command with its subcommands."""
    # Local variables hold persons' data, so a failure never prints them.
    app = typer.Typer(
        name="jiexu",
        help=f"Carries pension relationships between provinces. {EXIT_CODES}",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,
    )
    app.command("amounts", help=AMOUNTS_HELP)(amounts)
    app.command("deadline", help=DEADLINE_HELP)(deadline)
    app.command("place", help=PLACE_HELP)(place)
    app.command("pension", help=PENSION_HELP)(pension)
    app.command("calendar", help=CALENDAR_HELP)(calendar)
    app.command("year-end", help=YEAR_END_HELP)(year_end)
    app.command("up", help=UP_HELP)(up)
    app.command("down", help=DOWN_HELP)(down)
    app.command("status", help=STATUS_HELP)(status)
    app.command("doctor", help=DOCTOR_HELP)(doctor)
    app.command("demo", help=DEMO_HELP)(demo)
    app.command("bench", help=BENCH_HELP, context_settings=BENCH_CONTEXT)(bench)

    app.add_typer(audit, name="audit")
    app.add_typer(records, name="records")
    app.add_typer(rules, name="rules")
    app.add_typer(quarantine, name="quarantine")
    app.add_typer(scenario, name="scenario")

    @app.callback()
    def jiexu() -> None:
        """Before any subcommand: what shared code logs goes to standard error."""
        logs_of_a_command()

    return app


def main() -> None:
    """Run the command."""
    build_app()()
