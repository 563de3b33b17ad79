"""How a province computes the basic pension: one small protocol, the national formula and two provinces' own.

A row of `pension_formulas.toml` names the plug-in and gives its figures. Fractions keep every value exact until it is
rounded once. A further province is a class here, a name in `FormulaName`, a case in `formula_of` and a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Protocol, assert_never

from services.rules.explanation import yuan
from services.rules.pension_tables import FormulaName, PensionFormulaRow, RoundingMode


@dataclass(frozen=True, slots=True)
class BasicPension:
    """The basic pension before rounding, in fen, and how it came about, in yuan."""

    exact_fen: Fraction
    formula: str


class PensionFormula(Protocol):
    """What a province decides about the basic pension."""

    def basic(self, base_fen: int, index: Decimal, months: int) -> BasicPension:
        """Compute the basic pension from the calculation base, the average index and all months."""
        ...

    def base_factor(self, index: Decimal) -> Fraction:
        """Return the part of the base that counts beside the indexed base; 1 except where a province lowers it."""
        ...


@dataclass(frozen=True, slots=True)
class NationalFormula:
    """(C + C × idx) ÷ 2 × N × 1 %, N in years. 国发〔2005〕38号."""

    row: PensionFormulaRow

    def base_factor(self, index: Decimal) -> Fraction:
        """Count the whole base."""
        return Fraction(1)

    def basic(self, base_fen: int, index: Decimal, months: int) -> BasicPension:
        """Compute the basic pension."""
        return _by_years(self.row, base_fen, Fraction(1), index, months, shown_factor="")


@dataclass(frozen=True, slots=True)
class GuangdongFormula:
    """(C × a + C × idx) ÷ 2 × N × 1 %; a is 1 from index 0.6 on and idx ÷ 0.6 below it. 粤府〔2006〕96号."""

    row: PensionFormulaRow

    def base_factor(self, index: Decimal) -> Fraction:
        """Return a."""
        return min(Fraction(1), Fraction(index) / Fraction(self.row.index_floor))

    def basic(self, base_fen: int, index: Decimal, months: int) -> BasicPension:
        """Compute the basic pension."""
        factor = self.base_factor(index)
        shown = "" if factor == 1 else f" × {index} ÷ {self.row.index_floor}"
        return _by_years(self.row, base_fen, factor, index, months, shown_factor=shown)


@dataclass(frozen=True, slots=True)
class ShanghaiFormula:
    """(C + C × idx) ÷ 2 × (full years × 1 % + months left × 0.083 %). 沪人社规〔2021〕27号."""

    row: PensionFormulaRow

    def base_factor(self, index: Decimal) -> Fraction:
        """Count the whole base."""
        return Fraction(1)

    def basic(self, base_fen: int, index: Decimal, months: int) -> BasicPension:
        """Compute the basic pension."""
        years, rest = divmod(months, 12)
        share = years * Fraction(self.row.year_ratio) + rest * Fraction(self.row.month_ratio)
        exact = base_fen * (1 + Fraction(index)) / 2 * share
        base = yuan(base_fen)
        left = f" + {rest} × {_percent(self.row.month_ratio)}" if rest else ""
        return BasicPension(exact, f"({base} + {base} × {index}) ÷ 2 × ({years} × {_percent(self.row.year_ratio)}{left})")


def formula_of(row: PensionFormulaRow) -> PensionFormula:
    """Return the plug-in that a row names, with the row's figures."""
    match row.formula:
        case FormulaName.NATIONAL:
            return NationalFormula(row)
        case FormulaName.GUANGDONG:
            return GuangdongFormula(row)
        case FormulaName.SHANGHAI:
            return ShanghaiFormula(row)
        case _:
            assert_never(row.formula)


def rounded_fen(exact_fen: Fraction, row: PensionFormulaRow) -> int:
    """Round a part of the pension as the province does: to `round_to_fen`, halves up or every remainder up."""
    units = exact_fen / row.round_to_fen
    match row.rounding:
        case RoundingMode.HALF_UP:
            return floor(units + Fraction(1, 2)) * row.round_to_fen
        case RoundingMode.UP:
            return ceil(units) * row.round_to_fen
        case _:
            assert_never(row.rounding)


def _by_years(
    row: PensionFormulaRow, base_fen: int, factor: Fraction, index: Decimal, months: int, *, shown_factor: str
) -> BasicPension:
    exact = base_fen * (factor + Fraction(index)) / 2 * months / 12 * Fraction(row.year_ratio)
    base = yuan(base_fen)
    shown = f"({base}{shown_factor} + {base} × {index}) ÷ 2 × {months} ÷ 12 × {_percent(row.year_ratio)}"
    return BasicPension(exact, shown)


def _percent(ratio: Decimal) -> str:
    return f"{(ratio * 100).normalize():f} %"
