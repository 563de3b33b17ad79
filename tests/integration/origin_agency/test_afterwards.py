"""What comes after the form: a later version in books and money, a transfer taken back, the account of the dead."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Literal

import pytest

from contracts.documents import (
    Body,
    DeathReport,
    DeathReportToDestinationDocument,
    DeathReportToOriginDocument,
    Document,
    InformationForm,
    InformationFormDocument,
    LetterReturn,
    LetterReturnDocument,
    RecallAnswer,
    RecallAnswerDocument,
    RecallRequest,
    RecallRequestDocument,
)
from contracts.events import (
    AccountClosed,
    AccountReopened,
    AccountSettled,
    DeathReported,
    FundsRemitted,
    FundsReturned,
    InformationFormIssued,
    InformationFormRevoked,
    InterestCredited,
    RelationshipClosed,
    RelationshipReopened,
)
from services.ledger.chart import POOLED_FUND, REFUNDS_PAYABLE, individual, transfers_payable
from services.ledger.replay import trial_balance
from services.origin_agency.case import Refused, State
from services.origin_agency.store import form_day, transferring
from services.records import store
from services.records.commands import ListResult
from services.records.corrections import Corrections
from services.records.double_drawings import DoubleDrawings, Facts
from services.records.endings import Endings
from services.rules.amounts import RowStatus, YearRow, compute
from services.rules.endings import Ground
from tests.agencies import a_letter, known_in, somebody, tables
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
LETTER_NO = a_letter().letter_no
# Example 3, and scenario 24: the base of 2022 was 5,500, not 5,000 (12 months).
FIRST = {"account_fen": 1_247_986, "pool_fen": 1_800_000, "total_fen": 3_047_986}
# ④ + 480.00 of principal + 15.91 and 19.69 of interest (see tests/integration/records/test_corrections.py); ⑤ 12 % × 156,000.
SECOND = {"account_fen": 1_299_546, "pool_fen": 1_872_000, "total_fen": 3_171_546}
DIFFERENCE_FEN = 51_560 + 72_000
SUNDAY = date(2024, 5, 5)
WHY = "the base of 2022 was 5,500"


def codes(result: ListResult) -> list[tuple[str, str | None]]:
    return [(row.result, row.code) for row in result.rows]


async def correct(origin: Origin, year: int, *rows: YearRow, id_number: str = HE.person.id_number) -> None:
    """Replace a year of somebody's record."""
    record = await origin.at.record(id_number)
    corrections = Corrections(origin.at.database, origin.at.agency, origin.at.ring, form_day)
    correction_id, _ = await corrections.propose(record.person_ref, year, rows, "operator-1", reason=WHY)
    assert (await corrections.approve([correction_id], "checker-1")).done == 1


async def raise_2022(origin: Origin, wage_fen: int = 550_000) -> None:
    record = await origin.at.record(HE.person.id_number)
    [row] = [row for segment in (*record.segments, *record.left) for row in segment.rows if row.year == 2022]
    await correct(origin, 2022, replace(row, monthly_wage_fen=wage_fen))


async def amend(origin: Origin, *cases: str) -> ListResult:
    assert (await origin.afterwards.propose_amendments(cases, "maker-2", reason=WHY)).done == len(cases)
    return await origin.afterwards.approve_amendments(cases, "checker-2")


async def pay_the_difference(origin: Origin, case_id: str) -> None:
    await origin.order(case_id)
    await origin.funds.pay()


async def the_books_agree(origin: Origin) -> None:
    heads = await origin.at.heads()
    replay = await origin.at.replayed()
    assert replay.problems() == []
    assert replay.compare(heads) == []
    assert trial_balance(heads) == 0


async def payable_fen(origin: Origin) -> int:
    return (await origin.at.heads())[transfers_payable("33")].balance_fen


async def forms(origin: Origin) -> Sequence[InformationForm]:
    return [form for form in await origin.at.letters(InformationFormDocument) if isinstance(form, InformationForm)]


