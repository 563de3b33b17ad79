"""How long papers are kept: every kind has its class, original vouchers and transfer files stay for ever."""

from datetime import date
from pathlib import Path

import pytest

from services.rules.filing_tables import PaperKindUnknown
from services.rules.loader import TABLES_DIRECTORY, TablesInvalid, load_tables
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

TODAY = date(2024, 5, 6)


@pytest.mark.parametrize("kind", ["ORIGINAL_VOUCHER", "ACCOUNTING_VOUCHER", "TRANSFER_FILE"])
def test_vouchers_and_transfer_files_are_kept_for_ever_and_nobody_is_sure_of_it(kind: str) -> None:
    paper = tables().filing.paper(kind, TODAY)

    assert tables().filing.retention(paper.retention, TODAY).kept_until(TODAY) is None
    assert paper.confidence == "unsure"


@pytest.mark.parametrize(
    ("code", "until"),
    [
        ("permanent", None),
        ("years_10", date(2034, 12, 31)),
        ("years_30", date(2054, 12, 31)),
        ("years_50", date(2074, 12, 31)),
        ("years_100", date(2124, 12, 31)),
    ],
)
def test_the_classes_are_those_of_the_regulation_and_count_from_the_next_january(code: str, until: date | None) -> None:
    assert tables().filing.retention(code, TODAY).kept_until(TODAY) == until


@pytest.mark.parametrize(("came_on", "until"), [(date(2024, 5, 6), date(2034, 5, 6)), (date(2024, 2, 29), date(2034, 3, 1))])
def test_a_class_may_count_from_the_very_day(tmp_path: Path, came_on: date, until: date) -> None:
    text = (TABLES_DIRECTORY / "retention_classes.toml").read_text(encoding="utf-8")
    (tmp_path / "retention_classes.toml").write_text(
        text.replace('counted_from = "next_year"', 'counted_from = "day"'), encoding="utf-8"
    )

    assert load_tables(tmp_path).filing.retention("years_10", TODAY).kept_until(came_on) == until


def test_every_kind_has_a_class_and_says_how_sure_it_is() -> None:
    filing = tables().filing

    assert {row.retention for row in filing.papers} <= {row.code for row in filing.classes}
    assert {row.confidence for row in filing.papers} == {"unsure", "design"}


def test_a_kind_whose_class_is_not_there_makes_the_tables_invalid(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "filed_papers.toml").read_text(encoding="utf-8")
    (tmp_path / "filed_papers.toml").write_text(text.replace('"years_30"', '"years_31"'), encoding="utf-8")

    with pytest.raises(TablesInvalid, match="CORRESPONDENCE is kept by the class years_31"):
        load_tables(tmp_path)


def test_a_class_that_ends_before_its_kind_makes_the_tables_invalid(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "retention_classes.toml").read_text(encoding="utf-8")
    first, rest = text.split('effective_to = "open"', 1)
    (tmp_path / "retention_classes.toml").write_text(f"{first}effective_to = 2023-12-31{rest}", encoding="utf-8")

    with pytest.raises(TablesInvalid, match="ORIGINAL_VOUCHER is kept by the class permanent"):
        load_tables(tmp_path)


def test_a_kind_for_something_that_has_no_file_makes_the_tables_invalid(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "filed_papers.toml").read_text(encoding="utf-8")
    (tmp_path / "filed_papers.toml").write_text(text.replace('subjects = ["employer"]', 'subjects = ["bank"]'), encoding="utf-8")

    with pytest.raises(TablesInvalid, match="'bank' is none of person, employer, case"):
        load_tables(tmp_path)


def test_what_is_not_in_the_tables_is_said_by_name() -> None:
    with pytest.raises(PaperKindUnknown, match="LOVE_LETTER"):
        tables().filing.paper("LOVE_LETTER", TODAY)
    with pytest.raises(RuleNotInForce, match="years_7"):
        tables().filing.retention("years_7", TODAY)
    assert tables().filing.form("image/gif", TODAY) is None
    assert tables().filing.largest(date(1900, 1, 1)) == 0


def test_the_limit_of_a_scan_is_a_dated_row() -> None:
    form = tables().filing.form("application/pdf", TODAY)

    assert form is not None
    assert (form.max_bytes, form.confidence, tables().filing.largest(TODAY)) == (10 << 20, "design", 10 << 20)
