"""The persons and contributions files, read and checked as a whole: every error named by file, row and column.

Nothing is half-used: a row with an error is no row, and a person with an error is no person.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from services.rules.amounts import RecordInvalid, RowKind, RowStatus, YearRow
from services.rules.identity import IdNumber, IdNumberInvalid, Sex, mask_id_number, parse_id_number
from services.rules.loader import Tables
from services.rules.months import Month, MonthInvalid

PERSONS_FILE = "persons"
CONTRIBUTIONS_FILE = "contributions"
PERSON_COLUMNS = (
    "id_number",
    "name",
    "sex",
    "hukou",
    "phone",
    "email",
    "language",
    "category",
    "scheme",
    "first_insured_on",
    "stopped_on",
    "drawing_since",
    "personal_balance_1997",
)
CONTRIBUTION_COLUMNS = (
    "id_number",
    "division",
    "start",
    "end",
    "monthly_wage",
    "employer_rate",
    "status",
    "kind",
    "paid_on",
    "note",
)
# What an error may not repeat: messages are shown, mailed and logged.
_PRIVATE_COLUMNS = frozenset({"name", "phone", "email", "note", "monthly_wage", "personal_balance_1997"})

_MONEY = re.compile(r"[0-9]{1,8}(\.[0-9]{1,2})?")
_RATE = re.compile(r"(0|1)(\.[0-9]{1,4})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIVISION = re.compile(r"[0-9]{6}")
_PHONE = re.compile(r"\+?[0-9][0-9 -]{4,19}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Language(StrEnum):
    """The language a person is written to in."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


class Category(StrEnum):
    """Kinds of insured persons, all with the same rights (S-66 Art. 2, 社会保险法 Art. 95, 96)."""

    URBAN_EMPLOYEE = "urban_employee"
    RURAL_WORKER = "rural_worker"
    LANDLESS_FARMER = "landless_farmer"
    FLEXIBLE = "flexible"
    SOLDIER = "soldier"


@dataclass(frozen=True, slots=True)
class Person:
    """An insured person as a province knows them; `personal_balance_1997_fen` is the person's own part at 1997-12-31."""

    id_number: str
    name: str
    sex: Sex
    hukou: str
    phone: str | None
    email: str | None
    language: Language
    category: Category
    scheme: str
    first_insured_on: date | None
    stopped_on: date | None
    drawing_since: date | None
    personal_balance_1997_fen: int


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong: where (line 1 is the header), what was read, why it cannot stand, what to do.

    `value` is masked where it is a person's data.
    """

    file: str
    line: int
    column: str
    value: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, {self.column}: {self.value!r} {self.reason}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class ParsedFiles:
    """What may be imported, and everything that is wrong.

    `contributions_by_id_number` holds each person's rows in order of months, under the normalised number.
    """

    persons: tuple[Person, ...]
    contributions_by_id_number: Mapping[str, tuple[YearRow, ...]]
    errors: tuple[RowError, ...]


def parse_files(
    persons: bytes | None,
    contributions: bytes | None,
    *,
    tables: Tables,
    known_id_numbers: Collection[str] = (),
    accept_good_rows: bool = False,
) -> ParsedFiles:
    """Read one or both files (UTF-8 with or without BOM), to the columns of architecture § 10.

    When the persons file is given, contributions may only be of its persons or of `known_id_numbers`. Normally a file
    with an error yields nothing, and contributions yield nothing without their persons either. With
    `accept_good_rows`, every person without any error in either file is taken, with all their rows. Raises nothing:
    whatever is wrong is in `errors`.
    """
    errors: list[RowError] = []
    bad_persons: set[str] = set()
    reader = _PersonReader(tables, errors, bad_persons)
    listed = reader.read(persons) if persons is not None else {}
    persons_good = not errors

    rows_reader = _ContributionReader(tables, errors, bad_persons)
    by_person = rows_reader.read(contributions) if contributions is not None else {}
    if persons is not None:
        for id_number, lines in by_person.items():
            if id_number not in listed and id_number not in bad_persons and id_number not in known_id_numbers:
                errors.append(
                    RowError(
                        CONTRIBUTIONS_FILE,
                        lines[0][0],
                        "id_number",
                        mask_id_number(id_number),
                        "is not in the persons file",
                        "add the person to the persons file or remove the row",
                    )
                )
                bad_persons.add(id_number)
    files_good = not errors

    if accept_good_rows:
        # Without a readable persons file nobody's record is known to be whole.
        usable = reader.usable and rows_reader.usable
        taken = [person for person in listed.values() if usable and person.id_number not in bad_persons]
        rows = {id_number: lines for id_number, lines in by_person.items() if usable and id_number not in bad_persons}
    else:
        taken = list(listed.values()) if persons_good else []
        rows = by_person if files_good else {}
    return ParsedFiles(
        persons=tuple(taken),
        contributions_by_id_number=MappingProxyType(
            {id_number: tuple(row for _, row in lines) for id_number, lines in rows.items()}
        ),
        errors=tuple(sorted(errors, key=lambda error: (error.file != PERSONS_FILE, error.line))),
    )


class _CellInvalid(ValueError):
    """A cell that cannot stand, with what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


