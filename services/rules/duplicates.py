"""Months that several places hold (重复缴费): transferred first, cleared at the destination, counted once.

S-187 item 3, S-70 Art. 10. The person chooses the side to keep for each period. What a cleared month brought to the account is
refunded; the employer's part stays in the pooled fund. Two employers at once are the same case, at the time of the transfer
(domain § 1.6.19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from services.rules.amounts import compute
from services.rules.exception_tables import Reason, SwitchCode
from services.rules.interest import complete_years, principal_of
from services.rules.loader import Tables
from services.rules.months import Month, months_from
from services.rules.pieces import part, pieces
from services.rules.reasons import because
from services.rules.year_rows import RowStatus, Segment, YearRow, refuse_overlaps

_COUNTED = (RowStatus.PAID, RowStatus.DEEMED)


class ChoiceInvalid(ValueError):
    """A choice for a place that does not hold the month, for a month that nobody holds twice, or made twice."""


class PlaceTwice(ValueError):
    """Two holdings of the same place."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one place holds of the person when it is cleared: its province (two digits) and the segments of its record.

    The destination's holding has everything that is booked there, its own rows and those of earlier transfers.
    """

    place: str
    segments: tuple[Segment, ...]

    @property
    def rows(self) -> tuple[YearRow, ...]:
        """Return all rows, in the order of the segments."""
        return tuple(row for segment in self.segments for row in segment.rows)


@dataclass(frozen=True, slots=True)
class ResidentMonths:
    """Months that the person paid for in the resident scheme (城乡居民), by place."""

    place: str
    start: Month
    end: Month


@dataclass(frozen=True, slots=True)
class Choice:
    """The person keeps the contribution of a place for the months of a period."""

    start: Month
    end: Month
    keep: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """Months held by the same places, in the order in which the holdings were given."""

    start: Month
    end: Month
    places: tuple[str, ...]

    @property
    def months(self) -> int:
        """Return the number of months."""
        return self.end.ordinal - self.start.ordinal + 1


@dataclass(frozen=True, slots=True)
class Kept:
    """Whose contribution is kept for the months of an overlap, whose are cleared, and why."""

    start: Month
    end: Month
    keep: str
    cleared: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class PlaceMonths:
    """The months that a place counts after clearing, those that were cleared there, and arrears that another place has paid."""

    place: str
    paid_months: int
    deemed_months: int
    cleared_months: int
    arrears_dropped_months: int


@dataclass(frozen=True, slots=True)
class RefundLine:
    """What the cleared months of a place are refunded for one year, in fen: principal of the months, interest at the rate."""

    place: str
    year: int
    months: tuple[Month, ...]
    principal_fen: int
    interest_fen: int
    rate: Decimal | None

    @property
    def amount_fen(self) -> int:
        """Return principal and interest."""
        return self.principal_fen + self.interest_fen


@dataclass(frozen=True, slots=True)
class Clearing:
    """What clearing does: who keeps which months, the refund line by line, the pool's part that stays, and what remains.

    `remaining` is the record of each place after clearing, its balance less the refund to the fen. `reasons` are the words
    for the person, once each.
    """

    kept: tuple[Kept, ...]
    places: tuple[PlaceMonths, ...]
    cleared: Mapping[str, tuple[YearRow, ...]]
    refund: tuple[RefundLine, ...]
    pool_stays_fen: int
    remaining: Mapping[str, tuple[Segment, ...]]
    resident_cleared: tuple[ResidentMonths, ...]
    reasons: tuple[Reason, ...]

    @property
    def counted_months(self) -> int:
        """Return the paid months of all places, each calendar month once."""
        return sum(place.paid_months for place in self.places)

    @property
    def refund_principal_fen(self) -> int:
        """Return what the cleared months brought to the accounts."""
        return sum(line.principal_fen for line in self.refund)

    @property
    def refund_interest_fen(self) -> int:
        """Return the interest in the refund."""
        return sum(line.interest_fen for line in self.refund)

    @property
    def refund_fen(self) -> int:
        """Return what is refunded to the person."""
        return self.refund_principal_fen + self.refund_interest_fen


def overlaps(holdings: Sequence[Holding]) -> tuple[Overlap, ...]:
    """Return the months that two or more places hold, paid or deemed, joined where months follow each other.

    Months in arrears are held by nobody. Raises PlaceTwice, and MonthsOverlap when one place holds a month twice.
    """
    found: list[Overlap] = []
    for month, holders in sorted(_holders(holdings).items()):
        places = tuple(holders)
        if len(places) < 2:
            continue
        last = found[-1] if found else None
        if last is not None and last.places == places and last.end.ordinal + 1 == month.ordinal:
            found[-1] = replace(last, end=month)
        else:
            found.append(Overlap(month, month, places))
    return tuple(found)


def stands_twice(holdings: Sequence[Holding]) -> bool:
    """Say whether a month stands in two records, be it in arrears: then they are cleared before they are computed as one."""
    months = [
        month for holding in holdings for month in {month for row in holding.rows for month in months_from(row.start, row.end)}
    ]
    return len(months) != len(set(months))


def without_idle_arrears(holdings: Sequence[Holding]) -> dict[str, tuple[Segment, ...]]:
    """Return each place's segments without the months in arrears that another place holds too; of arrears alone the first stay.

    For records in which no month is paid or deemed twice: there is nothing to choose, and arrears carry no money, so no balance
    changes. Raises PlaceTwice, and MonthsOverlap when one place holds a month twice.
    """
    keep = _arrears_kept(holdings, _holders(holdings))
    return {
        holding.place: tuple(_without_arrears(segment, holding.place, keep) for segment in holding.segments)
        for holding in holdings
    }


def clear(
    holdings: Sequence[Holding],
    choices: Iterable[Choice] = (),
    *,
    destination: str,
    on: date,
    tables: Tables,
    resident: Iterable[ResidentMonths] = (),
) -> Clearing:
    """Clear what several places hold, at the destination after everything has arrived. S-187 item 3, S-70 Art. 10.

    Where the person chose nothing, a paid month wins over a deemed one, and then the side of the switch
    DUPLICATE_SIDE_KEPT. The refund is the account's share of the cleared months; with the switch REFUND_INTEREST it bears
    interest to the end of the year before `on`, at the rates of the place that held the months, as in Ex. 8. What was paid
    before 1998 is in no monthly credit and is not refunded here. Months in arrears carry nothing: where another place holds
    the month too they leave the record. Raises ChoiceInvalid, PlaceTwice, MonthsOverlap, and what
    `amounts.compute` raises.
    """
    chosen = _chosen(choices)
    holders = _holders(holdings)
    keep = _arrears_kept(holdings, holders)
    decided: list[Kept] = []
    for overlap in overlaps(holdings):
        for month in months_from(overlap.start, overlap.end):
            place, code = _keep(month, holders[month], chosen.pop(month, None), destination, on, tables)
            keep[month] = place
            _append(decided, month, place, tuple(one for one in overlap.places if one != place), because(code, on, tables))
    if chosen:
        raise ChoiceInvalid(f"{min(chosen)} is not held twice, so there is nothing to choose")

    places: list[PlaceMonths] = []
    cleared: dict[str, tuple[YearRow, ...]] = {}
    remaining: dict[str, tuple[Segment, ...]] = {}
    refund: list[RefundLine] = []
    pool_fen = 0
    with_interest = tables.exceptions.switch(SwitchCode.REFUND_INTEREST, on, destination).on
    for holding in holdings:
        left: list[Segment] = []
        gone: list[YearRow] = []
        for segment in holding.segments:
            stays, goes = _divide(segment, holding.place, keep)
            if not goes:
                left.append(segment if sum(row.months for row in stays) == _months(segment) else replace(segment, rows=stays))
                continue
            gone.extend(goes)
            lines = _refund(holding.place, goes, on, with_interest, tables)
            refund.extend(lines)
            pool_fen += compute((Segment(None, 0, 0, goes),), transfer_on=on, province=holding.place, tables=tables).pool_fen
            left.append(_rest(segment, stays, goes, lines, on, holding.place, with_interest, tables))
        remaining[holding.place] = tuple(left)
        cleared[holding.place] = tuple(gone)
        places.append(_counted(holding, left, gone))
    residents = _resident_cleared(resident, holders)
    reasons = [one.reason for one in decided]
    if refund:
        reasons += [because(code, on, tables) for code in ("DUPLICATE_REFUND", "DUPLICATE_POOL_STAYS")]
    if residents:
        reasons.append(because("RESIDENT_MONTHS_CLEARED", on, tables))
    return Clearing(
        kept=tuple(decided),
        places=tuple(places),
        cleared=cleared,
        refund=tuple(refund),
        pool_stays_fen=pool_fen,
        remaining=remaining,
        resident_cleared=residents,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _holders(holdings: Sequence[Holding]) -> dict[Month, dict[str, YearRow]]:
    """Return who holds each month, with the row that holds it."""
    found: dict[Month, dict[str, YearRow]] = {}
    seen: set[str] = set()
    for holding in holdings:
        if holding.place in seen:
            raise PlaceTwice(f"two holdings are of {holding.place}")
        seen.add(holding.place)
        refuse_overlaps(holding.rows)
        for row in holding.rows:
            if row.status in _COUNTED:
                for month in months_from(row.start, row.end):
                    found.setdefault(month, {})[holding.place] = row
    return found


def _chosen(choices: Iterable[Choice]) -> dict[Month, str]:
    found: dict[Month, str] = {}
    for choice in choices:
        if choice.start > choice.end:
            raise ChoiceInvalid(f"the choice starts in {choice.start} and ends before, in {choice.end}")
        for month in months_from(choice.start, choice.end):
            if month in found:
                raise ChoiceInvalid(f"two choices are for {month}")
            found[month] = choice.keep
    return found


def _keep(
    month: Month, held: Mapping[str, YearRow], wish: str | None, destination: str, on: date, tables: Tables
) -> tuple[str, str]:
    """Return whose contribution of a month is kept, and the code of the reason."""
    if wish is not None:
        if wish not in held:
            raise ChoiceInvalid(f"{wish} holds nothing in {month}")
        return wish, "DUPLICATE_CHOSEN"
    paid = [place for place, row in held.items() if row.status is RowStatus.PAID]
    if len(paid) == 1:
        return paid[0], "DUPLICATE_PAID_BEFORE_DEEMED"
    among = paid or list(held)
    match tables.exceptions.switch(SwitchCode.DUPLICATE_SIDE_KEPT, on, destination).value:
        case "destination" if destination in among:
            return destination, "DUPLICATE_DEFAULT_DESTINATION"
        case "origin" if any(place != destination for place in among):
            among = [place for place in among if place != destination]
            if len(among) == 1:
                return among[0], "DUPLICATE_DEFAULT_ORIGIN"
    # Of two former places, or where the switch says so, the higher wage is better for the person; of equal ones the first.
    return max(among, key=lambda place: held[place].monthly_wage_fen), "DUPLICATE_DEFAULT_HIGHER_WAGE"


def _append(decided: list[Kept], month: Month, place: str, cleared: tuple[str, ...], reason: Reason) -> None:
    last = decided[-1] if decided else None
    same = last is not None and (last.keep, last.cleared, last.reason) == (place, cleared, reason)
    if last is not None and same and last.end.ordinal + 1 == month.ordinal:
        decided[-1] = replace(last, end=month)
    else:
        decided.append(Kept(month, month, place, cleared, reason))


def _divide(segment: Segment, place: str, keep: Mapping[Month, str]) -> tuple[tuple[YearRow, ...], tuple[YearRow, ...]]:
    """Cut the rows of a segment into those that stay and those that are cleared; arrears that do not stay are neither."""
    stays: list[YearRow] = []
    goes: list[YearRow] = []
    for row in segment.rows:
        for piece, is_cleared in pieces(row, lambda month: keep.get(month, place) != place):
            if not is_cleared:
                stays.append(piece)
            elif row.status in _COUNTED:
                goes.append(piece)
    return tuple(stays), tuple(goes)


def _arrears_kept(holdings: Sequence[Holding], holders: Mapping[Month, Mapping[str, YearRow]]) -> dict[Month, str]:
    """Say whose month stays where somebody has arrears: who holds it, and of arrears alone the first."""
    found: dict[Month, str] = {}
    for holding in holdings:
        for row in holding.rows:
            if row.status is RowStatus.ARREARS:
                for month in months_from(row.start, row.end):
                    found.setdefault(month, next(iter(holders.get(month, (holding.place,)))))
    return found


def _without_arrears(segment: Segment, place: str, keep: Mapping[Month, str]) -> Segment:
    rows: list[YearRow] = []
    for row in segment.rows:
        if row.status is RowStatus.ARREARS:
            rows.extend(piece for piece, stays in pieces(row, lambda month: keep[month] == place) if stays)
        else:
            rows.append(row)
    return segment if tuple(rows) == segment.rows else replace(segment, rows=tuple(rows))


def _months(segment: Segment) -> int:
    return sum(row.months for row in segment.rows)


def _refund(place: str, goes: tuple[YearRow, ...], on: date, with_interest: bool, tables: Tables) -> tuple[RefundLine, ...]:
    """Return the refund of a place's cleared rows, year by year: principal of the months, and interest to the last year's end."""
    months: dict[int, list[Month]] = {}
    principal: dict[int, int] = {}
    for row in goes:
        brought_fen = principal_of(row, tables).account_fen
        if brought_fen:
            principal[row.year] = principal.get(row.year, 0) + brought_fen
            months.setdefault(row.year, []).extend(months_from(row.start, row.end))
    interest: dict[int, int] = {}
    rates: dict[int, Decimal | None] = {}
    if with_interest:
        for statement in complete_years((Segment(None, 0, 0, goes),), on.year - 1, place, tables):
            interest[statement.year] = statement.since_1998.interest_fen
            rates[statement.year] = statement.rate
    return tuple(
        RefundLine(
            place=place,
            year=year,
            months=tuple(sorted(months.get(year, ()))),
            principal_fen=principal.get(year, 0),
            interest_fen=interest.get(year, 0),
            rate=rates.get(year),
        )
        for year in sorted(principal.keys() | interest.keys())
    )


def _rest(
    segment: Segment,
    stays: tuple[YearRow, ...],
    goes: tuple[YearRow, ...],
    lines: Sequence[RefundLine],
    on: date,
    place: str,
    with_interest: bool,
    tables: Tables,
) -> Segment:
    """Return what is left of a segment: what it held at the end of last year less what was refunded of it."""
    rest = part(segment, Segment(None, 0, 0, goes), stays, on=on, province=place, tables=tables).rest
    if with_interest:
        return rest
    # Without interest in the refund, what the cleared months earned stays in the account.
    whole = compute((segment,), transfer_on=on, province=place, tables=tables)
    refunded_fen = sum(line.principal_fen for line in lines if line.year < on.year)
    return replace(rest, opening_since_1998_fen=whole.until_last_year_fen - refunded_fen)


def _counted(holding: Holding, left: Sequence[Segment], gone: Sequence[YearRow]) -> PlaceMonths:
    rows = [row for segment in left for row in segment.rows]
    return PlaceMonths(
        place=holding.place,
        paid_months=sum(row.months for row in rows if row.status is RowStatus.PAID),
        deemed_months=sum(row.months for row in rows if row.status is RowStatus.DEEMED),
        cleared_months=sum(row.months for row in gone),
        arrears_dropped_months=sum(row.months for row in holding.rows) - sum(row.months for row in (*rows, *gone)),
    )


def _resident_cleared(
    resident: Iterable[ResidentMonths], holders: Mapping[Month, Mapping[str, YearRow]]
) -> tuple[ResidentMonths, ...]:
    """Return the resident scheme's months that the employee scheme has paid too: they are always the ones cleared."""
    found: list[ResidentMonths] = []
    for period in resident:
        for month in months_from(period.start, period.end):
            held = holders.get(month, {})
            if not any(row.status is RowStatus.PAID for row in held.values()):
                continue
            last = found[-1] if found else None
            if last is not None and last.place == period.place and last.end.ordinal + 1 == month.ordinal:
                found[-1] = replace(last, end=month)
            else:
                found.append(ResidentMonths(period.place, month, month))
    return tuple(found)
