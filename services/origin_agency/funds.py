"""The origin's money: approved remittances go to the bank, and what the bank gives back is owed again."""

import json
from collections.abc import Callable

import structlog

from contracts.banking import RemittanceLine, RemittanceOrder, StatementLine
from contracts.documents import PayeeAccount
from contracts.events import FundsReturned
from services.origin_agency import store
from services.origin_agency.case import Case, State, remitted, returned_by_bank
from services.records import store as records
from services.records.agency import Agency
from services.records.bank import PAGE, Bank, BankRefused
from services.records.decisions import Told
from services.runtime.database import Database

log = structlog.get_logger()

AT_ONCE = 20  # orders that one look takes, as the query says
PAID = (State.REMITTANCE_ORDERED, State.SETTLED)  # where a case may stand when the bank has just taken its order


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
        """Give approved remittances to the bank and book what it took; returns how many more may wait."""
        async with self._database.transaction("poll") as tx:
            ordered = await tx.fetch(store.SQL["ordered"])
        self._working += 1
        try:
            for row in ordered:
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
                    taken = await self._bank.remit(order)
                except BankRefused as error:
                    log.error("remittance.refused", remittance=order.remittance_id, reason=str(error))
                    continue  # it stays approved and unpaid, and is tried again; nobody else waits for it
                await self._book(order, taken.bank_reference, maker=row["maker"], checker=row["checker"])
        finally:
            self._working -= 1
        return len(ordered) if len(ordered) == AT_ONCE else 0

    async def _book(self, order: RemittanceOrder, reference: str, *, maker: str, checker: str) -> None:
        agency = self._agency
        amounts = {line.case_id: line.amount_fen for line in order.lines}
        async with self._database.transaction("remitted") as tx:
            cases = await store.load(tx, agency.vault, list(amounts))
            # Another replica may have been faster; then the cases are not waiting any more. A completion may have been faster
            # than our own booking; what was paid is booked all the same.
            waiting = [
                case
                for case in cases.values()
                if case.remittance_id == order.remittance_id and case.state in PAID and case.to_remit_fen > 0
            ]
            outcomes = [
                remitted(
                    case,
                    bank_reference=reference,
                    amount_fen=amounts[case.case_id],
                    # One remittance may hold what several makers proposed.
                    maker=case.proposal.maker if case.proposal else maker,
                    checker=checker,
                )
                for case in waiting
            ]
            await agency.tell(tx, [told for outcome in outcomes for told in outcome.told])
            await records.close(tx, agency.vault, [case.person_ref for case in waiting if case.person_ref])
            await store.save(tx, agency.vault, [outcome.case for outcome in outcomes])
            tx.defer(store.SQL["accept_remittance"], order.remittance_id, reference)
        self._told()
        log.info("remittance.taken", remittance=order.remittance_id, cases=len(amounts))

    async def collect(self) -> int:
        """Book what the bank returned since the last look; returns how many more lines may wait."""
        agency = self._agency
        async with self._database.transaction("poll") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
        lines = await self._bank.lines(agency.province, "returned", after)
        if not lines:
            return 0
        self._working += 1
        try:
            async with self._database.transaction("returned") as tx:
                after = int(await tx.value(store.SQL["lock_cursor"]))
                fresh = [line for line in lines if line.line_no > after]
                cases = await store.load(tx, agency.vault, [line.case_id for line in fresh])
                told: list[Told] = []
                changed: dict[str, Case] = {}
                for line in fresh:
                    case = changed.get(line.case_id) or cases.get(line.case_id)
                    if case is None:
                        told.append(_nobodys(line))
                        continue
                    outcome = returned_by_bank(
                        case,
                        remittance_id=line.remittance_id,
                        line_id=line.line_id,
                        amount_fen=line.amount_fen,
                        reason=line.reason,
                    )
                    changed[line.case_id] = outcome.case
                    told.extend(outcome.told)
                await agency.tell(tx, told)
                await store.save(tx, agency.vault, list(changed.values()))
                tx.defer(store.SQL["move_cursor"], lines[-1].line_no)
            self._told()
        finally:
            self._working -= 1
        return len(lines) if len(lines) == PAGE else 0


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
