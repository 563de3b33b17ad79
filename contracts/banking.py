"""What the fund desks and the bank say to each other over HTTP."""

from datetime import date
from typing import Literal

from pydantic import Field

from contracts.base import CaseId, Command, Contract, Fen, ProvinceCode
from contracts.documents import PayeeAccount


class RemittanceLine(Command):
    """What one remittance pays for one case."""

    case_id: CaseId
    letter_no: str
    amount_fen: Fen


class RemittanceOrder(Command):
    """A fund desk asks its bank to pay. The same id and the same body again is the same order."""

    remittance_id: str = Field(min_length=1, max_length=64)
    payer: ProvinceCode
    payee_province: ProvinceCode
    payee: PayeeAccount
    lines: tuple[RemittanceLine, ...] = Field(min_length=1, max_length=5000)
    total_fen: Fen


class OrderTaken(Contract):
    """The bank's answer to an order."""

    remittance_id: str
    bank_reference: str


class ReturnOrder(Command):
    """A fund desk gives back money that came twice or was too much."""

    return_id: str = Field(min_length=1, max_length=64)
    payer: ProvinceCode
    remittance_id: str
    case_id: CaseId
    amount_fen: Fen


class StatementLine(Contract):
    """One line of a province's bank statement."""

    line_no: int = Field(ge=1, description="grows; ask for what comes after the last one seen")
    line_id: str
    kind: Literal["payment", "returned"]
    remittance_id: str
    case_id: CaseId
    payer: ProvinceCode
    payee: ProvinceCode
    amount_fen: Fen
    booked_on: date
    reason: str = ""


class Statement(Contract):
    """Lines of a province's statement after a number."""

    lines: tuple[StatementLine, ...]


class Fault(Command):
    """What the embedded bank shall do wrong with one case's payment, once."""

    case_id: CaseId
    kind: Literal["delay", "lose", "duplicate", "return", "short"]
    days: int = Field(default=0, ge=0, le=365, description="for delay: calendar days")
    amount_fen: Fen = Field(default=0, description="for short: how much is left out")


class Holding(Contract):
    """What the bank holds between two provinces: taken from the payer and not (yet) given to the payee, in fen."""

    payer: ProvinceCode
    payee: ProvinceCode
    taken_fen: int
    delivered_fen: int
    returned_fen: int
    given_back_fen: int
    in_hands_fen: int
