"""The whole service on the real Kafka, PostgreSQL and a real mail server: from a committed fact to a mail and its evidence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from contracts import topics
from contracts.base import Fact
from contracts.envelope import Envelope, envelope, new_id
from contracts.events import Applied, Completed, ContactLetterSent, Refused
from contracts.statuses import PublicStatus, Status
from deploy.local.exchange import database_url, root_fingerprint
from deploy.local.services import tokens
from deploy.local.stack import Stack
from deploy.postgres.provision import service_role
from services.messaging.outbox import Outbox
from services.messaging.relay import Relay, Sender
from services.messaging.signing import Signer
from services.notification.app import app
from services.notification.notices import CHANNEL, message_id
from services.records.model import Personal
from services.records.vault import Vault
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.identity import Role
from tests.builders import a
from tests.integration.notification.conftest import DOMAIN, NOON, SENDER, Postbox, public

PROVINCE = "41"


def _environment(stack: Stack, postbox: Postbox) -> dict[str, str]:
    role = service_role(PROVINCE, "notification")
    return {
        "PROVINCE": PROVINCE,
        "DATABASE_URL": database_url(stack, f"province_{PROVINCE}", role),
        "KEYS_DATABASE_URL": database_url(stack, f"keys_{PROVINCE}", role),
        "KAFKA_BOOTSTRAP": stack.kafka.bootstrap,
        "KAFKA_USERNAME": f"{PROVINCE}.notification",
        "KAFKA_PASSWORD": stack.secrets.password(f"kafka-{PROVINCE}.notification"),
        "SIGNING_KEY_FILE": str(stack.secrets.signing_file(PROVINCE, "notification")),
        "TOKEN_KEYS_FILE": str(stack.secrets.token_public_file()),
        "DIRECTORY_ROOT": root_fingerprint(stack.secrets),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(postbox.port),
        "MAIL_FROM": SENDER,
        "CLOCK": "scenario",
        "TIMER_POLL_S": "30",
    }


@dataclass
class Agency:
    """A destination agency that says what happened, through its own outbox and relay."""

    database: Database
    keys: Database
    relay: Relay

    async def person(self, email: str | None) -> tuple[str, Any]:
        person_ref = new_id()
        keys = await Vault(self.keys, b"").make([person_ref])
        personal = Personal(id_number="11010519491231002X", name="张三", sex="male", hukou="11", email=email)
        return person_ref, Vault.seal(keys, person_ref, personal.model_dump_json().encode())

    @asynccontextmanager
    async def telling(self, *messages: Envelope[Fact]) -> AsyncIterator[None]:
        """Tell in a transaction that is committed when the block ends."""
        async with self.database.transaction("test") as tx:
            await Outbox("destination_agency").tell(tx, messages)
            self.relay.wake()
            yield
        self.relay.wake()


@pytest.fixture
async def agency(stack: Stack) -> AsyncIterator[Agency]:
    name, role = f"{PROVINCE}/destination-agency", service_role(PROVINCE, "destination-agency")
    principal = name.replace("/", ".")
    access = KafkaAccess(stack.kafka.bootstrap, principal, stack.secrets.password(f"kafka-{principal}"), principal)
    database = Database(database_url(stack, f"province_{PROVINCE}", role))
    keys = Database(database_url(stack, f"keys_{PROVINCE}", role), size=1)
    relay = Relay(
        database=database,
        schema="destination_agency",
        signer=Signer(name, stack.secrets.signing_key(PROVINCE, "destination-agency")),
        sender=Sender(access, name),
        clock=Clock(),
    )
    task = asyncio.create_task(relay.run())
    yield Agency(database, keys, relay)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await relay.close()
    await keys.close()
    await database.close()


@dataclass
class Service:
    """The running service, and how staff ask it."""

    api: FastAPI
    http: httpx.AsyncClient
    stack: Stack
    logs: list[Any]

    def token(self, *roles: Role, province: str = PROVINCE) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens(self.stack.home).staff(province, *roles)}"}

    async def notices(self, case_id: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/notices", params={"case_id": case_id}, headers=self.token(Role.OPERATOR))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    async def idle(self) -> None:
        async with asyncio.timeout(30):
            while True:
                answer = await self.http.get("/scenario/idle", headers=self.token(Role.OPERATOR))
                if answer.json()["in_hand"] is None:
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def service(stack: Stack, postbox: Postbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    for name, value in _environment(stack, postbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("services.notification.app.configure_logs", lambda *_: None)
    with structlog.testing.capture_logs() as logs:
        api = app()
        async with (
            api.router.lifespan_context(api),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://notification") as http,
        ):
            async with asyncio.timeout(60):
                while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it is asked over HTTP
                    await asyncio.sleep(0.05)
            yield Service(api, http, stack, logs)


def said(fact: Fact) -> Envelope[Fact]:
    return envelope(fact, source=f"{PROVINCE}/destination-agency", subject=str(getattr(fact, "case_id", "")), time=NOON)


def shown(status: Status, **more: Any) -> PublicStatus:
    return public(status, **more).model_copy(update={"holder": PROVINCE})


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.002)


async def test_a_person_reads_of_each_change_after_its_commit_and_staff_see_that_it_was_delivered(
    service: Service, agency: Agency, postbox: Postbox
) -> None:
    case = new_id()
    person_ref, personal = await agency.person("zhang@mail.example")
    told = [
        said(
            a(Applied, case_id=case, person_ref=person_ref, public=shown(Status.SUBMITTED), language="zh-CN", personal=personal)
        ),
        said(a(ContactLetterSent, case_id=case, person_ref=person_ref, public=shown(Status.LETTER_SENT))),
        said(a(Completed, case_id=case, person_ref=person_ref, public=shown(Status.COMPLETED))),
    ]

    async with agency.telling(*told):
        await asyncio.sleep(0.5)
        before_commit = len(postbox.mails)
    await until(lambda: len(postbox.mails) == 3)
    await service.idle()

    assert before_commit == 0
    assert [str(mail["Message-ID"]) for mail in postbox.mails] == [message_id(fact.id, CHANNEL, DOMAIN) for fact in told]
    notices = await service.notices(case)
    assert [notice["state"] for notice in notices] == ["delivered"] * 3
    assert [notice["event_id"] for notice in notices] == [fact.id for fact in told]
    assert not {"To", "email", "address", "said", "person_ref"} & notices[0].keys()
    seen = str(notices) + str(service.logs)
    assert "zhang@" not in seen
    assert "张三" not in seen
    assert "11010519491231002X" not in seen


async def test_idle_says_none_in_hand_only_when_the_mails_are_out_and_their_evidence_published(
    service: Service, agency: Agency, postbox: Postbox, stack: Stack
) -> None:
    postbox.delay_s = 0.2
    case = new_id()
    person_ref, personal = await agency.person("li@mail.example")
    fact = a(Applied, case_id=case, person_ref=person_ref, public=shown(Status.SUBMITTED), language="en", personal=personal)

    async with agency.telling(said(fact)):
        pass
    await until(lambda: agency.relay.idle)
    async with asyncio.timeout(10):
        while not await service.notices(case):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.005)
    await service.idle()

    assert len(postbox.mails) == 1
    assert [notice["state"] for notice in await service.notices(case)] == ["delivered"]
    database = Database(database_url(stack, f"province_{PROVINCE}", service_role(PROVINCE, "notification")), size=1)
    async with database.transaction("test") as tx:
        evidence = await tx.fetch("SELECT type, topic FROM notification.log WHERE subject = $1 AND number IS NOT NULL", case)
    await database.close()
    assert [tuple(row) for row in evidence] == [("cn.jiexu.notice.delivered.v1", topics.journal(PROVINCE))]


async def test_a_refusal_arrives_with_its_reason_and_a_person_without_an_address_is_named_as_not_reached(
    service: Service, agency: Agency, postbox: Postbox
) -> None:
    with_address, without = new_id(), new_id()
    told = []
    for case, email in ((with_address, "wang@mail.example"), (without, None)):
        person_ref, personal = await agency.person(email)
        told.append(said(a(Applied, case_id=case, person_ref=person_ref, public=None, language="zh-CN", personal=personal)))
        refused = a(Refused, case_id=case, person_ref=person_ref, public=shown(Status.REJECTED, code="ALREADY_DRAWING"))
        told.append(said(refused))

    async with agency.telling(*told):
        pass
    await until(lambda: len(postbox.mails) == 1)
    await service.idle()
    [reached] = await service.notices(with_address)
    [missed] = await service.notices(without)

    assert "国办发〔2009〕66号 第二条" in postbox.mails[0].get_content()
    assert (reached["state"], reached["template"]) == ("delivered", "refusal")
    assert (missed["state"], missed["reason"]) == ("failed", "NO_EMAIL_ADDRESS")


async def test_a_mail_server_that_is_away_shows_in_the_readiness(service: Service, agency: Agency, postbox: Postbox) -> None:
    await postbox.close()
    case = new_id()
    person_ref, personal = await agency.person("zhao@mail.example")
    fact = a(Applied, case_id=case, person_ref=person_ref, public=shown(Status.SUBMITTED), language="en", personal=personal)

    async with agency.telling(said(fact)):
        pass
    async with asyncio.timeout(20):
        while (answer := await service.http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await postbox.open()
    await until(lambda: len(postbox.mails) == 1)
    await service.idle()

    assert set(answer.json()["waits_for"]) == {"mail"}
    assert [notice["state"] for notice in await service.notices(case)] == ["delivered"]


def test_without_the_persons_keys_the_service_does_not_start(
    stack: Stack, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _environment(stack, postbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("services.notification.app.configure_logs", lambda *_: None)
    monkeypatch.delenv("KEYS_DATABASE_URL")

    with pytest.raises(ValueError, match="KEYS_DATABASE_URL"):
        app()
