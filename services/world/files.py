"""A world written down as the CSV files that provinces import, and the applications beside them."""

import csv
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from datetime import date
from pathlib import Path
from typing import IO, Any

from services.world.people import Contribution, Person
from services.world.plan import PlannedApplication, World

PERSON_COLUMNS = (
    "id_number",
    "name",
    "sex",
    "hukou",
    "phone",
    "email",
    "language",
    "category",
    "scheme",
    "first_insured_on",
    "stopped_on",
    "drawing_since",
    "personal_balance_1997",
)
CONTRIBUTION_COLUMNS = (
    "id_number",
    "division",
    "start",
    "end",
    "monthly_wage",
    "employer_rate",
    "status",
    "kind",
    "paid_on",
    "note",
)
APPLICATION_COLUMNS = tuple(field.name for field in fields(PlannedApplication))


@dataclass(frozen=True, slots=True)
class ProvincePaths:
    """Where the files of one province are."""

    persons: Path
    contributions: Path


def write_provinces(world: World, directory: Path) -> Mapping[str, ProvincePaths]:
    """Write `<directory>/<province>/persons.csv` and `contributions.csv` of every province, in one pass over the cases."""
    paths = {
        code: ProvincePaths(directory / code / "persons.csv", directory / code / "contributions.csv") for code in world.codes
    }
    with ExitStack() as stack:
        persons, contributions = {}, {}
        for code, path in paths.items():
            path.persons.parent.mkdir(parents=True, exist_ok=True)
            persons[code] = _writer(stack.enter_context(_open(path.persons)), PERSON_COLUMNS)
            contributions[code] = _writer(stack.enter_context(_open(path.contributions)), CONTRIBUTION_COLUMNS)
        for case in world.cases():
            for record in case.records:
                persons[record.province].writerow(person_row(record.person))
                contributions[record.province].writerows(contribution_row(row) for row in record.contributions)
    return paths


def write_applications(world: World, path: Path) -> None:
    """Write every application with its planned ending, in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(path) as file:
        writer = _writer(file, APPLICATION_COLUMNS)
        writer.writerows([_text(value) for value in astuple(case.application)] for case in world.cases())


def person_row(person: Person) -> tuple[str, ...]:
    """Give the cells of a person in the order of the columns."""
    return (
        person.id_number,
        person.name,
        person.sex,
        person.hukou,
        person.phone,
        person.email,
        person.language,
        person.category,
        person.scheme,
        _text(person.first_insured_on),
        _text(person.stopped_on),
        _text(person.drawing_since),
        _yuan(person.personal_balance_1997_fen),
    )


def contribution_row(row: Contribution) -> tuple[str, ...]:
    """Give the cells of a contribution row in the order of the columns."""
    return (
        row.id_number,
        row.division,
        row.start,
        row.end,
        _yuan(row.monthly_wage_fen),
        row.employer_rate,
        row.status,
        row.kind,
        _text(row.paid_on),
        row.note,
    )


def _open(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


def _writer(file: IO[str], columns: Iterable[str]) -> Any:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    return writer


def _yuan(amount_fen: int) -> str:
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def _text(value: str | bool | date | None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case date():
            return value.isoformat()
        case _:
            return value