_T = TypeVar("_T")
_EnumT = TypeVar("_EnumT", bound=StrEnum)


def _remembering(read: Callable[[str], _T]) -> Callable[[str], _T]:
    """Keep what a cell meant: files repeat few distinct values, which then also share one object in memory."""
    known: dict[str, _T] = {}

    def look_up(text: str) -> _T:
        found = known.get(text)
        if found is None:
            found = known[text] = read(text)
        return found

    return look_up


def _money(text: str) -> int:
    if _MONEY.fullmatch(text) is None:
        raise _CellInvalid("is not an amount in yuan", "write digits with two decimals and no separators, like 5000.00")
    return int(Decimal(text) * 100)


def _rate(text: str) -> Decimal:
    if _RATE.fullmatch(text) is None or Decimal(text) > 1:
        raise _CellInvalid("is not a rate from 0 to 1", "write a fraction of one with at most four decimals, like 0.16")
    return Decimal(text)


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text) is None:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise _CellInvalid("is not a date", "write YYYY-MM-DD, like 2024-03-31") from None


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except MonthInvalid:
        raise _CellInvalid("is not a month", "write YYYY-MM between 1950-01 and 2050-12, like 2024-03") from None


def _enum(kind: type[_EnumT]) -> Callable[[str], _EnumT]:
    def read(text: str) -> _EnumT:
        try:
            return kind(text)
        except ValueError:
            raise _CellInvalid("is not one of the allowed words", f"write {' or '.join(kind)}") from None

    return read


