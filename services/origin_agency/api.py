"""The origin agency's HTTP interface: work lists, proposals and approvals, remittances, records, vouchers."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Header, Path, Query
from pydantic import Field

from contracts.base import Command
from contracts.envelope import new_id
from services.origin_agency import store, vouchers
from services.origin_agency.case import Case, State
from services.origin_agency.desk import Desk, Refused
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import CASE_ID, CaseList, ListResult
from services.records.csv_import import ParsedFiles, parse_files
from services.records.importing import Import, Importer, credit_interest
from services.records.surrender import refuse_surrender
from services.rules.amounts import RatePending
from services.runtime.database import Database
from services.runtime.http import Problem, require
from services.runtime.idempotency import IdempotencyKeys
from services.runtime.identity import STAFF, Caller, Role

log = structlog.get_logger()

CaseIdPath = Annotated[str, Path(pattern=CASE_ID)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=128)]


class Proposals(CaseList):
    """Letters on which a maker proposes to act; with a code, to return them."""

    return_code: str = ""
    note: str = Field(default="", max_length=500)


class Files(Command):
    """The two files of an import, as text. A byte order mark does no harm."""

    persons_csv: str | None = None
    contributions_csv: str | None = None
    accept_good_rows: bool = False


class InterestRun(Command):
    """The year whose interest is to be credited to all accounts."""

    year: int = Field(ge=1998, le=2100)


class Lookup(Command):
    """Whom the window looks for; in the body, for persons' data do not stand in addresses."""

    id_number: str = Field(min_length=18, max_length=18)
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
            raise Problem(422, error.code, error.detail, remedy=error.remedy) from error
        if key is not None:
            async with office.database.transaction("idempotency") as tx:
                await keys.keep(tx, key, caller.sub, body, result.model_dump(mode="json"))
        return result

    @api.get("/cases")
    async def cases(
        _: Staff,
        state: Annotated[list[State] | None, Query()] = None,
        overdue: bool = False,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> list[dict[str, Any]]:
        """The work list, the most urgent first."""
        states = [str(item) for item in state] if state else None
        async with office.database.transaction("list") as tx:
            return [dict(row) for row in await tx.fetch(store.SQL["list_cases"], states, overdue, limit)]

    @api.get("/cases/{case_id}")
    async def case(case_id: CaseIdPath, _: Staff) -> dict[str, Any]:
        """One case as the origin holds it; amounts, no names."""
        async with office.database.transaction("look") as tx:
            found = await store.look(tx, office.agency.vault, case_id)
        if found is None:
            raise Problem(404, "NO_SUCH_CASE", "This agency has no case of this id.", remedy="Check the case id.")
        return shown(found)

    @api.post("/handlings/proposals")
    async def propose(wish: Proposals, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes what the record calls for, letter by letter: the information form, or a coded return."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: office.desk.propose(wish.case_ids, caller.sub, return_code=wish.return_code, note=wish.note),
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
            parse_files, persons, contributions, tables=office.agency.tables, accept_good_rows=files.accept_good_rows
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

    @api.post("/records/interest-runs")
    async def interest(wish: InterestRun, _: Operator) -> dict[str, int]:
        """The year-end run: credit a year's interest to every account that has not had it."""
        today = office.agency.clock.today()
        if wish.year >= today.year:
            raise Problem(
                409, "YEAR_NOT_OVER", f"{wish.year} is not over on {today}.", field="year", remedy="Run it after year end."
            )
        try:
            credited = await credit_interest(office.database, office.agency, wish.year)
        except RatePending as error:
            raise Problem(
                409,
                "RATE_PENDING",
                f"The recording rate of {error.year} is not published yet.",
                field="year",
                legal_basis="社会保险法 第十四条",
                remedy="Run it when the rate is published.",
            ) from error
        office.told()
        return {"year": wish.year, "accounts": credited}

    @api.post("/records/lookups")
    async def look_up(wish: Lookup, _: Window) -> dict[str, Any]:
        """At the window, after the identity check: the pseudonym under which a person's record is kept here."""
        id_hash = office.agency.vault.id_hash(wish.id_number.strip().upper())
        async with office.database.transaction("look-up") as tx:
            found = (await records.by_hash(tx, office.agency.vault, [id_hash])).get(id_hash)
        if found is None or found.personal.name != wish.name:
            raise Problem(404, "NO_RELATIONSHIP", "This province has no record of this person.", remedy="Check both.")
        return {"person_ref": found.person_ref, "state": found.state, "scheme": found.scheme}

    @api.post("/vouchers", status_code=201)
    async def voucher(wish: VoucherWish, caller: Anyone) -> vouchers.Voucher:
        """Issue a contribution voucher: to the person, or at the window. It costs nothing."""
        if Role.INSURED in caller.roles and caller.person_ref != wish.person_ref:
            raise Problem(403, "NOT_YOUR_RECORD", "A person may ask for the own voucher alone.")
        if not caller.roles & {Role.INSURED, Role.MAKER, Role.CHECKER}:
            raise Problem(403, "WRONG_ROLE", "This needs the role insured-person, maker or checker.")
        try:
            issued = await vouchers.issue(office.database, office.agency, wish.person_ref)
        except vouchers.NoRecord as error:
            raise Problem(404, "NO_RELATIONSHIP", "This province has no record of the person.") from error
        office.told()
        return issued

    @api.post("/vouchers/checks")
    async def check_voucher(wish: VoucherCheck) -> dict[str, Any]:
        """Whether a voucher is genuine; anybody may ask, and learns nothing about the person."""
        found = await vouchers.check(office.database, wish.voucher_no, wish.check_code)
        return found or {"voucher_no": wish.voucher_no, "genuine": False}

    @api.post("/surrenders")
    async def surrender(_: Anyone) -> None:
        """Ask to cash out (退保): always refused, with Art. 3."""
        refuse_surrender(office.agency.tables)


def shown(case: Case) -> dict[str, Any]:
    """A case as the work list's detail shows it."""
    return {
        "case_id": case.case_id,
        "state": str(case.state),
        "destination": case.destination,
        "letter_no": case.letter.letter_no,
        "received_on": case.received_on.isoformat(),
        "due_on": case.due.due_on.isoformat(),
        "reminded": case.reminded,
        "breached": case.breached,
        "form_version": case.form_version,
        "items": case.items.model_dump() if case.items else None,
        "remittance_id": case.remittance_id,
        "remitted_fen": case.remitted_fen,
        "proposal": asdict(case.proposal) if case.proposal else None,
    }


def _refused_files(parsed: ParsedFiles) -> Problem:
    return Problem(
        422,
        "IMPORT_REFUSED",
        f"{len(parsed.errors)} things are wrong; nothing was stored.",
        errors=[asdict(error) for error in parsed.errors[:1000]],
        remedy="Correct the named rows, or send accept_good_rows to take the others.",
    )
