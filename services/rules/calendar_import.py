"""Next year's holiday notice as the operator types it in: read, checked as a whole, every error named at once."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from services.rules.deadlines import CalendarYear

# The festivals of 全国年节及纪念日放假办法 that fall on fixed days; a notice without them is not a notice.
_FIXED_HOLIDAYS = ((1, 1), (5, 1), (10, 1), (10, 2), (10, 3))


@dataclass(frozen=True, slots=True)
class CalendarError:
    """One thing wrong in the file: where (a line or an entry), what was read, why it cannot stand."""

    where: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.value!r} {self.reason}"


class CalendarInvalid(ValueError):
    """The file cannot be used; `errors` holds everything that is wrong with it."""

    def __init__(self, errors: tuple[CalendarError, ...]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class _Entry:
    where: str
    day: date
    kind: Literal["holiday", "make_up"]


def parse_calendar(text: str, form: Literal["toml", "csv"], *, source: str = "") -> tuple[CalendarYear, ...]:
    """Read the notices of one or more years.

    TOML has the form of ``tables/calendar.toml``. CSV has the columns ``date,kind`` and optionally ``name``, kind being
    ``holiday`` or ``make_up``, of any number of years; it carries no source of its own, so `source` names the notice.
    Weekends inside a holiday may be listed or left out. Raises CalendarInvalid with every error found.
    """
    if form == "csv":
        return _parse_csv(text.removeprefix("\ufeff"), source)
    try:
        content = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise CalendarInvalid((CalendarError("file", "", f"is not TOML: {error}"),)) from None
    return calendar_years(content)


def calendar_years(content: Mapping[str, Any]) -> tuple[CalendarYear, ...]:
    """Check the content of a calendar TOML file. Raises CalendarInvalid with every error found."""
    errors: list[CalendarError] = []
    years: list[CalendarYear] = []
    tables = content.get("calendar")
    if not isinstance(tables, list) or not tables:
        raise CalendarInvalid((CalendarError("file", "", "has no [[calendar]] table"),))
    seen: set[int] = set()
    for number, table in enumerate(tables, 1):
        year = table.get("year")
        where = f"calendar {year if isinstance(year, int) else f'no. {number}'}"
        if not isinstance(year, int) or isinstance(year, bool):
            errors.append(CalendarError(where, str(year), "is not a year"))
            continue
        if year in seen:
            errors.append(CalendarError(where, str(year), "is there twice"))
        seen.add(year)
        source = table.get("source", "")
        if not isinstance(source, str) or not source:
            errors.append(CalendarError(where, "source", "must name the notice"))
        entries: list[_Entry] = []
        kinds: tuple[tuple[str, Literal["holiday", "make_up"]], ...] = (
            ("holidays", "holiday"),
            ("make_up_days", "make_up"),
        )
        for key, kind in kinds:
            listed = table.get(key)
            if not isinstance(listed, list):
                errors.append(CalendarError(where, key, "must be a list of dates"))
                continue
            for position, day in enumerate(listed, 1):
                place = f"{where}, {key} no. {position}"
                if type(day) is not date:  # A datetime is a date too, but not a day.
                    errors.append(CalendarError(place, str(day), "is not a date YYYY-MM-DD"))
                else:
                    entries.append(_Entry(place, day, kind))
        confidence = table.get("confidence", "found")
        years.append(_checked_year(where, year, entries, str(source), str(confidence), errors))
    if errors:
        raise CalendarInvalid(tuple(errors))
    return tuple(sorted(years, key=lambda one: one.year))


def _parse_csv(text: str, source: str) -> tuple[CalendarYear, ...]:
    errors: list[CalendarError] = []
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in ("date", "kind") if column not in (reader.fieldnames or ())]
    errors.extend(CalendarError("line 1", column, "is a column that is missing") for column in missing)
    if not source:
        errors.append(CalendarError("file", "source", "must name the notice"))
    if missing:
        raise CalendarInvalid(tuple(errors))

    entries: dict[int, list[_Entry]] = {}
    for row in reader:
        where = f"line {reader.line_num}"
        day_text, kind_text = (row["date"] or "").strip(), (row["kind"] or "").strip()
        try:
            day = date.fromisoformat(day_text)
        except ValueError:
            errors.append(CalendarError(where, day_text, "is not a date YYYY-MM-DD"))
            day = None
        match kind_text:
            case "holiday" | "make_up" as kind:
                if day is not None:
                    entries.setdefault(day.year, []).append(_Entry(where, day, kind))
            case _:
                errors.append(CalendarError(where, kind_text, "must be holiday or make_up"))
    if not entries and not errors:
        errors.append(CalendarError("file", "", "has no day in it"))
    years = [_checked_year(f"calendar {year}", year, listed, source, "found", errors) for year, listed in sorted(entries.items())]
    if errors:
        raise CalendarInvalid(tuple(errors))
    return tuple(years)


def _checked_year(
    where: str,
    year: int,
    entries: list[_Entry],
    source: str,
    confidence: str,
    errors: list[CalendarError],
) -> CalendarYear:
    seen: dict[date, _Entry] = {}
    for entry in entries:
        shown = entry.day.isoformat()
        if entry.day.year != year:
            errors.append(CalendarError(entry.where, shown, f"does not lie in {year}"))
        if entry.day in seen:
            errors.append(CalendarError(entry.where, shown, f"is already given by {seen[entry.day].where}"))
        seen.setdefault(entry.day, entry)
        if entry.kind == "make_up" and entry.day.weekday() < 5:
            errors.append(CalendarError(entry.where, shown, "is no Saturday or Sunday, so it makes up for nothing"))
    holidays = frozenset(entry.day for entry in entries if entry.kind == "holiday")
    errors.extend(
        CalendarError(where, date(year, month, day).isoformat(), "is a public holiday and is missing")
        for month, day in _FIXED_HOLIDAYS
        if date(year, month, day) not in holidays
    )
    return CalendarYear(
        year=year,
        holidays=holidays,
        make_up_days=frozenset(entry.day for entry in entries if entry.kind == "make_up"),
        effective_from=date(year, 1, 1),
        effective_to=date(year, 12, 31),
        source=source,
        confidence=confidence,
    )


def render_calendar(notice: CalendarYear) -> str:
    """Write one year in the form of ``tables/calendar.toml``, ready to be appended to it."""
    lines = [
        "[[calendar]]",
        f"year = {notice.year}",
        f"effective_from = {notice.effective_from}",
        f"effective_to = {notice.effective_to}",
        f"source = {_quoted(notice.source)}",
        f"confidence = {_quoted(notice.confidence)}",
        f"holidays = [{', '.join(str(day) for day in sorted(notice.holidays))}]",
        f"make_up_days = [{', '.join(str(day) for day in sorted(notice.make_up_days))}]",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
