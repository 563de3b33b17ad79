"""The destination's side of a transfer: what a case holds, in which states it can be, and what the person is shown. Pure.

The steps stand by meaning beside it: `application`, `letters`, `meeting` (form and money), `completion`, `afterwards`, `talk`
and `clocks`. Time, decisions and documents come in as arguments everywhere.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from contracts.base import SealedForPerson
from contracts.documents import InformationForm, PersonIdentity
from contracts.statuses import Leg, PublicStatus, Status
from services.records.decisions import Due, Told
from services.records.decisions import NotNow as NotNow
from services.records.decisions import Refused as Refused
from services.records.decisions import SamePerson as SamePerson
from services.records.model import Personal
from services.rules.amounts import Segment


class State(StrEnum):
    """Where the destination's part of a case stands."""

    REVIEWING = "REVIEWING"
    NEED_MATERIAL = "NEED_MATERIAL"
    ADMISSION_PROPOSED = "ADMISSION_PROPOSED"
    REFUSED = "REFUSED"
    LETTER_SENT = "LETTER_SENT"
    WITHDRAWING = "WITHDRAWING"
    RETURNED = "RETURNED"
    RETURNED_CURABLE = "RETURNED_CURABLE"
    CLOSED = "CLOSED"
    FORM_HELD = "FORM_HELD"
    MONEY_HELD = "MONEY_HELD"
    DISCREPANCY = "DISCREPANCY"
    BOOKING = "BOOKING"
    COMPLETION_PROPOSED = "COMPLETION_PROPOSED"
    COMPLETED = "COMPLETED"
    DUPLICATE_CLEARING = "DUPLICATE_CLEARING"
    CORRECTION_HELD = "CORRECTION_HELD"
    CORRECTION_PROPOSED = "CORRECTION_PROPOSED"
    RECALL_HELD = "RECALL_HELD"
    RECALLED = "RECALLED"
    SETTLED = "SETTLED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({State.REFUSED, State.RETURNED, State.CLOSED, State.COMPLETED, State.RECALLED, State.SETTLED, State.CANCELLED})
BEFORE_LETTER = frozenset({State.REVIEWING, State.ADMISSION_PROPOSED})
UNDECIDED = BEFORE_LETTER | {State.NEED_MATERIAL}
WITH_ORIGIN = frozenset({State.LETTER_SENT, State.WITHDRAWING, State.FORM_HELD, State.MONEY_HELD, State.DISCREPANCY})
WITH_US = frozenset({State.BOOKING, State.COMPLETION_PROPOSED})
# The transfer is done for the person; what is corrected or asked back since then lies with us and has a clock of its own.
AFTERWARDS = frozenset({State.CORRECTION_HELD, State.CORRECTION_PROPOSED, State.RECALL_HELD})
SENT_BACK = frozenset({State.RETURNED, State.RETURNED_CURABLE})
# Why the clock stands, by the code of the pauses table.
PAUSES = {State.NEED_MATERIAL: "MATERIAL_ASKED", State.DUPLICATE_CLEARING: "DUPLICATE_CHOICE"}
# Nothing of the transfer stands in the books of such a case, so all its money goes back.
CAME_TO_NOTHING = frozenset({State.REFUSED, State.RETURNED, State.CLOSED, State.CANCELLED, State.RECALLED})
# The origin has or had the letter, and may say something about it.
AFTER_LETTER = frozenset(State) - UNDECIDED - {State.REFUSED}
OPEN_AFTER_LETTER = AFTER_LETTER - ENDED

