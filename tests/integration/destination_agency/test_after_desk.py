"""After the booking, with the books: corrections in both directions, recalls, months paid twice, and accounts of the dead."""

from dataclasses import replace
from datetime import date
from typing import Literal

import pytest

from contracts.documents import (
    CompletionDocument,
    CompletionNotice,
    DeathReport,
    DeathReportToDestinationDocument,
    DeathReportToOriginDocument,
    RecallAnswer,
    RecallAnswerDocument,
    RecallRequest,
    RecallRequestDocument,
)
from contracts.events import (
    AccountClosed,
    AccountSettled,
    Cancelled,
    Corrected,
    DeathReported,
    DuplicatesCleared,
    DuplicatesFound,
    RecallDeclined,
    Recalled,
)
from services.destination_agency.after_desk import Books
from services.destination_agency.case import Refused, State
from services.ledger.chart import POOLED_FUND, REFUNDS_PAYABLE, individual, suspense
from services.ledger.journal import Head
from services.records import store as records
from services.records.commands import NOT_NOW, SAME_PERSON
from services.rules.amounts import compute
from tests.agencies import known_in, tables
from tests.builders import a
from tests.integration.destination_agency.conftest import (
    ID_NUMBER,
    Destination,
    corrected,
    earlier,
    know,
    someone,
    the_books_agree,
    the_record_is_what_the_books_hold,
    wish,
)

TOTAL, ACCOUNT, POOL = 3_047_986, 1_247_986, 1_800_000  # Example 3
DIED = date(2024, 5, 1)


async def completed(here: Destination) -> str:
    case_id = await here.booking()
    await here.completed(case_id)
    return case_id


async def sent_back(here: Destination, case_id: str) -> None:
    """What is too much goes back by two persons and the bank."""
    assert (await here.desk.propose_sending_back([case_id], "fund-33")).done == 1
    assert (await here.desk.approve_sending_back([case_id], "checker-33")).done == 1
    await here.funds.give_back()


# Corrections


async def test_a_larger_form_after_the_completion_is_booked_as_a_difference_when_its_money_is_here(here: Destination) -> None:
    """Scenario 24: the base of 2022 was 5,500 and not 5,000.

    2022: principal 440 × 12 = 5,280.00, interest 440 × 6.12 % × 78/12 = 175.03, balance 5,455.03 (was 4,959.12).
    2023: principal 5,760.00, interest 5,455.03 × 3.97 % + 480 × 3.97 % × 78/12 = 216.5646… + 123.864 = 340.43,
    balance 11,555.46 (was 11,039.86). ③ 1,440.00. ④ 12,995.46 (+515.60). ⑤ 18,720.00 (+720.00). ⑥ 31,715.46 (+1,235.60).
    """
    case_id = await completed(here)
    own = await here.at.balance_fen((await here.case(case_id)).person_ref)
    pool = await here.balance(POOLED_FUND)

    await here.form_comes(case_id, corrected(known_in("44")), version=2)
    waits = await here.desk.propose_corrections([case_id], "maker-33")
    await here.money_comes(case_id, 123_560)
    proposed = await here.desk.propose_corrections([case_id], "maker-33")
    alone = await here.desk.approve_corrections([case_id], "maker-33")
    approved = await here.desk.approve_corrections([case_id], "checker-33")

    [fact] = await here.at.facts(Corrected)
    notices = [each for each in await here.at.letters(CompletionDocument) if isinstance(each, CompletionNotice)]
    case = await here.case(case_id)
    assert [row.code for row in waits.rows] == ["MONEY_SHORT"]
    assert (proposed.done, approved.done, alone.rows[0].code) == (1, 1, SAME_PERSON)
    assert (fact.items.account_fen, fact.items.pool_fen, fact.items.total_fen) == (1_299_546, 1_872_000, 3_171_546)
    assert (fact.supersedes.total_fen, fact.form_version) == (TOTAL, 2)
    assert (await here.at.balance_fen(case.person_ref) - own, await here.balance(POOLED_FUND) - pool) == (51_560, 72_000)
    assert await here.balance(suspense("44")) == 0
    assert [(notice.form_version, notice.total_fen) for notice in notices] == [(1, TOTAL), (2, 3_171_546)]
    assert (case.state, case.surplus_fen) == (State.COMPLETED, 0)
    assert len((await here.at.record(ID_NUMBER)).segments) == 2  # the rows that came first gave way
    await the_record_is_what_the_books_hold(here)
    await the_books_agree(here)


