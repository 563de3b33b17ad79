"""The files over HTTP: a scan comes in as a request's body, is listed without its content, opened for a reason, destroyed by two.

At most `AT_ONCE` scans are in memory, whether they come or go: the others wait, and their bodies stay with their senders.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from pydantic import Field
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from contracts.base import Command, Contract
from contracts.events import ReadingPurpose, Reason
from services.records.commands import CASE_ID
from services.records.decisions import Refused
from services.records.explaining import refusal
from services.records.papers import Paper, Papers, Subject, SubjectKind, too_large
from services.records.sniffing import EXTENSIONS
from services.runtime.http import Problem, require
from services.runtime.identity import Caller, Role

log = structlog.get_logger()

AT_ONCE = 3
PATIENCE_S = 60.0  # for one scan to come or to go, the wait for its turn with it

Id = Annotated[str, Path(pattern=CASE_ID)]
Given = Annotated[str | None, Query(pattern=CASE_ID)]
_UNDECLARED = ("", "application/octet-stream")
_STATUS = {
    "NOT_YOUR_RECORD": 403,
    "KEPT_AS_ANOTHER_KIND": 409,
    "KEPT_FOR_EVER": 409,
    "STILL_TO_BE_KEPT": 409,
    "DESTRUCTION_PROPOSED": 409,
    "NOT_PROPOSED": 409,
    "SAME_PERSON": 409,
    "PAPER_DESTROYED": 410,
    "PERSON_FORGOTTEN": 410,
    "PAPER_TOO_LARGE": 413,
    "PAPER_FORM_UNKNOWN": 415,
    "DECLARED_FORM_DIFFERS": 415,
    "PAPER_ALTERED": 500,
}


_BODY = {
    "required": True,
    "description": "the scan itself; its form is found in the content, and a declared form must be that one",
    "content": {
        media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in (*EXTENSIONS, "application/octet-stream")
    },
}
_CONTENT: dict[str, Any] = {
    "description": "the scan as it came",
    "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in EXTENSIONS},
}


class EmployerWish(Command):
    """Whose file is asked for; in the body, for a sole trader's code is a person's."""

    credit_code: str = Field(min_length=18, max_length=18, description="unified social credit code, GB 32100")


class EmployerShown(Contract):
    """Under which pseudonym an employer's file is kept here."""

    employer_ref: str


class DestructionWish(Command):
    """Why a paper is to be destroyed; it stands on the journal in clear."""

    reason: Reason


class PaperShown(Contract):
    """A paper without its content."""

    paper_id: str
    subject_kind: SubjectKind
    subject: str
    kind: str
    media_type: str
    bytes: int
    digest: str
    retention: str
    kept_on: date
    kept_until: date | None = Field(description="the last day on which it must be here; none: for ever")
    actor: str
    kept_at: datetime
    destruction_maker: str | None
    destruction_reason: str | None
    destruction_checker: str | None
    destroyed_on: date | None


def add_routes(api: FastAPI, papers: Papers, province: str) -> None:
    """Add the routes to an agency that keeps files."""
    Window = Annotated[Caller, Depends(require(province, [Role.MAKER, Role.CHECKER]))]
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Reader = Annotated[Caller, Depends(require(province, [Role.MAKER, Role.CHECKER, Role.AUDITOR, Role.INSURED]))]
    turns = asyncio.Semaphore(AT_ONCE)

    @api.post("/employers")
    async def employer(wish: EmployerWish, _: Window) -> EmployerShown:
        """The pseudonym of an employer, under which its file is kept; the same code gives the same."""
        try:
            return EmployerShown(employer_ref=await papers.employer(wish.credit_code))
        except Refused as error:
            raise _problem(error, field="credit_code") from error

    @api.post("/papers", status_code=201, openapi_extra={"requestBody": _BODY})
    async def keep(
        request: Request,
        response: Response,
        caller: Window,
        kind: Annotated[str, Query(min_length=1, max_length=40, description="a code of the table filed_papers")],
        person_ref: Given = None,
        employer_ref: Given = None,
        case_id: Given = None,
    ) -> PaperShown:
        """Put a scan into a file: the body is the scan. 201 when it is new, 200 when the same one is there already."""
        subject = _subject(person_ref, employer_ref, case_id)
        declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            async with _patience(), turns:
                content = await _received(request, papers.largest)
                paper, fresh = await papers.keep(
                    subject, kind, content, declared=None if declared in _UNDECLARED else declared, actor=caller.sub
                )
        except Refused as error:
            raise _problem(error) from error
        if not fresh:
            response.status_code = 200
        return _shown(paper)

    @api.get("/papers")
    async def listed(
        caller: Reader, person_ref: Given = None, employer_ref: Given = None, case_id: Given = None
    ) -> list[PaperShown]:
        """The papers of one person, one employer or one case, the oldest first; a person sees the own ones."""
        try:
            found = await papers.of(_subject(person_ref, employer_ref, case_id), own=_own(caller))
        except Refused as error:
            raise _problem(error) from error
        return [_shown(paper) for paper in found]

    @api.get("/papers/{paper_id}", response_class=Response, responses={200: _CONTENT})
    async def read(
        paper_id: Id,
        caller: Reader,
        purpose: Annotated[ReadingPurpose | None, Query(description="why; a person opens the own papers without")] = None,
    ) -> Response:
        """Open a paper; the journal says who did, and why."""
        own = _own(caller)
        if own is None and (purpose is None or purpose == "own"):
            raise Problem(
                422,
                "PURPOSE_NEEDED",
                "Whoever works here says why a paper is opened.",
                field="purpose",
                remedy="Add purpose=handling, complaint, audit, court or archive.",
            )
        async with _patience():
            await turns.acquire()
        try:
            paper, content = await papers.read(
                paper_id, actor=caller.sub, purpose=purpose if own is None and purpose else "own", own=own
            )
        except BaseException as error:
            turns.release()
            if isinstance(error, Refused):
                raise _problem(error) from error
            raise
        return _Scan(paper, content, turns)  # gives the turn back when the scan has gone

    @api.post("/papers/{paper_id}/destructions/proposals")
    async def propose(paper_id: Id, wish: DestructionWish, caller: Maker) -> PaperShown:
        """Propose to destroy a paper whose time is over."""
        try:
            return _shown(await papers.propose_destruction(paper_id, caller.sub, wish.reason))
        except Refused as error:
            raise _problem(error) from error

    @api.post("/papers/{paper_id}/destructions/withdrawals")
    async def withdraw(paper_id: Id, _: Window) -> PaperShown:
        """Take a proposal back."""
        try:
            return _shown(await papers.withdraw_destruction(paper_id))
        except Refused as error:
            raise _problem(error) from error

    @api.post("/papers/{paper_id}/destructions/approvals")
    async def approve(paper_id: Id, caller: Checker) -> PaperShown:
        """Destroy it: a second person. Its content is gone; that it was there, and its digest, stay."""
        try:
            return _shown(await papers.approve_destruction(paper_id, caller.sub))
        except Refused as error:
            raise _problem(error) from error


