"""Questions between the agencies: asked, received, answered once each, and no clock stands for them."""

from datetime import date

import pytest

from contracts.base import SealedForPerson
from contracts.documents import Answer, AnswerToDestinationDocument, Question, QuestionToDestinationDocument
from contracts.events import AnswerReceived, QuestionAnswered, QuestionAsked, QuestionReceived
from services.origin_agency.case import OPEN_LEG, Outcome, Refused, State
from services.origin_agency.clocks import look_at_clock
from services.origin_agency.questions import answer, answer_received, ask, question_received
from tests.builders import a
from tests.unit.origin_agency.builders import DUE_ON, LETTER_NO, MONDAY, SEALED, a_case, body, fact, kinds

ID = "018f4c1e-0000-7000-8000-0000000000aa"
QUESTION = Question(letter_no=LETTER_NO, question_id=ID, kind="MONTHS_DIFFER", text="27 months or 26?")
ANSWER = Answer(letter_no=LETTER_NO, question_id=ID, text="27, January 2024 was paid.", confirms=True)
ANSWER_SEALED = a(SealedForPerson, ciphertext="BBBB")
TUESDAY = date(2024, 5, 7)


def test_a_question_leaves_for_the_destination_and_its_words_are_sealed_on_the_journal() -> None:
    outcome = ask(a_case(State.REMITTED), "maker-1", QUESTION, SEALED, today=MONDAY)

    assert kinds(outcome) == [QuestionAsked, QuestionToDestinationDocument]
    asked = fact(outcome)
    assert (asked.question_id, asked.asked, asked.kind, asked.text, asked.actor) == (ID, "33", "MONTHS_DIFFER", SEALED, "maker-1")
    assert body(outcome) == QUESTION
    assert outcome.case.unanswered == ()  # it is theirs to answer
    assert outcome.case.state is State.REMITTED


def test_a_question_of_the_destination_waits_until_somebody_answers() -> None:
    received = question_received(a_case(), QUESTION, SEALED, today=MONDAY)

    answered = answer(received.case, "maker-2", ANSWER, ANSWER_SEALED, today=TUESDAY)

    assert kinds(received) == [QuestionReceived]
    assert [each.question_id for each in received.case.unanswered] == [ID]
    assert kinds(answered) == [QuestionAnswered, AnswerToDestinationDocument]
    assert (fact(answered).asked_by, fact(answered).confirms, fact(answered).text) == ("33", True, ANSWER_SEALED)
    assert answered.case.unanswered == ()
    [kept] = answered.case.questions
    assert (kept.answer, kept.confirms, kept.answered_on) == (ANSWER_SEALED, True, TUESDAY)


def test_a_question_that_comes_twice_is_on_the_list_once() -> None:
    first = question_received(a_case(), QUESTION, SEALED, today=MONDAY)

    assert question_received(first.case, QUESTION, SEALED, today=MONDAY) == Outcome(first.case)


def test_a_question_is_answered_once_and_an_answer_has_a_question() -> None:
    received = question_received(a_case(), QUESTION, SEALED, today=MONDAY)
    answered = answer(received.case, "maker-2", ANSWER, ANSWER_SEALED, today=TUESDAY)

    for case in (a_case(), answered.case):
        with pytest.raises(Refused, match="NO_SUCH_QUESTION"):
            answer(case, "maker-2", ANSWER, ANSWER_SEALED, today=TUESDAY)


def test_the_answer_of_the_destination_is_kept_with_the_question() -> None:
    asked = ask(a_case(), "maker-1", QUESTION, SEALED, today=MONDAY)

    outcome = answer_received(asked.case, ANSWER, ANSWER_SEALED, today=TUESDAY)

    assert kinds(outcome) == [AnswerReceived]
    assert (fact(outcome).answered_by, fact(outcome).confirms, fact(outcome).text) == ("33", True, ANSWER_SEALED)
    for case in (a_case(), outcome.case):
        with pytest.raises(Refused, match="NO_SUCH_QUESTION"):
            answer_received(case, ANSWER, ANSWER_SEALED, today=TUESDAY)


def test_their_question_is_not_answered_by_an_answer_of_theirs() -> None:
    received = question_received(a_case(), QUESTION, SEALED, today=MONDAY)

    with pytest.raises(Refused, match="NO_SUCH_QUESTION"):
        answer_received(received.case, ANSWER, ANSWER_SEALED, today=TUESDAY)


@pytest.mark.parametrize("state", sorted(OPEN_LEG))
def test_no_clock_stands_for_a_question(state: State) -> None:
    case = a_case(state)

    asked = ask(case, "maker-1", QUESTION, SEALED, today=MONDAY).case
    received = question_received(case, QUESTION.model_copy(update={"question_id": "b" * 36}), SEALED, today=MONDAY).case

    for each in (asked, received):
        assert each.due == case.due
        assert look_at_clock(each, today=DUE_ON.replace(day=25), escalate_on=DUE_ON).case.breached
