"""The dated tables of the exception paths (domain § 1.6): reasons in words, switches, figures, papers, targets.

A rule that no source settles is a row of ``switches.toml`` or carries the confidence ``design``; nothing of it stands in code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from services.rules.table_rows import ANY_PROVINCE, Contents, Dated, Row, RuleNotInForce, in_force, of_province

FILES = (
    "back_payment_routes",
    "deaths",
    "figures",
    "group_topics",
    "papers",
    "reasons",
    "service_targets",
    "switches",
)
LEGS = ("ACCEPTANCE_TO_LETTER", "LETTER_TO_FORM", "FORM_AND_FUNDS_TO_BOOKING")
TOTAL = "TOTAL"  # The service target of all legs together.


class SwitchCode(StrEnum):
    """What no source settles, or what changed with a date: each has a row that decides."""

    DUPLICATE_SIDE_KEPT = "DUPLICATE_SIDE_KEPT"
    REFUND_INTEREST = "REFUND_INTEREST"
    PAPER_OF_PAYMENT_DAY = "PAPER_OF_PAYMENT_DAY"
    TEMPORARY_ACCOUNT_ON_MOVE = "TEMPORARY_ACCOUNT_ON_MOVE"
    YEAR_ONLY_MONTHS = "YEAR_ONLY_MONTHS"
    SOLDIER_ADJUSTMENT_INTEREST = "SOLDIER_ADJUSTMENT_INTEREST"
    FOREIGNER_NUMBER = "FOREIGNER_NUMBER"
    BREAK_AT_DESTINATION = "BREAK_AT_DESTINATION"


_ON_OFF = ("on", "off")
_VALUES: Mapping[SwitchCode, tuple[str, ...]] = {
    SwitchCode.DUPLICATE_SIDE_KEPT: ("destination", "origin", "higher_wage"),
    SwitchCode.REFUND_INTEREST: _ON_OFF,
    SwitchCode.PAPER_OF_PAYMENT_DAY: ("accepted", "refused"),
    SwitchCode.TEMPORARY_ACCOUNT_ON_MOVE: ("gather", "seal"),
    SwitchCode.YEAR_ONLY_MONTHS: ("deemed", "as_recorded"),
    SwitchCode.SOLDIER_ADJUSTMENT_INTEREST: _ON_OFF,
    SwitchCode.FOREIGNER_NUMBER: _ON_OFF,
    SwitchCode.BREAK_AT_DESTINATION: ("admitted", "refused"),
}


class FigureCode(StrEnum):
    """The numbers of the exception paths."""

    ONE_OFF_MONTHS = "ONE_OFF_MONTHS"
    LATE_FEE_PER_DAY = "LATE_FEE_PER_DAY"
    ALLOWANCE_MOVED = "ALLOWANCE_MOVED"
    ALLOWANCE_CREDITED = "ALLOWANCE_CREDITED"
    ALLOWANCE_EMPLOYER_RATE = "ALLOWANCE_EMPLOYER_RATE"
    PENSION_DEDUCTION_SHARE = "PENSION_DEDUCTION_SHARE"
    VOUCHER_PRINT_MONTHS = "VOUCHER_PRINT_MONTHS"


class IssuerKind(StrEnum):
    """Who issued a paper."""

    COURT = "court"
    AUDIT_OFFICE = "audit_office"
    LABOUR_INSPECTION = "labour_inspection"
    ARBITRATION = "arbitration"
    SOCIAL_INSURANCE_AGENCY = "social_insurance_agency"
    TAX_AUTHORITY = "tax_authority"
    VETERANS_AUTHORITY = "veterans_authority"
    OTHER = "other"


class FetchedBy(StrEnum):
    """Which agency must get a missing paper. The person is not among them (S-94 item 8)."""

    ORIGIN_AGENCY = "origin_agency"
    BACK_PAYMENT_PLACE = "back_payment_place"


class LedgerPosition(StrEnum):
    """Where the money of a transfer stands, which decides what a death or a withdrawal does to it."""

    NO_TRANSFER = "no_transfer"
    BEFORE_DEBIT = "before_debit"
    DEBITED = "debited"
    CREDITED = "credited"


class DeathAction(StrEnum):
    """What happens to the transfer of somebody who has died."""

    SETTLE = "settle"
    CANCEL_AND_SETTLE = "cancel_and_settle"
    FINISH_AND_SETTLE = "finish_and_settle"


class Settler(StrEnum):
    """Which side pays the account to the heirs."""

    ORIGIN = "origin"
    DESTINATION = "destination"
    HOLDER = "holder"  # no transfer is open: the place that holds the relationship


class CodeNotKnown(LookupError):
    """A table of the exception paths has no such code."""

    def __init__(self, table: str, code: str) -> None:
        super().__init__(f"{table} has no code {code!r}")
        self.table = table
        self.code = code


@dataclass(frozen=True, slots=True)
class _Coded(Dated):
    """A row that is asked for by its code."""

    code: str


_CodedT = TypeVar("_CodedT", bound=_Coded)


@dataclass(frozen=True, slots=True)
class Reason(_Coded):
    """Why a rule answers as it does: a code for machines, the legal basis, and words for the person in both languages.

    `remedy_zh` and `remedy_en` say what helps; they are empty where nothing was refused.
    """

    legal_basis: str
    text_zh: str
    text_en: str
    remedy_zh: str = ""
    remedy_en: str = ""


@dataclass(frozen=True, slots=True)
class Switch(Dated):
    """One row that decides what no source settles; a province's own row wins over the one for all."""

    code: SwitchCode
    provinces: tuple[str, ...]
    value: str

    @property
    def on(self) -> bool:
        """Say whether a switch of on and off stands at on."""
        return self.value == "on"


