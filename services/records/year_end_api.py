"""The year's end over HTTP: one person proposes a year's run, another lets it go, everybody who works here sees how far it is."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Path
from pydantic import Field

from contracts.base import Command, Contract
from services.records.decisions import Refused
from services.records.explaining import refusal
from services.records.year_end import Run, YearEnd
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role

RunId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class YearWish(Command):
    """The year whose interest is to be credited to all accounts."""

    year: int = Field(ge=1998, le=2100)


class RunShown(Contract):
    """A year's run: who let it go, how far it is, what it has credited."""

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


def add_routes(api: FastAPI, year_end: YearEnd, province: str) -> None:
    """Add the routes to the service that keeps the province's records."""
    Maker = Annotated[Caller, Depends(require(province, [Role.OPERATOR, Role.FUND_DESK]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER, Role.FUND_DESK]))]
    Reader = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]

    @api.post("/year-ends", status_code=201)
    async def propose(wish: YearWish, caller: Maker) -> RunShown:
        """Propose to credit a year's interest to all accounts that have not had it."""
        try:
            return _shown(await year_end.propose(wish.year, caller.sub))
        except Refused as error:
            raise _problem(error, field="year") from error

    @api.post("/year-ends/{run_id}/approvals", status_code=202)
    async def approve(run_id: RunId, caller: Checker) -> RunShown:
        """Let a run go, or go on where it stopped: a second person. It works while this answer is already given."""
        try:
            return _shown(await year_end.approve(run_id, caller.sub))
        except Refused as error:
            raise _problem(error) from error

    @api.post("/year-ends/{run_id}/withdrawals")
    async def withdraw(run_id: RunId, _: Maker) -> RunShown:
        """Take a proposal back, or give up a run that stopped; what was credited stays."""
        try:
            return _shown(await year_end.drop(run_id))
        except Refused as error:
            raise _problem(error) from error

    @api.get("/year-ends")
    async def runs(_: Reader) -> list[RunShown]:
        """All runs, the last one first."""
        return [_shown(run) for run in await year_end.runs()]

    @api.get("/year-ends/{run_id}")
    async def run(run_id: RunId, _: Reader) -> RunShown:
        """How far a run is."""
        found = await year_end.runs(run_id)
        if not found:
            raise Problem(404, "NO_SUCH_RUN", "There is no run of this id.", remedy="Look at the list of runs.")
        return _shown(found[0])


def _shown(run: Run) -> RunShown:
    return RunShown(**{name: getattr(run, name) for name in RunShown.model_fields})


def _problem(error: Refused, **more: str) -> Problem:
    return refusal(404 if error.code == "NO_SUCH_RUN" else 409, error, **more)
