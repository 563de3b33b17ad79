"""What operators do with quarantined records: each verb with its reason, two persons for money, each on the journal."""

import asyncio
import base64
import hashlib
from typing import Any

import orjson
import pytest

from contracts import topics
from contracts.documents import ContactLetter, Rejection, RejectionToDestinationDocument, RejectionToOriginDocument
from contracts.envelope import decode, new_id
from contracts.events import DocumentSent, FundsReceived, MessageDecided, MessageProposed, QuarantineReason
from services.messaging.operators import Amendment
from services.messaging.parking import Refused, State
from services.messaging.sealing import Opener
from tests.builders import a
from tests.exchange import Exchange, KafkaRecord
from tests.integration.messaging.conftest import Service
from tests.integration.messaging.ward import Ward, letter_no, letters, prepare, reminders, sealed

WHY = "the partner was asked"


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
async def ward(service: Service, exchange: Exchange) -> Ward:
    await prepare(service)
    return Ward(service, exchange)


def a_body(number: int = 77, **fields: Any) -> dict[str, Any]:
    """A corrected contact letter as its JSON."""
    return a(ContactLetter, letter_no=letter_no(number), **fields).model_dump(mode="json")


async def only_row(ward: Ward) -> dict[str, Any]:
    (row,) = await ward.rows()
    return row


async def test_the_list_says_reason_case_and_age_and_finds_by_each(ward: Ward) -> None:
    case, first = await ward.parked(QuarantineReason.UNEXPECTED)
    _, second = await ward.parked(QuarantineReason.UNOPENABLE, kind="reminder")

    everything = await ward.operators.overview()
    by_reason = await ward.operators.overview(reasons=("unopenable",))
    by_case = await ward.operators.overview(case_key=case)
    old = await ward.operators.overview(older_than_s=3600)
    closed = await ward.operators.overview(states=(State.SKIPPED,))

    assert [row["quarantine_id"] for row in everything] == [first, second]
    assert [row["quarantine_id"] for row in by_reason] == [second]
    assert [row["quarantine_id"] for row in by_case] == [first]
    assert (old, closed) == ([], [])
    (row,) = by_case
    assert (row["case_key"], row["reason"], row["type"]) == (case, "unexpected", "document.contact_letter.v1")
    assert 0 <= row["age_s"] < 60
    assert not {"value", "headers"} & row.keys()


async def test_one_record_is_shown_whole_and_what_is_sealed_stays_sealed(ward: Ward, exchange: Exchange) -> None:
    case, quarantine_id = await ward.parked()
    await ward.hear(letters(exchange, case, first=9)[0].but(offset=999))
    await ward.operators.skip(quarantine_id, who="op-1", reason=WHY)

    shown = await ward.operators.show(quarantine_id)

    row = (await ward.rows())[0]
    assert base64.b64decode(shown["value_base64"]) == row["value"]
    assert shown["digest"] == hashlib.sha256(row["value"]).hexdigest()
    assert set(shown["headers_base64"]) == {
        topics.SERVICE,
        topics.NUMBER,
        topics.PROOF,
        topics.CHECKPOINT,
        topics.TYPE,
        topics.ROLE,
    }
    assert (shown["signed_by"], shown["number"], shown["type"]) == ("33/destination-agency", 1, "document.contact_letter")
    assert (shown["key"], shown["case_key"], shown["attempts"], shown["reason"]) == (case, case, 1, "unexpected")
    assert shown["behind_it"] == [(await ward.ids())[1]]
    assert shown["needs_two_persons"] == ["amend", "skip", "reject"]
    assert [(each["verb"], each["state"], each["maker"], each["reason"]) for each in shown["decisions"]] == [
        ("skip", "proposed", "op-1", WHY)
    ]
    body = Opener(exchange.sealing["44"]).open(decode(row["value"]).data)  # type: ignore[arg-type]
    assert isinstance(body, ContactLetter)
    assert body.person.name not in str(shown)
    assert body.letter_no not in str(shown)


