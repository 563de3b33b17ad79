"""The orchestrator of the baseline: where each transfer stands, and what comes next."""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any

import uvloop

from contracts.envelope import new_id
from tests.bench.saga.bus import SQL, Bus
from tests.bench.saga.messages import (
    EVENTS,
    AnyMessage,
    Credited,
    CreditWanted,
    Debited,
    DebitWanted,
    Done,
    Message,
    Requested,
    follow,
)

ACCOUNTS = 1000


async def work(connection: Any, messages: Sequence[AnyMessage]) -> Sequence[Message]:
    """Begin what is requested, go on with what the ledger has booked."""
    told: list[Message] = []
    begun = [message for message in messages if isinstance(message, Requested)]
    booked = [message for message in messages if isinstance(message, Debited | Credited)]
    if begun:
        rows = [(each.transfer_id, each.payer, each.payee, each.amount_fen) for each in begun]
        await connection.execute(SQL["begin"], *(list(column) for column in zip(*rows, strict=True)))
    if booked:
        found = await connection.fetch(SQL["lock_transfers"], [each.transfer_id for each in booked])
        states = {row["transfer_id"]: row["state"] for row in found}
        for each in booked:
            expected, then = ("DEBITING", "CREDITING") if isinstance(each, Debited) else ("CREDITING", "DONE")
            assert states[each.transfer_id] == expected, (each.transfer_id, states[each.transfer_id])
            states[each.transfer_id] = then
        await connection.execute(SQL["move"], list(states), list(states.values()))
    for message in messages:
        match message:
            case Requested():
                told.append(follow(DebitWanted, message))
            case Debited():
                told.append(follow(CreditWanted, message))
            case Credited():
                told.append(follow(Done, message))
            case _:
                raise AssertionError(message)
    return told


async def main() -> None:
    """Run it. Each SIGUSR1 takes in as many transfers as the next number of SAGA_TAKE says."""
    bus = Bus("orchestrator", EVENTS, work)
    numbers = iter(int(number) for number in os.environ["SAGA_TAKE"].split(","))
    at_once = int(os.environ["MAX_RECORDS"])
    asked = asyncio.Semaphore(0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.release)
    taken = 0

    async def intake() -> None:
        nonlocal taken
        for number in numbers:
            await asked.acquire()
            for first in range(taken, taken + number, at_once):
                last = min(taken + number, first + at_once)
                await bus.begin([_requested(at) for at in range(first, last)])
            taken += number

    await bus.run(intake)


def _requested(at: int) -> Requested:
    payer = at % ACCOUNTS + 1
    return Requested(transfer_id=new_id(), payer=payer, payee=(at * 7 + 3) % ACCOUNTS + 1, amount_fen=at % 500 + 1)


if __name__ == "__main__":
    uvloop.run(main())
