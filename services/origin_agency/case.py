"""One transfer as the origin holds it: its states, what it remembers, and what a step makes of it. Pure.

The steps stand by what they are about: `letters`, `forms`, `money`, `recalls`, `questions`, `deaths`, `clocks`.
"""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

from contracts.base import Items, SealedForPerson
from contracts.documents import ContactLetter, NotMovable
from services.records.decisions import Due, Told
from services.records.decisions import NotNow as NotNow
from services.records.decisions import Refused as Refused
from services.records.decisions import SamePerson as SamePerson


class State(StrEnum):
    """Where the origin's part of a case stands."""

    LETTER_HELD = "LETTER_HELD"
    HANDLING_PROPOSED = "HANDLING_PROPOSED"
    RETURNED = "RETURNED"
    FORM_ISSUED = "FORM_ISSUED"
    REMITTANCE_PROPOSED = "REMITTANCE_PROPOSED"
    REMITTANCE_ORDERED = "REMITTANCE_ORDERED"
    REMITTED = "REMITTED"
    PAYMENT_RETURNED = "PAYMENT_RETURNED"
    SETTLED = "SETTLED"
    RECALL_ASKED = "RECALL_ASKED"
    RECALL_AGREED = "RECALL_AGREED"
    RECALLED = "RECALLED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({State.RETURNED, State.SETTLED, State.RECALLED, State.CANCELLED})
# While nothing is approved the person may still withdraw, and the leg's clock still runs.
UNDECIDED = frozenset({State.LETTER_HELD, State.HANDLING_PROPOSED})
TO_BE_PAID = frozenset({State.FORM_ISSUED, State.PAYMENT_RETURNED})
OPEN_LEG = UNDECIDED | TO_BE_PAID | {State.REMITTANCE_PROPOSED, State.REMITTANCE_ORDERED}
AMENDABLE = TO_BE_PAID | {State.REMITTED, State.SETTLED}
RECALLING = frozenset({State.RECALL_ASKED, State.RECALL_AGREED})


@dataclass(frozen=True, slots=True)
class GivenPaper:
    """A paper in the agency's file, as a maker names it: which, of which day, by whom, for which months, all as texts."""

    kind: str
    dated: str
    issuer: str
    proves_from: str = ""
    proves_to: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a maker proposes for a letter: the form, or a return with its code.

    `cure_days` makes the return a soft one: a corrected letter goes on with the case for so many working days.
    """

    maker: str
    outcome: Literal["form", "return"]
    code: str = ""
    note: str = ""
    cure_days: int | None = None
    right_division: str | None = None
    papers: tuple[GivenPaper, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a maker proposes for a case whose form is out, for the account of somebody who has died, or before the form.

    `papers` belong to the notice of what stays: with them less stays.
    """

    kind: Literal["amendment", "recall", "settlement", "notice"]
    maker: str
    reason: str = ""
    code: str = ""
    papers: tuple[GivenPaper, ...] = ()


