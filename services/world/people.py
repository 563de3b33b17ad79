"""Made-up insured persons and their contribution rows: the same seed always makes the same people.

Nobody here exists. What their wages, spells and names are calibrated on, and how well, is in docs/calibration.md; the mean
transfer of a 2014 world comes near the 19,064 yuan published for that year.
"""

import math
import random
import tomllib
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Any, Literal

from services.rules.identity import check_character

Sex = Literal["male", "female"]
Language = Literal["zh-CN", "en"]
Category = Literal["urban_employee", "rural_worker", "landless_farmer", "flexible", "soldier"]
Status = Literal["paid", "arrears", "deemed"]
Kind = Literal["normal", "temporary", "one_off", "deferred"]

FIRST_MONTH = 1998 * 12
"""Rows begin in 1998; what was saved before is `personal_balance_1997_fen`. A month is `year * 12 + month - 1`."""

LOWEST_PERMILLE, HIGHEST_PERMILLE = 600, 3000
FLEXIBLE_RATE = "0.12"

_SEQUENCES, _DAYS, _PREFIXES = 499, 365, 8
_MAILBOXES, _LINES = 36**6, 10**8
_BIRTHDAYS = tuple((day.month, day.day) for day in (date(2001, 1, 1) + timedelta(days=offset) for offset in range(_DAYS)))

PEOPLE_AT_MOST = _SEQUENCES * _DAYS * _PREFIXES
"""So many people of one world can have id numbers of their own, whatever their province, year of birth and sex."""


@dataclass(frozen=True, slots=True)
class Person:
    """A row of a province's persons file (architecture § 10)."""

    id_number: str
    name: str
    sex: Sex
    hukou: str
    phone: str
    email: str
    language: Language
    category: Category
    scheme: str
    first_insured_on: date
    stopped_on: date | None
    drawing_since: date | None
    personal_balance_1997_fen: int


@dataclass(frozen=True, slots=True)
class Contribution:
    """A row of a province's contributions file (architecture § 10); `start` and `end` are `YYYY-MM` in one year."""

    id_number: str
    division: str
    start: str
    end: str
    monthly_wage_fen: int
    employer_rate: str
    status: Status
    kind: Kind
    paid_on: date | None
    note: str


@dataclass(frozen=True, slots=True)
class Buckets:
    """Whole numbers drawn by weight: a bucket first, then evenly inside it."""

    ranges: tuple[tuple[int, int], ...]
    cumulative: tuple[int, ...]

    def draw(self, rng: random.Random) -> int:
        """Draw one number."""
        lowest, highest = self.ranges[bisect(self.cumulative, rng.randrange(self.cumulative[-1]))]
        return rng.randint(lowest, highest)


@dataclass(frozen=True, slots=True)
class Choice:
    """Words drawn by weight."""

    words: tuple[str, ...]
    cumulative: tuple[int, ...]

    @classmethod
    def of(cls, weights: Mapping[str, int]) -> "Choice":
        """Build it from the weight of each word."""
        return cls(tuple(weights), tuple(accumulate(weights.values())))

    def draw(self, rng: random.Random) -> str:
        """Draw one word."""
        return self.words[bisect(self.cumulative, rng.randrange(self.cumulative[-1]))]


