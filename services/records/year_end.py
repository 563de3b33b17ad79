"""The year's end: a year's interest for every account of a province, in one run that two persons let go.

The run is a row. It goes from person to person in the order of their references, some hundred a transaction, and writes down in
the same transaction how far it is: broken off anywhere, it goes on there. What stands in a record as its last credited year is
never credited again, so an account gets a year once, however often somebody runs it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog

from contracts.base import SealedForPerson
from contracts.envelope import new_id
from contracts.events import InterestCredited, YearEndBegun, YearEndCompleted
from services.records.agency import Agency
from services.records.commands import one_person
from services.records.decisions import Refused
from services.records.model import SEGMENTS, from_contract
from services.records.vault import Vault
from services.rules.amounts import RatePending, RecordInvalid, complete_years
from services.rules.loader import RateNotPublished, RuleNotInForce, Tables
from services.runtime.database import Database, Transaction, queries

log = structlog.get_logger()

SQL = queries(__file__)

Leaving = Callable[[Transaction, Sequence[str]], Awaitable[Collection[str]]]
"""Says of persons which of them are leaving: what their account held is owed to another province, which credits them now."""

CHUNK = 500  # accounts a transaction: its fixed costs are shared, and nobody waits long for a person or for the books


@dataclass(frozen=True, slots=True)
class Run:
    """A year's run: how far it is, and what it has credited. Money in fen.

    `due` accounts waited for the year when it began; `looked_at` of them were reached, `credited` had something to be credited.
    `state` is proposed, running, stopped (with the `reason`), done, or dropped before it began.
    """

    run_id: str
    year: int
    state: str
    maker: str
    checker: str | None
    due: int
    looked_at: int
    credited: int
    interest_fen: int
    reason: str
    proposed_at: datetime
    began_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Due:
    """One account that waits for a year: what its interest is computed from."""

    person_ref: str
    interest_through: int
    segments: str
    divided: bool  # what has left stands apart; the rows that stayed are counted here


class YearEnd:
    """Runs a province's year end.

    Args:
        database: of the province.
        agency: that says on its journal what is credited.
        told: called after a commit, to wake the relay.
        leaving: who of some persons is leaving and is passed over. Between a form and its payment the relationship is here and
            its money is not; it is credited where it arrives.
        begun: called when a run may go, to wake whoever does the work.
    """

    def __init__(
        self,
        database: Database,
        agency: Agency,
        told: Callable[[], None],
        leaving: Leaving,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._agency = agency
        self._told = told
        self._leaving = leaving
        self.begun = begun

    async def propose(self, year: int, maker: str) -> Run:
        """Somebody proposes a year's run; nothing is credited before a second person approves.

        Raises:
            Refused: YEAR_NOT_OVER, RATE_PENDING, YEAR_END_OPEN while another run of the year is proposed or not at its end.
        """
        agency = self._agency
        today = agency.clock.today()
        if year >= today.year:
            raise Refused("YEAR_NOT_OVER", f"{year} is not over on {today}.", remedy="Run it after the year's end.")
        self._refuse_without_rate(year)
        async with self._database.transaction("year-end-desk") as tx:
            row = await tx.one(SQL["add_year_end"], new_id(), year, maker)
        if row is None:
            said = f"A run of {year} is proposed, under way or stopped."
            raise Refused("YEAR_END_OPEN", said, remedy="Approve it, or wait for its end.")
        return _run(row)

    async def approve(self, run_id: str, checker: str) -> Run:
        """A second person lets a run go, or go on where it stopped.

        Raises:
            Refused: NO_SUCH_RUN, SAME_PERSON, NOT_NOW, RATE_PENDING.
        """
        agency = self._agency
        async with self._database.transaction("year-end-desk") as tx:
            run = await self._open(tx, run_id, ("proposed", "stopped"))
            if run.maker == checker:
                raise one_person("approve the run")
            self._refuse_without_rate(run.year)
            row = await tx.one(SQL["begin_year_end"], run_id, checker)
            assert row is not None, run_id
            begun = YearEndBegun(run_id=run_id, year=run.year, rule_set=agency.tables.version, maker=run.maker, checker=checker)
            await agency.tell(tx, [begun])
        self._told()
        self.begun()
        return _run(row)

    async def drop(self, run_id: str) -> Run:
        """A proposal is taken back before anything was credited; or a run that stopped is given up where it stands.

        Raises:
            Refused: NO_SUCH_RUN, NOT_NOW.
        """
        async with self._database.transaction("year-end-desk") as tx:
            await self._open(tx, run_id, ("proposed", "stopped"))
            row = await tx.one(SQL["end_year_end"], run_id, "dropped", "")
            assert row is not None, run_id
        return _run(row)

    async def runs(self, run_id: str | None = None) -> list[Run]:
        """Every run, or one, the last one first."""
        async with self._database.transaction("look") as tx:
            return [_run(row) for row in await tx.fetch(SQL["year_ends"], run_id)]

    async def work(self) -> int:
        """Credit some hundred accounts of a run that may go; returns 0 when there is nothing left to do."""
        # The look itself is counted apart from the work, for it is done by every service that has none.
        async with self._database.transaction("poll") as tx:
            row = await tx.one(SQL["running_year_end"])
            if row is None:
                return 0
            tx.purpose = "year-end"
            left = await self._chunk(tx, row["run_id"], row["year"], row["after"])
        self._told()
        return left

    async def _chunk(self, tx: Transaction, run_id: str, year: int, after: str) -> int:
        agency, tables = self._agency, self._agency.tables
        due = [_Due(*row) for row in await tx.fetch(SQL["due_accounts"], year, after, CHUNK)]
        if not due:
            await self._finish(tx, run_id)
            return 1  # another year's run may wait
        # Asked with the persons locked, so that no form of theirs can be issued in between.
        away = await self._leaving(tx, [each.person_ref for each in due if not each.divided])
        here = [each for each in due if each.person_ref not in away]
        keys = await agency.vault.keys(each.person_ref for each in here)
        try:
            facts = await asyncio.to_thread(_credits, here, keys, year, agency.province, tables)
        except (RatePending, RecordInvalid, RuleNotInForce) as error:
            # Nobody is passed over: the run stands still until the reason is gone and somebody lets it go on.
            reason = f"{'RATE_PENDING' if isinstance(error, RatePending) else 'RECORD_INVALID'}: {error}"
            await tx.execute(SQL["stop_year_end"], run_id, reason)
            log.warning("year_end.stopped", run_id=run_id, year=year, reason=reason)
            return 0
        interest = sum(fact.interest_fen for fact in facts)
        await agency.tell(tx, facts)
        # Whoever was forgotten has no key and gets nothing; the run goes on behind them.
        known = [each.person_ref for each in here if each.person_ref in keys]
        tx.defer(SQL["credit_persons"], known, year)
        credited = len({fact.person_ref for fact in facts})
        tx.defer(SQL["advance_year_end"], run_id, due[-1].person_ref, len(due), credited, interest)
        return 1

    async def _finish(self, tx: Transaction, run_id: str) -> None:
        row = await tx.one(SQL["end_year_end"], run_id, "done", "")
        assert row is not None, run_id
        run = _run(row)
        completed = YearEndCompleted(
            run_id=run_id,
            year=run.year,
            accounts=run.looked_at,
            interest_fen=run.interest_fen,
            rule_set=self._agency.tables.version,
        )
        await self._agency.tell(tx, [completed])
        tx.after_commit(
            lambda: log.info("year_end.completed", run_id=run_id, year=run.year, accounts=run.looked_at, credited=run.credited)
        )

    async def _open(self, tx: Transaction, run_id: str, states: Sequence[str]) -> Run:
        row = await tx.one(SQL["hold_year_end"], run_id)
        if row is None:
            raise Refused("NO_SUCH_RUN", "There is no run of this id.", remedy="Look at the list of runs.")
        run = _run(row)
        if run.state not in states:
            raise Refused("NOT_NOW", f"The run is {run.state}.", remedy="Look at the run first.")
        return run

    def _refuse_without_rate(self, year: int) -> None:
        try:
            self._agency.tables.recording_rate(year, self._agency.province)
        except RateNotPublished as error:
            raise Refused(
                "RATE_PENDING",
                f"The recording rate of {error.year} is not published yet.",
                legal_basis="社会保险法 第十四条",
                remedy="Import the rate when it is published, then run the year's end.",
            ) from error


def _credits(due: Sequence[_Due], keys: Mapping[str, bytes], year: int, province: str, tables: Tables) -> list[InterestCredited]:
    """What is credited to some accounts: for each the years up to `year` that it has not had, in order."""
    found: list[InterestCredited] = []
    for account in due:
        if account.person_ref not in keys:
            continue
        sealed = SealedForPerson.model_validate_json(account.segments)
        rows = SEGMENTS.validate_json(Vault.open(keys, account.person_ref, sealed))
        segments = tuple(from_contract(segment) for segment in rows)
        by_year: dict[int, int] = {}
        for work in complete_years(segments, year, province, tables):
            if work.year > account.interest_through:
                interest = work.before_1998.interest_fen + work.since_1998.interest_fen
                by_year[work.year] = by_year.get(work.year, 0) + interest
        found.extend(
            InterestCredited(person_ref=account.person_ref, year=each, interest_fen=fen, rule_set=tables.version)
            for each, fen in sorted(by_year.items())
            if fen
        )
    return found


def _run(row: asyncpg.Record) -> Run:
    return Run(
        run_id=row["run_id"],
        year=row["year"],
        state=row["state"],
        maker=row["maker"],
        checker=row["checker"],
        due=row["due"],
        looked_at=row["looked_at"],
        credited=row["credited"],
        interest_fen=row["interest_fen"],
        reason=row["reason"],
        proposed_at=row["proposed_at"],
        began_at=row["began_at"],
        ended_at=row["ended_at"],
    )
