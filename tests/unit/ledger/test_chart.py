"""The chart of accounts: a line's name is its identity."""

import pytest

from services.ledger.chart import (
    BANK,
    INTEREST_PAID,
    POOLED_FUND,
    REFUNDS_PAYABLE,
    Side,
    grows_on,
    individual,
    suspense,
    transfers_payable,
)
from tests.builders import PERSON


def test_an_account_is_named_by_what_it_is_and_whose() -> None:
    assert individual(PERSON) == f"individual:{PERSON}"
    assert transfers_payable("33") == "transfers_payable:33"
    assert suspense("44") == "suspense:44"


@pytest.mark.parametrize("account", [BANK, INTEREST_PAID])
def test_what_the_province_has_or_has_spent_grows_on_the_debit_side(account: str) -> None:
    assert grows_on(account) is Side.DEBIT


@pytest.mark.parametrize("account", [POOLED_FUND, REFUNDS_PAYABLE, individual(PERSON), transfers_payable("33"), suspense("44")])
def test_what_it_owes_or_holds_for_others_grows_on_the_credit_side(account: str) -> None:
    assert grows_on(account) is Side.CREDIT
