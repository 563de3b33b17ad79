"""What must hold of any record: sums, each month once, rows split, a transfer and its transfer back, more is never less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.base import Fact, Items
from contracts.documents import InformationForm, PersonIdentity
from contracts.events import Completed, FundsReceived, FundsRemitted, InformationFormIssued, InterestCredited
from services.ledger.bookkeeping import book
from services.ledger.chart import INDIVIDUAL_PREFIX, POOLED_FUND, individual, suspense, transfers_payable
from services.ledger.journal import Head
from services.ledger.replay import trial_balance
from services.records.model import arrived, to_contract
from services.rules.amounts import (
    Amounts,
    MonthsOverlap,
    RowStatus,
    Segment,
    YearRow,
    complete_years,
    compute,
    interest_for_year,
    principal_of,
)
from services.rules.loader import Tables
from services.rules.months import Month, months_from
from tests.builders import CASE, OTHER_CASE, PERSON, a
from tests.unit.rules.amount_builders import TRANSFER_YEAR, annual_method, items, records, with_pool_interest
from tests.unit.rules.builders import a_row, tables

ON = date(TRANSFER_YEAR, 6, 28)
RULES: Mapping[str, Tables] = {
    "month products": tables(),
    "annual": annual_method("1.083"),
    "interest on the pool": with_pool_interest(),
}
rule_sets = st.sampled_from(sorted(RULES))
thorough = settings(deadline=None, max_examples=100)


def moved(record: Sequence[Segment], rules: Tables | None = None, *, on: date = ON, province: str = "44") -> Amounts:
    return compute(record, transfer_on=on, province=province, tables=rules or tables())


@thorough
@given(records(), rule_sets)
def test_item_4_is_the_sum_of_1_2_and_3_and_item_6_that_of_4_and_5(record: list[Segment], rule_set: str) -> None:
    amounts = moved(record, RULES[rule_set])

    one, two, three, four, five, six = items(amounts)
    assert four == one + two + three
    assert six == four + five
    assert min(items(amounts)) >= 0
    assert 0 <= amounts.pool_interest_fen <= amounts.pool_from_temporary_fen <= five


@thorough
@given(records())
def test_every_paid_month_is_counted_once_and_no_other(record: list[Segment]) -> None:
    amounts = moved(record)

    by_status = {
        status: {
            month.ordinal
            for segment in record
            for row in segment.rows
            if row.status is status
            for month in months_from(row.start, row.end)
        }
        for status in RowStatus
    }
    assert amounts.months == len(by_status[RowStatus.PAID])
    assert amounts.deemed_months == len(by_status[RowStatus.DEEMED])
    assert amounts.arrears_months == len(by_status[RowStatus.ARREARS])


@st.composite
def rows_at_will(draw: st.DrawFn) -> list[YearRow]:
    """Rows that may hold the same months."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(1, 12))
        end = draw(st.integers(start, 12))
        year = draw(st.integers(2021, 2023))
        found.append(a_row(f"{year}-{start:02d}", f"{year}-{end:02d}", status=draw(st.sampled_from(RowStatus))))
    return found