async def test_what_is_not_there_is_refused_by_name(ward: Ward) -> None:
    for act in (
        ward.operators.show(new_id()),
        ward.operators.skip(new_id(), who="op-1", reason=WHY),
        ward.operators.amend(new_id(), who="op-1", reason=WHY, amendment=Amendment(a_body())),
        ward.operators.reject(new_id(), who="op-1", reason=WHY, remedy="ask"),
    ):
        with pytest.raises(Refused, match="NO_SUCH_RECORD"):
            await act
    with pytest.raises(Refused, match="NO_SUCH_DECISION"):
        await ward.operators.approve(new_id(), who="op-1", reason=WHY)
    with pytest.raises(Refused, match="NO_SUCH_DECISION"):
        await ward.operators.withdraw(new_id(), who="op-1", reason=WHY)


async def test_every_verb_demands_its_reason(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    proposed = await ward.operators.skip(quarantine_id, who="op-1", reason=WHY)

    for act in (
        ward.operators.retry(quarantine_id, who="op-1", reason=" "),
        ward.operators.amend(quarantine_id, who="op-1", reason="", amendment=Amendment(a_body())),
        ward.operators.skip(quarantine_id, who="op-1", reason="no"),
        ward.operators.reject(quarantine_id, who="op-1", reason="", remedy="send it again"),
        ward.operators.reject(quarantine_id, who="op-1", reason=WHY, remedy=""),
        ward.operators.approve(proposed.decision_id, who="op-2", reason=""),
        ward.operators.withdraw(proposed.decision_id, who="op-1", reason=""),
    ):
        with pytest.raises(Refused, match="REASON_MISSING"):
            await act
    assert await ward.states() == ["parked"]


async def test_an_amended_text_takes_effect_in_its_place_and_what_was_signed_stays_byte_for_byte(
    ward: Ward, exchange: Exchange
) -> None:
    case, quarantine_id = await ward.parked()
    before = await only_row(ward)

    proposed = await ward.operators.amend(
        quarantine_id, who="op-1", reason="the number was misread", amendment=Amendment(a_body(77))
    )
    untouched = (await ward.effects(), await ward.states())
    done = await ward.operators.approve(proposed.decision_id, who="op-2", reason="compared with the paper")

    assert untouched == ([], ["parked"])
    assert (proposed.outcome, done.outcome) == ("proposed", "handled")
    assert await ward.effects() == [(case, letter_no(77))]
    after = await only_row(ward)
    assert (after["state"], after["value"], after["headers"]) == ("amended", before["value"], before["headers"])
    signed = hashlib.sha256(before["value"]).hexdigest()
    assert [row["digest"] for row in await ward.service.rows("SELECT digest FROM origin_agency.effects")] == [signed]
    (kept,) = await ward.service.rows("SELECT amendment, amended_digest FROM origin_agency.quarantine_decisions")
    assert hashlib.sha256(kept["amendment"]).hexdigest() == kept["amended_digest"] == done.amended_digest
    proposal, decision = [fact for fact in await ward.told() if isinstance(fact, MessageProposed | MessageDecided)]
    assert isinstance(proposal, MessageProposed)
    assert (proposal.digest, proposal.amended_digest, proposal.maker) == (signed, kept["amended_digest"], "op-1")
    assert isinstance(decision, MessageDecided)
    assert (decision.digest, decision.amended_digest) == (signed, kept["amended_digest"])
    assert (decision.maker, decision.checker, decision.reason, decision.approval) == (
        "op-1",
        "op-2",
        "the number was misread",
        "compared with the paper",
    )


async def test_an_amended_text_is_kept_sealed(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    body = a_body()
    body["person"]["name"] = "张建国测试"

    await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(body))

    (kept,) = await ward.service.rows("SELECT * FROM origin_agency.quarantine_decisions")
    assert "张建国测试" not in "".join(str(value) for value in kept.values())
    assert "张建国测试".encode() not in kept["amendment"]
    assert "张建国测试" not in str(await ward.told())


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        ({"letter_version": 0}, "body.letter_version"),
        ({"letter_no": "LXH-1"}, "body.letter_no"),
        ({"person": {"name": "x"}}, "body.person.id_number"),
        ({"applied_on": "yesterday"}, "body.applied_on"),
    ],
    ids=["number", "pattern", "missing", "date"],
)
async def test_an_amended_body_is_held_against_its_contract_and_the_field_is_named(
    ward: Ward, spoil: dict[str, Any], field: str
) -> None:
    _, quarantine_id = await ward.parked()

    with pytest.raises(Refused, match="AMENDMENT_INVALID") as refused:
        await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment({**a_body(), **spoil}))

    assert refused.value.field == field
    assert "yesterday" not in str(refused.value)
    assert await ward.service.rows("SELECT 1 FROM origin_agency.quarantine_decisions") == []


