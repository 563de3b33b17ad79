"""`jiexu scenario`: exit codes, files and folders, and what is written where."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from typer.testing import CliRunner, Result

from services.cli import ExitCode
from services.cli.main import build_app
from services.cli.play import Stage
from services.cli.scenario import against
from services.cli.scenario.against import Ground
from tests.unit.cli.scenario.stories import STORY, written
from tests.unit.cli.scenario.town import ENDPOINTS, Issuer, Town, problem

LOOK = written(steps="steps:\n  - look:\n")
APPLY = "  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }\n"
WRONG = written(steps=f"steps:\n{APPLY}    expect:\n      case: {{ months: 27 }}\n")


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Town:
    """Services behind the command."""
    town = Town({"/cases/case-1": {"months": 26}})
    client = httpx.AsyncClient

    def a_client(**more: Any) -> httpx.AsyncClient:
        return client(transport=httpx.MockTransport(town))

    monkeypatch.setattr("services.cli.play.httpx.AsyncClient", a_client)
    monkeypatch.setattr(against, "ground", lambda *_: Ground(ENDPOINTS, Issuer(), None))  # type: ignore[arg-type]
    return town


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build_app(), ["scenario", *map(str, arguments)])


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_stories_that_pass_end_with_yes(town: Town, tmp_path: Path) -> None:
    result = run("run", write(tmp_path, "a.yaml", LOOK))

    assert result.exit_code == ExitCode.YES, result.output
    assert "ok    line 21" in result.output
    assert "passed: a.yaml: A short story" in result.output
    assert "1 passed; 1 steps, 0 comparisons" in result.output


def test_a_wrong_expectation_ends_with_no_and_stands_side_by_side(town: Town, tmp_path: Path) -> None:
    result = run("run", "-q", write(tmp_path, "a.yaml", WRONG), write(tmp_path, "b.yaml", LOOK))

    assert result.exit_code == ExitCode.NO
    assert "case.months  27        26" in result.output
    assert "passed: b.yaml" in result.output
    assert "ok  " not in result.output


def test_a_file_that_is_no_story_ends_with_wrong_use_and_nothing_is_sent(town: Town, tmp_path: Path) -> None:
    bad = write(tmp_path, "bad.yaml", STORY.replace("sex: male", "sex: man").replace("title:", "titel:"))

    result = run("run", write(tmp_path, "good.yaml", LOOK), bad)

    assert result.exit_code == ExitCode.WRONG_USE
    assert f"{bad}:1:1: titel: is not known here (did you mean title?)" in result.output
    assert f"{bad}:7:10: people.chen.sex: 'man' is not one of the words; expected male or female" in result.output
    assert "    sex: man\n             ^" in result.output
    assert town.asked == []


def test_problems_come_as_json_too(tmp_path: Path) -> None:
    result = run("run", "--json", write(tmp_path, "bad.yaml", STORY.replace("sex: male", "sex: man")))

    assert result.exit_code == ExitCode.WRONG_USE
    [found] = json.loads(result.stdout)["problems"]
    assert (found["line"], found["column"], found["field"]) == (7, 10, "people.chen.sex")


def test_services_that_are_away_end_with_could_not_tell(town: Town, tmp_path: Path) -> None:
    town.answers["/records/imports"] = problem(503, "TEMPORARILY_AWAY")

    result = run("run", write(tmp_path, "a.yaml", LOOK))

    assert result.exit_code == ExitCode.COULD_NOT_TELL
    assert "could not tell: a.yaml" in result.output


def test_no_is_said_before_could_not_tell(town: Town, tmp_path: Path) -> None:
    town.answers["/records/imports"] = [problem(503, "X1"), httpx.Response(200, json={"import_id": "i1"})]

    assert run("run", write(tmp_path, "a.yaml", LOOK), write(tmp_path, "b.yaml", WRONG)).exit_code == ExitCode.NO


def test_where_nothing_was_started_it_could_not_tell(tmp_path: Path) -> None:
    result = run("run", write(tmp_path, "a.yaml", LOOK), "--against", tmp_path)

    assert result.exit_code == ExitCode.COULD_NOT_TELL
    assert "jiexu up --clock scenario" in result.output


def test_an_address_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    result = run("run", write(tmp_path, "a.yaml", LOOK), "--against", tmp_path / "nowhere")

    assert result.exit_code == ExitCode.WRONG_USE


def test_a_folder_stands_for_its_stories_by_name_and_not_for_those_that_wait(town: Town, tmp_path: Path) -> None:
    (tmp_path / "waiting").mkdir()
    for name in ("b.yaml", "a.yaml", "waiting/c.yaml"):
        write(tmp_path, name, LOOK)

    result = run("run", "--json", tmp_path)

    assert [Path(story["file"]).name for story in json.loads(result.stdout)] == ["a.yaml", "b.yaml"]


def test_a_folder_without_a_story_is_wrong_use(tmp_path: Path) -> None:
    result = run("run", tmp_path)

    assert result.exit_code == ExitCode.WRONG_USE
    assert "holds no story" in result.output


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    result = run("run", tmp_path / "nowhere.yaml")

    assert result.exit_code == ExitCode.WRONG_USE
    assert "cannot be read" in result.output


def test_junit_is_written_on_request(town: Town, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"

    run("run", write(tmp_path, "a.yaml", WRONG), "--junit", report)

    root = ElementTree.parse(report).getroot()
    assert (root.get("tests"), root.get("failures")) == ("1", "1")


def test_json_holds_every_step_and_nothing_else_is_written(town: Town, tmp_path: Path) -> None:
    result = run("run", "--json", write(tmp_path, "a.yaml", WRONG))

    [story] = json.loads(result.stdout)
    assert story["outcome"] == "failed"
    assert story["steps"][0]["compared"][0]["actual"] == "26"


def test_files_can_be_read_without_any_service(tmp_path: Path) -> None:
    result = run("run", "--check", write(tmp_path, "a.yaml", LOOK))

    assert result.exit_code == ExitCode.YES
    assert "nothing wrong with any" in result.output


def test_the_schema_is_printed_for_editors() -> None:
    result = run("schema")

    assert result.exit_code == ExitCode.YES
    assert json.loads(result.stdout)["properties"].keys() == {"title", "source", "from", "people", "steps"}


def test_the_stage_is_closed_at_the_end(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    real = Stage.close

    async def close(self: Stage) -> None:
        closed.append(True)
        await real(self)

    monkeypatch.setattr(Stage, "close", close)

    run("run", write(tmp_path, "a.yaml", LOOK))

    assert closed == [True]
