"""The destination's money: what the bank statement shows meets its forms, and what is too much goes back."""

from collections.abc import Callable, Sequence

import structlog

from contracts.banking import ReturnOrder, StatementLine
from contracts.events import DiscrepancyRaised, FundsReceived
from services.destination_agency import store
from services.destination_agency.automatic import complete_what_agrees
from services.destination_agency.case import Case, Outcome
from services.destination_agency.meeting import receive_funds, sent_back
from services.records import store as records
from services.records.agency import Agency
from services.records.bank import Bank, BankRefused
from services.records.decisions import Told
from services.runtime.database import Database, Transaction

log = structlog.get_logger()

AT_ONCE = 50  # orders that one look takes, as the query says


class FundDesk:
    """Looks at the statement now and then. Each line is booked once, whatever is repeated."""

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

    async def collect(self, wait_s: float = 0) -> int:
        """Book the payments that the statement shows since the last look; returns how many lines it showed.

        Args:
            wait_s: how long the bank may wait for a line where it has none.
        """
        agency = self._agency
        async with self._database.transaction("poll") as tx:
            after = int(await tx.value(store.SQL["cursor"]))
        lines = await self._bank.lines(agency.province, "payment", after, wait_s=wait_s)
        if not lines:
            return 0
        self._working += 1
        try:
            async with self._database.transaction("received") as tx:
                await self._book(tx, lines)
                tx.defer(store.SQL["move_cursor"], lines[-1].line_no)
            self._told()
        finally:
            self._working -= 1
        return len(lines)

    async def _book(self, tx: Transaction, lines: Sequence[StatementLine]) -> None:
        agency = self._agency
        today = agency.clock.today()
        due = agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
        cases = await store.load(tx, agency.vault, agency.province, [line.case_id for line in lines])
        told: list[Told] = []
        changed: dict[str, Case] = {}
        after = 0
        if any(line.case_id not in cases or line.payer != cases[line.case_id].origin for line in lines):
            # A case knows its lines; of money that is nobody's the cursor alone tells whether it was booked.
            after = int(await tx.value(store.SQL["lock_cursor"]))
        for line in lines:
            if line.line_no <= after:
                continue
            case = changed.get(line.case_id) or cases.get(line.case_id)
            if case is None or line.payer != case.origin:
                told.extend(_nobodys(line, "CASE_UNKNOWN" if case is None else "PAYER_UNKNOWN"))
                continue
            outcome = receive_funds(case, line, today=today, due=due)
            changed[line.case_id] = outcome.case
            told.extend(outcome.told)
        told, grown = await complete_what_agrees(tx, agency, cases, changed, told)
        await agency.tell(tx, told)
        await records.change(tx, agency.vault, grown)
        await store.save(tx, agency.vault, list(changed.values()))

    async def give_back(self) -> int:
        """Give approved surplus back to the bank; returns how many more orders may wait."""
        async with self._database.transaction("poll") as tx:
            ordered = await tx.fetch(store.SQL["ordered_returns"])
        self._working += 1
        try:
            for row in ordered:
                order = ReturnOrder(
                    return_id=row["return_id"],
                    payer=self._agency.province,
                    remittance_id=row["remittance_id"],
                    case_id=row["case_id"],
                    amount_fen=row["amount_fen"],
                )
                try:
                    taken = await self._bank.give_back(order)
                except BankRefused as error:
                    log.error("return.refused", order=order.return_id, reason=str(error))
                    continue  # it stays approved and open, and is tried again; nobody else waits for it
                await self._book_return(order, taken.bank_reference, maker=row["maker"], checker=row["checker"])
        finally:
            self._working -= 1
        return len(ordered) if len(ordered) == AT_ONCE else 0

    async def _book_return(self, order: ReturnOrder, reference: str, *, maker: str, checker: str) -> None:
        agency = self._agency
        async with self._database.transaction("sent-back") as tx:
            cases = await store.load(tx, agency.vault, agency.province, [order.case_id])
            if await tx.value(store.SQL["accept_return"], order.return_id) is None:
                return  # another replica was faster
            outcome: Outcome = sent_back(
                cases[order.case_id],
                remittance_id=order.remittance_id,
                reference=reference,
                amount_fen=order.amount_fen,
                maker=maker,
                checker=checker,
            )
            await agency.tell(tx, outcome.told)
            await store.save(tx, agency.vault, [outcome.case])
        self._told()


def _nobodys(line: StatementLine, kind: str) -> tuple[Told, ...]:
    """Money for a case that this agency does not know, or of a province that the case is not with.

    It stands in suspense of its payer, under the case that the line names, and counts for no case.
    """
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
            kind=kind,
            expected_fen=0,
            found_fen=line.amount_fen,
            difference_fen=line.amount_fen,
        ),
    )
