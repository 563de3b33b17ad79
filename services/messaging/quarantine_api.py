"""The quarantine over HTTP, the same for every service that hears: operators act, another person approves, auditors read."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Path, Query
from pydantic import Field

from contracts.base import Command, Contract
from services.messaging.operators import Amendment, Operators, Result
from services.messaging.parking import Refused, State
from services.runtime.http import Problem, require
from services.runtime.identity import Caller, Role

ENTRY_ID = r"^[0-9A-Za-z-]{1,64}$"
ResultT = TypeVar("ResultT")
IdPath = Annotated[str, Path(pattern=ENTRY_ID)]


class Decision(Command):
    """Why something is decided. It stands on the journal in clear, so it names no person."""

    reason: str = Field(min_length=3, max_length=300)


class Amend(Decision):
    """What is to be handled in a record's place: the opened body of a document, or the whole record as text."""

    body: dict[str, Any] | None = None
    text: str | None = Field(default=None, max_length=1_000_000)


class Reject(Decision):
    """What the sender is told: what helps, and a code if it is not the quarantine's reason."""

    remedy: str = Field(min_length=3, max_length=300)
    code: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]{1,40}$")


class Approve(Decision):
    """An approval. A checker who has the corrected text, too, may send it along; it must be the proposed one."""

    body: dict[str, Any] | None = None
    text: str | None = Field(default=None, max_length=1_000_000)


class Entry(Contract):
    """A record in quarantine, without its content."""

    quarantine_id: str
    state: State
    reason: str
    detail: str
    case_key: str
    type: str | None
    event_id: str | None
    topic: str
    partition: int
    offset: int
    attempts: int
    bytes: int
    age_s: float
    parked_at: datetime
    next_try_at: datetime | None
    closed_at: datetime | None
    proposal: str | None
    proposed_verb: str | None
    proposed_by: str | None


class DecisionShown(Contract):
    """One decision about a record, or a proposal of one."""

    decision_id: str
    verb: str
    state: str
    maker: str
    reason: str
    checker: str | None
    approval: str | None
    amended_digest: str | None
    content_digest: str | None = Field(description="SHA-256 of the decision's id, a bar, and the text or the sorted body")
    code: str | None
    remedy: str | None
    outcome: str | None
    rejection_id: str | None
    made_at: datetime
    decided_at: datetime | None


class Whole(Contract):
    """A record in quarantine, whole. What is sealed stays sealed."""

    quarantine_id: str
    state: State
    reason: str
    detail: str
    case_key: str
    key: str
    type: str | None
    event_id: str | None
    signed_by: str | None = Field(description="whose signature covers the bytes; none where that is not proven")
    number: int
    topic: str
    partition: int
    offset: int
    attempts: int
    parked_at: datetime
    next_try_at: datetime | None
    closed_at: datetime | None
    digest: str
    bytes: int
    value_base64: str
    headers_base64: dict[str, str]
    before_it: tuple[str, ...]
    behind_it: tuple[str, ...]
    needs_two_persons: tuple[str, ...]
    decisions: tuple[DecisionShown, ...]


class Done(Contract):
    """What came of a verb."""

    decision_id: str
    quarantine_id: str
    verb: str
    outcome: str
    failure: str | None
    detail: str
    rejection_id: str | None
    amended_digest: str | None


class RejectedByOthers(Contract):
    """A document of this service that its addressee rejected."""

    rejection_id: str
    case_id: str
    rejected_by: str
    document_type: str
    number: int
    digest: str
    code: str
    remedy: str
    received_at: datetime


