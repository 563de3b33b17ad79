"""Take a province's log out of Kafka, or out of the province's own database: the same files, byte for byte."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import ValidationError

from contracts import topics
from contracts.directory import DirectoryEntry, SignedCheckpoint, SignedEntry
from services.audit.archive import Archive, ArchiveRefused, Draft, Record
from services.messaging.consumer import read_whatever_comes
from services.runtime.broker import KafkaAccess
from services.runtime.database import queries

SQL = queries(__file__)

Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is."""

_SERVICE = re.compile(r"\d{2}/[a-z-]+", re.ASCII)
_EXCHANGES = topics.exchange("")


@dataclass(frozen=True, slots=True)
class Exported:
    """An export that is whole, and how many announced records could not be found for it."""

    folder: Path
    archive: Archive
    missing: int


async def from_kafka(
    access: KafkaAccess,
    province: str,
    out: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
    patience_s: float = 5.0,
) -> Exported:
    """Export a province's log from Kafka, up to where the topics end now.

    A batch that is being published at that moment is waited for, at most `patience_s`; what has still not come by then is
    missing in the export, and the verifier says so.

    Args:
        access: as the auditor's principal, which reads every topic.
        province: two digits.
        out: folder in which the folder of the province is made.
        now: the time that the manifest notes.
        progress: called while records are read.
        patience_s: how long to wait for what is announced and not there.

    Raises:
        ArchiveRefused: when there is an export of this province in `out` already, or Kafka holds no log of it.
        KafkaError: while Kafka is away, or refuses us.
    """
    with Draft(out, province) as draft:
        async with _reader(access) as consumer:
            partitions = await _partitions(access, province)
            owners = _Owners(province)
            position = await consumer.beginning_offsets(partitions)
            position = await _read(consumer, position, await consumer.end_offsets(partitions), draft, owners, progress)
            announced = draft.announced()
            # What was announced by then belongs to this export, what comes later does not.
            draft.close_at(announced)
            missing, deadline = draft.missing(announced), asyncio.get_running_loop().time() + patience_s
            while missing and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.1)
                position = await _read(consumer, position, await consumer.end_offsets(partitions), draft, owners, None)
                missing = draft.missing(announced)
        folder = draft.finish(owners.signing, taken_at=now, taken_from="kafka")
    return Exported(folder, Archive.open(folder), missing)


async def read_directory(access: KafkaAccess) -> list[bytes]:
    """The signed entries that stand on the directory topic now, as they are."""
    found: list[bytes] = []
    async with _reader(access) as consumer:
        partitions = await _partitions(access, None)
        ends = await consumer.end_offsets(partitions)
        async for record in _records(consumer, await consumer.beginning_offsets(partitions), ends, None):
            found.append(record.value or b"")
    return found


async def from_database(
    url: str,
    province: str,
    out: Path,
    *,
    directory: Iterable[bytes],
    now: datetime,
    progress: Progress | None = None,
) -> Exported:
    """Export a province's log from its own outbox tables: what the relay has numbered, in one snapshot.

    Args:
        url: of the province's database, as a role that may read the outboxes.
        province: two digits.
        out: folder in which the folder of the province is made.
        directory: signed entries, from `read_directory` or from the `directory.jsonl` of another export.
        now: the time that the manifest notes.
        progress: called while records are read.

    Raises:
        ArchiveRefused: when there is an export of this province in `out` already.
    """
    with Draft(out, province) as draft:
        owners = _Owners(province)
        for entry in directory:
            owners.learn(entry)
            draft.take_entry(entry)
        connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "audit"})
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                schemas = [row["schema"] for row in await connection.fetch(SQL["outboxes"])]
                for schema in schemas:
                    await _dump(connection, schema, draft, progress)
        finally:
            await connection.close(timeout=5)
        services = [schema.replace("_", "-") for schema in schemas]
        announced = draft.announced()
        missing = draft.missing(announced)
        folder = draft.finish([*services, *owners.signing], taken_at=now, taken_from="database")
    return Exported(folder, Archive.open(folder), missing)


async def _dump(connection: Any, schema: str, draft: Draft, progress: Progress | None) -> None:
    service = schema.replace("_", "-")
    sql = queries(__file__, schema=schema)
    async for row in connection.cursor(sql["numbered"], prefetch=2000):
        draft.take(service, Record(row["number"], row["topic"], row["key"], row["role"], row["payload"], row["proof"] or b""))
        if progress is not None and draft.taken % 5000 == 0:
            progress(draft.taken, draft.taken)
    async for row in connection.cursor(sql["signed"], prefetch=2000):
        signed = SignedCheckpoint.model_construct(checkpoint=row["checkpoint"], signature=row["signature"])
        draft.take_checkpoint(service, signed.model_dump_json().encode())


