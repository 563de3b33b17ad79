"""What a person, a build machine and a program read of a run."""

from xml.etree import ElementTree

import pytest

from services.cli.scenario.format import Story
from services.cli.scenario.looks import Check
from services.cli.scenario.reading import Place, Problem
from services.cli.scenario.report import as_json, details, junit, problem_lines, side_by_side, step_line, story_lines, table
from services.cli.scenario.run import Outcome, StepResult, StoryResult
from tests.unit.cli.scenario.stories import a_story

STORY = a_story()
WRONG = (Check("case.months", "27", "26", False), Check("ledger.44.pooled_fund", "-18,000.00", "-17,000.00", False))
RIGHT = Check("case.status", "COMPLETED", "COMPLETED", True)


def a_result(*outcomes: Outcome, says: str = "", story: Story = STORY) -> StoryResult:
    steps = tuple(
        StepResult(
            step,
            outcome,
            (RIGHT, *WRONG) if outcome is Outcome.FAILED else (RIGHT,) if outcome is Outcome.PASSED else (),
            "the service is away" if outcome is Outcome.COULD_NOT_TELL else "",
            0.25,
        )
        for step, outcome in zip(story.steps, outcomes, strict=True)
    )
    ended = next((each for each in outcomes if each is not Outcome.PASSED), Outcome.PASSED)
    return StoryResult(story, Outcome.COULD_NOT_TELL if says else ended, steps, says, 1.5)


PASSED = a_result(Outcome.PASSED, Outcome.PASSED, Outcome.PASSED)
FAILED = a_result(Outcome.PASSED, Outcome.FAILED, Outcome.NOT_RUN)
AWAY = a_result(Outcome.COULD_NOT_TELL, Outcome.NOT_RUN, Outcome.NOT_RUN)
NOT_BEGUN = a_result(Outcome.NOT_RUN, Outcome.NOT_RUN, Outcome.NOT_RUN, says="44 does not take the records")


def test_expected_and_actual_stand_side_by_side() -> None:
    assert side_by_side(WRONG) == [
        "                                expected    actual",
        "         case.months            27          26",
        "         ledger.44.pooled_fund  -18,000.00  -17,000.00",
    ]
    assert side_by_side(()) == []


def test_a_step_is_a_line_with_its_place_its_day_and_its_verb() -> None:
    right, wrong = PASSED.steps[0], FAILED.steps[1]

    assert step_line(right).split() == ["ok", "line", "21", "2024-05-06", "apply", "1", "as", "expected", "0.25", "s"]
    assert step_line(wrong).split() == ["WRONG", "line", "22", "2024-05-07", "wait", "0.25", "s"]
    assert step_line(FAILED.steps[2]).split()[0] == "-"
    assert details(right) == []
    assert len(details(wrong)) == 3
    assert details(AWAY.steps[0]) == ["         the service is away"]


def test_a_story_is_a_line_and_says_why_it_could_not_begin() -> None:
    assert story_lines(PASSED) == ["passed: story.yaml: A short story"]
    assert story_lines(NOT_BEGUN)[1].strip() == "44 does not take the records"


def test_the_table_has_a_line_a_story_and_the_sums() -> None:
    lines = table([PASSED, FAILED])

    assert lines[0].split() == ["story", "source", "steps", "compared", "seconds"]
    assert lines[1].split()[-4:] == ["3", "3", "1.5", "passed"]
    assert lines[2].split()[-4:] == ["3", "4", "1.5", "failed"]
    assert lines[3] == "1 passed, 1 failed; 6 steps, 7 comparisons, 3.0 s"


def test_junit_counts_steps_and_holds_what_was_wrong() -> None:
    root = ElementTree.fromstring(junit([PASSED, FAILED, AWAY, NOT_BEGUN]))

    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "13",
        "failures": "1",
        "errors": "2",
        "skipped": "6",
    }
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["story"] * 4
    cases = suites[1].findall("testcase")
    assert [case.get("name") for case in cases] == ["01 apply (line 21)", "02 wait (line 22)", "03 admit (line 23)"]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "case.months: expected 27, actual 26"
    assert "expected    actual" in (failure.text or "")
    assert cases[2].find("skipped") is not None
    error = suites[3].find("testcase/error")
    assert error is not None
    assert error.get("message") == "44 does not take the records"


def test_junit_is_xml_whatever_a_service_has_said() -> None:
    said = "a\x00b & <c> \x1b[31m \ud800 陈"

    text = junit([a_result(Outcome.NOT_RUN, Outcome.NOT_RUN, Outcome.NOT_RUN, says=said)])

    error = ElementTree.fromstring(text).find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message") == "ab & <c> [31m  陈"


def test_json_has_everything() -> None:
    [story] = as_json([FAILED])

    assert (story["outcome"], story["title"], len(story["steps"])) == ("failed", "A short story", 3)
    assert story["steps"][1]["compared"][1] == {"what": "case.months", "expected": "27", "actual": "26", "holds": False}
    assert (story["steps"][0]["line"], story["steps"][0]["verb"], story["steps"][0]["on"]) == (21, "apply", "2024-05-06")


@pytest.mark.parametrize(
    ("line", "shown"),
    [(2, ["f.yaml:2:3: b: is wrong", "    - b: 1", "      ^"]), (9, ["f.yaml:9:3: b: is wrong"])],
    ids=["a line that is there", "a line that is not"],
)
def test_a_problem_is_shown_with_its_line_and_a_mark_under_the_place(line: int, shown: list[str]) -> None:
    assert problem_lines(Problem("f.yaml", Place(line, 3), "b", "is wrong"), "a: 1\n- b: 1\n") == shown
    assert problem_lines(Problem("f.yaml", Place(line, 3), "b", "is wrong"), None) == shown[:1]
