"""The origin's money: approved remittances go to the bank, and what the bank gives back is owed again."""

import json
from collections.abc import Callable

import structlog

from contracts.banking import RemittanceLine, RemittanceOrder
from contracts.documents import PayeeAccount
from services.origin_agency import store
from services.origin_agency.case import Case, remitted, returned_by_bank
from services.records import store as records
from services.records.agency import Agency, Told
from services.records.bank import Bank
from services.runtime.database import Database

log = structlog.get_logger()


class FundDesk:
    """Talks to the bank now and then. An order keeps its id, so that a repeat after a crash pays nothing twice."""

    def __init__(self, database: Database, agency: Agency, bank: Bank, told: Callable[[], None]) -> None:
        self._database = database
        self._agency = agency
        self._bank = bank
        self._told = told

    async def round(self) -> int:
        """One look at the own orders and at the statement; returns how much there was to do."""
        return await self.pay() + await self.collect()

    async def pay(self) -> int:
        """Give every approved remittance to the bank and book what it took; returns how many."""
        async with self._database.transaction("ordered") as tx:
            ordered = await tx.fetch(store.SQL["ordered"])
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
            taken = await self._bank.remit(order)
            await self._book(order, taken.bank_reference, maker=row["maker"], checker=row["checker"])
        return len(ordered)

    async def _book(self, order: RemittanceOrder, reference: str, *, maker: str, checker: str) -> None:
        agency = self._agency
        amounts = {line.case_id: line.amount_fen for line in order.lines}
        async with self._database.transaction("remitted") as tx:
            cases = await store.load(tx, agency.vault, list(amounts))
            if await tx.value(store.SQL["accept_remittance"], order.remittance_id, reference) is None:
                return  # another replica was faster
            outcomes = [
                remitted(case, bank_reference=reference, amount_fen=amounts[case.case_id], maker=maker, checker=checker)
                for case in cases.values()
            ]
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in cases.values() if case.person_ref])
            await records.change(tx, agency.vault, [record.moved() for record in persons.values()])
            await store.save(tx, agency.vault, [outcome.case for outcome in outcomes])
            await agency.tell(tx, [told for outcome in outcomes for told in outcome.told])
        self._told()
        log.info("remittance.taken", remittance=order.remittance_id, cases=len(amounts))

    async def collect(self) -> int:
        """Book what the bank returned since the last look; returns how many lines."""
        agency = self._agency
        async with self._database.transaction("look-at-statement") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
        lines = await self._bank.lines(agency.province, "returned", after)
        if not lines:
            return 0
        async with self._database.transaction("returned") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
            fresh = [line for line in lines if line.line_no > after]
            cases = await store.load(tx, agency.vault, [line.case_id for line in fresh])
            told: list[Told] = []
            changed: dict[str, Case] = {}
            for line in fresh:
                case = changed.get(line.case_id) or cases[line.case_id]
                outcome = returned_by_bank(
                    case,
                    remittance_id=line.remittance_id,
                    line_id=line.line_id,
                    amount_fen=line.amount_fen,
                    reason=line.reason,
                )
                changed[line.case_id] = outcome.case
                told.extend(outcome.told)
            await store.save(tx, agency.vault, list(changed.values()))
            await agency.tell(tx, told)
            await tx.execute(store.SQL["move_cursor"], lines[-1].line_no)
        self._told()
        return len(fresh)
