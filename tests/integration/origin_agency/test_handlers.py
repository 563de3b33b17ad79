"""What the origin does with documents of other provinces: held, answered, or parked with the right reason."""

import hashlib
from datetime import date

import pytest

from contracts.documents import (
    Body,
    CompletionDocument,
    CompletionNotice,
    Document,
    InformationForm,
    InformationFormDocument,
    LetterReturn,
    LetterReturnDocument,
    PersonIdentity,
    Query,
    QueryDocument,
    Rejection,
    RejectionToOriginDocument,
    Reminder,
    ReminderDocument,
    Withdrawal,
    WithdrawalAnswer,
    WithdrawalAnswerDocument,
    WithdrawalDocument,
)
from contracts.envelope import new_id
from contracts.events import (
    ContactLetterReceived,
    DocumentReceived,
    DocumentRejected,
    DocumentSent,
    MessageParked,
    TransferSettled,
    WithdrawalAnswered,
)
from services.messaging.received import Received
from services.origin_agency.case import State
from tests.agencies import a_letter, arriving_letter, known_in, somebody
from tests.builders import a
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
LETTER_NO = a_letter().letter_no

BODIES: dict[type[Document], Body] = {
    CompletionDocument: a(CompletionNotice, letter_no=LETTER_NO),
    WithdrawalDocument: a(Withdrawal, letter_no=LETTER_NO),
    ReminderDocument: a(Reminder, letter_no=LETTER_NO),
    QueryDocument: a(Query, letter_no=LETTER_NO),
}


def arriving(origin: Origin, kind: type[Document], case_id: str, *, sender: str = "33", body: Body | None = None) -> Received:
    return origin.at.arriving(kind, body or BODIES[kind], case_id=case_id, sender=sender)


async def reasons(origin: Origin) -> list[tuple[str, str]]:
    return [(case, reason) for case, reason, _ in await origin.at.parked()]


async def test_an_arriving_letter_is_held_with_its_due_date_and_receipted(origin: Origin) -> None:
    await origin.at.importing(HE)
    person = (await origin.at.record(HE.person.id_number)).person_ref
    case_id = new_id()
    record = arriving_letter(origin.at, case_id=case_id)

    await origin.hear(record)

    case = await origin.case(case_id)
    assert (case.state, case.person_ref, case.destination) == (State.LETTER_HELD, person, "33")
    assert (case.received_on, case.due.remind_on, case.due.due_on) == (date(2024, 5, 6), date(2024, 5, 17), date(2024, 5, 24))
    assert case.letter == a_letter()
    [held] = await origin.at.facts(ContactLetterReceived)
    assert (held.case_id, held.person_ref, held.due_on) == (case_id, person, date(2024, 5, 24))
    [receipt] = await origin.at.facts(DocumentReceived)
    assert (receipt.document_id, receipt.digest) == (record.event_id, record.digest.hex())
    assert (receipt.sender, receipt.number, len(receipt.checkpoint_digest)) == ("33/destination-agency", 1, 64)
    assert all(message.causationid == record.event_id for message in await origin.at.told() if message.subject == case_id)


async def test_a_letter_about_somebody_unknown_is_held_under_the_case_and_sealed(origin: Origin) -> None:
    case_id = await origin.holding()

    case = await origin.case(case_id)
    assert (case.person_ref, case.known_as) == (None, case_id)
    assert case.letter.person.name == HE.person.name
    assert await origin.at.places_of(HE.person.name, HE.person.id_number) == {}


async def test_a_letter_with_a_small_x_in_the_number_finds_the_person(origin: Origin) -> None:
    he = next(known for nth in range(99) if (known := somebody(nth)).person.id_number.endswith("X"))
    await origin.at.importing(he)
    small = PersonIdentity(id_number=he.person.id_number.lower(), name=he.person.name)

    case_id = await origin.holding(a_letter().model_copy(update={"person": small}))

    assert (await origin.case(case_id)).person_ref is not None


async def test_the_same_delivery_again_changes_nothing(origin: Origin) -> None:
    record = arriving_letter(origin.at)
    await origin.hear(record)
    told = await origin.at.told()

    await origin.hear(record)
    await origin.hear(record, record)

    assert await origin.at.told() == told
    assert len(await origin.states()) == 1