async def test_a_sealed_document_is_amended_by_its_body_alone(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()

    with pytest.raises(Refused, match="AMENDMENT_MISSING"):
        await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(text="{}"))


def of_a_newer_version(exchange: Exchange, case: str) -> tuple[KafkaRecord, bytes]:
    """A signed record that cannot be decoded here, and the text that could."""
    (good,) = letters(exchange, case)
    assert good.value is not None
    return signed_text(exchange, good, good.value.replace(b"letter.v1", b"letter.v9")), good.value


def signed_text(exchange: Exchange, record: KafkaRecord, value: bytes) -> KafkaRecord:
    """The record with another text, signed as it is."""
    assert record.value is not None
    signed, [proof] = exchange.signer("33/destination-agency").sign_batch(
        [value], first=1, previous="0" * 64, now=decode(record.value).time
    )
    return (
        record.but(value=value).with_header(topics.PROOF, proof).with_header(topics.CHECKPOINT, signed.model_dump_json().encode())
    )


async def test_what_cannot_be_decoded_is_amended_as_a_whole_and_handled_in_its_case(ward: Ward, exchange: Exchange) -> None:
    case = new_id()
    record, text = of_a_newer_version(exchange, case)
    await ward.hear(record)
    (quarantine_id,) = await ward.ids()

    proposed = await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(text=text.decode()))
    done = await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY)

    assert done.outcome == "handled"
    assert await ward.cases() == [case]
    assert await ward.states() == ["amended"]
    (effect,) = await ward.service.rows("SELECT digest FROM origin_agency.effects")
    assert effect["digest"] == hashlib.sha256(record.value or b"").hexdigest()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("not JSON", "text"),
        ('{"type": "cn.jiexu.document.rumour.v1"}', "type"),
        ('{"type": "cn.jiexu.document.contact_letter.v1"}', "id"),
    ],
    ids=["no-json", "unknown", "incomplete"],
)
async def test_an_amended_record_is_held_against_its_contract_too(ward: Ward, exchange: Exchange, text: str, field: str) -> None:
    await ward.hear(of_a_newer_version(exchange, new_id())[0])
    (quarantine_id,) = await ward.ids()

    with pytest.raises(Refused, match="AMENDMENT_INVALID") as refused:
        await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(text=text))

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("name", "value"), [("source", "/provinces/44/destination-agency"), ("type", "cn.jiexu.funds.received.v1")]
)
async def test_an_amended_record_speaks_for_its_signer_and_for_no_other_work(
    ward: Ward, exchange: Exchange, name: str, value: str
) -> None:
    record, text = of_a_newer_version(exchange, new_id())
    await ward.hear(record)
    raw = {**orjson.loads(text), name: value}
    if name == "type":
        raw["data"] = a(FundsReceived).model_dump(mode="json")

    with pytest.raises(Refused, match="AMENDMENT_INVALID") as refused:
        await ward.operators.amend(
            (await ward.ids())[0], who="op-1", reason=WHY, amendment=Amendment(text=orjson.dumps(raw).decode())
        )

    assert refused.value.field == name


