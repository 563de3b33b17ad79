"""What a doctor sees of real servers: all is well on a prepared exchange, and what a province lacks is named thing by thing."""

import asyncio

import asyncpg
import pytest

from deploy.local.stack import Stack
from services.cli.doctor.servers import KafkaDoctor, PostgresDoctor
from tests.integration.conftest import PROVINCES

# Nobody has prepared it: its principals, topics, ACLs, databases and roles are all missing.
UNPREPARED = "65"  # which no other test prepares


@pytest.fixture
def kafka(stack: Stack) -> KafkaDoctor:
    found = KafkaDoctor(stack, PROVINCES, "jiexu up")
    assert found.answers() == []
    return found


@pytest.fixture
def lacking(stack: Stack) -> KafkaDoctor:
    found = KafkaDoctor(stack, (*PROVINCES, UNPREPARED), "jiexu up")
    assert found.answers() == []
    return found


def test_what_was_provisioned_in_kafka_is_well(kafka: KafkaDoctor) -> None:
    assert kafka.credentials() == kafka.contents() == kafka.acls() == []


def test_missing_principals_topics_and_acls_are_named_each(lacking: KafkaDoctor) -> None:
    services = ("origin-agency", "destination-agency", "notification")

    assert [each.about for each in lacking.credentials()] == [f"principal {UNPREPARED}.{service}" for service in services]
    assert [each.about for each in lacking.contents()] == [f"topic exchange.{UNPREPARED}", f"topic journal.{UNPREPARED}"]
    acls = lacking.acls()
    assert [each.about for each in acls] == [f"acl {UNPREPARED}.{service}" for service in services]
    assert f"read topic exchange.{UNPREPARED}" in acls[0].says


def test_partitions_that_nobody_reads_are_named(kafka: KafkaDoctor) -> None:
    """No service of the tests' stack runs while this module does."""
    found = {each.about: each for each in kafka.groups()}

    assert "41.notification/partitions" in found
    assert "12 of the 12 partitions of journal.41" in found["41.notification/partitions"].says
    assert {"41.notification", "kafka", "topic journal.41"} <= set(found["41.notification/partitions"].because)


def test_a_password_that_kafka_does_not_take_is_named(kafka: KafkaDoctor, stack: Stack) -> None:
    file = stack.secrets.password_file("kafka-41.notification")
    before = file.read_text()
    file.write_text("another")
    try:
        [found] = kafka.credentials()
    finally:
        file.write_text(before)

    assert found.about == "principal 41.notification"
    assert "another" not in found.says + found.remedy


def test_kafka_that_is_away_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.doctor.servers._TIMEOUT_S", 1.0)
    access = stack.kafka.model_copy(update={"bootstrap": "127.0.0.1:1"})
    monkeypatch.setattr(Stack, "kafka", property(lambda _: access))

    [found] = KafkaDoctor(stack, PROVINCES, "jiexu up").answers()

    assert found.about == "kafka"


@pytest.fixture
def postgres(stack: Stack) -> PostgresDoctor:
    return PostgresDoctor(stack, PROVINCES, "jiexu up")


def test_what_was_provisioned_in_postgresql_is_well(postgres: PostgresDoctor) -> None:
    assert postgres.answers() == postgres.server() == postgres.roles() == postgres.migrations() == []


def test_missing_databases_and_roles_are_named_each(stack: Stack) -> None:
    doctor = PostgresDoctor(stack, (UNPREPARED,), "jiexu up")

    assert {each.about for each in doctor.migrations()} == {f"database province_{UNPREPARED}", f"database keys_{UNPREPARED}"}
    assert f"role p{UNPREPARED}_origin_agency" in {each.about for each in doctor.roles()}


def run(stack: Stack, *statements: str) -> None:
    """Run statements in province_41 as the superuser, each by itself."""

    async def ask() -> None:
        access = stack.postgres
        connection = await asyncpg.connect(access.url_of("province_41", access.username, access.password))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(ask())


def test_a_migration_that_is_missing_or_was_edited_is_named(stack: Stack, postgres: PostgresDoctor) -> None:
    gone = "UPDATE migrations.applied SET version = version || '-gone' WHERE area = 'ledger'"
    back = "UPDATE migrations.applied SET version = replace(version, '-gone', '') WHERE area = 'ledger'"
    edited = "UPDATE migrations.applied SET checksum = reverse(checksum) WHERE area = 'ledger'"

    run(stack, gone)
    [missing] = postgres.migrations()
    run(stack, back, edited)
    [changed] = postgres.migrations()
    run(stack, edited)

    assert missing.about == changed.about == "database province_41"
    assert "lacks the migrations ledger/0001_ledger" in missing.says
    assert "edited after they were applied: ledger/0001_ledger" in changed.says
    assert postgres.migrations() == []


def test_a_role_that_commits_without_waiting_is_named(stack: Stack, postgres: PostgresDoctor) -> None:
    run(stack, "ALTER ROLE p41_notification SET synchronous_commit = off")
    try:
        [found] = postgres.server()
    finally:
        run(stack, "ALTER ROLE p41_notification RESET synchronous_commit")

    assert found.about == "postgres durability"
    assert "synchronous_commit=off" in found.says


def test_without_services_no_relay_leads_and_the_services_are_named_as_a_reason(postgres: PostgresDoctor) -> None:
    found = {each.about: each for each in postgres.relays()}

    assert "44.notification" in found["relay 44.notification"].because
    assert "no relay of 44.notification leads" in found["relay 44.notification"].says
