"""Figures of messages on the real database: what waits, what is parked, and how much is read to find that out."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition

from services.messaging import figures as module
from services.messaging.figures import HandlerFigures, ask_consumer, ask_database, tell_relay
from services.runtime.database import COUNTS, Database, queries
from services.runtime.metrics import Figures
from tests.integration.conftest import UrlOf
from tests.integration.messaging.conftest import OWNER, ROLE

ROWS = 20_000


@pytest.fixture
async def database(province_database: UrlOf) -> AsyncIterator[Database]:
    found = Database(province_database(ROLE), name="test", size=2)
    yield found
    await found.close()


async def as_owner(url_of: UrlOf, *statements: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url_of(OWNER))
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetch(statements[-1])
    finally:
        await connection.close()


async def read(figures: Figures) -> dict[str, float]:
    lines = (await figures.text()).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


PUBLISHED = f"""
WITH said AS (
    INSERT INTO origin_agency.outbox (event_id, topic, key, type, subject, payload)
    SELECT 'e' || n, 'journal.44', 'k', 't', 's', 'x'::bytea FROM generate_series(1, {ROWS}) AS n
    RETURNING seq
)
INSERT INTO origin_agency.numbered (number, seq, proof, checkpoint)
SELECT row_number() OVER (ORDER BY seq), seq, ''::bytea, {ROWS} FROM said
"""
SENT = f"UPDATE origin_agency.relay SET sent_through = {ROWS}"
WAITING = """
WITH said AS (
    INSERT INTO origin_agency.outbox (event_id, topic, key, type, subject, payload, created_at)
    SELECT 'w' || n, 'journal.44', 'k', 't', 's', 'x'::bytea, clock_timestamp() - n * interval '1 minute'
      FROM generate_series(1, 3) AS n ORDER BY n DESC
    RETURNING seq
)
INSERT INTO origin_agency.pending (seq) SELECT seq FROM said
"""
PARKED = """
INSERT INTO origin_agency.quarantine
       (quarantine_id, topic, partition, "offset", case_key, reason, detail, value, headers, state, parked_at, closed_at)
SELECT 'q' || n, 't', 0, n, 'k' || n, CASE WHEN n = 1 THEN 'bad_proof' ELSE 'malformed' END, '', ''::bytea, '{}',
       CASE WHEN n <= 3 THEN 'parked' ELSE 'skipped' END, clock_timestamp() - n * interval '1 hour',
       CASE WHEN n > 3 THEN clock_timestamp() END
  FROM generate_series(1, 2000) AS n
"""


async def test_what_waits_is_told_with_its_age(province_database: UrlOf, database: Database) -> None:
    figures = Figures("origin-agency", "44")
    ask_database(figures, database, "origin_agency", None)

    nothing = await read(figures)
    await as_owner(province_database, PUBLISHED, SENT, WAITING, PARKED, "SELECT 1")
    figures._asked_at = float("-inf")
    found = await read(figures)

    assert (nothing["jiexu_outbox_unpublished_rows"], nothing["jiexu_outbox_oldest_seconds"]) == (0, 0)
    assert found["jiexu_outbox_unpublished_rows"] == 3
    assert found["jiexu_outbox_oldest_seconds"] == pytest.approx(180, abs=30)
    assert found['jiexu_quarantine_rows{reason="bad_proof",state="parked"}'] == 1
    assert found['jiexu_quarantine_rows{reason="malformed",state="parked"}'] == 2
    assert found['jiexu_quarantine_oldest_seconds{state="parked"}'] == pytest.approx(3 * 3600, abs=60)
    assert not [name for name in found if "skipped" in name]


async def test_rows_that_were_numbered_and_not_acknowledged_wait_too(province_database: UrlOf, database: Database) -> None:
    figures = Figures("origin-agency", "44")
    ask_database(figures, database, "origin_agency", None)
    await as_owner(province_database, PUBLISHED, f"UPDATE origin_agency.relay SET sent_through = {ROWS - 5}", "SELECT 1")

    found = await read(figures)

    assert found["jiexu_outbox_unpublished_rows"] == 5
    assert 0 < found["jiexu_outbox_oldest_seconds"] < 60


async def test_one_statement_reads_what_is_open_and_not_the_journal(province_database: UrlOf, database: Database) -> None:
    figures = Figures("origin-agency", "44")
    ask_database(figures, database, "origin_agency", None)
    await as_owner(province_database, PUBLISHED, SENT, WAITING, PARKED, "SELECT 1")
    before = dict(COUNTS.by_purpose).get("figures", [0, 0])[0]

    await read(figures)
    await read(figures)
    sql = queries(module.__file__, schema="origin_agency")["figures"].rstrip(";")
    analysed = ("ANALYZE origin_agency.outbox", "ANALYZE origin_agency.numbered", "ANALYZE origin_agency.quarantine")
    [plan] = await as_owner(province_database, *analysed, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")

    assert COUNTS.by_purpose["figures"][0] - before == 1  # the second look came within two seconds
    assert rows_read(plan[0]) < 50


def rows_read(text: str) -> int:
    """How many rows the scans of a plan touched, those that they threw away too."""

    def walk(node: dict[str, Any]) -> int:
        own = 0
        if "Scan" in node["Node Type"] and "Relation Name" in node:
            own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        return int(own) + sum(walk(child) for child in node.get("Plans", ()))

    return walk(json.loads(text)[0]["Plan"])


async def test_lag_is_told_by_topic_and_partition() -> None:
    figures = Figures("origin-agency", "44")
    at = TopicPartition("exchange.44", 3)

    async def places() -> Any:
        return {at: 7}, {at: 10}

    ask_consumer(figures, places)
    tell_relay(figures, lambda: True)

    found = await read(figures)
    assert found['jiexu_consumer_lag_records{partition="3",topic="exchange.44"}'] == 3
    assert found["jiexu_consumer_partitions"] == 1
    assert found["jiexu_relay_leads"] == 1


async def test_a_handler_counts_what_the_inbox_said_and_what_became_of_it() -> None:
    figures = Figures("origin-agency", "44")
    counts = HandlerFigures(figures.registry)

    counts.accepted(offered=10, fresh=6, reused=1)
    counts.transacted(handled=5, parked=2, seconds=0.02)

    found = await read(figures)
    assert [found[f'jiexu_inbox_records_total{{result="{name}"}}'] for name in ("accepted", "duplicate", "reused")] == [6, 3, 1]
    assert [found[f'jiexu_handler_records_total{{result="{name}"}}'] for name in ("handled", "parked")] == [5, 2]
    assert found["jiexu_handler_batch_records_sum"] == 7
    assert found["jiexu_handler_transaction_seconds_count"] == 1
