"""Months are the unit of contributions."""

from __future__ import annotations

from datetime import date

import pytest

from services.rules.months import Month, MonthInvalid, months_from


@pytest.mark.parametrize("text", ["2024-13", "2024-00", "2024-3", "2024/03", "1949-12", "2051-01", "", "２０２４-03"])
def test_a_text_that_names_no_month_is_refused_by_name(text: str) -> None:
    with pytest.raises(MonthInvalid):
        Month.parse(text)


def test_months_are_ordered_and_written_the_way_they_are_read() -> None:
    december, january = Month.parse("2023-12"), Month.of(date(2024, 1, 31))

    assert december < january
    assert january.ordinal - december.ordinal == 1
    assert str(january) == "2024-01"
    assert january.first_day == date(2024, 1, 1)


def test_the_months_of_a_span_cross_the_year() -> None:
    months = list(months_from(Month(2023, 11), Month(2024, 2)))

    assert [str(month) for month in months] == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert list(months_from(Month(2024, 2), Month(2023, 11))) == []
