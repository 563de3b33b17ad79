"""Rows of a dated table that come in while services run: a change of law is a new row, old cases keep the rows of their date.

Pure. A row that is in force without an end gives way where a new one for the same thing begins. What would change an answer of
the past is refused, unless the caller says that the rows replace what was there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from services.rules.calendar_import import CalendarInvalid, parse_calendar, render_calendar
from services.rules.table_rows import ANY_PROVINCE

Contents = Mapping[str, Mapping[str, Any]]
RawRow = Mapping[str, Any]
Form = Literal["toml", "csv"]

_OPEN = "open"
_EVER = date.max
# What says which thing a row is about; the rest of it is what it says.
_IDENTIFYING = ("code", "year", "province", "sex", "category", "position")
_ROW_OF_A_PROBLEM = re.compile(r"^(\w+)\.toml row (\d+): ")


class ImportRefused(ValueError):
    """Rows that cannot be taken, by name: `code` is stable, the text says which row and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class NewRows:
    """The rows of a file: of which table, under which key of it, and the first day on which one of them is in force."""

    table: str
    key: str
    rows: tuple[RawRow, ...]
    effective_from: date


@dataclass(frozen=True, slots=True)
class Merged:
    """All tables with new rows in them. `replaces` says that an answer of the past may have changed."""

    contents: Contents
    replaces: bool


