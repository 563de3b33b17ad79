"""Questions and answers between the agencies: sealed on the journal and in the tables, read by the clerks."""

from contracts.documents import (
    Answer,
    AnswerToDestinationDocument,
    AnswerToOriginDocument,
    Question,
    QuestionToDestinationDocument,
    QuestionToOriginDocument,
)
from contracts.envelope import new_id
from contracts.events import AnswerReceived, QuestionAnswered, QuestionAsked, QuestionReceived
from services.records.vault import Vault
from tests.agencies import a_letter, arriving_letter, known_in
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
LETTER_NO = a_letter().letter_no
TEXT = "Were the months of 2023 paid by the second employer?"
REPLY = "Yes, all twelve of them, by the second one."


async def test_a_question_and_its_answer_cross_and_are_read_by_the_clerks_alone(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)
    person_ref = (await origin.case(case_id)).known_as

    asked = await origin.correspondence.ask(case_id, "maker-1", kind="MONTHS_DIFFER", text=TEXT)
    [sent] = await origin.at.letters(QuestionToDestinationDocument)
    assert isinstance(sent, Question)
    reply = Answer(letter_no=LETTER_NO, question_id=sent.question_id, text=REPLY, confirms=True)
    await origin.hear(origin.at.arriving(AnswerToOriginDocument, reply, case_id=case_id, sender="33"))

    assert asked.done == 1
    assert (sent.kind, sent.text) == ("MONTHS_DIFFER", TEXT)
    [fact], [heard] = await origin.at.facts(QuestionAsked), await origin.at.facts(AnswerReceived)
    keys = await origin.at.vault.keys([person_ref])
    assert [Vault.open(keys, person_ref, each.text).decode() for each in (fact, heard)] == [TEXT, REPLY]
    assert (fact.asked, heard.answered_by, heard.confirms) == ("33", "33", True)
    assert await origin.correspondence.questions(case_id) == [
        {
            "question_id": sent.question_id,
            "asked_by": "44",
            "kind": "MONTHS_DIFFER",
            "asked_on": "2024-05-06",
            "text": TEXT,
            "answered_on": "2024-05-06",
            "answer": REPLY,
            "confirms": True,
        }
    ]
    assert await origin.at.places_of(TEXT, REPLY) == {}


async def test_a_question_of_the_destination_about_somebody_unknown_is_answered(origin: Origin) -> None:
    case_id = await origin.holding()
    question = Question(letter_no=LETTER_NO, question_id=new_id(), kind="other", text=TEXT)
    await origin.hear(origin.at.arriving(QuestionToOriginDocument, question, case_id=case_id, sender="33"))

    answered = await origin.correspondence.answer(
        case_id, "checker-1", question_id=question.question_id, text=REPLY, confirms=False
    )
    again = await origin.correspondence.answer(case_id, "checker-1", question_id=question.question_id, text=REPLY, confirms=False)

    assert [(row.result, row.code) for row in (*answered.rows, *again.rows)] == [
        ("done", "LETTER_HELD"),
        ("refused", "NO_SUCH_QUESTION"),
    ]
    [sent] = await origin.at.letters(AnswerToDestinationDocument)
    assert sent == Answer(letter_no=LETTER_NO, question_id=question.question_id, text=REPLY, confirms=False)
    [received], [told] = await origin.at.facts(QuestionReceived), await origin.at.facts(QuestionAnswered)
    assert (received.asked_by, told.asked_by, told.actor) == ("33", "33", "checker-1")
    assert await origin.at.places_of(TEXT, REPLY) == {}


async def test_words_stay_readable_when_a_corrected_letter_finds_the_person(origin: Origin) -> None:
    await origin.at.importing(HE)
    wrong = a_letter().person.model_copy(update={"id_number": "110101199001010015"})
    case_id = await origin.holding(a_letter(person=wrong))
    question = Question(letter_no=LETTER_NO, question_id=new_id(), kind="other", text=TEXT)
    await origin.hear(origin.at.arriving(QuestionToOriginDocument, question, case_id=case_id, sender="33"))
    before = (await origin.case(case_id)).known_as

    await origin.correct_letter(case_id, person=a_letter().person)
    await origin.correspondence.answer(case_id, "maker-1", question_id=question.question_id, text=REPLY, confirms=True)

    found = await origin.correspondence.questions(case_id)
    assert before == case_id != (await origin.case(case_id)).known_as
    assert found is not None
    assert [(each["text"], each["answer"]) for each in found] == [(TEXT, REPLY)]


async def test_a_letter_and_a_question_about_it_may_come_in_one_batch(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = new_id()
    question = Question(letter_no=LETTER_NO, question_id=new_id(), kind="other", text=TEXT)

    await origin.hear(
        arriving_letter(origin.at, case_id=case_id),
        origin.at.arriving(QuestionToOriginDocument, question, case_id=case_id, sender="33"),
    )

    assert [each.question_id for each in (await origin.case(case_id)).unanswered] == [question.question_id]
    assert await origin.at.parked() == []


async def test_an_answer_to_what_was_never_asked_is_parked_and_an_ended_case_is_asked_nothing(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)
    reply = Answer(letter_no=LETTER_NO, question_id=new_id(), text=REPLY)

    await origin.hear(origin.at.arriving(AnswerToOriginDocument, reply, case_id=case_id, sender="33"))
    asked = await origin.correspondence.ask(case_id, "maker-1", kind="other", text=TEXT)

    assert [reason for _, reason, _ in await origin.at.parked()] == ["unexpected"]
    assert [row.code for row in asked.rows] == ["NOT_NOW"]
    assert await origin.correspondence.questions(new_id()) is None
