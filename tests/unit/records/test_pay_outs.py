"""An account is paid out when it is not overdrawn and the last year's interest is in it."""

from dataclasses import replace

import pytest

from services.records.decisions import Refused
from services.records.pay_outs import refuse_unless_payable
from tests.unit.records.test_model import a_record


@pytest.mark.parametrize(
    ("amount_fen", "interest_through", "code"),
    [(-1, 2023, "ACCOUNT_BELOW_ZERO"), (-1, 2022, "ACCOUNT_BELOW_ZERO"), (1, 2022, "INTEREST_PENDING")],
)
def test_what_cannot_be_paid_out_yet_is_refused_by_name(amount_fen: int, interest_through: int, code: str) -> None:
    record = replace(a_record(), interest_through=interest_through)

    with pytest.raises(Refused) as refused:
        refuse_unless_payable(record, amount_fen, last_year=2023)

    assert refused.value.code == code
    assert refused.value.remedy


# Nothing bears no interest.
@pytest.mark.parametrize(("amount_fen", "interest_through"), [(1, 2023), (1, 2024), (0, 2022), (0, 2023)])
def test_an_account_that_has_its_interest_is_payable(amount_fen: int, interest_through: int) -> None:
    refuse_unless_payable(replace(a_record(), interest_through=interest_through), amount_fen, last_year=2023)
