"""The paying place gathers everything at retirement: whether it is this province, and what has come together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.records.decisions import Refused
from services.records.model import Record
from services.rules.admission import AccountKind
from services.rules.amounts import RowKind, RowStatus, YearRow
from services.rules.identity import Identity, IdNumber
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, RuleNotInForce, Tables
from services.rules.months import Month
from services.rules.pension_tables import Category
from services.rules.place_of_payment import HistoryInvalid, PlaceOfPayment, PlaceUndecided, Relationship, place_of_payment
from services.rules.retirement import TooEarly, minimum_months, statutory_retirement

ARTICLE_6 = "国办发〔2009〕66号 第六条"


@dataclass(frozen=True, slots=True)
class Place:
    """Months that are to be gathered, as a voucher says: what was paid in a place, until when, and in what account.

    They belong to `division`, where they were earned. `held_by` is the division that has them since an earlier transfer, to
    which the letter goes then; None: they are still where they were earned.
    """

    division: str
    months: int
    until: Month
    deemed_months: int = 0
    account_kind: Literal["normal", "temporary"] = "normal"
    held_by: str | None = None

    @property
    def asked_at(self) -> str:
        """The division to which the letter goes."""
        return self.held_by or self.division


def category_of(sex: str, category: Category | None = None) -> Category:
    """Whose age counts. Whether a woman retires as a cadre or as a worker is hers to say; else the earliest that can be hers."""
    return category or (Category.MALE if sex == "male" else Category.FEMALE_50)


def decide_place(
    places: Sequence[Place],
    own: Record | None,
    identity: Identity | IdNumber,
    *,
    hukou: str | None,
    province: str,
    on: date,
    tables: Tables,
    category: Category | None = None,
) -> PlaceOfPayment:
    """Where the pension is paid, by what the vouchers and the own record say (S-66 Art. 6; S-5 item 8).

    Args:
        places: what others hold; what came from them by earlier transfers is in the own record.
        own: what this province knows of the person, None where it never insured them.
        hukou: the province of the household register on the day, None where there is none in the mainland.
        category: whose statutory age counts, where the person has said it.

    Raises:
        Refused: TOO_YOUNG, ALREADY_DRAWING, HELD_HERE, NOT_THE_PLACE_OF_PAYMENT, PLACE_UNDECIDED.
    """
    try:
        earliest = statutory_retirement(identity.birth_on, category_of(identity.sex.value, category), tables.pension).earliest_on
    except RuleNotInForce:
        earliest = on  # whoever reached the age before there were rules has reached it
    if on < earliest:
        raise Refused(
            "TOO_YOUNG",
            f"A pension can be drawn from {earliest} on at the earliest; gathering is for those who draw one.",
            legal_basis="国务院关于渐进式延迟法定退休年龄的办法; 国办发〔2009〕66号 第六条",
            remedy="Apply for a transfer from each place, or gather when the age is reached.",
        )
    if own is not None and own.drawing_since is not None:
        text = tables.refusal("ALREADY_DRAWING", on)
        raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)
    holders(places, province)
    history = sorted([*_told(places), *_here(own, province)], key=lambda each: each.last_month or Month.of(on))
    try:
        found = place_of_payment(history, hukou=hukou, on=on, tables=tables)
    except (HistoryInvalid, PlaceUndecided, ProvinceUnknown, ProvinceOutOfScope) as error:
        raise Refused("PLACE_UNDECIDED", str(error), legal_basis=ARTICLE_6, remedy="Check the vouchers.") from error
    if found.province != province:
        raise Refused(
            "NOT_THE_PLACE_OF_PAYMENT",
            f"{found.reason_en} That is province {found.province}.",
            legal_basis=found.legal_basis,
            remedy=f"Claim the pension in province {found.province}, which gathers everything.",
        )
    return found


def holders(places: Sequence[Place], province: str) -> tuple[str, ...]:
    """The divisions to which a letter goes: one a province, whosever months it holds.

    Raises:
        Refused: HELD_HERE for months that this province is said to hold; PLACE_UNDECIDED where a province would hold both a
            normal and a temporary account of one person.
    """
    found: dict[str, tuple[str, str]] = {}
    for place in places:
        there = place.asked_at
        if there[:2] == province:
            raise Refused(
                "HELD_HERE",
                f"What province {province} holds stands on its own record, and is counted from there.",
                legal_basis=ARTICLE_6,
                remedy="Leave it out; where the record lacks months, import or correct them first.",
            )
        asked, kind = found.setdefault(there[:2], (there, place.account_kind))
        if kind != place.account_kind:
            raise Refused(
                "PLACE_UNDECIDED",
                f"Province {asked[:2]} keeps one account of a person, and it is either normal or temporary.",
                legal_basis="国办发〔2009〕66号 第五条第(二)项",
                remedy="Check the vouchers.",
            )
    return tuple(division for division, _ in found.values())


def decide_again(record: Record, *, hukou: str | None, province: str, on: date, tables: Tables) -> PlaceOfPayment | None:
    """Where the pension is paid by the rows that came, now that all forms are here: what was told does not count any more.

    Returns:
        The place, which may be another province; None where no row came, or the rows name no place.
    """
    history = sorted(_here(record, province), key=lambda each: each.last_month or Month.of(on))
    if not history:
        return None
    try:
        return place_of_payment(history, hukou=hukou, on=on, tables=tables)
    except (HistoryInvalid, PlaceUndecided, ProvinceUnknown, ProvinceOutOfScope):
        return None


def least_months(birth_on: date, sex: str, *, claimed_on: date, tables: Tables, category: Category | None = None) -> int | None:
    """How many months it takes whoever claims on the day; None where there is no rule for it, or the age is not reached."""
    try:
        retirement = statutory_retirement(birth_on, category_of(sex, category), tables.pension)
        return minimum_months(retirement, claimed_on, tables.pension).months
    except (RuleNotInForce, TooEarly):
        return None


def _told(places: Sequence[Place]) -> list[Relationship]:
    return [
        Relationship(
            place.division[:2],
            place.months,
            place.deemed_months,
            AccountKind(place.account_kind),
            last_month=place.until,
            held_by=place.held_by[:2] if place.held_by is not None else None,
        )
        for place in places
    ]


def _here(own: Record | None, province: str) -> list[Relationship]:
    """What the own record holds, by the province that each month belongs to and the kind of account it was paid into."""
    found: dict[tuple[str, AccountKind], list[YearRow]] = {}
    temporary = own is not None and own.account_kind == "temporary"
    for row in counted(own):
        place = row.division[:2]
        kind = row.kind is RowKind.TEMPORARY or (temporary and place == province)
        found.setdefault((place, AccountKind.TEMPORARY if kind else AccountKind.NORMAL), []).append(row)
    return [
        Relationship(
            place,
            sum(row.months for row in rows if row.status is RowStatus.PAID),
            sum(row.months for row in rows if row.status is RowStatus.DEEMED),
            kind,
            last_month=max(row.end for row in rows),
            # What was paid into a temporary account came by a gathering alone: it makes no place, whoever has it now.
            held_by=None if place == province or kind is AccountKind.TEMPORARY else province,
        )
        for (place, kind), rows in found.items()
    ]


def counted(record: Record | None) -> list[YearRow]:
    """The rows of a record whose months count."""
    rows = (row for segment in record.segments for row in segment.rows) if record is not None and record.here else ()
    return [row for row in rows if row.status in (RowStatus.PAID, RowStatus.DEEMED)]


def added_up(record: Record | None, province: str) -> tuple[int, int]:
    """The months of all places that are here now, and those of them that were earned in this province."""
    rows = counted(record)
    return sum(row.months for row in rows), sum(row.months for row in rows if row.division[:2] == province)
