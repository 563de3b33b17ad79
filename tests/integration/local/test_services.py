"""Services as processes on a real stack: they become ready or say why not, and are stopped by their own pid."""

import os
import shutil
import signal
import smtplib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage

import httpx
import pytest

from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.processes import StackError, alive
from deploy.local.services import Endpoints, Provinces, bank_token_file, forget, health, tokens
from deploy.local.stack import Stack
from services.bank.settings import BankSettings
from services.runtime.clock import SHANGHAI
from services.runtime.identity import Role, TokenVerifier
from services.runtime.settings import Settings

START = datetime(2024, 5, 6, 9, tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # A stack apart from that of all other tests, since what is started here takes the place of what they have started.
    home = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-services"
    with pytest.MonkeyPatch.context() as environment:
        for name in ("JIEXU_KAFKA_BOOTSTRAP", "JIEXU_POSTGRES_URL"):
            environment.delenv(name, raising=False)
        try:
            up = Stack.up(home, tell=lambda _: None)
            prepare(up, ("44",))
            yield up
        finally:
            Stack(home).down(wipe=True)
            forget(home)
            left = sorted(path.name for path in home.iterdir())
            shutil.rmtree(home)
    assert left == ["stack.lock"]


@pytest.fixture(autouse=True)
def _stopped_afterwards(stack: Stack) -> Iterator[None]:
    yield
    Provinces(stack, ("44",)).stop()


def a_bank(stack: Stack, **overrides: str) -> Provinces:
    """The bank and the mail sink alone."""
    return Provinces(stack, (), clock="scenario", scenario_start=START, overrides={"bank": overrides})


def test_the_bank_becomes_ready_answers_its_fund_desks_and_is_stopped_by_its_own_pid(stack: Stack) -> None:
    bank = a_bank(stack)

    endpoints = bank.start()
    bank.wait_ready(30)

    record = stack.processes["bank"]
    assert str(record.port) in endpoints.bank
    assert httpx.get(f"{endpoints.bank}/readyz").json() == {"status": "ready", "waits_for": {}}
    assert httpx.get(f"{endpoints.bank}/holdings").status_code == 401
    token = bank_token_file(stack.home, "44").read_text()
    answer = httpx.get(f"{endpoints.bank}/holdings", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (200, [])
    bank.stop()
    assert not alive(record)
    assert set(stack.running()) == {"kafka", "postgres"}


def test_what_runs_is_left_alone_until_its_settings_change(stack: Stack) -> None:
    a_bank(stack).start()
    first = stack.processes

    again = a_bank(stack).start()
    same = stack.processes
    a_bank(stack, DELAY_MINUTES="5").start()
    other = stack.processes

    assert Endpoints.load(stack.home) != again
    assert same == first
    assert other["smtp-sink"] == first["smtp-sink"]
    assert other["bank"].pid != first["bank"].pid
    assert other["bank"].port == first["bank"].port
    assert not alive(first["bank"])


def test_a_service_that_waits_is_named_with_what_it_waits_for(stack: Stack) -> None:
    nobody = f"postgresql://bank:x@127.0.0.1:{stack.port('nobody')}/bank"
    bank = a_bank(stack, DATABASE_URL=nobody)
    bank.start()

    with pytest.raises(StackError, match=r"bank is not ready within 4 s and waits for database: the database does not answer"):
        bank.wait_ready(4)

    assert {one.name: dict(one.waits_for) for one in health(stack) if one.waits_for} == {
        "bank": {"database": "the database does not answer"}
    }


def test_a_service_that_ends_is_named_at_once_with_the_end_of_its_log(stack: Stack) -> None:
    bank = a_bank(stack, CLOCK="sundial")
    bank.start()

    with pytest.raises(StackError, match=r"(?s)bank ended while starting.*sundial"):
        bank.wait_ready(60)

    assert {one.name: one.state for one in health(stack)}["bank"] == "ended"


def test_every_service_of_a_province_becomes_ready(stack: Stack) -> None:
    services = Provinces(stack, ("44",), clock="scenario", scenario_start=START)

    endpoints = services.start()
    services.wait_ready(60)

    assert {one.state for one in health(stack)} == {"ready"}
    assert Endpoints.load(stack.home) == endpoints
    assert httpx.get(f"{endpoints.url('44', 'origin-agency')}/livez").status_code == 200
    services.stop()
    assert set(stack.running()) == {"kafka", "postgres"}


def test_replicas_run_beside_the_first_of_their_kind_and_are_told_apart(stack: Stack) -> None:
    services = Provinces(
        stack,
        ("44",),
        services=("notification",),
        clock="scenario",
        scenario_start=START,
        overrides={"44.notification": {"TIMER_POLL_S": "3"}, "44.notification-1": {"MAX_RECORDS": "7"}},
        replicas=2,
    )
    try:
        endpoints = services.start()
        services.wait_ready(60)

        assert services.names == ["smtp-sink", "bank", "44.notification", "44.notification-1"]
        assert endpoints.services.keys() == {"44.notification"}
        assert endpoints.replicas.keys() == {"44.notification-1"}
        assert (
            endpoints.url("44", "notification")
            == endpoints.services["44.notification"]
            != endpoints.replicas["44.notification-1"]
        )
        assert {one.name for one in health(stack) if one.state == "ready"} >= set(services.names)
        programs = {program.name: program.env for program in services._programs(services._ports())}
        assert [programs[name]["REPLICA"] for name in services.names[2:]] == ["0", "1"]
        assert [programs[name]["TIMER_POLL_S"] for name in services.names[2:]] == ["3", "3"]
        assert [programs[name].get("MAX_RECORDS") for name in services.names[2:]] == [None, "7"]
    finally:
        services.stop()


def test_a_process_that_was_killed_is_started_again_where_it_was_and_with_the_time_that_it_is(stack: Stack) -> None:
    services = a_bank(stack)
    endpoints = services.start()
    services.wait_ready(30)
    before = stack.processes["bank"]
    os.kill(before.pid, signal.SIGKILL)
    while alive(before):
        time.sleep(0.01)
    assert {one.name: one.state for one in health(stack)}["bank"] == "ended"

    services.start_again("bank", now=START + timedelta(days=9))
    services.wait_ready(30)

    after = stack.processes["bank"]
    assert (after.pid != before.pid, after.port) == (True, before.port)
    token = tokens(stack.home).staff("44", Role.OPERATOR)
    answer = httpx.get(f"{endpoints.bank}/scenario/idle", headers={"authorization": f"Bearer {token}"})
    assert datetime.fromisoformat(answer.json()["now"]).date() == (START + timedelta(days=9)).date()
    with pytest.raises(KeyError):
        services.start_again("44.origin-agency")


def test_a_service_is_told_all_it_needs_and_nothing_that_it_does_not_know(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    services = Provinces(stack, ("44",), clock="scenario", scenario_start=START)
    programs = {program.name: program.env for program in services._programs(dict.fromkeys(services.names, 20000))}
    harmless = {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "LANG", "PYTHONUNBUFFERED"}
    for name, model in (("44.origin-agency", Settings), ("44.notification", Settings), ("bank", BankSettings)):
        given = programs[name].keys() - harmless

        assert given <= {field.upper() for field in model.model_fields}
        with monkeypatch.context() as environment:
            for key in os.environ.keys() - harmless:
                environment.delenv(key)
            for key, value in programs[name].items():
                environment.setenv(key, value)
            settings = model()
        assert settings.make_clock().now() >= START
        unset = {field for field in model.model_fields if field.upper() not in given}
        assert not [field for field in unset if field.endswith(("_file", "_url"))]


def test_a_mail_is_kept_as_one_line_with_its_text(stack: Stack) -> None:
    bank = a_bank(stack)
    endpoints = bank.start()
    bank.wait_ready(30)
    mail = EmailMessage()
    mail["Message-ID"], mail["Subject"], mail["To"] = "<1@agency.example>", "您的转移已办结", "zhang@person.example"
    mail.set_content("您好。\n.一行以点开头\n")

    with smtplib.SMTP("127.0.0.1", endpoints.smtp_port) as sender:
        sender.send_message(mail, "jiexu@agency.example", ["zhang@person.example"])

    (kept,) = endpoints.mails()
    assert kept["message_id"] == "<1@agency.example>"
    assert kept["to"] == ["zhang@person.example"]
    assert kept["subject"] == "您的转移已办结"
    assert kept["text"] == "您好。\n.一行以点开头"
    assert datetime.fromisoformat(str(kept["received_at"])).tzinfo is not None
    assert endpoints.mail.stat().st_mode & 0o077 == 0


def test_tokens_are_accepted_by_whoever_verifies_with_the_public_keys(stack: Stack) -> None:
    verifier = TokenVerifier(stack.secrets.token_public_file())

    maker = verifier.verify(tokens(stack.home).staff("44", Role.MAKER))
    insured = verifier.verify(tokens(stack.home).insured("44", "a-pseudonym"))
    auditor = verifier.verify(tokens(stack.home).auditor())

    assert (maker.sub, maker.roles, maker.province) == ("maker-44", frozenset({Role.MAKER}), "44")
    assert (insured.person_ref, insured.roles) == ("a-pseudonym", frozenset({Role.INSURED}))
    assert (auditor.province, auditor.roles) == ("00", frozenset({Role.AUDITOR}))


def test_the_token_for_the_bank_is_made_once(stack: Stack) -> None:
    first = bank_token_file(stack.home, "44").read_bytes()

    assert bank_token_file(stack.home, "44").read_bytes() == first
