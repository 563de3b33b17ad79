"""Two pensions drawn at once (重复领取): one is kept, the others are cleared, and what was drawn twice is settled.

First what the person pays back, then the cleared account, then the kept pension month by month (S-5 item 5, S-94 item 7,
经办条例 Art. 46).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR

from services.rules.exception_tables import FigureCode, Reason
from services.rules.loader import Tables
from services.rules.reasons import because


class DrawingInvalid(ValueError):
    """Facts that no double drawing can have: fewer than two pensions, a place twice, an amount below zero."""


class KeptPlaceUnknown(ValueError):
    """The person keeps a pension that is not among those drawn."""


class RepaidTooMuch(ValueError):
    """More was paid back than was drawn twice."""


class DeductionTooLarge(ValueError):
    """An agreed deduction below one fen or above the pension itself."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One pension: who pays it, how much a month, what is left of its account, and what it paid while another was drawn.

    All in fen; `paid_twice_fen` is the sum of its payments since the second pension began.
    """

    place: str
    monthly_fen: int
    account_fen: int
    paid_twice_fen: int


@dataclass(frozen=True, slots=True)
class SetOff:
    """A cleared account pays back what a place is owed, in fen."""

    account_of: str
    owed_to: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Deductions:
    """What is taken from the kept pension: so many months of `monthly_fen`, and in the last month what is left, in fen."""

    months: int
    monthly_fen: int
    last_fen: int
    reason: Reason

    @property
    def total_fen(self) -> int:
        """Return all deductions."""
        return 0 if not self.months else self.monthly_fen * (self.months - 1) + self.last_fen


@dataclass(frozen=True, slots=True)
class DoubleDrawing:
    """How a double drawing ends: which pension goes on, which are cleared, and where every fen of the overpayment comes from.

    overpaid = repaid + set off + deducted; the cleared accounts = set off + paid out to the person.
    """

    keeps: str
    clears: tuple[str, ...]
    overpaid_fen: int
    repaid_fen: int
    set_off: tuple[SetOff, ...]
    paid_out_fen: int
    deductions: Deductions | None
    reasons: tuple[Reason, ...]

    @property
    def set_off_fen(self) -> int:
        """Return what the cleared accounts paid back."""
        return sum(one.amount_fen for one in self.set_off)


def settle_double_drawing(
    drawings: Sequence[Drawing],
    *,
    keeps: str,
    on: date,
    tables: Tables,
    repaid_fen: int = 0,
    agreed_monthly_fen: int | None = None,
) -> DoubleDrawing:
    """Settle the pensions of somebody who drew two or more; the person says which one is kept.

    A cleared account first pays back its own place, then the others. Without a repayment agreement the deduction from the kept
    pension is at most the share PENSION_DEDUCTION_SHARE, rounded down, at least one fen. Raises DrawingInvalid,
    KeptPlaceUnknown, RepaidTooMuch, DeductionTooLarge, RuleNotInForce before S-5.
    """
    places = [drawing.place for drawing in drawings]
    if len(places) < 2 or len(set(places)) != len(places):
        raise DrawingInvalid(f"pensions of {', '.join(places) or 'nobody'} are no double drawing")
    if any(min(one.monthly_fen, one.account_fen, one.paid_twice_fen) < 0 for one in drawings) or repaid_fen < 0:
        raise DrawingInvalid("an amount is below zero")
    if keeps not in places:
        raise KeptPlaceUnknown(f"{keeps} pays none of the pensions of {', '.join(places)}")
    kept = next(one for one in drawings if one.place == keeps)
    cleared = [one for one in drawings if one.place != keeps]
    overpaid_fen = sum(one.paid_twice_fen for one in cleared)
    if repaid_fen > overpaid_fen:
        raise RepaidTooMuch(f"{repaid_fen} fen paid back of {overpaid_fen}")

    owed = {one.place: one.paid_twice_fen for one in cleared}
    open_fen = repaid_fen
    for place in owed:
        covered = min(open_fen, owed[place])
        owed[place] -= covered
        open_fen -= covered
    balance = {one.place: one.account_fen for one in cleared}
    set_off: list[SetOff] = []
    own_first = [(place, place) for place in owed]
    then_others = [(one, other) for one in balance for other in owed if one != other]
    for account_of, owed_to in own_first + then_others:
        amount_fen = min(balance[account_of], owed[owed_to])
        if amount_fen:
            balance[account_of] -= amount_fen
            owed[owed_to] -= amount_fen
            set_off.append(SetOff(account_of, owed_to, amount_fen))
    rest_fen = sum(owed.values())
    deductions = _deductions(rest_fen, kept.monthly_fen, agreed_monthly_fen, on, tables) if rest_fen else None

    paid_out_fen = sum(balance.values())
    told = (
        ("DOUBLE_KEEP_ONE", True),
        ("DOUBLE_REPAID", repaid_fen > 0),
        ("DOUBLE_SET_OFF", bool(set_off)),
        ("DOUBLE_ACCOUNT_REFUND", paid_out_fen > 0),
        ("DOUBLE_MONTHLY", rest_fen > 0),
    )
    return DoubleDrawing(
        keeps=keeps,
        clears=tuple(one.place for one in cleared),
        overpaid_fen=overpaid_fen,
        repaid_fen=repaid_fen,
        set_off=tuple(set_off),
        paid_out_fen=paid_out_fen,
        deductions=deductions,
        reasons=tuple(because(code, on, tables) for code, holds in told if holds),
    )


def _deductions(rest_fen: int, pension_fen: int, agreed_fen: int | None, on: date, tables: Tables) -> Deductions:
    if agreed_fen is None:
        share = tables.exceptions.figure(FigureCode.PENSION_DEDUCTION_SHARE, on).number
        monthly_fen = max(1, int((pension_fen * share).to_integral_value(ROUND_FLOOR)))
    else:
        monthly_fen = agreed_fen
    if not 1 <= monthly_fen <= pension_fen:
        raise DeductionTooLarge(f"{monthly_fen} fen a month cannot be deducted from a pension of {pension_fen} fen")
    months = -(-rest_fen // monthly_fen)
    last_fen = rest_fen - monthly_fen * (months - 1)
    return Deductions(months, monthly_fen, last_fen, because("DOUBLE_MONTHLY", on, tables))
