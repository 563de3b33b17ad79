"""Documents that arrive at the destination: what they do, once, and which of them nobody takes."""

import hashlib

from contracts.documents import (
    CompletionDocument,
    CompletionNotice,
    InformationForm,
    InformationFormDocument,
    LetterReturn,
    LetterReturnDocument,
    Query,
    QueryDocument,
    Rejection,
    RejectionToDestinationDocument,
    WithdrawalAnswer,
    WithdrawalAnswerDocument,
)
from contracts.envelope import new_id
from contracts.events import (
    Cancelled,
    DiscrepancyRaised,
    DiscrepancyResolved,
    DocumentReceived,
    DocumentRejected,
    InformationFormReceived,
    TransferReturned,
    WithdrawalDeclined,
)
from services.destination_agency.case import State
from tests.agencies import known_in
from tests.integration.destination_agency.conftest import Destination, form_for, know, someone, wish


async def a_return(here: Destination, case_id: str) -> LetterReturn:
    letter = await here.letter(case_id)
    return LetterReturn(letter_no=letter.letter_no, code="STILL_CONTRIBUTING", legal_basis="人社部发〔2009〕187号")


async def test_a_form_is_held_and_its_receipt_is_on_the_journal(here: Destination) -> None:
    [case_id] = await here.admitted()

    form = await here.form_comes(case_id)

    case = await here.case(case_id)
    [receipt] = await here.at.facts(DocumentReceived)
    assert (case.state, case.form) == (State.FORM_HELD, form)
    assert (receipt.case_id, receipt.sender, receipt.number) == (case_id, "44/origin-agency", 1)


async def test_a_form_that_is_delivered_three_times_is_taken_once(here: Destination) -> None:
    [case_id] = await here.admitted()
    record = here.arriving(InformationFormDocument, form_for(await here.letter(case_id), known_in("44")), case_id)

    await here.hear(record)
    await here.hear(record, record)

    assert len(await here.at.facts(InformationFormReceived)) == 1
    assert await here.at.parked() == []


async def test_a_form_that_disagrees_with_itself_is_asked_about_and_version_2_resolves_it(here: Destination) -> None:
    [case_id] = await here.admitted()
    total = (form_for(await here.letter(case_id), known_in("44"))).items.total_fen
    await here.form_comes(case_id, total_fen=total + 100)
    asked = await here.case(case_id)

    await here.form_comes(case_id, version=2)

    [raised], [resolved] = await here.at.facts(DiscrepancyRaised), await here.at.facts(DiscrepancyResolved)
    [query] = await here.at.letters(QueryDocument)
    assert asked.state is State.DISCREPANCY
    assert raised.kind == resolved.kind == "ITEM_6_IS_NOT_4_5"
    assert isinstance(query, Query)
    assert query.kind == "ITEM_6_IS_NOT_4_5"
    assert (await here.case(case_id)).state is State.FORM_HELD


async def test_version_1_that_arrives_after_version_2_in_one_batch_is_noted_and_not_used(here: Destination) -> None:
    [case_id] = await here.admitted()
    letter = await here.letter(case_id)
    newer = here.arriving(InformationFormDocument, form_for(letter, known_in("44"), version=2), case_id, version=2)
    older = here.arriving(InformationFormDocument, form_for(letter, known_in("44"), months=1), case_id)

    await here.hear(newer, older)

    received = await here.at.facts(InformationFormReceived)
    assert [(fact.form_version, fact.superseded) for fact in received] == [(2, False), (1, True)]
    case = await here.case(case_id)
    assert (case.state, case.discrepancy) == (State.FORM_HELD, None)


async def test_a_returned_letter_ends_the_case_with_its_code(here: Destination) -> None:
    [case_id] = await here.admitted()

    await here.hear(here.arriving(LetterReturnDocument, await a_return(here, case_id), case_id))

    [told] = await here.at.facts(TransferReturned)
    case = await here.case(case_id)
    assert (told.code, case.state, case.code) == ("STILL_CONTRIBUTING", State.RETURNED, "STILL_CONTRIBUTING")
    assert [taken.result for taken in await here.take(wish())] == ["accepted"]


async def test_the_origin_confirms_or_declines_a_withdrawal(here: Destination) -> None:
    await know(here, someone(1))
    first, second = await here.admitted(wish(), wish(someone(1).person))
    for case_id, confirmed in ((first, True), (second, False)):
        await here.desk.withdraw(case_id, "insured-1")
        answer = WithdrawalAnswer(letter_no=(await here.letter(case_id)).letter_no, confirmed=confirmed)
        await here.hear(here.arriving(WithdrawalAnswerDocument, answer, case_id))

    assert [fact.case_id for fact in await here.at.facts(Cancelled)] == [first]
    assert [fact.case_id for fact in await here.at.facts(WithdrawalDeclined)] == [second]
    assert (await here.case(first)).state is State.CANCELLED
    assert (await here.case(second)).state is State.LETTER_SENT


async def test_a_confirmation_that_nobody_asked_for_cancels_nothing(here: Destination) -> None:
    case_id = await here.booking()
    answer = WithdrawalAnswer(letter_no=(await here.letter(case_id)).letter_no, confirmed=True)

    await here.hear(here.arriving(WithdrawalAnswerDocument, answer, case_id))

    assert (await here.case(case_id)).state is State.BOOKING
    assert [(key, reason) for key, reason, _ in await here.at.parked()] == [(case_id, "unexpected")]


