"""Months of two or more places by domain § 1.6.3: Ex. 8 to the fen, the person's choice, and that a month counts once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.amounts import compute
from services.rules.duplicates import (
    Choice,
    ChoiceInvalid,
    Clearing,
    Holding,
    Overlap,
    PlaceTwice,
    ResidentMonths,
    clear,
    overlaps,
    stands_twice,
    without_idle_arrears,
)
from services.rules.loader import Tables
from services.rules.months import Month
from services.rules.year_rows import MonthsOverlap, RowStatus, Segment, YearRow
from tests.unit.rules.builders import a_row, own, tables, with_switch

ON = date(2024, 5, 20)


def arrived(*rows: YearRow, fen: int, year: int = 2023) -> Segment:
    """What a transfer has brought: its rows inside the balance of the form's ②."""
    return Segment(year, 0, fen, rows)


def here(*rows: YearRow) -> Holding:
    return Holding("33", (own(*rows),))


# Ex. 2 came from Guangdong: 4,903.22 in the account. Zhejiang has October to December 2023 of its own.
EX_2 = Holding("44", (arrived(a_row("2023-01", "2023-12"), fen=490_322),))
OWN = here(a_row("2023-10", "2023-12", 600_000, division="330100"))


def cleared(*holdings: Holding, choices: Sequence[Choice] = (), rules: Tables | None = None, on: date = ON) -> Clearing:
    return clear(holdings, choices, destination="33", on=on, tables=rules or tables())


def choice(start: str, end: str, keep: str) -> Choice:
    return Choice(Month.parse(start), Month.parse(end), keep)


def months_of(clearing: Clearing) -> dict[str, tuple[int, int]]:
    return {place.place: (place.paid_months, place.cleared_months) for place in clearing.places}


def test_example_8_counts_nine_and_three_months_and_refunds_1207_94() -> None:
    clearing = cleared(OWN, EX_2)

    # 3 × 400 = 1,200.00, interest 400 × 3.97 % × (3 + 2 + 1) / 12 = 7.94
    assert (clearing.refund_principal_fen, clearing.refund_interest_fen, clearing.refund_fen) == (120_000, 794, 120_794)
    assert clearing.pool_stays_fen == 180_000  # 3 × 5,000 × 12 %
    assert months_of(clearing) == {"33": (3, 0), "44": (9, 3)}
    assert clearing.counted_months == 12
    (line,) = clearing.refund
    assert (line.place, line.year, line.amount_fen, str(line.rate)) == ("44", 2023, 120_794, "0.0397")
    assert [str(month) for month in line.months] == ["2023-10", "2023-11", "2023-12"]


def test_what_remains_is_the_balance_less_the_refund_and_the_months_that_count() -> None:
    clearing = cleared(OWN, EX_2)

    rest = compute(clearing.remaining["44"], transfer_on=ON, province="44", tables=tables())

    assert (rest.account_fen, rest.months) == (490_322 - 120_794, 9)
    assert clearing.remaining["33"] == OWN.segments
    # Everything that is left can be moved on together: no month stands twice.
    together = (*clearing.remaining["33"], *clearing.remaining["44"])
    assert compute(together, transfer_on=ON, province="33", tables=tables()).months == 12


def test_the_person_chooses_the_side_for_each_period() -> None:
    clearing = cleared(OWN, EX_2, choices=[choice("2023-10", "2023-11", "44")])

    assert [(str(one.start), str(one.end), one.keep, one.reason.code) for one in clearing.kept] == [
        ("2023-10", "2023-11", "44", "DUPLICATE_CHOSEN"),
        ("2023-12", "2023-12", "33", "DUPLICATE_DEFAULT_DESTINATION"),
    ]
    assert months_of(clearing) == {"33": (1, 2), "44": (11, 1)}
    # Zhejiang: 2 × 480 + 480 × 3.97 % × (3 + 2)/12 = 967.94; Guangdong: 400 + 400 × 3.97 % × 1/12 = 401.32.
    assert {line.place: line.amount_fen for line in clearing.refund} == {"33": 96_794, "44": 40_132}
    assert clearing.pool_stays_fen == 2 * 72_000 + 60_000


