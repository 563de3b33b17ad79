"""Gathering at retirement: whether this province pays, who may gather, and what has come together."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from services.destination_agency.case import Refused
from services.destination_agency.gathering import Place, added_up, decide_again, decide_place, holders, least_months
from services.records.model import Personal, Record
from services.rules.amounts import RowKind, RowStatus, Segment, YearRow
from services.rules.identity import check_character, parse_id_number
from services.rules.months import Month
from services.rules.pension_tables import Category, PlaceCode
from services.rules.place_of_payment import PlaceOfPayment
from tests.builders import PERSON
from tests.unit.destination_agency.builders import TABLES

# Domain § 8, scenario 25: Guangdong 6 years, Fujian 5, Shanghai 7 on a temporary account; hukou Hunan; statutory age 2031-03-10.
BORN = "19691210"
NUMBER = "430101" + BORN + "001"
IDENTITY = parse_id_number(NUMBER + check_character(NUMBER))
REACHED = date(2031, 3, 10)
GUANGDONG = Place("440100", 72, Month(2015, 12))
FUJIAN = Place("350200", 60, Month(2020, 12))
SHANGHAI = Place("310100", 84, Month(2027, 12), account_kind="temporary")
ALL = (GUANGDONG, FUJIAN, SHANGHAI)


def a_record(*rows: YearRow) -> Record:
    return Record(
        person_ref=PERSON,
        id_hash=b"h" * 32,
        state="stopped",
        scheme="110",
        account_kind="normal",
        first_insured_on=None,
        stopped_on=date(2029, 12, 31),
        drawing_since=None,
        interest_through=2030,
        personal=Personal(id_number=IDENTITY.number, name="龙大江", sex="male", hukou="43"),
        segments=(Segment(None, 0, 0, rows),) if rows else (),
    )


def years(division: str, first: int, last: int, status: RowStatus = RowStatus.PAID) -> tuple[YearRow, ...]:
    return tuple(
        YearRow(division, Month(year, 1), Month(year, 12), 400_000, Decimal("0.16"), status) for year in range(first, last + 1)
    )


def decided(
    *places: Place, own: Record | None = None, province: str = "43", hukou: str = "43", on: date = REACHED
) -> PlaceOfPayment:
    return decide_place(places, own, IDENTITY, hukou=hukou, province=province, on=on, tables=TABLES)


def test_scenario_25_is_gathered_by_the_hukou_province_which_registers_the_person_and_writes_three_letters() -> None:
    found = decided(*ALL)

    assert (found.province, found.code, found.registers) == ("43", PlaceCode.HUKOU_GATHERS, True)
    assert {letter.to_province for letter in found.letters} == {"44", "35", "31"}
    assert found.total_months == 72 + 60 + 84 == 216


def test_the_order_in_which_the_places_are_told_changes_nothing() -> None:
    assert decided(SHANGHAI, GUANGDONG, FUJIAN) == decided(*ALL)


def test_another_province_is_named_where_another_one_pays() -> None:
    ten_years = replace(FUJIAN, months=120)

    with pytest.raises(Refused, match="NOT_THE_PLACE_OF_PAYMENT") as refused:
        decided(GUANGDONG, ten_years, SHANGHAI)

    assert "province 35" in refused.value.detail
    assert refused.value.remedy
    assert refused.value.legal_basis
    own = a_record(*years("350200", 2011, 2020))
    assert decided(GUANGDONG, SHANGHAI, own=own, province="35").code is PlaceCode.LAST_PLACE


def test_months_belong_to_where_they_were_earned_and_are_asked_for_where_they_are_now() -> None:
    """Guangdong's eight years went to Jiangsu, which has four of its own: neither has ten, so the hukou province gathers."""
    moved = Place("440100", 96, Month(2013, 12), held_by="320100")
    jiangsu = Place("320500", 48, Month(2017, 12))

    found = decided(moved, jiangsu)

    assert (found.code, found.total_months) == (PlaceCode.HUKOU_GATHERS, 144)
    assert [(letter.to_province, letter.months) for letter in found.letters] == [("32", 144)]
    assert holders((moved, jiangsu), "43") == ("320100",)
    with pytest.raises(Refused, match="NOT_THE_PLACE_OF_PAYMENT"):
        decided(replace(jiangsu, months=144))


@pytest.mark.parametrize("held", [Place("430100", 24, Month(2020, 12)), Place("440100", 72, Month(2015, 12), held_by="430200")])
def test_what_this_province_holds_itself_is_counted_from_its_own_record(held: Place) -> None:
    with pytest.raises(Refused, match="HELD_HERE"):
        decided(held, FUJIAN)


def test_a_province_keeps_one_account_of_a_person() -> None:
    moved = Place("440100", 72, Month(2015, 12), held_by="310100")

    with pytest.raises(Refused, match="PLACE_UNDECIDED"):
        decided(moved, SHANGHAI)


