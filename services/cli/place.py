"""``jiexu place``: which province pays the pension, why, and whom it must write to first."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import typer
from pydantic import Field, model_validator
from rich.console import Console
from rich.text import Text

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.cli.case_file import (
    NO_HUKOU,
    AsJson,
    CaseFileInvalid,
    CaseModel,
    Day,
    FactsFile,
    Hukou,
    MonthCount,
    MonthText,
    Positions,
    Province,
    TablesDirectory,
    province_as_json,
    read_case_file,
    rules_as_json,
    tables_of,
    tell_errors,
)
from services.records.csv_import import Language
from services.rules.admission import AccountKind
from services.rules.loader import RuleNotInForce, Tables
from services.rules.pension_tables import Category
from services.rules.place_of_payment import HistoryInvalid, PlaceOfPayment, PlaceUndecided, Relationship, place_of_payment
from services.rules.retirement import TooEarly, minimum_months, statutory_retirement

HELP = f"""Name the province that pays the pension (S-66 Art. 6), why, and the letters by which it gathers everything.

FILE is TOML. hukou: two digits of the province of the household register, or "none". on: the day of claiming. \
relationship: a list of tables in the order of the last contribution, each with province, months, and if need be \
deemed_months, account ("normal" or "temporary"), last_month ("2020-06"), held_by (the province that has the record after \
an earlier transfer). With birth_on and category ("male", "female_55", "female_50") it also says whether the months are \
enough, at the statutory age or at retires_on. docs/pension.md has a whole file.

Example: jiexu place tests/examples/place_25.toml

