"""What a case holds and what the person is shown of it, in every state."""

from dataclasses import replace

import pytest

from contracts.documents import NotMovable, PersonIdentity
from contracts.statuses import Leg, Status
from services.destination_agency.case import (
    AFTERWARDS,
    CAME_TO_NOTHING,
    ENDED,
    PAUSES,
    NotNow,
    Proposal,
    SamePerson,
    State,
    approved,
    checked,
)
from tests.unit.destination_agency.builders import (
    CURABLE_UNTIL,
    DECIDED,
    ORIGIN_DUE,
    TOTAL,
    a_case,
    a_form,
    booking,
    completed,
    correction_held,
    form_comes,
    in_state,
    lettered,
    money_comes,
    proposed,
    sent_back_to_us,
)


@pytest.mark.parametrize("state", sorted(State))
def test_the_builders_make_a_case_of_each_state(state: State) -> None:
    assert in_state(state).state is state


@pytest.mark.parametrize("state", sorted(set(State) - ENDED - PAUSES.keys() - {State.RETURNED_CURABLE}))
def test_every_open_state_that_does_not_wait_for_the_person_has_a_leg_and_a_due_date(state: State) -> None:
    case = in_state(state)

    assert case.leg is not None
    assert case.due.due_on > DECIDED
    assert (case.public().due_on is None) is (state in AFTERWARDS)


@pytest.mark.parametrize("state", sorted(PAUSES))
def test_while_the_person_is_waited_for_no_clock_runs_and_the_person_sees_why(state: State) -> None:
    public = in_state(state).public()

    assert in_state(state).leg is None
    assert public.due_on is None
    assert public.paused == PAUSES[state]


@pytest.mark.parametrize("state", sorted(set(State) - PAUSES.keys()))
def test_nothing_else_stops_a_clock(state: State) -> None:
    assert in_state(state).public().paused is None


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_case_shows_no_due_date(state: State) -> None:
    assert in_state(state).leg is None
    assert in_state(state).public().due_on is None


def test_a_letter_that_can_be_cured_shows_until_when_and_lies_with_us() -> None:
    public = sent_back_to_us(CURABLE_UNTIL).public()

    assert (public.status, public.holder, public.due_on) == (Status.RETURNED, "33", CURABLE_UNTIL)


def test_a_completed_transfer_that_is_looked_at_again_stays_completed_for_the_person() -> None:
    case = replace(correction_held(), breached=True)

    public = case.public()

    assert case.leg is Leg.BOOKING
    assert (public.status, public.overdue, public.due_on) == (Status.COMPLETED, False, None)


def test_what_stays_at_the_old_place_is_a_flag_beside_the_status() -> None:
    stays = NotMovable(months=60, account_fen=1, pool_fen=2, reasons=("BACK_PAYMENT_PAPERS_MISSING",))
    form = a_form().model_copy(update={"not_movable": stays})

    case = form_comes(lettered(), form).case

    assert not lettered().public().part_not_movable
    assert case.public().part_not_movable
    assert case.public().status is Status.FUND_IN_TRANSIT


def test_months_in_arrears_that_nobody_paid_are_a_flag_beside_the_status_and_counted() -> None:
    [segment, *_] = a_form().segments
    unpaid = segment.rows[-1].model_copy(update={"status": "arrears", "paid_on": None})
    form = a_form().model_copy(update={"segments": (segment.model_copy(update={"rows": (*segment.rows[:-1], unpaid)}),)})

    case = form_comes(lettered(), form).case

    assert (lettered().public().arrears_lost, lettered().arrears_months) == (False, 0)
    assert (case.public().arrears_lost, case.arrears_months) == (True, unpaid.months)
    assert not form_comes(lettered(), a_form()).case.public().arrears_lost


def test_a_service_target_is_shown_beside_the_legal_limit_where_a_province_promises_one() -> None:
    promised = replace(lettered(), due=replace(ORIGIN_DUE, target_on=DECIDED))

    assert lettered().public().service_target_on is None
    assert (promised.public().service_target_on, promised.public().due_on) == (DECIDED, ORIGIN_DUE.due_on)
    assert in_state(State.CANCELLED).public().service_target_on is None


def test_all_money_of_a_case_that_came_to_nothing_is_surplus_and_otherwise_what_is_above_the_forms() -> None:
    for state in CAME_TO_NOTHING:
        assert replace(in_state(state), received_fen=700).surplus_fen == 700
    assert money_comes(lettered(), 700).case.surplus_fen == 0
    assert booking().surplus_fen == 0
    assert money_comes(completed(), 700).case.surplus_fen == 700


def test_what_stands_in_the_books_is_no_surplus_while_a_smaller_form_waits() -> None:
    case = correction_held()

    assert case.form is not None
    assert case.form.items.total_fen == TOTAL - 180_000
    assert (case.expected_fen, case.surplus_fen) == (TOTAL, 0)


def test_the_person_is_for_the_origin_who_the_application_says_unless_the_letter_says_otherwise() -> None:
    other = PersonIdentity(id_number="110101199003074514", name="陈志源")

    assert a_case().known_there.name == "陈志远"
    assert a_case(there=other).known_there == other


def test_what_waits_for_a_second_person_needs_one() -> None:
    case = replace(lettered(), proposal=Proposal("letter", "maker-33"))
    states = frozenset({State.LETTER_SENT})

    assert checked(proposed(), "checker-33", frozenset({State.ADMISSION_PROPOSED}), "it") == "maker-33"
    assert approved(case, "checker-33", states, "letter", "it").maker == "maker-33"
    with pytest.raises(SamePerson):
        approved(case, "maker-33", states, "letter", "it")
    with pytest.raises(NotNow, match="it is not possible"):
        approved(case, "checker-33", states, "recall", "it")
    with pytest.raises(NotNow):
        approved(case, "checker-33", frozenset(), "letter", "it")
    with pytest.raises(NotNow):
        approved(lettered(), "checker-33", states, "letter", "it")
