"""People for the bench: any number, all different, and each always the same."""

import csv
import io

from services.records.csv_import import parse_files
from services.rules.loader import load_tables
from tests.bench import people


def test_a_hundred_thousand_people_have_numbers_of_their_own() -> None:
    numbers = {people.application(index)["id_number"] for index in range(0, 100_000, 7)}

    assert len(numbers) == len(range(0, 100_000, 7))


def test_files_are_made_piece_by_piece_and_a_person_is_the_same_in_each() -> None:
    whole, piece = people.files(0, 20), people.files(10, 20)

    rows = list(csv.reader(io.StringIO(whole["44"].persons)))
    assert rows[11:] == list(csv.reader(io.StringIO(piece["44"].persons)))[1:]
    assert people.application(15)["id_number"] == rows[16][0]


def test_the_import_takes_every_row() -> None:
    tables = load_tables()
    for files in people.files(0, 50).values():
        parsed = parse_files(files.persons.encode(), files.contributions.encode(), tables=tables)

        assert parsed.errors == ()
        assert len(parsed.persons) == 50
