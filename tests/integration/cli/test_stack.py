"""`jiexu up`, `status` and `down` as a developer types them, in a home of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.native import CHECKOUT
from deploy.local.processes import alive
from deploy.local.services import forget
from deploy.local.stack import Stack
from services.cli import ExitCode


@pytest.fixture
def home() -> Iterator[Path]:
    # Not in pytest's folder: only root may enter that one when root runs the tests.
    folder = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-cli"
    yield folder
    Stack(folder).down(wipe=True)
    if folder.exists():
        forget(folder)
        shutil.rmtree(folder)


def jiexu(*words: str, home: Path) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("JIEXU_")}
    command = [str(Path(sys.executable).with_name("jiexu")), *words, "--home", str(home)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_what_comes_up_is_shown_and_goes_down_without_a_trace(home: Path) -> None:
    before = jiexu("status", home=home)
    up = jiexu("up", "--provinces", "44", "--clock", "scenario", "--json", home=home)
    status = jiexu("status", "--json", home=home)
    table = jiexu("status", home=home)
    records = Stack(home).processes
    down = jiexu("down", "--wipe", "--json", home=home)

    assert (before.returncode, before.stdout) == (ExitCode.NO, "nothing was brought up; do so with: jiexu up\n")
    assert up.returncode == ExitCode.YES, up.stderr
    endpoints = json.loads(up.stdout)
    assert set(endpoints["services"]) == {"44.origin-agency", "44.destination-agency", "44.notification"}
    assert endpoints["clock"] == "scenario"
    assert "all are ready" in up.stderr
    assert status.returncode == ExitCode.YES
    shown = {one["name"]: one for one in json.loads(status.stdout)["processes"]}
    assert set(shown) == {*endpoints["services"], "kafka", "postgres", "bank", "smtp-sink"}
    assert {one["state"] for one in shown.values()} == {"ready"}
    assert shown["bank"]["pid"] == records["bank"].pid
    assert endpoints["bank"].endswith(f":{shown['bank']['port']}")
    assert str(shown["bank"]["pid"]) in table.stdout
    assert down.returncode == ExitCode.YES
    assert set(json.loads(down.stdout)["stopped"]) == set(shown)
    assert not any(alive(record) for record in records.values())
    assert [path.name for path in home.iterdir()] == ["stack.lock"]


def test_a_province_that_takes_no_part_is_refused_before_anything_starts(home: Path) -> None:
    refused = jiexu("up", "--provinces", "44,71", home=home)

    assert refused.returncode == ExitCode.WRONG_USE
    assert "Taiwan" in refused.stderr
    assert not home.exists()


def test_going_down_twice_is_no_error(home: Path) -> None:
    down = jiexu("down", home=home)

    assert (down.returncode, down.stdout) == (ExitCode.YES, "nothing was running\n")
