"""What the origin finds when it looks at a letter and its own record: a form can be made, or the letter goes back. Pure."""

from datetime import date

from contracts.documents import ContactLetter
from services.records.model import Record
from services.rules.admission import AccountKind, account_on_move
from services.rules.exception_tables import DeathAction, LedgerPosition
from services.rules.identity import normal_form
from services.rules.loader import Tables


def reason_to_return(
    letter: ContactLetter, record: Record | None, *, on: date, tables: Tables, died_on: date | None = None
) -> str | None:
    """The return code that the record calls for (domain § 1.6.1), or None where the form can be made.

    Args:
        on: the day; a temporary account is sealed by the rule of its day, and moves when the paying place gathers it.
        died_on: of the person, where a death was reported in this case.
    """
    if not letter.payee.account_no:
        return "LETTER_INCOMPLETE"
    if record is None:
        return "NO_RELATIONSHIP"
    died = died_on is not None or record.died_on is not None
    if died and tables.exceptions.death(LedgerPosition.BEFORE_DEBIT, on).action is DeathAction.CANCEL_AND_SETTLE:
        return "PERSON_DECEASED"
    if record.state == "moved":
        return "ALREADY_TRANSFERRED_OUT"
    if record.state == "settled":
        return "NO_RELATIONSHIP"
    if record.held_since is not None:
        return "JUDICIAL_OR_AUDIT_HOLD"
    if not tables.scheme(record.scheme, on).transferable:
        return "WRONG_SCHEME"
    if record.drawing_since is not None:
        return "ALREADY_DRAWING"
    if letter.person.name != record.personal.name:
        return "IDENTITY_MISMATCH"
    account = account_on_move(AccountKind(record.account_kind), gathering=letter.gathering, on=on, tables=tables)
    if not account.moves:
        return account.return_code
    if record.stopped_on is None:
        return "STILL_CONTRIBUTING"
    return None


def id_number_of(letter: ContactLetter) -> str:
    """The identity number in its normal form, or as it is where it is none."""
    return normal_form(letter.person.id_number)