async def test_a_document_about_no_case_of_ours_is_parked_by_name(here: Destination) -> None:
    [case_id] = await here.admitted()
    unknown = new_id()

    await here.hear(here.arriving(LetterReturnDocument, await a_return(here, case_id), unknown))

    assert [(key, reason) for key, reason, _ in await here.at.parked()] == [(unknown, "unexpected")]


async def test_a_third_province_cannot_speak_for_the_origin(here: Destination) -> None:
    [case_id] = await here.admitted()

    await here.hear(here.arriving(LetterReturnDocument, await a_return(here, case_id), case_id, sender="41"))

    [(key, reason, _)] = await here.at.parked()
    assert (key.startswith("unproven:"), reason) == (True, "wrong_sender")
    assert (await here.case(case_id)).state is State.LETTER_SENT


async def test_a_third_province_cannot_hold_a_case_up_even_with_what_does_not_open(here: Destination) -> None:
    [case_id] = await here.admitted()
    letter = await here.letter(case_id)
    sealing = here.at.country.sealing
    kept, sealing["33"] = sealing["33"], sealing["41"]
    stray = here.arriving(LetterReturnDocument, await a_return(here, case_id), case_id, sender="41")
    sealing["33"] = kept

    await here.hear(stray, here.arriving(InformationFormDocument, form_for(letter, known_in("44")), case_id))

    assert (await here.case(case_id)).state is State.FORM_HELD
    assert [reason for _, reason, _ in await here.at.parked()] == ["wrong_sender"]


async def test_a_rejection_is_receipted_told_and_kept_and_changes_no_case(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.at.rows("INSERT INTO destination_agency.numbered SELECT seq, seq, '', 1 FROM destination_agency.outbox")
    [row] = await here.at.rows("SELECT number, payload FROM destination_agency.log WHERE topic = 'exchange.44'")
    digest = hashlib.sha256(row["payload"]).hexdigest()
    body = Rejection(
        document_type="document.contact_letter", number=row["number"], digest=digest, code="invalid", remedy="name the division"
    )

    record = here.arriving(RejectionToDestinationDocument, body, case_id)
    await here.hear(record)

    [told] = await here.at.facts(DocumentRejected)
    assert (told.case_id, told.rejected_by, told.digest, told.code) == (case_id, "44/origin-agency", digest, "invalid")
    assert told.person_ref == (await here.case(case_id)).person_ref
    assert [fact.document_id for fact in await here.at.facts(DocumentReceived)] == [record.event_id]
    assert (await here.case(case_id)).state is State.LETTER_SENT
    [kept] = await here.at.rows("SELECT rejection_id, remedy FROM destination_agency.rejections")
    assert (kept["rejection_id"], kept["remedy"]) == (record.event_id, "name the division")


async def test_poison_of_one_case_delays_no_other_and_its_own_case_waits_behind_it(here: Destination) -> None:
    await know(here, someone(1))
    first, second = await here.admitted(wish(), wish(someone(1).person))
    poison = here.arriving(
        WithdrawalAnswerDocument, WithdrawalAnswer(letter_no=(await here.letter(first)).letter_no, confirmed=True), first
    )
    behind = here.arriving(InformationFormDocument, form_for(await here.letter(first), known_in("44")), first)
    other = here.arriving(InformationFormDocument, form_for(await here.letter(second), someone(1, "44")), second)

    await here.hear(poison, behind, other)

    assert (await here.case(second)).state is State.FORM_HELD
    assert (await here.case(first)).state is State.LETTER_SENT
    assert sorted((key, reason) for key, reason, _ in await here.at.parked()) == sorted(
        [(first, "unexpected"), (first, "behind_parked")]
    )


async def test_a_form_after_the_completion_waits_and_changes_no_books(here: Destination) -> None:
    case_id = await here.booking()
    await here.completed(case_id)
    heads = await here.at.heads()

    await here.form_comes(case_id, version=2)
    await here.form_comes(case_id, version=1)

    case = await here.case(case_id)
    received = await here.at.facts(InformationFormReceived)
    assert (case.state, case.form and case.form.form_version) == (State.CORRECTION_HELD, 2)
    assert case.booked is not None
    assert case.booked.form_version == 1
    assert [(fact.form_version, fact.superseded) for fact in received] == [(1, False), (2, False), (1, True)]
    assert await here.at.parked() == []
    assert await here.at.heads() == heads


async def test_a_form_for_a_case_that_ended_without_a_transfer_is_parked_and_changes_nothing(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.returned(case_id)

    await here.form_comes(case_id)

    assert [reason for _, reason, _ in await here.at.parked()] == ["unexpected"]
    assert (await here.case(case_id)).state is State.RETURNED


async def test_a_form_before_any_letter_is_parked_by_name(here: Destination) -> None:
    await know(here, someone(1))
    [lettered] = await here.admitted()
    [case_id] = await here.applied(wish(someone(1).person))
    form: InformationForm = form_for(await here.letter(lettered), someone(1, "44"))

    await here.hear(here.arriving(InformationFormDocument, form, case_id))

    assert [(key, reason) for key, reason, _ in await here.at.parked()] == [(case_id, "unexpected")]
    assert (await here.case(case_id)).state is State.REVIEWING


async def test_the_origin_is_told_of_the_completion_with_months_and_total(here: Destination) -> None:
    case_id = await here.booking()

    await here.completed(case_id)

    [notice] = await here.at.letters(CompletionDocument)
    assert isinstance(notice, CompletionNotice)
    assert (notice.months, notice.total_fen) == (27, 3_047_986)
