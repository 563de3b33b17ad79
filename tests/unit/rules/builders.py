"""Test data for the rules: name the one fact that matters, the builder supplies the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from services.rules.admission import AdmissionFacts
from services.rules.amounts import RowKind, RowStatus, Segment, YearRow
from services.rules.identity import Sex
from services.rules.loader import Tables, load_tables
from services.rules.months import Month


@cache
def tables() -> Tables:
    return load_tables()


def a_row(
    start: str,
    end: str,
    wage_fen: int = 500_000,
    *,
    division: str = "440100",
    employer_rate: str = "0.16",
    status: RowStatus = RowStatus.PAID,
    kind: RowKind = RowKind.NORMAL,
) -> YearRow:
    return YearRow(division, Month.parse(start), Month.parse(end), wage_fen, Decimal(employer_rate), status=status, kind=kind)


def own(*rows: YearRow) -> Segment:
    return Segment(None, 0, 0, rows)


def an_application(**facts: Any) -> AdmissionFacts:
    """A man of 34 from Henan who left Guangdong and has paid in Zhejiang."""
    usual: dict[str, Any] = {
        "on": date(2024, 5, 6),
        "birth_on": date(1990, 3, 15),
        "sex": Sex.MALE,
        "hukou": "41",
        "origin_province": "44",
        "destination_province": "33",
        "scheme": "110",
        "drawing": False,
        "insured_at_destination_since": date(2024, 4, 1),
        "has_paid_contribution": True,
        "open_case_id": None,
        "identity_verified": True,
        "approved_transfer": False,
    }
    return AdmissionFacts(**{**usual, **facts})
