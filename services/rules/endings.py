"""How a relationship ends, and above all how it does not: no surrender, no closing for inactivity (S-66 Art. 3 and 9, S-13).

Who settles abroad keeps the account; who has lost the nationality may end the relationship, but only by a written application,
the agency's written notice and the person's written confirmation, in that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import assert_never

from services.rules.deadlines import DueDate, due_on
from services.rules.exception_tables import DeathAction, LedgerPosition, Reason, Settler
from services.rules.loader import Tables
from services.rules.months import Month
from services.rules.reasons import because
from services.rules.table_rows import RuleNotInForce

DEATH_REPORT_LIMIT = "ENTITLEMENT_LOSS_REPORT"


class Ground(StrEnum):
    """Why somebody thinks that a relationship might end."""

    WISH = "wish"
    INACTIVITY = "inactivity"
    SETTLED_ABROAD = "settled_abroad"
    NATIONALITY_LOST = "nationality_lost"
    HK_MO_TW_LEFT = "hk_mo_tw_left"
    FOREIGNER_LEFT = "foreigner_left"
    TOO_FEW_YEARS = "too_few_years"


class EndingStep(StrEnum):
    """What comes next: a refusal, nothing at all (KEEP), one of the three written steps, or the pay-out."""

    REFUSED = "refused"
    KEEP = "keep"
    APPLICATION = "application"
    NOTICE = "notice"
    CONFIRMATION = "confirmation"
    PAY_OUT = "pay_out"


class Way(StrEnum):
    """The three ways of somebody who reaches the age with too few years."""

    CONTINUE = "continue"
    RESIDENT_SCHEME = "resident_scheme"
    END = "end"


class StepsOutOfOrder(ValueError):
    """A written step before the one it answers, without it, or in the future."""


class YearsMissing(ValueError):
    """Too few years are claimed and nobody has said how many there are and must be."""


class DeathInvalid(ValueError):
    """A death that is reported before it happened."""


class NothingToWithdraw(ValueError):
    """No transfer is open."""


class BreakInvalid(ValueError):
    """A break that would begin in the future."""


@dataclass(frozen=True, slots=True)
class EndingFacts:
    """What is known of a wish to end a relationship on the day it is decided.

    The three dates are those of the written steps. `reached_age` and the months matter for too few years alone;
    `minimum_months` is that of the year concerned (see the rules on retirement).
    """

    ground: Ground
    on: date
    applied_on: date | None = None
    notified_on: date | None = None
    confirmed_on: date | None = None
    reached_age: bool = False
    months: int | None = None
    minimum_months: int | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What comes next and why. Only at PAY_OUT is the account paid, and the pooled part never is."""

    step: EndingStep
    reasons: tuple[Reason, ...]

    @property
    def pays_out(self) -> bool:
        """Say whether the account is paid to the person now."""
        return self.step is EndingStep.PAY_OUT


@dataclass(frozen=True, slots=True)
class OneWay:
    """One of the ways open to somebody with too few years; `place` is where it is gone, when it is known."""

    way: Way
    place: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class BreakKept:
    """A relationship in which nothing was paid for so many months: everything stays."""

    since: Month
    months: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class AfterDeath:
    """What a reported death does to a transfer, who settles with the heirs, and by when a death is to be reported."""

    action: DeathAction
    settler: Settler
    reason: Reason
    report_due: DueDate | None


@dataclass(frozen=True, slots=True)
class Withdrawing:
    """Whether the person may still withdraw, and why."""

    allowed: bool
    reason: Reason


