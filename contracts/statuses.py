"""What a person is shown of a transfer: stable codes, the same words on every channel."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from contracts.base import Contract, ProvinceCode


class Status(StrEnum):
    """Public status codes of a transfer."""

    SUBMITTED = "SUBMITTED"
    NEED_MATERIAL = "NEED_MATERIAL"
    REVIEWING = "REVIEWING"
    REJECTED = "REJECTED"
    TEMP_ACCOUNT = "TEMP_ACCOUNT"
    LETTER_SENT = "LETTER_SENT"
    ORIGIN_HANDLING = "ORIGIN_HANDLING"
    RETURNED = "RETURNED"
    PART_NOT_MOVABLE = "PART_NOT_MOVABLE"
    FORM_SENT_FUND_SENT = "FORM_SENT_FUND_SENT"
    FUND_IN_TRANSIT = "FUND_IN_TRANSIT"
    DISCREPANCY = "DISCREPANCY"
    BOOKING = "BOOKING"
    DUPLICATE_CLEARING = "DUPLICATE_CLEARING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Leg(StrEnum):
    """The three legs of a transfer, each with its own 15 working days (Interim Measures Art. 8)."""

    ADMISSION = "admission"
    ORIGIN = "origin"
    BOOKING = "booking"


class PublicStatus(Contract):
    """What the person is told: where it is, who holds it, until when. No amount, no name."""

    status: Status
    holder: ProvinceCode
    since: date
    due_on: date | None = None
    due_provisional: bool = Field(default=False, description="counted over a year whose holidays are not known yet")
    overdue: bool = False
    code: str | None = Field(default=None, description="refusal or return code, explained in the notice")
    paused: str | None = Field(default=None, description="why the clock stands, a code of the pauses table; None while it runs")
    part_not_movable: bool = Field(
        default=False, description="some contributions stay at the old place; the person was told which"
    )
    arrears_lost: bool = Field(default=False, description="months in arrears were not paid: they count nothing and move no money")
    service_target_on: date | None = Field(default=None, description="what the province promises beside the legal limit")
    employer_told: bool = Field(default=False, description="the employer who applied is written to as well when the case ends")
