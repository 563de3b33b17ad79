"""Identity numbers by GB 11643-1999."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric

from services.rules.identity import (
    Document,
    ForeignerNumber,
    IdNumber,
    IdNumberInvalid,
    Sex,
    check_character,
    identify,
    mask_id_number,
    normal_form,
    parse_foreigner_number,
    parse_id_number,
    parse_social_security_number,
)
from services.rules.loader import TABLES_DIRECTORY, load_tables
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
    assert read.home == {"810000": "HK", "820000": "MO", "830000": "TW"}[region]
    # Taiwan's permits begin with 83, Taiwan's division with 71: no warning for what no province has.
    assert parse_id_number(read.number, known_regions=tables().provinces).warnings == ()


def test_a_residence_permit_of_an_odd_region_is_a_warning_and_one_of_fifteen_digits_none() -> None:
    seventeen = "81010119900101001"

    assert len(parse_id_number(seventeen + check_character(seventeen)).warnings) == 1
    for old in ("810000900101001", "911124810803002"):
        with pytest.raises(IdNumberInvalid) as refused:
            parse_id_number(old)
        assert refused.value.field == "document"


def test_a_residence_permit_with_a_mistyped_digit_is_refused() -> None:
    seventeen = "83000019900101001"
    wrong = "0" if check_character(seventeen) != "0" else "1"

    with pytest.raises(IdNumberInvalid, match="check"):
        parse_id_number(seventeen + wrong)


def test_a_foreigners_permanent_residence_card_is_read_by_the_same_rule() -> None:
    read = parse_id_number("911124198108030024", known_regions=tables().provinces)

    assert (read.document, read.birth_on, read.sex) == (Document.PERMANENT_RESIDENCE, date(1981, 8, 3), Sex.FEMALE)
    assert (read.home, read.warnings) == (None, ())


def test_a_foreigners_number_has_the_nationality_and_the_number_of_the_document() -> None:
    read = parse_foreigner_number(" deu0000000g0123456 ")

    assert (read.number, read.nationality, read.document_no) == ("DEU0000000G0123456", "DEU", "G0123456")
    assert read.document is Document.FOREIGNER
    assert read.original == " deu0000000g0123456 "
    assert read.masked == "DEU***********3456"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("DEU000000G0123456", "length"),
        ("DE00000000G0123456", "characters"),
        ("DEUX000000G0123456", "characters"),
        ("DEU0000000G01234-6", "characters"),
        ("CHN0000000G0123456", "nationality"),
        ("TWN0000000G0123456", "nationality"),
        ("DEU000000000000000", "document_no"),
    ],
)
def test_a_wrong_foreigners_number_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(IdNumberInvalid) as refused:
        parse_foreigner_number(text)

    assert refused.value.field == field
    assert text not in str(refused.value)


def test_every_kind_of_number_is_checked_by_its_own_rule(tmp_path: Path) -> None:
    on = date(2024, 5, 6)
    numbers = ("11010519491231002x", "110105491231002", "911124198108030024", "deu0000000G0123456")

    read = [parse_social_security_number(number, on=on, tables=tables()) for number in numbers]

    assert [type(one) for one in read] == [IdNumber, IdNumber, IdNumber, ForeignerNumber]
    assert [one.original for one in read] == list(numbers)
    text = (TABLES_DIRECTORY / "switches.toml").read_text(encoding="utf-8")
    row = text.index('code = "FOREIGNER_NUMBER"')
    (tmp_path / "switches.toml").write_text(text[:row] + text[row:].replace('"on"', '"off"', 1), encoding="utf-8")
    for rules, day in ((load_tables(tmp_path), on), (tables(), date(2011, 10, 14))):
        with pytest.raises(IdNumberInvalid, match="characters"):
            parse_social_security_number(numbers[3], on=day, tables=rules)
        assert parse_social_security_number(numbers[0], on=day, tables=rules).document is Document.CITIZEN_ID


def test_a_birth_in_the_future_is_no_social_security_number() -> None:
    with pytest.raises(IdNumberInvalid, match="birth_on"):
        parse_social_security_number("440301199003151230", on=date(1990, 3, 14), tables=tables())


def test_an_unknown_region_is_a_warning_and_not_an_error() -> None:
    seventeen = "74010119900101001"

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


BORN = date(1985, 6, 30)


def test_a_number_that_says_birthday_and_sex_needs_nothing_beside_it_and_what_is_there_must_agree() -> None:
    read = parse_id_number("911124198108030024")

    found = identify(read)

    assert (found.number, found.document) == (read.number, Document.PERMANENT_RESIDENCE)
    assert (found.birth_on, found.sex, found.stated) == (date(1981, 8, 3), Sex.FEMALE, False)
    assert identify(read, birth_on=date(1981, 8, 3), sex=Sex.FEMALE) == found
    for beside, field in (({"birth_on": BORN}, "birth_on"), ({"sex": Sex.MALE}, "sex")):
        with pytest.raises(IdNumberInvalid) as refused:
            identify(read, **beside)
        assert refused.value.field == field


def test_a_foreigner_is_known_by_the_number_and_by_birthday_and_sex_of_the_document() -> None:
    read = parse_foreigner_number("DEU0000000G0123456")

    found = identify(read, birth_on=BORN, sex=Sex.FEMALE)

    assert (found.number, found.document) == (read.number, Document.FOREIGNER)
    assert (found.birth_on, found.sex, found.stated) == (BORN, Sex.FEMALE, True)
    for beside, field in (({"sex": Sex.FEMALE}, "birth_on"), ({"birth_on": BORN}, "sex")):
        with pytest.raises(IdNumberInvalid) as refused:
            identify(read, **beside)
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" 11010519491231002x", "11010519491231002X"),
        ("110105491231002", "11010519491231002X"),
        ("deu0000000g0123456", "DEU0000000G0123456"),
        ("no number", "no number"),
    ],
)
def test_a_number_is_kept_in_one_form_however_it_is_written(written: str, kept: str) -> None:
    assert normal_form(written) == kept
