"""A completed transfer taken back: asked by two persons, answered by the destination, undone when the money is here."""

from dataclasses import replace

import pytest

from contracts.documents import RecallAnswer, RecallRequest, RecallRequestDocument
from contracts.events import (
    AccountReopened,
    FundsReturned,
    InformationFormRevoked,
    RecallAnswered,
    RecallRequested,
    RelationshipReopened,
)
from services.ledger.bookkeeping import book
from services.ledger.chart import individual, transfers_payable
from services.origin_agency.case import Case, Interim, NotNow, Outcome, Refused, SamePerson, State
from services.origin_agency.money import returned_by_bank
from services.origin_agency.recalls import ask_back, propose_recall, recall_answered
from tests.builders import PERSON, items
from tests.unit.origin_agency.builders import LATER, LETTER_NO, MONDAY, a_case, body, fact, kinds
from tests.unit.origin_agency.test_forms import STAYS

WHY = "it was of another person"
AGREED = RecallAnswer(letter_no=LETTER_NO, agreed=True, total_fen=1000)
DECLINED = RecallAnswer(letter_no=LETTER_NO, agreed=False, reason="the pension is paid from it")


def asked() -> Case:
    proposed = propose_recall(a_case(State.SETTLED), "maker-2", code="RECALL_WRONG_PERSON", reason=WHY)
    return ask_back(proposed.case, "checker-2").case


def back(case: Case, amount_fen: int = 1000) -> Outcome:
    return returned_by_bank(
        case,
        remittance_id="R1",
        line_id="L9",
        amount_fen=amount_fen,
        reason="sent back by the payee",
        account_wanted=False,
        sent_back=True,
        due=LATER,
    )


def test_two_persons_ask_a_completed_transfer_back_with_code_and_reason() -> None:
    proposed = propose_recall(a_case(State.SETTLED), "maker-2", code="RECALL_WRONG_PERSON", reason=WHY)

    outcome = ask_back(proposed.case, "checker-2")

    assert (proposed.case.state, proposed.told) == (State.SETTLED, ())
    assert outcome.case.state is State.RECALL_ASKED
    assert kinds(outcome) == [RecallRequested, RecallRequestDocument]
    assert (fact(outcome).maker, fact(outcome).checker) == ("maker-2", "checker-2")
    assert body(outcome) == RecallRequest(letter_no=LETTER_NO, code="RECALL_WRONG_PERSON", reason=WHY)
    with pytest.raises(SamePerson):
        ask_back(proposed.case, "maker-2")


def test_a_destination_that_declines_keeps_the_transfer_and_the_case_stays_settled() -> None:
    outcome = recall_answered(asked(), DECLINED)

    assert kinds(outcome) == [RecallAnswered]
    assert (fact(outcome).agreed, fact(outcome).reason) == (False, "the pension is paid from it")
    assert outcome.case.state is State.SETTLED


def test_what_the_destination_agreed_to_is_undone_when_all_its_money_is_here() -> None:
    agreed = recall_answered(asked(), AGREED)

    part = back(agreed.case, 400)
    whole = back(part.case, 600)

    assert (kinds(agreed), agreed.case.state) == ([RecallAnswered], State.RECALL_AGREED)
    assert (kinds(part), part.case.state) == ([FundsReturned], State.RECALL_AGREED)
    assert kinds(whole) == [FundsReturned, InformationFormRevoked, RelationshipReopened, AccountReopened]
    revoked = fact(whole, 1)
    assert (revoked.form_version, revoked.items, revoked.reason) == (1, items(300, 700), WHY)
    assert (whole.case.state, whole.case.items, whole.case.closed) == (State.RECALLED, None, False)
    entries = [book(str(at), fact(whole, at)) for at in (0, 1)]
    assert [entry.changes() for entry in entries if entry] == [
        {"bank": 600, transfers_payable("33"): 600},
        {transfers_payable("33"): -1000, individual(PERSON): 300, "pooled_fund": 700},
    ]


def test_money_that_is_faster_than_the_answer_is_waited_for_by_nobody() -> None:
    early = back(asked())

    outcome = recall_answered(early.case, AGREED)

    assert (kinds(early), early.case.state) == ([FundsReturned], State.RECALL_ASKED)
    assert kinds(outcome) == [RecallAnswered, InformationFormRevoked, RelationshipReopened, AccountReopened]
    assert outcome.case.state is State.RECALLED


def test_a_transfer_without_money_is_undone_with_the_answer() -> None:
    nothing = a_case(State.RECALL_ASKED, items=items(0, 0), remitted_fen=0, recall_reason=WHY)

    outcome = recall_answered(nothing, AGREED)

    assert kinds(outcome)[:2] == [RecallAnswered, InformationFormRevoked]
    assert outcome.case.state is State.RECALLED


def test_where_something_stayed_the_relationship_never_ended_and_is_not_reopened() -> None:
    outcome = recall_answered(a_case(State.RECALL_ASKED, remitted_fen=0, not_movable=STAYS, recall_reason=WHY), AGREED)

    assert kinds(outcome) == [RecallAnswered, InformationFormRevoked]


def test_what_the_destination_settles_with_the_heirs_is_not_asked_back() -> None:
    proposed = propose_recall(a_case(State.SETTLED), "maker-2", code="RECALL_WRONG_PERSON", reason=WHY).case

    with pytest.raises(Refused, match="PERSON_DECEASED"):
        propose_recall(a_case(State.SETTLED, died_on=MONDAY), "maker-2", code="RECALL_WRONG_PERSON", reason=WHY)
    with pytest.raises(Refused, match="PERSON_DECEASED"):
        ask_back(replace(proposed, died_on=MONDAY), "checker-2")


def test_a_form_at_an_interim_rate_is_made_final_before_its_transfer_is_asked_back() -> None:
    pending = replace(a_case(State.SETTLED), interim=(Interim(2026, "0.0150", 19_494),))
    proposed = propose_recall(a_case(State.SETTLED), "maker-2", code="RECALL_WRONG_PERSON", reason=WHY).case

    with pytest.raises(Refused, match="RATE_PENDING"):
        propose_recall(pending, "maker-2", code="RECALL_WRONG_PERSON", reason=WHY)
    with pytest.raises(Refused, match="RATE_PENDING"):
        ask_back(replace(proposed, interim=pending.interim), "checker-2")


def test_a_payment_that_is_not_booked_yet_cannot_be_asked_back() -> None:
    with pytest.raises(NotNow):
        propose_recall(a_case(State.SETTLED, remitted_fen=0, ordered_fen=1000), "maker-2", code="X", reason=WHY)
