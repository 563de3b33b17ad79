from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rules.identity import parse_id_number
from services.world import people
from services.world.people import Contribution, Serials

SEEDS = st.integers(min_value=0, max_value=2**32)
PROVINCES = st.sampled_from(sorted(people.calibration().provinces))


@settings(deadline=None)
@given(
    seed=SEEDS,
    index=st.integers(0, people.PEOPLE_AT_MOST - 1),
    hukou=PROVINCES,
    year=st.integers(1950, 2006),
    sex=st.sampled_from(["male", "female"]),
)
def test_every_id_number_is_valid_and_says_who_it_belongs_to(
    seed: int, index: int, hukou: str, year: int, sex: people.Sex
) -> None:
    serials = Serials.of(seed)
    born = date(year, *serials.birthday(index))

    number = parse_id_number(serials.id_number(index, hukou=hukou, born=born, sex=sex))

    assert (number.birth_on, number.sex, number.region[:2]) == (born, sex, hukou)


@settings(deadline=None)
@given(seed=SEEDS, first=st.integers(0, people.PEOPLE_AT_MOST - 2001))
def test_nobody_shares_an_id_number_an_address_or_a_line(seed: int, first: int) -> None:
    serials = Serials.of(seed)
    indexes = range(first, first + 2000)

    numbers = {_same_life(serials, index) for index in indexes}
    addresses = {serials.email(index) for index in indexes}
    lines = {serials.phone(index, "138") for index in indexes}

    assert len(numbers) == len(addresses) == len(lines) == len(indexes)


def _same_life(serials: Serials, index: int) -> str:
    born = date(1990, *serials.birthday(index))
    return serials.id_number(index, hukou="41", born=born, sex="male")


def test_the_largest_world_still_gives_each_person_an_own_id_number() -> None:
    serials = Serials.of(1)

    numbers = {_same_life(serials, index)[:17] for index in range(0, people.PEOPLE_AT_MOST, 13)}

    assert len(numbers) == len(range(0, people.PEOPLE_AT_MOST, 13))


def test_addresses_cannot_be_delivered_to() -> None:
    assert Serials.of(1).email(5).endswith("@example.invalid")


@settings(deadline=None)
@given(
    seed=SEEDS,
    province=PROVINCES,
    first=st.integers(people.FIRST_MONTH, 2023 * 12),
    length=st.integers(1, 300),
    permille=st.integers(600, 3000),
    mid_year=st.integers(0, 1000),
)
def test_rows_cover_each_month_once_within_the_law_s_wages(
    seed: int, province: str, first: int, length: int, permille: int, mid_year: int
) -> None:
    last = min(first + length - 1, 2025 * 12 + 11)

    rows = _rows(seed, province, [("440100", first, last)], permille, mid_year)

    assert [month for row in rows for month in _months(row)] == list(range(first, last + 1))
    for row in rows:
        average_fen = people.local_average_yuan(province, int(row.start[:4])) * 100
        assert row.start[:4] == row.end[:4]
        assert average_fen * 600 <= row.monthly_wage_fen * 1000 <= average_fen * 3000


def test_an_employer_pays_the_rate_of_the_time() -> None:
    rows = _rows(1, "44", [("440100", 2016 * 12, 2019 * 12 + 11)], 600, 0)

    assert [(row.start, row.end, row.employer_rate) for row in rows] == [
        ("2016-01", "2016-04", "0.20"),
        ("2016-05", "2016-12", "0.19"),
        ("2017-01", "2017-12", "0.19"),
        ("2018-01", "2018-12", "0.19"),
        ("2019-01", "2019-04", "0.19"),
        ("2019-05", "2019-12", "0.16"),
    ]


def test_most_wages_are_between_60_and_100_percent_of_the_average() -> None:
    rng = people.seeded(1, "wages")
    wages = [people.calibration().buckets["wage_permille"].draw(rng) for _ in range(5000)]

    assert sum(wage <= 1000 for wage in wages) > 4000
    assert max(wages) > 1600


def test_a_year_the_tables_do_not_know_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="wages are known from 1998 to 2025, not for 1997"):
        people.local_average_yuan("44", 1997)


def test_names_are_chinese_and_hardly_repeat() -> None:
    rng = people.seeded(1, "names")
    names = Counter(people.full_name(rng, "female") for _ in range(1000))

    assert all(2 <= len(name) <= 4 and all("\u4e00" <= sign <= "\u9fff" for sign in name) for name in names)
    assert len(names) > 900


def _rows(seed: int, province: str, spells: list[tuple[str, int, int]], permille: int, mid_year: int) -> tuple[Contribution, ...]:
    return people.contributions(
        people.seeded(seed, 0),
        id_number="440301199003151230",
        province=province,
        spells=spells,
        wage_permille=permille,
        new_wage_mid_year=mid_year,
    )


def _months(row: Contribution) -> range:
    start, end = (int(text[:4]) * 12 + int(text[5:]) - 1 for text in (row.start, row.end))
    return range(start, end + 1)
