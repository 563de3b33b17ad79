"""One-off back payments of three years and more by domain § 1.6.6 and scenarios 15 to 17."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.amounts import compute
from services.rules.back_payments import (
    BackPaymentAnswer,
    Paper,
    PaperInvalid,
    StayingPartUnknown,
    divide,
    judge,
    notice_due_on,
    report_forgery,
)
from services.rules.deadlines import DueDate
from services.rules.exception_tables import FetchedBy, IssuerKind
from services.rules.loader import TABLES_DIRECTORY, load_tables
from services.rules.months import Month
from services.rules.table_rows import RuleNotInForce
from services.rules.year_rows import RowKind, RowStatus, Segment, YearRow
from tests.unit.rules.builders import a_row, own, tables

ON = date(2025, 3, 20)
LETTER_ON = date(2025, 3, 3)  # a Monday
IN_2018 = date(2018, 5, 10)
IN_2014 = date(2014, 5, 10)


def back_paid(
    first_year: int = 2010,
    years: int = 5,
    *,
    paid_on: date | None = IN_2018,
    kind: RowKind = RowKind.ONE_OFF,
    division: str = "440100",
) -> list[YearRow]:
    """Whole years paid at once on a wage of 3,000.00."""
    return [
        replace(a_row(f"{year}-01", f"{year}-12", 300_000, kind=kind, division=division), paid_on=paid_on)
        for year in range(first_year, first_year + years)
    ]


def a_paper(
    kind: str = "COURT_DOCUMENT",
    *,
    dated: date = date(2018, 3, 1),
    issuer: IssuerKind = IssuerKind.COURT,
    proves: tuple[str, str] | None = None,
) -> Paper:
    if proves is None:
        return Paper(kind, dated, issuer)
    return Paper(kind, dated, issuer, Month.parse(proves[0]), Month.parse(proves[1]))


def decided(rows: Iterable[YearRow], *papers: Paper, on: date = ON) -> BackPaymentAnswer:
    return divide([own(*rows)], papers, on=on, letter_received_on=LETTER_ON, province="44", tables=tables())


def codes(answer: BackPaymentAnswer) -> set[str]:
    return {verdict.reason.code for verdict in answer.verdicts}


def test_sixty_months_paid_in_2018_without_papers_stay_and_the_rest_moves() -> None:
    normal = a_row("2024-01", "2024-12", 500_000)

    answer = decided([*back_paid(), normal])

    # What moves is the year 2024 alone: 12 × 400 + 400 × 2.62 % × 78/12 = 4,868.12; 12 × 5,000 × 12 % = 7,200.
    moving = compute(answer.moving, transfer_on=ON, province="44", tables=tables())
    assert (moving.months, moving.account_fen, moving.pool_fen) == (12, 486_812, 720_000)
    assert answer.staying is not None
    # 60 × 3,000 × 12 % = 21,600 of the pooled fund.
    assert (answer.staying.months, answer.staying.pool_fen) == (60, 2_160_000)
    assert [reason.code for reason in answer.staying.reasons] == ["BACK_PAYMENT_PAPERS_MISSING"]
    assert answer.staying.notice == DueDate(date(2025, 3, 17), provisional=False)  # ten working days
    whole = compute([own(*back_paid(), normal)], transfer_on=ON, province="44", tables=tables())
    assert answer.staying.account_fen + moving.account_fen == whole.account_fen
    rest = compute(answer.staying.segments, transfer_on=ON, province="44", tables=tables())
    assert (rest.months, rest.account_fen) == (60, answer.staying.account_fen)


def test_what_is_missing_is_said_with_every_way_and_the_agency_that_fetches_it_never_the_person() -> None:
    answer = decided(back_paid())

    ways = answer.verdicts[0].missing
    assert [[paper.code for lack in way for paper in lack.papers] for way in ways] == [
        ["COURT_DOCUMENT", "AUDIT_DOCUMENT", "INSPECTION_DOCUMENT", "ARBITRATION_DOCUMENT"],
        ["DEFERRAL_AGREEMENT", "DEFERRED_PAYMENT_VOUCHER"],
        ["COLLECTION_ORDER"],
        ["VETERAN_CERTIFICATE"],
    ]
    assert {lack.fetched_by for lack in answer.to_fetch} == {*FetchedBy}
    assert len(answer.to_fetch) == 5
    reason = answer.verdicts[0].reason
    assert "无需您提供任何材料" in reason.remedy_zh
    assert "S-94" in reason.source


@pytest.mark.parametrize(
    ("kind", "issuer"),
    [
        ("COURT_DOCUMENT", IssuerKind.COURT),
        ("AUDIT_DOCUMENT", IssuerKind.AUDIT_OFFICE),
        ("INSPECTION_DOCUMENT", IssuerKind.LABOUR_INSPECTION),
        ("ARBITRATION_DOCUMENT", IssuerKind.ARBITRATION),
    ],
)
def test_a_legal_document_that_is_older_than_the_payment_lets_everything_move(kind: str, issuer: IssuerKind) -> None:
    answer = decided(back_paid(), a_paper(kind, issuer=issuer))

    assert answer.staying is None
    assert answer.moving == (own(*back_paid()),)
    assert codes(answer) == {"LEGAL_DOCUMENT_GIVEN"}
    assert {verdict.route.code for verdict in answer.verdicts if verdict.route} == {"LEGAL_DOCUMENT"}
    assert answer.to_fetch == ()


def test_a_paper_made_after_the_payment_proves_nothing() -> None:
    answer = decided(back_paid(), a_paper(dated=date(2018, 5, 11)))

    assert codes(answer) == {"BACK_PAYMENT_PAPERS_TOO_LATE"}
    assert answer.moving == ()
    assert decided(back_paid(), a_paper(dated=IN_2018)).staying is None


def test_a_paper_of_the_very_day_of_payment_counts_unless_the_switch_says_no(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "switches.toml").read_text(encoding="utf-8")
    (tmp_path / "switches.toml").write_text(text.replace('"accepted"', '"refused"'), encoding="utf-8")

    verdicts = judge(own(*back_paid()), [a_paper(dated=IN_2018)], on=ON, province="44", tables=load_tables(tmp_path))

    assert {verdict.reason.code for verdict in verdicts} == {"BACK_PAYMENT_PAPERS_TOO_LATE"}


def test_a_paper_of_somebody_else_proves_nothing() -> None:
    assert codes(decided(back_paid(), a_paper(issuer=IssuerKind.OTHER))) == {"BACK_PAYMENT_WRONG_ISSUER"}


def test_an_undertaking_does_for_payments_before_28_november_2016_alone() -> None:
    undertaking = a_paper("UNDERTAKING", issuer=IssuerKind.SOCIAL_INSURANCE_AGENCY, dated=date(2025, 3, 10))

    def staying(paid_on: date) -> bool:
        return decided(back_paid(2005, paid_on=paid_on), undertaking).staying is not None

    assert not staying(IN_2014)  # scenario 16
    assert not staying(date(2016, 11, 27))
    assert staying(date(2016, 11, 28))
    assert codes(decided(back_paid(2005, paid_on=IN_2014), undertaking)) == {"UNDERTAKING_GIVEN"}


def test_an_approved_deferral_needs_its_agreement_and_the_voucher_of_the_payment() -> None:
    last = replace(a_row("2015-01", "2015-04", 300_000, kind=RowKind.DEFERRED), paid_on=IN_2018)
    deferred = [*back_paid(2012, 3, kind=RowKind.DEFERRED), last]  # 40 months, scenario 17
    agreement = a_paper("DEFERRAL_AGREEMENT", dated=date(2012, 1, 5), issuer=IssuerKind.SOCIAL_INSURANCE_AGENCY)
    voucher = a_paper("DEFERRED_PAYMENT_VOUCHER", dated=IN_2018, issuer=IssuerKind.TAX_AUTHORITY)

    both = decided(deferred, agreement, voucher)
    one = decided(deferred, agreement)

    assert both.staying is None
    assert codes(both) == {"DEFERRAL_GIVEN"}
    assert one.staying is not None
    assert ["DEFERRED_PAYMENT_VOUCHER"] in [
        [paper.code for lack in way for paper in lack.papers] for way in one.verdicts[0].missing
    ]


@pytest.mark.parametrize(
    ("kind", "issuer", "code"),
    [
        ("COLLECTION_ORDER", IssuerKind.SOCIAL_INSURANCE_AGENCY, "COLLECTION_ORDER_GIVEN"),
        ("VETERAN_CERTIFICATE", IssuerKind.VETERANS_AUTHORITY, "VETERAN_CERTIFICATE_GIVEN"),
    ],
)
def test_an_order_to_pay_and_a_retired_soldiers_certificate_do_too(kind: str, issuer: IssuerKind, code: str) -> None:
    answer = decided(back_paid(), a_paper(kind, issuer=issuer))

    assert answer.staying is None
    assert codes(answer) == {code}


def test_less_than_three_years_at_once_need_no_papers() -> None:
    eleven = replace(a_row("2012-01", "2012-11", 300_000, kind=RowKind.ONE_OFF), paid_on=IN_2018)
    thirty_five = [*back_paid(2010, 2), eleven]
    thirty_six = back_paid(2010, 3)

    assert codes(decided(thirty_five)) == {"BACK_PAYMENT_BELOW_THRESHOLD"}
    assert codes(decided(thirty_six)) == {"BACK_PAYMENT_PAPERS_MISSING"}


def test_two_payments_of_different_days_are_two_payments() -> None:
    rows = back_paid(2010, 2) + back_paid(2012, 2, paid_on=date(2018, 6, 10))

    assert codes(decided(rows)) == {"BACK_PAYMENT_BELOW_THRESHOLD"}


def test_before_the_rule_of_2016_everything_moves() -> None:
    on = date(2016, 11, 27)
    rows = back_paid(2008, 5, paid_on=IN_2014)

    verdicts = judge(own(*rows), (), on=on, province="44", tables=tables())

    assert {verdict.reason.code for verdict in verdicts} == {"BACK_PAYMENT_BEFORE_THE_RULE"}
    assert all(verdict.moves for verdict in verdicts)
    assert {verdict.moves for verdict in judge(own(*rows), (), on=date(2016, 11, 28), province="44", tables=tables())} == {False}


def test_a_paper_that_proves_some_months_lets_them_move_alone() -> None:
    answer = decided(back_paid(2010, 3), a_paper(proves=("2010-07", "2011-12")))

    assert [(str(v.row.start), str(v.row.end), v.moves, v.reason.code) for v in answer.verdicts] == [
        ("2010-01", "2010-06", False, "BACK_PAYMENT_PERIOD_NOT_PROVEN"),
        ("2010-07", "2010-12", True, "LEGAL_DOCUMENT_GIVEN"),
        ("2011-01", "2011-12", True, "LEGAL_DOCUMENT_GIVEN"),
        ("2012-01", "2012-12", False, "BACK_PAYMENT_PERIOD_NOT_PROVEN"),
    ]
    assert answer.staying is not None
    assert answer.staying.months == 18
    assert sum(row.months for segment in answer.moving for row in segment.rows) == 18


def test_without_the_day_of_payment_it_is_not_known_which_papers_are_needed() -> None:
    assert codes(decided(back_paid(paid_on=None))) == {"BACK_PAYMENT_DATE_UNKNOWN"}
    assert codes(decided(back_paid(years=2, paid_on=None))) == {"BACK_PAYMENT_BELOW_THRESHOLD"}


def test_months_paid_in_time_deemed_or_in_arrears_are_no_back_payment() -> None:
    rows = [a_row("2024-01", "2024-06"), a_row("2024-07", "2024-08", status=RowStatus.ARREARS)]

    assert codes(decided(rows)) == {"NOT_A_BACK_PAYMENT"}


def test_what_came_with_an_earlier_transfer_had_its_papers_checked_there() -> None:
    arrived = Segment(2020, 0, 5_000_000, tuple(back_paid(division="110100")))

    answer = divide([arrived], (), on=ON, letter_received_on=LETTER_ON, province="44", tables=tables())

    assert answer.staying is None
    assert codes(answer) == {"BACK_PAYMENT_ARRIVED_BEFORE"}


def test_what_stayed_moves_whole_once_its_papers_are_there() -> None:
    first = decided([*back_paid(), a_row("2024-01", "2024-12")])
    assert first.staying is not None
    later = date(2025, 9, 1)

    without = divide(first.staying.segments, (), on=later, letter_received_on=later, province="44", tables=tables())
    with_paper = divide(first.staying.segments, [a_paper()], on=later, letter_received_on=later, province="44", tables=tables())

    assert without.moving == ()
    assert without.staying is not None
    assert without.staying.account_fen == first.staying.account_fen  # 2025 is not over: no interest yet
    assert with_paper.staying is None
    assert with_paper.moving == first.staying.segments


def test_of_what_stayed_a_part_can_move_later_without_a_fen_lost() -> None:
    first = decided([*back_paid(), a_row("2024-01", "2024-12")])
    assert first.staying is not None
    later = date(2025, 9, 1)

    second = divide(
        first.staying.segments,
        [a_paper(proves=("2010-01", "2011-12"))],
        on=later,
        letter_received_on=later,
        province="44",
        tables=tables(),
    )

    assert second.staying is not None
    assert second.staying.months == 36
    moved = compute(second.moving, transfer_on=later, province="44", tables=tables())
    assert moved.months == 24
    assert moved.account_fen + second.staying.account_fen == first.staying.account_fen
    assert moved.account_fen > 24 * 24_000  # at least the principal of 3,000 × 8 %


def test_item_one_stays_with_the_months_before_1998_or_is_divided_by_a_clerk() -> None:
    before = [
        replace(a_row(f"{year}-01", f"{year}-12", 50_000, kind=RowKind.ONE_OFF), paid_on=IN_2018) for year in (1994, 1995, 1996)
    ]
    normal = a_row("2024-01", "2024-12")
    all_of_it = Segment(1997, 100_000, 0, (*before, normal))
    some_of_it = Segment(1997, 100_000, 0, (*before, a_row("1997-01", "1997-12", 50_000), normal))

    def divided(segment: Segment, fen: int | None = None) -> BackPaymentAnswer:
        return divide(
            [segment], (), on=ON, letter_received_on=LETTER_ON, province="44", tables=tables(), before_1998_staying_fen=fen
        )

    whole = divided(all_of_it)
    assert whole.moving[0].opening_before_1998_fen == 0
    assert whole.staying is not None
    assert whole.staying.before_1998_fen > 100_000  # with interest since
    with pytest.raises(StayingPartUnknown):
        divided(some_of_it)
    assert divided(some_of_it, 40_000).moving[0].opening_before_1998_fen == 60_000
    with pytest.raises(StayingPartUnknown):
        divided(some_of_it, 100_001)


def test_a_paper_cannot_prove_half_a_period_or_one_that_runs_backwards() -> None:
    with pytest.raises(PaperInvalid):
        Paper("COURT_DOCUMENT", IN_2018, IssuerKind.COURT, Month(2010, 1), None)
    with pytest.raises(PaperInvalid):
        Paper("COURT_DOCUMENT", IN_2018, IssuerKind.COURT, Month(2010, 2), Month(2010, 1))


def test_the_written_notice_is_due_in_ten_working_days_since_2019() -> None:
    assert notice_due_on(date(2025, 1, 20), tables()) == DueDate(date(2025, 2, 8), provisional=False)  # a make-up Saturday
    assert notice_due_on(date(2019, 9, 28), tables()) is None


def test_a_suspected_forgery_is_reported_in_ten_working_days() -> None:
    report = report_forgery(date(2025, 3, 3), tables())

    assert report.due.on == date(2025, 3, 17)
    assert report.reason.code == "FORGERY_REPORT"
    with pytest.raises(RuleNotInForce):
        report_forgery(date(2019, 9, 28), tables())


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3_000_000), st.booleans()), min_size=1, max_size=10
    ),
    st.integers(2008, 2020),
    st.integers(2008, 2020),
)
def test_nothing_is_lost_or_made_by_dividing(years: list[tuple[int, int, int, bool]], proves_from: int, proves_to: int) -> None:
    rows = []
    for offset, (one, other, wage, at_once) in enumerate(years):
        start, end = min(one, other), max(one, other)
        row = a_row(f"{2009 + offset}-{start:02d}", f"{2009 + offset}-{end:02d}", wage)
        rows.append(replace(row, kind=RowKind.ONE_OFF, paid_on=date(2023, 1, 5)) if at_once else row)
    paper = a_paper(dated=date(2022, 1, 1), proves=(f"{min(proves_from, proves_to)}-04", f"{max(proves_from, proves_to)}-09"))

    answer = decided(rows, paper)

    whole = compute([own(*rows)], transfer_on=ON, province="44", tables=tables())
    moving = compute(answer.moving, transfer_on=ON, province="44", tables=tables())
    staying = answer.staying
    assert sum(verdict.row.months for verdict in answer.verdicts) == whole.months
    assert moving.months + (staying.months if staying else 0) == whole.months
    assert moving.account_fen + (staying.account_fen if staying else 0) == whole.account_fen
    assert moving.pool_fen + (staying.pool_fen if staying else 0) == whole.pool_fen
    assert (staying is None) == all(verdict.moves for verdict in answer.verdicts)
