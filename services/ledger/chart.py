"""The chart of accounts of one province. An account is a line of the books; its name is its identity."""

from enum import StrEnum


class Side(StrEnum):
    """The side on which an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


BANK = "bank"
POOLED_FUND = "pooled_fund"
INTEREST_PAID = "interest_paid"
REFUNDS_PAYABLE = "refunds_payable"  # owed to persons or heirs: cleared duplicates, settled accounts

INDIVIDUAL_PREFIX = "individual:"


def individual(person_ref: str) -> str:
    """The individual account (个人账户) of one person in this province."""
    return f"{INDIVIDUAL_PREFIX}{person_ref}"


def transfers_payable(destination: str) -> str:
    """What this province owes to another for transfers it has approved and not yet paid."""
    return f"transfers_payable:{destination}"


def suspense(origin: str) -> str:
    """Money received from another province that has not met its form."""
    return f"suspense:{origin}"


def grows_on(account: str) -> Side:
    """Debit for what the province has or has spent, credit for what it owes or holds for others."""
    return Side.DEBIT if account in (BANK, INTEREST_PAID) else Side.CREDIT
