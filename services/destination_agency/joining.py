"""What a transfer does to the person's record here: joined, replaced, given up, and cleared of months paid twice. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from contracts.documents import InformationForm
from contracts.events import ContributionCorrected
from services.records.decisions import Refused
from services.records.model import Record, arrived
from services.rules.adjustment import interest_differences
from services.rules.amounts import RowStatus, Segment, YearRow, compute, principal_of
from services.rules.duplicates import Choice, Clearing, Holding, clear, overlaps, stands_twice, without_idle_arrears
from services.rules.interest import RatePending
from services.rules.loader import Tables
from services.rules.months import months_from
from services.rules.year_rows import MonthsOverlap

ANSWERS = "the bookings of a transfer changed after the year's interest was credited"


@dataclass(frozen=True, slots=True)
class Binding:
    """Who decided: what a fact that follows from a decision names."""

    maker: str
    checker: str


def brought(form: InformationForm, tables: Tables) -> tuple[Segment, ...]:
    """The segments that a form leaves here.

    Its ③ is booked as it stands. Where that is not the principal of its rows, by rounding or by agreement, the difference
    stands in the opening balance, so that the record and the books hold the same to the fen.
    """
    [segment] = arrived(form)
    year = form.transfer_on.year
    of_rows = sum(principal_of(row, tables).account_fen for row in segment.rows if row.year == year)
    opening = segment.opening_since_1998_fen + form.items.this_year_fen - of_rows
    if opening == segment.opening_since_1998_fen or opening < 0:
        return (segment,)
    return (replace(segment, opening_since_1998_fen=opening),)


def given_up(record: Record, form: InformationForm, tables: Tables) -> Record:
    """The person's record without what a transfer had brought.

    Raises:
        Refused: RECORD_MOVED where the relationship is not here any more, ROWS_CHANGED where the rows are not as they came.
    """
    return _without(record, brought(form, tables))


def _without(record: Record, segments: tuple[Segment, ...]) -> Record:
    if not record.here:
        raise Refused(
            "RECORD_MOVED",
            "The relationship is not here any more.",
            remedy="Decline, and let the place that has it now correct it.",
        )
    left = list(record.segments)
    for segment in segments:
        if segment not in left:
            raise Refused(
                "ROWS_CHANGED",
                "The rows are not as they came: months of them were cleared or corrected here.",
                remedy="Decline; what differs is corrected by hand.",
            )
        left.remove(segment)
    return replace(record, segments=tuple(left))


def _refuse_open_year(record: Record, on: date) -> None:
    if record.interest_through < on.year - 1:
        raise Refused(
            "INTEREST_PENDING",
            f"The interest of {on.year - 1} is not credited to the account yet.",
            remedy="Run the year's end first.",
        )


def interest_facts(
    before: Record, after: Record, *, decided: Binding, province: str, tables: Tables, first_year: int
) -> tuple[ContributionCorrected, ...]:
    """What the books must add to the interest of years that were credited before the record changed.

    Args:
        first_year: the transfer's year; nothing earlier earns here. Where it is not closed yet there is nothing to add.

    Raises:
        Refused: RATE_PENDING.
    """
    if before.interest_through < first_year:
        return ()
    try:
        found = interest_differences(
            before.segments, after.segments, through=before.interest_through, province=province, tables=tables
        )
    except RatePending as error:
        raise _rate_pending(error) from error
    return tuple(
        ContributionCorrected(
            person_ref=before.person_ref,
            year=year,
            account_difference_fen=0,
            interest_difference_fen=fen,
            pool_difference_fen=0,
            reason=ANSWERS,
            rule_set=tables.version,
            maker=decided.maker,
            checker=decided.checker,
        )
        for year, fen in sorted(found.items())
    )


def paid_twice(record: Record, segments: tuple[Segment, ...], *, origin: str, province: str) -> tuple[str, ...]:
    """The months, `YYYY-MM`, that the record holds already and a transfer brings as well (S-187 item 3).

    Raises:
        Refused: DUPLICATES_UNCLEARED while months of an earlier transfer are not cleared yet.
    """
    own = [row for segment in record.segments for row in segment.rows]
    coming = [row for segment in segments for row in segment.rows]
    if not any(row.start <= other.end and other.start <= row.end for row in own for other in coming):
        return ()
    holdings = (Holding(origin, segments), Holding(province, record.segments))
    try:
        found = overlaps(holdings)
    except MonthsOverlap as error:
        raise Refused(
            "DUPLICATES_UNCLEARED",
            "Months that were paid twice are not cleared yet.",
            legal_basis="人社部发〔2010〕70号 第十条",
            remedy="Clear the months of the other transfer first, then complete this one.",
        ) from error
    return tuple(str(month) for each in found for month in months_from(each.start, each.end))


@dataclass(frozen=True, slots=True)
class Joined:
    """What a form makes of the record: the months that are held twice then, and what stands where not all of it does."""

    record: Record
    overlap: tuple[str, ...] = ()
    stands: tuple[Segment, ...] = ()


def joined(own: Record, segments: tuple[Segment, ...], *, origin: str, province: str) -> Joined:
    """Join what a transfer brings to the own record.

    Months that both have paid wait for the person's choice. Where a month stands twice and one of the two is in arrears there
    is nothing to choose: the arrears leave the record, and with them the month that would count twice later.

    Raises:
        Refused: DUPLICATES_UNCLEARED while months of an earlier transfer are not cleared yet.
    """
    overlap = paid_twice(own, segments, origin=origin, province=province)
    holdings = (Holding(province, own.segments), Holding(origin, segments))
    if overlap or not stands_twice(holdings):
        return Joined(own.joined_by(segments), overlap)
    left = without_idle_arrears(holdings)
    return Joined(replace(own, segments=left[province] + left[origin]), stands=left[origin] if left[origin] != segments else ())


def replaced(
    record: Record,
    booked: InformationForm,
    form: InformationForm,
    stands: tuple[Segment, ...] = (),
    *,
    origin: str,
    province: str,
    on: date,
    tables: Tables,
) -> Joined:
    """Put a later form in the place of the one in the books.

    A form that brings the same as the booked one changes nothing. Where months of the booked one were cleared because the
    person kept the own ones, they are cleared of the later form as well; what was refunded stays refunded, and the difference
    between the forms is the account's.

    Args:
        stands: what the record holds of the transfer, where months of it were cleared or arrears of it left the record.

    Raises:
        Refused: RECORD_MOVED, ROWS_CHANGED, DUPLICATES_UNCLEARED; INTEREST_PENDING, RATE_PENDING or ACCOUNT_TOO_SMALL where
            months were cleared.
    """
    segments, before = brought(form, tables), brought(booked, tables)
    if stands and _counted(stands) != _counted(before):
        return _replaced_cleared(record, booked, form, stands, origin=origin, province=province, on=on, tables=tables)
    try:
        own = _without(record, stands or before)
    except Refused:
        if not record.here or segments != before:
            raise
        return Joined(record)
    return joined(own, segments, origin=origin, province=province)


def _counted(segments: Sequence[Segment]) -> list[YearRow]:
    return [row for segment in segments for row in segment.rows if row.status is not RowStatus.ARREARS]


def _replaced_cleared(
    record: Record,
    booked: InformationForm,
    form: InformationForm,
    stands: tuple[Segment, ...],
    *,
    origin: str,
    province: str,
    on: date,
    tables: Tables,
) -> Joined:
    own = _without(record, stands)
    _refuse_open_year(record, on)
    holdings = (Holding(province, own.segments), Holding(origin, brought(form, tables)))
    keep = [Choice(each.start, each.end, province) for each in overlaps(holdings)]
    try:
        left = clear(holdings, keep, destination=province, on=on, tables=tables).remaining[origin]
        wanted_fen = _held(stands, on, province, tables) + form.items.account_fen - booked.items.account_fen
        missing_fen = wanted_fen - _held(left, on, province, tables)
    except RatePending as error:
        raise _rate_pending(error) from error
    first = left[0]
    if first.opening_since_1998_fen + missing_fen < 0:
        raise Refused(
            "ACCOUNT_TOO_SMALL",
            "What was refunded for the cleared months is more than the corrected months brought.",
            remedy="Set the correction aside, and settle with the person.",
        )
    now = (replace(first, opening_since_1998_fen=first.opening_since_1998_fen + missing_fen), *left[1:])
    return Joined(own.joined_by(now), stands=now)


def _held(segments: Sequence[Segment], on: date, province: str, tables: Tables) -> int:
    """What segments are worth on the account, each computed by itself."""
    each = (compute((segment,), transfer_on=on, province=province, tables=tables) for segment in segments)
    return sum(found.account_fen for found in each)


def cleared(
    record: Record,
    form: InformationForm,
    kept: Literal["own", "transferred"],
    *,
    origin: str,
    province: str,
    on: date,
    tables: Tables,
) -> tuple[Record, Clearing, tuple[Segment, ...]]:
    """The record with each month once, on the side that the person chose, and what is refunded for the other.

    S-187 item 3 has the agency and the person keep one relationship for the same time, so the side is one choice for all months
    that a transfer brings a second time; each transfer, from another place, has a choice of its own. Arrears leave the record
    where the other side has the month. The last of the answer is what stands of the transfer, where not all of it does.

    Raises:
        Refused: ROWS_CHANGED, RECORD_MOVED, RATE_PENDING, or INTEREST_PENDING before last year's interest is credited.
    """
    came = brought(form, tables)
    own = _without(record, came)
    _refuse_open_year(record, on)
    holdings = (Holding(province, own.segments), Holding(origin, came))
    keep = province if kept == "own" else origin
    choices = [Choice(each.start, each.end, keep) for each in overlaps(holdings)]
    try:
        found = clear(holdings, choices, destination=province, on=on, tables=tables)
    except RatePending as error:
        raise _rate_pending(error) from error
    segments: Sequence[Segment] = (*found.remaining[province], *found.remaining[origin])
    stands = found.remaining[origin] if found.remaining[origin] != came else ()
    return replace(record, segments=tuple(segments)), found, stands


def _rate_pending(error: RatePending) -> Refused:
    return Refused(
        "RATE_PENDING",
        f"The recording rate of {error.year} is not published yet.",
        legal_basis="社会保险法 第十四条",
        remedy="Import the rate when it is published.",
    )
