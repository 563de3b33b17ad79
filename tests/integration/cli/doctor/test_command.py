"""`jiexu doctor` where there is little to look at; tests/e2e/test_doctor.py breaks what runs."""

import json
from pathlib import Path

from typer.testing import CliRunner

from services.cli.main import build_app


def test_where_nothing_was_brought_up_it_says_so_and_how_to(tmp_path: Path) -> None:
    home = tmp_path / "nowhere"

    words = CliRunner().invoke(build_app(), ["doctor", "--home", str(home)])
    told = CliRunner().invoke(build_app(), ["doctor", "--home", str(home), "--json"])

    assert (words.exit_code, told.exit_code) == (1, 1)
    assert f"do: jiexu up --home {home}" in words.stdout
    answer = json.loads(told.stdout)
    assert answer["well"] is False
    assert [cause["about"] for cause in answer["causes"]] == ["stack"]
    assert not home.exists()


def test_a_home_that_cannot_be_read_is_not_called_well(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text("{")

    told = CliRunner().invoke(build_app(), ["doctor", "--home", str(tmp_path)])

    assert told.exit_code == 3
    assert "cannot be read" in told.stderr
