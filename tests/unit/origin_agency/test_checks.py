"""What the origin finds when it looks at a letter and its own record."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.documents import ContactLetter, PayeeAccount, PersonIdentity
from services.origin_agency import checks
from services.origin_agency.checks import id_number_of
from services.records.model import Personal, Record
from tests.builders import PERSON, a
from tests.unit.origin_agency.builders import a_letter
from tests.unit.rules.builders import a_row, own, tables, with_death

HE = a_letter().person


def a_record(**fields: Any) -> Record:
    """The record of somebody who has stopped contributing here and may leave."""
    stands = Record(
        person_ref=PERSON,
        id_hash=b"h",
        state="stopped",
        scheme="110",
        account_kind="normal",
        first_insured_on=date(2022, 1, 1),
        stopped_on=date(2024, 3, 31),
        drawing_since=None,
        interest_through=2023,
        personal=a(Personal, id_number=HE.id_number, name=HE.name),
        segments=(own(a_row("2023-01", "2023-12")),),
    )
    return replace(stands, **fields)


def reason_to_return(letter: ContactLetter, record: Record | None, *, on: date = date(2024, 5, 8)) -> str | None:
    """Why a letter that is looked at on a day goes back."""
    return checks.reason_to_return(letter, record, on=on, tables=tables())


def test_whoever_has_stopped_contributing_may_leave() -> None:
    assert reason_to_return(a_letter(), a_record()) is None


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("ALREADY_TRANSFERRED_OUT", {"state": "moved"}),
        ("WRONG_SCHEME", {"scheme": "120"}),
        ("WRONG_SCHEME", {"scheme": "170", "drawing_since": date(2020, 1, 1)}),
        ("WRONG_SCHEME", {"scheme": "MILITARY"}),
        ("ALREADY_DRAWING", {"drawing_since": date(2020, 1, 1)}),
        ("IDENTITY_MISMATCH", {"personal": a(Personal, id_number=HE.id_number, name="陈志遠")}),
        ("TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW", {"account_kind": "temporary"}),
        ("STILL_CONTRIBUTING", {"stopped_on": None, "state": "active"}),
    ],
)
def test_a_record_that_cannot_move_is_returned_with_its_own_code(code: str, fields: dict[str, Any]) -> None:
    record = a_record(**fields)

    found = reason_to_return(a_letter(), record)

    assert found == code
    assert "return" in tables().refusal(code, date(2024, 3, 1)).uses


def test_a_temporary_account_stays_sealed_until_the_paying_place_gathers_it() -> None:
    temporary = a_record(account_kind="temporary")

    on_a_move = reason_to_return(a_letter(), temporary)
    gathered = reason_to_return(a_letter(gathering=True), temporary)
    before_the_rule = reason_to_return(a_letter(), temporary, on=date(2016, 11, 27))

    assert (on_a_move, gathered, before_the_rule) == ("TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW", None, None)


def test_somebody_who_is_not_on_record_has_no_relationship_here() -> None:
    assert reason_to_return(a_letter(), None) == "NO_RELATIONSHIP"


def test_a_letter_that_does_not_say_where_to_pay_is_incomplete_before_anything_else() -> None:
    letter = a_letter(payee=a(PayeeAccount, account_no=""))

    assert reason_to_return(letter, None) == "LETTER_INCOMPLETE"


def test_what_has_moved_is_said_to_have_moved_whatever_else_the_record_says() -> None:
    record = a_record(state="moved", drawing_since=date(2020, 1, 1), stopped_on=None)

    assert reason_to_return(a_letter(), record) == "ALREADY_TRANSFERRED_OUT"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("11010519491231002x", "11010519491231002X"),
        ("11010519491231002X", "11010519491231002X"),
        ("not a number", "not a number"),
    ],
)
def test_an_identity_number_is_looked_up_in_its_normal_form_or_as_it_is(written: str, found: str) -> None:
    letter = a_letter(person=PersonIdentity(id_number=written, name="张三"))

    assert id_number_of(letter) == found


def test_whether_a_death_sends_the_letter_back_is_a_row_of_the_table(tmp_path: Path) -> None:
    dead, on = a_record(died_on=date(2024, 5, 5)), date(2024, 5, 8)
    otherwise = with_death(tmp_path, "before_debit", "action", "cancel_and_settle", "finish_and_settle")

    by_rule = [checks.reason_to_return(a_letter(), dead, on=on, tables=each) for each in (tables(), otherwise)]

    assert by_rule == ["PERSON_DECEASED", None]
