"""The two input files: read whole, every error named by file, row and column, nothing half-used."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from services.records.csv_import import (
    CONTRIBUTION_COLUMNS,
    PERSON_COLUMNS,
    Category,
    Language,
    ParsedFiles,
    parse_files,
)
from services.rules.amounts import RowKind, RowStatus
from services.rules.deemed_years import ALLOWANCE_NOTE, YEAR_ONLY_NOTE
from services.rules.identity import Sex, check_character
from services.rules.interest import principal_of
from services.rules.months import Month
from tests.unit.rules.builders import tables

HE = "410101199003151234"
SHE = "420106198202200020"


def number(first_seventeen: str) -> str:
    return first_seventeen + check_character(first_seventeen)


assert number(HE[:17]) == HE
SHE = number(SHE[:17])

PERSON_HEADER = ",".join(PERSON_COLUMNS)
CONTRIBUTION_HEADER = ",".join(CONTRIBUTION_COLUMNS)


def persons(*rows: str) -> bytes:
    return "\n".join([PERSON_HEADER, *rows, ""]).encode()


def contributions(*rows: str) -> bytes:
    return "\n".join([CONTRIBUTION_HEADER, *rows, ""]).encode()


def a_person(id_number: str = HE, **cells: str) -> str:
    usual = {
        "id_number": id_number,
        "name": "张三",
        "sex": "male" if id_number == HE else "female",
        "hukou": "41",
        "phone": "13800000000",
        "email": "",
        "language": "zh-CN",
        "category": "rural_worker",
        "scheme": "110",
        "first_insured_on": "2022-01-01",
        "stopped_on": "2024-03-31",
        "drawing_since": "",
        "personal_balance_1997": "0.00",
    }
    assert cells.keys() <= usual.keys()
    return ",".join({**usual, **cells}.values())


def a_contribution(id_number: str = HE, **cells: str) -> str:
    usual = {
        "id_number": id_number,
        "division": "440100",
        "start": "2023-01",
        "end": "2023-12",
        "monthly_wage": "5000.00",
        "employer_rate": "0.16",
        "status": "paid",
        "kind": "normal",
        "paid_on": "",
        "note": "",
    }
    assert cells.keys() <= usual.keys()
    return ",".join({**usual, **cells}.values())


def parse(persons: bytes | None, contributions: bytes | None, *, accept_good_rows: bool = False) -> ParsedFiles:
    return parse_files(persons, contributions, tables=tables(), accept_good_rows=accept_good_rows)


def places(parsed: ParsedFiles) -> list[tuple[str, int, str]]:
    return [(error.file, error.line, error.column) for error in parsed.errors]


def test_two_good_files_are_read_with_the_types_of_the_rules() -> None:
    parsed = parse(
        persons(a_person(personal_balance_1997="1000.5", email="a@b.cn", drawing_since="2024-05-01")),
        contributions(
            a_contribution(start="2024-01", end="2024-03", paid_on="2024-03-31", kind="one_off", note="补缴, 2024"),
        ).replace("补缴, 2024".encode(), '"补缴, 2024"'.encode()),
    )

    assert parsed.errors == ()
    [person] = parsed.persons
    assert (person.id_number, person.name, person.sex, person.hukou) == (HE, "张三", Sex.MALE, "41")
    assert (person.language, person.category, person.scheme) == (Language.CHINESE, Category.RURAL_WORKER, "110")
    assert (person.phone, person.email) == ("13800000000", "a@b.cn")
    assert (person.first_insured_on, person.stopped_on) == (date(2022, 1, 1), date(2024, 3, 31))
    assert person.drawing_since == date(2024, 5, 1)
    assert person.personal_balance_1997_fen == 100050
    [row] = parsed.contributions_by_id_number[HE]
    assert (row.division, row.start, row.end) == ("440100", Month(2024, 1), Month(2024, 3))
    assert (row.monthly_wage_fen, row.employer_rate) == (500000, Decimal("0.16"))
    assert (row.status, row.kind) == (RowStatus.PAID, RowKind.ONE_OFF)
    assert (row.paid_on, row.note) == (date(2024, 3, 31), "补缴, 2024")


def test_a_byte_order_mark_other_column_orders_and_windows_line_ends_are_read() -> None:
    names = list(reversed(CONTRIBUTION_COLUMNS))
    cells = list(reversed(a_contribution().split(",")))

    parsed = parse(None, ("\ufeff" + ",".join(names) + "\r\n\r\n" + ",".join(cells) + "\r\n").encode())

    assert parsed.errors == ()
    assert len(parsed.contributions_by_id_number[HE]) == 1


def test_what_may_be_empty_is_none() -> None:
    parsed = parse(persons(a_person(phone="", language="", first_insured_on="", stopped_on="", personal_balance_1997="")), None)

    [person] = parsed.persons
    assert (person.phone, person.email, person.first_insured_on, person.stopped_on) == (None, None, None, None)
    assert (person.language, person.personal_balance_1997_fen) == (Language.CHINESE, 0)


def test_a_small_x_and_an_old_number_mean_the_same_person() -> None:
    old = "110105491231002"

    parsed = parse(None, contributions(a_contribution(old), a_contribution("11010519491231002x", start="2024-01", end="2024-01")))

    assert [len(rows) for rows in parsed.contributions_by_id_number.values()] == [2]
    assert places(parsed) == []
    assert list(parsed.contributions_by_id_number) == ["11010519491231002X"]


GERMAN = "DEU0000000G0123456"
HONGKONGER = number("81000019900315123")


def with_birthdays(*rows: str) -> bytes:
    """A persons file with the column that a file may leave out."""
    return "\n".join([f"{PERSON_HEADER},birth_on", *rows, ""]).encode()


def test_a_foreigner_has_a_birthday_beside_the_number_and_no_household_register() -> None:
    row = a_person(GERMAN, hukou="")

    parsed = parse(with_birthdays(f"{row},1985-06-30", f"{a_person()},", f"{a_person(SHE)},1982-02-20"), None)

    assert parsed.errors == ()
    found = [(each.id_number, each.hukou, each.sex, each.birth_on) for each in parsed.persons]
    assert found == [
        (GERMAN, "", Sex.FEMALE, date(1985, 6, 30)),
        (HE, "41", Sex.MALE, None),
        (SHE, "41", Sex.FEMALE, None),
    ]
    small = a_contribution(GERMAN.lower())
    assert parse(None, contributions(small)).contributions_by_id_number.keys() == {GERMAN}


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (f"{a_person(GERMAN, hukou='')},", "birth_on"),
        (f"{a_person(GERMAN, hukou='')},30.6.1985", "birth_on"),
        (f"{a_person(GERMAN, hukou='', first_insured_on='')},2031-06-30", "birth_on"),
        (f"{a_person(GERMAN, hukou='', first_insured_on='1985-06-29')},1985-06-30", "first_insured_on"),
        (f"{a_person(GERMAN, hukou='41')},1985-06-30", "hukou"),
        (f"{a_person(number('91112419900315123'), sex='male', hukou='41')},", "hukou"),
        (f"{a_person()},1990-03-16", "birth_on"),
        (f"{a_person(hukou='')},", "hukou"),
        (f"{a_person('CHN0000000G0123456', hukou='')},1985-06-30", "id_number"),
    ],
)
def test_what_a_kind_of_number_cannot_have_is_named(row: str, column: str) -> None:
    parsed = parse_files(with_birthdays(row), None, tables=tables(), on=date(2024, 5, 6))

    assert {error.column for error in parsed.errors} == {column}
    assert parsed.persons == ()
    assert GERMAN not in str(parsed.errors)


def test_a_file_without_the_column_has_nobody_whose_number_says_no_birthday() -> None:
    assert places(parse(persons(a_person(GERMAN, hukou="")), None)) == [("persons", 2, "birth_on")]


@pytest.mark.parametrize("hukou", ["", "81"])
def test_somebody_from_hong_kong_may_leave_the_register_out(hukou: str) -> None:
    parsed = parse(persons(a_person(HONGKONGER, sex="male", hukou=hukou)), None)

    assert [(each.id_number, each.hukou, each.birth_on) for each in parsed.persons] == [(HONGKONGER, hukou, None)]


def test_foreigners_numbers_are_read_since_their_rule_is_in_force() -> None:
    rows = with_birthdays(f"{a_person(GERMAN, hukou='')},1985-06-30")

    assert parse_files(rows, None, tables=tables(), on=date(2011, 10, 15)).errors == ()
    assert [each.column for each in parse_files(rows, None, tables=tables(), on=date(2011, 10, 14)).errors] == ["id_number"]


def test_rows_come_out_in_the_order_of_their_months() -> None:
    parsed = parse(None, contributions(a_contribution(start="2023-07"), a_contribution(start="2023-01", end="2023-06")))

    assert [str(row.start) for row in parsed.contributions_by_id_number[HE]] == ["2023-01", "2023-07"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id_number", "410101199003151235"),
        ("division", "4401"),
        ("division", "990100"),
        ("division", "810000"),
        ("start", "2023-13"),
        ("start", "2023/01"),
        ("end", "2022-12"),
        ("end", "2024-01"),
        ("monthly_wage", "5000.001"),
        ("monthly_wage", "-1"),
        ("monthly_wage", "5e3"),
        ("monthly_wage", ""),
        ("monthly_wage", "0.00"),
        ("employer_rate", "16"),
        ("employer_rate", "1.5"),
        ("employer_rate", "0.21"),
        ("employer_rate", "16%"),
        ("status", "unpaid"),
        ("kind", "other"),
        ("paid_on", "2023-02-30"),
        ("paid_on", "20230201"),
    ],
)
def test_a_wrong_contribution_cell_is_named_and_the_file_yields_nothing(column: str, value: str) -> None:
    good = a_contribution(start="2022-01", end="2022-12")

    parsed = parse(None, contributions(good, a_contribution(**{column: value})))

    assert places(parsed) == [("contributions", 3, column)]
    assert parsed.contributions_by_id_number == {}
    assert parsed.errors[0].reason
    assert parsed.errors[0].remedy


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id_number", ""),
        ("name", ""),
        ("sex", "m"),
        ("sex", "female"),
        ("hukou", "4401"),
        ("hukou", "99"),
        ("phone", "call me"),
        ("email", "nowhere"),
        ("language", "fr"),
        ("category", ""),
        ("scheme", "999"),
        ("first_insured_on", "1980-01-01"),
        ("stopped_on", "2021-12-31"),
        ("drawing_since", "2021-12-31"),
        ("drawing_since", "soon"),
        ("personal_balance_1997", "1,5"),
    ],
)
def test_a_wrong_person_cell_is_named_and_the_file_yields_nothing(column: str, value: str) -> None:
    row = a_person(**{column: f'"{value}"'})

    parsed = parse(persons(a_person(SHE), row), contributions(a_contribution(SHE)))

    assert places(parsed) == [("persons", 3, column)]
    assert parsed.persons == ()
    assert parsed.contributions_by_id_number == {}


def test_arrears_that_carry_a_day_of_payment_are_a_contradiction() -> None:
    parsed = parse(None, contributions(a_contribution(status="arrears", paid_on="2024-01-05")))

    assert places(parsed) == [("contributions", 2, "paid_on")]


def test_deemed_months_need_no_wage() -> None:
    parsed = parse(None, contributions(a_contribution(status="deemed", monthly_wage="0", employer_rate="0")))

    assert parsed.errors == ()


def test_years_known_by_year_only_become_deemed_years_of_the_places_time_record() -> None:
    row = a_contribution(status="by_year", start="1985-03", end="1987-06", monthly_wage="0", employer_rate="0")

    rows = parse(None, contributions(row)).contributions_by_id_number[HE]

    assert [(str(each.start), str(each.end)) for each in rows] == [
        ("1985-03", "1985-12"),
        ("1986-01", "1986-12"),
        ("1987-01", "1987-06"),
    ]
    assert {(each.status, each.monthly_wage_fen, each.note) for each in rows} == {(RowStatus.DEEMED, 0, YEAR_ONLY_NOTE)}


@pytest.mark.parametrize(
    ("cells", "column", "said"),
    [
        ({"start": "1996-01", "end": "1998-02"}, "end", "1998-01..1998-02"),
        ({"monthly_wage": "100"}, "status", "has money"),
        ({"paid_on": "1986-01-01"}, "paid_on", "stands in a row"),
    ],
)
def test_a_time_record_reaches_no_year_since_1998_and_carries_no_money(cells: dict[str, str], column: str, said: str) -> None:
    usual = {"status": "by_year", "start": "1985-01", "end": "1985-12", "monthly_wage": "0", "employer_rate": "0"}

    [error] = parse(None, contributions(a_contribution(**{**usual, **cells}))).errors

    assert error.column == column
    assert said in f"{error.value} {error.reason}"
    assert error.remedy


def test_a_soldiers_allowance_is_rows_of_actual_contributions_at_the_place_of_settlement() -> None:
    row = a_contribution(status="allowance", start="2003-01", end="2003-12", monthly_wage="800.00", employer_rate="0")

    [made] = parse(None, contributions(row)).contributions_by_id_number[HE]

    assert (made.status, made.note, made.monthly_wage_fen, made.division) == (RowStatus.PAID, ALLOWANCE_NOTE, 80_000, "440100")
    # It moves at 11 % of its base: twelve months of 88 yuan, before interest.
    assert principal_of(made, tables()).account_fen == 12 * 8_800


def test_an_allowance_without_a_base_is_refused_by_field() -> None:
    row = a_contribution(status="allowance", start="2003-01", end="2003-12", monthly_wage="0", employer_rate="0")

    assert places(parse(None, contributions(row))) == [("contributions", 2, "monthly_wage")]


def test_all_errors_of_both_files_come_out_at_once_and_in_order() -> None:
    parsed = parse(
        persons(a_person(hukou="00", sex="x"), a_person(SHE), a_person(SHE)),
        contributions(
            a_contribution(status="x", kind="y"),
            a_contribution(SHE),
            a_contribution(SHE, start="2023-12"),
            a_contribution(number("44030119900315123")),
        ),
    )

    assert places(parsed) == [
        ("persons", 2, "sex"),
        ("persons", 2, "hukou"),
        ("persons", 4, "id_number"),
        ("contributions", 2, "status"),
        ("contributions", 2, "kind"),
        ("contributions", 4, "start"),
        ("contributions", 5, "id_number"),
    ]


def test_a_month_given_twice_names_the_line_that_has_it_already() -> None:
    parsed = parse(
        None,
        contributions(
            a_contribution(),
            a_contribution(start="2023-02", end="2023-03"),
            a_contribution(start="2023-05", end="2023-06", division="330100"),
        ),
    )

    assert places(parsed) == [("contributions", 3, "start"), ("contributions", 4, "start")]
    assert all("line 2" in error.reason for error in parsed.errors)


def test_a_bad_contributions_file_yields_nothing_and_leaves_the_good_persons_file_alone() -> None:
    parsed = parse(persons(a_person()), contributions(a_contribution(status="x")))

    assert [person.id_number for person in parsed.persons] == [HE]
    assert parsed.contributions_by_id_number == {}


def test_good_rows_are_accepted_only_of_persons_without_any_error() -> None:
    parsed = parse(
        persons(a_person(), a_person(SHE)),
        contributions(
            a_contribution(),
            a_contribution(start="2024-01", end="2024-13"),
            a_contribution(SHE),
        ),
        accept_good_rows=True,
    )

    assert places(parsed) == [("contributions", 3, "end")]
    assert [person.id_number for person in parsed.persons] == [SHE]
    assert list(parsed.contributions_by_id_number) == [SHE]


def test_a_person_whose_own_row_is_wrong_brings_no_contributions() -> None:
    parsed = parse(
        persons(a_person(category="x"), a_person(SHE)),
        contributions(a_contribution(), a_contribution(SHE)),
        accept_good_rows=True,
    )

    assert [person.id_number for person in parsed.persons] == [SHE]
    assert list(parsed.contributions_by_id_number) == [SHE]


def test_a_row_cut_short_makes_its_person_bad_and_no_other() -> None:
    parsed = parse(
        None,
        contributions(a_contribution(start="2022-01", end="2022-12"), f"{HE},440100,2023-01", a_contribution(SHE)),
        accept_good_rows=True,
    )

    assert places(parsed) == [("contributions", 3, "")]
    assert list(parsed.contributions_by_id_number) == [SHE]


def test_contributions_may_be_of_persons_known_before() -> None:
    parsed = parse_files(persons(a_person()), contributions(a_contribution(SHE)), tables=tables(), known_id_numbers={SHE})

    assert parsed.errors == ()
    assert list(parsed.contributions_by_id_number) == [SHE]


def test_missing_double_and_unknown_columns_are_named() -> None:
    header = CONTRIBUTION_HEADER.replace("division", "wage").replace("kind", "start")

    parsed = parse(None, (header + "\n" + a_contribution()).encode(), accept_good_rows=True)

    assert [(error.column, error.reason) for error in parsed.errors] == [
        ("division", "is a column that is missing"),
        ("start", "is a column that is there twice"),
        ("kind", "is a column that is missing"),
        ("wage", "is not a column"),
    ]
    assert parsed.contributions_by_id_number == {}


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"", 1, "is empty"),
        (f"{CONTRIBUTION_HEADER}\n{a_contribution(note='张三')}".encode("gb18030"), 2, "is not UTF-8"),
        (f'{CONTRIBUTION_HEADER}\n{a_contribution(note="x")}\n"a"b'.encode(), 3, "is not CSV"),
        (f"{CONTRIBUTION_HEADER}\n\0".encode(), 2, "has a NUL character"),
    ],
)
def test_a_file_that_is_no_csv_in_utf_8_is_refused_whole(content: bytes, line: int, reason: str) -> None:
    parsed = parse(None, content, accept_good_rows=True)

    assert [(error.line, error.reason.startswith(reason)) for error in parsed.errors] == [(line, True)]
    assert parsed.contributions_by_id_number == {}


def test_a_row_after_a_cell_of_several_lines_is_named_by_its_own_line() -> None:
    parsed = parse(None, contributions(a_contribution(note='"two\nlines"'), a_contribution(SHE, kind="x")))

    assert places(parsed) == [("contributions", 4, "kind")]


def test_an_error_never_repeats_a_persons_data() -> None:
    parsed = parse(
        persons(a_person(phone="call 12", email="zhang", name=""), a_person(number("44030119900315123"), sex="x")),
        contributions(a_contribution("410101199003151235", monthly_wage="x123")),
    )

    told = "\n".join(str(error) for error in parsed.errors)
    assert "call 12" not in told
    assert "zhang" not in told
    assert "x123" not in told
    assert "410101199003151235" not in told
    assert "410***********1235" in told


def test_a_hundred_thousand_rows_are_read_at_once() -> None:
    rows: list[str] = []
    for person in range(10_000):
        id_number = number(f"4103011990{person % 12 + 1:02d}{person % 28 + 1:02d}{person % 1000:03d}")
        id_number = number(f"41{person // 1000:02d}01{id_number[6:17]}")
        rows.extend(
            a_contribution(id_number, start=f"{year}-01", end=f"{year}-12", monthly_wage=f"{4000 + person}.00")
            for year in range(2014, 2024)
        )
    content = contributions(*rows)

    parsed = parse(None, content)

    assert parsed.errors == ()
    assert sum(len(listed) for listed in parsed.contributions_by_id_number.values()) == 100_000
