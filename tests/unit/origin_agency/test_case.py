"""What a case of the origin remembers, and that its steps come in an order that auditors accept."""

import pytest

from contracts.base import Fact
from contracts.documents import RecallAnswer
from services.audit.cases import step
from services.origin_agency.case import (
    AMENDABLE,
    ENDED,
    OPEN_LEG,
    RECALLING,
    TO_BE_PAID,
    UNDECIDED,
    NotNow,
    SamePerson,
    State,
    Wish,
    clock_begins,
    wished,
)
from services.origin_agency.forms import amend_form, issue_form, propose_amendment
from services.origin_agency.letters import correct_letter, open_case, propose, send_back
from services.origin_agency.money import order_remittance, propose_remittance, settle
from services.origin_agency.recalls import ask_back, propose_recall, recall_answered
from services.records.decisions import Due
from tests.builders import CASE, PERSON, items
from tests.unit.origin_agency.builders import (
    DUE_ON,
    FORM,
    LATER,
    LETTER_NO,
    MONDAY,
    REMIND_ON,
    RETURN,
    a_case,
    a_completion,
    a_form,
    a_letter,
)
from tests.unit.origin_agency.test_money import bank_returns, pay
from tests.unit.rules.builders import tables


def test_what_the_cases_tell_follows_the_order_that_auditors_demand() -> None:
    opened = open_case(CASE, "33", a_letter(), PERSON, on=MONDAY, due=Due(DUE_ON, REMIND_ON))
    text = tables().refusal("STILL_CONTRIBUTING", MONDAY)
    sent_back = send_back(propose(opened.case, RETURN).case, "checker-1", text)
    again = correct_letter(sent_back.case, a_letter(letter_version=2), PERSON, on=MONDAY, due=LATER)
    issued = issue_form(propose(again.case, FORM).case, "checker-1", a_form())
    paid = pay(order_remittance(propose_remittance(issued.case).case, "R1").case)
    back = bank_returns(paid.case)
    corrected = correct_letter(back.case, a_letter(letter_version=3), PERSON, on=MONDAY, due=LATER)
    twice = pay(order_remittance(propose_remittance(corrected.case).case, "R2").case)
    ended = settle(twice.case, a_completion())
    wished = propose_amendment(ended.case, "maker-2", "the base was wrong")
    amended = amend_form(wished.case, "checker-2", a_form(items(300, 700), form_version=2, months=28), due=LATER)
    settled = settle(amended.case, a_completion(form_version=2))
    recalled = ask_back(propose_recall(settled.case, "maker-2", code="X", reason="it was wrong").case, "checker-2")
    agreed = recall_answered(recalled.case, RecallAnswer(letter_no=LETTER_NO, agreed=True, total_fen=1000))
    undone = bank_returns(agreed.case)

    told = (opened, sent_back, again, issued, paid, back, corrected, twice, ended, amended, settled, recalled, agreed, undone)
    seen, problems = 0, []
    for outcome in told:
        for each in outcome.told:
            if isinstance(each, Fact):
                seen, problem = step(seen, each.type_name)
                problems.append(problem)

    assert problems == [None] * 19
    assert undone.case.state is State.RECALLED


def test_every_state_is_open_or_ended_and_the_clock_runs_in_open_ones_alone() -> None:
    assert OPEN_LEG.isdisjoint(ENDED)
    assert OPEN_LEG | RECALLING | {State.REMITTED} | ENDED == set(State)
    assert UNDECIDED | TO_BE_PAID <= OPEN_LEG
    assert AMENDABLE.isdisjoint(UNDECIDED)


def test_somebody_unknown_goes_by_the_case() -> None:
    assert (a_case().known_as, a_case(person_ref=None).known_as) == (PERSON, CASE)


@pytest.mark.parametrize(
    ("state", "fields", "to_remit_fen", "paying"),
    [
        (State.LETTER_HELD, {}, 0, False),
        (State.FORM_ISSUED, {}, 1000, False),
        (State.REMITTANCE_ORDERED, {}, 1000, True),
        (State.REMITTED, {}, 0, False),
        (State.REMITTED, {"items": items(300, 600)}, -100, False),
        (State.SETTLED, {"remitted_fen": 0, "ordered_fen": 1000}, 1000, True),
        (State.RECALLED, {}, 0, False),
    ],
    ids=["letter", "form", "ordered", "paid", "paid too much", "overtaken", "recalled"],
)
def test_what_is_owed_is_what_the_form_says_less_what_was_paid(
    state: State, fields: dict[str, object], to_remit_fen: int, paying: bool
) -> None:
    case = a_case(state, **fields)

    assert (case.to_remit_fen, case.paying) == (to_remit_fen, paying)


def test_a_clock_that_begins_again_has_reminded_nobody() -> None:
    late = a_case(reminded=True, breached=True, escalated=True, escalate_on=DUE_ON)

    case = clock_begins(late, LATER)

    assert (case.due, case.reminded, case.breached, case.escalated, case.escalate_on) == (LATER, False, False, False, None)


def test_what_a_maker_wished_is_looked_at_by_somebody_else_in_its_own_states_and_under_its_own_name() -> None:
    case = a_case(State.SETTLED, wish=Wish("recall", "maker-1", "why", "X"))
    states = frozenset({State.SETTLED})

    assert wished(case, "checker-1", "recall", states, "approving").maker == "maker-1"
    with pytest.raises(SamePerson):
        wished(case, "maker-1", "recall", states, "approving")
    with pytest.raises(NotNow):
        wished(case, "checker-1", "amendment", states, "approving")
    with pytest.raises(NotNow):
        wished(case, "checker-1", "recall", frozenset({State.REMITTED}), "approving")
