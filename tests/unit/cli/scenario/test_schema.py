"""The schema and the document say what the reader reads."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from services.cli.scenario.looks import LOOKS
from services.cli.scenario.schema import BEGIN, END, documents, json_schema, main, tables
from services.cli.scenario.verbs import VERBS
from tests.unit.cli.scenario.stories import STORY

ROOT = Path(__file__).parents[4]
SCHEMA = json_schema()
OURS = sorted((ROOT / "tests" / "scenarios").glob("*.yaml"))


RESOLVERS = {
    sign: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
AsAnEditor: Any = type("AsAnEditor", (yaml.SafeLoader,), {"yaml_implicit_resolvers": RESOLVERS})
"""YAML as editors read it: numbers are numbers, days are text."""


def as_an_editor(text: str) -> Any:
    """A story as a value of JSON, names of mappings as text."""
    return json.loads(json.dumps(yaml.load(text, Loader=AsAnEditor)))


def wrong(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(as_an_editor(text))]


def test_what_is_committed_is_what_the_shapes_say() -> None:
    assert main(["--check"]) == 0


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.stem)
def test_our_stories_are_right_by_the_schema(file: Path) -> None:
    assert wrong(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title:", "titel:"),
        ("sex: male", "sex: man"),
        ("monthly_wage: 5000.00", "monthly_wage: a lot"),
        ("- wait: { working_days: 1 }", "- sleep: { working_days: 1 }"),
        ("- wait: { working_days: 1 }", "- wait: { working_days: 1, days: 1 }"),
        ("status: LETTER_SENT", "status: SENT"),
        ("expect:\n      case: { status", "expect:\n      cases: { status"),
        ("hukou: 41", "hukou: 41\n    shoe_size: 42"),
    ],
    ids=["a field", "a word", "money", "a verb", "two ways", "a status", "a look", "an unknown field"],
)
def test_what_the_schema_can_say_it_says(old: str, new: str) -> None:
    assert wrong(STORY) == []
    assert wrong(STORY.replace(old, new, 1))


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def test_every_reference_leads_somewhere_and_nothing_stands_there_for_nothing() -> None:
    found = set(references(SCHEMA))

    # An answer's own shape is put together from all verbs; it is inlined.
    assert found == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


def test_the_tables_name_every_verb_every_look_and_every_field() -> None:
    text = tables()

    assert [verb.name for verb in VERBS if f"| `{verb.name}`" not in text] == []
    assert [look.name for look in LOOKS if f"| `{look.name}`" not in text] == []
    assert [each.name for verb in VERBS for each in verb.takes.fields if f"`{each.name}`" not in text] == []
    verbs = text.partition("### What can be expected")[0]
    cells = {line.count(" | ") for line in verbs.splitlines() if line.startswith("| `") and "POST /" in line}
    assert cells == {5}


def test_a_document_keeps_what_a_person_wrote_around_the_tables(tmp_path: Path) -> None:
    (tmp_path / "scenarios.md").write_text(f"before\n{BEGIN}\nwhat stood there\n{END}\nafter\n")

    text = documents(tmp_path)[tmp_path / "scenarios.md"]

    assert re.fullmatch(rf"before\n{re.escape(BEGIN)}\n\n.*\n\n{re.escape(END)}\nafter\n", text, re.DOTALL)
    assert "what stood there" not in text
