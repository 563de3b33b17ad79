"""Test data for the rules: name the one fact that matters, the builder supplies the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from services.rules.admission import AdmissionFacts
from services.rules.amounts import RowKind, RowStatus, Segment, YearRow
from services.rules.identity import Sex
from services.rules.loader import TABLES_DIRECTORY, Tables, load_tables
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


def with_switch(directory: Path, code: str, old: str, new: str) -> Tables:
    """The tables with one switch standing otherwise, written to a directory of the test's own."""
    text = (TABLES_DIRECTORY / "switches.toml").read_text(encoding="utf-8")
    row = text.index(f'code = "{code}"')
    changed = text[:row] + text[row:].replace(f'value = "{old}"', f'value = "{new}"', 1)
    assert changed != text
    (directory / "switches.toml").write_text(changed, encoding="utf-8")
    return load_tables(directory)


def with_death(directory: Path, position: str, field: str, old: str, new: str) -> Tables:
    """The tables with the rows on deaths at one position saying otherwise, written to a directory of the test's own."""
    text = (TABLES_DIRECTORY / "deaths.toml").read_text(encoding="utf-8")
    rows = text.split("[[death]]")
    changed = "[[death]]".join(
        row.replace(f'{field} = "{old}"', f'{field} = "{new}"') if f'position = "{position}"' in row else row for row in rows
    )
    assert changed != text
    (directory / "deaths.toml").write_text(changed, encoding="utf-8")
    return load_tables(directory)
