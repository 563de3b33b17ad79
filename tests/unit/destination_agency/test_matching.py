"""A form is checked against itself before anything is booked from it."""

import pytest

from contracts.documents import InformationForm
from services.destination_agency.matching import fault_of
from tests.unit.destination_agency.builders import LETTER_NO, TABLES, a_form


def _fault(form: InformationForm) -> str | None:
    return fault_of(form, origin="44", letter_no=LETTER_NO, id_number="110101199003074514", tables=TABLES)


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


@pytest.mark.parametrize("year", [1940, 2030, 2090], ids=["before all rules", "no rate yet", "after all calendars"])
def test_a_day_of_transfer_that_no_table_knows_cannot_be_judged(year: int) -> None:
    form = a_form(transfer_on=a_form().transfer_on.replace(year=year))

    assert _fault(form) == "ROWS_INVALID"


def test_a_form_without_rows_from_before_the_measures_cannot_be_judged() -> None:
    form = a_form(transfer_on=a_form().transfer_on.replace(year=2009), segments=())

    assert _fault(form) == "ROWS_INVALID"


def test_one_fen_a_row_is_rounding() -> None:
    form = _pool_changed_by(3)

    assert len(form.segments[0].rows) == 3
    assert _fault(form) is None


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


def test_a_form_for_somebody_else_is_named() -> None:
    form = a_form()
    other = form.model_copy(update={"person": form.person.model_copy(update={"id_number": "11010519491231002X"})})

    assert _fault(other) == "PERSON_DIFFERS"
