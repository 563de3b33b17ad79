"""The persons and contributions files, read and checked as a whole: every error named by file, row and column.

Nothing is half-used: a row with an error is no row, and a person with an error is no person.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from services.rules.amounts import Participant, RecordInvalid, RowKind, RowStatus, YearRow
from services.rules.deemed_years import (
    YEAR_ONLY_NOTE,
    Allowance,
    AllowanceInvalid,
    TimeRecord,
    from_time_record,
    settle_allowance,
)
from services.rules.identity import (
    Document,
    ForeignerNumber,
    IdNumber,
    IdNumberInvalid,
    Sex,
    mask_id_number,
    parse_social_security_number,
)
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
# A file may leave this out: every number in it says the birthday then.
OPTIONAL_PERSON_COLUMNS = ("birth_on",)
# A file may leave these out: everybody in it is an employee then.
OPTIONAL_CONTRIBUTION_COLUMNS = ("participant",)
# What an error may not repeat: messages are shown, mailed and logged.
_PRIVATE_COLUMNS = frozenset({"birth_on", "name", "phone", "email", "note", "monthly_wage", "personal_balance_1997"})

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
    """An insured person as a province knows them; `personal_balance_1997_fen` is the person's own part at 1997-12-31.

    `hukou` is empty for whoever has no household register here, `birth_on` there where the number does not say it.
    """

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
    birth_on: date | None = None


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
    on: date = date.max,
    known_id_numbers: Collection[str] = (),
    accept_good_rows: bool = False,
) -> ParsedFiles:
    """Read one or both files (UTF-8 with or without BOM), to the columns of architecture § 10.

    Numbers are read by the rules of the day `on`, by the newest ones unless it is given, and nobody may be born after it.
    When the persons file is given, contributions may only be of its persons or of `known_id_numbers`. Normally a file
    with an error yields nothing, and contributions yield nothing without their persons either. With
    `accept_good_rows`, every person without any error in either file is taken, with all their rows. Raises nothing:
    whatever is wrong is in `errors`.
    """
    errors: list[RowError] = []
    bad_persons: set[str] = set()
    reader = _PersonReader(tables, errors, bad_persons, on)
    listed = reader.read(persons) if persons is not None else {}
    persons_good = not errors

    rows_reader = _ContributionReader(tables, errors, bad_persons, on)
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


def _no_hukou(text: str) -> str:
    if text:
        raise _CellInvalid("is a province, and foreigners have no household register", "leave it empty")
    return text


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
    optional: tuple[str, ...] = ()

    def __init__(self, tables: Tables, errors: list[RowError], bad_persons: set[str], on: date) -> None:
        self.usable = True
        self._on = on
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

    def _read_id_number(self, text: str) -> IdNumber | ForeignerNumber:
        try:
            return parse_social_security_number(text, on=self._on, tables=self._tables)
        except IdNumberInvalid as error:
            raise _CellInvalid(f"is not an identity number ({error})", "compare it with the person's identity document") from None

    def _division(self, text: str) -> str:
        if _DIVISION.fullmatch(text) is None:
            raise _CellInvalid("is not a division code", "write the six digits of GB/T 2260, like 440100")
        if text[:2] not in self._divisions:
            raise _CellInvalid("lies in no province that takes part", "check the first two digits (jiexu knows GB/T 2260)")
        return text

    def _lines(self, content: bytes) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with its line, its cells stripped and in the order of our columns, empty where one is left out."""
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
        order: list[int | None] | None = None
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
                yield first_line, ["" if position is None else cells[position].strip() for position in order]
        except csv.Error as error:
            self.usable = False
            self._note(line, "", "", f"is not CSV: {error}", "check the quotation marks on this line")
            return
        if order is None:
            self.usable = False
            self._note(1, "", "", "is empty", f"the first line must name the columns {','.join(self.columns)}")

    def _skip_row(self, line: int, cells: list[str], order: list[int | None], width: int) -> None:
        self._note(line, "", str(len(cells)), f"cells, but the header has {width} columns", "check for missing or extra commas")
        # The row's owner is known only if the cell with the number is there and can be read.
        position = order[self.columns.index("id_number")]
        if position is not None and position < len(cells):
            with suppress(_CellInvalid):
                self._bad_persons.add(self._id_number(cells[position].strip()).number)

    def _header(self, line: int, cells: list[str]) -> list[int | None] | None:
        names = [cell.strip() for cell in cells]
        before = self._row_errors
        for name in self.columns:
            if names.count(name) != 1:
                reason = "is a column that is missing" if name not in names else "is a column that is there twice"
                self._note(line, name, name, reason, f"the columns are {','.join(self.columns)}")
        for name in names:
            if name not in self.columns and name not in self.optional:
                known = ",".join((*self.columns, *self.optional))
                self._note(line, name, name, "is not a column", f"the columns are {known}")
        for name in self.optional:
            if names.count(name) > 1:
                self._note(line, name, name, "is a column that is there twice", "keep one of them")
        if self._row_errors > before:
            self.usable = False
            return None
        return [names.index(name) if name in names else None for name in (*self.columns, *self.optional)]


