"""The people of a story as files: valid numbers, rows as the import takes them."""

import random
from datetime import date

from services.cli.scenario.kinds import tables
from services.cli.scenario.people import files, id_number, somebody
from services.records.csv_import import parse_files
from services.rules.amounts import RowKind, RowStatus
from services.rules.identity import Document, Sex, parse_foreigner_number, parse_id_number
from tests.unit.cli.scenario.stories import STORY, a_story


def test_a_number_is_valid_and_says_the_birthday_and_the_sex() -> None:
    for sex in ("male", "female"):
        number = parse_id_number(id_number("41", date(1990, 3, 15), sex, random.Random(1)))

        assert (number.birth_on, number.sex) == (date(1990, 3, 15), Sex(sex))
        assert number.number.startswith("41")


def test_a_prefix_makes_a_residence_permit() -> None:
    number = parse_id_number(id_number("81", date(1990, 3, 15), "female", random.Random(1)))

    assert number.document is Document.RESIDENCE_PERMIT


def test_a_foreigner_has_a_number_of_the_nationality_and_a_birthday_beside_it() -> None:
    values = a_story(STORY.replace("    hukou: 41\n", "    hukou: none\n    nationality: DEU\n", 1)).people["chen"]
    person = somebody("chen", values, run="r1", chance=random.Random(1))

    persons, _ = files([(person, values["records"]["44"])])

    found = parse_files(persons.encode(), None, tables=tables())
    assert found.errors == ()
    [taken] = found.persons
    assert (taken.id_number, taken.hukou, taken.birth_on) == (person.id_number, "", date(1990, 3, 15))
    assert parse_foreigner_number(person.id_number).nationality == "DEU"
    assert person.beside_the_number == {"birth_on": "1990-03-15", "sex": "male"}


def test_two_runs_have_other_people() -> None:
    values = a_story().people["chen"]

    numbers = {somebody("chen", values, run=run, chance=random.Random(run)).id_number for run in map(str, range(200))}

    assert len(numbers) == 200


def test_the_files_are_taken_by_the_import_and_say_what_the_story_says() -> None:
    text = STORY.replace(
        "employer_rate: 0.16 }\n      33", "employer_rate: 0.16, kind: one_off, paid_on: 2024-01-02 }\n      33", 1
    )
    values = a_story(text).people["chen"]
    person = somebody("chen", values, run="r1", chance=random.Random(1))

    persons, contributions = files([(person, values["records"]["44"])])

    found = parse_files(persons.encode(), contributions.encode(), tables=tables())
    assert found.errors == ()
    [taken] = found.persons
    assert (taken.name, taken.hukou, taken.scheme, taken.stopped_on) == ("陈建国", "41", "110", date(2023, 12, 31))
    assert taken.email == "chen-r1@example.invalid"
    [row] = found.contributions_by_id_number[person.id_number]
    assert (row.monthly_wage_fen, row.months, row.status, row.kind) == (500_000, 12, RowStatus.PAID, RowKind.ONE_OFF)
    assert row.paid_on == date(2024, 1, 2)


def test_a_record_may_stand_under_another_name() -> None:
    text = STORY.replace(
        "        first_insured_on: 2023-01-01\n", "        first_insured_on: 2023-01-01\n        name: 陈建图\n", 1
    )
    values = a_story(text).people["chen"]
    person = somebody("chen", values, run="r1", chance=random.Random(1))

    persons, _ = files([(person, values["records"]["44"])])

    assert "陈建图" in persons
