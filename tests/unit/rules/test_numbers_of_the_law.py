"""A number of the law is a row of a table, with its days and its source; none stands in the code that decides."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import services.rules

FOLDER = Path(services.rules.__file__).parent
# They read tables, and bound what a table may say; or check the digits of a number as its standard says.
READERS = {"loader.py", "table_rows.py", "calendar_import.py", "table_import.py", "identity.py", "employers.py", "months.py"}
# What is no number of the law: counting, the calendar, fen and decimals, the width of a form's fields.
PLAIN = {
    **dict.fromkeys(range(14), "counting; months and days of the week"),
    26: "twice thirteen, of the month products",
    **dict.fromkeys((28, 29, 31), "days of a month"),
    100: "fen in a yuan",
    10_000: "four decimals",
    1998: "the year from which the information form's items are divided: ① before, ② since",
    9_999_999_999: "the width of the form's money fields",
}
DECIDING = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in READERS and not path.name.endswith("_tables.py"))


def numbers_in(text: str) -> list[tuple[int, str]]:
    """The line and the text of every number that may be one of the law."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=value)]) if value not in (0, 1):
                found.append((node.lineno, ast.unparse(node)))
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=float() as number):
                found.append((node.lineno, str(number)))
            case ast.Constant(value=int() as number) if number not in PLAIN:
                found.append((node.lineno, str(number)))
    return found


@pytest.mark.parametrize("name", DECIDING)
def test_no_number_of_the_law_stands_in_code_that_decides(name: str) -> None:
    assert numbers_in((FOLDER / name).read_text(encoding="utf-8")) == []


def test_a_number_of_the_law_in_code_would_be_found() -> None:
    text = "share = Decimal('0.12')\nlimit = 15\nrate = 0.08\nmonths = 12\nnothing = Decimal(0)\nyes = True\n"

    assert numbers_in(text) == [(1, "Decimal('0.12')"), (2, "15"), (3, "0.08")]
