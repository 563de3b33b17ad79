"""The house of a service on the real Kafka and PostgreSQL: it hears, says, waits, stops, and goes on where it stopped."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import confluent_kafka
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from fastapi import FastAPI

from contracts import topics
from contracts.directory import NO_CHECKPOINT
from contracts.documents import ContactLetter, ContactLetterDocument
from contracts.envelope import decode, envelope, new_id
from contracts.events import DocumentReceived, MessageParked
from deploy.local.exchange import root_fingerprint
from deploy.local.native import CHECKOUT
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.messaging.house import House
from services.messaging.outbox import outgoing
from services.messaging.received import Received
from services.messaging.relay import partition_of
from services.messaging.sealing import Opener, Sealer
from services.messaging.signing import Signer
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock, ScenarioClock
from services.runtime.database import Database, Transaction
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from services.runtime.settings import Settings
from tests.builders import a
from tests.integration.conftest import UrlOf
from tests.integration.messaging.conftest import JOURNAL, OWNER, ROLE, SERVICE, Service, Tail, until

SENDER = "33/destination-agency"


class Origin:
    """44's origin agency with a work of its own: it opens each letter and says that it came."""

    def __init__(self, stack: Stack, url_of: UrlOf, *, clock: str = "system", max_records: int = 200) -> None:
        secrets = stack.secrets
        self.settings = Settings.model_validate(
            {
                "province": "44",
                "database_url": url_of(ROLE),
                "kafka_bootstrap": stack.kafka.bootstrap,
                "kafka_username": "44.origin-agency",
                "kafka_password": secrets.password("kafka-44.origin-agency"),
                "signing_key_file": secrets.signing_file("44", "origin-agency"),
                "token_keys_file": secrets.token_public_file(),
                "directory_root": root_fingerprint(secrets),
                "clock": clock,
                "max_records": max_records,
                "retry_pauses_s": (0.1, 0.2, 3.0),
            }
        )
        self.opener = Opener(secrets.sealing_key("44"))
        self.handled: list[str] = []
        self.before: Callable[[], Any] | None = None
        self.service = Service(
            stack, Database(url_of(ROLE), name="test"), url_of(OWNER), House(self.settings, "origin-agency").outbox
        )
        self.build()

    def build(self) -> None:
        """A house and an API as after a start of the process."""
        self.house = House(self.settings, "origin-agency")
        self.house.consume(
            topics.exchange("44"),
            concerns=lambda record: record.role not in topics.ROLES[1:],  # its own, and what no role owns
            wants=(ContactLetterDocument,),
            work=self.work,
        )
        self.api = make_api(
            "test",
            verifier=TokenVerifier(self.settings.token_keys_file),
            ready=self.house.ready,
            lifespan=self.house.living,
        )
        self.api.include_router(self.house.scenario())

    async def work(self, tx: Transaction, records: Sequence[Received]) -> None:
        told = []
        for record in records:
            fact = record.fact
            assert isinstance(fact, ContactLetterDocument)
            assert isinstance(self.opener.open(fact), ContactLetter)
            answer = a(
                DocumentReceived,
                case_id=fact.case_id,
                document_id=record.event_id,
                document_type=fact.type_name,
                sender=SENDER,
                number=record.number,
                digest=record.digest.hex(),
                checkpoint_digest=record.checkpoint_digest,
                proof=record.proof_text,
            )
            told.append(
                envelope(answer, source=SERVICE, subject=fact.case_id, time=self.house.clock.now(), causation=record.event_id)
            )
        await self.house.outbox.tell(tx, told)
        if self.before is not None:
            await self.before()
        self.handled += [record.key for record in records]

    async def ready(self) -> None:
        """Wait until nothing is waited for."""

        async def well() -> bool:
            return not any((await self.house.ready()).values())

        await until(well, seconds=40)

    async def idle(self) -> None:
        """Wait until nothing is in hand."""

        async def at_rest() -> bool:
            return await self.house.idle() is None

        await until(at_rest, seconds=40)


@pytest.fixture
async def origin(stack: Stack, province_database: UrlOf) -> AsyncIterator[Origin]:
    found = Origin(stack, province_database)
    yield found
    await found.service.database.close()


@asynccontextmanager
async def living(origin: Origin) -> AsyncIterator[FastAPI]:
    """The service from its start until its stop."""
    async with origin.api.router.lifespan_context(origin.api):
        await origin.ready()
        yield origin.api


