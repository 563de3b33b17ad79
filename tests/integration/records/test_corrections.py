"""A wrong year is replaced, the difference booked, what was booked untouched; two persons, and rows that have left as well."""

from dataclasses import replace
from datetime import date

import pytest

from contracts.envelope import new_id
from contracts.events import ContributionCorrected, InterestCredited
from services.ledger.chart import POOLED_FUND, individual
from services.ledger.replay import trial_balance
from services.records import store
from services.records.corrections import Corrected, Corrections, PaidOnMissing, correct
from services.records.decisions import Refused
from services.records.model import Record
from services.records.vault import open_rows
from services.rules.amounts import RowStatus, Segment, YearRow, compute
from services.runtime.database import Transaction
from tests.agencies import InProcess, known_in, somebody, tables
from tests.builders import CASE
from tests.unit.records.test_model import a_record
from tests.unit.rules.builders import a_row, own

HE = known_in("44")
# Example 3: 2022 base 5,000, 2023 base 6,000, three months of 2024 base 6,000; employer rate 16 %.
EXAMPLE_3 = (a_row("2022-01", "2022-12", 500_000), a_row("2023-01", "2023-12", 600_000), a_row("2024-01", "2024-03", 600_000))
RIGHT_2022 = a_row("2022-01", "2022-12", 550_000)
# Scenario 24, by hand. 2022: 12 × (440 − 400) = 480.00 of principal; interest 440 × 6.12 % × 78/12 = 175.03, was 159.12: 15.91.
# 2023: round(5,455.03 × 3.97 % + 480 × 3.97 % × 78/12) = round(216.564691 + 123.864) = 340.43, was 320.74: 19.69.
# Pool: 12 × (5,500 − 5,000) × (16 % + 8 % − 8 %) = 960.00.
PRINCIPAL, INTEREST, POOL = 48_000, 1_591 + 1_969, 96_000


async def no_form(_: Transaction, __: str) -> date | None:
    """No rows have left with a case here."""
    return None


async def form_in_may(_: Transaction, case_id: str) -> date | None:
    """Rows have left with the form of 2024-05-06."""
    assert case_id == CASE
    return date(2024, 5, 6)


def corrected(record: Record, year: int, *rows: YearRow, form_on: date | None = None) -> Corrected:
    return correct(record, year, rows, province="44", tables=tables(), form_on=form_on)


def refusal(record: Record, year: int, *rows: YearRow) -> str:
    with pytest.raises(Refused) as refused:
        corrected(record, year, *rows)
    return refused.value.code


def test_a_base_that_was_too_low_brings_principal_interest_of_every_booked_year_and_the_pools_part() -> None:
    record = a_record(own(*EXAMPLE_3))

    found = corrected(record, 2022, RIGHT_2022)

    assert (found.principal_fen, found.interest_fen, found.pool_fen) == (PRINCIPAL, INTEREST, POOL)
    assert found.record == replace(record, segments=(own(RIGHT_2022, *EXAMPLE_3[1:]),))
    before, after = (
        compute(each.segments, transfer_on=date(2024, 4, 1), province="44", tables=tables()) for each in (record, found.record)
    )
    assert after.account_fen - before.account_fen == PRINCIPAL + INTEREST


def test_only_interest_that_is_in_the_books_is_a_difference() -> None:
    found = corrected(replace(a_record(own(*EXAMPLE_3)), interest_through=2022), 2022, RIGHT_2022)

    assert found.interest_fen == 1_591


def test_a_correction_and_the_correction_back_cancel_out() -> None:
    there = corrected(a_record(own(*EXAMPLE_3)), 2022, RIGHT_2022)

    back = corrected(there.record, 2022, EXAMPLE_3[0])

    assert (back.principal_fen, back.interest_fen, back.pool_fen) == (-PRINCIPAL, -INTEREST, -POOL)


