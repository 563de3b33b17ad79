"""The stack without containers, on real servers: it comes up, keeps provinces apart, and leaves nothing behind."""

import asyncio
import os
import shutil
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError

from deploy.kafka.provision import Principal, ProvisionError, TopicSpec, acls_for, admin_client, principal_name
from deploy.kafka.provision import provision as provision_kafka
from deploy.local.native import CHECKOUT
from deploy.local.processes import StackError, alive, spawn, stop
from deploy.local.stack import Stack
from deploy.postgres.provision import Layout, bank_layout, province_layout, service_role
from deploy.postgres.provision import provision as provision_postgres

PROVINCES = ("33", "44")
SERVICES = ("origin-agency", "destination-agency", "notification")
TOPICS = [
    *(TopicSpec(f"{kind}.{code}", 2) for kind in ("exchange", "journal") for code in PROVINCES),
    TopicSpec("checkpoints", 1),
    TopicSpec("directory", 1, {"cleanup.policy": "compact"}),
]
WHO = [(code, service) for code in PROVINCES for service in SERVICES] + [("00", "audit"), ("00", "registrar")]


@pytest.fixture(autouse=True)
def _local_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JIEXU_KAFKA_BOOTSTRAP", "JIEXU_POSTGRES_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # Not in pytest's folder: only root may enter that one when root runs the tests.
    home = CHECKOUT / ".jiexu" / f"test-{uuid4().hex[:8]}"
    with pytest.MonkeyPatch.context() as environment:
        for name in ("JIEXU_KAFKA_BOOTSTRAP", "JIEXU_POSTGRES_URL"):
            environment.delenv(name, raising=False)
        try:
            up = Stack.up(home, tell=lambda _: None)
            provision(up)
            yield up
        finally:
            Stack(home).down(wipe=True)
            shutil.rmtree(home)


def provision(stack: Stack) -> None:
    access = stack.kafka
    provision_kafka(
        admin_client(access.bootstrap, access.username, access.password),
        principals=[Principal(name, stack.secrets.password(f"kafka-{name}")) for name in (principal_name(*who) for who in WHO)],
        topics=TOPICS,
        acls=[acl for who in WHO for acl in acls_for(*who)],
    )


def layout(stack: Stack) -> Layout:
    def password(role: str) -> str:
        return stack.secrets.password(f"postgres-{role}")

    provinces = [province_layout(code, SERVICES, password) for code in PROVINCES]
    layouts = [*provinces, bank_layout(password)]
    return Layout(
        roles=tuple(role for each in layouts for role in each.roles),
        databases=tuple(database for each in layouts for database in each.databases),
    )


def signed_in(stack: Stack, name: str, password: str | None = None) -> dict[str, Any]:
    return {
        "bootstrap_servers": stack.kafka.bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": name,
        "sasl_plain_password": password or stack.secrets.password(f"kafka-{name}"),
    }


