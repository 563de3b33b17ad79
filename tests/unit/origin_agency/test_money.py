"""The money of a case at the origin: paid, given back and paid again once, too much of it returned, settled."""

from dataclasses import replace

import pytest

from contracts.documents import PaymentReturned, PaymentReturnedDocument
from contracts.events import AccountClosed, FundsRemitted, FundsReturned, RelationshipClosed, TransferSettled
from services.origin_agency.case import UNDECIDED, Case, NotNow, Outcome, Refused, State
from services.origin_agency.forms import amend_form, propose_amendment
from services.origin_agency.letters import correct_letter
from services.origin_agency.money import order_remittance, propose_remittance, remitted, returned_by_bank, settle
from tests.builders import PERSON, items
from tests.unit.origin_agency.builders import (
    LATER,
    LETTER_NO,
    MONDAY,
    a_case,
    a_completion,
    a_form,
    a_letter,
    body,
    fact,
    kinds,
)


def pay(case: Case, amount_fen: int = 1000) -> Outcome:
    return remitted(case, bank_reference="B1", amount_fen=amount_fen, maker="fund-1", checker="checker-1")


def bank_returns(
    case: Case, amount_fen: int = 1000, *, account_wanted: bool = True, sent_back: bool = False, remittance_id: str = "R1"
) -> Outcome:
    return returned_by_bank(
        case,
        remittance_id=remittance_id,
        line_id="L1",
        amount_fen=amount_fen,
        reason="payee account refused",
        account_wanted=account_wanted,
        sent_back=sent_back,
        due=LATER,
    )


def smaller_form(state: State) -> Case:
    """A case whose form of 1,000 fen was paid and then replaced by one of 900 fen."""
    wished = propose_amendment(a_case(state), "maker-2", "the months were counted twice").case
    return amend_form(wished, "checker-2", a_form(items(300, 600), form_version=2), due=LATER).case


def test_a_remittance_is_proposed_then_ordered_then_paid_and_ends_the_relationship() -> None:
    proposed = propose_remittance(a_case(State.FORM_ISSUED))

    ordered = order_remittance(proposed.case, "R1")
    paid = pay(ordered.case)

    assert proposed.case.state is State.REMITTANCE_PROPOSED
    assert ordered.case == a_case(State.REMITTANCE_ORDERED)
    assert (proposed.told, ordered.told) == ((), ())
    assert paid.case == a_case(State.REMITTED)
    assert kinds(paid) == [FundsRemitted, RelationshipClosed, AccountClosed]
    money = fact(paid)
    assert (money.remittance_id, money.bank_reference, money.amount_fen, money.form_version) == ("R1", "B1", 1000, 1)
    assert (money.maker, money.checker) == ("fund-1", "checker-1")


def test_money_that_the_bank_could_not_pay_is_owed_again_and_the_destination_is_told() -> None:
    back = bank_returns(a_case(State.REMITTED))

    assert (back.case.state, back.case.to_remit_fen, back.case.due) == (State.PAYMENT_RETURNED, 1000, LATER)
    assert kinds(back) == [FundsReturned, PaymentReturnedDocument]
    assert (fact(back).line_id, fact(back).reason) == ("L1", "payee account refused")
    assert body(back) == PaymentReturned(letter_no=LETTER_NO, remittance_id="R1", amount_fen=1000, reason="payee account refused")


def test_an_account_that_was_wrong_is_not_paid_again_before_a_corrected_letter_names_another() -> None:
    back = bank_returns(a_case(State.REMITTED)).case

    with pytest.raises(Refused, match="CORRECTED_LETTER_NEEDED"):
        propose_remittance(back)
    corrected = correct_letter(back, a_letter(letter_version=2), PERSON, on=MONDAY, due=LATER).case
    again = pay(order_remittance(propose_remittance(corrected).case, "R2").case)

    assert again.case.paid_version == 2
    assert kinds(again) == [FundsRemitted]  # the relationship ended with the first payment
    assert (fact(again).remittance_id, again.case.remitted_fen, again.case.state) == ("R2", 1000, State.REMITTED)


