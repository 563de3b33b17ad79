"""The cost of a case does not grow with the number of cases: counted, and never timed."""

from collections.abc import Mapping

import asyncpg
import pytest

from tests.bench import ours
from tests.bench.country import PROVINCES, Country, a_country
from tests.bench.figures import Run
from tests.bench.meters import databases_of

SMALL, LARGER, WARM, WINDOW = 100, 1_000, 5, 20

# What is counted is one message a transaction, so that it does not depend on how many happened to be in hand together. The
# safety-net polls are slowed down to a minute: they read the same with and without a case.
SETTINGS = {"RELAY_POLL_S": "60", "BANK_POLL_S": "60", "TIMER_POLL_S": "60"}
FILL = ours.AUTOMATIC.with_settings(SETTINGS)
COUNTED = ours.ONE.with_settings(SETTINGS)


async def prepared(country: Country) -> None:
    """What autovacuum does by itself after a while, and one thing more: no scan of a whole table where there is an index.

    The planner rightly scans a table of a few pages. What has to be scanned because there is no index for it is scanned all the
    same, and shows.
    """
    access = country.stack.postgres
    for database in databases_of(PROVINCES):
        connection = await asyncpg.connect(access.url_of(database, access.username, access.password))
        await connection.execute("ANALYZE")
        await connection.execute(f"ALTER DATABASE {database} SET enable_seqscan = off")
        await connection.close()


def rows_a_case(read: Mapping[str, int]) -> dict[str, float]:
    return {name: rows / WINDOW for name, rows in read.items()}


@pytest.mark.timeout(420)
async def test_a_case_costs_the_same_when_there_are_ten_times_as_many() -> None:
    found: list[tuple[Run, dict[str, float]]] = []
    with a_country() as country:
        for pile in (SMALL, LARGER):
            async with ours.services(country, FILL) as stage:
                await country.bring(stage, pile - country.imported)
                await ours.bulk(country, stage, FILL, pile - WARM - WINDOW - country.used)
            await prepared(country)
            # What a restart sends again is over after the first cases.
            async with ours.services(country, COUNTED, warm=WARM) as stage:
                run, read = await ours.window(country, stage, COUNTED, WINDOW)
            found.append((run, rows_a_case(read)))

    (small, read_at_small), (larger, read_at_larger) = found
    assert larger.statements_a_case <= 1.1 * small.statements_a_case, (small.counts, larger.counts)
    assert larger.commits_a_case <= 1.1 * small.commits_a_case, (small.counts, larger.counts)
    # By table as well: a scan of a growing table would hide among the many rows that are read of the others.
    grown = {
        name: (read_at_small.get(name, 0.0), rows)
        for name, rows in read_at_larger.items()
        if rows > 1.5 * read_at_small.get(name, 0.0) + 2
    }
    assert not grown, grown
    assert sum(read_at_larger.values()) <= 1.2 * sum(read_at_small.values())
