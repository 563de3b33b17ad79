"""Rows and records that cannot be are refused by name."""

from __future__ import annotations

from datetime import date

import pytest

from services.rules.amounts import (
    DivisionInvalid,
    EmployerRateInvalid,
    MonthsOverlap,
    OpeningAfterTransfer,
    OpeningInvalid,
    RowAfterTransfer,
    RowCrossesYear,
    Segment,
    StartAfterEnd,
    WageInvalid,
    compute,
    refuse_overlaps,
)
from tests.unit.rules.builders import a_row, own, tables


def test_a_row_that_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(StartAfterEnd):
        a_row("2024-06", "2024-01")
    with pytest.raises(RowCrossesYear):
        a_row("2023-12", "2024-01")
    with pytest.raises(WageInvalid):
        a_row("2024-01", "2024-01", -1)
    with pytest.raises(WageInvalid):
        a_row("2024-01", "2024-01", 10_000_000_000)
    with pytest.raises(DivisionInvalid):
        a_row("2024-01", "2024-01", division="4401")
    for rate in ("1.01", "-0.01", "0.16001", "NaN"):
        with pytest.raises(EmployerRateInvalid):
            a_row("2024-01", "2024-01", employer_rate=rate)


def test_a_record_that_cannot_be_is_refused_by_name() -> None:
    row = a_row("2024-01", "2024-06")
    with pytest.raises(MonthsOverlap):
        own(row, a_row("2024-06", "2024-07", division="440300"))
    with pytest.raises(MonthsOverlap):
        compute([own(row), own(row)], transfer_on=date(2024, 8, 1), province="44", tables=tables())
    with pytest.raises(OpeningInvalid):
        Segment(2020, -1, 0, ())
    with pytest.raises(OpeningInvalid):
        Segment(None, 0, 1, ())
    with pytest.raises(RowAfterTransfer):
        compute([own(row)], transfer_on=date(2024, 5, 31), province="44", tables=tables())
    with pytest.raises(OpeningAfterTransfer):
        compute([Segment(2024, 0, 0, ())], transfer_on=date(2024, 5, 31), province="44", tables=tables())


def test_a_long_row_overlaps_one_that_does_not_follow_it_directly() -> None:
    with pytest.raises(MonthsOverlap):
        refuse_overlaps([a_row("2024-01", "2024-12"), a_row("2024-02", "2024-03"), a_row("2025-01", "2025-01")])


def test_a_row_knows_its_year_and_its_months() -> None:
    row = a_row("2024-03", "2024-11")

    assert (row.year, row.months) == (2024, 9)


def test_the_rows_inside_an_opening_balance_carry_no_principal_of_their_own() -> None:
    inside, outside = a_row("2020-01", "2020-12"), a_row("2021-01", "2021-12")
    segment = Segment(2020, 0, 500_000, (inside, outside))

    assert not segment.carries_principal(inside)
    assert segment.carries_principal(outside)
    assert own(inside).carries_principal(inside)
    assert not own(a_row("1997-01", "1997-12")).carries_principal(a_row("1997-01", "1997-12"))