def unsigned(record: KafkaRecord) -> KafkaRecord:
    return record.with_header(topics.CHECKPOINT, None)


async def test_what_nobody_is_proven_to_have_sent_is_neither_amended_nor_rejected(ward: Ward, exchange: Exchange) -> None:
    await ward.hear(unsigned(letters(exchange, new_id())[0]))
    (quarantine_id,) = await ward.ids()

    with pytest.raises(Refused, match="SENDER_NOT_PROVEN"):
        await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(a_body()))
    with pytest.raises(Refused, match=r"SENDER_NOT_PROVEN.*unsigned"):
        await ward.operators.reject(quarantine_id, who="op-1", reason=WHY, remedy="send it again")

    assert await ward.states() == ["parked"]


async def test_an_amended_text_that_fails_leaves_the_record_parked_and_says_so(ward: Ward) -> None:
    case, quarantine_id = await ward.parked()
    proposed = await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(a_body()))
    ward.wrong[case] = QuarantineReason.UNEXPECTED

    done = await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY)

    assert (done.outcome, done.failure) == ("failed", "unexpected")
    assert await ward.states() == ["parked"]
    assert [(fact.verb, fact.outcome, fact.failure) for fact in await ward.decided()] == [("amend", "failed", "unexpected")]
    (kept,) = await ward.service.rows("SELECT state FROM origin_agency.quarantine_decisions")
    assert kept["state"] == "failed"


async def test_a_checker_who_has_the_text_too_is_told_when_it_differs(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    proposed = await ward.operators.amend(quarantine_id, who="op-1", reason=WHY, amendment=Amendment(a_body(77)))

    with pytest.raises(Refused, match="AMENDMENT_DIFFERS"):
        await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY, amendment=Amendment(a_body(78)))
    done = await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY, amendment=Amendment(a_body(77)))

    assert done.outcome == "handled"


async def test_skip_sets_a_record_aside_for_good_and_what_waits_behind_it_goes_on(ward: Ward, exchange: Exchange) -> None:
    case, quarantine_id = await ward.parked(kind="reminder")
    await ward.hear(reminders(exchange, case, first=9)[0].but(offset=999))

    done = await ward.operators.skip(quarantine_id, who="op-1", reason="the reminder is out of date")
    await ward.retries.look()
    await ward.hear(reminders(exchange, case, first=10)[0].but(offset=1000))

    assert done.outcome == "set_aside"
    assert [said for _, said in await ward.effects()] == [letter_no(9), letter_no(10)]
    assert await ward.states() == ["skipped", "retried"]
    with pytest.raises(Refused, match="NOT_OPEN: The record is skipped"):
        await ward.operators.retry(quarantine_id, who="op-1", reason="after all")
    assert [(fact.verb, fact.outcome, fact.maker, fact.checker, fact.reason) for fact in await ward.decided()] == [
        ("skip", "set_aside", "op-1", None, "the reminder is out of date")
    ]


async def test_a_skipped_record_that_comes_again_has_no_effect(ward: Ward, exchange: Exchange) -> None:
    case = new_id()
    ward.wrong[case] = QuarantineReason.UNEXPECTED
    (record,) = reminders(exchange, case)
    await ward.hear(record)
    ward.wrong.clear()
    await ward.operators.skip((await ward.ids())[0], who="op-1", reason=WHY)

    await ward.hear(record, record.but(offset=7))

    assert await ward.effects() == []
    assert await ward.states() == ["skipped"]


