"""The clerks' desk: the rules decide from the province's own records, two persons act, lists go row by row."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.documents import Reminder, ReminderDocument, Withdrawal, WithdrawalDocument
from contracts.envelope import new_id
from contracts.events import (
    Accepted,
    Applied,
    Cancelled,
    Completed,
    ContactLetterSent,
    DeadlineBreached,
    DeadlineRecomputed,
    DeadlineReminded,
    DocumentSent,
    MaterialRequested,
    MaterialSupplied,
)
from contracts.events import Refused as ApplicationRefused
from services.destination_agency.case import Refused, State
from services.destination_agency.desk import Desk
from services.destination_agency.intake import Applicant
from services.ledger.chart import POOLED_FUND, suspense
from services.origin_agency import store
from services.records.commands import NO_SUCH_CASE, NOT_NOW, SAME_PERSON
from services.records.model import Proxy
from services.records.papers import Papers, Subject
from services.rules.amounts import compute
from services.rules.deadlines import Calendar
from services.world.plan import ProvinceRecord
from tests.agencies import contributions_csv, in_process, known_in, payee_of, persons_csv, tables
from tests.integration.destination_agency.conftest import (
    CLERK,
    EMPLOYER,
    ID_NUMBER,
    PROXY,
    Destination,
    know,
    someone,
    temporary,
    wish,
    with_wage,
    without_payment,
)
from tests.scans import a_pdf
from tests.unit.rules.builders import with_switch


def moved_here(on: str, **person: Any) -> dict[str, Any]:
    """Somebody whose relationship here began on a day."""
    return {"first_insured_on": date.fromisoformat(on), **person}


def paid_from(record: ProvinceRecord, month: str) -> ProvinceRecord:
    """The same person, whose one month here is another."""
    return replace(record, contributions=tuple(replace(row, start=month, end=month) for row in record.contributions))


async def with_the_approval(here: Destination, case_id: str) -> None:
    """The approval of a transfer by the authorities is asked for, and handed in."""
    await here.desk.ask_for_material([case_id], "maker-33", ["PERSONNEL_TRANSFER_APPROVAL"])
    assert (await here.desk.supply_material(case_id, "maker-33", ["PERSONNEL_TRANSFER_APPROVAL"])).done == 1


# Who, what the application says, and what the rules answer. Odd serials are men, born 1990 unless said otherwise.
RULES = [
    (someone(1), {}, "K4", None),
    (someone(3, drawing_since=date(2024, 5, 1), stopped_on=date(2024, 4, 30)), {}, "R01", "ALREADY_DRAWING"),
    (someone(5), {"origin_division": "330200"}, "R02", "SAME_PROVINCE"),
    (None, {}, "R03", "NOT_INSURED_AT_DESTINATION"),
    (without_payment(someone(7)), {}, "R03", "NOT_INSURED_AT_DESTINATION"),
    (someone(9, scheme="120"), {}, "R06", "WRONG_SCHEME"),
    (someone(11, scheme="170"), {}, "R06", "WRONG_SCHEME"),
    (someone(13), {"name": "另一人"}, "R07", "IDENTITY_MISMATCH"),
    (someone(15, born="19700315", hukou="33"), {}, "K1", None),
    (someone(17, born="19700315"), {"approved_transfer": True}, "K2", None),
    (temporary(someone(19, born="19740401")), {}, "K3", "TEMP_ACCOUNT_AT_DESTINATION"),
    (someone(21, born="19740402"), {}, "K4", None),
    (temporary(someone(22, born="19840401", sex="female")), {}, "K3", "TEMP_ACCOUNT_AT_DESTINATION"),
    (someone(24, born="19840402", sex="female"), {}, "K4", None),
    (paid_from(someone(23, born="19650101", **moved_here("2008-05-01")), "2008-05"), {}, "K4", None),
    (someone(25, stopped_on=date(2024, 4, 30)), {}, "K4", None),
    (
        temporary(someone(27, born="19700315", stopped_on=date(2024, 4, 30))),
        {"approved_transfer": True},
        "K3",
        "TEMP_ACCOUNT_AT_DESTINATION",
    ),
]


@pytest.mark.parametrize(("person", "said", "rule", "code"), RULES)
async def test_the_rules_decide_from_the_records_of_the_province(
    bare: Destination, person: ProvinceRecord | None, said: dict[str, Any], rule: str, code: str | None
) -> None:
    if person is not None:
        await know(bare, person)
    [case_id] = await bare.applied(wish(person.person if person else None, **said))
    if "approved_transfer" in said:
        await with_the_approval(bare, case_id)

    proposal = await bare.desk.propose_admissions([case_id], "maker-33")
    await bare.desk.approve_admissions([case_id], "checker-33")

    assert proposal.rows[0].code == (code or rule)
    if code is None:
        [accepted] = await bare.at.facts(Accepted)
        assert (accepted.rule, accepted.maker, accepted.checker) == (rule, "maker-33", "checker-33")
        assert (await bare.case(case_id)).state is State.LETTER_SENT
    else:
        [refused] = await bare.at.facts(ApplicationRefused)
        text = tables().refusal(code, date(2024, 3, 1))
        assert (refused.rule, refused.code, refused.legal_basis) == (rule, code, text.legal_basis)
        assert refused.legal_basis
        assert all((text.reason_zh, text.reason_en, text.remedy_zh, text.remedy_en))
        assert (await bare.case(case_id)).state is State.REFUSED


@pytest.mark.parametrize(
    ("participant", "by", "rule"),
    [("employee", CLERK, "K2"), ("flexible", CLERK, "TEMP_ACCOUNT_AT_DESTINATION"), ("flexible", EMPLOYER, "K2")],
)
async def test_an_approved_transfer_is_one_to_an_employer_as_the_record_or_the_employer_itself_says(
    bare: Destination, participant: str, by: Applicant, rule: str
) -> None:
    person = someone(17, born="19700315")
    header, *rows = contributions_csv([person]).decode().splitlines()
    as_what = "\n".join([f"{header},participant", *(f"{row},{participant}" for row in rows)])
    async with in_process(*bare.urls, province="33", service="origin-agency", country=bare.at.country) as origin:
        await origin.importing_files(persons_csv([person]), as_what.encode())
    [case_id] = await bare.applied(wish(person.person, approved_transfer=True), by=by)
    await with_the_approval(bare, case_id)

    proposal = await bare.desk.propose_admissions([case_id], "maker-33")

    assert [row.code for row in proposal.rows] == [rule]


async def test_an_approved_transfer_is_decided_when_its_paper_is_there(bare: Destination) -> None:
    await know(bare, someone(17, born="19700315"))
    claimed = wish(someone(17, born="19700315").person, approved_transfer=True, materials=[])
    [case_id] = await bare.applied(claimed)
    case = await bare.case(case_id)
    papers = Papers(bare.at.database, bare.at.agency, store.whose_case, bare.at.ring)

    bare_word = await bare.desk.propose_admissions([case_id], "maker-33")
    await papers.keep(Subject("person", case.person_ref), "PERSONNEL_TRANSFER_APPROVAL", a_pdf(), actor="maker-33")
    with_paper = await bare.desk.propose_admissions([case_id], "maker-33")

    [row] = bare_word.rows
    assert (row.result, row.code, row.legal_basis) == ("refused", "PAPER_NEEDED", "国办发〔2009〕66号 第五条第(三)项")
    assert [(row.result, row.code) for row in with_paper.rows] == [("done", "K2")]


async def test_a_proxy_applies_with_a_voucher_and_nothing_is_decided_before_the_authority_is_there(bare: Destination) -> None:
    person = someone(1)
    await know(bare, person)
    proxy = Applicant("proxy-33", "person", new_id())  # logged in, with a record of their own or none
    voucher = {"voucher_no": "PZ-440000-20240506-000007", "check_code": "0A1B2C3D"}
    claimed = wish(person.person, proxy=PROXY, email="proxy@mail.example", **voucher)
    [case_id] = await bare.applied(claimed, by=proxy)

    refused = await bare.desk.propose_admissions([case_id], "maker-33")
    await bare.desk.ask_for_material([case_id], "maker-33", ["PROXY_AUTHORISATION"])
    await bare.desk.supply_material(case_id, "proxy-33", ["PROXY_AUTHORISATION"])
    proposed = await bare.desk.propose_admissions([case_id], "maker-33")
    await bare.desk.approve_admissions([case_id], "checker-33")

    case, letter = await bare.case(case_id), await bare.letter(case_id)
    [applied] = await bare.at.facts(Applied)
    assert [(row.code, row.legal_basis) for row in refused.rows] == [("PAPER_NEEDED", "《中华人民共和国民法典》第一百六十五条")]
    assert [row.code for row in proposed.rows] == ["K4"]
    assert (case.applied_by, case.personal.proxy) == ("proxy", Proxy(**PROXY))
    assert (applied.applied_by, applied.by_proxy) == ("person", True)
    assert case.personal.email == person.person.email  # who acts for somebody does not decide where that person is written to
    assert (letter.voucher_no, letter.check_code) == ("PZ-440000-20240506-000007", "0A1B2C3D")
    assert "林小雨" not in applied.model_dump_json()


async def test_an_account_that_is_kept_otherwise_than_the_rules_say_is_no_case_for_a_letter(bare: Destination) -> None:
    young, old = someone(21), someone(19, born="19740401")
    await know(bare, young, old)
    async with bare.at.database.transaction("test") as tx:
        await tx.execute("UPDATE records.persons SET account_kind = 'temporary'")
    cases = await bare.applied(wish(young.person), wish(old.person))
    await bare.desk.propose_admissions(cases, "maker-33")

    result = await bare.desk.approve_admissions(cases, "checker-33")

    assert [(row.result, row.code) for row in result.rows] == [
        ("refused", "ACCOUNT_KIND_DIFFERS"),
        ("done", "TEMP_ACCOUNT_AT_DESTINATION"),
    ]


async def test_a_province_may_want_contributions_now_and_then_a_break_refuses(bare: Destination, tmp_path: Path) -> None:
    strict = with_switch(tmp_path, "BREAK_AT_DESTINATION", "admitted", "refused")
    await know(bare, someone(25, stopped_on=date(2024, 4, 30)), someone(1))
    cases = await bare.applied(wish(someone(25).person), wish(someone(1).person))
    desk = Desk(bare.at.database, replace(bare.at.agency, tables=strict), bare.at.ring)

    proposal = await desk.propose_admissions(cases, "maker-33")

    assert [row.code for row in proposal.rows] == ["NOT_INSURED_AT_DESTINATION", "K4"]


async def test_who_was_refused_before_the_first_payment_is_admitted_after_it(bare: Destination) -> None:
    [refused] = await bare.applied()
    await bare.desk.propose_admissions([refused], "maker-33")
    await bare.desk.approve_admissions([refused], "checker-33")
    await know(bare, known_in("33"))

    [case_id] = await bare.admitted()

    assert (await bare.case(refused)).state is State.REFUSED
    assert (await bare.case(case_id)).state is State.LETTER_SENT


async def test_the_letter_names_the_person_the_payee_account_and_a_number_of_its_own(here: Destination) -> None:
    await know(here, someone(1))
    first, second = await here.admitted(wish(), wish(someone(1).person))

    letters = [await here.letter(case_id) for case_id in (first, second)]

    assert letters[0].person.id_number == ID_NUMBER
    assert letters[0].payee == payee_of("33")
    assert (letters[0].agency_name, letters[0].agency_phone) == ("agency of 33", "0330-12333")
    assert {letter.letter_no[:20] for letter in letters} == {"LXH-330100-20240506-"}
    assert letters[0].letter_no != letters[1].letter_no


async def test_each_letter_leaves_its_digest_on_the_journal(here: Destination) -> None:
    [case_id] = await here.admitted()

    [sent] = await here.at.facts(DocumentSent)
    [row] = await here.at.rows("SELECT payload FROM destination_agency.outbox WHERE topic = 'exchange.44'")
    [told] = await here.at.rows("SELECT encode(sha256($1), 'hex') AS digest", row["payload"])
    assert (sent.case_id, sent.addressee, sent.document_type) == (case_id, "44/origin-agency", "document.contact_letter")
    assert sent.digest == told["digest"]


async def test_a_list_is_decided_row_by_row_and_bad_rows_hold_no_good_row_back(here: Destination) -> None:
    await know(here, someone(1))
    admitted, open_case = (*await here.admitted(), *await here.applied(wish(someone(1).person)))
    unknown = "018f4c1e-0000-7000-8000-00000000ffff"

    proposed = await here.desk.propose_admissions([unknown, admitted, open_case, open_case], "maker-33")
    same = await here.desk.approve_admissions([open_case], "maker-33")
    approved = await here.desk.approve_admissions([unknown, admitted, open_case], "checker-33")

    assert [(row.case_id, row.code) for row in proposed.rows] == [
        (unknown, NO_SUCH_CASE),
        (admitted, NOT_NOW),
        (open_case, "K4"),
    ]
    assert [row.code for row in same.rows] == [SAME_PERSON]
    assert (approved.done, approved.refused) == (1, 2)
    assert len(await here.at.facts(ContactLetterSent)) == 2


async def test_approving_twice_sends_one_letter(here: Destination) -> None:
    [case_id] = await here.admitted()

    again = await here.desk.approve_admissions([case_id], "checker-33")

    assert [row.code for row in again.rows] == [NOT_NOW]
    assert len(await here.at.facts(ContactLetterSent)) == 1


async def test_a_completion_moves_suspense_to_the_account_and_the_pooled_fund(here: Destination) -> None:
    case_id = await here.booking()
    case = await here.case(case_id)
    assert case.form is not None
    items = case.form.items
    before = {account: await here.balance(account) for account in (suspense("44"), POOLED_FUND)}
    own = await here.at.balance_fen(case.person_ref)

    await here.completed(case_id)

    assert before[suspense("44")] == items.total_fen
    assert await here.balance(suspense("44")) == 0
    assert await here.at.balance_fen(case.person_ref) - own == items.account_fen
    assert await here.balance(POOLED_FUND) - before[POOLED_FUND] == items.pool_fen


async def test_after_a_completion_the_joined_record_computes_to_what_the_ledger_holds(here: Destination) -> None:
    case_id = await here.booking()
    await here.completed(case_id)

    record = await here.at.record(ID_NUMBER)
    found = compute(record.segments, transfer_on=date(2024, 6, 3), province="33", tables=tables())

    form = (await here.case(case_id)).form
    assert form is not None
    assert found.months == 27 + 1
    assert found.account_fen == await here.at.balance_fen(record.person_ref)
    assert found.account_fen > form.items.account_fen


async def test_two_cases_of_one_person_from_two_origins_are_completed_in_one_list(here: Destination) -> None:
    henan = with_wage(replace(known_in("44"), province="41"), 450_000)
    henan = replace(
        henan,
        contributions=tuple(
            replace(row, division="410100", start=row.start.replace("202", "201"), end=row.end.replace("202", "201"))
            for row in henan.contributions
        ),
    )
    cases = await here.admitted(wish(), wish(origin_division="410100"))
    for case_id, origin in zip(cases, (known_in("44"), henan), strict=True):
        form = await here.form_comes(case_id, origin)
        await here.money_comes(case_id, form.items.total_fen, payer=origin.province)

    await here.completed(*cases)

    record = await here.at.record(ID_NUMBER)
    found = compute(record.segments, transfer_on=date(2024, 6, 3), province="33", tables=tables())
    assert found.months == 27 + 27 + 1
    assert found.account_fen == await here.at.balance_fen(record.person_ref)


async def test_a_completion_by_one_person_books_nothing(here: Destination) -> None:
    case_id = await here.booking()
    await here.desk.propose_completions([case_id], "zhang")

    result = await here.desk.approve_completions([case_id], "zhang")

    assert [row.code for row in result.rows] == [SAME_PERSON]
    assert await here.at.facts(Completed) == []
    assert len((await here.at.record(ID_NUMBER)).segments) == 1


async def test_completing_twice_books_once(here: Destination) -> None:
    case_id = await here.booking()
    await here.completed(case_id)
    heads = await here.at.heads()

    again = await here.desk.approve_completions([case_id], "checker-33")

    assert [row.code for row in again.rows] == [NOT_NOW]
    assert await here.at.heads() == heads
    assert len((await here.at.record(ID_NUMBER)).segments) == 2


async def test_the_replayed_journal_leaves_nothing_in_suspense_either(here: Destination) -> None:
    case_id = await here.booking()
    await here.completed(case_id)

    live, replayed = await here.at.heads(), await here.at.replayed()

    assert live[suspense("44")].sequence == 2  # received, then moved
    assert replayed.balances()[suspense("44")] == live[suspense("44")]


async def test_a_withdrawal_after_the_letter_asks_the_origin(here: Destination) -> None:
    [case_id] = await here.admitted()

    result = await here.desk.withdraw(case_id, "insured-1")

    [asked] = await here.at.letters(WithdrawalDocument)
    assert result.done == 1
    assert isinstance(asked, Withdrawal)
    assert asked.letter_no == (await here.letter(case_id)).letter_no
    assert (await here.case(case_id)).state is State.WITHDRAWING


async def test_the_clock_of_each_leg_reminds_once_and_breaches_once(here: Destination) -> None:
    [case_id] = await here.admitted()

    nothing = await here.desk.look_at_clocks()
    here.at.move(days=11)
    reminded = [await here.desk.look_at_clocks(), await here.desk.look_at_clocks()]
    here.at.move(days=8)
    breached = [await here.desk.look_at_clocks(), await here.desk.look_at_clocks()]

    assert (nothing, reminded, breached) == (0, [1, 0], [1, 0])
    assert len(await here.at.facts(DeadlineReminded)) == 1
    [breach] = await here.at.facts(DeadlineBreached)
    assert breach.public is not None
    assert (breach.public.overdue, breach.public.holder, breach.holder) == (True, "44", "44")
    letters = [letter for letter in await here.at.letters(ReminderDocument) if isinstance(letter, Reminder)]
    assert [letter.breached for letter in letters] == [False, True]
    assert (await here.case(case_id)).public().overdue


async def test_a_due_date_counted_without_the_years_holidays_is_counted_again_when_they_are_known(here: Destination) -> None:
    known = tables().calendar
    before_the_notice = Calendar(
        known.known_years - {2024},
        frozenset(day for day in known.holidays if day.year != 2024),
        frozenset(day for day in known.make_up_days if day.year != 2024),
    )
    unknowing = replace(here.at.agency, tables=replace(tables(), calendar=before_the_notice))
    [case_id] = await Destination(replace(here.at, agency=unknowing), here.urls).applied()
    guessed = (await here.case(case_id)).public()

    first, second = await here.desk.count_again(), await here.desk.count_again()

    counted = (await here.case(case_id)).public()
    [told] = await here.at.facts(DeadlineRecomputed)
    assert (guessed.due_provisional, counted.due_provisional) == (True, False)
    assert (first, second) == (1, 0)
    assert (told.was_due_on, told.due_on) == (guessed.due_on, counted.due_on)
    assert guessed.due_on != counted.due_on


# Material, and the agency's own error


async def test_the_clock_stands_while_material_is_waited_for_and_the_due_date_moves_by_the_days_it_stood(
    here: Destination,
) -> None:
    [case_id] = await here.applied()
    first = (await here.case(case_id)).due
    here.at.move(days=2)  # Wednesday 2024-05-08

    asked = await here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT", "APPLICATION_DATA"])
    standing = await here.case(case_id)
    here.at.move(days=40)
    silent = await here.desk.look_at_clocks()
    here.at.move(days=1)  # Tuesday 2024-06-18
    incomplete = await here.desk.supply_material(case_id, "insured-1", ["IDENTITY_DOCUMENT"])
    supplied = await here.desk.supply_material(case_id, "insured-1", ["IDENTITY_DOCUMENT", "APPLICATION_DATA"])
    again = await here.desk.ask_for_material([case_id], "maker-33", ["PROXY_AUTHORISATION"])

    case = await here.case(case_id)
    [fact] = await here.at.facts(MaterialSupplied)
    [told] = await here.at.facts(MaterialRequested)
    assert (asked.done, supplied.done, silent) == (1, 1, 0)
    assert (told.items, told.paused_on) == (("IDENTITY_DOCUMENT", "APPLICATION_DATA"), date(2024, 5, 8))
    assert (standing.state, standing.public().due_on) == (State.NEED_MATERIAL, None)
    assert [row.code for row in incomplete.rows] == ["MATERIAL_INCOMPLETE"]
    # It stood from 9 May to 18 June: 29 working days, of which 11 May is one (made up) and 10 June none (Dragon Boat Festival).
    # Two of the fifteen were used; the other thirteen run from 19 June to 5 July.
    assert (fact.paused_days, first.due_on, case.due.due_on) == (29, date(2024, 5, 24), date(2024, 7, 5))
    assert case.public().due_on == fact.due_on == date(2024, 7, 5)
    assert [row.code for row in again.rows] == ["ASKED_ALREADY"]
    assert again.rows[0].legal_basis == "社会保险经办条例 第三十一条"


async def test_an_agency_asks_for_nothing_that_no_law_lets_it_ask_for(here: Destination) -> None:
    [case_id] = await here.applied()

    with pytest.raises(Refused, match="MATERIAL_UNKNOWN"):
        await here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT", "HOUSEHOLD_REGISTER"])

    assert (await here.case(case_id)).state is State.REVIEWING


async def test_a_due_date_with_a_pause_is_counted_again_with_the_pause(here: Destination) -> None:
    [case_id] = await here.applied()
    await here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT"])
    here.at.move(days=7)
    await here.desk.supply_material(case_id, "insured-1", ["IDENTITY_DOCUMENT"])
    due = (await here.case(case_id)).due

    again = here.at.agency.due_again(replace(due, provisional=True, due_on=due.due_on - timedelta(days=3)))

    assert again == due
    assert [(pause.reason, pause.since, pause.until) for pause in due.pauses] == [
        ("MATERIAL_ASKED", date(2024, 5, 6), date(2024, 5, 13))
    ]


async def test_a_case_that_was_opened_in_error_is_cancelled_by_two_persons_before_the_letter(here: Destination) -> None:
    await know(here, someone(1))
    first, lettered = (*await here.applied(), *await here.admitted(wish(someone(1).person)))

    proposed = await here.desk.propose_cancellations([first, lettered], "maker-33", "opened twice")
    alone = await here.desk.approve_cancellations([first], "maker-33")
    approved = await here.desk.approve_cancellations([first], "checker-33")

    [fact] = await here.at.facts(Cancelled)
    assert [row.code for row in proposed.rows] == ["REVIEWING", NOT_NOW]
    assert [row.code for row in alone.rows] == [SAME_PERSON]
    assert (approved.done, fact.case_id, fact.maker, fact.checker) == (1, first, "maker-33", "checker-33")
    assert (await here.case(first)).state is State.CANCELLED


async def test_a_completion_without_a_record_to_join_it_to_is_refused_by_name(here: Destination) -> None:
    case_id = await here.booking()
    await here.desk.propose_completions([case_id], "maker-33")
    await here.at.rows("UPDATE records.persons SET state = 'moved'")

    refused = await here.desk.approve_completions([case_id], "checker-33")

    assert [row.code for row in refused.rows] == ["NO_RECORD"]
    assert await here.at.facts(Completed) == []
