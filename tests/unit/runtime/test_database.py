"""Named statements, and waits that grow to a limit."""

import random
from pathlib import Path

import pytest

from services.runtime.database import COUNTS, TRANSIENT, Counts, pause, queries

FOLDERS = sorted(file.parent for file in (Path(__file__).parents[3] / "services").rglob("queries.sql"))


def test_statements_are_found_by_name_with_their_schema(tmp_path: Path) -> None:
    (tmp_path / "queries.sql").write_text(
        "-- load_one --\n-- a comment\nSELECT 1\n  FROM {schema}.things;\n\n-- load_2 --\nSELECT 2;\n", encoding="utf-8"
    )

    found = queries(str(tmp_path / "store.py"), schema="origin_agency")

    assert found == {"load_one": "-- a comment\nSELECT 1\n  FROM origin_agency.things;", "load_2": "SELECT 2;"}


def test_without_a_schema_the_text_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "queries.sql").write_text("-- a --\nSELECT '{schema}';\n", encoding="utf-8")

    assert queries(str(tmp_path / "store.py")) == {"a": "SELECT '{schema}';"}


def test_another_file_beside_the_module_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.sql").write_text("-- a --\nSELECT 1;\n", encoding="utf-8")

    assert queries(str(tmp_path / "store.py"), name="other.sql") == {"a": "SELECT 1;"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_statement_of_ours_has_one_name_and_one_end(folder: Path) -> None:
    text = (folder / "queries.sql").read_text(encoding="utf-8")

    found = queries(str(folder / "store.py"))

    assert len(found) == text.count(" --\n")
    for name, statement in found.items():
        body = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
        assert body.rstrip().endswith(";"), name
        assert body.count(";") == 1, name


def test_counts_are_kept_by_purpose() -> None:
    counts = Counts()

    counts.note("handler", 5)
    counts.note("handler", 4)

    assert counts.by_purpose == {"handler": [9, 2]}
    assert counts.commits == 2
    assert isinstance(COUNTS, Counts)


async def test_a_wait_grows_to_its_limit_and_never_fails_however_often_it_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(random, "random", lambda: 1.0)

    for attempt in (0, 1, 2, 10, 100_000):
        await pause(attempt)

    assert waited == [0.1, 0.2, 0.4, 5.0, 5.0]


def test_what_passes_by_itself_is_told_apart_from_a_mistake_of_ours() -> None:
    assert issubclass(ConnectionRefusedError, TRANSIENT)
    assert not issubclass(ValueError, TRANSIENT)
    assert not issubclass(AssertionError, TRANSIENT)
