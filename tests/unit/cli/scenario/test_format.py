"""Stories: what is read from a good one, and what is said of a bad one, by line, column and field."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from services.cli.scenario.format import Story, read_story
from services.cli.scenario.kinds import tables
from services.cli.scenario.reading import StoryInvalid
from services.rules.deadlines import due_on
from tests.unit.cli.scenario.stories import STORY, a_story, line_of, problems_of, written

ROOT = Path(__file__).parents[4]
OURS = sorted((ROOT / "tests" / "scenarios").glob("*.yaml"))


def test_a_story_is_its_people_its_day_and_its_steps() -> None:
    story = a_story()

    assert (story.title, story.source, story.begins) == ("A short story", "domain § 8, 1", date(2024, 5, 6))
    assert story.people["chen"]["records"]["44"]["rows"][0]["monthly_wage"] == 500_000
    assert [(step.at, step.verb.name, step.on.isoformat()) for step in story.steps] == [
        (1, "apply", "2024-05-06"),
        (2, "wait", "2024-05-07"),
        (3, "admit", "2024-05-07"),
    ]
    assert story.steps[2].expect["case"]["due_on"] == date(2024, 5, 28)
    assert story.steps[2].expect["case"]["code"] is None


def test_a_story_knows_the_provinces_that_it_needs_and_those_that_it_touches() -> None:
    story = a_story(steps="steps:\n  - apply: { person: chen, origin_division: 510100, destination_division: 330100 }\n")

    assert story.provinces == ("33", "44")
    assert story.touched == ("33", "44", "51")


@pytest.mark.parametrize(
    ("wait", "day"),
    [("{ working_days: 5 }", "2024-05-11"), ("{ days: 3 }", "2024-05-09"), ("{ until: 2024-06-03 }", "2024-06-03")],
    ids=["working days", "days", "until"],
)
def test_days_are_counted_before_anything_runs(wait: str, day: str) -> None:
    """2024-05-11 is a Saturday on which is worked."""
    story = a_story(steps=f"steps:\n  - wait: {wait}\n  - look:\n")

    assert [step.on.isoformat() for step in story.steps] == [day, day]
    assert due_on(date(2024, 5, 6), 5, tables().calendar).on == date(2024, 5, 11)


def test_a_case_and_a_person_are_known_by_their_names() -> None:
    story = a_story(
        steps="""\
steps:
  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }
    as: first
    expect:
      case: { case: first, status: SUBMITTED }
  - apply: { person: chen, origin_division: 410100, destination_division: 330100 }
    as: second
  - admit: { case: first }
    by: one-person
    refused: { code: SAME_PERSON }
