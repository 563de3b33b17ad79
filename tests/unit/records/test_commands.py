"""Lists of commands: one answer a row, counted."""

import pytest
from pydantic import ValidationError

from services.records.commands import CaseList, ListResult, done, no_such_case, one_person, refused, refused_by, same_person
from services.records.decisions import Refused
from tests.builders import CASE, OTHER_CASE


def test_a_list_is_answered_row_by_row_and_counted() -> None:
    result = ListResult.of([done(CASE), same_person(OTHER_CASE), done("case-3", "FORM_ISSUED")])

    assert (result.done, result.refused) == (2, 1)
    assert [row.case_id for row in result.rows] == [CASE, OTHER_CASE, "case-3"]
    assert result.rows[2].code == "FORM_ISSUED"


def test_an_empty_list_did_nothing() -> None:
    assert ListResult.of([]) == ListResult(done=0, refused=0, rows=())


def test_one_person_alone_is_refused_with_the_article_and_what_helps() -> None:
    row = same_person(CASE)

    assert (row.result, row.code) == ("refused", "SAME_PERSON")
    assert row.legal_basis == "社会保险经办条例 第三十七条"
    assert row.remedy


def test_what_a_second_person_is_to_do_is_said() -> None:
    error = one_person("approve the run")

    assert (error.code, error.legal_basis) == ("SAME_PERSON", "社会保险经办条例 第三十七条")
    assert error.remedy == "Let a second person approve the run."


def test_a_row_that_a_rule_refused_says_what_the_rule_says() -> None:
    error = Refused("RATE_PENDING", "not published", legal_basis="第十四条", remedy="wait")

    assert refused_by(CASE, error) == refused(CASE, "RATE_PENDING", "not published", legal_basis="第十四条", remedy="wait")


def test_an_unknown_case_is_refused_by_name() -> None:
    assert (no_such_case(CASE).code, no_such_case(CASE).case_id) == ("NO_SUCH_CASE", CASE)


def test_a_refusal_carries_what_it_is_given() -> None:
    row = refused(CASE, "RATE_PENDING", "not published", legal_basis="第十四条", remedy="wait")

    assert row.model_dump() == {
        "case_id": CASE,
        "result": "refused",
        "code": "RATE_PENDING",
        "detail": "not published",
        "legal_basis": "第十四条",
        "remedy": "wait",
    }


@pytest.mark.parametrize("wish", [{"case_ids": []}, {"case_ids": ["c"] * 2001}, {"case_ids": ["c"], "force": True}])
def test_a_list_of_nothing_or_too_much_or_with_an_unknown_field_is_no_command(wish: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CaseList.model_validate(wish)


def test_a_list_as_json_gives_it_is_a_command() -> None:
    assert CaseList.model_validate({"case_ids": [CASE]}).case_ids == (CASE,)