@asynccontextmanager
async def a_producer(stack: Stack, name: str, password: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**signed_in(stack, name, password), enable_idempotence=True)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def a_consumer(stack: Stack, name: str, *topics: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(*topics, **signed_in(stack, name), group_id=group, auto_offset_reset="earliest")
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def may_read(stack: Stack, name: str, topic: str) -> bool:
    async with a_consumer(stack, name) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        try:
            await asyncio.wait_for(consumer.getone(), 0.5)
        except TopicAuthorizationFailedError:
            return False
        except TimeoutError:
            # Nothing came, and nothing forbade it. Metadata tells apart what may not even be described.
            return bool(consumer.partitions_for_topic(topic))
    return True


async def may_write(stack: Stack, name: str, topic: str) -> bool:
    async with a_producer(stack, name) as producer:
        try:
            await producer.send_and_wait(topic, b"{}", key=b"a key", partition=0)
        except TopicAuthorizationFailedError:
            return False
    return True


def test_what_runs_is_reused(stack: Stack) -> None:
    before = stack.processes

    again = Stack.up(stack.home, tell=lambda _: None)

    assert set(before) == {"kafka", "postgres"}
    assert again.processes == before
    assert stack.running() == {"kafka": True, "postgres": True}


def test_secrets_are_the_owners_alone_and_stay_the_same(stack: Stack) -> None:
    secrets = stack.secrets

    first = [secrets.signing_key("44", "audit").private_bytes_raw(), secrets.sealing_key("44").private_bytes_raw()]
    first += [secrets.id_hash_key("44"), secrets.directory_root_key().private_bytes_raw()]
    first += [secrets.token_private_file().read_bytes(), secrets.token_public_file().read_bytes()]
    second = [secrets.signing_key("44", "audit").private_bytes_raw(), secrets.sealing_key("44").private_bytes_raw()]
    second += [secrets.id_hash_key("44"), secrets.directory_root_key().private_bytes_raw()]
    second += [secrets.token_private_file().read_bytes(), secrets.token_public_file().read_bytes()]

    assert first == second
    assert b'"d"' in first[-2]
    assert b'"d"' not in first[-1]
    assert {mode(path) for path in secrets.folder.iterdir()} == {0o600}
    assert mode(secrets.folder) == 0o700
    assert mode(stack.home / "stack.json") == 0o600


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_only_the_right_password_lets_a_principal_in(stack: Stack) -> None:
    with pytest.raises(KafkaConnectionError):
        async with a_producer(stack, "44.origin-agency", "wrong"):
            pass

    async with a_producer(stack, "44.origin-agency") as producer:
        await producer.send_and_wait("exchange.33", b"{}")


async def test_a_province_writes_to_every_exchange_and_reads_its_own_alone(stack: Stack) -> None:
    agency = "33.destination-agency"

    assert await may_write(stack, agency, "exchange.44")
    assert await may_write(stack, agency, "exchange.33")
    assert await may_read(stack, agency, "exchange.33")
    assert not await may_read(stack, agency, "exchange.44")


async def test_a_journal_belongs_to_its_province(stack: Stack) -> None:
    assert await may_write(stack, "44.notification", "journal.44")
    assert await may_read(stack, "44.notification", "journal.44")
    assert not await may_write(stack, "33.origin-agency", "journal.44")
    assert not await may_read(stack, "33.origin-agency", "journal.44")
    assert not await may_write(stack, "44.notification", "exchange.33")
    assert not await may_read(stack, "44.notification", "exchange.44")


async def test_the_auditor_reads_all_and_writes_checkpoints_alone(stack: Stack) -> None:
    auditor = "00.audit"

    assert await may_write(stack, "33.origin-agency", "journal.33")
    assert await may_write(stack, "00.registrar", "directory")
    for topic in ("journal.33", "exchange.33", "checkpoints", "directory"):
        assert await may_read(stack, auditor, topic), topic
    assert await may_write(stack, auditor, "checkpoints")
    for topic in ("journal.33", "exchange.33", "directory"):
        assert not await may_write(stack, auditor, topic), topic


async def test_a_group_of_another_province_is_refused(stack: Stack) -> None:
    async with a_producer(stack, "33.origin-agency") as producer:
        sent = await producer.send_and_wait("exchange.44", b"for 44")
    async with a_consumer(stack, "44.origin-agency", "exchange.44", group="44.test") as consumer:
        while (record := await asyncio.wait_for(consumer.getone(), 10)).offset != sent.offset:
            pass
        assert record.partition == sent.partition or record.value is not None
    with pytest.raises(GroupAuthorizationFailedError):
        async with a_consumer(stack, "44.origin-agency", "exchange.44", group="33.test") as stranger:
            await asyncio.wait_for(stranger.getone(), 10)


async def test_kafka_is_provisioned_as_a_set(stack: Stack) -> None:
    name = "44.origin-agency"
    access = stack.kafka
    admin = admin_client(access.bootstrap, access.username, access.password)
    principal = Principal(name, stack.secrets.password(f"kafka-{name}"))
    rights = acls_for("44", "origin-agency")

    with pytest.raises(ProvisionError, match="partitions"):
        provision_kafka(admin, principals=[], topics=[TopicSpec("exchange.44", 3)], acls=[])
    with pytest.raises(ProvisionError, match="not given"):
        provision_kafka(admin, principals=[], topics=[], acls=rights)
    provision_kafka(admin, principals=[principal], topics=[], acls=[acl for acl in rights if acl.name != "exchange."])
    assert not await may_write(stack, name, "exchange.33")

    provision(stack)

    assert await may_write(stack, name, "exchange.33")


async def test_a_role_connects_to_the_databases_of_its_own_province_alone(stack: Stack) -> None:
    wanted = layout(stack)
    for _ in range(2):
        await provision_postgres(stack.postgres.url, roles=wanted.roles, databases=wanted.databases)
    role = service_role("44", "origin-agency")
    password = stack.secrets.password(f"postgres-{role}")

    for database in ("province_44", "keys_44"):
        connection = await asyncpg.connect(stack.postgres.url_of(database, role, password))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("CREATE TABLE public.mine (id int)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("CREATE SCHEMA mine")
        finally:
            await connection.close()
    for database in ("province_33", "keys_33", "bank", "postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(stack.postgres.url_of(database, role, password))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.postgres.url_of("province_44", role, "wrong"))


async def test_the_owner_of_a_province_makes_schemas_and_nothing_in_public(stack: Stack) -> None:
    wanted = layout(stack)
    await provision_postgres(stack.postgres.url, roles=wanted.roles, databases=wanted.databases)
    url = stack.postgres.url_of("province_33", "p33_owner", stack.secrets.password("postgres-p33_owner"))

    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE SCHEMA agency")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (id int)")
        # Granting what one does not hold is only warned about; what counts is that it gives nothing.
        await connection.execute("GRANT CREATE ON SCHEMA public TO p33_owner")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (id int)")
    finally:
        await connection.close()


async def test_postgresql_keeps_what_it_has_committed(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.postgres.url)
    try:
        shown = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "listen_addresses")
        ]
    finally:
        await connection.close()

    assert shown == ["on", "on", "on", "on", "127.0.0.1"]


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    ours = spawn("sleep", ["sleep", "60"], dict(os.environ), tmp_path / "sleep.log", tmp_path)
    stale = ours.model_copy(update={"started": "another boot/1"})

    stop(stale, 0.2)

    assert not alive(stale)
    assert alive(ours)
    stop(ours, 5)
    assert not alive(ours)


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    stubborn = spawn("stubborn", ["sh", "-c", script], dict(os.environ), tmp_path / "stubborn.log", tmp_path)
    while "ready" not in stubborn.log.read_text():
        pass

    stop(stubborn, 0.2)

    assert not alive(stubborn)


