"""Corrections of records over HTTP: an operator proposes a year as it is to be, a checker approves."""

from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path
from pydantic import Field

from contracts.base import Command, Contract, DivisionCode, MonthText, Rate, SignedFen
from services.records.commands import CASE_ID, ListResult
from services.records.corrections import Corrections, PaidOnMissing
from services.records.decisions import Refused
from services.records.explaining import refusal
from services.rules.amounts import Participant, RecordInvalid, RowKind, RowStatus, YearRow
from services.rules.months import Month, MonthInvalid
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role

CorrectionId = Annotated[str, Path(pattern=CASE_ID)]


class Row(Command):
    """Months of one place and one year with the same wage, as they are to be."""

    division: DivisionCode
    start: MonthText
    end: MonthText
    monthly_wage_fen: int = Field(ge=0, strict=True)
    employer_rate: Rate
    status: Literal["paid", "arrears", "deemed"] = "paid"
    kind: Literal["normal", "temporary", "one_off", "deferred"] = "normal"
    paid_on: date | None = None
    note: str = Field(default="", max_length=200)
    participant: Literal["employee", "flexible"] = "employee"

    def as_year_row(self) -> YearRow:
        """The row as the rules compute it.

        Raises:
            RecordInvalid, MonthInvalid: when it cannot be.
        """
        return YearRow(
            division=self.division,
            start=Month.parse(self.start),
            end=Month.parse(self.end),
            monthly_wage_fen=self.monthly_wage_fen,
            employer_rate=Decimal(self.employer_rate),
            status=RowStatus(self.status),
            kind=RowKind(self.kind),
            paid_on=self.paid_on,
            note=self.note,
            participant=Participant(self.participant),
        )


class CorrectionWish(Command):
    """One year of one person as it is to be; all rows of the year that this province collected."""

    person_ref: str = Field(min_length=36, max_length=36)
    year: int = Field(ge=1950, le=2100)
    rows: tuple[Row, ...] = Field(max_length=50)
    reason: str = Field(min_length=3, max_length=300, description="why, in words; never a person's data")


class CorrectionProposed(Contract):
    """What the proposed correction would change, in fen."""

    correction_id: str
    account_difference_fen: SignedFen
    interest_difference_fen: SignedFen
    pool_difference_fen: SignedFen


class CorrectionList(Command):
    """Corrections to approve."""

    correction_ids: tuple[Annotated[str, Field(pattern=CASE_ID)], ...] = Field(min_length=1, max_length=500)


def add_routes(api: FastAPI, corrections: Corrections, province: str) -> None:
    """Add the routes to the service that keeps the province's records."""
    Maker = Annotated[Caller, Depends(require(province, [Role.OPERATOR]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Reader = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]

    @api.post("/records/corrections", status_code=201)
    async def propose(wish: CorrectionWish, caller: Maker) -> CorrectionProposed:
        """Propose a year of a person's record as it is to be; the answer says what that changes."""
        try:
            rows = [row.as_year_row() for row in wish.rows]
            correction_id, found = await corrections.propose(wish.person_ref, wish.year, rows, caller.sub, reason=wish.reason)
        except (RecordInvalid, MonthInvalid) as error:
            raise Problem(422, "RECORD_INVALID", str(error), field="rows", remedy="Correct the rows.") from error
        except PaidOnMissing as error:
            raise refusal(422, error, field=error.field) from error
        except Refused as error:
            raise _problem(error) from error
        return CorrectionProposed(
            correction_id=correction_id,
            account_difference_fen=found.principal_fen,
            interest_difference_fen=found.interest_fen,
            pool_difference_fen=found.pool_fen,
        )

    @api.post("/records/corrections/approvals")
    async def approve(wish: CorrectionList, caller: Checker) -> ListResult:
        """Approve corrections: records change, differences are booked. A row's id is that of the correction."""
        return await corrections.approve(wish.correction_ids, caller.sub)

    @api.post("/records/corrections/{correction_id}/withdrawals")
    async def drop(correction_id: CorrectionId, caller: Maker) -> dict[str, str]:
        """Take a proposal back."""
        try:
            await corrections.drop(correction_id, caller.sub)
        except Refused as error:
            raise _problem(error) from error
        return {"correction_id": correction_id, "state": "dropped"}

    @api.get("/records/corrections")
    async def listed(_: Reader, waiting: bool = True) -> list[dict[str, Any]]:
        """The corrections that wait for their approval, or all; no rows, for those are the person's."""
        return [asdict(each) for each in await corrections.list(waiting=waiting)]


def _problem(error: Refused) -> Problem:
    return refusal(404 if error.code in ("NO_RELATIONSHIP", "NO_SUCH_CORRECTION") else 409, error)
