"""One row of a dated table: what each carries, how it is read and checked, and which of several is in force on a day.

Pure: the loader opens the files and hands over what it parsed. A topic with tables of its own reads them with these and
gives the loader one value; see `services.rules.pension_tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

ANY_PROVINCE = "*"
CONFIDENCES = ("found", "confident", "unsure", "untrusted", "design")
_OPEN = "open"
_T = TypeVar("_T")


class RuleNotInForce(LookupError):
    """No row of a table is in force on the day."""

    def __init__(self, rule: str, on: date) -> None:
        super().__init__(f"no rule of {rule} is in force on {on}")
        self.rule = rule
        self.on = on


@dataclass(frozen=True, slots=True)
class Dated:
    """What every row carries: from when to when it is in force (None: open), where it is written, how sure we are.

    `rule` names the row in explanations, for example ``account_ratios@2006-01-01``.
    """

    rule: str
    effective_from: date
    effective_to: date | None
    source: str
    confidence: str

    def in_force(self, on: date) -> bool:
        """Say whether the row holds on the day."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)


def weakest(*rows: Dated) -> str:
    """Return the confidence of what rests on several rows: that of the least sure."""
    return max((row.confidence for row in rows), key=CONFIDENCES.index)


class _Provincial(Protocol):
    @property
    def provinces(self) -> tuple[str, ...]: ...


class _Coded(Protocol):
    @property
    def code(self) -> str: ...


DatedT = TypeVar("DatedT", bound=Dated)
ProvincialT = TypeVar("ProvincialT", bound=_Provincial)
CodedT = TypeVar("CodedT", bound=_Coded)


def in_force(rows: Iterable[DatedT], rule: str, on: date) -> DatedT:
    """Return the first row that holds on the day; `rule` names the table in the refusal. Raises RuleNotInForce."""
    for row in rows:
        if row.in_force(on):
            return row
    raise RuleNotInForce(rule, on)


def of_province(rows: tuple[ProvincialT, ...], province: str) -> list[ProvincialT]:
    """Return a province's own rows and then the national ones, so that its own win."""
    own = [row for row in rows if province in row.provinces]
    return own + [row for row in rows if ANY_PROVINCE in row.provinces]


