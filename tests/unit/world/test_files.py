import csv
from pathlib import Path

from services.records.csv_import import parse_files
from services.rules.loader import load_tables
from services.world import files
from services.world.plan import World, plan


def written(world: World, directory: Path) -> dict[str, bytes]:
    files.write_provinces(world, directory)
    files.write_applications(world, directory / "applications.csv")
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*.csv"))}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first = written(plan(3, 200, protagonist=True), tmp_path / "first")
    second = written(plan(3, 200, protagonist=True), tmp_path / "second")

    assert first == second
    assert set(first) == {"applications.csv"} | {
        f"{code}/{name}.csv" for code in ("33", "41", "44") for name in ("persons", "contributions")
    }


def test_every_province_can_import_its_files_whole(tmp_path: Path) -> None:
    world = plan(3, 1000, protagonist=True)
    tables = load_tables()

    for code, paths in files.write_provinces(world, tmp_path).items():
        parsed = parse_files(paths.persons.read_bytes(), paths.contributions.read_bytes(), tables=tables)

        planned = list(world.provinces[code].persons)
        assert parsed.errors == ()
        assert [person.id_number for person in parsed.persons] == [person.id_number for person in planned]
        assert sum(len(rows) for rows in parsed.contributions_by_id_number.values()) == len(
            list(world.provinces[code].contributions)
        )


def test_the_columns_are_those_of_the_published_format(tmp_path: Path) -> None:
    paths = files.write_provinces(plan(3, 10), tmp_path)

    persons = paths["44"].persons.read_text(encoding="utf-8").splitlines()
    contributions = paths["44"].contributions.read_text(encoding="utf-8").splitlines()

    assert persons[0] == (
        "id_number,name,sex,hukou,phone,email,language,category,scheme,"
        "first_insured_on,stopped_on,drawing_since,personal_balance_1997"
    )
    assert contributions[0] == "id_number,division,start,end,monthly_wage,employer_rate,status,kind,paid_on,note"


def test_money_has_two_decimals_and_absent_dates_are_empty(tmp_path: Path) -> None:
    paths = files.write_provinces(plan(3, 10, protagonist=True), tmp_path)

    with paths["33"].persons.open(encoding="utf-8") as file:
        person = next(csv.DictReader(file))
    with paths["33"].contributions.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))

    assert (person["personal_balance_1997"], person["stopped_on"]) == ("0.00", "")
    assert (row["start"], row["monthly_wage"], row["employer_rate"]) == ("2024-04", "6200.00", "0.16")


def test_every_application_is_listed_with_its_ending(tmp_path: Path) -> None:
    world = plan(3, 150)
    files.write_applications(world, tmp_path / "applications.csv")

    with (tmp_path / "applications.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert [(row["id_number"], row["ending"]) for row in rows] == [
        (application.id_number, application.ending) for application in world.applications
    ]
    assert rows[0]["applied_on"] == "2024-05-06"
    assert rows[0]["approved_transfer"] in {"true", "false"}