def test_what_came_back_twice_needs_a_letter_above_the_one_it_was_paid_on_last() -> None:
    back = bank_returns(a_case(State.REMITTED)).case
    corrected = correct_letter(back, a_letter(letter_version=2), PERSON, on=MONDAY, due=LATER).case

    again = bank_returns(pay(order_remittance(propose_remittance(corrected).case, "R2").case).case)

    with pytest.raises(Refused, match="account in version 2"):
        propose_remittance(again.case)


def test_a_bank_that_failed_is_asked_again_without_another_letter() -> None:
    back = bank_returns(a_case(State.REMITTED), account_wanted=False)

    assert propose_remittance(back.case).case.state is State.REMITTANCE_PROPOSED


def test_what_is_paid_is_what_the_form_says_and_nothing_else() -> None:
    with pytest.raises(AssertionError):
        pay(a_case(State.REMITTANCE_ORDERED), amount_fen=999)


def test_a_form_without_money_has_nothing_to_remit() -> None:
    with pytest.raises(NotNow):
        propose_remittance(a_case(State.FORM_ISSUED, items=items(0, 0)))


def test_the_completion_settles_the_case_once() -> None:
    first = settle(a_case(State.REMITTED), a_completion())

    second = settle(first.case, a_completion())

    assert first.case.state is State.SETTLED
    assert kinds(first) == [TransferSettled]
    assert second == Outcome(first.case)


def test_a_completion_may_overtake_the_booking_of_the_own_payment_which_is_still_booked() -> None:
    # The bank took the order, the desk's process died before it had booked, and the money was faster than its return.
    overtaken = settle(a_case(State.REMITTANCE_ORDERED), a_completion())

    booked = pay(overtaken.case)

    assert kinds(overtaken) == [TransferSettled]
    assert kinds(booked) == [FundsRemitted, RelationshipClosed, AccountClosed]
    assert booked.case.state is State.SETTLED
    assert booked.case.to_remit_fen == 0


@pytest.mark.parametrize("state", sorted(UNDECIDED | {State.RETURNED, State.CANCELLED, State.FORM_ISSUED}))
def test_a_completion_of_what_was_never_sent_is_refused(state: State) -> None:
    with pytest.raises(NotNow, match=str(state)):
        settle(a_case(state), a_completion())


def test_a_completion_of_another_letter_cannot_be() -> None:
    with pytest.raises(AssertionError):
        settle(a_case(State.REMITTED), a_completion(letter_no="LXH-330100-20240506-000002"))


def test_what_was_paid_too_much_comes_back_and_is_owed_no_more() -> None:
    back = bank_returns(smaller_form(State.REMITTED), 100, account_wanted=False, sent_back=True)

    assert kinds(back) == [FundsReturned]
    assert (back.case.state, back.case.to_remit_fen) == (State.REMITTED, 0)


def test_what_was_paid_too_much_may_come_back_after_the_case_was_settled_again() -> None:
    settled = settle(smaller_form(State.SETTLED), a_completion(form_version=2, total_fen=900))

    back = bank_returns(settled.case, 100, account_wanted=False, sent_back=True)

    assert kinds(settled) == [TransferSettled]
    assert (settled.case.to_remit_fen, back.case.to_remit_fen, back.case.state) == (-100, 0, State.SETTLED)


def test_money_that_the_destination_gives_back_though_it_is_owed_is_owed_again_and_nobody_is_told_to_correct_a_letter() -> None:
    back = bank_returns(a_case(State.REMITTED), account_wanted=False, sent_back=True)

    assert kinds(back) == [FundsReturned]
    assert (back.case.state, back.case.to_remit_fen) == (State.PAYMENT_RETURNED, 1000)


def test_what_the_destination_gave_back_is_not_paid_again_before_somebody_decides_anew() -> None:
    back = bank_returns(a_case(State.REMITTED), account_wanted=False, sent_back=True).case

    with pytest.raises(Refused, match="SENT_BACK_BY_PAYEE"):
        propose_remittance(back)
    corrected = correct_letter(back, a_letter(letter_version=2), PERSON, on=MONDAY, due=LATER).case
    wished = propose_amendment(back, "maker-2", "the months were counted twice").case
    amended = amend_form(wished, "checker-2", a_form(items(300, 600), form_version=2), due=LATER).case

    for case in (corrected, amended):
        assert propose_remittance(case).case.state is State.REMITTANCE_PROPOSED


