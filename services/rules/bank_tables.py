"""Why money comes back on a bank account, and what that asks for before it is paid again: the bank's words, by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.rules.table_rows import Contents, Dated, Row, in_force

FILES = ("bank_returns",)
UNKNOWN = "*"  # stands in `says` of the row that holds for words which no other row knows
PAYEE_ACCOUNT = "payee_account"


@dataclass(frozen=True, slots=True)
class BankReturn(Dated):
    """One reason for money to come back.

    `says` are the bank's words for it. `letter_needed`: it is not paid again before a corrected letter names another account.
    `sent_back`: the payee had the money and gave it back, so the bank has not failed to pay.
    """

    code: str
    says: tuple[str, ...]
    letter_needed: bool
    sent_back: bool


@dataclass(frozen=True, slots=True)
class BankTables:
    """Every reason for money to come back."""

    returns: tuple[BankReturn, ...]

    def bank_return(self, words: str, on: date) -> BankReturn:
        """Return what the bank's words mean on a day; words that nobody knows mean the row of ``*``. Raises RuleNotInForce."""
        own = [row for row in self.returns if words.strip().lower() in row.says and row.in_force(on)]
        return own[0] if own else in_force((row for row in self.returns if UNKNOWN in row.says), "bank_returns", on)


def read_bank_tables(reading: Contents) -> BankTables:
    """Read the table; what is wrong is noted in `reading`."""
    returns = reading.rows("bank_returns", "bank_return", _bank_return)
    reading.once(returns, lambda row: row.says, "bank_returns.toml")
    return BankTables(returns)


def _bank_return(row: Row) -> BankReturn:
    code = row.text("code")
    return BankReturn(
        **row.dated(f"bank_returns/{code}"),
        code=code,
        says=tuple(words.lower() for words in row.texts("says")),
        letter_needed=row.flag("letter_needed"),
        sent_back=row.flag("sent_back"),
    )
