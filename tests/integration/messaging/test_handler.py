"""The batch handler: once whatever is delivered, poison parked with its case, and nothing lost when the database goes away."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
import pytest

from contracts import topics
from contracts.base import Fact
from contracts.documents import (
    CompletionDocument,
    ContactLetter,
    ContactLetterDocument,
    Document,
    InformationForm,
    InformationFormDocument,
    Reminder,
    ReminderDocument,
)
from contracts.envelope import decode, new_id
from contracts.events import FundsReceived, MessageParked, QuarantineReason
from services.messaging.handler import BatchHandler, Poison
from services.messaging.inbox import Inbox
from services.messaging.quarantine import Quarantine
from services.messaging.received import Received
from services.messaging.sealing import Sealer
from services.messaging.verification import Verifier
from services.runtime.clock import Clock
from services.runtime.database import COUNTS, Transaction
from tests.builders import a
from tests.exchange import Exchange, KafkaRecord
from tests.integration.messaging.conftest import SCHEMA, SERVICE, Service

SENDER = "33/destination-agency"


class Desk:
    """A service's work: it notes every case it was given, and can be told what to do wrong."""

    def __init__(self, service: Service, exchange: Exchange, **options: Any) -> None:
        self.service = service
        self.calls: list[list[int]] = []
        self.told = 0
        self.delayed = 0
        self.guilty: dict[str, Exception] = {}
        self.poison: dict[str, QuarantineReason] = {}
        self.poison_at: dict[int, QuarantineReason] = {}
        self.hold: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.handler = BatchHandler(
            database=service.database,
            inbox=Inbox(SCHEMA, "44.origin-agency"),
            outbox=service.outbox,
            quarantine=Quarantine(SCHEMA, SERVICE),
            verifier=Verifier(exchange.directory(), "44"),
            clock=Clock(),
            concerns=lambda record: record.role in ("origin-agency", ""),
            wants=(ContactLetterDocument, CompletionDocument),
            work=self.work,
            told=self._told,
            delayed=self._delayed,
            **options,
        )

    def _told(self) -> None:
        self.told += 1

    def _delayed(self) -> None:
        self.delayed += 1

    async def work(self, tx: Transaction, records: Sequence[Received]) -> None:
        self.calls.append([record.offset for record in records])
        rows = [(record.key, record.event_id) for record in records]
        await tx.execute(
            "INSERT INTO origin_agency.effects SELECT * FROM unnest($1::text[], $2::text[])",
            *(list(column) for column in zip(*rows, strict=True)),
        )
        self.entered.set()
        if self.hold is not None:
            await self.hold.wait()
        for record in records:
            if record.key in self.guilty:
                raise self.guilty[record.key]
            reason = self.poison.get(record.key) or self.poison_at.get(record.offset)
            if reason is not None:
                raise Poison(record, reason, "told to be wrong")

    async def handle(self, *records: KafkaRecord) -> None:
        await self.handler.handle([Received.of(record) for record in records])

    async def effects(self) -> list[str]:
        """The cases that were handled, in order of their handling."""
        return [row["case_id"] for row in await self.service.rows("SELECT case_id FROM origin_agency.effects ORDER BY seq")]

    async def parked(self) -> dict[int, str]:
        """Reasons by offset."""
        rows = await self.service.rows('SELECT "offset", reason FROM origin_agency.quarantine ORDER BY "offset"')
        return {row["offset"]: row["reason"] for row in rows}

    async def states(self) -> dict[int, str]:
        """States by offset."""
        rows = await self.service.rows('SELECT "offset", state FROM origin_agency.quarantine ORDER BY "offset"')
        return {row["offset"]: row["state"] for row in rows}


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
async def desk(service: Service, exchange: Exchange) -> Desk:
    await service.execute(
        "CREATE TABLE origin_agency.effects (case_id text, event_id text UNIQUE, seq bigint GENERATED ALWAYS AS IDENTITY);"
    )
    await service.execute("GRANT SELECT, INSERT ON origin_agency.effects TO p44_origin_agency")
    return Desk(service, exchange)


def letter(exchange: Exchange, case: str, *, addressee: str = "44") -> Document:
    return Sealer(exchange.directory(), "33").seal(ContactLetterDocument, a(ContactLetter), case_id=case, addressee=addressee)


