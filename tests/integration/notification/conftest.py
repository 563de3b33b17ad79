"""A mail server that fails on demand, a mailbox of its own a test, and the service's parts on real databases."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP

from contracts.base import Fact
from contracts.envelope import Envelope, decode, encode, envelope, new_id
from contracts.events import Applied, ContactLetterSent
from contracts.statuses import PublicStatus, Status
from contracts.topics import journal
from services.messaging.received import Received
from services.notification import store
from services.notification.mailer import Mailer
from services.notification.notices import Templates, notice_for
from services.notification.smtp import MailServer
from services.notification.store import Contact
from services.records.model import Personal
from services.records.vault import Vault
from services.rules.loader import load_tables
from services.runtime.clock import SHANGHAI, Clock
from services.runtime.database import Database
from tests.builders import a
from tests.integration.conftest import UrlOf

TABLES = load_tables()
TEMPLATES = Templates(TABLES)
SENDER = "jiexu@agency.example"
DOMAIN = "agency.example"
NOON = datetime(2024, 5, 6, 12, 0, tzinfo=SHANGHAI)

Answer = Callable[[str], str | None]
"""Says for a recipient what the server answers to RCPT or DATA; None is yes."""


@dataclass
class Postbox:
    """A real SMTP server on loopback. What it took is in `mails`; how it behaves may be changed at any time."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    on_recipient: Answer = lambda _: None
    on_data: Answer = lambda _: None
    on_sender: Answer = lambda _: None
    drop_at_data: Callable[[str], bool] = lambda _: False
    drop_after_taking: bool = False
    delay_s: float = 0.0
    _server: asyncio.Server | None = None
    _sessions: list[SMTP] = field(default_factory=list)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
            self.hang_up()
            await asyncio.sleep(0.01)

    def hang_up(self) -> None:
        """Close every connection, as a server does that restarts."""
        for session in self._sessions:
            _drop(session)
        self._sessions.clear()

    def _protocol(self) -> SMTP:
        self.connections += 1
        session = SMTP(self, hostname="mail.example", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())
        self._sessions.append(session)
        return session

    async def handle_MAIL(self, _: SMTP, __: Any, envelope: Any, address: str, options: list[str]) -> str:
        if (refusal := self.on_sender(address)) is not None:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _: SMTP, __: Any, envelope: Any, address: str, options: list[str]) -> str:
        if (refusal := self.on_recipient(address)) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Any, envelope: Any) -> str:
        to = envelope.rcpt_tos[0]
        await asyncio.sleep(self.delay_s)
        if self.drop_at_data(to):
            _drop(server)
            return "250 nobody hears this"
        if (refusal := self.on_data(to)) is not None:
            return refusal
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        if self.drop_after_taking:
            _drop(server)
        return f"250 2.0.0 Ok: queued for <{to}>"

    def to(self) -> list[str]:
        return [str(mail["To"]) for mail in self.mails]


def _drop(session: SMTP) -> None:
    transport: Any = session.transport
    if transport is not None:
        transport.abort()


@pytest.fixture
async def postbox() -> AsyncIterator[Postbox]:
    found = Postbox()
    await found.open()
    yield found
    await found.close()


@dataclass
class Told:
    """What the service said, in order, as its outbox holds it."""

    facts: list[Envelope[Fact]]

    def of(self, kind: type[Fact]) -> list[Any]:
        return [message.data for message in self.facts if isinstance(message.data, kind)]


