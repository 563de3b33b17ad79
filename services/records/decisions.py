"""What a decision is made with and what comes of it: due dates, facts and documents. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from contracts.base import Fact
from contracts.documents import Body, Document


@dataclass(frozen=True, slots=True)
class Letter:
    """A document that is to be sealed and sent: its kind, its body, and the case it is about."""

    kind: type[Document]
    body: Body
    case_id: str
    person_ref: str
    addressee: str
    version: int = 1


Told = Fact | Letter


@dataclass(frozen=True, slots=True)
class Due:
    """Until when a leg must be done, and from when its holder is reminded (Interim Measures Art. 8)."""

    due_on: date
    remind_on: date
    provisional: bool = False  # counted over a year whose holidays are not known yet
    limit: str = ""  # code of the limits table
    started_on: date | None = None  # the day of the event that started the clock


class NotNow(Exception):
    """A step that the case's state does not allow."""

    def __init__(self, step: str, state: StrEnum) -> None:
        super().__init__(f"{step} is not possible while the case is {state}")
        self.step = step
        self.state = state


class SamePerson(Exception):
    """Maker and checker are one person; what binds the ledger needs two (经办条例 Art. 37)."""
