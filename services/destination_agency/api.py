"""The destination agency's HTTP interface: applications, status, decisions, completions, money that goes back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import asyncpg
import orjson
from fastapi import Depends, FastAPI, Query, Response
from pydantic import Field, field_validator

from contracts.base import Command
from services.destination_agency import store
from services.destination_agency.application import TOO_LATE
from services.destination_agency.batches import Batches
from services.destination_agency.case import Refused, State
from services.destination_agency.case_routes import add_case_routes
from services.destination_agency.desk import Desk
from services.destination_agency.intake import Applicant, Application, Taken, take
from services.destination_agency.relocations import Decided, Declaration, decide
from services.destination_agency.showing import listed, shown
from services.records.agency import Agency
from services.records.case_wishes import CaseIdPath, Key
from services.records.commands import CaseList, ListResult
from services.records.explaining import problem, words_of
from services.records.surrender import refuse_surrender
from services.runtime.database import Database
from services.runtime.http import Problem, require
from services.runtime.idempotency import IdempotencyKeys
from services.runtime.identity import STAFF, Caller, Role


class Submission(Command):
    """Up to ten thousand applications at once. Each row is checked by itself, so the rows are taken as they are."""

    rows: list[dict[str, Any]] = Field(min_length=1, max_length=10_000)
    relocation: Declaration | None = Field(default=None, description="an enterprise that moves with its people")

    @field_validator("rows")
    @classmethod
    def _can_be_kept(cls, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse what Python's JSON reads and nobody can write again: half a character, a number without end.

        Raises:
            ValueError: without the value, which may be a person's.
        """
        try:
            orjson.dumps(rows)
        except TypeError:
            raise ValueError("a row holds a text that is not Unicode, or a number that is too large") from None
        return rows


def _relocating(wish: Submission, agency: Agency) -> Decided | None:
    if wish.relocation is None:
        return None
    try:
        return decide(wish.relocation, wish.rows, agency)
    except Refused as error:
        raise Problem(422, error.code, error.detail, legal_basis=error.legal_basis, remedy=error.remedy) from error


@dataclass(frozen=True, slots=True)
class Office:
    """Everything the routes act with."""

    database: Database
    agency: Agency
    desk: Desk
    ring_funds: Callable[[], None]
    batches: Batches
    told: Callable[[], None]


