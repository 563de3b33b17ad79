"""A story from its beginning to its outcome: what passes, what fails, and what cannot be told."""

from typing import Any

import httpx

from services.cli.scenario.looks import Check
from services.cli.scenario.run import Outcome, StepResult, StoryResult, tell, tell_all
from tests.unit.cli.scenario.stories import a_story
from tests.unit.cli.scenario.town import Town, a_stage, problem, rows

APPLY = "  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }\n"


async def told(steps: str, answers: dict[str, Any] | None = None) -> StoryResult:
    return await tell(a_stage(Town(answers)), a_story(steps=f"steps:\n{steps}"))


async def test_a_story_of_which_all_is_so_passes() -> None:
    result = await told(f"{APPLY}    expect:\n      case: {{ status: SUBMITTED }}\n", {"/cases/case-1": {"status": "SUBMITTED"}})

    assert (result.outcome, result.checks, result.says) == (Outcome.PASSED, 1, "")
    assert result.seconds > 0


async def test_a_wrong_expectation_has_expected_and_actual_and_ends_the_story() -> None:
    steps = f"{APPLY}    expect:\n      case: {{ status: BOOKING, holder: 33 }}\n  - look:\n"

    result = await told(steps, {"/cases/case-1": {"status": "SUBMITTED", "holder": "33"}})

    assert result.outcome is Outcome.FAILED
    assert result.steps[0].wrong == (Check("case.status", "BOOKING", "SUBMITTED", False),)
    assert [step.outcome for step in result.steps] == [Outcome.FAILED, Outcome.NOT_RUN]


async def test_a_refusal_that_nobody_expected_is_wrong() -> None:
    result = await told(APPLY, {"/applications": problem(422, "ID_NUMBER_INVALID")})

    assert result.steps[0].wrong == (Check("refused", "no", "ID_NUMBER_INVALID: no", False),)


async def test_a_refusal_must_be_the_expected_one() -> None:
    answers = {"/admissions/proposals": rows(result="refused", code="SAME_PERSON", detail="x", legal_basis="Art. 37")}
    admit = APPLY + "  - propose_admission:\n    refused: "

    right = await told(admit + "{ code: SAME_PERSON, basis: Art. 37 }\n", dict(answers))
    wrong = await told(admit + "{ code: NOT_NOW, basis: Art. 38 }\n", dict(answers))

    assert right.outcome is Outcome.PASSED
    assert [(check.what, check.expected, check.actual) for check in wrong.steps[1].wrong] == [
        ("refused.code", "NOT_NOW", "SAME_PERSON"),
        ("refused.basis", "Art. 38", "Art. 37"),
    ]


async def test_a_refusal_that_does_not_come_is_wrong() -> None:
    result = await told(f"{APPLY}    refused: {{ code: SAME_PROVINCE }}\n")

    assert result.steps[0].wrong == (Check("refused.code", "SAME_PROVINCE", "not refused", False),)


async def test_an_answer_is_compared_with_what_the_step_expects_of_it() -> None:
    answers = {"/admissions/proposals": rows(code="K4")}

    result = await told(f"{APPLY}  - propose_admission:\n    expect:\n      answer: {{ code: K1 }}\n", answers)

    assert result.steps[1].wrong == (Check("answer.code", "K1", "K4", False),)


async def test_a_service_that_breaks_down_is_no_wrong_expectation() -> None:
    result = await told(f"{APPLY}  - look:\n", {"/applications": httpx.Response(500, text="bug")})

    assert result.outcome is Outcome.COULD_NOT_TELL
    assert "HTTP 500 bug" in result.steps[0].says
    assert result.steps[1].outcome is Outcome.NOT_RUN


async def test_a_story_that_cannot_begin_says_why_and_the_next_is_told() -> None:
    town = Town({"/records/imports": [problem(422, "IMPORT_REFUSED"), httpx.Response(200, json={"import_id": "i1"})]})
    story = a_story(steps="steps:\n  - look:\n")
    ended: list[StoryResult] = []

    first, second = await tell_all(a_stage(town), [story, story], ended=ended.append)

    assert (first.outcome, second.outcome) == (Outcome.COULD_NOT_TELL, Outcome.PASSED)
    assert "IMPORT_REFUSED" in first.says
    assert [step.outcome for step in first.steps] == [Outcome.NOT_RUN]
    assert ended == [first, second]


async def test_each_step_is_told_as_it_ends() -> None:
    heard: list[StepResult] = []

    result = await tell(a_stage(Town()), a_story(steps="steps:\n  - look:\n  - wait: { days: 1 }\n"), told=heard.append)

    assert tuple(heard) == result.steps
    assert [step.step.verb.name for step in heard] == ["look", "wait"]


async def test_the_next_step_waits_until_all_that_the_story_touches_are_idle() -> None:
    town = Town()

    await tell(a_stage(town), a_story(steps=f"steps:\n{APPLY}  - look:\n"))

    at = next(at for at, request in enumerate(town.asked) if request[1].endswith("/applications"))
    after = {path for _, path, _, _ in town.asked[at + 1 :] if path.endswith("/scenario/idle")}
    assert len(after) == 7
