"""A form is checked against itself before anything is booked from it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from contracts.documents import InformationForm, InterimRate
from services.destination_agency.matching import Examined, examine
from services.records.model import to_contract
from services.rules.amount_tables import PendingPolicy
from services.rules.amounts import Participant, RowKind, RowStatus, YearRow, compute
from services.rules.loader import Tables
from tests.unit.destination_agency.builders import LETTER_NO, TABLES, a_form
from tests.unit.rules.amount_builders import going_on, with_rate
from tests.unit.rules.builders import a_row, own


def _examined(form: InformationForm, tables: Tables = TABLES) -> Examined:
    return examine(form, origin="44", letter_no=LETTER_NO, id_number="110101199003074514", tables=tables)


def _fault(form: InformationForm) -> str | None:
    return _examined(form).fault


def _form_with_rows(**of_first_row: object) -> InformationForm:
    form = a_form()
    [segment] = form.segments
    first = segment.rows[0].model_copy(update=of_first_row)
    return form.model_copy(update={"segments": (segment.model_copy(update={"rows": (first, *segment.rows[1:])}),)})


def _pool_changed_by(fen: int) -> InformationForm:
    items = a_form().items
    return a_form(changed={"pool_fen": items.pool_fen + fen, "total_fen": items.total_fen + fen})


def test_the_worked_example_agrees_with_itself_to_the_fen() -> None:
    form = a_form()

    assert form.items.total_fen == 3_047_986
    assert _fault(form) is None


def test_a_form_that_answers_another_letter_is_named() -> None:
    form = a_form(letter_no="LXH-330100-20240507-000002")

    assert _fault(form) == "LETTER_NUMBER_UNKNOWN"


def test_item_4_must_be_the_sum_of_1_2_and_3() -> None:
    items = a_form().items
    form = a_form(changed={"account_fen": items.account_fen + 1, "total_fen": items.total_fen + 1})

    assert _fault(form) == "ITEM_4_IS_NOT_1_2_3"


def test_item_6_must_be_the_sum_of_4_and_5() -> None:
    form = a_form(changed={"total_fen": a_form().items.total_fen + 1})

    assert _fault(form) == "ITEM_6_IS_NOT_4_5"


def test_the_double_count_of_a_real_vendor_screen_is_found() -> None:
    items = a_form().items
    form = a_form(changed={"total_fen": items.total_fen + items.account_fen})  # ⑥ as ① + ② + ③ + ④ + ⑤

    assert _fault(form) == "ITEM_6_IS_NOT_4_5"


def test_the_header_must_count_the_months_of_the_rows() -> None:
    form = a_form(months=28)

    assert _fault(form) == "MONTHS_DIFFER"


@pytest.mark.parametrize(
    "row",
    [
        {"start": "2022-01", "end": "2023-02"},
        {"start": "2022-12", "end": "2022-01"},
        {"start": "2023-06", "end": "2023-07"},
        {"start": "2024-06", "end": "2024-07"},
        {"monthly_wage_fen": 10_000_000_000},
        {"start": "1949-01", "end": "1949-12"},
        {"start": "2051-01", "end": "2051-12"},
    ],
    ids=[
        "crosses a year",
        "ends before it starts",
        "overlaps another",
        "lies after the transfer",
        "wage",
        "before 1950",
        "after 2050",
    ],
)
def test_rows_that_cannot_be_are_named(row: dict[str, object]) -> None:
    form = _form_with_rows(**row)

    assert _fault(form) == "ROWS_INVALID"


@pytest.mark.parametrize("months", [10, 13], ids=["a gap in it", "more than lie in it"])
def test_a_row_with_a_gap_is_not_taken_for_a_whole_year_but_has_to_be_split(months: int) -> None:
    unsplit = _form_with_rows(months=months)
    form = unsplit.model_copy(update={"months": unsplit.months - 12 + months})

    assert form.segments[0].rows[0].end == "2022-12"
    assert _fault(form) == _fault(unsplit) == "ROW_MONTHS_DIFFER"


def test_a_rate_above_the_most_there_was_is_named_where_all_else_agrees() -> None:
    form = _form_with_rows(employer_rate="0.2001")

    assert _fault(_form_with_rows(employer_rate="0.2")) is None
    assert _fault(form) == "RATIO_OUT_OF_TABLE"
    assert _fault(form.model_copy(update={"months": 28})) == "MONTHS_DIFFER"


def test_of_arrears_no_rate_was_paid_that_could_be_too_high() -> None:
    paid, unpaid = a_row("2023-01", "2023-12"), a_row("2024-01", "2024-03", employer_rate="0.9", status=RowStatus.ARREARS)

    assert _examined(_form_of_2027(paid, unpaid)).fault is None


@pytest.mark.parametrize(
    ("year", "fault"),
    [(1940, "ROWS_INVALID"), (2030, "RATE_PENDING"), (2090, "ROWS_INVALID")],
    ids=["before all rules", "no rate yet", "after all calendars"],
)
def test_a_day_of_transfer_that_no_table_knows_cannot_be_judged(year: int, fault: str) -> None:
    form = a_form(transfer_on=a_form().transfer_on.replace(year=year))

    assert _fault(form) == fault


def test_a_form_without_rows_from_before_the_measures_cannot_be_judged() -> None:
    form = a_form(transfer_on=a_form().transfer_on.replace(year=2009), segments=())

    assert _fault(form) == "ROWS_INVALID"


@pytest.mark.parametrize("fen", [3, 1, -3])
def test_one_fen_a_row_is_a_rounding_difference_and_said_to_be_one(fen: int) -> None:
    form = _pool_changed_by(fen)

    assert len(form.segments[0].rows) == 3
    assert _examined(form) == Examined(None, fen)


def test_a_form_that_agrees_to_the_fen_has_no_rounding_difference() -> None:
    assert _examined(a_form()) == Examined(None)


@pytest.mark.parametrize("fen", [4, -4, 180_000])
def test_more_than_one_fen_a_row_is_a_difference(fen: int) -> None:
    form = _pool_changed_by(fen)

    assert _fault(form) == "AMOUNTS_DIFFER"


@pytest.mark.parametrize("item", ["before_1998_fen", "until_last_year_fen", "this_year_fen"])
def test_each_part_of_the_account_is_computed_again(item: str) -> None:
    before = a_form().items
    changed = {
        item: getattr(before, item) + 100,
        "account_fen": before.account_fen + 100,
        "total_fen": before.total_fen + 100,
    }

    assert _fault(a_form(changed=changed)) == "AMOUNTS_DIFFER"


def test_what_one_item_has_too_much_another_cannot_make_good() -> None:
    before = a_form().items
    moved = {"until_last_year_fen": before.until_last_year_fen - 100, "this_year_fen": before.this_year_fen + 100}
    form = a_form(changed=moved)

    assert form.items.account_fen == before.account_fen
    assert _fault(form) == "AMOUNTS_DIFFER"


def _form_of_2027(*rows: YearRow) -> InformationForm:
    """A form of February 2027, when the rate of 2026 is not published, at an interim rate."""
    on, interim = date(2027, 2, 1), {2026: Decimal("0.0150")}
    amounts = compute([own(*rows)], transfer_on=on, province="44", tables=TABLES, interim=interim)
    form = a_form(transfer_on=on, months=amounts.months, segments=(to_contract(own(*rows)),))
    items = {
        "before_1998_fen": amounts.before_1998_fen,
        "until_last_year_fen": amounts.until_last_year_fen,
        "this_year_fen": amounts.this_year_fen,
        "account_fen": amounts.account_fen,
        "pool_fen": amounts.pool_fen,
        "total_fen": amounts.total_fen,
    }
    named = tuple(InterimRate(year=year, rate=str(each)) for year, each in interim.items())
    return form.model_copy(update={"items": form.items.model_copy(update=items), "interim_rates": named})


def test_a_form_at_an_interim_rate_is_examined_at_it_and_its_years_are_named() -> None:
    form = _form_of_2027(a_row("2026-01", "2026-12"))

    assert _examined(form) == Examined(None, 0, (2026,))
    # Nor does it become wrong when the rate is published on its way.
    assert _examined(form, with_rate(2026, "0.0260")) == Examined(None, 0, (2026,))


def test_a_form_that_names_no_interim_rate_is_not_examined_at_one() -> None:
    goes_on = going_on(PendingPolicy.LAST_PUBLISHED)
    form = _form_of_2027(a_row("2026-01", "2026-12")).model_copy(update={"interim_rates": ()})

    assert _examined(form, goes_on).fault == "RATE_PENDING"


def test_an_interim_rate_for_a_year_that_is_long_published_is_a_difference() -> None:
    form = _form_of_2027(a_row("2023-01", "2023-12"), a_row("2026-01", "2026-12"))
    named = (*form.interim_rates, InterimRate(year=2023, rate="0.9000"))

    assert _examined(form.model_copy(update={"interim_rates": named})) == Examined(None, 0, (2026,))


def test_a_flexible_worker_s_temporary_rows_are_examined_as_such() -> None:
    row = replace(a_row("2024-01", "2024-03", employer_rate="0.2", kind=RowKind.TEMPORARY), participant=Participant.FLEXIBLE)
    form = _form_of_2027(row)
    [segment] = form.segments
    as_employee = segment.rows[0].model_copy(update={"participant": "employee"})

    assert _examined(form).fault is None
    wrong = form.model_copy(update={"segments": (segment.model_copy(update={"rows": (as_employee,)}),)})
    assert _examined(wrong).fault == "AMOUNTS_DIFFER"


def test_a_form_for_somebody_else_is_named() -> None:
    form = a_form()
    other = form.model_copy(update={"person": form.person.model_copy(update={"id_number": "11010519491231002X"})})

    assert _fault(other) == "PERSON_DIFFERS"
