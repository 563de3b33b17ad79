"""One case at the destination 33 with its origin 44, taken to wherever a test begins."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

from contracts.banking import StatementLine
from contracts.base import Fact, Items
from contracts.documents import ContactLetter, InformationForm, PersonIdentity
from contracts.statuses import Status
from services.destination_agency.case import (
    Case,
    Decision,
    Outcome,
    State,
    complete,
    propose_admission,
    propose_completion,
    receive_form,
    receive_funds,
    send_letter,
    withdraw,
)
from services.records.decisions import Due, Letter
from services.records.model import Personal, to_contract
from services.rules.amounts import RowStatus, Segment, YearRow, compute
from services.rules.loader import Tables, load_tables
from services.rules.months import Month
from tests.builders import CASE, PERSON, a

TABLES: Tables = load_tables()

APPLIED = date(2024, 5, 6)
DECIDED = date(2024, 5, 7)
ARRIVED = date(2024, 5, 9)
BOOKED = date(2024, 5, 10)

ADMISSION_DUE = Due(due_on=date(2024, 5, 27), remind_on=date(2024, 5, 20))
ORIGIN_DUE = Due(due_on=date(2024, 5, 28), remind_on=date(2024, 5, 21))
BOOKING_DUE = Due(due_on=date(2024, 5, 30), remind_on=date(2024, 5, 23))

LETTER_NO = "LXH-330100-20240507-000001"
ACCEPT = Decision("accept", "K4")
REFUSE = Decision("refuse", "R03", "NOT_INSURED_AT_DESTINATION", "国办发〔2009〕66号 第八条第(一)项")


def a_case(**fields: Any) -> Case:
    """An application that has just come in."""
    usual: dict[str, Any] = {
        "case_id": CASE,
        "person_ref": PERSON,
        "province": "33",
        "origin": "44",
        "origin_division": "440100",
        "destination_division": "330100",
        "state": State.REVIEWING,
        "status": Status.SUBMITTED,
        "since": APPLIED,
        "applied_on": APPLIED,
        "applied_by": "person",
        "applicant": "insured-1",
        "channel": "single",
        "approved_transfer": False,
        "personal": Personal(id_number="110101199003074514", name="陈志远", sex="male", hukou="41"),
        "open_key": b"k" * 32,
        "due": ADMISSION_DUE,
    }
    return Case(**{**usual, **fields})


def a_letter() -> ContactLetter:
    return a(ContactLetter, letter_no=LETTER_NO)


def proposed(decision: Decision = ACCEPT) -> Case:
    return propose_admission(a_case(), "maker-33", decision).case


def lettered() -> Case:
    """The contact letter has left."""
    return send_letter(proposed(), "checker-33", a_letter(), today=DECIDED, due=ORIGIN_DUE, rule_set="2024.1").case


def withdrawing() -> Case:
    return withdraw(lettered(), "insured-1", today=DECIDED).case


def rows() -> tuple[YearRow, ...]:
    """27 months in Guangdong: example 3 of the domain brief."""
    return tuple(
        YearRow("440100", Month.parse(start), Month.parse(end), wage_fen, Decimal("0.16"), status=RowStatus.PAID)
        for start, end, wage_fen in (
            ("2022-01", "2022-12", 500_000),
            ("2023-01", "2023-12", 600_000),
            ("2024-01", "2024-03", 600_000),
        )
    )


def a_form(version: int = 1, *, changed: dict[str, int] | None = None, **fields: Any) -> InformationForm:
    """A sound form over `rows`; `changed` replaces items."""
    segment = Segment(None, 0, 0, rows())
    found = compute([segment], transfer_on=date(2024, 5, 8), province="44", tables=TABLES)
    items = {name: getattr(found, name) for name in Items.model_fields} | (changed or {})
    usual: dict[str, Any] = {
        "letter_no": LETTER_NO,
        "form_version": version,
        "person": PersonIdentity(id_number="110101199003074514", name="陈志远"),
        "first_insured_on": date(2022, 1, 1),
        "stopped_on": date(2024, 3, 31),
        "months": found.months,
        "deemed_months": 0,
        "items": Items(**items),
        "transfer_on": date(2024, 5, 8),
        "rule_set": TABLES.version,
        "segments": (to_contract(segment),),
    }
    return InformationForm(**{**usual, **fields})


TOTAL = a_form().items.total_fen


def a_smaller_form(version: int) -> InformationForm:
    """A form of 1,800.00 yuan less: what came short before is now enough."""
    before = a_form().items
    return a_form(version, changed={"pool_fen": before.pool_fen - 180_000, "total_fen": before.total_fen - 180_000})


_LINES = count(1)


def a_line(amount_fen: int = TOTAL, *, remittance: str = "remittance-1") -> StatementLine:
    """A line that was never seen before; two lines may belong to the same remittance."""
    number = next(_LINES)
    return a(
        StatementLine,
        case_id=CASE,
        payer="44",
        payee="33",
        remittance_id=remittance,
        amount_fen=amount_fen,
        line_no=number,
        line_id=f"L{number}",
    )


def form_comes(case: Case, form: InformationForm | None = None, fault: str | None = None) -> Outcome:
    return receive_form(case, form or a_form(), fault, today=ARRIVED, due=BOOKING_DUE)


def money_comes(case: Case, amount_fen: int = TOTAL, *, line: StatementLine | None = None) -> Outcome:
    return receive_funds(case, line or a_line(amount_fen), today=ARRIVED, due=BOOKING_DUE)


def booking() -> Case:
    """Form and money met."""
    return money_comes(form_comes(lettered()).case).case


def completion_proposed() -> Case:
    return propose_completion(booking(), "maker-33").case


def completed() -> Case:
    return complete(completion_proposed(), "checker-33", today=BOOKED).case


def in_state(state: State) -> Case:
    """A case in each of its states."""
    match state:
        case State.REVIEWING:
            return a_case()
        case State.ADMISSION_PROPOSED:
            return proposed()
        case State.LETTER_SENT:
            return lettered()
        case State.WITHDRAWING:
            return withdrawing()
        case State.FORM_HELD:
            return form_comes(lettered()).case
        case State.MONEY_HELD:
            return money_comes(lettered()).case
        case State.DISCREPANCY:
            return money_comes(form_comes(lettered()).case, TOTAL - 1).case
        case State.BOOKING:
            return booking()
        case State.COMPLETION_PROPOSED:
            return completion_proposed()
        case State.COMPLETED:
            return completed()
        case State.REFUSED | State.RETURNED | State.CANCELLED:
            return replace(lettered(), state=state)


def facts(outcome: Outcome) -> list[Fact]:
    """What is said on the journal, without the letters."""
    return [told for told in outcome.told if not isinstance(told, Letter)]


def names(outcome: Outcome) -> list[str]:
    """What is told, by type: facts and letters in their order."""
    return [told.kind.type_name if isinstance(told, Letter) else told.type_name for told in outcome.told]


def shown(outcome: Outcome) -> list[str]:
    """The public statuses that this step tells, in order."""
    public = [getattr(fact, "public", None) for fact in facts(outcome)]
    return [str(status.status) for status in public if status is not None]
