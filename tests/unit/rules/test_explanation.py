"""The lines of an explanation say what they add, also where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from services.rules.amounts import Item, RowKind, RowStatus, compute, yuan
from services.rules.loader import Tables
from tests.unit.rules.amount_builders import annual_method
from tests.unit.rules.builders import a_row, own, tables


def test_fen_are_shown_as_yuan() -> None:
    assert [yuan(fen) for fen in (0, 5, 1247986, -150)] == ["0.00", "0.05", "12,479.86", "-1.50"]


def test_months_before_1998_without_a_personal_balance_are_said_to_move_nothing() -> None:
    amounts = compute(
        [own(a_row("1997-07", "1997-12"), a_row("2024-01", "2024-01"))],
        transfer_on=date(2024, 5, 6),
        province="44",
        tables=tables(),
    )

    [line] = [step for step in amounts.steps if step.item is Item.BEFORE_1998]
    assert (line.amount_fen, amounts.months_before_1998) == (0, 6)
    assert line.text_en == "6 months before 1998-01-01 and no personal balance of them on record"
    assert "6 个月" in line.text_zh


def test_deemed_and_unpaid_months_are_named_beside_the_paid_ones() -> None:
    rows = (
        a_row("1990-01", "1990-12", 0, status=RowStatus.DEEMED),
        a_row("2023-01", "2023-02", status=RowStatus.ARREARS),
        a_row("2024-01", "2024-06"),
    )

    [line] = [
        step
        for step in compute([own(*rows)], transfer_on=date(2024, 8, 1), province="44", tables=tables()).steps
        if step.item is Item.MONTHS
    ]

    assert (line.formula, line.amount_fen) == ("6", None)
    assert "12 deemed" in line.text_en
    assert "2 in arrears" in line.text_en


def test_the_formula_of_the_annual_method_shows_its_factor() -> None:
    amounts = compute(
        [own(a_row("2023-01", "2023-12"))], transfer_on=date(2024, 5, 1), province="44", tables=annual_method("1.083")
    )

    assert "4,800.00 × 0.0397 × 1.083 ÷ 2 = 103.19" in [step.formula for step in amounts.steps]


def test_a_line_is_as_sure_as_the_least_sure_of_its_rows() -> None:
    [method] = tables().interest_methods
    unsure = replace(tables(), interest_methods=(replace(method, confidence="unsure"),))

    def said(rows: Tables, kind: RowKind = RowKind.NORMAL) -> dict[Item, list[str]]:
        amounts = compute([own(a_row("2023-01", "2023-12", kind=kind))], transfer_on=date(2024, 5, 1), province="44", tables=rows)
        found: dict[Item, list[str]] = {}
        for step in amounts.steps:
            found.setdefault(step.item, []).append(step.confidence)
        return found

    assert said(tables())[Item.UNTIL_LAST_YEAR] == ["found", "found"]
    assert said(unsure)[Item.UNTIL_LAST_YEAR] == ["found", "unsure"], "the interest rests on the method too"
    assert said(tables())[Item.POOL] == ["found"]
    assert said(tables(), kind=RowKind.TEMPORARY)[Item.POOL] == ["unsure"], "that it bears no interest is a switch"
