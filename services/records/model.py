"""A person's record in one province, in memory: identity, relationship, and the segments of year rows."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from pydantic import Field, TypeAdapter

from contracts import documents
from contracts.base import Contract
from services.rules.amounts import Participant, RowKind, RowStatus, Segment, YearRow
from services.rules.identity import parse_id_number
from services.rules.months import Month

RecordState = Literal["active", "stopped", "moved", "settled"]


class Proxy(Contract):
    """Who acts for the person (代办人): the application names all of it (domain § 1.2)."""

    name: str = Field(min_length=1, max_length=100)
    id_number: str = Field(min_length=15, max_length=18)
    relation: str = Field(min_length=1, max_length=50, description="to the person, in words")
    phone: str = Field(min_length=1, max_length=30)
    address: str = Field(min_length=1, max_length=200)
    postcode: str = Field(pattern=r"^\d{6}$")


class Personal(Contract):
    """Identity and contacts: what stands under the person's key.

    `hukou` is empty for somebody without a household register; `born_on` is there where the number does not say the birthday.
    `proxy` and the voucher are an application's: who applied for the person, and with which voucher of the former place.
    """

    id_number: str
    name: str
    sex: Literal["male", "female"]
    hukou: str
    phone: str | None = None
    email: str | None = None
    language: Literal["zh-CN", "en"] = "zh-CN"
    category: str = "urban_employee"
    employer: str | None = None
    employer_email: str | None = None
    born_on: date | None = None
    proxy: Proxy | None = None
    voucher_no: str | None = None
    check_code: str | None = None

    @property
    def birth_on(self) -> date:
        """The birthday that the identity number says, or that stands beside it."""
        return self.born_on or parse_id_number(self.id_number).birth_on


@dataclass(frozen=True, slots=True)
class Record:
    """One person's record. `segments` holds the rows that count here; amounts are computed from them and from nothing else.

    `left` are rows that are not counted here any more, kept because a later version of the form that they left with, or the
    relationship's coming back, is made from them; `left_with` is that case, None where the account was paid out.
    """

    person_ref: str
    id_hash: bytes
    state: RecordState
    scheme: str
    account_kind: Literal["normal", "temporary"]
    first_insured_on: date | None
    stopped_on: date | None
    drawing_since: date | None
    interest_through: int
    personal: Personal
    segments: tuple[Segment, ...]
    died_on: date | None = None
    left: tuple[Segment, ...] = ()
    left_with: str | None = None
    held_since: date | None = None  # a court or an audit holds the account

    @property
    def here(self) -> bool:
        """Whether a relationship is here: not moved away, not ended by paying the account out."""
        return self.state in ("active", "stopped")

    @property
    def has_paid(self) -> bool:
        """Whether a contribution of the person's own was paid here."""
        return any(row.status is RowStatus.PAID for segment in self.segments for row in segment.rows)

    def reopened(self) -> "Record":
        """The record as it was before its rows left: the transfer was taken back."""
        state: RecordState = "active" if self.stopped_on is None else "stopped"
        return replace(self, state=state, segments=self.segments + self.left, left=(), left_with=None)

    def joined_by(self, segments: tuple[Segment, ...]) -> "Record":
        """What another province sent is counted here from now on."""
        return replace(self, segments=self.segments + segments)


SEGMENTS = TypeAdapter(tuple[documents.Segment, ...])


def to_contract(segment: Segment) -> documents.Segment:
    """A segment as the information form carries it."""
    return documents.Segment(
        opening_year=segment.opening_year,
        opening_before_1998_fen=segment.opening_before_1998_fen,
        opening_since_1998_fen=segment.opening_since_1998_fen,
        rows=tuple(
            documents.YearRow(
                division=row.division,
                start=str(row.start),
                end=str(row.end),
                months=row.months,
                monthly_wage_fen=row.monthly_wage_fen,
                employer_rate=str(row.employer_rate),
                status=row.status.value,
                kind=row.kind.value,
                paid_on=row.paid_on,
                note=row.note,
                participant=row.participant.value,
            )
            for row in segment.rows
        ),
    )


@lru_cache(maxsize=4096)
def _rate(text: str) -> Decimal:
    return Decimal(text)


def from_contract(segment: documents.Segment) -> Segment:
    """A segment as the rules compute it.

    Raises:
        RecordInvalid: when a row cannot be (see services.rules.amounts).
    """
    return Segment(
        opening_year=segment.opening_year,
        opening_before_1998_fen=segment.opening_before_1998_fen,
        opening_since_1998_fen=segment.opening_since_1998_fen,
        rows=tuple(
            YearRow(
                division=row.division,
                start=Month.parse(row.start),
                end=Month.parse(row.end),
                monthly_wage_fen=row.monthly_wage_fen,
                employer_rate=_rate(row.employer_rate),
                status=RowStatus(row.status),
                kind=RowKind(row.kind),
                paid_on=row.paid_on,
                note=row.note,
                participant=Participant(row.participant),
            )
            for row in segment.rows
        ),
    )


def arrived(form: documents.InformationForm) -> tuple[Segment, ...]:
    """The segment that a transfer leaves at the destination: the form's ① and ② stand at the end of the year before.

    The rows of all the form's segments come along; those of the transfer's year alone still earn by their months.
    """
    rows = tuple(row for segment in form.segments for row in from_contract(segment).rows)
    return (
        Segment(
            opening_year=form.transfer_on.year - 1,
            opening_before_1998_fen=form.items.before_1998_fen,
            opening_since_1998_fen=form.items.until_last_year_fen,
            rows=rows,
        ),
    )