@dataclass(frozen=True, slots=True)
class Figure(Dated):
    """One number of the exception paths: months, or a fraction of one."""

    code: FigureCode
    number: Decimal


@dataclass(frozen=True, slots=True)
class PaperKind(_Coded):
    """A paper that can let a back payment move: who may issue it, whether it must be older than the payment, who gets it."""

    issuers: tuple[IssuerKind, ...]
    predates_payment: bool
    fetched_by: FetchedBy
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class BackPaymentRoute(Dated):
    """One way in which a back payment moves: for which rows and days of payment, and which papers it needs.

    `needs` lists the papers that must all be there; of each inner tuple one is enough. `reason` is the code told when it moves.
    """

    code: str
    row_kinds: tuple[str, ...]
    paid_from: date
    paid_to: date | None
    needs: tuple[tuple[str, ...], ...]
    reason: str

    def holds_for(self, row_kind: str, paid_on: date) -> bool:
        """Say whether a payment of that kind and day may take this way."""
        return row_kind in self.row_kinds and self.paid_from <= paid_on and (self.paid_to is None or paid_on <= self.paid_to)


@dataclass(frozen=True, slots=True)
class ServiceTarget(Dated):
    """What a province promises beyond the law: so many working days for a leg, or for all legs together (TOTAL)."""

    code: str
    provinces: tuple[str, ...]
    service_target_wd: int