@dataclass
class World:
    """The service's parts on databases of the test's own."""

    database: Database
    keys: Database
    agency_keys: Database
    owner_keys: Database
    postbox: Postbox

    @property
    def vault(self) -> Vault:
        return Vault(self.keys, b"")

    async def contact(self, *, email: str | None = "zhang@mail.example", language: str = "zh-CN", **more: Any) -> Contact:
        """Contacts of a new person under a new key, as a destination agency would seal them for a new case."""
        person_ref = new_id()
        keys = await Vault(self.agency_keys, b"").make([person_ref])
        personal = Personal.model_validate(
            {
                "id_number": "11010519491231002X",
                "name": "张三",
                "sex": "male",
                "hukou": "11",
                "email": email,
                "language": language,
                **more,
            }
        )
        sealed = Vault.seal(keys, person_ref, personal.model_dump_json().encode())
        return Contact(str(uuid4()), person_ref, personal.language, sealed)

    async def queue(
        self, contact: Contact | None, *statuses: Status, case_id: str | None = None, person_ref: str | None = None
    ) -> list[str]:
        """Queue a notice a status for the contact's case; returns the ids of the events."""
        case = case_id or (contact.contact_id if contact else str(uuid4()))
        person = person_ref or (contact.person_ref if contact else new_id())
        messages = [said(letter_sent(case, person, status)) for status in statuses]
        notices = [notice for message in messages if (notice := notice_for(message, TABLES, DOMAIN)) is not None]
        async with self.database.transaction("test") as tx:
            if contact is not None:
                await store.keep_contacts(tx, [contact])
            await store.queue(tx, notices)
        return [message.id for message in messages]

    async def destroy_key(self, person_ref: str) -> None:
        async with self.owner_keys.transaction("test") as tx:
            statement = "UPDATE keys.person_keys SET key = NULL, destroyed_at = now() WHERE person_ref = $1"
            assert await tx.execute(statement, person_ref) == "UPDATE 1"

    def mailer(self, *, replica: str = "0", timeout_s: float = 5.0, **more: Any) -> Mailer:
        settings: dict[str, Any] = {"poll_s": 0.05, "backoff_s": 0.05, "batch": 200, **more}
        return Mailer(
            name="44/notification",
            replica=replica,
            database=self.database,
            vault=self.vault,
            templates=TEMPLATES,
            server=MailServer("127.0.0.1", self.postbox.port, sender=SENDER, timeout_s=timeout_s),
            sender=SENDER,
            clock=Clock(),
            told=lambda: None,
            **settings,
        )

    @asynccontextmanager
    async def running(self, mailer: Mailer) -> AsyncIterator[Mailer]:
        task = asyncio.create_task(mailer.run())
        try:
            yield mailer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def told(self) -> Told:
        async with self.database.transaction("test") as tx:
            rows = await tx.fetch("SELECT payload FROM notification.outbox ORDER BY seq")
        return Told([decode(row["payload"]) for row in rows])

    async def states(self) -> dict[str, str]:
        """State by event."""
        async with self.database.transaction("test") as tx:
            return {row["event_id"]: row["state"] for row in await tx.fetch("SELECT event_id, state FROM notification.notices")}

    async def row(self, event_id: str) -> dict[str, Any]:
        async with self.database.transaction("test") as tx:
            row = await tx.one("SELECT * FROM notification.notices WHERE event_id = $1", event_id)
        assert row is not None, event_id
        return dict(row)

    async def until(self, condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - the condition is anything
                await asyncio.sleep(0.005)

    async def until_states(self, *wanted: str, seconds: float = 10.0) -> None:
        """Wait until every notice is in one of these states."""
        async with asyncio.timeout(seconds):
            while not {*(await self.states()).values()} <= set(wanted):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(province_database: UrlOf, keys_database: UrlOf, postbox: Postbox) -> AsyncIterator[World]:
    found = World(
        database=Database(province_database("p44_notification"), name="notification"),
        keys=Database(keys_database("p44_notification"), name="notification-keys", size=2),
        agency_keys=Database(keys_database("p44_destination_agency"), name="destination-keys", size=1),
        owner_keys=Database(keys_database("p44_owner"), name="owner-keys", size=1),
        postbox=postbox,
    )
    yield found
    for database in (found.database, found.keys, found.agency_keys, found.owner_keys):
        await database.close()


def public(status: Status, **more: Any) -> PublicStatus:
    return PublicStatus(status=status, holder="44", since=date(2024, 5, 6), **{"due_on": date(2024, 5, 27), **more})


def letter_sent(case_id: str, person_ref: str, status: Status | None = Status.LETTER_SENT) -> ContactLetterSent:
    shown = None if status is None else public(status)
    return a(ContactLetterSent, case_id=case_id, person_ref=person_ref, public=shown)


def applied(contact: Contact) -> Applied:
    return a(
        Applied,
        case_id=contact.contact_id,
        person_ref=contact.person_ref,
        public=public(Status.SUBMITTED),
        language=contact.language,
        personal=contact.personal,
    )


def said(fact: Fact, event_id: str | None = None) -> Envelope[Fact]:
    subject = str(getattr(fact, "case_id", None) or getattr(fact, "person_ref", ""))
    return envelope(fact, source="44/destination-agency", subject=subject, time=NOON, id=event_id)


def received(messages: Sequence[Envelope[Fact]], headers: Sequence[dict[str, bytes]] | None = None) -> list[Received]:
    """Records as Kafka would hand them over."""

    @dataclass
    class Record:
        topic: str
        partition: int
        offset: int
        key: bytes
        value: bytes
        headers: list[tuple[str, bytes]]

    return [
        Received.of(
            Record(
                journal("44"),
                0,
                at,
                message.subject.encode(),
                encode(message),
                [("ce_type", message.type.encode()), *(headers[at].items() if headers else ())],
            )
        )
        for at, message in enumerate(messages)
    ]
