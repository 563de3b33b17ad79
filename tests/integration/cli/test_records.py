"""Records come in by the command, through a running origin agency."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import Provinces, forget
from deploy.local.stack import Stack
from services.cli.main import build_app
from services.world.files import write_provinces
from services.world.plan import plan


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    where = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-records"
    try:
        stack = Stack.up(where, tell=lambda _: None)
        prepare(stack, ("44",))
        services = Provinces(stack, ("44",), services=("origin-agency",))
        services.start()
        services.wait_ready(60)
        yield where
    finally:
        Stack(where).down(wipe=True)
        forget(where)
        shutil.rmtree(where, ignore_errors=True)


def run(home: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["records", "import", "--province", "44", "--home", str(home), *arguments])
    return result.exit_code, result.output


def test_a_provinces_files_come_in_and_the_same_again_changes_nothing(home: Path, tmp_path: Path) -> None:
    files = write_provinces(plan(3, 12), tmp_path)["44"]
    arguments = ("--persons", str(files.persons), "--contributions", str(files.contributions), "--json")

    first, again = run(home, *arguments), run(home, *arguments)

    assert (first[0], again[0]) == (0, 0)
    assert json.loads(first[1])["persons_done"] > 0
    assert json.loads(first[1])["import_id"] == json.loads(again[1])["import_id"]


def test_a_bad_file_is_refused_with_its_places_and_good_rows_are_taken_only_when_told(home: Path, tmp_path: Path) -> None:
    files = write_provinces(plan(4, 12), tmp_path)["44"]
    lines = files.persons.read_text("utf-8").splitlines()
    number = lines[1].split(",")[0]
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    files.persons.write_text("\n".join([lines[0], lines[1].replace(number, wrong), *lines[2:]]) + "\n", encoding="utf-8")
    arguments = ("--persons", str(files.persons), "--contributions", str(files.contributions))

    refused = run(home, *arguments)
    taken = run(home, *arguments, "--accept-good-rows")

    assert refused[0] == 1
    assert "line 2, id_number" in refused[1]
    assert wrong not in refused[1]
    assert taken[0] == 0
    assert "are booked" in taken[1]


def test_a_province_that_does_not_run_is_named_with_the_command_that_starts_it(home: Path, tmp_path: Path) -> None:
    files = write_provinces(plan(3, 12), tmp_path)["33"]

    result = CliRunner().invoke(
        build_app(), ["records", "import", "--province", "33", "--home", str(home), "--persons", str(files.persons)]
    )

    assert result.exit_code == 2
    assert "jiexu up --provinces 33" in result.output
