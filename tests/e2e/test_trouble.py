"""Servers that are away, and records that nobody should have sent: what runs says so, waits, and goes on by itself."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from contracts import topics
from contracts.directory import NO_CHECKPOINT
from contracts.documents import ContactLetterDocument, Document, LetterReturnDocument
from contracts.envelope import encode, envelope, new_id
from deploy.local.services import health
from deploy.local.stack import Stack
from deploy.postgres.provision import owner_role
from services.cli.demo.many import Many
from services.cli.demo.proof import prove
from services.cli.demo.show import Show
from services.cli.demo.story import day
from services.cli.play import DESTINATION, ORIGIN, Stage
from services.messaging.signing import Signer
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.world.plan import Ending, plan
from tests.builders import a
from tests.e2e.conftest import Country, a_country, bring_records

PROVINCES = ("44", "33")
SENDER = "44/origin-agency"
WORLD = plan(7, 24, provinces=PROVINCES)


@pytest.fixture(scope="module")
def country() -> Iterator[Country]:
    """Services that were started while Kafka and PostgreSQL were away; their first test brings the servers back."""
    with a_country("trouble", PROVINCES, before_start=lambda stack: stack.stop("kafka", "postgres")) as found:
        yield found


@pytest.fixture
async def stage(country: Country) -> AsyncIterator[Stage]:
    found = country.stage()
    yield found
    await found.close()


async def waits_for(country: Country, name: str) -> dict[str, str]:
    """What a service says on /readyz that it waits for; nothing when it is ready."""
    async with httpx.AsyncClient(timeout=15) as client:
        try:
            answer = await client.get(f"{country.endpoints.services[name]}/readyz")
        except httpx.TransportError:
            return {"http": "does not answer yet"}
    found: dict[str, str] = answer.json()["waits_for"]
    assert (answer.status_code == 503) == bool(found), (answer.status_code, found)
    return found


async def until_waiting(country: Country, name: str, *parts: str) -> dict[str, str]:
    """What a service waits for, once these parts are among it."""
    found: dict[str, str] = {}
    async with asyncio.timeout(60):
        while not set(parts) <= set(found):
            found = await waits_for(country, name)
            await asyncio.sleep(0.1)
    return found


@contextmanager
def without(country: Country, server: str) -> Iterator[None]:
    """One server is stopped while the block runs, and started again."""
    country.stack.stop(server)
    try:
        yield
    finally:
        Stack.up(country.stack.home, tell=lambda _: None)


def pids(country: Country) -> dict[str, int | None]:
    return {each.name: each.pid for each in health(country.stack) if each.name not in ("kafka", "postgres")}


async def test_services_that_start_before_their_servers_say_what_they_wait_for_and_recover_by_themselves(
    country: Country,
) -> None:
    names = sorted(country.endpoints.services)

    waiting = {name: await until_waiting(country, name, "database", "directory") for name in names}
    before = pids(country)
    Stack.up(country.stack.home, tell=lambda _: None)
    country.services.wait_ready(90)

    assert all(waiting[name]["database"] == "the database does not answer" for name in names)
    assert all("kafka" in waiting[name] for name in names)
    assert pids(country) == before
    assert all(pid is not None for pid in before.values())


async def test_transfers_complete_by_themselves_when_a_server_goes_away_in_the_middle(country: Country, stage: Stage) -> None:
    await bring_records(stage, WORLD)
    applications = [each for each in WORLD.applications if each.ending is Ending.COMPLETED]
    many = Many(stage, Show(), applications)
    await stage.move(day("2024-05-13"))
    await many._apply()
    assert len(many.case_of) == len(applications) > 8

    for province in PROVINCES:
        await stage.decide_admissions(province)
    with without(country, "postgres"):  # the letters are on their way
        lost = await until_waiting(country, "44.origin-agency", "database")
        await asyncio.sleep(1)
    country.services.wait_ready(90)
    await stage.idle()
    for province in PROVINCES:
        await stage.handle_letters(province)
    with without(country, "kafka"):  # the forms are
        away = await until_waiting(country, "33.destination-agency", "kafka")
        await asyncio.sleep(1)
    country.services.wait_ready(90)
    await stage.idle()
    for province in PROVINCES:
        await stage.remit(province)
    await stage.idle()
    await stage.move(day("2024-05-14"))
    booked = sum([await stage.complete(province) for province in PROVINCES])
    await stage.idle()
    _, wrong = await many.endings()

    assert lost["database"] == "the database does not answer"
    assert away["kafka"].startswith("Kafka does not answer")
    assert (wrong, booked) == ([], len(applications))
    proof = await prove(Show(), stage, country.stack, country.stack.home / "audit", PROVINCES)
    assert proof.agrees
    mails = [str(mail["message_id"]) for mail in country.endpoints.mails()]
    assert len(mails) == len(set(mails))
    assert await quarantined(country) == Counter()


@dataclass(frozen=True)
class Poison:
    """A record as somebody with 44's own credentials writes it, and the name under which it must be parked."""

    reason: str
    key: str
    value: bytes
    headers: list[tuple[str, bytes]]


def signed(fact: Document, *, number: int, signer: Signer, source: str = SENDER, role: bool = True) -> Poison:
    """A record in a batch of its own."""
    value = encode(envelope(fact, source=source, subject=fact.case_id, time=Clock().now()))
    return evident(value, fact, number=number, signer=signer, role=role)


