"""What an agency may ask a person for stands in the law, in both languages, and a clock stands for a reason that has words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.rules.loader import TABLES_DIRECTORY, TablesInvalid, load_tables
from services.rules.material_tables import MaterialUnknown, PauseUnknown
from tests.unit.rules.builders import tables

MATERIALS = sorted({row.code for row in tables().material.materials})
PAUSES = sorted({row.code for row in tables().material.pauses})
IN_2024 = date(2024, 5, 6)


@pytest.mark.parametrize("code", MATERIALS)
def test_whatever_may_be_asked_for_has_a_legal_basis_and_words_in_both_languages(code: str) -> None:
    found = tables().material.material(code, IN_2024)

    assert found.legal_basis
    assert found.text("zh-CN") == found.text_zh
    assert found.text("en") == found.text_en
    assert found.text_zh != found.text_en
    assert found.confidence in ("found", "confident", "design")


@pytest.mark.parametrize("code", PAUSES)
def test_whatever_a_clock_stands_for_has_words_in_both_languages(code: str) -> None:
    found = tables().material.pause(code, IN_2024)

    assert "期限暂停计算" in found.text_zh
    assert "the clock stands" in found.text_en


def test_what_no_law_lets_an_agency_ask_for_is_refused_by_name() -> None:
    for code in ("HOUSEHOLD_REGISTER", "PAPER_VOUCHER", "UNDERTAKING"):
        with pytest.raises(MaterialUnknown, match=code) as refusal:
            tables().material.material(code, IN_2024)
        assert refusal.value.code == code


def test_a_reason_for_which_no_clock_stands_is_refused_by_name() -> None:
    with pytest.raises(PauseUnknown, match="HOLIDAY"):
        tables().material.pause("HOLIDAY", IN_2024)


def test_the_basis_of_asking_for_an_identity_document_is_that_of_the_day() -> None:
    before = tables().material.material("IDENTITY_DOCUMENT", date(2023, 11, 30))
    after = tables().material.material("IDENTITY_DOCUMENT", date(2023, 12, 1))

    assert (before.source, after.source) == ("S-66", "S-REG")
    assert "第三十一条" in after.legal_basis


@pytest.mark.parametrize(
    ("on", "law"),
    [
        (date(2010, 1, 1), "民法通则》第六十五条"),
        (date(2017, 10, 1), "民法总则》第一百六十五条"),
        (date(2020, 12, 31), "民法总则》第一百六十五条"),
        (date(2021, 1, 1), "民法典》第一百六十五条"),
    ],
)
def test_a_power_of_attorney_is_asked_for_by_the_law_of_the_day(on: date, law: str) -> None:
    assert law in tables().material.material("PROXY_AUTHORISATION", on).legal_basis


def test_two_rows_of_one_code_in_force_at_once_are_refused(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "pauses.toml").read_text(encoding="utf-8")
    row = text[text.index("[[pause]]") : text.index("[[pause]]", text.index("[[pause]]") + 1)]
    (tmp_path / "pauses.toml").write_text(text + "\n" + row, encoding="utf-8")

    with pytest.raises(TablesInvalid, match=r"pauses\.toml: two rows for 'MATERIAL_ASKED'"):
        load_tables(tmp_path)
