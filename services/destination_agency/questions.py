"""Questions between the two agencies of a case, from the destination's side: no clock stands for them. Pure."""

from dataclasses import replace
from datetime import date

from contracts.base import SealedForPerson
from contracts.documents import Answer, AnswerToOriginDocument, QuestionToOriginDocument
from contracts.documents import Question as QuestionBody
from contracts.events import AnswerReceived, QuestionAnswered, QuestionAsked, QuestionReceived
from services.destination_agency.case import AFTER_LETTER, OPEN_AFTER_LETTER, Case, NotNow, Outcome, Question, Refused
from services.records.decisions import Letter


def ask(case: Case, actor: str, body: QuestionBody, sealed: SealedForPerson, *, today: date) -> Outcome:
    """A clerk asks the origin.

    Args:
        body: what is asked, as the origin reads it.
        sealed: its words under the person's key.

    Raises:
        NotNow: before the letter, and when the case has ended.
    """
    if case.state not in OPEN_AFTER_LETTER:
        raise NotNow("a question", case.state)
    fact = QuestionAsked(
        case_id=case.case_id,
        person_ref=case.person_ref,
        question_id=body.question_id,
        asked=case.origin,
        kind=body.kind,
        text=sealed,
        actor=actor,
    )
    version = case.form.form_version if case.form is not None else 0
    question = Question(body.question_id, case.province, body.kind, today, sealed, form_version=version, asked=case.origin)
    letter = Letter(QuestionToOriginDocument, body, case.case_id, case.person_ref, case.origin)
    return Outcome(replace(case, questions=(*case.questions, question)), (fact, letter))


def question_received(case: Case, body: QuestionBody, sealed: SealedForPerson, *, sender: str, today: date) -> Outcome:
    """An origin asks; the question stands on the work list, whatever has become of the case since the letter.

    Args:
        sender: its province: the case's, or one that the letter was addressed to before.

    Raises:
        NotNow: before the letter.
    """
    if case.state not in AFTER_LETTER:
        raise NotNow("a question of the origin", case.state)
    if any(known.question_id == body.question_id for known in case.questions):
        return Outcome(case)
    fact = QuestionReceived(
        case_id=case.case_id,
        person_ref=case.person_ref,
        question_id=body.question_id,
        asked_by=sender,
        kind=body.kind,
        text=sealed,
    )
    question = Question(body.question_id, sender, body.kind, today, sealed, asked=case.province)
    return Outcome(replace(case, questions=(*case.questions, question)), (fact,))


def answer(case: Case, actor: str, body: Answer, sealed: SealedForPerson, *, today: date) -> Outcome:
    """A clerk answers a question of the origin, also after the end of the case.

    Raises:
        NotNow: before the letter.
        Refused: NO_SUCH_QUESTION.
    """
    if case.state not in AFTER_LETTER:
        raise NotNow("an answer", case.state)
    waiting = next((each for each in case.unanswered if each.question_id == body.question_id), None)
    if waiting is None:
        raise Refused("NO_SUCH_QUESTION", "No question of this id waits for an answer.", remedy="Look at the case's questions.")
    fact = QuestionAnswered(
        case_id=case.case_id,
        person_ref=case.person_ref,
        question_id=body.question_id,
        asked_by=waiting.asked_by,
        confirms=body.confirms,
        text=sealed,
        actor=actor,
    )
    letter = Letter(AnswerToOriginDocument, body, case.case_id, case.person_ref, waiting.asked_by)
    return Outcome(_answered(case, waiting, sealed, body.confirms, today), (fact, letter))


def answer_received(case: Case, body: Answer, sealed: SealedForPerson, *, sender: str, today: date) -> Outcome:
    """Whoever was asked has answered, also where the letter went to another agency since.

    Args:
        sender: the province that answers.

    Raises:
        NotNow: before the letter.
        Refused: NO_SUCH_QUESTION when that province was not asked, or has answered before.
    """
    if case.state not in AFTER_LETTER:
        raise NotNow("an answer of the origin", case.state)
    asked = next((each for each in case.questions if each.question_id == body.question_id), None)
    if asked is None or (asked.asked_by, asked.asked or case.origin) != (case.province, sender) or asked.answer is not None:
        raise Refused("NO_SUCH_QUESTION", "no question of this id waits for an answer")
    fact = AnswerReceived(
        case_id=case.case_id,
        person_ref=case.person_ref,
        question_id=body.question_id,
        answered_by=sender,
        confirms=body.confirms,
        text=sealed,
    )
    return Outcome(_answered(case, asked, sealed, body.confirms, today), (fact,))


def _answered(case: Case, question: Question, sealed: SealedForPerson, confirms: bool, today: date) -> Case:
    answered = replace(question, answer=sealed, confirms=confirms, answered_on=today)
    return replace(case, questions=tuple(answered if each is question else each for each in case.questions))
