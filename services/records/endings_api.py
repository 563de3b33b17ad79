"""Ending a relationship over HTTP: application, written notice, written confirmation, pay-out by two persons; or keeping it."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path
from pydantic import Field

from contracts.base import Command, Contract
from services.records.commands import CASE_ID, ListResult
from services.records.decisions import Refused
from services.records.endings import Endings, Wish
from services.records.explaining import refusal
from services.rules.endings import EndingStep, Ground
from services.rules.pension_tables import Category
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role

EndingId = Annotated[str, Path(pattern=CASE_ID)]


class Asked(Command):
    """Whose relationship might end, and why."""

    person_ref: str = Field(min_length=36, max_length=36)
    ground: Ground
    months: int | None = Field(default=None, ge=0, le=1200, description="too few years: months of all places; else the record's")
    category: Category | None = Field(default=None, description="too few years: whose statutory age counts")


class Applying(Asked):
    """The person's written application."""

    applied_on: date | None = Field(
        default=None, description="of the paper, where a clerk takes it in; today where it is left out"
    )


class Confirming(Command):
    """The person's written confirmation."""

    confirmed_on: date | None = Field(
        default=None, description="of the paper, where a clerk takes it in; today where it is left out"
    )


class EndingList(Command):
    """Wishes to act on."""

    ending_ids: tuple[Annotated[str, Field(pattern=CASE_ID)], ...] = Field(min_length=1, max_length=500)


class Assessed(Contract):
    """What would come of a wish: `step` is what comes next, with every reason in words."""

    step: EndingStep
    reasons: tuple[dict[str, str], ...]


def add_routes(api: FastAPI, endings: Endings, province: str, today: Callable[[], date]) -> None:
    """Add the routes to the service that keeps the province's records.

    Args:
        today: gives the day by the agency's clock.
    """
    Own = Annotated[Caller, Depends(require(province, [Role.INSURED, Role.MAKER]))]
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Reader = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]

    @api.post("/records/endings/assessments")
    async def assess(wish: Asked, caller: Own) -> Assessed:
        """Ask what would come of ending a relationship: settling abroad keeps everything, a wish alone is refused."""
        _own_record(caller, wish.person_ref)
        try:
            found = await endings.assess(wish.person_ref, wish.ground, months=wish.months, category=wish.category)
        except Refused as error:
            raise _problem(error) from error
        reasons = (
            {"code": each.code, "zh-CN": each.text_zh, "en": each.text_en, "legal_basis": each.legal_basis}
            for each in found.reasons
        )
        return Assessed(step=found.step, reasons=tuple(reasons))

    @api.post("/records/endings", status_code=201)
    async def apply(wish: Applying, caller: Own) -> dict[str, Any]:
        """Take in the person's written application to end the relationship; nothing ends by it."""
        _own_record(caller, wish.person_ref)
        try:
            found = await endings.apply(
                wish.person_ref,
                wish.ground,
                caller.sub,
                applied_on=_day(caller, wish.applied_on, today()),
                months=wish.months,
                category=wish.category,
            )
        except Refused as error:
            raise _problem(error) from error
        return _shown(found)

    @api.post("/records/endings/notices")
    async def notify(wish: EndingList, caller: Maker) -> ListResult:
        """Tell persons in writing that they may keep the account, and what ending it means."""
        return await endings.notify(wish.ending_ids, caller.sub)

    @api.post("/records/endings/{ending_id}/confirmation")
    async def confirm(ending_id: EndingId, wish: Confirming, caller: Own) -> dict[str, str]:
        """Take in the person's written confirmation, which answers the notice."""
        day = _day(caller, wish.confirmed_on, today())
        try:
            await endings.confirm(ending_id, caller.sub, confirmed_on=day, person_ref=_person(caller))
        except Refused as error:
            raise _problem(error) from error
        return {"ending_id": ending_id, "state": "confirmed"}

    @api.post("/records/endings/{ending_id}/withdrawal")
    async def withdraw(ending_id: EndingId, caller: Own) -> dict[str, str]:
        """Keep the account after all, at any time before it is paid out."""
        try:
            await endings.withdraw(ending_id, caller.sub, person_ref=_person(caller))
        except Refused as error:
            raise _problem(error) from error
        return {"ending_id": ending_id, "state": "withdrawn"}

    @api.post("/records/endings/proposals")
    async def propose(wish: EndingList, caller: Maker) -> ListResult:
        """Propose to pay accounts out, after notice and confirmation."""
        return await endings.propose(wish.ending_ids, caller.sub)

    @api.post("/records/endings/approvals")
    async def approve(wish: EndingList, caller: Checker) -> ListResult:
        """Approve: what the books hold is owed to the person, and the relationship ends."""
        return await endings.approve(wish.ending_ids, caller.sub)

    @api.get("/records/endings")
    async def listed(_: Reader, open_only: bool = True) -> list[dict[str, Any]]:
        """The wishes that are open, or all."""
        return [_shown(each) for each in await endings.wishes(open_only=open_only)]


def _person(caller: Caller) -> str | None:
    """Whose wishes the caller may speak of: the own ones, or as a clerk anybody's."""
    return None if Role.MAKER in caller.roles else caller.person_ref or ""


def _own_record(caller: Caller, person_ref: str) -> None:
    own = _person(caller)
    if own is not None and own != person_ref:
        raise Problem(403, "NOT_YOUR_RECORD", "A person may ask for the own record alone.")


def _day(caller: Caller, given: date | None, today: date) -> date:
    """The day of a paper that a clerk takes in; what the person says here is said today."""
    return today if given is None or Role.MAKER not in caller.roles else given


def _shown(wish: Wish) -> dict[str, Any]:
    return {key: value for key, value in asdict(wish).items() if value is not None}


_STATUS = {"NO_RELATIONSHIP": 404, "NO_SUCH_ENDING": 404, "SURRENDER_NOT_ALLOWED": 403, "CLOSING_FOR_INACTIVITY_NOT_ALLOWED": 403}


def _problem(error: Refused) -> Problem:
    return refusal(_STATUS.get(error.code, 409), error)
