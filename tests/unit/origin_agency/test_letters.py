"""The contact letter at the origin: opened, corrected, returned soft or hard, withdrawn, reminded of."""

from dataclasses import replace
from datetime import date

import pytest

from contracts.documents import (
    LetterReturn,
    LetterReturnDocument,
    PayeeAccount,
    PersonIdentity,
    Query,
    Reminder,
    Withdrawal,
    WithdrawalAnswer,
    WithdrawalAnswerDocument,
)
from contracts.events import (
    AccountSealed,
    ContactLetterReceived,
    ContactLetterReturned,
    DeadlineEscalated,
    WithdrawalAnswered,
)
from services.origin_agency.case import ENDED, UNDECIDED, Case, NotNow, Outcome, Refused, SamePerson, State
from services.origin_agency.letters import CORRECTABLE, correct_letter, hear, open_case, propose, send_back, withdraw
from services.records.decisions import Due
from tests.builders import CASE, PERSON, a
from tests.unit.origin_agency.builders import (
    DUE_ON,
    LATER,
    LETTER_NO,
    MONDAY,
    REMIND_ON,
    RETURN,
    a_case,
    a_letter,
    body,
    fact,
    kinds,
)
from tests.unit.rules.builders import tables

RETURN_TEXT = tables().refusal("STILL_CONTRIBUTING", date(2024, 3, 1))
WITHDRAWAL = a(Withdrawal, letter_no=LETTER_NO)
SENDER = "33/destination-agency"
JUNE = date(2024, 5, 27)
OTHER_ACCOUNT = a(PayeeAccount, account_no="9990332")


def corrected(case: Case, *, version: int = 2, person_ref: str | None = PERSON, **fields: object) -> Outcome:
    letter = a_letter(letter_version=version, payee=OTHER_ACCOUNT, **fields)
    return correct_letter(case, letter, person_ref, on=JUNE, due=LATER)


def test_an_arriving_letter_opens_a_case_with_its_due_date() -> None:
    letter = a_letter()

    outcome = open_case(CASE, "33", letter, PERSON, on=MONDAY, due=Due(DUE_ON, REMIND_ON))

    assert outcome.case == a_case(State.LETTER_HELD, letter=letter)
    assert outcome.told == (
        ContactLetterReceived(
            case_id=CASE, person_ref=PERSON, destination="33", letter_no=LETTER_NO, received_on=MONDAY, due_on=DUE_ON
        ),
    )


def test_somebody_unknown_here_goes_by_the_case() -> None:
    outcome = open_case(CASE, "33", a_letter(), None, on=MONDAY, due=Due(DUE_ON, REMIND_ON))

    assert outcome.case.known_as == CASE
    assert fact(outcome).person_ref == CASE


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_a_proposal_is_made_or_made_anew_while_nothing_is_approved(state: State) -> None:
    outcome = propose(a_case(state), RETURN)

    assert outcome.case.state is State.HANDLING_PROPOSED
    assert outcome.case.proposal == RETURN
    assert outcome.told == ()


def test_an_approved_return_sends_the_letter_back_with_code_and_legal_basis() -> None:
    outcome = send_back(a_case(State.HANDLING_PROPOSED, proposal=RETURN), "checker-1", RETURN_TEXT)

    assert outcome.case.state is State.RETURNED
    assert kinds(outcome) == [ContactLetterReturned, LetterReturnDocument]
    returned = fact(outcome)
    assert (returned.code, returned.legal_basis) == ("STILL_CONTRIBUTING", RETURN_TEXT.legal_basis)
    assert (returned.maker, returned.checker) == ("maker-1", "checker-1")
    assert body(outcome) == LetterReturn(
        letter_no=LETTER_NO, code="STILL_CONTRIBUTING", legal_basis=RETURN_TEXT.legal_basis, note="pays until June"
    )


def test_whoever_proposed_a_return_cannot_approve_it() -> None:
    case = a_case(State.HANDLING_PROPOSED, proposal=RETURN)

    with pytest.raises(SamePerson):
        send_back(case, "maker-1", RETURN_TEXT)


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_a_withdrawal_is_confirmed_while_nothing_is_approved(state: State) -> None:
    outcome = withdraw(a_case(state), WITHDRAWAL)

    assert outcome.case.state is State.CANCELLED
    assert kinds(outcome) == [WithdrawalAnswered, WithdrawalAnswerDocument]
    assert fact(outcome).confirmed
    assert body(outcome) == WithdrawalAnswer(letter_no=LETTER_NO, confirmed=True)


@pytest.mark.parametrize("state", sorted(set(State) - UNDECIDED - ENDED | {State.SETTLED, State.RECALLED}))
def test_a_withdrawal_is_declined_with_its_reason_once_the_form_is_approved(state: State) -> None:
    case = a_case(state)

    outcome = withdraw(case, WITHDRAWAL)

    assert outcome.case == case
    assert not fact(outcome).confirmed
    assert body(outcome) == WithdrawalAnswer(letter_no=LETTER_NO, confirmed=False, reason="the information form is approved")


def test_a_withdrawal_that_crossed_a_return_is_not_told_of_a_form_that_never_was() -> None:
    outcome = withdraw(a_case(State.RETURNED), WITHDRAWAL)

    assert body(outcome) == WithdrawalAnswer(letter_no=LETTER_NO, confirmed=False, reason="the letter was sent back")


def test_a_reminder_of_the_destination_shows_on_the_case_and_a_query_changes_nothing() -> None:
    case = a_case(State.REMITTED)

    reminded, asked = hear(case, a(Reminder), sender=SENDER), hear(case, a(Query), sender=SENDER)

    assert reminded.case.reminded
    assert asked == Outcome(case)


