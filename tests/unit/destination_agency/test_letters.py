"""A letter that comes back: for good, or cured by a corrected version, sent elsewhere, or closed."""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.documents import (
    ContactLetter,
    LetterReturn,
    PersonIdentity,
)
from contracts.events import (
    ContactLetterSent,
    TransferClosed,
    TransferReaddressed,
    TransferReturned,
)
from contracts.statuses import Status
from services.destination_agency.case import Case, NotNow, Outcome, Refused, SamePerson, State
from services.destination_agency.letters import Change, close, correct_letter, propose_letter, returned
from services.destination_agency.meeting import payment_returned
from services.records.decisions import Due
from tests.unit.destination_agency.builders import (
    ARRIVED,
    BOOKED,
    CURABLE_UNTIL,
    LETTER_NO,
    RETURNED_MONEY,
    a_letter,
    fact_of,
    form_comes,
    in_state,
    lettered,
    letters_of,
    money_comes,
    names,
    sent_back_to_us,
    shown,
)

RETURN = LetterReturn(letter_no=LETTER_NO, code="NO_RELATIONSHIP", legal_basis="国办发〔2009〕66号 第八条第(三)项")


@pytest.mark.parametrize("state", [State.LETTER_SENT, State.WITHDRAWING])
def test_a_returned_letter_ends_the_case_with_the_origin_s_reason(state: State) -> None:
    outcome = returned(in_state(state), RETURN, today=ARRIVED)

    told = fact_of(outcome, TransferReturned)
    public = outcome.case.public()
    assert (told.code, told.legal_basis) == (RETURN.code, RETURN.legal_basis)
    assert outcome.case.state is State.RETURNED
    assert (public.status, public.code, public.holder, public.due_on) == (Status.RETURNED, "NO_RELATIONSHIP", "33", None)


@pytest.mark.parametrize("state", sorted(set(State) - {State.LETTER_SENT, State.WITHDRAWING}))
def test_a_letter_that_is_not_out_cannot_come_back(state: State) -> None:
    with pytest.raises(NotNow, match="a return is not possible"):
        returned(in_state(state), RETURN, today=ARRIVED)


# Cured, or not


CURABLE = RETURN.model_copy(update={"curable_until": CURABLE_UNTIL, "right_division": "410100"})


def test_a_return_that_can_be_cured_keeps_the_case_open_until_its_day() -> None:
    outcome = returned(lettered(), CURABLE, today=ARRIVED)

    told = fact_of(outcome, TransferReturned)
    public = outcome.case.public()
    assert outcome.case.state is State.RETURNED_CURABLE
    assert (told.curable_until, told.right_division) == (CURABLE_UNTIL, "410100")
    assert (public.status, public.code, public.holder, public.due_on) == (
        Status.RETURNED,
        "NO_RELATIONSHIP",
        "33",
        CURABLE_UNTIL,
    )


def a_next_letter(version: int = 2, *, division: str = "440100", **fields: Any) -> ContactLetter:
    return a_letter().model_copy(update={"letter_version": version, "origin_division": division, "correction": "why", **fields})


def corrected(case: Case, letter: ContactLetter | None = None, *, checker: str = "checker-33") -> Outcome:
    return correct_letter(case, checker, letter or a_next_letter(), today=BOOKED, due=ANEW, open_key=b"n" * 32)


ANEW = Due(due_on=date(2024, 5, 31), remind_on=date(2024, 5, 24))


def test_a_corrected_letter_goes_on_where_the_first_one_stopped() -> None:
    case = propose_letter(sent_back_to_us(CURABLE_UNTIL), "maker-33", Change("the name was misspelt")).case

    outcome = corrected(case)

    sent = fact_of(outcome, ContactLetterSent)
    [letter] = letters_of(outcome)
    public = outcome.case.public()
    assert names(outcome) == ["contact_letter.sent", "document.contact_letter"]
    assert (sent.letter_no, sent.letter_version, sent.correction) == (LETTER_NO, 2, "why")
    assert (sent.maker, sent.checker, sent.public) == ("maker-33", "checker-33", public)
    assert (letter.addressee, letter.version) == ("44", 2)
    assert (outcome.case.state, outcome.case.letter_version, outcome.case.proposal) == (State.LETTER_SENT, 2, None)
    assert (public.status, public.holder, public.due_on, public.code) == (Status.LETTER_SENT, "44", ANEW.due_on, None)


