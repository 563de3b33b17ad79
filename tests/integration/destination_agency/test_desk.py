"""The clerks' desk: the rules decide from the province's own records, two persons act, lists go row by row."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.documents import Reminder, ReminderDocument, Withdrawal, WithdrawalDocument
from contracts.events import (
    Accepted,
    Completed,
    ContactLetterSent,
    DeadlineBreached,
    DeadlineRecomputed,
    DeadlineReminded,
    DocumentSent,
    Refused,
)
from services.destination_agency.case import State
from services.ledger.chart import POOLED_FUND, suspense
from services.records.commands import NO_SUCH_CASE, NOT_NOW, SAME_PERSON
from services.rules.amounts import compute
from services.rules.deadlines import Calendar
from services.world.plan import ProvinceRecord
from tests.agencies import known_in, payee_of, tables
from tests.integration.destination_agency.conftest import (
    ID_NUMBER,
    Destination,
    know,
    someone,
    wish,
    with_wage,
    without_payment,
)


def moved_here(on: str, **person: Any) -> dict[str, Any]:
    """Somebody whose relationship here began on a day."""
    return {"first_insured_on": date.fromisoformat(on), **person}


def paid_from(record: ProvinceRecord, month: str) -> ProvinceRecord:
    """The same person, whose one month here is another."""
    return replace(record, contributions=tuple(replace(row, start=month, end=month) for row in record.contributions))


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
    (someone(19, born="19740401"), {}, "K3", "TEMP_ACCOUNT_AT_DESTINATION"),
    (someone(21, born="19740402"), {}, "K4", None),
    (someone(22, born="19840401", sex="female"), {}, "K3", "TEMP_ACCOUNT_AT_DESTINATION"),
    (someone(24, born="19840402", sex="female"), {}, "K4", None),
    (paid_from(someone(23, born="19650101", **moved_here("2008-05-01")), "2008-05"), {}, "K4", None),
]


@pytest.mark.parametrize(("person", "said", "rule", "code"), RULES)
async def test_the_rules_decide_from_the_records_of_the_province(
    bare: Destination, person: ProvinceRecord | None, said: dict[str, Any], rule: str, code: str | None
) -> None:
    if person is not None:
        await know(bare, person)
    [case_id] = await bare.applied(wish(person.person if person else None, **said))

    proposal = await bare.desk.propose_admissions([case_id], "maker-33")
    await bare.desk.approve_admissions([case_id], "checker-33")

    assert proposal.rows[0].code == (code or rule)
    if code is None:
        [accepted] = await bare.at.facts(Accepted)
        assert (accepted.rule, accepted.maker, accepted.checker) == (rule, "maker-33", "checker-33")
        assert (await bare.case(case_id)).state is State.LETTER_SENT
    else:
        [refused] = await bare.at.facts(Refused)
        text = tables().refusal(code)
        assert (refused.rule, refused.code, refused.legal_basis) == (rule, code, text.legal_basis)
        assert refused.legal_basis
        assert all((text.reason_zh, text.reason_en, text.remedy_zh, text.remedy_en))
        assert (await bare.case(case_id)).state is State.REFUSED


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