def letters(exchange: Exchange, *cases: str) -> list[KafkaRecord]:
    """One signed batch of letters, one a case, at offsets 0, 1, …"""
    return exchange.publish(*(letter(exchange, case) for case in cases), service=SENDER)


def cases(count: int) -> list[str]:
    return [new_id() for _ in range(count)]


async def test_a_batch_is_one_transaction_and_its_effects_come_once(desk: Desk, exchange: Exchange) -> None:
    named = cases(5)
    batch = letters(exchange, *named)
    before = COUNTS.commits

    await desk.handle(*batch)

    assert COUNTS.commits - before == 1
    assert await desk.effects() == named
    assert (desk.calls, desk.told) == ([[0, 1, 2, 3, 4]], 1)


@pytest.mark.parametrize("deliveries", [2, 5])
async def test_many_deliveries_are_one_effect(desk: Desk, exchange: Exchange, deliveries: int) -> None:
    named = cases(3)
    batch = letters(exchange, *named)

    for _ in range(deliveries):
        await desk.handle(*batch)
    await desk.handle(*batch, *batch)

    assert await desk.effects() == named
    assert await desk.parked() == {}


async def test_what_is_for_another_role_is_passed_over_undecoded(desk: Desk) -> None:
    await desk.handle(KafkaRecord("exchange.44", value=b"\xff").with_header(topics.ROLE, b"destination-agency"))

    assert await desk.parked() == {}
    assert desk.told == 0


async def test_another_body_under_a_known_id_is_parked_by_name(desk: Desk, exchange: Exchange) -> None:
    (case,) = cases(1)
    (first,) = letters(exchange, case)
    await desk.handle(first)
    raw = orjson.loads(first.value or b"")
    (forged,) = exchange.publish(letter(exchange, case), service=SENDER, first=9)
    reused = resigned(exchange, forged, {**orjson.loads(forged.value or b""), "id": raw["id"]}).but(offset=1)

    await desk.handle(reused)

    assert await desk.effects() == [case]
    assert await desk.parked() == {1: "id_reused"}


def resigned(exchange: Exchange, record: KafkaRecord, raw: dict[str, Any]) -> KafkaRecord:
    """The record with another value, correctly signed as a batch of one."""
    value = orjson.dumps(raw)
    signed, (proof,) = exchange.signer(SENDER).sign_batch([value], first=9, previous="0" * 64, now=decode(value).time)
    return (
        record.but(value=value).with_header(topics.PROOF, proof).with_header(topics.CHECKPOINT, signed.model_dump_json().encode())
    )


def undecodable(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=b"\xff\xfe{")


def without_value(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=None)


def of_unknown_type(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=orjson.dumps({**orjson.loads(record.value or b""), "type": "cn.jiexu.document.rumour.v1"}))


def of_unknown_version(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=orjson.dumps({**orjson.loads(record.value or b""), "type": "cn.jiexu.document.contact_letter.v99"}))


def with_a_nul(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=orjson.dumps({**orjson.loads(record.value or b""), "type": "\x00"}), key=record.key)


def without_a_field(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=orjson.dumps({**orjson.loads(record.value or b""), "data": {}}))