_LEGS = {
    **dict.fromkeys(BEFORE_LETTER, Leg.ADMISSION),
    **dict.fromkeys(WITH_ORIGIN, Leg.ORIGIN),
    **dict.fromkeys(WITH_US | AFTERWARDS, Leg.BOOKING),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules, or a maker, say of an application. `scheme` is an AAE140 code where it is the reason."""

    outcome: Literal["accept", "refuse"]
    rule: str
    code: str = ""
    legal_basis: str = ""
    account_kind: Literal["normal", "temporary"] = "normal"
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """A statement line that was booked for a case."""

    line_id: str
    remittance_id: str
    amount_fen: int


Binding = Literal["letter", "agreement", "cancellation", "recall", "duplicates", "settlement", "aside"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a maker proposes beside the smooth course, until a second person approves it or it is proposed otherwise.

    `division` is the right agency of a corrected letter, `question_id` the answer that an agreement stands on, `agreed` the
    answer to a recall, `kept` the side of the months paid twice.
    """

    kind: Binding
    maker: str
    reason: str = ""
    division: str = ""
    question_id: str = ""
    agreed: bool = False
    kept: Literal["own", "transferred", ""] = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question between the two agencies and its answer; the words are under the person's key.

    `asked_by` and `asked` are provinces; `form_version` is the version of the form that a question of ours was about, 0 where
    there was none.
    """

    question_id: str
    asked_by: str
    kind: str
    asked_on: date
    text: SealedForPerson
    form_version: int = 0
    asked: str = ""
    answered_on: date | None = None
    confirms: bool = False
    answer: SealedForPerson | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One transfer as the destination holds it. Money is in fen.

    `form` is the newest information form; `booked` the one that stands in the books. `there` is how the former agency knows
    the person, where that is not as the application says; `proposed_there` what a corrected letter is to say. `stands` is what
    the record holds of the transfer where that is not what the form brought: months of it were cleared.
    """

    case_id: str
    person_ref: str
    province: str
    origin: str
    origin_division: str
    destination_division: str
    state: State
    status: Status
    since: date
    applied_on: date
    applied_by: Literal["person", "employer", "clerk", "proxy"]
    applicant: str
    channel: Literal["single", "batch"]
    approved_transfer: bool
    personal: Personal
    open_key: bytes
    due: Due
    serial: int = 0  # given by the database
    maker: str | None = None
    decision: Decision | None = None
    letter_no: str | None = None
    form: InformationForm | None = None
    received_fen: int = 0
    payments: tuple[Payment, ...] = ()
    discrepancy: str | None = None
    reminded: bool = False
    breached: bool = False
    surplus_maker: str | None = None
    returning_fen: int = 0  # approved to go back; the bank has not taken it yet
    code: str | None = None  # why it was refused or returned
    asked: tuple[str, ...] = ()  # material, by code; asked for once
    supplied: bool = False
    handed_in: tuple[str, ...] = ()  # material, by code, that came with the application
    paused_on: date | None = None
    letter_version: int = 0
    proposal: Proposal | None = None
    there: PersonIdentity | None = None
    proposed_there: PersonIdentity | None = None
    booked: InformationForm | None = None
    stands: tuple[Segment, ...] = ()
    former: tuple[str, ...] = ()  # provinces that the letter was addressed to before
    questions: tuple[Question, ...] = ()
    escalate_on: date | None = None  # set by the breach, empty again when the supervisors know
    escalated: bool = False
    reminded_on: date | None = None  # by a clerk
    before_recall: State | None = None
    recall_code: str = ""
    died_on: date | None = None
    gathering: str = ""  # which gathering at retirement it belongs to
    served_first: bool = False  # stands before others on the work list, and is decided like any other

    @property
    def leg(self) -> Leg | None:
        """The leg whose clock runs; None when the case has ended, waits for the person, or waits to be closed."""
        return _LEGS.get(self.state)

    @property
    def holder(self) -> str:
        """The province that has to act."""
        return self.origin if self.leg is Leg.ORIGIN else self.province

    @property
    def has_in_hand(self) -> frozenset[str]:
        """Codes of the material that the person handed in, with the application or when asked."""
        return frozenset(self.handed_in) | (frozenset(self.asked) if self.supplied else frozenset())

    @property
    def known_there(self) -> PersonIdentity:
        """Who the person is for the former agency."""
        return self.there or PersonIdentity(id_number=self.personal.id_number, name=self.personal.name)

    @property
    def expected_fen(self) -> int:
        """What the forms say that this case is to hold: the newest one, or the one in the books while it says more."""
        if self.state in CAME_TO_NOTHING:
            return 0
        return max((form.items.total_fen for form in (self.form, self.booked) if form is not None), default=0)

    @property
    def available_fen(self) -> int:
        """Money that is here and not on its way back."""
        return self.received_fen - self.returning_fen

    @property
    def arrears_months(self) -> int:
        """Months that the form names as unpaid: they count nothing, move no money and cannot be made up (domain § 1.6.2)."""
        rows = (row for segment in self.form.segments for row in segment.rows) if self.form is not None else ()
        return sum(row.months for row in rows if row.status == "arrears")

    @property
    def unanswered(self) -> tuple[Question, ...]:
        """Questions of the origin that wait for our answer."""
        return tuple(each for each in self.questions if each.asked_by != self.province and each.answer is None)

    @property
    def surplus_fen(self) -> int:
        """Money that is here and not this case's: paid twice or above the form."""
        if self.form is None and self.state not in CAME_TO_NOTHING:
            return 0
        return max(0, self.received_fen - self.expected_fen)

    def public(self) -> PublicStatus:
        """What the person is shown now. Of a completed transfer that is looked at again no clock is shown."""
        shows_due = (self.leg is not None and self.state not in AFTERWARDS) or self.state is State.RETURNED_CURABLE
        return PublicStatus(
            status=self.status,
            holder=self.holder,
            since=self.since,
            due_on=self.due.due_on if shows_due else None,
            due_provisional=self.due.provisional if shows_due else False,
            overdue=self.breached and self.state not in AFTERWARDS,
            code=self.code,
            paused=PAUSES.get(self.state),
            service_target_on=self.due.target_on if shows_due and self.state is not State.RETURNED_CURABLE else None,
            part_not_movable=self.form is not None and self.form.not_movable is not None,
            employer_told=self.applied_by == "employer" and self.personal.employer_email is not None,
            arrears_lost=self.arrears_months > 0,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case as it is now, and what is to be told."""

    case: Case
    told: tuple[Told, ...] = ()


def shown(case: Case, status: Status, today: date) -> dict[str, Any]:
    """What changes where the person is shown another status, since today; nothing where it is shown already.

    For `replace`: a case is large, and a step copies it once.
    """
    return {} if case.status is status else {"status": status, "since": today}


def new_leg(due: Due) -> dict[str, Any]:
    """What changes where a clock begins: nobody was reminded of it and it is not overdue. For `replace`."""
    return {"due": due, "reminded": False, "breached": False, "escalate_on": None, "escalated": False}


def checked(case: Case, checker: str, states: frozenset[State], step: str) -> str:
    """The maker of what waits for a second person in a state of its own.

    Raises:
        NotNow, SamePerson: by name.
    """
    if case.state not in states or case.maker is None:
        raise NotNow(step, case.state)
    if case.maker == checker:
        raise SamePerson(checker)
    return case.maker


def approved(case: Case, checker: str, states: frozenset[State], kind: Binding, step: str) -> Proposal:
    """The proposal that a second person approves, where one of its kind is made and the state still allows it.

    Raises:
        NotNow, SamePerson: by name.
    """
    if case.state not in states or case.proposal is None or case.proposal.kind != kind:
        raise NotNow(step, case.state)
    if case.proposal.maker == checker:
        raise SamePerson(checker)
    return case.proposal
