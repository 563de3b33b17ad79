"""The kinds of values that a story is written with: money, days, provinces, accounts, names of what stands elsewhere in it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from contracts.registry import FACTS
from contracts.statuses import Status
from services.cli.scenario.reading import Scalar
from services.ledger.chart import BANK, INTEREST_PAID, POOLED_FUND
from services.rules.amounts import RowKind, RowStatus, yuan
from services.rules.identity import Sex
from services.rules.loader import Tables, load_tables
from services.rules.months import Month, MonthInvalid

_MONEY = re.compile(r"[+-]?[0-9]{1,13}\.[0-9]{2}")
_RATE = re.compile(r"[01](\.[0-9]{1,4})?")
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,59}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIVISION = re.compile(r"[0-9]{6}")
_PROVINCE = re.compile(r"[0-9]{2}")
_NATIONALITY = re.compile(r"[A-Z]{3}")


@cache
def tables() -> Tables:
    """The tables of the law, read once: what is a province, which days are worked."""
    return load_tables()


def money(fen: int) -> str:
    """Fen as yuan with two decimals."""
    return yuan(fen)


def fen_of(text: str) -> int:
    """Yuan with two decimals as fen. Raises ValueError."""
    if _MONEY.fullmatch(text) is None:
        raise ValueError("is not an amount")
    return int(Decimal(text) * 100)


def _matching(pattern: re.Pattern[str], told: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(told)
        return text

    return read


def _text(text: str) -> str:
    return text


def _day(text: str) -> date:
    if _DAY.fullmatch(text) is None:
        raise ValueError("is not a day")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is no day of the calendar") from None


def _month(text: str) -> str:
    try:
        return str(Month.parse(text))
    except MonthInvalid:
        raise ValueError("is not a month") from None


def _yes_no(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither")
    return text == "true"


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("is not a whole number")
    return int(text)


def _province(text: str) -> str:
    known = tables().provinces.get(text) if _PROVINCE.fullmatch(text) else None
    if known is None:
        raise ValueError("is no province")
    if not known.mainland:
        raise ValueError("takes no part in inter-province transfer")
    return text


def _hukou(text: str) -> str:
    if _PROVINCE.fullmatch(text) is None or text not in tables().provinces:
        raise ValueError("is no province")
    return text


def _division(text: str) -> str:
    if _DIVISION.fullmatch(text) is None:
        raise ValueError("is not a division code")
    _province(text[:2])
    return text


def _fact(text: str) -> str:
    if text not in {fact.type_name for fact in FACTS.values()}:
        raise ValueError("is no fact")
    return text


def one_of(name: str, *words: str) -> Scalar:
    """A kind of which these words alone are."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError("is not one of the words")
        return text

    return Scalar(name, " or ".join(words), read, {"enum": list(words)})


def _pattern(pattern: str, *types: str) -> dict[str, Any]:
    return {"type": list(types) if len(types) > 1 else types[0], "pattern": f"^{pattern}$"}


TEXT = Scalar("text", "a text", _text, {"type": "string"})
MONEY = Scalar(
    "money",
    "yuan with two decimals like 12479.86",
    fen_of,
    _pattern(_MONEY.pattern, "number", "string"),
    show=money,
)
RATE = Scalar(
    "rate", "a fraction of one like 0.16", _matching(_RATE, "is not a rate"), _pattern(_RATE.pattern, "number", "string")
)
COUNT = Scalar("count", "a whole number like 27", _number, {"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 0})
DAY = Scalar(
    "day", "a day like 2024-05-06", _day, _pattern(_DAY.pattern, "string"), take=date.fromisoformat, show=lambda day: str(day)
)
MONTH = Scalar("month", "a month like 2024-03", _month, _pattern(r"[0-9]{4}-[0-9]{2}", "string"))
YES_NO = Scalar(
    "yes or no", "true or false", _yes_no, {"type": "boolean"}, show=lambda value: "true" if value is True else str(value).lower()
)
PROVINCE = Scalar(
    "province",
    "two digits of GB/T 2260 like 44, of a province that takes part",
    _province,
    _pattern("[0-9]{2}", "integer", "string"),
)
HUKOU = Scalar("hukou", "two digits of GB/T 2260 like 41", _hukou, _pattern("[0-9]{2}", "integer", "string"))
NO_HUKOU = "none"
REGISTER = Scalar(
    "register",
    f"two digits of GB/T 2260 like 41, or {NO_HUKOU}",
    lambda text: text if text == NO_HUKOU else _hukou(text),
    _pattern(f"([0-9]{{2}}|{NO_HUKOU})", "integer", "string"),
)
NATIONALITY = Scalar(
    "nationality",
    "three letters of ISO 3166 like DEU",
    _matching(_NATIONALITY, "is no nationality"),
    _pattern(_NATIONALITY.pattern, "string"),
)
DIVISION = Scalar("division", "six digits of GB/T 2260 like 440100", _division, _pattern(_DIVISION.pattern, "integer", "string"))
CODE = Scalar(
    "code", "a code in capitals like NO_RELATIONSHIP", _matching(_CODE, "is not a code"), _pattern(_CODE.pattern, "string")
)
FACT = Scalar("fact", "a fact of the journal like information_form.received", _fact, _pattern(r"[a-z_]+\.[a-z_]+", "string"))
STATUS = one_of("status", *(str(status) for status in Status))
SEX = one_of("sex", *(str(sex) for sex in Sex))
ROW_STATUS = one_of("row status", *(str(status) for status in RowStatus))
ROW_KIND = one_of("row kind", *(str(kind) for kind in RowKind))

NAME = Scalar("name", "a word in small letters like zhang", _matching(_WORD, "is not a name"), _pattern(_WORD.pattern, "string"))


def name_of(what: str) -> Scalar:
    """The name of something that stands elsewhere in the story: a person, or what an earlier step gave."""
    return replace(NAME, name=f"name of a {what}", says=f"the name of a {what}", refers=what)


PERSON = name_of("person")
CASE = name_of("case")
VOUCHER = name_of("voucher")
QUESTION = name_of("question")

_FIXED = (BANK, POOLED_FUND, INTEREST_PAID, "refunds_payable")
_OF_PROVINCE = ("transfers_payable", "suspense")
_ACCOUNT = re.compile(r"[a-z_]+( [a-z0-9_-]+)?")


def _account(text: str) -> str:
    word, _, whose = text.partition(" ")
    if not whose and word in _FIXED:
        return text
    if whose and word in _OF_PROVINCE:
        _province(whose)
        return text
    if whose and word == "individual" and _WORD.fullmatch(whose):
        return text
    raise ValueError("is no account")


ACCOUNT = Scalar(
    "account",
    f"an account: {', '.join(_FIXED)}, transfers_payable 33, suspense 44, or individual and a person's name",
    _account,
    _pattern(_ACCOUNT.pattern, "string"),
    refers="account",
)
