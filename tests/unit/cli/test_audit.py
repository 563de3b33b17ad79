"""``jiexu audit`` on exports at hand: verdicts, tables and exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.audit.lying import lie
from services.cli import ExitCode
from services.cli.audit import app
from tests.unit.audit.builders import ITEMS, World, a_transfer, edit

RUNNER = CliRunner()


@pytest.fixture
def world() -> World:
    return a_transfer()


@pytest.fixture
def folders(world: World, tmp_path: Path) -> dict[str, Path]:
    return world.write(tmp_path)


def run(*arguments: object, root: str) -> tuple[int, str]:
    result = RUNNER.invoke(app, [*map(str, arguments), "--root", root])
    return result.exit_code, result.stdout


def test_an_untouched_export_is_verified(world: World, folders: dict[str, Path]) -> None:
    code, told = run("verify", folders["44"], root=world.root_fingerprint)

    assert code == ExitCode.YES
    assert told == "province 44: 14 records under 2 checkpoints: agrees\n"


def test_a_lie_is_named_with_service_and_number(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    lie(folders["44"], tmp_path / "lie")

    code, told = run("verify", tmp_path / "lie", root=world.root_fingerprint)

    assert code == ExitCode.NO
    assert told.startswith("RECORD_ALTERED: 44/origin-agency ")
    assert told.endswith("DISAGREES\n")


def test_what_is_not_complete_could_not_be_told(world: World, folders: dict[str, Path]) -> None:
    edit(folders["44"], "origin-agency", lambda records: records[:-1])

    code, told = run("verify", folders["44"], "--json", root=world.root_fingerprint)

    assert code == ExitCode.COULD_NOT_TELL
    assert json.loads(told)["findings"][0]["kind"] == "RECORD_MISSING"


def test_checkpoints_that_others_hold_are_taken_from_a_file(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    held = tmp_path / "held.jsonl"
    held.write_text("".join(f"{each.model_dump_json()}\n" for each in world.logs["44/origin-agency"].checkpoints))

    assert run("verify", folders["44"], "--known", held, root=world.root_fingerprint)[0] == ExitCode.YES

    held.write_text("{}\n")
    assert run("verify", folders["44"], "--known", held, root=world.root_fingerprint)[0] == ExitCode.WRONG_USE


def test_both_provinces_are_replayed(world: World, folders: dict[str, Path]) -> None:
    code, told = run("replay", folders["44"], folders["33"], root=world.root_fingerprint)

    assert code == ExitCode.YES
    assert "province 33: 10 facts, 2 entries, 4 accounts, 1 of 1 cases completed here: 0 differences" in told
    assert told.endswith("agrees\n")


def test_a_replay_tells_as_json_what_differs_first(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    lie(folders["44"], tmp_path / "lie")

    code, told = run("replay", tmp_path / "lie", folders["33"], "--json", root=world.root_fingerprint)

    assert code == ExitCode.NO
    assert json.loads(told)["first"].startswith("RECORD_ALTERED: 44/origin-agency")


def test_pairs_are_reconciled_with_what_the_bank_holds(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    sums = {"delivered_fen": 0, "returned_fen": 0, "given_back_fen": 0}
    holding = {"payer": "44", "payee": "33", "taken_fen": ITEMS.total_fen, "in_hands_fen": 7, **sums}
    (tmp_path / "holdings.json").write_text(json.dumps([holding]))

    agrees = run("reconcile", *folders.values(), root=world.root_fingerprint)
    differs = run("reconcile", *folders.values(), "--holdings", tmp_path / "holdings.json", "--json", root=world.root_fingerprint)

    assert agrees[0] == ExitCode.YES
    assert "18,640.00" in agrees[1]
    assert differs[0] == ExitCode.NO
    assert [each["kind"] for each in json.loads(differs[1])["differences"]] == ["BANK_DIFFERS"]


def test_one_side_alone_cannot_be_reconciled(world: World, folders: dict[str, Path]) -> None:
    assert run("reconcile", folders["44"], root=world.root_fingerprint)[0] == ExitCode.WRONG_USE


@pytest.mark.parametrize("root", ["", "5F" * 32, "zz" * 32, "5f" * 31])
def test_a_root_that_is_no_fingerprint_is_wrong_use(folders: dict[str, Path], root: str) -> None:
    assert run("verify", folders["44"], root=root)[0] == ExitCode.WRONG_USE


def test_a_folder_that_is_no_export_is_wrong_use(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert run("verify", tmp_path / "empty", root=world.root_fingerprint)[0] == ExitCode.WRONG_USE


def test_without_a_stack_the_root_must_be_given(folders: dict[str, Path], tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["verify", str(folders["44"]), "--home", str(tmp_path)], env={"JIEXU_DIRECTORY_ROOT": None})

    assert result.exit_code == ExitCode.WRONG_USE
    assert "--root" in result.stderr


@pytest.mark.parametrize("province", ["4", "444", "ab", "../"])
def test_a_province_is_two_digits(tmp_path: Path, province: str) -> None:
    result = RUNNER.invoke(app, ["export", "--province", province, "--out", str(tmp_path)])

    assert result.exit_code == ExitCode.WRONG_USE


@pytest.mark.parametrize("command", ["export", "verify", "replay", "reconcile"])
def test_the_help_of_every_command_shows_an_example(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])

    assert result.exit_code == ExitCode.YES
    assert f"jiexu audit {command}" in result.stdout
