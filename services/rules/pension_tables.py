"""The dated rows of retirement: place of payment, ages, minimum months, divisors, formulas, calculation bases, caveats.

Read once by the loader and held in `Tables.pension`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from services.rules.table_rows import ANY_PROVINCE, Contents, Dated, Row, in_force, of_province

FILES = (
    "calculation_bases",
    "divisors",
    "minimum_months",
    "pension_caveats",
    "pension_formulas",
    "place_of_payment",
    "statutory_ages",
)
_ACTUAL = "actual"


class Category(StrEnum):
    """Whose statutory age: a man's, or a woman's by the age that held for her before 2025."""

    MALE = "male"
    FEMALE_55 = "female_55"
    FEMALE_50 = "female_50"


class PlaceCode(StrEnum):
    """Which branch of S-66 Art. 6 names the place of payment."""

    HUKOU_IS_LAST = "HUKOU_IS_LAST"
    LAST_PLACE = "LAST_PLACE"
    EARLIER_PLACE = "EARLIER_PLACE"
    HUKOU_GATHERS = "HUKOU_GATHERS"
    LONGEST_PLACE = "LONGEST_PLACE"


class WithoutHukou(StrEnum):
    """What holds for who has no household register in the mainland and no place with enough months."""

    LONGEST = "longest"
    REFUSE = "refuse"


class YearOf(StrEnum):
    """Whose year's minimum holds: that of the chosen day, or that in which the statutory age is reached."""

    CHOSEN = "chosen"
    STATUTORY = "statutory"


class BetweenAges(StrEnum):
    """How the divisor is found between two birthdays."""

    LINEAR = "linear"
    FULL_YEARS = "full_years"


class FormulaName(StrEnum):
    """The plug-ins of services/rules/pension_formulas.py."""

    NATIONAL = "national"
    GUANGDONG = "guangdong"
    SHANGHAI = "shanghai"


class RoundingMode(StrEnum):
    """What becomes of a part of the unit that a province rounds to."""

    HALF_UP = "half_up"
    UP = "up"


class AverageOf(StrEnum):
    """Which year's average wage a month's wage is compared with."""

    SAME_YEAR = "same"
    PREVIOUS_YEAR = "previous"


class CaveatCode(StrEnum):
    """What an estimate does not know."""

    ESTIMATE = "ESTIMATE"
    TOO_FEW_MONTHS = "TOO_FEW_MONTHS"
    LATER_THAN_FLEXIBLE = "LATER_THAN_FLEXIBLE"
    BASE_GIVEN = "BASE_GIVEN"
    INDEX_GIVEN = "INDEX_GIVEN"
    AVERAGE_WAGES_GIVEN = "AVERAGE_WAGES_GIVEN"
    DEEMED_INDEX_ASSUMED = "DEEMED_INDEX_ASSUMED"
    TRANSITIONAL_BY_PROVINCE = "TRANSITIONAL_BY_PROVINCE"
    NATIONAL_FORMULA = "NATIONAL_FORMULA"
    ADDITIONS_LEFT_OUT = "ADDITIONS_LEFT_OUT"
    SPECIAL_WORK_LEFT_OUT = "SPECIAL_WORK_LEFT_OUT"


class BaseNotPublished(LookupError):
    """No calculation base of the province and year is in the table."""

    def __init__(self, province: str, year: int) -> None:
        super().__init__(f"no calculation base of {year} for province {province} is in the tables; it can be given")
        self.province = province
        self.year = year


@dataclass(frozen=True, slots=True)
class PlaceRule(Dated):
    """How many months make a place, whether deemed ones count, and what holds without a household register. S-66 Art. 6, 12."""

    months: int
    deemed_months_count: bool
    without_hukou: WithoutHukou


