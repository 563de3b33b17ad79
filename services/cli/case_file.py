"""Facts about one person in a TOML file: read by a model, with every error named by line and field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from services.cli import ExitCode, fail, print_json
from services.rules.loader import CodeUnknown, ProvinceOutOfScope, Tables, TablesInvalid, load_tables
from services.rules.months import Month
from services.rules.pension import MOST_INDEX
from services.rules.table_rows import Dated

NO_HUKOU = "none"
_TABLES = "tables"
_HEADER = re.compile(r"\s*\[\[\s*([A-Za-z0-9_-]+)\s*\]\]")
_DIVISION = re.compile(r"[0-9]{6}")
_STRING_OR_COMMENT = re.compile(r"""\"[^\"]*\"|'[^']*'|#.*""")
_TOKEN = re.compile(r"(?P<key>[A-Za-z0-9_-]+)\s*=\s*(?P<list>\[)?|(?P<table>\{)|(?P<end>\])")
_TOML_LINE = re.compile(r"at line ([0-9]+)")


@dataclass(frozen=True, slots=True)
class FileError:
    """One error: where it is and what is wrong. It never repeats a value, because wages and balances are private."""

    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.reason}" if self.field else f"line {self.line}: {self.reason}"


class CaseFileInvalid(ValueError):
    """A file that cannot be used; `errors` names everything that is wrong with it."""

    def __init__(self, errors: tuple[FileError, ...]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class CaseModel(BaseModel):
    """What every part of such a file keeps to: no field that nobody knows, no value changed in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def _province(code: str, info: ValidationInfo) -> str:
    tables: Tables = (info.context or {})[_TABLES]
    try:
        tables.participating_province(code)
    except (CodeUnknown, ProvinceOutOfScope) as error:
        raise ValueError(str(error)) from None
    return code


def _division(code: str, info: ValidationInfo) -> str:
    if not _DIVISION.fullmatch(code):
        raise ValueError("a division has six digits")
    _province(code[:2], info)
    return code


def _month(value: object) -> Month:
    if not isinstance(value, str):
        raise ValueError('a month is a text, like "2024-03"')
    return Month.parse(value)


def _number(value: object) -> Decimal:
    # An unquoted number is as good as a text: the file is read without binary fractions.
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError('a number, like 4000.50 or "4000.50"')
    try:
        return Decimal(value)
    except ArithmeticError:
        raise ValueError('a number, like 4000.50 or "4000.50"') from None


def _hukou(code: str, info: ValidationInfo) -> str:
    return code if code == NO_HUKOU else _province(code, info)


Province = Annotated[str, AfterValidator(_province)]
Division = Annotated[str, AfterValidator(_division)]
Hukou = Annotated[str, AfterValidator(_hukou)]
MonthText = Annotated[Month, BeforeValidator(_month)]
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2100, 12, 31))]
MonthCount = Annotated[int, Field(ge=0, le=1200)]
Money = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, max_digits=10, decimal_places=2)]
MoneyAboveNothing = Annotated[Decimal, BeforeValidator(_number), Field(gt=0, max_digits=10, decimal_places=2)]
IndexNumber = Annotated[Decimal, BeforeValidator(_number), Field(gt=0, le=MOST_INDEX)]

# What every command takes that reads such a file.
FactsFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Facts, TOML.", show_default=False)]
TablesDirectory = Annotated[Path | None, typer.Option("--tables", help="Directory whose tables take the place of ours.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, in both languages.")]

_ModelT = TypeVar("_ModelT", bound=CaseModel)


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key of a file stands, for errors that are found only when the rules are asked."""

    lines: Mapping[tuple[str | int, ...], int]

    def error(self, location: tuple[str | int, ...], reason: str) -> FileError:
        """Name an error at a key; a key that is not there is looked for at the table that lacks it."""
        known = location
        while known and known not in self.lines:
            known = known[:-1]
        # Tables are counted from 1, as people count.
        shown = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        return FileError(self.lines.get(known, 1), shown, reason)


def tables_of(directory: Path | None) -> Tables:
    """Load the tables that a command decides with, ours where no directory is named.

    Raises:
        Exit: WRONG_USE where they cannot be used.
    """
    try:
        return load_tables(directory)
    except TablesInvalid as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None


def read_case_file(path: Path, model: type[_ModelT], tables: Tables) -> tuple[_ModelT, Positions]:
    """Read a TOML file as a model. Raises CaseFileInvalid with every error."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text, parse_float=Decimal)
    except UnicodeDecodeError:
        raise CaseFileInvalid((FileError(1, "", "the file is not UTF-8"),)) from None
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise CaseFileInvalid((FileError(line, "", f"the file is not TOML: {error}"),)) from None
    positions = Positions(_lines_of(text))
    try:
        return model.model_validate(content, context={_TABLES: tables}), positions
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise CaseFileInvalid(tuple(positions.error(one["loc"], _reason(one["msg"])) for one in problems)) from None


def fen(money: Decimal) -> int:
    """Return an amount in yuan, which has at most two decimals, as integer fen."""
    return int(money * 100)


def tell_errors(errors: tuple[FileError, ...], *, as_json: bool) -> None:
    """Show what is wrong with a file: as JSON on standard output, else line by line on standard error."""
    if as_json:
        print_json({"errors": [{"line": one.line, "field": one.field, "reason": one.reason} for one in errors]})
        return
    for error in errors:
        typer.echo(str(error), err=True)


def province_as_json(code: str, tables: Tables) -> dict[str, str]:
    """A province with its names in both languages."""
    province = tables.province(code)
    return {"province": code, "name_zh": province.name_zh, "name_en": province.name_en}


def rules_as_json(rules: tuple[Dated, ...]) -> list[dict[str, str]]:
    """Show rows of the tables: name, source and confidence of each."""
    return [{"rule": rule.rule, "source": rule.source, "confidence": rule.confidence} for rule in rules]


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _lines_of(text: str) -> dict[tuple[str | int, ...], int]:
    """Find the line of each key and table. Only what these files use: keys, and lists of tables, in either notation."""
    lines: dict[tuple[str | int, ...], int] = {}
    counts: dict[str, int] = {}
    table: tuple[str | int, ...] = ()
    listed: str | None = None  # the key whose list of inline tables is open
    for number, line in enumerate(text.splitlines(), 1):
        bare = _STRING_OR_COMMENT.sub("", line)
        if listed is None and (header := _HEADER.match(bare)):
            name = header[1]
            lines.setdefault((name,), number)
            table = (name, counts.get(name, 0))
            counts[name] = table[1] + 1
            lines[table] = number
            continue
        for token in _TOKEN.finditer(bare):
            key, opens = token["key"], token["list"]
            if key is not None:
                inside = table if listed is None else (listed, counts[listed] - 1)
                lines.setdefault((*inside, key), number)
                if opens and listed is None and not table:
                    listed = key
                    counts[key] = 0
            elif token["table"] and listed is not None:
                lines[listed, counts[listed]] = number
                counts[listed] += 1
            elif token["end"]:
                listed = None
    return lines
