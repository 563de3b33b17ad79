"""Every state meets every verb: it works, or it is refused by name. The rows are those from which the docs are made."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from contracts.base import Fact, SealedForPerson
from contracts.documents import DeathReport, LetterReturn, WithdrawalAnswer
from contracts.events import DeathReported
from services.destination_agency import application, clocks, completion, deaths, gathering, letters, meeting, questions, recalls
from services.destination_agency.case import Case, Decision, NotNow, Outcome, Proposal, State
from services.destination_agency.case import Question as Asked
from services.destination_agency.matching import Examined
from services.destination_agency.verbs import VERBS
from services.notification.notices import asks_for_a_notice
from services.records.verbs import Verb
from tests.unit.destination_agency.builders import (
    ACCEPT,
    ADMISSION_DUE,
    APPLIED,
    ARRIVED,
    BOOKED,
    BOOKING_DUE,
    CURABLE_UNTIL,
    DECIDED,
    LETTER_NO,
    ORIGIN_DUE,
    QUESTION,
    RECALL,
    RECALL_DUE,
    REFUSE,
    RETURNED_MONEY,
    SEALED,
    TABLES,
    a_form,
    a_letter,
    a_line,
    a_question,
    an_answer,
    in_state,
)

BY_NAME = {verb.name: verb for verb in VERBS}
REPORT = DeathReport(letter_no=LETTER_NO, died_on=APPLIED, reported_on=BOOKED)


def _waiting(case: Case, proposal: Proposal) -> Case:
    """As if a maker had proposed just that, in whatever state the case is."""
    return replace(case, proposal=proposal)


def _decided(case: Case, decision: Decision) -> Case:
    return replace(case, decision=decision, maker="maker-33")


def _asked(case: Case, by: str) -> Case:
    """With one question that has no answer yet."""
    return replace(case, questions=(Asked(QUESTION, by, "other", ARRIVED, SEALED, asked="44" if by == "33" else "33"),))


def _differing(case: Case) -> Case:
    """With a fault of the form that the origin has confirmed in its answer."""
    answered = Asked(QUESTION, "33", "AMOUNTS_DIFFER", ARRIVED, SEALED, 1, "44", ARRIVED, True, SEALED)
    form = case.form or a_form()
    return replace(case, form=form, discrepancy="AMOUNTS_DIFFER", questions=(answered,))


def _corrected(case: Case) -> Outcome:
    letter = a_letter().model_copy(update={"letter_version": case.letter_version + 1, "origin_division": "410100"})
    if case.state in letters.PAYEE_ALONE:
        letter = letter.model_copy(update={"origin_division": case.origin_division})
    proposal = Proposal("letter", "maker-33", "why", division=letter.origin_division)
    return letters.correct_letter(
        _waiting(case, proposal), "checker-33", letter, today=BOOKED, due=ORIGIN_DUE, open_key=b"n" * 32
    )


def _newer(case: Case) -> Outcome:
    version = case.form.form_version + 1 if case.form else 1
    return meeting.receive_form(case, a_form(version), Examined(None), today=ARRIVED, due=BOOKING_DUE)


def _answered(case: Case, *, confirmed: bool) -> Outcome:
    answer = WithdrawalAnswer(letter_no=LETTER_NO, confirmed=confirmed, reason="the form is approved")
    return application.withdrawal_answered(case, answer, sender=case.origin, today=ARRIVED)


def _division(case: Case) -> str:
    return "" if case.state in letters.PAYEE_ALONE else "410100"


# How each verb is tried: everything but the case is filled in so that nothing but the case's state can stand against it.
TRIED: dict[str, Callable[[Case], Outcome]] = {
    "ask for material": lambda case: application.ask_for_material(
        replace(case, asked=()), "maker-33", ("IDENTITY_DOCUMENT",), today=DECIDED
    ),
    "supply material": lambda case: application.supply_material(
        case, "insured-1", case.asked, today=ARRIVED, due=ADMISSION_DUE, paused_days=1
    ),
    "propose admission": lambda case: application.propose_admission(case, "maker-33", ACCEPT),
    "refuse": lambda case: application.refuse(_decided(case, REFUSE), "checker-33", today=DECIDED, rule_set="2024.1"),
    "send the letter": lambda case: application.send_letter(
        _decided(case, ACCEPT), "checker-33", a_letter(), today=DECIDED, due=ORIGIN_DUE, rule_set="2024.1"
    ),
    "propose cancellation": lambda case: application.propose_cancellation(case, "maker-33", "in error"),
    "cancel": lambda case: application.cancel(
        _waiting(case, Proposal("cancellation", "maker-33", "in error")), "checker-33", today=DECIDED
    ),
    "withdraw": lambda case: application.withdraw(case, "insured-1", today=DECIDED),
    "hear a confirmed withdrawal": lambda case: _answered(case, confirmed=True),
    "hear a declined withdrawal": lambda case: _answered(case, confirmed=False),
    "hear a return": lambda case: letters.returned(
        case,
        LetterReturn(letter_no=LETTER_NO, code="NO_RELATIONSHIP", legal_basis="Art. 8", curable_until=CURABLE_UNTIL),
        today=ARRIVED,
    ),
    "propose a corrected letter": lambda case: letters.propose_letter(case, "maker-33", letters.Change("why", _division(case))),
    "correct the letter": _corrected,
    "close": lambda case: letters.close(case, "maker-33", "no more", today=date(2024, 12, 31)),
    "take a form": _newer,
    "note an old form": lambda case: meeting.receive_form(
        replace(case, form=a_form(9)), a_form(1), Examined(None), today=ARRIVED, due=BOOKING_DUE
    ),
    "take money": lambda case: meeting.receive_funds(case, a_line(), today=ARRIVED, due=BOOKING_DUE),
    "hear of a returned payment": lambda case: meeting.payment_returned(case, RETURNED_MONEY, today=ARRIVED),
    "propose agreement": lambda case: meeting.propose_agreement(_differing(case), "maker-33", QUESTION, "another method"),
    "agree": lambda case: meeting.agree(
        _waiting(_differing(case), Proposal("agreement", "maker-33", "another method", question_id=QUESTION)),
        "checker-33",
        today=BOOKED,
        due=BOOKING_DUE,
    ),
    "propose completion": lambda case: completion.propose_completion(case, "maker-33"),
    "complete": lambda case: completion.complete(replace(case, maker="maker-33"), "checker-33", today=BOOKED),
    "choose between months paid twice": lambda case: completion.choose_duplicates(case, "insured-1", "own"),
    "clear months paid twice": lambda case: completion.clear_duplicates(
        _waiting(case, Proposal("duplicates", "insured-1", kept="own")),
        "checker-33",
        months=3,
        refund_principal_fen=120_000,
        refund_interest_fen=794,
        rule_set="2024.1",
        today=BOOKED,
    ),
    "propose correction": lambda case: completion.propose_correction(case, "maker-33"),
    "correct": lambda case: completion.correct(replace(case, maker="maker-33"), "checker-33", today=BOOKED),
    "propose to set a correction aside": lambda case: completion.propose_setting_aside(case, "maker-33", "booked otherwise"),
    "set a correction aside": lambda case: completion.set_aside(
        _waiting(case, Proposal("aside", "maker-33", "booked otherwise")), "checker-33", today=BOOKED
    ),
    "hear a recall": lambda case: recalls.recall_received(case, RECALL, due=RECALL_DUE),
    "propose the answer to a recall": lambda case: recalls.propose_recall_answer(
        case, "maker-33", agreed=True, reason="another person"
    ),
    "decline a recall": lambda case: recalls.decline_recall(
        _waiting(case, Proposal("recall", "maker-33", "it is right")), "checker-33", today=BOOKED, due=BOOKING_DUE
    ),
    "give a transfer up": lambda case: recalls.recall(
        _waiting(case, Proposal("recall", "maker-33", "it was wrong", agreed=True)), "checker-33", today=BOOKED
    ),
    "send money back": lambda case: meeting.propose_sending_back(
        replace(case, received_fen=case.expected_fen + 700), "fund-desk-33"
    ),
    "ask": lambda case: questions.ask(case, "maker-33", a_question(), SEALED, today=ARRIVED),
    "hear a question": lambda case: questions.question_received(case, a_question(), SEALED, sender="44", today=ARRIVED),
    "answer": lambda case: questions.answer(_asked(case, "44"), "maker-33", an_answer(), SEALED, today=BOOKED),
    "hear an answer": lambda case: questions.answer_received(_asked(case, "33"), an_answer(), SEALED, sender="44", today=BOOKED),
    "remind": lambda case: clocks.remind(case, today=BOOKED),
    "escalate": lambda case: clocks.escalate(replace(case, breached=True, escalated=False), "maker-33"),
    "look at the clock": lambda case: clocks.look_at_clock(case, today=date(2024, 12, 31)),
    "report a death": lambda case: deaths.report_death(
        replace(case, died_on=None),
        "maker-33",
        died_on=APPLIED,
        reported_on=BOOKED,
        reported_by="family",
        today=BOOKED,
        tables=TABLES,
    ),
    "hear of a death": lambda case: deaths.death_heard(
        replace(case, died_on=None), REPORT, sender="44/origin-agency", today=BOOKED, tables=TABLES
    ),
    "propose settlement": lambda case: deaths.propose_settlement(
        replace(case, died_on=APPLIED), "maker-33", today=BOOKED, tables=TABLES
    ),
    "settle": lambda case: deaths.settle(
        _waiting(case, Proposal("settlement", "maker-33")), "checker-33", amount_fen=1, legal_basis="社会保险法 第十四条"
    ),
}

WALKED = [(state, verb) for verb in VERBS if verb.states for state in sorted(State)]


@pytest.mark.parametrize(("state", "verb"), WALKED, ids=lambda each: each.name if isinstance(each, Verb) else str(each))
def test_every_verb_works_in_its_states_and_is_refused_by_name_in_every_other(state: State, verb: Verb) -> None:
    case = in_state(state)

    if state in verb.states:
        outcome = TRIED[verb.name](case)
        told = {type(item) for item in outcome.told}
        kinds = {item.kind for item in outcome.told if hasattr(item, "kind") and hasattr(item, "addressee")}
        assert isinstance(outcome, Outcome)
        assert outcome.case.case_id == case.case_id
        assert {kind.__name__ for kind in told} - {"Letter"} <= {fact.__name__ for fact in verb.facts}
        assert kinds <= {verb.document}
    else:
        with pytest.raises(NotNow) as refused:
            TRIED[verb.name](case)
        assert refused.value.state is state
        assert refused.value.step


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.states], ids=lambda verb: verb.name.replace(" ", "-"))
def test_the_person_is_told_of_a_verb_whose_row_says_so_and_of_no_other(verb: Verb) -> None:
    told = [TRIED[verb.name](in_state(State(state))).told for state in sorted(verb.states)]
    # Nobody is written to about their own death: from the report on the notification service sends nothing.
    living = [each for outcome in told if not any(isinstance(fact, DeathReported) for fact in outcome) for each in outcome]

    assert any(isinstance(each, Fact) and asks_for_a_notice(each) for each in living) is bool(verb.person)


def test_the_walk_leaves_no_pair_out() -> None:
    walked = [verb for verb in VERBS if verb.states]
    works = sum(len(verb.states) for verb in walked)

    assert TRIED.keys() == {verb.name for verb in walked}
    assert [verb.name for verb in VERBS if not verb.states] == ["apply", "gather"]
    assert len(WALKED) == len(walked) * len(State)
    # The figures of the closing note; a verb or a state more changes them, and is seen here.
    assert (len(walked), len(State), works, len(WALKED) - works) == (44, 22, 292, 676)


def test_every_step_of_the_pure_modules_that_a_case_can_take_has_its_row() -> None:
    modules = (application, letters, meeting, completion, recalls, questions, deaths, clocks)
    steps = {
        value
        for module in modules
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        if value.__annotations__.get("return") is Outcome
    }

    # What is no step by itself: parts of steps, the bank's answer to an approved return, the calendar of a new year.
    parts = {application.cancelled, meeting.meet, meeting.order_return, meeting.sent_back, clocks.count_again}
    assert steps - parts == {verb.act for verb in VERBS} - {gathering.decide_place}


def test_every_row_says_who_may_what_the_others_see_and_on_which_basis() -> None:
    names = Counter(verb.name for verb in VERBS)

    assert [name for name, times in names.items() if times > 1] == []
    assert [verb.name for verb in VERBS if not all((verb.command, verb.does, verb.other_side, verb.basis))] == []
    approvals = [verb for verb in VERBS if verb.command.endswith("/approvals") and verb.name != "send money back"]
    assert {role for verb in approvals for role in verb.roles} == {"checker"}
    # Whatever two persons decide has a maker's row that says who checks.
    proposals = {verb.command.rpartition("/")[0] for verb in VERBS if verb.checked_by}
    assert {verb.command.rpartition("/")[0].split(", ")[-1] for verb in approvals} <= {
        part for command in proposals for part in command.split(", ")
    } | {"POST /duplicates"}


def test_words_of_a_question_are_never_in_clear_on_the_case() -> None:
    assert Asked.__annotations__["text"] is SealedForPerson
