"""Who applies where, and how each case is meant to end: a whole world from a seed, made again whenever it is asked for.

A case depends on its world and its place alone, so a million of them need no memory, and each is the same however often and
in whatever order it is asked for. What the bank and the origin do to it is for whoever runs the world; here it only has a name.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from typing import Literal

from services.rules.admission import age_on
from services.rules.amounts import RowKind, RowStatus, Segment, YearRow, compute, half_up
from services.rules.identity import check_character
from services.rules.loader import Tables
from services.rules.months import Month
from services.world import people
from services.world.people import Contribution, Person, Serials, Sex

Channel = Literal["single", "batch"]
Applicant = Literal["person", "employer"]


class Ending(StrEnum):
    """How a case is meant to end."""

    COMPLETED = "COMPLETED"
    REFUSED_ALREADY_DRAWING = "REFUSED_ALREADY_DRAWING"
    REFUSED_SAME_PROVINCE = "REFUSED_SAME_PROVINCE"
    REFUSED_NOT_INSURED_AT_DESTINATION = "REFUSED_NOT_INSURED_AT_DESTINATION"
    REFUSED_WRONG_SCHEME = "REFUSED_WRONG_SCHEME"
    REFUSED_IDENTITY_MISMATCH = "REFUSED_IDENTITY_MISMATCH"
    REFUSED_DUPLICATE_APPLICATION = "REFUSED_DUPLICATE_APPLICATION"
    TEMP_ACCOUNT = "TEMP_ACCOUNT"
    RETURNED_NO_RELATIONSHIP = "RETURNED_NO_RELATIONSHIP"
    RETURNED_STILL_CONTRIBUTING = "RETURNED_STILL_CONTRIBUTING"
    WITHDRAWN = "WITHDRAWN"
    BANK_RETURNED_THEN_COMPLETED = "BANK_RETURNED_THEN_COMPLETED"
    BANK_SHORT_THEN_COMPLETED = "BANK_SHORT_THEN_COMPLETED"
    BANK_DUPLICATED = "BANK_DUPLICATED"
    BANK_LOST = "BANK_LOST"
    BANK_DELAYED_THEN_COMPLETED = "BANK_DELAYED_THEN_COMPLETED"
    ORIGIN_SILENT = "ORIGIN_SILENT"


_ENDINGS = tuple(Ending)
_COMPLETED = _ENDINGS.index(Ending.COMPLETED)
_MEASURES_IN_FORCE = people.month_of(date(2010, 1, 1))
_OLDEST: Mapping[Sex, int] = {"male": 58, "female": 48}
_TEMPORARY_FROM: Mapping[Sex, int] = {"male": 50, "female": 40}
_DRAWING_FROM: Mapping[Sex, tuple[int, ...]] = {"male": (60,), "female": (50, 55)}
_EMPLOYEE_SCHEME = "110"
_OTHER_SCHEMES = ("120", "170")


@dataclass(frozen=True, slots=True)
class PlannedApplication:
    """An application as it is handed in at the destination, and how its case is meant to end."""

    id_number: str
    name: str
    origin_division: str
    destination_division: str
    phone: str
    email: str
    language: people.Language
    employer_name: str | None
    approved_transfer: bool
    applied_by: Applicant
    channel: Channel
    applied_on: date
    origin: str
    destination: str
    ending: Ending


@dataclass(frozen=True, slots=True)
class ProvinceRecord:
    """What one province's files say about one person."""

    province: str
    person: Person
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One application and what the provinces know of the person; a second application brings no records of its own."""

    application: PlannedApplication
    records: tuple[ProvinceRecord, ...]

    def record(self, province: str) -> ProvinceRecord | None:
        """Find what a province knows."""
        return next((record for record in self.records if record.province == province), None)


@dataclass(frozen=True, slots=True)
class ProvinceFiles:
    """What a province imports, made anew each time it is iterated."""

    world: "World"
    province: str

    @property
    def persons(self) -> Iterator[Person]:
        """Everybody the province knows, in the order of the cases."""
        return (record.person for record in self._records())

    @property
    def contributions(self) -> Iterator[Contribution]:
        """Every row the province holds, person by person."""
        return (row for record in self._records() for row in record.contributions)

    def _records(self) -> Iterator[ProvinceRecord]:
        return (record for case in self.world.cases() for record in case.records if record.province == self.province)


@dataclass(frozen=True)
class World:
    """A plan and the people in it. Two worlds of the same seed, size, provinces and day are the same."""

    seed: int
    size: int
    codes: tuple[str, ...]
    applied_on: date
    protagonist: bool
    _endings: bytes
    _first_of: Mapping[int, int]
    _serials: Serials

    @property
    def provinces(self) -> Mapping[str, ProvinceFiles]:
        """The files of each province by its code."""
        return {code: ProvinceFiles(self, code) for code in self.codes}

    @cached_property
    def applications(self) -> tuple[PlannedApplication, ...]:
        """All applications in order. A very large world is better walked through by `cases()`."""
        return tuple(case.application for case in self.cases())

    def cases(self) -> Iterator[Case]:
        """Make every case in order, keeping none."""
        return (self.case(index) for index in range(self.size))

    def ending(self, index: int) -> Ending:
        """Say how a case is meant to end."""
        return _ENDINGS[self._endings[index]]

    def case(self, index: int) -> Case:
        """Make one case."""
        if self.protagonist and index == 0:
            return PROTAGONIST
        ending = self.ending(index)
        if ending is Ending.REFUSED_DUPLICATE_APPLICATION:
            first = self.case(self._first_of[index])
            return Case(replace(first.application, ending=ending), ())
        return _case(self, index, ending)


def plan(
    seed: int,
    cases: int,
    provinces: Sequence[str] = ("44", "33", "41"),
    applied_on: date = date(2024, 5, 6),
    *,
    protagonist: bool = False,
) -> World:
    """Plan a world of so many applications. With `protagonist` the first of them is the story's.

    Raises:
        ValueError: when the size, the provinces or the day lie outside what the tables know.
    """
    tables = people.calibration()
    if not 1 <= cases <= people.PEOPLE_AT_MOST:
        raise ValueError(f"a world has between 1 and {people.PEOPLE_AT_MOST} cases, not {cases}")
    if len(set(provinces)) < 2 or len(set(provinces)) != len(provinces):
        raise ValueError(f"a world needs two provinces or more, each once, not {provinces}")
    if unknown := set(provinces) - set(tables.provinces):
        raise ValueError(f"the tables do not know the provinces {sorted(unknown)}")
    if applied_on < date(2010, 2, 1):
        raise ValueError(f"nobody could have paid under the measures of 2010 and apply on {applied_on}")
    people.local_average_yuan(provinces[0], people.first_day(people.month_of(applied_on) - 1).year)
    if protagonist and (not {"44", "33"} <= set(provinces) or applied_on != PROTAGONIST.application.applied_on):
        raise ValueError("the story's person moves from 44 to 33 and applies on 2024-05-06")
    endings = _endings(people.seeded(seed, "endings"), cases)
    if protagonist:
        place = endings.index(_COMPLETED)
        endings[0], endings[place] = endings[place], endings[0]
    first_of = _pair_up_duplicates(endings, reserved=int(protagonist))
    return World(seed, cases, tuple(provinces), applied_on, protagonist, bytes(endings), first_of, Serials.of(seed))


def segment_of(record: ProvinceRecord) -> Segment:
    """Give a province's record of a person as the rules read it."""
    old_balance_fen = record.person.personal_balance_1997_fen
    rows = tuple(
        YearRow(
            division=row.division,
            start=Month.parse(row.start),
            end=Month.parse(row.end),
            monthly_wage_fen=row.monthly_wage_fen,
            employer_rate=Decimal(row.employer_rate),
            status=RowStatus(row.status),
            kind=RowKind(row.kind),
            paid_on=row.paid_on,
            note=row.note,
        )
        for row in record.contributions
    )
    return Segment(1997 if old_balance_fen else None, old_balance_fen, 0, rows)