@dataclass(frozen=True, slots=True)
class Interim:
    """A year whose recording rate was not published when the form was made: the rate in its place, and what it credited."""

    year: int
    rate: str
    interest_fen: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question that one agency asked the other. Its words are sealed under the key of `under`, the answer's of its own.

    The two differ where a corrected letter, between them, was about somebody whom the province knows.
    """

    question_id: str
    ours: bool  # whether this agency asked
    kind: str
    under: str
    text: SealedForPerson
    asked_on: date
    answer: SealedForPerson | None = None
    confirms: bool = False
    answered_on: date | None = None
    answered_under: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One transfer as the origin holds it. Money is in fen."""

    case_id: str
    destination: str
    letter: ContactLetter
    state: State
    received_on: date
    due: Due
    person_ref: str | None = None
    proposal: Proposal | None = None
    wish: Wish | None = None
    form_version: int = 0
    items: Items | None = None
    form_digest: str = ""  # of what the form that is out says; empty where the destination does not go by that form
    transfer_on: date | None = None  # of the first form; every later version is computed for the same day
    remittance_id: str | None = None
    remitted_fen: int = 0
    ordered_fen: int = 0  # what the bank was asked to pay and is not booked yet
    paid_version: int = 0  # the letter's version whose account the last order was paid to
    account_wanted: bool = False  # the bank's reason was the account: a letter above `paid_version` must name another
    booked_there: int = 0  # the form's version that the destination has booked before all of it was paid from here
    sent_back: bool = False  # the destination gave back what the form says: nothing is paid again before somebody decides anew
    interim: tuple[Interim, ...] = ()  # RATE_PENDING: the amounts are not final while there are any
    not_movable: NotMovable | None = None
    notice_until: date | None = None  # the last day of the written notice of what stays, while the person was not told yet
    notice_late: bool = False  # that day is over and was raised
    told_stays: NotMovable | None = None  # what the person was told before the form
    closed: bool = False
    reminded: bool = False
    breached: bool = False
    escalate_on: date | None = None  # set by the breach, empty again when the supervisors know
    escalated: bool = False
    arrears_until: date | None = None
    died_on: date | None = None
    recall_reason: str = ""
    questions: tuple[Question, ...] = field(default=())

    @property
    def known_as(self) -> str:
        """The person's pseudonym, or the case where the province does not know the person."""
        return self.person_ref or self.case_id

    @property
    def letter_province(self) -> str:
        """This province, to which the letter is addressed."""
        return self.letter.origin_division[:2]

    @property
    def to_remit_fen(self) -> int:
        """What is approved and not yet paid; negative where a later form is smaller than what was paid."""
        return (self.items.total_fen if self.items else 0) - self.remitted_fen

    @property
    def paying(self) -> bool:
        """Whether the bank may have an order that is not booked yet; a completion can overtake its booking."""
        return self.ordered_fen > 0

    @property
    def leaves_whole(self) -> bool:
        """Whether the relationship ends when the form is paid; where something stays, its rows were set apart with the form."""
        return self.not_movable is None

    @property
    def heirs_paid(self) -> bool:
        """Whether the destination has booked for somebody who has died, and so settles with the heirs."""
        return self.state is State.SETTLED and self.died_on is not None

    @property
    def speaks_on(self) -> date | None:
        """When the clock has its next word beside reminder and breach: the supervisors', or that of the notice of what stays."""
        notice = self.notice_until + timedelta(days=1) if self.notice_until and not self.notice_late else None
        return min((day for day in (self.escalate_on, notice) if day is not None), default=None)

    @property
    def unanswered(self) -> tuple[Question, ...]:
        """Questions of the other agency that wait for our answer."""
        return tuple(question for question in self.questions if not question.ours and question.answer is None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case as it is now, and what is to be told."""

    case: Case
    told: tuple[Told, ...] = ()


def clock_begins(case: Case, due: Due) -> Case:
    """The case with a clock that starts again: nobody was reminded of this leg, nor is it breached."""
    return replace(case, due=due, reminded=False, breached=False, escalate_on=None, escalated=False)


def refuse_after_death(case: Case, step: str) -> None:
    """Refuse to change a transfer whose destination settles with the heirs.

    Raises:
        Refused: by name.
    """
    if case.heirs_paid:
        raise Refused(
            "PERSON_DECEASED",
            f"{step} comes too late: the person has died and the destination settles with the heirs.",
            legal_basis="社会保险法 第十四条",
            remedy="Ask the destination; what is still owed to the heirs is claimed there.",
        )


def wished(case: Case, checker: str, kind: str, states: frozenset[State], step: str) -> Wish:
    """What a maker proposed for a case whose form is out, as a second person looks at it.

    Raises:
        NotNow, SamePerson: by name.
    """
    if case.state not in states or case.wish is None or case.wish.kind != kind:
        raise NotNow(step, case.state)
    if case.wish.maker == checker:
        raise SamePerson(checker)
    return case.wish
