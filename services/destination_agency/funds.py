"""The destination's money: what the bank statement shows meets its forms, and what is too much goes back."""

from collections.abc import Callable

from contracts.banking import ReturnOrder, StatementLine
from contracts.events import DiscrepancyRaised, FundsReceived
from services.destination_agency import store
from services.destination_agency.case import Case, Outcome, receive_funds, sent_back
from services.records.agency import Agency, Told
from services.records.bank import Bank
from services.runtime.database import Database, Transaction


class FundDesk:
    """Looks at the statement now and then. Each line is booked once, whatever is repeated."""

    def __init__(self, database: Database, agency: Agency, bank: Bank, told: Callable[[], None]) -> None:
        self._database = database
        self._agency = agency
        self._bank = bank
        self._told = told

    async def round(self) -> int:
        """One look at the own orders and at the statement; returns how much there was to do."""
        return await self.give_back() + await self.collect()

    async def collect(self) -> int:
        """Book the payments that the statement shows since the last look; returns how many lines."""
        agency = self._agency
        async with self._database.transaction("look-at-statement") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
        lines = await self._bank.lines(agency.province, "payment", after)
        if not lines:
            return 0
        async with self._database.transaction("received") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
            fresh = [line for line in lines if line.line_no > after]
            await self._book(tx, fresh)
            await tx.execute(store.SQL["move_cursor"], lines[-1].line_no)
        self._told()
        return len(lines)

    async def _book(self, tx: Transaction, lines: list[StatementLine]) -> None:
        agency = self._agency
        today = agency.clock.today()
        due = agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
        cases = await store.load(tx, agency.vault, agency.province, [line.case_id for line in lines])
        seen = {
            (row["remittance_id"], row["case_id"], row["amount_fen"])
            for row in await tx.fetch(
                store.SQL["known_lines"], [line.remittance_id for line in lines], [line.case_id for line in lines]
            )
        }
        told: list[Told] = []
        changed: dict[str, Case] = {}
        for line in lines:
            mark = (line.remittance_id, line.case_id, line.amount_fen)
            case = changed.get(line.case_id) or cases.get(line.case_id)
            if case is None:
                told.extend(_nobodys(line))
                continue
            outcome = receive_funds(case, line, today=today, due=due, again=mark in seen)
            seen.add(mark)
            changed[line.case_id] = outcome.case
            told.extend(outcome.told)
        rows = [(line.line_id, line.line_no, line.remittance_id, line.case_id, line.amount_fen) for line in lines]
        if rows:
            await tx.execute(store.SQL["add_lines"], *(list(column) for column in zip(*rows, strict=True)))
        await store.save(tx, agency.vault, list(changed.values()))
        await agency.tell(tx, told)

    async def give_back(self) -> int:
        """Give approved surplus back to the bank; returns how many orders it took."""
        agency = self._agency
        async with self._database.transaction("ordered-returns") as tx:
            ordered = await tx.fetch(store.SQL["ordered_returns"])
        for row in ordered:
            order = ReturnOrder(
                return_id=row["return_id"],
                payer=agency.province,
                remittance_id=row["remittance_id"],
                case_id=row["case_id"],
                amount_fen=row["amount_fen"],
            )
            taken = await self._bank.give_back(order)
            async with self._database.transaction("sent-back") as tx:
                cases = await store.load(tx, agency.vault, agency.province, [order.case_id])
                if await tx.value(store.SQL["accept_return"], order.return_id) is None:
                    continue  # another replica was faster
                outcome: Outcome = sent_back(
                    cases[order.case_id],
                    remittance_id=order.remittance_id,
                    reference=taken.bank_reference,
                    amount_fen=order.amount_fen,
                    maker=row["maker"],
                    checker=row["checker"],
                )
                await store.save(tx, agency.vault, [outcome.case])
                await agency.tell(tx, outcome.told)
            self._told()
        return len(ordered)


def _nobodys(line: StatementLine) -> tuple[Told, ...]:
    """Money for a case that this agency does not know: it stands in suspense under the case that the line names."""
    return (
        FundsReceived(
            case_id=line.case_id,
            person_ref=line.case_id,
            origin=line.payer,
            remittance_id=line.remittance_id,
            line_id=line.line_id,
            amount_fen=line.amount_fen,
        ),
        DiscrepancyRaised(
            case_id=line.case_id,
            person_ref=line.case_id,
            origin=line.payer,
            kind="CASE_UNKNOWN",
            expected_fen=0,
            found_fen=line.amount_fen,
            difference_fen=line.amount_fen,
        ),
    )
