"""What is done with a person's record beside any transfer, over HTTP: deaths and their settlement, holds of courts and audits."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI
from pydantic import Field

from contracts.base import Command
from services.records.commands import CASE_ID, ListResult
from services.records.deaths import Deaths
from services.records.decisions import Refused
from services.records.explaining import refusal
from services.records.holds import Holds
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role

Ref = Annotated[str, Field(min_length=36, max_length=36)]
Words = Annotated[str, Field(min_length=3, max_length=300, description="why, in words; never a person's data")]


class Death(Command):
    """The death of somebody who has no transfer under way."""

    person_ref: Ref
    died_on: date
    reported_by: Literal["family", "clerk", "registry"] = "clerk"


class Persons(Command):
    """Persons whose accounts are settled with their heirs."""

    person_refs: tuple[Ref, ...] = Field(min_length=1, max_length=500)


class HoldWish(Command):
    """An account that a court or an audit holds."""

    person_ref: Ref
    ordered_by: Literal["court", "audit"]
    reason: Words


class HoldList(Command):
    """Holds to act on."""

    hold_ids: tuple[Annotated[str, Field(pattern=CASE_ID)], ...] = Field(min_length=1, max_length=500)


class Releases(HoldList):
    """Holds that a maker proposes to release."""

    reason: Words


def add_routes(api: FastAPI, deaths: Deaths, holds: Holds, province: str) -> None:
    """Add the routes to the service that keeps the province's records."""
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Clerk = Annotated[Caller, Depends(require(province, [Role.MAKER, Role.CHECKER]))]
    Reader = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]

    @api.post("/records/deaths", status_code=201)
    async def report(wish: Death, caller: Clerk) -> dict[str, str | None]:
        """Note the death of somebody who has no transfer under way; with a transfer it is reported in the case."""
        try:
            noted = await deaths.report(wish.person_ref, caller.sub, died_on=wish.died_on, reported_by=wish.reported_by)
        except Refused as error:
            raise _problem(error) from error
        return {
            "person_ref": noted.person_ref,
            "died_on": noted.died_on.isoformat(),
            "report_due_on": noted.report_due_on.isoformat() if noted.report_due_on else None,
        }

    @api.post("/records/settlements/proposals")
    async def propose(wish: Persons, caller: Maker) -> ListResult:
        """Propose to settle accounts with the heirs. A row's id is the person's reference."""
        return await deaths.propose(wish.person_refs, caller.sub)

    @api.post("/records/settlements/approvals")
    async def approve(wish: Persons, caller: Checker) -> ListResult:
        """Approve: what the books hold is owed to the heirs, and the relationship ends."""
        return await deaths.approve(wish.person_refs, caller.sub)

    @api.get("/records/settlements")
    async def settlements(_: Reader, open_only: bool = True) -> list[dict[str, Any]]:
        """The settlements that wait for their approval, or all."""
        return [asdict(each) for each in await deaths.settlements(open_only=open_only)]

    @api.post("/records/holds/proposals", status_code=201)
    async def propose_hold(wish: HoldWish, caller: Maker) -> dict[str, str]:
        """Propose to hold an account, for a court or an audit orders it."""
        try:
            hold_id = await holds.propose(wish.person_ref, caller.sub, ordered_by=wish.ordered_by, reason=wish.reason)
        except Refused as error:
            raise _problem(error) from error
        return {"hold_id": hold_id, "state": "proposed"}

    @api.post("/records/holds/approvals")
    async def approve_hold(wish: HoldList, caller: Checker) -> ListResult:
        """Approve: nothing of the account moves until it is released."""
        return await holds.approve(wish.hold_ids, caller.sub)

    @api.post("/records/holds/releases/proposals")
    async def propose_release(wish: Releases, caller: Maker) -> ListResult:
        """Propose to release accounts."""
        return await holds.propose_release(wish.hold_ids, caller.sub, reason=wish.reason)

    @api.post("/records/holds/releases/approvals")
    async def approve_release(wish: HoldList, caller: Checker) -> ListResult:
        """Approve: the accounts are free again, and the clocks that stood run on."""
        return await holds.approve_release(wish.hold_ids, caller.sub)

    @api.get("/records/holds")
    async def listed(_: Reader, open_only: bool = True) -> list[dict[str, Any]]:
        """The holds that are open, or all."""
        return [asdict(each) for each in await holds.holds(open_only=open_only)]


def _problem(error: Refused) -> Problem:
    return refusal(404 if error.code == "NO_RELATIONSHIP" else 409, error)
