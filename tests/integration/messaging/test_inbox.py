"""The inbox: an event takes effect once, whoever delivers it and how often."""

import asyncio

import pytest

from contracts.events import QuarantineReason
from services.messaging.inbox import Accepted, Inbox
from services.messaging.quarantine import Parked, Quarantine
from services.messaging.received import Received
from tests.builders import CASE, OTHER_CASE
from tests.exchange import NOON, KafkaRecord, a_received
from tests.integration.messaging.conftest import SCHEMA, SERVICE, Service


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(SCHEMA, "44.origin-agency")


def some_records(count: int) -> list[Received]:
    return [a_received(offset=at) for at in range(count)]


def with_another_body(record: Received, offset: int = 99) -> Received:
    return Received.of(KafkaRecord(offset=offset, value=record.value + b" ")).read()


async def accept(service: Service, inbox: Inbox, *batch: Received) -> Accepted:
    async with service.database.transaction("test") as tx:
        return await inbox.accept(tx, batch)


async def test_what_is_new_is_fresh_in_the_order_of_the_batch(service: Service, inbox: Inbox) -> None:
    batch = some_records(5)

    accepted = await accept(service, inbox, *reversed(batch))

    assert accepted.fresh == list(reversed(batch))
    assert accepted.reused == []


async def test_the_same_again_has_no_effect(service: Service, inbox: Inbox) -> None:
    batch = some_records(3)
    await accept(service, inbox, *batch)

    again = await accept(service, inbox, *batch)

    assert again == Accepted([], [])


async def test_the_same_twice_in_one_batch_takes_effect_once(service: Service, inbox: Inbox) -> None:
    (record,) = some_records(1)

    accepted = await accept(service, inbox, record, record, Received.of(KafkaRecord(offset=7, value=record.value)).read())

    assert accepted == Accepted([record], [])


async def test_another_body_under_a_known_id_is_told_apart(service: Service, inbox: Inbox) -> None:
    (record,) = some_records(1)
    await accept(service, inbox, record)
    other = with_another_body(record)

    accepted = await accept(service, inbox, other)

    assert accepted == Accepted([], [other])


async def test_two_bodies_under_one_id_in_one_batch_leave_the_first_in_force(service: Service, inbox: Inbox) -> None:
    (record,) = some_records(1)
    other = with_another_body(record)

    accepted = await accept(service, inbox, record, other)

    assert accepted == Accepted([record], [other])


async def test_a_case_with_something_parked_is_named_until_it_is_dealt_with(service: Service, inbox: Inbox) -> None:
    quarantine = Quarantine(SCHEMA, SERVICE)
    async with service.database.transaction("test") as tx:
        await quarantine.park(tx, [Parked(a_received(offset=1), QuarantineReason.MALFORMED, "")], now=NOON)

    while_parked = await accept(service, inbox, a_received(offset=2), a_received(key=OTHER_CASE.encode(), offset=3))
    await service.as_role("UPDATE origin_agency.quarantine SET state = 'skipped'")
    afterwards = await accept(service, inbox, a_received(offset=4))

    assert while_parked.waiting == {CASE}
    assert afterwards.waiting == frozenset()


async def test_another_consumer_has_an_inbox_of_its_own(service: Service, inbox: Inbox) -> None:
    batch = some_records(2)
    await accept(service, inbox, *batch)

    accepted = await accept(service, Inbox(SCHEMA, "another"), *batch)

    assert accepted.fresh == batch


async def test_a_transaction_that_fails_has_accepted_nothing(service: Service, inbox: Inbox) -> None:
    batch = some_records(2)

    async def fail() -> None:
        async with service.database.transaction("test") as tx:
            await inbox.accept(tx, batch)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert (await accept(service, inbox, *batch)).fresh == batch


async def test_of_two_replicas_with_the_same_batch_one_acts_after_the_other_has_waited(service: Service, inbox: Inbox) -> None:
    batch = some_records(20)

    async def replica(records: list[Received]) -> int:
        async with service.database.transaction("test") as tx:
            accepted = await inbox.accept(tx, records)
            await asyncio.sleep(0.1)
            return len(accepted.fresh)

    fresh = await asyncio.gather(replica(batch), replica(list(reversed(batch))), replica(batch))

    assert sorted(fresh) == [0, 0, 20]


async def test_nothing_to_accept_asks_nothing_and_a_batch_asks_once(service: Service, inbox: Inbox) -> None:
    async with service.database.transaction("test") as tx:
        await inbox.accept(tx, [])
        assert tx.statements == 0
        await inbox.accept(tx, some_records(200))
        assert tx.statements == 1


def test_every_record_has_an_id_of_its_own() -> None:
    assert len({record.event_id for record in some_records(20)}) == 20
