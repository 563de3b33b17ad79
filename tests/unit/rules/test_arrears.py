"""Arrears by domain § 1.6.2: Ex. 7 when refused, Ex. 2 when paid before the form, and the employer's late fee."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.amounts import compute
from services.rules.arrears import (
    AmountInvalid,
    ArrearsAnswer,
    ArrearsPayment,
    MonthPaidTwice,
    NoArrears,
    late_fee,
    settle_arrears,
)
from services.rules.months import Month
from services.rules.table_rows import RuleNotInForce
from services.rules.year_rows import RowStatus, Segment
from tests.unit.rules.builders import a_row, own, tables

FORM_ON = date(2024, 5, 20)
# Ex. 2 with November and December unpaid.
RECORD = (own(a_row("2023-01", "2023-10"), a_row("2023-11", "2023-12", status=RowStatus.ARREARS)),)


def a_payment(start: str = "2023-11", end: str = "2023-12", paid_on: date = date(2024, 5, 10)) -> ArrearsPayment:
    return ArrearsPayment(Month.parse(start), Month.parse(end), paid_on)


def total_fen(answer: ArrearsAnswer) -> int:
    return compute(answer.segments, transfer_on=FORM_ON, province="44", tables=tables()).total_fen


def test_refused_arrears_count_no_month_and_move_no_money_and_the_rest_moves() -> None:
    answer = settle_arrears(RECORD, (), form_on=FORM_ON, tables=tables())

    # Ex. 7: 10 × 400 + 400 × 3.97 % × 75/12 = 4,099.25; 10 × 5,000 × 12 % = 6,000; together 10,099.25.
    assert total_fen(answer) == 1_009_925
    assert (answer.counted_months, answer.lost_months) == (0, 2)
    assert [one.reason.code for one in answer.decided] == ["ARREARS_REFUSED"]
    assert "cannot be made up later" in answer.decided[0].reason.text_en
    assert answer.decided[0].reason.remedy_zh


def test_arrears_paid_before_the_form_count_as_if_paid_in_time() -> None:
    answer = settle_arrears(RECORD, [a_payment()], form_on=FORM_ON, tables=tables())

    # Ex. 2: 12,103.22, as if November and December had been paid when they were due.
    assert total_fen(answer) == 1_210_322
    assert (answer.counted_months, answer.lost_months) == (2, 0)
    assert [row.paid_on for segment in answer.segments for row in segment.rows] == [None, date(2024, 5, 10)]
    assert answer.decided[0].reason.code == "ARREARS_PAID"


def test_arrears_paid_on_the_day_of_the_form_are_in_it_and_later_ones_are_lost() -> None:
    in_time = settle_arrears(RECORD, [a_payment(paid_on=FORM_ON)], form_on=FORM_ON, tables=tables())
    late = settle_arrears(RECORD, [a_payment(paid_on=date(2024, 5, 21))], form_on=FORM_ON, tables=tables())

    assert total_fen(in_time) == 1_210_322
    assert total_fen(late) == 1_009_925
    assert late.decided[0].reason.code == "ARREARS_TOO_LATE"
    assert late.segments == RECORD


def test_who_pays_a_part_of_the_arrears_loses_the_other_part_alone() -> None:
    answer = settle_arrears(RECORD, [a_payment(end="2023-11")], form_on=FORM_ON, tables=tables())

    assert [(str(one.start), one.counts) for one in answer.decided] == [("2023-11", True), ("2023-12", False)]
    assert (answer.counted_months, answer.lost_months) == (1, 1)


def test_a_payment_for_a_month_without_arrears_and_two_for_one_month_are_refused() -> None:
    with pytest.raises(NoArrears, match="2023-10"):
        settle_arrears(RECORD, [a_payment(start="2023-10")], form_on=FORM_ON, tables=tables())
    with pytest.raises(MonthPaidTwice, match="2023-12"):
        settle_arrears(RECORD, [a_payment(), a_payment(start="2023-12")], form_on=FORM_ON, tables=tables())


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(100_000, 3_000_000))
def test_paid_arrears_are_worth_what_timely_months_are_and_refused_ones_nothing(first: int, last: int, wage: int) -> None:
    first, last = min(first, last), max(first, last)
    owed = own(a_row(f"2022-{first:02d}", f"2022-{last:02d}", wage, status=RowStatus.ARREARS), a_row("2023-01", "2023-12"))
    timely = own(a_row(f"2022-{first:02d}", f"2022-{last:02d}", wage), a_row("2023-01", "2023-12"))
    payment = a_payment(start=f"2022-{first:02d}", end=f"2022-{last:02d}")

    paid = settle_arrears((owed,), [payment], form_on=FORM_ON, tables=tables())
    refused = settle_arrears((owed,), (), form_on=FORM_ON, tables=tables())

    assert total_fen(paid) == compute((timely,), transfer_on=FORM_ON, province="44", tables=tables()).total_fen
    assert (
        total_fen(refused)
        == compute((own(a_row("2023-01", "2023-12")),), transfer_on=FORM_ON, province="44", tables=tables()).total_fen
    )
    assert paid.counted_months == refused.lost_months == last - first + 1


def test_an_employers_arrears_cost_five_in_ten_thousand_a_day_from_the_first_day() -> None:
    fee = late_fee(1_000_000, owed_since=date(2024, 3, 1), on=date(2024, 3, 30), tables=tables())

    # 10,000.00 × 0.0005 × 30 days = 150.00
    assert (fee.days, fee.fee_fen) == (30, 15_000)
    assert fee.reason.code == "EMPLOYER_ARREARS"
    assert "does not move" in fee.reason.text_en
    assert late_fee(333, owed_since=date(2024, 3, 1), on=date(2024, 3, 3), tables=tables()).fee_fen == 0  # 0.4995 fen
    assert late_fee(334, owed_since=date(2024, 3, 1), on=date(2024, 3, 3), tables=tables()).fee_fen == 1  # 0.501 fen


def test_days_before_the_law_bear_no_late_fee() -> None:
    fee = late_fee(1_000_000, owed_since=date(2011, 6, 1), on=date(2011, 7, 10), tables=tables())

    assert (fee.days, fee.fee_fen) == (10, 5_000)  # ten days of July 2011
    with pytest.raises(RuleNotInForce):
        late_fee(1, owed_since=date(2011, 6, 1), on=date(2011, 6, 30), tables=tables())


def test_a_fee_on_less_than_nothing_or_backwards_is_refused() -> None:
    with pytest.raises(AmountInvalid):
        late_fee(-1, owed_since=date(2024, 3, 1), on=date(2024, 3, 2), tables=tables())
    with pytest.raises(AmountInvalid):
        late_fee(1, owed_since=date(2024, 3, 3), on=date(2024, 3, 2), tables=tables())


def test_a_record_without_arrears_stays_as_it_is() -> None:
    record = (own(a_row("2023-01", "2023-12")), Segment(2022, 0, 100, ()))

    answer = settle_arrears(record, (), form_on=FORM_ON, tables=tables())

    assert answer == ArrearsAnswer(record, ())