def add_routes(api: FastAPI, operators: Operators, province: str) -> None:
    """Add the quarantine's routes to a service."""
    Reader = Annotated[Caller, Depends(require(province, [Role.OPERATOR, Role.CHECKER, Role.AUDITOR]))]
    Operator = Annotated[Caller, Depends(require(province, [Role.OPERATOR]))]
    Approver = Annotated[Caller, Depends(require(province, [Role.OPERATOR, Role.CHECKER]))]

    @api.get("/quarantine")
    async def overview(
        _: Reader,
        state: Annotated[list[State] | None, Query(description="by default what is open")] = None,
        reason: Annotated[list[str] | None, Query()] = None,
        case_id: Annotated[str | None, Query(max_length=100)] = None,
        older_than_s: Annotated[float, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 200,
    ) -> list[Entry]:
        """What stands in quarantine, the oldest first."""
        wanted = {"states": tuple(state)} if state else {}
        reasons = tuple(reason) if reason else None
        rows = await operators.overview(**wanted, reasons=reasons, case_key=case_id, older_than_s=older_than_s, limit=limit)
        return [Entry.model_validate(row, strict=False) for row in rows]

    @api.get("/quarantine/{quarantine_id}")
    async def show(quarantine_id: IdPath, _: Reader) -> Whole:
        """One record whole: bytes, headers, reason, tries, and every decision about it."""
        return Whole.model_validate(await _named(lambda: operators.show(quarantine_id)), strict=False)

    @api.post("/quarantine/{quarantine_id}/retry")
    async def retry(quarantine_id: IdPath, wish: Decision, caller: Operator) -> Done:
        """Handle it again as if it had just come; what waits behind it follows by itself."""
        return await _done(lambda: operators.retry(quarantine_id, who=caller.sub, reason=wish.reason))

    @api.post("/quarantine/{quarantine_id}/amend")
    async def amend(quarantine_id: IdPath, wish: Amend, caller: Operator) -> Done:
        """Propose to handle a corrected text in its place; a second person approves."""
        amendment = Amendment(wish.body, wish.text)
        return await _done(lambda: operators.amend(quarantine_id, who=caller.sub, reason=wish.reason, amendment=amendment))

    @api.post("/quarantine/{quarantine_id}/skip")
    async def skip(quarantine_id: IdPath, wish: Decision, caller: Operator) -> Done:
        """Set it aside for good, or propose to where it is about money."""
        return await _done(lambda: operators.skip(quarantine_id, who=caller.sub, reason=wish.reason))

    @api.post("/quarantine/{quarantine_id}/reject")
    async def reject(quarantine_id: IdPath, wish: Reject, caller: Operator) -> Done:
        """Send it back to its sender with a signed document, or propose to where it is about money."""
        return await _done(
            lambda: operators.reject(quarantine_id, who=caller.sub, reason=wish.reason, remedy=wish.remedy, code=wish.code)
        )

    @api.post("/quarantine/decisions/{decision_id}/approve")
    async def approve(decision_id: IdPath, wish: Approve, caller: Approver) -> Done:
        """A second person approves a proposal, and it is done."""
        given = Amendment(wish.body, wish.text) if wish.body is not None or wish.text is not None else None
        return await _done(lambda: operators.approve(decision_id, who=caller.sub, reason=wish.reason, amendment=given))

    @api.post("/quarantine/decisions/{decision_id}/withdraw")
    async def withdraw(decision_id: IdPath, wish: Decision, caller: Operator) -> Done:
        """Whoever made a proposal takes it back."""
        return await _done(lambda: operators.withdraw(decision_id, who=caller.sub, reason=wish.reason))

    @api.get("/rejections")
    async def rejections(_: Reader, limit: Annotated[int, Query(ge=1, le=5000)] = 200) -> list[RejectedByOthers]:
        """Documents of this service that their addressees rejected, the latest first."""
        return [RejectedByOthers.model_validate(row, strict=False) for row in await operators.rejected_by_others(limit)]


async def _done(act: Callable[[], Awaitable[Result]]) -> Done:
    found = await _named(act)
    return Done(
        decision_id=found.decision_id,
        quarantine_id=found.quarantine_id,
        verb=found.verb.value,
        outcome=found.outcome,
        failure=found.failure,
        detail=found.detail,
        rejection_id=found.rejection_id,
        amended_digest=found.amended_digest,
    )


async def _named(act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """What an act gives; a refusal becomes a problem answer of the same name."""
    try:
        return await act()
    except Refused as error:
        more = {"field": error.field} if error.field is not None else {}
        raise Problem(error.status, error.code, error.detail, remedy=error.remedy, **more) from error
