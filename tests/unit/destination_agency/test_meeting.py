"""Form and money in every order: they meet, they differ, the differences are settled, and what is too much goes back."""

from dataclasses import replace

import pytest

from contracts.documents import (
    Query,
)
from contracts.events import (
    DiscrepancyAgreed,
    DiscrepancyRaised,
    FundsReceived,
    FundsSentBack,
    InformationFormReceived,
)
from contracts.statuses import Status
from services.destination_agency.application import (
    propose_admission,
)
from services.destination_agency.case import Case, NotNow, Refused, SamePerson, State
from services.destination_agency.completion import complete, propose_correction
from services.destination_agency.matching import Examined
from services.destination_agency.meeting import (
    NOTES_FORM,
    TAKES_FORM,
    agree,
    order_return,
    payment_returned,
    propose_agreement,
    propose_sending_back,
    receive_form,
    sent_back,
)
from services.destination_agency.questions import answer_received, ask
from tests.unit.destination_agency.builders import (
    ACCEPT,
    ARRIVED,
    BOOKED,
    BOOKING_DUE,
    LETTER_NO,
    ORIGIN_DUE,
    QUESTION,
    RETURNED_MONEY,
    SEALED,
    TOTAL,
    a_form,
    a_line,
    a_question,
    a_smaller_form,
    an_answer,
    approve,
    booking,
    completed,
    completion_proposed,
    fact_of,
    form_comes,
    in_state,
    lettered,
    letters_of,
    money_comes,
    names,
    shown,
)


def test_a_form_that_comes_first_waits_for_its_money_with_the_origin() -> None:
    outcome = form_comes(lettered())

    received = fact_of(outcome, InformationFormReceived)
    public = outcome.case.public()
    assert outcome.case.state is State.FORM_HELD
    assert (received.form_version, received.items, received.superseded) == (1, a_form().items, False)
    assert received.public == public
    assert (public.status, public.holder, public.due_on) == (Status.FUND_IN_TRANSIT, "44", ORIGIN_DUE.due_on)


def test_money_that_comes_first_stays_in_suspense_and_the_last_leg_does_not_begin() -> None:
    outcome = money_comes(lettered())

    assert names(outcome) == ["funds.received"]
    assert shown(outcome) == []
    assert outcome.case.state is State.MONEY_HELD
    assert outcome.case.received_fen == TOTAL
    assert (outcome.case.public().status, outcome.case.public().holder) == (Status.LETTER_SENT, "44")
    assert outcome.case.due == ORIGIN_DUE


@pytest.mark.parametrize("first", ["form", "money"])
def test_when_form_and_money_meet_the_last_leg_begins_here_in_either_order(first: str) -> None:
    case = lettered()

    outcome = money_comes(form_comes(case).case) if first == "form" else form_comes(money_comes(case).case)

    public = outcome.case.public()
    assert outcome.case.state is State.BOOKING
    assert shown(outcome) == ["BOOKING"]
    assert (public.holder, public.since, public.due_on) == ("33", ARRIVED, BOOKING_DUE.due_on)
    assert (outcome.case.reminded, outcome.case.breached) == (False, False)


def test_short_money_is_a_discrepancy_and_the_origin_is_asked() -> None:
    outcome = money_comes(form_comes(lettered()).case, TOTAL - 180_000)

    raised = fact_of(outcome, DiscrepancyRaised)
    [query] = letters_of(outcome)
    assert names(outcome) == ["funds.received", "discrepancy.raised", "document.query"]
    assert (raised.kind, raised.expected_fen, raised.found_fen, raised.difference_fen) == (
        "SHORT",
        TOTAL,
        TOTAL - 180_000,
        -180_000,
    )
    assert query.body == Query(letter_no=LETTER_NO, kind="SHORT", expected_fen=TOTAL, found_fen=TOTAL - 180_000)
    assert (outcome.case.state, shown(outcome)) == (State.DISCREPANCY, ["DISCREPANCY"])
    assert outcome.case.public().holder == "44"


