"""Which figures the table gives, and when it gives none."""

from typing import Any

from tests.bench.figures import Run
from tests.bench.table import NO_FIGURE, rows, text


def a_run(*, cases: int, seconds: float, core_s: float, records: int) -> dict[str, Any]:
    return Run(cases, seconds, seconds, {"kafka": core_s}, records, {"44.origin-agency handler": (cases, cases)}).as_json()


def a_result(**changed: Any) -> dict[str, Any]:
    evidence = {"agrees": True, "facts": 1, "completed": 1, "first": None, "seconds": 0.0}
    one_round = {
        "ours": a_run(cases=1000, seconds=2.0, core_s=3.8, records=20_000),
        "ours_idle_ms": 60.0,
        "one": a_run(cases=20, seconds=1.0, core_s=2.0, records=400),
        "evidence": evidence,
        "saga": a_run(cases=1000, seconds=1.0, core_s=0.6, records=6000),
        "saga_idle_ms": 20.0,
        "saga_wrong": [],
    }
    window = {"pile": 1000, "window": a_run(cases=100, seconds=1.0, core_s=0.4, records=2000), "fill": None}
    return {
        "taken_at": "2026-11-23T12:00:00+00:00",
        "plan": {"rounds": 1, "cases": 1000, "ones": 20, "transfers": 1000},
        "ways": {"batches": {"APPROVALS": "automatic"}},
        "machine": {"cores": "2"},
        "durability": {
            "postgres": {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "version": "15.18"},
            "kafka": {"replicas": "1", "min.insync.replicas": "1", "retention.ms": "-1", "partitions": "12"},
            "producer": {"acks": "all", "idempotent": "on"},
        },
        "rounds": [one_round],
        "mails": {"mails": 400, "seconds": 2.0, "core_ms": 1.5, "evidence": evidence},
        "latency": {"unloaded_s": [0.05, 0.07], "loaded_s": [0.1, 0.2], "rate": 100.0, "evidence": evidence},
        "restart": {
            "service": "44.origin-agency",
            "backlog": 2000,
            "ready_s": 2.0,
            "caught_up_s": 5.0,
            "evidence": evidence,
        },
        "growth": {
            "windows": [
                {**window, "rows_read": {"province_33 ledger.heads": 300}},
                {**window, "pile": 10_000, "rows_read": {"province_33 ledger.heads": 300}},
            ],
            "evidence": evidence,
        },
        "year_end": {
            "run": a_run(cases=1000, seconds=2.0, core_s=0.6, records=2000),
            "memory": {"before_mib": 100, "quarters_mib": [110, 112, 113, 112], "peak_mib": 113},
            "killed": {"at": 500, "ready_s": 2.0, "ended_s": 5.0},
            "evidence": evidence,
        },
    } | changed


def found(result: dict[str, Any]) -> dict[str, tuple[str, bool | None]]:
    return {row.what.strip(): (row.figure, row.met) for row in rows(result)}


def test_each_target_is_held_against_its_figure() -> None:
    shown = found(a_result())

    assert shown["full cases a second"] == ("500.0", True)
    assert shown["batches over one by one, in cases a second"] == ("25.0", True)
    assert shown["ours over bare saga, a record"] == ("1.90", True)
    assert shown["latency p50 / p95 / p99 in ms, one at a time (2 cases)"] == ("50 / 70 / 70", True)
    assert shown["core-ms at 10,000 cases over those at 1,000"] == ("1.00", True)
    assert shown["dispatch: mails a second"] == ("200 (400 mails)", None)


def test_what_misses_its_target_is_said_to_miss_it() -> None:
    slow = a_result()
    slow["rounds"][0]["ours"] = a_run(cases=1000, seconds=2.01, core_s=4.1, records=20_000)
    slow["latency"]["unloaded_s"] = [0.061]

    shown = found(slow)

    assert shown["full cases a second"] == ("497.5", False)
    assert shown["ours over bare saga, a record"][1] is False
    assert shown["latency p50 / p95 / p99 in ms, one at a time (1 cases)"] == ("61 / 61 / 61", False)


def test_there_is_no_figure_whose_replay_disagrees() -> None:
    broken = a_result()
    broken["rounds"][0]["evidence"] = {"agrees": False, "first": "BALANCE_DIFFERS: province 33"}

    shown = found(broken)

    assert shown["full cases a second, and all else of the rounds"] == (NO_FIGURE, False)
    assert not [
        what for what in shown if what.startswith(("core-ms a case", "core-ms a record", "records", "bare saga", "commits"))
    ]
    assert shown["restart to caught up, s: 44.origin-agency after kill -9 with 2,000 records waiting"][0].startswith("5.0")
    assert "BALANCE_DIFFERS: province 33" in text(broken)


def test_there_is_no_figure_beside_a_saga_whose_sums_are_wrong() -> None:
    broken = a_result()
    broken["rounds"][0]["saga_wrong"] = ["ledger: SELECT count(*) FROM lines: expected 4000, found 3999"]

    assert found(broken)["full cases a second, and all else of the rounds"] == (NO_FIGURE, False)


def test_a_growth_whose_replay_disagrees_is_not_given_and_all_else_is() -> None:
    broken = a_result()
    broken["growth"]["evidence"] = {"agrees": False, "first": "EVENT_TWICE"}

    shown = found(broken)

    assert shown["growth"] == (NO_FIGURE, False)
    assert shown["full cases a second"] == ("500.0", True)


def test_the_table_says_what_the_servers_do_before_they_answer_and_how_large_batches_are() -> None:
    shown = text(a_result())

    assert "PostgreSQL 15.18: fsync=on, synchronous_commit=on, full_page_writes=on" in shown
    assert "acks=all, idempotent producer on" in shown
    assert "batch sizes: 200 records a handler, 500 a signature" in shown


def test_the_year_end_is_told_by_account_and_its_memory_must_stay_where_it_was() -> None:
    year_end = a_result()["year_end"]
    grown = {**year_end, "memory": {**year_end["memory"], "quarters_mib": [100, 110, 120, 126]}}

    shown, too_much = found(a_result()), found(a_result(year_end=grown))

    memory = "memory of the service in MiB: before, and the most in each quarter of the run"
    assert shown["year end, 1,000 accounts: credited a second"] == ("500", None)
    assert shown["until every event is on the journal"] == ("500 (2.00 records an account)", None)
    assert shown["SQL statements, commits a thousand accounts, of the run"] == ("1000.0, 1000.0", None)
    assert shown[memory] == ("100; 110, 112, 113, 112", True)
    assert too_much[memory][1] is False
    assert shown["after kill -9 at 500 accounts, s: until the run is at its end"] == ("5.0 (ready after 2.0)", None)


def test_a_year_end_whose_replay_disagrees_has_no_figure() -> None:
    year_end = a_result()["year_end"]
    wrong = {**year_end, "evidence": {**year_end["evidence"], "agrees": False, "first": "LEDGER_DIFFERS"}}

    assert found(a_result(year_end=wrong))["year end"] == (NO_FIGURE, False)