def test_a_soft_return_says_until_when_it_can_be_cured_and_which_agency_is_right() -> None:
    proposal = replace(RETURN, cure_days=10, right_division="445200")

    outcome = send_back(
        a_case(State.HANDLING_PROPOSED, proposal=proposal), "checker-1", RETURN_TEXT, curable_until=date(2024, 5, 20)
    )

    assert (fact(outcome).curable_until, fact(outcome).right_division) == (date(2024, 5, 20), "445200")
    assert (body(outcome).curable_until, body(outcome).right_division) == (date(2024, 5, 20), "445200")


def test_a_hard_return_names_no_day() -> None:
    outcome = send_back(a_case(State.HANDLING_PROPOSED, proposal=RETURN), "checker-1", RETURN_TEXT)

    assert (fact(outcome).curable_until, body(outcome).curable_until) == (None, None)


def test_a_temporary_account_is_sealed_when_its_letter_goes_back() -> None:
    text = tables().refusal("TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW", date(2024, 3, 1))
    proposal = replace(RETURN, code=text.code)

    outcome = send_back(a_case(State.HANDLING_PROPOSED, proposal=proposal), "checker-1", text)

    assert kinds(outcome) == [ContactLetterReturned, LetterReturnDocument, AccountSealed]


def test_a_corrected_letter_goes_on_where_the_first_one_was_returned_with_a_clock_of_its_own() -> None:
    returned = a_case(State.RETURNED, person_ref=None, reminded=True, breached=True, escalated=True)

    outcome = corrected(returned)

    assert outcome.case.state is State.LETTER_HELD
    assert (outcome.case.received_on, outcome.case.due) == (JUNE, LATER)
    assert (outcome.case.reminded, outcome.case.breached, outcome.case.escalated) == (False, False, False)
    assert (outcome.case.person_ref, outcome.case.proposal) == (PERSON, None)
    assert outcome.case.letter.payee == OTHER_ACCOUNT
    assert kinds(outcome) == [ContactLetterReceived]
    assert (fact(outcome).letter_version, fact(outcome).due_on, fact(outcome).person_ref) == (2, LATER.due_on, PERSON)


def test_a_letter_that_is_corrected_while_it_is_held_is_looked_at_again_under_the_same_clock() -> None:
    outcome = corrected(a_case(State.HANDLING_PROPOSED))

    assert (outcome.case.state, outcome.case.proposal) == (State.LETTER_HELD, None)
    assert (outcome.case.received_on, outcome.case.due) == (MONDAY, Due(DUE_ON, REMIND_ON))


@pytest.mark.parametrize("state", sorted(CORRECTABLE - UNDECIDED - {State.RETURNED}))
def test_after_the_form_a_corrected_letter_changes_the_account_and_nothing_else(state: State) -> None:
    case = a_case(state)

    outcome = corrected(case)

    assert outcome.case == replace(case, letter=a_letter(letter_version=2, payee=OTHER_ACCOUNT))
    assert kinds(outcome) == [ContactLetterReceived]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("state", sorted(State))
def test_a_version_that_is_not_above_the_one_held_is_kept_and_ignored(state: State, version: int) -> None:
    case = a_case(state, letter=a_letter(letter_version=2))

    assert corrected(case, version=version) == Outcome(case)


@pytest.mark.parametrize("state", sorted(set(State) - CORRECTABLE))
def test_a_corrected_letter_of_a_case_that_is_over_is_refused_by_name(state: State) -> None:
    with pytest.raises(NotNow, match=f"a corrected letter is not possible while the case is {state}"):
        corrected(a_case(state))


def test_a_correction_is_of_the_same_letter_and_after_the_form_of_the_same_person() -> None:
    with pytest.raises(Refused, match="LETTER_NUMBER_UNKNOWN"):
        corrected(a_case(State.RETURNED), letter_no="LXH-330100-20240506-000002")
    with pytest.raises(Refused, match="PERSON_DIFFERS"):
        corrected(a_case(State.REMITTED), person=PersonIdentity(id_number="110101199001010015", name="陈志远"))


def test_before_the_form_a_correction_may_name_another_person() -> None:
    outcome = corrected(
        a_case(State.RETURNED), person=PersonIdentity(id_number="110101199001010015", name="陈志远"), person_ref=None
    )

    assert outcome.case.known_as == CASE


def test_a_person_who_has_died_is_returned_like_any_other_reason() -> None:
    text = tables().refusal("PERSON_DECEASED", date(2024, 3, 1))

    outcome = send_back(a_case(State.HANDLING_PROPOSED, proposal=replace(RETURN, code=text.code)), "checker-1", text)

    assert (outcome.case.state, fact(outcome).code) == (State.RETURNED, "PERSON_DECEASED")


def test_an_escalation_of_the_destination_reaches_the_supervisors_of_this_side_once() -> None:
    reminder = a(Reminder, breached=True, escalated=True, due_on=DUE_ON)
    breached = a_case(breached=True, escalate_on=JUNE)

    first = hear(breached, reminder, sender=SENDER)
    second = hear(first.case, reminder, sender=SENDER)

    assert kinds(first) == [DeadlineEscalated]
    assert (fact(first).actor, fact(first).holder, fact(first).due_on) == (SENDER, "44", DUE_ON)
    assert (first.case.escalated, first.case.escalate_on, first.case.reminded) == (True, None, True)
    assert second == Outcome(first.case)
