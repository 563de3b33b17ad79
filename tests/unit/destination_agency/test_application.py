"""An application, from its arrival to the letter, the refusal or its end before the letter."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from contracts.base import SealedForPerson
from contracts.documents import (
    Withdrawal,
    WithdrawalAnswer,
)
from contracts.events import (
    Accepted,
    Applied,
    Cancelled,
    ContactLetterSent,
    MaterialRequested,
    MaterialSupplied,
    WithdrawalDeclined,
    WithdrawalRequested,
)
from contracts.events import Refused as ApplicationRefused
from contracts.statuses import Status
from services.destination_agency.application import (
    TOO_LATE,
    WITHDRAWABLE,
    apply,
    ask_for_material,
    cancel,
    paper_needed,
    propose_admission,
    propose_cancellation,
    refuse,
    send_letter,
    supply_material,
    withdraw,
    withdrawal_answered,
)
from services.destination_agency.case import UNDECIDED, Case, Decision, NotNow, Refused, SamePerson, State
from services.destination_agency.clocks import look_at_clock
from services.records.model import Proxy
from tests.builders import a
from tests.unit.destination_agency.builders import (
    ACCEPT,
    ADMISSION_DUE,
    ARRIVED,
    DECIDED,
    LETTER_NO,
    ORIGIN_DUE,
    REFUSE,
    SEALED,
    a_case,
    a_letter,
    approve,
    fact_of,
    form_comes,
    in_state,
    lettered,
    letters_of,
    money_comes,
    names,
    needing_material,
    proposed,
    shown,
    withdrawing,
)

CONFIRMED = WithdrawalAnswer(letter_no=LETTER_NO, confirmed=True)
DECLINED = WithdrawalAnswer(letter_no=LETTER_NO, confirmed=False, reason="the information form is approved")


def test_an_application_tells_the_person_who_holds_it_and_until_when() -> None:
    case = a_case()

    outcome = apply(case, a(SealedForPerson))

    applied = fact_of(outcome, Applied)
    assert outcome.case == case
    assert applied.public is not None
    assert (applied.public.status, applied.public.holder) == (Status.SUBMITTED, "33")
    assert applied.public.due_on == applied.due_on == ADMISSION_DUE.due_on


def test_a_proposal_tells_nobody_anything_yet() -> None:
    case = a_case()

    outcome = propose_admission(case, "maker-33", ACCEPT)

    assert outcome.told == ()
    assert (outcome.case.state, outcome.case.status) == (State.ADMISSION_PROPOSED, Status.SUBMITTED)
    assert (outcome.case.maker, outcome.case.decision) == ("maker-33", ACCEPT)


def test_another_maker_may_propose_otherwise_while_nobody_has_checked() -> None:
    case = proposed(ACCEPT)

    again = propose_admission(case, "maker-b", REFUSE).case

    assert (again.maker, again.decision) == ("maker-b", REFUSE)


def test_an_admitted_case_leaves_as_a_contact_letter_and_the_origin_s_clock_begins() -> None:
    case = proposed()

    outcome = send_letter(case, "checker-33", a_letter(), today=DECIDED, due=ORIGIN_DUE, rule_set="2024.1")

    accepted, sent = fact_of(outcome, Accepted), fact_of(outcome, ContactLetterSent)
    [letter] = letters_of(outcome)
    assert names(outcome) == ["transfer.accepted", "contact_letter.sent", "document.contact_letter"]
    assert (accepted.maker, accepted.checker, accepted.rule) == ("maker-33", "checker-33", "K4")
    assert sent.public == outcome.case.public()
    assert (letter.addressee, letter.body) == ("44", a_letter())
    public = outcome.case.public()
    assert (public.status, public.holder, public.since, public.due_on) == (Status.LETTER_SENT, "44", DECIDED, ORIGIN_DUE.due_on)


def test_a_letter_starts_a_leg_that_was_neither_reminded_nor_breached() -> None:
    late = look_at_clock(proposed(), today=ADMISSION_DUE.due_on + timedelta(days=1)).case

    sent = send_letter(late, "checker-33", a_letter(), today=date(2024, 5, 28), due=ORIGIN_DUE, rule_set="2024.1").case

    assert late.breached
    assert (sent.reminded, sent.breached, sent.public().overdue) == (False, False, False)


def test_a_refusal_is_told_in_writing_with_rule_code_and_legal_basis() -> None:
    case = proposed(REFUSE)

    outcome = refuse(case, "checker-33", today=DECIDED, rule_set="2024.1")

    refused = fact_of(outcome, ApplicationRefused)
    public = outcome.case.public()
    assert (refused.code, refused.rule) == ("NOT_INSURED_AT_DESTINATION", "R03")
    assert refused.legal_basis == "国办发〔2009〕66号 第八条第(一)项"
    assert (refused.maker, refused.checker) == ("maker-33", "checker-33")
    assert outcome.case.state is State.REFUSED
    assert (public.status, public.holder, public.due_on) == (Status.REJECTED, "33", None)
    assert public.code == "NOT_INSURED_AT_DESTINATION"


def test_a_temporary_account_is_shown_as_such_and_not_as_a_rejection() -> None:
    case = proposed(Decision("refuse", "K3", "TEMP_ACCOUNT_AT_DESTINATION", "国办发〔2009〕66号 第五条第(二)项"))

    outcome = refuse(case, "checker-33", today=DECIDED, rule_set="2024.1")

    assert shown(outcome) == ["TEMP_ACCOUNT"]
    assert outcome.case.state is State.REFUSED


@pytest.mark.parametrize("decision", [ACCEPT, REFUSE], ids=["acceptance", "refusal"])
def test_an_admission_needs_two_persons(decision: Decision) -> None:
    case = proposed(decision)

    with pytest.raises(SamePerson):
        approve(case, "maker-33")


@pytest.mark.parametrize("state", sorted(set(State) - {State.ADMISSION_PROPOSED}))
def test_only_what_was_proposed_can_be_approved(state: State) -> None:
    case = in_state(state)

    with pytest.raises(NotNow, match=f"approving an admission is not possible while the case is {state}"):
        approve(case, "checker-33")


@pytest.mark.parametrize("state", sorted(set(State) - {State.REVIEWING, State.ADMISSION_PROPOSED}))
def test_a_decided_application_is_not_decided_again(state: State) -> None:
    case = in_state(state)

    with pytest.raises(NotNow) as refused:
        propose_admission(case, "maker-33", ACCEPT)

    assert refused.value.state is state


@pytest.mark.parametrize("state", [State.REVIEWING, State.NEED_MATERIAL, State.ADMISSION_PROPOSED, State.RETURNED_CURABLE])
def test_while_the_origin_has_nothing_of_it_a_withdrawal_takes_effect_at_once(state: State) -> None:
    outcome = withdraw(in_state(state), "insured-1", today=DECIDED)

    assert names(outcome) == ["transfer.cancelled"]
    assert (outcome.case.state, shown(outcome)) == (State.CANCELLED, ["CANCELLED"])
    assert outcome.case.public().due_on is None


def test_after_the_letter_the_origin_is_asked_first() -> None:
    outcome = withdraw(lettered(), "insured-1", today=ARRIVED)

    [letter] = letters_of(outcome)
    assert fact_of(outcome, WithdrawalRequested).actor == "insured-1"
    assert (letter.addressee, letter.body) == ("44", Withdrawal(letter_no=LETTER_NO, requested_on=ARRIVED))
    assert outcome.case.state is State.WITHDRAWING
    assert shown(outcome) == []


def test_a_confirmed_withdrawal_cancels_the_case() -> None:
    outcome = withdrawal_answered(withdrawing(), CONFIRMED, sender="44", today=ARRIVED)

    assert fact_of(outcome, Cancelled).public == outcome.case.public()
    assert outcome.case.state is State.CANCELLED


def test_a_declined_withdrawal_lets_the_transfer_go_on() -> None:
    outcome = withdrawal_answered(withdrawing(), DECLINED, sender="44", today=ARRIVED)

    assert fact_of(outcome, WithdrawalDeclined).reason == "the information form is approved"
    assert outcome.case.state is State.LETTER_SENT


def test_that_it_is_too_late_is_told_while_the_transfer_goes_on_and_not_where_its_end_was_told() -> None:
    told = {
        state: fact_of(withdrawal_answered(in_state(state), DECLINED, sender="44", today=ARRIVED), WithdrawalDeclined).public
        for state in (State.WITHDRAWING, State.FORM_HELD, State.BOOKING, State.RETURNED, State.RETURNED_CURABLE, State.CANCELLED)
    }

    assert {state for state, public in told.items() if public is not None} == {State.WITHDRAWING, State.FORM_HELD, State.BOOKING}


def test_it_is_too_late_to_withdraw_where_the_form_is_approved_and_nowhere_else() -> None:
    assert {
        State.FORM_HELD,
        State.MONEY_HELD,
        State.DISCREPANCY,
        State.BOOKING,
        State.COMPLETION_PROPOSED,
        State.COMPLETED,
        State.DUPLICATE_CLEARING,
        State.CORRECTION_HELD,
        State.CORRECTION_PROPOSED,
        State.RECALL_HELD,
    } == TOO_LATE


PROXY = Proxy(
    name="林小雨", id_number="110101199003074514", relation="女儿", phone="1380000", address="某路1号", postcode="310000"
)
K2 = Decision("accept", "K2")


def by_proxy(**fields: Any) -> Case:
    return a_case(personal=a_case().personal.model_copy(update={"proxy": PROXY}), **fields)


@pytest.mark.parametrize(
    ("case", "decision", "filed", "missing"),
    [
        (a_case(), ACCEPT, (), None),
        (a_case(), K2, (), "PERSONNEL_TRANSFER_APPROVAL"),
        (a_case(), K2, ("PERSONNEL_TRANSFER_APPROVAL",), None),
        (a_case(handed_in=("PERSONNEL_TRANSFER_APPROVAL",)), K2, (), None),
        (a_case(asked=("PERSONNEL_TRANSFER_APPROVAL",)), K2, (), "PERSONNEL_TRANSFER_APPROVAL"),
        (a_case(asked=("PERSONNEL_TRANSFER_APPROVAL",), supplied=True), K2, (), None),
        (by_proxy(), ACCEPT, (), "PROXY_AUTHORISATION"),
        (by_proxy(), REFUSE, (), "PROXY_AUTHORISATION"),
        (by_proxy(handed_in=("PROXY_AUTHORISATION",)), K2, (), "PERSONNEL_TRANSFER_APPROVAL"),
        (by_proxy(handed_in=("PROXY_AUTHORISATION",)), ACCEPT, (), None),
    ],
)
def test_a_proxy_s_authority_and_an_approval_are_papers_that_must_be_there(
    case: Case, decision: Decision, filed: tuple[str, ...], missing: str | None
) -> None:
    assert paper_needed(case, decision, filed=frozenset(filed)) == missing


def test_an_application_by_proxy_says_so_and_what_came_with_it_and_names_nobody() -> None:
    outcome = apply(by_proxy(applied_by="proxy", handed_in=("PROXY_AUTHORISATION",)), SEALED)

    applied = fact_of(outcome, Applied)
    assert (applied.applied_by, applied.by_proxy, applied.materials) == ("person", True, ("PROXY_AUTHORISATION",))
    assert PROXY.name not in applied.model_dump_json()


def test_a_refusal_for_another_scheme_names_the_scheme_and_no_other_refusal_does() -> None:
    other = Decision("refuse", "R06", "WRONG_SCHEME", "国办发〔2009〕66号 第二条", scheme="170")

    told = [
        fact_of(refuse(proposed(each), "checker-33", today=DECIDED, rule_set="2024.1"), ApplicationRefused).scheme
        for each in (other, REFUSE)
    ]

    assert told == ["170", None]


def test_who_returned_the_letter_before_it_heard_of_the_withdrawal_says_so_late() -> None:
    """The letter is with another agency by then, and what was asked of that one still waits for its own answer."""
    readdressed = replace(withdrawing(), origin="41", former=("44",))

    outcome = withdrawal_answered(readdressed, DECLINED, sender="44", today=ARRIVED)

    assert fact_of(outcome, WithdrawalDeclined).origin == "44"
    assert outcome.case.state is State.WITHDRAWING
    with pytest.raises(NotNow, match="a confirmed withdrawal"):
        withdrawal_answered(readdressed, CONFIRMED, sender="44", today=ARRIVED)


def test_a_form_that_was_on_its_way_wins_over_the_withdrawal() -> None:
    held = form_comes(withdrawing()).case

    outcome = withdrawal_answered(held, DECLINED, sender="44", today=ARRIVED)

    assert held.state is outcome.case.state is State.FORM_HELD
    assert names(outcome) == ["withdrawal.declined"]


def test_money_that_overtakes_a_confirmed_withdrawal_is_surplus() -> None:
    held = money_comes(withdrawing(), 700).case

    outcome = withdrawal_answered(held, CONFIRMED, sender="44", today=ARRIVED)

    assert outcome.case.state is State.CANCELLED
    assert outcome.case.surplus_fen == 700


@pytest.mark.parametrize("state", sorted(set(State) - {State.WITHDRAWING, State.MONEY_HELD}))
def test_no_origin_can_cancel_what_nobody_withdrew_or_what_has_a_form(state: State) -> None:
    with pytest.raises(NotNow, match="a confirmed withdrawal is not possible"):
        withdrawal_answered(in_state(state), CONFIRMED, sender="44", today=ARRIVED)


@pytest.mark.parametrize("state", sorted(set(State) - WITHDRAWABLE))
def test_a_withdrawal_is_too_late_once_something_has_arrived_or_ended(state: State) -> None:
    with pytest.raises(NotNow, match="a withdrawal is not possible"):
        withdraw(in_state(state), "insured-1", today=ARRIVED)


@pytest.mark.parametrize("state", sorted(UNDECIDED | {State.REFUSED}))
def test_no_origin_declines_what_it_never_had(state: State) -> None:
    with pytest.raises(NotNow, match="a declined withdrawal"):
        withdrawal_answered(in_state(state), DECLINED, sender="44", today=ARRIVED)


# Material


@pytest.mark.parametrize("make", [a_case, proposed])
def test_what_is_missing_is_asked_for_at_once_and_the_clock_stands(make: Callable[[], Case]) -> None:
    outcome = ask_for_material(make(), "maker-33", ("IDENTITY_DOCUMENT", "APPLICATION_DATA"), today=DECIDED)

    fact = fact_of(outcome, MaterialRequested)
    public = outcome.case.public()
    assert (fact.items, fact.paused_on, fact.actor) == (("IDENTITY_DOCUMENT", "APPLICATION_DATA"), DECIDED, "maker-33")
    assert fact.public == public
    assert (public.status, public.paused, public.due_on) == (Status.NEED_MATERIAL, "MATERIAL_ASKED", None)
    assert (outcome.case.maker, outcome.case.decision) == (None, None)


def test_the_clock_runs_on_when_everything_is_here_later_by_the_days_that_it_stood() -> None:
    later = replace(ADMISSION_DUE, due_on=ADMISSION_DUE.due_on + timedelta(days=2))

    outcome = supply_material(needing_material(), "insured-1", ("IDENTITY_DOCUMENT",), today=ARRIVED, due=later, paused_days=2)

    fact = fact_of(outcome, MaterialSupplied)
    public = outcome.case.public()
    assert (fact.items, fact.due_on, fact.paused_days, fact.actor) == (("IDENTITY_DOCUMENT",), later.due_on, 2, "insured-1")
    assert outcome.case.state is State.REVIEWING
    assert (public.status, public.due_on, public.paused) == (Status.REVIEWING, later.due_on, None)


def test_an_agency_asks_once() -> None:
    supplied = supply_material(
        needing_material(), "maker-33", ("IDENTITY_DOCUMENT",), today=ARRIVED, due=ADMISSION_DUE, paused_days=0
    ).case

    with pytest.raises(Refused, match="ASKED_ALREADY") as refused:
        ask_for_material(supplied, "maker-33", ("APPLICATION_DATA",), today=ARRIVED)

    assert refused.value.legal_basis == "社会保险经办条例 第三十一条"
    assert propose_admission(supplied, "maker-33", ACCEPT).case.state is State.ADMISSION_PROPOSED


def test_what_is_incomplete_is_told_by_name_and_the_clock_goes_on_standing() -> None:
    case = ask_for_material(a_case(), "maker-33", ("IDENTITY_DOCUMENT", "APPLICATION_DATA"), today=DECIDED).case

    with pytest.raises(Refused, match=r"MATERIAL_INCOMPLETE: Still missing: APPLICATION_DATA\."):
        supply_material(case, "maker-33", ("IDENTITY_DOCUMENT", "OTHER"), today=ARRIVED, due=ADMISSION_DUE, paused_days=0)


# The agency's own error


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_an_agency_ends_its_own_error_by_two_persons_before_the_letter(state: State) -> None:
    case = propose_cancellation(in_state(state), "maker-33", "opened twice").case

    outcome = cancel(case, "checker-33", today=DECIDED)

    fact = fact_of(outcome, Cancelled)
    assert (fact.reason, fact.maker, fact.checker) == ("opened twice", "maker-33", "checker-33")
    assert (outcome.case.state, shown(outcome)) == (State.CANCELLED, ["CANCELLED"])
    assert outcome.case.public().paused is None
    with pytest.raises(SamePerson):
        cancel(case, "maker-33", today=DECIDED)


def test_a_cancellation_that_the_letter_overtook_is_not_approved() -> None:
    case = propose_cancellation(proposed(), "maker-33", "opened twice").case
    sent = approve(case, "checker-33").case

    with pytest.raises(NotNow, match="approving a cancellation"):
        cancel(sent, "checker-33", today=DECIDED)
