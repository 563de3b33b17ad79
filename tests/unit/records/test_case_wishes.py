"""What both agencies take about a case over HTTP: words of some length, ids of one form, and nothing that nobody knows."""

from datetime import date

import pytest
from pydantic import BaseModel, ValidationError

from services.records.case_wishes import Answering, Asking, Deaths
from tests.builders import CASE

QUESTION = "018f4c1e-0000-7000-8000-00000000aaaa"


def test_a_question_is_about_anything_and_an_answer_confirms_nothing_unless_told_otherwise() -> None:
    asking = Asking.model_validate({"case_id": CASE, "text": "Why so?"})
    answering = Answering.model_validate({"case_id": CASE, "question_id": QUESTION, "text": "It is so."})

    assert (asking.kind, answering.confirms) == ("other", False)


def test_a_death_is_told_by_a_clerk_unless_told_otherwise() -> None:
    wish = Deaths.model_validate_json(f'{{"case_ids": ["{CASE}"], "died_on": "2024-05-01"}}')

    assert (wish.died_on, wish.reported_by) == (date(2024, 5, 1), "clerk")


@pytest.mark.parametrize(
    ("model", "wish"),
    [
        (Asking, {"case_id": CASE, "text": "no"}),
        (Asking, {"case_id": "a case", "text": "Why so?"}),
        (Asking, {"case_id": CASE, "text": "Why so?", "to": "33"}),
        (Answering, {"case_id": CASE, "question_id": "1", "text": "It is so."}),
        (Answering, {"case_id": CASE, "question_id": QUESTION, "text": "x" * 2001}),
        (Deaths, {"case_ids": [], "died_on": date(2024, 5, 1)}),
        (Deaths, {"case_ids": [CASE], "died_on": date(2024, 5, 1), "reported_by": "rumour"}),
    ],
    ids=["short", "id", "unknown field", "question id", "long", "no case", "reporter"],
)
def test_what_cannot_be_is_no_wish(model: type[BaseModel], wish: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(wish)