def unsigned(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.with_header(topics.CHECKPOINT, None)


def with_a_number_that_is_no_text(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.with_header(topics.NUMBER, b"\xff\xfe")


def with_a_bad_signature(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    signed = orjson.loads(dict(record.headers)[topics.CHECKPOINT] or b"")
    return record.with_header(topics.CHECKPOINT, orjson.dumps({**signed, "signature": "00" * 64}))


def touched(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.but(value=(record.value or b"") + b" ")


def by_a_stranger(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    case = orjson.loads(record.value or b"")["subject"]
    (found,) = Exchange().publish(letter(exchange, case), service=SENDER)
    return found.but(offset=record.offset)


def in_anothers_name(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    case = orjson.loads(record.value or b"")["subject"]
    (found,) = exchange.publish(letter(exchange, case), service=SENDER, signer=exchange.signer("33/origin-agency"))
    return found.but(offset=record.offset)


def for_another_province(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    case = orjson.loads(record.value or b"")["subject"]
    (found,) = exchange.publish(letter(exchange, case, addressee="33"), service=SENDER)
    return found.but(offset=record.offset, topic="exchange.44")


def of_another_case(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    (found,) = letters(exchange, new_id())
    return found.but(offset=record.offset)


def with_a_header_name_that_is_no_text(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    return record.with_header("\udcff", b"")


def that_no_work_wants(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    case = orjson.loads(record.value or b"")["subject"]
    reminder = Sealer(exchange.directory(), "33").seal(ReminderDocument, a(Reminder), case_id=case, addressee="44")
    (found,) = exchange.publish(reminder, service=SENDER)
    return found.but(offset=record.offset)


def with_an_offsetless_time(exchange: Exchange, record: KafkaRecord) -> KafkaRecord:
    signed = orjson.loads(dict(record.headers)[topics.CHECKPOINT] or b"")
    checkpoint = orjson.loads(signed["checkpoint"])
    text = orjson.dumps({**checkpoint, "signed_at": "2024-05-06T12:00:00"}).decode()
    return record.with_header(topics.CHECKPOINT, orjson.dumps({**signed, "checkpoint": text}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (undecodable, "malformed"),
        (without_value, "malformed"),
        (of_unknown_type, "unknown_type"),
        (with_a_nul, "unknown_type"),
        (of_unknown_version, "unknown_version"),
        (without_a_field, "invalid"),
        (unsigned, "unsigned"),
        (with_an_offsetless_time, "unsigned"),
        (with_a_number_that_is_no_text, "bad_proof"),
        (touched, "bad_proof"),
        (with_a_bad_signature, "bad_signature"),
        (by_a_stranger, "unknown_sender"),
        (in_anothers_name, "wrong_sender"),
        (for_another_province, "wrong_addressee"),
        (of_another_case, "wrong_key"),
        (with_a_header_name_that_is_no_text, "malformed"),
    ],
)
async def test_poison_without_proof_is_parked_by_name_and_its_keys_case_flows_like_all_others(
    desk: Desk, exchange: Exchange, spoil: Any, reason: str
) -> None:
    named, well, other = cases(3)
    batch = letters(exchange, well, named, named, other)
    batch[1] = spoil(exchange, batch[1]).but(key=named.encode())

    await desk.handle(*batch)
    await desk.handle(letters(exchange, named)[0].but(offset=4))

    assert await desk.effects() == [well, named, other, named]
    assert await desk.parked() == {1: reason}
    assert [type(fact) for fact in await told(desk.service)] == [MessageParked]
    (row,) = await desk.service.rows("SELECT case_key, detail FROM origin_agency.quarantine")
    assert row["case_key"] == f"unproven:{batch[1].topic}-0-1"
    assert row["detail"].endswith(f"; its key was '{named}'")


async def test_a_good_record_under_another_cases_key_does_not_touch_that_case(desk: Desk, exchange: Exchange) -> None:
    named, other = cases(2)
    first, second, third = letters(exchange, other, named, other)

    await desk.handle(first.but(key=named.encode()), second, third)

    assert await desk.effects() == [named, other]
    assert await desk.parked() == {0: "wrong_key"}


async def test_poison_that_is_proven_parks_its_cases_later_records_and_all_other_cases_flow(
    desk: Desk, exchange: Exchange
) -> None:
    sick, well, other = cases(3)
    batch = letters(exchange, well, sick, sick, other)
    batch[1] = that_no_work_wants(exchange, batch[1])

    await desk.handle(*batch)

    assert await desk.effects() == [well, other]
    assert await desk.parked() == {1: "unexpected", 2: "behind_parked"}
    assert [type(fact) for fact in await told(desk.service)] == [MessageParked, MessageParked]
    rows = await desk.service.rows("SELECT case_key FROM origin_agency.quarantine")
    assert [row["case_key"] for row in rows] == [sick, sick]


async def told(service: Service) -> list[Fact]:
    return [decode(row["payload"]).data for row in await service.rows("SELECT payload FROM origin_agency.outbox ORDER BY seq")]


async def test_later_batches_of_a_parked_case_wait_behind_it_too(desk: Desk, exchange: Exchange) -> None:
    sick, well = cases(2)
    first, second, third = letters(exchange, sick, sick, well)
    await desk.handle(that_no_work_wants(exchange, first))

    await desk.handle(second, third)

    assert await desk.effects() == [well]
    assert await desk.parked() == {0: "unexpected", 1: "behind_parked"}


async def test_a_redelivered_poison_is_told_once(desk: Desk, exchange: Exchange) -> None:
    (record,) = letters(exchange, *cases(1))

    for _ in range(3):
        await desk.handle(undecodable(exchange, record))

    assert len(await told(desk.service)) == 1


async def test_a_fact_that_a_journals_reader_does_not_want_is_passed_over(desk: Desk, exchange: Exchange) -> None:
    (record,) = exchange.publish(a(FundsReceived), service=SENDER)

    await desk.handle(record)

    assert await desk.parked() == {}


async def test_a_mistake_in_the_work_leaves_the_guilty_record_waiting_for_its_next_try_and_all_other_cases_flow(
    desk: Desk, service: Service, exchange: Exchange
) -> None:
    sick, well, other = cases(3)
    batch = letters(exchange, well, sick, other, sick)
    desk = Desk(service, exchange, pauses_s=(3600,))  # whoever waits for that does not come to an end
    desk.guilty[sick] = KeyError("a bug")

    await desk.handle(*batch)

    assert sorted(await desk.effects()) == sorted([well, other])
    assert await desk.parked() == {1: "handler_failed", 3: "behind_parked"}
    rows = await desk.service.rows('SELECT state, attempts, detail FROM origin_agency.quarantine ORDER BY "offset"')
    assert [tuple(row) for row in rows] == [
        ("waiting", 1, "KeyError after 1 try"),
        ("behind", 0, "its case has something in quarantine"),
    ]
    assert await told(desk.service) == []
    assert desk.delayed == 1


@pytest.mark.parametrize("mistake", ["a value that is too large", "a text that cannot be kept", "a row that exists already"])
async def test_a_mistake_that_the_database_finds_is_a_mistake_and_no_reason_to_wait(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    sick, well = cases(2)
    work = desk.work

    async def careless(tx: Transaction, records: Sequence[Received]) -> None:
        await work(tx, records)
        if sick in {record.key for record in records}:
            match mistake:
                case "a value that is too large":
                    await tx.value("SELECT $1::int", 2**40)
                case "a text that cannot be kept":
                    await tx.value("SELECT $1::text", "nul\x00")
                case _:
                    await tx.execute("INSERT INTO origin_agency.effects SELECT case_id, event_id FROM origin_agency.effects")

    monkeypatch.setattr(desk.handler, "_work", careless)

    async with asyncio.timeout(20):
        await desk.handle(*letters(exchange, sick, well))

    assert await desk.effects() == [well]
    assert await desk.parked() == {0: "handler_failed"}
    assert await desk.states() == {0: "waiting"}


async def test_a_record_that_the_work_refuses_by_name_is_parked_with_that_name_at_once(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick, well = cases(2)

    async def refuse(tx: Transaction, records: Sequence[Received]) -> None:
        for record in records:
            if record.key == sick:
                raise Poison(record, QuarantineReason.UNOPENABLE, "sealed to another key")
        await desk.work(tx, records)

    monkeypatch.setattr(desk.handler, "_work", refuse)

    await desk.handle(*letters(exchange, sick, well))

    assert await desk.effects() == [well]
    assert await desk.parked() == {0: "unopenable"}


@pytest.mark.parametrize("at", [0, 99, 199])
async def test_a_named_poison_in_a_batch_of_two_hundred_costs_one_more_run(desk: Desk, exchange: Exchange, at: int) -> None:
    named = cases(200)
    batch = letters(exchange, *named)
    desk.poison[named[at]] = QuarantineReason.UNOPENABLE
    before = COUNTS.commits

    await desk.handle(*batch)

    assert [len(call) for call in desk.calls] == [200, 199]
    assert COUNTS.commits - before == 1
    assert await desk.effects() == [case for case in named if case != named[at]]
    assert await desk.parked() == {at: "unopenable"}


async def test_an_unnamed_poison_in_a_batch_of_two_hundred_is_found_by_halving(desk: Desk, exchange: Exchange) -> None:
    named = cases(200)
    batch = letters(exchange, *named)
    desk.guilty[named[117]] = KeyError("a bug")
    before = COUNTS.commits

    await desk.handle(*batch)

    assert COUNTS.commits - before <= 9
    assert len(desk.calls) <= 17
    alone = Counter(call[0] for call in desk.calls if len(call) == 1)
    assert all(times == 1 for times in alone.values())
    assert len(alone) <= 3
    assert sorted(await desk.effects()) == sorted(set(named) - {named[117]})
    assert await desk.parked() == {117: "handler_failed"}


async def test_many_poisons_in_one_batch_park_themselves_alone(desk: Desk, exchange: Exchange) -> None:
    named = cases(64)
    batch = letters(exchange, *named)
    bad, odd = named[5::8], named[7::16]
    desk.poison = dict.fromkeys(bad, QuarantineReason.UNOPENABLE)
    desk.guilty = {case: KeyError("a bug") for case in odd}

    await desk.handle(*batch)

    assert sorted(await desk.effects()) == sorted(set(named) - set(bad) - set(odd))
    reasons = await desk.parked()
    assert Counter(reasons.values()) == Counter({"unopenable": len(bad), "handler_failed": len(odd)})
    assert len(desk.calls) < 120


async def test_what_comes_after_a_poison_of_its_case_waits_behind_it_and_what_came_before_takes_effect(
    desk: Desk, exchange: Exchange
) -> None:
    sick, well = cases(2)
    batch = letters(exchange, sick, sick, well, sick)
    desk.poison_at[batch[1].offset] = QuarantineReason.UNEXPECTED

    await desk.handle(*batch)

    assert await desk.effects() == [sick, well]
    assert await desk.parked() == {1: "unexpected", 3: "behind_parked"}
    assert await desk.states() == {1: "parked", 3: "behind"}


async def test_who_has_no_part_in_a_case_does_not_hold_it_up(desk: Desk, exchange: Exchange) -> None:
    case, other = cases(2)
    batch = letters(exchange, case, other, case)
    desk.poison_at[0] = QuarantineReason.WRONG_SENDER

    await desk.handle(*batch)
    await desk.handle(letters(exchange, case)[0].but(offset=9))

    assert await desk.effects() == [other, case, case]
    assert await desk.parked() == {0: "wrong_sender"}
    (row,) = await desk.service.rows("SELECT case_key, record_key FROM origin_agency.quarantine")
    assert tuple(row) == ("unproven:exchange.44-0-0", case)


async def test_a_proven_document_of_the_other_role_does_not_hold_its_case_up(desk: Desk, exchange: Exchange) -> None:
    (case,) = cases(1)
    form = Sealer(exchange.directory(), "33").seal(InformationFormDocument, a(InformationForm), case_id=case, addressee="44")
    (stray,) = exchange.publish(form, service="33/origin-agency")

    await desk.handle(stray.with_header(topics.ROLE, b"origin-agency"))
    await desk.handle(letters(exchange, case)[0].but(offset=1))

    assert await desk.effects() == [case]
    assert await desk.parked() == {0: "unexpected"}


async def test_a_poison_that_comes_again_at_another_place_is_not_parked_twice(desk: Desk, exchange: Exchange) -> None:
    (case,) = cases(1)
    (record,) = letters(exchange, case)
    desk.poison[case] = QuarantineReason.UNOPENABLE

    await desk.handle(record)
    await desk.handle(record.but(offset=7))

    assert await desk.parked() == {0: "unopenable"}
    assert await desk.effects() == []


async def test_a_replica_that_waited_for_a_poisons_parking_sees_it(desk: Desk, service: Service, exchange: Exchange) -> None:
    """The other replica's batch has the poison and what follows; it must not let that pass while the first is parking."""
    (case,) = cases(1)
    first, second = letters(exchange, case, case)
    desk.poison_at[0] = QuarantineReason.UNEXPECTED
    other = Desk(service, exchange)
    parking, go_on = asyncio.Event(), asyncio.Event()
    park = desk.handler.quarantine.park

    async def slowly(*parts: Any, **named: Any) -> Any:
        found = await park(*parts, **named)
        parking.set()
        await go_on.wait()
        return found

    desk.handler.quarantine.park = slowly  # type: ignore[method-assign]
    one = asyncio.create_task(desk.handle(first))
    await parking.wait()
    two = asyncio.create_task(other.handle(first, second))
    await asyncio.sleep(0.3)
    go_on.set()
    await asyncio.gather(one, two)

    assert await desk.effects() == []
    assert await desk.parked() == {0: "unexpected", 1: "behind_parked"}


async def test_work_that_blames_a_record_of_another_batch_is_a_mistake_like_any_other(desk: Desk, exchange: Exchange) -> None:
    sick, well = cases(2)
    batch = letters(exchange, sick, well)
    stranger = Received.of(letters(exchange, new_id())[0].but(offset=77)).read()
    desk.guilty[sick] = Poison(stranger, QuarantineReason.UNEXPECTED, "not one of these")

    await desk.handle(*batch)

    assert await desk.effects() == [well]
    assert await desk.states() == {0: "waiting"}


async def test_when_the_database_goes_away_in_the_middle_nothing_is_lost_and_all_is_handled_once(
    desk: Desk, exchange: Exchange
) -> None:
    named = cases(4)
    batch = letters(exchange, *named)
    desk.hold = asyncio.Event()

    async def cut() -> None:
        await desk.entered.wait()
        assert await desk.service.terminate(f"{SERVICE}%") >= 1
        assert desk.hold is not None
        desk.hold.set()

    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await asyncio.gather(desk.handle(*batch), cut())
    waits_for, in_flight = desk.handler.waits_for, desk.handler.in_flight
    assert await desk.effects() == []
    await redelivered(desk, batch)

    assert waits_for is not None
    assert waits_for.startswith("database: ")
    assert in_flight == 0
    assert await desk.effects() == named
    assert await desk.parked() == {}
    assert desk.handler.waits_for is None


async def redelivered(desk: Desk, batch: Sequence[KafkaRecord]) -> int:
    """Hand the batch in again and again, as Kafka does, until it is taken; how often that was."""
    for attempt in range(20):
        try:
            await desk.handle(*batch)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            continue
        return attempt + 1
    raise AssertionError("never taken")


async def test_every_connection_of_the_pool_may_die_and_no_good_record_is_parked_for_it(desk: Desk, exchange: Exchange) -> None:
    await asyncio.gather(*(desk.service.as_role("SELECT pg_sleep(0.05)") for _ in range(8)))
    named = cases(10)
    assert await desk.service.terminate(f"{SERVICE}%") >= 8

    for record in letters(exchange, *named):
        await redelivered(desk, [record])

    assert await desk.effects() == named
    assert await desk.parked() == {}


@pytest.mark.parametrize(
    "away",
    [
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.AdminShutdownError("going down"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.DeadlockDetectedError("deadlock"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda away: type(away).__name__,
)
async def test_a_handler_waits_longer_each_time_the_database_is_away_and_parks_nothing(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    waited: list[int] = []

    async def pause(attempt: int) -> None:
        waited.append(attempt)

    monkeypatch.setattr("services.messaging.handler.pause", pause)
    (case,) = cases(1)
    desk.guilty[case] = away
    batch = letters(exchange, case)

    for _ in range(3):
        with pytest.raises(type(away)):
            await desk.handle(*batch)
    desk.guilty.clear()
    await desk.handle(*batch)

    assert waited == [0, 1, 2]
    assert await desk.effects() == [case]
    assert await desk.parked() == {}


async def test_two_replicas_with_the_same_batch_have_one_effect(desk: Desk, service: Service, exchange: Exchange) -> None:
    named = cases(10)
    batch = letters(exchange, *named)
    other = Desk(service, exchange)

    await asyncio.gather(desk.handle(*batch), other.handle(*batch))

    assert sorted(await desk.effects()) == sorted(named)
    assert len(desk.calls) + len(other.calls) == 1


async def test_the_statements_of_a_batch_do_not_grow_with_its_records(desk: Desk, exchange: Exchange) -> None:
    counted = []
    for size in (1, 50):
        before = COUNTS.statements
        await desk.handle(*letters(exchange, *cases(size)))
        counted.append(COUNTS.statements - before)

    assert counted[0] == counted[1] <= 4
