"""A file of facts is read whole: every error names line and field, and repeats no value."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import pytest
import typer
from pydantic import Field

from services.cli import ExitCode
from services.cli.case_file import (
    CaseFileInvalid,
    CaseModel,
    Day,
    Division,
    FileError,
    Hukou,
    IndexNumber,
    Money,
    MonthCount,
    MonthText,
    Province,
    fen,
    province_as_json,
    read_case_file,
    tables_of,
)
from services.rules.months import Month
from tests.unit.rules.builders import tables


class Part(CaseModel):
    division: Division
    start: MonthText
    months: MonthCount
    wage: Money = Decimal(0)


class Facts(CaseModel):
    place: Province
    hukou: Hukou
    on: Day
    index: IndexNumber
    part: Annotated[list[Part], Field(min_length=1)]


GOOD = """# A comment.
place = "44"
hukou = "none"
on = 2025-02-01
index = 0.6

[[part]]
division = "440100"
start = "2024-03"
months = 12
wage = 4000.50

[[part]]
division = "310000"
start = "2025-01"
months = 1
"""


def errors_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "facts.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CaseFileInvalid) as refused:
        read_case_file(file, Facts, tables())
    return [str(error) for error in refused.value.errors]


def test_what_is_right_comes_out_typed_and_exact(tmp_path: Path) -> None:
    file = tmp_path / "facts.toml"
    file.write_text(GOOD, encoding="utf-8")

    facts, _ = read_case_file(file, Facts, tables())

    assert (facts.place, facts.hukou, facts.on, facts.index) == ("44", "none", date(2025, 2, 1), Decimal("0.6"))
    assert (facts.part[0].start, facts.part[0].wage, facts.part[1].wage) == (Month(2024, 3), Decimal("4000.50"), Decimal(0))
    assert fen(facts.part[0].wage) == 400050


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('place = "44"', 'place = "99"', "line 2, place: provinces has no code '99'"),
        ('place = "44"', 'place = "81"', "line 2, place: Hong Kong (81) takes no part in inter-province transfer"),
        ('hukou = "none"', 'hukou = "nowhere"', "line 3, hukou: provinces has no code 'nowhere'"),
        ("on = 2025-02-01", 'on = "2025-02-01"', "line 4, on: Input should be a valid date"),
        ("on = 2025-02-01", "on = 1850-02-01", "line 4, on: Input should be greater than or equal to 1900-01-01"),
        ("index = 0.6", 'index = "much"', 'line 5, index: a number, like 4000.50 or "4000.50"'),
        ("index = 0.6", "index = true", 'line 5, index: a number, like 4000.50 or "4000.50"'),
        ("index = 0.6", "index = 0.6\nindx = 1", "line 6, indx: Extra inputs are not permitted"),
        ('start = "2024-03"', "start = 2024", 'line 9, part[1].start: a month is a text, like "2024-03"'),
        (
            'start = "2025-01"',
            'start = "2025-13"',
            "line 15, part[2].start: '2025-13' is not a month between 1950-01 and 2050-12",
        ),
        ('division = "310000"', 'division = "3100"', "line 14, part[2].division: a division has six digits"),
        ('division = "310000"', 'division = "990000"', "line 14, part[2].division: provinces has no code '99'"),
        ("months = 1\n", "months = -1\n", "line 16, part[2].months: Input should be greater than or equal to 0"),
        ("months = 1\n", 'months = "1"\n', "line 16, part[2].months: Input should be a valid integer"),
        ("months = 1\n", "", "line 13, part[2].months: Field required"),
        ("wage = 4000.50", "wage = 4000.505", "line 11, part[1].wage: Decimal input should have no more than 2 decimal places"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path: Path, old: str, new: str, error: str) -> None:
    assert old in GOOD

    [found] = errors_of(tmp_path, GOOD.replace(old, new, 1))

    assert found.startswith(error)


def test_all_errors_come_at_once_and_no_wage_is_repeated(tmp_path: Path) -> None:
    text = GOOD.replace('place = "44"', 'place = "99"').replace("wage = 4000.50", "wage = -4000.50").replace("months = 1\n", "")

    found = errors_of(tmp_path, text)

    assert [one.split(":")[0] for one in found] == ["line 2, place", "line 11, part[1].wage", "line 13, part[2].months"]
    assert "4000" not in "".join(found)


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ('{ division = "44", start = "2024-03", months = 1 },', "", "line 7, part[1].division: a division has six digits"),
        ('{ division = "440100", start = "2024-03" }, { division = "31" }', "", "line 7, part[1].months: Field required"),
        ('{ division = "440100", start = "2024-03", months = 1 },', '{ division = "310000", start = "[{1=" , months = 1 }',
         "line 8, part[2].start: '[{1=' is not a month between 1950-01 and 2050-12"),
    ],
)  # fmt: skip
def test_tables_written_in_lines_are_named_at_theirs(tmp_path: Path, first: str, second: str, error: str) -> None:
    head = 'place = "44" # place = [\nhukou = "44"\non = 2025-02-01\nindex = 1\n'

    found = errors_of(tmp_path, f"{head}part = [\n  # the first {{\n  {first}\n  {second}\n]\n")

    assert found[0].startswith(error)


def test_a_file_that_is_no_toml_names_the_line(tmp_path: Path) -> None:
    [found] = errors_of(tmp_path, "place = \n")
    file = tmp_path / "facts.toml"
    file.write_bytes(b"# \xff")

    with pytest.raises(CaseFileInvalid) as refused:
        read_case_file(file, Facts, tables())

    assert found.startswith("line 1: the file is not TOML")
    assert refused.value.errors == (FileError(1, "", "the file is not UTF-8"),)


def test_tables_are_ours_unless_others_are_named_and_others_must_be_tables(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text("[[limit]]\n", encoding="utf-8")

    assert tables_of(None).version == tables().version
    with pytest.raises(typer.Exit) as ended:
        tables_of(tmp_path)
    assert ended.value.exit_code == ExitCode.WRONG_USE


def test_a_province_is_shown_with_both_names() -> None:
    assert province_as_json("44", tables()) == {"province": "44", "name_zh": "广东省", "name_en": "Guangdong"}
