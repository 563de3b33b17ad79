"""What the origin's clerks do: propose, approve, for one case or a list, with a name for everything that cannot be done."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.base import Items
from contracts.documents import InformationForm, InformationFormDocument, LetterReturn, LetterReturnDocument, PayeeAccount
from contracts.envelope import new_id
from contracts.events import (
    AccountOpened,
    ArrearsNotified,
    ContactLetterReturned,
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineRecomputed,
    DeadlineReminded,
    InformationFormIssued,
)
from services.ledger.chart import POOLED_FUND, individual, transfers_payable
from services.ledger.replay import trial_balance
from services.origin_agency import store
from services.origin_agency.case import State
from services.origin_agency.desk import Refused
from services.origin_agency.showing import shown
from services.records.commands import ListResult
from services.records.holds import Holds
from services.records.vault import Vault
from services.rules.deadlines import Calendar
from services.world.plan import ProvinceRecord
from tests.agencies import a_letter, known_in, somebody, tables
from tests.builders import a
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
THREE = Items(
    before_1998_fen=0,
    until_last_year_fen=1_103_986,
    this_year_fen=144_000,
    account_fen=1_247_986,
    pool_fen=1_800_000,
    total_fen=3_047_986,
)


def codes(result: ListResult) -> dict[str, tuple[str, str | None]]:
    return {row.case_id: (row.result, row.code) for row in result.rows}


async def proposed(origin: Origin, *people: ProvinceRecord) -> list[str]:
    """Cases of these people for which a maker has proposed what the record calls for."""
    cases = [await origin.holding(a_letter(person)) for person in people]
    assert (await origin.desk.propose(cases, "maker-1")).done == len(cases)
    return cases


async def test_the_form_of_example_three_leaves_with_its_six_items_and_the_books_owe_them(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await proposed(origin, HE)
    before = await origin.at.heads()

    result = await origin.desk.approve([case_id], "checker-1")

    assert codes(result) == {case_id: ("done", "FORM_ISSUED")}
    [form] = await origin.at.letters(InformationFormDocument)
    assert isinstance(form, InformationForm)
    assert form.items == THREE
    assert (form.months, form.deemed_months, form.form_version, form.transfer_on) == (27, 0, 1, date(2024, 5, 6))
    assert (form.first_insured_on, form.stopped_on) == (date(2022, 1, 1), date(2024, 3, 31))
    assert form.person.name == HE.person.name
    assert [row.months for segment in form.segments for row in segment.rows] == [12, 12, 3]
    [issued] = await origin.at.facts(InformationFormIssued)
    assert (issued.items, issued.maker, issued.checker, issued.destination) == (THREE, "maker-1", "checker-1", "33")
    heads = await origin.at.heads()
    assert heads[individual(issued.person_ref)].balance_fen == 0
    assert heads[transfers_payable("33")].balance_fen == 3_047_986
    assert heads[POOLED_FUND].balance_fen == before[POOLED_FUND].balance_fen - 1_800_000
    assert trial_balance(heads) == 0
    assert (await origin.at.replayed()).compare(heads) == []
    assert origin.at.rung


async def test_whoever_proposed_cannot_approve_and_is_told_the_article(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await proposed(origin, HE)

    [row] = (await origin.desk.approve([case_id], "maker-1")).rows

    assert (row.result, row.code, row.legal_basis) == ("refused", "SAME_PERSON", "社会保险经办条例 第三十七条")
    assert (await origin.case(case_id)).state is State.HANDLING_PROPOSED
    assert await origin.at.letters(InformationFormDocument) == []


async def test_whoever_proposed_a_return_cannot_approve_it_either(origin: Origin) -> None:
    [case_id] = await proposed(origin, HE)

    [row] = (await origin.desk.approve([case_id], "maker-1")).rows

    assert row.code == "SAME_PERSON"
    assert await origin.at.letters(LetterReturnDocument) == []


RETURNED: list[tuple[str, dict[str, Any]]] = [
    ("STILL_CONTRIBUTING", {"stopped_on": None}),
    ("ALREADY_DRAWING", {"drawing_since": date(2023, 1, 1)}),
]


@pytest.mark.parametrize(("code", "person"), RETURNED, ids=[code for code, _ in RETURNED])
async def test_a_record_that_cannot_move_makes_the_proposal_a_return_with_its_code(
    origin: Origin, code: str, person: dict[str, Any]
) -> None:
    known = somebody(**person)
    await origin.at.importing(known)
    case_id = await origin.holding(a_letter(known))

    proposal = await origin.desk.propose([case_id], "maker-1")
    approval = await origin.desk.approve([case_id], "checker-1")

    assert codes(proposal) == codes(approval) == {case_id: ("done", code)}
    await it_went_back(origin, case_id, code)


async def test_a_person_who_is_not_on_record_has_no_relationship_here(origin: Origin) -> None:
    case_id = await origin.holding()

    await origin.desk.propose([case_id], "maker-1")
    await origin.desk.approve([case_id], "checker-1")

    await it_went_back(origin, case_id, "NO_RELATIONSHIP")


async def test_another_name_under_the_number_is_an_identity_mismatch(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding(a_letter(replace(HE, person=replace(HE.person, name="陈志還"))))

    await origin.desk.propose([case_id], "maker-1")
    await origin.desk.approve([case_id], "checker-1")

    await it_went_back(origin, case_id, "IDENTITY_MISMATCH")


async def test_a_temporary_account_waits_for_the_paying_place(origin: Origin) -> None:
    known = somebody(born="19640315", rows=[replace(row, kind="temporary") for row in HE.contributions])
    await origin.at.importing(known)
    case_id = await origin.holding(a_letter(known))

    await origin.desk.propose([case_id], "maker-1")
    await origin.desk.approve([case_id], "checker-1")

    await it_went_back(origin, case_id, "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW")


async def test_who_has_moved_already_is_sent_nowhere_again(origin: Origin) -> None:
    await origin.at.importing(HE)
    await origin.ordered(HE)
    await origin.funds.pay()
    second = await origin.holding(a_letter(HE, destination="41"), sender="41")

    await origin.desk.propose([second], "maker-1")
    await origin.desk.approve([second], "checker-1")

    await it_went_back(origin, second, "ALREADY_TRANSFERRED_OUT")


async def test_a_letter_that_does_not_say_where_to_pay_goes_back_as_incomplete(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding(a_letter(HE, payee=a(PayeeAccount, account_no="")))

    await origin.desk.propose([case_id], "maker-1")
    await origin.desk.approve([case_id], "checker-1")

    await it_went_back(origin, case_id, "LETTER_INCOMPLETE")


async def it_went_back(origin: Origin, case_id: str, code: str) -> None:
    basis = tables().refusal(code, date(2024, 3, 1)).legal_basis
    assert (await origin.case(case_id)).state is State.RETURNED
    letter = (await origin.at.letters(LetterReturnDocument))[-1]
    assert isinstance(letter, LetterReturn)
    assert (letter.code, letter.legal_basis) == (code, basis)
    fact = (await origin.at.facts(ContactLetterReturned))[-1]
    assert (fact.case_id, fact.code, fact.legal_basis) == (case_id, code, basis)
    assert (fact.maker, fact.checker) == ("maker-1", "checker-1")


async def test_a_maker_may_return_a_letter_with_a_code_and_a_note_of_the_own(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding()

    await origin.desk.propose([case_id], "maker-1", return_code="JUDICIAL_OR_AUDIT_HOLD", note="order 12/2024")
    await origin.desk.approve([case_id], "checker-1")

    await it_went_back(origin, case_id, "JUDICIAL_OR_AUDIT_HOLD")
    [letter] = await origin.at.letters(LetterReturnDocument)
    assert isinstance(letter, LetterReturn)
    assert letter.note == "order 12/2024"


@pytest.mark.parametrize("code", ["NO_SUCH_CODE", "SAME_PROVINCE"])
async def test_a_code_that_is_no_reason_to_return_is_refused_by_name(origin: Origin, code: str) -> None:
    case_id = await origin.holding()

    with pytest.raises(Refused, match=f"UNKNOWN_CODE.*{code}"):
        await origin.desk.propose([case_id], "maker-1", return_code=code)

    assert (await origin.case(case_id)).state is State.LETTER_HELD


async def test_a_form_that_differs_from_the_ledger_does_not_leave(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await proposed(origin, HE)
    record = await origin.at.record(HE.person.id_number)
    async with origin.at.database.transaction("test") as tx:
        await origin.at.agency.tell(tx, [a(AccountOpened, person_ref=record.person_ref, opening_fen=1)])

    [row] = (await origin.desk.approve([case_id], "checker-1")).rows

    assert (row.result, row.code) == ("refused", "FORM_DIFFERS_FROM_LEDGER")
    assert row.detail == "Item ④ is 1247986 fen and the ledger holds 1247987 fen."
    assert (row.legal_basis, bool(row.remedy)) == ("社会保险法 第七十四条", True)
    assert (await origin.case(case_id)).state is State.HANDLING_PROPOSED
    assert await origin.at.letters(InformationFormDocument) == []


async def test_a_form_waits_for_the_year_end_run_and_for_a_rate_that_is_not_published(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await proposed(origin, HE)

    origin.at.clock.move(origin.at.clock.now().replace(year=2025))
    [before_the_run] = (await origin.desk.approve([case_id], "checker-1")).rows
    origin.at.clock.move(origin.at.clock.now().replace(year=2027))
    [without_a_rate] = (await origin.desk.approve([case_id], "checker-1")).rows

    assert before_the_run.code == "FORM_DIFFERS_FROM_LEDGER"
    assert (without_a_rate.code, "2026" in (without_a_rate.detail or "")) == ("RATE_PENDING", True)


async def test_two_cases_of_one_person_in_one_list_do_not_move_the_money_twice(origin: Origin) -> None:
    await origin.at.importing(HE)
    to_33 = await origin.holding(a_letter(HE))
    to_41 = await origin.holding(a_letter(HE, destination="41"), sender="41")
    await origin.desk.propose([to_33, to_41], "maker-1")

    result = await origin.desk.approve([to_33, to_41], "checker-1")

    assert (result.done, result.refused) == (1, 1)
    assert codes(result)[to_41] == ("refused", "FORM_DIFFERS_FROM_LEDGER")
    record = await origin.at.record(HE.person.id_number)
    assert await origin.at.balance_fen(record.person_ref) == 0
    assert len(await origin.at.facts(InformationFormIssued)) == 1


async def test_no_form_of_nothing_is_issued_for_whoever_moved_away_since_the_proposal(origin: Origin) -> None:
    await origin.at.importing(HE)
    to_33 = await origin.holding(a_letter(HE))
    to_41 = await origin.holding(a_letter(HE, destination="41"), sender="41")
    await origin.desk.propose([to_33, to_41], "maker-1")
    await origin.desk.approve([to_33], "checker-1")
    await origin.order(to_33)
    await origin.funds.pay()

    [row] = (await origin.desk.approve([to_41], "checker-1")).rows

    assert (row.result, row.code) == ("refused", "ALREADY_TRANSFERRED_OUT")
    assert row.legal_basis == tables().refusal("ALREADY_TRANSFERRED_OUT", date(2024, 3, 1)).legal_basis


async def test_a_person_whose_record_comes_in_after_the_letter_is_known_from_then_on(origin: Origin) -> None:
    case_id = await origin.holding()
    await origin.at.importing(HE)

    await origin.desk.propose([case_id], "maker-1")
    result = await origin.desk.approve([case_id], "checker-1")

    assert codes(result) == {case_id: ("done", "FORM_ISSUED")}
    case = await origin.case(case_id)
    assert case.person_ref == (await origin.at.record(HE.person.id_number)).person_ref
    assert case.letter.person.name == HE.person.name
    assert case.items == THREE


async def test_a_list_is_answered_row_by_row_and_good_rows_are_not_held_back(origin: Origin) -> None:
    good, tampered, drawing = somebody(1), somebody(2), somebody(3, drawing_since=date(2023, 1, 1))
    await origin.at.importing(good, tampered, drawing)
    cases = await proposed(origin, good, tampered, drawing)
    held, nobody = await origin.holding(), new_id()
    async with origin.at.database.transaction("test") as tx:
        ref = (await origin.at.record(tampered.person.id_number)).person_ref
        await origin.at.agency.tell(tx, [a(AccountOpened, person_ref=ref, opening_fen=1)])

    result = await origin.desk.approve([nobody, cases[1], cases[0], held, cases[2], cases[0]], "checker-1")

    assert [(row.case_id, row.result, row.code) for row in result.rows] == [
        (nobody, "refused", "NO_SUCH_CASE"),
        (cases[1], "refused", "FORM_DIFFERS_FROM_LEDGER"),
        (cases[0], "done", "FORM_ISSUED"),
        (held, "refused", "NOT_NOW"),
        (cases[2], "done", "ALREADY_DRAWING"),
    ]
    assert (result.done, result.refused) == (2, 3)
    states = await origin.states()
    assert [states[case] for case in (*cases, held)] == ["FORM_ISSUED", "HANDLING_PROPOSED", "RETURNED", "LETTER_HELD"]


async def test_approving_twice_does_nothing_the_second_time_and_says_so(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)

    result = await origin.desk.approve([case_id], "checker-2")

    assert codes(result) == {case_id: ("refused", "NOT_NOW")}
    assert len(await origin.at.facts(InformationFormIssued)) == 1


async def test_a_remittance_takes_two_persons(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)

    early = await origin.desk.approve_remittances([case_id], "checker-1")
    await origin.desk.propose_remittances([case_id], "fund-1")
    alone = await origin.desk.approve_remittances([case_id], "fund-1")
    done = await origin.desk.approve_remittances([case_id], "checker-1")

    assert [codes(result)[case_id] for result in (early, alone, done)] == [
        ("refused", "NOT_NOW"),
        ("refused", "SAME_PERSON"),
        ("done", "REMITTANCE_ORDERED"),
    ]


async def test_the_clock_reminds_after_ten_working_days_and_breaches_after_fifteen_each_once(origin: Origin) -> None:
    case_id = await origin.holding()
    answered = await origin.holding()
    await origin.desk.propose([answered], "maker-1")
    await origin.desk.approve([answered], "checker-1")
    looked: list[tuple[int, int]] = []

    for day in range(7, 31):
        origin.at.clock.move(origin.at.clock.now().replace(day=day, hour=9))
        if found := await origin.desk.look_at_clocks():
            looked.append((day, found))
        assert await origin.desk.look_at_clocks() == 0

    assert looked == [(17, 1), (25, 1)]  # due on Friday the 24th, breached on the day after
    [reminded] = await origin.at.facts(DeadlineReminded)
    [breached] = await origin.at.facts(DeadlineBreached)
    assert (reminded.case_id, reminded.holder, reminded.due_on) == (case_id, "44", date(2024, 5, 24))
    assert (breached.case_id, breached.holder) == (case_id, "44")
    assert (await origin.case(case_id)).breached


async def test_a_due_date_counted_without_the_years_holidays_is_counted_again_when_they_are_known(origin: Origin) -> None:
    known = tables().calendar
    before_the_notice = Calendar(
        known.known_years - {2024},
        frozenset(day for day in known.holidays if day.year != 2024),
        frozenset(day for day in known.make_up_days if day.year != 2024),
    )
    unknowing = replace(origin.at.agency, tables=replace(tables(), calendar=before_the_notice))
    case_id = await Origin(replace(origin.at, agency=unknowing)).holding()
    guessed = (await origin.case(case_id)).due

    first, second = await origin.desk.count_again(), await origin.desk.count_again()
    origin.at.clock.move(origin.at.clock.now().replace(day=25))
    overdue = await origin.desk.look_at_clocks()

    assert (guessed.due_on, guessed.provisional) == (date(2024, 5, 27), True)
    assert (first, second) == (1, 0)
    counted = (await origin.case(case_id)).due
    assert (counted.due_on, counted.remind_on, counted.provisional) == (date(2024, 5, 24), date(2024, 5, 17), False)
    [told] = await origin.at.facts(DeadlineRecomputed)
    assert (told.was_due_on, told.due_on) == (date(2024, 5, 27), date(2024, 5, 24))
    assert overdue == 1


async def test_a_return_is_soft_only_for_a_code_that_can_be_cured_and_not_for_ever(origin: Origin) -> None:
    await origin.at.importing(HE)
    unknown, drawing = await origin.holding(a_letter(somebody(5))), await origin.holding(a_letter(somebody(6)))
    await origin.at.importing(somebody(6, drawing_since=date(2023, 1, 1)))
    plain = await origin.holding()

    cured = await origin.desk.propose([unknown, drawing, plain], "maker-1", cure_days=15)
    too_long = await origin.desk.propose([unknown], "maker-1", cure_days=16)

    assert codes(cured) == {
        unknown: ("done", "NO_RELATIONSHIP"),
        drawing: ("refused", "NOT_CURABLE"),
        plain: ("done", "HANDLING_PROPOSED"),  # there is nothing to cure: the form can be made
    }
    assert codes(too_long) == {unknown: ("refused", "CURE_TOO_LONG")}


async def test_a_temporary_account_moves_when_the_paying_place_gathers_it(origin: Origin) -> None:
    known = somebody(born="19640315", rows=[replace(row, kind="temporary") for row in HE.contributions])
    await origin.at.importing(known)
    case_id = await origin.holding(a_letter(known, gathering=True))

    await origin.desk.propose([case_id], "maker-1")
    result = await origin.desk.approve([case_id], "checker-1")

    assert codes(result) == {case_id: ("done", "FORM_ISSUED")}
    [form] = await origin.at.letters(InformationFormDocument)
    assert isinstance(form, InformationForm)
    # The employer's real 16 % of 150,000, above the uniform 12 % (Example 5); the account as in Example 3.
    assert (form.items.account_fen, form.items.pool_fen, form.pool_from_temporary_fen) == (1_247_986, 2_400_000, 2_400_000)


async def test_nobody_is_told_of_arrears_that_are_not_there_or_of_somebody_unknown(origin: Origin) -> None:
    await origin.at.importing(HE)
    his, nobodys = await origin.holding(), await origin.holding(a_letter(somebody(7)))

    result = await origin.desk.notify_arrears([his, nobodys], "maker-1", pay_until=date(2024, 5, 20))

    assert codes(result) == {his: ("refused", "NO_ARREARS"), nobodys: ("refused", "NO_RELATIONSHIP")}
    with pytest.raises(Refused, match="PAY_UNTIL_PAST"):
        await origin.desk.notify_arrears([his], "maker-1", pay_until=date(2024, 5, 5))


async def test_a_notice_of_arrears_names_months_and_day_and_nobody_in_clear(origin: Origin) -> None:
    unpaid = replace(HE.contributions[2], status="arrears", paid_on=None)
    person = somebody(8, rows=(*HE.contributions[:2], unpaid))
    await origin.at.importing(person)
    case_id = await origin.holding(a_letter(person))

    first = await origin.desk.notify_arrears([case_id], "maker-1", pay_until=date(2024, 5, 20))
    second = await origin.desk.notify_arrears([case_id], "maker-1", pay_until=date(2024, 5, 21))

    assert codes(first) == {case_id: ("done", "LETTER_HELD")}
    assert codes(second) == {case_id: ("refused", "ALREADY_NOTIFIED")}
    [told] = await origin.at.facts(ArrearsNotified)
    assert (told.months, told.pay_until, told.actor) == (3, date(2024, 5, 20), "maker-1")
    record = await origin.at.record(person.person.id_number)
    keys = await origin.at.vault.keys([record.person_ref])
    assert person.person.name.encode() in Vault.open(keys, record.person_ref, told.personal)
    assert await origin.at.places_of(person.person.name, person.person.id_number) == {}


async def test_a_silent_agency_is_reminded_then_overdue_then_told_to_the_supervisors_each_once(origin: Origin) -> None:
    case_id = await origin.holding()
    other = await origin.holding()
    told: dict[int, list[str]] = {}

    for day in range(7, 32):
        origin.at.clock.move(origin.at.clock.now().replace(day=day, hour=9))
        await origin.desk.look_at_clocks()
        if day == 27:
            early = await origin.desk.escalate([other], "maker-1")
        told[day] = [message.data.type_name for message in await origin.at.told() if message.subject == case_id]

    days = {name: min(day for day, names in told.items() if name in names) for name in told[31] if name.startswith("deadline")}
    assert days == {"deadline.reminded": 17, "deadline.breached": 25, "deadline.escalated": 31}
    assert [name for name in told[31] if name == "deadline.escalated"] == ["deadline.escalated"]
    assert codes(early) == {other: ("done", "LETTER_HELD")}
    assert {(fact.case_id, fact.actor) for fact in await origin.at.facts(DeadlineEscalated)} == {
        (case_id, "clock"),
        (other, "maker-1"),
    }


async def test_what_is_contributed_after_the_form_begins_a_relationship_of_its_own(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)
    later = replace(HE, contributions=(replace(HE.contributions[2], start="2024-04", end="2024-04"),))
    await origin.at.importing(later)

    await origin.order(case_id)
    await origin.funds.pay()

    record = await origin.at.record(HE.person.id_number)
    assert [str(row.start) for segment in record.segments for row in segment.rows] == ["2024-04"]
    assert record.here
    assert await origin.at.balance_fen(record.person_ref) == 48_000


async def hold(origin: Origin, *, release: bool = False) -> Holds:
    """A court holds his account, two persons noting it; or it is released."""
    holds = Holds(origin.at.database, origin.at.agency, origin.at.ring, origin.desk.run_on)
    if release:
        [held] = await holds.holds()
        await holds.propose_release([held.hold_id], "maker-2", reason="order 13 lifts order 12")
        assert (await holds.approve_release([held.hold_id], "checker-2")).done == 1
    else:
        record = await origin.at.record(HE.person.id_number)
        hold_id = await holds.propose(record.person_ref, "maker-2", ordered_by="court", reason="order 12")
        assert (await holds.approve([hold_id], "checker-2")).done == 1
    return holds


async def test_a_letter_about_an_account_that_is_held_goes_back_and_no_form_leaves(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id, late = await origin.holding(a_letter(HE)), await origin.holding(a_letter(HE, destination="41"), sender="41")
    await origin.desk.propose([late], "maker-1")
    await hold(origin)

    proposed = await origin.desk.propose([case_id], "maker-1", cure_days=10)
    returned = await origin.desk.approve([case_id, late], "checker-1")

    assert codes(proposed) == {case_id: ("done", "JUDICIAL_OR_AUDIT_HOLD")}
    assert codes(returned) == {
        case_id: ("done", "JUDICIAL_OR_AUDIT_HOLD"),
        late: ("refused", "JUDICIAL_OR_AUDIT_HOLD"),  # it was proposed before the court's order
    }
    [letter] = await origin.at.letters(LetterReturnDocument)
    assert isinstance(letter, LetterReturn)
    assert (letter.code, letter.curable_until) == ("JUDICIAL_OR_AUDIT_HOLD", date(2024, 5, 17))
    assert await origin.at.facts(InformationFormIssued) == []


async def test_while_an_account_is_held_the_clock_stands_is_seen_to_stand_and_runs_on_afterwards(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding(a_letter(HE))
    before = (await origin.case(case_id)).due
    origin.at.clock.move(origin.at.clock.now().replace(day=8))
    await hold(origin)

    origin.at.clock.move(origin.at.clock.now().replace(month=6, day=3))
    looked_at = await origin.desk.look_at_clocks()
    seen = shown(origin.at.agency, await origin.case(case_id), held_since=date(2024, 5, 8))
    await hold(origin, release=True)
    case = await origin.case(case_id)
    afterwards = shown(origin.at.agency, case)

    assert looked_at == 0
    assert (seen["held_since"], seen["clocks"]["stands"]) == ("2024-05-08", "JUDICIAL_OR_AUDIT_HOLD")
    assert "司法或者审计" in seen["clocks"]["pauses"][0]["text"]["zh-CN"]
    # Two of the fifteen working days were used by 8 May; the other thirteen are counted from 4 June, and 10 June is a holiday.
    assert (before.due_on, case.due.due_on) == (date(2024, 5, 24), date(2024, 6, 21))
    assert (case.breached, afterwards["held_since"], afterwards["clocks"]["stands"]) == (False, None, None)
    [told] = await origin.at.facts(DeadlineRecomputed)
    assert (told.was_due_on, told.due_on) == (before.due_on, case.due.due_on)


async def test_the_supervisors_list_is_what_was_escalated(origin: Origin) -> None:
    quiet, overdue = await origin.holding(), await origin.holding()
    origin.at.clock.move(origin.at.clock.now().replace(day=27))
    await origin.desk.look_at_clocks()
    await origin.desk.escalate([overdue], "maker-1")

    async with origin.at.database.transaction("test") as tx:
        late = {row["case_id"] for row in await tx.fetch(store.SQL["list_cases"], None, True, 10, False, False)}
        rows = await tx.fetch(store.SQL["list_cases"], None, False, 10, False, True)

    assert late == {quiet, overdue}
    assert [(row["case_id"], row["escalated"]) for row in rows] == [(overdue, True)]
