"""The origin's routes for what a case may need beside its smooth course: amend, recall, ask, deaths, arrears, escalate."""

from datetime import date
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI
from pydantic import Field

from contracts.base import Command
from services.origin_agency.afterwards import Afterwards
from services.origin_agency.case import GivenPaper
from services.origin_agency.correspondence import Correspondence
from services.origin_agency.desk import Desk
from services.records.case_wishes import Answering, Asking, CaseIdPath, Deaths, Key, Once
from services.records.commands import CaseList, ListResult
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role


class Desks(Protocol):
    """Where the routes find the desks."""

    @property
    def desk(self) -> Desk:
        """Letters, forms, remittances, clocks."""

    @property
    def afterwards(self) -> Afterwards:
        """What comes after the form."""

    @property
    def correspondence(self) -> Correspondence:
        """Questions and answers."""


class Amendments(CaseList):
    """Forms that a maker proposes to replace by ones made from the records of today."""

    reason: str = Field(min_length=3, max_length=300, description="why, in words; never a person's data")


class Recalls(CaseList):
    """Completed transfers that a maker proposes to ask back."""

    code: str = Field(min_length=1, max_length=60, description="a code of the refusals table that is used for recalls")
    reason: str = Field(min_length=3, max_length=300, description="why, in words; never a person's data")


class PaperGiven(Command):
    """A paper in the agency's file that lets a one-off back payment move; the person is never asked for it (S-94 item 8)."""

    kind: str = Field(min_length=1, max_length=40, description="a code of the papers table")
    dated: date
    issuer: str = Field(min_length=1, max_length=40)
    proves_from: str = Field(default="", pattern=r"^(\d{4}-\d{2})?$", description="first month that it proves; empty: all")
    proves_to: str = Field(default="", pattern=r"^(\d{4}-\d{2})?$")


class NotMovableNotices(CaseList):
    """Whom to tell what cannot move, and what is in the file for it by now."""

    papers: tuple[PaperGiven, ...] = Field(default=(), max_length=50)


class ArrearsNotices(CaseList):
    """Whom to tell which months are unpaid."""

    pay_until: date


def add_case_routes(api: FastAPI, office: Desks, province: str, once: Once) -> None:
    """Add the routes.

    Args:
        once: acts once for an idempotency key.
    """
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Clerk = Annotated[Caller, Depends(require(province, [Role.MAKER, Role.CHECKER]))]
    Staff = Annotated[Caller, Depends(require(province, list(STAFF)))]

    @api.post("/amendments/proposals")
    async def propose_amendments(wish: Amendments, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to replace forms that are out, paid or not, by ones made from the records of today."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.afterwards.propose_amendments(wish.case_ids, caller.sub, reason=wish.reason),
        )

    @api.post("/amendments/approvals")
    async def approve_amendments(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the next version is issued and the difference booked; what is owed more can be remitted."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: office.afterwards.approve_amendments(wish.case_ids, caller.sub)
        )

    @api.post("/recalls/proposals")
    async def propose_recalls(wish: Recalls, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to ask completed transfers back."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.afterwards.propose_recalls(wish.case_ids, caller.sub, code=wish.code, reason=wish.reason),
        )

    @api.post("/recalls/approvals")
    async def approve_recalls(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: destinations are asked to give the transfers back."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: office.afterwards.approve_recalls(wish.case_ids, caller.sub)
        )

    @api.post("/questions")
    async def ask(wish: Asking, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk asks the other agency; no clock stands for it."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.correspondence.ask(wish.case_id, caller.sub, kind=wish.kind, text=wish.text),
        )

    @api.post("/answers")
    async def answer(wish: Answering, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk answers a question of the other agency."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.correspondence.answer(
                wish.case_id, caller.sub, question_id=wish.question_id, text=wish.text, confirms=wish.confirms
            ),
        )

    @api.get("/cases/{case_id}/questions")
    async def questions(case_id: CaseIdPath, _: Staff) -> list[dict[str, Any]]:
        """The questions of a case and their answers, with their words."""
        found = await office.correspondence.questions(case_id)
        if found is None:
            raise Problem(404, "NO_SUCH_CASE", "This agency has no case of this id.", remedy="Check the case id.")
        return found

    @api.post("/deaths")
    async def report_deaths(wish: Deaths, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk notes the death of a person; what stands in the books decides which agency settles."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.afterwards.report_deaths(
                wish.case_ids, caller.sub, died_on=wish.died_on, reported_by=wish.reported_by
            ),
        )

    @api.post("/settlements/proposals")
    async def propose_settlements(wish: CaseList, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to settle the accounts of persons who have died, for their heirs."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: office.afterwards.propose_settlements(wish.case_ids, caller.sub)
        )

    @api.post("/settlements/approvals")
    async def approve_settlements(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: what the books hold is owed to the heirs, and the relationship ends."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: office.afterwards.approve_settlements(wish.case_ids, caller.sub)
        )

    @api.post("/notices/proposals")
    async def propose_notices(wish: NotMovableNotices, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to tell persons in writing what cannot move, before the form; the form tells whoever was not told."""
        papers = tuple(GivenPaper(**paper.model_dump(mode="json")) for paper in wish.papers)
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.desk.propose_notices(wish.case_ids, caller.sub, papers=papers),
        )

    @api.post("/notices/approvals")
    async def approve_notices(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the written notice goes out, for which there are ten working days from the letter."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.approve_notices(wish.case_ids, caller.sub))

    @api.post("/arrears")
    async def notify_arrears(wish: ArrearsNotices, caller: Maker, key: Key = None) -> ListResult:
        """A maker has persons told in writing which months are unpaid, and until when they can be paid."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.desk.notify_arrears(wish.case_ids, caller.sub, pay_until=wish.pay_until),
        )

    @api.post("/escalations")
    async def escalate(wish: CaseList, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk tells the supervisors of both agencies of overdue cases."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.escalate(wish.case_ids, caller.sub))
