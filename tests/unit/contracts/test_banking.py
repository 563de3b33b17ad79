"""What fund desks and the bank say to each other."""

import pytest
from pydantic import ValidationError

from contracts.banking import Fault, RemittanceLine, RemittanceOrder, ReturnOrder, Statement, StatementLine
from tests.builders import a


def test_an_order_pays_for_at_least_one_case() -> None:
    with pytest.raises(ValidationError):
        a(RemittanceOrder, lines=())


def test_an_order_may_carry_many_cases_but_not_without_end() -> None:
    line = a(RemittanceLine)

    assert len(a(RemittanceOrder, lines=(line,) * 5000).lines) == 5000
    with pytest.raises(ValidationError):
        a(RemittanceOrder, lines=(line,) * 5001)


@pytest.mark.parametrize("model", [RemittanceOrder, ReturnOrder, Fault])
def test_an_order_with_an_unknown_field_is_refused(model: type[RemittanceOrder | ReturnOrder | Fault]) -> None:
    raw = a(model).model_dump(mode="json") | {"urgent": True}

    with pytest.raises(ValidationError, match="urgent"):
        model.model_validate(raw, strict=False)


def test_a_statement_of_a_newer_bank_may_say_more() -> None:
    line = a(StatementLine).model_dump(mode="json") | {"currency": "CNY"}

    assert Statement.model_validate({"lines": [line]}, strict=False).lines == (a(StatementLine),)


@pytest.mark.parametrize("kind", ["burn", ""])
def test_a_fault_is_one_of_those_that_the_bank_knows(kind: str) -> None:
    with pytest.raises(ValidationError):
        a(Fault, kind=kind)