def test_the_earlier_place_is_returned_to_though_another_has_its_months_now() -> None:
    """Art. 6 (3): Fujian's ten years went to Guangdong; Fujian pays, and asks Guangdong for both."""
    moved = Place("350200", 120, Month(2012, 12), held_by="440100")
    gone = replace(a_record(), state="moved")

    found = decided(moved, replace(GUANGDONG, until=Month(2018, 12)), own=gone, province="35")

    assert (found.code, found.registers) == (PlaceCode.EARLIER_PLACE, True)
    assert [letter.to_province for letter in found.letters] == ["44"]


def temporary(division: str, first: int, last: int) -> tuple[YearRow, ...]:
    return tuple(replace(row, kind=RowKind.TEMPORARY) for row in years(division, first, last))


def again(*rows: YearRow, hukou: str | None = "43", province: str = "43") -> PlaceOfPayment | None:
    return decide_again(a_record(*rows), hukou=hukou, province=province, on=REACHED, tables=TABLES)


def test_when_all_is_here_the_rows_decide_again_where_the_pension_is_paid() -> None:
    came = (*years("440100", 2010, 2015), *years("350200", 2016, 2020), *temporary("310100", 2021, 2027))
    more = (*years("440100", 2004, 2015), *years("350200", 2016, 2020))

    here, there = again(*came), again(*more)

    assert here is not None
    assert (here.province, here.code, here.total_months) == ("43", PlaceCode.HUKOU_GATHERS, 216)
    assert there is not None
    assert (there.province, there.code) == ("44", PlaceCode.EARLIER_PLACE)
    assert again() is None


def test_the_rows_of_a_temporary_account_make_no_place_after_it_was_gathered_either() -> None:
    found = again(*years("440100", 2010, 2015), *temporary("310100", 2016, 2027))

    assert found is not None
    assert (found.province, found.code) == ("43", PlaceCode.HUKOU_GATHERS)
    assert again(*temporary("310100", 2016, 2027), hukou=None) is None


@pytest.mark.parametrize(
    ("born", "sex", "claimed_on", "category", "months"),
    [
        pytest.param(date(1964, 3, 15), "male", date(2024, 5, 6), None, 180, id="before-the-delay"),
        pytest.param(date(1969, 12, 10), "male", date(2031, 3, 10), None, 192, id="in-2031"),
        pytest.param(date(1976, 3, 15), "female", date(2031, 6, 1), None, 180, id="a-worker-in-2026"),
        pytest.param(date(1976, 3, 15), "female", date(2032, 6, 1), Category.FEMALE_55, 198, id="a-cadre-in-2032"),
        pytest.param(date(1969, 12, 10), "male", date(2020, 1, 1), None, None, id="too-young"),
    ],
)
def test_how_many_months_a_pension_takes(
    born: date, sex: str, claimed_on: date, category: Category | None, months: int | None
) -> None:
    assert least_months(born, sex, claimed_on=claimed_on, tables=TABLES, category=category) == months


def test_what_is_here_already_counts_with_the_province_it_was_earned_in() -> None:
    own = a_record(*years("430100", 2028, 2029), *years("440100", 2010, 2015))

    found = decided(FUJIAN, SHANGHAI, own=own)

    assert found.code is PlaceCode.HUKOU_IS_LAST
    assert not found.registers
    assert {letter.to_province for letter in found.letters} == {"35", "31"}
    assert found.total_months == 24 + 72 + 60 + 84


@pytest.mark.parametrize(("on", "young"), [(date(2029, 12, 9), True), (date(2029, 12, 10), False)])
def test_nobody_gathers_before_the_earliest_age_at_which_a_pension_can_be_drawn(on: date, young: bool) -> None:
    """Up to three years before the statutory age, and never before sixty: 2029-12-10."""
    if young:
        with pytest.raises(Refused, match="TOO_YOUNG"):
            decided(*ALL, on=on)
    else:
        assert decided(*ALL, on=on).province == "43"


def test_whoever_draws_a_pension_has_nothing_to_gather() -> None:
    with pytest.raises(Refused, match="ALREADY_DRAWING"):
        decided(*ALL, own=replace(a_record(), drawing_since=date(2030, 1, 1)))


def test_vouchers_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(Refused, match="PLACE_UNDECIDED"):
        decided(replace(GUANGDONG, months=0))


def test_the_months_of_all_places_are_added_up_and_arrears_count_nowhere() -> None:
    own = years("430100", 2028, 2028)
    came = (*years("440100", 2010, 2011), *years("350200", 2016, 2016, RowStatus.DEEMED))
    unpaid = years("310100", 2021, 2021, RowStatus.ARREARS)

    assert added_up(a_record(*own, *came, *unpaid), "43") == (48, 12)
    assert added_up(None, "43") == (0, 0)
    assert added_up(replace(a_record(*own), state="settled"), "43") == (0, 0)
