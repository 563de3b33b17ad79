"""The public statuses of a transfer: what the person, the hotline and the window are told, in both languages.

The codes are a closed set and never change; the words are data in ``tables/statuses.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

STEPS = 5


class StatusCode(StrEnum):
    """The stable codes of domain § 7."""

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
    OVERDUE = "OVERDUE"


@dataclass(frozen=True, slots=True)
class Status:
    """How one status is told: its step of five, whether it ends the case, and what the person must do.

    `flag` marks what stands beside the main status instead of replacing it. `limit` names the statutory limit that
    runs (a code of limits.toml) or is None; `paused` says that the clock waits for the person.
    """

    code: StatusCode
    step: int
    terminal: bool
    flag: bool
    paused: bool
    limit: str | None
    text_zh: str
    text_en: str
    to_do_zh: str
    to_do_en: str
    effective_from: date
    effective_to: date | None
    source: str
    confidence: str

    def text(self, language: str) -> str:
        """Return the status in a language: English for ``en``, Chinese otherwise."""
        return self.text_en if language == "en" else self.text_zh

    def to_do(self, language: str) -> str:
        """Return what the person must do: English for ``en``, Chinese otherwise."""
        return self.to_do_en if language == "en" else self.to_do_zh
