"""Cases, letters and forms of the origin: name the one fact that matters, the builder supplies the rest."""

from datetime import date
from typing import Any

from contracts.base import Fact, Items, SealedForPerson
from contracts.documents import CompletionNotice, ContactLetter, InformationForm, PayeeAccount, PersonIdentity
from services.origin_agency.case import Case, Outcome, Proposal, State
from services.origin_agency.forms import Contact
from services.records.decisions import Due, Letter
from services.world.plan import PROTAGONIST
from tests.builders import CASE, PERSON, a, items

MONDAY = date(2024, 5, 6)
REMIND_ON = date(2024, 5, 17)  # ten working days after Monday; 11 May was worked, for it made up for the holiday
DUE_ON = date(2024, 5, 24)
LETTER_NO = "LXH-330100-20240506-000001"

LATER = Due(date(2024, 6, 14), date(2024, 6, 6))  # a clock that begins anew, some weeks after the first
SEALED = a(SealedForPerson)
CONTACT = Contact("en", SEALED)

FORM = Proposal("maker-1", "form")
RETURN = Proposal("maker-1", "return", "STILL_CONTRIBUTING", "pays until June")

_ISSUED: dict[str, Any] = {"proposal": FORM, "form_version": 1, "items": items(300, 700), "transfer_on": MONDAY}
_PAID: dict[str, Any] = {**_ISSUED, "remittance_id": "R1", "remitted_fen": 1000, "paid_version": 1, "closed": True}

# What a case has by the time it stands in a state.
_BY_STATE: dict[State, dict[str, Any]] = {
    State.LETTER_HELD: {},
    State.HANDLING_PROPOSED: {"proposal": FORM},
    State.RETURNED: {"proposal": RETURN},
    State.FORM_ISSUED: _ISSUED,
    State.REMITTANCE_PROPOSED: _ISSUED,
    State.REMITTANCE_ORDERED: {**_ISSUED, "remittance_id": "R1", "ordered_fen": 1000, "paid_version": 1},
    State.REMITTED: _PAID,
    State.PAYMENT_RETURNED: {**_PAID, "remitted_fen": 0},
    State.SETTLED: _PAID,
    State.RECALL_ASKED: {**_PAID, "recall_reason": "it was of another person"},
    State.RECALL_AGREED: {**_PAID, "recall_reason": "it was of another person"},
    State.RECALLED: {**_PAID, "remitted_fen": 0, "items": None, "closed": False, "recall_reason": "it was of another person"},
    State.CANCELLED: {},
}


def a_letter(**fields: Any) -> ContactLetter:
    usual: dict[str, Any] = {
        "letter_no": LETTER_NO,
        "origin_division": "440100",
        "destination_division": "330100",
        "person": PersonIdentity(id_number=PROTAGONIST.application.id_number, name="陈志远"),
        "payee": a(PayeeAccount, account_no="9990331"),
    }
    return a(ContactLetter, **{**usual, **fields})


def a_case(state: State = State.LETTER_HELD, **fields: Any) -> Case:
    usual: dict[str, Any] = {
        "case_id": CASE,
        "destination": "33",
        "letter": a_letter(),
        "state": state,
        "received_on": MONDAY,
        "due": Due(DUE_ON, REMIND_ON),
        "person_ref": PERSON,
    }
    return Case(**{**usual, **_BY_STATE[state], **fields})


def a_form(of_items: Items | None = None, **fields: Any) -> InformationForm:
    usual: dict[str, Any] = {"letter_no": LETTER_NO, "form_version": 1, "items": of_items or items(300, 700), "months": 27}
    return a(InformationForm, **{**usual, **fields})


def a_completion(**fields: Any) -> CompletionNotice:
    return a(CompletionNotice, **{"letter_no": LETTER_NO, "form_version": 1, "months": 27, "total_fen": 1000, **fields})


def kinds(outcome: Outcome) -> list[type[Any]]:
    """What was told, by kind."""
    return [told.kind if isinstance(told, Letter) else type(told) for told in outcome.told]


def fact(outcome: Outcome, at: int = 0) -> Any:
    """One of the facts that were told."""
    found = outcome.told[at]
    assert isinstance(found, Fact), found
    return found


def body(outcome: Outcome, at: int = -1) -> Any:
    """What one of the documents that were sent says."""
    found = outcome.told[at]
    assert isinstance(found, Letter), found
    return found.body
