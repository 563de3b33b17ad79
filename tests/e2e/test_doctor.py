"""`jiexu doctor`, tried by breaking things: it names exactly what was broken, says what to do, and that all is well afterwards.

Before anything is broken one transfer is made, so that figures and logs can be looked at of services that have worked.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AclOperation, ScramMechanism, UserScramCredentialDeletion  # type: ignore[attr-defined]

from contracts import topics
from deploy.kafka.provision import acls_for, admin_client
from deploy.local.exchange import prepare
from deploy.local.processes import alive
from deploy.local.services import MAIL, tokens
from deploy.local.stack import Stack
from services.cli.demo.story import day, form_of
from services.cli.doctor.command import examine
from services.cli.doctor.findings import Diagnosis
from services.cli.doctor.running import Heard, hear
from services.cli.play import DESTINATION, ORIGIN, Stage
from services.messaging.relay import lock_of
from services.runtime.identity import Role
from services.world.plan import PROTAGONIST, plan
from tests.e2e.conftest import Country, a_country, bring_records

PROVINCES = ("44", "33")
STORY = PROTAGONIST.application


@pytest.fixture(scope="module")
def country() -> Iterator[Country]:
    with a_country("doctor", PROVINCES) as found:
        found.services.wait_ready(120)
        yield found


@pytest.fixture
async def stage(country: Country) -> AsyncIterator[Stage]:
    found = country.stage()
    yield found
    await found.close()


def heard(country: Country) -> dict[str, Heard]:
    """What every service says of itself, once what the last look found may be asked for anew."""
    time.sleep(2.1)
    services = {**country.endpoints.services, "bank": country.endpoints.bank}
    operators = {province: tokens(country.stack.home).staff(province, Role.OPERATOR) for province in PROVINCES}
    return {each.name: each for each in hear(services, operator=operators)}


async def apply(stage: Stage) -> str:
    whom = {"id_number": STORY.id_number, "name": STORY.name}
    known = await stage.call("POST", "33", ORIGIN, "/records/lookups", Role.MAKER, json=whom)
    person = stage.person("33", known["person_ref"])
    taken = await stage.call("POST", "33", DESTINATION, "/applications", person, json=form_of(STORY))
    await stage.idle()
    return str(taken["case_id"])


async def test_figures_follow_a_transfer_and_logs_name_its_case_and_never_its_person(country: Country, stage: Stage) -> None:
    await bring_records(stage, plan(7, 1, provinces=PROVINCES, protagonist=True))

    case_id = await apply(stage)
    applied = heard(country)
    await stage.move(day("2024-05-07"))
    await stage.decide_admissions("33")
    await stage.idle()
    await stage.move(day("2024-06-05"))  # nobody handled the letter in time
    late = heard(country)
    await stage.handle_letters("44")
    await stage.idle()
    owed = heard(country)
    await stage.remit("44")
    await stage.idle()
    paid = heard(country)
    await stage.move(day("2024-06-06"))
    arrived = heard(country)
    await stage.complete("33")
    await stage.idle()
    ended = heard(country)

    origin, destination, notification, bank = "44.origin-agency", "33.destination-agency", "33.notification", "bank"
    assert applied[destination].sum("jiexu_cases_open", stage="admission") == 1
    assert applied[origin].sum("jiexu_cases_open") == 0
    assert late[origin].sum("jiexu_cases_open", stage="handling", state="LETTER_HELD") == 1
    assert late[origin].sum("jiexu_cases_overdue", stage="handling") == 1
    assert late[origin].sum("jiexu_oldest_case_working_days", stage="handling") == 22  # 11 May was worked
    assert late[origin].sum("jiexu_oldest_case_seconds", stage="handling") == pytest.approx(29.4 * 86400, rel=0.01)
    assert late[destination].sum("jiexu_cases_overdue", stage="origin") == 1
    payable = owed[origin].sum("jiexu_transfers_payable_fen", destination="33")
    assert payable == 3_047_986
    assert paid[origin].sum("jiexu_transfers_payable_fen", destination="33") == 0
    assert paid[origin].sum("jiexu_transit_fen", what="remitted") == payable
    assert paid[bank].sum("jiexu_bank_payments_fen", what="under_way") == payable
    assert arrived[destination].sum("jiexu_suspense_fen", origin="44") == payable
    assert arrived[destination].sum("jiexu_cases_open", stage="booking") == 1
    for name in (origin, destination):
        assert ended[name].sum("jiexu_cases_open") == 0
        assert ended[name].sum("jiexu_transit_fen") == ended[name].sum("jiexu_suspense_fen") == 0
        assert ended[name].sum("jiexu_outbox_unpublished_rows") == 0
        assert ended[name].sum("jiexu_consumer_lag_records") == 0
        assert ended[name].sum("jiexu_consumer_partitions") == topics.PARTITIONS
        assert ended[name].sum("jiexu_relay_leads") == ended[name].sum("jiexu_ready") == 1
        assert ended[name].sum("jiexu_inbox_records_total", result="accepted") > 0
        assert ended[name].sum("jiexu_handler_transaction_seconds_count") > 0
        assert ended[name].sum("jiexu_sql_commits_total", purpose="handler") > 0
        assert ended[name].sum("jiexu_quarantine_rows") == 0
    assert ended[notification].sum("jiexu_notices_total", result="delivered") == len(country.endpoints.mails()) > 3
    assert ended[destination].sum("jiexu_http_requests_total", route="/applications", method="POST", status="201") == 1
    assert all(each.sum("jiexu_figures_unknown") == 0 for each in ended.values())

    person = (STORY.name, STORY.id_number, STORY.phone, STORY.email, STORY.employer_name or STORY.name)
    await check_metrics(country, case_id, person)
    check_logs(country, case_id, (*person, "3047986", "30479.86", "30,479.86"))


async def check_metrics(country: Country, case_id: str, person: tuple[str, ...]) -> None:
    """No figure has an id or anything of a person in its name or labels; none needs a token."""
    async with httpx.AsyncClient() as client:
        texts = {
            name: (await client.get(f"{url}/metrics")).text
            for name, url in {**country.endpoints.services, "bank": country.endpoints.bank}.items()
        }
    for name, text in texts.items():
        assert "jiexu_build_info" in text, name
        assert [told for told in (case_id, *person) if told and told in text] == [], name
        assert re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}", text) == [], name
        labels = set(re.findall(r'[{,]([a-z_]+)="', text))
        assert labels <= {
            *("service", "province", "version", "python", "purpose", "source", "state", "reason", "stage", "what", "le"),
            *("topic", "partition", "result", "route", "method", "status", "part", "origin", "destination"),
        }, name


def check_logs(country: Country, case_id: str, secrets: tuple[str, ...]) -> None:
    """Every line is JSON with service and province; the case is found by its id, and nothing of its person is."""
    seen: dict[str, set[str]] = {}
    for name in (*country.endpoints.services, "bank"):
        text = country.stack.log(name).read_text("utf-8")
        assert [secret for secret in secrets if secret and secret in text] == [], name
        lines = [json.loads(line) for line in text.splitlines()]
        province, _, service = name.rpartition(".")
        assert {(line["province"], line["service"]) for line in lines} == {(province or "00", service)}
        assert all({"event", "level", "timestamp"} <= line.keys() for line in lines), name
        seen[name] = {line["event"] for line in lines if line.get("case_id") == case_id}
        requests = [line for line in lines if line["event"] == "http.request"]
        assert all(line["request_id"] and line["ms"] >= 0 and line["status"] for line in requests)
        assert {line["route"] for line in requests}.isdisjoint({"/readyz", "/livez", "/metrics"})
    assert {"desk.decided", "handler.handled"} <= seen["33.destination-agency"]
    assert {"desk.decided", "handler.handled"} <= seen["44.origin-agency"]
    assert {"handler.handled", "mailer.notice_delivered"} <= seen["33.notification"]


Breaking = Callable[[Country], AbstractContextManager[None]]


@dataclass(frozen=True)
class Broken:
    """Something that is broken for real while the block runs; the doctor's one cause, and words of its remedy."""

    about: str
    remedy: str
    breaking: Breaking
    says: str = ""


