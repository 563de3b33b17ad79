"""A record cut in two loses no month and no fen."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.amounts import compute
from services.rules.months import Month
from services.rules.pieces import part, pieces
from services.rules.year_rows import Segment, YearRow
from tests.unit.rules.builders import a_row, own, tables

ON = date(2024, 5, 6)


def test_a_row_is_cut_where_the_key_changes_and_otherwise_left_alone() -> None:
    row = a_row("2023-01", "2023-12")

    cut = list(pieces(row, lambda month: month >= Month(2023, 10)))

    assert [(str(piece.start), str(piece.end), late) for piece, late in cut] == [
        ("2023-01", "2023-09", False),
        ("2023-10", "2023-12", True),
    ]
    assert next(pieces(row, lambda _: 1))[0] is row


@st.composite
def records(draw: st.DrawFn) -> Segment:
    """One to six whole or part years from 1998 to 2023, with or without an opening that came with an earlier transfer."""
    first = draw(st.integers(1998, 2018))
    rows: list[YearRow] = []
    for year in range(first, first + draw(st.integers(1, 6))):
        start = draw(st.integers(1, 12))
        wage = draw(st.integers(0, 3_000_000))
        rows.append(a_row(f"{year}-{start:02d}", f"{year}-{draw(st.integers(start, 12)):02d}", wage))
    if draw(st.booleans()):
        return Segment(first, draw(st.integers(0, 500_000)), draw(st.integers(1_000_000, 50_000_000)), tuple(rows))
    return own(*rows)


@settings(deadline=None, max_examples=60)
@given(records(), st.sets(st.integers(0, 11)))
def test_two_parts_hold_what_the_whole_holds(segment: Segment, taken: set[int]) -> None:
    cut = [one for row in segment.rows for one in pieces(row, lambda month: month.month % 12 in taken)]
    goes = tuple(row for row, out in cut if out)
    stays = tuple(row for row, out in cut if not out)
    if segment.opening_year is not None:  # the part is told apart from the months after the opening
        goes = tuple(row for row in goes if row.year > segment.opening_year)
        stays = tuple(row for row, out in cut if not out or row.year <= segment.opening_year)

    parted = part(segment, Segment(None, 0, 0, goes), stays, on=ON, province="44", tables=tables())
    rest = compute((parted.rest,), transfer_on=ON, province="44", tables=tables())

    assert rest.account_fen + parted.apart.account_fen == parted.whole.account_fen
    assert rest.before_1998_fen + parted.apart.before_1998_fen == parted.whole.before_1998_fen
    assert rest.months + parted.apart.months == parted.whole.months
    assert abs(rest.pool_fen + parted.apart.pool_fen - parted.whole.pool_fen) <= 1
