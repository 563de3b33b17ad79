"""An export on disk: whole or not there, and the same whatever the order in which its records came."""

from pathlib import Path

import pytest

from services.audit.archive import Archive, ArchiveRefused, Draft, Record
from tests.unit.audit.builders import NOON, World, a_transfer

FIRST = Record(1, "journal.44", "k", None, b'{"a":1}', b"\x01" * 32)
SECOND = Record(2, "exchange.33", "k", "destination-agency", b'{"a":2}', b"\x02" * 32)


def written(out: Path, *records: Record) -> list[Record]:
    with Draft(out, "44") as draft:
        for record in records:
            draft.take("origin-agency", record)
        folder = draft.finish([], taken_at=NOON, taken_from="kafka")
    return [Record.read(line) for line in Archive.open(folder).lines("records-origin-agency.jsonl")]


def test_records_lie_in_the_order_of_their_numbers_whatever_order_they_came_in(tmp_path: Path) -> None:
    assert written(tmp_path, SECOND, FIRST) == [FIRST, SECOND]


def test_identical_repeats_are_dropped(tmp_path: Path) -> None:
    assert written(tmp_path, FIRST, SECOND, FIRST, SECOND) == [FIRST, SECOND]


def test_other_bytes_under_the_same_number_are_kept(tmp_path: Path) -> None:
    other = FIRST._replace(value=b'{"a":3}')

    assert written(tmp_path, FIRST, other, FIRST) == [FIRST, other]


@pytest.mark.parametrize("value", [b'{"name":"\xe5\xbc\xa0","n":"a\\nb"}', b"\xff\xfe\x00", b"", b'"\\ud800"', b"\x00\x1f"])
def test_a_value_is_kept_to_the_byte_whether_it_is_text_or_not(tmp_path: Path, value: bytes) -> None:
    assert written(tmp_path, FIRST._replace(value=value))[0].value == value


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"null", b"{", b'{"number":"1","topic":"t","key":"k","role":null,"value":"v","proof":""}']
)
def test_a_line_that_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a record"):
        Record.read(line)


def test_what_comes_after_the_end_of_an_export_is_left_for_the_next_one(tmp_path: Path) -> None:
    with Draft(tmp_path, "44") as draft:
        draft.take("origin-agency", SECOND)
        draft.close_at({"origin-agency": 2})
        assert draft.missing({"origin-agency": 2}) == 1

        draft.take("origin-agency", FIRST)
        draft.take("origin-agency", FIRST._replace(number=3))
        draft.take("notification", FIRST)

        assert draft.missing({"origin-agency": 2}) == 0
        manifest = Archive.open(draft.finish([], taken_at=NOON, taken_from="kafka")).manifest
    assert [(each.service, each.first, each.last) for each in manifest.services] == [("origin-agency", 1, 2)]


def test_an_export_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def break_off() -> None:
        with Draft(tmp_path, "44") as draft:
            draft.take("origin-agency", FIRST)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()

    assert list(tmp_path.iterdir()) == []


def test_an_export_is_never_overwritten(tmp_path: Path) -> None:
    written(tmp_path, FIRST)

    with pytest.raises(ArchiveRefused, match="is there already"):
        Draft(tmp_path, "44")


def test_a_whole_export_holds_its_files_and_nothing_else(tmp_path: Path) -> None:
    folder = World().write(tmp_path)["44"]

    archive = Archive.open(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*archive.files(), "manifest.json"])
    assert sorted(archive.manifest.files) == sorted(archive.files())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["33", "44"]


def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    world = a_transfer()

    one, other = world.write(tmp_path / "one")["44"], world.write(tmp_path / "other")["44"]

    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


def test_a_folder_without_a_manifest_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="is no export"):
        Archive.open(tmp_path)


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"province": "44", "services": [{"service": "../x"}]}')

    with pytest.raises(ArchiveRefused, match="cannot be read"):
        Archive.open(tmp_path)


def test_a_manifest_that_names_a_service_twice_is_refused(tmp_path: Path) -> None:
    folder = World().write(tmp_path)["44"]
    manifest = Archive.open(folder).manifest
    doubled = manifest.model_copy(update={"services": (*manifest.services, manifest.services[0])})
    (folder / "manifest.json").write_text(doubled.model_dump_json())

    with pytest.raises(ArchiveRefused, match="names a service twice"):
        Archive.open(folder)
