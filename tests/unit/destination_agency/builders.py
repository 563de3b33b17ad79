"""One case at the destination 33 with its origin 44, taken to wherever a test begins."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

from contracts.banking import StatementLine
from contracts.base import Fact, Items, SealedForPerson
from contracts.documents import (
    Answer,
    ContactLetter,
    InformationForm,
    LetterReturn,
    PaymentReturned,
    PersonIdentity,
    Question,
    RecallRequest,
)
from contracts.statuses import Status
from services.destination_agency.application import ask_for_material, propose_admission, refuse, send_letter, withdraw
from services.destination_agency.case import Case, Decision, Outcome, State
from services.destination_agency.completion import complete, correct, propose_completion, propose_correction
from services.destination_agency.deaths import propose_settlement, report_death, settle
from services.destination_agency.letters import close, returned
from services.destination_agency.matching import Examined
from services.destination_agency.meeting import receive_form, receive_funds
from services.destination_agency.recalls import propose_recall_answer, recall, recall_received
from services.records.decisions import Due, Letter
from services.records.model import Personal, to_contract
from services.rules.amounts import RowStatus, Segment, YearRow, compute
from services.rules.loader import Tables, load_tables
from services.rules.months import Month
from tests.builders import CASE as CASE
from tests.builders import PERSON as PERSON
from tests.builders import a

TABLES: Tables = load_tables()

FactT = TypeVar("FactT", bound=Fact)

APPLIED = date(2024, 5, 6)
DECIDED = date(2024, 5, 7)
ARRIVED = date(2024, 5, 9)
BOOKED = date(2024, 5, 10)


ADMISSION_DUE = Due(due_on=date(2024, 5, 27), remind_on=date(2024, 5, 20))
ORIGIN_DUE = Due(due_on=date(2024, 5, 28), remind_on=date(2024, 5, 21))
BOOKING_DUE = Due(due_on=date(2024, 5, 30), remind_on=date(2024, 5, 23))
RECALL_DUE = Due(due_on=date(2024, 5, 31), remind_on=date(2024, 5, 24))
CURABLE_UNTIL = date(2024, 5, 20)

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
    return receive_form(case, form or a_form(), Examined(fault), today=ARRIVED, due=BOOKING_DUE)


def money_comes(case: Case, amount_fen: int = TOTAL, *, line: StatementLine | None = None) -> Outcome:
    return receive_funds(case, line or a_line(amount_fen), today=ARRIVED, due=BOOKING_DUE)


def booking() -> Case:
    """Form and money met."""
    return money_comes(form_comes(lettered()).case).case


def completion_proposed() -> Case:
    return propose_completion(booking(), "maker-33").case


def completed() -> Case:
    return complete(completion_proposed(), "checker-33", today=BOOKED).case


def needing_material() -> Case:
    return ask_for_material(a_case(), "maker-33", ("IDENTITY_DOCUMENT",), today=DECIDED).case


def sent_back_to_us(curable_until: date | None = None) -> Case:
    """The letter came back: for good, or to be cured until a day."""
    body = LetterReturn(letter_no=LETTER_NO, code="NO_RELATIONSHIP", legal_basis="Art. 8(3)", curable_until=curable_until)
    return returned(lettered(), body, today=ARRIVED).case


def correction_held() -> Case:
    """A smaller form came after the completion, so all its money is here."""
    return form_comes(completed(), a_smaller_form(2)).case


def corrected() -> Case:
    return correct(propose_correction(correction_held(), "maker-33").case, "checker-33", today=BOOKED).case


RECALL = RecallRequest(letter_no=LETTER_NO, code="WRONG_PERSON", reason="it was another person's")


def recall_held() -> Case:
    return recall_received(completed(), RECALL, due=RECALL_DUE).case


def died(case: Case) -> Case:
    on = date(2024, 5, 1)
    return report_death(case, "maker-33", died_on=on, reported_on=BOOKED, reported_by="family", today=BOOKED, tables=TABLES).case


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
        case State.NEED_MATERIAL:
            return needing_material()
        case State.RETURNED:
            return sent_back_to_us()
        case State.RETURNED_CURABLE:
            return sent_back_to_us(CURABLE_UNTIL)
        case State.CLOSED:
            return close(sent_back_to_us(), "maker-33", "nobody named another agency", today=BOOKED).case
        case State.DUPLICATE_CLEARING:
            return complete(completion_proposed(), "checker-33", today=BOOKED, overlap=("2024-02", "2024-03")).case
        case State.CORRECTION_HELD:
            return correction_held()
        case State.CORRECTION_PROPOSED:
            return propose_correction(correction_held(), "maker-33").case
        case State.RECALL_HELD:
            return recall_held()
        case State.RECALLED:
            agreed = propose_recall_answer(recall_held(), "maker-33", agreed=True, reason="another person").case
            return recall(agreed, "checker-33", today=BOOKED).case
        case State.SETTLED:
            dead = died(completed())
            return settle(
                propose_settlement(dead, "maker-33", today=BOOKED, tables=TABLES).case,
                "checker-33",
                amount_fen=1,
                legal_basis="社会保险法 第十四条",
            ).case
        case State.REFUSED | State.CANCELLED:
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


QUESTION = "018f4c1e-0000-7000-8000-00000000aaaa"
SEALED = SealedForPerson(nonce="0" * 24, ciphertext="d29yZHM=")
RETURNED_MONEY = PaymentReturned(letter_no=LETTER_NO, remittance_id="remittance-1", amount_fen=TOTAL, reason="no such account")


def a_question(kind: str = "other", question_id: str = QUESTION) -> Question:
    return Question(letter_no=LETTER_NO, question_id=question_id, kind=kind, text="how did it come about?")


def an_answer(*, confirms: bool = True, question_id: str = QUESTION) -> Answer:
    return Answer(letter_no=LETTER_NO, question_id=question_id, text="by the annual method", confirms=confirms)


def letters_of(outcome: Outcome) -> list[Letter]:
    """The documents that are to leave."""
    return [told for told in outcome.told if isinstance(told, Letter)]


def fact_of(outcome: Outcome, kind: type[FactT]) -> FactT:
    """The one fact of a kind that is told."""
    [found] = [fact for fact in facts(outcome) if isinstance(fact, kind)]
    return found


def approve(case: Case, checker: str) -> Outcome:
    """A checker approves an admission, whichever it is."""
    if case.decision is not None and case.decision.outcome == "refuse":
        return refuse(case, checker, today=DECIDED, rule_set="2024.1")
    return send_letter(case, checker, a_letter(), today=DECIDED, due=ORIGIN_DUE, rule_set="2024.1")
