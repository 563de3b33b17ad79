"""What the servers say that they do before they answer, and how long this machine takes to write to its disk."""

import asyncio
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from confluent_kafka import admin as kafka_admin

from contracts import topics
from deploy.kafka.provision import admin_client
from deploy.local.stack import Stack
from services.messaging.relay import Sender
from services.runtime.broker import KafkaAccess
from tests.bench.country import PROVINCES

POSTGRES = ("fsync", "synchronous_commit", "full_page_writes")


class NotDurable(RuntimeError):
    """A server answers before what it was given is safe; no figure is given then."""


@dataclass(frozen=True, slots=True)
class Durability:
    """What was read. `refusals` says what is off."""

    postgres: dict[str, str]
    kafka: dict[str, str]
    producer: dict[str, str]

    @property
    def refusals(self) -> list[str]:
        """Why no figure may be given, in words."""
        off = [f"PostgreSQL: {name} is {self.postgres[name]}" for name in POSTGRES if self.postgres[name] != "on"]
        if self.producer["acks"] != "all":
            off.append(f"the relay's producer: acks is {self.producer['acks']}")
        if self.producer["idempotent"] != "on":
            off.append("the relay's producer: idempotence is off")
        if self.kafka["retention.ms"] != "-1":
            off.append(f"Kafka: {topics.journal(PROVINCES[0])} forgets after {self.kafka['retention.ms']} ms")
        return off

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


async def read_durability(stack: Stack) -> Durability:
    """Ask PostgreSQL and Kafka, and the producer with which a relay publishes.

    Raises:
        NotDurable: when a setting is off under which an answer says that what was given is safe.
    """
    connection = await asyncpg.connect(stack.postgres.url)
    try:
        rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])", list(POSTGRES))
        server = str(await connection.fetchval("SHOW server_version"))
        overridden = await connection.fetch(
            "SELECT coalesce(datname, '*') AS name, setconfig FROM pg_db_role_setting"
            " LEFT JOIN pg_database ON pg_database.oid = setdatabase"
        )
    finally:
        await connection.close()
    found = {row["name"]: row["setting"] for row in rows} | {"version": server}
    for row in overridden:
        for setting in row["setconfig"]:
            name, _, value = setting.partition("=")
            if name in POSTGRES and value != "on":
                raise NotDurable(f"PostgreSQL: {name} is {value} for {row['name']}")
    durability = Durability(found, await asyncio.to_thread(_kafka, stack), await _producer(stack))
    if durability.refusals:
        raise NotDurable("; ".join(durability.refusals))
    return durability


def _kafka(stack: Stack) -> dict[str, str]:
    access = stack.kafka
    admin: Any = admin_client(access.bootstrap, access.username, access.password)
    exported: Any = kafka_admin  # the library re-exports its names in a way that a strict checker refuses
    journal = topics.journal(PROVINCES[0])
    asked = exported.ConfigResource(exported.ResourceType.TOPIC, journal)
    config = admin.describe_configs([asked])[asked].result(30)
    described = admin.list_topics(journal, timeout=30).topics[journal]
    replicas = {len(partition.replicas) for partition in described.partitions.values()}
    return {
        "replicas": "/".join(str(count) for count in sorted(replicas)),
        "min.insync.replicas": config["min.insync.replicas"].value,
        "retention.ms": config["retention.ms"].value,
        "flush.messages": config["flush.messages"].value,
        "partitions": str(len(described.partitions)),
    }


async def _producer(stack: Stack) -> dict[str, str]:
    """What a relay's producer asks of Kafka: its own words after it has connected."""
    name = f"{PROVINCES[0]}.origin-agency"
    access = KafkaAccess(stack.kafka.bootstrap, name, stack.secrets.password(f"kafka-{name}"), "bench")
    sender = Sender(access, name.replace(".", "/"))
    await sender.open()
    try:
        producer: Any = sender._producer
        acks = producer._sender._acks
        idempotent = producer._txn_manager is not None and producer._txn_manager.producer_id >= 0
    finally:
        await sender.close()
    return {"acks": "all" if acks == -1 else str(acks), "idempotent": "on" if idempotent else "off"}


def fdatasync_us(folder: Path, *, writes: int = 200) -> float:
    """The median time in microseconds to write 8 KiB to a file of this folder and see them on the disk."""
    file = folder / "fdatasync"
    block = os.urandom(8192)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    times = []
    try:
        for _ in range(writes):
            began = time.perf_counter()
            os.pwrite(descriptor, block, 0)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        file.unlink()
    return 1e6 * statistics.median(times)


def machine(folder: Path) -> dict[str, str]:
    """Where the figures come from."""
    cpu = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    load = os.getloadavg()
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": cpu,
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "fdatasync of 8 KiB": f"{fdatasync_us(folder):.0f} us (median of 200)",
        "load before": f"{load[0]:.1f} (1 min), {load[1]:.1f} (5 min)",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("faststream", "aiokafka", "asyncpg", "pydantic", "uvloop")},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8", "replace").splitlines()
