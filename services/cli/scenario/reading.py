"""Reads YAML by declared shapes, and says of everything that is wrong where it stands and what was expected.

PyYAML gives the nodes with their places; what a value is, the shape decides and never YAML: `1800.00` is Decimal text, `33` a
province, `2024-05-06` a day. So nothing is rounded, and no word turns into yes or no by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, assert_never

import yaml

_NULL = frozenset({"", "~", "null"})


MANY = 12
"""Of more names than these a problem lists none, where it has a likely one to offer."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in its file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file. `field` is the way to it, list entries counted from 1: `steps.3.apply.person`."""

    file: str
    place: Place
    field: str
    says: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}"
        return f"{where}: {self.field}: {self.says}" if self.field else f"{where}: {self.says}"


class StoryInvalid(ValueError):
    """A file that is no story; `problems` names everything that is wrong, in the order of its lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is written as one word or text.

    Args:
        name: of the kind, for schema and documents.
        says: what was expected, with an example.
        read: the value from its text; raises ValueError, whose text says more where it has one.
        schema: the JSON Schema of what may be written.
        take: the value from what a service answers.
        show: the value as a report shows it.
        refers: what the text is the name of, where it refers to something that stands elsewhere in the story.
    """

    name: str
    says: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    take: Callable[[Any], Any] = lambda value: value
    show: Callable[[Any], str] = str
    refers: str = ""


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value, or `null` where there is to be none."""

    of: Scalar


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    of: Kind
    least: int = 0


@dataclass(frozen=True, slots=True)
class ByName:
    """A mapping whose names are free: persons, or provinces."""

    key: Scalar
    of: Kind
    least: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A mapping with declared fields; any other is refused.

    `one_of` are fields of which exactly one must be there. `name` is under what JSON Schema knows the shape.
    """

    name: str
    says: str
    fields: tuple[Field, ...]
    one_of: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        """The field of this name."""
        return next((each for each in self.fields if each.name == name), None)


Kind: TypeAlias = "Scalar | Maybe | Many | ByName | Shape"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a shape. `goes_as` is its name in a request's body, where that is another one."""

    name: str
    kind: Kind
    says: str
    needed: bool = False
    goes_as: str = ""


