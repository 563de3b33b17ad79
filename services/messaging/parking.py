"""What may become of a record that could not be handled: states, verbs, who may do what, and when it is tried again. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from contracts import documents
from contracts.base import Fact
from contracts.registry import FACTS


class State(StrEnum):
    """Where a record in quarantine stands.

    Open are `waiting` (it is tried again by itself), `parked` (an operator has to decide) and `behind` (something of its case
    stands before it). The others are how it ended.
    """

    WAITING = "waiting"
    PARKED = "parked"
    BEHIND = "behind"
    RETRIED = "retried"
    AMENDED = "amended"
    SKIPPED = "skipped"
    REJECTED = "rejected"


OPEN = frozenset({State.WAITING, State.PARKED, State.BEHIND})


class Verb(StrEnum):
    """What an operator may do with a parked record."""

    RETRY = "retry"
    AMEND = "amend"
    SKIP = "skip"
    REJECT = "reject"


# Documents that carry amounts, make them due, or name the account that is paid; and every fact that is booked.
MONEY: frozenset[type[Fact]] = frozenset(
    {
        documents.ContactLetterDocument,
        documents.InformationFormDocument,
        documents.CompletionDocument,
        documents.QueryDocument,
        documents.PaymentReturnedDocument,
        documents.RecallAnswerDocument,
        *(fact for fact in FACTS.values() if "account_sequences" in fact.model_fields),
    }
)

REJECTIONS: frozenset[type[Fact]] = frozenset({documents.RejectionToOriginDocument, documents.RejectionToDestinationDocument})


def needs_two(verb: Verb, kind: type[Fact] | None) -> bool:
    """Whether a verb on a record of this kind needs a second person. The one place that says so.

    A retry changes nothing: the sender's signed bytes are handled as any others. An amended text says what its sender did not
    sign. To set aside, or to send back, what moves money is a decision about money; so it is where nobody can tell.

    Args:
        verb: what is to be done.
        kind: of the record's fact, None where the record cannot be decoded.
    """
    match verb:
        case Verb.RETRY:
            return False
        case Verb.AMEND:
            return True
        case Verb.SKIP | Verb.REJECT:
            return kind is None or kind in MONEY


class Refused(Exception):
    """A verb that cannot be done, by name.

    Args:
        code: stable name, upper case.
        detail: what is wrong, for a person.
        remedy: what helps.
        field: of the command, where one is to blame.
        status: HTTP status that says the same.
    """

    def __init__(self, code: str, detail: str, remedy: str, *, field: str | None = None, status: int = 409) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.field = field
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """What decides whether a verb may be done now: the record's state, and which record of its case is the first."""

    quarantine_id: str
    state: State
    first: str
    proposed: bool = False


def check_verb(verb: Verb, place: Place) -> None:
    """Whether a verb may be proposed or done now.

    Raises:
        Refused: NOT_OPEN, NOT_ITS_TURN or PROPOSAL_OPEN.
    """
    if place.state not in OPEN:
        raise Refused("NOT_OPEN", f"The record is {place.state}.", "Nothing is left to do; look at its decisions.")
    if place.proposed:
        raise Refused("PROPOSAL_OPEN", "A proposal about the record waits for its approval.", "Approve it, or withdraw it.")
    if verb in (Verb.RETRY, Verb.AMEND) and place.first != place.quarantine_id:
        raise not_its_turn(place.first)


def not_its_turn(first: str) -> Refused:
    """Something of the same case stands before it."""
    return Refused(
        "NOT_ITS_TURN",
        f"{first} of the same case stands before it.",
        f"Deal with {first} first; what waits behind it is handled by itself.",
    )


def check_approval(*, proposed: bool, maker: str, checker: str) -> None:
    """Whether somebody may approve a proposal.

    Raises:
        Refused: NOT_PROPOSED or SAME_PERSON.
    """
    if not proposed:
        raise Refused("NOT_PROPOSED", "The decision does not wait for an approval.", "Look at what became of it.")
    if maker == checker:
        raise Refused("SAME_PERSON", "Maker and checker are the same person.", "Let a second person approve it.")


def check_withdrawal(*, proposed: bool, maker: str, who: str) -> None:
    """Whether somebody may take a proposal back: whoever made it.

    Raises:
        Refused: NOT_PROPOSED or NOT_YOURS.
    """
    if not proposed:
        raise Refused("NOT_PROPOSED", "The decision does not wait for an approval.", "Look at what became of it.")
    if maker != who:
        raise Refused("NOT_YOURS", "Somebody else made this proposal.", "Let its maker withdraw it.", status=403)


# An identity number or a mobile phone's: what a reason must not hold, for reasons stand on the journal in clear.
_PERSONAL = re.compile(r"(?<![0-9A-Za-z-])(\d{17}[\dXx]|[A-Z]{3}\d[0-9A-Z]{14}|1\d{10})(?![0-9A-Za-z-])")


def check_reason(text: str, *, field: str = "reason") -> str:
    """The reason without blanks around it.

    Raises:
        Refused: REASON_MISSING, or REASON_HOLDS_PERSON_DATA where it seems to hold somebody's number.
    """
    text = " ".join(text.split())
    if len(text) < 3:
        raise Refused("REASON_MISSING", "Every decision needs its reason.", "Say why, in words.", field=field, status=422)
    if _PERSONAL.search(text):
        raise Refused(
            "REASON_HOLDS_PERSON_DATA",
            "Reasons stand on the journal in clear, and this one seems to hold a person's number.",
            "Name the case, not the person.",
            field=field,
            status=422,
        )
    return text[:300]


def pause_after(tries: int, pauses_s: Sequence[float], *, lot: float) -> float | None:
    """How many seconds until a record that failed is tried again; None when it has had all its tries.

    Args:
        tries: how often it was tried.
        pauses_s: the pauses between tries, growing.
        lot: between 0 and 1, so that records that failed together do not come again together.
    """
    if not 1 <= tries <= len(pauses_s):
        return None
    return pauses_s[tries - 1] * (0.75 + lot / 2)
