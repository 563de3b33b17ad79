"""Items ①–⑥ of the information form, the interest of a year and the money of a row (S-66 Art. 4, S-187, S-116).

All money is integer fen; a rule that multiplies does so in Decimal and rounds half up: each month's credit, each
year's interest, and the pooled fund's part once. Interest runs from the month a contribution is paid *for*, so arrears
paid later count as if paid in time (domain § 8, scenario 13).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import assert_never

from services.rules.loader import (
    AccountRatio,
    InterestKind,
    InterestMethod,
    PoolRatio,
    RateNotPublished,
    RecordingRate,
    Tables,
)
from services.rules.months import Month, months_from

_ONE = Decimal(1)
_MOST_FEN = 9_999_999_999  # 99,999,999.99 yuan, the width of the form's money fields.
_SINCE_1998 = Month(1998, 1)

_ARTICLE_4 = "国办发〔2009〕66号 第四条 (S-66)"
_FORM_LABELS = "基本养老保险关系转移接续信息表 (S-187, S-YH)"
_ARREARS = "欠费月份不计年限、不转移资金 (S-NOTRANS)"


class RowStatus(StrEnum):
    """What became of the months of a row; only paid ones carry money."""

    PAID = "paid"
    ARREARS = "arrears"
    DEEMED = "deemed"


class RowKind(StrEnum):
    """How the months of a row were contributed."""

    NORMAL = "normal"
    TEMPORARY = "temporary"
    ONE_OFF = "one_off"
    DEFERRED = "deferred"


class Item(StrEnum):
    """The numbered items of the information form, and the count of months."""

    MONTHS = "月数"
    BEFORE_1998 = "①"
    UNTIL_LAST_YEAR = "②"
    THIS_YEAR = "③"
    ACCOUNT = "④"
    POOL = "⑤"
    TOTAL = "⑥"


class RecordInvalid(ValueError):
    """A record that cannot exist; the subclasses say why."""


class DivisionInvalid(RecordInvalid):
    """A division that is not six digits."""


class StartAfterEnd(RecordInvalid):
    """A row whose first month lies after its last."""


class RowCrossesYear(RecordInvalid):
    """A row that does not lie in one calendar year."""


class WageInvalid(RecordInvalid):
    """A wage below zero or beyond the form's 99,999,999.99 yuan."""


class EmployerRateInvalid(RecordInvalid):
    """An employer rate outside 0 to 1, or with more than four decimals."""


class EmployerRateTooLow(RecordInvalid):
    """An employer and a personal rate that together do not even pay for the account's share."""


class MonthsOverlap(RecordInvalid):
    """Two rows of one record that hold the same month."""

    def __init__(self, first: YearRow, second: YearRow) -> None:
        super().__init__(f"{first.start}..{first.end} and {second.start}..{second.end} hold the same month")
        self.first = first
        self.second = second


class OpeningInvalid(RecordInvalid):
    """An opening balance below zero, or one without the year at whose end it stood."""


class RowAfterTransfer(RecordInvalid):
    """A row with months after the month of the transfer."""


class OpeningAfterTransfer(RecordInvalid):
    """An opening balance of the transfer's own year or later."""


class RatePending(Exception):
    """The recording rate of a needed year is not published yet, so the amounts cannot be final."""

    def __init__(self, year: int, province: str) -> None:
        super().__init__(f"the recording rate of {year} for province {province} is not published yet")
        self.year = year
        self.province = province