async def test_a_smaller_form_after_the_completion_gives_the_difference_back(here: Destination) -> None:
    case_id = await completed(here)

    await here.form_comes(case_id, corrected(known_in("44"), wage_fen=450_000), version=2)
    too_soon = await here.desk.propose_sending_back([case_id], "fund-33")
    await here.desk.propose_corrections([case_id], "maker-33")
    await here.desk.approve_corrections([case_id], "checker-33")
    held = await here.balance(suspense("44"))
    await sent_back(here, case_id)

    case = await here.case(case_id)
    assert [row.code for row in too_soon.rows] == [NOT_NOW]
    assert held == 123_560  # scenario 24 the other way round: every figure is linear in the base but for the rounding
    assert (case.state, case.surplus_fen, await here.balance(suspense("44"))) == (State.COMPLETED, 0, 0)
    await the_record_is_what_the_books_hold(here)
    await the_books_agree(here)


async def test_a_correction_of_rows_that_are_not_here_any_more_is_refused_and_books_nothing(here: Destination) -> None:
    case_id = await completed(here)
    await here.form_comes(case_id, corrected(known_in("44"), wage_fen=450_000), version=2)
    await here.desk.propose_corrections([case_id], "maker-33")
    await here.at.rows("UPDATE records.persons SET state = 'moved'")
    heads = await here.at.heads()

    refused = await here.desk.approve_corrections([case_id], "checker-33")

    assert [row.code for row in refused.rows] == ["RECORD_MOVED"]
    assert await here.at.heads() == heads
    assert (await here.case(case_id)).state is State.CORRECTION_PROPOSED


# Recalls


async def recalled(here: Destination) -> str:
    case_id = await completed(here)
    body = RecallRequest(
        letter_no=(await here.letter(case_id)).letter_no, code="IDENTITY_MISMATCH", reason="it was another person's"
    )
    await here.hear(here.arriving(RecallRequestDocument, body, case_id))
    return case_id


async def test_a_transfer_that_is_given_up_leaves_the_books_and_the_record_as_they_were(here: Destination) -> None:
    [before] = (await here.at.record(ID_NUMBER)).segments
    ref = (await here.at.record(ID_NUMBER)).person_ref
    own, pool = await here.at.balance_fen(ref), await here.balance(POOLED_FUND)
    case_id = await recalled(here)

    await here.desk.propose_recall_answers([case_id], "maker-33", agreed=True, reason="we looked, it is so")
    alone = await here.desk.approve_recall_answers([case_id], "maker-33")
    await here.desk.approve_recall_answers([case_id], "checker-33")
    held = await here.balance(suspense("44"))
    await sent_back(here, case_id)

    [fact] = await here.at.facts(Recalled)
    [answer] = await here.at.letters(RecallAnswerDocument)
    assert alone.rows[0].code == SAME_PERSON
    assert (fact.items.total_fen, fact.months, fact.code) == (TOTAL, 27, "IDENTITY_MISMATCH")
    assert isinstance(answer, RecallAnswer)
    assert (answer.agreed, answer.total_fen) == (True, TOTAL)
    assert (held, await here.balance(suspense("44"))) == (TOTAL, 0)
    assert (await here.at.balance_fen(ref), await here.balance(POOLED_FUND)) == (own, pool)
    assert (await here.at.record(ID_NUMBER)).segments == (before,)
    assert (await here.case(case_id)).state is State.RECALLED
    await the_books_agree(here)


async def test_a_declined_recall_changes_nothing_and_says_why(here: Destination) -> None:
    case_id = await recalled(here)
    heads = await here.at.heads()

    await here.desk.propose_recall_answers([case_id], "maker-33", agreed=False, reason="the person confirmed it")
    await here.desk.approve_recall_answers([case_id], "checker-33")

    [answer] = await here.at.letters(RecallAnswerDocument)
    assert isinstance(answer, RecallAnswer)
    assert (answer.agreed, answer.reason) == (False, "the person confirmed it")
    assert len(await here.at.facts(RecallDeclined)) == 1
    assert await here.at.heads() == heads
    assert (await here.case(case_id)).state is State.COMPLETED


