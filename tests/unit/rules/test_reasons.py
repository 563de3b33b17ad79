"""What every answer says: rule, basis and words, from whichever table has them, and only for days on which they hold."""

from __future__ import annotations

from datetime import date

import pytest

from services.rules.loader import RefusalUnknown
from services.rules.reasons import because, of_refusal
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

IN_2024 = date(2024, 5, 6)


def test_what_is_granted_has_its_words_in_the_table_of_reasons() -> None:
    reason = because("BREAK_KEPT", IN_2024, tables())

    assert reason.rule == "reasons/BREAK_KEPT@2010-01-01"
    assert "第九条" in reason.legal_basis
    assert reason.text_zh
    assert reason.text_en
    assert reason.remedy_zh == ""


def test_what_is_refused_has_its_words_and_its_remedy_in_the_table_of_refusals() -> None:
    reason = because("SURRENDER_NOT_ALLOWED", IN_2024, tables())

    assert reason == of_refusal(tables().refusal("SURRENDER_NOT_ALLOWED", IN_2024))
    assert "neither end the relationship nor cash out" in reason.text_en
    assert reason.remedy_zh


def test_a_rule_that_was_not_there_yet_is_not_quoted() -> None:
    with pytest.raises(RuleNotInForce, match="NATIONALITY_LOST"):
        because("NATIONALITY_LOST", date(2011, 6, 30), tables())
    with pytest.raises(RuleNotInForce, match="NATIONALITY_KEPT"):
        because("NATIONALITY_KEPT", date(2011, 6, 30), tables())


def test_a_code_that_no_table_has_is_refused() -> None:
    with pytest.raises(RefusalUnknown):
        because("NO_SUCH", IN_2024, tables())


def test_every_reason_of_the_exceptions_has_basis_and_words_in_both_languages() -> None:
    for row in tables().exceptions.reasons:
        assert row.legal_basis, row.code
        assert row.text_zh, row.code
        assert row.text_en, row.code
        assert row.text_zh != row.text_en
        assert row.code not in {text.code for text in tables().refusals}, "a code has its words in one table only"
