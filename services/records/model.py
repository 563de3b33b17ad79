"""A person's record in one province, in memory: identity, relationship, and the segments of year rows."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from pydantic import TypeAdapter

from contracts import documents
from contracts.base import Contract
from services.rules.amounts import RowKind, RowStatus, Segment, YearRow
from services.rules.identity import parse_id_number
from services.rules.months import Month

RecordState = Literal["active", "stopped", "moved"]


class Personal(Contract):
    """Identity and contacts: what stands under the person's key."""

    id_number: str
    name: str
    sex: Literal["male", "female"]
    hukou: str
    phone: str | None = None
    email: str | None = None
    language: Literal["zh-CN", "en"] = "zh-CN"
    category: str = "urban_employee"
    employer: str | None = None

    @property
    def birth_on(self) -> date:
        """The birthday that the identity number says."""
        return parse_id_number(self.id_number).birth_on


@dataclass(frozen=True, slots=True)
class Record:
    """One person's record. `segments` holds the rows; amounts are computed from it and from nothing else."""

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

    @property
    def has_paid(self) -> bool:
        """Whether a contribution of the person's own was paid here."""
        return any(row.status is RowStatus.PAID for segment in self.segments for row in segment.rows)

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
