"""What a bench measures, in which order and how much of it; gives everything it has read as plain values."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.cli.play import Stage
from tests.bench import accounts, ours, year_end
from tests.bench.country import Country, a_country
from tests.bench.durability import machine, read_durability
from tests.bench.evidence import Evidence, prove
from tests.bench.figures import Run
from tests.bench.meters import idle_ms
from tests.bench.ours import Profiler, Way
from tests.bench.saga.rounds import Saga

_WARM_ONES = 10

PARTS = ("rounds", "latency", "restart", "growth", "year-end")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Everything is bounded by these counts."""

    parts: tuple[str, ...] = PARTS
    rounds: int = 3
    cases: int = 2_000
    transfers: int = 20_000
    """Of the bare saga a round."""
    ones: int = 100
    """Cases a round at one message a transaction."""
    lists: bool = False
    """Carry the batches by list approvals of 500 in the place of automatic ones."""
    warm: int = 200
    unloaded: int = 100
    loaded: int = 2_000
    rate: float = 100.0
    """Applications a second under load."""
    backlog: int = 2_000
    piles: tuple[int, ...] = (1_000, 3_000, 10_000)
    """How many cases there are at the end of each window of the growth."""
    window: int = 1_000
    accounts: int = 50_000
    """Of a province at the year's end."""
    kill: bool = True
    """Credit a second year and kill the service in the middle of it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    """A service to be profiled, `44.origin-agency`; then there is one round of ours and nothing else."""
    sampled: bool = False

    @property
    def batches(self) -> Way:
        """How cases are carried in batches."""
        return (ours.LISTS if self.lists else ours.AUTOMATIC).with_settings(self.settings)

    @property
    def one(self) -> Way:
        """How they are carried one message a transaction: the same approvals."""
        return (ours.LISTS_OF_ONE if self.lists else ours.ONE).with_settings(self.settings)


async def measure(plan: Plan, out: Path, tell: Tell) -> dict[str, Any]:
    """Run a plan on servers of its own; `out` is the folder for profiles.

    Raises:
        NotDurable: when a server answers before what it was given is safe.
    """
    result: dict[str, Any] = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": asdict(plan),
        "ways": {way.name: dict(way.settings) for way in (plan.batches, plan.one)},
    }
    if {"rounds", "latency", "restart"} & set(plan.parts):
        with a_country() as country:
            await _opening(country, result, tell)
            saga = Saga(country.stack)
            await saga.prepare()
            if "rounds" in plan.parts:
                result["rounds"] = await _rounds(plan, country, saga, out, tell)
                if not plan.profile:
                    result["mails"] = await _mails(plan, country, tell)
            if {"latency", "restart"} & set(plan.parts):
                result |= await _waiting(plan, country, tell)
    if "growth" in plan.parts:
        with a_country() as country:
            await _opening(country, result, tell)
            result["growth"] = await _growth(plan, country, tell)
    if "year-end" in plan.parts:
        with a_country() as country:
            await _opening(country, result, tell)
            result["year_end"] = await _year_end(plan, country, tell)
    return result


async def _opening(country: Country, result: dict[str, Any], tell: Tell) -> None:
    tell("servers are up; reading their settings")
    result["durability"] = (await read_durability(country.stack)).as_json()
    result.setdefault("machine", machine(country.stack.home))


async def _bring(country: Country, stage: Stage, count: int, tell: Tell) -> None:
    if (missing := country.used + count - country.imported) > 0:
        seconds = await country.bring(stage, missing)
        tell(f"records of {missing:,} persons in two provinces imported in {seconds:.0f} s")


async def _rounds(plan: Plan, country: Country, saga: Saga, out: Path, tell: Tell) -> list[dict[str, Any]]:
    """Ours, one by one, saga; ours, one by one, saga, ...: what the machine does meanwhile falls on all of them alike."""
    found: list[dict[str, Any]] = []
    for number in range(1, plan.rounds + 1):
        seen: dict[str, Any] = {}
        found.append(seen)
        profiler = Profiler(plan.profile, out / f"{plan.profile}.pstats", plan.sampled) if plan.profile else ours.NOBODY
        async with ours.services(country, plan.batches, profiler=profiler) as stage:
            await _bring(country, stage, plan.warm + plan.cases + _WARM_ONES + plan.ones, tell)
            await ours.bulk(country, stage, plan.batches, plan.warm)
            seen["ours_idle_ms"] = await idle_ms(country.pids())
            run = await ours.bulk(country, stage, plan.batches, plan.cases, profiler=profiler)
            seen["ours"] = run.as_json()
            tell(f"round {number}: {run.a_second:,.0f} cases/s, {run.core_ms_a_case:.2f} core-ms a case")
            if not plan.ones or plan.profile:
                seen["evidence"] = _said(await prove(stage, country), country, tell)
        if plan.profile:
            break
        if plan.ones:
            async with ours.services(country, plan.one) as stage:
                await ours.bulk(country, stage, plan.one, _WARM_ONES)
                run = await ours.bulk(country, stage, plan.one, plan.ones)
                seen["one"] = run.as_json()
                tell(f"round {number}, one by one: {run.a_second:,.1f} cases/s, {run.core_ms_a_case:.1f} core-ms a case")
                # Everything that was ever published is replayed, so this is the proof of both.
                seen["evidence"] = _said(await prove(stage, country), country, tell)
        if plan.transfers:
            with saga.running([plan.transfers // 10, plan.transfers], {}):
                await saga.carry(plan.transfers // 10, country.pids())
                seen["saga_idle_ms"] = await idle_ms({**country.pids(), **saga.pids()})
                run = await saga.carry(plan.transfers, country.pids())
            seen["saga"], seen["saga_wrong"] = run.as_json(), await saga.sums()
            tell(f"round {number}, the bare saga: {run.a_second:,.0f} transfers/s, {run.core_ms_a_case:.3f} core-ms a transfer")
    return found


def _said(evidence: Evidence, country: Country, tell: Tell) -> dict[str, Any]:
    """The evidence as plain values; every case that has applied must be complete as well."""
    found = asdict(evidence)
    if evidence.agrees and evidence.completed != country.used:
        found |= {"agrees": False, "first": f"{evidence.completed} of {country.used} cases are complete"}
    verdict = "agrees" if found["agrees"] else f"DISAGREES: {found['first']}"
    tell(f"  replay of {evidence.facts:,} facts in {evidence.seconds:.0f} s, {evidence.peak_mib:,} MiB: {verdict}")
    return found


async def _mails(plan: Plan, country: Country, tell: Tell) -> dict[str, Any]:
    found = await ours.mails(country)
    tell(f"{found.mails:,} mails in {found.seconds:.0f} s")
    async with ours.services(country, plan.batches) as stage:
        evidence = _said(await prove(stage, country), country, tell)
    return {**asdict(found), "evidence": evidence}


async def _waiting(plan: Plan, country: Country, tell: Tell) -> dict[str, Any]:
    """How long a case takes, and how long a service that was killed; one proof for both."""
    found: dict[str, Any] = {}
    way = plan.batches
    async with ours.services(country, way) as stage:
        await _bring(country, stage, plan.warm + plan.unloaded + plan.loaded + plan.backlog, tell)
        await ours.bulk(country, stage, way, plan.warm)
        if "latency" in plan.parts:
            alone = await ours.latencies(country, stage, way, plan.unloaded)
            loaded = await ours.latencies(country, stage, way, plan.loaded, a_second=plan.rate)
            tell(f"latency of {len(alone)} cases one after the other, and of {len(loaded):,} at {plan.rate:.0f} a second")
            found["latency"] = {
                "unloaded_s": [round(each, 4) for each in alone],
                "loaded_s": [round(each, 4) for each in loaded],
                "rate": plan.rate,
            }
        if "restart" in plan.parts:
            again = await ours.restart(country, stage, way, plan.backlog)
            tell(f"{again.service} was killed and caught up with {again.backlog:,} records in {again.caught_up_s:.1f} s")
            found["restart"] = asdict(again)
        evidence = _said(await prove(stage, country), country, tell)
    return {part: {**read, "evidence": evidence} for part, read in found.items()}


async def _growth(plan: Plan, country: Country, tell: Tell) -> dict[str, Any]:
    """What a case costs when there are so many already: windows of the same size, everything between them only carried."""
    windows = []
    way = plan.batches
    async with ours.services(country, way) as stage:
        for pile in plan.piles:
            await _bring(country, stage, pile - country.used, tell)
            fill = pile - plan.window - country.used
            filled = await ours.bulk(country, stage, way, fill) if fill > 0 else None
            run, read = await ours.window(country, stage, way, plan.window)
            windows.append(
                {
                    "pile": country.used,
                    "window": run.as_json(),
                    "fill": filled.as_json() if filled is not None else None,
                    "rows_read": read,
                }
            )
            tell(f"{pile:,} cases: {run.a_second:,.0f} cases/s, {run.core_ms_a_case:.2f} core-ms a case")
        evidence = _said(await prove(stage, country), country, tell)
    return {"windows": windows, "evidence": evidence}


async def _year_end(plan: Plan, country: Country, tell: Tell) -> dict[str, Any]:
    """A year's interest for every account of a province, and the next year's with the service killed in the middle."""
    loaded_s = await accounts.load(country.stack, plan.accounts, tell)
    tell(f"{plan.accounts:,} accounts with their events written in {loaded_s:.0f} s")
    settings = {**year_end.SETTINGS, **plan.settings}
    stage = await asyncio.to_thread(country.start, settings, now=year_end.SUMMER)
    try:
        within_s = 600 + plan.accounts / 50
        await stage.idle(within_s=within_s)
        tell("what was written is published")
        run, memory, ended = await year_end.run_undisturbed(country, stage, within_s=within_s)
        wrong = year_end.wrong_with(ended, plan.accounts)
        tell(f"credited in {run.last_s:.0f} s, published in {run.quiet_s:.0f} s, at most {memory['peak_mib']:,} MiB")
        found: dict[str, Any] = {"run": run.as_json(), "memory": memory, "loaded_s": round(loaded_s, 1), "settings": settings}
        if plan.kill:
            found["killed"], again = await year_end.run_killed(country, stage, within_s=within_s)
            wrong = wrong or year_end.wrong_with(again, plan.accounts)
            tell(f"killed at {found['killed']['at']:,} accounts, at its end {found['killed']['ended_s']:.0f} s later")
        evidence = _said(await prove(stage, country, (accounts.PROVINCE,)), country, tell)
    finally:
        await country.stop(stage)
    if wrong is not None:
        evidence |= {"agrees": False, "first": wrong}
    return {**found, "evidence": evidence}


def runs(result: Mapping[str, Any], which: str) -> list[Run]:
    """The rounds of one kind."""
    return [Run.from_json(each[which]) for each in result.get("rounds", []) if which in each]


def evidences(result: Mapping[str, Any]) -> Iterable[tuple[str, bool, str]]:
    """Which part has a clean proof, and what is wrong where it has not."""
    for number, each in enumerate(result.get("rounds", []), 1):
        yield f"round {number}", each["evidence"]["agrees"], each["evidence"]["first"] or ""
        if "saga_wrong" in each:
            yield f"round {number}, saga", not each["saga_wrong"], "; ".join(each["saga_wrong"])
    for part in ("mails", "latency", "restart", "growth", "year_end"):
        if part in result:
            found = result[part]["evidence"]
            yield part, found["agrees"], found["first"] or ""


def run_plan(plan: Plan, out: Path, tell: Tell) -> dict[str, Any]:
    """Run a plan to its end."""
    return asyncio.run(measure(plan, out, tell))