@dataclass(frozen=True, slots=True)
class DeathRule(Dated):
    """What a death does to a transfer, by where its money stands (domain § 1.6.11)."""

    position: LedgerPosition
    action: DeathAction
    settler: Settler
    withdrawable: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GroupTopic(_Coded):
    """Something that two provinces may, or may not, agree for the relocation of an enterprise (S-5 item 7)."""

    negotiable: bool
    legal_basis: str
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class ExceptionTables:
    """All rows of the exception paths, with every lookup as a method."""

    reasons: tuple[Reason, ...]
    switches: tuple[Switch, ...]
    figures: tuple[Figure, ...]
    papers: tuple[PaperKind, ...]
    routes: tuple[BackPaymentRoute, ...]
    service_targets: tuple[ServiceTarget, ...]
    deaths: tuple[DeathRule, ...]
    group_topics: tuple[GroupTopic, ...]

    def knows_reason(self, code: str) -> bool:
        """Say whether there are words for the code, on whatever day."""
        return any(row.code == code for row in self.reasons)

    def reason(self, code: str, on: date) -> Reason:
        """Return the words of a reason. Raises CodeNotKnown, RuleNotInForce."""
        return _found(self.reasons, "reasons", code, on)

    def switch(self, code: SwitchCode, on: date, province: str = ANY_PROVINCE) -> Switch:
        """Return where a switch stands on a day in a province. Raises RuleNotInForce."""
        return in_force((row for row in of_province(self.switches, province) if row.code == code), f"switches {code}", on)

    def foreigner_numbers(self, on: date) -> bool:
        """Say whether foreigners' own numbers are read on a day; before any row they are not."""
        rows = (row for row in self.switches if row.code is SwitchCode.FOREIGNER_NUMBER and row.in_force(on))
        return any(row.on for row in rows)

    def figure(self, code: FigureCode, on: date) -> Figure:
        """Return a number of the day. Raises RuleNotInForce."""
        return in_force((row for row in self.figures if row.code == code), f"figures {code}", on)

    def figure_if_any(self, code: FigureCode, on: date) -> Figure | None:
        """Return a number of the day, or None where no row is in force."""
        try:
            return self.figure(code, on)
        except RuleNotInForce:
            return None

    def paper(self, code: str, on: date) -> PaperKind:
        """Return what a paper must be. Raises CodeNotKnown, RuleNotInForce."""
        return _found(self.papers, "papers", code, on)

    def routes_for(self, row_kind: str, paid_on: date, on: date) -> tuple[BackPaymentRoute, ...]:
        """Return the ways that a back payment may take, in the order of the table, by the rules of the day it is judged."""
        return tuple(row for row in self.routes if row.in_force(on) and row.holds_for(row_kind, paid_on))

    def service_target(self, code: str, province: str, on: date) -> ServiceTarget | None:
        """Return what a province promises for a leg, or None where it promises nothing beyond the law."""
        rows = (row for row in of_province(self.service_targets, province) if row.code == code and row.in_force(on))
        return next(rows, None)

    def death(self, position: LedgerPosition, on: date) -> DeathRule:
        """Return what a death does to a transfer whose money stands there. Raises RuleNotInForce."""
        return in_force((row for row in self.deaths if row.position == position), f"deaths {position}", on)

    def group_topic(self, code: str, on: date) -> GroupTopic:
        """Return whether two provinces may agree something for a relocation. Raises CodeNotKnown, RuleNotInForce."""
        return _found(self.group_topics, "group_topics", code, on)


def read_exceptions(reading: Contents, limits: Mapping[str, int]) -> ExceptionTables:
    """Read and check the tables of the exception paths; problems are noted in `reading`.

    `limits` has the shortest legal limit of each code in working days: a service target may not be longer than the law.
    """
    tables = ExceptionTables(
        reasons=reading.rows("reasons", "reason", _reason),
        switches=reading.rows("switches", "switch", _switch),
        figures=reading.rows("figures", "figure", _figure),
        papers=reading.rows("papers", "paper", _paper),
        routes=reading.rows("back_payment_routes", "route", _route),
        service_targets=reading.rows("service_targets", "service_target", _service_target),
        deaths=reading.rows("deaths", "death", _death),
        group_topics=reading.rows("group_topics", "group_topic", _group_topic),
    )
    reading.once(tables.reasons, lambda row: (row.code,), "reasons.toml")
    reading.once(tables.switches, lambda row: (f"{row.code} {province}" for province in row.provinces), "switches.toml")
    reading.once(tables.figures, lambda row: (row.code,), "figures.toml")
    reading.once(tables.papers, lambda row: (row.code,), "papers.toml")
    reading.once(tables.routes, lambda row: (row.code,), "back_payment_routes.toml")
    reading.once(
        tables.service_targets, lambda row: (f"{row.code} {province}" for province in row.provinces), "service_targets.toml"
    )
    reading.once(tables.deaths, lambda row: (row.position,), "deaths.toml")
    reading.once(tables.group_topics, lambda row: (row.code,), "group_topics.toml")
    _complete(reading, tables, limits)
    return tables


