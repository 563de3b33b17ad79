"""An estimate of the monthly pension: its parts, what it does not know, and what each place has to do with it.

domain § 3.4, 国发〔2005〕38号; computed in segments and paid as one (社会保险法 Art. 19). No service pays by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import floor

from services.rules.explanation import yuan
from services.rules.loader import Tables
from services.rules.pension_formulas import PensionFormula, formula_of, rounded_fen
from services.rules.pension_tables import AverageOf, Category, CaveatCode, CaveatText, FormulaName, IndexMethod
from services.rules.retirement import (
    MinimumMonths,
    Retirement,
    Timing,
    age_in_months,
    age_text,
    divisor,
    minimum_months,
    statutory_retirement,
)
from services.rules.table_rows import Dated
from services.rules.year_rows import RowStatus, YearRow, refuse_overlaps

MOST_INDEX = 10  # Far above the 3 that wage limits allow: older years knew higher ones.
_SURE = ("found", "confident")
_UNSURE_RULE = "UNSURE_RULE"
_CONFIDENCE_ZH = {"unsure": "不确定", "untrusted": "不可信", "design": "系统自行设定"}


class PensionInvalid(ValueError):
    """Facts from which no pension can be computed; the subclasses say why."""


class NothingContributed(PensionInvalid):
    """No month at all, paid or deemed."""


class MonthsInvalid(PensionInvalid):
    """A place with fewer than no months."""


class BalanceInvalid(PensionInvalid):
    """A balance below zero, or a calculation base or average wage that is not above it."""


class IndexInvalid(PensionInvalid):
    """An index that is not above 0 or lies beyond all that were ever recorded."""


class DeemedIndexMissing(PensionInvalid):
    """Deemed months only: there is no average to take their index from, so it has to be given."""


class RowAfterRetirement(PensionInvalid):
    """A row with months after the month of retirement."""

    def __init__(self, row: YearRow, retires_on: date) -> None:
        super().__init__(f"the row {row.start}..{row.end} has months after {retires_on:%Y-%m}")
        self.row = row


class AverageWageMissing(LookupError):
    """The paying place's average wage of a needed year is not given."""

    def __init__(self, province: str, year: int) -> None:
        super().__init__(f"the average wage of {year} in province {province} is needed for the index and not given")
        self.province = province
        self.year = year


class PartCode(StrEnum):
    """The parts of the monthly pension."""

    BASIC = "basic"
    ACCOUNT = "account"
    TRANSITIONAL = "transitional"


@dataclass(frozen=True, slots=True)
class Stay:
    """Months that belong to one province: paid, and deemed."""

    province: str
    months: int
    deemed_months: int = 0


@dataclass(frozen=True, slots=True)
class GivenIndex:
    """A record of which only the average index is known, with the months of each place."""

    index: Decimal
    stays: tuple[Stay, ...]


@dataclass(frozen=True, slots=True)
class WageRecord:
    """The year rows of all places, and the paying place's average monthly wages in fen, by year."""

    rows: tuple[YearRow, ...]
    average_wages_fen: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class PensionFacts:
    """What an estimate needs. Amounts in fen; `base_fen` and `deemed_index` None: as the tables have it."""

    place: str
    birth_on: date
    category: Category
    retires_on: date
    balance_fen: int
    record: GivenIndex | WageRecord
    base_fen: int | None = None
    deemed_index: Decimal | None = None


@dataclass(frozen=True, slots=True)
class YearIndex:
    """The index of one year's months: their wages against the paying place's average wage of `average_year`."""

    year: int
    months: int
    average_year: int
    average_wage_fen: int
    index: Decimal


@dataclass(frozen=True, slots=True)
class SegmentOfPlace:
    """What one place has to do with the pension: its months, their share of all, their index, their part of the basic one."""

    province: str
    months: int
    deemed_months: int
    share: Decimal
    index: Decimal | None
    basic_fen: int


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the pension: words, the numbers written out, the amount, and the rows it rests on."""

    code: PartCode
    text_zh: str
    text_en: str
    formula: str
    amount_fen: int
    rules: tuple[Dated, ...]


@dataclass(frozen=True, slots=True)
class Caveat:
    """One thing that the estimate does not know or is not sure of."""

    code: str
    text_zh: str
    text_en: str
    rule: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The monthly pension in fen, how it came about, and whether it is payable at all yet.

    `total_fen` is the sum of the rounded parts. It is payable from the chosen day only when `missing_months` is 0.
    """

    place: str
    retirement: Retirement
    retires_on: date
    timing: Timing
    notice_by: date | None
    age_months: int
    months: int
    deemed_months: int
    minimum: MinimumMonths
    missing_months: int
    base_fen: int
    index: Decimal
    years: tuple[YearIndex, ...]
    parts: tuple[Part, ...]
    total_fen: int
    segments: tuple[SegmentOfPlace, ...]
    caveats: tuple[Caveat, ...]
    rule_set: str