@thorough
@given(rows_at_will(), st.data())
def test_a_month_that_two_rows_hold_is_refused_wherever_they_stand(rows: list[YearRow], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    counted = Counter(month.ordinal for row in rows for month in months_from(row.start, row.end))
    twice = max(counted.values()) > 1

    try:
        amounts = moved([Segment(None, 0, 0, tuple(rows[:cut])), Segment(None, 0, 0, tuple(rows[cut:]))])
    except MonthsOverlap:
        assert twice
    else:
        assert not twice
        assert amounts.months + amounts.deemed_months + amounts.arrears_months == len(counted)


def halves(row: YearRow, first_months: int) -> tuple[YearRow, YearRow]:
    end = Month(row.year, row.start.month + first_months - 1)
    return replace(row, end=end), replace(row, start=Month(row.year, end.month + 1))


@thorough
@given(records(), rule_sets, st.data())
def test_splitting_rows_changes_nothing(record: list[Segment], rule_set: str, data: st.DataObject) -> None:
    rules = RULES[rule_set]
    split = []
    for segment in record:
        rows: list[YearRow] = []
        for row in segment.rows:
            first = data.draw(st.integers(0, row.months - 1))
            rows.extend(halves(row, first) if first else (row,))
        split.append(replace(segment, rows=tuple(reversed(rows))))  # nor does their order

    before, after = moved(record, rules), moved(split, rules)

    assert items(after) == items(before)
    assert after.years == before.years
    counts = ("months", "months_before_1998", "deemed_months", "arrears_months", "pool_from_temporary_fen", "pool_interest_fen")
    assert [getattr(after, name) for name in counts] == [getattr(before, name) for name in counts]
    for whole, parts in zip(record, split, strict=True):
        money = [
            (sum(each.account_fen for each in shares), sum(each.pool_fen for each in shares))
            for shares in ([principal_of(row, rules) for row in segment.rows] for segment in (whole, parts))
        ]
        assert money[0] == money[1]


class Books:
    """One province's books, in memory."""

    def __init__(self) -> None:
        self.heads: dict[str, int] = {}

    def say(self, fact: Fact) -> None:
        entry = book("event", fact)
        for account, change in entry.changes().items() if entry is not None else ():
            self.heads[account] = self.heads.get(account, 0) + change

    def of(self, account: str) -> int:
        return self.heads.get(account, 0)

    @property
    def balanced(self) -> bool:
        return trial_balance({name: Head(1, fen) for name, fen in self.heads.items()}) == 0


def six(amounts: Amounts) -> Items:
    return Items(
        before_1998_fen=amounts.before_1998_fen,
        until_last_year_fen=amounts.until_last_year_fen,
        this_year_fen=amounts.this_year_fen,
        account_fen=amounts.account_fen,
        pool_fen=amounts.pool_fen,
        total_fen=amounts.total_fen,
    )


def carried(
    case_id: str, amounts: Amounts, origin: tuple[str, Books], destination: tuple[str, Books], record: Sequence[Segment]
) -> tuple[Segment, ...]:
    """Move a relationship as the agencies do, through form, books and bank; the segments as the destination keeps them."""
    (left, giving), (right, taking) = origin, destination
    moving, about = six(amounts), {"case_id": case_id, "person_ref": PERSON}
    form = a(
        InformationForm,
        person=a(PersonIdentity),
        months=amounts.months,
        items=moving,
        transfer_on=amounts.transfer_on,
        segments=tuple(to_contract(segment) for segment in record),
    )
    giving.say(a(InformationFormIssued, destination=right, items=moving, **about))
    giving.say(a(FundsRemitted, destination=right, amount_fen=moving.total_fen, **about))
    taking.say(a(FundsReceived, origin=left, amount_fen=moving.total_fen, **about))
    taking.say(a(Completed, origin=left, items=moving, **about))
    return arrived(form)


@thorough
@given(records(), st.integers(0, 3))
def test_a_transfer_and_its_transfer_back_conserve_money(record: list[Segment], years_between: int) -> None:
    guangdong, zhejiang = Books(), Books()
    there = moved(record)
    # What stands in the account, and what the pooled fund is asked for, was paid in before.
    guangdong.heads = {individual(PERSON): there.account_fen, POOLED_FUND: there.pool_fen, "bank": there.total_fen}

    segments = carried(CASE, there, ("44", guangdong), ("33", zhejiang), record)
    back_on = date(TRANSFER_YEAR + years_between, 6, 30)
    assume(back_on.year <= 2026)  # the rates of later years are not published
    earned = {year: interest_for_year(segments, year, "33", tables()).total_fen for year in range(TRANSFER_YEAR, back_on.year)}
    for year, fen in earned.items():
        zhejiang.say(a(InterestCredited, person_ref=PERSON, year=year, interest_fen=fen))
    back = moved(segments, on=back_on, province="33")
    again = carried(OTHER_CASE, back, ("33", zhejiang), ("44", guangdong), segments)

    assert back.account_fen == there.account_fen + sum(earned.values())
    assert (back.pool_fen, back.months, back.deemed_months, back.arrears_months) == (
        there.pool_fen,
        there.months,
        there.deemed_months,
        there.arrears_months,
    )
    if not years_between:
        assert items(back) == items(there)
    assert guangdong.of(individual(PERSON)) == back.account_fen
    assert guangdong.of(POOLED_FUND) == there.pool_fen
    assert guangdong.of("bank") == there.total_fen + sum(earned.values())
    assert zhejiang.of("bank") == -sum(earned.values())
    assert zhejiang.of(individual(PERSON)) == zhejiang.of(POOLED_FUND) == 0
    for books, other in ((guangdong, "33"), (zhejiang, "44")):
        assert books.balanced
        assert books.of(transfers_payable(other)) == books.of(suspense(other)) == 0
    total = sum(
        fen
        for books in (guangdong, zhejiang)
        for name, fen in books.heads.items()
        if name.startswith(INDIVIDUAL_PREFIX) or name == POOLED_FUND
    )
    assert total == there.total_fen + sum(earned.values())
    # Computed again from what came back: the same account, now in one segment.
    assert moved(again, on=back_on).account_fen == back.account_fen


def never_less(before: Amounts, after: Amounts) -> None:
    for less, more in zip(items(before), items(after), strict=True):
        assert less <= more
    assert before.months <= after.months


@thorough
@given(records(), rule_sets, st.data())
def test_a_higher_wage_never_gives_less(record: list[Segment], rule_set: str, data: st.DataObject) -> None:
    raised = [
        replace(
            segment,
            rows=tuple(
                replace(row, monthly_wage_fen=row.monthly_wage_fen + data.draw(st.integers(0, 100_000))) for row in segment.rows
            ),
        )
        for segment in record
    ]

    never_less(moved(record, RULES[rule_set]), moved(raised, RULES[rule_set]))


@thorough
@given(records(), rule_sets)
def test_paying_arrears_never_gives_less(record: list[Segment], rule_set: str) -> None:
    paid = [
        replace(
            segment,
            rows=tuple(replace(row, status=RowStatus.PAID) if row.status is RowStatus.ARREARS else row for row in segment.rows),
        )
        for segment in record
    ]

    before, after = moved(record, RULES[rule_set]), moved(paid, RULES[rule_set])

    never_less(before, after)
    assert after.months == before.months + before.arrears_months


@thorough
@given(records(), rule_sets, st.integers(1, 12), st.integers(0, 5_000_000))
def test_another_month_never_gives_less(record: list[Segment], rule_set: str, month: int, wage_fen: int) -> None:
    held = {each.ordinal for segment in record for row in segment.rows for each in months_from(row.start, row.end)}
    free = Month(2019, month)
    assume(free.ordinal not in held)
    more = [*record, Segment(None, 0, 0, (a_row(str(free), str(free), wage_fen),))]

    before, after = moved(record, RULES[rule_set]), moved(more, RULES[rule_set])

    never_less(before, after)
    assert after.months == before.months + 1


@thorough
@given(records(), st.integers(0, 800))
def test_a_higher_employer_rate_never_gives_less_and_moves_more_from_temporary_accounts_only(
    record: list[Segment], more: int
) -> None:
    raised = [
        replace(
            segment,
            rows=tuple(replace(row, employer_rate=row.employer_rate + Decimal(more) / 10_000) for row in segment.rows),
        )
        for segment in record
    ]

    before, after = moved(record), moved(raised)

    never_less(before, after)
    assert after.account_fen == before.account_fen
    normal = (before.pool_fen - before.pool_from_temporary_fen, after.pool_fen - after.pool_from_temporary_fen)
    assert normal[0] == normal[1]


@thorough
@given(records(), rule_sets)
def test_the_books_of_all_years_together_hold_item_4(record: list[Segment], rule_set: str) -> None:
    rules = RULES[rule_set]

    years = complete_years(record, TRANSFER_YEAR - 1, "44", rules)

    booked = sum(segment.opening_before_1998_fen + segment.opening_since_1998_fen for segment in record)
    booked += sum(
        principal_of(row, rules).account_fen for segment in record for row in segment.rows if segment.carries_principal(row)
    )
    booked += sum(year.before_1998.interest_fen + year.since_1998.interest_fen for year in years)
    assert booked == moved(record, rules).account_fen
