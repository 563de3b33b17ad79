"""A year's end by the command, on running services: the rate is waited for, comes in, and is credited; nothing is restarted."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import Endpoints, Provinces, forget, tokens
from deploy.local.stack import Stack
from services.cli.main import build_app
from services.runtime.clock import SHANGHAI
from services.runtime.identity import Role
from services.world.files import write_provinces
from services.world.plan import plan

SUMMER = datetime(2027, 7, 1, 9, tzinfo=SHANGHAI)
RATE = """[[recording_rate]]
year = 2026
province = "*"
rate = "0.0260"
effective_from = 2026-01-01
effective_to = 2026-12-31
source = "the notice of 2027"
confidence = "found"
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    where = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-year-end"
    try:
        stack = Stack.up(where, tell=lambda _: None)
        prepare(stack, ("44",))
        services = Provinces(
            stack, ("44",), services=("origin-agency", "destination-agency"), clock="scenario", scenario_start=SUMMER
        )
        services.start()
        services.wait_ready(60)
        yield where
    finally:
        Stack(where).down(wipe=True)
        forget(where)
        shutil.rmtree(where, ignore_errors=True)


def run(home: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), [*arguments, "--province", "44", "--home", str(home)])
    return result.exit_code, result.output


def rules_of(home: Path, service: str) -> dict[str, Any]:
    endpoints = Endpoints.load(home)
    assert endpoints is not None
    bearer = {"authorization": f"Bearer {tokens(home).staff('44', Role.AUDITOR)}"}
    answer: dict[str, Any] = httpx.get(f"{endpoints.url('44', service)}/rules", headers=bearer).json()
    return answer


def test_a_rate_comes_in_while_services_run_and_its_year_is_credited_to_everybody_once(home: Path, tmp_path: Path) -> None:
    files = write_provinces(plan(3, 30), tmp_path)["44"]
    persons = ("--persons", str(files.persons), "--contributions", str(files.contributions), "--json")
    rate = tmp_path / "rate-2026.toml"
    rate.write_text(RATE, encoding="utf-8")
    imported = json.loads(run(home, "records", "import", *persons)[1])
    before = rules_of(home, "destination-agency")

    too_early = run(home, "year-end", "2026")
    taken = run(home, "rules", "import", str(rate), "--json")
    again = run(home, "rules", "import", str(rate))
    shown = run(home, "rules", "show", "recording_rates", "--on", "2026-12-31", "--json")
    proposed = run(home, "year-end", "2026")
    asked = run(home, "year-end", "2026", "--json")
    ended = run(home, "year-end", "2026", "--approve", "--json")
    once_more = run(home, "year-end", "2026", "--approve")

    assert too_early[0] == 1
    assert "RATE_PENDING" in too_early[1]
    assert (taken[0], again[0], shown[0]) == (0, 0, 0)
    assert "were there already" in again[1]
    assert [row["rate"] for row in json.loads(shown[1])["rows"]] == ["0.0260"]
    assert (proposed[0], asked[0]) == (0, 0)
    assert "a second person lets it go: jiexu year-end 2026 --province 44 --approve" in proposed[1]
    assert json.loads(asked[1])["state"] == "proposed"
    run_ended = json.loads(ended[1])
    assert (ended[0], run_ended["state"]) == (0, "done")
    assert 0 < run_ended["credited"] <= run_ended["looked_at"] == run_ended["due"] <= imported["persons_done"]
    assert once_more[0] == 0
    assert "0 of 0 accounts, 0 credited" in once_more[1]

    after = json.loads(taken[1])
    assert after["rule_set_before"] == before["rule_set"] != after["rule_set_after"]
    until = time.monotonic() + 20
    while rules_of(home, "destination-agency")["rule_set"] != after["rule_set_after"]:
        assert time.monotonic() < until, "the other agency never took the rows over"
        time.sleep(0.1)


def test_a_year_that_is_not_over_is_refused(home: Path) -> None:
    code, said = run(home, "year-end", "2027")

    assert code == 1
    assert "YEAR_NOT_OVER" in said


def test_rows_that_cannot_be_taken_are_refused_with_what_is_wrong(home: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RATE.replace("0.0260", "2.6").replace("2026", "2028"), encoding="utf-8")

    code, said = run(home, "rules", "import", str(wrong))

    assert code == 1
    assert "row 1 of the file: rate = '2.6' is not a number from 0 to 1" in said
    assert "ROWS_INVALID" in said


def test_a_province_that_does_not_run_is_named_with_the_command_that_starts_it(home: Path) -> None:
    result = CliRunner().invoke(build_app(), ["year-end", "2024", "--province", "33", "--home", str(home)])

    assert result.exit_code == 2
    assert "jiexu up --provinces 33" in result.output