@dataclass(frozen=True, slots=True)
class _Counted:
    """The record as the formulas see it; `ratios` is each place's sum of wage ÷ average wage over its months."""

    index: Decimal
    stays: tuple[Stay, ...]
    years: tuple[YearIndex, ...]
    ratios: Mapping[str, Fraction] | None


def estimate(facts: PensionFacts, tables: Tables) -> Estimate:
    """Estimate the monthly pension on the chosen day as the paying place computes it. 国发〔2005〕38号; domain § 3.4.

    Raises PensionInvalid, MonthsOverlap, TooEarly and AgeOutsideTable for facts that cannot be, BaseNotPublished and
    AverageWageMissing for what neither the tables nor the facts tell, ProvinceUnknown, ProvinceOutOfScope, RuleNotInForce.
    """
    rules, on = tables.pension, facts.retires_on
    for province in {facts.place, *_provinces(facts.record)}:
        tables.participating_province(province)
    if facts.balance_fen < 0 or (facts.base_fen is not None and facts.base_fen <= 0):
        raise BalanceInvalid(f"the balance is {facts.balance_fen} fen and the calculation base {facts.base_fen} fen")
    retirement = statutory_retirement(facts.birth_on, facts.category, rules)
    minimum = minimum_months(retirement, facts.retires_on, rules)
    row = rules.formula(facts.retires_on, facts.place)
    method = rules.index_method(facts.retires_on, facts.place)
    counted = _count(facts, method)
    months = sum(stay.months for stay in counted.stays)
    deemed_months = sum(stay.deemed_months for stay in counted.stays)
    all_months = months + deemed_months

    caveats = [rules.caveat(CaveatCode.ESTIMATE, on)]
    if all_months < minimum.months:
        caveats.append(rules.caveat(CaveatCode.TOO_FEW_MONTHS, on))
    if minimum.timing is Timing.LATER_THAN_FLEXIBLE:
        caveats.append(rules.caveat(CaveatCode.LATER_THAN_FLEXIBLE, on))
    used: list[Dated] = [*retirement.rules, *minimum.rules]
    if facts.base_fen is None:
        base_row = rules.calculation_base(facts.place, facts.retires_on.year)
        base_fen, base_rules = base_row.base_fen, [base_row]
    else:
        base_fen, base_rules = facts.base_fen, []
        caveats.append(rules.caveat(CaveatCode.BASE_GIVEN, on))
    match facts.record:
        case GivenIndex():
            caveats.append(rules.caveat(CaveatCode.INDEX_GIVEN, on))
            index_rules: tuple[Dated, ...] = ()
        case WageRecord():
            caveats.append(rules.caveat(CaveatCode.AVERAGE_WAGES_GIVEN, on))
            index_rules = (method,)

    formula = formula_of(row)
    basic = formula.basic(base_fen, counted.index, all_months)
    divided = divisor(age_in_months(facts.birth_on, facts.retires_on), facts.retires_on, facts.place, rules)
    parts = [
        Part(
            code=PartCode.BASIC,
            text_zh="基础养老金",
            text_en="basic pension",
            formula=basic.formula,
            amount_fen=rounded_fen(basic.exact_fen, row),
            rules=(row, *base_rules, *index_rules),
        ),
        Part(
            code=PartCode.ACCOUNT,
            text_zh="个人账户养老金",
            text_en="pension of the individual account",
            formula=f"{yuan(facts.balance_fen)} ÷ {divided.months} ({age_text(divided.age_months)})",
            amount_fen=rounded_fen(Fraction(facts.balance_fen) / Fraction(divided.months), row),
            rules=divided.rules,
        ),
    ]
    if deemed_months:
        coefficient = rules.transitional_coefficient(facts.retires_on, facts.place)
        deemed_index, assumed = _deemed_index(facts, counted, months, method)
        exact = base_fen * Fraction(deemed_index) * Fraction(deemed_months, 12) * Fraction(coefficient.coefficient)
        parts.append(
            Part(
                code=PartCode.TRANSITIONAL,
                text_zh="过渡性养老金",
                text_en="transitional pension for deemed months",
                formula=f"{yuan(base_fen)} × {deemed_index} × {deemed_months} ÷ 12 × {coefficient.coefficient}",
                amount_fen=rounded_fen(exact, row),
                rules=(coefficient, *((method,) if assumed else ())),
            )
        )
        caveats.append(rules.caveat(CaveatCode.TRANSITIONAL_BY_PROVINCE, on))
        if assumed:
            caveats.append(rules.caveat(CaveatCode.DEEMED_INDEX_ASSUMED, on))
    if row.formula is FormulaName.NATIONAL:
        caveats.append(rules.caveat(CaveatCode.NATIONAL_FORMULA, on))
    caveats += [rules.caveat(CaveatCode.ADDITIONS_LEFT_OUT, on), rules.caveat(CaveatCode.SPECIAL_WORK_LEFT_OUT, on)]
    used += [one for part in parts for one in part.rules]
    return Estimate(
        place=facts.place,
        retirement=retirement,
        retires_on=facts.retires_on,
        timing=minimum.timing,
        notice_by=retirement.notice_by(facts.retires_on),
        age_months=divided.age_months,
        months=months,
        deemed_months=deemed_months,
        minimum=minimum,
        missing_months=max(0, minimum.months - all_months),
        base_fen=base_fen,
        index=counted.index,
        years=counted.years,
        parts=tuple(parts),
        total_fen=sum(part.amount_fen for part in parts),
        segments=_segments(counted, formula, parts[0].amount_fen, method),
        caveats=(*map(_told, caveats), *_unsure(used)),
        rule_set=tables.version,
    )