def test_a_discrepancy_is_raised_once_while_it_lasts() -> None:
    short = money_comes(form_comes(lettered()).case, TOTAL - 200).case

    still_short = money_comes(short, 100)

    assert names(still_short) == ["funds.received"]
    assert still_short.case.state is State.DISCREPANCY


def test_the_missing_money_resolves_the_discrepancy() -> None:
    short = money_comes(form_comes(lettered()).case, TOTAL - 180_000).case

    outcome = money_comes(short, 180_000)

    assert names(outcome) == ["funds.received", "discrepancy.resolved"]
    assert (outcome.case.state, outcome.case.discrepancy) == (State.BOOKING, None)
    assert shown(outcome) == ["BOOKING"]


def test_a_new_version_of_the_form_resolves_the_discrepancy() -> None:
    short = money_comes(form_comes(lettered()).case, TOTAL - 180_000).case

    outcome = form_comes(short, a_smaller_form(2))

    assert names(outcome) == ["information_form.received", "discrepancy.resolved"]
    assert outcome.case.state is State.BOOKING
    assert outcome.case.form == a_smaller_form(2)


def test_money_above_the_form_is_booked_up_to_the_form_and_named() -> None:
    outcome = money_comes(form_comes(lettered()).case, TOTAL + 500)

    raised = fact_of(outcome, DiscrepancyRaised)
    assert (raised.kind, raised.difference_fen, raised.public) == ("OVERPAID", 500, None)
    assert outcome.case.state is State.BOOKING
    assert outcome.case.surplus_fen == 500
    assert shown(outcome) == ["BOOKING"]


def test_the_same_remittance_twice_is_noted_as_a_duplicate_and_its_money_as_surplus() -> None:
    outcome = money_comes(booking())

    received = fact_of(outcome, FundsReceived)
    assert received.duplicate
    assert names(outcome) == ["funds.received", "discrepancy.raised"]
    assert (outcome.case.state, outcome.case.surplus_fen) == (State.BOOKING, TOTAL)


def test_money_of_another_remittance_is_no_duplicate() -> None:
    outcome = money_comes(booking(), line=a_line(remittance="remittance-2"))

    assert not fact_of(outcome, FundsReceived).duplicate
    assert outcome.case.surplus_fen == TOTAL


def test_a_statement_line_that_is_shown_again_changes_nothing() -> None:
    line = a_line()
    case = money_comes(lettered(), line=line).case

    outcome = money_comes(case, line=line)

    assert outcome.told == ()
    assert outcome.case == case


def test_money_after_the_completion_is_surplus_and_does_not_open_the_case_again() -> None:
    outcome = money_comes(completed(), 700)

    assert names(outcome) == ["funds.received", "discrepancy.raised"]
    assert (outcome.case.state, outcome.case.surplus_fen) == (State.COMPLETED, 700)


@pytest.mark.parametrize("state", [State.REFUSED, State.RETURNED, State.CANCELLED])
def test_all_money_of_a_case_that_came_to_nothing_is_surplus(state: State) -> None:
    outcome = money_comes(in_state(state), 700)

    raised = fact_of(outcome, DiscrepancyRaised)
    assert (raised.kind, raised.expected_fen, raised.found_fen) == ("OVERPAID", 0, 700)
    assert outcome.case.surplus_fen == 700


@pytest.mark.parametrize("state", [State.REVIEWING, State.ADMISSION_PROPOSED])
def test_money_that_nobody_asked_for_yet_does_not_keep_the_application_from_being_decided(state: State) -> None:
    outcome = money_comes(in_state(state))

    assert names(outcome) == ["funds.received"]
    assert (outcome.case.state, outcome.case.received_fen) == (state, TOTAL)
    sent = approve(propose_admission(outcome.case, "maker-33", ACCEPT).case, "checker-33").case
    assert form_comes(sent).case.state is State.BOOKING