def test_arrears_that_were_paid_become_months_of_their_own_time() -> None:
    # Example 7 becomes Example 2: ten months of 2023 and two in arrears, base 5,000; 800.00 and the interest 103.22 − 99.25.
    ten, two = a_row("2023-01", "2023-10"), a_row("2023-11", "2023-12", status=RowStatus.ARREARS)

    found = corrected(a_record(own(ten, two)), 2023, ten, replace(two, status=RowStatus.PAID, paid_on=date(2024, 4, 30)))

    assert (found.principal_fen, found.interest_fen) == (80_000, 397)


ARREARS = a_row("2023-11", "2023-12", status=RowStatus.ARREARS)


@pytest.mark.parametrize(
    ("paid_on", "code"),
    [(date(2024, 5, 7), "ARREARS_TOO_LATE"), (None, "PAID_ON_MISSING"), (date(2024, 5, 6), None)],
    ids=["the day after", "nobody knows when", "on the day"],
)
def test_arrears_count_after_the_form_only_if_they_were_paid_by_its_day(paid_on: date | None, code: str | None) -> None:
    ten = a_row("2023-01", "2023-10")
    left = replace(a_record(), state="moved", left=(own(ten, ARREARS),), left_with=CASE)
    rows = (ten, replace(ARREARS, status=RowStatus.PAID, paid_on=paid_on))
    may = date(2024, 5, 6)

    if code is None:
        assert corrected(left, 2023, *rows, form_on=may).principal_fen == 80_000
    else:
        with pytest.raises(Refused) as refused:
            corrected(left, 2023, *rows, form_on=may)
        assert (refused.value.code, refused.value.legal_basis) == (code, "国办发〔2009〕66号 第四条")
        assert refused.value.remedy
        assert not isinstance(refused.value, PaidOnMissing) or refused.value.field == "rows.1.paid_on"


def test_what_has_not_left_may_be_paid_late_and_what_was_paid_already_needs_no_day() -> None:
    ten, two = a_row("2023-01", "2023-10"), replace(ARREARS, status=RowStatus.PAID, paid_on=date(2024, 6, 1))
    here = replace(a_record(own(ten, ARREARS)), left=(own(a_row("2022-01", "2022-12")),), left_with=CASE)
    left = replace(a_record(), state="moved", left=(own(ten, ARREARS),), left_with=CASE)
    may = date(2024, 5, 6)

    assert corrected(here, 2023, ten, two, form_on=may).principal_fen == 80_000
    assert corrected(left, 2023, a_row("2023-01", "2023-10", 600_000), ARREARS, form_on=may).record.left_with == CASE