Headers = list[tuple[str, bytes | None]]
Writing = Sequence[tuple[bytes, bytes, Headers]]


async def send(
    origin: Origin,
    *cases: str,
    spoil: Callable[[bytes, Headers], bytes] = lambda value, _: value,
    write: Callable[[KafkaAccess, Writing], Awaitable[None]] | None = None,
) -> None:
    """A batch of letters from 33, one a case, signed and published as its destination agency does; `spoil` may touch them."""
    secrets = origin.service.stack.secrets
    sealer = Sealer(origin.house.directory, "33")
    rows = [
        outgoing(
            envelope(
                sealer.seal(ContactLetterDocument, a(ContactLetter), case_id=case, addressee="44"),
                source=SENDER,
                subject=case,
                time=Clock().now(),
            )
        )
        for case in cases
    ]
    signer = Signer(SENDER, secrets.signing_key("33", "destination-agency"))
    signed, proofs = signer.sign_batch([row.payload for row in rows], first=1, previous=NO_CHECKPOINT, now=Clock().now())
    principal = "33.destination-agency"
    access = KafkaAccess(origin.service.stack.kafka.bootstrap, principal, secrets.password(f"kafka-{principal}"), principal)
    records: list[tuple[bytes, bytes, Headers]] = []
    for at, (row, proof) in enumerate(zip(rows, proofs, strict=True)):
        headers: Headers = [
            (topics.SERVICE, SENDER.encode()),
            (topics.NUMBER, str(at + 1).encode()),
            (topics.PROOF, proof),
            (topics.CHECKPOINT, signed.model_dump_json().encode()),
            (topics.TYPE, row.type.encode()),
            (topics.ROLE, b"origin-agency"),
        ]
        records.append((row.key.encode(), spoil(row.payload, headers), headers))
    await (write or write_singly)(access, records)


async def write_singly(access: KafkaAccess, records: Writing) -> None:
    """Each where its key belongs."""
    producer = AIOKafkaProducer(**access.client(), acks="all")
    await producer.start()
    try:
        for key, value, headers in records:
            at = partition_of(key.decode())
            await producer.send_and_wait(topics.exchange("44"), value, key=key, headers=headers, partition=at)
    finally:
        await producer.stop()


ODD_NAME, ODD_BYTES = "odd-name", b"\xff\xfed-name"


async def write_with_an_odd_name(access: KafkaAccess, records: Writing) -> None:
    """All in one batch in the first one's partition, with bytes that are no text where a header is called ODD_NAME."""
    producer = AIOKafkaProducer(**access.client(), acks="all")
    await producer.start()
    try:
        batch: Any = producer.create_batch()
        for key, value, headers in records:
            assert batch.append(key=key, value=value, timestamp=None, headers=headers) is not None
        raw = bytes(batch._build())  # a client that checks nothing: any other language's
        assert raw.count(ODD_NAME.encode()) == 1
        raw = raw.replace(ODD_NAME.encode(), ODD_BYTES)
        batch._buffer = raw[:17] + calc_crc32c(raw[21:]).to_bytes(4, "big") + raw[21:]
        await (await producer.send_batch(batch, topics.exchange("44"), partition=partition_of(records[0][0].decode())))
    finally:
        await producer.stop()


