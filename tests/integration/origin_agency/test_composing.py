"""What moves and what stays: back payments with and without their papers, told in writing, and the rest moves."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.documents import InformationForm, InformationFormDocument, LetterReturnDocument, RecallAnswer, RecallAnswerDocument
from contracts.events import (
    AccountClosed,
    AccountSettled,
    ContributionCorrected,
    DeadlineBreached,
    FundsRemitted,
    InterestCredited,
    NotMovableNotified,
    RelationshipClosed,
)
from services.ledger.chart import REFUNDS_PAYABLE, individual, transfers_payable
from services.ledger.replay import trial_balance
from services.origin_agency import store
from services.origin_agency.case import GivenPaper, Interim, Refused, State
from services.origin_agency.composing import papers_of
from services.origin_agency.showing import listed, shown
from services.records import store as records
from services.records.vault import Vault
from services.rules.amounts import RowStatus, compute
from services.rules.loader import TABLES_DIRECTORY, Tables, load_tables
from services.world.people import Contribution
from services.world.plan import ProvinceRecord
from tests.agencies import a_letter, known_in, somebody, tables
from tests.integration.origin_agency.conftest import Origin
from tests.integration.origin_agency.test_afterwards import amend, codes, correct, hear, money_comes_back, recall

HE = known_in("44")
JUDGMENT = GivenPaper("COURT_DOCUMENT", "2018-03-01", "court")


def paid_at_once(paid_on: date = date(2018, 6, 1)) -> tuple[Contribution, ...]:
    """Five years that were paid in one sum, and the three years of Example 3 after them."""
    one = HE.contributions[0]
    years = range(2013, 2018)
    back = (
        replace(one, start=f"{year}-01", end=f"{year}-12", monthly_wage_fen=300_000, kind="one_off", paid_on=paid_on)
        for year in years
    )
    return (*back, *HE.contributions)


def him(nth: int = 1, **fields: date) -> ProvinceRecord:
    return somebody(nth, rows=paid_at_once(**fields), first_insured_on=date(2013, 1, 1))


async def form_of(origin: Origin) -> InformationForm:
    [form] = await origin.at.letters(InformationFormDocument)
    assert isinstance(form, InformationForm)
    return form


async def approved(origin: Origin, person: ProvinceRecord, *papers: GivenPaper) -> str:
    case_id = await origin.holding(a_letter(person))
    assert (await origin.desk.propose([case_id], "maker-1", papers=papers)).done == 1
    result = await origin.desk.approve([case_id], "checker-1")
    assert result.done == 1, result
    return case_id


async def test_sixty_months_without_their_papers_stay_and_the_person_is_told_within_ten_working_days(origin: Origin) -> None:
    # Scenario 15. What moves is Example 3 to the fen; what stays has the rest of the account.
    await origin.at.importing(him())
    record = await origin.at.record(him().person.id_number)
    before_fen = await origin.at.balance_fen(record.person_ref)

    case_id = await approved(origin, him())
    await origin.order(case_id)
    await origin.funds.pay()

    form = await form_of(origin)
    assert (form.items.account_fen, form.items.pool_fen, form.months) == (1_247_986, 1_800_000, 27)
    assert form.not_movable is not None
    assert (form.not_movable.months, form.not_movable.reasons) == (60, ("BACK_PAYMENT_PAPERS_MISSING",))
    assert form.not_movable.account_fen == before_fen - 1_247_986
    assert {row.start[:4] for segment in form.segments for row in segment.rows} == {"2022", "2023", "2024"}
    [told] = await origin.at.facts(NotMovableNotified)
    assert (told.months, told.account_fen, told.reasons) == (60, before_fen - 1_247_986, ("BACK_PAYMENT_PAPERS_MISSING",))
    assert (told.due_on, told.language, told.maker, told.checker) == (date(2024, 5, 17), "zh-CN", "maker-1", "checker-1")
    keys = await origin.at.vault.keys([record.person_ref])
    assert record.personal.name.encode() in Vault.open(keys, record.person_ref, told.personal)
    assert await origin.at.places_of(record.personal.name) == {}
    # The relationship goes on with what stays, and bears interest here.
    rest = await origin.at.record(him().person.id_number)
    assert (rest.state, rest.left_with) == ("stopped", case_id)
    assert {row.start.year for segment in rest.segments for row in segment.rows} == set(range(2013, 2018))
    computed = compute(rest.segments, transfer_on=date(2024, 5, 6), province="44", tables=tables())
    heads = await origin.at.heads()
    assert heads[individual(record.person_ref)].balance_fen == computed.account_fen == before_fen - 1_247_986
    assert heads[transfers_payable("33")].balance_fen == 0
    assert await origin.at.facts(RelationshipClosed) == []
    assert await origin.at.facts(AccountClosed) == []
    assert (await origin.case(case_id)).state is State.REMITTED
    assert trial_balance(heads) == 0
    assert (await origin.at.replayed()).compare(heads) == []


@pytest.mark.parametrize(
    ("paid_on", "papers"),
    [
        (date(2018, 6, 1), [JUDGMENT]),
        (date(2014, 6, 1), [GivenPaper("UNDERTAKING", "2024-05-06", "social_insurance_agency")]),
    ],
    ids=["2018 with a judgment", "2014 with an undertaking"],
)
async def test_with_its_papers_a_back_payment_moves_like_anything_else(
    origin: Origin, paid_on: date, papers: list[GivenPaper]
) -> None:
    person = him(paid_on=paid_on)
    await origin.at.importing(person)
    record = await origin.at.record(person.person.id_number)
    before_fen = await origin.at.balance_fen(record.person_ref)

    await approved(origin, person, *papers)

    form = await form_of(origin)
    assert (form.items.account_fen, form.months, form.not_movable) == (before_fen, 87, None)
    assert [(each.kind, str(each.dated), each.issuer) for each in form.papers] == [(p.kind, p.dated, p.issuer) for p in papers]
    assert await origin.at.facts(NotMovableNotified) == []


async def test_a_paper_that_cannot_be_is_refused_before_anything_is_proposed(origin: Origin) -> None:
    case_id = await origin.holding(a_letter(him()))

    for wrong in (
        GivenPaper("HOUSEHOLD_REGISTER", "2018-03-01", "court"),
        GivenPaper("COURT_DOCUMENT", "2018-02-30", "court"),
        GivenPaper("COURT_DOCUMENT", "2018-03-01", "a friend"),
        GivenPaper("COURT_DOCUMENT", "2018-03-01", "court", "2013-01", ""),
        GivenPaper("COURT_DOCUMENT", "2018-03-01", "court", "2013-13", "2014-01"),
    ):
        with pytest.raises(Refused, match="PAPER_INVALID"):
            await origin.desk.propose([case_id], "maker-1", papers=(wrong,))

    assert (await origin.case(case_id)).state is State.LETTER_HELD
    [paper] = papers_of([replace(JUDGMENT, proves_from="2013-01", proves_to="2014-12")], origin.at.agency)
    assert (str(paper.proves_from), str(paper.proves_to), paper.dated) == ("2013-01", "2014-12", date(2018, 3, 1))


async def test_papers_that_a_maker_named_are_kept_with_the_proposal(origin: Origin) -> None:
    case_id = await origin.holding(a_letter(him()))
    await origin.desk.propose([case_id], "maker-1", papers=(JUDGMENT,))
    await origin.at.importing(him())
    await origin.desk.propose([case_id], "maker-1", papers=(JUDGMENT,))

    proposal = (await origin.case(case_id)).proposal

    assert proposal is not None
    assert (proposal.outcome, proposal.papers) == ("form", (JUDGMENT,))


async def test_where_nothing_can_move_no_form_of_nothing_is_made_and_the_letter_can_go_back(origin: Origin) -> None:
    person = somebody(2, rows=paid_at_once()[:5], first_insured_on=date(2013, 1, 1))
    await origin.at.importing(person)
    case_id = await origin.holding(a_letter(person))
    await origin.desk.propose([case_id], "maker-1")

    [row] = (await origin.desk.approve([case_id], "checker-1")).rows
    await origin.desk.propose([case_id], "maker-1", return_code="BACK_PAYMENT_PAPERS_MISSING", cure_days=15)
    returned = await origin.desk.approve([case_id], "checker-1")

    assert (row.result, row.code) == ("refused", "BACK_PAYMENT_PAPERS_MISSING")
    assert codes(returned) == [("done", "BACK_PAYMENT_PAPERS_MISSING")]
    assert len(await origin.at.letters(LetterReturnDocument)) == 1


async def test_what_stayed_can_follow_with_a_letter_of_its_own_when_the_papers_are_there(origin: Origin) -> None:
    await origin.at.importing(him())
    record = await origin.at.record(him().person.id_number)
    first = await approved(origin, him())
    await origin.order(first)
    await origin.funds.pay()
    stayed_fen = await origin.at.balance_fen(record.person_ref)

    second = await approved_again(origin)

    items = (await origin.case(second)).items
    assert items is not None
    assert items.account_fen == stayed_fen
    assert await origin.at.balance_fen(record.person_ref) == 0


async def approved_again(origin: Origin) -> str:
    case_id = await origin.holding(a_letter(him(), letter_no="LXH-330100-20240506-000002"))
    await origin.desk.propose([case_id], "maker-1", papers=(JUDGMENT,))
    assert codes(await origin.desk.approve([case_id], "checker-1")) == [("done", "FORM_ISSUED")]
    return case_id


@pytest.mark.parametrize("paid", [False, True], ids=["before it was paid", "after it was paid"])
async def test_a_form_that_left_a_part_behind_is_amended_by_what_it_carries_alone(origin: Origin, paid: bool) -> None:
    await origin.at.importing(him())
    case_id = await approved(origin, him())
    if paid:
        await origin.order(case_id)
        await origin.funds.pay()
    record = await origin.at.record(him().person.id_number)
    [row_2022] = [row for segment in record.left for row in segment.rows if row.start.year == 2022]
    stayed_fen = await origin.at.balance_fen(record.person_ref)

    await correct(origin, 2022, replace(row_2022, monthly_wage_fen=550_000), id_number=him().person.id_number)
    assert codes(await amend(origin, case_id)) == [("done", "FORM_ISSUED")]

    second = (await origin.at.letters(InformationFormDocument))[-1]
    assert isinstance(second, InformationForm)
    assert (second.items.account_fen, second.items.pool_fen) == (1_299_546, 1_872_000)  # scenario 24
    assert second.not_movable is not None
    assert await origin.at.balance_fen(record.person_ref) == stayed_fen


async def test_a_part_that_was_moved_and_is_taken_back_joins_what_stayed(origin: Origin) -> None:
    await origin.at.importing(him())
    record = await origin.at.record(him().person.id_number)
    before = await origin.at.heads()
    case_id = await approved(origin, him())
    await origin.order(case_id)
    await origin.funds.pay()
    await origin.complete(case_id)
    await recall(origin, case_id)
    answer = RecallAnswer(letter_no=a_letter().letter_no, agreed=True)
    await hear(origin, RecallAnswerDocument, answer, case_id)
    await money_comes_back(origin, case_id)

    back = await origin.at.record(him().person.id_number)
    after = await origin.at.heads()
    assert sorted(str(row.start) for segment in back.segments for row in segment.rows) == sorted(
        str(row.start) for segment in record.segments for row in segment.rows
    )
    assert {name: head.balance_fen for name, head in after.items() if name in before} == {
        name: head.balance_fen for name, head in before.items()
    }
    assert compute(back.segments, transfer_on=date(2024, 5, 6), province="44", tables=tables()).account_fen == (
        after[individual(record.person_ref)].balance_fen
    )


def with_tables(origin: Origin, tables_: Tables) -> Origin:
    """The same agency with other tables."""
    at = replace(origin.at, agency=replace(origin.at.agency, tables=tables_))
    return Origin(at, origin.bank)


async def test_a_form_at_an_interim_rate_is_replaced_and_its_difference_remitted_when_the_rate_is_published(
    origin: Origin, tmp_path: Path
) -> None:
    # Example 3 in March 2027, when the rate of 2026 is not published. 2024: 2.62 % of 11,039.86, and of 480.00 for 33/12 years:
    # 323.83, so 12,803.69; 2025: 1.50 %: 192.06, 12,995.75. 2026 at the rate of 2025: 194.94, ④ 13,190.69; at 2.60 %: 337.89.
    # What stands in the books is the first, and the difference of 142.95 follows.
    (tmp_path / "going_on").mkdir()
    (tmp_path / "published").mkdir()
    waits = (TABLES_DIRECTORY / "pending_rates.toml").read_text(encoding="utf-8")
    for folder in ("going_on", "published"):
        (tmp_path / folder / "pending_rates.toml").write_text(waits.replace('policy = "wait"', 'policy = "last_published"'))
    rates = (TABLES_DIRECTORY / "recording_rates.toml").read_text(encoding="utf-8")
    year_2026 = (
        '[[recording_rate]]\nyear = 2026\nprovince = "*"\nrate = "0.026"\neffective_from = 2026-01-01\n'
        'effective_to = 2026-12-31\nsource = "a test"\nconfidence = "untrusted"\n'
    )
    (tmp_path / "published" / "recording_rates.toml").write_text(f"{rates}\n{year_2026}", encoding="utf-8")
    origin.at.clock.move(origin.at.clock.now().replace(year=2027, month=3))
    await origin.at.importing(HE)
    record = await origin.at.record(HE.person.id_number)
    case_id = await origin.holding()
    await origin.desk.propose([case_id], "maker-1")
    waiting = await origin.desk.approve([case_id], "checker-1")

    going_on = with_tables(origin, load_tables(tmp_path / "going_on"))
    issued = await going_on.desk.approve([case_id], "checker-1")
    await going_on.order(case_id)
    await going_on.funds.pay()
    await going_on.complete(case_id)
    early = await amend(going_on, case_id)
    listed = (await going_on.case(case_id)).interim
    published = with_tables(origin, load_tables(tmp_path / "published"))
    amended = await amend(published, case_id)
    await published.order(case_id)
    await published.funds.pay()

    assert codes(waiting) == [("refused", "RATE_PENDING")]
    assert (codes(issued), codes(early), codes(amended)) == (
        [("done", "FORM_ISSUED")],
        [("refused", "NOTHING_CHANGES")],
        [("done", "FORM_ISSUED")],
    )
    first, second = [form for form in await origin.at.letters(InformationFormDocument) if isinstance(form, InformationForm)]
    assert [form.items.account_fen for form in (first, second)] == [1_319_069, 1_333_364]
    assert [[(each.year, each.rate) for each in form.interim_rates] for form in (first, second)] == [
        [(2026, "0.0150")],
        [],
    ]
    assert [(each.year, each.interest_fen) for each in listed] == [(2026, 19_494)]
    assert (await published.case(case_id)).interim == ()
    credited = {fact.year: fact.interest_fen for fact in await origin.at.facts(InterestCredited)}
    assert credited[2026] == 19_494
    [difference] = await origin.at.facts(ContributionCorrected)
    assert (difference.year, difference.interest_difference_fen, difference.account_difference_fen) == (2026, 14_295, 0)
    assert (difference.maker, difference.checker) == ("maker-2", "checker-2")
    paid = [fact.amount_fen for fact in await origin.at.facts(FundsRemitted)]
    assert paid[1] == 14_295
    heads = await origin.at.heads()
    assert heads[individual(record.person_ref)].balance_fen == 0
    assert heads[transfers_payable("33")].balance_fen == 0
    assert (await origin.at.replayed()).compare(heads) == []


async def test_cases_at_an_interim_rate_are_found_on_the_work_list(origin: Origin) -> None:
    plain, pending = await origin.holding(), await origin.holding()
    async with origin.at.database.transaction("test") as tx:
        case = await origin.case(pending)
        await store.save(tx, origin.at.vault, [replace(case, interim=(Interim(2026, "0.015", 1),))])

    async with origin.at.database.transaction("test") as tx:
        found = [row["case_id"] for row in await tx.fetch(store.SQL["list_cases"], None, False, 10, True, False)]
        every = {row["case_id"] for row in await tx.fetch(store.SQL["list_cases"], None, False, 10, False, False)}

    assert (found, every) == ([pending], {plain, pending})


async def test_arrears_that_are_paid_after_the_form_are_too_late_for_every_later_version(origin: Origin) -> None:
    # Domain § 1.6.2: before the form they count as if paid in time; after it they are lost, and no amendment brings them in.
    paid, last = HE.contributions[:2], HE.contributions[2]
    person = somebody(9, rows=(*paid, replace(last, status="arrears", paid_on=None)))
    await origin.at.importing(person)
    case_id = await approved(origin, person)
    form = await form_of(origin)
    record = await origin.at.record(person.person.id_number)
    [unpaid] = [row for segment in record.left for row in segment.rows if row.start.year == 2024]

    late = replace(unpaid, status=RowStatus.PAID, paid_on=date(2024, 5, 13))
    with pytest.raises(Refused, match="ARREARS_TOO_LATE"):
        await correct(origin, 2024, late, id_number=person.person.id_number)
    with pytest.raises(Refused, match="PAID_ON_MISSING"):
        await correct(origin, 2024, replace(late, paid_on=None), id_number=person.person.id_number)
    same = await amend(origin, case_id)
    async with origin.at.database.transaction("test") as tx:  # as a record says that was corrected by an earlier release
        rows = tuple(late if row == unpaid else row for row in record.left[0].rows)
        await records.change(tx, origin.at.vault, [replace(record, left=(replace(record.left[0], rows=rows),))])
    origin.at.move(days=10)

    assert (form.months, form.items.this_year_fen) == (24, 0)
    assert codes(same) == [("refused", "NOTHING_CHANGES")]
    assert codes(await amend(origin, case_id)) == [("refused", "ARREARS_TOO_LATE")]


async def line_of(origin: Origin, case_id: str) -> dict[str, Any]:
    async with origin.at.database.transaction("test") as tx:
        rows = await tx.fetch(store.SQL["list_cases"], None, False, 10, False, False)
    return next(listed(origin.at.agency, dict(row)) for row in rows if row["case_id"] == case_id)


async def test_the_notice_of_what_stays_has_ten_working_days_from_the_letter_and_a_missed_day_is_raised(origin: Origin) -> None:
    # Letter of 2024-05-06 + 10 working days (Saturday 11 May was worked): 2024-05-17.
    await origin.at.importing(him())
    await origin.at.importing(HE)
    case_id, plain = await origin.holding(a_letter(him())), await origin.holding()
    raised: dict[int, list[tuple[str | None, date]]] = {}

    line, other = await line_of(origin, case_id), await line_of(origin, plain)
    for day in (17, 18, 20, 25):
        origin.at.clock.move(origin.at.clock.now().replace(day=day, hour=9))
        await origin.desk.look_at_clocks()
        facts = [each for each in await origin.at.facts(DeadlineBreached) if each.case_id == case_id]
        raised[day] = [(fact.limit, fact.due_on) for fact in facts]

    late = ("LETTER_TO_NOT_MOVABLE_NOTICE", date(2024, 5, 17))
    assert (line["notice_due_on"], other["notice_due_on"]) == (date(2024, 5, 17), None)
    assert raised == {17: [], 18: [late], 20: [late], 25: [late, (None, date(2024, 5, 24))]}
    seen = shown(origin.at.agency, await origin.case(case_id))["not_movable_notice"]
    assert seen == {"due_on": "2024-05-17", "late": True, "told": False}
    assert shown(origin.at.agency, await origin.case(plain))["not_movable_notice"] is None


async def test_the_person_is_told_in_time_although_the_form_waits_and_once_alone(origin: Origin) -> None:
    # In March 2027 the rate of 2026 is not published: the form waits for it, the written notice does not.
    origin.at.clock.move(origin.at.clock.now().replace(year=2027, month=3))
    await origin.at.importing(him())
    record = await origin.at.record(him().person.id_number)
    case_id = await origin.holding(a_letter(him()))
    await origin.desk.propose([case_id], "maker-1")
    waiting = codes(await origin.desk.approve([case_id], "checker-1"))

    proposed = codes(await origin.desk.propose_notices([case_id], "maker-1"))
    alone = codes(await origin.desk.approve_notices([case_id], "maker-1"))
    told = codes(await origin.desk.approve_notices([case_id], "checker-1"))
    again = codes(await origin.desk.propose_notices([case_id], "maker-1"))
    origin.at.move(days=40)
    await origin.desk.look_at_clocks()

    assert waiting == [("refused", "RATE_PENDING")]
    assert (proposed, alone, told) == (
        [("done", "HANDLING_PROPOSED")],
        [("refused", "SAME_PERSON")],
        [("done", "HANDLING_PROPOSED")],
    )
    assert again == [("refused", "ALREADY_NOTIFIED")]
    [notice] = await origin.at.facts(NotMovableNotified)
    assert (notice.months, notice.reasons, notice.person_ref) == (60, ("BACK_PAYMENT_PAPERS_MISSING",), record.person_ref)
    assert notice.account_fen > 0
    assert [fact.limit for fact in await origin.at.facts(DeadlineBreached)] == [None]
    case = await origin.case(case_id)
    assert (case.notice_until, case.told_stays is not None, case.escalate_on is not None) == (None, True, True)
    assert await origin.at.places_of(record.personal.name) == {}


async def test_the_form_does_not_repeat_a_notice_and_papers_that_came_leave_nothing_to_tell(origin: Origin) -> None:
    await origin.at.importing(him())
    case_id = await origin.holding(a_letter(him()))
    with_papers = await origin.desk.propose_notices([case_id], "maker-1", papers=(JUDGMENT,))
    nothing = codes(await origin.desk.approve_notices([case_id], "checker-1"))
    await origin.desk.propose([case_id], "maker-1", papers=(JUDGMENT,))
    moves = await origin.case(case_id)
    await origin.desk.propose([case_id], "maker-1")
    stays_again = await origin.case(case_id)
    await origin.desk.propose_notices([case_id], "maker-1")
    assert codes(await origin.desk.approve_notices([case_id], "checker-1")) == [("done", "HANDLING_PROPOSED")]

    assert codes(await origin.desk.approve([case_id], "checker-1")) == [("done", "FORM_ISSUED")]

    assert with_papers.done == 1
    assert nothing == [("refused", "EVERYTHING_MOVES")]
    assert (moves.notice_until, stays_again.notice_until) == (None, date(2024, 5, 17))
    assert len(await origin.at.facts(NotMovableNotified)) == 1
    form = await form_of(origin)
    assert form.not_movable is not None
    assert (form.not_movable.months, form.months) == (60, 27)


async def test_nobody_is_told_of_what_stays_where_nobody_is_known_or_nothing_was_back_paid(origin: Origin) -> None:
    await origin.at.importing(HE)
    plain, unknown = await origin.holding(), await origin.holding(a_letter(somebody(7)))
    await origin.desk.propose_notices([plain, unknown], "maker-1")

    result = {row.case_id: row.code for row in (await origin.desk.approve_notices([plain, unknown], "checker-1")).rows}

    assert result == {plain: "EVERYTHING_MOVES", unknown: "NO_RELATIONSHIP"}


async def test_who_dies_after_the_transfer_leaves_what_stayed_to_be_settled_here(origin: Origin) -> None:
    await origin.at.importing(him(), HE)
    record = await origin.at.record(him().person.id_number)
    case_id = await approved(origin, him())
    await origin.order(case_id)
    await origin.funds.pay()
    await origin.complete(case_id)
    [whole] = await origin.settled(HE)
    stayed_fen = await origin.at.balance_fen(record.person_ref)

    await origin.afterwards.report_deaths([case_id, whole], "maker-1", died_on=date(2024, 5, 5), reported_by="family")
    proposed = await origin.afterwards.propose_settlements([case_id, whole], "maker-1")
    settled = await origin.afterwards.approve_settlements([case_id], "checker-1")

    assert codes(proposed) == [("done", "SETTLED"), ("refused", "SETTLED_BY_DESTINATION")]
    assert codes(settled) == [("done", "SETTLED")]
    [fact] = await origin.at.facts(AccountSettled)
    assert (fact.person_ref, fact.amount_fen, stayed_fen > 0) == (record.person_ref, stayed_fen, True)
    heads = await origin.at.heads()
    assert (heads[individual(record.person_ref)].balance_fen, heads[REFUNDS_PAYABLE].balance_fen) == (0, stayed_fen)
    assert heads[transfers_payable("33")].balance_fen == 0
    assert trial_balance(heads) == 0
    assert (await origin.at.record(him().person.id_number)).state == "settled"