def test_in_whatever_order_the_holdings_come_the_destinations_months_are_kept() -> None:
    assert cleared(EX_2, OWN).refund == cleared(OWN, EX_2).refund
    assert cleared(EX_2, OWN).refund_fen == 120_794


def test_without_a_choice_the_switch_says_whose_months_are_kept(tmp_path: Path) -> None:
    def keeps(value: str) -> tuple[str, str]:
        (kept,) = cleared(OWN, EX_2, rules=with_switch(tmp_path, "DUPLICATE_SIDE_KEPT", "destination", value)).kept
        return kept.keep, kept.reason.code

    assert keeps("origin") == ("44", "DUPLICATE_DEFAULT_ORIGIN")
    assert keeps("higher_wage") == ("33", "DUPLICATE_DEFAULT_HIGHER_WAGE")  # 6,000 against 5,000


def test_the_refund_bears_no_interest_when_the_switch_is_off(tmp_path: Path) -> None:
    clearing = cleared(OWN, EX_2, rules=with_switch(tmp_path, "REFUND_INTEREST", "on", "off"))

    assert (clearing.refund_fen, clearing.refund_interest_fen) == (120_000, 0)
    rest = compute(clearing.remaining["44"], transfer_on=ON, province="44", tables=tables())
    assert rest.account_fen == 490_322 - 120_000  # what the months earned stays in the account
    months = a_row("2024-01", "2024-03")
    later = Holding("44", (arrived(a_row("2023-01", "2023-12"), months, fen=490_322),))
    this_year = cleared(
        here(a_row("2024-02", "2024-03", division="330100")),
        later,
        rules=with_switch(tmp_path, "REFUND_INTEREST", "on", "off"),
    )
    assert this_year.refund_fen == 80_000
    rest = compute(this_year.remaining["44"], transfer_on=ON, province="44", tables=tables())
    assert rest.account_fen == 490_322 + 40_000


def test_months_of_the_year_itself_are_refunded_without_interest_and_earlier_ones_with_every_years() -> None:
    record = Holding("44", (own(a_row("2022-12", "2022-12"), a_row("2024-01", "2024-02")),))
    mine = here(a_row("2022-12", "2022-12", division="330100"), a_row("2024-01", "2024-02", division="330100"))

    clearing = cleared(mine, record)

    # 2022: 400 + 400 × 6.12 % × 1/12 = 402.04; 2023: 402.04 × 3.97 % = 15.96; 2024: 800.
    assert [(line.year, line.principal_fen, line.interest_fen) for line in clearing.refund] == [
        (2022, 40_000, 204),
        (2023, 0, 1_596),
        (2024, 80_000, 0),
    ]
    assert compute(clearing.remaining["44"], transfer_on=ON, province="44", tables=tables()).account_fen == 0


def test_of_two_former_places_the_higher_wage_is_kept() -> None:
    one = Holding("44", (own(a_row("2023-01", "2023-03", 400_000)),))
    other = Holding("51", (own(a_row("2023-02", "2023-04", 500_000, division="510100")),))

    clearing = cleared(here(), one, other)

    assert [(kept.keep, kept.cleared, kept.reason.code) for kept in clearing.kept] == [
        ("51", ("44",), "DUPLICATE_DEFAULT_HIGHER_WAGE")
    ]
    assert clearing.counted_months == 4


def test_three_places_that_hold_a_month_leave_one() -> None:
    one = Holding("44", (own(a_row("2023-01", "2023-12")),))
    other = Holding("51", (own(a_row("2023-06", "2023-12", division="510100")),))

    clearing = cleared(OWN, one, other)

    assert [(str(found.start), found.places) for found in overlaps([OWN, one, other])] == [
        ("2023-06", ("44", "51")),
        ("2023-10", ("33", "44", "51")),
    ]
    assert months_of(clearing) == {"33": (3, 0), "44": (9, 3), "51": (0, 7)}
    assert clearing.counted_months == 12