async def write_compressed(access: KafkaAccess, records: Writing) -> None:
    """All in one batch in the first one's partition, compressed in a way that aiokafka has no library for."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": access.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": access.username,
            "sasl.password": access.password,
            "compression.type": "zstd",
            "linger.ms": 200,
        }
    )
    for key, value, headers in records:
        at = partition_of(records[0][0].decode())
        producer.produce(topics.exchange("44"), value, key=key, headers=dict(headers), partition=at)
    assert await asyncio.to_thread(producer.flush, 20) == 0


async def parked(origin: Origin) -> dict[str, str]:
    rows = await origin.service.rows("SELECT case_key, reason FROM origin_agency.quarantine")
    return {row["case_key"]: row["reason"] for row in rows}


def cases(count: int) -> list[str]:
    return [new_id() for _ in range(count)]


async def test_a_document_of_another_province_is_opened_and_its_arrival_stands_on_the_journal(origin: Origin) -> None:
    named = cases(5)

    async with living(origin), Tail(origin.service.access("00.audit"), JOURNAL) as tail:
        await send(origin, *named)
        records = await tail.until(5)
        await origin.idle()

    said = [decode(record.value) for record in records]
    assert sorted(message.subject for message in said) == sorted(named)
    assert {type(message.data) for message in said} == {DocumentReceived}
    assert all(message.causationid == message.data.document_id for message in said if isinstance(message.data, DocumentReceived))
    assert sorted(origin.handled) == sorted(named)


async def test_a_service_says_for_what_it_waits_until_it_waits_for_nothing(origin: Origin) -> None:
    before = await origin.house.ready()

    async with living(origin):
        during = await origin.house.ready()

    assert before["directory"] == "the directory is not read yet"
    assert before["kafka"] == "the consumer is not started yet"
    assert set(during.values()) == {None}


def with_a_header_that_is_no_text(value: bytes, headers: Headers) -> bytes:
    headers[:0] = [("correlation_id", b"\xff\xfe"), ("content-type", b"\xff"), ("null", None)]
    return value


def with_other_bytes(value: bytes, headers: Headers) -> bytes:
    return b"\xff" + value


def without_evidence(value: bytes, headers: Headers) -> bytes:
    headers[:] = [header for header in headers if header[0] == topics.ROLE]
    return value


async def test_a_header_that_is_no_text_is_no_reason_to_lose_a_record(origin: Origin) -> None:
    named = cases(3)

    async with living(origin):
        await send(origin, *named, spoil=with_a_header_that_is_no_text)
        await until(lambda: set(named) <= set(origin.handled))

    assert not set(named) & set(await parked(origin))


@pytest.mark.parametrize(("spoil", "reason"), [(with_other_bytes, "malformed"), (without_evidence, "unsigned")])
async def test_poison_is_parked_and_told_and_every_case_flows(
    origin: Origin, spoil: Callable[[bytes, Headers], bytes], reason: str
) -> None:
    named, *others = cases(4)

    async with living(origin), Tail(origin.service.access("00.audit"), JOURNAL) as tail:
        await send(origin, named, spoil=spoil)
        await send(origin, named, *others)
        await until(lambda: {named, *others} <= set(origin.handled))
        await origin.idle()
        records = await tail.rest()

    told = [decode(record.value).data for record in records]
    rows = await origin.service.rows("SELECT reason FROM origin_agency.quarantine WHERE detail LIKE '%' || $1 || '%'", named)
    assert [row["reason"] for row in rows] == [reason]
    assert [fact.reason for fact in told if isinstance(fact, MessageParked)] == [reason]


def with_an_odd_name_for(case: str) -> Callable[[bytes, Headers], bytes]:
    """One case's record gets a header of that name."""

    def spoil(value: bytes, headers: Headers) -> bytes:
        if case.encode() in value:
            headers.append((ODD_NAME, b"x"))
        return value

    return spoil


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_header_name_that_is_no_text_is_poison_and_its_batch_its_partition_and_all_others_flow(
    origin: Origin, at: int
) -> None:
    neighbours, after, others = cases(3), cases(1)[0], cases(12)
    sick = neighbours[at]

    async with living(origin), Tail(origin.service.access("00.audit"), JOURNAL) as tail:
        await send(origin, *others)
        await send(origin, *neighbours, spoil=with_an_odd_name_for(sick), write=write_with_an_odd_name)
        await send(origin, neighbours[0], after, *others)
        await until(lambda: len(set(origin.handled)) >= 15)
        await origin.idle()
        waits_for = await origin.house.ready()
        records = await tail.rest()

    told = [decode(record.value).data for record in records]
    (row,) = await origin.service.rows("SELECT * FROM origin_agency.quarantine")
    assert (row["reason"], row["state"]) == ("malformed", "parked")
    assert row["case_key"] == f"unproven:exchange.44-{partition_of(neighbours[0])}-{row['offset']}"
    assert sick.encode() in row["value"]
    assert r"\udcff\udcfed-name" in json.loads(row["headers"])
    assert [fact.reason for fact in told if isinstance(fact, MessageParked)] == ["malformed"]
    well = [*others, *others, after, neighbours[0], *(case for case in neighbours if case != sick)]
    assert sorted(origin.handled) == sorted(well)
    assert set(waits_for.values()) == {None}