def pid_of(country: Country, name: str) -> int:
    return country.stack.processes[name].pid


def killed(name: str, mend: Callable[[Country], Any]) -> Breaking:
    @contextmanager
    def breaking(country: Country) -> Iterator[None]:
        record = country.stack.processes[name]
        os.kill(record.pid, signal.SIGKILL)
        until(lambda: not alive(record))
        try:
            yield
        finally:
            mend(country)

    return breaking


def servers_again(country: Country) -> None:
    Stack.up(country.stack.home, tell=lambda _: None)


def again(name: str) -> Callable[[Country], None]:
    def mend(country: Country) -> None:
        country.services.start_again(name, now=now_of(country))

    return mend


def now_of(country: Country) -> datetime:
    """What the scenario's clock shows at a service that is never broken here."""
    token = tokens(country.stack.home).staff("33", Role.OPERATOR)
    url = country.endpoints.url("33", ORIGIN)
    answer = httpx.get(f"{url}/scenario/idle", headers={"authorization": f"Bearer {token}"}, timeout=20)
    return datetime.fromisoformat(answer.json()["now"])


@contextmanager
def paused(country: Country) -> Iterator[None]:
    pid = pid_of(country, "44.notification")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def port_taken(country: Country) -> Iterator[None]:
    record = country.stack.processes["44.notification"]
    port = record.port
    assert port is not None
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: not alive(record))
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        until(lambda: bound(stranger, port))
        stranger.listen()
        yield
    again("44.notification")(country)


