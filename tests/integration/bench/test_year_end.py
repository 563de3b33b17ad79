"""The bench of the year's end in miniature, on real servers, with a service that is killed in the middle."""

from pathlib import Path

import pytest

from services.records.year_end import CHUNK
from tests.bench.figures import Run
from tests.bench.plan import Plan, evidences, measure
from tests.bench.table import NO_FIGURE, rows

ACCOUNTS = 3 * CHUNK


@pytest.mark.timeout(420)
async def test_the_bench_credits_every_account_once_also_after_a_kill_and_proves_it(tmp_path: Path) -> None:
    plan = Plan(parts=("year-end",), accounts=ACCOUNTS)

    result = await measure(plan, tmp_path, lambda _: None)

    found = result["year_end"]
    run = Run.from_json(found["run"])
    assert list(evidences(result)) == [("year_end", True, "")]
    # Three facts an account before, two of each year's run, and three of the runs themselves.
    assert found["evidence"]["facts"] > 6 * ACCOUNTS
    assert run.cases == ACCOUNTS
    assert run.records >= 2 * ACCOUNTS
    # Five statements and a commit for each chunk, and one for finding that nothing is left; not more for more accounts.
    assert sum(statements for statements, _ in run.counts.values()) <= 5 * (ACCOUNTS / CHUNK + 2)
    assert sum(commits for _, commits in run.counts.values()) <= ACCOUNTS / CHUNK + 2
    assert found["killed"]["at"] >= ACCOUNTS / 2
    assert found["memory"]["peak_mib"] > 0
    assert NO_FIGURE not in [row.figure for row in rows(result)]
