"""Bugs on purpose, each as a patch of our real classes that only a test puts in. The simulation has to find every one of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from faststream import AckPolicy

from services.ledger import store as ledger
from services.messaging.inbox import Accepted, Inbox
from services.messaging.outbox import Outbox
from services.messaging.received import Received
from services.messaging.relay import Numbered, Relay, _signed
from services.notification.handlers import Handlers
from services.origin_agency.funds import FundDesk
from services.runtime.database import Transaction

Mutant = Callable[[], AbstractContextManager[Any]]


def commit_before_accept() -> AbstractContextManager[Any]:
    """The offset is committed before the transaction: what fails or dies in between is never read again."""

    class Early:
        NACK_ON_ERROR = AckPolicy.ACK_FIRST

    return patch("services.messaging.house.AckPolicy", Early)


def renumbering_relay() -> AbstractContextManager[Any]:
    """What was perhaps not acknowledged is numbered and signed anew instead of being sent as it was."""

    async def resend(self: Any, connection: Any, sent_through: int) -> int:
        rows = await connection.fetch(self._sql["unsent"], sent_through, self._batch)
        if rows:
            first, previous = self._head[0] + 1, self._head[1]
            payloads = [row["payload"] for row in rows]
            signed, proofs = self._signer.sign_batch(payloads, first=first, previous=previous, now=self._clock.now())
            last = first + len(rows) - 1
            head = _signed(signed.checkpoint, signed.signature)
            await self._sender.send(
                [
                    Numbered(at, row["topic"], row["key"], row["role"], row["type"], row["payload"], proof, head, at == last)
                    for at, row, proof in zip(range(first, last + 1), rows, proofs, strict=True)
                ]
            )
            sent_through = rows[-1]["number"]
            await connection.execute(self._sql["mark_sent"], sent_through)
        return sent_through

    return patch.object(Relay, "_resend", resend)


def forgetful_inbox() -> AbstractContextManager[Any]:
    """Booking twice: a record that was taken before is taken again."""
    real = Inbox.accept

    async def accept(self: Inbox, tx: Transaction, batch: Sequence[Received]) -> Accepted:
        found = await real(self, tx, batch)
        return Accepted(list(batch), found.reused, found.waiting, found.parked)

    return patch.object(Inbox, "accept", accept)


def entry_booked_twice() -> AbstractContextManager[Any]:
    """Booking twice: the balance moves twice for one entry, where a completion is booked."""
    real = ledger._write

    def write(tx: Transaction, entries: Any, numbers: Any, moved: Mapping[str, Any]) -> None:
        if any(account.startswith("suspense:") for entry in entries for account in entry.accounts):
            for entry in entries:
                for account, change in entry.changes().items():
                    head = moved[account]
                    moved = {**moved, account: type(head)(head.sequence, head.balance_fen + change)}
        real(tx, entries, numbers, moved)

    return patch.object(ledger, "_write", write)


def mail_before_commit() -> AbstractContextManager[Any]:
    """A notice is in the mailer's hand before its transaction is committed."""
    real = Handlers.facts

    async def facts(self: Handlers, tx: Transaction, batch: Sequence[Received]) -> None:
        after = tx.after_commit
        tx.after_commit = lambda callback: callback()  # type: ignore[method-assign]
        try:
            await real(self, tx, batch)
        finally:
            tx.after_commit = after  # type: ignore[method-assign]

    return patch.object(Handlers, "facts", facts)


def outbox_beside_the_transaction() -> AbstractContextManager[Any]:
    """What is told is written after the commit, in a transaction of its own: a crash in between loses it."""

    async def append(self: Any, tx: Transaction, rows: Sequence[Any]) -> None:
        if not rows:
            return
        from tests.simulation.world import World

        world = World.now_running()
        machine = next(machine for machine in world.machines if machine.house is not None and machine.house.outbox is self)
        assert machine.house is not None
        database = machine.house.database
        columns = [
            list(column)
            for column in zip(
                *((row.event_id, row.topic, row.key, row.role, row.type, row.subject, row.payload) for row in rows), strict=True
            )
        ]

        async def later() -> None:
            async with database.transaction("told") as own:
                own.defer(self._sql["append"], *columns)
                own.defer(self._sql["append_pending"])

        def start() -> None:
            world.loop.start(machine.process, later())

        tx.after_commit(start)

    return patch.object(Outbox, "append", append)


def order_with_a_new_id() -> AbstractContextManager[Any]:
    """Each try to pay is a new order to the bank: an answer that was lost pays twice."""
    real: Any = FundDesk._give
    tries = 0

    async def give(self: Any, row: Any) -> Any:
        nonlocal tries
        tries += 1
        taken = await real(self, {**row, "remittance_id": f"{row['remittance_id'][:-4]}{tries:04d}"})
        order = taken.order.model_copy(update={"remittance_id": row["remittance_id"]}) if taken is not None else None
        return replace(taken, order=order) if taken is not None else None

    return patch.object(FundDesk, "_give", give)


PLANTED: Mapping[str, Mutant] = {
    "commit before accept": commit_before_accept,
    "a relay that numbers a resend anew": renumbering_relay,
    "an inbox that books twice": forgetful_inbox,
    "an entry booked twice": entry_booked_twice,
    "mail before commit": mail_before_commit,
    "outbox beside the transaction": outbox_beside_the_transaction,
    "each try to pay a new order": order_with_a_new_id,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Our code with one of the bugs in it."""
    with ExitStack() as stack:
        stack.enter_context(PLANTED[name]())
        yield
