"""The bank's own books: orders, payments to come, statement lines."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from contracts.banking import Fault, Holding, OrderTaken, RemittanceOrder, ReturnOrder, StatementLine
from services.bank.plan import SENT_BACK, Payment, passes_on, payments
from services.runtime.database import Database, Transaction, queries
from services.runtime.http import Problem

SQL = queries(__file__)


LineKind = Literal["payment", "returned"]


@dataclass(frozen=True, slots=True)
class Account:
    """A statement: what came in on a province's account, or what came back to it."""

    province: str
    kind: LineKind


class BankStore:
    """Everything the bank keeps.

    `booked` is called after a commit with the statements that have new lines; whoever wants to hear it sets it.

    Args:
        database: the bank's own.
        delay: how long a payment is under way.
    """

    def __init__(self, database: Database, *, delay: timedelta) -> None:
        self._database = database
        self._delay = delay
        self.booked: Callable[[frozenset[Account]], None] = lambda _: None

    async def take(self, order: RemittanceOrder, now: datetime) -> OrderTaken:
        """Take a remittance; the same again is answered the same.

        Raises:
            Problem: 409 ORDER_REUSED for another body under a known id, 422 TOTAL_DIFFERS.
        """
        if sum(line.amount_fen for line in order.lines) != order.total_fen:
            raise Problem(422, "TOTAL_DIFFERS", "The lines do not add up to the total.", field="total_fen")
        digest = hashlib.sha256(order.model_dump_json().encode()).hexdigest()
        reference = f"B{digest[:16].upper()}"
        async with self._database.transaction("order") as tx:
            new = await tx.value(
                SQL["take_order"],
                order.remittance_id,
                "remittance",
                digest,
                reference,
                order.payer,
                order.payee_province,
                order.total_fen,
                now,
            )
            if new is None:
                return await self._known(tx, order.remittance_id, digest)
            cases = [line.case_id for line in order.lines]
            faults = {
                row["case_id"]: Fault(case_id=row["case_id"], kind=row["kind"], days=row["days"], amount_fen=row["amount_fen"])
                for row in await tx.fetch(SQL["use_faults"], cases)
            }
            tx.defer(SQL["add_order_lines"], order.remittance_id, cases, [line.amount_fen for line in order.lines])
            planned = payments(order.lines, faults, now=now, delay=self._delay)
            self._plan(tx, order.remittance_id, order.payer, order.payee_province, planned)
            if any(item.available_at is not None and item.available_at <= now for item in planned):
                await self._book(tx, now)
        return OrderTaken(remittance_id=order.remittance_id, bank_reference=reference)

    async def give_back(self, order: ReturnOrder, now: datetime) -> OrderTaken:
        """Take money back that was paid twice or too much.

        What the bank itself paid twice is its own; anything else goes on to the province that paid it.

        Raises:
            Problem: 404 for an unknown remittance, 409 ORDER_REUSED.
        """
        digest = hashlib.sha256(order.model_dump_json().encode()).hexdigest()
        reference = f"R{digest[:16].upper()}"
        async with self._database.transaction("return") as tx:
            parties = await tx.one(SQL["order_parties"], order.remittance_id)
            if parties is None or parties["payee"] != order.payer:
                raise Problem(404, "NO_SUCH_REMITTANCE", "The bank knows no such remittance to this province.")
            new = await tx.value(
                SQL["take_order"],
                order.return_id,
                "return",
                digest,
                reference,
                order.payer,
                parties["payer"],
                order.amount_fen,
                now,
            )
            if new is None:
                return await self._known(tx, order.return_id, digest)
            await tx.execute(SQL["alone_with_case"], order.case_id)
            row = await tx.one(SQL["given_back"], order.case_id, parties["payer"], order.payer, SENT_BACK)
            assert row is not None, order.return_id
            passed_on_fen = passes_on(order.amount_fen, **{name: int(value) for name, value in row.items()})
            tx.defer(SQL["add_order_lines"], order.return_id, [order.case_id], [order.amount_fen])
            if passed_on_fen:
                item = Payment(order.case_id, passed_on_fen, "returned", now + self._delay, SENT_BACK)
                self._plan(tx, order.remittance_id, parties["payer"], order.payer, [item])
                if not self._delay:
                    await self._book(tx, now)
        return OrderTaken(remittance_id=order.return_id, bank_reference=reference)

    async def _known(self, tx: Transaction, order_id: str, digest: str) -> OrderTaken:
        row = await tx.one(SQL["order"], order_id)
        assert row is not None, order_id
        if row["digest"] != digest:
            raise Problem(409, "ORDER_REUSED", "Another order has this id.", remedy="Give the new order an id of its own.")
        return OrderTaken(remittance_id=order_id, bank_reference=row["reference"])

    def _plan(self, tx: Transaction, order_id: str, payer: str, payee: str, planned: Sequence[Payment]) -> None:
        if not planned:
            return
        rows = [
            (order_id, item.case_id, payer, payee, item.amount_fen, item.kind, item.reason, item.available_at) for item in planned
        ]
        tx.defer(SQL["add_payments"], *(list(column) for column in zip(*rows, strict=True)))

    async def statement(self, province: str, kind: LineKind, after: int, now: datetime) -> tuple[StatementLine, ...]:
        """Book what has become due and give a province's lines after a number, at most 500."""
        lines, _ = await self.look(Account(province, kind), after, now)
        return lines

    async def look(self, account: Account, after: int, now: datetime) -> tuple[tuple[StatementLine, ...], datetime | None]:
        """Book what has become due; lines of a statement after a number, and where there are none, when the next is due."""
        paid_in = account.kind == "payment"
        async with self._database.transaction("statement") as tx:
            await self._book(tx, now)
            rows = await tx.fetch(SQL["paid_in" if paid_in else "returned_to"], account.province, after)
            if rows:
                return tuple(StatementLine(**row) for row in rows), None
            tx.purpose = "poll"
            return (), await tx.value(SQL["next_paid_in" if paid_in else "next_returned_to"], account.province)

    async def _book(self, tx: Transaction, now: datetime) -> None:
        if not await tx.value(SQL["wait_for_due"], now):
            return
        rows = await tx.fetch(SQL["book_lines"], now, now.date())
        new = frozenset(Account(row["payee"] if row["kind"] == "payment" else row["payer"], row["kind"]) for row in rows)
        tx.after_commit(lambda: self.booked(new))

    async def tell_faults(self, faults: Sequence[Fault]) -> None:
        """Keep faults for the next payment of their cases."""
        if not faults:
            return
        async with self._database.transaction("faults") as tx:
            rows = [(fault.case_id, fault.kind, fault.days, fault.amount_fen) for fault in faults]
            await tx.execute(SQL["add_faults"], *(list(column) for column in zip(*rows, strict=True)))

    async def investigate(self, case_id: str, now: datetime) -> int:
        """Find what was lost or left out for a case and pay it now; returns how many payments that makes."""
        async with self._database.transaction("investigate") as tx:
            await tx.execute(SQL["alone_with_case"], case_id)
            lost = [row["payment_id"] for row in await tx.fetch(SQL["open_payments"], case_id)]
            found = 0
            if lost:
                await tx.execute(SQL["find_payments"], lost, now)
            for row in await tx.fetch(SQL["shortfall"], case_id, SENT_BACK):
                missing = int(row["ordered_fen"] - row["planned_fen"])
                if missing > 0:
                    item = Payment(case_id, missing, "payment", now, "found by the bank")
                    self._plan(tx, row["order_id"], row["payer"], row["payee"], [item])
                    found += 1
            if found or lost:
                await self._book(tx, now)
        return found + len(lost)

    async def holdings(self) -> list[Holding]:
        """What the bank holds between each pair of provinces."""
        async with self._database.transaction("holdings") as tx:
            rows: list[Any] = await tx.fetch(SQL["holdings"])
        return [
            Holding(
                **row,
                in_hands_fen=row["taken_fen"] - row["delivered_fen"] - row["returned_fen"] + row["given_back_fen"],
            )
            for row in rows
        ]
