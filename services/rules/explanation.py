"""How items ①–⑥ came about, line by line: what each adds, by which rule, written where, how sure we are; in both languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, assert_never

from services.rules.interest import Credit, YearWork
from services.rules.loader import InterestKind, InterestMethod, RecordingRate
from services.rules.pool import Pool, PoolYear
from services.rules.table_rows import Dated, weakest
from services.rules.year_rows import Segment, YearRow

_ARTICLE_4 = "国办发〔2009〕66号 第四条 (S-66)"
_FORM_LABELS = "基本养老保险关系转移接续信息表 (S-187, S-YH)"
_ARREARS = "欠费月份不计年限、不转移资金 (S-NOTRANS)"


class Item(StrEnum):
    """The numbered items of the information form, and the count of months."""

    MONTHS = "月数"
    BEFORE_1998 = "①"
    UNTIL_LAST_YEAR = "②"
    THIS_YEAR = "③"
    ACCOUNT = "④"
    POOL = "⑤"
    TOTAL = "⑥"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the explanation: what it adds to which item, by which rule, written where, how sure we are."""

    item: Item
    text_zh: str
    text_en: str
    formula: str
    amount_fen: int | None
    rule: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one segment brought, with what is needed to explain it."""

    position: int
    segment: Segment
    years: tuple[YearWork, ...]
    this_year: tuple[Credit, ...]


class SixItems(Protocol):
    """Items ①–⑥ in fen, of a form or of our own computing."""

    @property
    def before_1998_fen(self) -> int:
        """Item ①: the own part before 1998."""

    @property
    def until_last_year_fen(self) -> int:
        """Item ②: 1998 to the end of last year."""

    @property
    def this_year_fen(self) -> int:
        """Item ③: this year's principal."""

    @property
    def account_fen(self) -> int:
        """Item ④: the individual account."""

    @property
    def pool_fen(self) -> int:
        """Item ⑤: the pooled fund."""

    @property
    def total_fen(self) -> int:
        """Item ⑥: what is to be moved."""