class _PersonReader(_Reader):
    file = PERSONS_FILE
    columns = PERSON_COLUMNS
    optional = OPTIONAL_PERSON_COLUMNS

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
                birth_text,
            ) = cells
            id_number = self._cell(line, "id_number", id_text, self._id_number)
            if not name:
                self._note(line, "name", name, "is empty", "write the person's name")
            person_sex = self._cell(line, "sex", sex_text, sex)
            self._cell(line, "hukou", hukou, self._hukou_of(id_number))
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
            birth_on = self._cell(line, "birth_on", birth_text, _day) if birth_text else None

            if isinstance(id_number, IdNumber):
                if person_sex is not None and person_sex is not id_number.sex:
                    self._note(line, "sex", sex_text, "does not agree with the identity number", "check both on the document")
                if birth_on is not None and birth_on != id_number.birth_on:
                    self._note(line, "birth_on", birth_text, "is not the identity number's", "check both on the document")
            elif id_number is not None and not birth_text:
                says = "is empty, and the number does not say the birthday"
                self._note(line, "birth_on", birth_text, says, "write the document's, in a column birth_on")
            elif birth_on is not None and birth_on > self._on:
                self._note(line, "birth_on", birth_text, "has not come yet", "check it on the document")
            if id_number is not None:
                born_on = id_number.birth_on if isinstance(id_number, IdNumber) else birth_on
                if first_insured_on is not None and born_on is not None and first_insured_on < born_on:
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
                birth_on=None if isinstance(id_number, IdNumber) else birth_on,
            )
        return persons

    def _hukou_of(self, id_number: IdNumber | ForeignerNumber | None) -> Callable[[str], str]:
        """Foreigners have no household register, people from Hong Kong, Macao and Taiwan have none in the mainland."""
        document = id_number.document if id_number is not None else None
        if document in (Document.FOREIGNER, Document.PERMANENT_RESIDENCE):
            return _no_hukou
        return self._hukou if document is Document.CITIZEN_ID else lambda text: text and self._hukou(text)

    def _hukou(self, text: str) -> str:
        if text not in self._tables.provinces:
            raise _CellInvalid("is no province", "write the first two digits of the hukou's division, like 41")
        return text

    def _scheme(self, text: str) -> str:
        known = list(dict.fromkeys(row.code for row in self._tables.schemes))
        if text not in known:
            raise _CellInvalid("is no scheme", f"write one of {', '.join(known)}")
        return text


class Told(StrEnum):
    """What a row may say beside how it counts: rules make the rows of it.

    ``by_year``: the place's time record of years before 1998 that nobody knows by month (S-5 item 2);
    ``allowance``: a soldier's allowance at the place of settlement, on a monthly base (S-5 item 6).
    """

    BY_YEAR = "by_year"
    ALLOWANCE = "allowance"


def _status(text: str) -> RowStatus | Told:
    if text in set(Told):
        return Told(text)
    try:
        return RowStatus(text)
    except ValueError:
        raise _CellInvalid("is not one of the allowed words", f"write {' or '.join([*RowStatus, *Told])}") from None


