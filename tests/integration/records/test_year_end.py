"""The year's end: every account once, whatever breaks off; two persons let it go; what cannot be credited is refused by name."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from contracts.events import BalanceStated, InterestCredited, YearEndBegun, YearEndCompleted
from services.ledger.chart import individual
from services.ledger.replay import trial_balance
from services.origin_agency import store
from services.records import year_end as module
from services.records.decisions import Refused
from services.records.year_end import Run, YearEnd
from services.rules.amounts import compute
from services.rules.loader import Tables
from services.runtime.database import COUNTS
from services.world.people import Contribution
from services.world.plan import ProvinceRecord, segment_of
from tests.agencies import MONDAY, InProcess, in_process, known_in, somebody, tables
from tests.integration.conftest import UrlOf

HE = known_in("44")
NEW_YEAR = MONDAY.replace(year=2025, month=7)


def a_year_end(at: InProcess) -> YearEnd:
    return YearEnd(at.database, at.agency, at.ring, store.leaving)


async def let_go(run: YearEnd, year: int) -> Run:
    """Two persons let a year's run go."""
    proposed = await run.propose(year, "operator-1")
    return await run.approve(proposed.run_id, "checker-1")


async def to_its_end(run: YearEnd) -> Run:
    """Work until nothing is left; the last run."""
    while await run.work():
        pass
    return (await run.runs())[0]


async def credited(run: YearEnd, year: int) -> Run:
    await let_go(run, year)
    return await to_its_end(run)


async def expected_fen(at: InProcess, known: ProvinceRecord, on: datetime) -> int:
    amounts = compute([segment_of(known)], transfer_on=on.date(), province="44", tables=tables())
    assert await at.balance_fen((await at.record(known.person.id_number)).person_ref) == amounts.account_fen
    return amounts.account_fen


async def the_log_and_the_ledger_agree(at: InProcess) -> None:
    heads = await at.heads()
    replay = await at.replayed()
    assert replay.problems() == []
    assert replay.compare(heads) == []
    assert trial_balance(heads) == 0


def without(year: int) -> Tables:
    """The tables as if a year's rate had not been published."""
    index = {key: rate for key, rate in tables()._rate_index.items() if key[0] != year}
    return replace(tables(), _rate_index=index)


def idle(nth: int) -> ProvinceRecord:
    """Somebody who has paid in 2022 alone."""
    return somebody(nth, rows=(HE.contributions[0],))


def temporary(nth: int) -> ProvinceRecord:
    rows: list[Contribution] = [replace(row, kind="temporary") for row in HE.contributions]
    return somebody(nth, born="19640315", rows=rows)


async def test_a_years_interest_comes_to_every_account_once_with_its_balance_stated(at: InProcess) -> None:
    people = [somebody(nth) for nth in range(3)]
    await at.importing(*people)
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)

    ended = await credited(run, 2024)
    again = await credited(run, 2024)

    each = await expected_fen(at, people[0], NEW_YEAR)
    interest = each - 1_247_986
    assert interest > 0
    assert (ended.state, ended.due, ended.looked_at, ended.credited, ended.interest_fen) == ("done", 3, 3, 3, 3 * interest)
    assert (again.state, again.due, again.looked_at, again.credited, again.interest_fen) == ("done", 0, 0, 0, 0)
    for known in people:
        record = await at.record(known.person.id_number)
        assert record.interest_through == 2024
        last = [
            fact
            for fact in (message.data for message in await at.told())
            if isinstance(fact, InterestCredited | BalanceStated) and fact.person_ref == record.person_ref
        ][-2:]
        assert [type(fact) for fact in last] == [InterestCredited, BalanceStated]
        assert isinstance(last[0], InterestCredited)
        assert (last[0].year, last[0].interest_fen, last[0].rule_set) == (2024, interest, tables().version)
        assert isinstance(last[1], BalanceStated)
        assert (last[1].balance_fen, last[1].account) == (each, individual(record.person_ref))
    assert [fact.year for fact in await at.facts(InterestCredited)].count(2024) == 3
    await the_log_and_the_ledger_agree(at)


async def test_the_journal_says_who_let_it_go_and_what_came_of_it(at: InProcess) -> None:
    await at.importing(HE)
    at.clock.move(NEW_YEAR)

    ended = await credited(a_year_end(at), 2024)

    [begun], [completed] = await at.facts(YearEndBegun), await at.facts(YearEndCompleted)
    assert (begun.run_id, begun.year, begun.maker, begun.checker) == (ended.run_id, 2024, "operator-1", "checker-1")
    assert (completed.run_id, completed.accounts, completed.interest_fen) == (ended.run_id, 1, ended.interest_fen)
    assert begun.rule_set == completed.rule_set == tables().version
    assert (ended.began_at is not None, ended.ended_at is not None) == (True, True)
    assert at.rung


