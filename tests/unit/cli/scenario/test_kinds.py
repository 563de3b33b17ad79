"""The kinds of values: what each takes, what it refuses and why."""

from datetime import date
from typing import Any

import pytest

from services.cli.scenario import kinds
from services.cli.scenario.kinds import fen_of
from services.cli.scenario.reading import Scalar


@pytest.mark.parametrize(
    ("kind", "text", "value", "shown"),
    [
        (kinds.MONEY, "12479.86", 1_247_986, "12,479.86"),
        (kinds.MONEY, "-18000.00", -1_800_000, "-18,000.00"),
        (kinds.RATE, "0.16", "0.16", "0.16"),
        (kinds.COUNT, "27", 27, "27"),
        (kinds.DAY, "2024-02-29", date(2024, 2, 29), "2024-02-29"),
        (kinds.MONTH, "2024-03", "2024-03", "2024-03"),
        (kinds.YES_NO, "false", False, "false"),
        (kinds.PROVINCE, "44", "44", "44"),
        (kinds.HUKOU, "81", "81", "81"),
        (kinds.DIVISION, "440100", "440100", "440100"),
        (kinds.CODE, "NO_RELATIONSHIP", "NO_RELATIONSHIP", "NO_RELATIONSHIP"),
        (kinds.STATUS, "COMPLETED", "COMPLETED", "COMPLETED"),
        (kinds.ACCOUNT, "individual chen", "individual chen", "individual chen"),
        (kinds.ACCOUNT, "transfers_payable 33", "transfers_payable 33", "transfers_payable 33"),
        (kinds.ACCOUNT, "pooled_fund", "pooled_fund", "pooled_fund"),
    ],
    ids=lambda value: value.name if isinstance(value, Scalar) else None,
)
def test_a_value_is_read_and_shown(kind: Scalar, text: str, value: Any, shown: str) -> None:
    assert kind.read(text) == value
    assert kind.show(value) == shown


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (kinds.MONEY, "5000", "is not an amount"),
        (kinds.MONEY, "5000.0", "is not an amount"),
        (kinds.MONEY, "5e3", "is not an amount"),
        (kinds.RATE, "16 %", "is not a rate"),
        (kinds.COUNT, "-1", "is not a whole number"),
        (kinds.DAY, "2023-02-29", "is no day of the calendar"),
        (kinds.DAY, "06.05.2024", "is not a day"),
        (kinds.MONTH, "2024-13", "is not a month"),
        (kinds.YES_NO, "True", "is neither"),
        (kinds.PROVINCE, "00", "is no province"),
        (kinds.PROVINCE, "81", "takes no part"),
        (kinds.DIVISION, "4401", "is not a division code"),
        (kinds.DIVISION, "990100", "is no province"),
        (kinds.CODE, "no relationship", "is not a code"),
        (kinds.STATUS, "DONE", "is not one of the words"),
        (kinds.NAME, "Chen", "is not a name"),
        (kinds.ACCOUNT, "suspense", "is no account"),
        (kinds.ACCOUNT, "suspense 99", "is no province"),
        (kinds.ACCOUNT, "wallet", "is no account"),
    ],
    ids=lambda value: value.name if isinstance(value, Scalar) else None,
)
def test_what_is_no_such_value_is_refused_with_a_reason(kind: Scalar, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kind.read(text)


def test_every_kind_says_what_it_expects_and_has_a_schema() -> None:
    every = [value for value in vars(kinds).values() if isinstance(value, Scalar)]

    assert len(every) > 15
    assert [kind.name for kind in every if not kind.says or not kind.schema] == []


def test_money_is_fen_to_the_last_digit() -> None:
    assert fen_of("0.01") == 1
    assert fen_of("0.29") == 29  # as a float times a hundred it is 28.999999999999996


def test_a_name_refers_to_what_it_is_the_name_of() -> None:
    assert kinds.PERSON.refers == "person"
    assert kinds.CASE.refers == "case"
    assert kinds.NAME.refers == ""
