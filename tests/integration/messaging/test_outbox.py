"""The outbox is the service's journal: written with the business, numbered once, and never changed or deleted again."""

import shutil
from pathlib import Path

import asyncpg
import pytest

from contracts.documents import ContactLetter, ContactLetterDocument
from contracts.envelope import encode, envelope, new_id
from contracts.events import FundsReceived
from services import messaging
from services.messaging.outbox import outgoing
from services.runtime.migrate import Area, migrate
from tests.builders import CASE, a
from tests.exchange import NOON
from tests.integration.messaging.conftest import SERVICE, Service, some

MIGRATIONS = Path(messaging.__file__).parent / "migrations"


async def test_what_is_told_stands_in_the_outbox_with_its_exact_bytes_in_order(service: Service) -> None:
    told = await service.tell(*some(3), case=CASE)

    rows = await service.rows("SELECT * FROM origin_agency.log ORDER BY seq")

    assert [row["payload"] for row in rows] == [encode(message) for message in told]
    assert [row["event_id"] for row in rows] == [message.id for message in told]
    assert {(row["topic"], row["key"], row["role"], row["number"]) for row in rows} == {("journal.44", CASE, None, None)}
    async with service.database.transaction("test") as tx:
        assert await service.outbox.unpublished(tx) == 3


async def test_what_is_told_in_a_transaction_that_fails_was_never_said(service: Service) -> None:
    message = envelope(a(FundsReceived), source=SERVICE, subject=CASE, time=NOON)

    async def change_our_mind() -> None:
        async with service.database.transaction("test") as tx:
            await service.outbox.tell(tx, [message])
            raise RuntimeError("changed our mind")

    with pytest.raises(RuntimeError, match="changed our mind"):
        await change_our_mind()

    assert await service.rows("SELECT 1 FROM origin_agency.outbox") == []


async def test_telling_nothing_asks_nothing_of_the_database(service: Service) -> None:
    async with service.database.transaction("test") as tx:
        await service.outbox.tell(tx, [])

    assert tx.statements == 0


async def test_many_facts_are_one_statement(service: Service) -> None:
    messages = [envelope(fact, source=SERVICE, subject=CASE, time=NOON) for fact in some(200)]

    async with service.database.transaction("test") as tx:
        await service.outbox.tell(tx, messages)

    assert tx.statements == 1


async def test_a_step_taken_twice_collides_on_its_derived_id(service: Service) -> None:
    message = envelope(a(FundsReceived), source=SERVICE, subject=CASE, time=NOON, id="derived-1")
    async with service.database.transaction("test") as tx:
        await service.outbox.tell(tx, [message])

    async def again() -> None:
        async with service.database.transaction("test") as tx:
            await service.outbox.tell(tx, [message])

    with pytest.raises(asyncpg.UniqueViolationError):
        await again()


@pytest.mark.parametrize("table", ["outbox", "numbered"])
async def test_a_row_of_the_journal_cannot_be_changed_by_the_owner_either(service: Service, table: str) -> None:
    await service.tell(*some(1))
    await service.as_role("INSERT INTO origin_agency.numbered VALUES (1, 1, '', 1)")

    with pytest.raises(asyncpg.RaiseError, match="of the journal is kept as it is"):
        await service.execute(f"UPDATE origin_agency.{table} SET seq = DEFAULT")


async def test_a_row_gets_one_number(service: Service) -> None:
    await service.tell(*some(1))
    await service.as_role("INSERT INTO origin_agency.numbered VALUES (1, 1, '', 1)")

    with pytest.raises(asyncpg.UniqueViolationError):
        await service.as_role("INSERT INTO origin_agency.numbered VALUES (2, 1, '', 2)")


async def test_a_journal_that_was_numbered_in_its_own_rows_moves_with_its_numbers(service: Service, tmp_path: Path) -> None:
    older = Area("older", tmp_path, (("schema", "older"), ("role", "p44_origin_agency")))
    first, *later = sorted(MIGRATIONS.glob("*.sql"))
    shutil.copy(first, tmp_path)
    await migrate(service.owner_url, [older])
    for number in (1, 2, None):
        await service.rows(
            "INSERT INTO older.outbox (event_id, topic, key, type, subject, payload, number, proof, checkpoint)"
            " VALUES (gen_random_uuid(), 't', 'k', 't', 's', 'bytes', $1::bigint, CASE WHEN $1 > 0 THEN 'proof'::bytea END, $1)",
            number,
        )

    for file in later:
        shutil.copy(file, tmp_path)
    await migrate(service.owner_url, [older])

    rows = await service.rows("SELECT seq, number, proof, checkpoint, payload FROM older.log ORDER BY seq")
    assert [(row["seq"], row["number"], row["proof"], row["checkpoint"]) for row in rows] == [
        (1, 1, b"proof", 1),
        (2, 2, b"proof", 2),
        (3, None, None, None),
    ]
    assert {row["payload"] for row in rows} == {b"bytes"}
    assert [row["seq"] for row in await service.rows("SELECT seq FROM older.pending")] == [3]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM origin_agency.outbox",
        "TRUNCATE origin_agency.outbox",
        "UPDATE origin_agency.outbox SET payload = 'forged'",
        "UPDATE origin_agency.outbox SET key = 'elsewhere'",
        "UPDATE origin_agency.numbered SET number = 7",
        "DELETE FROM origin_agency.numbered",
        "DELETE FROM origin_agency.checkpoints",
        "UPDATE origin_agency.checkpoints SET signature = ''",
        "DELETE FROM origin_agency.inbox",
        "UPDATE origin_agency.inbox SET digest = ''",
        "DELETE FROM origin_agency.quarantine",
        "UPDATE origin_agency.quarantine SET value = ''",
        "INSERT INTO origin_agency.relay (only_one) VALUES (true)",
        "DELETE FROM origin_agency.relay",
        "ALTER TABLE origin_agency.outbox DISABLE TRIGGER outbox_is_kept",
        "DROP TABLE origin_agency.outbox",
    ],
)
async def test_the_service_itself_may_not_rewrite_its_past(service: Service, statement: str) -> None:
    await service.tell(*some(1))

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.as_role(statement)


@pytest.mark.parametrize("table", ["outbox", "numbered", "pending", "log", "checkpoints", "inbox", "quarantine", "relay"])
async def test_another_service_of_the_province_may_not_even_look(service: Service, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.as_role(f"SELECT * FROM destination_agency.{table}")


def test_a_document_goes_to_its_addressees_exchange_and_everything_else_to_the_own_journal() -> None:
    letter = envelope(
        a(ContactLetterDocument, sender="33", addressee="44"),
        source="33/destination-agency",
        subject=CASE,
        time=NOON,
        id=new_id(),
    )
    fact = envelope(a(FundsReceived), source="33/destination-agency", subject=CASE, time=NOON)

    sent, said = outgoing(letter), outgoing(fact)

    assert (sent.topic, sent.role, sent.key) == ("exchange.44", "origin-agency", CASE)
    assert (said.topic, said.role, said.key) == ("journal.33", None, CASE)
    assert ContactLetterDocument.body_type is ContactLetter
