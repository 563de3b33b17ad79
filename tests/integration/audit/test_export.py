"""Exports on a real Kafka and PostgreSQL: the same bytes from both, and what others write there does not deceive."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from contracts import events, topics
from contracts.base import Fact
from contracts.documents import InformationFormDocument
from contracts.envelope import envelope, new_id
from deploy.local.exchange import database_url, prepare, root_fingerprint
from deploy.local.stack import Stack
from services.audit.archive import ArchiveRefused
from services.audit.export import Exported, from_database, from_kafka, read_directory
from services.audit.replay import replay
from services.audit.verify import Kind, Outcome, verify
from services.cli import ExitCode
from services.cli.main import build_app
from services.ledger import store as ledger
from services.messaging.outbox import Outbox
from services.messaging.relay import Relay, Sender
from services.messaging.signing import Signer
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.database import Database
from tests.unit.audit.builders import SEALED

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)


@dataclass
class Province:
    """A province that no other test speaks for, with the auditor's access to its log."""

    code: str
    stack: Stack
    database: Database

    @property
    def service(self) -> str:
        return f"{self.code}/origin-agency"

    @property
    def owner_url(self) -> str:
        return database_url(self.stack, f"province_{self.code}", f"p{self.code}_owner")

    def access(self, principal: str) -> KafkaAccess:
        return KafkaAccess(self.stack.kafka.bootstrap, principal, self.stack.secrets.password(f"kafka-{principal}"), principal)

    async def say(self, persons: int) -> None:
        """Open accounts, record contributions and send a document for each person, in one transaction."""
        now = Clock().now()
        facts, documents = [], []
        for _ in range(persons):
            ref, case_id = new_id(), new_id()
            opened = events.AccountOpened(person_ref=ref, kind="normal", opened_on=date(2010, 1, 4), opening_fen=500)
            recorded = events.ContributionRecorded(
                person_ref=ref, year=2023, months=12, account_fen=280_000, pool_fen=1_000, rule_set="r"
            )
            form = InformationFormDocument(case_id=case_id, sender=self.code, addressee="33", sealed=SEALED)
            told: tuple[Fact, ...] = (opened, recorded)
            facts += [envelope(fact, source=self.service, subject=ref, time=now) for fact in told]
            documents.append(envelope(form, source=self.service, subject=case_id, time=now))
        async with self.database.transaction("test") as tx:
            numbered = await ledger.record(tx, facts)
            await Outbox("origin_agency").tell(tx, [*numbered, *documents])

    async def publish(self) -> None:
        """Let a relay work until nothing waits."""
        relay = Relay(
            database=self.database,
            schema="origin_agency",
            signer=Signer(self.service, self.stack.secrets.signing_key(self.code, "origin-agency")),
            sender=Sender(self.access(f"{self.code}.origin-agency"), self.service),
            clock=Clock(),
            batch=100,
        )
        task = asyncio.create_task(relay.run())
        try:
            async with asyncio.timeout(30):
                while True:
                    async with self.database.transaction("test") as tx:
                        if await Outbox("origin_agency").unpublished(tx) == 0:
                            break
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await relay.close()

    async def export(self, out: Path, *, patience_s: float = 5.0) -> Exported:
        return await from_kafka(self.access("00.audit"), self.code, out, now=NOW, patience_s=patience_s)

    async def export_database(self, out: Path) -> Exported:
        directory = await read_directory(self.access("00.audit"))
        return await from_database(self.owner_url, self.code, out, directory=directory, now=NOW)