async def test_what_the_account_does_not_hold_any_more_is_not_given_up(here: Destination) -> None:
    case_id = await recalled(here)
    case, record = await here.case(case_id), await here.at.record(ID_NUMBER)
    books = Books(here.at.agency, {record.person_ref: record}, {individual(record.person_ref): Head(3, ACCOUNT - 1)})

    with pytest.raises(Refused, match="ACCOUNT_TOO_SMALL"):
        books.take(case, ACCOUNT)
    books.take(case, ACCOUNT - 1)

    assert books.holds(case) == 0
    with pytest.raises(Refused, match="NO_RECORD"):
        books.record(replace(case, person_ref="018f4c1e-bbbb-7000-8000-00000000000b"))


# Months that were paid twice


async def doubled(here: Destination) -> str:
    """A case whose form brings three months that the person has paid here as well."""
    return await here.booking(origin=corrected(known_in("44"), "2024", 600_000))


@pytest.fixture
async def overlapping(bare: Destination) -> Destination:
    """33 knows the person with January to April 2024 of its own; the form brings January to March again."""
    mine = known_in("33")
    rows = tuple(replace(row, start="2024-01", end="2024-04", monthly_wage_fen=500_000) for row in mine.contributions)
    await know(bare, replace(mine, person=replace(mine.person, first_insured_on=date(2024, 1, 1)), contributions=rows))
    return bare


@pytest.mark.parametrize(("kept", "refund_fen"), [("own", 3 * 48_000), ("transferred", 3 * 40_000)])
async def test_months_that_were_paid_twice_are_counted_once_and_refunded(
    overlapping: Destination, kept: Literal["own", "transferred"], refund_fen: int
) -> None:
    """The months are of this year, so the refund bears no interest: 480.00 a month at 44, 400.00 at 33."""
    here = overlapping
    case_id = await doubled(here)
    await here.completed(case_id)
    clearing = await here.case(case_id)
    ref, pool = clearing.person_ref, await here.balance(POOLED_FUND)
    account = await here.at.balance_fen(ref)

    chosen = await here.desk.choose_duplicates([case_id], "insured-1", kept)
    alone = await here.desk.approve_duplicates([case_id], "insured-1")
    approved = await here.desk.approve_duplicates([case_id], "checker-33")

    [found], [fact] = await here.at.facts(DuplicatesFound), await here.at.facts(DuplicatesCleared)
    assert clearing.state is State.DUPLICATE_CLEARING
    assert found.overlap == ("2024-01", "2024-02", "2024-03")
    assert (chosen.done, approved.done, alone.rows[0].code) == (1, 1, SAME_PERSON)
    assert (fact.kept, fact.months, fact.refund_principal_fen, fact.refund_interest_fen) == (kept, 3, refund_fen, 0)
    assert (await here.balance(REFUNDS_PAYABLE), account - await here.at.balance_fen(ref)) == (refund_fen, refund_fen)
    assert await here.balance(POOLED_FUND) == pool
    months = {
        (row.division[:2], str(row.start), str(row.end))
        for part in (await here.at.record(ID_NUMBER)).segments
        for row in part.rows
    }
    assert (("44", "2024-01", "2024-03") in months) is (kept == "transferred")
    assert (("33", "2024-01", "2024-04") in months) is (kept == "own")
    assert (await here.case(case_id)).state is State.COMPLETED
    await the_record_is_what_the_books_hold(here)
    await the_books_agree(here)


async def test_arrears_here_give_way_to_the_same_months_paid_elsewhere_and_nobody_is_asked(bare: Destination) -> None:
    here, mine = bare, known_in("33")
    [row] = mine.contributions
    owing = replace(row, start="2024-01", end="2024-03", status="arrears")
    person = replace(mine.person, first_insured_on=date(2024, 1, 1))
    await know(here, replace(mine, person=person, contributions=(owing, row)))
    case_id = await here.booking()

    await here.completed(case_id)

    record = await here.at.record(ID_NUMBER)
    months = [(row.division[:2], str(row.start), row.status.value) for part in record.segments for row in part.rows]
    assert (await here.case(case_id)).state is State.COMPLETED
    assert months == [("33", "2024-04", "paid")] + [("44", start, "paid") for start in ("2022-01", "2023-01", "2024-01")]
    assert compute(record.segments, transfer_on=date(2024, 12, 31), province="33", tables=tables()).months == 28
    await the_record_is_what_the_books_hold(here)
    await the_books_agree(here)


