"""Cashing out (退保) does not exist. Whoever asks is told so by name, with the article."""

from datetime import date
from typing import NoReturn

from services.rules.loader import Tables
from services.runtime.http import Problem


def refuse_surrender(tables: Tables, on: date) -> NoReturn:
    """Refuse to end a relationship and pay it out before the benefit age, with the words of the day on which it is asked.

    Raises:
        Problem: 403 SURRENDER_NOT_ALLOWED with 国办发〔2009〕66号 Art. 3.
    """
    text = tables.refusal("SURRENDER_NOT_ALLOWED", on)
    raise Problem(
        403,
        text.code,
        text.reason_en,
        detail_zh=text.reason_zh,
        legal_basis=text.legal_basis,
        remedy=text.remedy_en,
        remedy_zh=text.remedy_zh,
    )