def add_routes(api: FastAPI, office: Office, province: str) -> None:
    """Add the agency's routes."""
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Fund = Annotated[Caller, Depends(require(province, [Role.FUND_DESK]))]
    Staff = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]
    Applying = Annotated[Caller, Depends(require(province, [Role.INSURED, Role.EMPLOYER, Role.MAKER]))]
    Submitting = Annotated[Caller, Depends(require(province, [Role.EMPLOYER, Role.MAKER]))]
    Anyone = Annotated[Caller, Depends(require(province, list(Role)))]
    keys = IdempotencyKeys("destination_agency")

    def refused(status: int, code: str, detail: str = "", **more: Any) -> Problem:
        """A refusal with the words of the day."""
        return problem(office.agency.tables, office.agency.clock.today(), status, code, detail, **more)

    async def once(key: str | None, caller: Caller, body: str, act: Callable[[], Any]) -> ListResult:
        """Act once for an idempotency key. A list is safe to repeat, so its answer is kept after the act."""
        if key is not None:
            async with office.database.transaction("idempotency") as tx:
                known = await keys.answered(tx, key, caller.sub, body)
            if known is not None:
                return ListResult.model_validate(known, strict=False)
        try:
            result: ListResult = await act()
        except Refused as error:
            raise Problem(422, error.code, error.detail, legal_basis=error.legal_basis, remedy=error.remedy) from error
        if key is not None:
            async with office.database.transaction("idempotency") as tx:
                await keys.keep(tx, key, caller.sub, body, result.model_dump(mode="json"))
        return result

    add_case_routes(api, office, province, once)

    @api.post("/applications", status_code=201)
    async def apply(wish: Application, caller: Applying, response: Response, key: Key = None) -> dict[str, Any]:
        """Apply to bring a relationship here. It costs nothing; an open application is answered with its case."""
        try:
            status, answer = await hand_in(wish, caller, key)
        except asyncpg.UniqueViolationError:
            # Another window was faster by a moment; now its case is there to be answered with.
            status, answer = await hand_in(wish, caller, key)
        response.status_code = status
        return answer

    async def hand_in(wish: Application, caller: Caller, key: str | None) -> tuple[int, dict[str, Any]]:
        body = wish.model_dump_json()
        async with office.database.transaction("application") as tx:
            known = await keys.answered(tx, key, caller.sub, body)
            if known is not None:
                return 200, known
            [taken] = await take(tx, office.agency, [wish], _applicant(caller), channel="single")
            answer = asdict(taken)
            if taken.result == "accepted":
                await keys.keep(tx, key, caller.sub, body, answer)
        office.told()
        if taken.code == "DUPLICATE_APPLICATION":
            return 200, answer
        if taken.result == "refused":
            raise _refused(taken)
        return 201, answer

    @api.post("/application-batches", status_code=202)
    async def submit(wish: Submission, caller: Submitting, key: Key = None) -> dict[str, Any]:
        """Hand in up to ten thousand applications; they are worked off in the background, good rows at once."""
        body = wish.model_dump_json()
        async with office.database.transaction("submission") as tx:
            known = await keys.answered(tx, key, caller.sub, body)
            if known is not None:
                return known
            applied_by: Literal["employer", "clerk"] = "employer" if Role.EMPLOYER in caller.roles else "clerk"
            decided = _relocating(wish, office.agency)
            batch_id = await office.batches.keep(tx, wish.rows, caller.sub, applied_by, decided)
            answer = {"batch_id": batch_id, "total": len(wish.rows), "relocation": decided.shown() if decided else None}
            await keys.keep(tx, key, caller.sub, body, answer)
        office.batches.wake()
        if wish.relocation is not None:
            office.told()
        return answer

    async def own_batch(batch_id: str, caller: Caller) -> Any:
        async with office.database.transaction("batch-state") as tx:
            row = await tx.one(store.SQL["batch_state"], batch_id)
        if row is None or (Role.EMPLOYER in caller.roles and row["sub"] != caller.sub):
            raise Problem(404, "NO_SUCH_BATCH", "There is no submission of this id.")
        return row

    @api.get("/application-batches/{batch_id}")
    async def batch(batch_id: CaseIdPath, caller: Submitting) -> dict[str, Any]:
        """How far a submission is."""
        row = await own_batch(batch_id, caller)
        return {
            "batch_id": batch_id,
            "total": row["total"],
            "handled": row["handled"],
            "accepted": row["handled"] - row["refused"],
            "refused": row["refused"],
            "state": "done" if row["handled"] >= row["total"] else "running",
            "relocation": orjson.loads(row["relocation"]) if row["relocation"] else None,
        }

    @api.get("/application-batches/{batch_id}/rows")
    async def batch_rows(
        batch_id: CaseIdPath,
        caller: Submitting,
        result: Literal["accepted", "refused"] | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> list[dict[str, Any]]:
        """What became of each row, by row number."""
        await own_batch(batch_id, caller)
        async with office.database.transaction("batch-rows") as tx:
            rows = await tx.fetch(store.SQL["batch_rows"], batch_id, result, after, limit)
        tables, today = office.agency.tables, office.agency.clock.today()
        words = {code: words_of(tables, code, today) for code in {row["code"] for row in rows} if code}
        return [{**row, **words.get(row["code"], {})} for row in rows]

    @api.get("/cases")
    async def cases(
        _: Staff,
        state: Annotated[list[State] | None, Query()] = None,
        overdue: bool = False,
        surplus: bool = False,
        unanswered: bool = False,
        escalated: bool = False,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> list[dict[str, Any]]:
        """The work list, the most urgent first.

        `overdue` asks for what is open and too late, `unanswered` for questions of an origin that wait for our answer,
        `escalated` for what supervisors were told of.
        """
        states = [str(item) for item in state] if state else None
        async with office.database.transaction("list") as tx:
            rows = await tx.fetch(store.SQL["list_cases"], states, overdue, surplus, limit, unanswered, escalated)
        return [listed(office.agency, dict(row)) for row in rows]

    @api.get("/cases/{case_id}")
    async def case(case_id: CaseIdPath, caller: Anyone) -> dict[str, Any]:
        """Where a transfer is: for the person and whoever applied, and for the staff."""
        async with office.database.transaction("look") as tx:
            found = await store.look(tx, office.agency.vault, province, case_id)
        owner = found is not None and caller.person_ref == found.person_ref
        applicant = found is not None and caller.sub == found.applicant
        staff = bool(caller.roles & (STAFF | {Role.AUDITOR}))
        if found is None or not (owner or applicant or staff):
            raise Problem(404, "NO_SUCH_CASE", "There is no case of this id that you may see.", remedy="Check the case id.")
        return shown(office.agency, found, amounts=owner or staff)

    @api.post("/cases/{case_id}/withdrawal")
    async def withdraw(case_id: CaseIdPath, caller: Anyone) -> ListResult:
        """Withdraw an application, while the origin has not approved the information form."""
        async with office.database.transaction("look") as tx:
            found = await store.look(tx, office.agency.vault, province, case_id)
        if found is None or not (caller.person_ref == found.person_ref or caller.sub == found.applicant):
            raise Problem(404, "NO_SUCH_CASE", "There is no case of this id that you may withdraw.")
        result = await office.desk.withdraw(case_id, caller.sub)
        if result.refused:
            row = result.rows[0]
            if found.state in TOO_LATE:
                raise refused(409, "WITHDRAWAL_TOO_LATE")
            raise refused(409, row.code or "", row.detail or "", legal_basis=row.legal_basis, remedy=row.remedy)
        return result

    @api.post("/admissions/proposals")
    async def propose_admissions(wish: CaseList, caller: Maker, key: Key = None) -> ListResult:
        """A maker looks at applications; the rules say what is proposed."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.propose_admissions(wish.case_ids, caller.sub))

    @api.post("/admissions/approvals")
    async def approve_admissions(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: contact letters and written refusals leave."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.approve_admissions(wish.case_ids, caller.sub))

    @api.post("/completions/proposals")
    async def propose_completions(wish: CaseList, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to book cases whose form and money agree."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.propose_completions(wish.case_ids, caller.sub))

    @api.post("/completions/approvals")
    async def approve_completions(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: months and amounts are booked."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.approve_completions(wish.case_ids, caller.sub))

    @api.post("/surpluses/proposals")
    async def propose_sending_back(wish: CaseList, caller: Fund, key: Key = None) -> ListResult:
        """The fund desk proposes to give back what was paid twice or too much."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: office.desk.propose_sending_back(wish.case_ids, caller.sub)
        )

    @api.post("/surpluses/approvals")
    async def approve_sending_back(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A second person approves; the bank is given its money back."""
        result = await once(
            key, caller, wish.model_dump_json(), lambda: office.desk.approve_sending_back(wish.case_ids, caller.sub)
        )
        office.ring_funds()
        return result

    @api.post("/surrenders")
    async def surrender(_: Anyone) -> None:
        """Ask to cash out (退保): always refused, with Art. 3."""
        refuse_surrender(office.agency.tables, office.agency.clock.today())


def _applicant(caller: Caller) -> Applicant:
    if Role.MAKER in caller.roles:
        return Applicant(caller.sub, "clerk")
    if Role.EMPLOYER in caller.roles:
        return Applicant(caller.sub, "employer")
    return Applicant(caller.sub, "person", caller.person_ref)


def _refused(taken: Taken) -> Problem:
    assert taken.code is not None
    return Problem(
        403 if taken.code == "NOT_YOUR_RECORD" else 422,
        taken.code,
        taken.detail or "",
        field=taken.field,
        legal_basis=taken.legal_basis,
        remedy=taken.remedy or "Correct the named field and apply again.",
        detail_zh=taken.detail_zh,
        remedy_zh=taken.remedy_zh,
    )
