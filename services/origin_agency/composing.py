"""How an information form is made from a record: divided into what moves and what stays, computed, compared with the books."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from contracts.base import Items
from contracts.documents import AttachedPaper, InformationForm, InterimRate, NotMovable
from contracts.events import ContributionCorrected, InterestCredited
from services.origin_agency.case import Case, GivenPaper, Interim, Refused
from services.records.agency import Agency
from services.records.model import Record, to_contract
from services.rules.amounts import Amounts, RatePending, RecordInvalid, RowKind, RowStatus, Segment, compute
from services.rules.back_payments import Paper, PaperInvalid, Staying, StayingPartUnknown, divide, judge, notice_due_on
from services.rules.exception_tables import CodeNotKnown, IssuerKind
from services.rules.loader import RateNotPublished, RuleNotInForce
from services.rules.months import Month, MonthInvalid

_T = TypeVar("_T")
_BACK_PAID = (RowKind.ONE_OFF, RowKind.DEFERRED)  # what may have to stay; nearly nobody has any


@dataclass(frozen=True, slots=True)
class Composed:
    """A form, the rows that it carries, and what stays at the origin, None where everything moves.

    `booked` goes into the books with the form: interest at a rate that stands in for one which is not published (`interim`), or
    the difference when it is.
    """

    form: InformationForm
    moving: tuple[Segment, ...]
    staying: Staying | None
    interim: tuple[Interim, ...] = ()
    booked: tuple[InterestCredited | ContributionCorrected, ...] = ()


def papers_of(given: Sequence[GivenPaper], agency: Agency) -> tuple[Paper, ...]:
    """The papers that a maker names, as the rules judge them.

    Raises:
        Refused: for a kind that no rule knows, or a period that cannot be.
    """
    today = agency.clock.today()
    found = []
    for paper in given:
        try:
            agency.tables.exceptions.paper(paper.kind, today)
            found.append(
                Paper(
                    kind=paper.kind,
                    dated=date.fromisoformat(paper.dated),
                    issuer=IssuerKind(paper.issuer),
                    proves_from=Month.parse(paper.proves_from) if paper.proves_from else None,
                    proves_to=Month.parse(paper.proves_to) if paper.proves_to else None,
                )
            )
        except (CodeNotKnown, RuleNotInForce, PaperInvalid, MonthInvalid, ValueError) as error:
            raise Refused("PAPER_INVALID", str(error), remedy="Name a paper of papers.toml, with its day and issuer.") from error
    return tuple(found)


def compose(agency: Agency, case: Case, record: Record, *, held_fen: int) -> Composed:
    """The first information form of a case, of today. Its ④ and what stays must be what the ledger says, or it does not leave.

    Args:
        held_fen: what the person's account holds for this case.

    Raises:
        Refused: by name, where no form can be made.
    """
    today = agency.clock.today()
    papers = papers_of(case.proposal.papers if case.proposal else (), agency)

    def made() -> tuple[Amounts, tuple[Segment, ...], Staying | None, int]:
        province, tables = agency.province, agency.tables
        if not _back_paid(record):
            amounts = compute(record.segments, transfer_on=today, province=province, tables=tables)
            return amounts, record.segments, None, sum(each.interest_fen for each in _interim(amounts))
        answer = divide(record.segments, papers, on=today, letter_received_on=case.received_on, province=province, tables=tables)
        moves = compute(answer.moving, transfer_on=today, province=province, tables=tables)
        # What the interim years bear is not in the books yet, neither of what moves nor of what stays.
        whole = moves if answer.staying is None else compute(record.segments, transfer_on=today, province=province, tables=tables)
        return moves, answer.moving, answer.staying, sum(each.interest_fen for each in _interim(whole))

    amounts, moving, staying, pending_fen = _computed(made)
    stays_fen = staying.account_fen if staying is not None else 0
    if held_fen + pending_fen != amounts.account_fen + stays_fen:
        raise _differs(amounts.account_fen, held_fen + pending_fen - stays_fen)
    if staying is not None and not moving:
        raise Refused(
            staying.reasons[0].code,
            staying.reasons[0].text_en,
            legal_basis=staying.reasons[0].legal_basis,
            remedy="Nothing can move now: return the letter with this code, or name the papers and propose again.",
        )
    interim = _interim(amounts)
    booked = tuple(
        InterestCredited(
            person_ref=record.person_ref,
            year=each.year,
            interest_fen=each.interest_fen,
            rule_set=amounts.rule_set,
            interim=True,
        )
        for each in interim
        if each.interest_fen
    )
    form = _form(case, record, amounts, moving, today, _not_movable(staying))
    return Composed(form, moving, staying, interim, booked)


def stays(agency: Agency, record: Record, papers: Sequence[GivenPaper], *, received_on: date) -> NotMovable | None:
    """What would stay if the form were made today, None where everything moves.

    Where a year's rate is waited for, what stays is stated as of the end of that year: the notice does not wait for a rate.

    Raises:
        Refused: by name, where a paper or the record cannot be.
    """
    if not _back_paid(record):
        return None
    given = papers_of(papers, agency)

    def made(on: date) -> Staying | None:
        return divide(
            record.segments, given, on=on, letter_received_on=received_on, province=agency.province, tables=agency.tables
        ).staying

    try:
        found = made(agency.clock.today())
    except RatePending as error:
        day = date(error.year, 12, 31)
        found = _computed(lambda: made(day))
    except (RecordInvalid, RuleNotInForce, StayingPartUnknown):
        found = _computed(lambda: made(agency.clock.today()))
    return _not_movable(found)


def notice_until(agency: Agency, record: Record | None, papers: Sequence[GivenPaper], *, received_on: date) -> date | None:
    """The last day of the written notice of what stays, None where everything moves or nothing asks for a notice."""
    if record is None or not _back_paid(record):
        return None
    given, today = papers_of(papers, agency), agency.clock.today()
    judged = (judge(each, given, on=today, province=agency.province, tables=agency.tables) for each in record.segments)
    if all(verdict.moves for verdicts in judged for verdict in verdicts):
        return None
    due = notice_due_on(received_on, agency.tables)
    return due.on if due else None


def _back_paid(record: Record) -> bool:
    return any(row.kind in _BACK_PAID for segment in record.segments for row in segment.rows)


def _interim(amounts: Amounts) -> tuple[Interim, ...]:
    """The years that were computed at an interim rate, with the interest that it gives."""
    return tuple(Interim(year, str(rate), _interest_of(amounts, year)) for year, rate in sorted(amounts.interim.items()))


def _interest_of(amounts: Amounts, year: int) -> int:
    own = (each for each in amounts.years if each.year == year)
    return sum(each.before_1998.interest_fen + each.since_1998.interest_fen for each in own)


def recompose(agency: Agency, case: Case, record: Record, *, held_fen: int, amendment: str, maker: str, checker: str) -> Composed:
    """The next version of a case's form: from the record of today, for the day of the first form.

    Where the first one went at interim rates and they are published now, the difference of their interest is booked with it.

    Args:
        held_fen: what the person's account holds.
        amendment: why, in words.
        maker: who proposed it.
        checker: who approves it.

    Raises:
        Refused: by name, where no form can be made.
    """
    assert case.items is not None, case.case_id
    transfer_on = case.transfer_on
    if transfer_on is None:
        raise Refused("ROWS_NOT_KEPT", "The form was issued by a release that did not keep what it was made from.")
    rows, stay = rows_of(case, record)
    if any(row.status is RowStatus.PAID and row.paid_on and row.paid_on > transfer_on for each in rows for row in each.rows):
        text = agency.tables.refusal("ARREARS_TOO_LATE", transfer_on)
        raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)

    # A rate that is still not published keeps its stand-in; every other year is final.
    stated = {each.year: Decimal(each.rate) for each in case.interim if not _published(agency, each.year)}

    def made() -> tuple[Amounts, int]:
        province, tables = agency.province, agency.tables
        here = compute(stay, transfer_on=agency.clock.today(), province=province, tables=tables)
        pending_fen = sum(each.interest_fen for each in _interim(here))
        amounts = compute(rows, transfer_on=transfer_on, province=province, tables=tables, interim=stated)
        return amounts, here.account_fen - pending_fen

    amounts, here_fen = _computed(made)
    booked = tuple(
        ContributionCorrected(
            person_ref=record.person_ref,
            year=each.year,
            account_difference_fen=0,
            interest_difference_fen=_interest_of(amounts, each.year) - each.interest_fen,
            pool_difference_fen=0,
            reason=f"the recording rate of {each.year} in place of an interim one"
            if each.year not in stated
            else "interest at the interim rate on corrected rows",
            rule_set=amounts.rule_set,
            maker=maker,
            checker=checker,
        )
        for each in case.interim
        if _interest_of(amounts, each.year) != each.interest_fen
    )
    held_fen += sum(each.interest_difference_fen for each in booked)
    taken_fen = case.items.account_fen
    if held_fen - here_fen != amounts.account_fen - taken_fen:
        raise _differs(amounts.account_fen, held_fen - here_fen + taken_fen)
    form = _form(case, record, amounts, rows, transfer_on, case.not_movable)
    return Composed(form.model_copy(update={"amendment": amendment}), rows, None, _interim(amounts), booked)


def _published(agency: Agency, year: int) -> bool:
    try:
        agency.tables.recording_rate(year, agency.province)
    except RateNotPublished:
        return False
    return True


def rows_of(case: Case, record: Record) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """The rows that a case's form is made from, and those that are counted here beside them.

    Raises:
        Refused: when the rows have left with another case since, or were not kept.
    """
    if record.left_with == case.case_id:
        return record.left, record.segments
    raise Refused(
        "RECORD_MOVED_ON",
        "The rows of this transfer are not kept here any more: the relationship has moved again since.",
        remedy="The place that holds the relationship corrects it.",
    )


def _computed(made: Callable[[], _T]) -> _T:
    try:
        return made()
    except RatePending as error:
        raise Refused(
            "RATE_PENDING",
            f"The recording rate of {error.year} is not published yet.",
            legal_basis="社会保险法 第十四条",
            remedy="Approve the form when the rate is published, or import the rate.",
        ) from error
    except (RecordInvalid, RuleNotInForce, StayingPartUnknown) as error:
        raise Refused("RECORD_INVALID", str(error), remedy="Correct the record, then approve again.") from error


def _differs(item_fen: int, held_fen: int) -> Refused:
    return Refused(
        "FORM_DIFFERS_FROM_LEDGER",
        f"Item ④ is {item_fen} fen and the ledger holds {held_fen} fen.",
        legal_basis="社会保险法 第七十四条",
        remedy="Run the year-end interest, or correct the record; then approve again.",
    )


def _not_movable(staying: Staying | None) -> NotMovable | None:
    if staying is None:
        return None
    return NotMovable(
        months=staying.months,
        account_fen=staying.account_fen,
        pool_fen=staying.pool_fen,
        reasons=tuple(dict.fromkeys(reason.code for reason in staying.reasons)),
    )


def _form(
    case: Case,
    record: Record,
    amounts: Amounts,
    rows: Sequence[Segment],
    transfer_on: date,
    not_movable: NotMovable | None,
) -> InformationForm:
    items = Items(
        before_1998_fen=amounts.before_1998_fen,
        until_last_year_fen=amounts.until_last_year_fen,
        this_year_fen=amounts.this_year_fen,
        account_fen=amounts.account_fen,
        pool_fen=amounts.pool_fen,
        total_fen=amounts.total_fen,
    )
    first = min((row.start.first_day for segment in rows for row in segment.rows), default=None)
    return InformationForm(
        letter_no=case.letter.letter_no,
        form_version=case.form_version + 1,
        person=case.letter.person,
        first_insured_on=record.first_insured_on or first or transfer_on,
        stopped_on=record.stopped_on,
        months=amounts.months,
        deemed_months=amounts.deemed_months,
        items=items,
        pool_from_temporary_fen=amounts.pool_from_temporary_fen,
        transfer_on=transfer_on,
        rule_set=amounts.rule_set,
        segments=tuple(to_contract(segment) for segment in rows),
        interim_rates=tuple(InterimRate(year=year, rate=str(rate)) for year, rate in sorted(amounts.interim.items())),
        not_movable=not_movable,
        papers=tuple(
            AttachedPaper(kind=paper.kind, dated=date.fromisoformat(paper.dated), issuer=paper.issuer)
            for paper in (case.proposal.papers if case.proposal else ())
        ),
    )
