"""Two pensions drawn at once, at the place whose relationship is cleared: its account pays back what was drawn twice.

The person keeps another place's pension (domain § 1.6.4). First comes what was paid back, then this account, then the kept
pension month by month; what is left of the account is owed to the person. The kept pension is paid by another system, which is
told the deductions by the person's copy and by the journal. Money never moves between two ledgers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from contracts.base import Contract, Fen, ProvinceCode, SealedForPerson
from contracts.envelope import new_id
from contracts.events import AccountClosed, DoubleDrawingSettled
from services.ledger import store as ledger
from services.ledger.chart import POOLED_FUND, REFUNDS_PAYABLE, individual
from services.ledger.journal import Head
from services.records import store
from services.records.acting import Acting
from services.records.agency import Agency
from services.records.commands import ListResult, RowResult, done, one_person, refused_by
from services.records.deaths import Transferring, refuse_transfer
from services.records.decisions import Refused, Told
from services.records.model import Record
from services.records.pay_outs import refuse_unless_payable
from services.records.vault import Vault
from services.rules.double_drawing import (
    DeductionTooLarge,
    DoubleDrawing,
    Drawing,
    DrawingInvalid,
    RepaidTooMuch,
    settle_double_drawing,
)
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, RuleNotInForce, Tables
from services.runtime.database import Database, Transaction, queries

SQL = queries(__file__)
FINISH_FIRST = "Finish the case first, or let the person withdraw it."
WHY_CLOSED = "two pensions were drawn, and the one of another place is kept"


class Facts(Contract):
    """What is known of the two pensions, in fen: the one that the person keeps elsewhere, and the one that was paid here.

    `paid_twice_fen` is what this place paid since the second pension began; `repaid_fen` what the person has paid back of it;
    `agreed_monthly_fen` what a repayment agreement takes from the kept pension each month, where there is one.
    """

    keeps: ProvinceCode
    kept_monthly_fen: Fen
    monthly_fen: Fen
    paid_twice_fen: Fen
    repaid_fen: Fen = 0
    agreed_monthly_fen: Fen | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A settlement that somebody has proposed; the amounts are the person's and stay under the person's key."""

    settlement_id: str
    person_ref: str
    keeps: str
    state: str
    maker: str
    checker: str | None
    made_at: datetime
    decided_at: datetime | None


def decide(record: Record, facts: Facts, *, account_fen: int, province: str, on: date, tables: Tables) -> DoubleDrawing:
    """Say how a double drawing ends for the relationship that is cleared here. Pure.

    Args:
        record: what this province knows of the person.
        account_fen: what the books hold for the person.

    Raises:
        Refused: by name, where nobody draws here, the person keeps the pension of this place, or the amounts cannot be.
    """
    _refuse_unless_drawn_here(record, tables, on=on)
    if facts.keeps == province:
        raise Refused(
            "KEPT_HERE",
            "The person keeps the pension of this place.",
            remedy="The place whose relationship is cleared settles it.",
        )
    refuse_unless_payable(record, account_fen, last_year=on.year - 1)
    # What the kept place's account holds is not asked: it is not cleared, so nothing is taken from it.
    drawings = (
        Drawing(facts.keeps, facts.kept_monthly_fen, 0, 0),
        Drawing(province, facts.monthly_fen, account_fen, facts.paid_twice_fen),
    )
    try:
        tables.participating_province(facts.keeps)
        return settle_double_drawing(
            drawings,
            keeps=facts.keeps,
            on=on,
            tables=tables,
            repaid_fen=facts.repaid_fen,
            agreed_monthly_fen=facts.agreed_monthly_fen,
        )
    except (ProvinceUnknown, ProvinceOutOfScope) as error:
        raise Refused("UNKNOWN_PROVINCE", str(error), remedy="Name the province that pays the kept pension.") from error
    except RepaidTooMuch as error:
        raise Refused(
            "REPAID_TOO_MUCH", str(error), remedy="Give back what was paid back too much, then propose again."
        ) from error
    except DeductionTooLarge as error:
        raise Refused("DEDUCTION_TOO_LARGE", str(error), remedy="Agree on less a month.") from error
    except (DrawingInvalid, RuleNotInForce) as error:
        raise Refused("DRAWING_INVALID", str(error), remedy="Check the facts of both pensions.") from error


def _refuse_unless_drawn_here(record: Record, tables: Tables, *, on: date) -> None:
    code = None
    if record.state == "moved":
        code = "ALREADY_TRANSFERRED_OUT"
    elif record.died_on is not None:
        code = "PERSON_DECEASED"
    elif record.held_since is not None:
        code = "JUDICIAL_OR_AUDIT_HOLD"
    if code is not None:
        text = tables.refusal(code, on)
        raise Refused(code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)
    if record.state == "settled":
        raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
    if record.drawing_since is None or record.drawing_since > on:
        raise Refused("NOT_DRAWING", "No pension is drawn here.", remedy="Months paid twice are cleared by a transfer.")


