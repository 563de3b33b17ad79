"""What the origin finds when it looks at a letter and its own record: a form can be made, or the letter goes back. Pure."""

from contracts.documents import ContactLetter
from services.records.model import Record
from services.rules.identity import IdNumberInvalid, parse_id_number


def reason_to_return(letter: ContactLetter, record: Record | None) -> str | None:
    """The return code that the record calls for (domain § 1.6.1), or None where the form can be made."""
    if not letter.payee.account_no:
        return "LETTER_INCOMPLETE"
    if record is None:
        return "NO_RELATIONSHIP"
    if record.state == "moved":
        return "ALREADY_TRANSFERRED_OUT"
    if record.drawing_since is not None:
        return "ALREADY_DRAWING"
    if letter.person.name != record.personal.name:
        return "IDENTITY_MISMATCH"
    if record.account_kind == "temporary":
        return "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW"
    if record.stopped_on is None:
        return "STILL_CONTRIBUTING"
    return None


def id_number_of(letter: ContactLetter) -> str:
    """The identity number in its normal form, or as it is where it is none."""
    try:
        return parse_id_number(letter.person.id_number).number
    except IdNumberInvalid:
        return letter.person.id_number