def test_the_right_agency_gets_the_letter_and_the_case_is_with_its_province_from_then_on() -> None:
    case = propose_letter(sent_back_to_us(), "maker-33", Change("paid in Henan", division="410100")).case

    outcome = corrected(case, a_next_letter(division="410100"))

    moved = fact_of(outcome, TransferReaddressed)
    [letter] = letters_of(outcome)
    assert names(outcome) == ["transfer.readdressed", "contact_letter.sent", "document.contact_letter"]
    assert (moved.origin, moved.origin_division, moved.was_origin) == ("41", "410100", "44")
    assert letter.addressee == "41"
    assert (outcome.case.origin, outcome.case.origin_division) == ("41", "410100")
    assert outcome.case.open_key == b"n" * 32
    assert outcome.case.public().holder == "41"


def test_the_person_as_the_origin_knows_them_is_in_the_letter_and_the_application_stays_as_it_was() -> None:
    there = PersonIdentity(id_number="110101199003074514", name="陈志源")

    case = propose_letter(sent_back_to_us(), "maker-33", Change("another name there", there=there)).case
    after = corrected(case, a_next_letter(person=there)).case

    assert case.known_there.name == "陈志远"
    assert after.known_there == there
    assert after.personal.name == "陈志远"


def test_a_final_return_needs_another_agency_or_another_identity() -> None:
    with pytest.raises(Refused, match="FINAL_RETURN"):
        propose_letter(sent_back_to_us(), "maker-33", Change("please"))
    with pytest.raises(Refused, match="FINAL_RETURN"):
        propose_letter(sent_back_to_us(), "maker-33", Change("please", division="440100"))


def test_a_letter_to_our_own_province_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="SAME_PROVINCE"):
        propose_letter(sent_back_to_us(), "maker-33", Change("paid here", division="330200"))


def test_money_of_the_first_province_goes_back_before_the_letter_goes_to_another() -> None:
    case = money_comes(sent_back_to_us(CURABLE_UNTIL), 700).case

    with pytest.raises(Refused, match="MONEY_HERE"):
        propose_letter(case, "maker-33", Change("paid in Henan", division="410100"))
    assert propose_letter(case, "maker-33", Change("the name")).case.proposal is not None


def test_a_correction_of_the_letter_needs_two_persons_and_what_was_proposed() -> None:
    case = propose_letter(sent_back_to_us(CURABLE_UNTIL), "maker-33", Change("the name")).case

    with pytest.raises(SamePerson):
        corrected(case, checker="maker-33")
    with pytest.raises(NotNow, match="approving a correction of the letter"):
        corrected(sent_back_to_us(CURABLE_UNTIL))


def test_while_the_origin_works_by_the_letter_only_the_payee_account_changes() -> None:
    held = form_comes(lettered()).case

    with pytest.raises(Refused, match="LETTER_UNDER_WAY"):
        propose_letter(held, "maker-33", Change("paid in Henan", division="410100"))
    outcome = corrected(propose_letter(held, "maker-33", Change("another account")).case)

    assert names(outcome) == ["contact_letter.sent", "document.contact_letter"]
    assert (outcome.case.state, outcome.case.letter_version) == (State.FORM_HELD, 2)
    assert outcome.case.due == held.due
    assert shown(outcome) == []


def test_the_letter_with_another_account_resolves_a_returned_payment() -> None:
    back = payment_returned(form_comes(lettered()).case, RETURNED_MONEY, today=ARRIVED).case

    outcome = corrected(propose_letter(back, "maker-33", Change("another account")).case)

    assert names(outcome) == ["contact_letter.sent", "discrepancy.resolved", "document.contact_letter"]
    assert (outcome.case.state, outcome.case.discrepancy, outcome.case.code) == (State.FORM_HELD, None, None)
    assert shown(outcome) == ["FUND_IN_TRANSIT"]


# Closed for good


def test_a_final_return_is_closed_by_a_clerk() -> None:
    outcome = close(sent_back_to_us(), "maker-33", "nobody named another agency", today=BOOKED)

    fact = fact_of(outcome, TransferClosed)
    assert (fact.reason, fact.actor) == ("nobody named another agency", "maker-33")
    assert (outcome.case.state, shown(outcome)) == (State.CLOSED, ["CANCELLED"])


def test_what_can_still_be_cured_is_not_closed() -> None:
    case = sent_back_to_us(CURABLE_UNTIL)

    with pytest.raises(Refused, match="STILL_CURABLE"):
        close(case, "maker-33", "no more", today=CURABLE_UNTIL)
    assert close(case, "maker-33", "no more", today=CURABLE_UNTIL + timedelta(days=1)).case.state is State.CLOSED


def test_a_closed_case_is_not_cured_any_more() -> None:
    with pytest.raises(NotNow, match="a correction of the letter"):
        propose_letter(in_state(State.CLOSED), "maker-33", Change("paid in Henan", division="410100"))