def in_folder(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def a_province(stack: Stack, code: str) -> AsyncIterator[Province]:
    prepare(stack, (code,))
    database = Database(database_url(stack, f"province_{code}", f"p{code}_origin_agency"), size=3)
    found = Province(code, stack, database)
    for persons in (100, 1, 60):
        await found.say(persons)
        await found.publish()
    try:
        yield found
    finally:
        await database.close()


@pytest.fixture(scope="module")
async def sichuan(stack: Stack) -> AsyncIterator[Province]:
    async for found in a_province(stack, "51"):
        yield found


@pytest.fixture(scope="module")
async def guizhou(stack: Stack) -> AsyncIterator[Province]:
    async for found in a_province(stack, "52"):
        yield found


async def test_kafka_and_the_database_give_the_same_bytes(sichuan: Province, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []

    kafka = await from_kafka(
        sichuan.access("00.audit"), "51", tmp_path / "k", now=NOW, progress=lambda *done: progress.append(done)
    )
    database = await sichuan.export_database(tmp_path / "d")

    assert (kafka.missing, database.missing) == (0, 0)
    for name in kafka.archive.files():
        assert (kafka.folder / name).read_bytes() == (database.folder / name).read_bytes(), name
    assert kafka.archive.manifest.files == database.archive.manifest.files
    assert kafka.archive.manifest.services == database.archive.manifest.services
    assert progress[-1][0] == progress[-1][1] > 0


async def test_the_export_agrees_and_its_fold_is_the_live_ledger(sichuan: Province, tmp_path: Path) -> None:
    exported = await sichuan.export(tmp_path)
    async with sichuan.database.transaction("test") as tx:
        live = await ledger.all_balances(tx)
    root = root_fingerprint(sichuan.stack.secrets)

    verdict = verify(exported.folder, root)
    report = replay([exported.folder], root, live={"51": live})

    assert verdict.findings == ()
    assert verdict.kind is Outcome.AGREES
    assert verdict.records == exported.archive.records == verdict.last["51/origin-agency"] > 500
    assert verdict.checkpoints >= 6
    assert report.verdict is Outcome.AGREES
    assert report.provinces[0].accounts == len(live) == 161 + 2


async def test_what_is_sent_again_after_a_crash_changes_no_byte(sichuan: Province, tmp_path: Path) -> None:
    before = await sichuan.export(tmp_path / "before")
    owner = Database(sichuan.owner_url, size=1)
    async with owner.transaction("test") as tx:
        await tx.execute("UPDATE origin_agency.relay SET sent_through = 0")
    await owner.close()

    await sichuan.publish()
    after = await sichuan.export(tmp_path / "after")

    assert after.archive.manifest == before.archive.manifest


async def test_an_export_in_the_middle_of_publishing_is_whole(sichuan: Province, tmp_path: Path) -> None:
    await sichuan.say(150)
    publishing = asyncio.create_task(sichuan.publish())

    found = []
    for at in range(5):
        found.append(await sichuan.export(tmp_path / str(at)))
        await asyncio.sleep(0.05)
    await publishing

    root = root_fingerprint(sichuan.stack.secrets)
    assert [verify(each.folder, root).kind for each in found] == [Outcome.AGREES] * 5


async def test_a_second_export_to_the_same_place_is_refused(sichuan: Province, tmp_path: Path) -> None:
    await sichuan.export(tmp_path)

    with pytest.raises(ArchiveRefused, match="is there already"):
        await sichuan.export(tmp_path)


async def test_a_province_without_a_topic_is_refused_and_leaves_nothing(sichuan: Province, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match=r"journal\.99"):
        await from_kafka(sichuan.access("00.audit"), "99", tmp_path, now=NOW)

    assert in_folder(tmp_path) == []


def test_the_command_exports_verifies_and_replays_against_the_live_ledger(sichuan: Province, tmp_path: Path) -> None:
    home = ["--home", str(sichuan.stack.home)]
    results = [
        CliRunner().invoke(build_app(), ["audit", *arguments, *home, "--json"])
        for arguments in (
            ["export", "--province", "51", "--out", str(tmp_path / "k")],
            ["export", "--province", "51", "--from", "database", "--out", str(tmp_path / "d")],
            ["verify", str(tmp_path / "k" / "51")],
            ["replay", str(tmp_path / "d" / "51"), "--against-live"],
        )
    ]

    assert [result.exit_code for result in results] == [ExitCode.YES] * 4, [result.output for result in results]
    kafka, database, verdict, report = (json.loads(result.stdout) for result in results)
    assert kafka["files"] == database["files"]
    assert verdict["kind"] == "agrees"
    assert report["provinces"][0]["compared_with_live"] is True


async def forge(province: Province, *, topic: str, number: int, value: bytes) -> None:
    """Another province's agency, which may write to every exchange, writes there in this province's name."""
    producer = AIOKafkaProducer(**province.access("33.destination-agency").client(), acks="all")
    await producer.start()
    headers = [(topics.SERVICE, province.service.encode()), (topics.NUMBER, str(number).encode()), (topics.PROOF, b"")]
    await producer.send_and_wait(topic, value, key=b"k", headers=headers)
    await producer.stop()


async def test_what_another_province_writes_in_its_name_is_kept_and_named(guizhou: Province, tmp_path: Path) -> None:
    await forge(guizhou, topic="exchange.41", number=3, value=b"{}")

    exported = await guizhou.export(tmp_path)
    verdict = verify(exported.folder, root_fingerprint(guizhou.stack.secrets))

    assert [(finding.kind, finding.number) for finding in verdict.findings] == [(Kind.RECORD_TWICE, 3)]


async def test_a_record_that_was_announced_and_never_came_leaves_the_export_not_complete(
    guizhou: Province, tmp_path: Path
) -> None:
    owner = Database(guizhou.owner_url, size=1)
    async with owner.transaction("test") as tx:
        row = await tx.one("SELECT max(last) AS last FROM origin_agency.checkpoints")
        assert row is not None
        signer = Signer(guizhou.service, guizhou.stack.secrets.signing_key("52", "origin-agency"))
        head = await tx.value("SELECT digest FROM origin_agency.checkpoints ORDER BY last DESC LIMIT 1")
    await owner.close()
    signed, _ = signer.sign_batch([b"{}", b"{}"], first=row["last"] + 1, previous=head, now=Clock().now())
    producer = AIOKafkaProducer(**guizhou.access("52.origin-agency").client(), acks="all")
    await producer.start()
    await producer.send_and_wait(topics.CHECKPOINTS, signed.model_dump_json().encode(), key=guizhou.service.encode())
    await producer.stop()

    exported = await guizhou.export(tmp_path, patience_s=0.3)
    verdict = verify(exported.folder, root_fingerprint(guizhou.stack.secrets))

    assert exported.missing == 2
    assert verdict.counts[Kind.RECORD_MISSING] == 1
    assert (Kind.RECORD_MISSING, row["last"] + 1) in [(finding.kind, finding.number) for finding in verdict.findings]