def test_a_form_that_disagrees_with_itself_is_a_discrepancy_whatever_money_is_there() -> None:
    outcome = form_comes(lettered(), fault="AMOUNTS_DIFFER")
    with_money = money_comes(outcome.case)

    assert (outcome.case.state, outcome.case.discrepancy) == (State.DISCREPANCY, "AMOUNTS_DIFFER")
    assert names(outcome) == ["information_form.received", "discrepancy.raised", "document.query"]
    assert names(with_money) == ["funds.received"]
    assert with_money.case.state is State.DISCREPANCY


def test_a_sound_second_version_resolves_the_fault_of_the_first() -> None:
    faulty = form_comes(lettered(), fault="AMOUNTS_DIFFER").case

    without_money = form_comes(faulty, a_form(2))
    with_money = form_comes(money_comes(faulty).case, a_form(2))

    assert names(without_money) == ["information_form.received", "discrepancy.resolved"]
    assert (without_money.case.state, shown(without_money)) == (State.FORM_HELD, ["FUND_IN_TRANSIT"])
    assert (with_money.case.state, shown(with_money)) == (State.BOOKING, ["BOOKING"])


def test_an_older_version_that_comes_late_is_noted_and_changes_nothing() -> None:
    case = form_comes(lettered(), a_form(2)).case

    outcome = form_comes(case, a_smaller_form(1), fault="AMOUNTS_DIFFER")

    assert fact_of(outcome, InformationFormReceived).superseded
    assert names(outcome) == ["information_form.received"]
    assert outcome.case == case


def test_a_newer_form_takes_back_a_proposed_completion() -> None:
    case = completion_proposed()

    same = form_comes(case, a_form(2)).case
    larger = form_comes(case, a_form(2, changed={"pool_fen": 9, "total_fen": TOTAL + 9}))

    assert (same.state, same.maker) == (State.BOOKING, None)
    assert (larger.case.state, larger.case.discrepancy) == (State.DISCREPANCY, "SHORT")
    with pytest.raises(NotNow):
        complete(same, "checker-33", today=BOOKED)


@pytest.mark.parametrize("state", sorted(set(State) - TAKES_FORM))
def test_a_form_that_nobody_can_have_sent_is_not_expected(state: State) -> None:
    with pytest.raises(NotNow, match="an information form is not possible"):
        form_comes(in_state(state), a_form(9))


def test_surplus_goes_back_and_what_the_form_says_stays() -> None:
    case = propose_sending_back(money_comes(completed(), 700).case, "fund-desk-33").case

    outcome = sent_back(
        case, remittance_id="remittance-1", reference="bank-7", amount_fen=700, maker="fund-desk-33", checker="checker-33"
    )

    fact = fact_of(outcome, FundsSentBack)
    assert (fact.amount_fen, fact.remittance_id, fact.bank_reference) == (700, "remittance-1", "bank-7")
    assert (fact.maker, fact.checker) == ("fund-desk-33", "checker-33")
    assert (outcome.case.received_fen, outcome.case.surplus_fen, outcome.case.surplus_maker) == (TOTAL, 0, None)


@pytest.mark.parametrize("state", sorted(set(State) - {State.RECALLED}))
def test_where_nothing_is_too_much_nothing_is_proposed_to_go_back(state: State) -> None:
    with pytest.raises(NotNow, match="sending money back"):
        propose_sending_back(in_state(state), "fund-desk-33")


def test_a_form_without_money_goes_straight_to_booking() -> None:
    nothing = a_form().items.model_copy(update=dict.fromkeys(a_form().items.model_fields_set, 0))

    outcome = form_comes(lettered(), a_form().model_copy(update={"items": nothing}))

    assert outcome.case.state is State.BOOKING
    assert shown(outcome) == ["BOOKING"]


@pytest.mark.parametrize("state", sorted(NOTES_FORM))
def test_an_old_form_that_comes_late_is_kept_in_every_state_and_never_used(state: State) -> None:
    case = replace(in_state(state), form=a_form(3))

    outcome = form_comes(case, a_form(2))

    assert fact_of(outcome, InformationFormReceived).superseded
    assert outcome.case == case