def test_a_process_runs_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    # As one does that was killed, for a moment: its first thread is a zombie, another one still holds its files and ports.
    program = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(30,)).start()
ctypes.PyDLL(None).pthread_exit(None)
"""
    half = spawn("half", [sys.executable, "-c", program], {}, tmp_path / "log", tmp_path)
    try:
        for _ in range(200):
            if Path(f"/proc/{half.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.05)

        assert Path(f"/proc/{half.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
        assert alive(half)
    finally:
        stop(half, timeout=0.1)
    assert not alive(half)


def test_down_leaves_no_process_and_up_finds_the_data_again(stack: Stack) -> None:
    home = stack.home.with_name(f"{stack.home.name}-other")
    other = Stack.up(home, tell=lambda _: None)
    try:
        service = other.start("service", ["sleep", "60"], env=dict(os.environ), port=other.port("service"))
        records = other.processes
        admin = admin_client(other.kafka.bootstrap, other.kafka.username, other.kafka.password)
        provision_kafka(admin, principals=[], topics=[TopicSpec("kept", 3)], acls=[])
        # Killed, not stopped: both servers have to recover by themselves.
        for name in ("kafka", "postgres"):
            os.kill(records[name].pid, signal.SIGKILL)
            stop(records[name])

        other = Stack.up(home, tell=lambda _: None)

        assert other.processes["kafka"] != records["kafka"]
        # The port is kept if nobody has taken it in between; what counts is that everybody is told the one in use.
        assert other.kafka.bootstrap == f"127.0.0.1:{other.processes['kafka'].port}"
        admin = admin_client(other.kafka.bootstrap, other.kafka.username, other.kafka.password)
        assert len(admin.list_topics(timeout=10).topics["kept"].partitions) == 3
        assert other.processes["service"] == service
        records = other.processes
    finally:
        other.down()
    assert not any(alive(record) for record in records.values())
    assert other.processes == {}
    assert (home / "kafka" / "data").exists()
    assert all(stack.running().values())
    other.down(wipe=True)
    assert sorted(path.name for path in home.iterdir()) == ["stack.lock"]
    with suppress(FileNotFoundError):
        shutil.rmtree(home)


def test_servers_named_in_the_environment_win(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    home = stack.home.with_name(f"{stack.home.name}-named")
    monkeypatch.setenv("JIEXU_KAFKA_BOOTSTRAP", stack.kafka.bootstrap)
    monkeypatch.setenv("JIEXU_POSTGRES_URL", stack.postgres.url)
    try:
        with pytest.raises(StackError, match="JIEXU_KAFKA_ADMIN_USERNAME"):
            Stack.up(home, tell=lambda _: None)
        monkeypatch.setenv("JIEXU_KAFKA_ADMIN_USERNAME", stack.kafka.username)
        monkeypatch.setenv("JIEXU_KAFKA_ADMIN_PASSWORD", stack.kafka.password)

        named = Stack.up(home, tell=lambda _: None)

        assert named.processes == {}
        assert named.kafka == stack.kafka
        assert named.postgres == stack.postgres
        named.down(wipe=True)
        assert all(stack.running().values())
    finally:
        shutil.rmtree(home)


def test_a_server_that_cannot_start_says_why(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGBIN", str(tmp_path))
    monkeypatch.setenv("JIEXU_KAFKA_BOOTSTRAP", stack.kafka.bootstrap)  # so that no second one is started for nothing
    monkeypatch.setenv("JIEXU_KAFKA_ADMIN_USERNAME", stack.kafka.username)
    monkeypatch.setenv("JIEXU_KAFKA_ADMIN_PASSWORD", stack.kafka.password)
    home = stack.home.with_name(f"{stack.home.name}-broken")
    try:
        with pytest.raises(StackError, match="PGBIN"):
            Stack.up(home, tell=lambda _: None)
    finally:
        Stack(home).down(wipe=True)
        shutil.rmtree(home)