def evident(value: bytes, fact: Document, *, number: int, signer: Signer, role: bool = True) -> Poison:
    batch, [proof] = signer.sign_batch([value], first=number, previous=NO_CHECKPOINT, now=Clock().now())
    headers = [
        (topics.SERVICE, SENDER.encode()),
        (topics.NUMBER, str(number).encode()),
        (topics.PROOF, proof),
        (topics.CHECKPOINT, batch.model_dump_json().encode()),
        (topics.TYPE, orjson.loads(value)["type"].encode()),
    ]
    if role:
        headers.append((topics.ROLE, DESTINATION.encode()))
    return Poison("", fact.case_id, value, headers)


def named(reason: str, poison: Poison, **changed: Any) -> Poison:
    return Poison(reason, poison.key, changed.get("value", poison.value), poison.headers)


def poisons(country: Country, partition: int) -> list[Poison]:
    """One of each kind, signed with 44's real key."""
    signer = Signer(SENDER, country.stack.secrets.signing_key("44", ORIGIN))
    at = 1_000_000 + 100 * partition

    def a_document(kind: type[Document] = LetterReturnDocument, **fields: str) -> Document:
        return a(kind, **{"case_id": new_id(), "sender": "44", "addressee": "33", **fields})

    good = signed(a_document(), number=at, signer=signer)
    newer = a_document()
    text = encode(envelope(newer, source=SENDER, subject=newer.case_id, time=Clock().now()))
    newer_text = text.replace(b"letter_return.v1", b"letter_return.v9", 1)
    return [
        named("bad_proof", good, value=good.value.replace(b'"AAAA"', b'"AAAB"', 1)),
        named("wrong_sender", signed(a_document(sender="41"), number=at + 1, signer=signer, source="41/origin-agency")),
        named("wrong_addressee", signed(a_document(addressee="44"), number=at + 2, signer=signer)),
        named(
            "unknown_version",
            evident(newer_text, newer, number=at + 3, signer=signer),
        ),
        named("no_role", signed(a_document(ContactLetterDocument), number=at + 4, signer=signer, role=False)),
        named("unopenable", signed(a_document(), number=at + 5, signer=signer)),
        Poison("malformed", new_id(), b"\x00\xff not JSON", [(topics.ROLE, DESTINATION.encode())]),
        Poison("unsigned", good.key, good.value, [(topics.ROLE, DESTINATION.encode())]),
    ]


@asynccontextmanager
async def writing(country: Country, principal: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer with a principal's own credentials."""
    password = country.stack.secrets.password(f"kafka-{principal}")
    access = KafkaAccess(country.stack.kafka.bootstrap, principal, password, "e2e")
    producer = AIOKafkaProducer(**access.client(), acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def quarantined(country: Country, province: str = "33") -> Counter[str]:
    """How many records stand in quarantine at a destination, by name."""
    role = owner_role(province)
    url = country.stack.postgres.url_of(f"province_{province}", role, country.stack.secrets.password(f"postgres-{role}"))
    connection = await asyncpg.connect(url)
    try:
        return Counter(row["reason"] for row in await connection.fetch("SELECT reason FROM destination_agency.quarantine"))
    finally:
        await connection.close()


async def test_poison_on_every_partition_is_parked_by_name_and_delays_nobody(country: Country, stage: Stage) -> None:
    others = plan(8, 12, provinces=PROVINCES)
    applications = [each for each in others.applications if each.ending is Ending.COMPLETED and each.destination == "33"]
    await stage.move(day("2024-05-15"))
    await bring_records(stage, others)
    written = [(at, poison) for at in range(topics.PARTITIONS) for poison in poisons(country, at)]

    async with writing(country, "44.origin-agency") as producer:
        for at, poison in written:
            await producer.send("exchange.33", poison.value, key=poison.key.encode(), partition=at, headers=poison.headers)
    many = Many(stage, Show(), applications)
    await many._apply()
    await stage.decide_admissions("33")
    await stage.idle()
    await stage.handle_letters("44")
    await stage.idle()
    await stage.remit("44")
    await stage.idle()
    await stage.move(day("2024-05-16"))
    await stage.complete("33")
    await stage.idle()
    _, wrong = await many.endings()

    assert (len(applications) > 2, wrong) == (True, [])
    assert await quarantined(country) == Counter(poison.reason for _, poison in written)
    assert await quarantined(country, "44") == Counter()
    assert await waits_for(country, "33.destination-agency") == {}


async def test_what_is_parked_is_kept_byte_for_byte_and_told_on_the_journal(country: Country) -> None:
    role = owner_role("33")
    url = country.stack.postgres.url_of("province_33", role, country.stack.secrets.password(f"postgres-{role}"))
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT quarantine_id, value, reason FROM destination_agency.quarantine")
        told = await connection.fetch(
            "SELECT payload FROM destination_agency.log WHERE type = 'cn.jiexu.quarantine.parked.v1' AND number IS NOT NULL"
        )
    finally:
        await connection.close()

    said = {fact["quarantine_id"]: fact for fact in (orjson.loads(row["payload"])["data"] for row in told)}
    assert len(rows) == len(said) > topics.PARTITIONS
    assert all(said[row["quarantine_id"]]["digest"] == hashlib.sha256(row["value"]).hexdigest() for row in rows)
    assert all(said[row["quarantine_id"]]["reason"] == row["reason"] for row in rows)
