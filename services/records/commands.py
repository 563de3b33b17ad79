"""What lists of commands have in common: one answer a row, so that good rows are not held back by bad ones."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import structlog
from pydantic import Field

from contracts.base import Command, Contract
from services.records.decisions import Refused

log = structlog.get_logger()

CASE_ID = r"^[0-9A-Za-z-]{1,64}$"


class CaseList(Command):
    """A list of cases to act on."""

    case_ids: tuple[Annotated[str, Field(pattern=CASE_ID)], ...] = Field(min_length=1, max_length=2000)


class RowResult(Contract):
    """What became of one row."""

    case_id: str
    result: Literal["done", "refused"]
    code: str | None = None
    detail: str | None = None
    legal_basis: str | None = None
    remedy: str | None = None


class ListResult(Contract):
    """What became of a list, row by row."""

    done: int
    refused: int
    rows: tuple[RowResult, ...]

    @classmethod
    def of(cls, rows: Sequence[RowResult]) -> "ListResult":
        """Count the rows."""
        done = sum(row.result == "done" for row in rows)
        return cls(done=done, refused=len(rows) - done, rows=tuple(rows))


def in_log(purpose: str, result: ListResult) -> None:
    """Say in the log what became of a list: how many rows, which refusals, and for a single one its case."""
    codes = Counter(row.code for row in result.rows if row.result == "refused" and row.code)
    alone = {"case_id": result.rows[0].case_id} if len(result.rows) == 1 and result.done else {}
    refusals = {"refusals": dict(codes)} if codes else {}
    log.info("desk.decided", purpose=purpose, done=result.done, refused=result.refused, **refusals, **alone)


def done(case_id: str, code: str | None = None) -> RowResult:
    """A row that was done; `code` says what was decided where there is a choice."""
    return RowResult(case_id=case_id, result="done", code=code)


def refused(case_id: str, code: str, detail: str, *, legal_basis: str | None = None, remedy: str | None = None) -> RowResult:
    """A row that was refused, by name."""
    return RowResult(case_id=case_id, result="refused", code=code, detail=detail, legal_basis=legal_basis, remedy=remedy)


def refused_by(row_id: str, error: Refused) -> RowResult:
    """A row that a rule refused."""
    return refused(row_id, error.code, error.detail, legal_basis=error.legal_basis, remedy=error.remedy)


NO_SUCH_CASE = "NO_SUCH_CASE"
SAME_PERSON = "SAME_PERSON"
NOT_NOW = "NOT_NOW"

FOUR_EYES = "社会保险经办条例 第三十七条"


def one_person(second: str) -> Refused:
    """Maker and checker are one person.

    Args:
        second: what a second person is to do, like "check the case".
    """
    return Refused(
        SAME_PERSON,
        "Maker and checker are the same person.",
        legal_basis=FOUR_EYES,
        remedy=f"Let a second person {second}.",
    )


def same_person(case_id: str) -> RowResult:
    """Maker and checker of a case are one person."""
    return refused_by(case_id, one_person("check the case"))


def no_such_case(case_id: str) -> RowResult:
    """The province has no case of this id."""
    return refused(case_id, NO_SUCH_CASE, "This agency has no case of this id.", remedy="Check the case id.")
