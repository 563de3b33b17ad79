"""``jiexu amounts``: items ①–⑥ of each person in a contributions file, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.text import Text

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.records.csv_import import Language, Person, RowError, parse_files
from services.rules.adjustment import RateAdjustment, rate_adjustment
from services.rules.amounts import (
    Amounts,
    Item,
    PartOfYear,
    RatePending,
    RecordInvalid,
    Segment,
    YearRow,
    compute,
    yuan,
)
from services.rules.identity import mask_id_number
from services.rules.loader import CodeUnknown, ProvinceOutOfScope, RuleNotInForce, Tables, TablesInvalid, load_tables
from services.rules.months import Month, MonthInvalid

HELP = f"""Compute what a transfer would move, items ①–⑥, line by line, each with its rule and source.

The rows are taken as the record that one province holds; its own two digits decide which rates apply, unless \
--province says otherwise. The persons file adds the personal balance of 1997. --interim says at which rates a form was \
issued for years whose own rate was not published; the answer then holds what is still owed at the published ones.

Example: jiexu amounts contributions.csv --on 2024-04 --persons persons.csv

{EXIT_CODES} 1: the file or a record has errors, which are listed; 3: a needed recording rate is not published.
"""


class _Outcome(StrEnum):
    COMPUTED = "computed"
    INVALID = "invalid"
    RATE_PENDING = "rate_pending"


def amounts(
    contributions: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Contributions, CSV.", show_default=False)
    ],
    on: Annotated[str, typer.Option("--on", help="Month or day of the transfer, YYYY-MM or YYYY-MM-DD.")],
    persons: Annotated[
        Path | None, typer.Option("--persons", exists=True, dir_okay=False, readable=True, help="Persons, CSV.")
    ] = None,
    tables: Annotated[Path | None, typer.Option("--tables", help="Directory whose tables take the place of ours.")] = None,
    province: Annotated[str | None, typer.Option("--province", help="Province that holds the record, two digits.")] = None,
    interim: Annotated[
        list[str] | None, typer.Option("--interim", help="YEAR=RATE at which a form was issued, 2026=0.015.")
    ] = None,
    language: Annotated[Language, typer.Option("--language", help="Language of the explanation.")] = Language.ENGLISH,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON, in both languages.")] = False,
) -> None:
    """Compute what a transfer would move, items ①–⑥, line by line, each with its rule and source."""
    transfer_on = _transfer_day(on)
    issued_at = _interim_rates(interim or ())
    try:
        rules = load_tables(tables)
        if province is not None:
            rules.participating_province(province)
        rules.pool_ratio(transfer_on)
    except (TablesInvalid, CodeUnknown, ProvinceOutOfScope, RuleNotInForce) as error:
        raise fail(str(error), ExitCode.WRONG_USE) from None

    parsed = parse_files(persons.read_bytes() if persons is not None else None, contributions.read_bytes(), tables=rules)
    if parsed.errors:
        _tell_errors(parsed.errors, as_json=as_json)
        raise typer.Exit(ExitCode.NO)
    people = {person.id_number: person for person in parsed.persons}
    answers = []
    # The bar goes to standard error and only to a terminal, so that answers can be piped.
    watching = Console(stderr=True)
    for id_number, rows in track(
        parsed.contributions_by_id_number.items(),
        description="computing",
        console=watching,
        transient=True,
        disable=not watching.is_terminal or len(parsed.contributions_by_id_number) < 1000,
    ):
        holder = province or _province_of(rows)
        answers.append(_answer(id_number, rows, people, transfer_on, holder, rules, issued_at))

    if as_json:
        print_json({"transfer_on": transfer_on.isoformat(), "rule_set": rules.version, "persons": answers})
    else:
        console = Console(highlight=False, markup=False, soft_wrap=True)
        for answer in answers:
            _print_answer(console, answer, language, rules.version)
    outcomes = {answer["outcome"] for answer in answers}
    if _Outcome.INVALID in outcomes:
        raise typer.Exit(ExitCode.NO)
    if _Outcome.RATE_PENDING in outcomes:
        raise typer.Exit(ExitCode.COULD_NOT_TELL)


def _transfer_day(text: str) -> date:
    try:
        return Month.parse(text).first_day
    except MonthInvalid:
        pass
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither YYYY-MM nor YYYY-MM-DD", param_hint="--on") from None


def _interim_rates(texts: Sequence[str]) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for text in texts:
        year, _, rate = text.partition("=")
        try:
            found[int(year)] = Decimal(rate)
        except (ValueError, InvalidOperation):
            raise typer.BadParameter(f"{text!r} is not YEAR=RATE, like 2026=0.015", param_hint="--interim") from None
    return found


def _province_of(rows: tuple[YearRow, ...]) -> str:
    provinces = sorted({row.division[:2] for row in rows})
    if len(provinces) > 1:
        raise typer.BadParameter(
            f"a record has rows of the provinces {', '.join(provinces)}; say which of them holds it",
            param_hint="--province",
        )
    return provinces[0]


def _answer(
    id_number: str,
    rows: tuple[YearRow, ...],
    people: Mapping[str, Person],
    transfer_on: date,
    province: str,
    rules: Tables,
    issued_at: Mapping[int, Decimal],
) -> dict[str, Any]:
    person = people.get(id_number)
    balance_fen = person.personal_balance_1997_fen if person is not None else 0
    shown: dict[str, Any] = {"id_number": mask_id_number(id_number), "province": province}
    try:
        segment = Segment(1997, balance_fen, 0, rows) if balance_fen else Segment(None, 0, 0, rows)
        computed = compute([segment], transfer_on=transfer_on, province=province, tables=rules)
        owed = (
            rate_adjustment([segment], transfer_on=transfer_on, province=province, tables=rules, interim=issued_at)
            if issued_at
            else None
        )
    except RecordInvalid as error:
        return {**shown, "outcome": _Outcome.INVALID, "error": type(error).__name__, "reason": str(error)}
    except RatePending as error:
        return {**shown, "outcome": _Outcome.RATE_PENDING, "year": error.year, "reason": str(error)}
    return {**shown, "outcome": _Outcome.COMPUTED, **_as_json(computed), **({"adjustment": _adjustment(owed)} if owed else {})}


def _as_json(computed: Amounts) -> dict[str, Any]:
    return {
        "months": computed.months,
        "deemed_months": computed.deemed_months,
        "arrears_months": computed.arrears_months,
        "items": {
            "before_1998_fen": computed.before_1998_fen,
            "until_last_year_fen": computed.until_last_year_fen,
            "this_year_fen": computed.this_year_fen,
            "account_fen": computed.account_fen,
            "pool_fen": computed.pool_fen,
            "total_fen": computed.total_fen,
        },
        "pool_from_temporary_fen": computed.pool_from_temporary_fen,
        "pool_interest_fen": computed.pool_interest_fen,
        "interim_rates": {str(year): str(rate) for year, rate in computed.interim.items()},
        "years": [
            {
                "segment": statement.segment,
                "year": statement.year,
                "rate": None if statement.rate is None else str(statement.rate),
                "interim": statement.interim,
                "before_1998": _part(statement.before_1998),
                "since_1998": _part(statement.since_1998),
            }
            for statement in computed.years
        ],
        "steps": [
            {
                "item": step.item,
                "text_zh": step.text_zh,
                "text_en": step.text_en,
                "formula": step.formula,
                "amount_fen": step.amount_fen,
                "rule": step.rule,
                "source": step.source,
                "confidence": step.confidence,
            }
            for step in computed.steps
        ],
    }


def _adjustment(owed: RateAdjustment) -> dict[str, Any]:
    return {
        "items": {
            "before_1998_fen": owed.items.before_1998_fen,
            "until_last_year_fen": owed.items.until_last_year_fen,
            "this_year_fen": owed.items.this_year_fen,
            "account_fen": owed.items.account_fen,
            "pool_fen": owed.items.pool_fen,
            "total_fen": owed.items.total_fen,
        },
        "interest_by_year_fen": {str(year): fen for year, fen in owed.interest_by_year.items()},
        "rates": {str(year): str(rate) for year, rate in owed.rates.items()},
    }


def _part(part: PartOfYear) -> dict[str, int]:
    return {
        "opening_fen": part.opening_fen,
        "principal_fen": part.principal_fen,
        "interest_fen": part.interest_fen,
        "closing_fen": part.closing_fen,
    }


def _print_answer(console: Console, answer: dict[str, Any], language: Language, version: str) -> None:
    console.print(Text(f"{answer['id_number']}  province {answer['province']}  rules {version}", style="bold"))
    if answer["outcome"] != _Outcome.COMPUTED:
        console.print(Text(f"    {answer['outcome']}: {answer['reason']}", style="red"))
        return
    key = "text_zh" if language is Language.CHINESE else "text_en"
    totals = {Item.ACCOUNT, Item.POOL, Item.TOTAL}
    for step in answer["steps"]:
        style = "bold" if step["item"] in totals else ""
        amount = "" if step["amount_fen"] is None else f"  {yuan(step['amount_fen'])}"
        console.print(Text(f"{step['item']}  {step[key]}{amount}", style=style))
        console.print(Text(f"      {step['formula']}", style="cyan"))
        console.print(Text(f"      [{step['rule']}] {step['source']} ({step['confidence']})", style="dim"))
    items = answer["items"]
    sums = (
        ("①", items["before_1998_fen"]),
        ("②", items["until_last_year_fen"]),
        ("③", items["this_year_fen"]),
        ("④", items["account_fen"]),
        ("⑤", items["pool_fen"]),
        ("⑥", items["total_fen"]),
    )
    console.print(Text("  ".join(f"{label} {yuan(fen)}" for label, fen in sums), style="bold green"))
    if answer["interim_rates"]:
        rates = ", ".join(f"{year} at {rate}" for year, rate in answer["interim_rates"].items())
        console.print(Text(f"not final: {rates} until the rate is published; the difference follows", style="yellow"))
    if "adjustment" in answer:
        owed = answer["adjustment"]["items"]
        figures = f"④ {yuan(owed['account_fen'])}  ⑤ {yuan(owed['pool_fen'])}  ⑥ {yuan(owed['total_fen'])}"
        console.print(Text(f"still owed at the published rates: {figures}", style="bold green"))


def _tell_errors(errors: tuple[RowError, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "errors": [
                    {
                        "file": error.file,
                        "line": error.line,
                        "column": error.column,
                        "value": error.value,
                        "reason": error.reason,
                        "remedy": error.remedy,
                    }
                    for error in errors
                ]
            }
        )
        return
    for error in errors:
        typer.echo(str(error), err=True)
