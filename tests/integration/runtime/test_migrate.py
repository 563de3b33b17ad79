"""Migrations: each once, in order, whole or not at all, by one migrator at a time; an edited one is refused."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from deploy.local.stack import Stack
from services.areas import province_areas
from services.runtime.migrate import Area, MigrationChanged, migrate
from tests.integration.conftest import UrlOf

OWNER = "p44_owner"


@pytest.fixture
def url(province_database: UrlOf) -> str:
    return province_database(OWNER)


@pytest.fixture
def area(tmp_path: Path) -> Area:
    write(tmp_path, "0001_first", "CREATE TABLE {schema}.first (name text);")
    write(tmp_path, "0002_second", "CREATE TABLE {schema}.second (name text);")
    return Area("test", tmp_path, (("schema", "origin_agency"),))


def write(folder: Path, name: str, sql: str) -> None:
    (folder / f"{name}.sql").write_text(f"-- migrate:up\n{sql}\n-- migrate:down\nDROP EVERYTHING;\n", encoding="utf-8")


async def ask(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def test_each_migration_is_applied_once_in_order(url: str, area: Area) -> None:
    assert await migrate(url, [area]) == ["test/0001_first", "test/0002_second"]
    assert await migrate(url, [area]) == []

    write(area.folder, "0003_third", "ALTER TABLE {schema}.second ADD COLUMN more text;")
    assert await migrate(url, [area]) == ["test/0003_third"]


async def test_a_province_that_is_migrated_has_nothing_left_to_do(url: str) -> None:
    assert await migrate(url, province_areas("44")) == []


async def test_a_migration_that_was_edited_after_it_was_applied_is_refused_by_name(url: str, area: Area) -> None:
    await migrate(url, [area])
    write(area.folder, "0001_first", "CREATE TABLE {schema}.first (name text, more text);")
    write(area.folder, "0003_third", "CREATE TABLE {schema}.third (name text);")

    with pytest.raises(MigrationChanged, match="test/0001_first was edited after it was applied"):
        await migrate(url, [area])

    assert not await ask(url, "SELECT 1 FROM pg_tables WHERE tablename = 'third'")


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_what_came_before_stays(url: str, area: Area) -> None:
    write(area.folder, "0003_third", "CREATE TABLE {schema}.third (name text); SELECT 1 / 0;")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, [area])

    tables = {row["tablename"] for row in await ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'origin_agency'")}
    assert {"first", "second"} <= tables
    assert "third" not in tables
    write(area.folder, "0003_third", "CREATE TABLE {schema}.third (name text);")
    assert await migrate(url, [area]) == ["test/0003_third"]


async def test_of_many_migrators_at_the_same_time_one_works_and_the_others_find_it_done(url: str, area: Area) -> None:
    write(area.folder, "0000_slow", "SELECT pg_sleep(0.2);")

    done = await asyncio.gather(*(migrate(url, [area]) for _ in range(5)))

    assert sorted(done, key=len)[:4] == [[], [], [], []]
    assert max(done, key=len) == ["test/0000_slow", "test/0001_first", "test/0002_second"]


async def test_a_migrator_that_died_holds_up_nobody(stack: Stack, url: str, area: Area) -> None:
    write(area.folder, "0000_slow", "SELECT pg_sleep(60);")
    dying = asyncio.create_task(migrate(url, [area]))
    admin = await asyncpg.connect(stack.postgres.url)
    name = url.rpartition("/")[2]
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%pg_sleep(60)%'"
    for _ in range(1000):
        if await admin.fetchval(ended, name):
            break
        await asyncio.sleep(0.01)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await dying
    await admin.close()
    (area.folder / "0000_slow.sql").unlink()

    assert await migrate(url, [area]) == ["test/0001_first", "test/0002_second"]


async def test_a_service_may_neither_migrate_nor_see_what_was_migrated(province_database: UrlOf, area: Area) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await migrate(province_database("p44_origin_agency"), [area])