def decide_ending(facts: EndingFacts, tables: Tables) -> Ending:
    """Say what a wish to end a relationship comes to. S-66 Art. 3 and 9, S-13 Art. 3 and 6, domain § 1.6.9, § 1.6.10.

    Raises StepsOutOfOrder, YearsMissing, RuleNotInForce.
    """
    _refuse_disorder(facts)

    def told(*codes: str) -> tuple[Reason, ...]:
        return tuple(because(code, facts.on, tables) for code in codes)

    match facts.ground:
        case Ground.WISH:
            return Ending(EndingStep.REFUSED, told("SURRENDER_NOT_ALLOWED"))
        case Ground.INACTIVITY:
            return Ending(EndingStep.REFUSED, told("CLOSING_FOR_INACTIVITY_NOT_ALLOWED"))
        case Ground.SETTLED_ABROAD:
            if facts.applied_on is not None:
                return Ending(EndingStep.REFUSED, told("NATIONALITY_KEPT"))
            return Ending(EndingStep.KEEP, told("ABROAD_ACCOUNT_KEPT"))
        case Ground.NATIONALITY_LOST:
            ground = "NATIONALITY_LOST"
        case Ground.HK_MO_TW_LEFT:
            ground = "HK_MO_TW_LEFT"
        case Ground.FOREIGNER_LEFT:
            ground = "FOREIGNER_LEFT"
        case Ground.TOO_FEW_YEARS:
            if not facts.reached_age:
                return Ending(EndingStep.REFUSED, told("SURRENDER_NOT_ALLOWED"))
            if facts.months is None or facts.minimum_months is None:
                raise YearsMissing("too few years: neither the months nor the minimum may be left out")
            if facts.months >= facts.minimum_months:
                return Ending(EndingStep.REFUSED, told("ENOUGH_YEARS_FOR_A_PENSION"))
            ground = "TOO_FEW_END"
        case _:
            assert_never(facts.ground)
    if facts.applied_on is None:
        return Ending(EndingStep.APPLICATION, told(ground, "END_APPLICATION_NEEDED"))
    if facts.notified_on is None:
        return Ending(EndingStep.NOTICE, told(ground, "END_NOTICE_NEEDED"))
    if facts.confirmed_on is None:
        return Ending(EndingStep.CONFIRMATION, told(ground, "END_CONFIRMATION_NEEDED"))
    return Ending(EndingStep.PAY_OUT, told(ground, "END_PAY_OUT"))


def ways_of_too_few_years(
    months: int, minimum_months: int, *, on: date, tables: Tables, place: str | None = None
) -> tuple[OneWay, ...]:
    """Return the three ways of somebody who reaches the age with too few years; none when the years suffice.

    `place` is the place of payment by Art. 6, where the person goes on paying. 社会保险法 Art. 16, S-13 Art. 3.
    """
    if months >= minimum_months:
        return ()
    return (
        OneWay(Way.CONTINUE, place, because("TOO_FEW_CONTINUE", on, tables)),
        OneWay(Way.RESIDENT_SCHEME, None, because("TOO_FEW_RESIDENT_SCHEME", on, tables)),
        OneWay(Way.END, None, because("TOO_FEW_END", on, tables)),
    )


def keep_through_break(last_paid: Month, *, on: date, tables: Tables) -> BreakKept:
    """Say what a break in work does to a relationship: nothing. S-66 Art. 9, domain § 1.6.18. Raises BreakInvalid."""
    months = Month.of(on).ordinal - last_paid.ordinal
    if months < 0:
        raise BreakInvalid(f"the last contribution, of {last_paid}, lies after {on}")
    return BreakKept(last_paid, months, because("BREAK_KEPT", on, tables))


def after_death(position: LedgerPosition, *, died_on: date, reported_on: date, tables: Tables) -> AfterDeath:
    """Say what a death does to a transfer whose money stands there on the day the death is reported. Domain § 1.6.11.

    Money never stays between two ledgers: what is debited arrives, and then the destination settles. Raises DeathInvalid,
    RuleNotInForce.
    """
    if reported_on < died_on:
        raise DeathInvalid(f"a death of {died_on} cannot be reported on {reported_on}")
    rule = tables.exceptions.death(position, reported_on)
    try:
        limit = tables.limit(DEATH_REPORT_LIMIT, died_on)
    except RuleNotInForce:
        report_due = None
    else:
        report_due = due_on(died_on, limit.legal_limit_wd, tables.calendar)
    return AfterDeath(rule.action, rule.settler, because(rule.reason, reported_on, tables), report_due)


def withdraw(position: LedgerPosition, *, on: date, tables: Tables) -> Withdrawing:
    """Say whether the person may still withdraw: freely until the origin has approved its form. Domain § 1.6.12.

    Raises NothingToWithdraw, RuleNotInForce.
    """
    if position is LedgerPosition.NO_TRANSFER:
        raise NothingToWithdraw("no transfer is open")
    allowed = tables.exceptions.death(position, on).withdrawable
    return Withdrawing(allowed, because("WITHDRAWAL_FREE" if allowed else "WITHDRAWAL_TOO_LATE", on, tables))


def _refuse_disorder(facts: EndingFacts) -> None:
    steps = (("application", facts.applied_on), ("notice", facts.notified_on), ("confirmation", facts.confirmed_on))
    before: date | None = None
    for position, (name, day) in enumerate(steps):
        if day is None:
            continue
        if position and steps[position - 1][1] is None:
            raise StepsOutOfOrder(f"the {name} of {day} has no {steps[position - 1][0]} before it")
        if before is not None and day < before:
            raise StepsOutOfOrder(f"the {name} of {day} lies before the step it answers, of {before}")
        if day > facts.on:
            raise StepsOutOfOrder(f"the {name} of {day} lies after {facts.on}")
        before = day