class _ContributionReader(_Reader):
    file = CONTRIBUTIONS_FILE
    columns = CONTRIBUTION_COLUMNS
    optional = OPTIONAL_CONTRIBUTION_COLUMNS

    def read(self, content: bytes) -> dict[str, list[tuple[int, YearRow]]]:
        found: dict[str, list[tuple[int, YearRow]]] = {}
        division_of, month_of = _remembering(self._division), _remembering(_month)
        wage_of, rate_of, day_of = _remembering(_money), _remembering(_rate), _remembering(_day)
        status_of, kind_of = _remembering(_status), _remembering(_enum(RowKind))
        participant_of = _remembering(_enum(Participant))
        for line, cells in self._lines(content):
            before = self._row_errors
            (
                id_text,
                division_text,
                start_text,
                end_text,
                wage_text,
                rate_text,
                status_text,
                kind_text,
                paid_text,
                note,
                as_text,
            ) = cells
            id_number = self._cell(line, "id_number", id_text, self._id_number)
            division = self._cell(line, "division", division_text, division_of)
            start = self._cell(line, "start", start_text, month_of)
            end = self._cell(line, "end", end_text, month_of)
            wage_fen = self._cell(line, "monthly_wage", wage_text, wage_of)
            rate = self._cell(line, "employer_rate", rate_text, rate_of)
            status = self._cell(line, "status", status_text, status_of)
            kind = self._cell(line, "kind", kind_text, kind_of)
            paid_on = self._cell(line, "paid_on", paid_text, day_of) if paid_text else None
            participant = self._cell(line, "participant", as_text or Participant.EMPLOYEE, participant_of)

            if start is not None and end is not None:
                if start > end:
                    self._note(line, "end", end_text, f"lies before the start {start}", "swap start and end")
                elif start.year != end.year and status is not Told.BY_YEAR:
                    self._note(
                        line, "end", end_text, f"lies in another year than the start {start}", "write one row for each year"
                    )
            if status in (RowStatus.PAID, Told.ALLOWANCE) and wage_fen == 0:
                self._note(line, "monthly_wage", wage_text, "is zero in a paid row", "write the wage or another status")
            if status is Told.BY_YEAR and (wage_fen or rate):
                self._note(line, "status", status_text, "has money, and years known by year only have none", "write 0 and 0")
            if status not in (None, RowStatus.PAID) and paid_on is not None:
                self._note(line, "paid_on", paid_text, f"stands in a row that is {status}", "set status paid or empty it")

            if rate and start is not None and end is not None and division is not None:
                most = self._tables.amounts.rate_too_high(rate, division[:2], start, end)
                if most is not None:
                    remedy = "correct the rate, or let an operator import the province's own row of employer_rates"
                    self._note(
                        line, "employer_rate", rate_text, f"is above the most there was, {most.most} ({most.rule})", remedy
                    )

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
            assert participant is not None, line
            try:
                rows = self._told(status, division, start, end, wage_fen, note)
                if isinstance(status, RowStatus):
                    rows = (YearRow(division, start, end, wage_fen, rate, status, kind, paid_on, note, participant),)
            except (RecordInvalid, AllowanceInvalid) as error:  # What the checks above let pass and the rules do not.
                self._note(line, "", "", str(error), "correct the row")
                self._bad_owner(id_number)
                continue
            except _CellInvalid as error:
                self._note(line, "end", end_text, error.reason, error.remedy)
                self._bad_owner(id_number)
                continue
            found.setdefault(id_number.number, []).extend((line, row) for row in rows)
        for id_number_text, of_person in found.items():
            self._refuse_overlaps(id_number_text, of_person)
        return found

    def _told(
        self, status: RowStatus | Told, division: str, start: Month, end: Month, wage_fen: int, note: str
    ) -> tuple[YearRow, ...]:
        """The rows that a time record or a soldier's allowance makes by the rules; none for a row that is given as it counts.

        Raises:
            _CellInvalid: for years since 1998 of a time record, which need months.
            AllowanceInvalid: for an allowance of a time without a rate.
        """
        if status is Told.BY_YEAR:
            made = from_time_record([TimeRecord(division, start, end)], on=self._on, tables=self._tables)
            if made.open_periods:
                first, last = made.open_periods[0]
                says = f"reaches {first}..{last}, which cannot be told by year only"
                raise _CellInvalid(says, "write these months as rows of their own")
            return tuple(replace(row, note=note or YEAR_ONLY_NOTE) for row in made.rows)
        if status is Told.ALLOWANCE:
            allowance = Allowance(start, end, wage_fen)
            return settle_allowance([allowance], division, on=self._on, tables=self._tables).rows
        return ()

    def _bad_owner(self, id_number: IdNumber | ForeignerNumber | None) -> None:
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
