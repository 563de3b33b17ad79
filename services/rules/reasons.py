"""The words of an answer: what is granted has them in ``reasons.toml``, what is refused or stays behind in ``refusals.toml``."""

from __future__ import annotations

from datetime import date

from services.rules.exception_tables import Reason
from services.rules.loader import RefusalText, Tables


def because(code: str, on: date, tables: Tables) -> Reason:
    """Return the words, basis and rule of a code on the day it is used.

    Raises RefusalUnknown when neither table has the code, RuleNotInForce when it has none for the day.
    """
    if tables.exceptions.knows_reason(code):
        return tables.exceptions.reason(code, on)
    return of_refusal(tables.refusal(code, on))


def of_refusal(text: RefusalText) -> Reason:
    """Return the words of a refusal in the form that every answer carries."""
    return Reason(
        rule=text.rule,
        effective_from=text.effective_from,
        effective_to=text.effective_to,
        source=text.source,
        confidence=text.confidence,
        code=text.code,
        legal_basis=text.legal_basis,
        text_zh=text.reason_zh,
        text_en=text.reason_en,
        remedy_zh=text.remedy_zh,
        remedy_en=text.remedy_en,
    )
