"""The information form at the origin: issued, replaced before and after it was paid, and what it leaves behind."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.documents import AttachedPaper, InformationFormDocument, NotMovable, Question
from contracts.events import (
    AccountClosed,
    ArrearsNotified,
    InformationFormIssued,
    NotMovableNotified,
    RelationshipClosed,
)
from services.destination_agency.completion import SET_ASIDE as destination_set_aside
from services.ledger.bookkeeping import book
from services.ledger.chart import individual, transfers_payable
from services.origin_agency.case import AMENDABLE, TO_BE_PAID, UNDECIDED, Case, NotNow, Outcome, Refused, SamePerson, State
from services.origin_agency.forms import (
    amend_form,
    issue_form,
    notify_arrears,
    notify_not_movable,
    propose_amendment,
    propose_notice,
)
from services.origin_agency.money import propose_remittance, remitted
from services.origin_agency.questions import SET_ASIDE, question_received
from services.records.decisions import Letter
from tests.builders import CASE, PERSON, items
from tests.unit.origin_agency.builders import CONTACT, FORM, LATER, LETTER_NO, MONDAY, SEALED, a_case, a_form, fact, kinds

STAYS = NotMovable(months=60, account_fen=500, pool_fen=900, reasons=("BACK_PAYMENT_PAPERS_MISSING",))
NOTICE_BY = date(2024, 5, 17)


def amended(state: State, account_fen: int, pool_fen: int, **fields: object) -> Outcome:
    """Version 2 of a form of 300 + 700 fen that stands in a state."""
    wished = propose_amendment(a_case(state, **fields), "maker-2", "the base of 2022 was wrong").case
    form = a_form(items(account_fen, pool_fen), form_version=2, transfer_on=MONDAY)
    return amend_form(wished, "checker-2", form, due=LATER)


def test_an_approved_form_is_told_with_both_persons_and_leaves_for_the_destination() -> None:
    form = a_form(items(300, 700), form_version=1, months=27)

    outcome = issue_form(a_case(State.HANDLING_PROPOSED), "checker-1", form)

    assert outcome.case == a_case(State.FORM_ISSUED, form_digest=outcome.case.form_digest)
    assert len(outcome.case.form_digest) == 64
    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument]
    issued = fact(outcome)
    assert (issued.items, issued.supersedes, issued.months) == (form.items, None, 27)
    assert (issued.maker, issued.checker) == ("maker-1", "checker-1")
    letter = outcome.told[-1]
    assert letter == Letter(InformationFormDocument, form, CASE, PERSON, "33", version=1)


def test_whoever_proposed_the_form_cannot_approve_it() -> None:
    case = a_case(State.HANDLING_PROPOSED)

    with pytest.raises(SamePerson):
        issue_form(case, "maker-1", a_form())


def test_a_form_without_money_ends_the_relationship_at_once_and_nothing_is_to_be_paid() -> None:
    proposed = a_case(state=State.HANDLING_PROPOSED, proposal=FORM)
    form = a_form(items=items(account_fen=0, pool_fen=0))

    outcome = issue_form(proposed, "checker", form)

    assert (outcome.case.state, outcome.case.closed) == (State.REMITTED, True)
    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument, RelationshipClosed, AccountClosed]
    with pytest.raises(NotNow):
        propose_remittance(outcome.case)


def test_what_cannot_move_stays_is_told_in_writing_and_does_not_end_the_relationship() -> None:
    form = a_form(not_movable=STAYS, transfer_on=MONDAY)

    outcome = issue_form(a_case(State.HANDLING_PROPOSED), "checker-1", form, contact=CONTACT, told_by=NOTICE_BY)

    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument, NotMovableNotified]
    notice = fact(outcome, 2)
    assert (notice.months, notice.account_fen, notice.pool_fen, notice.reasons) == (60, 500, 900, STAYS.reasons)
    assert (notice.due_on, notice.language, notice.personal) == (NOTICE_BY, "en", CONTACT.personal)
    assert (notice.maker, notice.checker) == ("maker-1", "checker-1")
    assert (outcome.case.not_movable, outcome.case.leaves_whole) == (STAYS, False)
    paid = remitted(
        replace(outcome.case, state=State.REMITTANCE_ORDERED, remittance_id="R1", ordered_fen=1000),
        bank_reference="B1",
        amount_fen=1000,
        maker="fund-1",
        checker="checker-1",
    )
    assert RelationshipClosed not in kinds(paid)


def test_a_second_form_supersedes_the_first_and_the_difference_is_booked() -> None:
    outcome = amended(State.FORM_ISSUED, 400, 800)

    issued = fact(outcome)
    entry = book("e1", issued)
    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument]
    assert (issued.form_version, issued.items, issued.supersedes) == (2, items(400, 800), items(300, 700))
    assert (issued.maker, issued.checker) == ("maker-2", "checker-2")
    assert outcome.case.to_remit_fen == 1200
    assert (outcome.case.state, outcome.case.wish) == (State.FORM_ISSUED, None)
    assert entry is not None
    assert entry.changes() == {individual(PERSON): -100, "pooled_fund": -100, transfers_payable("33"): 200}


@pytest.mark.parametrize("state", sorted(AMENDABLE))
def test_a_larger_form_is_to_be_paid_by_its_difference_from_wherever_it_was_replaced(state: State) -> None:
    paid = a_case(state).remitted_fen

    outcome = amended(state, 400, 800)

    assert outcome.case.to_remit_fen == 1200 - paid
    assert outcome.case.state is (state if state in TO_BE_PAID else State.FORM_ISSUED)
    assert propose_remittance(outcome.case).case.state is State.REMITTANCE_PROPOSED


@pytest.mark.parametrize("state", [State.REMITTED, State.SETTLED])
def test_a_difference_that_is_to_be_paid_after_everything_was_has_a_clock_of_its_own(state: State) -> None:
    outcome = amended(state, 400, 800, breached=True, reminded=True)

    assert (outcome.case.due, outcome.case.breached, outcome.case.reminded) == (LATER, False, False)


@pytest.mark.parametrize("state", sorted(TO_BE_PAID))
def test_a_form_that_was_not_paid_yet_keeps_its_clock(state: State) -> None:
    case = a_case(state)

    assert amended(state, 400, 800).case.due == case.due


@pytest.mark.parametrize("state", [State.REMITTED, State.SETTLED])
@pytest.mark.parametrize(("account_fen", "pool_fen"), [(300, 600), (400, 600)], ids=["smaller", "the same"])
def test_a_form_that_owes_nothing_more_waits_for_the_destination_to_book_it(
    state: State, account_fen: int, pool_fen: int
) -> None:
    outcome = amended(state, account_fen, pool_fen)

    assert outcome.case.state is State.REMITTED
    assert kinds(outcome) == [InformationFormIssued, InformationFormDocument]  # the relationship ended before
    with pytest.raises(NotNow):
        propose_remittance(outcome.case)


def test_a_form_that_shrinks_to_nothing_before_it_was_paid_ends_the_relationship() -> None:
    outcome = amended(State.FORM_ISSUED, 0, 0)

    assert outcome.case.state is State.REMITTED
    assert kinds(outcome)[2:] == [RelationshipClosed, AccountClosed]


def test_the_first_forms_day_stays_the_day_of_every_later_one() -> None:
    assert amended(State.SETTLED, 400, 800).case.transfer_on == MONDAY


def test_where_the_destination_settles_with_the_heirs_no_form_is_replaced_any_more() -> None:
    dead = a_case(State.SETTLED, died_on=MONDAY)
    wished = propose_amendment(a_case(State.SETTLED), "maker-2", "why").case

    with pytest.raises(Refused, match="PERSON_DECEASED"):
        propose_amendment(dead, "maker-2", "why")
    with pytest.raises(Refused, match="PERSON_DECEASED"):
        amend_form(replace(wished, died_on=MONDAY), "checker-2", a_form(form_version=2), due=LATER)
    assert propose_amendment(a_case(State.REMITTED, died_on=MONDAY), "maker-2", "why").case.wish is not None


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ({}, {}),  # the same again
        ({"rule_set": "2024-01"}, {"rule_set": "2024-02"}),  # by tables of which nothing came to bear
    ],
    ids=["the same", "by other tables"],
)
def test_a_later_form_that_says_what_the_one_before_said_is_refused_by_name(out: dict[str, Any], says: dict[str, Any]) -> None:
    first = issue_form(a_case(State.HANDLING_PROPOSED), "checker-1", a_form(form_version=1, **out)).case
    wished = propose_amendment(first, "maker-2", "why").case

    with pytest.raises(Refused) as refused:
        amend_form(wished, "checker-2", a_form(form_version=2, amendment="why", **says), due=LATER)

    assert refused.value.code == "NOTHING_CHANGES"
    assert refused.value.remedy is not None
    assert "Correct the record" in refused.value.remedy


@pytest.mark.parametrize(
    "changed",
    [
        {"items": items(301, 700)},
        {"months": 1},
        {"stopped_on": date(2024, 4, 30)},
        {"papers": (AttachedPaper(kind="COURT_JUDGMENT", dated=MONDAY, issuer="court"),)},
    ],
    ids=["amounts", "months", "a day", "a paper"],
)
def test_a_later_form_that_says_anything_else_is_issued(changed: dict[str, Any]) -> None:
    first = issue_form(a_case(State.HANDLING_PROPOSED), "checker-1", a_form(form_version=1)).case
    wished = propose_amendment(first, "maker-2", "why").case

    amended = amend_form(wished, "checker-2", a_form(form_version=2, **changed), due=LATER).case

    assert amended.form_version == 2
    assert amended.form_digest != first.form_digest


def test_what_the_destination_gave_back_or_set_aside_may_be_said_once_more() -> None:
    first = issue_form(a_case(State.HANDLING_PROPOSED), "checker-1", a_form(form_version=1)).case
    query = Question(question_id=CASE, letter_no=LETTER_NO, kind=SET_ASIDE, text="not booked")
    aside = question_received(first, query, SEALED, today=MONDAY).case
    other = question_received(first, query.model_copy(update={"kind": "other"}), SEALED, today=MONDAY).case

    for case in (replace(first, sent_back=True), aside):
        wished = propose_amendment(case, "maker-2", "why").case
        amended = amend_form(wished, "checker-2", a_form(form_version=2), due=LATER).case
        assert (amended.form_version, amended.sent_back, amended.form_digest) == (2, False, first.form_digest)

    with pytest.raises(Refused, match="NOTHING_CHANGES"):
        amend_form(propose_amendment(other, "maker-2", "why").case, "checker-2", a_form(form_version=2), due=LATER)
    assert destination_set_aside == SET_ASIDE  # the word that the destination sends


def test_whoever_proposed_an_amendment_cannot_approve_it() -> None:
    wished = propose_amendment(a_case(State.REMITTED), "maker-2", "why").case

    with pytest.raises(SamePerson):
        amend_form(wished, "maker-2", a_form(form_version=2), due=LATER)


def test_no_form_is_replaced_that_nobody_proposed_to_replace() -> None:
    with pytest.raises(NotNow, match="approving an amendment"):
        amend_form(a_case(State.REMITTED), "checker-2", a_form(form_version=2), due=LATER)


def test_while_the_bank_has_an_order_in_hand_no_form_is_replaced() -> None:
    overtaken = a_case(State.SETTLED, remitted_fen=0, ordered_fen=1000)

    with pytest.raises(NotNow):
        propose_amendment(overtaken, "maker-2", "why")
    with pytest.raises(NotNow):
        amend_form(
            replace(overtaken, wish=propose_amendment(a_case(State.SETTLED), "maker-2", "why").case.wish),
            "checker-2",
            a_form(form_version=2),
            due=LATER,
        )


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_what_stays_is_told_before_the_form_and_the_form_does_not_tell_it_again(state: State) -> None:
    proposed = propose_notice(a_case(state, notice_until=NOTICE_BY), "maker-1", ()).case
    told = notify_not_movable(proposed, "checker-1", STAYS, told_by=NOTICE_BY, contact=CONTACT)
    form = a_form().model_copy(update={"not_movable": STAYS.model_copy(update={"account_fen": 501})})
    ready = replace(told.case, state=State.HANDLING_PROPOSED, proposal=FORM)

    issued = issue_form(ready, "checker-1", form, contact=CONTACT, told_by=NOTICE_BY)

    notice = fact(told)
    assert (notice.months, notice.reasons, notice.due_on, notice.maker, notice.checker) == (
        60,
        STAYS.reasons,
        NOTICE_BY,
        "maker-1",
        "checker-1",
    )
    assert (told.case.notice_until, told.case.told_stays, told.case.wish, told.case.state) == (None, STAYS, None, state)
    assert NotMovableNotified not in kinds(issued)
    with pytest.raises(Refused, match="ALREADY_NOTIFIED"):
        propose_notice(told.case, "maker-1", ())


def test_the_form_tells_what_differs_from_the_notice_and_ends_its_clock() -> None:
    told = replace(a_case(State.HANDLING_PROPOSED, proposal=FORM), told_stays=STAYS, notice_until=NOTICE_BY)
    fewer = a_form().model_copy(update={"not_movable": STAYS.model_copy(update={"months": 48})})

    some = issue_form(told, "checker-1", fewer, contact=CONTACT, told_by=NOTICE_BY)
    none = issue_form(told, "checker-1", a_form())

    assert NotMovableNotified in kinds(some)
    assert NotMovableNotified not in kinds(none)
    assert (some.case.notice_until, none.case.notice_until) == (None, None)


def test_one_person_tells_nobody_what_stays() -> None:
    proposed = propose_notice(a_case(), "maker-1", ()).case

    with pytest.raises(SamePerson):
        notify_not_movable(proposed, "maker-1", STAYS, told_by=NOTICE_BY, contact=CONTACT)
    with pytest.raises(NotNow):
        notify_not_movable(a_case(), "checker-1", STAYS, told_by=NOTICE_BY, contact=CONTACT)


def arrears(case: Case, months: int = 2) -> Outcome:
    return notify_arrears(case, "maker-1", months=months, pay_until=date(2024, 5, 20), contact=CONTACT)


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_the_person_is_told_once_which_months_are_unpaid(state: State) -> None:
    outcome = arrears(a_case(state))

    assert kinds(outcome) == [ArrearsNotified]
    told = fact(outcome)
    assert (told.months, told.pay_until, told.language, told.personal) == (2, date(2024, 5, 20), "en", CONTACT.personal)
    assert (told.case_id, told.actor) == (CASE, "maker-1")
    assert outcome.case.state is state
    with pytest.raises(Refused, match="ALREADY_NOTIFIED"):
        arrears(outcome.case)


def test_who_owes_nothing_is_told_nothing() -> None:
    with pytest.raises(Refused, match="NO_ARREARS"):
        arrears(a_case(), months=0)
