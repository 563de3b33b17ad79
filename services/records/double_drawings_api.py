"""Double drawings over HTTP, at the place whose relationship is cleared: a maker proposes the settlement, a checker approves."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path
from pydantic import Field

from contracts.base import Command, Contract, Fen
from services.records.commands import CASE_ID, ListResult
from services.records.decisions import Refused
from services.records.double_drawings import DoubleDrawings, Facts
from services.records.explaining import refusal
from services.rules.double_drawing import DoubleDrawing
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role

SettlementId = Annotated[str, Path(pattern=CASE_ID)]


class DoubleDrawingWish(Command):
    """The two pensions of a person who keeps another place's (S-5 item 5). Amounts are in fen."""

    person_ref: str = Field(min_length=36, max_length=36)
    keeps: str = Field(pattern=r"^\d{2}$", description="the province whose pension the person keeps")
    kept_monthly_fen: int = Field(ge=0, strict=True, description="the kept pension, a month")
    monthly_fen: int = Field(ge=0, strict=True, description="the pension of this place, a month")
    paid_twice_fen: int = Field(ge=0, strict=True, description="what this place has paid since the second pension began")
    repaid_fen: int = Field(default=0, ge=0, strict=True, description="what the person has paid back of it")
    agreed_monthly_fen: int | None = Field(
        default=None, ge=1, strict=True, description="taken from the kept pension each month by a repayment agreement"
    )


class DoubleDrawingProposed(Contract):
    """What the proposed settlement comes to today, in fen; `reasons` say why, in both languages."""

    settlement_id: str
    overpaid_fen: Fen
    repaid_fen: Fen
    set_off_fen: Fen
    paid_out_fen: Fen
    deduction_months: int
    deduction_monthly_fen: Fen
    deduction_last_fen: Fen
    reasons: tuple[dict[str, str], ...]


class DoubleDrawingList(Command):
    """Settlements to approve."""

    settlement_ids: tuple[Annotated[str, Field(pattern=CASE_ID)], ...] = Field(min_length=1, max_length=500)


def add_routes(api: FastAPI, settlements: DoubleDrawings, province: str) -> None:
    """Add the routes to the service that keeps the province's records."""
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Reader = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]

    @api.post("/records/double-drawings", status_code=201)
    async def propose(wish: DoubleDrawingWish, caller: Maker) -> DoubleDrawingProposed:
        """Propose how a double drawing is settled; the answer says where every fen of it comes from."""
        facts = Facts.model_validate(wish.model_dump(exclude={"person_ref"}))
        try:
            settlement_id, found = await settlements.propose(wish.person_ref, facts, caller.sub)
        except Refused as error:
            raise _problem(error) from error
        return _shown(settlement_id, found)

    @api.post("/records/double-drawings/approvals")
    async def approve(wish: DoubleDrawingList, caller: Checker) -> ListResult:
        """Approve: the account pays what was drawn twice, the rest is owed to the person, the relationship here ends."""
        return await settlements.approve(wish.settlement_ids, caller.sub)

    @api.post("/records/double-drawings/{settlement_id}/withdrawals")
    async def drop(settlement_id: SettlementId, caller: Maker) -> dict[str, str]:
        """Take a proposal back."""
        try:
            await settlements.drop(settlement_id, caller.sub)
        except Refused as error:
            raise _problem(error) from error
        return {"settlement_id": settlement_id, "state": "dropped"}

    @api.get("/records/double-drawings")
    async def listed(_: Reader, waiting: bool = True) -> list[dict[str, Any]]:
        """The settlements that wait for their approval, or all; no amounts, for those are the person's."""
        return [asdict(each) for each in await settlements.list(waiting=waiting)]


def _shown(settlement_id: str, found: DoubleDrawing) -> DoubleDrawingProposed:
    deductions = found.deductions
    return DoubleDrawingProposed(
        settlement_id=settlement_id,
        overpaid_fen=found.overpaid_fen,
        repaid_fen=found.repaid_fen,
        set_off_fen=found.set_off_fen,
        paid_out_fen=found.paid_out_fen,
        deduction_months=deductions.months if deductions else 0,
        deduction_monthly_fen=deductions.monthly_fen if deductions else 0,
        deduction_last_fen=deductions.last_fen if deductions else 0,
        reasons=tuple(
            {"code": each.code, "zh-CN": each.text_zh, "en": each.text_en, "legal_basis": each.legal_basis}
            for each in found.reasons
        ),
    )


def _problem(error: Refused) -> Problem:
    return refusal(404 if error.code in ("NO_RELATIONSHIP", "NO_SUCH_SETTLEMENT") else 409, error)