def read_rows(text: str, form: Form, contents: Contents, *, source: str = "") -> NewRows:
    """Read a file with rows of one table: TOML in the form of ``tables/*.toml``, or a holiday notice as CSV.

    Which table it is, the key of its rows says. `source` names the notice of a CSV file. Raises ImportRefused with NOT_TOML,
    NOT_A_TABLE, CALENDAR_INVALID, ROW_INVALID.
    """
    if form == "csv":
        text = _calendar_as_toml(text, "csv", source)
    try:
        parsed = tomllib.loads(text.removeprefix("\ufeff"), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ImportRefused("NOT_TOML", f"the file is not TOML: {error}") from None
    if set(parsed) == {"calendar"} and form == "toml":
        parsed = tomllib.loads(_calendar_as_toml(text, "toml", source))
    homes = {key: table for table, held in contents.items() for key, value in held.items() if isinstance(value, list)}
    if len(parsed) != 1 or (key := next(iter(parsed))) not in homes:
        listed = ", ".join(f"[[{name}]]" for name in sorted(homes))
        raise ImportRefused("NOT_A_TABLE", f"a file holds rows of one table, each under one of {listed}; not {sorted(parsed)}")
    rows = parsed[key]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ImportRefused("NOT_A_TABLE", f"[[{key}]] holds no rows")
    for number, row in enumerate(rows, 1):
        first, last = row.get("effective_from"), row.get("effective_to", _OPEN)
        if type(first) is not date or not (last == _OPEN or type(last) is date) or (last != _OPEN and last < first):
            raise ImportRefused("ROW_INVALID", f"row {number} needs the days effective_from and effective_to, in order, or open")
    return NewRows(homes[key], key, tuple(rows), min(row["effective_from"] for row in rows))


def merge(contents: Contents, new: NewRows, *, today: date | None, replace: bool = False) -> Merged:
    """Put new rows into their table; a row that was there gives way on the days of a new one for the same thing.

    What is in force on a day up to `today` is never changed unless `replace` says so; `today` None asks nothing, for rows that
    were taken before. Raises ImportRefused with NOTHING_NEW, CHANGES_THE_PAST.
    """
    held: Sequence[RawRow] = contents[new.table][new.key]
    if all(row in held for row in new.rows):
        if today is None:
            return Merged(contents, False)
        raise ImportRefused("NOTHING_NEW", f"{new.table} says this already")
    changed = False
    for row in new.rows:
        until = _until(row)
        for known in held:
            if not _same_thing(known, row, nationwide=True) or not _overlap(known, row):
                continue
            begins = max(known["effective_from"], row["effective_from"])
            if today is None or begins <= today:
                if today is not None and not replace:
                    raise ImportRefused(
                        "CHANGES_THE_PAST",
                        f"{_named(new.table, row)} from {row['effective_from']} is about what {_named(new.table, known)} says "
                        f"since {known['effective_from']}: answers for days up to {min(until, today)} would change",
                    )
                changed = True
        held = [rest for known in held for rest in _without(known, row)]
    table = {**contents[new.table], new.key: [*held, *new.rows]}
    return Merged({**contents, new.table: table}, changed)


def explained(problems: Sequence[str], merged: Contents, new: NewRows) -> tuple[str, ...]:
    """Say what is wrong with tables after an import in the numbers of the file that came in."""
    before = len(merged[new.table][new.key]) - len(new.rows)

    def told(problem: str) -> str:
        found = _ROW_OF_A_PROBLEM.match(problem)
        if found is None or found[1] != new.table or int(found[2]) <= before:
            return problem
        return f"row {int(found[2]) - before} of the file: {problem[found.end() :]}"

    return tuple(told(problem) for problem in problems)


def in_force_on(contents: Contents, table: str, on: date | None) -> list[dict[str, Any]]:
    """Return the rows of a table, each with its key, or those in force on a day. Raises ImportRefused with NOT_A_TABLE."""
    if table not in contents or not any(isinstance(value, list) for value in contents[table].values()):
        raise ImportRefused("NOT_A_TABLE", f"there is no table {table}")
    return [
        {"key": key, **row}
        for key, rows in contents[table].items()
        if isinstance(rows, list)
        for row in rows
        if on is None or row["effective_from"] <= on <= _until(row)
    ]


def _calendar_as_toml(text: str, form: Form, source: str) -> str:
    try:
        return "\n".join(render_calendar(notice) for notice in parse_calendar(text, form, source=source))
    except CalendarInvalid as error:
        raise ImportRefused("CALENDAR_INVALID", str(error)) from None


def _until(row: RawRow) -> date:
    last = row.get("effective_to", _OPEN)
    return last if isinstance(last, date) else _EVER


def _overlap(one: RawRow, other: RawRow) -> bool:
    return bool(one["effective_from"] <= _until(other) and other["effective_from"] <= _until(one))


def _provinces(row: RawRow) -> tuple[str, ...]:
    listed = row.get("province", ())
    return (listed,) if isinstance(listed, str) else tuple(listed)


def _same_thing(known: RawRow, new: RawRow, *, nationwide: bool = False) -> bool:
    """Say whether two rows are about the same thing; with `nationwide` a province's own is about what the national row is."""
    if any(known.get(name) != new.get(name) for name in _IDENTIFYING if name != "province"):
        return False
    theirs, ours = _provinces(known), _provinces(new)
    return theirs == ours or not set(theirs).isdisjoint(ours) or (nationwide and ANY_PROVINCE in theirs)


def _without(known: RawRow, new: RawRow) -> Iterator[RawRow]:
    """Return what is left of a row where a new one takes its days: the days before and after, and its other provinces."""
    if not _same_thing(known, new) or not _overlap(known, new):
        yield known
        return
    taken = set(_provinces(new))
    others = [code for code in _provinces(known) if code not in taken]
    if others:
        yield {**known, "province": others}
    kept = {**known}
    if others:
        kept["province"] = [code for code in _provinces(known) if code in taken]
    if known["effective_from"] < new["effective_from"]:
        yield {**kept, "effective_to": new["effective_from"] - timedelta(days=1)}
    if _until(new) < _until(known):
        yield {**kept, "effective_from": _until(new) + timedelta(days=1)}


def _named(table: str, row: RawRow) -> str:
    said = ", ".join(f"{name} {row[name]}" for name in _IDENTIFYING if name in row)
    return f"{table} ({said})" if said else table