"""
    )

    assert [step.gives for step in story.steps] == ["first", "second", ""]
    assert story.steps[2].given["case"] == "first"
    assert story.steps[2].by == "one-person"
    assert story.steps[2].refused is not None


def changed(old: str, new: str) -> str:
    assert old in STORY, old
    return STORY.replace(old, new, 1)


APPLY = "  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }\n"


@pytest.mark.parametrize(
    ("text", "at", "field", "says"),
    [
        (changed("title: A short story\n", ""), "source", "title", "is missing; expected what it tells"),
        (changed("source:", "sauce:"), "sauce", "sauce", "did you mean source?"),
        (changed("from: 2024-05-06", "from: 2019-05-06"), "from", "from", "is too early; expected a day from 2020-01-01 on"),
        (changed("    sex: male\n", ""), "name: 陈", "people.chen.sex", "is missing; expected male or female"),
        (changed("hukou: 41", "hukou: 4"), "hukou", "people.chen.hukou", "'4' is no province; expected two digits"),
        (changed("      44:\n", "      81:\n"), "      81:", "people.chen.records", "'81' takes no part"),
        (changed("5000.00", "5000"), "5000,", "people.chen.records.44.rows.1.monthly_wage", "'5000' is not an amount"),
        (
            changed("  - wait:", "  - await:"),
            "await",
            "steps.2.await",
            "is not known here (did you mean wait?); docs/scenarios.md names all",
        ),
        (changed("working_days: 1", "working_days: 1, days: 2"), "wait", "steps.2.wait", "has working_days and days"),
        (changed("working_days: 1", "until: 2024-05-06"), "wait", "steps.2.wait.until", "is not after 2024-05-06"),
        (changed("  - admit:\n", "  - admit:\n    complete:\n"), "admit", "steps.3", "has the verbs admit and complete"),
        (changed("  - admit:\n", "  - by: maker\n"), "by: maker", "steps.3", "has no verb; expected one verb a step"),
        (changed("person: chen", "person: wang"), "wang", "steps.1.apply.person", "'wang' is nobody; expected one of chen"),
        (
            changed("  - admit:\n", "  - admit: { case: other }\n"),
            "other",
            "steps.3.admit.case",
            "'other' is no case that an earlier",
        ),
        (changed(APPLY, "  - admit:\n" + APPLY), "admit", "steps.1.admit", "needs a case, and none was opened"),
        (changed("status: LETTER_SENT", "status: SENT"), "SENT", "steps.3.expect.case.status", "'SENT' is not one of the words"),
        (changed("holder: 44", "holder: Guangdong"), "Guangdong", "steps.3.expect.case.holder", "'Guangdong' is no province"),
        (changed("      case: {", "      cases: {"), "cases", "steps.3.expect.cases", "did you mean case?"),
        (changed("  - admit:\n", "  - admit:\n    as: x\n"), "as: x", "steps.3.as", "admit gives nothing to be named"),
        (changed("  - admit:\n", "  - admit:\n    by: boss\n"), "boss", "steps.3.by", "'boss' is not one of the words"),
        (
            changed("  - admit:\n", "  - admit:\n    refused: { basis: Art. 3 }\n"),
            "refused",
            "steps.3.refused.code",
            "is missing",
        ),
        (changed("  - admit:\n", "  - admit:\n    refuse: { code: X1 }\n"), "refuse:", "steps.3.refuse", "did you mean refused?"),
        (written(steps="steps: []\n"), "steps", "steps", "has 0 entries; expected at least 1"),
        (written(steps="steps: none\n"), "steps", "steps", "is the text 'none'; expected a list"),
        (written(steps="steps:\n  - look\n"), "look", "steps.1", "is no step; expected a mapping with a verb"),
        (written(steps=""), "title", "steps", "is missing; expected a list of steps"),
        (
            written(steps=f"steps:\n{APPLY}    as: a\n{APPLY}    as: a\n"),
            "    as: a\n" + APPLY,
            "steps.2.as",
            "is the name of what an",
        ),
        (
            written(steps="steps:\n  - look:\n    expect:\n      ledger: { 44: { balances: { individual li: 0.00 } } }\n"),
            "individual li",
            "steps.1.expect.ledger.44.balances",
            "'individual li' is of nobody; expected one of chen",
        ),
        (
            written(steps="steps:\n  - look:\n    expect:\n      case: { status: COMPLETED }\n"),
            "case:",
            "steps.1.expect.case",
            "needs a case, and none was opened",
        ),
        (
            written(steps="steps:\n  - look:\n    expect:\n      journal: { 33: { facts: [{ fact: transfer.applied }] } }\n"),
            "journal:",
            "steps.1.expect.journal.33",
            "needs a case, and none was opened",
        ),
        (
            changed("      case: { status", "      journal: { 33: { facts: [{ fact: form.came }] } }\n      case: { status"),
            "form.came",
            "steps.3.expect.journal.33.facts.1.fact",
            "'form.came' is no fact; expected a fact of the journal like information_form.received",
        ),
        (
            changed("      case: { status", "      record: { 44: { person: li, state: moved } }\n      case: { status"),
            "person: li",
            "steps.3.expect.record.44.person",
            "'li' is nobody; expected one of chen",
        ),
        (
            written(steps="steps:\n  - check_voucher: { voucher: v }\n"),
            "voucher: v",
            "steps.1.check_voucher.voucher",
            "'v' is no voucher that an earlier step gave; expected one of nothing: there are none",
        ),
        (
            written(steps=f"steps:\n{APPLY}    expect:\n      answer: {{ total: 1.00 }}\n"),
            "total",
            "steps.1.expect.answer.total",
            "is not known here; expected code",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value and len(value) < 60 else "",
)
def test_each_mistake_is_named_by_its_line_and_field(text: str, at: str, field: str, says: str) -> None:
    problems = problems_of(text)

    assert problems, "nothing was found wrong"
    assert field in [problem.field for problem in problems], problems
    found = next(problem for problem in problems if problem.field == field)
    line = line_of(text, at) + (2 if at.endswith(APPLY) else 0)
    assert found.place.line == line, (found, line)
    assert says in found.says
    assert found.file == "story.yaml"


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("end: 2023-12", "end: 2024-01", "people.chen.records.44.rows.1.end", "lies in another year than the start 2023-01"),
        (
            "start: 2024-04, end: 2024-04",
            "start: 2024-04, end: 2024-03",
            "people.chen.records.33.rows.1.end",
            "lies before the start",
        ),
        (
            "first_insured_on: 2023-01-01",
            "first_insured_on: 1980-01-01",
            "people.chen.records.44.first_insured_on",
            "before the birth",
        ),
        ("stopped_on: 2023-12-31", "stopped_on: 2022-12-31", "people.chen.records.44.stopped_on", "lies before first_insured_on"),
        ("5000.00, employer", "0.00, employer", "people.chen.records.44.rows.1.monthly_wage", "is zero in a paid row"),
        ("stopped_on: 2023-12-31", "scheme: 999", "people.chen.records.44.scheme", "is no scheme"),
        (
            "hukou: 41\n",
            "hukou: 41\n    category: knight\n",
            "people.chen.records.44.category",
            "is not one of the allowed words",
        ),
    ],
    ids=["another year", "reversed", "before birth", "stopped before", "no wage", "no scheme", "no category"],
)
def test_what_the_import_would_refuse_is_named_where_it_stands_in_the_story(old: str, new: str, field: str, says: str) -> None:
    text = changed(old, new)

    problems = {problem.field: problem for problem in problems_of(text)}

    assert says in problems[field].says
    place = problems[field].place
    assert new.split(":")[-1].strip().split(",")[0][:4] in text.splitlines()[place.line - 1]


def test_all_mistakes_of_a_file_are_named_in_the_order_of_its_lines() -> None:
    text = changed("sex: male", "sex: man").replace("- wait:", "- sleep:").replace("5000.00", "5000")

    lines = [problem.place.line for problem in problems_of(text)]

    assert lines == sorted(lines)
    assert len(lines) >= 4


def test_a_file_that_cannot_be_read_names_itself(tmp_path: Path) -> None:
    with pytest.raises(StoryInvalid, match=r"no-story\.yaml:1:1: cannot be read"):
        read_story(tmp_path / "no-story.yaml")


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.stem)
def test_our_own_stories_can_be_read(file: Path) -> None:
    story = read_story(file)

    assert story.steps


def test_every_scenario_of_the_domain_brief_has_its_story() -> None:
    told = {int(file.name[:2]) for file in OURS}

    assert told >= set(range(1, 26))


def test_every_story_of_ours_has_its_figures_in_a_comment() -> None:
    assert [file.name for file in OURS if not file.read_text("utf-8").startswith("#")] == []


def example() -> str:
    """The story of the document."""
    text = (ROOT / "docs" / "scenarios.md").read_text("utf-8")
    return text.partition("```yaml\n")[2].partition("```")[0]


def test_the_example_of_the_document_can_be_read_and_every_field_of_it_is_explained() -> None:
    assert problems_of(example()) == []
    assert isinstance(a_story(example()), Story)
    heads = [line for line in example().splitlines() if line and not line.startswith((" ", "people", "steps"))]
    assert [line for line in heads if "#" not in line] == []


def test_what_an_editor_would_read_is_what_we_read() -> None:
    """Nothing of ours uses what YAML's types would change: a plain reader finds the same names."""
    for file in OURS:
        assert set(yaml.load(file.read_text("utf-8"), Loader=yaml.BaseLoader)) == {"title", "source", "from", "people", "steps"}
