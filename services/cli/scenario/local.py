"""What needs the stack's own folder: Kafka delivers twice, late, or what nobody sent; and the auditor reads every journal."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from contracts import topics
from contracts.envelope import PREFIX
from deploy.local.exchange import AUDIT, root_fingerprint
from deploy.local.stack import Stack
from services.audit.export import from_kafka
from services.audit.lying import lie
from services.audit.replay import replay
from services.audit.verify import Outcome, verify
from services.cli.demo.proof import live_books
from services.cli.play import Stage
from services.messaging.relay import partition_of
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.identity import Role

READ_MS = 300


def _as_administrator(stack: Stack) -> dict[str, Any]:
    """Neither could be done by any service: a province's principal may not write what another signed."""
    return KafkaAccess(stack.kafka.bootstrap, stack.kafka.username, stack.kafka.password, "scenario").client()


async def deliver_again(stack: Stack, province: str, case_id: str, document: str = "") -> dict[str, int]:
    """Put the documents of a case that were addressed to a province at the end of its exchange once more, byte for byte.

    Args:
        stack: the local stack.
        province: the addressee.
        case_id: the case, which is the records' key.
        document: only of this type, such as `document.information_form`; all, if empty.

    Returns:
        Under `records`, how many there were.
    """
    found = [record for record in await _of_case(stack, topics.exchange(province), case_id) if _is(record, document)]
    await _send(stack, topics.exchange(province), [(record.key, record.value, list(record.headers)) for record in found])
    return {"records": len(found)}


async def deliver_late(stack: Stack, province: str, case_id: str, document: str) -> dict[str, int]:
    """Bring the first document of a type after all others of its case: Kafka lost the beginning of the log, and it comes late.

    Whoever has not read it yet, because a scenario holds it back, reads the newer ones first. What was lost with it, and was
    read long ago, comes again as well, for a log must stay whole.

    Returns:
        Under `records`, how many of the case's documents come after one that left later.
    """
    there = TopicPartition(topics.exchange(province), partition_of(case_id))
    log = await _read(stack, there)
    mine = [record for record in log if record.key == case_id.encode() and _is(record, document)]
    if len(mine) < 2:
        return {"records": 0}
    lost = [record for record in log if record.offset <= mine[0].offset]
    administrator = AIOKafkaAdminClient(**_as_administrator(stack))
    await administrator.start()
    try:
        await administrator.delete_records({there: RecordsToDelete(before_offset=mine[0].offset + 1)})
    finally:
        await administrator.close()
    await _send(stack, there.topic, [(record.key, record.value, list(record.headers)) for record in lost])
    return {"records": 1}


async def deliver_garbage(stack: Stack, province: str, case_id: str, role: str) -> dict[str, int]:
    """Put a record on a province's exchange that is about a case, signed by nobody and no JSON."""
    headers = [(topics.ROLE, role.encode()), (topics.TYPE, b"cn.jiexu.document.information_form.v1")]
    await _send(stack, topics.exchange(province), [(case_id.encode(), b"not a document", headers)])
    return {"records": 1}


async def facts_of(stack: Stack, province: str, case_id: str) -> list[tuple[str, dict[str, Any]]]:
    """What a province has told the auditors of a case, in its order: each fact's name, and what it says."""
    records = await _read(stack, TopicPartition(topics.journal(province), partition_of(case_id)))
    told = [json.loads(record.value) for record in records if record.key == case_id.encode()]
    return [(each["type"].removeprefix(PREFIX).rpartition(".v")[0], each["data"]) for each in told]


async def _of_case(stack: Stack, topic: str, case_id: str) -> list[ConsumerRecord]:
    records = await _read(stack, TopicPartition(topic, partition_of(case_id)))
    return [record for record in records if record.key == case_id.encode()]


async def _read(stack: Stack, partition: TopicPartition) -> Sequence[ConsumerRecord]:
    """Everything that a partition holds now."""
    consumer = AIOKafkaConsumer(**_as_administrator(stack), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[ConsumerRecord] = []
        while await consumer.position(partition) < end:
            for batch in (await consumer.getmany(timeout_ms=READ_MS)).values():
                found.extend(batch)
        return found
    finally:
        await consumer.stop()


def _is(record: ConsumerRecord, document: str) -> bool:
    said = dict(record.headers).get(topics.TYPE) or b""
    return not document or f".{document}.v" in said.decode("utf-8", "replace")


async def _send(stack: Stack, topic: str, records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]) -> None:
    producer = AIOKafkaProducer(**_as_administrator(stack), acks="all")
    await producer.start()
    try:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key=key, headers=headers)
    finally:
        await producer.stop()


async def audit(stage: Stage, stack: Stack) -> dict[str, Any]:
    """Fold what all provinces have published, and compare it with their live ledgers and with the bank's hands.

    Returns:
        `verdict` (agrees, disagrees, not_complete), `first_difference`, `facts`, and `lie_found`: whether one altered digit in a
        copy of an export is noticed.
    """
    access = KafkaAccess(stack.kafka.bootstrap, AUDIT, stack.secrets.password(f"kafka-{AUDIT}"), AUDIT)
    root = root_fingerprint(stack.secrets)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        exports = [(await from_kafka(access, province, out, now=Clock().now())).folder for province in stage.provinces]
        books = await live_books(stack, stage.provinces)
        rows = await stage.bank("GET", "/holdings", "00", Role.AUDITOR)
        holdings: dict[tuple[str, str], int] = {(row["payer"], row["payee"]): row["in_hands_fen"] for row in rows}
        report = await asyncio.to_thread(replay, exports, root, live=books, holdings=holdings)
        lied = await asyncio.to_thread(_a_lie_is_found, exports[0], out / "altered", root)
    first = None if report.first is None else str(report.first)
    return {"verdict": str(report.verdict), "first_difference": first, "facts": report.facts, "lie_found": lied}


def _a_lie_is_found(export: Path, copy: Path, root: str) -> bool:
    lie(export, copy)
    return verify(copy, root).kind is not Outcome.AGREES
