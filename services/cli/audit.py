"""``jiexu audit``: take a province's log out, verify it, fold it again, and compare provinces with each other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cli import EXIT_CODES, ExitCode, fail, print_json

# What is below is imported where it is used, so that the other subcommands start without Kafka's libraries.
if TYPE_CHECKING:
    from contracts.directory import SignedCheckpoint
    from deploy.local.stack import Stack
    from services.audit.export import Exported
    from services.audit.replay import Pair, ReplayReport
    from services.audit.verify import Outcome, Verdict
    from services.ledger.journal import Head
    from services.runtime.broker import KafkaAccess

HELP = f"""Check what a province said, without believing anybody: export, verify, replay, reconcile.

Servers are those of the local stack, unless JIEXU_KAFKA_BOOTSTRAP (with JIEXU_KAFKA_USERNAME, JIEXU_KAFKA_PASSWORD) or \
JIEXU_POSTGRES_URL say otherwise. The directory's root fingerprint always comes from outside the export: from --root, \
JIEXU_DIRECTORY_ROOT, or the local stack's own key.

Example: jiexu audit export --province 44 --out audit && jiexu audit verify audit/44

{EXIT_CODES}
"""
EXPORT_HELP = f"""Export a province's log: records with their proofs, signed checkpoints, the directory, and a manifest.

Example: jiexu audit export --province 44 --from kafka --out audit

{EXIT_CODES} 3: the export is written, but records that were announced are missing, or a server does not answer.
"""
VERIFY_HELP = f"""Verify an export: every number, every proof, every signature, up to the directory's root.

--known takes a file with signed checkpoints that somebody else holds, one JSON a line; they show a tail that was cut off.

Example: jiexu audit verify audit/44 --root 5f0c…

{EXIT_CODES} 1: it disagrees; 3: it is not complete.
"""
REPLAY_HELP = f"""Fold the exports of one or several provinces again, and name the first thing that does not agree.

Each province's books are computed anew from its facts and compared with what it stated, with --against-live also with its \
ledger as it stands now; documents, forms and money are compared between the provinces that are given.

Example: jiexu audit replay audit/44 audit/33 --against-live

{EXIT_CODES} 1: something disagrees; 3: it is not complete.
"""
RECONCILE_HELP = f"""Compare what provinces sent each other: money sent = money received + money in the bank's hands.

--holdings takes the bank's own figures, JSON as its GET /holdings answers.

Example: jiexu audit reconcile audit/44 audit/33

