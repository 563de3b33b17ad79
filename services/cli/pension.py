"""``jiexu pension``: an estimate of the monthly pension, its parts, its segments by place and what it does not know."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import typer
from pydantic import Field, model_validator
from rich.console import Console
from rich.text import Text

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.cli.case_file import (
    AsJson,
    CaseFileInvalid,
    CaseModel,
    Day,
    Division,
    FactsFile,
    IndexNumber,
    Money,
    MoneyAboveNothing,
    MonthCount,
    MonthText,
    Positions,
    Province,
    TablesDirectory,
    fen,
    province_as_json,
    read_case_file,
    rules_as_json,
    tables_of,
    tell_errors,
)
from services.records.csv_import import Language
from services.rules.amounts import MonthsOverlap, RecordInvalid, RowStatus, YearRow, yuan
from services.rules.loader import RuleNotInForce, Tables
from services.rules.pension import (
    AverageWageMissing,
    DeemedIndexMissing,
    Estimate,
    GivenIndex,
    PensionFacts,
    PensionInvalid,
    RowAfterRetirement,
    Stay,
    WageRecord,
    estimate,
)
from services.rules.pension_tables import BaseNotPublished, Category
from services.rules.retirement import AgeOutsideTable, TooEarly, age_text

HELP = f"""Estimate the monthly pension as the paying place computes it: parts, segments by place, and what it does not know.

FILE is TOML. place: two digits of the paying province. birth_on, category ("male", "female_55", "female_50"), retires_on. \
balance of the account in yuan. base: the calculation base in yuan a month, where the tables have none. Then either index \
and stay (a list of tables with province, months, deemed_months), or row (a list of tables with division, start, end, \
monthly_wage, status "paid", "arrears" or "deemed") and average_wage (a list of tables with year and monthly, of the \
paying place). deemed_index if it is known. docs/pension.md has whole files.

Example: jiexu pension tests/examples/pension_p1.toml

