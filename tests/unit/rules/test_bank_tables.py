"""What a bank says when it gives money back decides whether the money may be paid again as it was."""

from datetime import date
from pathlib import Path

import pytest

from services.rules.loader import TABLES_DIRECTORY, TablesInvalid, load_tables
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

IN_2024 = date(2024, 5, 6)


@pytest.mark.parametrize(
    ("words", "code", "letter_needed", "sent_back"),
    [
        ("payee account refused", "payee_account", True, False),
        (" Payee Account Refused ", "payee_account", True, False),
        ("payment not carried out by the bank", "bank_failure", False, False),
        ("sent back by the payee", "sent_back", False, True),
        ("words that nobody knows", "payee_account", True, False),
        ("", "payee_account", True, False),
    ],
)
def test_the_banks_words_say_whether_another_account_is_needed(
    words: str, code: str, letter_needed: bool, sent_back: bool
) -> None:
    found = tables().bank.bank_return(words, IN_2024)

    assert (found.code, found.letter_needed, found.sent_back) == (code, letter_needed, sent_back)
    assert found.confidence == "design"


def test_before_there_is_a_transfer_no_money_comes_back() -> None:
    with pytest.raises(RuleNotInForce, match="bank_returns"):
        tables().bank.bank_return("payee account refused", date(2009, 12, 31))


def test_the_same_words_cannot_mean_two_things_on_one_day(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "bank_returns.toml").read_text(encoding="utf-8")
    (tmp_path / "bank_returns.toml").write_text(text.replace("payment not carried out by the bank", "sent back by the payee"))

    with pytest.raises(TablesInvalid, match="two rows for 'sent back by the payee' are in force"):
        load_tables(tmp_path)
