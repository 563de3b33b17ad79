"""What a decision is made with and what comes of it: due dates, facts and documents. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from contracts.base import Fact
from contracts.documents import Body, Document
from services.rules.deadlines import Pause


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
    """Until when a leg must be done, and from when its holder is reminded (Interim Measures Art. 8).

    `target_on` is what the holder's province promises beside the law, None where it promises nothing.
    """

    due_on: date
    remind_on: date
    provisional: bool = False  # counted over a year whose holidays are not known yet
    limit: str = ""  # code of the limits table
    started_on: date | None = None  # the day of the event that started the clock
    target_on: date | None = None
    pauses: tuple[Pause, ...] = ()  # in which the clock stood


class NotNow(Exception):
    """A step that the case's state does not allow."""

    def __init__(self, step: str, state: StrEnum) -> None:
        super().__init__(f"{step} is not possible while the case is {state}")
        self.step = step
        self.state = state


class SamePerson(Exception):
    """Maker and checker are one person; what binds the ledger needs two (经办条例 Art. 37)."""


class Refused(Exception):
    """A step that the case's state would allow and a rule does not, by name; the other rows of a list go on."""

    def __init__(self, code: str, detail: str, *, legal_basis: str | None = None, remedy: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.legal_basis = legal_basis
        self.remedy = remedy


def refuse_escalation(due: Due, *, breached: bool, escalated: bool) -> None:
    """Refuse to tell the supervisors of a leg that is not overdue, or of which they know.

    Raises:
        Refused: NOT_OVERDUE, ALREADY_ESCALATED.
    """
    if not breached:
        raise Refused("NOT_OVERDUE", f"The leg is due on {due.due_on}.", remedy="Escalate when it is overdue.")
    if escalated:
        raise Refused("ALREADY_ESCALATED", "The supervisors of both agencies know of it.")
