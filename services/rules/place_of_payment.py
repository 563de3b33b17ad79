"""Which province pays the pension, why, and whom it must write to before it can (S-66 Art. 6; domain § 3.1).

A place is a province (S-5 item 1). What was contributed to a temporary account never makes one, but counts in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import assert_never

from services.rules.admission import AccountKind
from services.rules.loader import Tables
from services.rules.months import Month
from services.rules.pension_tables import PlaceCode, PlaceReason, PlaceRule, WithoutHukou
from services.rules.table_rows import Dated


class HistoryInvalid(ValueError):
    """A history that cannot be; the subclasses say why. `position` counts relationships from 0."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


class MonthsInvalid(HistoryInvalid):
    """A relationship with fewer than no months, or without any month at all."""


class NotInOrder(HistoryInvalid):
    """A relationship that ended before the one that stands before it."""


class TemporaryAccountMoved(HistoryInvalid):
    """A temporary account held elsewhere: it is sealed where it is until the paying place gathers it (S-66 Art. 5(2))."""


class NothingInsured(ValueError):
    """A history without any relationship has no place of payment."""


class PlaceUndecided(ValueError):
    """No rule names a place: no household register in the mainland, and no place with enough months."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """Months that belong to one province, and who keeps their record now.

    `months` are those paid and counted (no arrears, no month twice), `deemed_months` those of work before
    contributions began. `held_by` is the province whose ledger has them after earlier transfers; None: their own.
    """

    province: str
    months: int
    deemed_months: int = 0
    account_kind: AccountKind = AccountKind.NORMAL
    last_month: Month | None = None
    held_by: str | None = None

    @property
    def holder(self) -> str:
        """Return the province that keeps the record now."""
        return self.held_by or self.province


@dataclass(frozen=True, slots=True)
class MonthsOfPlace:
    """What belongs to one province: the months that make it a place, and those of a temporary account, which do not."""

    province: str
    months: int
    deemed_months: int
    temporary_months: int
    counting_months: int
    enough: bool


@dataclass(frozen=True, slots=True)
class GatheringLetter:
    """One letter that the paying place sends: to which province, for which kind of account, over whose months.

    `provinces` are those to which the months belong; the holder may have received some of them by a transfer.
    """

    to_province: str
    account_kind: AccountKind
    provinces: tuple[str, ...]
    months: int
    deemed_months: int


@dataclass(frozen=True, slots=True)
class PlaceOfPayment:
    """The paying province, by which branch of Art. 6, and what it has to do.

    `registers` says that it keeps no normal relationship of the person yet and opens one without contributions (S-5
    item 8). `total_months` are all months of all places and kinds, which is what eligibility asks for.
    """

    province: str
    code: PlaceCode
    legal_basis: str
    reason_zh: str
    reason_en: str
    months_needed: int
    places: tuple[MonthsOfPlace, ...]
    total_months: int
    registers: bool
    letters: tuple[GatheringLetter, ...]
    rules: tuple[Dated, ...]


def place_of_payment(
    history: Sequence[Relationship],
    *,
    hukou: str | None,
    on: date,
    tables: Tables,
) -> PlaceOfPayment:
    """Name the province that pays whoever claims on the day, and the letters by which it gathers everything.

    `history` is in the order of the last contribution: the last normal relationship is where the person is. `hukou` is
    the province of the household register on the day of claiming, None where there is none in the mainland. S-66 Art.
    6. Raises NothingInsured, PlaceUndecided, HistoryInvalid, ProvinceUnknown, ProvinceOutOfScope, RuleNotInForce.
    """
    _refuse_impossible(history, hukou, tables)
    rule = tables.pension.place_rule(on)
    places = _months_by_place(history, rule)
    normal = list(dict.fromkeys(one.province for one in reversed(history) if one.account_kind is AccountKind.NORMAL))
    province, code = _decide(normal, {place.province: place for place in places}, hukou, rule)
    reason: PlaceReason = tables.pension.place_reason(code, on)
    return PlaceOfPayment(
        province=province,
        code=code,
        legal_basis=reason.legal_basis,
        reason_zh=reason.reason_zh,
        reason_en=reason.reason_en,
        months_needed=rule.months,
        places=places,
        total_months=sum(one.months + one.deemed_months for one in history),
        registers=not any(one.account_kind is AccountKind.NORMAL and one.holder == province for one in history),
        letters=tuple(_letters(history, province)),
        rules=(rule, reason),
    )


def _refuse_impossible(history: Sequence[Relationship], hukou: str | None, tables: Tables) -> None:
    if not history:
        raise NothingInsured("the person was never insured anywhere")
    if hukou is not None:
        tables.participating_province(hukou)
    latest: Month | None = None
    for position, one in enumerate(history):
        tables.participating_province(one.province)
        tables.participating_province(one.holder)
        if min(one.months, one.deemed_months) < 0 or one.months + one.deemed_months == 0:
            raise MonthsInvalid(position, f"{one.months} months and {one.deemed_months} deemed months make no relationship")
        if one.account_kind is AccountKind.TEMPORARY and one.holder != one.province:
            raise TemporaryAccountMoved(position, f"the temporary account of {one.province} cannot be held by {one.holder}")
        if one.last_month is not None:
            if latest is not None and one.last_month < latest:
                raise NotInOrder(position, f"it ended in {one.last_month}, and one before it only in {latest}")
            latest = one.last_month


def _months_by_place(history: Sequence[Relationship], rule: PlaceRule) -> tuple[MonthsOfPlace, ...]:
    found = []
    for province in dict.fromkeys(one.province for one in history):
        own = [one for one in history if one.province == province]
        normal = [one for one in own if one.account_kind is AccountKind.NORMAL]
        # Deemed months belong to the province of the work, whatever account was opened there later.
        months, deemed = sum(one.months for one in normal), sum(one.deemed_months for one in own)
        # Without a normal relationship a province is no place, however many months are deemed there.
        counting = months + (deemed if rule.deemed_months_count else 0) if normal else 0
        found.append(
            MonthsOfPlace(
                province=province,
                months=months,
                deemed_months=deemed,
                temporary_months=sum(one.months for one in own if one.account_kind is AccountKind.TEMPORARY),
                counting_months=counting,
                enough=counting >= rule.months,
            )
        )
    return tuple(found)


def _decide(
    normal: Sequence[str],
    places: dict[str, MonthsOfPlace],
    hukou: str | None,
    rule: PlaceRule,
) -> tuple[str, PlaceCode]:
    """Walk the four branches; `normal` are the provinces of normal relationships, the latest first."""
    if normal and normal[0] == hukou:
        return hukou, PlaceCode.HUKOU_IS_LAST
    for province in normal:
        if places[province].enough:
            return province, PlaceCode.LAST_PLACE if province == normal[0] else PlaceCode.EARLIER_PLACE
    if hukou is not None:
        return hukou, PlaceCode.HUKOU_GATHERS
    match rule.without_hukou:
        case WithoutHukou.REFUSE:
            raise PlaceUndecided("there is no household register in the mainland and no place with enough months")
        case WithoutHukou.LONGEST:
            if not normal:
                raise PlaceUndecided("there is no household register in the mainland and no normal relationship")
            # max() keeps the first of equals, which is the latest place.
            return max(normal, key=lambda province: places[province].counting_months), PlaceCode.LONGEST_PLACE
        case _:
            assert_never(rule.without_hukou)


def _letters(history: Iterable[Relationship], place: str) -> Iterable[GatheringLetter]:
    """One letter for each other province and kind of account: a temporary account has a letter and a form of its own."""
    groups: dict[tuple[str, AccountKind], list[Relationship]] = {}
    for one in history:
        if one.holder != place:
            groups.setdefault((one.holder, one.account_kind), []).append(one)
    for (holder, kind), held in groups.items():
        yield GatheringLetter(
            to_province=holder,
            account_kind=kind,
            provinces=tuple(dict.fromkeys(one.province for one in held)),
            months=sum(one.months for one in held),
            deemed_months=sum(one.deemed_months for one in held),
        )
