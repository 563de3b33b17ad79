"""When an account of a relationship that ends may be paid out. Pure."""

from services.records.decisions import Refused
from services.records.model import Record


def refuse_unless_payable(record: Record, amount_fen: int, *, last_year: int) -> None:
    """Refuse to pay an account out that is overdrawn, or that still waits for its interest.

    Args:
        record: what this province knows of the person.
        amount_fen: what the books hold for the person.
        last_year: the last year that is over; an account without money bears no interest for it.

    Raises:
        Refused: ACCOUNT_BELOW_ZERO, INTEREST_PENDING.
    """
    if amount_fen < 0:
        raise Refused("ACCOUNT_BELOW_ZERO", f"The books hold {amount_fen} fen.", remedy="Clear the account first.")
    if amount_fen and record.interest_through < last_year:
        raise Refused(
            "INTEREST_PENDING",
            f"The interest of {last_year} is not credited to the account yet.",
            remedy="Run the year's end first.",
        )