def test_what_is_rounding_is_named_and_the_form_s_figure_stays() -> None:
    outcome = receive_form(lettered(), a_form(), Examined(None, rounding_difference_fen=2), today=ARRIVED, due=BOOKING_DUE)

    assert fact_of(outcome, InformationFormReceived).rounding_difference_fen == 2
    assert outcome.case.discrepancy is None


def test_a_form_for_an_account_that_is_settled_is_kept_by_name_and_its_money_goes_back() -> None:
    case = in_state(State.SETTLED)

    outcome = form_comes(case, a_smaller_form(2))
    paid = money_comes(outcome.case, 500)

    raised = fact_of(outcome, DiscrepancyRaised)
    assert names(outcome) == ["information_form.received", "discrepancy.raised"]
    assert (raised.kind, raised.expected_fen, raised.found_fen) == ("ACCOUNT_SETTLED", TOTAL, TOTAL - 180_000)
    assert (outcome.case, shown(outcome)) == (case, [])
    assert paid.case.surplus_fen == 500


# The bank gave the payment back


def test_a_payment_that_came_back_is_shown_as_being_checked_with_its_code() -> None:
    outcome = payment_returned(form_comes(lettered()).case, RETURNED_MONEY, today=ARRIVED)

    raised = fact_of(outcome, DiscrepancyRaised)
    public = outcome.case.public()
    assert (raised.kind, raised.expected_fen, raised.found_fen) == ("PAYMENT_RETURNED", TOTAL, 0)
    assert raised.public == public
    assert (public.status, public.code, public.holder) == (Status.DISCREPANCY, "PAYMENT_RETURNED", "44")
    assert letters_of(outcome) == []  # the origin knows


def test_the_money_that_is_paid_again_meets_the_form() -> None:
    back = payment_returned(form_comes(lettered()).case, RETURNED_MONEY, today=ARRIVED).case

    outcome = money_comes(back)

    assert names(outcome) == ["funds.received", "discrepancy.resolved"]
    assert (outcome.case.state, outcome.case.public().code) == (State.BOOKING, None)


def test_a_returned_payment_does_not_hide_what_is_wrong_with_the_form() -> None:
    faulty = form_comes(lettered(), fault="AMOUNTS_DIFFER").case

    outcome = payment_returned(faulty, RETURNED_MONEY, today=ARRIVED)

    assert names(outcome) == ["discrepancy.raised"]
    assert (outcome.case.discrepancy, shown(outcome)) == ("AMOUNTS_DIFFER", [])


@pytest.mark.parametrize("state", [State.LETTER_SENT, State.BOOKING, State.COMPLETED, State.RECALLED])
def test_where_what_the_forms_say_is_here_a_returned_payment_changes_nothing(state: State) -> None:
    outcome = payment_returned(in_state(state), RETURNED_MONEY, today=ARRIVED)

    assert outcome.told == ()


# Both sides agree


def confirmed(case: Case, *, confirms: bool = True, kind: str = "AMOUNTS_DIFFER") -> Case:
    """The origin answered our question about the form that is here."""
    asked = ask(case, "maker-33", a_question(kind), SEALED, today=ARRIVED).case
    return answer_received(asked, an_answer(confirms=confirms), SEALED, sender="44", today=ARRIVED).case


def test_a_form_that_the_origin_confirms_is_taken_as_it_stands_by_two_persons() -> None:
    case = confirmed(money_comes(form_comes(lettered(), fault="AMOUNTS_DIFFER").case).case)
    proposal = propose_agreement(case, "maker-33", QUESTION, "another method of interest").case

    outcome = agree(proposal, "checker-33", today=BOOKED, due=BOOKING_DUE)

    fact = fact_of(outcome, DiscrepancyAgreed)
    assert names(outcome) == ["discrepancy.agreed"]
    assert (fact.kind, fact.question_id, fact.reason) == ("AMOUNTS_DIFFER", QUESTION, "another method of interest")
    assert (fact.maker, fact.checker) == ("maker-33", "checker-33")
    assert (outcome.case.state, outcome.case.discrepancy, shown(outcome)) == (State.BOOKING, None, ["BOOKING"])
    with pytest.raises(SamePerson):
        agree(proposal, "maker-33", today=BOOKED, due=BOOKING_DUE)