def test_a_paid_month_wins_over_a_deemed_one_and_costs_nothing() -> None:
    deemed = here(a_row("2023-01", "2023-12", 0, division="330100", status=RowStatus.DEEMED))

    clearing = cleared(deemed, EX_2)

    assert {kept.reason.code for kept in clearing.kept} == {"DUPLICATE_PAID_BEFORE_DEEMED"}
    assert clearing.refund == ()
    assert clearing.places[0].deemed_months == 0
    assert clearing.counted_months == 12


def test_months_in_arrears_are_no_duplicates() -> None:
    owed = here(a_row("2023-10", "2023-12", division="330100", status=RowStatus.ARREARS))

    assert overlaps([owed, EX_2]) == ()
    alone = here(a_row("2022-10", "2022-12", division="330100", status=RowStatus.ARREARS))
    assert cleared(alone, EX_2).remaining["33"] == alone.segments


def test_arrears_leave_the_record_where_another_place_was_paid() -> None:
    arrears = [("2023-11", "2023-12"), ("2024-01", "2024-02")]
    owed = here(*(a_row(start, end, division="330100", status=RowStatus.ARREARS) for start, end in arrears))
    owed_too = Holding("51", (own(a_row("2024-02", "2024-02", division="510100", status=RowStatus.ARREARS)),))

    clearing = cleared(owed, EX_2, owed_too)

    assert [place.arrears_dropped_months for place in clearing.places] == [2, 0, 1]
    assert clearing.refund == ()
    assert [str(row.start) for segment in clearing.remaining["33"] for row in segment.rows] == ["2024-01"]
    assert clearing.remaining["51"] == (own(),)
    assert clearing.counted_months == 12


def test_it_is_known_whether_a_month_stands_twice_even_where_there_is_nothing_to_choose() -> None:
    owed = here(a_row("2023-12", "2023-12", division="330100", status=RowStatus.ARREARS))
    later = here(a_row("2024-01", "2024-02", division="330100"))

    assert stands_twice([OWN, EX_2])
    assert stands_twice([owed, EX_2])
    assert not stands_twice([later, EX_2])


def test_arrears_alone_leave_the_record_without_a_choice_and_without_money() -> None:
    owed = here(
        a_row("2023-10", "2023-12", division="330100", status=RowStatus.ARREARS),
        a_row("2024-01", "2024-01", division="330100", status=RowStatus.ARREARS),
    )
    both = Holding(
        "44", (arrived(a_row("2023-01", "2023-12"), a_row("2024-01", "2024-01", status=RowStatus.ARREARS), fen=490_322),)
    )

    left = without_idle_arrears([owed, both])

    assert [(str(row.start), str(row.end)) for row in left["33"][0].rows] == [("2024-01", "2024-01")]
    assert left["44"] == (replace(both.segments[0], rows=both.segments[0].rows[:1]),)
    assert not stands_twice([Holding(place, segments) for place, segments in left.items()])
    assert without_idle_arrears([OWN])["33"] == OWN.segments


def test_without_an_overlap_nothing_is_cleared() -> None:
    mine = here(a_row("2024-01", "2024-03", division="330100"))

    clearing = cleared(mine, EX_2)

    assert (clearing.kept, clearing.refund, clearing.reasons, clearing.pool_stays_fen) == ((), (), (), 0)
    assert clearing.remaining == {"33": mine.segments, "44": EX_2.segments}
    assert clearing.counted_months == 15


def test_resident_months_are_the_ones_that_are_cleared_whatever_the_person_chose() -> None:
    resident = [ResidentMonths("41", Month(2023, 9), Month(2024, 2))]

    clearing = clear([OWN, EX_2], destination="33", on=ON, tables=tables(), resident=resident)

    assert clearing.resident_cleared == (ResidentMonths("41", Month(2023, 9), Month(2023, 12)),)
    assert "RESIDENT_MONTHS_CLEARED" in [reason.code for reason in clearing.reasons]
    assert clearing.refund_fen == 120_794  # the employee scheme refunds its own duplicates alone


def test_resident_months_beside_deemed_ones_are_not_cleared() -> None:
    deemed = here(a_row("2023-09", "2023-12", 0, division="330100", status=RowStatus.DEEMED))

    found = clear(
        [deemed], destination="33", on=ON, tables=tables(), resident=[ResidentMonths("41", Month(2023, 9), Month(2023, 9))]
    )

    assert (found.resident_cleared, found.reasons) == ((), ())