async def test_a_second_transfer_waits_until_the_months_of_the_first_are_cleared(overlapping: Destination) -> None:
    here = overlapping
    first = await doubled(here)
    [second] = await here.admitted(wish(origin_division="410100"))
    henan = replace(known_in("44"), province="41")
    form = await here.form_comes(second, henan)
    await here.money_comes(second, form.items.total_fen, payer="41")
    await here.completed(first)

    await here.desk.propose_completions([second], "maker-33")
    waits = await here.desk.approve_completions([second], "checker-33")
    await here.desk.choose_duplicates([first], "insured-1", "own")
    await here.desk.approve_duplicates([first], "checker-33")
    done = await here.desk.approve_completions([second], "checker-33")

    assert [row.code for row in waits.rows] == ["DUPLICATES_UNCLEARED"]
    assert done.done == 1
    assert (await here.case(second)).state is State.DUPLICATE_CLEARING


# Deaths


async def test_a_death_before_the_letter_ends_the_case_and_the_record_knows(here: Destination) -> None:
    [case_id] = await here.applied()

    result = await here.desk.report_deaths([case_id], "maker-33", died_on=DIED, reported_by="family")

    told = [message.type_name for message in (envelope.data for envelope in await here.at.told())]
    assert result.done == 1
    assert told[-2:] == [DeathReported.type_name, Cancelled.type_name]
    assert (await here.case(case_id)).state is State.CANCELLED
    assert (await here.at.record(ID_NUMBER)).died_on == DIED


async def test_a_death_after_the_form_is_told_to_the_origin_and_what_it_paid_is_booked_and_settled_here(
    here: Destination,
) -> None:
    case_id = await here.booking()

    await here.desk.report_deaths([case_id], "maker-33", died_on=DIED, reported_by="family")
    await here.completed(case_id)
    await here.desk.propose_settlements([case_id], "maker-33")
    alone = await here.desk.approve_settlements([case_id], "maker-33")
    settled = await here.desk.approve_settlements([case_id], "checker-33")

    case = await here.case(case_id)
    [fact], [closed] = await here.at.facts(AccountSettled), await here.at.facts(AccountClosed)
    [report] = await here.at.letters(DeathReportToOriginDocument)
    assert isinstance(report, DeathReport)
    assert (report.died_on, settled.done, alone.rows[0].code) == (DIED, 1, SAME_PERSON)
    assert fact.amount_fen == await here.balance(REFUNDS_PAYABLE) > ACCOUNT  # the own month is in it
    assert (await here.at.balance_fen(case.person_ref), await here.balance(suspense("44"))) == (0, 0)
    assert closed.person_ref == case.person_ref
    assert case.state is State.SETTLED
    record = await here.at.record(ID_NUMBER)
    assert (record.state, record.segments) == ("settled", ())
    await the_books_agree(here)


async def all_is_with_the_heirs(here: Destination, case_id: str, *, but: int = 0) -> None:
    """Two persons settle; nothing is left on the account nor between the ledgers, and all of it is owed to the heirs."""
    await here.desk.propose_settlements([case_id], "maker-33")
    assert (await here.desk.approve_settlements([case_id], "checker-33")).done == 1
    ref = (await here.case(case_id)).person_ref
    assert (await here.at.balance_fen(ref), await here.balance(suspense("44"))) == (0, 0)
    owed = sum(fact.amount_fen for fact in await here.at.facts(AccountSettled))
    assert await here.balance(REFUNDS_PAYABLE) == owed + but
    await the_books_agree(here)


