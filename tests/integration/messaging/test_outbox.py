"""The outbox is the service's journal: written with the business, numbered once, and never changed or deleted again."""

import asyncpg
import pytest

from contracts.documents import ContactLetter, ContactLetterDocument
from contracts.envelope import encode, envelope, new_id
from contracts.events import FundsReceived
from services.messaging.outbox import outgoing
from tests.builders import CASE, a
from tests.exchange import NOON
from tests.integration.messaging.conftest import SERVICE, Service, some


async def test_what_is_told_stands_in_the_outbox_with_its_exact_bytes_in_order(service: Service) -> None:
    told = await service.tell(*some(3), case=CASE)

    rows = await service.rows("SELECT * FROM origin_agency.outbox ORDER BY seq")

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


@pytest.mark.parametrize("column", ["number = 2", "proof = ''", "checkpoint = 2"])
async def test_a_numbered_row_cannot_change_not_even_for_the_relay(service: Service, column: str) -> None:
    await service.tell(*some(1))
    await service.as_role("UPDATE origin_agency.outbox SET number = 1, proof = '', checkpoint = 1")

    with pytest.raises(asyncpg.RaiseError, match="numbered and cannot change"):
        await service.as_role(f"UPDATE origin_agency.outbox SET {column}")


async def test_a_numbered_row_cannot_be_changed_by_the_owner_either(service: Service) -> None:
    await service.tell(*some(1))
    await service.as_role("UPDATE origin_agency.outbox SET number = 1, proof = '', checkpoint = 1")

    with pytest.raises(asyncpg.RaiseError, match="numbered and cannot change"):
        await service.execute("UPDATE origin_agency.outbox SET payload = 'forged'")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM origin_agency.outbox",
        "TRUNCATE origin_agency.outbox",
        "UPDATE origin_agency.outbox SET payload = 'forged'",
        "UPDATE origin_agency.outbox SET key = 'elsewhere'",
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


@pytest.mark.parametrize("table", ["outbox", "checkpoints", "inbox", "quarantine", "relay"])
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
