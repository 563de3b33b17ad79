"""A person's record in memory, and how its rows travel."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import documents
from services.records.model import Personal, Record, arrived, from_contract, to_contract
from services.rules.amounts import MonthsOverlap, RowKind, RowStatus, Segment, YearRow, compute
from services.rules.months import Month
from services.world.plan import PROTAGONIST
from tests.builders import PERSON, a, items
from tests.unit.rules.builders import a_row, own, tables


def a_record(*segments: Segment) -> Record:
    return Record(
        person_ref=PERSON,
        id_hash=b"h",
        state="stopped",
        scheme="110",
        account_kind="normal",
        first_insured_on=date(2022, 1, 1),
        stopped_on=date(2024, 3, 31),
        drawing_since=None,
        interest_through=2023,
        personal=a(Personal, id_number="410105199003159994"),
        segments=segments,
    )


@st.composite
def rows(draw: st.DrawFn) -> YearRow:
    """Any row that can be."""
    year, first = draw(st.integers(1992, 2024)), draw(st.integers(1, 12))
    return YearRow(
        division=draw(st.from_regex(r"[1-6][0-9]{5}", fullmatch=True)),
        start=Month(year, first),
        end=Month(year, draw(st.integers(first, 12))),
        monthly_wage_fen=draw(st.integers(0, 9_999_999_999)),
        employer_rate=draw(st.decimals(0, 1, places=4)),
        status=draw(st.sampled_from(RowStatus)),
        kind=draw(st.sampled_from(RowKind)),
        paid_on=draw(st.none() | st.dates()),
        note=draw(st.text(max_size=20)),
    )


@given(row=rows(), before_fen=st.integers(0, 10**10), since_fen=st.integers(0, 10**10))
def test_a_segment_travels_without_losing_anything(row: YearRow, before_fen: int, since_fen: int) -> None:
    segment = Segment(1991, before_fen, since_fen, (row,))

    sent = documents.Segment.model_validate_json(to_contract(segment).model_dump_json())

    assert from_contract(sent) == segment
    assert sent.rows[0].months == row.months


def test_rows_that_overlap_are_refused_on_arrival() -> None:
    row = to_contract(own(a_row("2023-01", "2023-12"))).rows[0]

    with pytest.raises(MonthsOverlap):
        from_contract(a(documents.Segment, rows=(row, row)))


def test_the_birthday_is_what_the_identity_number_says() -> None:
    assert a(Personal, id_number=PROTAGONIST.application.id_number).birth_on == date(1990, 3, 15)


@pytest.mark.parametrize(("status", "paid"), [(RowStatus.PAID, True), (RowStatus.ARREARS, False), (RowStatus.DEEMED, False)])
def test_only_a_paid_row_says_that_a_person_has_paid(status: RowStatus, paid: bool) -> None:
    assert a_record(own(a_row("2023-01", "2023-12", status=status))).has_paid is paid


def test_what_another_province_sent_is_counted_beside_the_own_rows() -> None:
    here, there = own(a_row("2024-04", "2024-04")), own(a_row("2023-01", "2023-12"))

    assert a_record(here).joined_by((there,)).segments == (here, there)


def test_the_birthday_is_the_numbers_or_stands_beside_it() -> None:
    citizen = a(Personal, id_number="11010519491231002X")
    foreigner = a(Personal, id_number="DEU0000000G0123456", born_on=date(1985, 6, 30), hukou="")

    assert (citizen.birth_on, foreigner.birth_on) == (date(1949, 12, 31), date(1985, 6, 30))
    assert Personal.model_validate_json(foreigner.model_dump_json()) == foreigner


def test_an_arrived_form_continues_with_its_balances_where_the_origin_stopped() -> None:
    segments = (own(a_row("2022-01", "2022-12"), a_row("2023-01", "2023-12", 600_000), a_row("2024-01", "2024-03", 600_000)),)
    there = compute(segments, transfer_on=date(2024, 5, 6), province="44", tables=tables())
    form = a(
        documents.InformationForm,
        transfer_on=date(2024, 5, 6),
        segments=tuple(to_contract(segment) for segment in segments),
        items=items().model_copy(
            update={"before_1998_fen": there.before_1998_fen, "until_last_year_fen": there.until_last_year_fen}
        ),
    )

    here = compute(arrived(form), transfer_on=date(2024, 12, 31), province="33", tables=tables())

    assert (there.account_fen, there.months) == (1_247_986, 27)
    assert (here.account_fen, here.pool_fen, here.months) == (there.account_fen, there.pool_fen, there.months)


def test_an_arrived_form_brings_the_rows_of_all_its_segments() -> None:
    first, second = own(a_row("2022-01", "2022-12")), own(a_row("2023-01", "2023-12"))
    form = a(documents.InformationForm, transfer_on=date(2024, 5, 6), segments=(to_contract(first), to_contract(second)))

    [segment] = arrived(form)

    assert segment.opening_year == 2023
    assert segment.rows == first.rows + second.rows
    assert segment.rows[0].employer_rate == Decimal("0.16")