def _complete(reading: Contents, tables: ExceptionTables, limits: Mapping[str, int]) -> None:
    """Note what one table asks of another and does not find there."""
    problems = reading.problems
    listed: tuple[tuple[str, Iterable[str], set[str]], ...] = (
        ("switches.toml", SwitchCode, {row.code for row in tables.switches if ANY_PROVINCE in row.provinces}),
        ("figures.toml", FigureCode, {row.code for row in tables.figures}),
        ("deaths.toml", LedgerPosition, {row.position for row in tables.deaths}),
    )
    for file, wanted, there in listed:
        problems.extend(f"{file}: {code} is missing" for code in wanted if code not in there)
    papers = {row.code for row in tables.papers}
    for route in tables.routes:
        wanted_papers = {code for alternatives in route.needs for code in alternatives}
        problems.extend(
            f"back_payment_routes.toml: {route.code} names the paper {code}, which papers.toml does not have"
            for code in sorted(wanted_papers - papers)
        )
    told = [("back_payment_routes.toml", row.reason) for row in tables.routes]
    told += [("deaths.toml", row.reason) for row in tables.deaths]
    problems.extend(
        f"{file} names the reason {code}, which reasons.toml does not have"
        for file, code in told
        if not tables.knows_reason(code)
    )
    for target in tables.service_targets:
        longest = sum(limits.get(code, 0) for code in LEGS) if target.code == TOTAL else limits.get(target.code)
        if longest is None:
            problems.append(f"service_targets.toml names the limit {target.code}, which limits.toml does not have")
        elif target.service_target_wd > longest:
            told_wd = f"{target.service_target_wd} working days for {target.code}"
            problems.append(f"service_targets.toml: {told_wd} are more than the law's {longest}")


def _found(rows: Iterable[_CodedT], table: str, code: str, on: date) -> _CodedT:
    of_code = [row for row in rows if row.code == code]
    if not of_code:
        raise CodeNotKnown(table, code)
    return in_force(of_code, f"{table} {code}", on)


def _dated(row: Row, table: str, code: str) -> dict[str, Any]:
    dated = row.dated(f"{table}/{code}")
    dated["rule"] = f"{table}/{code}@{dated['effective_from']}"
    return dated


def _reason(row: Row) -> Reason:
    code = row.text("code")
    return Reason(
        **_dated(row, "reasons", code),
        code=code,
        legal_basis=row.text("legal_basis"),
        text_zh=row.text("text_zh"),
        text_en=row.text("text_en"),
    )


def _switch(row: Row) -> Switch:
    code = SwitchCode(row.one_of("code", list(SwitchCode)))
    return Switch(**_dated(row, "switches", code), code=code, provinces=row.provinces(), value=row.one_of("value", _VALUES[code]))


def _figure(row: Row) -> Figure:
    code = FigureCode(row.one_of("code", list(FigureCode)))
    return Figure(**_dated(row, "figures", code), code=code, number=row.fraction("number", high="1000"))


def _paper(row: Row) -> PaperKind:
    code = row.text("code")
    known = list(IssuerKind)
    issuers = row.texts("issuers")
    for issuer in issuers:
        if issuer not in known:
            row.problem(f"issuers: {issuer!r} is none of {', '.join(known)}")
    return PaperKind(
        **_dated(row, "papers", code),
        code=code,
        issuers=tuple(IssuerKind(issuer) for issuer in issuers if issuer in known),
        predates_payment=row.flag("predates_payment"),
        fetched_by=FetchedBy(row.one_of("fetched_by", list(FetchedBy))),
        name_zh=row.text("name_zh"),
        name_en=row.text("name_en"),
    )


def _route(row: Row) -> BackPaymentRoute:
    code = row.text("code")
    return BackPaymentRoute(
        **_dated(row, "back_payment_routes", code),
        code=code,
        row_kinds=row.texts("row_kinds"),
        paid_from=row.day("paid_from"),
        paid_to=row.open_day("paid_to"),
        needs=tuple(tuple(one.strip() for one in alternatives.split("|")) for alternatives in row.texts("needs")),
        reason=row.text("reason"),
    )


def _service_target(row: Row) -> ServiceTarget:
    code = row.text("code")
    return ServiceTarget(
        **_dated(row, "service_targets", code),
        code=code,
        provinces=row.provinces(),
        service_target_wd=row.integer("service_target_wd", 1, 1000),
    )


def _death(row: Row) -> DeathRule:
    position = LedgerPosition(row.one_of("position", list(LedgerPosition)))
    return DeathRule(
        **_dated(row, "deaths", position),
        position=position,
        action=DeathAction(row.one_of("action", list(DeathAction))),
        settler=Settler(row.one_of("settler", list(Settler))),
        withdrawable=row.flag("withdrawable"),
        reason=row.text("reason"),
    )


def _group_topic(row: Row) -> GroupTopic:
    code = row.text("code")
    return GroupTopic(
        **_dated(row, "group_topics", code),
        code=code,
        negotiable=row.flag("negotiable"),
        legal_basis=row.text("legal_basis"),
        text_zh=row.text("text_zh"),
        text_en=row.text("text_en"),
    )