async def test_idle_and_temporary_accounts_are_credited_and_those_that_moved_are_not(at: InProcess) -> None:
    lying, passing, gone = idle(1), temporary(2), somebody(3)
    await at.importing(lying, passing, gone)
    moved = await at.record(gone.person.id_number)
    await at.rows("UPDATE records.persons SET state = 'moved' WHERE person_ref = $1", moved.person_ref)
    at.clock.move(NEW_YEAR)

    ended = await credited(a_year_end(at), 2024)

    assert (ended.due, ended.credited) == (2, 2)
    for known in (lying, passing):
        assert (await at.record(known.person.id_number)).interest_through == 2024
        await expected_fen(at, known, NEW_YEAR)
    assert {fact.person_ref for fact in await at.facts(InterestCredited) if fact.year == 2024}.isdisjoint({moved.person_ref})
    assert (await at.record(gone.person.id_number)).interest_through == 2023


async def test_an_account_that_lies_years_behind_gets_each_year_in_order(at: InProcess) -> None:
    await at.importing(HE)
    at.clock.move(NEW_YEAR.replace(year=2026))

    ended = await credited(a_year_end(at), 2025)

    assert [fact.year for fact in await at.facts(InterestCredited)] == [2022, 2023, 2024, 2025]
    assert (ended.credited, (await at.record(HE.person.id_number)).interest_through) == (1, 2025)
    await expected_fen(at, HE, NEW_YEAR.replace(year=2026))
    await the_log_and_the_ledger_agree(at)


async def test_a_run_that_broke_off_anywhere_goes_on_there(at: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    people = [somebody(nth) for nth in range(7)]
    await at.importing(*people)
    at.clock.move(NEW_YEAR)
    begun = await let_go(a_year_end(at), 2024)
    telling, told = type(at.agency).tell, 0

    async def breaks_off(*arguments: Any, **more: Any) -> None:
        nonlocal told
        await telling(*arguments, **more)
        told += 1
        if told in (1, 3, 4):
            raise ConnectionError("gone")  # after everything of the chunk was said, before it was committed

    seen = []
    with monkeypatch.context() as broken:
        broken.setattr(type(at.agency), "tell", breaks_off)
        for _ in range(12):
            with suppress(ConnectionError):
                # A new one each time, as after a restart: nothing but the row remembers how far it was.
                await a_year_end(at).work()
            seen.append((await a_year_end(at).runs(begun.run_id))[0].looked_at)

    [ended] = await a_year_end(at).runs(begun.run_id)
    assert seen[:8] == [0, 2, 2, 2, 4, 6, 7, 7]
    assert (ended.state, ended.looked_at, ended.credited) == ("done", 7, 7)
    assert [fact.year for fact in await at.facts(InterestCredited)].count(2024) == 7
    assert len(await at.facts(YearEndCompleted)) == 1
    for known in people:
        await expected_fen(at, known, NEW_YEAR)
    await the_log_and_the_ledger_agree(at)


async def test_two_replicas_at_one_run_credit_each_account_once(at: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    people = [somebody(nth) for nth in range(9)]
    await at.importing(*people)
    at.clock.move(NEW_YEAR)
    begun = await let_go(a_year_end(at), 2024)

    async def replica() -> None:
        run = a_year_end(at)
        while (await run.runs(begun.run_id))[0].state == "running":
            await run.work()

    await asyncio.gather(replica(), replica(), replica())

    [ended] = await a_year_end(at).runs(begun.run_id)
    assert (ended.looked_at, ended.credited) == (9, 9)
    assert [fact.year for fact in await at.facts(InterestCredited)].count(2024) == 9
    await the_log_and_the_ledger_agree(at)


async def test_an_import_beside_the_run_takes_no_years_interest_back(at: InProcess) -> None:
    people = [somebody(nth) for nth in range(4)]
    await at.importing(*people)
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)
    await let_go(run, 2024)
    # The same persons, with a month of the new year each.
    more = [replace(known, contributions=(_in_2025(known.contributions[0]),)) for known in people]

    await asyncio.gather(to_its_end(run), at.importing(*more))

    assert [fact.year for fact in await at.facts(InterestCredited)].count(2024) == 4
    for known in people:
        assert (await at.record(known.person.id_number)).interest_through == 2024
    await the_log_and_the_ledger_agree(at)


def _in_2025(row: Contribution) -> Contribution:
    return replace(row, start="2025-01", end="2025-01")


async def test_a_forgotten_person_keeps_nobody_waiting(province_database: UrlOf, keys_database: UrlOf) -> None:
    forgotten, other = somebody(1), somebody(2)
    async with in_process(province_database, keys_database, keys_kept_s=0) as at:
        await at.importing(forgotten, other)
        await at.forget((await at.record(forgotten.person.id_number)).person_ref)
        at.clock.move(NEW_YEAR)

        ended = await credited(a_year_end(at), 2024)

        assert (ended.state, ended.looked_at, ended.credited) == ("done", 2, 1)
        await the_log_and_the_ledger_agree(at)


async def test_nothing_is_credited_before_a_second_person_approves(at: InProcess) -> None:
    await at.importing(HE)
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)

    proposed = await run.propose(2024, "fund-1")
    looked = await run.work()
    with pytest.raises(Refused) as alone:
        await run.approve(proposed.run_id, "fund-1")

    assert (proposed.state, proposed.maker, proposed.checker) == ("proposed", "fund-1", None)
    assert looked == 0
    assert alone.value.code == "SAME_PERSON"
    assert [fact.year for fact in await at.facts(InterestCredited)] == [2022, 2023]
    assert await at.facts(YearEndBegun) == []


