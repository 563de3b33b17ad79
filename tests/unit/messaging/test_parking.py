"""What may become of a parked record, who may decide it, and when it is tried again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import documents, events
from contracts.base import Fact
from contracts.documents import Document
from contracts.registry import FACTS
from services.messaging.parking import (
    MONEY,
    OPEN,
    Place,
    Refused,
    State,
    Verb,
    check_approval,
    check_reason,
    check_verb,
    check_withdrawal,
    needs_two,
    pause_after,
)

PAUSES = (0.5, 2.0, 8.0)


def place(state: State = State.PARKED, *, first: str = "q", proposed: bool = False) -> Place:
    return Place("q", state, first, proposed)


@pytest.mark.parametrize("kind", FACTS.values(), ids=list(FACTS))
def test_whatever_holds_amounts_of_a_case_or_names_who_is_paid_is_about_money(kind: type[Fact]) -> None:
    told = str(kind.body_type.model_json_schema() if issubclass(kind, Document) else {})
    booked = "account_sequences" in kind.model_fields

    assert (kind in MONEY) == (booked or "_fen" in told or "payee" in told)


@pytest.mark.parametrize(
    ("verb", "kind", "two"),
    [
        (Verb.RETRY, documents.InformationFormDocument, False),
        (Verb.RETRY, None, False),
        (Verb.AMEND, documents.InformationFormDocument, True),
        (Verb.AMEND, documents.ReminderDocument, True),
        (Verb.AMEND, None, True),
        (Verb.SKIP, documents.CompletionDocument, True),
        (Verb.SKIP, documents.ContactLetterDocument, True),
        (Verb.SKIP, documents.ReminderDocument, False),
        (Verb.SKIP, None, True),
        (Verb.REJECT, events.FundsReceived, True),
        (Verb.REJECT, documents.WithdrawalDocument, False),
        (Verb.REJECT, None, True),
    ],
)
def test_two_persons_are_needed_where_money_moves_or_nobody_can_tell(verb: Verb, kind: type[Fact] | None, two: bool) -> None:
    assert needs_two(verb, kind) is two


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_verb_may_be_done_on_the_first_open_record_of_a_case(verb: Verb, state: State) -> None:
    check_verb(verb, place(state))


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", sorted(set(State) - OPEN))
def test_nothing_may_be_done_with_a_record_that_is_dealt_with(verb: Verb, state: State) -> None:
    with pytest.raises(Refused, match=f"NOT_OPEN: The record is {state}"):
        check_verb(verb, place(state))


@pytest.mark.parametrize("verb", Verb)
def test_while_a_proposal_waits_nothing_else_is_decided(verb: Verb) -> None:
    with pytest.raises(Refused, match="PROPOSAL_OPEN"):
        check_verb(verb, place(proposed=True))


def test_what_stands_behind_another_may_not_overtake_it_but_may_be_set_aside() -> None:
    behind = place(State.BEHIND, first="another")

    for verb in (Verb.RETRY, Verb.AMEND):
        with pytest.raises(Refused, match="NOT_ITS_TURN: another of the same case"):
            check_verb(verb, behind)
    for verb in (Verb.SKIP, Verb.REJECT):
        check_verb(verb, behind)


def test_whoever_proposed_cannot_approve_and_nobody_else_can_withdraw() -> None:
    check_approval(proposed=True, maker="a", checker="b")
    check_withdrawal(proposed=True, maker="a", who="a")

    with pytest.raises(Refused, match="SAME_PERSON"):
        check_approval(proposed=True, maker="a", checker="a")
    with pytest.raises(Refused, match="NOT_YOURS"):
        check_withdrawal(proposed=True, maker="a", who="b")
    with pytest.raises(Refused, match="NOT_PROPOSED"):
        check_approval(proposed=False, maker="a", checker="b")
    with pytest.raises(Refused, match="NOT_PROPOSED"):
        check_withdrawal(proposed=False, maker="a", who="a")


@pytest.mark.parametrize("text", ["", "  ", "no", " x  "])
def test_a_reason_is_demanded(text: str) -> None:
    with pytest.raises(Refused, match="REASON_MISSING"):
        check_reason(text)


@pytest.mark.parametrize(
    "text", ["see 41010519900315001X", "call 13812345678 first", "410105199003150015.", "of DEU0000000G0123456"]
)
def test_a_reason_that_seems_to_hold_a_persons_number_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="REASON_HOLDS_PERSON_DATA"):
        check_reason(text)


def test_a_reason_may_name_a_case_and_is_tidied() -> None:
    text = "  the case 018f4c1e-0000-7000-8000-138123456789\n is with 33 "

    assert check_reason(text) == "the case 018f4c1e-0000-7000-8000-138123456789 is with 33"


@given(st.floats(0, 1), st.floats(0, 1))
def test_pauses_grow_whatever_the_jitter_and_end(one: float, other: float) -> None:
    pauses = [pause_after(tries, PAUSES, lot=one if tries % 2 else other) for tries in (1, 2, 3, 4)]

    assert pauses[3] is None
    assert all(before is not None and after is not None and before < after for before, after in pairwise(pauses[:3]))
    assert all(pause is not None and 0.7 < pause / wanted < 1.3 for pause, wanted in zip(pauses, PAUSES, strict=False))


def test_without_pauses_nothing_is_tried_again() -> None:
    assert pause_after(1, (), lot=0.5) is None
