"""The origin's money: approved remittances go to the bank, and what the bank gives back is owed again."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg
import structlog

from contracts.banking import RemittanceLine, RemittanceOrder, StatementLine
from contracts.documents import PayeeAccount
from contracts.events import FundsReturned
from services.origin_agency import store
from services.origin_agency.case import Case, State
from services.origin_agency.money import ORDERED, remitted, returned_by_bank
from services.origin_agency.reopening import reopen
from services.records import store as records
from services.records.agency import Agency
from services.records.bank import Bank, BankRefused
from services.records.decisions import Told
from services.runtime.database import Database

log = structlog.get_logger()

AT_ONCE = 20  # orders that one look takes, as the query says
TOO_EARLY_S = 0.05  # until a line is looked at again that came before its payment was booked


class FundDesk:
    """Talks to the bank now and then. An order keeps its id, so that a repeat after a crash pays nothing twice."""

    def __init__(self, database: Database, agency: Agency, bank: Bank, told: Callable[[], None]) -> None:
        self._database = database
        self._agency = agency
        self._bank = bank
        self._told = told
        self._working = 0

    @property
    def busy(self) -> bool:
        """Whether an order or a statement line is in hand."""
        return self._working > 0

    async def pay(self) -> int:
        """Give approved remittances to the bank and book what it took; returns how many more may wait.

        Raises:
            BankAway: when it did not answer to one of them; what it took is booked all the same.
        """
        async with self._database.transaction("poll") as tx:
            rows = await tx.fetch(store.SQL["ordered"])
        if not rows:
            return 0
        self._working += 1
        try:
            found = await asyncio.gather(*(self._give(row) for row in rows), return_exceptions=True)
            await self._book([taken for taken in found if isinstance(taken, _Taken)])
        finally:
            self._working -= 1
        for error in found:
            if isinstance(error, BaseException):
                raise error
        return len(rows) if len(rows) == AT_ONCE else 0

    async def _give(self, row: asyncpg.Record) -> "_Taken | None":
        order = RemittanceOrder(
            remittance_id=row["remittance_id"],
            payer=self._agency.province,
            payee_province=row["destination"],
            payee=PayeeAccount.model_validate_json(row["payee"]),
            lines=tuple(
                RemittanceLine(case_id=case_id, letter_no=letter_no, amount_fen=amount_fen)
                for case_id, letter_no, amount_fen in json.loads(row["lines"])
            ),
            total_fen=row["total_fen"],
        )
        try:
            answer = await self._bank.remit(order)
        except BankRefused as error:
            log.error("remittance.refused", remittance=order.remittance_id, reason=str(error))
            return None  # it stays approved and unpaid, and is tried again; nobody else waits for it
        return _Taken(order, answer.bank_reference, row["maker"], row["checker"])

    async def _book(self, taken: Sequence["_Taken"]) -> None:
        if not taken:
            return
        agency = self._agency
        lines = {line.case_id: (each, line.amount_fen) for each in taken for line in each.order.lines}
        async with self._database.transaction("remitted") as tx:
            cases = await store.load(tx, agency.vault, list(lines))
            # Another replica may have been faster; then the cases are not waiting any more. A completion may have been faster
            # than our own booking; what was paid is booked all the same.
            waiting = [
                case
                for case in cases.values()
                if case.remittance_id == lines[case.case_id][0].order.remittance_id and case.state in ORDERED and case.paying
            ]
            outcomes = [
                remitted(
                    case,
                    bank_reference=each.reference,
                    amount_fen=amount_fen,
                    # One remittance may hold what several makers proposed.
                    maker=case.proposal.maker if case.proposal else each.maker,
                    checker=each.checker,
                )
                for case in waiting
                for each, amount_fen in (lines[case.case_id],)
            ]
            await agency.tell(tx, [told for outcome in outcomes for told in outcome.told])
            await records.close(
                tx,
                agency.vault,
                # Rows leave with their form; an earlier release let them leave with the money.
                {case.person_ref: case.case_id for case in waiting if case.person_ref and case.transfer_on is None},
            )
            await store.save(tx, agency.vault, [outcome.case for outcome in outcomes])
            tx.defer(
                store.SQL["accept_remittances"], [each.order.remittance_id for each in taken], [each.reference for each in taken]
            )
        self._told()
        for each in taken:
            log.info("remittance.taken", remittance=each.order.remittance_id, cases=len(each.order.lines))

    async def collect(self, wait_s: float = 0) -> int:
        """Book what the bank returned since the last look; returns how many lines its statement showed.

        Args:
            wait_s: how long the bank may wait for a line where it has none.
        """
        agency = self._agency
        async with self._database.transaction("poll") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
        lines = await self._bank.lines(agency.province, "returned", after, wait_s=wait_s)
        if not lines:
            return 0
        self._working += 1
        today = agency.clock.today()
        due = agency.due("LETTER_TO_FORM", today)
        try:
            async with self._database.transaction("returned") as tx:
                after = int(await tx.value(store.SQL["lock_cursor"]))
                fresh = [line for line in lines if line.line_no > after]
                cases = await store.load(tx, agency.vault, [line.case_id for line in fresh])
                told: list[Told] = []
                changed: dict[str, Case] = {}
                through = after
                for line in fresh:
                    case = changed.get(line.case_id) or cases.get(line.case_id)
                    if case is not None and case.state is State.REMITTANCE_ORDERED and case.remittance_id == line.remittance_id:
                        break  # the bank was faster than our own booking of what it took; that comes first
                    through = line.line_no
                    if case is None:
                        told.append(_nobodys(line))
                        continue
                    why = agency.tables.bank.bank_return(line.reason, today)
                    outcome = returned_by_bank(
                        case,
                        remittance_id=line.remittance_id,
                        line_id=line.line_id,
                        amount_fen=line.amount_fen,
                        reason=line.reason,
                        account_wanted=why.letter_needed,
                        sent_back=why.sent_back,
                        due=due,
                    )
                    changed[line.case_id] = outcome.case
                    told.extend(outcome.told)
                told.extend(await reopen(tx, agency, cases, changed))
                await agency.tell(tx, told)
                await store.save(tx, agency.vault, list(changed.values()))
                tx.defer(store.SQL["move_cursor"], through)
            self._told()
            if through < lines[-1].line_no:
                await asyncio.sleep(TOO_EARLY_S)
        finally:
            self._working -= 1
        return len(lines)


@dataclass(frozen=True, slots=True)
class _Taken:
    """An order that the bank took, and who proposed and approved it."""

    order: RemittanceOrder
    reference: str
    maker: str
    checker: str


def _nobodys(line: StatementLine) -> FundsReturned:
    """Money that the bank gives back for a case that this agency does not know: it is owed again to the place it was for."""
    return FundsReturned(
        case_id=line.case_id,
        person_ref=line.case_id,
        destination=line.payee,
        remittance_id=line.remittance_id,
        line_id=line.line_id,
        amount_fen=line.amount_fen,
        reason=line.reason,
    )