@pytest.mark.parametrize("held", [State.FORM_HELD, State.MONEY_HELD, State.DISCREPANCY])
async def test_a_death_while_form_or_money_waits_stops_neither_and_the_account_is_settled_here(
    here: Destination, held: State
) -> None:
    [case_id] = await here.admitted()
    if held is not State.MONEY_HELD:
        await here.form_comes(case_id)
    if held is not State.FORM_HELD:
        await here.money_comes(case_id, TOTAL - 100 if held is State.DISCREPANCY else TOTAL)
    assert (await here.case(case_id)).state is held

    await here.desk.report_deaths([case_id], "maker-33", died_on=DIED, reported_by="family")
    early = await here.desk.propose_settlements([case_id], "maker-33")
    if held is State.MONEY_HELD:
        await here.form_comes(case_id)
    else:
        await here.money_comes(case_id, TOTAL if held is State.FORM_HELD else 100)
    await here.completed(case_id)

    assert [row.code for row in early.rows] == [NOT_NOW]
    await all_is_with_the_heirs(here, case_id)


async def test_a_death_while_months_paid_twice_are_cleared_leaves_the_refund_and_the_rest_to_the_heirs(
    overlapping: Destination,
) -> None:
    here = overlapping
    case_id = await doubled(here)
    await here.completed(case_id)

    await here.desk.report_deaths([case_id], "maker-33", died_on=DIED, reported_by="family")
    early = await here.desk.propose_settlements([case_id], "maker-33")
    await here.desk.choose_duplicates([case_id], "maker-33", "own")
    await here.desk.approve_duplicates([case_id], "checker-33")

    assert [row.code for row in early.rows] == [NOT_NOW]
    await all_is_with_the_heirs(here, case_id, but=3 * 48_000)


async def test_what_arrives_after_the_account_was_settled_is_owed_to_the_heirs_as_well(here: Destination) -> None:
    """The origin agency of this province settled the relationship; the transfer was on its way to it."""
    case_id = await here.booking()
    ref = (await here.case(case_id)).person_ref
    settled = a(AccountSettled, person_ref=ref, reason="death", amount_fen=await here.at.balance_fen(ref), account_sequences={})
    async with here.at.database.transaction("test") as tx:
        await here.at.agency.tell(tx, [settled])
        await records.note_deaths(tx, here.at.vault, {ref: DIED})
    async with here.at.database.transaction("test") as tx:
        await records.settle(tx, here.at.vault, [ref])
    await here.completed(case_id)

    await here.desk.report_deaths([case_id], "maker-33", died_on=DIED, reported_by="registry")
    await all_is_with_the_heirs(here, case_id)

    assert [fact.amount_fen for fact in await here.at.facts(AccountSettled)] == [settled.amount_fen, ACCOUNT]


async def test_the_origin_s_word_of_a_death_is_kept_with_the_record(here: Destination) -> None:
    [case_id] = await here.admitted()
    body = DeathReport(letter_no=(await here.letter(case_id)).letter_no, died_on=DIED, reported_on=date(2024, 5, 6))

    await here.hear(here.arriving(DeathReportToDestinationDocument, body, case_id))

    [fact] = await here.at.facts(DeathReported)
    assert (fact.reported_by, fact.actor) == ("other_agency", "44/origin-agency")
    assert (await here.at.record(ID_NUMBER)).died_on == (await here.case(case_id)).died_on == DIED


async def test_an_account_is_not_settled_while_another_transfer_of_the_person_is_on_its_way(here: Destination) -> None:
    case_id = await completed(here)
    [other] = await here.admitted(wish(origin_division="410100"))
    await here.desk.report_deaths([case_id, other], "maker-33", died_on=DIED, reported_by="clerk")
    await here.desk.propose_settlements([case_id], "maker-33")

    waits = await here.desk.approve_settlements([case_id], "checker-33")
    await here.returned(other, "PERSON_DECEASED")
    settled = await here.desk.approve_settlements([case_id], "checker-33")
    again = await here.desk.approve_settlements([case_id], "checker-33")

    assert [row.code for row in waits.rows] == ["OTHER_TRANSFER_OPEN"]
    assert settled.done == 1
    assert [row.code for row in again.rows] == [NOT_NOW]
    assert len(await here.at.facts(AccountSettled)) == 1


async def test_a_transfer_from_years_before_has_nothing_to_do_with_the_months_here(here: Destination) -> None:
    await know(here, someone(1))
    case_id = await here.booking(wish(someone(1).person), origin=earlier(someone(1, "44")))

    await here.completed(case_id)

    assert (await here.case(case_id)).state is State.COMPLETED
    assert await here.at.facts(DuplicatesFound) == []