class _Sums(SixItems, Protocol):
    """What the closing lines need of the amounts."""

    @property
    def months(self) -> int: ...
    @property
    def deemed_months(self) -> int: ...
    @property
    def arrears_months(self) -> int: ...
    @property
    def months_before_1998(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the lines are written from."""

    parts: tuple[Part, ...]
    pool: Pool
    transfer_year: int

    def steps(self, amounts: _Sums) -> tuple[Step, ...]:
        """Write the lines, in the order of the items."""
        steps = [_months_step(amounts)]
        for part in self.parts:
            steps.extend(_opening_steps(part.position, part.segment))
            for work in part.years:
                steps.extend(_year_steps(work))
        steps.extend(_credit_step(Item.THIS_YEAR, credit) for part in self.parts for credit in part.this_year)
        steps.extend(_nothing_steps(steps, self.transfer_year, amounts.months_before_1998))
        steps.append(_account_step(amounts))
        steps.extend(_pool_steps(self.pool))
        steps.append(_total_step(amounts))
        order = list(Item)
        return tuple(sorted(steps, key=lambda step: order.index(step.item)))


def yuan(fen: int) -> str:
    """Show fen as yuan with two decimals and thousands separated: ``12,479.86``."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def _account_step(amounts: _Sums) -> Step:
    parts = f"{yuan(amounts.before_1998_fen)} + {yuan(amounts.until_last_year_fen)} + {yuan(amounts.this_year_fen)}"
    return Step(
        Item.ACCOUNT,
        "个人账户基金转移额 = ① + ② + ③",
        "individual account moved = ① + ② + ③",
        f"{parts} = {yuan(amounts.account_fen)}",
        amounts.account_fen,
        "form/AIC083",
        _FORM_LABELS,
        "found",
    )


def _total_step(amounts: _Sums) -> Step:
    return Step(
        Item.TOTAL,
        "转移基金总额 = ④ + ⑤",
        "total moved = ④ + ⑤",
        f"{yuan(amounts.account_fen)} + {yuan(amounts.pool_fen)} = {yuan(amounts.total_fen)}",
        amounts.total_fen,
        "form/AIC102",
        _FORM_LABELS,
        "found",
    )


def _months_step(amounts: _Sums) -> Step:
    months, deemed_months, arrears_months = amounts.months, amounts.deemed_months, amounts.arrears_months
    zh, en = f"实际缴费 {months} 个月", f"{months} months contributed"
    if deemed_months:
        zh, en = f"{zh}；视同缴费 {deemed_months} 个月，不转移资金", f"{en}; {deemed_months} deemed, without money"
    if arrears_months:
        zh = f"{zh}；欠费 {arrears_months} 个月，不计年限、不转移资金"
        en = f"{en}; {arrears_months} in arrears, which count neither as months nor as money"
    source = _ARREARS if arrears_months else _ARTICLE_4
    return Step(Item.MONTHS, zh, en, str(months), None, "form/AAE201", source, "found")


def _opening_steps(position: int, segment: Segment) -> Iterator[Step]:
    year = segment.opening_year
    own = position == 0 and segment.opening_since_1998_fen == 0
    source = _ARTICLE_4 if own else f"earlier information form, item at the end of {year}; {_ARTICLE_4}"
    if segment.opening_before_1998_fen:
        yield Step(
            Item.BEFORE_1998,
            f"{year}年末个人缴费累计储存额（1998年以前单位划入部分不转移）",
            f"the person's own part at the end of {year} (what the employer credited before 1998 stays)",
            yuan(segment.opening_before_1998_fen),
            segment.opening_before_1998_fen,
            f"opening@{year}",
            source,
            "found",
        )
    if segment.opening_since_1998_fen:
        yield Step(
            Item.UNTIL_LAST_YEAR,
            f"{year}年末个人账户累计储存额（随以前的转移到达）",
            f"account at the end of {year}, arrived with an earlier transfer",
            yuan(segment.opening_since_1998_fen),
            segment.opening_since_1998_fen,
            f"opening@{year}",
            source,
            "found",
        )


def _credit_step(item: Item, credit: Credit) -> Step:
    months, ratio = credit.months, credit.ratio
    return Step(
        item,
        f"{credit.start}至{credit.end}记入个人账户本金：缴费工资 × {ratio.ratio}",
        f"{credit.start} to {credit.end}, credited to the account: wage × {ratio.ratio}",
        f"{months} × round({yuan(credit.wage_fen)} × {ratio.ratio}) = {yuan(credit.total_fen)}",
        credit.total_fen,
        ratio.rule,
        ratio.source,
        ratio.confidence,
    )


def _year_steps(work: YearWork) -> Iterator[Step]:
    for credit in work.credits:
        yield _credit_step(Item.UNTIL_LAST_YEAR, credit)
    parts = ((Item.BEFORE_1998, work.before_1998, ()), (Item.UNTIL_LAST_YEAR, work.since_1998, work.credits))
    for item, part, credits in parts:
        if part.opening_fen or part.principal_fen:
            formula = _interest_formula(
                yuan(part.opening_fen) if part.opening_fen else "",
                " + ".join(f"{yuan(credit.month_fen)} × {credit.weight}" for credit in credits),
                yuan(part.principal_fen),
                work.rate.rate,
                work.method,
            )
            yield _interest_step(item, work.year, formula, part.interest_fen, work.rate, work.method, interim=work.interim)


def _interest_step(
    item: Item, year: int, formula: str, fen: int, rate: RecordingRate, method: InterestMethod, *, interim: bool
) -> Step:
    zh, en = f"{year}年利息，记账利率 {rate.rate}", f"interest of {year} at the recording rate {rate.rate}"
    if interim:
        zh = f"{year}年利息，该年记账利率尚未公布，暂按 {rate.rate}，公布后补差"
        en = f"interest of {year} at the interim rate {rate.rate}: its own is not published, the difference follows"
    return Step(
        item,
        zh,
        en,
        f"{formula} = {yuan(fen)}",
        fen,
        f"{rate.rule}; {method.rule}",
        f"{rate.source}; {method.source}",
        weakest(rate, method),
    )


def _interest_formula(opening: str, products: str, principal: str, rate: Decimal, method: InterestMethod) -> str:
    """Write a year's interest with its figures; `opening` and `products` are empty where there is nothing."""
    first = f"{opening} × {rate}" if opening else ""
    if not products:
        return first
    match method.method:
        case InterestKind.MONTH_PRODUCT:
            yearly = f"({products}) × {rate} ÷ 12"
        case InterestKind.ANNUAL:
            yearly = f"{principal} × {rate} × {method.factor} ÷ 2"
        case _:
            assert_never(method.method)
    return f"{first} + {yearly}" if first else yearly


def _pool_steps(pool: Pool) -> Iterator[Step]:
    ratio, interest = pool.ratio, pool.interest_fen
    zh = f"统筹基金转移额：{ratio.wages_from}以后实际缴费工资 × {ratio.ratio}，不计利息"
    en = f"pooled fund: {ratio.ratio} of the wages actually contributed on since {ratio.wages_from}, without interest"
    if pool.temporary:
        zh += "；临时账户按实际单位费率，不足的按统一比例"
        en += "; temporary account: the actual employer rate where that is higher"
    terms = " + ".join([*_terms(pool.normal), *_terms(pool.temporary)]) or "0"
    principal = pool.total_fen - interest
    # That a temporary account's part bears no interest is the switch's word; of the others S-187 says it.
    rows: tuple[Dated, ...] = (ratio, pool.switch) if pool.temporary else (ratio,)
    rule, source = "; ".join(row.rule for row in rows), "; ".join(row.source for row in rows)
    yield Step(Item.POOL, zh, en, f"{terms} = {yuan(principal)}", principal, rule, source, weakest(*rows))
    for year in pool.years:
        yield _pool_interest_step(year, pool)


def _pool_interest_step(year: PoolYear, pool: Pool) -> Step:
    formula = _interest_formula(
        _in_yuan(year.opening) if year.opening else "",
        _in_yuan(year.products) if year.products else "",
        _in_yuan(year.principal),
        year.rate.rate,
        year.method,
    )
    step = _interest_step(Item.POOL, year.year, formula, year.interest_fen, year.rate, year.method, interim=year.interim)
    return Step(
        step.item,
        f"临时账户单位缴费部分{step.text_zh}",
        f"employer's part of the temporary account, {step.text_en}",
        step.formula,
        step.amount_fen,
        f"{pool.switch.rule}; {step.rule}",
        f"{pool.switch.source}; {step.source}",
        weakest(pool.switch, year.rate, year.method),
    )


def _in_yuan(fen: Decimal) -> str:
    """Show fen that are not rounded."""
    return f"{(fen / 100).normalize():,f}"


def _terms(by_rate: Mapping[Decimal, Sequence[tuple[YearRow, int]]]) -> Iterator[str]:
    """Say how the share comes about: one term for each rate that applies."""
    for rate, counted in by_rate.items():
        wages = " + ".join(f"{months} × {yuan(row.monthly_wage_fen)}" for row, months in counted)
        yield f"{rate} × ({wages})"


def _nothing_steps(steps: Sequence[Step], transfer_year: int, months_before_1998: int) -> Iterator[Step]:
    """Say of ①–③ that there is nothing, rather than leave an item without a line."""
    told = {step.item for step in steps}
    before = ("没有1998年1月1日以前的个人账户", "no account before 1998-01-01")
    if months_before_1998:
        before = (
            f"1998年1月1日以前缴费 {months_before_1998} 个月，记录中没有个人缴费储存额",
            f"{months_before_1998} months before 1998-01-01 and no personal balance of them on record",
        )
    words = {
        Item.BEFORE_1998: before,
        Item.UNTIL_LAST_YEAR: (f"{transfer_year - 1}年末以前没有记账", f"nothing credited before {transfer_year}"),
        Item.THIS_YEAR: (f"{transfer_year}年没有缴费", f"nothing contributed in {transfer_year}"),
    }
    for item, (zh, en) in words.items():
        if item not in told:
            yield Step(item, zh, en, yuan(0), 0, "form", _FORM_LABELS, "found")
