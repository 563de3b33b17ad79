"""Cashing out does not exist."""

from datetime import date

import pytest

from services.records.surrender import refuse_surrender
from services.runtime.http import Problem
from tests.unit.rules.builders import tables


def test_whoever_wants_to_cash_out_is_refused_with_article_three_in_both_languages() -> None:
    with pytest.raises(Problem) as refused:
        refuse_surrender(tables(), date(2024, 3, 1))

    body = refused.value.body()
    assert (body["status"], body["code"]) == (403, "SURRENDER_NOT_ALLOWED")
    assert "第三条" in body["legal_basis"]
    assert "国办发〔2009〕66号" in body["legal_basis"]
    assert "退保" in body["detail_zh"]
    assert all(body[field] for field in ("detail", "remedy", "remedy_zh"))
