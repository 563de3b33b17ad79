"""What a transfer does to the record here: it is joined to the fen, given up as it came, and cleared of months paid twice."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from contracts.base import Items
from contracts.documents import InformationForm
from services.destination_agency.case import Refused
from services.destination_agency.joining import (
    Binding,
    Joined,
    brought,
    cleared,
    given_up,
    interest_facts,
    joined,
    paid_twice,
    replaced,
)
from services.records.model import Personal, Record, to_contract
from services.rules.amounts import RowStatus, Segment, YearRow, compute
from services.rules.months import Month
from tests.builders import PERSON
from tests.unit.destination_agency.builders import TABLES, a_form

ON = date(2024, 5, 8)
DECIDED = Binding("maker-33", "checker-33")


def row(start: str, end: str, *, division: str = "330100", wage_fen: int = 500_000) -> YearRow:
    return YearRow(division, Month.parse(start), Month.parse(end), wage_fen, Decimal("0.16"))


def a_record(*rows: YearRow, interest_through: int = 2023) -> Record:
    return Record(
        person_ref=PERSON,
        id_hash=b"h" * 32,
        state="active",
        scheme="110",
        account_kind="normal",
        first_insured_on=date(2023, 10, 1),
        stopped_on=None,
        drawing_since=None,
        interest_through=interest_through,
        personal=Personal(id_number="110101199003074514", name="陈志远", sex="male", hukou="41"),
        segments=(Segment(None, 0, 0, rows or (row("2024-04", "2024-04"),)),),
    )


def a_form_of(*rows: YearRow, **changed: int) -> InformationForm:
    """A form over these rows of Guangdong, transferred on `ON`; `changed` replaces items."""
    segment = Segment(None, 0, 0, tuple(replace(each, division="440100") for each in rows))
    found = compute([segment], transfer_on=ON, province="44", tables=TABLES)
    items = {name: getattr(found, name) for name in Items.model_fields} | changed
    return a_form(months=found.months, segments=(to_contract(segment),), transfer_on=ON).model_copy(
        update={"items": Items(**items)}
    )


def again(record: Record, booked: InformationForm, form: InformationForm, stands: tuple[Segment, ...] = ()) -> Joined:
    """A later form of Guangdong takes the place of the booked one."""
    return replaced(record, booked, form, stands, origin="44", province="33", on=ON, tables=TABLES)


def in_books(record: Record, on: date = ON) -> int:
    """What an account holds that was booked as this record says: segment by segment, for months may be there twice."""
    each = (compute((segment,), transfer_on=on, province="33", tables=TABLES) for segment in record.segments)
    return sum(found.account_fen for found in each)


# Joined


def test_what_a_form_brings_stands_in_the_record_with_the_form_s_own_balances() -> None:
    form = a_form()

    [segment] = brought(form, TABLES)

    assert (segment.opening_year, segment.opening_since_1998_fen) == (2023, form.items.until_last_year_fen)
    assert in_books(a_record().joined_by((segment,))) == in_books(a_record()) + form.items.account_fen


@pytest.mark.parametrize("difference_fen", [-2, 2])
def test_an_amount_of_this_year_that_is_not_its_rows_principal_is_booked_and_kept_to_the_fen(difference_fen: int) -> None:
    said = a_form().items
    changed = {
        "this_year_fen": said.this_year_fen + difference_fen,
        "account_fen": said.account_fen + difference_fen,
        "total_fen": said.total_fen + difference_fen,
    }
    form = a_form(changed=changed)

    record = a_record().joined_by(brought(form, TABLES))

    assert in_books(record) == in_books(a_record()) + form.items.account_fen


def test_a_rounding_difference_without_an_older_balance_stays_with_the_rows() -> None:
    form = a_form_of(row("2024-01", "2024-02"), this_year_fen=79_999, account_fen=79_999)

    [segment] = brought(form, TABLES)

    assert segment.opening_since_1998_fen == 0


# Given up


def test_what_came_is_given_up_and_the_own_rows_stay() -> None:
    form = a_form()
    own = a_record()

    assert given_up(own.joined_by(brought(form, TABLES)), form, TABLES) == own


def test_what_has_moved_on_or_was_changed_here_cannot_be_given_up() -> None:
    form = a_form()
    whole = a_record().joined_by(brought(form, TABLES))
    changed = replace(whole, segments=(whole.segments[0], replace(whole.segments[1], rows=())))

    with pytest.raises(Refused, match="RECORD_MOVED"):
        given_up(replace(whole, state="moved"), form, TABLES)
    for record in (a_record(), changed):
        with pytest.raises(Refused, match="ROWS_CHANGED"):
            given_up(record, form, TABLES)


def test_a_later_form_takes_the_place_of_the_one_in_the_books() -> None:
    booked, later = a_form(), a_form_of(row("2024-01", "2024-04"))
    record = a_record().joined_by(brought(booked, TABLES))

    found = replaced(record, booked, later, origin="44", province="33", on=ON, tables=TABLES)

    assert found.record == a_record().joined_by(brought(later, TABLES))
    assert (found.overlap, found.stands) == (("2024-04",), ())


def test_the_same_form_again_changes_nothing_also_where_months_of_it_were_cleared() -> None:
    record, form = example_8()
    after, _, stands = cleared(record, form, "own", origin="44", province="33", on=ON, tables=TABLES)
    other = a_form_of(row("2023-01", "2023-12", wage_fen=550_000))

    assert again(after, form, form, stands) == Joined(after, stands=stands)
    assert again(after, form, form) == Joined(after)
    with pytest.raises(Refused, match="ROWS_CHANGED"):
        again(after, form, other)
    with pytest.raises(Refused, match="RECORD_MOVED"):
        again(replace(after, state="moved"), form, form, stands)


@pytest.mark.parametrize("wage_fen", [450_000, 550_000])
def test_a_later_form_is_cleared_of_the_months_that_were_cleared_of_the_first_and_the_difference_is_the_account_s(
    wage_fen: int,
) -> None:
    record, form = example_8()
    after, _, stands = cleared(record, form, "own", origin="44", province="33", on=ON, tables=TABLES)
    other = a_form_of(row("2023-01", "2023-12", wage_fen=wage_fen))

    found = again(after, form, other, stands)

    # What was refunded stays refunded, so the account moves by just what the second form says more or less than the first.
    assert in_books(found.record) == in_books(after) + other.items.account_fen - form.items.account_fen
    assert (found.overlap, found.record.segments[-len(found.stands) :]) == ((), found.stands)
    assert [str(each.start) for segment in found.stands for each in segment.rows] == ["2023-01"]
    # And the third form finds again what the second left.
    assert in_books(again(found.record, other, form, found.stands).record) == in_books(after)


def test_a_later_form_that_says_less_than_was_refunded_is_set_aside_by_persons() -> None:
    record, form = example_8()
    after, _, stands = cleared(record, form, "own", origin="44", province="33", on=ON, tables=TABLES)
    october = a_form_of(row("2023-09", "2023-12", wage_fen=10_000))

    with pytest.raises(Refused, match="ACCOUNT_TOO_SMALL"):
        again(after, form, october, stands)


def test_a_later_form_over_cleared_months_waits_for_last_year_s_interest() -> None:
    record, form = example_8()
    after, _, stands = cleared(record, form, "own", origin="44", province="33", on=ON, tables=TABLES)

    with pytest.raises(Refused, match="INTEREST_PENDING"):
        again(replace(after, interest_through=2022), form, form, stands)


# The interest of closed years


def test_before_the_year_is_closed_the_books_add_nothing() -> None:
    form = a_form()
    before = a_record()
    after = before.joined_by(brought(form, TABLES))

    assert interest_facts(before, after, decided=DECIDED, province="33", tables=TABLES, first_year=2024) == ()


def test_a_transfer_that_is_booked_after_the_year_s_end_gets_the_year_s_interest_and_gives_it_back_when_it_is_given_up() -> None:
    form = a_form()
    before = a_record(interest_through=2024)
    after = before.joined_by(brought(form, TABLES))

    [credited] = interest_facts(before, after, decided=DECIDED, province="33", tables=TABLES, first_year=2024)
    [taken] = interest_facts(after, before, decided=DECIDED, province="33", tables=TABLES, first_year=2024)

    # 2.62 % on ①+② = 11,039.86: 289.244…; on 480 of January to March (12 + 11 + 10) / 12 of it: 34.584; rounded once: 323.83.
    assert credited.interest_difference_fen == 32_383
    assert (credited.year, credited.account_difference_fen, credited.pool_difference_fen) == (2024, 0, 0)
    assert (credited.maker, credited.checker, credited.rule_set) == ("maker-33", "checker-33", TABLES.version)
    assert taken.interest_difference_fen == -credited.interest_difference_fen


def test_a_year_without_a_published_rate_is_refused_by_name() -> None:
    form = a_form()
    before = a_record(interest_through=2027)

    after = before.joined_by(brought(form, TABLES))

    with pytest.raises(Refused, match="RATE_PENDING"):
        interest_facts(before, after, decided=DECIDED, province="33", tables=TABLES, first_year=2024)


# Months that were paid twice


def test_months_that_only_one_place_holds_are_not_paid_twice() -> None:
    assert paid_twice(a_record(), brought(a_form(), TABLES), origin="44", province="33") == ()


def test_months_that_both_places_hold_are_named_each() -> None:
    record = a_record(row("2023-11", "2023-12"), row("2024-01", "2024-01"), row("2024-04", "2024-04"))

    assert paid_twice(record, brought(a_form(), TABLES), origin="44", province="33") == ("2023-11", "2023-12", "2024-01")


def test_a_second_transfer_waits_until_the_months_of_the_first_are_cleared() -> None:
    form = a_form()
    uncleared = a_record(row("2024-03", "2024-03")).joined_by(brought(form, TABLES))

    with pytest.raises(Refused, match="DUPLICATES_UNCLEARED"):
        paid_twice(uncleared, brought(form, TABLES), origin="41", province="33")


def test_arrears_leave_the_record_where_the_other_place_has_the_month_and_nobody_is_asked() -> None:
    form = a_form_of(row("2023-01", "2023-12"))
    owing = replace(row("2023-10", "2023-11"), status=RowStatus.ARREARS)
    own = a_record(owing, row("2024-04", "2024-04"))
    came = brought(form, TABLES)

    found = joined(own, came, origin="44", province="33")

    assert (found.overlap, found.stands) == ((), ())
    assert found.record == a_record().joined_by(came)
    assert in_books(found.record) == in_books(own) + form.items.account_fen
    assert given_up(found.record, form, TABLES) == a_record()
    # Else no later form, voucher or year's end could be computed: two rows would have the month.
    assert compute(found.record.segments, transfer_on=ON, province="33", tables=TABLES).months == 13


def test_arrears_that_come_with_a_form_do_not_stand_beside_months_paid_here() -> None:
    debt = replace(row("2023-10", "2023-12"), status=RowStatus.ARREARS)
    form = a_form_of(row("2023-01", "2023-09"), debt)
    own = a_record(row("2023-12", "2023-12"), row("2024-04", "2024-04"))

    found = joined(own, brought(form, TABLES), origin="44", province="33")

    [came] = found.stands
    assert [(str(each.start), str(each.end), each.status.value) for each in came.rows] == [
        ("2023-01", "2023-09", "paid"),
        ("2023-10", "2023-11", "arrears"),
    ]
    assert found.record == own.joined_by(found.stands)
    assert in_books(found.record) == in_books(own) + form.items.account_fen


def test_a_later_form_takes_the_place_of_one_whose_arrears_left_and_may_bring_the_month_paid() -> None:
    debt = replace(row("2023-12", "2023-12"), status=RowStatus.ARREARS)
    booked = a_form_of(row("2023-01", "2023-11"), debt)
    own = a_record(row("2023-12", "2023-12"), row("2024-04", "2024-04"))
    first = joined(own, brought(booked, TABLES), origin="44", province="33")
    larger = a_form_of(row("2023-01", "2023-11", wage_fen=600_000), debt)
    paid = a_form_of(row("2023-01", "2023-12"))

    same = again(first.record, booked, booked, first.stands)
    corrected = again(first.record, booked, larger, first.stands)
    asked = again(first.record, booked, paid, first.stands)

    assert same == first
    assert in_books(corrected.record) - in_books(first.record) == larger.items.account_fen - booked.items.account_fen
    assert corrected.stands == corrected.record.segments[-1:]
    assert asked.overlap == ("2023-12",)
    assert asked.record == own.joined_by(brought(paid, TABLES))


def test_what_two_transfers_of_one_month_left_uncleared_is_not_joined_either() -> None:
    form = a_form()
    uncleared = a_record(row("2024-03", "2024-03")).joined_by(brought(form, TABLES))

    with pytest.raises(Refused, match="DUPLICATES_UNCLEARED"):
        joined(uncleared, brought(form, TABLES), origin="41", province="33")


def example_8() -> tuple[Record, InformationForm]:
    """Example 2's twelve months arrive; the destination has October to December 2023 of its own."""
    form = a_form_of(row("2023-01", "2023-12"))
    own = a_record(row("2023-10", "2023-12"), row("2024-04", "2024-04"))
    return own.joined_by(brought(form, TABLES)), form


