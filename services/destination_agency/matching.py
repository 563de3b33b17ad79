"""Whether an information form agrees with itself. Pure. Found differences are named as in domain § 1.6.15."""

from contracts.documents import InformationForm
from services.records.model import from_contract
from services.rules.amounts import RatePending, RecordInvalid, compute
from services.rules.loader import RuleNotInForce, Tables
from services.rules.months import MonthInvalid


def fault_of(form: InformationForm, *, origin: str, letter_no: str, id_number: str, tables: Tables) -> str | None:
    """What is wrong with a form, or None.

    The amounts are computed again from the form's own rows. A difference of at most one fen a row is rounding, which no
    national text settles; the origin's figure is booked then.
    """
    items = form.items
    if form.letter_no != letter_no:
        return "LETTER_NUMBER_UNKNOWN"
    if form.person.id_number.upper() != id_number.upper():
        return "PERSON_DIFFERS"
    if items.account_fen != items.before_1998_fen + items.until_last_year_fen + items.this_year_fen:
        return "ITEM_4_IS_NOT_1_2_3"
    if items.total_fen != items.account_fen + items.pool_fen:
        return "ITEM_6_IS_NOT_4_5"
    try:
        segments = tuple(from_contract(segment) for segment in form.segments)
        again = compute(segments, transfer_on=form.transfer_on, province=origin, tables=tables)
    except (RecordInvalid, RatePending, MonthInvalid, RuleNotInForce):  # MonthInvalid: no month between 1950 and 2050
        return "ROWS_INVALID"
    if again.months != form.months:
        return "MONTHS_DIFFER"
    rows = sum(len(segment.rows) for segment in form.segments)
    pairs = (
        (items.before_1998_fen, again.before_1998_fen),
        (items.until_last_year_fen, again.until_last_year_fen),
        (items.this_year_fen, again.this_year_fen),
        (items.pool_fen, again.pool_fen),
    )
    if any(abs(said - computed) > rows for said, computed in pairs):
        return "AMOUNTS_DIFFER"
    return None
