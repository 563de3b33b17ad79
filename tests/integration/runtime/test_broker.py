"""How a service reaches Kafka: as itself alone, and as soon as Kafka is there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, TopicAuthorizationFailedError

from contracts.envelope import new_id
from deploy.local.stack import Stack
from services.runtime import broker as module
from services.runtime.broker import KafkaAccess, start_when_there


@pytest.fixture
def access(stack: Stack) -> KafkaAccess:
    name = "44.origin-agency"
    return KafkaAccess(stack.kafka.bootstrap, name, stack.secrets.password(f"kafka-{name}"), name)


@asynccontextmanager
async def producing(access: KafkaAccess) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**access.client())
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def test_a_service_gets_in_as_itself(access: KafkaAccess) -> None:
    async with producing(access) as producer:
        sent = await producer.send_and_wait("journal.44", b"{}", key=b"broker-test")

    assert sent.topic == "journal.44"


async def test_nobody_gets_in_with_a_wrong_password(access: KafkaAccess) -> None:
    async def enter() -> None:
        async with producing(replace(access, password="guessed")):
            pass

    with pytest.raises((SaslAuthenticationFailed, KafkaError)):
        await enter()


@pytest.mark.parametrize("topic", ["journal.33", "directory"])
async def test_a_service_writes_no_topic_that_is_not_its_to_write(access: KafkaAccess, topic: str) -> None:
    async with producing(access) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(topic, b"forged")


async def test_what_is_written_is_heard_by_a_broker_that_has_started(access: KafkaAccess) -> None:
    broker = access.broker()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    @broker.subscriber("journal.44", group_id=f"44.{new_id()}")
    async def hear(record: bytes) -> None:
        heard.put_nowait(record)

    mark = new_id().encode()

    await start_when_there(broker)

    async with producing(access) as producer, asyncio.timeout(20):
        while heard.empty():  # it hears from the moment on in which it got its partitions
            await producer.send_and_wait("journal.44", mark)
            await asyncio.sleep(0.1)
    assert heard.get_nowait() == mark
    await broker.stop()


async def test_a_kafka_that_is_away_is_waited_for(access: KafkaAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = access.bootstrap
    waited: list[int] = []
    doors: list[asyncio.Server] = []

    async def pause(attempt: int) -> None:
        waited.append(attempt)
        if attempt == 1:
            doors.append(await asyncio.start_server(passing_on_to(kafka), "127.0.0.1", port))

    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    monkeypatch.setattr(module, "pause", pause)
    broker = replace(access, bootstrap=f"127.0.0.1:{port}").broker()

    @broker.subscriber("journal.44", group_id="44.broker-test")
    async def hear(record: bytes) -> None:
        """Hear nothing in particular."""

    async with asyncio.timeout(60):
        await start_when_there(broker)

    assert waited == [0, 1]
    await broker.stop()
    for door in doors:
        door.close()


def passing_on_to(kafka: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A door that leads to Kafka; Kafka then names its own address."""
    host, _, port = kafka.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    return pass_on


def test_a_password_is_never_sent_and_a_cluster_may_be_reached_under_tls(access: KafkaAccess) -> None:
    assert access.client()["security_protocol"] == "SASL_PLAINTEXT"
    assert access.client()["sasl_mechanism"] == "SCRAM-SHA-512"
    assert replace(access, tls=True).client()["security_protocol"] == "SASL_SSL"