@dataclass(frozen=True, slots=True)
class PlaceReason(Dated):
    """The words of one answer: legal basis and reason."""

    code: PlaceCode
    legal_basis: str
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class StatutoryAge(Dated):
    """The age in months before any delay, and how the delay grows with the month of birth. S-DELAY."""

    category: Category
    former_age_months: int
    first_affected_birth: date | None
    step_months: int
    most_delay_months: int

    def delay_months(self, birth_on: date) -> int:
        """Return by how many months the statutory age of who is born on the day lies above the former one."""
        first = self.first_affected_birth
        if first is None:
            return 0
        later = (birth_on.year - first.year) * 12 + birth_on.month - first.month
        return 0 if later < 0 else min(self.most_delay_months, later // self.step_months + 1)


@dataclass(frozen=True, slots=True)
class FlexibleRetirement(Dated):
    """How far the day may be chosen before and after the statutory age, and the written notice for it, in months."""

    early_months: int
    late_months: int
    early_notice_months: int
    late_notice_months: int


@dataclass(frozen=True, slots=True)
class MinimumMonthsRow(Dated):
    """The months that a monthly pension needs; they grow by `step_months` a year up to `most_months`."""

    months: int
    first_year: int
    step_months: int
    most_months: int

    def in_year(self, year: int) -> int:
        """Return the minimum of a year in which the row is in force."""
        return min(self.most_months, self.months + self.step_months * (year - self.first_year))


@dataclass(frozen=True, slots=True)
class MinimumYear(Dated):
    """Which year's minimum holds before and after the statutory age."""

    early: YearOf
    late: YearOf


@dataclass(frozen=True, slots=True)
class DivisorTable(Dated):
    """The months by which the balance is divided (计发月数), from `first_age` on, one figure a year of age. S-38."""

    first_age: int
    months: tuple[int, ...]

    @property
    def last_age(self) -> int:
        """Return the highest age of the table, in full years."""
        return self.first_age + len(self.months) - 1


@dataclass(frozen=True, slots=True)
class DivisorBetween(Dated):
    """The divisor between two birthdays, rounded half up to so many decimals."""

    provinces: tuple[str, ...]
    method: BetweenAges
    decimals: int


@dataclass(frozen=True, slots=True)
class PensionFormulaRow(Dated):
    """A province's formula and its figures: shares a year and a month, the index below which factor a holds, the rounding."""

    provinces: tuple[str, ...]
    formula: FormulaName
    year_ratio: Decimal
    month_ratio: Decimal
    index_floor: Decimal
    round_to_fen: int
    rounding: RoundingMode


@dataclass(frozen=True, slots=True)
class IndexMethod(Dated):
    """How a province computes the average index; `deemed_index` None means the average of the months paid."""

    provinces: tuple[str, ...]
    average_of: AverageOf
    decimals: int
    deemed_index: Decimal | None


@dataclass(frozen=True, slots=True)
class TransitionalCoefficient(Dated):
    """The share of the indexed base paid for each deemed year."""

    provinces: tuple[str, ...]
    coefficient: Decimal


@dataclass(frozen=True, slots=True)
class CalculationBase(Dated):
    """The calculation base (计发基数) of a province and year, in fen a month."""

    province: str
    year: int
    base_fen: int


@dataclass(frozen=True, slots=True)
class CaveatText(Dated):
    """One thing that an estimate does not know, in both languages."""

    code: CaveatCode
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class PensionTables:
    """All dated rows of retirement, with every lookup as a method. Each raises RuleNotInForce outside its dates."""

    place_rules: tuple[PlaceRule, ...]
    place_reasons: tuple[PlaceReason, ...]
    statutory_ages: tuple[StatutoryAge, ...]
    flexible_retirements: tuple[FlexibleRetirement, ...]
    minimum_months_rows: tuple[MinimumMonthsRow, ...]
    minimum_years: tuple[MinimumYear, ...]
    divisor_tables: tuple[DivisorTable, ...]
    divisors_between: tuple[DivisorBetween, ...]
    formulas: tuple[PensionFormulaRow, ...]
    index_methods: tuple[IndexMethod, ...]
    transitional_coefficients: tuple[TransitionalCoefficient, ...]
    calculation_bases: tuple[CalculationBase, ...]
    caveats: tuple[CaveatText, ...]

    def place_rule(self, on: date) -> PlaceRule:
        """Return what makes a place for whoever claims on the day."""
        return in_force(self.place_rules, "place_of_payment", on)

    def place_reason(self, code: PlaceCode, on: date) -> PlaceReason:
        """Return the words and the basis of an answer to whoever claims on the day."""
        return in_force([row for row in self.place_reasons if row.code is code], f"place_of_payment {code}", on)

    def caveat(self, code: CaveatCode, on: date) -> CaveatText:
        """Return the words of a caveat for whoever retires on the day."""
        return in_force([row for row in self.caveats if row.code is code], f"pension_caveats {code}", on)

    def flexible_retirement(self, on: date) -> FlexibleRetirement:
        """Return how far the day may be chosen by whoever reaches the statutory age on the day."""
        return in_force(self.flexible_retirements, "flexible_retirement", on)

    def minimum_months(self, year: int) -> MinimumMonthsRow:
        """Return the row of a year; its figure is `in_year(year)`."""
        return in_force(self.minimum_months_rows, "minimum_months", date(year, 1, 1))

    def minimum_year(self, on: date) -> MinimumYear:
        """Return which year's minimum holds for whoever retires on the day."""
        return in_force(self.minimum_years, "minimum_year", on)

    def divisor_table(self, on: date) -> DivisorTable:
        """Return the divisors for whoever retires on the day."""
        return in_force(self.divisor_tables, "divisors", on)

    def divisor_between(self, on: date, province: str) -> DivisorBetween:
        """Return how the paying province finds the divisor between two birthdays."""
        return in_force(of_province(self.divisors_between, province), "divisor_between", on)

    def formula(self, on: date, province: str) -> PensionFormulaRow:
        """Return the paying province's formula."""
        return in_force(of_province(self.formulas, province), "pension_formulas", on)

    def index_method(self, on: date, province: str) -> IndexMethod:
        """Return how the paying province computes the average index."""
        return in_force(of_province(self.index_methods, province), "index_method", on)

    def transitional_coefficient(self, on: date, province: str) -> TransitionalCoefficient:
        """Return the paying province's coefficient of the transitional pension."""
        return in_force(of_province(self.transitional_coefficients, province), "transitional_coefficient", on)

    def calculation_base(self, province: str, year: int) -> CalculationBase:
        """Return the calculation base of a province and year. Raises BaseNotPublished."""
        for row in self.calculation_bases:
            if (row.province, row.year) == (province, year):
                return row
        raise BaseNotPublished(province, year)


def _provincial(row: Row, key: str) -> dict[str, Any]:
    """Read the dated fields and the provinces of a row, which is named after them."""
    provinces, dated = row.provinces(), row.dated(key)
    shown = ",".join(provinces)
    return {**dated, "rule": f"{key}/{shown}@{dated['effective_from']}", "provinces": provinces}


def _place_rule(row: Row) -> PlaceRule:
    return PlaceRule(
        **row.dated("place_of_payment"),
        months=row.integer("months", 1, 600),
        deemed_months_count=row.flag("deemed_months_count"),
        without_hukou=WithoutHukou(row.one_of("without_hukou", list(WithoutHukou))),
    )


def _place_reason(row: Row) -> PlaceReason:
    code = PlaceCode(row.one_of("code", list(PlaceCode)))
    return PlaceReason(
        **row.named("place_of_payment", code),
        code=code,
        legal_basis=row.text("legal_basis"),
        reason_zh=row.text("reason_zh"),
        reason_en=row.text("reason_en"),
    )


def _statutory_age(row: Row) -> StatutoryAge:
    category = Category(row.one_of("category", list(Category)))
    dated = row.dated("statutory_ages")
    return StatutoryAge(
        **{**dated, "rule": f"statutory_ages/{category}@{dated['effective_from']}"},
        category=category,
        former_age_months=row.integer("former_age_months", 12 * 40, 12 * 70),
        first_affected_birth=row.open_day("first_affected_birth"),
        step_months=row.integer("step_months", 1, 120),
        most_delay_months=row.integer("most_delay_months", 0, 240),
    )


def _flexible_retirement(row: Row) -> FlexibleRetirement:
    return FlexibleRetirement(
        **row.dated("flexible_retirement"),
        early_months=row.integer("early_months", 0, 120),
        late_months=row.integer("late_months", 0, 120),
        early_notice_months=row.integer("early_notice_months", 0, 24),
        late_notice_months=row.integer("late_notice_months", 0, 24),
    )


def _minimum_months(row: Row) -> MinimumMonthsRow:
    months = row.integer("months", 1, 600)
    dated = row.dated("minimum_months")
    first_year = row.integer("first_year", 1950, 2100)
    # A first year after the row's own start would count backwards from the figure that the row names.
    if first_year > dated["effective_from"].year:
        row.problem(f"first_year = {first_year} lies after effective_from")
    return MinimumMonthsRow(
        **dated,
        months=months,
        first_year=first_year,
        step_months=row.integer("step_months", 0, 12),
        most_months=row.integer("most_months", months, 600),
    )


def _minimum_year(row: Row) -> MinimumYear:
    return MinimumYear(
        **row.dated("minimum_year"),
        early=YearOf(row.one_of("early", list(YearOf))),
        late=YearOf(row.one_of("late", list(YearOf))),
    )


def _divisor_table(row: Row) -> DivisorTable:
    return DivisorTable(
        **row.dated("divisors"), first_age=row.integer("first_age", 16, 100), months=row.integers("months", 1, 400)
    )


def _divisor_between(row: Row) -> DivisorBetween:
    return DivisorBetween(
        **_provincial(row, "divisor_between"),
        method=BetweenAges(row.one_of("method", list(BetweenAges))),
        decimals=row.integer("decimals", 0, 6),
    )


def _formula(row: Row) -> PensionFormulaRow:
    formula = FormulaName(row.one_of("formula", list(FormulaName)))
    index_floor = row.fraction("index_floor", high="3")
    if formula is FormulaName.GUANGDONG and not index_floor:
        row.problem("index_floor = 0 leaves factor a undefined")
    return PensionFormulaRow(
        **_provincial(row, "pension_formulas"),
        formula=formula,
        year_ratio=row.fraction("year_ratio"),
        month_ratio=row.fraction("month_ratio"),
        index_floor=index_floor,
        round_to_fen=row.integer("round_to_fen", 1, 100),
        rounding=RoundingMode(row.one_of("rounding", list(RoundingMode))),
    )


def _index_method(row: Row) -> IndexMethod:
    text = row.text("deemed_index")
    deemed_index: Decimal | None = None
    if text != _ACTUAL:
        try:
            deemed_index = Decimal(text)
        except InvalidOperation:
            deemed_index = Decimal("NaN")
        if deemed_index.is_nan() or not 0 <= deemed_index <= 3:
            row.problem(f'deemed_index = {text!r} is neither "{_ACTUAL}" nor a number from 0 to 3')
    return IndexMethod(
        **_provincial(row, "index_method"),
        average_of=AverageOf(row.one_of("average_of", list(AverageOf))),
        decimals=row.integer("decimals", 1, 10),
        deemed_index=deemed_index,
    )


def _transitional_coefficient(row: Row) -> TransitionalCoefficient:
    return TransitionalCoefficient(**_provincial(row, "transitional_coefficient"), coefficient=row.fraction("coefficient"))


def _calculation_base(row: Row) -> CalculationBase:
    province, year = row.text("province"), row.integer("year", 1990, 2100)
    return CalculationBase(
        **row.dated(f"calculation_bases/{province}@{year}"),
        province=province,
        year=year,
        base_fen=row.money_fen("base_yuan"),
    )


def _caveat(row: Row) -> CaveatText:
    code = CaveatCode(row.one_of("code", list(CaveatCode)))
    return CaveatText(**row.named("pension_caveats", code), code=code, text_zh=row.text("text_zh"), text_en=row.text("text_en"))


def read_pension_tables(reading: Contents) -> PensionTables:
    """Read the files of `FILES` and note every problem: a missing code, two rows at once, a base that is there twice."""
    place_rules = reading.rows("place_of_payment", "place_rule", _place_rule)
    place_reasons = reading.rows("place_of_payment", "place_reason", _place_reason)
    ages = reading.rows("statutory_ages", "statutory_age", _statutory_age)
    flexible = reading.rows("statutory_ages", "flexible_retirement", _flexible_retirement)
    minimum = reading.rows("minimum_months", "minimum_months", _minimum_months)
    minimum_years = reading.rows("minimum_months", "minimum_year", _minimum_year)
    divisors = reading.rows("divisors", "divisor_table", _divisor_table)
    between = reading.rows("divisors", "divisor_between", _divisor_between)
    formulas = reading.rows("pension_formulas", "pension_formula", _formula)
    index_methods = reading.rows("pension_formulas", "index_method", _index_method)
    coefficients = reading.rows("pension_formulas", "transitional_coefficient", _transitional_coefficient)
    bases = reading.rows("calculation_bases", "calculation_base", _calculation_base)
    caveats = reading.rows("pension_caveats", "pension_caveat", _caveat)

    reading.once(place_rules, lambda row: ("",), "place_of_payment.toml")
    reading.once(ages, lambda row: (row.category,), "statutory_ages.toml")
    reading.once(flexible, lambda row: ("",), "statutory_ages.toml")
    reading.once(minimum, lambda row: ("",), "minimum_months.toml")
    reading.once(minimum_years, lambda row: ("",), "minimum_months.toml")
    reading.once(divisors, lambda row: ("",), "divisors.toml")
    reading.once(between, lambda row: row.provinces, "divisors.toml")
    reading.once(formulas, lambda row: row.provinces, "pension_formulas.toml")
    reading.once(index_methods, lambda row: row.provinces, "pension_formulas.toml")
    reading.once(coefficients, lambda row: row.provinces, "pension_formulas.toml")
    reading.once(place_reasons, lambda row: (row.code,), "place_of_payment.toml")
    reading.once(caveats, lambda row: (row.code,), "pension_caveats.toml")
    known_bases: set[tuple[str, int]] = set()
    for base in bases:
        if base.province == ANY_PROVINCE:
            reading.problems.append('calculation_bases.toml: a base belongs to one province, not to "*"')
        if (base.province, base.year) in known_bases:
            reading.problems.append(f"calculation_bases.toml: the base of {base.year} for {base.province!r} is there twice")
        known_bases.add((base.province, base.year))
    told, warned = {row.code for row in place_reasons}, {row.code for row in caveats}
    reading.problems.extend(f"place_of_payment.toml: {code} is missing" for code in PlaceCode if code not in told)
    reading.problems.extend(f"pension_caveats.toml: {code} is missing" for code in CaveatCode if code not in warned)
    return PensionTables(
        place_rules=place_rules,
        place_reasons=place_reasons,
        statutory_ages=ages,
        flexible_retirements=flexible,
        minimum_months_rows=minimum,
        minimum_years=minimum_years,
        divisor_tables=divisors,
        divisors_between=between,
        formulas=formulas,
        index_methods=index_methods,
        transitional_coefficients=coefficients,
        calculation_bases=bases,
        caveats=caveats,
    )
