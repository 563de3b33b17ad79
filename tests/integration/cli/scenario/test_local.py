"""Deliveries that come twice, and those that nobody sent, on a real Kafka. The audit is told end to end: story 90-auditor."""

from datetime import datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from contracts import topics
from contracts.envelope import encode, envelope, new_id
from contracts.events import Applied, InformationFormReceived
from deploy.local.stack import Stack
from services.cli.scenario.local import deliver_again, deliver_garbage, deliver_late, facts_of
from services.runtime.broker import KafkaAccess
from services.runtime.clock import SHANGHAI
from tests.builders import a

NOON = datetime(2024, 5, 6, 12, 0, tzinfo=SHANGHAI)
LETTER, FORM = b"cn.jiexu.document.contact_letter.v1", b"cn.jiexu.document.information_form.v1"


def access(stack: Stack) -> KafkaAccess:
    return KafkaAccess(stack.kafka.bootstrap, stack.kafka.username, stack.kafka.password, "test")


async def write(stack: Stack, case_id: str, *types: bytes) -> None:
    """Put documents of a case on 41's exchange, one a type."""
    producer = AIOKafkaProducer(**access(stack).client())
    await producer.start()
    try:
        for number, said in enumerate(types):
            headers = [(topics.TYPE, said), (topics.PROOF, b"\x00\xff")]
            await producer.send_and_wait("exchange.41", b"document %d" % number, key=case_id.encode(), headers=headers)
    finally:
        await producer.stop()


async def read(stack: Stack, case_id: str) -> list[ConsumerRecord]:
    """Everything of a case on 41's exchange, in its order."""
    consumer = AIOKafkaConsumer(**access(stack).client(), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition("exchange.41", at) for at in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=300)).values():
                found.extend(record for record in batch if record.key == case_id.encode())
        return sorted(found, key=lambda record: int(record.offset))
    finally:
        await consumer.stop()


async def test_a_delivery_comes_again_with_the_same_bytes_headers_and_key(stack: Stack) -> None:
    case_id = new_id()
    await write(stack, case_id, LETTER, FORM)
    await write(stack, new_id(), LETTER)

    told = await deliver_again(stack, "41", case_id)

    records = await read(stack, case_id)
    assert told == {"records": 2}
    assert len(records) == 4
    assert [(record.value, record.headers) for record in records[2:]] == [(each.value, each.headers) for each in records[:2]]
    assert len({record.partition for record in records}) == 1


async def test_only_the_documents_of_a_type_come_again_where_one_is_named(stack: Stack) -> None:
    case_id = new_id()
    await write(stack, case_id, LETTER, FORM)

    told = await deliver_again(stack, "41", case_id, "document.information_form")

    assert told == {"records": 1}
    assert [record.value for record in await read(stack, case_id)] == [b"document 0", b"document 1", b"document 1"]


async def test_of_a_case_that_was_never_sent_nothing_comes_again(stack: Stack) -> None:
    assert await deliver_again(stack, "41", new_id()) == {"records": 0}


async def test_the_first_of_a_kind_comes_after_the_newer_ones_and_nothing_is_lost(stack: Stack) -> None:
    case_id = new_id()
    await write(stack, case_id, LETTER, FORM, FORM)

    told = await deliver_late(stack, "41", case_id, "document.information_form")

    assert told == {"records": 1}
    records = await read(stack, case_id)
    assert [record.value for record in records] == [b"document 2", b"document 0", b"document 1"]
    assert dict(records[-1].headers) == {topics.TYPE: FORM, topics.PROOF: b"\x00\xff"}


async def test_what_came_once_cannot_come_late(stack: Stack) -> None:
    case_id = new_id()
    await write(stack, case_id, LETTER, FORM)

    assert await deliver_late(stack, "41", case_id, "document.information_form") == {"records": 0}
    assert [record.value for record in await read(stack, case_id)] == [b"document 0", b"document 1"]


async def test_the_facts_of_a_case_are_read_from_a_journal_by_name_in_their_order(stack: Stack) -> None:
    case_id = new_id()
    facts = [a(Applied, case_id=case_id), a(InformationFormReceived, case_id=case_id, form_version=2, superseded=False)]
    other = a(Applied, case_id=new_id())
    producer = AIOKafkaProducer(**access(stack).client())
    await producer.start()
    try:
        for fact in (*facts, other):
            message = envelope(fact, source="41/destination-agency", subject=fact.case_id, time=NOON)
            await producer.send_and_wait("journal.41", encode(message), key=fact.case_id.encode())
    finally:
        await producer.stop()

    found = await facts_of(stack, "41", case_id)

    assert [name for name, _ in found] == ["transfer.applied", "information_form.received"]
    assert (found[1][1]["form_version"], found[1][1]["superseded"]) == (2, False)


async def test_garbage_names_the_case_and_the_service_and_is_signed_by_nobody(stack: Stack) -> None:
    case_id = new_id()

    await deliver_garbage(stack, "41", case_id, "destination-agency")

    [record] = await read(stack, case_id)
    headers = dict(record.headers)
    assert headers[topics.ROLE] == b"destination-agency"
    assert topics.CHECKPOINT not in headers
    assert record.value == b"not a document"
