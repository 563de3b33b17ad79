"""YAML by declared shapes: each kind of value, each kind of mistake, with its place."""

from typing import Any

import pytest

from services.cli.scenario.kinds import COUNT, MONEY, NAME, PROVINCE, TEXT, YES_NO
from services.cli.scenario.reading import (
    ByName,
    Field,
    Kind,
    Many,
    Maybe,
    Place,
    Problem,
    Reader,
    Shape,
    StoryInvalid,
    Values,
    load,
)

INNER = Shape("inner", "an inner thing", (Field("amount", MONEY, "how much", needed=True), Field("times", COUNT, "how often")))
WHEN = Shape("when", "when", (Field("days", COUNT, "days"), Field("until", TEXT, "until")), one_of=("days", "until"))
THING = Shape(
    "thing",
    "a thing",
    (
        Field("name", TEXT, "its name", needed=True),
        Field("whole", YES_NO, "whether it is"),
        Field("code", Maybe(TEXT), "a code"),
        Field("inner", INNER, "what is inside"),
        Field("all", Many(INNER, least=1), "several"),
        Field("by", ByName(PROVINCE, COUNT), "by province"),
        Field("when", WHEN, "when"),
    ),
)


def read(text: str, kind: Kind = THING) -> tuple[Any, list[Problem]]:
    reader = Reader("file.yaml")
    root = reader.root(text.encode())
    return (reader.read(root, kind) if root is not None else None), reader.problems


def test_values_come_as_their_kinds_and_money_as_fen() -> None:
    found, problems = read("name: 33\nwhole: true\ncode: null\ninner: { amount: 12479.86 }\nby: { 44: 3 }\n")

    assert problems == []
    assert dict(found) == {"name": "33", "whole": True, "code": None, "inner": found["inner"], "by": found["by"]}
    assert dict(found["inner"]) == {"amount": 1_247_986}
    assert dict(found["by"]) == {"44": 3}
    assert found["inner"].place == Place(4, 8)
    assert found.places["inner"] == Place(4, 8)


def test_no_amount_is_ever_a_float() -> None:
    found, problems = read("name: x\ninner: { amount: 9999999999999.99 }\n")

    assert problems == []
    assert found["inner"]["amount"] == 999_999_999_999_999  # 9999999999999.99 as a float is 10000000000000.0