async def test_a_batch_that_nothing_here_can_read_is_one_poison_and_its_partition_flows(origin: Origin) -> None:
    unread, (after, *others) = cases(3), cases(12)

    async with living(origin):
        await send(origin, *unread, write=write_compressed)
        await send(origin, unread[0], after, *others)
        await until(lambda: {unread[0], after, *others} <= set(origin.handled))
        await origin.idle()

    (row,) = await origin.service.rows("SELECT * FROM origin_agency.quarantine")
    assert (row["reason"], row["case_key"]) == ("malformed", f"unproven:exchange.44-{row['partition']}-{row['offset']}")
    assert len(row["value"]) > 100
    assert sorted(origin.handled) == sorted([unread[0], after, *others])


async def test_a_restart_in_the_middle_of_such_a_batch_loses_and_repeats_nothing(stack: Stack, province_database: UrlOf) -> None:
    origin = Origin(stack, province_database, max_records=1)
    named = cases(3)

    async with living(origin):
        origin.before = origin_is_slow
        await send(origin, *named, spoil=with_an_odd_name_for(named[1]), write=write_with_an_odd_name)
        await until(lambda: len(origin.handled) == 1)
    origin.build()
    async with living(origin):
        await until(lambda: named[2] in origin.handled)
        await origin.idle()
    await origin.service.database.close()

    assert origin.handled == [named[0], named[2]]
    assert list((await parked(origin)).values()) == ["malformed"]


async def origin_is_slow() -> None:
    await asyncio.sleep(0.2)


async def test_what_fails_without_a_name_is_tried_again_by_itself_and_until_then_nobody_is_idle(origin: Origin) -> None:
    sick, well = cases(2)
    fails = [KeyError("a bug")] * 3

    async def fail() -> None:
        if fails:
            raise fails.pop()

    async with living(origin):
        origin.before = fail
        await send(origin, sick)
        await until(lambda: not fails, seconds=40)
        said = set()
        while (in_hand := await origin.house.idle()) is not None:
            said.add(in_hand)
            await asyncio.sleep(0.05)
        await send(origin, well)
        await until(lambda: well in origin.handled)

    assert origin.handled[:1] == [sick]
    assert "a record in quarantine waits for its next try" in said
    (row,) = await origin.service.rows("SELECT state, attempts FROM origin_agency.quarantine")
    assert (row["state"], row["attempts"]) == ("retried", 4)


async def test_operators_decide_through_the_house(origin: Origin) -> None:
    (sick,) = cases(1)

    async with living(origin):
        await send(origin, sick, spoil=lambda value, _: value + b" ")
        await until(lambda: origin.house.handler is not None and not origin.house.handler.in_flight)

        async def parked() -> bool:
            return bool(await origin.house.operators.overview())

        await until(parked)
        (entry,) = await origin.house.operators.overview()
        result = await origin.house.operators.retry(entry["quarantine_id"], who="op-1", reason="once more")

    assert (entry["reason"], result.outcome, result.failure) == ("bad_proof", "failed", "bad_proof")


async def test_a_partition_that_does_not_move_is_what_a_service_waits_for(origin: Origin) -> None:
    (case,) = cases(1)
    here = f"exchange.44-{partition_of(case)}"
    origin.house.progress.patience_s = 0.5

    async def says() -> str | None:
        return (await origin.house.ready())["kafka"]

    async def is_said() -> bool:
        return await says() == f"{here} does not move"

    async def is_well() -> bool:
        return await says() is None

    async with living(origin):
        consumer = origin.house._subscriber.consumer
        partition = next(each for each in consumer.assignment() if each.partition == partition_of(case))
        consumer.pause(partition)
        before = await says()
        await send(origin, case)
        at_once = await says()
        await until(is_said)
        consumer.resume(partition)
        await until(lambda: case in origin.handled)
        await until(is_well)

    assert (before, at_once) == (None, None)


async def test_a_database_that_goes_away_in_the_middle_costs_nothing_and_repeats_nothing(origin: Origin) -> None:
    named = cases(20)
    cut = 0

    async def lose_the_database() -> None:
        nonlocal cut
        if cut < 2:
            cut += 1
            await origin.service.terminate(f"{SERVICE}%")

    origin.before = lose_the_database
    async with living(origin):
        await send(origin, *named)
        await until(lambda: set(named) <= set(origin.handled), seconds=60)
        await origin.idle()

    rows = await origin.service.rows("SELECT subject, count(*) AS count FROM origin_agency.outbox GROUP BY subject")
    assert cut == 2
    assert {row["subject"]: row["count"] for row in rows} == dict.fromkeys(named, 1)
    assert await parked(origin) == {}


