"""The relay: numbers, signs and sends in order; a crash changes no byte; of two relays one leads."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import topics
from contracts.directory import NO_CHECKPOINT, Checkpoint, SignedCheckpoint
from contracts.envelope import encode, envelope
from contracts.events import Cancelled
from services.messaging.directory import Directory, sign_entry
from services.messaging.merkle import leaf, root_of
from services.messaging.received import Received
from services.messaging.relay import Numbered, Sender, partition_of
from services.messaging.signing import fingerprint, key_id, public_hex, signature_holds
from services.messaging.verification import Verifier
from services.runtime.clock import Clock
from services.runtime.database import COUNTS, Database
from tests.builders import CASE, OTHER_CASE, a
from tests.exchange import Exchange
from tests.integration.conftest import UrlOf
from tests.integration.messaging.conftest import JOURNAL, ROLE, SERVICE, Service, Tail, headers, number_of, running, some, until


class Crash(Exception):
    """The process dies."""


class DyingSender(Sender):
    """A sender that dies before or after it has sent, some times."""

    def __init__(self, *of: object, dies: int, after_sending: bool) -> None:
        super().__init__(*of)  # type: ignore[arg-type]
        self._dies = dies
        self._after = after_sending

    async def send(self, records: Sequence[Numbered]) -> None:
        if self._dies:
            self._dies -= 1
            if self._after:
                await super().send(records)
            raise Crash
        await super().send(records)


async def numbers(service: Service) -> list[int]:
    return [row["number"] for row in await service.rows("SELECT number FROM origin_agency.log ORDER BY seq")]


async def sent_through(service: Service) -> int:
    (row,) = await service.rows("SELECT sent_through FROM origin_agency.relay")
    return int(row["sent_through"])


async def test_rows_are_numbered_in_order_signed_as_a_batch_and_sent_as_they_are(service: Service) -> None:
    told = await service.tell(*some(5), case=CASE)

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(service.relay()):
        records = await tail.until(5)
        await until(lambda: sent_five(service))

    assert [record.value for record in records] == [encode(message) for message in told]
    assert [record.key for record in records] == [CASE.encode()] * 5
    assert {record.partition for record in records} == {partition_of(CASE)}
    assert [headers(record)[topics.NUMBER] for record in records] == [b"1", b"2", b"3", b"4", b"5"]
    assert {headers(record)[topics.SERVICE] for record in records} == {SERVICE.encode()}
    assert {headers(record)[topics.TYPE] for record in records} == {b"cn.jiexu.funds.received.v1"}
    assert all(topics.ROLE not in headers(record) for record in records)
    assert await numbers(service) == [1, 2, 3, 4, 5]


async def test_the_largest_record_that_may_be_told_is_sent(service: Service) -> None:
    room = topics.MAX_VALUE_BYTES - len(
        encode(envelope(a(Cancelled, reason=""), source=SERVICE, subject=CASE, time=Clock().now()))
    )

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(service.relay()):
        await service.tell(*some(3), a(Cancelled, reason="x" * (room - 20)), *some(3), case=CASE)
        records = await tail.until(7)

    assert len(records) == 7
    assert topics.MAX_VALUE_BYTES - 40 <= max(len(record.value) for record in records) <= topics.MAX_VALUE_BYTES


async def sent_five(service: Service) -> bool:
    return await sent_through(service) == 5


async def test_what_is_published_is_verified_by_whoever_knows_the_directory(service: Service) -> None:
    exchange = Exchange(signing={SERVICE: service.stack.secrets.signing_key("44", "origin-agency")})
    directory = Directory(exchange.root_fingerprint)
    directory.learn(sign_entry(exchange.entry("44"), exchange.root))
    verifier = Verifier(directory, "44")
    await service.tell(*some(7))

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(service.relay()):
        records = await tail.until(7)

    for record in records:
        verifier.check(Received.of(record).read())


async def test_batches_make_a_chain_of_checkpoints_without_a_gap_on_a_topic_of_their_own(service: Service) -> None:
    await service.tell(*some(10))

    async with Tail(service.access("00.audit"), topics.CHECKPOINTS) as tail, running(service.relay(batch=4)):
        records = await tail.until(3)

    signed = [SignedCheckpoint.model_validate_json(record.value) for record in records]
    found = [Checkpoint.model_validate_json(each.checkpoint) for each in signed]
    public = public_hex(service.stack.secrets.signing_key("44", "origin-agency"))
    assert {record.key for record in records} == {SERVICE.encode()}
    assert [(each.first, each.last) for each in found] == [(1, 4), (5, 8), (9, 10)]
    assert [each.previous for each in found] == [NO_CHECKPOINT, signed[0].digest, signed[1].digest]
    assert {each.key_id for each in found} == {key_id(public)} == {fingerprint(public)[:16]}
    assert all(signature_holds(public, each.checkpoint, each.signature) for each in signed)


async def test_the_database_keeps_the_evidence_with_the_row(service: Service) -> None:
    await service.tell(*some(3))

    async with running(service.relay()):
        await until(lambda: sent_all(service, 3))

    rows = await service.rows(
        "SELECT o.payload, o.number, o.proof, c.* FROM origin_agency.log o"
        " JOIN origin_agency.checkpoints c ON c.last = o.checkpoint"
    )
    for row in rows:
        root = root_of(leaf(row["payload"]), row["number"] - row["first"], row["last"] - row["first"] + 1, row["proof"])
        assert root is not None
        assert root.hex() == Checkpoint.model_validate_json(row["checkpoint"]).root
    assert len(rows) == 3


@pytest.mark.parametrize("after_sending", [False, True])
async def test_a_crash_after_numbering_sends_the_same_bytes_again(service: Service, after_sending: bool) -> None:
    await service.tell(*some(6))
    dying = service.relay(sender=DyingSender(service.access(), SERVICE, dies=1, after_sending=after_sending), batch=4)

    async with Tail(service.access("00.audit"), JOURNAL, topics.CHECKPOINTS) as tail:
        with pytest.raises(Crash):
            await dying.run()
        await dying.close()
        assert await sent_through(service) == 0
        stored = await service.rows("SELECT number, proof, payload FROM origin_agency.log WHERE number IS NOT NULL ORDER BY 1")
        async with running(service.relay(batch=4)):
            await tail.until(6 + 2 + (4 + 1) * after_sending)
            records = await tail.rest()

    by_number: dict[int, set[tuple[bytes, bytes, bytes]]] = {}
    for record in records:
        if record.topic == JOURNAL:
            own = headers(record)
            seen = by_number.setdefault(int(own[topics.NUMBER]), set())
            seen.add((record.value, own[topics.PROOF], own[topics.CHECKPOINT]))
    assert sorted(by_number) == [1, 2, 3, 4, 5, 6]
    assert all(len(seen) == 1 for seen in by_number.values())
    assert [row["number"] for row in stored] == [1, 2, 3, 4]
    assert all(
        {(value, proof) for value, proof, _ in by_number[row["number"]]} == {(row["payload"], row["proof"])} for row in stored
    )
    assert await numbers(service) == [1, 2, 3, 4, 5, 6]


async def test_an_interrupted_relay_connects_anew_and_goes_on(service: Service) -> None:
    class Away(DyingSender):
        async def send(self, records: Sequence[Numbered]) -> None:
            try:
                await super().send(records)
            except Crash as error:
                raise KafkaConnectionError from error

    relay = service.relay(sender=Away(service.access(), SERVICE, dies=2, after_sending=False))
    await service.tell(*some(3))

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(relay):
        await until(lambda: relay.waits_for == "relay: KafkaConnectionError")
        await tail.until(3)
        await until(lambda: relay.waits_for is None)

    assert [headers(record)[topics.NUMBER] for record in sorted(tail.records, key=number_of)] == [b"1", b"2", b"3"]


async def test_of_two_relays_one_leads_and_the_other_takes_over(service: Service, province_database: UrlOf) -> None:
    standby_database = Database(province_database(ROLE), name="standby")
    first, second = service.relay(), service.relay(database=standby_database)

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(second):
        async with running(first):
            await until(lambda: first.leads or second.leads)
            leader, standby = (first, second) if first.leads else (second, first)
            await service.tell(*some(3), case=CASE)
            await tail.until_number(3)
            assert (leader.leads, standby.leads) == (True, False)
            name = f"{SERVICE if leader is first else 'standby'}-session"
            assert await service.terminate(name) == 1
            await until(lambda: first.leads or second.leads)
            await service.tell(*some(3), case=CASE)
            await tail.until_number(6)
        await until(lambda: second.leads)
        await service.tell(*some(1), case=CASE)
        records = await tail.until_number(7)
    await standby_database.close()

    first_seen = list(dict.fromkeys(number_of(record) for record in records))  # repeats are identical, and harmless
    assert first_seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_relay_that_lost_the_database_says_so_and_resumes(service: Service) -> None:
    relay = service.relay()

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(relay):
        await until(lambda: relay.leads)
        for at in range(3):
            await service.terminate(f"{SERVICE}-session")
            await until(lambda: relay.leads)
            await service.tell(*some(1))
            await tail.until_number(at + 1)

    assert {number_of(record) for record in tail.records} == {1, 2, 3}


async def test_a_woken_relay_does_not_wait_for_its_poll(service: Service) -> None:
    relay = service.relay(poll_s=60)

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(relay):
        await until(lambda: relay.leads and relay.idle)
        await asyncio.sleep(0.1)
        await service.tell(*some(1))
        relay.wake()
        await tail.until(1, seconds=10)
        await until(lambda: relay.idle)

    assert len(tail.records) == 1


async def test_writers_that_commit_at_the_same_time_lose_nothing_and_each_case_keeps_its_order(service: Service) -> None:
    async def writer(case: str) -> None:
        for _ in range(20):
            await service.tell(*some(2), case=case)

    async with Tail(service.access("00.audit"), JOURNAL) as tail, running(service.relay(batch=7)):
        await asyncio.gather(writer(CASE), writer(OTHER_CASE))
        records = await tail.until(80)

    rows = await service.rows("SELECT number, key FROM origin_agency.log ORDER BY seq")
    assert sorted(row["number"] for row in rows) == list(range(1, 81))
    for case in (CASE, OTHER_CASE):
        mine = [number_of(record) for record in records if record.key == case.encode()]
        assert mine == sorted(mine)
        assert all(before["number"] < after["number"] for before, after in pairwise(row for row in rows if row["key"] == case))


async def test_a_batch_costs_the_database_few_statements_however_many_records_it_has(service: Service) -> None:
    relay = service.relay()
    async with running(relay):
        await until(lambda: relay.leads and relay.idle)
        before = COUNTS.statements

        await service.tell(*some(400))
        await until(lambda: sent_all(service, 400))

    told, numbered_and_marked = 1, 3
    assert COUNTS.statements - before <= told + numbered_and_marked


async def sent_all(service: Service, count: int) -> bool:
    return await sent_through(service) == count


async def test_an_idle_relay_writes_nothing(service: Service) -> None:
    async with running(service.relay(poll_s=0.01)):
        await asyncio.sleep(0.3)

    assert await service.rows("SELECT 1 FROM origin_agency.checkpoints") == []


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=40))
def test_a_key_lives_in_one_partition_of_twelve(key: str) -> None:
    assert 0 <= partition_of(key) < topics.PARTITIONS
    assert partition_of(key) == partition_of(key)


@pytest.mark.parametrize(("key", "hashed"), [("21", -973932308), ("foobar", -790332482), ("abc", 479470107)])
def test_partitions_are_those_of_kafkas_own_clients(key: str, hashed: int) -> None:
    # From Kafka's own UtilsTest.testMurmur2.
    assert partition_of(key) == (hashed & 0x7FFFFFFF) % 12