class _Scan(Response):
    """A scan on its way to who asked for it. It holds one of the turns until it has gone, or its time is over."""

    def __init__(self, paper: Paper, content: bytes, turns: asyncio.Semaphore) -> None:
        digest = base64.b64encode(bytes.fromhex(paper.digest)).decode()
        super().__init__(
            content,
            media_type=paper.media_type,
            headers={
                "content-disposition": f'attachment; filename="{paper.paper_id}.{EXTENSIONS[paper.media_type]}"',
                "content-digest": f"sha-256=:{digest}:",
                "x-content-type-options": "nosniff",
                "cache-control": "no-store",
            },
        )
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            log.warning("papers.too_slow")  # the server ends the connection, for the answer is not whole
        finally:
            self._turns.release()


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Give up what takes too long.

    Raises:
        Problem: 408 PAPER_TOO_SLOW.
    """
    try:
        async with asyncio.timeout(PATIENCE_S) as time:
            yield
    except TimeoutError as error:
        if not time.expired():
            raise
        raise Problem(408, "PAPER_TOO_SLOW", "The scan took too long.", remedy="Send it again.") from error


async def _received(request: Request, limit: int) -> bytes:
    """The body, refused before more of it is read than a scan may have.

    Raises:
        Refused: PAPER_TOO_LARGE.
        Problem: PAPER_BROKEN_OFF where its sender left.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async for piece in request.stream():
            if len(body) + len(piece) > limit:
                raise too_large(limit)
            body += piece
    except ClientDisconnect as error:
        raise Problem(400, "PAPER_BROKEN_OFF", "The scan broke off.", remedy="Send it again.") from error
    return bytes(body)


def _subject(person_ref: str | None, employer_ref: str | None, case_id: str | None) -> Subject:
    kinds: tuple[tuple[SubjectKind, str | None], ...] = (("person", person_ref), ("employer", employer_ref), ("case", case_id))
    given = [Subject(kind, each) for kind, each in kinds if each is not None]
    if len(given) != 1:
        raise Problem(
            422,
            "SUBJECT_NEEDED",
            "A paper is about one person, one employer or one case.",
            errors=[{"field": field, "reason": "one of them"} for field in ("person_ref", "employer_ref", "case_id")],
            remedy="Give person_ref, employer_ref or case_id.",
        )
    return given[0]


def _own(caller: Caller) -> str | None:
    """Whose papers a caller may see: the own ones alone, or None for whoever works here."""
    if caller.roles & {Role.MAKER, Role.CHECKER, Role.AUDITOR}:
        return None
    return caller.person_ref or "nobody"


def _shown(paper: Paper) -> PaperShown:
    return PaperShown.model_validate({name: value for name, value in asdict(paper).items() if name in PaperShown.model_fields})


def _problem(error: Refused, **more: str) -> Problem:
    status = 404 if error.code.startswith("NO_SUCH") else _STATUS.get(error.code, 422)
    return refusal(status, error, **more)