def _provinces(record: GivenIndex | WageRecord) -> Iterable[str]:
    match record:
        case GivenIndex():
            return (stay.province for stay in record.stays)
        case WageRecord():
            return (row.division[:2] for row in record.rows)


def _count(facts: PensionFacts, method: IndexMethod) -> _Counted:
    match facts.record:
        case GivenIndex(index=index, stays=stays):
            if any(min(stay.months, stay.deemed_months) < 0 for stay in stays):
                raise MonthsInvalid("a place has fewer than no months")
            if not any(stay.months + stay.deemed_months for stay in stays):
                raise NothingContributed("there is no month, paid or deemed")
            _refuse_index(index)
            # Several stays in one province are one segment.
            joined = {
                province: Stay(
                    province,
                    sum(stay.months for stay in stays if stay.province == province),
                    sum(stay.deemed_months for stay in stays if stay.province == province),
                )
                for province in dict.fromkeys(stay.province for stay in stays)
            }
            return _Counted(index, tuple(joined.values()), (), None)
        case WageRecord(rows=rows, average_wages_fen=averages):
            return _count_rows(facts, rows, averages, method)


def _count_rows(facts: PensionFacts, rows: Sequence[YearRow], averages: Mapping[int, int], method: IndexMethod) -> _Counted:
    counting = sorted((row for row in rows if row.status is not RowStatus.ARREARS), key=lambda row: row.start)
    if not counting:
        raise NothingContributed("there is no month, paid or deemed")
    refuse_overlaps(counting)
    retired = (facts.retires_on.year, facts.retires_on.month)
    for row in counting:
        if (row.end.year, row.end.month) > retired:
            raise RowAfterRetirement(row, facts.retires_on)
    months = {row.division[:2]: 0 for row in counting}
    deemed, ratios = dict(months), dict.fromkeys(months, Fraction(0))
    by_year: dict[int, Fraction] = {}
    paid_in_year: dict[int, int] = {}
    for row in counting:
        province = row.division[:2]
        if row.status is RowStatus.DEEMED:
            deemed[province] += row.months
            continue
        ratio = Fraction(row.monthly_wage_fen, _average(row.year, averages, method, facts.place)) * row.months
        months[province] += row.months
        ratios[province] += ratio
        by_year[row.year] = by_year.get(row.year, Fraction(0)) + ratio
        paid_in_year[row.year] = paid_in_year.get(row.year, 0) + row.months
    paid = sum(months.values())
    if paid:
        index = _rounded(sum(ratios.values(), Fraction(0)) / paid, method)
    elif facts.deemed_index is not None:
        index = facts.deemed_index
    elif method.deemed_index is not None:
        index = method.deemed_index
    else:
        raise DeemedIndexMissing("there are deemed months only, so their index has to be given")
    years = tuple(
        YearIndex(
            year=year,
            months=paid_in_year[year],
            average_year=_average_year(year, method),
            average_wage_fen=_average(year, averages, method, facts.place),
            index=_rounded(ratio / paid_in_year[year], method),
        )
        for year, ratio in by_year.items()
    )
    stays = tuple(Stay(province, months[province], deemed[province]) for province in months)
    return _Counted(index, stays, years, ratios)


