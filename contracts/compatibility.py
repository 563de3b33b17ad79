"""What a contract may become without a new version. Pure: it compares JSON Schemas and knows no files.

A contract may grow an optional field. It may not lose, rename, retype or require one, nor narrow a bound or take a value out
of an enumeration: records that were published would no longer be read. An enumeration may grow only where it says so
(`x-may-grow`), for a reader that does not expect it would refuse the new value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAY_GROW = "x-may-grow"

Schema = Mapping[str, Any]

_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "multipleOf", "uniqueItems")


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """What changed at a place of a schema that must not change; `path` is like `data.items.pool_fen`."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path or '(the whole)'}: {self.what}"


def compare(old: Schema, new: Schema) -> list[Incompatibility]:
    """Every way in which `new` breaks what `old` promised; empty where it has only grown."""
    return list(_Comparison(old, new).nodes(old, new, ""))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str]] = set()

    def nodes(self, old: Schema, new: Schema, path: str) -> Iterator[Incompatibility]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        may_grow = bool(old.get(MAY_GROW))
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        may_grow = may_grow or bool(old.get(MAY_GROW))
        if "anyOf" in old or "anyOf" in new:
            yield from self._choices(old, new, path)
            return
        if old.get("type") != new.get("type"):
            yield Incompatibility(path, f"was {_kind(old)} and is {_kind(new)}")
            return
        yield from _values(old, new, path, may_grow)
        yield from _bounds(old, new, path)
        yield from self._fields(old, new, path)
        yield from self._items(old, new, path)

    def _choices(self, old: Schema, new: Schema, path: str) -> Iterator[Incompatibility]:
        before = {_kind(_resolved(self._old, each)): each for each in old.get("anyOf", [old])}
        after = {_kind(_resolved(self._new, each)): each for each in new.get("anyOf", [new])}
        for found, choices in ((before, old), (after, new)):
            assert len(found) == len(choices.get("anyOf", [None])), (path, "two choices of one type are not told apart")
        for kind in sorted(before.keys() - after.keys()):
            yield Incompatibility(path, f"may no longer be {kind}")
        for kind in sorted(after.keys() - before.keys()):
            yield Incompatibility(path, f"may now be {kind}, which a reader does not expect")
        for kind in sorted(before.keys() & after.keys()):
            yield from self.nodes(before[kind], after[kind], path)

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[Incompatibility]:
        before: Schema = old.get("properties", {})
        after: Schema = new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for name, field in before.items():
            place = f"{path}.{name}".lstrip(".")
            if name not in after:
                yield Incompatibility(place, "was removed or renamed")
                continue
            if name in needed_after - needed_before:
                yield Incompatibility(place, "was optional and is required")
            if name in needed_before - needed_after:
                yield Incompatibility(place, "was always there and may be missing")
            yield from self.nodes(field, after[name], place)
        for name in after.keys() - before.keys():
            if name in needed_after:
                yield Incompatibility(f"{path}.{name}".lstrip("."), "is new and required")
        rest_before, rest_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(rest_before, Mapping) and isinstance(rest_after, Mapping):
            yield from self.nodes(rest_before, rest_after, f"{path}.*".lstrip("."))
        elif rest_after != rest_before and rest_after is not True:
            yield Incompatibility(path, "takes fewer further fields than before")
        elif isinstance(rest_before, Mapping):
            yield Incompatibility(f"{path}.*".lstrip("."), "its values had a type and have none")

    def _items(self, old: Schema, new: Schema, path: str) -> Iterator[Incompatibility]:
        before, after = old.get("prefixItems", ()), new.get("prefixItems", ())
        if len(before) != len(after):
            yield Incompatibility(path, f"had {len(before)} places and has {len(after)}")
        for at, (left, right) in enumerate(zip(before, after, strict=False)):
            yield from self.nodes(left, right, f"{path}[{at}]")
        left, right = old.get("items"), new.get("items")
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from self.nodes(left, right, f"{path}[]")
        elif left != right:
            yield Incompatibility(f"{path}[]", "what it lists has changed")


def _resolved(root: Schema, node: Schema) -> Schema:
    """What a reference stands for; local ones, and those to a resource that the document brings with it."""
    while "$ref" in node:
        name: str = node["$ref"]
        node = _resources(root)[name] if name in _resources(root) else _pointed(root, name)
    return node


def _resources(root: Schema) -> dict[str, Schema]:
    return {each["$id"]: each for each in root.get("$defs", {}).values() if "$id" in each}


def _pointed(root: Schema, name: str) -> Schema:
    assert name.startswith("#/$defs/"), name
    key = name.removeprefix("#/$defs/")
    for place in (root, *_resources(root).values()):
        if key in place.get("$defs", {}):
            found: Schema = place["$defs"][key]
            return found
    raise AssertionError(f"{name} points nowhere")


def _kind(node: Schema) -> str:
    return str(node.get("type", "anything"))


def _allowed(node: Schema) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    values: list[Any] | None = node.get("enum")
    return values


def _values(old: Schema, new: Schema, path: str, may_grow: bool) -> Iterator[Incompatibility]:
    before, after = _allowed(old), _allowed(new)
    if before is None and after is None:
        return
    if before is None:
        yield Incompatibility(path, "took any value and takes only some")
        return
    if after is None:
        if not may_grow:
            yield Incompatibility(path, "took only some values and takes any")
        return
    for value in before:
        if value not in after:
            yield Incompatibility(path, f"no longer takes {value!r}")
    for value in after:
        if value not in before and not may_grow:
            yield Incompatibility(path, f"takes {value!r}, which a reader does not expect; it does not say that it may grow")


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[Incompatibility]:
    for name in _AT_LEAST:
        if name in new and (name not in old or new[name] > old[name]):
            yield Incompatibility(path, f"{name} was {old.get(name, 'open')} and is {new[name]}")
    for name in _AT_MOST:
        if name in new and (name not in old or new[name] < old[name]):
            yield Incompatibility(path, f"{name} was {old.get(name, 'open')} and is {new[name]}")
    for name in _EXACT:
        if old.get(name) != new.get(name):
            yield Incompatibility(path, f"{name} was {old.get(name, 'open')} and is {new.get(name, 'open')}")
