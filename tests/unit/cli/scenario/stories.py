"""A story as text, each test with the one thing that matters to it."""

from services.cli.scenario.format import Story, parse_story
from services.cli.scenario.reading import Problem, StoryInvalid

STORY = """\
title: A short story
source: domain § 8, 1
from: 2024-05-06
people:
  chen:
    name: 陈建国
    sex: male
    born: 1990-03-15
    hukou: 41
    records:
      44:
        first_insured_on: 2023-01-01
        stopped_on: 2023-12-31
        rows:
          - { division: 440100, start: 2023-01, end: 2023-12, monthly_wage: 5000.00, employer_rate: 0.16 }
      33:
        first_insured_on: 2024-04-01
        rows:
          - { division: 330100, start: 2024-04, end: 2024-04, monthly_wage: 5000.00, employer_rate: 0.16 }
steps:
  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }
  - wait: { working_days: 1 }
  - admit:
    expect:
      case: { status: LETTER_SENT, holder: 44, due_on: 2024-05-28, code: null }
"""


def a_story(text: str = STORY, *, steps: str | None = None) -> Story:
    """A story; with other steps, if told."""
    return parse_story(written(text, steps=steps).encode(), file="story.yaml")


def written(text: str = STORY, *, steps: str | None = None) -> str:
    """The text of a story; with other steps, if told."""
    return text if steps is None else text[: text.index("steps:")] + steps


def problems_of(text: str) -> list[Problem]:
    """Everything that is wrong with a story; nothing, if it can be read."""
    try:
        parse_story(text.encode(), file="story.yaml")
    except StoryInvalid as error:
        return list(error.problems)
    return []


def line_of(text: str, part: str) -> int:
    """The line on which a part of a text stands first."""
    return text[: text.index(part)].count("\n") + 1
