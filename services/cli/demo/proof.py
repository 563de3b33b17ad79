"""The proof at the end: both sides' books of one pair, where the money is, and a replay of what was published."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.exchange import database_url, root_fingerprint
from deploy.local.stack import Stack
from deploy.postgres.provision import owner_role
from services.audit.export import from_kafka
from services.audit.lying import lie
from services.audit.replay import ReplayReport, replay
from services.audit.verify import Outcome, verify
from services.cli.demo.show import Show, money
from services.cli.play import Stage
from services.ledger.chart import BANK, INDIVIDUAL_PREFIX, INTEREST_PAID, POOLED_FUND, suspense, transfers_payable
from services.ledger.journal import Head
from services.ledger.store import all_balances
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.identity import Role

Books = Mapping[str, Mapping[str, Head]]


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the replay agrees, and whether it noticed the lie."""

    agrees: bool
    lie_found: bool
    facts: int


async def live_books(stack: Stack, provinces: tuple[str, ...]) -> dict[str, dict[str, Head]]:
    """Where each province's ledger stands now."""

    async def one(province: str) -> dict[str, Head]:
        database = Database(database_url(stack, f"province_{province}", owner_role(province)), name="demo", size=1)
        try:
            async with database.transaction("books") as tx:
                return await all_balances(tx)
        finally:
            await database.close()

    return dict(zip(provinces, await asyncio.gather(*(one(province) for province in provinces)), strict=True))


def show_books(show: Show, books: Books, left: str, right: str) -> None:
    """Both sides' books for one pair of provinces."""

    def fen(province: str, account: str) -> str:
        head = books[province].get(account)
        return money(head.balance_fen) if head else "-"

    def persons(province: str) -> str:
        held = sum(head.balance_fen for name, head in books[province].items() if name.startswith(INDIVIDUAL_PREFIX))
        return money(held)

    rows = [
        ("bank", fen(left, BANK), fen(right, BANK)),
        ("pooled fund", fen(left, POOLED_FUND), fen(right, POOLED_FUND)),
        ("individual accounts, together", persons(left), persons(right)),
        ("interest paid", fen(left, INTEREST_PAID), fen(right, INTEREST_PAID)),
        ("owed to the other for transfers", fen(left, transfers_payable(right)), fen(right, transfers_payable(left))),
        ("held from the other in suspense", fen(left, suspense(right)), fen(right, suspense(left))),
    ]
    show.table(("account", f"{left}, yuan", f"{right}, yuan"), rows, right=(1, 2))


async def prove(show: Show, stage: Stage, stack: Stack, out: Path, provinces: tuple[str, ...]) -> Proof:
    """Export every province's log from Kafka as the auditor, replay it, compare every account; then try a lie."""
    show.head("4  The auditor: export, replay, compare")
    access = KafkaAccess(stack.kafka.bootstrap, "00.audit", stack.secrets.password("kafka-00.audit"), "00.audit")
    folders = []
    for province in provinces:
        with show.progress(f"export {province}", 1) as bar:
            exported = await from_kafka(access, province, out, now=Clock().now())
            bar.advance()
        folders.append(exported.folder)
    show.step(f"{len(folders)} logs exported from Kafka to {_short(out)}")
    holdings: dict[tuple[str, str], int] = {
        (row["payer"], row["payee"]): row["in_hands_fen"] for row in await stage.bank("GET", "/holdings", "00", Role.AUDITOR)
    }
    books = await live_books(stack, provinces)
    root = root_fingerprint(stack.secrets)
    report = await asyncio.to_thread(replay, folders, root, live=books, holdings=holdings)
    _tell(show, report)
    described, found = await asyncio.to_thread(_try_a_lie, folders[0], out / "altered-copy", root)
    show.step(f"a lie is planted in a copy: {described}")
    show.step(f"the replay of the copy: {found or 'NOTICED NOTHING'}")
    return Proof(report.verdict is Outcome.AGREES, bool(found), report.facts)


def _tell(show: Show, report: ReplayReport) -> None:
    rows = [
        (
            books.province,
            f"{books.facts:,}",
            f"{books.entries:,}",
            f"{books.accounts:,}",
            str(books.verdict.kind),
            f"{len(books.differences)}",
        )
        for books in report.provinces
    ]
    show.table(("province", "facts", "entries", "accounts", "signatures", "differences"), rows, right=(1, 2, 3, 5))
    show.say("  money from one province to another, in yuan: sent = received + in the bank's hands")
    pairs: list[tuple[Any, ...]] = [
        (
            f"{pair.payer} to {pair.payee}",
            money(pair.remitted_fen - pair.returned_fen),
            money(pair.received_fen - pair.sent_back_fen),
            money(pair.in_hands_fen),
            "the bank says the same" if pair.agrees else "DIFFERS",
        )
        for pair in report.pairs
    ]
    show.table(("pair", "sent", "received", "in the bank's hands", ""), pairs, right=(1, 2, 3))
    show.step(f"replay: {report.facts:,} facts folded, every account compared with the live ledger: {report.verdict}")
    if report.first is not None:
        show.say(f"  first difference: {report.first}")


def _try_a_lie(export: Path, copy: Path, root: str) -> tuple[str, str | None]:
    """Alter one digit of one amount in a copy of an export; says what was altered and what the verifier found."""
    described = lie(export, copy)
    verdict = verify(copy, root)
    if verdict.kind is Outcome.AGREES or verdict.first is None:
        return described, None
    return described, f"{verdict.kind}: {verdict.first}"


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
