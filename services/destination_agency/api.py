"""The destination agency's HTTP interface: applications, status, decisions, completions, money that goes back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import asyncpg
import orjson
from fastapi import Depends, FastAPI, Header, Path, Query, Response
from pydantic import Field, field_validator

from contracts.base import Command
from services.destination_agency import store
from services.destination_agency.batches import Batches
from services.destination_agency.case import Case, State
from services.destination_agency.desk import Desk
from services.destination_agency.intake import Applicant, Application, Taken, take
from services.records.agency import Agency
from services.records.commands import CASE_ID, CaseList, ListResult
from services.records.surrender import refuse_surrender
from services.rules.deadlines import working_days_between
from services.rules.statuses import StatusCode
from services.runtime.database import Database
from services.runtime.http import Problem, require
from services.runtime.idempotency import IdempotencyKeys
from services.runtime.identity import STAFF, Caller, Role

CaseIdPath = Annotated[str, Path(pattern=CASE_ID)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=128)]


class Submission(Command):
    """Up to ten thousand applications at once. Each row is checked by itself, so the rows are taken as they are."""

    rows: list[dict[str, Any]] = Field(min_length=1, max_length=10_000)

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


@dataclass(frozen=True, slots=True)
class Office:
    """Everything the routes act with."""

    database: Database
    agency: Agency
    desk: Desk
    ring_funds: Callable[[], None]
    batches: Batches
    told: Callable[[], None]


_REMEDIES = {
    "ID_NUMBER_INVALID": "Check the identity number on the card.",
    "UNKNOWN_PROVINCE": "Give the six digits of the former place's division code.",
    "WRONG_DESTINATION": "Apply at the agency of the new place.",
    "PROVINCE_NOT_CONNECTED": "Ask the window for the paper procedure.",
    "NOT_YOUR_RECORD": "Log in as the person, or apply at the window.",
}


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

    async def once(key: str | None, caller: Caller, body: str, act: Callable[[], Any]) -> ListResult:
        """Act once for an idempotency key. A list is safe to repeat, so its answer is kept after the act."""
        if key is not None:
            async with office.database.transaction("idempotency") as tx:
                known = await keys.answered(tx, key, caller.sub, body)
            if known is not None:
                return ListResult.model_validate(known, strict=False)
        result: ListResult = await act()
        if key is not None:
            async with office.database.transaction("idempotency") as tx:
                await keys.keep(tx, key, caller.sub, body, result.model_dump(mode="json"))
        return result

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
            batch_id = await office.batches.keep(tx, wish.rows, caller.sub, applied_by)
            answer = {"batch_id": batch_id, "total": len(wish.rows)}
            await keys.keep(tx, key, caller.sub, body, answer)
        office.batches.wake()
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
            return [dict(row) for row in await tx.fetch(store.SQL["batch_rows"], batch_id, result, after, limit)]

    @api.get("/cases")
    async def cases(
        _: Staff,
        state: Annotated[list[State] | None, Query()] = None,
        overdue: bool = False,
        surplus: bool = False,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> list[dict[str, Any]]:
        """The work list, the most urgent first; `overdue` asks for what is open and too late."""
        states = [str(item) for item in state] if state else None
        async with office.database.transaction("list") as tx:
            return [dict(row) for row in await tx.fetch(store.SQL["list_cases"], states, overdue, surplus, limit)]

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
            raise Problem(
                409,
                "WITHDRAWAL_TOO_LATE",
                row.detail or "",
                remedy="When the transfer is complete, a new transfer can bring the relationship back.",
            )
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
        refuse_surrender(office.agency.tables)


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
        remedy=_REMEDIES.get(taken.code, "Correct the named field and apply again."),
    )


def shown(agency: Agency, case: Case, *, amounts: bool) -> dict[str, Any]:
    """A case as its owner and the staff see it; amounts for them alone. The words are the same on every channel."""
    public = case.public()
    status = agency.tables.status(StatusCode(str(public.status)))
    now = agency.clock.now()
    entry = agency.directory.entry(public.holder)
    left = None
    if public.due_on is not None and public.due_on >= now.date():
        left = working_days_between(now.date(), public.due_on, agency.tables.calendar)
    found: dict[str, Any] = {
        "case_id": case.case_id,
        "person_ref": case.person_ref,
        "status": str(public.status),
        "text": {"zh-CN": status.text("zh-CN"), "en": status.text("en")},
        "to_do": {"zh-CN": status.to_do("zh-CN"), "en": status.to_do("en")},
        "step": status.step,
        "steps": 5,
        "since": public.since.isoformat(),
        "holder": public.holder,
        "holder_name": entry.agency_name if entry else None,
        "holder_phone": entry.phone if entry else None,
        "due_on": public.due_on.isoformat() if public.due_on else None,
        "due_provisional": public.due_provisional,
        "working_days_left": left,
        "overdue": public.overdue,
        "code": public.code,
        "state": str(case.state),
        "origin": case.origin,
        "destination": case.province,
        "letter_no": case.letter_no,
        "applied_on": case.applied_on.isoformat(),
        "as_of": now.isoformat(),
    }
    if public.code:
        text = agency.tables.refusals.get(public.code)
        if text is not None:
            found["reason"] = {"zh-CN": text.reason_zh, "en": text.reason_en}
            found["legal_basis"] = text.legal_basis
            found["remedy"] = {"zh-CN": text.remedy_zh, "en": text.remedy_en}
    if amounts:
        found["items"] = case.form.items.model_dump() if case.form else None
        found["months"] = case.form.months if case.form else None
        found["received_fen"] = case.received_fen
        found["discrepancy"] = case.discrepancy
        found["surplus_fen"] = case.surplus_fen
    return found
