"""One-off back payments of three years and more (S-5, S-94): which months move, which stay until their papers are there.

The papers a payment needs follow from the day it was made; the agencies fetch them, the person is never asked (S-94 item 8).
What stays is told to the person in writing within ten working days of the letter, and everything else moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from services.rules.deadlines import DueDate, due_on
from services.rules.exception_tables import (
    BackPaymentRoute,
    FetchedBy,
    FigureCode,
    IssuerKind,
    PaperKind,
    Reason,
    SwitchCode,
)
from services.rules.interest import complete_years
from services.rules.loader import Tables
from services.rules.months import Month
from services.rules.pieces import part, pieces
from services.rules.reasons import because
from services.rules.table_rows import RuleNotInForce
from services.rules.year_rows import RowKind, RowStatus, Segment, YearRow

_BACK_PAID = (RowKind.ONE_OFF, RowKind.DEFERRED)
NOTICE_LIMIT = "LETTER_TO_NOT_MOVABLE_NOTICE"
FORGERY_LIMIT = "FORGERY_REPORT"


class StayingPartUnknown(ValueError):
    """Back-paid months before 1998 stay and others of that time move: item ① must be divided by a clerk.

    Nothing before 1998 is credited by month, so no rule can say how much of it the staying months brought.
    """


class PaperInvalid(ValueError):
    """A paper that proves months from a later to an earlier one, or only half a period."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper in the origin's file: what it is, when and by whom it was made, and which months it proves (None: all)."""

    kind: str
    dated: date
    issuer: IssuerKind
    proves_from: Month | None = None
    proves_to: Month | None = None

    def __post_init__(self) -> None:
        if (self.proves_from is None) != (self.proves_to is None):
            raise PaperInvalid(f"the {self.kind} of {self.dated} names one end of its period only")
        if self.proves_from is not None and self.proves_to is not None and self.proves_from > self.proves_to:
            raise PaperInvalid(f"the {self.kind} of {self.dated} proves {self.proves_from} to {self.proves_to}")

    def proves(self, month: Month) -> bool:
        """Say whether the paper speaks for a month."""
        if self.proves_from is None or self.proves_to is None:
            return True
        return self.proves_from <= month <= self.proves_to