@dataclass(frozen=True, slots=True)
class Province:
    """What a world knows of a province."""

    code: str
    name: str
    outflow: int
    inflow: int
    id_prefixes: tuple[str, ...]
    divisions: tuple[str, ...]
    cities: tuple[str, ...]
    wages_yuan: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The tables of `tables.toml`, read once. Calibration data, not law."""

    provinces: Mapping[str, Province]
    hukou: Choice
    employer_rates: tuple[tuple[int, str], ...]
    buckets: Mapping[str, Buckets]
    permille: Mapping[str, int]
    categories: Choice
    endings: Mapping[str, int]
    surnames: Choice
    given: Mapping[Sex, str]
    employers: tuple[str, ...]
    mobile_prefixes: tuple[str, ...]


def seeded(seed: int, part: object) -> random.Random:
    """Give the source of chance for one part of a world, so that no part depends on what was drawn for another."""
    return random.Random(f"{seed}:{part}")  # noqa: S311 - worlds are made up and must repeat


def month_of(day: date) -> int:
    """Count the month of a day."""
    return day.year * 12 + day.month - 1


def month_text(month: int) -> str:
    """Write a month as `YYYY-MM`."""
    return f"{month // 12}-{month % 12 + 1:02d}"


def first_day(month: int) -> date:
    """Give the first day of a month."""
    return date(month // 12, month % 12 + 1, 1)


def last_day(month: int) -> date:
    """Give the last day of a month."""
    return first_day(month + 1) - timedelta(days=1)


@cache
def calibration() -> Calibration:
    """Read the tables, once."""
    tables = tomllib.loads(files(__package__).joinpath("tables.toml").read_text(encoding="utf-8"))
    names = tables["names"]
    return Calibration(
        provinces={code: _province(code, row, tables) for code, row in tables["provinces"].items()},
        hukou=Choice.of({code: row["hukou"] for code, row in tables["provinces"].items()}),
        employer_rates=tuple((_month(row["from"]), row["rate"]) for row in tables["employer_rates"]),
        buckets={name: _buckets(rows) for name, rows in tables["buckets"].items()},
        permille=tables["permille"],
        categories=Choice.of(tables["categories"]),
        endings=tables["endings"],
        surnames=_surnames(names["surnames"], names["compound_surnames"]),
        given={"male": names["male"], "female": names["female"]},
        employers=tuple(names["employers"]),
        mobile_prefixes=tuple(names["mobile_prefixes"]),
    )


def local_average_yuan(province: str, year: int) -> int:
    """Give the monthly average wage of a province in a year.

    Raises:
        ValueError: when the tables do not know the year.
    """
    wages = calibration().provinces[province].wages_yuan
    if year not in wages:
        raise ValueError(f"wages are known from {min(wages)} to {max(wages)}, not for {year}")
    return wages[year]


@dataclass(frozen=True, slots=True)
class Serials:
    """What must be unique about a person, from the person's place in the world, without a list of those given out.

    `multiplier * index + offset` visits every value below its modulus once, so nothing repeats and nothing looks counted.
    """

    identity: tuple[int, int]
    mailbox: tuple[int, int]
    line: tuple[int, int]

    @classmethod
    def of(cls, seed: int) -> "Serials":
        """Draw the multipliers and offsets of a world."""
        rng = seeded(seed, "serials")
        return cls(*(_walk(rng, modulus) for modulus in (PEOPLE_AT_MOST, _MAILBOXES, _LINES)))

    def birthday(self, index: int) -> tuple[int, int]:
        """Give the month and day of birth of a person."""
        return _BIRTHDAYS[self._identity(index) // _SEQUENCES % _DAYS]

    def id_number(self, index: int, *, hukou: str, born: date, sex: Sex) -> str:
        """Give the id number; `born` must fall on the person's `birthday`."""
        place = self._identity(index)
        assert (born.month, born.day) == self.birthday(index), (index, born)
        prefix = calibration().provinces[hukou].id_prefixes[place // (_SEQUENCES * _DAYS)]
        order = place % _SEQUENCES * 2 + (1 if sex == "male" else 2)
        seventeen = f"{prefix}{born:%Y%m%d}{order:03d}"
        return seventeen + check_character(seventeen)

    def email(self, index: int) -> str:
        """Give an address that cannot be delivered to (RFC 2606)."""
        multiplier, offset = self.mailbox
        number = (multiplier * index + offset) % _MAILBOXES
        letters = []
        for _ in range(6):
            number, digit = divmod(number, 36)
            letters.append("0123456789abcdefghijklmnopqrstuvwxyz"[digit])
        return f"{''.join(letters)}@example.invalid"

    def phone(self, index: int, prefix: str) -> str:
        """Give a mobile number after its three-digit prefix."""
        multiplier, offset = self.line
        return f"{prefix}{(multiplier * index + offset) % _LINES:08d}"

    def _identity(self, index: int) -> int:
        multiplier, offset = self.identity
        assert 0 <= index < PEOPLE_AT_MOST, index
        return (multiplier * index + offset) % PEOPLE_AT_MOST


def full_name(rng: random.Random, sex: Sex) -> str:
    """Draw a surname and a given name of one or two characters."""
    tables = calibration()
    characters = tables.given[sex]
    given = rng.choice(characters)
    if rng.randrange(10) < 7:
        given += rng.choice(characters)
    return tables.surnames.draw(rng) + given


def contributions(
    rng: random.Random,
    *,
    id_number: str,
    province: str,
    spells: Iterable[tuple[str, int, int]],
    wage_permille: int,
    kind: Kind = "normal",
    employer_rate: str | None = None,
    new_wage_mid_year: int = 0,
) -> tuple[Contribution, ...]:
    """Make the rows of spells `(division, first month, last month)`, one a calendar year or more.

    A year is split where the employer's rate changes, and where the wage does. Every wage stays between 60 % and 300 % of
    the local average wage of its year. `employer_rate` given is used throughout; else the rate of the time.
    """
    tables = calibration()
    rows = []
    for division, first, last in spells:
        start = first
        while start <= last:
            end = min(last, start // 12 * 12 + 11)
            rate = employer_rate
            if rate is None:
                for since, rate_since in tables.employer_rates:
                    if since <= start:
                        rate = rate_since
                    elif since <= end:
                        end = since - 1
            begins = start == first or start % 12 == 0
            if begins and end > start and rng.randrange(1000) < new_wage_mid_year:
                end = rng.randint(start, end - 1)
            assert rate is not None, (id_number, start)
            wage_fen = contribution_wage_fen(province, start // 12, wage_permille)
            rows.append(
                Contribution(id_number, division, month_text(start), month_text(end), wage_fen, rate, "paid", kind, None, "")
            )
            if wage_permille > LOWEST_PERMILLE:
                wage_permille += rng.randint(-30, 40)
            start = end + 1
    return tuple(rows)


def contribution_wage_fen(province: str, year: int, permille: int) -> int:
    """Give a contribution wage in whole yuan, in fen, held between 60 % and 300 % of the local average."""
    average = local_average_yuan(province, year)
    lowest, highest = -(-average * LOWEST_PERMILLE // 1000), average * HIGHEST_PERMILLE // 1000
    return min(max(average * permille // 1000, lowest), highest) * 100


def _province(code: str, row: Mapping[str, Any], tables: Mapping[str, Any]) -> Province:
    assert len(row["id_prefixes"]) == _PREFIXES, (code, row["id_prefixes"])
    return Province(
        code=code,
        name=row["name"],
        outflow=row["outflow"],
        inflow=row["inflow"],
        id_prefixes=tuple(row["id_prefixes"]),
        divisions=tuple(row["divisions"]),
        cities=tuple(row["divisions"].values()),
        wages_yuan={
            int(year): (wage * row["wage_permille"] + 500) // 1000 for year, wage in tables["national_monthly_wage_yuan"].items()
        },
    )


def _buckets(rows: Sequence[Sequence[int]]) -> Buckets:
    return Buckets(tuple((row[0], row[1]) for row in rows), tuple(accumulate(row[2] for row in rows)))


def _surnames(single: str, compound: Sequence[str]) -> Choice:
    common = len(single) // 2
    weights = {surname: 30 if place < common else 10 for place, surname in enumerate(single)}
    return Choice.of(weights | dict.fromkeys(compound, 1))


def _month(text: str) -> int:
    return int(text[:4]) * 12 + int(text[5:]) - 1


def _walk(rng: random.Random, modulus: int) -> tuple[int, int]:
    while math.gcd(multiplier := rng.randrange(modulus // 3, modulus), modulus) != 1:
        pass
    return multiplier, rng.randrange(modulus)
