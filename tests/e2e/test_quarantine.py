"""Poison in the way of real transfers, dealt with as operators do: it is told apart, decided by two, and every case completes."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from contracts import topics
from contracts.directory import NO_CHECKPOINT, DirectoryEntry
from contracts.documents import Body, CompletionDocument, CompletionNotice, Document, LetterReturn, LetterReturnDocument
from contracts.envelope import encode, envelope, new_id, type_of
from deploy.local.exchange import root_fingerprint
from services.cli.demo.many import Many
from services.cli.demo.show import Show
from services.cli.demo.story import day
from services.cli.main import build_app
from services.cli.play import ORIGIN, Stage
from services.messaging.directory import Directory, sign_entry
from services.messaging.relay import partition_of
from services.messaging.sealing import Sealer
from services.messaging.signing import Signer
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.identity import Role
from services.world.plan import Ending, plan
from tests.builders import a
from tests.e2e.conftest import Country, a_country, bring_records

PROVINCES = ("44", "33")
WORLD = plan(11, 60, provinces=PROVINCES)
WHY = ("--reason", "asked 33 by telephone")


@pytest.fixture(scope="module")
def country() -> Iterator[Country]:
    with a_country("quarantine", PROVINCES) as found:
        found.services.wait_ready(120)
        yield found


@pytest.fixture
async def stage(country: Country) -> AsyncIterator[Stage]:
    found = country.stage()
    yield found
    await found.close()


def jiexu(country: Country, *arguments: str, province: str = "44", ends: int = 0) -> Any:
    """What `jiexu quarantine … --json` answers."""
    command = ["quarantine", *arguments, "--province", province, "--json", "--home", str(country.stack.home)]
    result = CliRunner().invoke(build_app(), command)
    assert result.exit_code == ends, result.output
    return json.loads(result.stdout)


async def send(country: Country, sender: str, kind: type[Document], bodies: dict[str, Body]) -> None:
    """Documents that their sender's own services never said, signed with its real key: as a partner's mistake would be."""
    secrets = country.stack.secrets
    province, _, service = sender.partition("/")
    to = "33" if province == "44" else "44"
    directory = Directory(root_fingerprint(secrets))
    for entry in json.loads((country.stack.home / "directory.json").read_text("utf-8")).values():
        directory.learn(sign_entry(DirectoryEntry.model_validate_json(entry), secrets.directory_root_key()))
    sealer, now, first = Sealer(directory, province), Clock().now(), 1_000_000
    values = [
        encode(envelope(sealer.seal(kind, body, case_id=case, addressee=to), source=sender, subject=case, time=now))
        for case, body in bodies.items()
    ]
    signer = Signer(sender, secrets.signing_key(province, service))
    batch, proofs = signer.sign_batch(values, first=first, previous=NO_CHECKPOINT, now=now)
    principal = sender.replace("/", ".")
    access = KafkaAccess(country.stack.kafka.bootstrap, principal, secrets.password(f"kafka-{principal}"), "e2e")
    producer = AIOKafkaProducer(**access.client(), acks="all")
    await producer.start()
    try:
        for at, (case, value) in enumerate(zip(bodies, values, strict=True)):
            headers = [
                (topics.SERVICE, sender.encode()),
                (topics.NUMBER, str(first + at).encode()),
                (topics.PROOF, proofs[at]),
                (topics.CHECKPOINT, batch.model_dump_json().encode()),
                (topics.TYPE, type_of(kind).encode()),
                (topics.ROLE, kind.to_role.encode()),
            ]
            where = topics.exchange(to)
            await producer.send_and_wait(where, value, key=case.encode(), partition=partition_of(case), headers=headers)
    finally:
        await producer.stop()


async def test_poison_is_retried_amended_skipped_and_rejected_and_every_case_completes(
    country: Country, stage: Stage, tmp_path: Path
) -> None:
    applications = [each for each in WORLD.applications if each.ending is Ending.COMPLETED and each.destination == "33"][:5]
    await bring_records(stage, WORLD)
    many = Many(stage, Show(), applications)
    await stage.move(day("2024-05-13"))
    await many._apply()
    await stage.decide_admissions("33")
    await stage.idle()
    to_retry, to_amend, to_skip, to_reject, undisturbed = (many.case_of[at] for at in range(5))
    letter_of = {case["case_id"]: case["letter_no"] for case in [await a_case(stage, each) for each in many.case_of.values()]}

    notices: dict[str, Body] = {case: a(CompletionNotice, letter_no=letter_of[case]) for case in (to_retry, to_skip, to_reject)}
    notices[to_amend] = a(CompletionNotice, letter_no="LXH-000000-20240101-000000")  # it fails without a name
    await send(country, "33/destination-agency", CompletionDocument, notices)  # of what nobody has paid yet
    await stage.idle()  # not before the last try of what failed without a name
    parked = {entry["case_key"]: entry for entry in jiexu(country, "list", "--service", ORIGIN)}
    await stage.move(day("2024-05-28"))  # ten working days: 33 reminds
    await stage.handle_letters("44")
    await stage.idle()
    await stage.remit("44")
    await stage.idle()
    await stage.move(day("2024-05-29"))
    booked = await stage.complete("33")
    await stage.idle()
    meanwhile = {case: (await a_case(stage, case))["state"] for case in letter_of}

    retried = jiexu(country, "retry", parked[to_retry]["quarantine_id"], *WHY)
    skipping = jiexu(country, "skip", parked[to_skip]["quarantine_id"], *WHY)
    refused = jiexu(country, "approve", skipping["decision_id"], *WHY, "--as", "operator-44", ends=1)
    skipped = jiexu(country, "approve", skipping["decision_id"], *WHY)
    behind = [entry for entry in jiexu(country, "list", "--case", to_reject) if entry["state"] == "behind"]
    reminder = next(entry for entry in behind if entry["type"] == "document.reminder.v1")
    rejected = jiexu(country, "reject", reminder["quarantine_id"], *WHY, "--remedy", "remind the fund desk instead")
    gone = jiexu(country, "skip", parked[to_reject]["quarantine_id"], *WHY)
    jiexu(country, "approve", gone["decision_id"], *WHY)
    corrected = tmp_path / "notice.json"
    corrected.write_text(a(CompletionNotice, letter_no=letter_of[to_amend]).model_dump_json(), encoding="utf-8")
    amending = jiexu(country, "amend", parked[to_amend]["quarantine_id"], *WHY, "--body", str(corrected))
    amended = jiexu(country, "approve", amending["decision_id"], *WHY, "--body", str(corrected))
    await stage.idle()
    _, wrong = await many.endings()

    assert booked == 5
    assert {case: entry["reason"] for case, entry in parked.items()} == {
        to_retry: "unexpected",
        to_skip: "unexpected",
        to_reject: "unexpected",
        to_amend: "handler_failed",
    }
    assert parked[to_amend]["attempts"] == 4
    assert meanwhile == {case: "SETTLED" if case == undisturbed else "REMITTED" for case in letter_of}
    assert refused["code"] == "SAME_PERSON"
    assert [each["outcome"] for each in (retried, skipping, skipped, rejected, amending, amended)] == [
        "handled",
        "proposed",
        "set_aside",
        "rejected",
        "proposed",
        "handled",
    ]
    assert {(await a_case(stage, case))["state"] for case in letter_of} == {"SETTLED"}
    assert jiexu(country, "list") == []
    assert wrong == []
    told = jiexu(country, "list", "--rejected-by-others", province="33")
    assert [(row["case_id"], row["document_type"], row["rejected_by"], row["code"], row["remedy"]) for row in told] == [
        (to_reject, "document.reminder", "44/origin-agency", "not_taken", "remind the fund desk instead")
    ]


async def test_a_rejection_of_what_was_never_sent_is_told_apart_and_holds_up_nothing(country: Country, stage: Stage) -> None:
    case = new_id()
    await send(country, "44/origin-agency", LetterReturnDocument, {case: a(LetterReturn)})
    await stage.idle()
    (stray,) = jiexu(country, "list", "--case", case, province="33")

    rejected = jiexu(country, "reject", stray["quarantine_id"], *WHY, "--remedy", "name the case", province="33")
    await stage.idle()
    (came,) = jiexu(country, "list", "--service", ORIGIN)
    skipped = jiexu(country, "skip", came["quarantine_id"], *WHY)

    assert (stray["reason"], rejected["outcome"]) == ("unexpected", "rejected")
    assert (came["type"], came["reason"]) == ("document.rejection_to_origin.v1", "wrong_sender")
    assert came["case_key"].startswith("unproven:")
    assert skipped["outcome"] == "set_aside"


async def a_case(stage: Stage, case_id: str) -> dict[str, Any]:
    found: dict[str, Any] = await stage.call("GET", "44", ORIGIN, f"/cases/{case_id}", Role.AUDITOR)
    return found