class Values(Mapping[str, Any]):
    """What was read for a shape, or by name: the values that are there, each with its place."""

    def __init__(self, place: Place, given: Mapping[str, Any] | None = None, places: Mapping[str, Place] | None = None) -> None:
        self.place = place
        self.places: Mapping[str, Place] = places or {}
        self._given: Mapping[str, Any] = given or {}

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class Reader:
    """Reads one file; everything wrong is noted, and what could not be read is left out.

    Args:
        file: its name, as it stands in problems.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.seen: list[tuple[Scalar, str, Place, str]] = []  # every reference: kind, name, place, way

    def note(self, place: Place, way: str, says: str) -> None:
        """Note something wrong."""
        self.problems.append(Problem(self.file, place, way, says))

    def root(self, content: bytes) -> yaml.Node | None:
        """The one document's node, or None with the problem noted."""
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.note(Place(line, 1), "", "is not UTF-8; save the file as UTF-8")
            return None
        try:
            nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)
            told = " ".join(part for part in (error.context, error.problem) if part)
            if "\\t" in (error.problem or ""):
                told = "a tab stands here; expected spaces"
            self.note(place, "", f"is not YAML: {told or error}")
            return None
        except yaml.YAMLError as error:  # a character that YAML does not take
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            self.note(Place(line, 1), "", f"is not YAML: {str(error).splitlines()[0]}")
            return None
        if len(nodes) != 1 or nodes[0] is None:
            place = Place(1, 1) if len(nodes) < 2 else _place(nodes[1])
            self.note(place, "", f"holds {len(nodes)} documents; expected one story a file")
            return None
        return nodes[0]

    def read(self, node: yaml.Node, kind: Kind, way: str = "") -> Any:
        """What a node says, as a kind; None where it cannot be read, with the problem noted."""
        match kind:
            case Maybe():
                if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULL:
                    return None
                return self.read(node, kind.of, way)
            case Scalar():
                return self._scalar(node, kind, way)
            case Many():
                return self._many(node, kind, way)
            case ByName():
                return self._by_name(node, kind, way)
            case Shape():
                return self._shape(node, kind, way)
            case _:
                assert_never(kind)

    def _scalar(self, node: yaml.Node, kind: Scalar, way: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self.note(_place(node), way, f"is a {_called(node)}; expected {kind.says}")
            return None
        if node.style is None and node.value in _NULL:
            self.note(_place(node), way, f"is empty; expected {kind.says}")
            return None
        try:
            found = kind.read(node.value.strip())
        except ValueError as error:
            told = str(error)
            self.note(_place(node), way, f"{_quoted(node.value)} {told or 'cannot be read'}; expected {kind.says}")
            return None
        if kind.refers:
            self.seen.append((kind, found, _place(node), way))
        return found

    def _many(self, node: yaml.Node, kind: Many, way: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            self.note(_place(node), way, f"is {_called(node, article=True)}; expected a list")
            return ()
        if len(node.value) < kind.least:
            self.note(_place(node), way, f"has {len(node.value)} entries; expected at least {kind.least}")
        return tuple(self.read(item, kind.of, f"{way}.{at}") for at, item in enumerate(node.value, 1))

    def _by_name(self, node: yaml.Node, kind: ByName, way: str) -> Values:
        found: dict[str, Any] = {}
        places: dict[str, Place] = {}
        if not isinstance(node, yaml.MappingNode):
            self.note(_place(node), way, f"is {_called(node, article=True)}; expected a mapping by {kind.key.name}")
            return Values(_place(node))
        for key, value in self._pairs(node, way):
            name = self._scalar(key, kind.key, way)
            if name is not None:
                found[name] = self.read(value, kind.of, _join(way, str(key.value)))
                places[name] = _place(key)
        if len(node.value) < kind.least:
            self.note(_place(node), way, f"has {len(node.value)} entries; expected at least {kind.least}")
        return Values(_place(node), found, places)

    def _shape(self, node: yaml.Node, shape: Shape, way: str) -> Values:
        empty = isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULL
        if not isinstance(node, yaml.MappingNode) and not empty:
            self.note(_place(node), way, f"is {_called(node, article=True)}; expected a mapping with {_names(shape)}")
            return Values(_place(node))
        found: dict[str, Any] = {}
        places: dict[str, Place] = {}
        there: set[str] = set()
        for key, value in () if empty else self._pairs(node, way):
            name = str(key.value)
            known = shape.field(name)
            if known is None:
                self.note(_place(key), _join(way, name), _unknown(name, shape))
                continue
            there.add(name)
            before = len(self.problems)
            read = self.read(value, known.kind, _join(way, name))
            if len(self.problems) == before or read is not None:
                found[name] = read
            places[name] = _place(value)
        for each in shape.fields:
            if each.needed and each.name not in there:
                self.note(_place(node), _join(way, each.name), f"is missing; expected {each.says}")
        if shape.one_of and len(chosen := [name for name in shape.one_of if name in there]) != 1:
            place = places[chosen[1]] if chosen else _place(node)
            said = f"has {' and '.join(chosen)}" if chosen else "has none of them"
            self.note(place, way, f"{said}; expected exactly one of {_listed(shape.one_of)}")
        return Values(_place(node), found, places)

    def _pairs(self, node: yaml.MappingNode, way: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """The pairs of a mapping, each name once."""
        seen: dict[str, Place] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.note(_place(key), way, f"has {_called(key, article=True)} as a name; expected a word")
                continue
            if key.value in seen:
                first = seen[key.value].line
                self.note(_place(key), _join(way, key.value), f"stands on line {first} already; expected each name once")
                continue
            seen[key.value] = _place(key)
            yield key, value


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _called(node: yaml.Node, *, article: bool = False) -> str:
    if isinstance(node, yaml.MappingNode):
        word = "mapping"
    elif isinstance(node, yaml.SequenceNode):
        word = "list"
    else:
        return f"the text {_quoted(node.value)}" if node.value else "empty"
    return f"a {word}" if article else word


def _quoted(text: str) -> str:
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return f"'{short}'"


def _names(shape: Shape) -> str:
    return _listed([each.name for each in shape.fields])


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}" if names else "nothing"


def _unknown(name: str, shape: Shape) -> str:
    names = [each.name for each in shape.fields]
    close = get_close_matches(name, names, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    if close and len(names) > MANY:
        return f"is not known here{hint}; docs/scenarios.md names all {len(names)}"
    return f"is not known here{hint}; expected {_listed(names)}" if names else "is not known here; expected nothing"


def _join(way: str, name: str) -> str:
    return f"{way}.{name}" if way else name


def load(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        StoryInvalid: when it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        says = f"cannot be read: {error.strerror or type(error).__name__}"
        raise StoryInvalid([Problem(str(path), Place(1, 1), "", says)]) from error