async def test_skip_needs_a_second_person_where_money_moves_and_nobody_approves_his_own(ward: Ward) -> None:
    _, quarantine_id = await ward.parked(kind="letter")

    proposed = await ward.operators.skip(quarantine_id, who="op-1", reason="sent twice")
    with pytest.raises(Refused, match="SAME_PERSON"):
        await ward.operators.approve(proposed.decision_id, who="op-1", reason="I said so")
    with pytest.raises(Refused, match="PROPOSAL_OPEN"):
        await ward.operators.retry(quarantine_id, who="op-2", reason="now")
    states = await ward.states()
    done = await ward.operators.approve(proposed.decision_id, who="op-2", reason="looked at both")

    assert (proposed.outcome, states, done.outcome) == ("proposed", ["parked"], "set_aside")
    assert [(fact.maker, fact.checker, fact.outcome, fact.approval) for fact in await ward.decided()] == [
        ("op-1", "op-2", "set_aside", "looked at both")
    ]
    with pytest.raises(Refused, match="NOT_PROPOSED"):
        await ward.operators.approve(proposed.decision_id, who="op-3", reason=WHY)


async def test_what_cannot_be_decoded_is_not_skipped_by_one_person_alone(ward: Ward) -> None:
    await ward.hear(KafkaRecord("exchange.44", value=b"\xff").with_header(topics.ROLE, b"origin-agency"))

    assert (await ward.operators.skip((await ward.ids())[0], who="op-1", reason=WHY)).outcome == "proposed"


async def test_a_proposal_is_withdrawn_by_its_maker_alone_and_then_another_may_be_made(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    proposed = await ward.operators.skip(quarantine_id, who="op-1", reason=WHY)

    with pytest.raises(Refused, match="NOT_YOURS"):
        await ward.operators.withdraw(proposed.decision_id, who="op-2", reason=WHY)
    withdrawn = await ward.operators.withdraw(proposed.decision_id, who="op-1", reason="the wrong record")
    done = await ward.operators.retry(quarantine_id, who="op-1", reason=WHY)

    assert (withdrawn.outcome, done.outcome) == ("withdrawn", "handled")
    assert [(fact.verb, fact.outcome) for fact in await ward.decided()] == [("skip", "withdrawn"), ("retry", "handled")]
    with pytest.raises(Refused, match="NOT_PROPOSED"):
        await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY)


async def test_a_proposal_about_what_then_takes_effect_by_itself_lapses(ward: Ward, exchange: Exchange) -> None:
    case = new_id()
    slow = Ward(ward.service, exchange, pauses_s=(0.2,))
    slow.wrong[case] = KeyError("for a moment")
    await slow.hear(*letters(exchange, case))
    slow.wrong.clear()
    (quarantine_id,) = await ward.ids()
    proposed = await slow.operators.skip(quarantine_id, who="op-1", reason=WHY)
    await asyncio.sleep(0.4)

    await slow.retries.look()

    assert await ward.cases() == [case]
    with pytest.raises(Refused, match="NOT_PROPOSED"):
        await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY)


async def test_what_waits_behind_another_is_not_retried_past_it(ward: Ward, exchange: Exchange) -> None:
    case, first = await ward.parked()
    await ward.hear(letters(exchange, case, first=9)[0].but(offset=999))
    second = (await ward.ids())[1]

    with pytest.raises(Refused, match=f"NOT_ITS_TURN: {first}"):
        await ward.operators.retry(second, who="op-1", reason=WHY)
    with pytest.raises(Refused, match="NOT_ITS_TURN"):
        await ward.operators.amend(second, who="op-1", reason=WHY, amendment=Amendment(a_body()))


