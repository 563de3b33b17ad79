"""The place of payment (S-66 Art. 6) for every branch, with its reason and the letters that follow from it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.admission import AccountKind
from services.rules.loader import TABLES_DIRECTORY, ProvinceOutOfScope, ProvinceUnknown, RuleNotInForce, load_tables
from services.rules.months import Month
from services.rules.pension_tables import Category, PlaceCode
from services.rules.place_of_payment import (
    GatheringLetter,
    MonthsInvalid,
    NothingInsured,
    NotInOrder,
    PlaceOfPayment,
    PlaceUndecided,
    Relationship,
    TemporaryAccountMoved,
    place_of_payment,
)
from services.rules.retirement import minimum_months, statutory_retirement
from tests.unit.rules.builders import tables

NORMAL, TEMPORARY = AccountKind.NORMAL, AccountKind.TEMPORARY
CLAIMED_ON = date(2026, 3, 1)


def years(province: str, count: int, months: int = 0, *, kind: AccountKind = NORMAL, deemed_months: int = 0) -> Relationship:
    return Relationship(province, 12 * count + months, deemed_months, kind)


def placed(*history: Relationship, hukou: str | None) -> PlaceOfPayment:
    return place_of_payment(history, hukou=hukou, on=CLAIMED_ON, tables=tables())


@pytest.mark.parametrize(
    ("hukou", "history", "place", "code", "article"),
    [
        pytest.param("51", [years("44", 8), years("31", 11)], "31", "LAST_PLACE", "第(二)项", id="A"),
        pytest.param("41", [years("33", 12), years("32", 4)], "33", "EARLIER_PLACE", "第(三)项", id="B"),
        pytest.param("43", [years("44", 6), years("35", 5), years("31", 7)], "43", "HUKOU_GATHERS", "第(四)项", id="C"),
        pytest.param("42", [years("44", 14), years("42", 3)], "42", "HUKOU_IS_LAST", "第(一)项", id="D"),
        pytest.param("34", [years("32", 10), years("31", 9, 11)], "32", "EARLIER_PLACE", "第(三)项", id="E"),
    ],
)
def test_the_five_published_places(hukou: str, history: list[Relationship], place: str, code: str, article: str) -> None:
    found = placed(*history, hukou=hukou)

    assert (found.province, found.code) == (place, code)
    assert found.legal_basis == f"国办发〔2009〕66号 第六条{article}"
    assert found.reason_zh
    assert found.reason_en
    assert [rule.source for rule in found.rules if "S-66" in rule.source]


def test_scenario_25_hunan_registers_sends_three_letters_and_adds_up_18_years() -> None:
    history = [years("44", 6), years("35", 5), years("31", 7, kind=TEMPORARY)]

    found = place_of_payment(history, hukou="43", on=date(2031, 10, 15), tables=tables())

    assert (found.province, found.code, found.registers) == ("43", PlaceCode.HUKOU_GATHERS, True)
    assert found.letters == (
        GatheringLetter("44", NORMAL, ("44",), 72, 0),
        GatheringLetter("35", NORMAL, ("35",), 60, 0),
        GatheringLetter("31", TEMPORARY, ("31",), 84, 0),
    )
    assert found.total_months == 18 * 12
    retirement = statutory_retirement(date(1970, 2, 15), Category.MALE, tables().pension)
    assert retirement.statutory_on.year == 2031
    assert minimum_months(retirement, retirement.statutory_on, tables().pension).months == 192 <= found.total_months


def test_a_temporary_account_never_makes_a_place_however_long_it_is() -> None:
    found = placed(years("44", 6), years("31", 15, kind=TEMPORARY), hukou="43")

    assert (found.province, found.code) == ("43", PlaceCode.HUKOU_GATHERS)
    assert [(one.province, one.counting_months, one.temporary_months) for one in found.places] == [("44", 72, 0), ("31", 0, 180)]


def test_the_relationship_is_where_the_last_normal_account_is_not_where_a_temporary_one_followed() -> None:
    found = placed(years("44", 12), years("31", 3, kind=TEMPORARY), hukou="43")

    assert (found.province, found.code, found.registers) == ("44", PlaceCode.LAST_PLACE, False)
    assert [(letter.to_province, letter.account_kind) for letter in found.letters] == [("31", TEMPORARY)]


def test_who_has_temporary_accounts_only_is_paid_where_the_household_register_is() -> None:
    found = placed(years("31", 15, kind=TEMPORARY), hukou="43")

    assert (found.province, found.code, found.registers) == ("43", PlaceCode.HUKOU_GATHERS, True)


def test_the_latest_of_several_earlier_places_with_ten_years_is_taken() -> None:
    found = placed(years("44", 12), years("33", 11), years("31", 2), hukou="43")

    assert (found.province, found.code) == ("33", PlaceCode.EARLIER_PLACE)


def test_deemed_months_count_with_the_province_that_they_belong_to() -> None:
    alone = placed(years("43", 2), years("44", 9), hukou="51")
    deemed = placed(years("43", 2), years("44", 9, deemed_months=12), hukou="51")

    assert (alone.province, alone.code) == ("51", PlaceCode.HUKOU_GATHERS)
    assert (deemed.province, deemed.code) == ("44", PlaceCode.LAST_PLACE)


def test_stays_in_one_province_add_up_and_the_last_of_them_is_its_place_in_the_order() -> None:
    found = placed(years("44", 5), years("31", 1), years("44", 5), hukou="43")

    assert (found.province, found.code) == ("44", PlaceCode.LAST_PLACE)
    assert found.places[0].counting_months == 120


def test_what_was_moved_before_is_asked_for_where_it_is_held() -> None:
    moved = Relationship("44", 72, held_by="35")

    found = placed(moved, years("35", 5), years("31", 7, kind=TEMPORARY), hukou="43")

    assert found.province == "43"
    assert found.letters == (
        GatheringLetter("35", NORMAL, ("44", "35"), 132, 0),
        GatheringLetter("31", TEMPORARY, ("31",), 84, 0),
    )


def test_a_place_whose_record_was_moved_on_registers_the_person_again() -> None:
    found = placed(Relationship("33", 144, held_by="32"), years("32", 4), hukou="41")

    assert (found.province, found.code, found.registers) == ("33", PlaceCode.EARLIER_PLACE, True)
    assert found.letters == (GatheringLetter("32", NORMAL, ("33", "32"), 192, 0),)


def test_without_a_household_register_the_longest_place_gathers_and_of_equals_the_last() -> None:
    longest = placed(years("44", 7), years("31", 5), hukou=None)
    equal = placed(years("44", 5), years("31", 5), hukou=None)
    enough = placed(years("44", 11), years("31", 5), hukou=None)

    assert (longest.province, longest.code) == ("44", PlaceCode.LONGEST_PLACE)
    assert (equal.province, equal.code) == ("31", PlaceCode.LONGEST_PLACE)
    assert (enough.province, enough.code) == ("44", PlaceCode.EARLIER_PLACE)
    with pytest.raises(PlaceUndecided):
        placed(years("44", 5, kind=TEMPORARY), hukou=None)


def test_the_figures_are_rows_and_a_row_switches_what_nobody_is_sure_of(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "place_of_payment.toml").read_text(encoding="utf-8")
    changed = text.replace("months = 120", "months = 132", 1).replace('without_hukou = "longest"', 'without_hukou = "refuse"', 1)
    (tmp_path / "place_of_payment.toml").write_text(
        changed.replace("deemed_months_count = true", "deemed_months_count = false", 1)
    )
    other = load_tables(tmp_path)
    history = [years("44", 10, deemed_months=12)]

    assert placed(*history, hukou="43").province == "44"
    assert place_of_payment(history, hukou="43", on=CLAIMED_ON, tables=other).province == "43"
    with pytest.raises(PlaceUndecided):
        place_of_payment(history, hukou=None, on=CLAIMED_ON, tables=other)


def test_a_history_that_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(NothingInsured):
        placed(hukou="43")
    with pytest.raises(MonthsInvalid):
        placed(Relationship("44", -1), hukou="43")
    with pytest.raises(MonthsInvalid) as empty:
        placed(years("44", 1), Relationship("31", 0), hukou="43")
    with pytest.raises(TemporaryAccountMoved):
        placed(Relationship("44", 12, account_kind=TEMPORARY, held_by="31"), hukou="43")
    with pytest.raises(NotInOrder):
        placed(Relationship("44", 12, last_month=Month(2020, 2)), Relationship("31", 12, last_month=Month(2019, 2)), hukou="43")
    with pytest.raises(ProvinceOutOfScope):
        placed(years("44", 1), hukou="81")
    with pytest.raises(ProvinceUnknown):
        placed(years("00", 1), hukou="43")
    with pytest.raises(RuleNotInForce):
        place_of_payment([years("44", 1)], hukou="43", on=date(2009, 12, 31), tables=tables())
    assert empty.value.position == 1


PROVINCES = st.sampled_from(["11", "31", "33", "41", "43", "44"])
HISTORIES = st.lists(
    st.builds(
        Relationship,
        province=PROVINCES,
        months=st.integers(1, 240),
        deemed_months=st.integers(0, 60),
        account_kind=st.sampled_from(AccountKind),
    ),
    min_size=1,
    max_size=6,
)


@given(history=HISTORIES, hukou=PROVINCES)
def test_the_place_is_one_of_the_given_provinces_and_every_other_month_is_asked_for_once(
    history: list[Relationship], hukou: str
) -> None:
    found = placed(*history, hukou=hukou)

    assert found.province in {hukou, *(one.province for one in history)}
    normal = {one.province for one in history if one.account_kind is NORMAL}
    assert found.province in {hukou, *normal}
    elsewhere = sum(one.months + one.deemed_months for one in history if one.holder != found.province)
    assert sum(letter.months + letter.deemed_months for letter in found.letters) == elsewhere
    assert found.province not in {letter.to_province for letter in found.letters}
    assert len({(letter.to_province, letter.account_kind) for letter in found.letters}) == len(found.letters)
    assert found.total_months == sum(one.months + one.deemed_months for one in history)


@given(history=HISTORIES, hukou=PROVINCES)
def test_a_place_outside_the_hukou_always_has_ten_years(history: list[Relationship], hukou: str) -> None:
    found = placed(*history, hukou=hukou)

    if found.province != hukou:
        assert next(one for one in found.places if one.province == found.province).counting_months >= 120
