"""A lie of one digit: found at its service and number, covered up or not."""

from pathlib import Path

import pytest

from services.audit.lying import lie
from services.audit.replay import replay
from services.audit.verify import Kind, Outcome, verify
from tests.unit.audit.builders import World, a_transfer


@pytest.mark.parametrize("cover", [True, False])
def test_one_altered_digit_is_found_where_it_was_altered(tmp_path: Path, cover: bool) -> None:
    world = a_transfer()
    export = world.write(tmp_path)["44"]

    told = lie(export, tmp_path / "lie", cover=cover)
    verdict = verify(tmp_path / "lie", world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert verdict.first is not None
    assert (verdict.first.kind, verdict.first.service) == (Kind.RECORD_ALTERED, "44/origin-agency")
    assert told == (f"44/origin-agency, record {verdict.first.number}: amount_fen was 1864000 and is now 1864001")
    assert verify(export, world.root_fingerprint).kind is Outcome.AGREES


def test_a_lie_is_not_folded_into_the_books_unseen(tmp_path: Path) -> None:
    world = a_transfer()
    folders = world.write(tmp_path)
    lie(folders["44"], tmp_path / "lie")

    report = replay([tmp_path / "lie", folders["33"]], world.root_fingerprint)

    assert report.verdict is Outcome.DISAGREES
    assert report.first is not None
    assert report.first.startswith("RECORD_ALTERED: 44/origin-agency")


def test_a_log_without_amounts_cannot_be_lied_about(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no record with an amount"):
        lie(World().write(tmp_path)["44"], tmp_path / "lie")
