"""The whole bench in miniature, on real servers."""

from pathlib import Path

import pytest

from tests.bench.figures import Run
from tests.bench.plan import Plan, evidences, measure
from tests.bench.table import NO_FIGURE, rows

MINIATURE = Plan(
    parts=("rounds", "latency", "restart"),
    rounds=1,
    cases=20,
    transfers=200,
    ones=3,
    warm=5,
    unloaded=2,
    loaded=10,
    rate=20.0,
    backlog=10,
)


@pytest.mark.timeout(420)
async def test_the_bench_measures_ours_one_by_one_and_the_saga_in_one_run_and_proves_each(tmp_path: Path) -> None:
    told: list[str] = []

    result = await measure(MINIATURE, tmp_path, told.append)

    assert [agrees for _, agrees, _ in evidences(result)] == [True] * 5, list(evidences(result))
    [only] = result["rounds"]
    assert list(only) == ["ours_idle_ms", "ours", "one", "evidence", "saga_idle_ms", "saga", "saga_wrong"]  # one after the other
    ours, one, saga = (Run.from_json(only[kind]) for kind in ("ours", "one", "saga"))
    assert only["evidence"]["completed"] == 25 + 13
    assert ours.records_a_case > 10
    assert saga.records == 6 * 200
    assert one.commits_a_case > 2 * ours.commits_a_case > 0
    assert all(run.cpu_s["postgres"] > 0 and run.cpu_s["kafka"] > 0 for run in (ours, one, saga))
    assert result["durability"]["postgres"]["fsync"] == "on"
    assert result["durability"]["producer"] == {"acks": "all", "idempotent": "on"}
    assert (len(result["latency"]["unloaded_s"]), len(result["latency"]["loaded_s"])) == (2, 10)
    assert all(each > 0 for each in result["latency"]["unloaded_s"])
    assert result["restart"]["caught_up_s"] >= result["restart"]["ready_s"] > 0
    assert result["mails"]["mails"] > 25
    assert NO_FIGURE not in [row.figure for row in rows(result)]
