"""Fold the events again, from nothing, and find the first thing that does not agree.

Pure: it takes facts in any order and looks at no database. The order of an account's entries is its sequence numbers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from contracts.base import Fact
from contracts.events import BalanceStated
from services.ledger.bookkeeping import book
from services.ledger.chart import Side, grows_on
from services.ledger.journal import Head


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where the books and the log do not agree, in words for an auditor."""

    kind: str
    account: str
    sequence: int
    expected: str
    found: str
    event_id: str

    def __str__(self) -> str:
        return (
            f"{self.kind}: account {self.account} at {self.sequence}: expected {self.expected}, found {self.found}"
            f" (event {self.event_id})"
        )


@dataclass(slots=True)
class _Account:
    changes: dict[int, tuple[int, str]] = field(default_factory=dict)
    statements: list[tuple[int, int, str]] = field(default_factory=list)


class Replay:
    """One province's books, built from its facts alone."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._problems: list[Divergence] = []
        self.facts = 0
        self.entries = 0

    def fold(self, event_id: str, fact: Fact) -> None:
        """Take one fact. Each distinct event must be given once."""
        self.facts += 1
        if isinstance(fact, BalanceStated):
            self._account(fact.account).statements.append((fact.sequence, fact.balance_fen, event_id))
            return
        entry = book(event_id, fact)
        if entry is None:
            return
        self.entries += 1
        numbers: Mapping[str, int] = getattr(fact, "account_sequences", {})
        changes = entry.changes()
        if set(numbers) != set(changes):
            self._problems.append(
                Divergence(
                    "SEQUENCE_MISSING",
                    ",".join(sorted(set(changes) ^ set(numbers))),
                    0,
                    "one number an account",
                    "another set of accounts",
                    event_id,
                )
            )
        for account, change in changes.items():
            number = numbers.get(account, 0)
            known = self._account(account).changes
            if number in known:
                self._problems.append(
                    Divergence("SEQUENCE_TWICE", account, number, f"event {known[number][1]} alone", "another entry", event_id)
                )
            known[number] = (change, event_id)

    def balances(self) -> dict[str, Head]:
        """What the books must say: each account's last sequence number and balance."""
        return {
            name: Head(max(account.changes), sum(change for change, _ in account.changes.values()))
            for name, account in self._accounts.items()
            if account.changes
        }

    def problems(self) -> list[Divergence]:
        """What the log says against itself: gaps, repeats, and statements that the fold does not confirm."""
        found = list(self._problems)
        for name, account in sorted(self._accounts.items()):
            expected = 1
            for number in sorted(account.changes):
                if number > expected:  # only the first of a gap is named: a false number may be as large as it likes
                    found.append(Divergence("SEQUENCE_GAP", name, expected, "an entry", "none", "-"))
                expected = number + 1
            if not account.statements:
                continue
            running: dict[int, int] = {0: 0}
            balance = 0
            for number in sorted(account.changes):
                balance += account.changes[number][0]
                running[number] = balance
            for number, stated, event_id in sorted(account.statements):
                if running.get(number) != stated:
                    found.append(Divergence("STATEMENT_DIFFERS", name, number, str(running.get(number)), str(stated), event_id))
        return found

    def compare(self, live: Mapping[str, Head]) -> list[Divergence]:
        """Compare with a ledger's own heads; the accounts that differ, in name order."""
        own = self.balances()
        return [
            Divergence("LEDGER_DIFFERS", name, own.get(name, Head()).sequence, str(own.get(name)), str(live.get(name)), "-")
            for name in sorted(own.keys() | live.keys())
            if own.get(name, Head()) != live.get(name, Head())
        ]

    def _account(self, name: str) -> _Account:
        found = self._accounts.get(name)
        if found is None:
            found = self._accounts[name] = _Account()
        return found


def trial_balance(heads: Mapping[str, Head]) -> int:
    """Debits minus credits over all accounts, in fen: zero, or the books are broken."""
    return sum(head.balance_fen if grows_on(name) is Side.DEBIT else -head.balance_fen for name, head in heads.items())


def fold_all(facts: Iterable[tuple[str, Fact]]) -> Replay:
    """Fold (event id, fact) pairs of one province."""
    replay = Replay()
    for event_id, fact in facts:
        replay.fold(event_id, fact)
    return replay
