"""Write entries down and say where accounts stand. Three statements a batch, however many entries."""

from collections.abc import Iterable, Mapping, Sequence

from contracts.base import Fact
from contracts.envelope import Envelope, envelope
from contracts.events import BalanceStated
from services.ledger.bookkeeping import book
from services.ledger.chart import INDIVIDUAL_PREFIX
from services.ledger.journal import Entry, Head, sequence
from services.runtime.database import Transaction, queries

SQL = queries(__file__)


async def hold(tx: Transaction, accounts: Iterable[str]) -> dict[str, Head]:
    """Lock accounts until the transaction ends and say where they stand; new ones are made."""
    rows = await tx.fetch(SQL["lock_accounts"], sorted(set(accounts)))
    return {row["account"]: Head(row["sequence"], row["balance_fen"]) for row in rows}


async def record(tx: Transaction, told: Sequence[Envelope[Fact]], held: Mapping[str, Head] | None = None) -> list[Envelope[Fact]]:
    """Book a batch of facts and return them with their account sequence numbers, in order.

    After the last of them stands one statement of balance for each person's account that the batch touched.
    The touched accounts stay locked until the transaction ends, so the numbers have no gaps.

    Args:
        tx: the open transaction.
        told: the facts, in order.
        held: what `hold` said in this transaction, where it was asked before and nothing was booked since.
    """
    entries: dict[int, Entry] = {}
    for at, message in enumerate(told):
        entry = book(message.id, message.data)
        if entry is not None:
            entries[at] = entry
    if not entries:
        return list(told)
    names = sorted({account for entry in entries.values() for account in entry.accounts})
    heads = held if held is not None and held.keys() >= set(names) else await hold(tx, names)
    numbers, moved = sequence(entries.values(), heads)
    _write(tx, list(entries.values()), numbers, moved)
    numbered = list(told)
    for at, own in zip(entries, numbers, strict=True):
        fact = told[at].data.model_copy(update={"account_sequences": own})
        numbered[at] = told[at].model_copy(update={"data": fact})
    last = {account: numbered[at] for at, own in zip(entries, numbers, strict=True) for account in own}
    return numbered + [
        _statement(account, moved[account], after) for account, after in last.items() if account.startswith(INDIVIDUAL_PREFIX)
    ]


def _statement(account: str, head: Head, after: Envelope[Fact]) -> Envelope[Fact]:
    person_ref = account.removeprefix(INDIVIDUAL_PREFIX)
    fact = BalanceStated.model_construct(
        person_ref=person_ref, account=account, sequence=head.sequence, balance_fen=head.balance_fen, reason="entry"
    )
    return envelope(fact, source=after.service, subject=person_ref, time=after.time, causation=after.id)


def _write(tx: Transaction, entries: Sequence[Entry], numbers: Sequence[Mapping[str, int]], moved: Mapping[str, Head]) -> None:
    rows = [
        (entry.event_id, line, posting.debit, own[posting.debit], posting.credit, own[posting.credit], posting.amount_fen)
        for entry, own in zip(entries, numbers, strict=True)
        for line, posting in enumerate(entry.postings)
    ]
    tx.defer(SQL["add_postings"], *(list(column) for column in zip(*rows, strict=True)))
    tx.defer(
        SQL["move_accounts"],
        list(moved),
        [head.sequence for head in moved.values()],
        [head.balance_fen for head in moved.values()],
    )


async def balances(tx: Transaction, accounts: Sequence[str]) -> dict[str, Head]:
    """Where the named accounts stand; an account that was never used is not in the answer."""
    return {row["account"]: Head(row["sequence"], row["balance_fen"]) for row in await tx.fetch(SQL["heads"], list(accounts))}


async def all_balances(tx: Transaction) -> dict[str, Head]:
    """Where every account stands."""
    return {row["account"]: Head(row["sequence"], row["balance_fen"]) for row in await tx.fetch(SQL["all_heads"])}
