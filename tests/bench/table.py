"""The table of a bench, on a terminal and in Markdown. A figure whose replay disagrees is not given."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.figures import LOAD, Row, Run, Spread, growth_ratio, percentile
from tests.bench.plan import evidences, runs

CASES_A_SECOND, TIMES_ONE, TIMES_SAGA, UNLOADED_P50_MS, FLAT = 500.0, 15.0, 2.0, 60.0, 1.25
"""The targets. Flat means that the cost at the largest pile is at most 1.25 times the cost at the smallest."""

NO_FIGURE = "NO FIGURE: the replay of this run disagrees"


def rows(result: Mapping[str, Any]) -> list[Row]:
    """Every figure with its target."""
    clean = {part: agrees for part, agrees, _ in evidences(result)}
    found: list[Row] = []
    if "rounds" in result:
        broken = any(not agrees for part, agrees in clean.items() if part.startswith("round"))
        found += [Row("full cases a second, and all else of the rounds", NO_FIGURE, met=False)] if broken else _of_rounds(result)
    if "mails" in result:
        found += _of_mails(result["mails"]) if clean["mails"] else [Row("dispatch", NO_FIGURE, met=False)]
    if "latency" in result:
        found += _of_latency(result["latency"]) if clean["latency"] else [Row("latency", NO_FIGURE, met=False)]
    if "restart" in result:
        found += _of_restart(result["restart"]) if clean["restart"] else [Row("restart", NO_FIGURE, met=False)]
    if "growth" in result:
        found += _of_growth(result["growth"]["windows"]) if clean["growth"] else [Row("growth", NO_FIGURE, met=False)]
    if "year_end" in result:
        found += _of_year_end(result["year_end"]) if clean["year_end"] else [Row("year end", NO_FIGURE, met=False)]
    return found


def _of_rounds(result: Mapping[str, Any]) -> list[Row]:
    ours, ones, saga = runs(result, "ours"), runs(result, "one"), runs(result, "saga")
    a_second = Spread.of([run.a_second for run in ours])
    core = Spread.of([run.core_ms_a_case for run in ours])
    record = Spread.of([run.core_ms_a_record for run in ours])
    found = [
        Row("full cases a second", a_second.text(), f">= {CASES_A_SECOND:.0f}", a_second.median >= CASES_A_SECOND),
        Row("  until the last completion is on the journal", Spread.of([run.cases / run.last_s for run in ours]).text()),
        Row("records a second", Spread.of([run.records_a_second for run in ours]).text(0)),
        Row("records a case", Spread.of([run.records_a_case for run in ours]).text()),
        Row("core-ms a case", core.text(2)),
        *(Row(f"  {part}", text) for part, text in _parts(ours)),
        Row("cores busy, load generator included", Spread.of([run.busy_cores for run in ours]).text(2)),
        Row("SQL statements a case", Spread.of([run.statements_a_case for run in ours]).text(3)),
        Row("commits a case", Spread.of([run.commits_a_case for run in ours]).text(3)),
    ]
    if ones:
        one, cost = Spread.of([run.a_second for run in ones]), Spread.of([run.core_ms_a_case for run in ones])
        ratio = Spread.of([each.a_second / other.a_second for each, other in zip(ours, ones, strict=True)])
        by_cost = Spread.of([other.core_ms_a_case / each.core_ms_a_case for each, other in zip(ours, ones, strict=True)])
        found += [
            Row("one message a transaction: cases a second", one.text()),
            Row("  core-ms a case", cost.text(1)),
            Row("  SQL statements, commits a case", f"{ones[0].statements_a_case:.1f}, {ones[0].commits_a_case:.1f}"),
            Row("batches over one by one, in cases a second", ratio.text(), f">= {TIMES_ONE:.0f}", ratio.median >= TIMES_ONE),
            Row("  the same in core-ms", by_cost.text()),
        ]
    if saga:
        base = Spread.of([run.core_ms_a_record for run in saga])
        times = Spread.of([each.core_ms_a_record / other.core_ms_a_record for each, other in zip(ours, saga, strict=True)])
        found += [
            Row("bare saga: transfers a second", Spread.of([run.a_second for run in saga]).text(0)),
            Row("  core-ms a transfer", Spread.of([run.core_ms_a_case for run in saga]).text(3)),
            *(Row(f"    {part}", text) for part, text in _parts(saga, 3)),
            Row("core-ms a record: ours", record.text(4)),
            Row("core-ms a record: bare saga", base.text(4)),
            Row("ours over bare saga, a record", times.text(2), f"<= {TIMES_SAGA:.0f}", times.median <= TIMES_SAGA),
        ]
    kinds = ("ours", "saga") if saga else ("ours",)
    idle = {kind: Spread.of([each[f"{kind}_idle_ms"] for each in result["rounds"]]).text(0) for kind in kinds}
    found.append(Row(f"core-ms a second with nothing to do: {', '.join(kinds)}", ", ".join(idle.values())))
    return found


def _of_mails(mails: Mapping[str, Any]) -> list[Row]:
    found = [Row("dispatch: mails a second", f"{mails['mails'] / mails['seconds']:,.0f} ({mails['mails']:,} mails)")]
    if mails["core_ms"] is not None:
        found.append(Row("  core-ms a mail, the receiving sink included", f"{mails['core_ms']:.2f}"))
    return found


def _parts(of: Sequence[Run], digits: int = 2) -> list[tuple[str, str]]:
    each = [run.core_ms_by_part() for run in of]
    names = sorted(each[0], key=lambda name: (name == LOAD, -each[0][name]))
    shown = [(name, Spread.of([parts.get(name, 0.0) for parts in each]).text(digits)) for name in names]
    return [(f"{name} (not in the sum)" if name == LOAD else name, text) for name, text in shown]


def _of_latency(found: Mapping[str, Any]) -> list[Row]:
    def text(values: Sequence[float]) -> str:
        p50, p95, p99 = (1000 * percentile(values, each) for each in (50, 95, 99))
        return f"{p50:,.0f} / {p95:,.0f} / {p99:,.0f}"

    p50_ms = 1000 * percentile(found["unloaded_s"], 50)
    return [
        Row(
            f"latency p50 / p95 / p99 in ms, one at a time ({len(found['unloaded_s'])} cases)",
            text(found["unloaded_s"]),
            f"p50 <= {UNLOADED_P50_MS:.0f}",
            p50_ms <= UNLOADED_P50_MS,
        ),
        Row(
            f"latency p50 / p95 / p99 in ms, at {found['rate']:.0f} cases/s ({len(found['loaded_s']):,} cases)",
            text(found["loaded_s"]),
        ),
    ]


def _of_restart(found: Mapping[str, Any]) -> list[Row]:
    what = f"restart to caught up, s: {found['service']} after kill -9 with {found['backlog']:,} records waiting"
    return [Row(what, f"{found['caught_up_s']:.1f} (ready after {found['ready_s']:.1f})")]


def _of_growth(windows: Sequence[Mapping[str, Any]]) -> list[Row]:
    found = []
    each = [Run.from_json(window["window"]) for window in windows]
    for window, run in zip(windows, each, strict=True):
        read = sum(window["rows_read"].values()) / run.cases
        found.append(
            Row(
                f"at {window['pile']:,} cases: core-ms, statements, commits, rows read a case",
                f"{run.core_ms_a_case:.2f}, {run.statements_a_case:.3f}, {run.commits_a_case:.3f}, {read:.1f}",
            )
        )
    if len(each) > 1:
        ratio = growth_ratio([run.core_ms_a_case for run in each])
        what = f"core-ms at {windows[-1]['pile']:,} cases over those at {windows[0]['pile']:,}"
        found.append(Row(what, f"{ratio:.2f}", f"<= {FLAT}", ratio <= FLAT))
    return found


def _of_year_end(found: Mapping[str, Any]) -> list[Row]:
    run, memory = Run.from_json(found["run"]), found["memory"]
    first, last = memory["quarters_mib"][0], memory["quarters_mib"][-1]
    per_thousand = (f"{1000 * each:.1f}" for each in (run.statements_a_case, run.commits_a_case))
    rows = [
        Row(f"year end, {run.cases:,} accounts: credited a second", f"{run.cases / run.last_s:,.0f}"),
        Row("  until every event is on the journal", f"{run.a_second:,.0f} ({run.records_a_case:.2f} records an account)"),
        Row("  core-ms an account", f"{run.core_ms_a_case:.2f}"),
        *(Row(f"    {part}", text) for part, text in _parts([run])),
        Row("  SQL statements, commits a thousand accounts, of the run", ", ".join(per_thousand)),
        Row(
            "  memory of the service in MiB: before, and the most in each quarter of the run",
            f"{memory['before_mib']}; {', '.join(map(str, memory['quarters_mib']))}",
            f"last <= {FLAT} x first",
            last <= FLAT * first,
        ),
    ]
    if "killed" in found:
        killed = found["killed"]
        what = f"  after kill -9 at {killed['at']:,} accounts, s: until the run is at its end"
        rows.append(Row(what, f"{killed['ended_s']:.1f} (ready after {killed['ready_s']:.1f})"))
    return rows


def conditions(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Under which the figures were taken."""
    durability, plan = result["durability"], result["plan"]
    postgres, kafka, producer = durability["postgres"], durability["kafka"], durability["producer"]
    return [
        ("taken", result["taken_at"]),
        ("machine", ", ".join(f"{name} {value}" for name, value in result["machine"].items())),
        (
            "PostgreSQL " + postgres["version"],
            ", ".join(f"{name}={value}" for name, value in postgres.items() if name != "version"),
        ),
        (
            "Kafka",
            f"acks={producer['acks']}, idempotent producer {producer['idempotent']}, {kafka['replicas']} replica, "
            f"min.insync.replicas={kafka['min.insync.replicas']}, {kafka['partitions']} partitions a topic; "
            "it acknowledges from memory, as Kafka does",
        ),
        *((f"settings: {name}", _settings(way)) for name, way in result["ways"].items()),
        (
            "batch sizes",
            "200 records a handler, 500 a signature, 200 applications an intake; the saga 200 and 500; one by one: 1",
        ),
        (
            "size",
            f"{plan['rounds']} rounds of {plan['cases']:,} cases, {plan['ones']:,} one by one, "
            f"{plan['transfers']:,} transfers of the bare saga; medians, with the lowest and highest of the rounds",
        ),
    ]


def _settings(way: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in way.items())


def text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    every = rows(result)
    width = max((len(row.what) for row in every), default=0)
    lines = [f"{name}: {value}" for name, value in conditions(result)]
    lines.append("")
    lines += [f"{row.what:<{width}}  {row.figure:<34}  {row.target:<10}  {row.verdict}".rstrip() for row in every]
    lines += [f"{part}: {first}" for part, agrees, first in evidences(result) if not agrees]
    return "\n".join(lines)
