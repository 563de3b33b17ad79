"""What a contract may become without a new version: one test a rule."""

from typing import Any

import pytest

from contracts.compatibility import Incompatibility, compare
from contracts.generate import schemas


def an_object(required: tuple[str, ...] = ("kept",), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"kept": {"type": "string"}, **properties}, "required": list(required)}


def a_field(**schema: Any) -> dict[str, Any]:
    return an_object(field=schema)


@pytest.mark.parametrize("name", schemas())
def test_a_schema_is_compatible_with_itself(name: str) -> None:
    schema = schemas()[name]

    assert compare(schema, schema) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(an_object(), an_object(added={"type": "string"}), id="an optional field is added"),
        pytest.param(a_field(type="string"), a_field(type="string", description="said better"), id="a field is described better"),
        pytest.param(a_field(type="string"), a_field(type="string", default="x", title="X"), id="a default is said"),
        pytest.param(a_field(type="integer", minimum=1), a_field(type="integer", minimum=0), id="a lower bound is widened"),
        pytest.param(a_field(type="integer", maximum=1), a_field(type="integer", maximum=2), id="an upper bound is widened"),
        pytest.param(a_field(type="string", maxLength=1), a_field(type="string"), id="a bound is taken away"),
        pytest.param(
            a_field(type="string", enum=["a"], **{"x-may-grow": True}),
            a_field(type="string", enum=["a", "b"], **{"x-may-grow": True}),
            id="an enumeration that says so grows",
        ),
        pytest.param(a_field(const="a"), a_field(enum=["a"]), id="a constant is written as an enumeration of one"),
        pytest.param(
            {**an_object(), "additionalProperties": False},
            {**an_object(), "additionalProperties": True},
            id="further fields are passed over from now on",
        ),
        pytest.param(
            a_field(anyOf=[{"type": "string"}, {"type": "null"}]),
            a_field(anyOf=[{"type": "null"}, {"type": "string"}]),
            id="choices are written in another order",
        ),
        pytest.param(
            {**a_field(**{"$ref": "#/$defs/Before"}), "$defs": {"Before": an_object()}},
            {**a_field(**{"$ref": "#/$defs/After"}), "$defs": {"After": an_object()}},
            id="a shared part has another name",
        ),
    ],
)
def test_a_contract_may_grow(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert compare(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "path", "what"),
    [
        pytest.param(a_field(type="string"), an_object(), "field", "removed or renamed", id="a field is removed"),
        pytest.param(
            a_field(type="string"), an_object(feld={"type": "string"}), "field", "removed or renamed", id="a field is renamed"
        ),
        pytest.param(
            a_field(type="string"), a_field(type="integer"), "field", "was string and is integer", id="a field is retyped"
        ),
        pytest.param(
            a_field(type="integer"), a_field(type="number"), "field", "was integer and is number", id="fen become a float"
        ),
        pytest.param(
            a_field(type="string"),
            an_object(required=("kept", "field"), field={"type": "string"}),
            "field",
            "was optional and is required",
            id="an optional field is required",
        ),
        pytest.param(
            an_object(),
            an_object(required=("kept", "added"), added={"type": "string"}),
            "added",
            "new and required",
            id="a new field is required",
        ),
        pytest.param(an_object(), an_object(required=()), "kept", "may be missing", id="a required field becomes optional"),
        pytest.param(
            a_field(type="integer", minimum=0),
            a_field(type="integer", minimum=1),
            "field",
            "minimum was 0 and is 1",
            id="a lower bound is narrowed",
        ),
        pytest.param(
            a_field(type="integer"),
            a_field(type="integer", maximum=9),
            "field",
            "maximum was open and is 9",
            id="an upper bound is new",
        ),
        pytest.param(
            a_field(type="string", maxLength=9),
            a_field(type="string", maxLength=8),
            "field",
            "maxLength",
            id="a text is shortened",
        ),
        pytest.param(
            a_field(type="array", items={}, minItems=1),
            a_field(type="array", items={}, minItems=2),
            "field",
            "minItems",
            id="a list",
        ),
        pytest.param(a_field(type="string"), a_field(type="string", pattern="^a$"), "field", "pattern", id="a pattern is new"),
        pytest.param(
            a_field(type="string", format="date"),
            a_field(type="string", format="date-time"),
            "field",
            "format was date and is date-time",
            id="a date becomes a time",
        ),
        pytest.param(
            a_field(type="string", enum=["a", "b"]),
            a_field(type="string", enum=["a"]),
            "field",
            "no longer takes 'b'",
            id="a value is taken out",
        ),
        pytest.param(
            a_field(type="string", enum=["a", "b"], **{"x-may-grow": True}),
            a_field(type="string", enum=["a", "c"], **{"x-may-grow": True}),
            "field",
            "no longer takes 'b'",
            id="a value is renamed, even where values may be added",
        ),
        pytest.param(
            a_field(type="string", enum=["a"]),
            a_field(type="string", enum=["a", "b"]),
            "field",
            "'b', which a reader does not expect",
            id="an enumeration grows that did not say so",
        ),
        pytest.param(
            a_field(type="string", enum=["a"]),
            a_field(type="string", enum=["a", "b"], **{"x-may-grow": True}),
            "field",
            "does not expect",
            id="an enumeration says so only now",
        ),
        pytest.param(
            a_field(type="string"), a_field(type="string", enum=["a"]), "field", "takes only some", id="values are listed"
        ),
        pytest.param(
            a_field(type="string", enum=["a"]), a_field(type="string"), "field", "takes any", id="values are listed no longer"
        ),
        pytest.param(a_field(const="a"), a_field(const="b"), "field", "no longer takes 'a'", id="a constant changes"),
        pytest.param(
            a_field(type="string"),
            a_field(anyOf=[{"type": "string"}, {"type": "null"}]),
            "field",
            "may now be null",
            id="a field may be null from now on",
        ),
        pytest.param(
            a_field(anyOf=[{"type": "string"}, {"type": "null"}]),
            a_field(type="string"),
            "field",
            "may no longer be null",
            id="a field may be null no longer",
        ),
        pytest.param(
            {**an_object(), "additionalProperties": True},
            {**an_object(), "additionalProperties": False},
            "",
            "fewer further fields",
            id="unknown fields are refused from now on",
        ),
        pytest.param(
            a_field(type="object", additionalProperties={"type": "integer"}),
            a_field(type="object", additionalProperties={"type": "string"}),
            "field.*",
            "was integer and is string",
            id="a map's values are retyped",
        ),
        pytest.param(
            a_field(type="object", additionalProperties={"type": "integer"}),
            a_field(type="object"),
            "field.*",
            "have none",
            id="a map's values lose their type",
        ),
        pytest.param(
            a_field(type="array", items={"type": "string"}),
            a_field(type="array", items={"type": "integer"}),
            "field[]",
            "was string and is integer",
            id="what a list holds is retyped",
        ),
        pytest.param(
            a_field(type="array", items={"type": "string"}),
            a_field(type="array"),
            "field[]",
            "has changed",
            id="a list of anything",
        ),
        pytest.param(
            a_field(type="array", prefixItems=[{"type": "string"}]),
            a_field(type="array", prefixItems=[]),
            "field",
            "had 1 places and has 0",
            id="a place of a list is dropped",
        ),
        pytest.param(
            {
                "$ref": "#/$defs/A",
                "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}, "B": an_object()},
            },
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}, "B": a_field()}}
            | {"$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"type": "object"}}},
            "b.kept",
            "removed",
            id="a field is removed deep in a shared part",
        ),
    ],
)
def test_a_change_that_is_no_growth_is_named_with_its_place(
    old: dict[str, Any], new: dict[str, Any], path: str, what: str
) -> None:
    found = compare(old, new)

    assert [each.path for each in found].count(path) >= 1, found
    assert any(what in each.what for each in found if each.path == path), found


def test_a_part_that_contains_itself_is_compared_once() -> None:
    tree = {"$ref": "#/$defs/Tree", "$defs": {"Tree": a_field(type="array", items={"$ref": "#/$defs/Tree"})}}

    assert compare(tree, tree) == []


def test_a_problem_reads_like_a_sentence() -> None:
    assert str(Incompatibility("data.items", "was removed or renamed")) == "data.items: was removed or renamed"
    assert str(Incompatibility("", "was object and is array")) == "(the whole): was object and is array"
