"""The words every contract is built from."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.base import Command, Contract, Digest, Fen, Items, MonthText, ProvinceCode, Rate, ServiceName, SignedFen


@pytest.mark.parametrize("month", ["2024-01", "1998-12", "0001-01"])
def test_a_month_of_the_calendar_is_taken(month: str) -> None:
    assert TypeAdapter(MonthText).validate_python(month) == month


@pytest.mark.parametrize("month", ["2024-13", "2024-00", "2024-1", "24-01", "2024/01", "2024-W1", "2024-01-01", "Zhang W", ""])
def test_what_is_no_month_is_refused_without_repeating_it(month: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(MonthText).validate_python(month)

    assert all(not month or month not in error["msg"] for error in refusal.value.errors())


@pytest.mark.parametrize("rate", ["0", "0.16", "0.1625", "1", "1.0000"])
def test_a_ratio_is_decimal_text(rate: str) -> None:
    assert TypeAdapter(Rate).validate_python(rate) == rate


@pytest.mark.parametrize("rate", ["1.1", "2", "-0.1", ".5", "0.", "0.12345", "16%", "1e-1", "0,16", ""])
def test_what_is_no_ratio_is_refused(rate: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Rate).validate_python(rate)


@pytest.mark.parametrize("rate", [0.16, 1])
def test_a_ratio_is_never_a_number(rate: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Rate).validate_json(str(rate), strict=True)


@given(st.integers(0, 10**13))
def test_money_is_whole_fen(amount_fen: int) -> None:
    assert TypeAdapter(Fen).validate_python(amount_fen, strict=True) == amount_fen


@pytest.mark.parametrize("amount", [-1, 10**13 + 1, 1.0, "1", True])
def test_money_is_nothing_else(amount: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Fen).validate_python(amount, strict=True)


def test_a_difference_may_be_negative_within_the_same_bounds() -> None:
    assert TypeAdapter(SignedFen).validate_python(-(10**13)) == -(10**13)
    with pytest.raises(ValidationError):
        TypeAdapter(SignedFen).validate_python(-(10**13) - 1)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ProvinceCode, "33", ["3", "333", "ab", "33\n", ""]),
        (ServiceName, "33/origin-agency", ["33", "33/", "3/origin-agency", "33/Origin", "33/origin-agency/x"]),
        (Digest, "ab" * 32, ["AB" * 32, "ab" * 31, "ab" * 33, "xy" * 32]),
    ],
)
def test_names_have_one_spelling(kind: Any, good: str, bad: list[str]) -> None:
    assert TypeAdapter(kind).validate_python(good) == good
    for text in bad:
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)


class Grows(Contract):
    known: int


class Wish(Command):
    known: int


class Payment(Command):
    on: date
    amount_fen: Fen


def test_a_contract_passes_over_what_it_does_not_know() -> None:
    assert Grows.model_validate_json('{"known": 1, "unknown": 2}') == Grows(known=1)


def test_a_command_refuses_what_it_does_not_know_because_the_caller_may_rely_on_it() -> None:
    with pytest.raises(ValidationError, match="unknown"):
        Wish.model_validate_json('{"known": 1, "unknown": 2}')


@pytest.mark.parametrize("value", ['{"known": "1"}', '{"known": 1.0}', '{"known": true}'])
def test_a_contract_converts_nothing(value: str) -> None:
    with pytest.raises(ValidationError):
        Grows.model_validate_json(value)


@pytest.mark.parametrize("amount", ["12", 12.0, True])
def test_a_command_takes_dates_as_texts_and_never_money(amount: object) -> None:
    assert Payment.model_validate({"on": "2024-05-06", "amount_fen": 12}) == Payment(on=date(2024, 5, 6), amount_fen=12)

    with pytest.raises(ValidationError, match="amount_fen"):
        Payment.model_validate({"on": "2024-05-06", "amount_fen": amount})


def test_a_contract_cannot_be_changed_after_it_was_said() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Grows(known=1).known = 2  # type: ignore[misc]


def test_the_items_of_a_form_are_six_and_all_are_needed() -> None:
    assert len(Items.model_fields) == 6
    assert all(field.is_required() for field in Items.model_fields.values())