async def test_what_cannot_be_run_is_refused_by_name(at: InProcess) -> None:
    run = a_year_end(at)

    async def code(wish: Any) -> str:
        with pytest.raises(Refused) as refused:
            await wish
        return refused.value.code

    assert await code(run.propose(2024, "operator-1")) == "YEAR_NOT_OVER"
    at.clock.move(MONDAY.replace(year=2027))
    assert await code(run.propose(2026, "operator-1")) == "RATE_PENDING"
    proposed = await run.propose(2024, "operator-1")
    assert await code(run.propose(2024, "operator-2")) == "YEAR_END_OPEN"
    assert await code(run.approve("nothing", "checker-1")) == "NO_SUCH_RUN"
    at.agency.tables = without(2024)
    assert await code(run.approve(proposed.run_id, "checker-1")) == "RATE_PENDING"
    at.agency.tables = tables()
    await run.approve(proposed.run_id, "checker-1")
    assert await code(run.approve(proposed.run_id, "checker-2")) == "NOT_NOW"
    assert await code(run.drop(proposed.run_id)) == "NOT_NOW"


async def test_a_proposal_can_be_taken_back(at: InProcess) -> None:
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)
    proposed = await run.propose(2024, "operator-1")

    dropped = await run.drop(proposed.run_id)

    assert dropped.state == "dropped"
    assert (await run.propose(2024, "operator-1")).state == "proposed"


async def test_an_account_whose_earlier_rate_is_missing_stops_the_run_by_name_and_it_goes_on_afterwards(at: InProcess) -> None:
    at.agency.tables = without(2023)
    await at.importing(HE)
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)

    stopped = await credited(run, 2024)
    at.agency.tables = tables()
    await run.approve(stopped.run_id, "checker-1")
    ended = await to_its_end(run)

    assert (stopped.state, stopped.looked_at) == ("stopped", 0)
    assert stopped.reason == "RATE_PENDING: the recording rate of 2023 for province 44 is not published yet"
    assert (ended.run_id, ended.state, ended.credited, ended.reason) == (stopped.run_id, "done", 1, "")
    assert [fact.year for fact in await at.facts(InterestCredited)] == [2022, 2023, 2024]
    await expected_fen(at, HE, NEW_YEAR)


async def test_runs_of_two_years_go_one_after_the_other(at: InProcess) -> None:
    await at.importing(HE)
    at.clock.move(NEW_YEAR.replace(year=2026))
    run = a_year_end(at)
    await let_go(run, 2025)
    await let_go(run, 2024)

    await to_its_end(run)

    assert {(each.year, each.state, each.credited) for each in await run.runs()} == {(2024, "done", 1), (2025, "done", 1)}
    assert [fact.year for fact in await at.facts(InterestCredited)] == [2022, 2023, 2024, 2025]


async def test_a_chunk_costs_the_same_few_statements_however_many_accounts_it_holds(at: InProcess) -> None:
    await at.importing(*(somebody(nth) for nth in range(40)))
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)
    await let_go(run, 2024)
    before = list(COUNTS.by_purpose.get("year-end", [0, 0]))

    await run.work()

    statements, commits = (now - then for now, then in zip(COUNTS.by_purpose["year-end"], before, strict=True))
    # The run's row, the accounts that are due, who is leaving, their lines in the books, and all that is written together.
    assert (statements, commits) == (5, 1)


async def test_a_rate_of_the_province_s_own_is_the_one_that_is_credited(at: InProcess) -> None:
    own = replace(tables().recording_rate(2024, "44"), provinces=("44",), rate=Decimal("0.0300"))
    at.agency.tables = replace(tables(), _rate_index={**tables()._rate_index, (2024, "44"): own})
    await at.importing(somebody(rows=(HE.contributions[0],)))
    at.clock.move(NEW_YEAR)

    ended = await credited(a_year_end(at), 2024)

    # 4,959.12 at the end of 2022; × 3.97 % = 196.88 in 2023; 5,156.00 × 3.00 % = 154.68.
    assert ended.interest_fen == 15468


async def test_nobody_new_is_missed_by_the_next_run(at: InProcess) -> None:
    at.clock.move(NEW_YEAR)
    run = a_year_end(at)
    await credited(run, 2024)
    at.agency.tables = without(2024)  # as if the import had come before the rate
    await at.importing(HE)
    at.agency.tables = tables()

    ended = await credited(run, 2024)

    assert (ended.due, ended.credited) == (1, 1)
