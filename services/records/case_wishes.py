"""What both agencies are asked over HTTP about a case in the same words: questions, answers, deaths, and keys of a repetition."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Literal

from fastapi import Header, Path
from pydantic import Field

from contracts.base import Command
from services.records.commands import CASE_ID, CaseList, ListResult
from services.runtime.identity import Caller

CaseIdPath = Annotated[str, Path(pattern=CASE_ID)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=128)]
# Acts once for an idempotency key: the key, the caller, what was wished, and what does it.
Once = Callable[[str | None, Caller, str, Callable[[], Awaitable[ListResult]]], Awaitable[ListResult]]


class Asking(Command):
    """A question to the other agency of a case."""

    case_id: str = Field(pattern=CASE_ID)
    kind: str = Field(default="other", min_length=1, max_length=40, description="a discrepancy's kind, or `other`")
    text: str = Field(min_length=3, max_length=2000)


class Answering(Command):
    """The answer to a question of the other agency."""

    case_id: str = Field(pattern=CASE_ID)
    question_id: str = Field(min_length=36, max_length=36)
    text: str = Field(min_length=3, max_length=2000)
    confirms: bool = Field(default=False, description="whether what the asker holds is right as it stands")


class Deaths(CaseList):
    """The death of the person of these cases."""

    died_on: date
    reported_by: Literal["family", "clerk", "registry"] = "clerk"
