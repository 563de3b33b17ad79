"""The people of a story as a province's files: id numbers made anew for each run, and rows as the import takes them."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.cli.scenario.kinds import NO_HUKOU, tables
from services.cli.scenario.reading import Place, Problem, Values
from services.records.csv_import import (
    CONTRIBUTION_COLUMNS,
    CONTRIBUTIONS_FILE,
    OPTIONAL_PERSON_COLUMNS,
    PERSON_COLUMNS,
    RowError,
    parse_files,
)
from services.rules.identity import check_character

_ROW_DEFAULTS = {"status": "paid", "kind": "normal"}


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person of a story while it is told: what is written on papers."""

    key: str
    id_number: str
    name: str
    sex: str
    hukou: str
    phone: str
    email: str
    language: str
    category: str
    born: str = ""
    """The birthday, where the number does not say it."""

    @property
    def beside_the_number(self) -> dict[str, str]:
        """What an application states of a foreigner."""
        return {"birth_on": self.born, "sex": self.sex} if self.born else {}


def somebody(key: str, values: Values, *, run: str, chance: random.Random) -> Somebody:
    """Make a person up for one run: nobody else has the id number, and mails go nowhere (RFC 2606)."""
    nationality, hukou = values.get("nationality"), values["hukou"]
    if nationality:
        number = f"{nationality}0{chance.randrange(10**9, 10**10):014d}"
    else:
        number = id_number(values.get("id_prefix") or hukou, values["born"], values["sex"], chance)
    return Somebody(
        key=key,
        id_number=number,
        name=values["name"],
        sex=values["sex"],
        hukou="" if hukou == NO_HUKOU else hukou,
        phone=values.get("phone") or f"1390000{chance.randrange(10_000):04d}",
        email=f"{key}-{run}@example.invalid",
        language=values.get("language") or "zh-CN",
        category=values.get("category") or "urban_employee",
        born=str(values["born"]) if nationality else "",
    )


def id_number(prefix: str, born: date, sex: str, chance: random.Random) -> str:
    """A valid number (GB 11643) of somebody born then; there are five million of a day, a sex and a province."""
    order = chance.randrange(500) * 2 + (1 if sex == "male" else 0)
    seventeen = f"{prefix}{chance.randrange(10_000):04d}{born:%Y%m%d}{order:03d}"
    return seventeen + check_character(seventeen)


def files(people: Iterable[tuple[Somebody, Values]]) -> tuple[str, str]:
    """The persons and the contributions file of a province, from each person and the record there."""
    persons, contributions = io.StringIO(), io.StringIO()
    writers = [
        csv.DictWriter(file, columns)
        for file, columns in (
            (persons, (*PERSON_COLUMNS, *OPTIONAL_PERSON_COLUMNS)),
            (contributions, CONTRIBUTION_COLUMNS),
        )
    ]
    for writer in writers:
        writer.writeheader()
    for person, record in people:
        writers[0].writerow(_person(person, record))
        for row in record.get("rows") or ():
            writers[1].writerow(_row(person, row))
    return persons.getvalue(), contributions.getvalue()


def _person(person: Somebody, record: Values) -> dict[str, str]:
    return {
        "id_number": person.id_number,
        "name": record.get("name") or person.name,
        "sex": person.sex,
        "hukou": person.hukou,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        "category": person.category,
        "scheme": record.get("scheme") or "110",
        "first_insured_on": _text(record.get("first_insured_on")),
        "stopped_on": _text(record.get("stopped_on")),
        "drawing_since": _text(record.get("drawing_since")),
        "personal_balance_1997": _yuan(record.get("personal_balance_1997") or 0),
        "birth_on": person.born,
    }


def _row(person: Somebody, row: Values) -> dict[str, str]:
    return {
        "id_number": person.id_number,
        **{name: _text(row.get(name, _ROW_DEFAULTS.get(name))) for name in CONTRIBUTION_COLUMNS[1:]},
        "monthly_wage": _yuan(row["monthly_wage"]),
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def check_records(file: str, people: Mapping[str, Values]) -> Iterator[Problem]:
    """Everything that the import would refuse of the people's records, by line and field of the story.

    People whose own fields cannot be read are passed over: that is said already.
    """
    chance = random.Random(1)  # noqa: S311 - the numbers are never used
    for key, values in people.items():
        if any(values.get(name) is None for name in ("name", "sex", "born", "hukou")):
            continue
        person = somebody(key, values, run="check", chance=chance)
        for province, record in (values.get("records") or {}).items():
            rows = (record.get("rows") or ()) if record is not None else ()
            if record is None or any(not _whole(row) for row in rows):
                continue
            persons, contributions = files([(person, record)])
            found = parse_files(persons.encode(), contributions.encode(), tables=tables())
            for error in found.errors:
                yield _problem(file, error, f"people.{key}.records.{province}", values, record)


def _whole(row: Values | None) -> bool:
    needed = ("division", "start", "end", "monthly_wage", "employer_rate")
    return row is not None and all(row.get(name) is not None for name in needed)


def _problem(file: str, error: RowError, way: str, person: Values, record: Values) -> Problem:
    """An error of the import, where its cell stands in the story."""
    says = f"{error.reason}; {error.remedy}"
    if error.file == CONTRIBUTIONS_FILE and error.line >= 2:
        row: Values = record["rows"][error.line - 2]
        return Problem(
            file, row.places.get(error.column, row.place), f"{way}.rows.{error.line - 1}.{error.column}".rstrip("."), says
        )
    if error.column in record.places:
        return Problem(file, record.places[error.column], f"{way}.{error.column}", says)
    place = person.places.get(error.column, record.place)
    return Problem(file, place if isinstance(place, Place) else record.place, f"{way}.{error.column}".rstrip("."), says)
