"""People for the bench: as many as are wanted, each with the same plain record, made from their place alone.

The demo's world draws a life for everybody. Here every case has to cost the same, so that only the number of cases differs.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from services.world.files import CONTRIBUTION_COLUMNS, PERSON_COLUMNS, contribution_row, person_row
from services.world.people import Contribution, Person, Serials, Sex

ORIGIN, DESTINATION = "44", "33"
APPLIED_ON = date(2024, 5, 6)

_SEED = 20240506
_ORIGIN_CITY, _DESTINATION_CITY = "440100", "330100"
_RATE = "0.16"


@dataclass(frozen=True, slots=True)
class Files:
    """What one province imports, as text."""

    persons: str
    contributions: str


def application(index: int) -> dict[str, Any]:
    """The application of one person, as it is handed in at the destination."""
    person = _person(index)
    return {
        "id_number": person.id_number,
        "name": person.name,
        "origin_division": _ORIGIN_CITY,
        "destination_division": _DESTINATION_CITY,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        "employer_name": None,
        "approved_transfer": False,
    }


def files(first: int, last: int) -> dict[str, Files]:
    """The files of both provinces for the people from `first` up to and without `last`."""
    return {
        ORIGIN: Files(
            _csv(PERSON_COLUMNS, (person_row(_person(index)) for index in range(first, last))),
            _csv(CONTRIBUTION_COLUMNS, (contribution_row(row) for index in range(first, last) for row in _left(index))),
        ),
        DESTINATION: Files(
            _csv(PERSON_COLUMNS, (person_row(_arrived(index)) for index in range(first, last))),
            _csv(CONTRIBUTION_COLUMNS, (contribution_row(_there(index)) for index in range(first, last))),
        ),
    }


@cache
def _serials() -> Serials:
    return Serials.of(_SEED)


def _person(index: int) -> Person:
    """Somebody under forty, whose account moves as a normal one."""
    serials = _serials()
    month, day = serials.birthday(index)
    born, sex = date(1985 + index % 10, month, day), _sex(index)
    return Person(
        id_number=serials.id_number(index, hukou=ORIGIN, born=born, sex=sex),
        name=f"{'赵钱孙李周吴郑王'[index % 8]}{'安平康宁'[index // 8 % 4]}",
        sex=sex,
        hukou=ORIGIN,
        phone=serials.phone(index, "138"),
        email=serials.email(index),
        language="zh-CN" if index % 10 else "en",
        category="urban_employee",
        scheme="110",
        first_insured_on=date(2022, 1, 1),
        stopped_on=date(2024, 3, 31),
        drawing_since=None,
        personal_balance_1997_fen=0,
    )


def _arrived(index: int) -> Person:
    person = _person(index)
    return Person(
        id_number=person.id_number,
        name=person.name,
        sex=person.sex,
        hukou=person.hukou,
        phone=person.phone,
        email=person.email,
        language=person.language,
        category=person.category,
        scheme=person.scheme,
        first_insured_on=date(2024, 4, 1),
        stopped_on=None,
        drawing_since=None,
        personal_balance_1997_fen=0,
    )


def _left(index: int) -> tuple[Contribution, ...]:
    wage_fen = 500_000 + index % 400 * 1_000
    return (
        _row(index, _ORIGIN_CITY, "2022-01", "2022-12", wage_fen),
        _row(index, _ORIGIN_CITY, "2023-01", "2023-12", wage_fen + 50_000),
        _row(index, _ORIGIN_CITY, "2024-01", "2024-03", wage_fen + 80_000),
    )


def _there(index: int) -> Contribution:
    return _row(index, _DESTINATION_CITY, "2024-04", "2024-04", 620_000)


def _row(index: int, division: str, start: str, end: str, wage_fen: int) -> Contribution:
    return Contribution(_person(index).id_number, division, start, end, wage_fen, _RATE, "paid", "normal", None, "")


def _sex(index: int) -> Sex:
    return "male" if index % 2 else "female"


def _csv(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