{EXIT_CODES} 1: the file has errors, which are listed, or the months are too few for a monthly pension; 3: a calculation \
base or an average wage is neither published nor given.
"""


class _Stay(CaseModel):
    province: Province
    months: MonthCount
    deemed_months: MonthCount = 0


class _Row(CaseModel):
    division: Division
    start: MonthText
    end: MonthText
    monthly_wage: Money = Decimal(0)
    status: Literal["paid", "arrears", "deemed"] = "paid"


class _AverageWage(CaseModel):
    year: Annotated[int, Field(ge=1950, le=2100)]
    monthly: MoneyAboveNothing


class _PensionFile(CaseModel):
    place: Province
    birth_on: Day
    category: Literal["male", "female_55", "female_50"]
    retires_on: Day
    balance: Money
    base: MoneyAboveNothing | None = None
    index: IndexNumber | None = None
    deemed_index: IndexNumber | None = None
    stay: Annotated[list[_Stay], Field(default_factory=list, max_length=200)]
    row: Annotated[list[_Row], Field(default_factory=list, max_length=1000)]
    average_wage: Annotated[list[_AverageWage], Field(default_factory=list, max_length=200)]

    @model_validator(mode="after")
    def _one_record(self) -> _PensionFile:
        if (self.index is None) == (not self.row):
            raise ValueError("either index and stay are given, or row and average_wage")
        if self.index is not None and (not self.stay or self.average_wage):
            raise ValueError("with index come the months by place (stay) and no average_wage")
        if self.row and self.stay:
            raise ValueError("with row no stay is given: the rows say where the months belong")
        return self


def pension(
    file: FactsFile,
    tables: TablesDirectory = None,
    language: Annotated[Language, typer.Option("--language", help="Language of the words.")] = Language.ENGLISH,
    as_json: AsJson = False,
) -> None:
    """Estimate the monthly pension: its parts, the segments by place, and what it does not know."""
    rules = tables_of(tables)
    try:
        read, positions = read_case_file(file, _PensionFile, rules)
        found = _ask(_facts(read, positions), positions, rules)
    except CaseFileInvalid as invalid:
        tell_errors(invalid.errors, as_json=as_json)
        raise typer.Exit(ExitCode.NO) from None
    except (BaseNotPublished, AverageWageMissing) as error:
        raise fail(str(error), ExitCode.COULD_NOT_TELL) from None

    answer = _as_json(found, rules)
    if as_json:
        print_json(answer)
    else:
        _print(answer, language)
    if found.missing_months:
        raise typer.Exit(ExitCode.NO)


def _facts(read: _PensionFile, positions: Positions) -> PensionFacts:
    record: GivenIndex | WageRecord
    if read.index is not None:
        record = GivenIndex(read.index, tuple(Stay(one.province, one.months, one.deemed_months) for one in read.stay))
    else:
        record = WageRecord(_rows(read, positions), _averages(read, positions))
    return PensionFacts(
        place=read.place,
        birth_on=read.birth_on,
        category=Category(read.category),
        retires_on=read.retires_on,
        balance_fen=fen(read.balance),
        record=record,
        base_fen=None if read.base is None else fen(read.base),
        deemed_index=read.deemed_index,
    )


def _rows(read: _PensionFile, positions: Positions) -> tuple[YearRow, ...]:
    rows, errors = [], []
    for number, one in enumerate(read.row):
        try:
            # The index asks for the wage only; what the employer paid plays no part in it.
            rows.append(
                YearRow(one.division, one.start, one.end, fen(one.monthly_wage), Decimal(0), status=RowStatus(one.status))
            )
        except RecordInvalid as error:
            errors.append(positions.error(("row", number), str(error)))
    if errors:
        raise CaseFileInvalid(tuple(errors))
    return tuple(rows)


def _averages(read: _PensionFile, positions: Positions) -> dict[int, int]:
    averages: dict[int, int] = {}
    for number, one in enumerate(read.average_wage):
        if one.year in averages:
            raise CaseFileInvalid((positions.error(("average_wage", number, "year"), f"{one.year} is there twice"),))
        averages[one.year] = fen(one.monthly)
    return averages


def _ask(facts: PensionFacts, positions: Positions, rules: Tables) -> Estimate:
    try:
        return estimate(facts, rules)
    except (MonthsOverlap, RowAfterRetirement) as error:
        assert isinstance(facts.record, WageRecord)
        row = error.row if isinstance(error, RowAfterRetirement) else error.second
        raise CaseFileInvalid((positions.error(("row", facts.record.rows.index(row)), str(error)),)) from None
    except DeemedIndexMissing as error:
        raise CaseFileInvalid((positions.error(("deemed_index",), str(error)),)) from None
    except (TooEarly, AgeOutsideTable) as error:
        raise CaseFileInvalid((positions.error(("retires_on",), str(error)),)) from None
    except RuleNotInForce as error:
        raise CaseFileInvalid((positions.error(("birth_on",), str(error)),)) from None
    except PensionInvalid as error:
        raise CaseFileInvalid((positions.error((), str(error)),)) from None


def _as_json(found: Estimate, rules: Tables) -> dict[str, Any]:
    return {
        "place": province_as_json(found.place, rules),
        "retires_on": found.retires_on.isoformat(),
        "statutory_on": found.retirement.statutory_on.isoformat(),
        "earliest_on": found.retirement.earliest_on.isoformat(),
        "latest_on": found.retirement.latest_on.isoformat(),
        "timing": found.timing,
        "notice_by": None if found.notice_by is None else found.notice_by.isoformat(),
        "age": age_text(found.age_months),
        "months": found.months,
        "deemed_months": found.deemed_months,
        "minimum_months": found.minimum.months,
        "minimum_of_year": found.minimum.year,
        "missing_months": found.missing_months,
        "base_fen": found.base_fen,
        "index": str(found.index),
        "years": [
            {
                "year": one.year,
                "months": one.months,
                "average_year": one.average_year,
                "average_wage_fen": one.average_wage_fen,
                "index": str(one.index),
            }
            for one in found.years
        ],
        "parts": [
            {
                "part": part.code,
                "text_zh": part.text_zh,
                "text_en": part.text_en,
                "formula": part.formula,
                "amount_fen": part.amount_fen,
                "rules": rules_as_json(part.rules),
            }
            for part in found.parts
        ],
        "total_fen": found.total_fen,
        "segments": [
            {
                **province_as_json(one.province, rules),
                "months": one.months,
                "deemed_months": one.deemed_months,
                "share": str(one.share),
                "index": None if one.index is None else str(one.index),
                "basic_fen": one.basic_fen,
            }
            for one in found.segments
        ],
        "caveats": [
            {
                "code": one.code,
                "text_zh": one.text_zh,
                "text_en": one.text_en,
                "rule": one.rule,
                "source": one.source,
                "confidence": one.confidence,
            }
            for one in found.caveats
        ],
        "rule_set": found.rule_set,
    }


def _print(answer: dict[str, Any], language: Language) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    chinese = language is Language.CHINESE
    name, text = ("name_zh", "text_zh") if chinese else ("name_en", "text_en")
    paying = answer["place"]
    console.print(
        Text(f"{paying[name]} ({paying['province']})  age {answer['age']}  rules {answer['rule_set']}", style="bold"),
    )
    for part in answer["parts"]:
        console.print(Text(f"{part[text]}  {yuan(part['amount_fen'])}"))
        console.print(Text(f"      {part['formula']}", style="cyan"))
        for rule in part["rules"]:
            console.print(Text(f"      [{rule['rule']}] {rule['source']} ({rule['confidence']})", style="dim"))
    console.print(Text(f"= {yuan(answer['total_fen'])} a month", style="bold green"))
    for one in answer["segments"]:
        share = f"{Decimal(one['share']) * 100:.2f} %"
        index = "" if one["index"] is None else f", index {one['index']}"
        console.print(
            Text(
                f"  {one[name]}: {one['months']} months, {one['deemed_months']} deemed, {share}{index}; "
                f"{yuan(one['basic_fen'])} of the basic pension",
                style="cyan",
            )
        )
    if answer["missing_months"]:
        console.print(
            Text(
                f"not payable yet: {answer['minimum_months']} months are needed ({answer['minimum_of_year']}), "
                f"{answer['missing_months']} are missing",
                style="bold red",
            )
        )
    for caveat in answer["caveats"]:
        console.print(Text(f"! {caveat[text]}", style="yellow"))
