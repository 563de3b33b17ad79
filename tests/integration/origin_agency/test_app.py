"""The whole service on the real Kafka and PostgreSQL: it hears a letter of another province and lets its clerks act on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from contracts.documents import ContactLetterDocument
from contracts.envelope import new_id
from deploy.local.exchange import database_url, root_fingerprint
from deploy.local.exchange import signed_directory as published
from deploy.local.services import bank_token_file, tokens
from deploy.local.stack import Stack
from deploy.postgres.provision import service_role
from services.bank.store import BankStore
from services.messaging.directory import Directory
from services.messaging.outbox import Outbox
from services.messaging.relay import Relay, Sender
from services.messaging.signing import Signer
from services.origin_agency.app import app
from services.records.agency import Agency
from services.records.decisions import Letter
from services.records.vault import Vault
from services.runtime.broker import KafkaAccess
from services.runtime.clock import ScenarioClock
from services.runtime.database import Database
from services.runtime.identity import Role
from tests.agencies import MONDAY, a_letter, tables
from tests.integration.bank.conftest import DELAY, Bank, serving
from tests.integration.bank.conftest import Counter as BankCounter
from tests.integration.conftest import UrlOf

PROVINCE, DESTINATION = "33", "44"


def environment(stack: Stack, bank_url: str) -> dict[str, str]:
    role = service_role(PROVINCE, "origin-agency")
    return {
        "PROVINCE": PROVINCE,
        "DATABASE_URL": database_url(stack, f"province_{PROVINCE}", role),
        "KEYS_DATABASE_URL": database_url(stack, f"keys_{PROVINCE}", role),
        "KAFKA_BOOTSTRAP": stack.kafka.bootstrap,
        "KAFKA_USERNAME": f"{PROVINCE}.origin-agency",
        "KAFKA_PASSWORD": stack.secrets.password(f"kafka-{PROVINCE}.origin-agency"),
        "SIGNING_KEY_FILE": str(stack.secrets.signing_file(PROVINCE, "origin-agency")),
        "SEALING_KEY_FILE": str(stack.secrets.sealing_file(PROVINCE)),
        "ID_HASH_KEY_FILE": str(stack.secrets.id_hash_file(PROVINCE)),
        "TOKEN_KEYS_FILE": str(stack.secrets.token_public_file()),
        "DIRECTORY_ROOT": root_fingerprint(stack.secrets),
        "BANK_URL": bank_url,
        "BANK_TOKEN_FILE": str(bank_token_file(stack.home, PROVINCE)),
        "CLOCK": "scenario",
        "SCENARIO_START": MONDAY.isoformat(),
        "BANK_POLL_S": "30",
        "TIMER_POLL_S": "30",
    }


@asynccontextmanager
async def telling_destination(stack: Stack) -> AsyncIterator[tuple[Agency, Database, Relay]]:
    """44's destination agency with a relay at work."""
    name, role = f"{DESTINATION}/destination-agency", service_role(DESTINATION, "destination-agency")
    principal = name.replace("/", ".")
    access = KafkaAccess(stack.kafka.bootstrap, principal, stack.secrets.password(f"kafka-{principal}"), principal)
    database = Database(database_url(stack, f"province_{DESTINATION}", role))
    keys = Database(database_url(stack, f"keys_{DESTINATION}", role), size=1)
    directory = Directory(root_fingerprint(stack.secrets))
    for entry in published(stack).values():
        directory.learn(entry)
    clock = ScenarioClock(MONDAY)
    outbox = Outbox("destination_agency")
    signer = Signer(name, stack.secrets.signing_key(DESTINATION, "destination-agency"))
    relay = Relay(database=database, schema="destination_agency", signer=signer, sender=Sender(access, name), clock=clock)
    task = asyncio.create_task(relay.run())
    vault = Vault(keys, stack.secrets.id_hash_key(DESTINATION))
    yield Agency(DESTINATION, "destination-agency", tables(), vault, directory, outbox, clock), database, relay
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await relay.close()
    await database.close()
    await keys.close()


@pytest.fixture
async def bank_url(stack: Stack, bank_database: UrlOf) -> AsyncIterator[str]:
    """The bank on loopback: an agency whose bank is away is never idle."""
    database = Database(bank_database("bank"), name="bank")
    async with serving(BankCounter(stack, Bank(BankStore(database, delay=DELAY), database)).api()) as found:
        yield found
    await database.close()


