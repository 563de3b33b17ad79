"""Whether an information form agrees with itself. Pure. Found differences are named as in domain § 1.6.15."""

from dataclasses import dataclass
from decimal import Decimal

from contracts.documents import InformationForm
from services.records.model import from_contract
from services.rules.amounts import RatePending, RecordInvalid, RowStatus, YearRow, compute
from services.rules.loader import RuleNotInForce, Tables
from services.rules.months import MonthInvalid
from services.rules.tolerance import Agreement, compare


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of a form's examination.

    `fault` says what is wrong with it, None where it is sound. `rounding_difference_fen` is how much its item ⑥ is above our
    own computing where that is rounding, which no national text settles; the origin's figure is booked then. `interim_years`
    are those whose rate was not published: the difference follows.
    """

    fault: str | None
    rounding_difference_fen: int = 0
    interim_years: tuple[int, ...] = ()


def examine(form: InformationForm, *, origin: str, letter_no: str, id_number: str, tables: Tables) -> Examined:
    """Look at a form: is it of this case, do its sums hold, and do its own rows give its amounts.

    The amounts are computed again at the rates of the origin's province; at an interim rate for the years that the form names.
    """
    items = form.items
    if form.letter_no != letter_no:
        return Examined("LETTER_NUMBER_UNKNOWN")
    if form.person.id_number.upper() != id_number.upper():
        return Examined("PERSON_DIFFERS")
    if items.account_fen != items.before_1998_fen + items.until_last_year_fen + items.this_year_fen:
        return Examined("ITEM_4_IS_NOT_1_2_3")
    if items.total_fen != items.account_fen + items.pool_fen:
        return Examined("ITEM_6_IS_NOT_4_5")
    stated = {interim.year: Decimal(interim.rate) for interim in form.interim_rates}
    try:
        segments = tuple(from_contract(segment) for segment in form.segments)
        again = compute(segments, transfer_on=form.transfer_on, province=origin, tables=tables, interim=stated)
    except RatePending:  # it names no rate in the place of one that this province does not know yet
        return Examined("RATE_PENDING")
    except (RecordInvalid, MonthInvalid, RuleNotInForce):  # MonthInvalid: no month between 1950 and 2050
        return Examined("ROWS_INVALID")
    stated_months = [row.months for segment in form.segments for row in segment.rows]
    if stated_months != [row.months for segment in segments for row in segment.rows]:
        return Examined("ROW_MONTHS_DIFFER")  # a gap splits a row; this one says fewer months than lie in it, or more
    if again.months != form.months:
        return Examined("MONTHS_DIFFER")
    rows = sum(len(segment.rows) for segment in form.segments)
    compared = compare(items, again, year_rows=rows, on=form.transfer_on, tables=tables)
    if compared.agreement is Agreement.DISCREPANCY:
        return Examined("AMOUNTS_DIFFER")
    if any(_rate_too_high(row, tables) for segment in segments for row in segment.rows):
        return Examined("RATIO_OUT_OF_TABLE")
    return Examined(None, compared.total_fen, tuple(again.interim))


def _rate_too_high(row: YearRow, tables: Tables) -> bool:
    """Whether the employer's rate of a row that was paid lies above what there was at its place in its months."""
    paid = row.status is RowStatus.PAID
    return paid and tables.amounts.rate_too_high(row.employer_rate, row.division[:2], row.start, row.end) is not None
