"""The quarantine by the command, through a running origin agency: what it prints, and how it ends."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from contracts import topics
from contracts.envelope import new_id
from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import Provinces, forget
from deploy.local.stack import Stack
from services.cli.main import build_app
from services.runtime.broker import KafkaAccess

WHY = ("--reason", "nobody's record")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    where = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-quarantine"
    try:
        stack = Stack.up(where, tell=lambda _: None)
        prepare(stack, ("44",))
        services = Provinces(stack, ("44",), services=("origin-agency",))
        services.start()
        services.wait_ready(120)
        asyncio.run(send_garbage(stack, 4))
        wait_for(where, 4)
        yield where
    finally:
        Stack(where).down(wipe=True)
        forget(where)
        shutil.rmtree(where, ignore_errors=True)


async def send_garbage(stack: Stack, count: int) -> None:
    """What somebody writes who may write to the exchange and has no manners."""
    principal = "44.destination-agency"
    access = KafkaAccess(stack.kafka.bootstrap, principal, stack.secrets.password(f"kafka-{principal}"), "test")
    producer = AIOKafkaProducer(**access.client(), acks="all")
    await producer.start()
    try:
        for at in range(count):
            headers = [(topics.ROLE, b"origin-agency")]
            await producer.send_and_wait("exchange.44", b"\xff %d" % at, key=new_id().encode(), partition=0, headers=headers)
    finally:
        await producer.stop()


def wait_for(home: Path, count: int) -> None:
    until = time.monotonic() + 60
    while len(listed(home)) < count:
        assert time.monotonic() < until
        time.sleep(0.1)


def jiexu(home: Path, *arguments: str, province: str = "44") -> tuple[int, str, str]:
    command = ["quarantine", *arguments, "--province", province, "--home", str(home)]
    result = CliRunner().invoke(build_app(), command)
    return result.exit_code, result.stdout, result.stderr


def listed(home: Path) -> list[dict[str, Any]]:
    code, out, err = jiexu(home, "list", "--json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_what_stands_in_quarantine_is_listed_and_shown_whole(home: Path) -> None:
    first = listed(home)[0]

    code, text, _ = jiexu(home, "list", "--reason", "malformed")
    old = jiexu(home, "list", "--older-than", "86400")
    shown = json.loads(jiexu(home, "show", first["quarantine_id"], "--json")[1])
    plain = jiexu(home, "show", first["quarantine_id"])

    assert code == 0
    assert all(part in text for part in (first["quarantine_id"], "44/origin-agency", "parked", "malformed", first["case_key"]))
    assert (old[0], old[1]) == (0, "nothing stands in quarantine\n")
    assert (shown["service"], shown["value_base64"], shown["signed_by"]) == ("44/origin-agency", "/yAw", None)
    assert plain[0] == 0
    assert "value_base64: /yAw" in plain[1]


def test_one_proposes_to_skip_and_another_approves(home: Path) -> None:
    entry = listed(home)[1]["quarantine_id"]

    proposed = jiexu(home, "skip", entry, *WHY)
    waiting = next(row for row in listed(home) if row["quarantine_id"] == entry)
    own = jiexu(home, "approve", waiting["proposal"], *WHY, "--as", "operator-44")
    taken_back = jiexu(home, "withdraw", waiting["proposal"], "--reason", "on second thoughts")
    again = json.loads(jiexu(home, "skip", entry, *WHY, "--json")[1])
    done = jiexu(home, "approve", again["decision_id"], *WHY)

    assert (proposed[0], waiting["proposed_verb"], waiting["proposed_by"]) == (0, "skip", "operator-44")
    assert f"jiexu quarantine approve {waiting['proposal']} --province 44" in proposed[1]
    assert own[0] == 1
    assert "SAME_PERSON" in own[2]
    assert (taken_back[0], taken_back[1]) == (0, "the proposal is withdrawn\n")
    assert (done[0], done[1]) == (0, "set aside for good\n")
    assert entry not in [row["quarantine_id"] for row in listed(home)]
    assert entry in jiexu(home, "list", "--all")[1]
    assert "skip, set_aside (operator-44: nobody's record, checker-44: nobody's record)" in jiexu(home, "show", entry)[1]


def test_a_no_ends_with_1_and_says_what_helps(home: Path, tmp_path: Path) -> None:
    entry = listed(home)[0]["quarantine_id"]
    text = tmp_path / "record.json"
    text.write_text("{}", encoding="utf-8")

    parked_again = jiexu(home, "retry", entry, *WHY)
    rejected = jiexu(home, "reject", entry, *WHY, "--remedy", "send it again")
    amended = jiexu(home, "amend", entry, *WHY, "--text", str(text))
    unknown = jiexu(home, "retry", new_id(), *WHY)
    unknown_as_json = jiexu(home, "retry", new_id(), *WHY, "--json")

    assert [each[0] for each in (parked_again, rejected, amended, unknown)] == [1] * 4
    assert "parked again: malformed" in parked_again[1]
    assert "SENDER_NOT_PROVEN" in rejected[2]
    assert "SENDER_NOT_PROVEN" in amended[2]
    assert "NO_SUCH_RECORD" in unknown[2]
    assert json.loads(unknown_as_json[1])["code"] == "NO_SUCH_RECORD"


def test_wrong_use_ends_with_2(home: Path, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text("not JSON", encoding="utf-8")

    foreign = jiexu(home, "list", province="33")
    nothing = jiexu(home, "amend", "some-id", *WHY)
    garbled = jiexu(home, "amend", "some-id", *WHY, "--body", str(body))
    unreasoned = jiexu(home, "skip", "some-id")
    away = jiexu(home, "list", "--service", "notification")

    assert [each[0] for each in (foreign, nothing, garbled, unreasoned, away)] == [2] * 5
    assert "jiexu up --provinces 33" in foreign[2]
    assert "notification" in away[2]


def test_documents_that_others_rejected_are_a_list_of_their_own(home: Path) -> None:
    code, text, _ = jiexu(home, "list", "--rejected-by-others")

    assert (code, text) == (0, "nothing was rejected by others\n")


def test_a_service_that_does_not_answer_is_not_an_answer(home: Path) -> None:
    entry = listed(home)[0]["quarantine_id"]
    stack = Stack(home)
    stack.stop("44.origin-agency")

    code, _, said = jiexu(home, "retry", entry, *WHY)

    assert code == 3
    assert "44/origin-agency does not answer" in said


@pytest.mark.parametrize("verb", ["list", "show", "retry", "amend", "skip", "reject", "approve", "withdraw"])
def test_every_verb_shows_an_example_and_its_exit_codes(verb: str) -> None:
    result = CliRunner().invoke(build_app(), ["quarantine", verb, "--help"])

    assert result.exit_code == 0
    assert f"jiexu quarantine {verb}" in result.output
    assert "3 could not tell" in " ".join(result.output.split())