def mean_transfer_fen(
    tables: Tables,
    *,
    seed: int = 1,
    cases: int = 2000,
    provinces: Sequence[str] | None = None,
    applied_on: date = date(2014, 5, 6),
) -> int:
    """Measure the mean of item ⑥ over the cases of a world that complete without trouble; all provinces unless given.

    The mean of 2014 is held against the 19,064 yuan published for that year (34.62 bn yuan, 1.816 m transfers).
    """
    world = plan(seed, cases, provinces or tuple(people.calibration().provinces), applied_on)
    totals_fen = [
        compute([segment_of(record)], transfer_on=applied_on, province=record.province, tables=tables).total_fen
        for case in world.cases()
        if case.application.ending is Ending.COMPLETED
        for record in case.records
        if record.province == case.application.origin
    ]
    return half_up(Decimal(sum(totals_fen)) / len(totals_fen))


def _endings(rng: random.Random, cases: int) -> bytearray:
    shares = {_ENDINGS.index(Ending(name)): share for name, share in people.calibration().endings.items()}
    if cases >= 100:
        counts = {ending: max(1, cases * share // 1000) for ending, share in shares.items()}
    else:
        drawn = rng.sample(list(shares), min(len(shares), cases * sum(shares.values()) // 1000))
        counts = dict.fromkeys(drawn, 1)
    endings = bytearray()
    for ending, count in counts.items():
        endings += bytes([ending]) * count
    endings += bytes([_COMPLETED]) * (cases - len(endings))
    rng.shuffle(endings)
    return endings


def _pair_up_duplicates(endings: bytearray, *, reserved: int) -> Mapping[int, int]:
    """Give each second application the nearest earlier case to repeat; swap a later one forward where there is none.

    The first `reserved` cases are nobody's to repeat.
    """
    duplicate = _ENDINGS.index(Ending.REFUSED_DUPLICATE_APPLICATION)
    first_of: dict[int, int] = {}
    free: list[int] = []
    for index in range(reserved, len(endings)):
        if endings[index] == duplicate and not free:
            place = endings.index(_COMPLETED, index)
            endings[index], endings[place] = endings[place], endings[index]
        if endings[index] == duplicate:
            first_of[index] = free.pop()
        elif endings[index] == _COMPLETED:
            free.append(index)
    return first_of


def _case(world: World, index: int, ending: Ending) -> Case:
    rng = people.seeded(world.seed, index)
    origin, destination = _route(rng, world.codes, ending)
    if ending is Ending.REFUSED_ALREADY_DRAWING:
        life = _retired(rng, world, index, destination)
    else:
        life = _working(rng, world, index, ending, origin, destination)
    return _told(rng, world, index, ending, origin, destination, life)


@dataclass(frozen=True, slots=True)
class _Life:
    """The dates of a person: months at the origin and at the destination, first and last; what came before 1998."""

    sex: Sex
    hukou: str
    born: date
    at_origin: tuple[int, int]
    at_destination: tuple[int, int] | None
    early_leaver: bool = False
    drawing_since: date | None = None
    approved_transfer: bool = False
    insured_before_1998_on: date | None = None


def _route(rng: random.Random, codes: Sequence[str], ending: Ending) -> tuple[str, str]:
    provinces = people.calibration().provinces
    origin = _weighed(rng, codes, [provinces[code].outflow for code in codes])
    if ending is Ending.REFUSED_SAME_PROVINCE:
        return origin, origin
    others = [code for code in codes if code != origin]
    return origin, _weighed(rng, others, [provinces[code].inflow for code in others])


def _working(rng: random.Random, world: World, index: int, ending: Ending, origin: str, destination: str) -> _Life:
    buckets, permille = people.calibration().buckets, people.calibration().permille
    sex: Sex = "female" if rng.randrange(1000) < permille["female"] else "male"
    hukou = _hukou(rng, origin, destination)
    paid_until = people.month_of(world.applied_on) - 1
    here = 0 if ending is Ending.REFUSED_NOT_INSURED_AT_DESTINATION else buckets["destination_months"].draw(rng)
    between, there = buckets["months_between"].draw(rng), buckets["origin_months"].draw(rng)

    if ending is Ending.TEMP_ACCOUNT:
        # Whoever was insured there before the measures came into force keeps a normal account.
        here = min(here, 36, paid_until - _MEASURES_IN_FORCE + 1)
        age = _TEMPORARY_FROM[sex] + 1 + rng.randrange(5) + -(-here // 12)
        hukou = origin if hukou == destination else hukou
    else:
        age = max(buckets["age"].draw(rng), 20 + (here + between + there) // 12)
    born = _born(world, index, min(age, _OLDEST[sex]))
    grown_up = max(people.FIRST_MONTH, people.month_of(born) + 18 * 12 + 1)
    # Too short a life, or none of it after 1998, costs first the idle months, then the long stay, never the last month.
    between = min(between, max(0, paid_until - grown_up - here))
    last_there = paid_until - here - between
    assert last_there >= grown_up, (index, born)
    first_there = max(grown_up, last_there - there + 1)
    first_here = paid_until - here + 1

    approved_transfer, early_leaver, insured_before_1998_on = False, False, None
    if ending is Ending.COMPLETED:
        approved_transfer = rng.randrange(1000) < permille["approved_transfer"]
        early_leaver = born.year <= 1975 and rng.randrange(1000) < permille["early_leaver"]
        if early_leaver:
            first_there = people.FIRST_MONTH
            last_there = min(last_there, first_there + rng.randint(5, 71))
            insured_before_1998_on = date(rng.randint(max(1992, born.year + 19), 1997), rng.randint(1, 12), 1)
    if ending is Ending.RETURNED_STILL_CONTRIBUTING:
        last_there = paid_until
    if here and ending is not Ending.TEMP_ACCOUNT and not approved_transfer:
        # Who comes at 50 (women 40) to a province that is not home would get a temporary account (Art. 5): they come home.
        too_old = age_on(born, people.first_day(first_here)) >= _TEMPORARY_FROM[sex]
        hukou = destination if too_old else hukou
    return _Life(
        sex=sex,
        hukou=hukou,
        born=born,
        at_origin=(first_there, last_there),
        at_destination=(first_here, paid_until) if here else None,
        early_leaver=early_leaver,
        approved_transfer=approved_transfer,
        insured_before_1998_on=insured_before_1998_on,
    )


def _retired(rng: random.Random, world: World, index: int, destination: str) -> _Life:
    """Somebody at home in the destination, who drew a pension there before the ages began to move in 2025."""
    sex: Sex = "female" if rng.randrange(1000) < people.calibration().permille["female"] else "male"
    month, day = world._serials.birthday(index)
    year = min(world.applied_on.year - 1 - rng.randrange(4), 2024)
    born = date(year - rng.choice(_DRAWING_FROM[sex]), month, day)
    last_here = year * 12 + month - 1
    first_here = max(people.FIRST_MONTH + 12, last_here - 179 - rng.randrange(60))
    last_there = first_here - 1
    return _Life(
        sex=sex,
        hukou=destination,
        born=born,
        at_origin=(max(people.FIRST_MONTH, last_there - rng.randrange(24)), last_there),
        at_destination=(first_here, last_here),
        drawing_since=people.first_day(last_here + 1),
    )


def _born(world: World, index: int, age: int) -> date:
    month, day = world._serials.birthday(index)
    today = world.applied_on
    return date(today.year - age - ((today.month, today.day) < (month, day)), month, day)


def _hukou(rng: random.Random, origin: str, destination: str) -> str:
    permille = people.calibration().permille
    drawn = rng.randrange(1000)
    if drawn < permille["hukou_at_destination"]:
        return destination
    if drawn < permille["hukou_at_destination"] + permille["hukou_at_origin"]:
        return origin
    return people.calibration().hukou.draw(rng)


def _told(rng: random.Random, world: World, index: int, ending: Ending, origin: str, destination: str, life: _Life) -> Case:
    tables = people.calibration()
    id_number = world._serials.id_number(index, hukou=life.hukou, born=life.born, sex=life.sex)
    person = Person(
        id_number=id_number,
        name=people.full_name(rng, life.sex),
        sex=life.sex,
        hukou=life.hukou,
        phone=world._serials.phone(index, rng.choice(tables.mobile_prefixes)),
        email=world._serials.email(index),
        language="en" if rng.randrange(1000) < tables.permille["english"] else "zh-CN",
        category="urban_employee" if life.approved_transfer else _category(rng),
        scheme=rng.choice(_OTHER_SCHEMES) if ending is Ending.REFUSED_WRONG_SCHEME else _EMPLOYEE_SCHEME,
        first_insured_on=life.insured_before_1998_on or people.first_day(life.at_origin[0]),
        stopped_on=None if ending is Ending.RETURNED_STILL_CONTRIBUTING else people.last_day(life.at_origin[1]),
        drawing_since=None,
        personal_balance_1997_fen=rng.randint(20_000, 300_000) if life.early_leaver else 0,
    )
    wage_permille = tables.buckets["wage_permille"].draw(rng)
    employer_rate = people.FLEXIBLE_RATE if person.category == "flexible" else None
    calm = life.at_origin[1] - life.at_origin[0] >= 120
    spells = _origin_spells(rng, origin, life.at_origin, ending)
    rows_there = people.contributions(
        rng,
        id_number=id_number,
        province=origin,
        spells=spells,
        wage_permille=wage_permille,
        employer_rate=employer_rate,
        new_wage_mid_year=0 if calm else tables.permille["new_wage_mid_year"],
    )
    if ending is Ending.COMPLETED and len(rows_there) > 1 and rng.randrange(1000) < tables.permille["arrears"]:
        rows_there = _last_unpaid(rng, rows_there)
    city = rng.randrange(len(tables.provinces[destination].divisions))
    if ending is Ending.REFUSED_SAME_PROVINCE:
        city = (tables.provinces[origin].divisions.index(spells[-1][0]) + 1) % len(tables.provinces[origin].divisions)
    division = tables.provinces[destination].divisions[city]
    rows_here: tuple[Contribution, ...] = ()
    if life.at_destination is not None:
        rows_here = people.contributions(
            rng,
            id_number=id_number,
            province=destination,
            spells=[(division, *life.at_destination)],
            wage_permille=tables.buckets["wage_permille"].draw(rng),
            kind="temporary" if ending is Ending.TEMP_ACCOUNT else "normal",
            employer_rate=employer_rate,
        )

    employer = None if person.category == "flexible" else _employer(rng, tables.provinces[destination].cities[city])
    by_employer = employer is not None and rng.randrange(1000) < tables.permille["applied_by_employer"]
    in_list = by_employer and rng.randrange(1000) < tables.permille["employer_sends_list"]
    application = PlannedApplication(
        id_number=id_number,
        name=_misspelt(rng, person) if ending is Ending.REFUSED_IDENTITY_MISMATCH else person.name,
        origin_division=spells[-1][0],
        destination_division=division,
        phone=person.phone,
        email=person.email,
        language=person.language,
        employer_name=employer,
        approved_transfer=life.approved_transfer,
        applied_by="employer" if by_employer else "person",
        channel="batch" if in_list else "single",
        applied_on=world.applied_on,
        origin=origin,
        destination=destination,
        ending=ending,
    )
    return Case(application, _records(ending, origin, destination, person, rows_there, rows_here, life))


def _records(
    ending: Ending,
    origin: str,
    destination: str,
    person: Person,
    rows_there: tuple[Contribution, ...],
    rows_here: tuple[Contribution, ...],
    life: _Life,
) -> tuple[ProvinceRecord, ...]:
    if ending is Ending.REFUSED_SAME_PROVINCE:
        return (ProvinceRecord(origin, replace(person, stopped_on=None), rows_there + rows_here),)
    records = []
    if ending is not Ending.RETURNED_NO_RELATIONSHIP:
        records.append(ProvinceRecord(origin, person, rows_there))
    if life.at_destination is not None:
        first, last = life.at_destination
        stopped_on = people.last_day(last) if life.drawing_since else None
        person_here = replace(
            person,
            first_insured_on=people.first_day(first),
            stopped_on=stopped_on,
            drawing_since=life.drawing_since,
            personal_balance_1997_fen=0,
        )
        records.append(ProvinceRecord(destination, person_here, rows_here))
    return tuple(records)


def _origin_spells(rng: random.Random, origin: str, months: tuple[int, int], ending: Ending) -> list[tuple[str, int, int]]:
    tables = people.calibration()
    first, last = months
    division = rng.choice(tables.provinces[origin].divisions)
    if last - first < 12:
        return [(division, first, last)]
    earlier = division
    if rng.randrange(1000) < tables.permille["second_city"]:
        earlier = rng.choice(tables.provinces[origin].divisions)
    if rng.randrange(1000) < tables.permille["pause"]:
        pause_from = rng.randint(first + 1, last - 9)
        return [(earlier, first, pause_from - 1), (division, pause_from + rng.randint(1, 8), last)]
    if earlier != division:
        new_year = -(-(first + 1) // 12) * 12
        return [(earlier, first, new_year - 1), (division, new_year, last)]
    return [(division, first, last)]


def _last_unpaid(rng: random.Random, rows: tuple[Contribution, ...]) -> tuple[Contribution, ...]:
    """Leave the last month or two unpaid; the row is split when it is longer."""
    row = rows[-1]
    year, first, last = row.start[:5], int(row.start[5:]), int(row.end[5:])
    unpaid_from = max(first, last - rng.randrange(2))
    unpaid = replace(row, start=f"{year}{unpaid_from:02d}", status="arrears")
    if unpaid_from == first:
        return (*rows[:-1], unpaid)
    return (*rows[:-1], replace(row, end=f"{year}{unpaid_from - 1:02d}"), unpaid)


def _category(rng: random.Random) -> people.Category:
    drawn = people.calibration().categories.draw(rng)
    match drawn:
        case "urban_employee" | "rural_worker" | "landless_farmer" | "flexible" | "soldier":
            return drawn
        case _:
            raise AssertionError(drawn)


def _employer(rng: random.Random, city: str) -> str:
    return f"{city}{rng.choice(people.calibration().employers)}有限公司"


def _misspelt(rng: random.Random, person: Person) -> str:
    characters = people.calibration().given[person.sex]
    while (name := person.name[:-1] + rng.choice(characters)) == person.name:
        pass
    return name


def _weighed(rng: random.Random, words: Sequence[str], weights: Sequence[int]) -> str:
    drawn = rng.randrange(sum(weights))
    return next(word for word, reached in zip(words, accumulate(weights), strict=True) if drawn < reached)


def _protagonist() -> Case:
    person = Person(
        id_number="41010519900315999" + check_character("41010519900315999"),
        name="陈志远",
        sex="male",
        hukou="41",
        phone="13800000041",
        email="chen.zhiyuan@example.invalid",
        language="zh-CN",
        category="rural_worker",
        scheme=_EMPLOYEE_SCHEME,
        first_insured_on=date(2022, 1, 1),
        stopped_on=date(2024, 3, 31),
        drawing_since=None,
        personal_balance_1997_fen=0,
    )
    rows = [
        Contribution(person.id_number, division, start, end, wage_fen, "0.16", "paid", "normal", None, "")
        for division, start, end, wage_fen in (
            ("440100", "2022-01", "2022-12", 500_000),
            ("440100", "2023-01", "2023-12", 600_000),
            ("440100", "2024-01", "2024-03", 600_000),
            ("330100", "2024-04", "2024-04", 620_000),
        )
    ]
    there = ProvinceRecord("44", person, tuple(rows[:3]))
    here = ProvinceRecord("33", replace(person, first_insured_on=date(2024, 4, 1), stopped_on=None), tuple(rows[3:]))
    application = PlannedApplication(
        id_number=person.id_number,
        name=person.name,
        origin_division="440100",
        destination_division="330100",
        phone=person.phone,
        email=person.email,
        language=person.language,
        employer_name="杭州市晴川科技有限公司",
        approved_transfer=False,
        applied_by="person",
        channel="single",
        applied_on=date(2024, 5, 6),
        origin="44",
        destination="33",
        ending=Ending.COMPLETED,
    )
    return Case(application, (there, here))


# Example 3 of the domain brief, and the first of its scenarios: 12,479.86 + 18,000.00 = 30,479.86 yuan, 27 months.
PROTAGONIST = _protagonist()