def bound(stranger: socket.socket, port: int) -> bool:
    try:
        stranger.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def until(done: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def without_credentials(country: Country) -> Iterator[None]:
    access = country.stack.kafka
    admin = admin_client(access.bootstrap, access.username, access.password)
    gone = UserScramCredentialDeletion("33.notification", ScramMechanism.SCRAM_SHA_512)
    for future in admin.alter_user_scram_credentials([gone]).values():
        future.result(20)
    try:
        yield
    finally:
        prepare(country.stack, PROVINCES)


@contextmanager
def other_password(country: Country) -> Iterator[None]:
    with written(country.stack.secrets.password_file("kafka-33.notification"), "not-the-password"):
        yield


@contextmanager
def without_acl(country: Country) -> Iterator[None]:
    access = country.stack.kafka
    admin = admin_client(access.bootstrap, access.username, access.password)
    [acl] = [each for each in acls_for("33", DESTINATION) if each.name == "checkpoints" and each.operation == AclOperation.WRITE]
    for future in admin.delete_acls([filter_of(acl)]).values():
        future.result(20)
    try:
        yield
    finally:
        prepare(country.stack, PROVINCES)


def filter_of(acl: Any) -> Any:
    from deploy.kafka.provision import _exactly

    return _exactly(acl)


def statements(country: Country, database: str, *sql: str) -> None:
    """Run statements as the superuser, each by itself."""

    async def run() -> None:
        access = country.stack.postgres_of(database)
        connection = await asyncpg.connect(access.url_of(database, access.username, access.password))
        try:
            for each in sql:
                await connection.execute(each)
        finally:
            await connection.close()

    asyncio.run(run())


def statement(database: str, broken: str, mended: str, *after: str) -> Breaking:
    @contextmanager
    def breaking(country: Country) -> Iterator[None]:
        statements(country, database, broken, *after)
        try:
            yield
        finally:
            statements(country, database, mended, *after)

    return breaking


@contextmanager
def poison(country: Country) -> Iterator[None]:
    access = country.stack.kafka
    producer = Producer(
        {
            "bootstrap.servers": access.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": access.username,
            "sasl.password": access.password,
        }
    )
    producer.produce("exchange.33", key=b"x", value=b"\x00 no JSON", headers=[(topics.ROLE, DESTINATION.encode())])
    assert producer.flush(20) == 0
    try:
        yield
    finally:
        done = "UPDATE destination_agency.quarantine SET state = 'skipped', closed_at = now() WHERE state = 'parked'"
        statements(country, "province_33", done)


@contextmanager
def written(file: Path, text: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def other_key(country: Country) -> Iterator[None]:
    with written(country.stack.secrets.signing_file("44", ORIGIN), "5a" * 32):
        yield


@contextmanager
def readable_secret(country: Country) -> Iterator[None]:
    file = country.stack.secrets.signing_file("44", "notification")
    file.chmod(0o644)
    try:
        yield
    finally:
        file.chmod(0o600)


@contextmanager
def stranger_with_the_lock(country: Country) -> Iterator[None]:
    """A session of somebody else waits for the relay's lock, and gets it when the relay's session breaks."""
    key = lock_of("origin_agency")
    access = country.stack.postgres_of("province_44")
    url = access.url_of("province_44", access.username, access.password)
    end_relay = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        f" AND (classid::bigint << 32) | objid::bigint = {key} AND objsubid = 1"
    )
    stranger = subprocess.Popen(
        [sys.executable, "-c", STRANGER, url, str(key)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert stranger.stdout is not None
    assert stranger.stdin is not None
    assert stranger.stdout.readline() == "waiting\n"
    time.sleep(0.5)
    statements(country, "province_44", end_relay)
    assert stranger.stdout.readline() == "held\n"
    try:
        yield
    finally:
        stranger.communicate("end\n", timeout=20)


STRANGER = """
import asyncio, sys, asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    print("waiting", flush=True)
    await connection.fetchval("SELECT pg_advisory_lock($1)", int(sys.argv[2]))
    print("held", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
asyncio.run(main())
"""


@contextmanager
def clock_ahead(country: Country) -> Iterator[None]:
    to = now_of(country) + timedelta(hours=3)
    move(country, to, "44.notification")
    try:
        yield
    finally:
        move(country, to + timedelta(seconds=30), *country.endpoints.services, "bank")


def move(country: Country, to: datetime, *names: str) -> None:
    for name in names:
        url = country.endpoints.bank if name == "bank" else country.endpoints.services[name]
        province = "33" if name == "bank" else name[:2]
        token = tokens(country.stack.home).staff(province, Role.OPERATOR)
        answer = httpx.put(
            f"{url}/scenario/clock", json={"now": to.isoformat()}, headers={"authorization": f"Bearer {token}"}, timeout=20
        )
        answer.raise_for_status()


@contextmanager
def leftover(country: Country) -> Iterator[None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = country.stack.home / "mail-of-nobody.jsonl"
    forgotten = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.smtp_sink", "--port", str(port), "--file", str(file)],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        forgotten.terminate()
        forgotten.wait(20)


EDITED = "UPDATE migrations.applied SET checksum = reverse(checksum) WHERE area = 'ledger'"

THINGS: dict[str, Broken] = {
    "a-service-killed": Broken(
        "44.notification", "jiexu up", killed("44.notification", again("44.notification")), "ended by itself"
    ),
    "a-service-stopped": Broken("44.notification", "kill -CONT", paused, "SIGSTOP"),
    "its-port-taken": Broken("44.notification", f"taken by process {os.getpid()}", port_taken, "ended by itself"),
    "the-mail-sink-killed": Broken(MAIL, "jiexu up", killed(MAIL, again(MAIL)), "ended by itself"),
    "a-process-left-over": Broken("process *", "kill ", leftover, "belongs to no process"),
    "a-principal-deleted": Broken("principal 33.notification", "jiexu up", without_credentials, "does not know the principal"),
    "a-wrong-kafka-password": Broken(
        "principal 33.notification", "put the right password", other_password, "password-kafka-33.notification"
    ),
    "an-acl-deleted": Broken("acl 33.destination-agency", "jiexu up", without_acl, "write topic checkpoints"),
    "a-migration-edited": Broken(
        "database province_33", "restore the file", statement("province_33", EDITED, EDITED), "ledger/0001_ledger"
    ),
    "synchronous-commit-off": Broken(
        "postgres durability",
        "ALTER SYSTEM RESET synchronous_commit",
        statement(
            "postgres",
            "ALTER SYSTEM SET synchronous_commit = off",
            "ALTER SYSTEM RESET synchronous_commit",
            "SELECT pg_reload_conf()",
        ),
        "synchronous_commit is off",
    ),
    "a-poison-record": Broken(
        "quarantine 33.destination-agency",
        "jiexu quarantine list --province 33 --service destination-agency",
        poison,
        "malformed 1",
    ),
    "a-wrong-signing-key": Broken("key 44/origin-agency", "put the right key back", other_key, "holds another key"),
    "a-secret-for-all": Broken("secret signing-44-notification.key", "chmod 600", readable_secret, "644"),
    "a-stranger-with-the-relays-lock": Broken(
        "relay 44.origin-agency", "pg_terminate_backend", stranger_with_the_lock, "a stranger holds"
    ),
    "a-clock-that-differs": Broken("clock scenario", "PUT /scenario/clock", clock_ahead, "44.notification is ahead"),
    "postgres-killed": Broken("postgres", "jiexu up", killed("postgres", servers_again), "ended by itself"),
    "kafka-killed": Broken("kafka", "jiexu up", killed("kafka", servers_again), "ended by itself"),
}


KNOWN_WELL: list[Country] = []


def causes(found: Diagnosis) -> list[str]:
    return [re.sub(r"^process \d+$", "process *", cause.finding.about) for cause in found.causes]


def until_it_says(country: Country, *about: str, seconds: float = 60.0) -> Diagnosis:
    """What the doctor finds, when it names exactly these causes: services need a moment to notice, and to recover."""
    end = time.monotonic() + seconds
    while True:
        found = examine(country.stack.home)
        if (causes(found) == list(about) and not found.unknown) or time.monotonic() > end:
            return found
        time.sleep(0.3)


@pytest.mark.parametrize("what", THINGS)
def test_what_is_broken_is_named_with_its_remedy_and_when_it_is_mended_all_is_well(country: Country, what: str) -> None:
    broken = THINGS[what]
    if country not in KNOWN_WELL:  # the test before has seen it already
        assert until_it_says(country).well, "it was not well before"
    KNOWN_WELL.clear()

    with broken.breaking(country):
        found = until_it_says(country, broken.about)
    after = until_it_says(country)

    assert causes(found) == [broken.about], found
    [cause] = found.causes
    assert broken.remedy in cause.finding.remedy
    assert broken.says in cause.finding.says
    assert after.well, after
    KNOWN_WELL.append(country)
    print(f"\n| {what} | {cause.finding.says} | {cause.finding.remedy} | {len(cause.explains)} |")


def test_the_command_answers_in_words_json_and_exit_codes(country: Country) -> None:
    program = [str(Path(sys.executable).with_name("jiexu")), "doctor", "--home", str(country.stack.home)]
    assert until_it_says(country).well

    well = subprocess.run(program, capture_output=True, text=True, check=False)
    with readable_secret(country):
        ill = subprocess.run([*program, "--json"], capture_output=True, text=True, check=False)
    nothing = subprocess.run([*program[:-1], str(country.stack.home / "nowhere")], capture_output=True, text=True, check=False)

    assert (well.returncode, well.stderr) == (0, "")
    assert "all is well" in well.stdout
    told = json.loads(ill.stdout)
    assert (ill.returncode, told["well"]) == (1, False)
    assert [cause["about"] for cause in told["causes"]] == ["secret signing-44-notification.key"]
    assert nothing.returncode == 1
    assert "jiexu up" in nothing.stdout