class Row:
    """One row being read; what is wrong with it is noted, so that all problems come out together.

    Every reader returns something of its type even when the value is wrong: the tables are refused at the end.
    """

    def __init__(self, file: str, number: int, values: Mapping[str, Any], problems: list[str]) -> None:
        self._place = f"{file} row {number}"
        self._values = values
        self._problems = problems
        self._unread = set(values)

    def problem(self, text: str) -> None:
        """Note what is wrong with this row."""
        self._problems.append(f"{self._place}: {text}")

    def _value(self, key: str) -> Any:
        self._unread.discard(key)
        if key not in self._values:
            self.problem(f"{key} is missing")
        return self._values.get(key)

    def text(self, key: str) -> str:
        """Read a text."""
        value = self._value(key)
        if value is not None and not isinstance(value, str):
            self.problem(f"{key} = {value!r} is not a text")
        return value if isinstance(value, str) else ""

    def one_of(self, key: str, allowed: Iterable[str]) -> str:
        """Read a text out of a closed set."""
        allowed = tuple(allowed)
        value = self.text(key)
        if value not in allowed:
            self.problem(f"{key} = {value!r} is none of {', '.join(allowed)}")
            return allowed[0]
        return value

    def flag(self, key: str) -> bool:
        """Read true or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            self.problem(f"{key} = {value!r} is not true or false")
        return value is True

    def integer(self, key: str, low: int, high: int) -> int:
        """Read a whole number within bounds, both included."""
        value = self._value(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.problem(f"{key} = {value!r} is not a whole number from {low} to {high}")
            return low
        return value

    def integers(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """Read a list of whole numbers within bounds, both included."""
        listed = self._value(key)
        if (
            not isinstance(listed, list)
            or not listed
            or not all(isinstance(one, int) and not isinstance(one, bool) and low <= one <= high for one in listed)
        ):
            self.problem(f"{key} = {listed!r} is not a list of whole numbers from {low} to {high}")
            return (low,)
        return tuple(listed)

    def money_fen(self, key: str) -> int:
        """Read an amount in yuan, like "11883" or "11883.50", as integer fen."""
        fen = self.fraction(key, high="99999999.99") * 100
        if fen != int(fen):
            self.problem(f"{key} = {self._values[key]!r} has more than two decimals")
        return int(fen)

    def fraction(self, key: str, high: str = "1") -> Decimal:
        """Read a number from 0 to `high`, exact, given as a text, a whole number or a decimal."""
        value = self._value(key)
        try:
            number = Decimal(value) if isinstance(value, str | int | Decimal) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_nan() or not 0 <= number <= Decimal(high):
            self.problem(f'{key} = {value!r} is not a number from 0 to {high}, like "0.08"')
            return Decimal(0)
        return number

    def day(self, key: str) -> date:
        """Read a date."""
        value = self._value(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            self.problem(f"{key} = {value!r} is not a date")
            return date.min
        return value

    def open_day(self, key: str) -> date | None:
        """Read a date, or None where the field is "open" or left out."""
        if self._values.get(key, _OPEN) == _OPEN:
            self._unread.discard(key)
            return None
        return self.day(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a text or a list of texts."""
        value = self._value(key)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
            self.problem(f"{key} = {value!r} is not a text or a list of texts")
            return ()
        return tuple(listed)

    def provinces(self) -> tuple[str, ...]:
        """Read the field `province`: one or several two-digit codes, or "*" for all."""
        listed = self.texts("province")
        for code in listed:
            if code != ANY_PROVINCE and not (len(code) == 2 and code.isdigit()):
                self.problem(f'province {code!r} is neither two digits nor "*"')
        return listed

    def dated(self, key: str) -> dict[str, Any]:
        """Read the fields of `Dated`; `key` names the table, or with a slash in it the row itself."""
        effective_from, effective_to = self.day("effective_from"), self.open_day("effective_to")
        if effective_to is not None and effective_to < effective_from:
            self.problem(f"effective_to {effective_to} lies before effective_from {effective_from}")
        return {
            "rule": key if "/" in key else f"{key}@{effective_from}",
            "effective_from": effective_from,
            "effective_to": effective_to,
            "source": self.text("source"),
            "confidence": self.one_of("confidence", CONFIDENCES),
        }

    def named(self, table: str, code: str) -> dict[str, Any]:
        """Read the fields of `Dated` of a row with a code, named after both: a code can have one row after another."""
        dated = self.dated(f"{table}/{code}")
        return {**dated, "rule": f"{table}/{code}@{dated['effective_from']}"}

    def finish(self) -> None:
        """Note every field that nothing has read."""
        for key in sorted(self._unread):
            self.problem(f"{key} is not a field of this table")


class Contents:
    """All tables as parsed (name of the file without ``.toml`` to its content), being read; `problems` grows."""

    def __init__(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        self._contents = contents
        self.problems: list[str] = []

    def rows(self, file: str, key: str, read: Callable[[Row], _T]) -> tuple[_T, ...]:
        """Read every ``[[key]]`` of a file; a table without a row is a problem."""
        listed = self._contents[file].get(key)
        if not isinstance(listed, list) or not listed:
            self.problems.append(f"{file}.toml has no [[{key}]] row")
            return ()
        found = []
        for number, values in enumerate(listed, 1):
            row = Row(f"{file}.toml", number, values, self.problems)
            found.append(read(row))
            row.finish()
        return tuple(found)

    def once(self, rows: tuple[DatedT, ...], keys: Callable[[DatedT], Iterable[str]], file: str) -> None:
        """Note every pair of rows that hold for the same key on the same day."""
        by_key: dict[str, list[DatedT]] = {}
        for row in rows:
            for key in keys(row):
                by_key.setdefault(key, []).append(row)
        for key, listed in by_key.items():
            listed.sort(key=lambda row: row.effective_from)
            for earlier, later in pairwise(listed):
                if earlier.effective_to is None or later.effective_from <= earlier.effective_to:
                    which = f" for {str(key)!r}" if key else ""
                    self.problems.append(f"{file}: two rows{which} are in force on {later.effective_from}")

    def by_code(self, rows: tuple[CodedT, ...], file: str) -> Mapping[Any, CodedT]:
        """Index rows by their code; a code that is there twice is a problem."""
        found: dict[str, CodedT] = {}
        for row in rows:
            if row.code in found:
                self.problems.append(f"{file}: the code {row.code} is there twice")
            found[row.code] = row
        return MappingProxyType(found)