{EXIT_CODES} 1: a pair disagrees; 3: it is not complete.
"""

app = typer.Typer(help=HELP, no_args_is_help=True)

Exports = Annotated[
    list[Path], typer.Argument(exists=True, file_okay=False, help="Folders of exports, one a province.", show_default=False)
]
Root = Annotated[
    str | None,
    typer.Option("--root", envvar="JIEXU_DIRECTORY_ROOT", help="Fingerprint of the directory's root key.", show_default=False),
]
Home = Annotated[Path | None, typer.Option("--home", help="Home of the local stack.", show_default=False)]
Known = Annotated[
    Path | None,
    typer.Option("--known", exists=True, dir_okay=False, help="Signed checkpoints held by others, JSON lines."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@app.command(help=EXPORT_HELP)
def export(
    province: Annotated[str, typer.Option("--province", help="Two digits, GB/T 2260.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder in which the province's folder is made.", show_default=False)],
    source: Annotated[Literal["kafka", "database"], typer.Option("--from", help="Where the log is read.")] = "kafka",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Export a province's log."""
    if len(province) != 2 or not province.isascii() or not province.isdigit():
        raise typer.BadParameter(f"{province!r} is not a two-digit code", param_hint="--province")
    import asyncpg
    from aiokafka.errors import KafkaError

    from deploy.local.processes import StackError
    from services.audit.archive import ArchiveRefused

    try:
        with _bar(f"exporting {province}") as show:
            exported = asyncio.run(_export(province, out, source, home, show))
    except ArchiveRefused as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None
    except (StackError, KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise fail(f"{type(error).__name__}: {error}", ExitCode.COULD_NOT_TELL) from None
    manifest = exported.archive.manifest
    if as_json:
        answer = {"folder": str(exported.folder), "missing": exported.missing, **manifest.model_dump(mode="json")}
        print_json(answer)
    else:
        for each in manifest.services:
            typer.echo(f"{province}/{each.service}: {each.records} records, {each.checkpoints} checkpoints, to {each.last}")
        typer.echo(f"written to {exported.folder}")
    if exported.missing:
        typer.echo(f"{exported.missing} records that were announced could not be found", err=True)
        raise typer.Exit(ExitCode.COULD_NOT_TELL)


@app.command(help=VERIFY_HELP)
def verify(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of an export.", show_default=False)],
    root: Root = None,
    known: Known = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Verify an export."""
    from services.audit.archive import Archive, ArchiveRefused
    from services.audit.verify import verify as verify_export

    fingerprint = _root(root, home)
    try:
        total = Archive.open(folder).records
        with _bar("verifying") as show:
            verdict = verify_export(folder, fingerprint, known=_checkpoints(known), progress=_counting(show, total))
    except ArchiveRefused as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None
    if as_json:
        print_json(verdict.as_json())
    else:
        _tell_verdict(verdict)
    _end(verdict.kind)


@app.command(help=REPLAY_HELP)
def replay(
    folders: Exports,
    root: Root = None,
    against_live: Annotated[
        bool, typer.Option("--against-live", help="Compare with each province's ledger as it stands now.")
    ] = False,
    known: Known = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Fold exports again and compare."""
    report = _replay(folders, _root(root, home), known, home=home if against_live else None, live=against_live, holdings=None)
    if as_json:
        print_json(report.as_json())
    else:
        _tell_report(report)
    _end(report.verdict)


@app.command(help=RECONCILE_HELP)
def reconcile(
    folders: Exports,
    root: Root = None,
    holdings: Annotated[
        Path | None, typer.Option("--holdings", exists=True, dir_okay=False, help="What the bank holds, JSON.")
    ] = None,
    known: Known = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Compare what provinces sent each other."""
    if len(folders) < 2:
        raise typer.BadParameter("two sides are needed to compare; give the exports of two provinces or more")
    report = _replay(folders, _root(root, home), known, home=None, live=False, holdings=_holdings(holdings))
    if as_json:
        answer = report.as_json()
        areas = ("documents", "money")
        found = [each for books in answer["provinces"] for each in books["differences"]] + list(answer["differences"])
        print_json(
            {
                "verdict": report.reconciliation,
                "pairs": answer["pairs"],
                "in_transit": answer["in_transit"],
                "differences": [each for each in found if each["area"] in areas],
            }
        )
    else:
        _tell_evidence(report)
        _tell_pairs(report.pairs)
        for difference in report.between:
            typer.echo(str(difference))
        typer.echo(_WORDS[report.reconciliation])
    _end(report.reconciliation)


_WORDS = {
    "agrees": "agrees",
    "disagrees": "DISAGREES",
    "not_complete": "NOT COMPLETE: what is here agrees or cannot be judged, and something is missing",
}


async def _export(province: str, out: Path, source: Literal["kafka", "database"], home: Path | None, show: _Show) -> Exported:
    from services.audit.export import from_database, from_kafka, read_directory
    from services.runtime.clock import Clock

    access, now = _kafka(home), Clock().now()
    if source == "kafka":
        return await from_kafka(access, province, out, now=now, progress=show)
    directory = await read_directory(access)
    return await from_database(_database(province, home), province, out, directory=directory, now=now, progress=show)


def _replay(
    folders: Sequence[Path],
    root: str,
    known: Path | None,
    *,
    home: Path | None,
    live: bool,
    holdings: Mapping[tuple[str, str], int] | None,
) -> ReplayReport:
    from services.audit.archive import Archive, ArchiveRefused
    from services.audit.replay import replay as replay_exports

    try:
        archives = [Archive.open(folder) for folder in folders]
        heads = _live_heads([archive.province for archive in archives], home) if live else None
        with _bar("replaying") as show:
            counting = _counting(show, sum(archive.records for archive in archives))
            return replay_exports(folders, root, live=heads, holdings=holdings, known=_checkpoints(known), progress=counting)
    except ArchiveRefused as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None


def _live_heads(provinces: Sequence[str], home: Path | None) -> dict[str, dict[str, Head]]:
    """Where each province's ledger stands now."""
    import asyncpg

    from deploy.local.processes import StackError
    from services.ledger.store import all_balances
    from services.runtime.database import Database

    async def ask() -> dict[str, dict[str, Head]]:
        found = {}
        for province in provinces:
            database = Database(_database(province, home), name="audit", size=1)
            try:
                async with database.transaction("audit") as tx:
                    found[province] = await all_balances(tx)
            finally:
                await database.close()
        return found

    try:
        return asyncio.run(ask())
    except (StackError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise fail(f"the ledger does not answer: {type(error).__name__}: {error}", ExitCode.COULD_NOT_TELL) from None


def _stack(home: Path | None, why: str) -> Stack:
    """The local stack, or the exit that says what else would do."""
    from deploy.local.stack import DEFAULT_HOME, Stack

    stack = Stack.load(home or DEFAULT_HOME)
    if stack is None:
        raise fail(
            f"there is no local stack in {home or DEFAULT_HOME}; start one with `jiexu up`, or give {why}", ExitCode.WRONG_USE
        )
    return stack


def _root(given: str | None, home: Path | None) -> str:
    if given is None:
        from services.messaging.signing import fingerprint, public_hex

        stack = _stack(home, "--root")
        return fingerprint(public_hex(stack.secrets.directory_root_key()))
    if len(given) != 64 or not set(given) <= set("0123456789abcdef"):
        raise typer.BadParameter("a fingerprint is 64 lower-case hex digits", param_hint="--root")
    return given


def _kafka(home: Path | None) -> KafkaAccess:
    from services.runtime.broker import KafkaAccess

    username = os.environ.get("JIEXU_KAFKA_USERNAME", "00.audit")
    bootstrap, password = os.environ.get("JIEXU_KAFKA_BOOTSTRAP"), os.environ.get("JIEXU_KAFKA_PASSWORD")
    if bootstrap is None or password is None:
        stack = _stack(home, "JIEXU_KAFKA_BOOTSTRAP and JIEXU_KAFKA_PASSWORD")
        bootstrap = bootstrap or stack.kafka.bootstrap
        password = password or stack.secrets.password(f"kafka-{username}")
    return KafkaAccess(bootstrap, username, password, "00.audit", os.environ.get("JIEXU_KAFKA_TLS") == "true")


def _database(province: str, home: Path | None) -> str:
    from deploy.postgres.provision import database_url, owner_role

    name = f"province_{province}"
    if admin := os.environ.get("JIEXU_POSTGRES_URL"):
        return database_url(admin, name)
    stack = _stack(home, "JIEXU_POSTGRES_URL")
    role = owner_role(province)
    return stack.postgres_of(name).url_of(name, role, stack.secrets.password(f"postgres-{role}"))


def _checkpoints(file: Path | None) -> list[SignedCheckpoint]:
    from pydantic import ValidationError

    from contracts.directory import Checkpoint, SignedCheckpoint

    found = []
    for number, line in enumerate(file.read_bytes().splitlines() if file else (), 1):
        try:
            found.append(SignedCheckpoint.model_validate_json(line))
            Checkpoint.model_validate_json(found[-1].checkpoint)
        except ValidationError:
            raise typer.BadParameter(f"line {number} of {file} is no signed checkpoint", param_hint="--known") from None
    return found


def _holdings(file: Path | None) -> dict[tuple[str, str], int] | None:
    from pydantic import TypeAdapter, ValidationError

    from contracts.banking import Holding

    if file is None:
        return None
    try:
        found = TypeAdapter(list[Holding]).validate_json(file.read_bytes())
    except ValidationError:
        raise typer.BadParameter(f"{file} is not what the bank answers to GET /holdings", param_hint="--holdings") from None
    return {(each.payer, each.payee): each.in_hands_fen for each in found}


_Show = Callable[[int, int], None]


@contextmanager
def _bar(what: str) -> Iterator[_Show]:
    """A progress bar on standard error when a person is looking."""
    watching = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=watching, transient=True, disable=not watching.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show


def _counting(show: _Show, total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        show(done, total)

    return count


def _tell_verdict(verdict: Verdict) -> None:
    for finding in verdict.findings:
        typer.echo(str(finding))
    for kind, count in verdict.counts.items():
        listed = sum(1 for finding in verdict.findings if finding.kind == kind)
        if count > listed:
            typer.echo(f"{kind}: {count - listed} more")
    typer.echo(
        f"province {verdict.province}: {verdict.records} records under {verdict.checkpoints} checkpoints: {_WORDS[verdict.kind]}"
    )


def _tell_evidence(report: ReplayReport) -> None:
    for books in report.provinces:
        _tell_verdict(books.verdict)


def _tell_report(report: ReplayReport) -> None:
    _tell_evidence(report)
    for books in report.provinces:
        live = ", compared with the live ledger" if books.compared_with_live else ""
        typer.echo(
            f"province {books.province}: {books.facts} facts, {books.entries} entries, {books.accounts} accounts,"
            f" {books.completed} of {books.cases} cases completed here{live}: {len(books.differences)} differences"
        )
        _tell_some(books.differences)
    if len(report.provinces) > 1:
        _tell_pairs(report.pairs)
        _tell_some(report.differences)
    for case, fen in report.held_in_suspense.items():
        typer.echo(f"held in suspense above its form: {case}: {fen} fen")
    typer.echo(_WORDS[report.verdict])


def _tell_some(found: Sequence[object]) -> None:
    for difference in found[:20]:
        typer.echo(f"  {difference}")
    if len(found) > 20:
        typer.echo(f"  and {len(found) - 20} more, all with --json")


def _tell_pairs(pairs: Sequence[Pair]) -> None:
    from services.rules.amounts import yuan

    table = Table(title="From province to province, in yuan", box=box.SIMPLE_HEAD)
    for name in ("from", "to"):
        table.add_column(name)
    for name in ("remitted", "returned", "received", "sent back", "in the bank's hands", "bank says", "documents"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("")
    for pair in pairs:
        bank = "" if pair.held_by_bank_fen is None else yuan(pair.held_by_bank_fen)
        amounts = (pair.remitted_fen, pair.returned_fen, pair.received_fen, pair.sent_back_fen, pair.in_hands_fen)
        documents = f"{pair.documents_received}/{pair.documents_sent}"
        word = {True: "agrees", False: "DISAGREES", None: "one side only"}[pair.agrees]
        table.add_row(pair.payer, pair.payee, *(yuan(fen) for fen in amounts), bank, documents, word)
    watching = Console()
    # Cut to a terminal's width only where there is one: what goes to a file must be whole.
    (watching if watching.is_terminal else Console(width=200)).print(table)


def _end(outcome: Outcome) -> NoReturn:
    codes: dict[str, Any] = {
        "agrees": ExitCode.YES,
        "disagrees": ExitCode.NO,
        "not_complete": ExitCode.COULD_NOT_TELL,
    }
    raise typer.Exit(codes[outcome])
