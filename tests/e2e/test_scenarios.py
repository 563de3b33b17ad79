"""Every story of tests/scenarios told to running provinces, twice in part: a stack is not used up by a story."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from services.cli.play import Stage
from services.cli.scenario import report
from services.cli.scenario.format import parse_story, read_story
from services.cli.scenario.run import Outcome, StoryResult, tell, tell_all
from tests.e2e.conftest import Country, a_country

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)  # the first test waits until all stories are told

STORIES = sorted((ROOT / "tests" / "scenarios").glob("*.yaml"))


@dataclass
class Told:
    """What became of all stories."""

    country: Country
    stage: Stage
    results: dict[str, StoryResult]

    async def again(self, text: str) -> StoryResult:
        """Tell another story on the same stack."""
        story = parse_story(text.encode(), file="again.yaml")
        return await tell(self.stage, story, home=self.country.stack.home)


@pytest.fixture(scope="module")
async def told() -> AsyncIterator[Told]:
    stories = [read_story(file) for file in STORIES]
    provinces = tuple(sorted({province for story in stories for province in story.touched}))
    with a_country("scenarios", provinces) as country:
        country.services.wait_ready(180)
        stage = country.stage()
        try:
            results = await tell_all(stage, stories, home=country.stack.home)
            yield Told(country, stage, {Path(result.story.file).stem: result for result in results})
        finally:
            await stage.close()


def shown(results: list[StoryResult]) -> str:
    """The runner's table, and what went wrong."""
    lines = [""]
    for result in results:
        for step in result.steps:
            if step.outcome in (Outcome.FAILED, Outcome.COULD_NOT_TELL):
                lines += [*report.story_lines(result), report.step_line(step), *report.details(step)]
        if result.says:
            lines += report.story_lines(result)
    return "\n".join([*lines, *report.table(results)])


async def test_every_story_is_as_it_was_computed_by_hand(told: Told) -> None:
    results = list(told.results.values())
    table = shown(results)
    print(table)

    assert {result.outcome for result in results} == {Outcome.PASSED}, table
    assert len(results) == len(STORIES)
    assert sum(result.checks for result in results) > 850


def test_each_of_the_twenty_five_scenarios_is_told() -> None:
    assert {int(file.name[:2]) for file in STORIES} >= set(range(1, 26))


def a_story(name: str, old: str, new: str) -> str:
    """One of our stories with something else expected."""
    text = (ROOT / "tests" / "scenarios" / f"{name}.yaml").read_text("utf-8")
    assert old in text, old
    return text.replace(old, new, 1)


async def test_a_story_can_be_told_again_and_its_clock_is_fresh(told: Told) -> None:
    """The audit's story was told on later days; this one begins on its own."""
    result = await told.again(a_story("10-same-province", "title:", "title: again,"))

    assert result.outcome is Outcome.PASSED, shown([result])
    assert {step.step.on for step in result.steps} == {result.story.begins}


async def test_a_wrong_figure_is_found_and_stands_beside_the_right_one(told: Told) -> None:
    result = await told.again(a_story("03-no-voucher", "②: 4903.22", "②: 4903.23"))

    wrong = [(check.what, check.expected, check.actual) for step in result.steps for check in step.wrong]
    assert wrong == [("origin.items.②", "4,903.23", "4,903.22")]
    failures = ElementTree.fromstring(report.junit([result])).findall(".//failure")
    assert [failure.get("message") for failure in failures] == ["origin.items.②: expected 4,903.23, actual 4,903.22"]
    assert result.steps[-1].outcome is Outcome.NOT_RUN


async def test_the_story_of_the_document_is_true(told: Told) -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]

    result = await told.again(text)

    assert result.outcome is Outcome.PASSED, shown([result])


async def test_a_story_of_a_province_that_is_not_there_could_not_be_told(told: Told) -> None:
    result = await told.again(a_story("10-same-province", "      44:", "      65:"))

    assert result.outcome is Outcome.COULD_NOT_TELL
    assert "the story needs the provinces 65" in result.says