@pytest.fixture
async def http(stack: Stack, bank_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in environment(stack, bank_url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("services.origin_agency.app.configure_logs", lambda *_: None)
    api = app()
    async with (
        api.router.lifespan_context(api),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://origin") as client,
    ):
        async with asyncio.timeout(60):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it is asked over HTTP
                await asyncio.sleep(0.05)
        yield client


@dataclass
class Counter:
    """The running service, as its clerks and operators ask it."""

    http: httpx.AsyncClient
    stack: Stack

    def bearer(self, role: Role) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens(self.stack.home).staff(PROVINCE, role)}"}

    async def state(self, case_id: str) -> str | None:
        """Where a case stands, or None where it is not known (yet)."""
        answer = await self.http.get(f"/cases/{case_id}", headers=self.bearer(Role.MAKER))
        return str(answer.json()["state"]) if answer.status_code == 200 else None

    async def act(self, path: str, role: Role, case_id: str) -> None:
        answer = await self.http.post(path, json={"case_ids": [case_id]}, headers=self.bearer(role))
        assert answer.json()["done"] == 1, answer.text

    async def idle(self) -> None:
        """Wait until nothing is in hand."""
        async with asyncio.timeout(30):
            while (await self.http.get("/scenario/idle", headers=self.bearer(Role.OPERATOR))).json()["in_hand"]:  # noqa: ASYNC110 - it is asked over HTTP
                await asyncio.sleep(0.02)

    async def move(self, now: str) -> httpx.Response:
        return await self.http.put("/scenario/clock", json={"now": now}, headers=self.bearer(Role.OPERATOR))

    async def heard(self) -> str:
        """A case whose letter came over Kafka from another province."""
        case_id = new_id()
        body = a_letter(origin=PROVINCE, destination=DESTINATION)
        async with telling_destination(self.stack) as (destination, database, relay):
            async with database.transaction("test") as tx:
                await destination.tell(tx, [Letter(ContactLetterDocument, body, case_id, case_id, PROVINCE)])
            relay.wake()
            async with asyncio.timeout(30):
                while await self.state(case_id) is None:  # noqa: ASYNC110 - it is asked over HTTP
                    await asyncio.sleep(0.02)
        return case_id


@pytest.fixture
def counter(http: httpx.AsyncClient, stack: Stack) -> Counter:
    return Counter(http, stack)


async def test_a_letter_of_another_province_is_heard_answered_and_the_answer_published(counter: Counter) -> None:
    case_id = await counter.heard()

    held = await counter.state(case_id)
    await counter.act("/handlings/proposals", Role.MAKER, case_id)
    await counter.act("/handlings/approvals", Role.CHECKER, case_id)
    await counter.idle()

    database = Database(database_url(counter.stack, f"province_{PROVINCE}", service_role(PROVINCE, "origin-agency")), size=1)
    async with database.transaction("test") as tx:
        rows = await tx.fetch("SELECT type, topic FROM origin_agency.log WHERE subject = $1 AND number IS NOT NULL", case_id)
    await database.close()
    assert (held, await counter.state(case_id)) == ("LETTER_HELD", "RETURNED")
    assert ("cn.jiexu.document.letter_return.v1", f"exchange.{DESTINATION}") in [tuple(row) for row in rows]
    assert ("cn.jiexu.contact_letter.returned.v1", f"journal.{PROVINCE}") in [tuple(row) for row in rows]


async def test_a_moved_clock_makes_the_agency_look_at_its_deadlines_at_once(counter: Counter) -> None:
    case_id = await counter.heard()

    moved = await counter.move("2024-06-03T09:00:00+08:00")
    await counter.idle()
    overdue = (await counter.http.get("/cases?overdue=true&limit=5000", headers=counter.bearer(Role.MAKER))).json()
    back = await counter.move("2024-05-06T09:00:00+08:00")

    assert moved.json()["now"].startswith("2024-06-03T09:00:00")
    assert case_id in [row["case_id"] for row in overdue]
    assert (back.status_code, back.json()["code"]) == (409, "CLOCK_NOT_MOVED")