class DoubleDrawings(Acting):
    """Settlements as transactions: a maker proposes, a checker approves.

    Args:
        told: called after a commit, to wake the relay.
        transferring: who of some persons has a transfer that goes on; nothing is settled before that has ended.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None], transferring: Transferring) -> None:
        super().__init__(database, agency, told)
        self._transferring = transferring

    async def propose(self, person_ref: str, facts: Facts, maker: str) -> tuple[str, DoubleDrawing]:
        """A maker proposes how a double drawing is settled; returns the settlement's id and what it comes to today.

        Raises:
            Refused: NO_RELATIONSHIP, SETTLEMENT_OPEN while another one of the person waits, TRANSFER_OPEN, and what `decide`
                refuses.
        """
        agency = self._agency
        async with self._database.transaction("propose-double-drawing") as tx:
            record = (await store.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
            if record is None:
                raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
            heads = await ledger.hold(tx, {individual(person_ref)})
            found = self._decide(record, facts, heads)
            refuse_transfer(person_ref, await self._transferring(tx, [person_ref]), FINISH_FIRST)
            keys = await agency.vault.keys([person_ref])
            settlement_id = new_id()
            sealed = Vault.seal(keys, person_ref, facts.model_dump_json().encode()).model_dump_json()
            added = await tx.value(SQL["add_double_drawing"], settlement_id, person_ref, facts.keeps, maker, sealed)
            if added is None:
                raise Refused(
                    "SETTLEMENT_OPEN", "A settlement of the person waits for its approval.", remedy="Approve it, or take it back."
                )
        return settlement_id, found

    async def approve(self, settlement_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: the account pays what was drawn twice, the rest is the person's, the relationship ends here."""
        agency = self._agency
        results: list[RowResult] = []
        told: list[Told] = []
        settled: dict[str, str] = {}
        async with self._deciding("approve-double-drawing") as tx:
            rows = {row["settlement_id"]: row for row in await self._held(tx, settlement_ids)}
            persons = await store.by_ref(tx, agency.vault, [row["person_ref"] for row in rows.values()])
            keys = await agency.vault.keys(persons)
            accounts = {POOLED_FUND, REFUNDS_PAYABLE, *map(individual, persons)}
            heads = await ledger.hold(tx, accounts) if persons else {}
            busy = await self._transferring(tx, sorted(persons))
            for settlement_id in dict.fromkeys(settlement_ids):
                try:
                    row = _may_be_decided(rows.get(settlement_id), checker)
                    facts = self._settled(row, checker, persons, keys, heads)
                    refuse_transfer(row["person_ref"], busy, FINISH_FIRST)
                except Refused as error:
                    results.append(refused_by(settlement_id, error))
                else:
                    told.extend(facts)
                    settled[settlement_id] = row["person_ref"]
                    results.append(done(settlement_id, "SETTLED"))
            await agency.tell(tx, told, held=heads)
            await store.settle(tx, agency.vault, list(settled.values()))
            if settled:
                tx.defer(SQL["decide_double_drawings"], list(settled), "settled", checker)
        return ListResult.of(results)

    def _settled(
        self,
        row: asyncpg.Record,
        checker: str,
        persons: Mapping[str, Record],
        keys: Mapping[str, bytes],
        heads: Mapping[str, Head],
    ) -> tuple[DoubleDrawingSettled, AccountClosed]:
        agency, ref = self._agency, row["person_ref"]
        record = persons.get(ref)
        if record is None:
            raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
        facts = Facts.model_validate_json(Vault.open(keys, ref, SealedForPerson.model_validate_json(row["facts"])))
        found = self._decide(record, facts, heads)
        deductions = found.deductions
        fact = DoubleDrawingSettled(
            person_ref=ref,
            settlement_id=row["settlement_id"],
            keeps=found.keeps,
            overpaid_fen=found.overpaid_fen,
            repaid_fen=found.repaid_fen,
            set_off_fen=found.set_off_fen,
            paid_out_fen=found.paid_out_fen,
            deduction_months=deductions.months if deductions else 0,
            deduction_monthly_fen=deductions.monthly_fen if deductions else 0,
            deduction_last_fen=deductions.last_fen if deductions else 0,
            reasons=tuple(reason.code for reason in found.reasons),
            language=record.personal.language,
            personal=Vault.seal(keys, ref, record.personal.model_dump_json().encode()),
            rule_set=agency.tables.version,
            maker=row["maker"],
            checker=checker,
        )
        return fact, AccountClosed(person_ref=ref, reason=WHY_CLOSED)

    def _decide(self, record: Record, facts: Facts, heads: Mapping[str, Head]) -> DoubleDrawing:
        agency = self._agency
        held_fen = heads.get(individual(record.person_ref), Head()).balance_fen
        today = agency.clock.today()
        return decide(record, facts, account_fen=held_fen, province=agency.province, on=today, tables=agency.tables)

    async def drop(self, settlement_id: str, actor: str) -> None:
        """A proposal is taken back.

        Raises:
            Refused: NO_SUCH_SETTLEMENT, NOT_NOW.
        """
        async with self._database.transaction("drop-double-drawing") as tx:
            found = await self._held(tx, [settlement_id])
            _may_be_decided(found[0] if found else None, "")
            await tx.execute(SQL["decide_double_drawings"], [settlement_id], "dropped", actor)

    async def list(self, *, waiting: bool = True) -> list[Settlement]:
        """Settlements, the oldest first; only those that wait for their approval, or all."""
        async with self._database.transaction("look") as tx:
            rows = await tx.fetch(SQL["double_drawings"], waiting)
        return [Settlement(**row) for row in rows]

    async def _held(self, tx: Transaction, settlement_ids: Sequence[str]) -> Sequence[asyncpg.Record]:
        return await tx.fetch(SQL["hold_double_drawings"], sorted(set(settlement_ids)))


def _may_be_decided(row: asyncpg.Record | None, checker: str) -> asyncpg.Record:
    if row is None:
        raise Refused("NO_SUCH_SETTLEMENT", "There is no settlement of this id.", remedy="Look at the list of settlements.")
    if row["state"] != "proposed":
        raise Refused("NOT_NOW", f"The settlement is {row['state']}.", remedy="Look at the list of settlements.")
    if row["maker"] == checker:
        raise one_person("check the settlement")
    return row