async def test_a_batch_is_handled_as_a_whole_and_in_the_order_of_each_case(origin: Origin) -> None:
    first, second = new_id(), new_id()

    await origin.hear(
        arriving_letter(origin.at, case_id=first),
        arriving_letter(origin.at, case_id=second),
        arriving(origin, WithdrawalDocument, first),
    )

    assert await origin.states() == {first: "CANCELLED", second: "LETTER_HELD"}
    assert await origin.at.parked() == []


async def test_a_withdrawal_is_confirmed_while_nothing_is_approved(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding()
    await origin.desk.propose([case_id], "maker-1")

    await origin.hear(arriving(origin, WithdrawalDocument, case_id))

    assert (await origin.case(case_id)).state is State.CANCELLED
    assert [fact.confirmed for fact in await origin.at.facts(WithdrawalAnswered)] == [True]
    assert await origin.at.letters(WithdrawalAnswerDocument) == [WithdrawalAnswer(letter_no=LETTER_NO, confirmed=True)]


async def test_a_withdrawal_is_declined_once_the_form_is_approved(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)

    await origin.hear(arriving(origin, WithdrawalDocument, case_id))

    assert (await origin.case(case_id)).state is State.FORM_ISSUED
    [answer] = await origin.at.letters(WithdrawalAnswerDocument)
    assert isinstance(answer, WithdrawalAnswer)
    assert not answer.confirmed
    assert answer.reason


async def test_the_completion_settles_the_case(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)
    await origin.funds.pay()

    await origin.hear(arriving(origin, CompletionDocument, case_id))

    assert (await origin.case(case_id)).state is State.SETTLED
    assert [fact.case_id for fact in await origin.at.facts(TransferSettled)] == [case_id]


async def test_a_completion_of_what_was_never_sent_is_parked(origin: Origin) -> None:
    case_id = await origin.holding()

    await origin.hear(arriving(origin, CompletionDocument, case_id))

    assert await reasons(origin) == [(case_id, "unexpected")]
    assert (await origin.case(case_id)).state is State.LETTER_HELD


async def test_a_reminder_and_a_query_are_receipted_and_the_reminder_shows(origin: Origin) -> None:
    case_id = await origin.holding()

    await origin.hear(arriving(origin, QueryDocument, case_id), arriving(origin, ReminderDocument, case_id))

    assert (await origin.case(case_id)).reminded
    received = [fact.document_type for fact in await origin.at.facts(DocumentReceived)]
    assert received == ["document.contact_letter", "document.query", "document.reminder"]


@pytest.mark.parametrize("kind", list(BODIES), ids=lambda kind: kind.type_name)
async def test_a_document_of_a_case_without_a_letter_is_unexpected(origin: Origin, kind: type[Document]) -> None:
    case_id = new_id()

    await origin.hear(arriving(origin, kind, case_id))

    assert await origin.at.parked() == [(case_id, "unexpected", "no letter of this case was received")]
    assert await origin.states() == {}
    assert [fact.reason for fact in await origin.at.facts(MessageParked)] == ["unexpected"]
    assert await origin.at.facts(DocumentReceived) == []


@pytest.mark.parametrize("kind", list(BODIES), ids=lambda kind: kind.type_name)
async def test_a_document_of_a_province_that_has_no_part_in_the_case_is_of_the_wrong_sender(
    origin: Origin, kind: type[Document]
) -> None:
    case_id = await origin.holding(sender="33")

    await origin.hear(arriving(origin, kind, case_id, sender="41"))

    [(key, reason, detail)] = await origin.at.parked()
    assert (key.startswith("unproven:"), reason) == (True, "wrong_sender")
    assert detail == f"the case is with province 33; its key was '{case_id}'"
    assert (await origin.case(case_id)).state is State.LETTER_HELD


async def test_who_has_no_part_in_a_case_cannot_hold_it_up(origin: Origin) -> None:
    case_id = await origin.holding(sender="33")
    sealed_to_somebody_else = arriving_letter(origin.at, a_letter(destination="41"), case_id=case_id, sender="41")
    assert sealed_to_somebody_else.envelope is not None
    strangers = [arriving(origin, kind, case_id, sender="41") for kind in BODIES]

    await origin.hear(sealed_to_somebody_else, *strangers)
    await origin.hear(arriving(origin, WithdrawalDocument, case_id))

    assert (await origin.case(case_id)).state is State.CANCELLED
    assert {reason for _, reason, _ in await origin.at.parked()} == {"wrong_sender"}


async def test_a_stranger_whose_document_does_not_even_open_cannot_hold_a_case_up(origin: Origin) -> None:
    case_id = new_id()
    kept = origin.at.country.sealing["44"]
    origin.at.country.sealing["44"] = origin.at.country.sealing["41"]
    stray = arriving(origin, WithdrawalDocument, case_id, sender="41")
    origin.at.country.sealing["44"] = kept

    await origin.hear(arriving_letter(origin.at, case_id=case_id), stray, arriving(origin, WithdrawalDocument, case_id))

    assert (await origin.case(case_id)).state is State.CANCELLED
    assert [reason for _, reason, _ in await origin.at.parked()] == ["wrong_sender"]


async def test_a_rejection_is_receipted_told_and_kept_and_changes_no_case(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)
    [(number, payload)] = await number_documents(origin, "exchange.33")
    digest = hashlib.sha256(payload).hexdigest()
    body = a(Rejection, document_type="document.information_form", number=number, digest=digest, code="invalid", remedy="see ⑤")

    record = arriving(origin, RejectionToOriginDocument, case_id, body=body)
    await origin.hear(record)

    [told] = await origin.at.facts(DocumentRejected)
    assert (told.case_id, told.rejected_by, told.number, told.digest) == (case_id, "33/destination-agency", number, digest)
    assert (told.code, told.remedy, told.person_ref) == ("invalid", "see ⑤", (await origin.case(case_id)).person_ref)
    assert [fact.document_id for fact in await origin.at.facts(DocumentReceived)][-1] == record.event_id
    assert (await origin.case(case_id)).state is State.FORM_ISSUED
    [kept] = await origin.at.rows("SELECT rejection_id, code FROM origin_agency.rejections")
    assert (kept["rejection_id"], kept["code"]) == (record.event_id, "invalid")


async def test_a_rejection_of_what_was_never_sent_is_parked_and_holds_up_no_case(origin: Origin) -> None:
    case_id = await origin.holding()
    body = a(Rejection, number=9)

    await origin.hear(
        arriving(origin, RejectionToOriginDocument, case_id, body=body), arriving(origin, WithdrawalDocument, case_id)
    )

    assert [reason for _, reason, _ in await origin.at.parked()] == ["wrong_sender"]
    assert (await origin.case(case_id)).state is State.CANCELLED


async def number_documents(origin: Origin, topic: str) -> list[tuple[int, bytes]]:
    """Give what was sent its numbers, as the relay does; numbers and bytes of the documents on a topic."""
    await origin.at.rows("INSERT INTO origin_agency.numbered SELECT seq, seq, '', 1 FROM origin_agency.outbox")
    rows = await origin.at.rows("SELECT number, payload FROM origin_agency.log WHERE topic = $1 ORDER BY number", topic)
    return [(row["number"], row["payload"]) for row in rows]


async def test_a_letter_for_a_destination_that_did_not_send_it_is_of_the_wrong_sender(origin: Origin) -> None:
    record = arriving_letter(origin.at, a_letter(destination="41"), sender="33")

    await origin.hear(record)

    assert await reasons(origin) == [(record.key, "wrong_sender")]
    assert await origin.states() == {}


async def test_a_letter_that_comes_again_or_late_is_receipted_and_changes_nothing(origin: Origin) -> None:
    case_id = await origin.holding()
    await origin.correct_letter(case_id, version=3)
    before = await origin.case(case_id)

    await origin.hear(
        arriving_letter(origin.at, case_id=case_id),
        arriving_letter(origin.at, a_letter(letter_version=2, agency_phone="late"), case_id=case_id),
        arriving_letter(origin.at, a_letter(letter_version=3, agency_phone="again"), case_id=case_id),
    )

    assert await origin.case(case_id) == before
    assert await origin.at.parked() == []
    assert len(await origin.at.facts(DocumentReceived)) == 5
    assert [fact.letter_version for fact in await origin.at.facts(ContactLetterReceived)] == [1, 3]


async def test_a_corrected_letter_finds_the_person_whom_the_first_one_missed(origin: Origin) -> None:
    await origin.at.importing(HE)
    wrong = PersonIdentity(id_number="110101199001010015", name=HE.person.name)
    case_id = await origin.holding(a_letter(person=wrong))
    await origin.desk.propose([case_id], "maker-1", cure_days=10)
    await origin.desk.approve([case_id], "checker-1")
    returned = await origin.case(case_id)
    origin.at.clock.move(origin.at.clock.now().replace(day=13))

    await origin.correct_letter(case_id, person=PersonIdentity(id_number=HE.person.id_number, name=HE.person.name))
    held = await origin.case(case_id)
    await origin.desk.propose([case_id], "maker-1")
    await origin.desk.approve([case_id], "checker-1")

    assert (returned.state, returned.person_ref) == (State.RETURNED, None)
    [told] = await origin.at.letters(LetterReturnDocument)
    assert isinstance(told, LetterReturn)
    assert (told.code, told.curable_until) == ("NO_RELATIONSHIP", date(2024, 5, 17))  # Saturday the 11th was worked
    record = await origin.at.record(HE.person.id_number)
    assert (held.state, held.person_ref, held.letter.letter_version) == (State.LETTER_HELD, record.person_ref, 2)
    assert (held.received_on, held.due.due_on) == (date(2024, 5, 13), date(2024, 6, 3))
    assert (await origin.case(case_id)).state is State.FORM_ISSUED
    assert await origin.at.parked() == []


async def test_a_corrected_letter_that_is_about_somebody_else_after_the_form_is_parked(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)

    await origin.correct_letter(case_id, person=PersonIdentity(id_number="110101199001010015", name="x"))

    [(key, reason, detail)] = await origin.at.parked()
    assert (key, reason) == (case_id, "unexpected")
    assert detail.startswith("PERSON_DIFFERS")


async def test_a_letter_that_was_addressed_to_another_agency_first_opens_a_case_here(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = new_id()

    await origin.hear(arriving_letter(origin.at, a_letter(letter_version=2), case_id=case_id))

    case = await origin.case(case_id)
    assert (case.state, case.letter.letter_version) == (State.LETTER_HELD, 2)
    [held] = await origin.at.facts(ContactLetterReceived)
    assert held.letter_version == 2


async def test_a_letter_sealed_to_somebody_else_cannot_be_opened(origin: Origin) -> None:
    record = arriving_letter(origin.at)
    other = next(key for province, key in origin.at.country.sealing.items() if province == "41")
    origin.at.country.sealing["44"], kept = other, origin.at.country.sealing["44"]
    foreign = arriving_letter(origin.at)
    origin.at.country.sealing["44"] = kept

    await origin.hear(record, foreign)

    assert await reasons(origin) == [(foreign.key, "unopenable")]
    assert await origin.states() == {record.key: "LETTER_HELD"}


async def test_a_document_for_the_other_role_is_unexpected_and_holds_up_no_case(origin: Origin) -> None:
    case_id = new_id()
    body = a(InformationForm, letter_no=LETTER_NO)
    record = origin.at.arriving(InformationFormDocument, body, case_id=case_id, sender="33")
    record.headers["jx-role"] = b"origin-agency"

    await origin.hear(record)

    [(key, reason)] = await reasons(origin)
    assert (key.startswith("unproven:"), reason) == (True, "unexpected")


async def test_one_bad_document_does_not_hold_the_letters_of_others_back(origin: Origin) -> None:
    # The others are unknown here, so that a key was made for each before the batch broke off.
    others = [arriving_letter(origin.at) for _ in range(3)]
    stray = arriving(origin, CompletionDocument, new_id())

    await origin.hear(others[0], stray, *others[1:])

    assert await origin.states() == {record.key: "LETTER_HELD" for record in others}
    assert await reasons(origin) == [(stray.key, "unexpected")]
    assert [case.letter.person.name for case in [await origin.case(record.key) for record in others]] == [HE.person.name] * 3


async def test_nothing_a_province_sends_makes_the_origin_answer_twice(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding()
    wish = arriving(origin, WithdrawalDocument, case_id)

    await origin.hear(wish)
    await origin.hear(wish)

    assert len(await origin.at.facts(DocumentSent)) == 1