def test_example_8_comes_out_to_the_fen_when_the_own_months_are_kept() -> None:
    record, form = example_8()

    after, found, _ = cleared(record, form, "own", origin="44", province="33", on=ON, tables=TABLES)

    # 3 × 400 principal; interest 400 × 3.97 % × (3 + 2 + 1) / 12 = 7.94; together 1,207.94.
    assert (found.refund_principal_fen, found.refund_interest_fen, found.refund_fen) == (120_000, 794, 120_794)
    assert found.pool_stays_fen == 180_000
    assert found.counted_months == 9 + 3 + 1  # and the month of 2024
    assert in_books(after) == in_books(record) - 120_794
    assert paid_twice(replace(after, segments=after.segments[:1]), after.segments[1:], origin="44", province="33") == ()


def test_the_transferred_months_can_be_kept_as_well() -> None:
    record, form = example_8()

    after, found, _ = cleared(record, form, "transferred", origin="44", province="33", on=ON, tables=TABLES)

    assert found.counted_months == 12 + 1
    assert {place.place: place.cleared_months for place in found.places} == {"44": 0, "33": 3}
    assert in_books(after) == in_books(record) - found.refund_fen


def test_a_month_in_arrears_leaves_with_those_that_are_cleared() -> None:
    debt = replace(row("2022-12", "2022-12"), status=RowStatus.ARREARS)
    form = a_form_of(debt, row("2023-01", "2023-12"))
    own = a_record(row("2022-12", "2022-12"), row("2023-10", "2023-12"), row("2024-04", "2024-04"))
    record = own.joined_by(brought(form, TABLES))

    after, found, stands = cleared(record, form, "transferred", origin="44", province="33", on=ON, tables=TABLES)

    assert {place.place: (place.cleared_months, place.arrears_dropped_months) for place in found.places} == {
        "33": (3, 0),
        "44": (0, 1),
    }
    assert [str(each.start) for segment in stands for each in segment.rows] == ["2023-01"]
    assert again(after, form, form, stands) == Joined(after, stands=stands)


def test_nothing_is_cleared_before_last_year_s_interest_is_in_the_books() -> None:
    record, form = example_8()

    with pytest.raises(Refused, match="INTEREST_PENDING"):
        cleared(replace(record, interest_through=2022), form, "own", origin="44", province="33", on=ON, tables=TABLES)
