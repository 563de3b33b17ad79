"""Cases, letters and forms of the origin: name the one fact that matters, the builder supplies the rest."""

from datetime import date
from typing import Any

from contracts.base import Items
from contracts.documents import CompletionNotice, ContactLetter, InformationForm, PayeeAccount, PersonIdentity
from services.origin_agency.case import Case, Proposal, State
from services.records.decisions import Due
from services.world.plan import PROTAGONIST
from tests.builders import CASE, PERSON, a, items

MONDAY = date(2024, 5, 6)
REMIND_ON = date(2024, 5, 17)  # ten working days after Monday; 11 May was worked, for it made up for the holiday
DUE_ON = date(2024, 5, 24)
LETTER_NO = "LXH-330100-20240506-000001"

FORM = Proposal("maker-1", "form")
RETURN = Proposal("maker-1", "return", "STILL_CONTRIBUTING", "pays until June")

# What a case has by the time it stands in a state.
_BY_STATE: dict[State, dict[str, Any]] = {
    State.LETTER_HELD: {},
    State.HANDLING_PROPOSED: {"proposal": FORM},
    State.RETURNED: {"proposal": RETURN},
    State.FORM_ISSUED: {"proposal": FORM, "form_version": 1, "items": items(300, 700)},
    State.REMITTANCE_PROPOSED: {"proposal": FORM, "form_version": 1, "items": items(300, 700)},
    State.REMITTANCE_ORDERED: {"proposal": FORM, "form_version": 1, "items": items(300, 700), "remittance_id": "R1"},
    State.REMITTED: {
        "proposal": FORM,
        "form_version": 1,
        "items": items(300, 700),
        "remittance_id": "R1",
        "remitted_fen": 1000,
        "closed": True,
    },
    State.SETTLED: {
        "proposal": FORM,
        "form_version": 1,
        "items": items(300, 700),
        "remittance_id": "R1",
        "remitted_fen": 1000,
        "closed": True,
    },
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
