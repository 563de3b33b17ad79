"""The format for those who write it: a JSON Schema, and tables of verbs and looks.

`python -m services.cli.scenario.schema [--check]`. Both come from the very shapes that read a story, so they say the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, assert_never

from contracts.generate import as_text, write_or_check
from services.cli.scenario.format import COMMON, STORY
from services.cli.scenario.looks import LOOKS
from services.cli.scenario.making import CASE_FIELD, CODE_ANSWER
from services.cli.scenario.reading import ByName, Kind, Many, Maybe, Scalar, Shape
from services.cli.scenario.verbs import VERBS

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMA_FILE = "scenario.schema.json"
TABLES_FILE = "scenarios.md"
BEGIN, END = "<!-- made by services/cli/scenario/schema.py: begin -->", "<!-- end -->"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a story. What none can say (names, days in order, the import's checks), the command does."""
    known: dict[str, Any] = {}
    story = _of(STORY, known)
    step = {
        "type": "object",
        "description": "one verb, and what belongs to it",
        "properties": {
            **{verb.name: _described(_or_nothing(_of(verb.takes, known)), verb.says) for verb in VERBS},
            **{each.name: _described(_of(each.kind, known), each.says) for each in COMMON},
        },
        "additionalProperties": False,
        "oneOf": [{"required": [verb.name]} for verb in VERBS],
    }
    expect = known["expect"]
    answers: dict[str, list[dict[str, Any]]] = {}
    for each in (each for verb in VERBS for each in verb.answer.fields):
        said = _described(_of(each.kind, known), each.says)
        if said not in answers.setdefault(each.name, []):
            answers[each.name].append(said)
    expect["properties"]["answer"] = {
        "description": "what the service answered; which fields there are depends on the verb",
        "type": "object",
        "properties": {name: said[0] if len(said) == 1 else {"anyOf": said} for name, said in answers.items()},
        "additionalProperties": False,
    }
    known["step"] = step
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A story of a case, for jiexu scenario run",
        **story,
        "$defs": dict(sorted(known.items())),
    }


