"""Identity numbers by GB 11643-1999."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric

from services.rules.identity import (
    Document,
    IdNumberInvalid,
    Sex,
    check_character,
    mask_id_number,
    parse_id_number,
)
from tests.unit.rules.builders import tables


@pytest.mark.parametrize(
    ("number", "birth_on", "sex", "region"),
    [
        ("11010519491231002X", date(1949, 12, 31), Sex.FEMALE, "110105"),
        ("440524188001010014", date(1880, 1, 1), Sex.MALE, "440524"),
        ("510101198001010015", date(1980, 1, 1), Sex.MALE, "510101"),
        ("440301199003151230", date(1990, 3, 15), Sex.MALE, "440301"),
    ],
)
def test_the_vectors_of_the_standard_are_read(number: str, birth_on: date, sex: Sex, region: str) -> None:
    read = parse_id_number(number)

    assert (read.number, read.birth_on, read.sex, read.region) == (number, birth_on, sex, region)
    assert read.document is Document.CITIZEN_ID
    assert read.warnings == ()


@pytest.mark.parametrize("text", ["11010519491231002x", " 11010519491231002X\n", "１１０１０５１９４９１２３１００２Ｘ"])
def test_a_small_x_blanks_and_full_width_characters_are_normalised(text: str) -> None:
    assert parse_id_number(text).number == "11010519491231002X"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "length"),
        ("1101051949123100", "length"),
        ("1101051949123100 X", "characters"),
        ("1101051949123100XX", "characters"),
        ("11010549123100A", "characters"),
        ("110105194902290021", "birth_on"),
        ("110105194913310021", "birth_on"),
        ("110105194912310020", "check"),
        ("110105000012310021", "birth_on"),
    ],
)
def test_a_wrong_number_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(IdNumberInvalid) as refused:
        parse_id_number(text)

    assert refused.value.field == field
    assert not text or text not in str(refused.value)


def test_a_birth_in_the_future_is_refused_when_a_day_is_given() -> None:
    with pytest.raises(IdNumberInvalid, match="birth_on"):
        parse_id_number("440301199003151230", on=date(1990, 3, 14))


def test_an_old_number_of_fifteen_digits_gets_the_century_and_a_check_character_and_is_kept() -> None:
    read = parse_id_number("110105491231002")

    assert read.number == "11010519491231002X"
    assert read.original == "110105491231002"


@pytest.mark.parametrize("region", ["810000", "820000", "830000"])
def test_residents_of_hong_kong_macao_and_taiwan_have_residence_permits(region: str) -> None:
    seventeen = f"{region}19900101001"

    read = parse_id_number(seventeen + check_character(seventeen))

    assert read.document is Document.RESIDENCE_PERMIT


def test_an_unknown_region_is_a_warning_and_not_an_error() -> None:
    seventeen = "99010119900101001"

    read = parse_id_number(seventeen + check_character(seventeen), known_regions=tables().provinces)

    assert len(read.warnings) == 1
    assert parse_id_number("440301199003151230", known_regions=tables().provinces).warnings == ()


@settings(deadline=None)
@given(st.text("0123456789", min_size=17, max_size=17))
def test_the_check_character_is_the_one_another_library_computes(first_seventeen: str) -> None:
    assert check_character(first_seventeen) == ric.calc_check_digit(first_seventeen + "0")


@settings(deadline=None)
@given(st.dates(date(1950, 1, 1), date(2025, 12, 31)), st.integers(0, 999))
def test_what_another_library_accepts_is_accepted_with_the_same_birthday(birth_on: date, order: int) -> None:
    seventeen = f"110105{birth_on:%Y%m%d}{order:03d}"
    number = seventeen + check_character(seventeen)

    assert ric.is_valid(number)
    assert parse_id_number(number).birth_on == ric.get_birth_date(number)


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), date(2025, 12, 31)), st.integers(0, 999), st.integers(0, 17), st.integers(1, 9))
def test_one_mistyped_digit_never_passes(birth_on: date, order: int, position: int, shift: int) -> None:
    seventeen = f"440301{birth_on:%Y%m%d}{order:03d}"
    number = seventeen + check_character(seventeen)
    assert parse_id_number(number).number == number
    if number[position] == "X":
        wrong = number[:17] + str(shift)
    else:
        wrong = number[:position] + str((int(number[position]) + shift) % 10) + number[position + 1 :]

    with pytest.raises(IdNumberInvalid):
        parse_id_number(wrong)


def test_a_number_is_shown_by_its_first_three_and_last_four_characters() -> None:
    assert mask_id_number("11010519491231002X") == "110***********002X"
    assert parse_id_number("11010519491231002x").masked == "110***********002X"
    assert mask_id_number("1234567") == "*******"