@dataclass(frozen=True, slots=True)
class YearRow:
    """Months of one place and one year with the same wage (information form, part 2).

    `monthly_wage_fen` is the contribution wage of each month, `employer_rate` a fraction of one. Raises
    DivisionInvalid, StartAfterEnd, RowCrossesYear, WageInvalid, EmployerRateInvalid.
    """

    division: str
    start: Month
    end: Month
    monthly_wage_fen: int
    employer_rate: Decimal
    status: RowStatus = RowStatus.PAID
    kind: RowKind = RowKind.NORMAL
    paid_on: date | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not (len(self.division) == 6 and self.division.isascii() and self.division.isdigit()):
            raise DivisionInvalid(f"the division {self.division!r} is not six digits")
        if self.start > self.end:
            raise StartAfterEnd(f"the row starts in {self.start} and ends before, in {self.end}")
        if self.start.year != self.end.year:
            raise RowCrossesYear(f"the row {self.start}..{self.end} does not lie in one year")
        if not 0 <= self.monthly_wage_fen <= _MOST_FEN:
            raise WageInvalid(f"the wage of {self.start}..{self.end} is {self.monthly_wage_fen} fen")
        exponent = self.employer_rate.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -4 or not 0 <= self.employer_rate <= 1:
            raise EmployerRateInvalid(f"the employer rate of {self.start}..{self.end} is {self.employer_rate}")

    @property
    def year(self) -> int:
        """Return the calendar year of the row."""
        return self.start.year

    @property
    def months(self) -> int:
        """Return the number of months of the row."""
        return self.end.month - self.start.month + 1


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that are computed together: a place's own, or what came with an earlier transfer.

    The opening balances, in fen, stand at 31 December of `opening_year`: ① (the person's own part before 1998) and ②
    (everything since). The principal of rows up to that year is inside them, so those rows count for months and for
    the pooled fund's wages only. Own record without an account before 1998: None, 0, 0. Arrived by a transfer in year
    T: T-1 with ① and ② of its form. Raises OpeningInvalid, MonthsOverlap.
    """

    opening_year: int | None
    opening_before_1998_fen: int
    opening_since_1998_fen: int
    rows: tuple[YearRow, ...]

    def __post_init__(self) -> None:
        openings = (self.opening_before_1998_fen, self.opening_since_1998_fen)
        if min(openings) < 0:
            raise OpeningInvalid(f"an opening balance is below zero: {openings}")
        if self.opening_year is None and any(openings):
            raise OpeningInvalid(f"the opening balances {openings} need the year at whose end they stood")
        refuse_overlaps(self.rows)

    def carries_principal(self, row: YearRow) -> bool:
        """Say whether the row's account part is outside the opening balance and was credited month by month."""
        return (
            row.status is RowStatus.PAID
            and row.start >= _SINCE_1998
            and (self.opening_year is None or row.year > self.opening_year)
        )


@dataclass(frozen=True, slots=True)
class PartOfYear:
    """One part of an account in one year, in fen: closing = opening + principal + interest."""

    opening_fen: int
    principal_fen: int
    interest_fen: int

    @property
    def closing_fen(self) -> int:
        """Return the balance at 31 December, or at the transfer in its year."""
        return self.opening_fen + self.principal_fen + self.interest_fen


@dataclass(frozen=True, slots=True)
class YearStatement:
    """An account's year in one segment (by its position); `rate` is None in the transfer's year, which bears none."""

    segment: int
    year: int
    rate: Decimal | None
    before_1998: PartOfYear
    since_1998: PartOfYear


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
class Amounts:
    """Items ①–⑥ in fen, the months, and how they came about.

    `pool_from_temporary_fen` is the part of ⑤ from temporary accounts; `rule_set` the version of the tables used.
    """

    before_1998_fen: int
    until_last_year_fen: int
    this_year_fen: int
    account_fen: int
    pool_fen: int
    total_fen: int
    months: int
    deemed_months: int
    arrears_months: int
    pool_from_temporary_fen: int
    transfer_on: date
    province: str
    rule_set: str
    years: tuple[YearStatement, ...]
    _explanation: _Explanation = field(repr=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the explanation, line by line in the order of the items; written only when somebody asks."""
        return self._explanation.steps(self)


@dataclass(frozen=True, slots=True)
class InterestForYear:
    """What the year-end run credits to an account, in fen, to the part before 1998 and the part since."""

    before_1998_fen: int
    since_1998_fen: int

    @property
    def total_fen(self) -> int:
        """Return the interest of both parts."""
        return self.before_1998_fen + self.since_1998_fen


@dataclass(frozen=True, slots=True)
class PrincipalOfRow:
    """Where the money of a row goes, in fen: the individual account, and the rest to the pooled fund."""

    account_fen: int
    pool_fen: int


def half_up(number: Decimal) -> int:
    """Round to a whole number of fen, halves up."""
    return int(number.quantize(_ONE, rounding=ROUND_HALF_UP))


def refuse_overlaps(rows: Iterable[YearRow]) -> None:
    """Raise MonthsOverlap when two rows hold the same month."""
    ordered = sorted(rows, key=lambda row: row.start.ordinal)
    for position in range(1, len(ordered)):
        if ordered[position].start <= ordered[position - 1].end:
            raise MonthsOverlap(ordered[position - 1], ordered[position])


def compute(segments: Sequence[Segment], *, transfer_on: date, province: str, tables: Tables) -> Amounts:
    """Compute items ①–⑥ of a person's record in one province for a transfer on a day. S-66 Art. 4, S-187.

    Everything to the end of last year bears interest at the province's rates, this year's credits are principal only,
    the pooled fund hands over its share of the wages since 1998 without interest. Raises RatePending when a needed
    rate is not published; MonthsOverlap, RowAfterTransfer, OpeningAfterTransfer, EmployerRateTooLow when the record
    cannot be; ProvinceUnknown, ProvinceOutOfScope.
    """
    tables.participating_province(province)
    _refuse_impossible(segments, transfer_on)
    rows = [row for segment in segments for row in segment.rows]
    paid = [row for row in rows if row.status is RowStatus.PAID]
    deemed_months = sum(row.months for row in rows if row.status is RowStatus.DEEMED)
    arrears_months = sum(row.months for row in rows if row.status is RowStatus.ARREARS)
    months = sum(row.months for row in paid)

    years: list[YearStatement] = []
    parts: list[_Part] = []
    before_1998_fen = until_last_year_fen = this_year_fen = 0
    for position, segment in enumerate(segments):
        before, since = segment.opening_before_1998_fen, segment.opening_since_1998_fen
        works = tuple(_complete_years(segment, transfer_on.year - 1, province, tables))
        for work in works:
            years.append(work.statement(position))
            before, since = work.before_1998.closing_fen, work.since_1998.closing_fen
        credits = _credits(_principal_rows(segment).get(transfer_on.year, ()), tables)
        principal = sum(credit.total_fen for credit in credits)
        if principal or before or since:
            years.append(
                YearStatement(position, transfer_on.year, None, PartOfYear(before, 0, 0), PartOfYear(since, principal, 0))
            )
        parts.append(_Part(position, segment, works, credits))
        before_1998_fen += before
        until_last_year_fen += since
        this_year_fen += principal

    account_fen = before_1998_fen + until_last_year_fen + this_year_fen
    pool = _pool(paid, transfer_on, tables)
    return Amounts(
        before_1998_fen=before_1998_fen,
        until_last_year_fen=until_last_year_fen,
        this_year_fen=this_year_fen,
        account_fen=account_fen,
        pool_fen=pool.total_fen,
        total_fen=account_fen + pool.total_fen,
        months=months,
        deemed_months=deemed_months,
        arrears_months=arrears_months,
        pool_from_temporary_fen=pool.from_temporary_fen,
        transfer_on=transfer_on,
        province=province,
        rule_set=tables.version,
        years=tuple(years),
        _explanation=_Explanation(tuple(parts), pool),
    )


def complete_years(segments: Sequence[Segment], last_year: int, province: str, tables: Tables) -> tuple[YearStatement, ...]:
    """Return every year up to `last_year` in which an account held something, with principal and interest in fen. S-116.

    Raises RatePending, EmployerRateTooLow.
    """
    return tuple(
        work.statement(position)
        for position, segment in enumerate(segments)
        for work in _complete_years(segment, last_year, province, tables)
    )


def interest_for_year(segments: Sequence[Segment], year: int, province: str, tables: Tables) -> InterestForYear:
    """Return what the year-end run of a province credits to a record for one complete year, in fen. S-116.

    The balances of earlier years are folded with their own interest first. Raises RatePending, EmployerRateTooLow.
    """
    before = since = 0
    for segment in segments:
        for work in _complete_years(segment, year, province, tables):
            if work.year == year:
                before += work.before_1998.interest_fen
                since += work.since_1998.interest_fen
    return InterestForYear(before_1998_fen=before, since_1998_fen=since)


def principal_of(row: YearRow, tables: Tables) -> PrincipalOfRow:
    """Split the money of a row, in fen: each month's account share, and what is left of what was paid in.

    Paid in is (employer rate + personal rate) × wage, rounded each month. Rows that are not paid carry no money;
    nor do those before 1998, whose personal part enters the books with the opening balance. Raises
    EmployerRateTooLow. S-187, 国发〔2005〕38号.
    """
    if row.status is not RowStatus.PAID or row.start < _SINCE_1998:
        return PrincipalOfRow(0, 0)
    account_fen = paid_in_fen = 0
    for credit in _row_credits(row, tables):
        account_fen += credit.total_fen
        paid_in_fen += credit.months * credit.paid_in_month_fen
    return PrincipalOfRow(account_fen=account_fen, pool_fen=paid_in_fen - account_fen)


def yuan(fen: int) -> str:
    """Show fen as yuan with two decimals and thousands separated: ``12,479.86``."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


@dataclass(frozen=True, slots=True)
class _Credit:
    """Months of one row under one ratio: what each adds to the account, and what each brought in."""

    start: Month
    end: Month
    wage_fen: int
    month_fen: int
    paid_in_month_fen: int
    ratio: AccountRatio

    @property
    def months(self) -> int:
        return self.end.ordinal - self.start.ordinal + 1

    @property
    def total_fen(self) -> int:
        return self.months * self.month_fen

    @property
    def weight(self) -> int:
        """Return the month products: January earns for 12 months, December for one."""
        return self.months * (26 - self.start.month - self.end.month) // 2


@dataclass(frozen=True, slots=True)
class _YearWork:
    """One complete year of one segment with what is needed to explain it."""

    year: int
    rate: RecordingRate
    method: InterestMethod
    credits: tuple[_Credit, ...]
    before_1998: PartOfYear
    since_1998: PartOfYear

    def statement(self, position: int) -> YearStatement:
        return YearStatement(position, self.year, self.rate.rate, self.before_1998, self.since_1998)


def _refuse_impossible(segments: Sequence[Segment], transfer_on: date) -> None:
    rows = [row for segment in segments for row in segment.rows]
    refuse_overlaps(rows)
    last = Month.of(transfer_on)
    for row in rows:
        if row.end > last:
            raise RowAfterTransfer(f"the row {row.start}..{row.end} lies after the transfer on {transfer_on}")
    for segment in segments:
        if segment.opening_year is not None and segment.opening_year >= transfer_on.year:
            raise OpeningAfterTransfer(
                f"an opening balance at the end of {segment.opening_year} cannot be part of a transfer on {transfer_on}"
            )


def _row_credits(row: YearRow, tables: Tables) -> Iterator[_Credit]:
    """Split a row where a ratio or a rate changes within the year; nearly always it is one piece."""
    province = row.division[:2]  # Local personal rates before 2006 are those of the place that collected.
    pieces: list[tuple[Month, Month]] = []
    first = (tables.account_ratio(row.start), tables.personal_rate(row.start, province))
    last = (tables.account_ratio(row.end), tables.personal_rate(row.end, province))
    if first[0] is last[0] and first[1] is last[1]:
        pieces.append((row.start, row.end))
    else:
        held = first
        start = previous = row.start
        for month in months_from(row.start, row.end):
            now = (tables.account_ratio(month), tables.personal_rate(month, province))
            if now != held:
                pieces.append((start, previous))
                start, held = month, now
            previous = month
        pieces.append((start, row.end))
    for begin, end in pieces:
        ratio, personal = tables.account_ratio(begin), tables.personal_rate(begin, province)
        if row.employer_rate + personal.rate < ratio.ratio:
            raise EmployerRateTooLow(
                f"{begin}..{end}: employer rate {row.employer_rate} and personal rate {personal.rate} "
                f"do not reach the account's {ratio.ratio}"
            )
        yield _Credit(
            start=begin,
            end=end,
            wage_fen=row.monthly_wage_fen,
            month_fen=half_up(row.monthly_wage_fen * ratio.ratio),
            paid_in_month_fen=half_up(row.monthly_wage_fen * (row.employer_rate + personal.rate)),
            ratio=ratio,
        )


def _principal_rows(segment: Segment) -> dict[int, list[YearRow]]:
    """Return the rows whose account part is credited month by month, by year, each year in the order of its months."""
    found: dict[int, list[YearRow]] = {}
    for row in sorted(segment.rows, key=lambda row: row.start.ordinal):
        if segment.carries_principal(row):
            found.setdefault(row.year, []).append(row)
    return found


def _credits(rows: Iterable[YearRow], tables: Tables) -> tuple[_Credit, ...]:
    return tuple(credit for row in rows for credit in _row_credits(row, tables))


def _complete_years(segment: Segment, last_year: int, province: str, tables: Tables) -> Iterator[_YearWork]:
    """Fold the years of a segment, from its opening to last_year; years in which nothing stands are skipped."""
    rows = _principal_rows(segment)
    first_years = list(rows)
    if segment.opening_year is not None:
        first_years.append(segment.opening_year + 1)
    if not first_years:
        return
    before, since = segment.opening_before_1998_fen, segment.opening_since_1998_fen
    for year in range(min(first_years), last_year + 1):
        credits = _credits(rows.get(year, ()), tables)
        if not (before or since or credits):
            continue
        try:
            rate = tables.recording_rate(year, province)
        except RateNotPublished as error:
            raise RatePending(year, province) from error
        method = tables.interest_method(year, province)
        principal = sum(credit.total_fen for credit in credits)
        work = _YearWork(
            year=year,
            rate=rate,
            method=method,
            credits=credits,
            before_1998=PartOfYear(before, 0, _interest(before, (), rate.rate, method)),
            since_1998=PartOfYear(since, principal, _interest(since, credits, rate.rate, method)),
        )
        yield work
        before, since = work.before_1998.closing_fen, work.since_1998.closing_fen


def _interest(opening_fen: int, credits: tuple[_Credit, ...], rate: Decimal, method: InterestMethod) -> int:
    match method.method:
        case InterestKind.MONTH_PRODUCT:
            products = opening_fen * 12 + sum(credit.month_fen * credit.weight for credit in credits)
            return half_up(products * rate / 12)
        case InterestKind.ANNUAL:
            principal = sum(credit.total_fen for credit in credits)
            return half_up(opening_fen * rate + principal * rate * method.factor / 2)
        case _:
            assert_never(method.method)


@dataclass(frozen=True, slots=True)
class _Pool:
    """The pooled fund's part in fen, and the rows by the rate that applies to them with their months."""

    total_fen: int
    from_temporary_fen: int
    ratio: PoolRatio
    normal: Mapping[Decimal, Sequence[tuple[YearRow, int]]]
    temporary: Mapping[Decimal, Sequence[tuple[YearRow, int]]]

    def step(self) -> Step:
        ratio = self.ratio
        zh = f"统筹基金转移额：{ratio.wages_from}以后实际缴费工资 × {ratio.ratio}，不计利息"
        en = f"pooled fund: {ratio.ratio} of the wages actually contributed on since {ratio.wages_from}, without interest"
        if self.temporary:
            zh += "；临时账户按实际单位费率，不足的按统一比例"
            en += "; temporary account: the actual employer rate where that is higher"
        terms = " + ".join([*_terms(self.normal), *_terms(self.temporary)]) or "0"
        formula = f"{terms} = {yuan(self.total_fen)}"
        return Step(Item.POOL, zh, en, formula, self.total_fen, ratio.rule, ratio.source, ratio.confidence)


def _pool(paid: Sequence[YearRow], transfer_on: date, tables: Tables) -> _Pool:
    ratio = tables.pool_ratio(transfer_on)
    normal = _by_pool_rate(ratio, [row for row in paid if row.kind is not RowKind.TEMPORARY])
    temporary = _by_pool_rate(ratio, [row for row in paid if row.kind is RowKind.TEMPORARY])
    normal_fen = _share(normal)
    total_fen = half_up(normal_fen + _share(temporary))
    return _Pool(total_fen, total_fen - half_up(normal_fen), ratio, normal, temporary)


def _by_pool_rate(ratio: PoolRatio, rows: Sequence[YearRow]) -> dict[Decimal, list[tuple[YearRow, int]]]:
    """Group rows by the rate that applies to them, with the months that count."""
    by_rate: dict[Decimal, list[tuple[YearRow, int]]] = {}
    for row in sorted(rows, key=lambda row: row.start.ordinal):
        if row.end >= ratio.wages_from:
            rate = max(ratio.ratio, row.employer_rate) if row.kind is RowKind.TEMPORARY else ratio.ratio
            months = row.end.ordinal - max(row.start, ratio.wages_from).ordinal + 1
            by_rate.setdefault(rate, []).append((row, months))
    return by_rate


def _share(by_rate: Mapping[Decimal, Sequence[tuple[YearRow, int]]]) -> Decimal:
    """Sum the pool's share, not yet rounded."""
    shares = (rate * sum(row.monthly_wage_fen * months for row, months in counted) for rate, counted in by_rate.items())
    return sum(shares, Decimal(0))


def _terms(by_rate: Mapping[Decimal, Sequence[tuple[YearRow, int]]]) -> Iterator[str]:
    """Say how the share comes about: one term for each rate that applies."""
    for rate, counted in by_rate.items():
        wages = " + ".join(f"{months} × {yuan(row.monthly_wage_fen)}" for row, months in counted)
        yield f"{rate} × ({wages})"


@dataclass(frozen=True, slots=True)
class _Part:
    """What one segment brought, with what is needed to explain it."""

    position: int
    segment: Segment
    years: tuple[_YearWork, ...]
    this_year: tuple[_Credit, ...]


@dataclass(frozen=True, slots=True)
class _Explanation:
    """What the lines of an explanation are written from."""

    parts: tuple[_Part, ...]
    pool: _Pool

    def steps(self, amounts: Amounts) -> tuple[Step, ...]:
        steps = [_months_step(amounts.months, amounts.deemed_months, amounts.arrears_months)]
        for part in self.parts:
            steps.extend(_opening_steps(part.position, part.segment))
            for work in part.years:
                steps.extend(_year_steps(work))
        steps.extend(_credit_step(Item.THIS_YEAR, credit) for part in self.parts for credit in part.this_year)
        steps.extend(_nothing_steps(steps, amounts.transfer_on.year))
        steps.append(_account_step(amounts))
        steps.append(self.pool.step())
        steps.append(_total_step(amounts))
        order = list(Item)
        return tuple(sorted(steps, key=lambda step: order.index(step.item)))


def _account_step(amounts: Amounts) -> Step:
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


def _total_step(amounts: Amounts) -> Step:
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


def _months_step(months: int, deemed_months: int, arrears_months: int) -> Step:
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


def _credit_step(item: Item, credit: _Credit) -> Step:
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


def _year_steps(work: _YearWork) -> Iterator[Step]:
    rate = work.rate
    for credit in work.credits:
        yield _credit_step(Item.UNTIL_LAST_YEAR, credit)
    parts = ((Item.BEFORE_1998, work.before_1998, ()), (Item.UNTIL_LAST_YEAR, work.since_1998, work.credits))
    for item, part, credits in parts:
        if part.opening_fen or part.principal_fen:
            yield Step(
                item,
                f"{work.year}年利息，记账利率 {rate.rate}",
                f"interest of {work.year} at the recording rate {rate.rate}",
                f"{_interest_formula(part.opening_fen, credits, work)} = {yuan(part.interest_fen)}",
                part.interest_fen,
                f"{rate.rule}; {work.method.rule}",
                f"{rate.source}; {work.method.source}",
                rate.confidence,
            )


def _interest_formula(opening_fen: int, credits: tuple[_Credit, ...], work: _YearWork) -> str:
    rate = work.rate.rate
    opening = f"{yuan(opening_fen)} × {rate}" if opening_fen else ""
    if not credits:
        return opening
    match work.method.method:
        case InterestKind.MONTH_PRODUCT:
            products = " + ".join(f"{yuan(credit.month_fen)} × {credit.weight}" for credit in credits)
            yearly = f"({products}) × {rate} ÷ 12"
        case InterestKind.ANNUAL:
            principal = sum(credit.total_fen for credit in credits)
            yearly = f"{yuan(principal)} × {rate} × {work.method.factor} ÷ 2"
        case _:
            assert_never(work.method.method)
    return f"{opening} + {yearly}" if opening else yearly


def _nothing_steps(steps: Sequence[Step], transfer_year: int) -> Iterator[Step]:
    """Say of ①–③ that there is nothing, rather than leave an item without a line."""
    told = {step.item for step in steps}
    words = {
        Item.BEFORE_1998: ("没有1998年1月1日以前的个人账户", "no account before 1998-01-01"),
        Item.UNTIL_LAST_YEAR: (f"{transfer_year - 1}年末以前没有记账", f"nothing credited before {transfer_year}"),
        Item.THIS_YEAR: (f"{transfer_year}年没有缴费", f"nothing contributed in {transfer_year}"),
    }
    for item, (zh, en) in words.items():
        if item not in told:
            yield Step(item, zh, en, yuan(0), 0, "form", _FORM_LABELS, "found")
