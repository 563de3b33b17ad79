"""Migrations are read in order, filled in, and known by their checksum."""

from pathlib import Path

import pytest

from services.areas import bank_areas, keys_areas, province_areas
from services.runtime.migrate import Area, read


def test_files_are_taken_in_the_order_of_their_names_without_their_way_back(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("-- migrate:up\nSELECT 2;\n-- migrate:down\nDROP;\n", encoding="utf-8")
    (tmp_path / "0001_first.sql").write_text("-- migrate:up\nSELECT 1;\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a migration", encoding="utf-8")

    found = read(Area("things", tmp_path))

    assert [(each.area, each.version, each.sql.strip()) for each in found] == [
        ("things", "0001_first", "SELECT 1;"),
        ("things", "0002_second", "SELECT 2;"),
    ]


def test_one_folder_serves_several_schemas(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(
        "CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO {role};", encoding="utf-8"
    )

    (mine,) = read(Area("mine", tmp_path, (("schema", "origin_agency"), ("role", "p44"))))
    (other,) = read(Area("other", tmp_path, (("schema", "notification"), ("role", "p44"))))

    assert mine.sql == "CREATE SCHEMA origin_agency; GRANT USAGE ON SCHEMA origin_agency TO p44;"
    assert mine.checksum != other.checksum


def test_an_edited_file_has_another_checksum_unless_only_its_way_back_was_edited(tmp_path: Path) -> None:
    file = tmp_path / "0001_first.sql"
    checksums = []
    for text in (
        "SELECT 1;\n-- migrate:down\nDROP;",
        "SELECT 1;\n-- migrate:down\nNOTHING;",
        "SELECT 2;\n-- migrate:down\nDROP;",
    ):
        file.write_text(text, encoding="utf-8")
        checksums.append(read(Area("things", tmp_path))[0].checksum)

    assert checksums[0] == checksums[1] != checksums[2]


@pytest.mark.parametrize("area", [*province_areas("44"), *keys_areas("44"), *bank_areas()], ids=lambda area: area.name)
def test_every_area_of_ours_is_filled_in_completely(area: Area) -> None:
    found = read(area)

    assert found, area
    for migration in found:
        assert "_role}" not in migration.sql
        assert "{schema}" not in migration.sql
        assert "{role}" not in migration.sql
