"""One pool, counted transactions, and a server that may go away and come back."""

import asyncio

import asyncpg
import pytest

from deploy.local.stack import Stack
from services.runtime import database as module
from services.runtime.database import COUNTS, TRANSIENT, Database, together
from tests.integration.conftest import UrlOf

ROLE = "p44_origin_agency"


@pytest.fixture
def url(province_database: UrlOf) -> str:
    return province_database(ROLE)


async def test_a_transaction_is_committed_at_its_end_and_undone_when_it_raises(province_database: UrlOf) -> None:
    database = Database(province_database("p44_owner"))
    async with database.transaction("test") as tx:
        await tx.execute("CREATE SCHEMA scratch")
        await tx.execute("CREATE TABLE scratch.things (name text)")
        await tx.execute("INSERT INTO scratch.things VALUES ('kept')")

    async def fail() -> None:
        async with database.transaction("test") as tx:
            await tx.execute("INSERT INTO scratch.things VALUES ('undone')")
            tx.defer("INSERT INTO scratch.things VALUES ('never sent')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    async with database.transaction("test") as tx:
        assert [row["name"] for row in await tx.fetch("SELECT name FROM scratch.things")] == ["kept"]
    await database.close()


async def test_what_is_deferred_runs_as_one_statement_before_the_next_read_or_at_the_end(province_database: UrlOf) -> None:
    database = Database(province_database("p44_owner"))
    async with database.transaction("test") as tx:
        await tx.execute("CREATE SCHEMA scratch")
        await tx.execute("CREATE TABLE scratch.things (name text, number int)")

    async with database.transaction("test") as tx:
        tx.defer("INSERT INTO scratch.things VALUES ($1, $2);", "first", 1)
        tx.defer("INSERT INTO scratch.things SELECT * FROM unnest($1::text[], $2::int[]);", ["second", "third"], [2, 3])
        assert tx.statements == 0
        seen = await tx.value("SELECT count(*) FROM scratch.things")
        tx.defer("UPDATE scratch.things SET number = number + $1 WHERE name = $2", 10, "first")

    assert (seen, tx.statements) == (3, 3)
    async with database.transaction("test") as tx:
        rows = await tx.fetch("SELECT name, number FROM scratch.things ORDER BY name")
    assert [tuple(row) for row in rows] == [("first", 11), ("second", 2), ("third", 3)]
    await database.close()


def test_parameters_of_statements_that_run_together_are_counted_on() -> None:
    found = together(("INSERT INTO a VALUES ($1, $2, $1);", "UPDATE b SET c = $1;", "INSERT INTO d SELECT $1, $12"))

    assert found == (
        "WITH w0 AS (\nINSERT INTO a VALUES ($1, $2, $1)\n),\nw1 AS (\nUPDATE b SET c = $3\n)\nINSERT INTO d SELECT $4, $15"
    )
    assert together(("SELECT $1;",)) == "SELECT $1"


def test_a_write_may_take_what_the_one_before_it_returns() -> None:
    found = together(("DELETE FROM a", "INSERT INTO b VALUES ($1) RETURNING c", "INSERT INTO d SELECT c FROM {before};"))

    assert found.endswith("w1 AS (\nINSERT INTO b VALUES ($1) RETURNING c\n)\nINSERT INTO d SELECT c FROM w1")


async def test_statements_and_commits_are_counted_by_purpose(url: str) -> None:
    database = Database(url)
    before = list(COUNTS.by_purpose.get("counted", [0, 0]))

    async with database.transaction("counted") as tx:
        assert await tx.value("SELECT 1") == 1
        assert await tx.one("SELECT 1 WHERE false") is None

    assert [now - then for now, then in zip(COUNTS.by_purpose["counted"], before, strict=True)] == [2, 1]
    await database.close()


async def test_a_transaction_that_failed_is_no_commit(url: str) -> None:
    database = Database(url)

    async def fail() -> None:
        async with database.transaction("failed") as tx:
            await tx.value("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail()

    assert "failed" not in COUNTS.by_purpose
    await database.close()


async def test_dates_are_shanghais_and_the_server_knows_who_asks(url: str) -> None:
    database = Database(url, name="44/origin-agency")

    async with database.transaction("test") as tx:
        zone, name = await tx.value("SHOW timezone"), await tx.value("SHOW application_name")

    assert (zone, name) == ("Asia/Shanghai", "44/origin-agency")
    await database.close()


async def test_durability_is_on(url: str) -> None:
    database = Database(url)

    async with database.transaction("test") as tx:
        found = [await tx.value(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]

    assert found == ["on", "on", "on"]
    await database.close()


async def test_a_pool_is_opened_once_however_many_want_it_and_can_be_opened_again(url: str) -> None:
    database = Database(url)

    opened = []
    await asyncio.gather(*(database.open() for _ in range(5)))
    opened.append(database.is_open)
    await database.close()
    opened.append(database.is_open)

    assert await database.answers()
    assert opened == [True, False]
    await database.close()


async def test_a_server_that_is_not_there_is_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "postgresql://nobody:x@127.0.0.1:1/none"
    database = Database(nowhere)
    waited: list[int] = []

    async def pause(attempt: int) -> None:
        waited.append(attempt)
        if attempt == 2:
            database._url = url  # the server has come

    monkeypatch.setattr(module, "pause", pause)

    assert not await database.answers()
    await database.open_when_there()

    assert waited == [0, 1, 2]
    assert await database.answers()
    await database.close()


async def test_connections_that_the_server_ended_are_something_that_passes(stack: Stack, url: str) -> None:
    database = Database(url, name="to-be-cut")
    await asyncio.gather(*(_sleep(database) for _ in range(8)))
    admin = await asyncpg.connect(stack.postgres.url)
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to-be-cut'")
    await admin.close()

    failures = []
    for _ in range(20):
        try:
            await _sleep(database)
        except TRANSIENT as error:
            failures.append(type(error))

    assert await database.answers()
    assert len(failures) <= 8
    await database.close()


async def _sleep(database: Database) -> None:
    async with database.transaction("test") as tx:
        await tx.value("SELECT pg_sleep(0.02)")


@pytest.mark.parametrize(
    ("statement", "value"), [("SELECT $1::int", 2**40), ("SELECT $1::int", "text"), ("SELECT $1::text", "nul\x00")]
)
async def test_a_value_that_the_database_cannot_take_is_no_reason_to_try_again(url: str, statement: str, value: object) -> None:
    database = Database(url)

    async def ask() -> None:
        async with database.transaction("test") as tx:
            await tx.value(statement, value)

    with pytest.raises(Exception) as refusal:  # noqa: PT011 - that it is not one of TRANSIENT is the point
        await ask()

    assert not isinstance(refusal.value, TRANSIENT)
    await database.close()


async def test_a_session_is_a_connection_of_its_own_whose_lock_ends_with_it(url: str) -> None:
    database = Database(url, name="sessions")

    async with database.session(("SET enable_seqscan = off",)) as first, database.session() as second:
        await first.execute("SELECT pg_advisory_lock(44)")
        assert await first.fetchval("SHOW enable_seqscan") == "off"
        assert not await second.fetchval("SELECT pg_try_advisory_lock(44)")
    async with database.session() as third:
        assert await third.fetchval("SELECT pg_try_advisory_lock(44)")


async def test_a_transaction_that_stands_still_is_taken_away_and_that_passes_by_itself(url: str) -> None:
    database = Database(url, size=2)

    async def stand_still() -> None:
        async with database.transaction("test") as tx:
            assert await tx.value("SHOW idle_in_transaction_session_timeout") == "15s"
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            await tx.value("SELECT pg_advisory_xact_lock(7)")
            await asyncio.sleep(0.5)
            await tx.execute("SELECT 1")

    with pytest.raises(TRANSIENT):
        await stand_still()

    async with database.transaction("test") as tx:
        assert await tx.value("SELECT pg_try_advisory_xact_lock(7)")
    await database.close()


async def test_a_pool_that_is_all_in_use_and_moves_answers(url: str) -> None:
    """A long queue for connections is noise; a server that does nothing is not."""
    database = Database(url, size=1)

    async def work() -> None:
        async with database.transaction("test") as tx:
            await tx.value("SELECT pg_sleep(0.5)")

    queue = [asyncio.create_task(work()) for _ in range(9)]
    await asyncio.sleep(0.1)
    used = database.connections
    answers = await database.answers()
    await asyncio.gather(*queue)
    await database.close()

    assert answers
    assert used == {"in_use": 1, "idle": 0, "most": 1}