{EXIT_CODES} 1: the file has errors, which are listed, or the months are too few; 3: no rule names a place.
"""


class _Relationship(CaseModel):
    province: Province
    months: MonthCount
    deemed_months: MonthCount = 0
    account: Literal["normal", "temporary"] = "normal"
    last_month: MonthText | None = None
    held_by: Province | None = None


class _PlaceFile(CaseModel):
    hukou: Hukou
    on: Day
    birth_on: Day | None = None
    category: Literal["male", "female_55", "female_50"] | None = None
    retires_on: Day | None = None
    relationship: Annotated[list[_Relationship], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _both_or_neither(self) -> _PlaceFile:
        if (self.birth_on is None) != (self.category is None):
            raise ValueError("birth_on and category are given together or not at all")
        if self.retires_on is not None and self.birth_on is None:
            raise ValueError("retires_on needs birth_on and category")
        return self


def place(
    file: FactsFile,
    tables: TablesDirectory = None,
    language: Annotated[Language, typer.Option("--language", help="Language of the reasons.")] = Language.ENGLISH,
    as_json: AsJson = False,
) -> None:
    """Name the province that pays the pension, why, and the letters by which it gathers everything."""
    rules = tables_of(tables)
    try:
        facts, positions = read_case_file(file, _PlaceFile, rules)
        found = _ask(facts, positions, rules)
        enough = _enough(facts, found, positions, rules)
    except CaseFileInvalid as invalid:
        tell_errors(invalid.errors, as_json=as_json)
        raise typer.Exit(ExitCode.NO) from None
    except PlaceUndecided as error:
        raise fail(str(error), ExitCode.COULD_NOT_TELL) from None

    answer = {**_as_json(found, rules), "eligibility": enough, "rule_set": rules.version}
    if as_json:
        print_json(answer)
    else:
        _print(answer, language)
    if enough is not None and enough["missing_months"]:
        raise typer.Exit(ExitCode.NO)


def _ask(facts: _PlaceFile, positions: Positions, rules: Tables) -> PlaceOfPayment:
    history = [
        Relationship(
            province=one.province,
            months=one.months,
            deemed_months=one.deemed_months,
            account_kind=AccountKind(one.account),
            last_month=one.last_month,
            held_by=one.held_by,
        )
        for one in facts.relationship
    ]
    hukou = None if facts.hukou == NO_HUKOU else facts.hukou
    try:
        return place_of_payment(history, hukou=hukou, on=facts.on, tables=rules)
    except HistoryInvalid as error:
        raise CaseFileInvalid((positions.error(("relationship", error.position), str(error)),)) from None
    except RuleNotInForce as error:
        raise CaseFileInvalid((positions.error(("on",), str(error)),)) from None


def _enough(facts: _PlaceFile, found: PlaceOfPayment, positions: Positions, rules: Tables) -> dict[str, Any] | None:
    """Say whether the months of all places together are enough, when the file tells whose they are."""
    if facts.birth_on is None or facts.category is None:
        return None
    try:
        retirement = statutory_retirement(facts.birth_on, Category(facts.category), rules.pension)
        retires_on = facts.retires_on or retirement.statutory_on
        minimum = minimum_months(retirement, retires_on, rules.pension)
    except TooEarly as error:
        raise CaseFileInvalid((positions.error(("retires_on",), str(error)),)) from None
    except RuleNotInForce as error:
        raise CaseFileInvalid((positions.error(("birth_on",), str(error)),)) from None
    return {
        "statutory_on": retirement.statutory_on.isoformat(),
        "earliest_on": retirement.earliest_on.isoformat(),
        "latest_on": retirement.latest_on.isoformat(),
        "retires_on": retires_on.isoformat(),
        "timing": minimum.timing,
        "minimum_months": minimum.months,
        "minimum_of_year": minimum.year,
        "total_months": found.total_months,
        "missing_months": max(0, minimum.months - found.total_months),
        "rules": rules_as_json((*retirement.rules, *minimum.rules)),
    }


def _as_json(found: PlaceOfPayment, rules: Tables) -> dict[str, Any]:
    return {
        "place": province_as_json(found.province, rules),
        "code": found.code,
        "legal_basis": found.legal_basis,
        "reason_zh": found.reason_zh,
        "reason_en": found.reason_en,
        "months_needed": found.months_needed,
        "places": [
            {
                **province_as_json(one.province, rules),
                "months": one.months,
                "deemed_months": one.deemed_months,
                "temporary_months": one.temporary_months,
                "counting_months": one.counting_months,
                "enough": one.enough,
            }
            for one in found.places
        ],
        "total_months": found.total_months,
        "registers": found.registers,
        "letters": [
            {
                "to": province_as_json(letter.to_province, rules),
                "account": letter.account_kind,
                "months_of": list(letter.provinces),
                "months": letter.months,
                "deemed_months": letter.deemed_months,
            }
            for letter in found.letters
        ],
        "rules": rules_as_json(found.rules),
    }


def _print(answer: dict[str, Any], language: Language) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    name = "name_zh" if language is Language.CHINESE else "name_en"
    paying = answer["place"]
    console.print(
        Text(f"{paying[name]} ({paying['province']})  {answer['code']}  rules {answer['rule_set']}", style="bold green")
    )
    console.print(Text(answer["reason_zh" if language is Language.CHINESE else "reason_en"]))
    console.print(Text(f"      {answer['legal_basis']}", style="dim"))
    for one in answer["places"]:
        sign = "≥" if one["enough"] else "<"
        temporary = f", temporary account {one['temporary_months']}" if one["temporary_months"] else ""
        console.print(
            Text(
                f"  {one[name]}: {one['months']} months, {one['deemed_months']} deemed{temporary}; "
                f"{one['counting_months']} count {sign} {answer['months_needed']}",
                style="cyan",
            )
        )
    if answer["registers"]:
        console.print(Text(f"  {paying[name]} registers the person first"))
    for letter in answer["letters"]:
        months = f"{letter['months']} months of {', '.join(letter['months_of'])}"
        console.print(Text(f"  letter to {letter['to'][name]}: {letter['account']} account, {months}"))
    enough = answer["eligibility"]
    if enough is not None:
        style = "bold red" if enough["missing_months"] else "bold green"
        missing = f", {enough['missing_months']} missing" if enough["missing_months"] else ""
        console.print(
            Text(
                f"{enough['total_months']} months of {enough['minimum_months']} needed in {enough['minimum_of_year']}{missing}; "
                f"statutory age in {date.fromisoformat(enough['statutory_on']):%Y-%m}",
                style=style,
            )
        )