def _average_year(year: int, method: IndexMethod) -> int:
    return year if method.average_of is AverageOf.SAME_YEAR else year - 1


def _average(year: int, averages: Mapping[int, int], method: IndexMethod, place: str) -> int:
    needed = _average_year(year, method)
    average_fen = averages.get(needed)
    if average_fen is None:
        raise AverageWageMissing(place, needed)
    if average_fen <= 0:
        raise BalanceInvalid(f"the average wage of {needed} is {average_fen} fen")
    return average_fen


def _rounded(index: Fraction, method: IndexMethod) -> Decimal:
    """Round an index half up to the province's decimals."""
    scale: int = 10**method.decimals
    return Decimal(floor(index * scale + Fraction(1, 2))).scaleb(-method.decimals)


def _refuse_index(index: Decimal) -> None:
    if not 0 < index <= MOST_INDEX:
        raise IndexInvalid(f"an index of {index} does not lie above 0 and up to {MOST_INDEX}")


def _deemed_index(facts: PensionFacts, counted: _Counted, months: int, method: IndexMethod) -> tuple[Decimal, bool]:
    """Return the index of the deemed months, and whether it is the table's assumption."""
    if facts.deemed_index is not None:
        _refuse_index(facts.deemed_index)
        return facts.deemed_index, False
    return (counted.index if method.deemed_index is None else method.deemed_index), True


def _segments(counted: _Counted, formula: PensionFormula, basic_fen: int, method: IndexMethod) -> tuple[SegmentOfPlace, ...]:
    """Split the months and the basic pension by place; the parts add up to the whole to the fen."""
    stays, ratios = counted.stays, counted.ratios
    all_months = sum(stay.months + stay.deemed_months for stay in stays)
    factor, index = formula.base_factor(counted.index), Fraction(counted.index)
    weights = [
        Fraction(stay.months + stay.deemed_months)
        if ratios is None
        else stay.months * factor + ratios[stay.province] + stay.deemed_months * (factor + index)
        for stay in stays
    ]
    return tuple(
        SegmentOfPlace(
            province=stay.province,
            months=stay.months,
            deemed_months=stay.deemed_months,
            share=Decimal(floor(Fraction(stay.months + stay.deemed_months, all_months) * 10000 + Fraction(1, 2))).scaleb(-4),
            index=_rounded(ratios[stay.province] / stay.months, method) if ratios is not None and stay.months else None,
            basic_fen=fen,
        )
        for stay, fen in zip(stays, _split(basic_fen, weights), strict=True)
    )


def _split(total_fen: int, weights: Sequence[Fraction]) -> list[int]:
    """Split an amount by weights; what rounding down leaves over goes, fen by fen, where most was cut off."""
    whole = sum(weights, Fraction(0))
    if not whole:
        weights, whole = [Fraction(1)] * len(weights), Fraction(len(weights))
    exact = [total_fen * weight / whole for weight in weights]
    parts = [floor(one) for one in exact]
    by_remainder = sorted(range(len(parts)), key=lambda place: parts[place] - exact[place])
    for place in by_remainder[: total_fen - sum(parts)]:
        parts[place] += 1
    return parts


def _told(text: CaveatText) -> Caveat:
    return Caveat(text.code, text.text_zh, text.text_en, text.rule, text.source, text.confidence)


def _unsure(used: Iterable[Dated]) -> Iterable[Caveat]:
    """Name every row that the estimate rests on and that nobody has read in its source."""
    for rule in dict.fromkeys(used):
        if rule.confidence not in _SURE:
            yield Caveat(
                code=_UNSURE_RULE,
                text_zh=f"所用规则 {rule.rule} 的依据：{rule.source}（{_CONFIDENCE_ZH[rule.confidence]}）。",
                text_en=f"The rule {rule.rule} rests on: {rule.source} ({rule.confidence}).",
                rule=rule.rule,
                source=rule.source,
                confidence=rule.confidence,
            )
