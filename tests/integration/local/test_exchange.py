"""An exchange on real servers: prepared once, the same when prepared again, and each role kept to what it must do."""

from datetime import UTC, datetime

import asyncpg
import pytest
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

from contracts import topics
from deploy.kafka.provision import admin_client
from deploy.local.exchange import UnknownProvince, database_url, prepare, root_fingerprint, signed_directory
from deploy.local.stack import Stack
from services.areas import PROVINCE_SERVICES
from services.messaging.directory import Directory
from services.messaging.signing import key_id, public_hex
from tests.integration.conftest import PROVINCES, UrlOf


def directory_of(stack: Stack) -> Directory:
    directory = Directory(root_fingerprint(stack.secrets))
    for signed in signed_directory(stack).values():
        directory.learn(signed)
    return directory


def test_preparing_again_publishes_nothing(stack: Stack) -> None:
    before = signed_directory(stack)
    told: list[str] = []

    prepare(stack, PROVINCES, tell=told.append)

    assert signed_directory(stack) == before
    assert not [sentence for sentence in told if "publishing" in sentence]


def test_the_directory_names_every_agency_and_its_keys_under_the_root_given_outside(stack: Stack) -> None:
    directory = directory_of(stack)

    at = datetime(2020, 1, 2, tzinfo=UTC)
    for province in PROVINCES:
        entry = directory.entry(province)
        assert entry is not None
        assert len(entry.payee.exchange_no) == 12
        for service in PROVINCE_SERVICES:
            public = public_hex(stack.secrets.signing_key(province, service))
            assert directory.signing_key(key_id(public), f"{province}/{service}", at) == public
        sealing = directory.sealing_key(province)
        assert sealing is not None
        assert sealing.public_hex == public_hex(stack.secrets.sealing_key(province))
        assert sealing.owner == f"{province}/sealing"
    guangdong = directory.entry("44")
    assert guangdong is not None
    assert guangdong.agency_name.startswith("广东省")
    assert guangdong.agency_name_en.startswith("Guangdong")


def test_another_province_joins_later_and_changes_nothing_for_the_others(stack: Stack) -> None:
    before = signed_directory(stack)

    prepare(stack, (*PROVINCES, "11"))

    after = signed_directory(stack)
    assert {province: signed for province, signed in after.items() if province != "11"} == before
    assert "11" in after


@pytest.mark.parametrize("codes", [("99",), ("44", "71"), ("44", "44"), ()])
def test_a_province_that_takes_no_part_is_refused_by_name(stack: Stack, codes: tuple[str, ...]) -> None:
    with pytest.raises(UnknownProvince, match=codes[-1] if codes else "none"):
        prepare(stack, codes)


def test_every_topic_has_its_twelve_partitions_and_keeps_its_records(stack: Stack) -> None:
    access = stack.kafka
    admin = admin_client(access.bootstrap, access.username, access.password)
    shown = admin.list_topics(timeout=10).topics

    for topic in topics.topics(PROVINCES):
        assert len(shown[topic.name].partitions) == topics.PARTITIONS, topic
        resource = ConfigResource(ResourceType.TOPIC, topic.name)
        config = admin.describe_configs([resource])[resource].result(10)
        assert {name: config[name].value for name in topic.config} == topic.config


async def test_no_role_may_change_or_remove_what_is_in_the_books(province_database: UrlOf) -> None:
    for role in ("p44_origin_agency", "p44_destination_agency"):
        connection = await asyncpg.connect(province_database(role))
        try:
            assert await connection.fetchval("SELECT count(*) FROM ledger.postings") == 0
            for statement in (
                "UPDATE ledger.postings SET amount_fen = 1",
                "DELETE FROM ledger.postings",
                "TRUNCATE ledger.postings",
                f"DELETE FROM {role.removeprefix('p44_')}.outbox",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()


async def test_a_service_sees_the_schemas_of_the_others_no_more_than_it_must(stack: Stack) -> None:
    connection = await asyncpg.connect(database_url(stack, "province_44", "p44_notification"))
    try:
        for table in ("origin_agency.outbox", "destination_agency.outbox", "ledger.postings", "records.persons"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def test_each_test_has_a_database_of_its_own(province_database: UrlOf, keys_database: UrlOf, bank_database: UrlOf) -> None:
    urls = [province_database("p44_origin_agency"), keys_database("p44_origin_agency"), bank_database("bank")]

    names = []
    for url in urls:
        connection = await asyncpg.connect(url)
        names.append(await connection.fetchval("SELECT current_database()"))
        await connection.close()

    assert [name.split("_")[1] for name in names] == ["province", "keys", "bank"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(province_database("p33_origin_agency"))