async def test_an_idle_service_hardly_ever_asks_for_records_and_takes_at_once_what_comes(origin: Origin) -> None:
    (named,) = cases(1)
    async with living(origin):
        fetcher = origin.house._subscriber.consumer._fetcher
        look, looks = fetcher.fetched_records, 0

        async def counted(*arguments: Any, **further: Any) -> Any:
            nonlocal looks
            looks += 1
            return await look(*arguments, **further)

        fetcher.fetched_records = counted
        await asyncio.sleep(2)
        looks_while_idle = looks
        await send(origin, named)

        async def handled() -> bool:
            return origin.handled == [named]

        await until(handled, seconds=5)

    assert 1 <= looks_while_idle <= 8


def test_a_service_looks_for_garbage_seldom_and_never_in_what_stands_since_the_start() -> None:
    program = (
        "import gc; from services.messaging.house import look_for_garbage_seldom as seldom; seldom();"
        " print(gc.get_threshold()[0], gc.get_freeze_count(), len(gc.get_objects()))"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=CHECKOUT).stdout

    threshold, frozen, seen = map(int, told.split())
    assert threshold >= 50_000
    assert frozen > 10_000 > seen


async def test_what_comes_while_a_service_is_down_is_handled_when_it_is_up_again(origin: Origin) -> None:
    first, second = cases(2)
    async with living(origin):
        await send(origin, first)
        await until(lambda: first in origin.handled)
        await origin.idle()
    await send(origin, second)

    origin.build()
    async with living(origin):
        await until(lambda: second in origin.handled)
        await origin.idle()

    assert [case for case in origin.handled if case in (first, second)] == [first, second]


async def test_a_stop_leaves_no_task_behind(origin: Origin) -> None:
    before = asyncio.all_tasks()
    async with living(origin):
        await send(origin, *cases(3))

    left = {task.get_name() for task in asyncio.all_tasks() - before if not task.done()}

    assert not left & {"directory", "relay", "consumer"}


async def test_work_that_is_due_now_and_then_is_done_at_once_when_a_scenario_moves_the_clock(
    stack: Stack, province_database: UrlOf
) -> None:
    origin = Origin(stack, province_database, clock="scenario")
    done: list[str] = []

    left = [2, 1, 0]

    async def work() -> int:
        done.append(origin.house.clock.now().isoformat())
        return left.pop(0) if left else 0

    origin.house.every(3600, "clocks", work)
    people = tokens(stack.home)
    operator = {"authorization": f"Bearer {people.staff('44', Role.OPERATOR)}"}
    clerk = {"authorization": f"Bearer {people.staff('44', Role.MAKER)}"}
    clock = origin.house.clock
    assert isinstance(clock, ScenarioClock)
    async with living(origin), httpx.AsyncClient(transport=httpx.ASGITransport(origin.api), base_url="http://44") as client:
        await until(lambda: len(done) == 3)  # it is asked again while it has left something to do
        later = (clock.now() + timedelta(days=21)).isoformat()
        refused = await client.put("/scenario/clock", json={"now": later}, headers=clerk)
        moved = await client.put("/scenario/clock", json={"now": later}, headers=operator)
        await until(lambda: len(done) == 4)
        back = await client.put("/scenario/clock", json={"now": "2001-01-01T00:00:00+08:00"}, headers=operator)
        vague = await client.put("/scenario/clock", json={"now": "2099-01-01T00:00:00"}, headers=operator)
        await origin.idle()
        idle = await client.get("/scenario/idle", headers=operator)
        fresh = await client.put("/scenario/clock", json={"now": "2024-05-06T09:00:00+08:00", "back": True}, headers=operator)
    await origin.service.database.close()

    assert (refused.status_code, refused.json()["code"]) == (403, "WRONG_ROLE")
    assert moved.status_code == 200
    assert done[2] < later <= done[3]
    assert (back.status_code, back.json()["code"]) == (409, "CLOCK_NOT_MOVED")
    assert vague.status_code == 422
    assert idle.json()["in_hand"] is None
    assert fresh.json()["now"].startswith("2024-05-06T09:00:00")


