"""What the tests of amounts share: items as a tuple, tables with one thing changed, records drawn at random."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from services.rules.amount_tables import PendingPolicy
from services.rules.amounts import Amounts, Participant, RowKind, RowStatus, Segment, YearRow
from services.rules.loader import InterestKind, RecordingRate, Tables
from services.rules.months import Month
from tests.unit.rules.builders import tables

TRANSFER_YEAR = 2024


def items(amounts: Amounts) -> tuple[int, int, int, int, int, int]:
    return (
        amounts.before_1998_fen,
        amounts.until_last_year_fen,
        amounts.this_year_fen,
        amounts.account_fen,
        amounts.pool_fen,
        amounts.total_fen,
    )


def flat_rate(rate: str) -> Tables:
    """All years from 1996 to 2030 at one rate, for every province."""
    rows = {
        (year, "*"): RecordingRate(
            rule=f"recording_rates@{year}/*",
            effective_from=date(year, 1, 1),
            effective_to=date(year, 12, 31),
            source="test",
            confidence="untrusted",
            year=year,
            provinces=("*",),
            rate=Decimal(rate),
        )
        for year in range(1996, 2031)
    }
    return replace(tables(), recording_rates=tuple(rows.values()), _rate_index=rows)


def annual_method(factor: str) -> Tables:
    [method] = tables().interest_methods
    return replace(tables(), interest_methods=(replace(method, method=InterestKind.ANNUAL, factor=Decimal(factor)),))


def with_rate(year: int, rate: str, rules: Tables | None = None) -> Tables:
    """The tables with a national rate of one more year, as if it had been published."""
    rules = rules or tables()
    row = RecordingRate(
        rule=f"recording_rates@{year}/*",
        effective_from=date(year, 1, 1),
        effective_to=date(year, 12, 31),
        source="test",
        confidence="design",
        year=year,
        provinces=("*",),
        rate=Decimal(rate),
    )
    index = {**rules._rate_index, (year, "*"): row}
    return replace(rules, recording_rates=(*rules.recording_rates, row), _rate_index=index)


def going_on(policy: PendingPolicy, *, rate: str | None = None, years: int = 2, province: str = "*") -> Tables:
    """The tables of a province that does not wait for a rate."""
    [row] = tables().amounts.pending_rates
    own = replace(row, policy=policy, rate=Decimal(rate) if rate is not None else None, years=years, provinces=(province,))
    rows = (own,) if province == "*" else (row, own)
    return replace(tables(), amounts=replace(tables().amounts, pending_rates=rows))


def with_pool_interest(rules: Tables | None = None) -> Tables:
    """The tables where the pooled part of a temporary account bears interest."""
    rules = rules or tables()
    [row] = rules.amounts.temp_pool_interests
    return replace(rules, amounts=replace(rules.amounts, temp_pool_interests=(replace(row, bears_interest=True),)))


@st.composite
def records(draw: st.DrawFn) -> list[Segment]:
    """Draw one to three segments whose months never overlap, each with its own opening or none."""
    segments: list[Segment] = []
    count = draw(st.integers(1, 3))
    # Each month of the record belongs to one segment at most.
    rows: list[list[YearRow]] = [[] for _ in range(count)]
    years = draw(st.lists(st.integers(1996, TRANSFER_YEAR), unique=True, max_size=10))
    for year in years:
        month = 1
        while month <= 12:
            start = draw(st.integers(month, 12))
            end = draw(st.integers(start, 12))
            if year < TRANSFER_YEAR or end <= 6:
                rows[draw(st.integers(0, count - 1))].append(
                    YearRow(
                        division=draw(st.sampled_from(["440100", "330100", "510100"])),
                        start=Month(year, start),
                        end=Month(year, end),
                        monthly_wage_fen=draw(st.integers(0, 5_000_000)),
                        employer_rate=Decimal(draw(st.integers(600, 2000))) / 10000,
                        status=draw(st.sampled_from(RowStatus)),
                        kind=draw(st.sampled_from(RowKind)),
                        participant=draw(st.sampled_from(Participant)),
                    )
                )
            month = end + draw(st.integers(1, 6))
    for listed in rows:
        opening_year = draw(st.none() | st.integers(1997, TRANSFER_YEAR - 1))
        balances = st.integers(0, 100_000_000) if opening_year is not None else st.just(0)
        segments.append(Segment(opening_year, draw(balances), draw(balances), tuple(listed)))
    return segments