@dataclass(frozen=True, slots=True)
class Missing:
    """What would let months move: one of these papers, and the agency that must get it. Never the person."""

    papers: tuple[PaperKind, ...]
    fetched_by: FetchedBy


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """Whether a row, or a piece of one, moves: the reason with its basis, the way it took, and what is missing otherwise.

    `missing` lists the ways that are still open, each with what it lacks; one way is enough.
    """

    row: YearRow
    moves: bool
    reason: Reason
    route: BackPaymentRoute | None = None
    missing: tuple[tuple[Missing, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Staying:
    """What stays at the origin: its segments, and their worth in fen on the day, which is the record's less what moves."""

    segments: tuple[Segment, ...]
    months: int
    before_1998_fen: int
    account_fen: int
    pool_fen: int
    reasons: tuple[Reason, ...]
    notice: DueDate | None


@dataclass(frozen=True, slots=True)
class BackPaymentAnswer:
    """A record divided into what moves and what stays; `staying` is None when everything moves. Verdicts are row by row."""

    moving: tuple[Segment, ...]
    staying: Staying | None
    verdicts: tuple[RowVerdict, ...]

    @property
    def to_fetch(self) -> tuple[Missing, ...]:
        """Return every paper that would help, once each, in the order of the rows."""
        wanted = (lack for verdict in self.verdicts for way in verdict.missing for lack in way)
        return tuple(dict.fromkeys(wanted))


@dataclass(frozen=True, slots=True)
class ForgeryReport:
    """A paper is suspected of being forged: the ministry's centre is told by the day."""

    due: DueDate
    reason: Reason


def divide(
    segments: Sequence[Segment],
    papers: Sequence[Paper],
    *,
    on: date,
    letter_received_on: date,
    province: str,
    tables: Tables,
    before_1998_staying_fen: int | None = None,
) -> BackPaymentAnswer:
    """Divide the origin's record on the day of the information form. S-5, S-94 items 1 to 6, domain § 1.6.6.

    Every row is judged with the rules of `on`; whatever moves is computed alone, as the destination will, and what stays has
    the rest to the fen. `before_1998_staying_fen` is the clerk's division of item ①, asked for only where months before 1998
    stay and others of that time move. Raises StayingPartUnknown and what `amounts.compute` raises.
    """
    moving: list[Segment] = []
    staying: list[Segment] = []
    verdicts: list[RowVerdict] = []
    account_fen = pool_fen = before_1998_fen = 0
    for segment in segments:
        judged = judge(segment, papers, on=on, province=province, tables=tables)
        verdicts.extend(judged)
        stays = tuple(verdict.row for verdict in judged if not verdict.moves)
        if not stays:
            moving.append(segment)
            continue
        moves = tuple(verdict.row for verdict in judged if verdict.moves)
        before_fen = _before_1998(segment, moves, stays, before_1998_staying_fen)
        since_fen = _since_1998(segment, moves, stays, province, tables)
        apart = replace(
            segment,
            opening_before_1998_fen=segment.opening_before_1998_fen - before_fen,
            opening_since_1998_fen=segment.opening_since_1998_fen - since_fen,
            rows=moves,
        )
        cut = part(segment, apart, stays, on=on, province=province, tables=tables)
        if moves or cut.apart.account_fen:
            moving.append(apart)
        staying.append(cut.rest)
        account_fen += cut.whole.account_fen - cut.apart.account_fen
        pool_fen += cut.whole.pool_fen - cut.apart.pool_fen
        before_1998_fen += cut.rest.opening_before_1998_fen
    if not staying:
        return BackPaymentAnswer(tuple(moving), None, tuple(verdicts))
    reasons = tuple(dict.fromkeys(verdict.reason for verdict in verdicts if not verdict.moves))
    months = sum(verdict.row.months for verdict in verdicts if not verdict.moves)
    notice = notice_due_on(letter_received_on, tables)
    left = Staying(tuple(staying), months, before_1998_fen, account_fen, pool_fen, reasons, notice)
    return BackPaymentAnswer(tuple(moving), left, tuple(verdicts))


def judge(segment: Segment, papers: Sequence[Paper], *, on: date, province: str, tables: Tables) -> tuple[RowVerdict, ...]:
    """Say of every row of a segment whether it moves from a province; a row whose months differ is cut. Domain § 1.6.6.

    Rows of the same place, kind and day of payment are one payment. Rows of other provinces came with an earlier transfer,
    at which their papers were checked.
    """
    paid_at_once: dict[tuple[str, RowKind, date | None], int] = {}
    for row in segment.rows:
        if _is_back_paid(row):
            key = (row.division, row.kind, row.paid_on)
            paid_at_once[key] = paid_at_once.get(key, 0) + row.months
    verdicts: list[RowVerdict] = []
    usual = because("NOT_A_BACK_PAYMENT", on, tables)  # looked up once: nearly every row of nearly every form
    for row in segment.rows:
        if not _is_back_paid(row):
            verdicts.append(RowVerdict(row, True, usual))
            continue
        months = paid_at_once[row.division, row.kind, row.paid_on]
        verdicts.extend(_back_paid(row, months, province, papers, on, tables))
    return tuple(verdicts)


def notice_due_on(letter_received_on: date, tables: Tables) -> DueDate | None:
    """Return the last day of the written notice of what stays; None before the rule that asks for it. S-94 item 3."""
    try:
        limit = tables.limit(NOTICE_LIMIT, letter_received_on)
    except RuleNotInForce:
        return None
    return due_on(letter_received_on, limit.legal_limit_wd, tables.calendar)


def report_forgery(suspected_on: date, tables: Tables) -> ForgeryReport:
    """Return by when a suspected forgery is reported to the ministry's centre. S-94 item 9. Raises RuleNotInForce."""
    limit = tables.limit(FORGERY_LIMIT, suspected_on)
    due = due_on(suspected_on, limit.legal_limit_wd, tables.calendar)
    return ForgeryReport(due, because("FORGERY_REPORT", suspected_on, tables))


def _is_back_paid(row: YearRow) -> bool:
    return row.status is RowStatus.PAID and row.kind in _BACK_PAID


def _back_paid(
    row: YearRow, months: int, province: str, papers: Sequence[Paper], on: date, tables: Tables
) -> Iterable[RowVerdict]:
    threshold = tables.exceptions.figure_if_any(FigureCode.ONE_OFF_MONTHS, on)
    if threshold is None:
        return [RowVerdict(row, True, because("BACK_PAYMENT_BEFORE_THE_RULE", on, tables))]
    if months < threshold.number:
        return [RowVerdict(row, True, because("BACK_PAYMENT_BELOW_THRESHOLD", on, tables))]
    if row.division[:2] != province:
        return [RowVerdict(row, True, because("BACK_PAYMENT_ARRIVED_BEFORE", on, tables))]
    if row.paid_on is None:
        return [RowVerdict(row, False, because("BACK_PAYMENT_DATE_UNKNOWN", on, tables))]
    routes = tables.exceptions.routes_for(row.kind, row.paid_on, on)
    paid_on = row.paid_on

    def verdict(month: Month) -> tuple[bool, str, BackPaymentRoute | None, tuple[tuple[Missing, ...], ...]]:
        return _judge_month(month, paid_on, papers, routes, on, tables)

    return [
        RowVerdict(piece, moves, because(code, on, tables), route, missing)
        for piece, (moves, code, route, missing) in pieces(row, verdict)
    ]


def _judge_month(
    month: Month,
    paid_on: date,
    papers: Sequence[Paper],
    routes: Sequence[BackPaymentRoute],
    on: date,
    tables: Tables,
) -> tuple[bool, str, BackPaymentRoute | None, tuple[tuple[Missing, ...], ...]]:
    """Take the first way that is complete; if none is, say why the papers that are there do not do."""
    missing: list[tuple[Missing, ...]] = []
    faults: list[str] = []
    for route in routes:
        lacks: list[Missing] = []
        for alternatives in route.needs:
            kinds = tuple(tables.exceptions.paper(code, on) for code in alternatives)
            given = [(kind, paper) for kind in kinds for paper in papers if paper.kind == kind.code]
            found = [_fault(kind, paper, month, paid_on, on, tables) for kind, paper in given]
            if "" not in found:
                faults.extend(found)
                lacks.append(Missing(kinds, kinds[0].fetched_by))
        if not lacks:
            return True, route.reason, route, ()
        missing.append(tuple(lacks))
    # Of several faults the one told is that of the paper that comes nearest.
    for code in ("BACK_PAYMENT_PERIOD_NOT_PROVEN", "BACK_PAYMENT_PAPERS_TOO_LATE", "BACK_PAYMENT_WRONG_ISSUER"):
        if code in faults:
            return False, code, None, tuple(missing)
    return False, "BACK_PAYMENT_PAPERS_MISSING", None, tuple(missing)


def _fault(kind: PaperKind, paper: Paper, month: Month, paid_on: date, on: date, tables: Tables) -> str:
    """Return why a paper does not do for a month, or "" when it does."""
    if paper.issuer not in kind.issuers:
        return "BACK_PAYMENT_WRONG_ISSUER"
    if kind.predates_payment:
        same_day = tables.exceptions.switch(SwitchCode.PAPER_OF_PAYMENT_DAY, on).value == "accepted"
        if paper.dated > paid_on or (paper.dated == paid_on and not same_day):
            return "BACK_PAYMENT_PAPERS_TOO_LATE"
    return "" if paper.proves(month) else "BACK_PAYMENT_PERIOD_NOT_PROVEN"


def _before_1998(segment: Segment, moves: Sequence[YearRow], stays: Sequence[YearRow], by_clerk_fen: int | None) -> int:
    """Return how much of the opening's item ① stays, in fen as it stands at the end of the opening year."""
    opening_fen = segment.opening_before_1998_fen
    if opening_fen == 0 or not any(row.year < 1998 for row in stays):
        return 0
    if by_clerk_fen is not None:
        if not 0 <= by_clerk_fen <= opening_fen:
            raise StayingPartUnknown(f"{by_clerk_fen} fen of an item ① of {opening_fen} fen cannot stay")
        return by_clerk_fen
    if any(row.year < 1998 and row.status is RowStatus.PAID for row in moves):
        raise StayingPartUnknown(f"of an item ① of {opening_fen} fen only a part stays, and nobody has said how much")
    return opening_fen


def _since_1998(segment: Segment, moves: Sequence[YearRow], stays: Sequence[YearRow], province: str, tables: Tables) -> int:
    """Return how much of the opening's item ② stays: what the staying rows inside it are worth alone, or all of it."""
    year = segment.opening_year
    if year is None or segment.opening_since_1998_fen == 0:
        return 0

    def inside(rows: Sequence[YearRow]) -> tuple[YearRow, ...]:
        return tuple(row for row in rows if row.status is RowStatus.PAID and 1998 <= row.year <= year)

    if not inside(stays):
        return 0
    if not inside(moves):
        return segment.opening_since_1998_fen
    alone = complete_years((Segment(None, 0, 0, inside(stays)),), year, province, tables)
    return min(segment.opening_since_1998_fen, alone[-1].since_1998.closing_fen)