@pytest.mark.parametrize(
    ("text", "line", "column", "field", "says"),
    [
        ("name: x\nnmae: y\n", 2, 1, "nmae", "is not known here (did you mean name?); expected name, whole, code"),
        ("whole: true\n", 1, 1, "name", "is missing; expected its name"),
        ("name: x\nname: y\n", 2, 1, "name", "stands on line 1 already; expected each name once"),
        ("name: [x]\n", 1, 7, "name", "is a list; expected a text"),
        ("name:\n", 1, 6, "name", "is empty; expected a text"),
        ("name: x\nwhole: yes\n", 2, 8, "whole", "'yes' is neither; expected true or false"),
        ("name: x\ninner: { amount: 5000 }\n", 2, 18, "inner.amount", "'5000' is not an amount; expected yuan with two decimals"),
        ("name: x\ninner: { amount: 1,000.00 }\n", 2, 18, "inner.amount", "'1' is not an amount"),
        ("name: x\ninner: text\n", 2, 8, "inner", "is the text 'text'; expected a mapping with amount or times"),
        ("name: x\nall: []\n", 2, 6, "all", "has 0 entries; expected at least 1"),
        ("name: x\nall: { a: b }\n", 2, 6, "all", "is a mapping; expected a list"),
        ("name: x\nall:\n  - { amount: 1.00 }\n  - { amount: x }\n", 4, 15, "all.2.amount", "'x' is not an amount"),
        ("name: x\nby: { 99: 1 }\n", 2, 7, "by", "'99' is no province"),
        ("name: x\nby: { 44: many }\n", 2, 11, "by.44", "'many' is not a whole number"),
        ("name: x\nby: 44\n", 2, 5, "by", "is the text '44'; expected a mapping by province"),
        ("name: x\nwhen: { days: 1, until: y }\n", 2, 25, "when", "has days and until; expected exactly one of days or until"),
        ("name: x\nwhen: { }\n", 2, 7, "when", "has none of them; expected exactly one of days or until"),
        ("name: x\n[a, b]: y\n", 2, 1, "", "has a list as a name; expected a word"),
        ("- name\n", 1, 1, "", "is a list; expected a mapping with name"),
    ],
    ids=lambda value: str(value).encode("unicode_escape").decode()[:40] if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named_by_line_column_and_field(text: str, line: int, column: int, field: str, says: str) -> None:
    _, problems = read(text)

    assert [(problem.place.line, problem.place.column, problem.field) for problem in problems][:1] == [(line, column, field)]
    assert says in problems[0].says


def test_everything_that_is_wrong_is_named_at_once() -> None:
    _, problems = read("whole: no\ninner: { amount: x, more: y }\n")

    assert [problem.field for problem in problems] == ["whole", "inner.amount", "inner.more", "name"]


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"a: [1, 2\nb: 3\n", 2, "is not YAML"),
        (b"a: b: c\n", 1, "is not YAML: mapping values are not allowed here"),
        (b"a: \x01\n", 1, "is not YAML"),
        (b"a:\n\tb: 1\n", 2, "is not YAML: a tab stands here; expected spaces"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        (b"", 1, "holds 0 documents"),
        (b"a: 1\n---\nb: 2\n", 3, "holds 2 documents"),
        (b"a: &x [*x]\nb: !!python/object:os.system {}\n", 1, "is a list"),
    ],
    ids=["a bracket", "two colons", "a control character", "a tab", "not utf-8", "empty", "two documents", "a loop and a tag"],
)
def test_what_is_no_yaml_is_named_by_its_line(content: bytes, line: int, says: str) -> None:
    reader = Reader("file.yaml")
    root = reader.root(content)
    if root is not None:
        reader.read(root, Shape("any", "anything", (Field("a", TEXT, "a"), Field("b", WHEN, "b"))))

    assert reader.problems[0].place.line == line
    assert says in reader.problems[0].says


def test_a_byte_order_mark_does_no_harm() -> None:
    found, problems = read("\ufeffname: x\n")

    assert (dict(found), problems) == ({"name": "x"}, [])


def test_an_alias_is_what_it_stands_for() -> None:
    found, problems = read("name: &n x\ncode: *n\n")

    assert (found["code"], problems) == ("x", [])


def test_a_merge_is_refused_as_any_unknown_field() -> None:
    _, problems = read("name: x\ninner: { <<: { amount: 1.00 } }\n")

    assert problems[0].field == "inner.<<"


def test_a_field_that_may_be_empty_takes_null_and_the_text_in_quotes() -> None:
    assert read("name: x\ncode: ~\n")[0]["code"] is None
    assert read('name: x\ncode: "null"\n')[0]["code"] == "null"


def test_references_are_noted_with_their_places() -> None:
    reader = Reader("file.yaml")
    person = Shape("x", "x", (Field("who", NAME, "who"),))
    root = reader.root(b"who: chen\n")
    assert root is not None

    reader.read(root, person)

    assert reader.seen == []  # a plain name refers to nothing


def test_a_problem_reads_like_a_compilers() -> None:
    problem = Problem("a.yaml", Place(3, 7), "steps.1", "is wrong")

    assert str(problem) == "a.yaml:3:7: steps.1: is wrong"
    assert str(StoryInvalid([problem, problem])).splitlines() == [str(problem)] * 2
    assert str(Problem("a.yaml", Place(1, 1), "", "is empty")) == "a.yaml:1:1: is empty"


def test_a_file_that_is_not_there_is_a_problem_too(tmp_path: Any) -> None:
    with pytest.raises(StoryInvalid, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")


def test_values_are_a_mapping() -> None:
    values = Values(Place(1, 1), {"a": 1}, {"a": Place(1, 4)})

    assert (len(values), list(values), values["a"], values.get("b")) == (1, ["a"], 1, None)