def _of(kind: Kind, known: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case Scalar():
            return dict(kind.schema)
        case Maybe():
            return {"anyOf": [dict(kind.of.schema), {"type": "null"}]}
        case Many():
            least = {"minItems": kind.least} if kind.least else {}
            return {"type": "array", "items": _of(kind.of, known), **least}
        case ByName():
            least = {"minProperties": kind.least} if kind.least else {}
            names = {"pattern": kind.key.schema["pattern"]} if "pattern" in kind.key.schema else dict(kind.key.schema)
            return {"type": "object", "propertyNames": names, "additionalProperties": _of(kind.of, known), **least}
        case Shape():
            return _shape(kind, known)
        case _:
            assert_never(kind)


def _shape(shape: Shape, known: dict[str, Any]) -> dict[str, Any]:
    if shape.name not in known:
        found: dict[str, Any] = {"type": "object", "description": shape.says}
        known[shape.name] = found  # before its fields, one of which may be of the same shape
        found["properties"] = {each.name: _described(_of(each.kind, known), each.says) for each in shape.fields}
        if needed := [each.name for each in shape.fields if each.needed]:
            found["required"] = needed
        if shape.one_of:
            found["oneOf"] = [{"required": [name]} for name in shape.one_of]
        found["additionalProperties"] = False
    if shape is STORY:
        return dict(known.pop(shape.name))
    return {"$ref": f"#/$defs/{shape.name}"}


def _described(schema: dict[str, Any], says: str) -> dict[str, Any]:
    return {"description": says, **schema}


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    """A verb may stand without fields: `- complete:`."""
    return {"anyOf": [schema, {"type": "null"}]}


def tables() -> str:
    """Verbs, looks and the shapes inside them as Markdown, with every field."""
    lines = ["### Verbs", "", "`case` is the case's name: the last one that was opened, unless told otherwise.", ""]
    lines += ["| verb | what it does | request | as | fields | answer |", "|---|---|---|---|---|---|"]
    for verb in VERBS:
        name = f"`{verb.name}`{' (local)' if verb.local else ''}{f', gives a {verb.gives}' if verb.gives else ''}"
        lines.append(_row(name, verb.says, verb.request, verb.by, _fields(verb.takes), _fields(verb.answer)))
    lines += ["", "Every step may have, beside its verb:", "", "| field | |", "|---|---|"]
    lines += [_row(f"`{each.name}`", f"{each.says}: {_named(each.kind)}") for each in COMMON]
    lines += ["", "### What can be expected", "", "`answer` is what the step's own request was answered; the others:", ""]
    lines += ["| look | what it is | asked of | fields |", "|---|---|---|---|"]
    for look in LOOKS:
        shape = look.kind if isinstance(look.kind, Shape) else look.kind.of
        assert isinstance(shape, Shape), look.name
        by = "" if isinstance(look.kind, Shape) else f"by {look.kind.key.name}: "
        name = f"`{look.name}`{' (local)' if look.local else ''}"
        lines.append(_row(name, look.says, look.request, by + _fields(shape)))
    lines += ["", "### Shapes inside them", "", "| shape | what it is | fields |", "|---|---|---|"]
    lines += [_row(f"*{shape.name}*", shape.says, _fields(shape)) for shape in _inside()]
    return "\n".join(lines)


def _inside() -> list[Shape]:
    """Every shape that stands inside a verb, a look or the story's head, in the order in which one meets them."""
    found: dict[str, Shape] = {}

    def meet(kind: Kind, *, inside: bool) -> None:
        match kind:
            case Shape():
                if inside and kind.fields and kind.name not in found:
                    found[kind.name] = kind
                for each in kind.fields:
                    meet(each.kind, inside=each.name not in ("expect", "refused"))
            case Many() | ByName():
                meet(kind.of, inside=inside)
            case Scalar() | Maybe():
                pass
            case _:
                assert_never(kind)

    for top in (STORY, *(verb.takes for verb in VERBS), *(look.kind for look in LOOKS)):
        # What is by province has no row of its own yet; a look's own shape has.
        meet(top.of if isinstance(top, ByName) else top, inside=False)
    return list(found.values())


def _fields(shape: Shape) -> str:
    one = set(shape.one_of)
    told = []
    for each in shape.fields:
        mark = " (one of them)" if each.name in one else "" if each.needed else "?"
        known = each in (CASE_FIELD, *CODE_ANSWER) or each.kind is CASE_FIELD.kind
        told.append(f"`{each.name}`{mark}" if known else f"`{each.name}`{mark} {_named(each.kind)}: {each.says}")
    return "; ".join(told)


def _named(kind: Kind) -> str:
    match kind:
        case Scalar():
            words = kind.schema.get("enum", ())
            return " \\| ".join(f"`{word}`" for word in words) if 0 < len(words) <= 10 else f"*{kind.name}*"
        case Maybe():
            return f"{_named(kind.of)} or `null`"
        case Many():
            return f"list of {_named(kind.of)}"
        case ByName():
            return f"{_named(kind.of)} by *{kind.key.name}*"
        case Shape():
            return f"*{kind.name}*"
        case _:
            assert_never(kind)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def documents(docs: Path = DOCS) -> dict[Path, str]:
    """The generated files with their text: the schema, and the document with its tables in their place."""
    written = docs / TABLES_FILE
    before, _, rest = written.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return {docs / SCHEMA_FILE: as_text(json_schema()), written: f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"}


def main(arguments: list[str] | None = None) -> int:
    """Generate, or check with `--check`; 1 on drift."""
    parser = argparse.ArgumentParser(prog="python -m services.cli.scenario.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with the names of files that differ")
    return write_or_check(documents(), check=parser.parse_args(arguments).check)


if __name__ == "__main__":
    sys.exit(main())
