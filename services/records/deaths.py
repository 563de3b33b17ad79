"""A death where no transfer goes on: whoever holds the relationship notes it and settles the account with the heirs.

Where a transfer goes on its case is where the death is reported, for the other agency must hear of it (domain § 1.6.11).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from contracts.events import AccountClosed, AccountSettled, DeathNoted
from services.ledger import store as ledger
from services.ledger.chart import REFUNDS_PAYABLE, individual
from services.ledger.journal import Head
from services.records import store
from services.records.agency import Agency
from services.records.commands import ListResult, RowResult, done, one_person, refused_by
from services.records.decisions import Refused, Told
from services.records.model import Record
from services.records.pay_outs import refuse_unless_payable
from services.rules.endings import after_death
from services.rules.exception_tables import LedgerPosition, Settler
from services.rules.loader import Tables
from services.runtime.database import Database, Transaction, queries

SQL = queries(__file__)

Source = Literal["family", "clerk", "registry"]
# Says of persons which of them have a transfer that goes on in this agency.
Transferring = Callable[[Transaction, Sequence[str]], Awaitable[set[str]]]


@dataclass(frozen=True, slots=True)
class Settlement:
    """An account of somebody who has died, as two persons settle it."""

    person_ref: str
    state: str
    maker: str
    checker: str | None
    proposed_at: datetime
    settled_at: datetime | None


def note(
    record: Record | None, actor: str, *, died_on: date, reported_on: date, reported_by: Source, tables: Tables
) -> tuple[Record, DeathNoted]:
    """Note a death on a record, and say until when it was to be reported. Pure.

    Raises:
        Refused: NO_RELATIONSHIP, DEATH_KNOWN, or DEATH_IN_THE_FUTURE where it lies after its report.
    """
    if record is None:
        raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
    if record.died_on is not None:
        raise Refused("DEATH_KNOWN", f"The death on {record.died_on} was reported before.")
    if died_on > reported_on:
        raise Refused("DEATH_IN_THE_FUTURE", f"{died_on} lies after {reported_on}.", remedy="Check the day.")
    rule = after_death(LedgerPosition.NO_TRANSFER, died_on=died_on, reported_on=reported_on, tables=tables)
    fact = DeathNoted(
        person_ref=record.person_ref,
        died_on=died_on,
        reported_on=reported_on,
        reported_by=reported_by,
        report_due_on=rule.report_due.on if rule.report_due else None,
        actor=actor,
    )
    return replace(record, died_on=died_on), fact


def refuse_unless_settled_here(record: Record | None, *, today: date, tables: Tables) -> Record:
    """The record, if the person has died, the relationship is here and the rules let its holder settle. Pure.

    Raises:
        Refused: by name.
    """
    if record is None:
        raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
    if record.died_on is None:
        raise Refused("NO_DEATH_REPORTED", "Nobody has reported a death of the person.", remedy="Report it first.")
    if record.held_since is not None:
        text = tables.refusal("JUDICIAL_OR_AUDIT_HOLD", today)
        raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)
    if not record.here:
        raise Refused("NOTHING_TO_SETTLE", "The relationship is not here any more.", remedy="Look at the person's record.")
    rule = after_death(LedgerPosition.NO_TRANSFER, died_on=record.died_on, reported_on=max(today, record.died_on), tables=tables)
    if rule.settler is not Settler.HOLDER:
        raise Refused("SETTLED_ELSEWHERE", rule.reason.text_en, legal_basis=rule.reason.legal_basis)
    return record


class Deaths:
    """Deaths of persons without a transfer, as transactions.

    Args:
        told: called after a commit, to wake the relay.
        transferring: who of some persons has a transfer that goes on; it is not settled here before that has ended.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None], transferring: Transferring) -> None:
        self._database = database
        self._agency = agency
        self._told = told
        self._transferring = transferring

    async def report(self, person_ref: str, actor: str, *, died_on: date, reported_by: Source) -> DeathNoted:
        """Somebody reports the death of a person who has no transfer under way.

        Raises:
            Refused: TRANSFER_OPEN where a transfer goes on, and what `note` refuses.
        """
        agency = self._agency
        async with self._database.transaction("note-death") as tx:
            record = (await store.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
            changed, fact = note(
                record,
                actor,
                died_on=died_on,
                reported_on=agency.clock.today(),
                reported_by=reported_by,
                tables=agency.tables,
            )
            refuse_transfer(person_ref, await self._transferring(tx, [person_ref]), "Report the death in its case.")
            await agency.tell(tx, [fact])
            await store.change(tx, agency.vault, [changed])
        self._told()
        return fact

    async def propose(self, persons: Sequence[str], maker: str) -> ListResult:
        """A maker proposes to settle accounts of persons who have died with their heirs."""
        agency = self._agency
        today = agency.clock.today()
        rows: list[RowResult] = []
        proposed: list[str] = []
        async with self._database.transaction("propose-settlement") as tx:
            known = await store.by_ref(tx, agency.vault, persons)
            busy = await self._transferring(tx, persons)
            for ref in dict.fromkeys(persons):
                try:
                    refuse_unless_settled_here(known.get(ref), today=today, tables=agency.tables)
                    refuse_transfer(ref, busy, "Finish the case first.")
                except Refused as error:
                    rows.append(refused_by(ref, error))
                else:
                    rows.append(done(ref, "PROPOSED"))
                    proposed.append(ref)
            if proposed:
                tx.defer(SQL["propose_settlements"], proposed, maker)
        return ListResult.of(rows)

    async def approve(self, persons: Sequence[str], checker: str) -> ListResult:
        """A checker approves: what the books hold is owed to the heirs, and the relationship ends (社会保险法 Art. 14)."""
        agency = self._agency
        today = agency.clock.today()
        legal_basis = agency.tables.refusal("PERSON_DECEASED", today).legal_basis
        rows: list[RowResult] = []
        told: list[Told] = []
        settled: list[str] = []
        async with self._database.transaction("approve-settlement") as tx:
            makers = {row["person_ref"]: row["maker"] for row in await tx.fetch(SQL["hold_settlements"], sorted(set(persons)))}
            known = await store.by_ref(tx, agency.vault, persons)
            busy = await self._transferring(tx, persons)
            heads = await ledger.hold(tx, {REFUNDS_PAYABLE, *map(individual, known)}) if known else {}
            for ref in dict.fromkeys(persons):
                try:
                    _two_persons(makers.get(ref), checker)
                    record = refuse_unless_settled_here(known.get(ref), today=today, tables=agency.tables)
                    refuse_transfer(ref, busy, "Finish the case first.")
                    amount_fen = heads.get(individual(ref), Head()).balance_fen
                    refuse_unless_payable(record, amount_fen, last_year=today.year - 1)
                except Refused as error:
                    rows.append(refused_by(ref, error))
                    continue
                told.append(
                    AccountSettled(
                        person_ref=ref,
                        reason="death",
                        amount_fen=amount_fen,
                        legal_basis=legal_basis,
                        maker=makers[ref],
                        checker=checker,
                    )
                )
                told.append(AccountClosed(person_ref=ref, reason="the person has died and the account was settled"))
                settled.append(ref)
                rows.append(done(ref, "SETTLED"))
            await agency.tell(tx, told, held=heads)
            await store.settle(tx, agency.vault, settled)
            if settled:
                tx.defer(SQL["end_settlements"], settled, checker)
        self._told()
        return ListResult.of(rows)

    async def settlements(self, *, open_only: bool = True) -> list[Settlement]:
        """Settlements, the oldest first; only those that wait for their approval, or all."""
        async with self._database.transaction("look") as tx:
            return [Settlement(**row) for row in await tx.fetch(SQL["settlements"], open_only)]


def refuse_transfer(person_ref: str, busy: set[str], remedy: str) -> None:
    """Refuse to end a relationship that a transfer is about.

    Raises:
        Refused: TRANSFER_OPEN.
    """
    if person_ref in busy:
        raise Refused("TRANSFER_OPEN", "A transfer of the person goes on.", remedy=remedy)


def _two_persons(maker: str | None, checker: str) -> None:
    if maker is None:
        raise Refused("NOT_NOW", "No settlement of the person is proposed.", remedy="Propose it first.")
    if maker == checker:
        raise one_person("check the settlement")