async def test_late_arrears_of_rows_that_have_left_are_refused_at_the_proposal_and_nothing_waits(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    [row] = [row for row in record.segments[0].rows if row.year == 2023]
    unpaid = replace(row, status=RowStatus.ARREARS)
    moved = replace(record, state="moved", segments=(), left=(own(unpaid),), left_with=CASE)
    async with at.database.transaction("test") as tx:
        await store.change(tx, at.vault, [moved])
    corrections = Corrections(at.database, at.agency, at.ring, form_in_may)

    for paid_on, code in ((date(2024, 5, 13), "ARREARS_TOO_LATE"), (None, "PAID_ON_MISSING")):
        with pytest.raises(Refused, match=code):
            await corrections.propose(record.person_ref, 2023, [replace(row, paid_on=paid_on)], "operator-1", reason="paid")

    assert await corrections.list() == []


def test_a_year_that_was_never_contributed_loses_its_rows_and_one_that_was_missing_gets_some() -> None:
    record = a_record(own(*EXAMPLE_3))

    without = corrected(record, 2022)
    again = corrected(without.record, 2022, EXAMPLE_3[0])

    assert without.record.segments == (own(*EXAMPLE_3[1:]),)
    assert without.principal_fen == -480_000
    assert again.record == record


def test_rows_that_have_left_are_corrected_where_they_are_kept() -> None:
    moved = replace(a_record(), state="moved", left=(own(*EXAMPLE_3),), left_with=CASE)

    found = corrected(moved, 2022, RIGHT_2022)

    assert (found.record.segments, found.record.left) == ((), (own(RIGHT_2022, *EXAMPLE_3[1:]),))
    assert (found.principal_fen, found.interest_fen) == (PRINCIPAL, INTEREST)


def test_of_a_record_that_was_divided_the_part_is_corrected_that_holds_the_year() -> None:
    divided = replace(a_record(own(EXAMPLE_3[1])), left=(own(EXAMPLE_3[0], EXAMPLE_3[2]),), left_with=CASE)

    gone, here = corrected(divided, 2022, RIGHT_2022), corrected(divided, 2023, a_row("2023-01", "2023-12", 700_000))

    assert (gone.record.segments, gone.record.left) == (divided.segments, (own(RIGHT_2022, EXAMPLE_3[2]),))
    assert (here.record.segments, here.record.left) == ((own(a_row("2023-01", "2023-12", 700_000)),), divided.left)


def test_what_came_with_an_earlier_transfer_is_corrected_where_it_was_earned() -> None:
    came = Segment(2023, 0, 1_103_986, (a_row("2022-01", "2022-12", division="330100"), *EXAMPLE_3[1:]))

    assert refusal(a_record(came), 2023, RIGHT_2022) == "ROW_OF_ANOTHER_YEAR"
    assert refusal(a_record(came), 2023, a_row("2023-01", "2023-12", 700_000)) == "YEAR_IN_OPENING_BALANCE"
    assert refusal(a_record(came), 2022, a_row("2022-01", "2022-12", division="330100")) == "ROW_OF_ANOTHER_PLACE"


def test_a_year_that_changes_nothing_or_counts_a_month_twice_is_refused_by_name() -> None:
    record = a_record(own(*EXAMPLE_3))

    assert refusal(record, 2022, EXAMPLE_3[0]) == "NOTHING_CHANGES"
    assert refusal(record, 2022, a_row("2022-01", "2022-06"), a_row("2022-06", "2022-12")) == "MONTHS_OVERLAP"
    assert refusal(record, 2022, a_row("2022-01", "2022-12", employer_rate="0.21")) == "RATIO_OUT_OF_TABLE"
    # 0 % of the employer's and 8 % of the person's do not pay for 8 % of 2005's account of 11 %.
    assert refusal(record, 2005, a_row("2005-01", "2005-12", employer_rate="0")) == "RECORD_INVALID"


async def test_two_persons_correct_a_record_and_the_books_have_the_difference_beside_what_stood(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    before = await at.heads()
    corrections = Corrections(at.database, at.agency, at.ring, no_form)
    [row_2022] = [row for row in record.segments[0].rows if row.year == 2022]

    correction_id, proposed = await corrections.propose(
        record.person_ref, 2022, [replace(row_2022, monthly_wage_fen=550_000)], "operator-1", reason="the base was 5,500"
    )
    untouched = await at.record(HE.person.id_number)
    result = await corrections.approve([correction_id], "checker-1")

    assert untouched == record
    assert (result.done, proposed.principal_fen, proposed.interest_fen) == (1, PRINCIPAL, INTEREST)
    [told] = await at.facts(ContributionCorrected)
    assert (told.account_difference_fen, told.interest_difference_fen, told.pool_difference_fen) == (PRINCIPAL, INTEREST, POOL)
    assert (told.year, told.maker, told.checker, told.reason) == (2022, "operator-1", "checker-1", "the base was 5,500")
    assert told.rows is not None
    keys = await at.vault.keys([record.person_ref])
    assert [row.monthly_wage_fen for row in open_rows(keys, record.person_ref, told.rows)] == [550_000]
    changed = await at.record(HE.person.id_number)
    assert changed.segments == proposed.record.segments
    heads = await at.heads()
    own_account = individual(record.person_ref)
    assert heads[own_account].balance_fen - before[own_account].balance_fen == PRINCIPAL + INTEREST
    assert heads[POOLED_FUND].balance_fen - before[POOLED_FUND].balance_fen == POOL
    assert heads[own_account].sequence == before[own_account].sequence + 1  # one entry more, none changed
    assert compute(changed.segments, transfer_on=date(2024, 5, 6), province="44", tables=tables()).account_fen == (
        heads[own_account].balance_fen
    )
    assert len(await at.facts(InterestCredited)) == 2
    assert trial_balance(heads) == 0
    assert (await at.replayed()).compare(heads) == []
    assert at.rung


async def test_one_list_corrects_two_years_of_one_person_one_after_the_other(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    corrections = Corrections(at.database, at.agency, at.ring, no_form)
    ids = []
    for year in (2022, 2023):
        [row] = [row for row in record.segments[0].rows if row.year == year]
        correction_id, _ = await corrections.propose(
            record.person_ref, year, [replace(row, monthly_wage_fen=row.monthly_wage_fen + 50_000)], "operator-1", reason="base"
        )
        ids.append(correction_id)

    result = await corrections.approve(ids, "checker-1")

    assert result.done == 2
    changed = await at.record(HE.person.id_number)
    assert [row.monthly_wage_fen for row in changed.segments[0].rows] == [550_000, 650_000, 600_000]
    computed = compute(changed.segments, transfer_on=date(2024, 5, 6), province="44", tables=tables())
    assert computed.account_fen == await at.balance_fen(record.person_ref)


async def test_a_correction_is_refused_by_name_where_it_cannot_be(at: InProcess) -> None:
    await at.importing(HE, somebody(1))
    record, other = await at.record(HE.person.id_number), await at.record(somebody(1).person.id_number)
    corrections = Corrections(at.database, at.agency, at.ring, no_form)
    right = [replace(record.segments[0].rows[0], monthly_wage_fen=550_000)]
    correction_id, _ = await corrections.propose(record.person_ref, 2022, right, "operator-1", reason="the base")
    dropped, _ = await corrections.propose(other.person_ref, 2022, right, "operator-1", reason="the base")
    await corrections.drop(dropped, "operator-1")

    with pytest.raises(Refused, match="CORRECTION_OPEN"):
        await corrections.propose(record.person_ref, 2022, right, "operator-2", reason="the base")
    with pytest.raises(Refused, match="NO_RELATIONSHIP"):
        await corrections.propose(new_id(), 2022, right, "operator-1", reason="the base")
    with pytest.raises(Refused, match="NOT_NOW"):
        await corrections.drop(dropped, "operator-1")
    alone = await corrections.approve([correction_id], "operator-1")
    result = await corrections.approve([dropped, new_id(), correction_id, correction_id], "checker-1")
    twice = await corrections.approve([correction_id], "checker-1")

    assert [row.code for row in alone.rows] == ["SAME_PERSON"]
    assert [(row.result, row.code) for row in result.rows] == [
        ("refused", "NOT_NOW"),
        ("refused", "NO_SUCH_CORRECTION"),
        ("done", None),
    ]
    assert [row.code for row in twice.rows] == ["NOT_NOW"]
    assert len(await at.facts(ContributionCorrected)) == 1
    assert [(each.state, each.checker) for each in await corrections.list(waiting=False)] == [
        ("approved", "checker-1"),
        ("dropped", "operator-1"),
    ]
    assert await corrections.list() == []
    await corrections.propose(other.person_ref, 2022, right, "operator-1", reason="the base")  # the year is free again


async def test_the_year_as_it_is_to_be_stands_nowhere_in_clear(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    rows = [replace(record.segments[0].rows[0], monthly_wage_fen=7_654_321, note="a note about him")]

    await Corrections(at.database, at.agency, at.ring, no_form).propose(
        record.person_ref, 2022, rows, "operator-1", reason="the base"
    )

    assert await at.places_of("7654321", "a note about him") == {}


async def test_a_correction_that_waited_while_the_rows_left_is_made_where_they_are(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    corrections = Corrections(at.database, at.agency, at.ring, no_form)
    right = [replace(record.segments[0].rows[0], monthly_wage_fen=550_000)]
    correction_id, _ = await corrections.propose(record.person_ref, 2022, right, "operator-1", reason="the base")
    async with at.database.transaction("test") as tx:
        await store.close(tx, at.vault, {record.person_ref: CASE})

    [row] = (await corrections.approve([correction_id], "checker-1")).rows

    assert (row.result, row.code) == ("done", "MOVED_ON_BY_AMENDMENT")
    changed = await at.record(HE.person.id_number)
    assert (changed.segments, changed.left[0].rows[0].monthly_wage_fen) == ((), 550_000)