def test_an_agreed_form_waits_for_its_money_like_any_other() -> None:
    case = confirmed(form_comes(lettered(), fault="AMOUNTS_DIFFER").case)
    agreed = agree(
        propose_agreement(case, "maker-33", QUESTION, "another method").case, "checker-33", today=BOOKED, due=BOOKING_DUE
    ).case

    assert agreed.state is State.FORM_HELD
    assert money_comes(agreed, TOTAL - 1).case.discrepancy == "SHORT"
    assert money_comes(agreed).case.state is State.BOOKING


@pytest.mark.parametrize("fault", ["PERSON_DIFFERS", "ROWS_INVALID", "ROW_MONTHS_DIFFER", "ITEM_4_IS_NOT_1_2_3"])
def test_what_cannot_be_booked_cannot_be_agreed_on(fault: str) -> None:
    case = confirmed(form_comes(lettered(), fault=fault).case, kind=fault)

    with pytest.raises(Refused, match="NOT_AGREEABLE"):
        propose_agreement(case, "maker-33", QUESTION, "never mind")


def test_missing_money_cannot_be_agreed_away() -> None:
    case = confirmed(money_comes(form_comes(lettered()).case, TOTAL - 1).case, kind="SHORT")

    with pytest.raises(Refused, match="NOT_AGREEABLE"):
        propose_agreement(case, "maker-33", QUESTION, "never mind")


def test_only_an_answer_that_confirms_this_version_is_ground_for_an_agreement() -> None:
    faulty = form_comes(lettered(), fault="AMOUNTS_DIFFER").case
    of_the_old_one = form_comes(confirmed(faulty), a_form(2), fault="AMOUNTS_DIFFER").case

    for case in (faulty, confirmed(faulty, confirms=False), confirmed(faulty, kind="other"), of_the_old_one):
        with pytest.raises(Refused, match="NOT_CONFIRMED"):
            propose_agreement(case, "maker-33", QUESTION, "never mind")


def test_a_new_version_takes_back_what_was_proposed_of_the_old_one() -> None:
    case = propose_agreement(confirmed(form_comes(lettered(), fault="AMOUNTS_DIFFER").case), "maker-33", QUESTION, "method").case

    newer = form_comes(case, a_form(2), fault="AMOUNTS_DIFFER").case

    with pytest.raises(NotNow, match="approving an agreement"):
        agree(newer, "checker-33", today=BOOKED, due=BOOKING_DUE)


def test_money_that_is_on_its_way_back_cannot_be_booked_by_a_later_form() -> None:
    larger = a_form(2, changed={"pool_fen": a_form().items.pool_fen + 700, "total_fen": TOTAL + 700})
    going = order_return(money_comes(booking(), 700).case).case
    gone = sent_back(going, remittance_id="r", reference="b", amount_fen=700, maker="fund-desk-33", checker="checker-33").case

    assert (going.returning_fen, going.available_fen, going.surplus_fen) == (700, TOTAL, 700)
    assert form_comes(going, larger).case.discrepancy == "SHORT"
    assert (gone.returning_fen, gone.available_fen, gone.surplus_fen) == (0, TOTAL, 0)


def test_money_that_is_on_its_way_back_cannot_be_booked_as_a_correction() -> None:
    larger = a_form(2, changed={"pool_fen": a_form().items.pool_fen + 700, "total_fen": TOTAL + 700})
    going = order_return(money_comes(completed(), 700).case).case

    with pytest.raises(Refused, match="MONEY_SHORT"):
        propose_correction(form_comes(going, larger).case, "maker-33")