class _Owners:
    """Which services of a province sign a log, by the directory: each of them must have its place in the export."""

    def __init__(self, province: str) -> None:
        self.province = province
        self.signing: set[str] = set()

    def learn(self, signed: bytes) -> None:
        """Look for signing keys of this province's services; the verifier is the one who believes or does not."""
        self.signing.update(signing_services([signed], self.province))


def signing_services(directory: Iterable[bytes], province: str) -> set[str]:
    """The services of a province with a signing key, by signed entries that are not verified here."""
    found: set[str] = set()
    for signed in directory:
        try:
            raw = SignedEntry.model_validate_json(signed)
            entry = DirectoryEntry.model_validate_json(raw.entry)
        except ValidationError:
            continue
        found.update(key.owner[3:] for key in entry.keys if key.use == "signing" and key.owner[:2] == province)
    return found


@asynccontextmanager
async def _reader(access: KafkaAccess) -> AsyncIterator[Any]:
    read_whatever_comes()  # a record that aiokafka cannot read must not stop an export
    consumer = AIOKafkaConsumer(
        **access.client(),
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_bytes=16 * 1024 * 1024,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _partitions(access: KafkaAccess, province: str | None) -> list[TopicPartition]:
    """Where a province's log and its evidence can lie; without a province, the directory alone."""
    admin = AIOKafkaAdminClient(**access.client())
    try:
        await admin.start()
        names = sorted(await admin.list_topics())
        wanted = [topics.DIRECTORY]
        if province is not None:
            # A service numbers all it says in one sequence, so its documents to others are needed for numbers without gaps.
            wanted = [
                topics.journal(province),
                *(name for name in names if name.startswith(_EXCHANGES)),
                topics.CHECKPOINTS,
                *wanted,
            ]
        for name in wanted:
            if name not in names:
                raise ArchiveRefused(f"there is no topic {name}, or it may not be read")
        described = await admin.describe_topics(wanted)
    finally:
        await admin.close()
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in sorted(topic["partitions"], key=lambda each: int(each["partition"]))
    ]


async def _records(
    consumer: Any, position: dict[TopicPartition, int], ends: dict[TopicPartition, int], progress: Progress | None
) -> AsyncIterator[Any]:
    """Every record from a position up to these ends."""
    open_ = [partition for partition in ends if position[partition] < ends[partition]]
    total = sum(ends[partition] - position[partition] for partition in open_)
    at = {partition: position[partition] for partition in open_}
    consumer.assign(open_)
    for partition in open_:
        consumer.seek(partition, position[partition])
    while open_:
        for partition, records in (await consumer.getmany(*open_, timeout_ms=500, max_records=5000)).items():
            for record in records:
                if record.offset < ends[partition]:
                    yield record
            at[partition] = records[-1].offset + 1
        # Compacted offsets and control records are never given to us, so the consumer's own position decides.
        for partition in list(open_):
            if max(at[partition], await consumer.position(partition)) >= ends[partition]:
                open_.remove(partition)
        if progress is not None:
            progress(total - sum(max(0, ends[partition] - at[partition]) for partition in open_), total)


async def _read(
    consumer: Any,
    position: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
    draft: Draft,
    owners: _Owners,
    progress: Progress | None,
) -> dict[TopicPartition, int]:
    """Take what is the province's from a position up to these ends; returns the ends as the next position."""
    own = f"{owners.province}/"
    own_bytes, journal = own.encode(), topics.journal(owners.province)
    async for record in _records(consumer, position, ends, progress):
        if record.topic == topics.CHECKPOINTS:
            service = (record.key or b"").decode("ascii", "replace")
            if service.startswith(own) and _SERVICE.fullmatch(service):
                draft.take_checkpoint(service[3:], record.value or b"")
        elif record.topic == topics.DIRECTORY:
            owners.learn(record.value or b"")
            draft.take_entry(record.value or b"")
        else:
            headers = dict(record.headers)
            service_bytes = headers.get(topics.SERVICE) or b""
            service = service_bytes.decode("ascii", "replace") if service_bytes.startswith(own_bytes) else ""
            if _SERVICE.fullmatch(service):
                _take(draft, service[3:], record, headers)
            elif record.topic == journal:
                draft.passed_over += 1
    return ends


def _take(draft: Draft, service: str, record: Any, headers: dict[str, bytes]) -> None:
    number = headers.get(topics.NUMBER) or b""
    role = headers.get(topics.ROLE)
    draft.take(
        service,
        Record(
            int(number) if number.isdigit() and len(number) < 19 else 0,
            record.topic,
            (record.key or b"").decode("utf-8", "replace"),
            None if role is None else role.decode("ascii", "replace"),
            record.value or b"",
            headers.get(topics.PROOF) or b"",
        ),
    )
    checkpoint = headers.get(topics.CHECKPOINT)
    if checkpoint:
        draft.take_checkpoint(service, checkpoint)
