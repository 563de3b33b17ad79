"""Questions between the two agencies of a case, from the origin's side: no clock stands for them. Pure."""

from dataclasses import replace
from datetime import date

from contracts.base import SealedForPerson
from contracts.documents import Answer, AnswerToDestinationDocument, QuestionToDestinationDocument
from contracts.documents import Question as QuestionBody
from contracts.events import AnswerReceived, QuestionAnswered, QuestionAsked, QuestionReceived
from services.origin_agency.case import ENDED, Case, NotNow, Outcome, Question, Refused, State
from services.records.decisions import Letter

ASKABLE = frozenset(State) - ENDED
# The destination does not book the later form and asks for another correction.
SET_ASIDE = "CORRECTION_SET_ASIDE"


def ask(case: Case, actor: str, body: QuestionBody, sealed: SealedForPerson, *, today: date) -> Outcome:
    """A clerk asks the destination.

    Args:
        body: what is asked, as the destination reads it.
        sealed: its words under the person's key.

    Raises:
        NotNow: when the case has ended.
    """
    if case.state not in ASKABLE:
        raise NotNow("a question", case.state)
    fact = QuestionAsked(
        case_id=case.case_id,
        person_ref=case.known_as,
        question_id=body.question_id,
        asked=case.destination,
        kind=body.kind,
        text=sealed,
        actor=actor,
    )
    letter = Letter(QuestionToDestinationDocument, body, case.case_id, case.known_as, case.destination)
    question = Question(body.question_id, True, body.kind, case.known_as, sealed, today)
    return Outcome(replace(case, questions=(*case.questions, question)), (fact, letter))


def question_received(case: Case, body: QuestionBody, sealed: SealedForPerson, *, today: date) -> Outcome:
    """The destination asks; the question stands on the work list, whatever the case's state."""
    if any(known.question_id == body.question_id for known in case.questions):
        return Outcome(case)
    fact = QuestionReceived(
        case_id=case.case_id,
        person_ref=case.known_as,
        question_id=body.question_id,
        asked_by=case.destination,
        kind=body.kind,
        text=sealed,
    )
    question = Question(body.question_id, False, body.kind, case.known_as, sealed, today)
    # What was set aside may be said once more.
    digest = "" if body.kind == SET_ASIDE else case.form_digest
    return Outcome(replace(case, questions=(*case.questions, question), form_digest=digest), (fact,))


def answer(case: Case, actor: str, body: Answer, sealed: SealedForPerson, *, today: date) -> Outcome:
    """A clerk answers a question of the destination, in every state.

    Raises:
        Refused: when no such question waits for an answer.
    """
    waiting = next((each for each in case.unanswered if each.question_id == body.question_id), None)
    if waiting is None:
        raise Refused("NO_SUCH_QUESTION", "No question of this id waits for an answer.", remedy="Look at the case's questions.")
    fact = QuestionAnswered(
        case_id=case.case_id,
        person_ref=case.known_as,
        question_id=body.question_id,
        asked_by=case.destination,
        confirms=body.confirms,
        text=sealed,
        actor=actor,
    )
    letter = Letter(AnswerToDestinationDocument, body, case.case_id, case.known_as, case.destination)
    return Outcome(_answered(case, waiting, sealed, body.confirms, today), (fact, letter))


def answer_received(case: Case, body: Answer, sealed: SealedForPerson, *, today: date) -> Outcome:
    """The destination answered.

    Raises:
        Refused: when it was not asked, or has answered before.
    """
    asked = next((each for each in case.questions if each.ours and each.question_id == body.question_id), None)
    if asked is None or asked.answer is not None:
        raise Refused("NO_SUCH_QUESTION", "no question of this id waits for an answer")
    fact = AnswerReceived(
        case_id=case.case_id,
        person_ref=case.known_as,
        question_id=body.question_id,
        answered_by=case.destination,
        confirms=body.confirms,
        text=sealed,
    )
    return Outcome(_answered(case, asked, sealed, body.confirms, today), (fact,))


def _answered(case: Case, question: Question, sealed: SealedForPerson, confirms: bool, today: date) -> Case:
    # The answer is sealed like the question, under what the person goes by now.
    answered = replace(question, answer=sealed, confirms=confirms, answered_on=today, answered_under=case.known_as)
    return replace(case, questions=tuple(answered if each is question else each for each in case.questions))
