"""A refusal in the words of the refusals table, where it has them: legal basis and remedy, in both languages."""

from datetime import date
from typing import Any

from services.records.decisions import Refused
from services.rules.loader import RefusalUnknown, RuleNotInForce, Tables
from services.runtime.http import Problem


def words_of(tables: Tables, code: str, on: date) -> dict[str, str]:
    """What a person is told beside a refusal of the day; empty for a code that the table does not have then."""
    try:
        text = tables.refusal(code, on)
    except (RefusalUnknown, RuleNotInForce):
        return {}
    return {
        "detail_zh": text.reason_zh,
        "legal_basis": text.legal_basis,
        "remedy": text.remedy_en,
        "remedy_zh": text.remedy_zh,
    }


def problem(tables: Tables, on: date, status: int, code: str, detail: str = "", **more: Any) -> Problem:
    """A refusal as a person meets it: what the step says itself goes before the table's words; without any it is the table's.

    Args:
        detail: what is wrong, in English; the table's reason where it is empty.
        more: members of the answer; a None says nothing.
    """
    words = words_of(tables, code, on)
    said = detail or (tables.refusal(code, on).reason_en if words else "")
    return Problem(status, code, said, **{**words, **{name: value for name, value in more.items() if value is not None}})


def refusal(status: int, error: Refused, **more: str) -> Problem:
    """A rule's refusal over HTTP, in the rule's own words.

    Args:
        more: members of the answer, like `field`; of an empty one nothing is said.
    """
    known = {"legal_basis": error.legal_basis, "remedy": error.remedy, **more}
    return Problem(status, error.code, error.detail, **{name: value for name, value in known.items() if value})
