"""Next year's holiday notice is taken whole or refused with everything that is wrong."""

from __future__ import annotations

from datetime import date

import pytest

from services.rules.calendar_import import CalendarInvalid, parse_calendar, render_calendar
from tests.unit.rules.builders import tables

CSV_2027 = """\ufeffdate,kind,name
2027-01-01,holiday,元旦
2027-02-06,holiday,春节
2027-02-14,make_up,春节
2027-05-01,holiday,劳动节
2027-10-01,holiday,国庆节
2027-10-02,holiday,国庆节
2027-10-03,holiday,国庆节
"""


def test_a_csv_notice_is_read_and_makes_the_year_known() -> None:
    [notice] = parse_calendar(CSV_2027, "csv", source="国务院办公厅关于2027年部分节假日安排的通知")

    calendar = tables().calendar.with_year(notice)

    assert (notice.year, len(notice.holidays), notice.make_up_days) == (2027, 6, frozenset({date(2027, 2, 14)}))
    assert calendar.knows(date(2027, 6, 1))
    assert calendar.is_working_day(date(2027, 2, 14))


def test_a_notice_written_as_toml_reads_back_the_same() -> None:
    [notice] = parse_calendar(CSV_2027, "csv", source='通知 "2027" \\ 号')

    assert parse_calendar(render_calendar(notice), "toml") == (notice,)


def test_our_own_calendar_reads_back_the_same() -> None:
    text = "".join(render_calendar(notice) for notice in tables().calendar_notices)

    assert parse_calendar(text, "toml") == tables().calendar_notices


def test_everything_wrong_with_a_csv_is_named_at_once() -> None:
    text = "date,kind\n2027-02-30,holiday\n2027-03-01,make_up\n2027-05-01,holiday\n2027-05-01,holiday\n2027-06-01,off\n"

    with pytest.raises(CalendarInvalid) as refused:
        parse_calendar(text, "csv")

    assert [(error.where, error.value) for error in refused.value.errors] == [
        ("file", "source"),
        ("line 2", "2027-02-30"),
        ("line 6", "off"),
        ("line 3", "2027-03-01"),
        ("line 5", "2027-05-01"),
        ("calendar 2027", "2027-01-01"),
        ("calendar 2027", "2027-10-01"),
        ("calendar 2027", "2027-10-02"),
        ("calendar 2027", "2027-10-03"),
    ]


def test_a_csv_without_its_columns_or_days_is_refused() -> None:
    with pytest.raises(CalendarInvalid, match="'kind' is a column that is missing"):
        parse_calendar("date,what\n", "csv", source="s")
    with pytest.raises(CalendarInvalid, match="has no day in it"):
        parse_calendar("date,kind\n", "csv", source="s")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[calendar", "is not TOML"),
        ("", "has no .*calendar.* table"),
        ("[[calendar]]\nyear = '2027'", "is not a year"),
        ("[[calendar]]\nyear = 2027\nholidays = []\nmake_up_days = []", "must name the notice"),
        ("[[calendar]]\nyear = 2027\nsource = 's'\nmake_up_days = []", "must be a list of dates"),
        ("[[calendar]]\nyear = 2027\nsource = 's'\nholidays = ['x']\nmake_up_days = []", "is not a date"),
        ("[[calendar]]\nyear = 2027\nsource = 's'\nholidays = [2026-01-01]\nmake_up_days = []", "does not lie in 2027"),
        ("[[calendar]]\nyear = 2027\n[[calendar]]\nyear = 2027", "is there twice"),
    ],
)
def test_a_toml_notice_that_cannot_be_is_refused(text: str, reason: str) -> None:
    with pytest.raises(CalendarInvalid, match=reason):
        parse_calendar(text, "toml")