async def test_reject_sends_the_sender_a_sealed_document_that_names_what_was_rejected_and_what_helps(
    ward: Ward, exchange: Exchange
) -> None:
    case, quarantine_id = await ward.parked(kind="reminder")
    row = await only_row(ward)

    done = await ward.operators.reject(quarantine_id, who="op-1", reason=WHY, remedy="check the case and send it again")

    assert (done.outcome, await ward.states()) == ("rejected", ["rejected"])
    (document,) = [fact for fact in await ward.told() if isinstance(fact, RejectionToDestinationDocument)]
    assert (document.case_id, document.sender, document.addressee) == (case, "44", "33")
    body = Opener(exchange.sealing["33"]).open(document)
    assert body == Rejection(
        document_type="document.reminder",
        document_id=row["event_id"],
        number=1,
        digest=hashlib.sha256(row["value"]).hexdigest(),
        code="unexpected",
        remedy="check the case and send it again",
    )
    (out,) = await ward.service.rows("SELECT * FROM origin_agency.outbox WHERE topic = 'exchange.33'")
    assert (out["role"], out["key"], out["event_id"]) == ("destination-agency", case, done.rejection_id)
    (sent,) = [fact for fact in await ward.told() if isinstance(fact, DocumentSent)]
    assert (sent.document_id, sent.digest) == (done.rejection_id, hashlib.sha256(out["payload"]).hexdigest())
    (decision,) = await ward.decided()
    assert (decision.verb, decision.outcome, decision.rejection_id) == ("reject", "rejected", done.rejection_id)


async def test_reject_needs_a_second_person_where_money_moves_and_nothing_leaves_before(ward: Ward) -> None:
    _, quarantine_id = await ward.parked(kind="letter")

    proposed = await ward.operators.reject(quarantine_id, who="op-1", reason=WHY, remedy="send it again", code="NOT_OURS")
    before = [fact for fact in await ward.told() if isinstance(fact, RejectionToDestinationDocument)]
    done = await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY)

    assert before == []
    assert (proposed.outcome, done.outcome) == ("proposed", "rejected")
    assert len([fact for fact in await ward.told() if isinstance(fact, RejectionToDestinationDocument)]) == 1


async def test_a_signed_record_that_cannot_be_decoded_is_rejected_under_the_key_it_came_with(
    ward: Ward, exchange: Exchange
) -> None:
    case = new_id()
    await ward.hear(of_a_newer_version(exchange, case)[0])

    proposed = await ward.operators.reject((await ward.ids())[0], who="op-1", reason=WHY, remedy="send version 1")
    await ward.operators.approve(proposed.decision_id, who="op-2", reason=WHY)

    (document,) = [fact for fact in await ward.told() if isinstance(fact, RejectionToDestinationDocument)]
    body = Opener(exchange.sealing["33"]).open(document)
    assert isinstance(body, Rejection)
    assert (document.case_id, body.document_type, body.document_id) == (case, "document.contact_letter", None)
    assert body.code == "unknown_version"


async def test_a_rejection_is_not_rejected_in_its_turn(ward: Ward, exchange: Exchange) -> None:
    case = new_id()
    (record,) = exchange.publish(sealed(exchange, RejectionToOriginDocument, a(Rejection), case), service="33/destination-agency")
    await ward.hear(record)

    with pytest.raises(Refused, match="NOT_REJECTABLE"):
        await ward.operators.reject((await ward.ids())[0], who="op-1", reason=WHY, remedy="send it again")


async def test_until_the_directory_is_read_nothing_is_decided_that_needs_it(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    ward.operators._ready = lambda: False

    with pytest.raises(Refused, match="DIRECTORY_NOT_READ"):
        await ward.operators.retry(quarantine_id, who="op-1", reason=WHY)

    assert await ward.states() == ["parked"]


async def test_a_service_cannot_change_what_was_signed_nor_a_decision(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    await ward.operators.skip(quarantine_id, who="op-1", reason=WHY)

    for statement in (
        "UPDATE origin_agency.quarantine SET value = ''",
        "UPDATE origin_agency.quarantine_decisions SET maker = 'somebody else'",
        "UPDATE origin_agency.quarantine_decisions SET reason = 'another'",
        "DELETE FROM origin_agency.quarantine_decisions",
        "DELETE FROM origin_agency.quarantine",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await ward.service.as_role(statement)