async def hear(origin: Origin, kind: type[Document], body: Body, case_id: str) -> None:
    await origin.hear(origin.at.arriving(kind, body, case_id=case_id, sender="33"))


@pytest.mark.parametrize("stage", ["issued", "remitted", "settled"])
async def test_a_correction_makes_a_second_form_whose_difference_is_booked_and_remitted(
    origin: Origin, stage: Literal["issued", "remitted", "settled"]
) -> None:
    await origin.at.importing(HE)
    [case_id] = await getattr(origin, stage)(HE)
    await raise_2022(origin)

    origin.at.clock.move(origin.at.clock.now().replace(month=6))
    result = await amend(origin, case_id)
    await pay_the_difference(origin, case_id)
    await origin.complete(case_id)

    assert codes(result) == [("done", "FORM_ISSUED")]
    first, second = await forms(origin)
    assert first.items.model_dump() | FIRST == first.items.model_dump()
    assert second.items.model_dump() | SECOND == second.items.model_dump()
    assert (second.form_version, second.amendment, second.months) == (2, WHY, 27)
    assert second.transfer_on == first.transfer_on == date(2024, 5, 6)  # of the first form, whenever it is amended
    assert [row.monthly_wage_fen for row in second.segments[0].rows] == [550_000, 600_000, 600_000]
    told = await origin.at.facts(InformationFormIssued)
    assert [fact.supersedes for fact in told] == [None, first.items]
    paid = [fact.amount_fen for fact in await origin.at.facts(FundsRemitted)]
    assert paid == ([3_171_546] if stage == "issued" else [3_047_986, DIFFERENCE_FEN])
    assert len(await origin.at.facts(RelationshipClosed)) == 1
    record = await origin.at.record(HE.person.id_number)
    assert (record.state, record.segments, record.left_with) == ("moved", (), case_id)
    assert await origin.at.balance_fen(record.person_ref) == 0
    assert await payable_fen(origin) == 0
    assert (await origin.case(case_id)).state is State.SETTLED
    await the_books_agree(origin)


async def test_a_smaller_form_is_owed_back_until_the_destination_has_sent_the_surplus(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)
    await raise_2022(origin, 450_000)

    result = await amend(origin, case_id)
    below = await payable_fen(origin)
    remittance = await origin.desk.propose_remittances([case_id], "fund-1")
    await origin.complete(case_id)
    surplus_fen = 3_047_986 - (await forms(origin))[1].items.total_fen
    [remittance_id] = origin.bank.orders
    origin.bank.book(case_id, surplus_fen, kind="returned", remittance_id=remittance_id, reason="sent back by the payee")
    await origin.funds.collect()

    assert codes(result) == [("done", "REMITTED")]
    assert surplus_fen > 0
    assert below == -surplus_fen
    assert codes(remittance) == [("refused", "NOT_NOW")]
    case = await origin.case(case_id)
    assert (case.state, case.to_remit_fen) == (State.SETTLED, 0)
    assert await payable_fen(origin) == 0
    await the_books_agree(origin)