def test_every_decision_is_told_once_with_its_basis() -> None:
    codes = [reason.code for reason in cleared(OWN, EX_2).reasons]

    assert codes == ["DUPLICATE_DEFAULT_DESTINATION", "DUPLICATE_REFUND", "DUPLICATE_POOL_STAYS"]
    assert all(reason.legal_basis for reason in cleared(OWN, EX_2).reasons)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ([choice("2023-10", "2023-10", "51")], "51 holds nothing in 2023-10"),
        ([choice("2023-09", "2023-10", "44")], "2023-09 is not held twice"),
        ([choice("2023-10", "2023-11", "44"), choice("2023-11", "2023-12", "33")], "two choices are for 2023-11"),
        ([choice("2023-11", "2023-10", "44")], "ends before"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choices: list[Choice], told: str) -> None:
    with pytest.raises(ChoiceInvalid, match=told):
        cleared(OWN, EX_2, choices=choices)


def test_a_place_has_one_holding_and_a_month_once() -> None:
    with pytest.raises(PlaceTwice):
        overlaps([OWN, OWN])
    with pytest.raises(MonthsOverlap):
        overlaps([Holding("44", (own(a_row("2023-01", "2023-02")), own(a_row("2023-02", "2023-03"))))])


def test_two_employers_at_once_are_the_same_case() -> None:
    both = a_row("2023-01", "2023-12")
    mine = here(a_row("2023-01", "2023-12", 600_000, division="330100"))

    clearing = cleared(mine, Holding("44", (arrived(both, fen=490_322),)))

    assert overlaps([mine, EX_2]) == (Overlap(Month(2023, 1), Month(2023, 12), ("33", "44")),)
    assert clearing.counted_months == 12
    assert clearing.refund_fen == 490_322  # all that came, for none of it counts


@st.composite
def holdings(draw: st.DrawFn) -> list[Holding]:
    """Two or three places with rows in 2021 to 2023, each without an overlap of its own."""
    found = []
    for place in draw(st.sampled_from([("33", "44"), ("33", "44", "51")])):
        rows = []
        for year in (2021, 2022, 2023):
            if draw(st.booleans()):
                first, last = sorted((draw(st.integers(1, 12)), draw(st.integers(1, 12))))
                wage = draw(st.integers(1, 3_000_000))
                status = draw(st.sampled_from([RowStatus.PAID, RowStatus.PAID, RowStatus.DEEMED, RowStatus.ARREARS]))
                rows.append(a_row(f"{year}-{first:02d}", f"{year}-{last:02d}", wage, division=f"{place}0100", status=status))
        found.append(Holding(place, (own(*rows),)))
    return found


@settings(deadline=None, max_examples=60)
@given(holdings(), st.randoms(use_true_random=False))
def test_no_month_counts_twice_none_is_lost_and_no_fen_is_either(held: list[Holding], lot: object) -> None:
    found = overlaps(held)
    assert hasattr(lot, "choice")
    choices = [Choice(one.start, one.end, lot.choice(one.places)) for one in found if lot.choice([True, False])]

    clearing = clear(held, choices, destination="33", on=ON, tables=tables())

    counted = {
        (row.year, month)
        for holding in held
        for row in holding.rows
        if row.status is not RowStatus.ARREARS
        for month in range(row.start.month, row.end.month + 1)
    }
    assert sum(place.paid_months + place.deemed_months for place in clearing.places) == len(counted)
    before = sum(compute(one.segments, transfer_on=ON, province=one.place, tables=tables()).account_fen for one in held)
    after = sum(
        compute(segments, transfer_on=ON, province=place, tables=tables()).account_fen
        for place, segments in clearing.remaining.items()
    )
    assert after + clearing.refund_fen == before
    together = [segment for segments in clearing.remaining.values() for segment in segments]
    assert compute(together, transfer_on=ON, province="33", tables=tables()).months == clearing.counted_months
    assert not stands_twice([Holding(place, segments) for place, segments in clearing.remaining.items()])
