"""The origin agency's HTTP interface: work lists, proposals and approvals, remittances, records, vouchers."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import Field

from contracts.base import Command
from contracts.envelope import new_id
from services.origin_agency import store, vouchers
from services.origin_agency.afterwards import Afterwards
from services.origin_agency.case import GivenPaper, State
from services.origin_agency.case_routes import PaperGiven, add_case_routes
from services.origin_agency.correspondence import Correspondence
from services.origin_agency.desk import Desk, Refused
from services.origin_agency.showing import listed, shown
from services.origin_agency.voucher_page import page
from services.records import store as records
from services.records.agency import Agency
from services.records.case_wishes import CaseIdPath, Key
from services.records.commands import CaseList, ListResult
from services.records.csv_import import ParsedFiles, parse_files
from services.records.explaining import problem
from services.records.importing import Import, Importer
from services.records.model import Record
from services.records.surrender import refuse_surrender
from services.rules.admission import AccountKind, account_on_move
from services.rules.identity import normal_form
from services.runtime.database import Database
from services.runtime.http import Problem, require
from services.runtime.idempotency import IdempotencyKeys
from services.runtime.identity import STAFF, Caller, Role

log = structlog.get_logger()

VoucherPath = Annotated[str, Path(pattern=r"^PZ-\d{6}-\d{8}-\d{6,12}$")]
# A page with a person's name: no cache keeps it, nothing in it runs or is fetched.
PRINTED = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}


class Proposals(CaseList):
    """Letters on which a maker proposes to act; with a code, to return them."""

    return_code: str = ""
    note: str = Field(default="", max_length=500)
    cure_days: int | None = Field(
        default=None, ge=1, le=365, description="makes a return a soft one, curable for so many working days"
    )
    right_division: str | None = Field(default=None, pattern=r"^\d{6}$", description="the agency that holds the relationship")
    papers: tuple[PaperGiven, ...] = Field(default=(), max_length=50)


class Files(Command):
    """The two files of an import, as text. A byte order mark does no harm."""

    persons_csv: str | None = None
    contributions_csv: str | None = None
    accept_good_rows: bool = False


class Lookup(Command):
    """Whom the window looks for; in the body, for persons' data do not stand in addresses."""

    id_number: str = Field(min_length=15, max_length=18)
    name: str = Field(min_length=1, max_length=100)


class VoucherWish(Command):
    """Whose voucher is to be issued."""

    person_ref: str


class VoucherCheck(Command):
    """What stands on a voucher that somebody wants to check."""

    voucher_no: str
    check_code: str


@dataclass(frozen=True, slots=True)
class Office:
    """Everything the routes act with."""

    database: Database
    agency: Agency
    desk: Desk
    ring_funds: Callable[[], None]
    importer: Importer
    told: Callable[[], None]

    @property
    def afterwards(self) -> Afterwards:
        """The desk for what comes after the form."""
        return Afterwards(self.database, self.agency, self.told)

    @property
    def correspondence(self) -> Correspondence:
        """The desk for questions and answers."""
        return Correspondence(self.database, self.agency, self.told)


class Jobs:
    """Imports that run after their request was answered."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether an import is running."""
        return bool(self._running)

    def start(self, work: Any) -> None:
        """Run a coroutine to its end."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def forever(self) -> None:
        """A background task's body: nothing to do but to be asked whether something runs."""
        await asyncio.Event().wait()