async def test_an_amendment_without_a_reason_in_the_record_is_refused_and_no_second_form_leaves(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.remitted(HE)

    result = await amend(origin, case_id)
    same = await origin.case(case_id)
    await raise_2022(origin)
    other = await origin.afterwards.approve_amendments([case_id], "checker-2")

    assert codes(result) == [("refused", "NOTHING_CHANGES")]
    assert result.rows[0].remedy
    assert (same.state, same.form_version) == (State.REMITTED, 1)
    assert codes(other) == [("done", "FORM_ISSUED")]  # what is corrected meanwhile is approved as it was proposed
    assert [form.form_version for form in await forms(origin)] == [1, 2]
    await pay_the_difference(origin, case_id)
    assert await payable_fen(origin) == 0
    await the_books_agree(origin)


async def test_a_form_does_not_leave_when_the_books_do_not_hold_its_difference(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.remitted(HE)
    record = await origin.at.record(HE.person.id_number)
    async with origin.at.database.transaction("test") as tx:  # the record was changed without its entry
        rows = tuple(replace(row, monthly_wage_fen=999_900) for row in record.left[0].rows)
        await store.change(tx, origin.at.vault, [replace(record, left=(replace(record.left[0], rows=rows),))])

    assert codes(await amend(origin, case_id)) == [("refused", "FORM_DIFFERS_FROM_LEDGER")]


async def test_rows_that_have_moved_on_with_another_transfer_are_not_amended_here(origin: Origin) -> None:
    await origin.at.importing(HE)
    [first] = await origin.settled(HE)
    later = replace(
        HE,
        contributions=(replace(HE.contributions[-1], start="2024-04", end="2024-05"),),
    )
    await origin.at.importing(later)
    second = await origin.holding(a_letter(HE, destination="41"), sender="41")
    await origin.desk.propose([second], "maker-1")
    await origin.desk.approve([second], "checker-1")
    await origin.order(second)
    await origin.funds.pay()

    assert codes(await amend(origin, first)) == [("refused", "RECORD_MOVED_ON")]
    assert codes(await origin.afterwards.propose_recalls([first], "maker-2", code="RECALL_WRONG_PERSON", reason=WHY)) == [
        ("refused", "RECORD_MOVED_ON")
    ]


async def test_an_amendment_takes_two_persons_and_a_form_that_is_out(origin: Origin) -> None:
    await origin.at.importing(HE)
    held = await origin.holding(a_letter(somebody(1)))
    [case_id] = await origin.remitted(HE)
    early = await origin.afterwards.propose_amendments([held], "maker-2", reason=WHY)
    nobody = await origin.afterwards.approve_amendments([case_id], "checker-2")
    await origin.afterwards.propose_amendments([case_id], "maker-2", reason=WHY)

    alone = await origin.afterwards.approve_amendments([case_id], "maker-2")

    assert [codes(result) for result in (early, nobody, alone)] == [
        [("refused", "NOT_NOW")],
        [("refused", "NOT_NOW")],
        [("refused", "SAME_PERSON")],
    ]


async def recall(origin: Origin, case_id: str) -> ListResult:
    proposed = await origin.afterwards.propose_recalls(
        [case_id], "maker-2", code="RECALL_WRONG_PERSON", reason="of another person"
    )
    assert codes(proposed) == [("done", "SETTLED")]
    return await origin.afterwards.approve_recalls([case_id], "checker-2")


async def money_comes_back(origin: Origin, case_id: str, amount_fen: int = 3_047_986) -> None:
    remittance_id = next(iter(origin.bank.orders))
    origin.bank.book(case_id, amount_fen, kind="returned", remittance_id=remittance_id, reason="sent back by the payee")
    await origin.funds.collect()


@pytest.mark.parametrize("first", ["answer", "money"])
async def test_a_transfer_that_is_taken_back_leaves_the_books_and_the_record_as_they_were(
    origin: Origin, first: Literal["answer", "money"]
) -> None:
    await origin.at.importing(HE)
    before, record = await origin.at.heads(), await origin.at.record(HE.person.id_number)
    [case_id] = await origin.settled(HE)
    agreed = RecallAnswer(letter_no=LETTER_NO, agreed=True, total_fen=3_047_986)

    asked = await recall(origin, case_id)
    if first == "money":
        await money_comes_back(origin, case_id)
    await hear(origin, RecallAnswerDocument, agreed, case_id)
    if first == "answer":
        assert (await origin.case(case_id)).state is State.RECALL_AGREED
        await money_comes_back(origin, case_id)

    assert codes(asked) == [("done", "RECALL_ASKED")]
    [request] = await origin.at.letters(RecallRequestDocument)
    assert isinstance(request, RecallRequest)
    assert (request.code, request.reason) == ("RECALL_WRONG_PERSON", "of another person")
    assert (await origin.case(case_id)).state is State.RECALLED
    for kind in (FundsReturned, InformationFormRevoked, RelationshipReopened, AccountReopened):
        assert len(await origin.at.facts(kind)) == 1
    after = await origin.at.heads()
    for account in before:
        assert after[account].balance_fen == before[account].balance_fen, account
    assert after[transfers_payable("33")].balance_fen == 0
    assert await origin.at.record(HE.person.id_number) == record
    await the_books_agree(origin)
    # The relationship goes on: it can be transferred, once more and rightly.
    [again] = await origin.issued(HE)
    assert (await origin.case(again)).items == (await forms(origin))[0].items


async def test_years_that_went_by_before_a_transfer_came_back_bear_their_interest_here(origin: Origin) -> None:
    await origin.at.importing(HE)
    record = await origin.at.record(HE.person.id_number)
    [case_id] = await origin.settled(HE)
    await recall(origin, case_id)
    origin.at.clock.move(origin.at.clock.now().replace(year=2026))

    await hear(origin, RecallAnswerDocument, RecallAnswer(letter_no=LETTER_NO, agreed=True, total_fen=1), case_id)
    await money_comes_back(origin, case_id)

    credited = {fact.year for fact in await origin.at.facts(InterestCredited)}
    back = await origin.at.record(HE.person.id_number)
    computed = compute(back.segments, transfer_on=date(2026, 5, 6), province="44", tables=tables())
    assert credited == {2022, 2023, 2024, 2025}
    assert (back.interest_through, back.segments) == (2025, record.segments)
    assert await origin.at.balance_fen(record.person_ref) == computed.account_fen
    await the_books_agree(origin)


async def test_a_recall_that_is_declined_changes_nothing(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)
    await recall(origin, case_id)
    before = await origin.at.heads()

    await hear(origin, RecallAnswerDocument, RecallAnswer(letter_no=LETTER_NO, agreed=False, reason="it is paid out"), case_id)

    assert (await origin.case(case_id)).state is State.SETTLED
    assert await origin.at.heads() == before
    assert await origin.at.parked() == []


async def test_an_answer_that_nobody_asked_for_is_parked(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)

    await hear(origin, RecallAnswerDocument, RecallAnswer(letter_no=LETTER_NO, agreed=True), case_id)

    assert [reason for _, reason, _ in await origin.at.parked()] == ["unexpected"]


async def test_a_recall_has_a_code_of_the_table_and_two_persons(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)

    for code in ("NO_SUCH_CODE", "STILL_CONTRIBUTING"):
        with pytest.raises(Refused, match="UNKNOWN_CODE"):
            await origin.afterwards.propose_recalls([case_id], "maker-2", code=code, reason=WHY)
    await origin.afterwards.propose_recalls([case_id], "maker-2", code="RECALL_NEVER_DUE", reason=WHY)

    assert codes(await origin.afterwards.approve_recalls([case_id], "maker-2")) == [("refused", "SAME_PERSON")]


async def die(origin: Origin, case_id: str, **known: date) -> ListResult:
    return await origin.afterwards.report_deaths([case_id], "maker-1", died_on=known.get("died_on", SUNDAY), reported_by="family")


async def test_who_dies_before_the_form_is_approved_is_settled_here_and_no_money_moves(origin: Origin) -> None:
    await origin.at.importing(HE)
    record = await origin.at.record(HE.person.id_number)
    case_id = await origin.holding()
    await origin.desk.propose([case_id], "maker-1")

    reported = await die(origin, case_id)
    stale = await origin.desk.approve([case_id], "checker-1")
    await origin.desk.propose([case_id], "maker-1")
    returned = await origin.desk.approve([case_id], "checker-1")
    await origin.afterwards.propose_settlements([case_id], "maker-1")
    alone = await origin.afterwards.approve_settlements([case_id], "maker-1")
    settled = await origin.afterwards.approve_settlements([case_id], "checker-1")

    assert codes(reported) == [("done", "LETTER_HELD")]
    assert codes(stale) == [("refused", "NOT_NOW")]  # what was proposed for the living is void
    assert codes(returned) == [("done", "PERSON_DECEASED")]
    [told] = await origin.at.letters(DeathReportToDestinationDocument)
    assert isinstance(told, DeathReport)
    assert (told.died_on, told.reported_on) == (SUNDAY, date(2024, 5, 6))
    [letter] = await origin.at.letters(LetterReturnDocument)
    assert isinstance(letter, LetterReturn)
    assert (letter.code, letter.curable_until) == ("PERSON_DECEASED", None)
    assert (codes(alone), codes(settled)) == ([("refused", "SAME_PERSON")], [("done", "PERSON_DECEASED")])
    [fact] = await origin.at.facts(AccountSettled)
    assert (fact.amount_fen, fact.reason, fact.legal_basis) == (
        1_247_986,
        "death",
        tables().refusal("PERSON_DECEASED", date(2024, 3, 1)).legal_basis,
    )
    assert len(await origin.at.facts(AccountClosed)) == 1
    heads = await origin.at.heads()
    assert (heads[individual(record.person_ref)].balance_fen, heads[REFUNDS_PAYABLE].balance_fen) == (0, 1_247_986)
    assert transfers_payable("33") not in heads
    after = await origin.at.record(HE.person.id_number)
    assert (after.state, after.died_on, after.segments) == ("settled", SUNDAY, ())
    await the_books_agree(origin)


async def test_an_account_is_settled_once_however_many_cases_it_has(origin: Origin) -> None:
    await origin.at.importing(HE)
    cases = [await origin.holding(a_letter(HE)), await origin.holding(a_letter(HE, destination="41"), sender="41")]
    await die(origin, cases[0])
    await die(origin, cases[1])
    await origin.desk.propose(cases, "maker-1")
    await origin.desk.approve(cases, "checker-1")
    await origin.afterwards.propose_settlements(cases, "maker-1")

    result = await origin.afterwards.approve_settlements(cases, "checker-1")
    again = await origin.afterwards.propose_settlements(cases, "maker-1")

    assert codes(result) == [("done", "PERSON_DECEASED"), ("refused", "NOTHING_TO_SETTLE")]
    assert codes(again) == [("refused", "NOTHING_TO_SETTLE")] * 2
    assert len(await origin.at.facts(AccountSettled)) == 1


async def test_who_dies_after_the_form_is_transferred_to_the_end_and_settled_there(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)

    await die(origin, case_id)
    await origin.order(case_id)
    await origin.funds.pay()
    here = await origin.afterwards.propose_settlements([case_id], "maker-1")
    await origin.complete(case_id)

    assert codes(here) == [("refused", "NOT_NOW")]
    assert (await origin.case(case_id)).state is State.SETTLED
    assert await payable_fen(origin) == 0
    assert await origin.at.facts(AccountSettled) == []
    await the_books_agree(origin)


async def test_a_death_that_the_destination_reports_holds_every_letter_of_the_person(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding(a_letter(HE))
    other = await origin.holding(a_letter(HE, destination="41"), sender="41")

    await hear(origin, DeathReportToOriginDocument, DeathReport(letter_no=LETTER_NO, died_on=SUNDAY, reported_on=SUNDAY), case_id)
    proposals = await origin.desk.propose([case_id, other], "maker-1")

    assert codes(proposals) == [("done", "PERSON_DECEASED")] * 2
    assert await origin.at.letters(DeathReportToDestinationDocument) == []
    [fact] = await origin.at.facts(DeathReported)
    assert (fact.reported_by, fact.actor) == ("other_agency", "33/destination-agency")


async def test_a_death_is_reported_once_and_not_before_it_was(origin: Origin) -> None:
    case_id = await origin.holding()

    future = await die(origin, case_id, died_on=date(2024, 5, 7))
    first = await die(origin, case_id)
    second = await die(origin, case_id)
    settlement = await origin.afterwards.propose_settlements([case_id], "maker-1")

    assert codes(future) == [("refused", "DEATH_IN_THE_FUTURE")]
    assert (codes(first), codes(second)) == ([("done", "LETTER_HELD")], [("refused", "DEATH_KNOWN")])
    assert codes(settlement) == [("refused", "NOT_NOW")]


async def test_arrears_that_are_paid_before_the_form_count_as_if_paid_in_time(origin: Origin) -> None:
    # Scenarios 12 and 13: Example 7 with the arrears, Example 2 when they are paid.
    last_year = replace(HE.contributions[1], start="2023-01", end="2023-10", monthly_wage_fen=500_000)
    unpaid = replace(last_year, start="2023-11", end="2023-12", status="arrears", paid_on=None)
    refuses, pays = (somebody(nth, rows=(last_year, unpaid)) for nth in (1, 2))
    await origin.at.importing(refuses, pays)
    cases = [await origin.holding(a_letter(person)) for person in (refuses, pays)]

    told = await origin.desk.notify_arrears(cases, "maker-1", pay_until=date(2024, 5, 20))
    record = await origin.at.record(pays.person.id_number)
    ten, two = record.segments[0].rows
    paid = replace(two, status=RowStatus.PAID, paid_on=date(2024, 5, 6))
    await correct(origin, 2023, ten, paid, id_number=pays.person.id_number)
    await origin.desk.propose(cases, "maker-1")
    await origin.desk.approve(cases, "checker-1")

    assert codes(told) == [("done", "LETTER_HELD")] * 2
    first, second = await forms(origin)
    assert (first.months, first.items.account_fen, first.items.pool_fen, first.items.total_fen) == (
        10,
        409_925,
        600_000,
        1_009_925,
    )
    assert (second.months, second.items.account_fen, second.items.total_fen) == (12, 490_322, 1_210_322)
    assert (await origin.at.heads())[POOLED_FUND].balance_fen > 0
    await the_books_agree(origin)


async def test_who_has_an_open_case_here_is_not_paid_out_before_it_has_ended(origin: Origin) -> None:
    await origin.at.importing(HE)
    ref = (await origin.at.record(HE.person.id_number)).person_ref
    endings = Endings(origin.at.database, origin.at.agency, origin.at.ring, transferring)
    wish = await endings.apply(ref, Ground.NATIONALITY_LOST, "maker-1", applied_on=date(2024, 5, 6))
    await endings.notify([wish.ending_id], "maker-1")
    await endings.confirm(wish.ending_id, "maker-1", confirmed_on=date(2024, 5, 6))

    case_id = await origin.holding(a_letter())
    await origin.desk.propose([case_id], "maker-1")
    busy = await endings.propose([wish.ending_id], "maker-1")
    await origin.desk.propose([case_id], "maker-1", return_code="LETTER_INCOMPLETE")
    await origin.desk.approve([case_id], "checker-1")
    free = await endings.propose([wish.ending_id], "maker-1")

    assert (codes(busy), codes(free)) == ([("refused", "TRANSFER_OPEN")], [("done", "PROPOSED")])


async def test_who_has_an_open_case_here_has_no_double_drawing_settled(origin: Origin) -> None:
    drawing = replace(HE, person=replace(HE.person, drawing_since=date(2024, 4, 1)))
    await origin.at.importing(drawing)
    ref = (await origin.at.record(HE.person.id_number)).person_ref
    drawings = DoubleDrawings(origin.at.database, origin.at.agency, origin.at.ring, transferring)
    facts = Facts(keeps="33", kept_monthly_fen=300_000, monthly_fen=400_000, paid_twice_fen=800_000)

    await origin.holding(a_letter(drawing))

    with pytest.raises(Refused, match="TRANSFER_OPEN"):
        await drawings.propose(ref, facts, "maker-1")