def test_an_older_payment_that_comes_back_while_a_difference_is_under_way_is_owed_when_that_is_booked() -> None:
    wished = propose_amendment(a_case(State.REMITTED), "maker-2", "the base was wrong").case
    larger = amend_form(wished, "checker-2", a_form(items(400, 800), form_version=2), due=LATER).case
    ordered = order_remittance(propose_remittance(larger).case, "R2").case

    back = bank_returns(ordered)
    paid = pay(back.case, amount_fen=200)

    assert (back.case.state, kinds(back)) == (State.REMITTANCE_ORDERED, [FundsReturned, PaymentReturnedDocument])
    assert (paid.case.state, paid.case.to_remit_fen) == (State.PAYMENT_RETURNED, 1000)
    with pytest.raises(Refused, match="CORRECTED_LETTER_NEEDED"):
        propose_remittance(paid.case)


def test_an_older_payment_that_comes_back_before_a_difference_is_ordered_is_ordered_with_it() -> None:
    wished = propose_amendment(a_case(State.REMITTED), "maker-2", "the base was wrong").case
    larger = amend_form(wished, "checker-2", a_form(items(400, 800), form_version=2), due=LATER).case
    proposed = propose_remittance(larger).case

    back = bank_returns(proposed, account_wanted=False)

    assert (back.case.state, back.case.to_remit_fen) == (State.PAYMENT_RETURNED, 1200)
    with pytest.raises(NotNow):
        order_remittance(back.case, "R2")


def test_money_that_comes_back_when_everything_is_over_is_booked_all_the_same() -> None:
    for state in (State.RECALLED, State.CANCELLED):
        back = bank_returns(a_case(state), 5)

        assert (kinds(back), back.case.state) == ([FundsReturned], state)


def test_the_difference_is_paid_beside_what_was_paid_before() -> None:
    wished = propose_amendment(a_case(State.SETTLED), "maker-2", "the base was wrong").case
    larger = amend_form(wished, "checker-2", a_form(items(400, 800), form_version=2), due=LATER).case

    paid = pay(order_remittance(propose_remittance(larger).case, "R2").case, amount_fen=200)
    settled = settle(paid.case, a_completion(form_version=2, total_fen=1200))

    assert kinds(paid) == [FundsRemitted]
    assert (fact(paid).amount_fen, fact(paid).form_version) == (200, 2)
    assert (paid.case.state, paid.case.remitted_fen, settled.case.state) == (State.REMITTED, 1200, State.SETTLED)


def test_a_completion_of_the_form_before_is_kept_and_the_new_one_is_waited_for() -> None:
    larger = replace(a_case(State.FORM_ISSUED), form_version=2, items=items(400, 800), remitted_fen=1000)

    assert settle(larger, a_completion(form_version=1)) == Outcome(larger)


def test_a_completion_by_what_the_bank_paid_twice_ends_the_case_when_the_difference_is_paid() -> None:
    larger = replace(a_case(State.FORM_ISSUED), form_version=2, items=items(400, 800), remitted_fen=1000, paid_version=1)

    heard = settle(larger, a_completion(form_version=2, total_fen=1200))
    paid = pay(order_remittance(propose_remittance(heard.case).case, "R2").case, amount_fen=200)

    assert (heard.case.state, heard.told) == (State.FORM_ISSUED, ())
    assert kinds(paid)[-1] is TransferSettled
    assert paid.case.state is State.SETTLED


def test_nothing_is_booked_that_the_bank_was_not_asked_to_pay() -> None:
    with pytest.raises(NotNow, match="a payment"):
        pay(a_case(State.REMITTANCE_PROPOSED))
    with pytest.raises(NotNow, match="a payment"):
        pay(a_case(State.SETTLED))