def add_routes(api: FastAPI, office: Office, province: str, jobs: Jobs) -> None:
    """Add the agency's routes."""
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Fund = Annotated[Caller, Depends(require(province, [Role.FUND_DESK]))]
    Operator = Annotated[Caller, Depends(require(province, [Role.OPERATOR]))]
    Staff = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]
    Window = Annotated[Caller, Depends(require(province, [Role.MAKER, Role.CHECKER]))]
    Anyone = Annotated[Caller, Depends(require(province, list(Role)))]
    keys = IdempotencyKeys("origin_agency")

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

    @api.get("/cases")
    async def cases(
        _: Staff,
        state: Annotated[list[State] | None, Query()] = None,
        overdue: bool = False,
        rate_pending: bool = False,
        escalated: bool = False,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> list[dict[str, Any]]:
        """The work list, the most urgent first; with `escalated`, what supervisors were told of.

        With `rate_pending`, cases whose form went at an interim rate.

        Of these, `rate_ready` says that the rates are published by now: their forms can be amended and the difference remitted.
        """
        states = [str(item) for item in state] if state else None
        async with office.database.transaction("list") as tx:
            rows = await tx.fetch(store.SQL["list_cases"], states, overdue, limit, rate_pending, escalated)
        return [listed(office.agency, dict(row)) for row in rows]

    @api.get("/cases/{case_id}")
    async def case(case_id: CaseIdPath, _: Staff) -> dict[str, Any]:
        """One case as the origin holds it; amounts, no names."""
        async with office.database.transaction("look") as tx:
            found = await store.look(tx, office.agency.vault, case_id)
            held = await tx.value(store.SQL["held_since"], found.person_ref) if found is not None else None
        if found is None:
            raise Problem(404, "NO_SUCH_CASE", "This agency has no case of this id.", remedy="Check the case id.")
        return shown(office.agency, found, held_since=held)

    @api.post("/handlings/proposals")
    async def propose(wish: Proposals, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes what the record calls for, letter by letter: the information form, or a coded return."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.desk.propose(
                wish.case_ids,
                caller.sub,
                return_code=wish.return_code,
                note=wish.note,
                cure_days=wish.cure_days,
                right_division=wish.right_division,
                papers=tuple(GivenPaper(**paper.model_dump(mode="json")) for paper in wish.papers),
            ),
        )

    @api.post("/handlings/approvals")
    async def approve(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves proposals; forms and returns leave for the destination."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.approve(wish.case_ids, caller.sub))

    @api.post("/remittances/proposals")
    async def propose_remittances(wish: CaseList, caller: Fund, key: Key = None) -> ListResult:
        """The fund desk proposes to pay what approved forms say."""
        return await once(key, caller, wish.model_dump_json(), lambda: office.desk.propose_remittances(wish.case_ids, caller.sub))

    @api.post("/remittances/approvals")
    async def approve_remittances(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A second person approves remittances; the bank is asked to pay."""
        result = await once(
            key, caller, wish.model_dump_json(), lambda: office.desk.approve_remittances(wish.case_ids, caller.sub)
        )
        office.ring_funds()
        return result

    @api.post("/records/imports", status_code=202)
    async def import_records(files: Files, caller: Operator) -> dict[str, Any]:
        """Import persons and contributions. Nothing of a bad file is stored unless `accept_good_rows` says so."""
        if files.persons_csv is None:
            raise Problem(
                422,
                "PERSONS_FILE_MISSING",
                "Contributions are taken with their persons, so that nobody's record is changed by mistake.",
                field="persons_csv",
                remedy="Send the persons file along, with those persons whose contributions it is.",
            )
        persons = files.persons_csv.encode()
        contributions = files.contributions_csv.encode() if files.contributions_csv is not None else None
        digest = hashlib.sha256(b"%d|" % len(persons) + persons + (contributions or b"")).hexdigest()
        before = await office.importer.begun(digest)
        if before is not None and (before[2] == "done" or jobs.busy):
            return {"import_id": before[0], "persons_done": before[1], "state": before[2]}
        after = before[1] if before is not None else 0
        parsed = await asyncio.to_thread(
            parse_files,
            persons,
            contributions,
            tables=office.agency.tables,
            on=office.agency.clock.today(),
            accept_good_rows=files.accept_good_rows,
        )
        parsed = await office.importer.known(parsed, after=after)
        if parsed.errors and not files.accept_good_rows:
            raise _refused_files(parsed)
        job = Import(before[0] if before else new_id(), digest, caller.sub, parsed)
        if before is None:
            await office.importer.begin(job)

        async def work() -> None:
            await office.importer.run(job, after=after)
            office.told()
            log.info("records.imported", import_id=job.import_id, persons=len(job.parsed.persons))

        jobs.start(work())
        return {"import_id": job.import_id, "state": "running", "persons": len(job.parsed.persons), "rows": job.rows}

    @api.get("/records/imports/{import_id}")
    async def import_state(import_id: CaseIdPath, _: Operator) -> dict[str, Any]:
        """How far an import is, and which rows were refused."""
        found = await office.importer.state(import_id)
        if found is None:
            raise Problem(404, "NO_SUCH_IMPORT", "There is no import of this id.")
        return found

    @api.post("/records/lookups")
    async def look_up(wish: Lookup, _: Window) -> dict[str, Any]:
        """At the window, after the identity check: the pseudonym of a person's record here, and how it stands."""
        id_hash = office.agency.vault.id_hash(normal_form(wish.id_number))
        async with office.database.transaction("look-up") as tx:
            found = (await records.by_hash(tx, office.agency.vault, [id_hash])).get(id_hash)
        if found is None or found.personal.name != wish.name:
            raise Problem(404, "NO_RELATIONSHIP", "This province has no record of this person.", remedy="Check both.")
        return {
            "person_ref": found.person_ref,
            "state": found.state,
            "scheme": found.scheme,
            "account_kind": found.account_kind,
            "first_insured_on": found.first_insured_on.isoformat() if found.first_insured_on else None,
            "stopped_on": found.stopped_on.isoformat() if found.stopped_on else None,
            "sealed": found.state == "stopped" and _sealed(found, office.agency),
        }

    @api.post("/vouchers", status_code=201)
    async def voucher(wish: VoucherWish, caller: Anyone) -> vouchers.Voucher:
        """Issue a contribution voucher: to the person, or at the window. It costs nothing."""
        if Role.INSURED in caller.roles and caller.person_ref != wish.person_ref:
            raise refused(403, "NOT_YOUR_RECORD", "A person may ask for the own voucher alone.")
        if not caller.roles & {Role.INSURED, Role.MAKER, Role.CHECKER}:
            raise refused(403, "WRONG_ROLE", "This needs the role insured-person, maker or checker.")
        clerk = "" if Role.INSURED in caller.roles else caller.sub
        try:
            issued = await vouchers.issue(office.database, office.agency, wish.person_ref, handled_by=clerk)
        except vouchers.NoRecord as error:
            asked = "Ask at the place where contributions were paid."
            raise refused(404, "NO_RELATIONSHIP", remedy=asked, remedy_zh="请向缴费所在地的社会保险经办机构申请。") from error
        except vouchers.CorrectionUnderWay as error:
            detail = "A year was corrected after the form, and the difference has not moved on yet."
            raise Problem(409, "CORRECTION_UNDER_WAY", detail, remedy="Ask again when the next form is issued.") from error
        office.told()
        return issued

    @api.get("/vouchers/{voucher_no}/page", response_class=HTMLResponse)
    async def voucher_as_page(voucher_no: VoucherPath, caller: Anyone) -> HTMLResponse:
        """The voucher as a page to be printed, for the person and for the window; nothing of it is kept on the way."""
        if not caller.roles & {Role.INSURED, Role.MAKER, Role.CHECKER}:
            raise refused(403, "WRONG_ROLE", "This needs the role insured-person, maker or checker.")
        whose = (caller.person_ref or "") if Role.INSURED in caller.roles else None
        try:
            found = await vouchers.shown(office.database, office.agency, voucher_no, person_ref=whose)
        except vouchers.NoVoucher as error:
            detail = "No voucher of this number can be shown to you."
            raise Problem(404, "NO_SUCH_VOUCHER", detail, remedy="Check the number, or ask for a new one; it is free.") from error
        return HTMLResponse(page(found, office.agency.tables), headers=PRINTED)

    @api.post("/vouchers/checks")
    async def check_voucher(wish: VoucherCheck) -> dict[str, Any]:
        """Whether a voucher is genuine; anybody may ask, and learns nothing about the person."""
        found = await vouchers.check(office.database, wish.voucher_no, wish.check_code)
        return found or {"voucher_no": wish.voucher_no, "genuine": False}

    @api.post("/surrenders")
    async def surrender(_: Anyone) -> None:
        """Ask to cash out (退保): always refused, with Art. 3."""
        refuse_surrender(office.agency.tables, office.agency.clock.today())


def _sealed(record: Record, agency: Agency) -> bool:
    """Whether a temporary account waits here to be gathered, and moves on no other letter (S-5 item 3)."""
    kind = AccountKind(record.account_kind)
    return account_on_move(kind, gathering=False, on=agency.clock.today(), tables=agency.tables).sealed


def _refused_files(parsed: ParsedFiles) -> Problem:
    return Problem(
        422,
        "IMPORT_REFUSED",
        f"{len(parsed.errors)} things are wrong; nothing was stored.",
        errors=[asdict(error) for error in parsed.errors[:1000]],
        remedy="Correct the named rows, or send accept_good_rows to take the others.",
    )