class _Reader:
    """What both files share: decoding, the header, and noting an error with its place."""

    file: str
    columns: tuple[str, ...]

    def __init__(self, tables: Tables, errors: list[RowError], bad_persons: set[str]) -> None:
        self.usable = True
        self._tables = tables
        self._errors = errors
        self._bad_persons = bad_persons
        self._row_errors = 0
        self._divisions = frozenset(code for code, province in tables.provinces.items() if province.mainland)
        self._id_number = _remembering(self._read_id_number)

    def _note(self, line: int, column: str, value: str, reason: str, remedy: str) -> None:
        if column == "id_number":
            value = mask_id_number(value)
        elif column in _PRIVATE_COLUMNS and value:
            value = "***"
        self._row_errors += 1
        self._errors.append(RowError(self.file, line, column, value[:80], reason, remedy))

    def _cell(self, line: int, column: str, text: str, read: Callable[[str], _T]) -> _T | None:
        try:
            return read(text)
        except _CellInvalid as error:
            self._note(line, column, text, error.reason, error.remedy)
            return None

    def _read_id_number(self, text: str) -> IdNumber:
        try:
            return parse_id_number(text)
        except IdNumberInvalid as error:
            raise _CellInvalid(f"is not an identity number ({error})", "compare it with the person's identity document") from None

    def _division(self, text: str) -> str:
        if _DIVISION.fullmatch(text) is None:
            raise _CellInvalid("is not a division code", "write the six digits of GB/T 2260, like 440100")
        if text[:2] not in self._divisions:
            raise _CellInvalid("lies in no province that takes part", "check the first two digits (jiexu knows GB/T 2260)")
        return text

    def _lines(self, content: bytes) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with its line, its cells stripped and in the order of our columns."""
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.usable = False
            self._note(line, "", "", "is not UTF-8", "save the file again as CSV UTF-8 (not GB18030 or UTF-16)")
            return
        if "\0" in text:
            self.usable = False
            self._note(text.count("\n", 0, text.index("\0")) + 1, "", "", "has a NUL character", "save it again as text")
            return
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        order: list[int] | None = None
        width = 0
        line = 1
        try:
            for cells in reader:
                # A quoted cell may run over several lines; the row is named by its first one.
                first_line, line = line, reader.line_num + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if order is None:
                    order, width = self._header(first_line, cells), len(cells)
                    if order is None:
                        return
                    continue
                if len(cells) != width:
                    self._skip_row(first_line, cells, order, width)
                    continue
                yield first_line, [cells[position].strip() for position in order]
        except csv.Error as error:
            self.usable = False
            self._note(line, "", "", f"is not CSV: {error}", "check the quotation marks on this line")
            return
        if order is None:
            self.usable = False
            self._note(1, "", "", "is empty", f"the first line must name the columns {','.join(self.columns)}")

    def _skip_row(self, line: int, cells: list[str], order: list[int], width: int) -> None:
        self._note(line, "", str(len(cells)), f"cells, but the header has {width} columns", "check for missing or extra commas")
        # The row's owner is known only if the cell with the number is there and can be read.
        position = order[self.columns.index("id_number")]
        if position < len(cells):
            with suppress(_CellInvalid):
                self._bad_persons.add(self._id_number(cells[position].strip()).number)

    def _header(self, line: int, cells: list[str]) -> list[int] | None:
        names = [cell.strip() for cell in cells]
        before = self._row_errors
        for name in self.columns:
            if names.count(name) != 1:
                reason = "is a column that is missing" if name not in names else "is a column that is there twice"
                self._note(line, name, name, reason, f"the columns are {','.join(self.columns)}")
        for name in names:
            if name not in self.columns:
                self._note(line, name, name, "is not a column", f"the columns are {','.join(self.columns)}")
        if self._row_errors > before:
            self.usable = False
            return None
        return [names.index(name) for name in self.columns]


class _PersonReader(_Reader):
    file = PERSONS_FILE
    columns = PERSON_COLUMNS

    def read(self, content: bytes) -> dict[str, Person]:
        persons: dict[str, Person] = {}
        lines: dict[str, int] = {}
        sex, language, category = _enum(Sex), _enum(Language), _enum(Category)
        for line, cells in self._lines(content):
            before = self._row_errors
            (
                id_text,
                name,
                sex_text,
                hukou,
                phone,
                email,
                language_text,
                category_text,
                scheme,
                first_text,
                stopped_text,
                drawing_text,
                balance_text,
            ) = cells
            id_number = self._cell(line, "id_number", id_text, self._id_number)
            if not name:
                self._note(line, "name", name, "is empty", "write the person's name")
            person_sex = self._cell(line, "sex", sex_text, sex)
            self._cell(line, "hukou", hukou, self._hukou)
            if phone and _PHONE.fullmatch(phone) is None:
                self._note(line, "phone", phone, "is not a telephone number", "write digits, or leave it empty")
            if email and _EMAIL.fullmatch(email) is None:
                self._note(line, "email", email, "is not an e-mail address", "correct it, or leave it empty")
            # Who has not chosen a language is written to in Chinese.
            person_language = self._cell(line, "language", language_text or Language.CHINESE, language)
            person_category = self._cell(line, "category", category_text, category)
            self._cell(line, "scheme", scheme, self._scheme)
            first_insured_on = self._cell(line, "first_insured_on", first_text, _day) if first_text else None
            stopped_on = self._cell(line, "stopped_on", stopped_text, _day) if stopped_text else None
            drawing_since = self._cell(line, "drawing_since", drawing_text, _day) if drawing_text else None
            balance_fen = self._cell(line, "personal_balance_1997", balance_text or "0", _money)

            if id_number is not None:
                if person_sex is not None and person_sex is not id_number.sex:
                    self._note(line, "sex", sex_text, "does not agree with the identity number", "check both on the document")
                if first_insured_on is not None and first_insured_on < id_number.birth_on:
                    self._note(line, "first_insured_on", first_text, "lies before the birth", "check it and the identity number")
                if id_number.number in lines:
                    self._note(
                        line,
                        "id_number",
                        id_number.number,
                        f"is already on line {lines[id_number.number]}",
                        "keep one row for each person",
                    )
                lines.setdefault(id_number.number, line)
            for column, text, day in (
                ("stopped_on", stopped_text, stopped_on),
                ("drawing_since", drawing_text, drawing_since),
            ):
                if day is not None and first_insured_on is not None and day < first_insured_on:
                    self._note(line, column, text, "lies before first_insured_on", "check both dates")

            if self._row_errors > before:
                if id_number is not None:
                    self._bad_persons.add(id_number.number)
                    persons.pop(id_number.number, None)
                continue
            assert id_number is not None, line
            assert person_sex is not None, line
            assert person_language is not None, line
            assert person_category is not None, line
            assert balance_fen is not None, line
            persons[id_number.number] = Person(
                id_number=id_number.number,
                name=name,
                sex=person_sex,
                hukou=hukou,
                phone=phone or None,
                email=email or None,
                language=person_language,
                category=person_category,
                scheme=scheme,
                first_insured_on=first_insured_on,
                stopped_on=stopped_on,
                drawing_since=drawing_since,
                personal_balance_1997_fen=balance_fen,
            )
        return persons

    def _hukou(self, text: str) -> str:
        if text not in self._tables.provinces:
            raise _CellInvalid("is no province", "write the first two digits of the hukou's division, like 41")
        return text

    def _scheme(self, text: str) -> str:
        if text not in self._tables.schemes:
            raise _CellInvalid("is no scheme", f"write one of {', '.join(self._tables.schemes)}")
        return text


class _ContributionReader(_Reader):
    file = CONTRIBUTIONS_FILE
    columns = CONTRIBUTION_COLUMNS

    def read(self, content: bytes) -> dict[str, list[tuple[int, YearRow]]]:
        found: dict[str, list[tuple[int, YearRow]]] = {}
        division_of, month_of = _remembering(self._division), _remembering(_month)
        wage_of, rate_of, day_of = _remembering(_money), _remembering(_rate), _remembering(_day)
        status_of, kind_of = _remembering(_enum(RowStatus)), _remembering(_enum(RowKind))
        for line, cells in self._lines(content):
            before = self._row_errors
            id_text, division_text, start_text, end_text, wage_text, rate_text, status_text, kind_text, paid_text, note = cells
            id_number = self._cell(line, "id_number", id_text, self._id_number)
            division = self._cell(line, "division", division_text, division_of)
            start = self._cell(line, "start", start_text, month_of)
            end = self._cell(line, "end", end_text, month_of)
            wage_fen = self._cell(line, "monthly_wage", wage_text, wage_of)
            rate = self._cell(line, "employer_rate", rate_text, rate_of)
            status = self._cell(line, "status", status_text, status_of)
            kind = self._cell(line, "kind", kind_text, kind_of)
            paid_on = self._cell(line, "paid_on", paid_text, day_of) if paid_text else None

            if start is not None and end is not None:
                if start > end:
                    self._note(line, "end", end_text, f"lies before the start {start}", "swap start and end")
                elif start.year != end.year:
                    self._note(
                        line, "end", end_text, f"lies in another year than the start {start}", "write one row for each year"
                    )
            if status is RowStatus.PAID and wage_fen == 0:
                self._note(line, "monthly_wage", wage_text, "is zero in a paid row", "write the wage or another status")
            if status is not None and status is not RowStatus.PAID and paid_on is not None:
                self._note(line, "paid_on", paid_text, f"stands in a row that is {status}", "set status paid or empty it")

            if self._row_errors > before:
                self._bad_owner(id_number)
                continue
            assert id_number is not None, line
            assert division is not None, line
            assert start is not None, line
            assert end is not None, line
            assert wage_fen is not None, line
            assert rate is not None, line
            assert status is not None, line
            assert kind is not None, line
            try:
                row = YearRow(division, start, end, wage_fen, rate, status, kind, paid_on, note)
            except RecordInvalid as error:  # What the checks above let pass and the rules do not.
                self._note(line, "", "", str(error), "correct the row")
                self._bad_owner(id_number)
                continue
            found.setdefault(id_number.number, []).append((line, row))
        for id_number_text, rows in found.items():
            self._refuse_overlaps(id_number_text, rows)
        return found

    def _bad_owner(self, id_number: IdNumber | None) -> None:
        if id_number is not None:
            self._bad_persons.add(id_number.number)

    def _refuse_overlaps(self, id_number: str, rows: list[tuple[int, YearRow]]) -> None:
        rows.sort(key=lambda entry: entry[1].start.ordinal)
        held_line, held = rows[0]
        for line, row in rows[1:]:
            if row.start <= held.end:
                self._note(
                    line,
                    "start",
                    str(row.start),
                    f"is a month that line {held_line} has already ({held.start}..{held.end})",
                    "keep each month of a person once",
                )
                self._bad_persons.add(id_number)
            if row.end > held.end:
                held_line, held = line, row