async def test_a_clock_does_not_go_back_while_something_is_in_hand(stack: Stack, province_database: UrlOf) -> None:
    origin = Origin(stack, province_database, clock="scenario")
    at_work = True
    origin.house.also_run("imports", asyncio.Event().wait, busy=lambda: at_work)  # type: ignore[arg-type]
    operator = {"authorization": f"Bearer {tokens(stack.home).staff('44', Role.OPERATOR)}"}
    wish = {"now": "2024-05-06T09:00:00+08:00", "back": True}
    async with living(origin), httpx.AsyncClient(transport=httpx.ASGITransport(origin.api), base_url="http://44") as client:
        refused = await client.put("/scenario/clock", json=wish, headers=operator)
        at_work = False
        await origin.idle()
        moved = await client.put("/scenario/clock", json=wish, headers=operator)
    await origin.service.database.close()

    assert (refused.status_code, refused.json()["code"]) == (409, "CLOCK_NOT_MOVED")
    assert "imports is at work" in refused.json()["detail"]
    assert moved.status_code == 200


async def test_whether_all_is_idle_is_told_at_once_although_a_fetch_waits(origin: Origin) -> None:
    """A fetch waits half a second in Kafka's hand; a question behind it would wait as long each time."""
    async with living(origin):
        await origin.idle()
        began = asyncio.get_running_loop().time()
        for _ in range(6):
            assert await origin.house.idle() is None
        took = asyncio.get_running_loop().time() - began

    assert took < 1.5  # six fetches are three seconds


async def test_what_is_held_back_from_a_service_is_nobodys_work_and_comes_when_it_is_released(
    stack: Stack, province_database: UrlOf
) -> None:
    origin = Origin(stack, province_database, clock="scenario")
    (named,) = cases(1)
    operator = {"authorization": f"Bearer {tokens(stack.home).staff('44', Role.OPERATOR)}"}
    async with living(origin), httpx.AsyncClient(transport=httpx.ASGITransport(origin.api), base_url="http://44") as client:
        await origin.idle()
        held = await client.put("/scenario/documents", json={"held": True}, headers=operator)
        await send(origin, named)
        await asyncio.sleep(1.5)  # longer than any fetch that left before
        idle_meanwhile, handled_meanwhile = await origin.house.idle(), named in origin.handled
        released = await client.put("/scenario/documents", json={"held": False}, headers=operator)
        await origin.idle()
        handled = named in origin.handled
    await origin.service.database.close()

    assert (held.json(), released.json()) == ({"held": True}, {"held": False})
    assert (idle_meanwhile, handled_meanwhile) == (None, False)
    assert handled


async def test_without_a_scenario_there_is_no_clock_to_move(origin: Origin) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(origin.api), base_url="http://44") as client:
        response = await client.put("/scenario/clock", json={"now": "2099-01-01T00:00:00+08:00"})

    assert response.status_code == 404


async def test_a_task_that_ends_by_an_error_is_started_again(origin: Origin) -> None:
    tried: list[int] = []

    async def clumsy() -> None:
        tried.append(1)
        if len(tried) < 3:
            raise AssertionError("a bug") if len(tried) == 1 else ConnectionRefusedError

    origin.house.also_run("clumsy", clumsy)
    async with living(origin):
        await until(lambda: len(tried) == 3)

    assert len(tried) == 3


async def test_what_is_opened_with_the_service_is_closed_with_it(origin: Origin) -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    origin.house.at_end(close)
    async with living(origin):
        assert closed == []

    assert closed == [True]
    assert not origin.house.database.is_open


async def test_what_should_run_as_long_as_the_service_and_ended_is_told(origin: Origin) -> None:
    async def nothing() -> None:
        return None

    origin.house.also_run("clocks", nothing)
    origin.house.once("due dates", no_work)
    async with living(origin):
        await until(lambda: bool(origin.house.alive()))

        assert origin.house.alive() == {"clocks": "has ended, and should run as long as the service"}


async def no_work() -> int:
    return 0


async def test_what_has_to_be_done_first_keeps_records_waiting_and_the_service_from_being_ready(origin: Origin) -> None:
    case, read, handled_before = new_id(), asyncio.Event(), []

    async def first() -> None:
        handled_before.extend(origin.handled)
        await read.wait()

    origin.house.first("rules", first)
    async with origin.api.router.lifespan_context(origin.api):
        await until(origin.house.reader.caught_up.is_set)
        await send(origin, case)
        waits_for = await origin.house.ready()
        await asyncio.sleep(0.5)
        assert origin.handled == []
        read.set()
        await origin.ready()
        await origin.idle()

    assert waits_for["rules"] == "the rules are not read yet"
    assert waits_for["kafka"] == "the consumer is not started yet"
    assert handled_before == []
    assert origin.handled == [case]
