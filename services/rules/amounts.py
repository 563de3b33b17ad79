"""Items ①–⑥ of the information form (S-66 Art. 4, S-187), and with them all that a record and its interest are made of.

All money is integer fen; a rule that multiplies does so in Decimal and rounds half up: each month's credit, each
year's interest, and the pooled fund's part once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from services.rules.explanation import Explanation, Part
from services.rules.explanation import Item as Item
from services.rules.explanation import Step as Step
from services.rules.explanation import yuan as yuan
from services.rules.interest import InterestForYear as InterestForYear
from services.rules.interest import PartOfYear as PartOfYear
from services.rules.interest import PrincipalOfRow as PrincipalOfRow
from services.rules.interest import RatePending as RatePending
from services.rules.interest import Rates, credits_of, fold_years, principal_rows, rates_for_transfer
from services.rules.interest import YearStatement as YearStatement
from services.rules.interest import complete_years as complete_years
from services.rules.interest import half_up as half_up
from services.rules.interest import interest_for_year as interest_for_year
from services.rules.interest import principal_of as principal_of
from services.rules.loader import Tables
from services.rules.pool import pool_of
from services.rules.year_rows import SINCE_1998, refuse_impossible
from services.rules.year_rows import DivisionInvalid as DivisionInvalid
from services.rules.year_rows import EmployerRateInvalid as EmployerRateInvalid
from services.rules.year_rows import EmployerRateTooLow as EmployerRateTooLow
from services.rules.year_rows import MonthsOverlap as MonthsOverlap
from services.rules.year_rows import OpeningAfterTransfer as OpeningAfterTransfer
from services.rules.year_rows import OpeningInvalid as OpeningInvalid
from services.rules.year_rows import Participant as Participant
from services.rules.year_rows import RecordInvalid as RecordInvalid
from services.rules.year_rows import RowAfterTransfer as RowAfterTransfer
from services.rules.year_rows import RowCrossesYear as RowCrossesYear
from services.rules.year_rows import RowKind as RowKind
from services.rules.year_rows import RowStatus as RowStatus
from services.rules.year_rows import Segment as Segment
from services.rules.year_rows import StartAfterEnd as StartAfterEnd
from services.rules.year_rows import WageInvalid as WageInvalid
from services.rules.year_rows import YearRow as YearRow
from services.rules.year_rows import refuse_overlaps as refuse_overlaps


@dataclass(frozen=True, slots=True)
class Amounts:
    """Items ①–⑥ in fen, the months, and how they came about.

    `pool_from_temporary_fen` is the part of ⑤ from temporary accounts, `pool_interest_fen` the interest in that, which there
    is only where the switch says so; `interim` are the years whose rate was not published, with the rate in its place: the
    amounts are not final while there are any. `rule_set` is the version of the tables used.
    """

    before_1998_fen: int
    until_last_year_fen: int
    this_year_fen: int
    account_fen: int
    pool_fen: int
    total_fen: int
    months: int
    months_before_1998: int
    deemed_months: int
    arrears_months: int
    pool_from_temporary_fen: int
    pool_interest_fen: int
    transfer_on: date
    province: str
    rule_set: str
    years: tuple[YearStatement, ...]
    interim: Mapping[int, Decimal]
    _explanation: Explanation = field(repr=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the explanation, line by line in the order of the items; written only when somebody asks."""
        return self._explanation.steps(self)


def compute(
    segments: Sequence[Segment],
    *,
    transfer_on: date,
    province: str,
    tables: Tables,
    interim: Mapping[int, Decimal] | None = None,
) -> Amounts:
    """Compute items ①–⑥ of a person's record in one province for a transfer on a day. S-66 Art. 4, S-187.

    Everything to the end of last year bears interest at the province's rates, this year's credits are principal only,
    the pooled fund hands over its share of the wages since 1998 without interest. A rate that is not published is waited
    for or replaced as the province's row of `pending_rates` says; `interim` are the rates that a form names in their place.
    Raises RatePending when a needed rate is missing; MonthsOverlap, RowAfterTransfer, OpeningAfterTransfer,
    EmployerRateTooLow when the record cannot be; ProvinceUnknown, ProvinceOutOfScope; RuleNotInForce before 2010.
    """
    tables.participating_province(province)
    refuse_impossible(segments, transfer_on)
    return _computed(segments, transfer_on, rates_for_transfer(transfer_on, province, tables, interim))


def _computed(segments: Sequence[Segment], transfer_on: date, rates: Rates) -> Amounts:
    tables = rates.tables
    rows = [row for segment in segments for row in segment.rows]
    paid = [row for row in rows if row.status is RowStatus.PAID]

    years: list[YearStatement] = []
    parts: list[Part] = []
    before_1998_fen = until_last_year_fen = this_year_fen = 0
    for position, segment in enumerate(segments):
        before, since = segment.opening_before_1998_fen, segment.opening_since_1998_fen
        works = tuple(fold_years(segment, transfer_on.year - 1, rates))
        for work in works:
            years.append(work.statement(position))
            before, since = work.before_1998.closing_fen, work.since_1998.closing_fen
        credits = credits_of(principal_rows(segment).get(transfer_on.year, ()), tables)
        principal = sum(credit.total_fen for credit in credits)
        if principal or before or since:
            years.append(
                YearStatement(position, transfer_on.year, None, PartOfYear(before, 0, 0), PartOfYear(since, principal, 0))
            )
        parts.append(Part(position, segment, works, credits))
        before_1998_fen += before
        until_last_year_fen += since
        this_year_fen += principal

    account_fen = before_1998_fen + until_last_year_fen + this_year_fen
    pool = pool_of(paid, transfer_on, rates)
    late = sorted({year.year for year in years if year.interim} | {year.year for year in pool.years if year.interim})
    return Amounts(
        before_1998_fen=before_1998_fen,
        until_last_year_fen=until_last_year_fen,
        this_year_fen=this_year_fen,
        account_fen=account_fen,
        pool_fen=pool.total_fen,
        total_fen=account_fen + pool.total_fen,
        months=sum(row.months for row in paid),
        months_before_1998=sum(row.months for row in paid if row.end < SINCE_1998),
        deemed_months=sum(row.months for row in rows if row.status is RowStatus.DEEMED),
        arrears_months=sum(row.months for row in rows if row.status is RowStatus.ARREARS),
        pool_from_temporary_fen=pool.from_temporary_fen,
        pool_interest_fen=pool.interest_fen,
        transfer_on=transfer_on,
        province=rates.province,
        rule_set=tables.version,
        years=tuple(years),
        interim={year: rates.interim[year].rate for year in late},
        _explanation=Explanation(tuple(parts), pool, transfer_on.year),
    )
