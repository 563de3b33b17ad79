"""Questions between the two agencies: asked, heard, answered once, and no clock stands for them."""

from dataclasses import replace

import pytest

from contracts.events import AnswerReceived, QuestionAnswered, QuestionAsked, QuestionReceived
from services.destination_agency.case import AFTER_LETTER, OPEN_AFTER_LETTER, Refused, State
from services.destination_agency.questions import answer, answer_received, ask, question_received
from tests.unit.destination_agency.builders import (
    ARRIVED,
    BOOKED,
    QUESTION,
    SEALED,
    a_form,
    a_question,
    an_answer,
    fact_of,
    form_comes,
    in_state,
    lettered,
    letters_of,
    names,
)


@pytest.mark.parametrize("state", sorted(OPEN_AFTER_LETTER))
def test_a_question_leaves_with_its_words_and_stops_no_clock(state: State) -> None:
    case = in_state(state)

    outcome = ask(case, "maker-33", a_question("SHORT"), SEALED, today=ARRIVED)

    fact = fact_of(outcome, QuestionAsked)
    [letter] = letters_of(outcome)
    assert names(outcome) == ["question.asked", "document.question_to_origin"]
    assert (fact.question_id, fact.asked, fact.kind, fact.text, fact.actor) == (QUESTION, "44", "SHORT", SEALED, "maker-33")
    assert (letter.addressee, letter.body) == ("44", a_question("SHORT"))
    assert (outcome.case.state, outcome.case.due, outcome.case.public()) == (case.state, case.due, case.public())


def test_a_question_remembers_which_form_it_is_about() -> None:
    before = ask(lettered(), "maker-33", a_question(), SEALED, today=ARRIVED).case
    about = ask(form_comes(lettered(), a_form(3)).case, "maker-33", a_question(), SEALED, today=ARRIVED).case

    assert [question.form_version for case in (before, about) for question in case.questions] == [0, 3]


@pytest.mark.parametrize("state", sorted(AFTER_LETTER))
def test_the_origin_s_question_is_on_the_work_list_until_it_is_answered(state: State) -> None:
    heard = question_received(in_state(state), a_question(), SEALED, sender="44", today=ARRIVED)

    outcome = answer(heard.case, "maker-33", an_answer(), SEALED, today=BOOKED)

    assert fact_of(heard, QuestionReceived).asked_by == "44"
    assert [question.question_id for question in heard.case.unanswered] == [QUESTION]
    fact = fact_of(outcome, QuestionAnswered)
    [letter] = letters_of(outcome)
    assert (fact.question_id, fact.asked_by, fact.confirms, fact.actor) == (QUESTION, "44", True, "maker-33")
    assert (letter.addressee, letter.body) == ("44", an_answer())
    assert outcome.case.unanswered == ()
    assert outcome.case.state is state


def test_the_same_question_twice_is_one_question() -> None:
    heard = question_received(lettered(), a_question(), SEALED, sender="44", today=ARRIVED).case

    again = question_received(heard, a_question(), SEALED, sender="44", today=BOOKED)

    assert (again.case, again.told) == (heard, ())


def test_a_question_is_answered_once_and_only_by_whoever_was_asked() -> None:
    ours = ask(lettered(), "maker-33", a_question(), SEALED, today=ARRIVED).case
    answered = answer(
        question_received(lettered(), a_question(), SEALED, sender="44", today=ARRIVED).case,
        "maker-33",
        an_answer(),
        SEALED,
        today=BOOKED,
    ).case

    for case in (lettered(), ours, answered):
        with pytest.raises(Refused, match="NO_SUCH_QUESTION"):
            answer(case, "maker-33", an_answer(), SEALED, today=BOOKED)


def test_the_origin_s_answer_stands_beside_our_question() -> None:
    asked = ask(lettered(), "maker-33", a_question(), SEALED, today=ARRIVED).case

    outcome = answer_received(asked, an_answer(confirms=False), SEALED, sender="44", today=BOOKED)

    fact = fact_of(outcome, AnswerReceived)
    [question] = outcome.case.questions
    assert (fact.question_id, fact.answered_by, fact.confirms) == (QUESTION, "44", False)
    assert (question.answer, question.confirms, question.answered_on) == (SEALED, False, BOOKED)


def test_an_answer_that_nobody_asked_for_or_that_was_given_is_not_expected() -> None:
    theirs = question_received(lettered(), a_question(), SEALED, sender="44", today=ARRIVED).case
    asked = ask(lettered(), "maker-33", a_question(), SEALED, today=ARRIVED).case
    given = answer_received(asked, an_answer(), SEALED, sender="44", today=BOOKED).case

    for case in (lettered(), theirs, given):
        with pytest.raises(Refused, match="NO_SUCH_QUESTION"):
            answer_received(case, an_answer(), SEALED, sender="44", today=BOOKED)


def test_who_was_asked_before_the_letter_went_elsewhere_answers_its_own_question_and_nobody_else_s() -> None:
    asked = ask(lettered(), "maker-33", a_question(), SEALED, today=ARRIVED).case
    readdressed = replace(asked, origin="41", former=("44",))

    outcome = answer_received(readdressed, an_answer(), SEALED, sender="44", today=BOOKED)

    assert fact_of(outcome, AnswerReceived).answered_by == "44"
    with pytest.raises(Refused, match="NO_SUCH_QUESTION"):
        answer_received(readdressed, an_answer(), SEALED, sender="41", today=BOOKED)


def test_a_question_of_a_former_origin_is_kept_under_its_own_name() -> None:
    readdressed = replace(lettered(), origin="41", former=("44",))

    heard = question_received(readdressed, a_question(), SEALED, sender="44", today=ARRIVED)

    assert fact_of(heard, QuestionReceived).asked_by == "44"
