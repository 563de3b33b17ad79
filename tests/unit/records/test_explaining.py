"""What a person meets as a refusal has its basis and its remedy, in both languages; what no table knows says nothing more."""

from datetime import date

import pytest

from services.records.decisions import Refused
from services.records.explaining import problem, refusal, words_of
from tests.agencies import tables

TODAY = date(2024, 5, 6)
AT_THE_COUNTER = [
    "INVALID_INPUT",
    "ID_NUMBER_INVALID",
    "UNKNOWN_PROVINCE",
    "WRONG_DESTINATION",
    "PROVINCE_NOT_CONNECTED",
    "NOT_YOUR_RECORD",
    "DUPLICATE_APPLICATION",
    "WITHDRAWAL_TOO_LATE",
    "NO_RELATIONSHIP",
    "WRONG_ROLE",
    "NOT_NOW",
]


@pytest.mark.parametrize("code", AT_THE_COUNTER)
def test_what_a_person_is_refused_has_reason_basis_and_remedy_in_both_languages(code: str) -> None:
    words = words_of(tables(), code, TODAY)

    assert set(words) == {"detail_zh", "legal_basis", "remedy", "remedy_zh"}
    assert all(words.values())


def test_what_the_step_says_itself_goes_before_the_words_of_the_table() -> None:
    found = problem(tables(), TODAY, 409, "NOT_NOW", "It is CANCELLED.", remedy="Apply again.", legal_basis=None).body()

    assert (found["detail"], found["remedy"]) == ("It is CANCELLED.", "Apply again.")
    assert found["legal_basis"] == tables().refusal("NOT_NOW", TODAY).legal_basis
    assert found["remedy_zh"] == tables().refusal("NOT_NOW", TODAY).remedy_zh


def test_without_words_of_its_own_a_refusal_has_the_table_s() -> None:
    found = problem(tables(), TODAY, 409, "WITHDRAWAL_TOO_LATE").body()

    assert found["detail"] == tables().refusal("WITHDRAWAL_TOO_LATE", TODAY).reason_en


def test_a_code_that_no_table_knows_or_did_not_know_then_says_no_more_than_its_step() -> None:
    assert words_of(tables(), "NO_SUCH_CODE", TODAY) == {}
    assert words_of(tables(), "NOT_YOUR_RECORD", date(2011, 6, 30)) == {}
    assert problem(tables(), TODAY, 422, "NO_SUCH_CODE", "why").more == {}


def test_a_rule_s_refusal_is_told_in_its_own_words_and_what_it_does_not_say_is_left_out() -> None:
    found = refusal(409, Refused("YEAR_NOT_OVER", "2024 is not over.", remedy="Wait."), field="year")

    assert (found.status, found.code, found.detail) == (409, "YEAR_NOT_OVER", "2024 is not over.")
    assert found.more == {"remedy": "Wait.", "field": "year"}
