"""Postings and entries: what is written down. A posting cannot be unbalanced."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.ledger.chart import Side, grows_on


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount, in fen, from the account that is debited to the account that is credited."""

    debit: str
    credit: str
    amount_fen: int

    def __post_init__(self) -> None:
        assert self.amount_fen > 0, self
        assert self.debit != self.credit, self


@dataclass(frozen=True, slots=True)
class Entry:
    """Postings that are recorded together because of one event."""

    event_id: str
    postings: tuple[Posting, ...]

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account that the entry touches, sorted, once."""
        return tuple(sorted({account for posting in self.postings for account in (posting.debit, posting.credit)}))

    def changes(self) -> dict[str, int]:
        """By how many fen each account's balance grows (or shrinks) on its own side."""
        found: dict[str, int] = {}
        for posting in self.postings:
            for account, side in ((posting.debit, Side.DEBIT), (posting.credit, Side.CREDIT)):
                signed = posting.amount_fen if grows_on(account) is side else -posting.amount_fen
                found[account] = found.get(account, 0) + signed
        return found


@dataclass(frozen=True, slots=True)
class Head:
    """Where an account stands: its last sequence number and its balance in fen."""

    sequence: int = 0
    balance_fen: int = 0


def sequence(entries: Iterable[Entry], heads: Mapping[str, Head]) -> tuple[list[dict[str, int]], dict[str, Head]]:
    """Give each entry its place in each account that it touches.

    Returns the sequence numbers of each entry, in order, and the new heads of the touched accounts.
    """
    moved: dict[str, Head] = {}
    numbers: list[dict[str, int]] = []
    for entry in entries:
        own: dict[str, int] = {}
        for account, change in entry.changes().items():
            head = moved.get(account) or heads.get(account) or Head()
            moved[account] = Head(head.sequence + 1, head.balance_fen + change)
            own[account] = head.sequence + 1
        numbers.append(own)
    return numbers, moved
