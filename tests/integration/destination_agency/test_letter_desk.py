"""Letters that are out, with both sides of the exchange: cured, sent to the right agency, paid to another account, discussed."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from contracts.documents import (
    Answer,
    AnswerToDestinationDocument,
    AnswerToOriginDocument,
    ContactLetter,
    ContactLetterDocument,
    PaymentReturned,
    PaymentReturnedDocument,
    PersonIdentity,
    Question,
    QuestionToDestinationDocument,
    QuestionToOriginDocument,
    Reminder,
    ReminderDocument,
)
from contracts.envelope import new_id
from contracts.events import (
    AnswerReceived,
    ContactLetterSent,
    DeadlineEscalated,
    DeadlineReminded,
    DiscrepancyAgreed,
    QuestionAnswered,
    QuestionAsked,
    QuestionReceived,
    TransferClosed,
    TransferReaddressed,
)
from services.destination_agency.case import Refused, State
from services.destination_agency.letters import Change
from services.ledger.chart import suspense
from services.records.commands import NOT_NOW, SAME_PERSON
from services.records.vault import Vault
from tests.agencies import known_in
from tests.integration.destination_agency.conftest import (
    ID_NUMBER,
    Destination,
    form_for,
    number_of,
    the_books_agree,
    wish,
)

UNTIL = date(2024, 5, 20)
TOTAL = 3_047_986


async def corrected(here: Destination, case_id: str, change: Change) -> ContactLetter:
    """A corrected letter leaves by two persons; returns it."""
    proposed = await here.desk.propose_letters([case_id], "maker-33", change)
    assert proposed.done == 1, proposed
    approved = await here.desk.approve_letters([case_id], "checker-33")
    assert approved.done == 1, approved
    return await here.letter(case_id)


# Cured


async def test_a_corrected_letter_goes_on_with_the_case_that_the_first_one_stopped(here: Destination) -> None:
    [case_id] = await here.admitted()
    first = await here.letter(case_id)
    await here.returned(case_id, "IDENTITY_MISMATCH", until=UNTIL)
    curable = await here.case(case_id)

    there = PersonIdentity(id_number=ID_NUMBER.lower(), name="陈志源")
    second = await corrected(here, case_id, Change("the old place has another character", there=there))
    await here.form_comes(case_id, person=second.person)
    await here.money_comes(case_id, TOTAL)
    await here.completed(case_id)

    sent = await here.at.facts(ContactLetterSent)
    assert (curable.state, curable.public().due_on) == (State.RETURNED_CURABLE, UNTIL)
    assert (second.letter_no, second.letter_version, first.letter_version) == (first.letter_no, 2, 1)
    assert (second.person.name, second.person.id_number) == ("陈志源", ID_NUMBER)
    assert second.correction == sent[1].correction == "the old place has another character"
    assert (sent[1].maker, sent[1].checker) == ("maker-33", "checker-33")
    assert (await here.case(case_id)).state is State.COMPLETED
    await the_books_agree(here)


async def test_a_name_that_only_the_letter_says_stands_nowhere_in_clear(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id)

    other = PersonIdentity(id_number=number_of(77), name="钱多多")
    await here.desk.propose_letters([case_id], "maker-33", Change("known under another number", there=other))
    proposed = await here.at.places_of("钱多多", number_of(77))
    await here.desk.approve_letters([case_id], "checker-33")

    assert proposed == await here.at.places_of("钱多多", number_of(77)) == {}
    assert (await here.case(case_id)).there == other


async def test_the_letter_goes_to_the_right_agency_and_the_case_with_it(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id)

    letter = await corrected(here, case_id, Change("paid in Henan", division="410100"))
    henan = replace(known_in("44"), province="41")
    await here.form_comes(case_id, henan)
    await here.money_comes(case_id, TOTAL, payer="41")
    await here.completed(case_id)

    [moved] = await here.at.facts(TransferReaddressed)
    case = await here.case(case_id)
    assert (moved.was_origin, moved.origin, moved.origin_division) == ("44", "41", "410100")
    assert (letter.origin_division, letter.letter_version) == ("410100", 2)
    assert [each.addressee for each in await here.at.facts(ContactLetterDocument)] == ["44", "41"]
    assert (case.origin, case.state) == ("41", State.COMPLETED)
    assert await here.balance(suspense("41")) == await here.balance(suspense("44")) == 0
    await the_books_agree(here)


async def test_the_first_agency_has_no_part_in_the_case_any_more(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id)
    await corrected(here, case_id, Change("paid in Henan", division="410100"))

    await here.form_comes(case_id)  # from 44

    assert [reason for _, reason, _ in await here.at.parked()] == ["wrong_sender"]
    assert (await here.case(case_id)).state is State.LETTER_SENT


async def test_one_relationship_has_one_open_transfer_also_when_a_letter_goes_elsewhere(here: Destination) -> None:
    [first] = await here.admitted()
    await here.returned(first)
    [second] = await here.applied(wish(origin_division="410100"))

    await here.desk.propose_letters([first], "maker-33", Change("paid in Henan", division="410100"))
    refused = await here.desk.approve_letters([first], "checker-33")
    again = await here.take(wish())

    assert [row.code for row in refused.rows] == ["DUPLICATE_APPLICATION"]
    assert (await here.case(first)).state is State.RETURNED
    assert again[0].result == "accepted"  # the first one was returned for good
    assert (await here.case(second)).state is State.REVIEWING


async def test_two_letters_of_one_list_cannot_open_the_same_transfer_twice(here: Destination) -> None:
    [first] = await here.admitted()
    await here.returned(first)
    [second] = await here.admitted()
    await here.returned(second)
    await here.desk.propose_letters([first, second], "maker-33", Change("paid in Henan", division="410100"))

    result = await here.desk.approve_letters([first, second], "checker-33")

    assert [row.code for row in result.rows] == ["LETTER_SENT", "DUPLICATE_APPLICATION"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Change("why", division="990000"), "UNKNOWN_PROVINCE"),
        (Change("why", division="110000"), "PROVINCE_NOT_CONNECTED"),
        (Change("why", there=PersonIdentity(id_number="410105199003159990", name="x")), "ID_NUMBER_INVALID"),
    ],
)
async def test_a_place_or_a_number_that_cannot_be_is_refused_by_name(here: Destination, change: Change, code: str) -> None:
    [case_id] = await here.admitted()

    with pytest.raises(Refused, match=code):
        await here.desk.propose_letters([case_id], "maker-33", change)


async def test_one_person_corrects_no_letter(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id, until=UNTIL)
    await here.desk.propose_letters([case_id], "maker-33", Change("the name"))

    alone = await here.desk.approve_letters([case_id], "maker-33")

    assert [row.code for row in alone.rows] == [SAME_PERSON]
    assert len(await here.at.facts(ContactLetterSent)) == 1


# Closed


async def test_a_clerk_closes_what_came_back_for_good_and_the_person_may_apply_again(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id)

    closed = await here.desk.close([case_id], "maker-33", "nobody named another agency")
    late = await here.desk.propose_letters([case_id], "maker-33", Change("paid in Henan", division="410100"))

    assert closed.done == 1
    assert [row.code for row in late.rows] == [NOT_NOW]
    assert (await here.take(wish()))[0].result == "accepted"


async def test_the_clock_closes_what_nobody_cured_the_day_after_its_last_day(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id, until=UNTIL)

    here.at.move(days=14)  # 2024-05-20
    on_the_day = await here.desk.look_at_clocks()
    here.at.move(days=1)
    after = [await here.desk.look_at_clocks(), await here.desk.look_at_clocks()]

    [fact] = await here.at.facts(TransferClosed)
    assert (on_the_day, after) == (0, [1, 0])
    assert fact.actor == "clock"
    assert (await here.case(case_id)).state is State.CLOSED


# Paid again


async def test_money_that_the_bank_gave_back_is_paid_by_the_corrected_letter_and_booked(here: Destination) -> None:
    [case_id] = await here.admitted()
    form = await here.form_comes(case_id)
    body = PaymentReturned(letter_no=form.letter_no, remittance_id="remittance-1", amount_fen=TOTAL, reason="no such account")

    await here.hear(here.arriving(PaymentReturnedDocument, body, case_id))
    back = await here.case(case_id)
    letter = await corrected(here, case_id, Change("the account is another one"))
    waiting = await here.case(case_id)
    await here.money_comes(case_id, TOTAL)

    assert (back.state, back.discrepancy, back.public().code) == (State.DISCREPANCY, "PAYMENT_RETURNED", "PAYMENT_RETURNED")
    assert (waiting.state, waiting.discrepancy) == (State.FORM_HELD, None)
    assert letter.letter_version == 2
    assert (await here.case(case_id)).state is State.BOOKING


# Asked and answered


async def test_both_agencies_ask_and_answer_and_their_words_are_sealed(here: Destination) -> None:
    [case_id] = await here.admitted()
    letter_no = (await here.letter(case_id)).letter_no
    due = (await here.case(case_id)).due

    asked = await here.desk.ask(case_id, "maker-33", kind="other", text="陈志远 worked where in 2022?")
    [row] = asked.rows
    theirs = Question(letter_no=letter_no, question_id=new_id(), kind="other", text="since when is 陈志远 with you?")
    reply = Answer(letter_no=letter_no, question_id=row.code or "", text="in a 陈志远 shop", confirms=True)
    await here.hear(
        here.arriving(AnswerToDestinationDocument, reply, case_id),
        here.arriving(QuestionToDestinationDocument, theirs, case_id),
    )
    answered = await here.desk.answer(
        case_id, "checker-33", question_id=theirs.question_id, text="陈志远: since April", confirms=False
    )
    twice = await here.desk.answer(case_id, "checker-33", question_id=theirs.question_id, text="again", confirms=False)

    [our_question], [their_answer] = await here.at.facts(QuestionAsked), await here.at.facts(AnswerReceived)
    [their_question], [our_answer] = await here.at.facts(QuestionReceived), await here.at.facts(QuestionAnswered)
    [sent], [given] = await here.at.letters(QuestionToOriginDocument), await here.at.letters(AnswerToOriginDocument)
    assert isinstance(sent, Question)
    assert isinstance(given, Answer)
    assert (sent.text, given.text) == ("陈志远 worked where in 2022?", "陈志远: since April")
    assert (our_question.asked, their_answer.answered_by, their_answer.confirms) == ("44", "44", True)
    assert (their_question.asked_by, our_answer.actor, our_answer.confirms) == ("44", "checker-33", False)
    assert (answered.done, [each.code for each in twice.rows]) == (1, ["NO_SUCH_QUESTION"])
    keys = await here.at.vault.keys([our_question.person_ref])
    words = [our_question.text, their_answer.text, their_question.text, our_answer.text]
    assert all("陈志远" in Vault.open(keys, our_question.person_ref, each).decode() for each in words)
    assert await here.at.places_of("陈志远") == {}
    assert (await here.case(case_id)).due == due


async def test_a_form_that_the_origin_confirms_is_taken_as_it_stands(here: Destination) -> None:
    [case_id] = await here.admitted()
    letter = await here.letter(case_id)
    usual = form_for(letter, known_in("44")).items
    await here.form_comes(case_id, pool_fen=usual.pool_fen - 50_000, total_fen=usual.total_fen - 50_000)
    await here.money_comes(case_id, usual.total_fen - 50_000)
    differs = await here.case(case_id)

    [row] = (await here.desk.ask(case_id, "maker-33", kind="AMOUNTS_DIFFER", text="how is ⑤ computed?")).rows
    question_id = row.code or ""
    early = await here.desk.propose_agreements(case_id, "maker-33", question_id=question_id, reason="their wages are capped")
    reply = Answer(letter_no=letter.letter_no, question_id=question_id, text="capped by our rules", confirms=True)
    await here.hear(here.arriving(AnswerToDestinationDocument, reply, case_id))
    await here.desk.propose_agreements(case_id, "maker-33", question_id=question_id, reason="their wages are capped")
    nothing_booked = await here.at.heads()
    await here.desk.approve_agreements([case_id], "checker-33")
    await here.completed(case_id)

    [fact] = await here.at.facts(DiscrepancyAgreed)
    assert (differs.state, differs.discrepancy) == (State.DISCREPANCY, "AMOUNTS_DIFFER")
    assert [each.code for each in early.rows] == ["NOT_CONFIRMED"]
    assert nothing_booked[suspense("44")].balance_fen == usual.total_fen - 50_000
    assert (fact.kind, fact.question_id, fact.maker, fact.checker) == (
        "AMOUNTS_DIFFER",
        question_id,
        "maker-33",
        "checker-33",
    )
    assert (await here.case(case_id)).state is State.COMPLETED
    await the_books_agree(here)


# Reminded and escalated


async def test_a_silent_origin_is_reminded_and_the_supervisors_are_told_when_it_stays_silent(here: Destination) -> None:
    [case_id] = await here.admitted()

    by_hand = await here.desk.remind(
        [case_id],
    )
    twice = await here.desk.remind([case_id])
    early = await here.desk.escalate([case_id], "maker-33")
    here.at.move(days=19)  # 2024-05-25: sixteen working days
    breached = await here.desk.look_at_clocks()
    here.at.move(days=5)
    soon = await here.desk.look_at_clocks()
    here.at.move(days=1)  # five working days after the breach: 2024-05-31
    escalated = [await here.desk.look_at_clocks(), await here.desk.look_at_clocks()]

    [fact] = await here.at.facts(DeadlineEscalated)
    letters = [each for each in await here.at.letters(ReminderDocument) if isinstance(each, Reminder)]
    assert (by_hand.done, [row.code for row in twice.rows]) == (1, ["REMINDED_TODAY"])
    assert [row.code for row in early.rows] == ["NOT_OVERDUE"]
    assert (breached, soon, escalated) == (1, 0, [1, 0])
    assert (fact.actor, fact.holder) == ("clock", "44")
    assert fact.public is not None
    assert fact.public.overdue
    assert [(each.breached, each.escalated) for each in letters] == [(False, False), (True, False), (True, True)]
    assert len(await here.at.facts(DeadlineReminded)) == 1
    case = await here.case(case_id)
    assert (case.escalated, case.escalate_on, case.reminded) == (True, None, True)
    assert case.due.due_on < here.at.clock.today() - timedelta(days=5)
