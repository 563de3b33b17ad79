"""The ledger of the baseline: double entry between accounts whose balances are locked."""

from collections.abc import Sequence
from typing import Any

import uvloop

from tests.bench.saga.bus import SQL, Bus
from tests.bench.saga.messages import COMMANDS, AnyMessage, Credited, CreditWanted, Debited, DebitWanted, Message, follow

IN_TRANSIT = 0


async def work(connection: Any, messages: Sequence[AnyMessage]) -> Sequence[Message]:
    """Book each half of a transfer: two lines that add up to nothing, and two balances."""
    told: list[Message] = []
    lines: list[tuple[str, int, int]] = []
    for message in messages:
        match message:
            case DebitWanted():
                debit, credit = message.payer, IN_TRANSIT
                told.append(follow(Debited, message))
            case CreditWanted():
                debit, credit = IN_TRANSIT, message.payee
                told.append(follow(Credited, message))
            case _:
                raise AssertionError(message)
        lines.append((message.transfer_id, debit, -message.amount_fen))
        lines.append((message.transfer_id, credit, message.amount_fen))
    if lines:
        found = await connection.fetch(SQL["lock_accounts"], sorted({account for _, account, _ in lines}))
        balances = {row["account"]: row["balance_fen"] for row in found}
        for transfer_id, account, amount_fen in lines:
            balances[account] += amount_fen
            assert balances[account] >= 0, (transfer_id, account, balances[account])
        await connection.execute(SQL["balances"], list(balances), list(balances.values()))
        await connection.execute(SQL["book"], *(list(column) for column in zip(*lines, strict=True)))
    return told


if __name__ == "__main__":
    uvloop.run(Bus("ledger", COMMANDS, work).run())
