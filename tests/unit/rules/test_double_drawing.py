"""Two pensions at once by domain § 1.6.4: one is kept, and every fen drawn twice is found again."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.double_drawing import (
    DeductionTooLarge,
    DoubleDrawing,
    Drawing,
    DrawingInvalid,
    KeptPlaceUnknown,
    RepaidTooMuch,
    SetOff,
    settle_double_drawing,
)
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

ON = date(2024, 5, 20)
KEPT = Drawing("44", monthly_fen=300_000, account_fen=2_000_000, paid_twice_fen=3_000_000)


def other(account_fen: int, paid_twice_fen: int, place: str = "33") -> Drawing:
    return Drawing(place, monthly_fen=200_000, account_fen=account_fen, paid_twice_fen=paid_twice_fen)


def settled(*drawings: Drawing, repaid_fen: int = 0, agreed_monthly_fen: int | None = None, on: date = ON) -> DoubleDrawing:
    return settle_double_drawing(
        drawings, keeps="44", on=on, tables=tables(), repaid_fen=repaid_fen, agreed_monthly_fen=agreed_monthly_fen
    )


def codes(answer: DoubleDrawing) -> list[str]:
    return [reason.code for reason in answer.reasons]


def test_the_cleared_account_pays_the_overpayment_and_the_rest_of_it_goes_to_the_person() -> None:
    answer = settled(KEPT, other(1_500_000, 1_000_000))

    assert (answer.keeps, answer.clears, answer.overpaid_fen) == ("44", ("33",), 1_000_000)
    assert answer.set_off == (SetOff("33", "33", 1_000_000),)
    assert answer.paid_out_fen == 500_000
    assert answer.deductions is None
    assert codes(answer) == ["DOUBLE_KEEP_ONE", "DOUBLE_SET_OFF", "DOUBLE_ACCOUNT_REFUND"]


def test_what_the_account_does_not_cover_comes_month_by_month_from_the_pension_that_is_kept() -> None:
    answer = settled(KEPT, other(400_000, 1_000_000))

    # 10,000 − 4,000 = 6,000 still open; at most 20 % of 3,000 = 600 a month: ten months.
    assert (answer.set_off_fen, answer.paid_out_fen) == (400_000, 0)
    assert answer.deductions is not None
    assert (answer.deductions.months, answer.deductions.monthly_fen, answer.deductions.last_fen) == (10, 60_000, 60_000)
    assert answer.deductions.total_fen == 600_000
    assert codes(answer) == ["DOUBLE_KEEP_ONE", "DOUBLE_SET_OFF", "DOUBLE_MONTHLY"]


def test_the_last_month_takes_what_is_left() -> None:
    deductions = settled(KEPT, other(0, 130_000)).deductions

    assert deductions is not None
    assert (deductions.months, deductions.last_fen, deductions.total_fen) == (3, 10_000, 130_000)


def test_what_the_person_pays_back_comes_first() -> None:
    answer = settled(KEPT, other(400_000, 1_000_000), repaid_fen=1_000_000)

    assert (answer.set_off, answer.paid_out_fen, answer.deductions) == ((), 400_000, None)
    assert codes(answer) == ["DOUBLE_KEEP_ONE", "DOUBLE_REPAID", "DOUBLE_ACCOUNT_REFUND"]


def test_an_agreement_fixes_another_monthly_amount() -> None:
    deductions = settled(KEPT, other(0, 600_000), agreed_monthly_fen=20_000).deductions

    assert deductions is not None
    assert (deductions.months, deductions.monthly_fen) == (30, 20_000)
    for wrong in (0, 300_001):
        with pytest.raises(DeductionTooLarge):
            settled(KEPT, other(0, 600_000), agreed_monthly_fen=wrong)


def test_a_cleared_account_pays_its_own_place_first_and_then_the_others() -> None:
    answer = settled(KEPT, other(500_000, 100_000), other(0, 300_000, "51"))

    assert answer.set_off == (SetOff("33", "33", 100_000), SetOff("33", "51", 300_000))
    assert answer.paid_out_fen == 100_000


def test_the_kept_account_is_never_touched() -> None:
    assert settled(KEPT, other(0, 100)).set_off == ()


def test_facts_that_cannot_be_are_refused() -> None:
    with pytest.raises(DrawingInvalid):
        settled(KEPT)
    with pytest.raises(DrawingInvalid):
        settled(KEPT, KEPT)
    with pytest.raises(DrawingInvalid):
        settled(KEPT, other(-1, 0))
    with pytest.raises(DrawingInvalid):
        settled(KEPT, other(0, 0), repaid_fen=-1)
    with pytest.raises(KeptPlaceUnknown):
        settled(other(0, 0), other(0, 0, "51"))
    with pytest.raises(RepaidTooMuch):
        settled(KEPT, other(0, 100), repaid_fen=101)
    with pytest.raises(RuleNotInForce):
        settled(KEPT, other(0, 0), on=date(2016, 11, 27))


money = st.integers(0, 10_000_000)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(money, money), min_size=1, max_size=3), st.integers(0, 100), st.integers(1, 1_000_000))
def test_every_fen_of_the_overpayment_is_found_again_and_none_of_the_accounts_is_lost(
    others: list[tuple[int, int]], repaid_percent: int, pension_fen: int
) -> None:
    drawings = [other(account, twice, place) for (account, twice), place in zip(others, ("33", "51", "41"), strict=False)]
    overpaid_fen = sum(drawing.paid_twice_fen for drawing in drawings)

    answer = settled(Drawing("44", pension_fen, 1, 1), *drawings, repaid_fen=overpaid_fen * repaid_percent // 100)

    deducted_fen = answer.deductions.total_fen if answer.deductions else 0
    assert answer.repaid_fen + answer.set_off_fen + deducted_fen == answer.overpaid_fen == overpaid_fen
    assert answer.set_off_fen + answer.paid_out_fen == sum(drawing.account_fen for drawing in drawings)
    assert not (answer.paid_out_fen and deducted_fen), "nothing is paid out while something is owed"
    if answer.deductions:
        assert 1 <= answer.deductions.last_fen <= answer.deductions.monthly_fen <= max(1, pension_fen // 5)
