"""Where the province approves automatically: what has no doubt is decided at once by rule; whatever has one waits."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.documents import CompletionDocument, ContactLetterDocument, InformationFormDocument
from contracts.events import Accepted, Applied, CaseFact, Completed, ContactLetterSent, DiscrepancyRaised
from contracts.statuses import Status
from services.destination_agency import store
from services.destination_agency.automatic import admit
from services.destination_agency.case import State
from services.ledger.chart import individual, suspense
from services.messaging.received import Received
from services.records.approvals import Approvals
from services.rules.loader import load_tables
from services.runtime.database import COUNTS
from services.runtime.identity import is_person
from services.world.plan import ProvinceRecord
from tests.agencies import a_letter, known_in
from tests.integration.destination_agency.conftest import (
    EMPLOYER,
    ID_NUMBER,
    Destination,
    earlier,
    form_for,
    know,
    someone,
    temporary,
    the_books_agree,
    wish,
    with_wage,
    without_payment,
)

POLICY = "policy:automatic-approvals"
VERSION = load_tables().version


def automatic(here: Destination, limit_fen: int | None = None) -> Destination:
    """The same agency, of a province that approves automatically."""
    approvals = Approvals("automatic", limit_fen)
    return Destination(replace(here.at, agency=replace(here.at.agency, approvals=approvals)), here.urls, here.bank)


def crowd(count: int, province: str = "33") -> list[ProvinceRecord]:
    """So many people, as a province knows them; the same in every province."""
    return [someone(2 * at + 1, province) for at in range(count)]


async def forms_of(there: Destination, cases: dict[str, ProvinceRecord]) -> list[Received]:
    """The forms that the origin makes for these cases."""
    return [
        there.arriving(InformationFormDocument, form_for(await there.letter(case_id), origin), case_id)
        for case_id, origin in cases.items()
    ]


async def test_what_the_rules_accept_is_accepted_with_its_intake_and_its_letter_leaves(here: Destination) -> None:
    auto = automatic(here)

    [case_id] = await auto.applied()

    case = await auto.case(case_id)
    [accepted] = await auto.at.facts(Accepted)
    [sent] = await auto.at.facts(ContactLetterSent)
    letter = await auto.letter(case_id)
    assert (case.state, case.status, case.maker) == (State.LETTER_SENT, Status.LETTER_SENT, None)
    assert (accepted.maker, accepted.checker) == (f"rule:{accepted.rule}@{VERSION}", POLICY)
    assert not is_person(accepted.maker)
    assert sent.letter_no == letter.letter_no == case.letter_no == f"LXH-330100-20240506-{case.serial:06d}"
    assert case.serial > 0
    assert [type(message.data).__name__ for message in await auto.at.told()][:3] == ["Applied", "Accepted", "ContactLetterSent"]


K2_ALONE = someone(17, born="19700315")

DOUBTS: list[tuple[ProvinceRecord | None, dict[str, Any], str]] = [
    (someone(13), {"name": "另一人"}, "IDENTITY_MISMATCH"),
    (None, {}, "NOT_INSURED_AT_DESTINATION"),
    (without_payment(someone(7)), {}, "NOT_INSURED_AT_DESTINATION"),
    (someone(3, drawing_since=date(2024, 5, 1), stopped_on=date(2024, 4, 30)), {}, "ALREADY_DRAWING"),
    (someone(5), {"origin_division": "330200"}, "SAME_PROVINCE"),
    (someone(9, scheme="120"), {}, "WRONG_SCHEME"),
    (temporary(someone(19, born="19740401")), {}, "TEMP_ACCOUNT_AT_DESTINATION"),
    (K2_ALONE, {"approved_transfer": True}, "K2"),
]


@pytest.mark.parametrize(
    ("person", "said", "answer"),
    DOUBTS,
    ids=["name", "stranger", "paid nothing", "drawing", "same province", "scheme", "temporary", "approved transfer"],
)
async def test_what_the_rules_refuse_or_doubt_waits_for_two_persons(
    bare: Destination, person: ProvinceRecord | None, said: dict[str, Any], answer: str
) -> None:
    auto = automatic(bare)
    if person is not None:
        await know(bare, person)

    [case_id] = await auto.applied(wish(person.person if person else None, **said))

    waiting = await auto.case(case_id)
    assert (waiting.state, waiting.maker, waiting.decision) == (State.REVIEWING, None, None)
    assert [*await auto.at.facts(Accepted), *await auto.at.facts(ContactLetterDocument)] == []
    [row] = (await auto.desk.propose_admissions([case_id], "maker-33")).rows
    assert (row.result, row.code) == ("done", answer)
    assert (await auto.desk.approve_admissions([case_id], "checker-33")).done == 1


async def test_a_claimed_approval_is_no_doubt_where_the_rules_accept_without_it(bare: Destination) -> None:
    auto = automatic(bare)
    await know(bare, someone(21))

    [case_id] = await auto.applied(wish(someone(21).person, approved_transfer=True))

    assert (await auto.case(case_id)).state is State.LETTER_SENT
    assert [fact.rule for fact in await auto.at.facts(Accepted)] == ["K4"]


@pytest.mark.parametrize(
    "wrong", [{"first_insured_on": date(1980, 1, 1)}, {"scheme": "999"}], ids=["insured before the birth", "no such scheme"]
)
async def test_a_record_that_cannot_be_is_a_doubt_and_no_error(here: Destination, wrong: dict[str, Any]) -> None:
    auto = automatic(here)
    [case_id] = await here.applied()
    case, record = await here.case(case_id), await here.at.record(ID_NUMBER)

    assert admit(auto.at.agency, case, record) is not None
    assert admit(auto.at.agency, case, replace(record, **wrong)) is None


async def test_a_province_that_says_nothing_decides_nothing_by_itself(here: Destination) -> None:
    case_id = await here.booking()

    assert (await here.case(case_id)).state is State.BOOKING
    assert [fact.maker for fact in await here.at.facts(Accepted)] == ["maker-33"]


async def test_a_mixed_list_takes_some_statements_however_long_it_is_and_every_letter_has_its_own_number(
    bare: Destination,
) -> None:
    auto = automatic(bare)
    people = crowd(220)
    await know(bare, *people)
    spent = []

    for some in (people[:20], people[20:]):
        before = COUNTS.statements, COUNTS.commits
        # Every tenth says another name.
        wishes = [wish(each.person, **({"name": "另一人"} if at % 10 == 9 else {})) for at, each in enumerate(some)]
        taken = await auto.take(*wishes, by=EMPLOYER)
        spent.append((COUNTS.statements - before[0], COUNTS.commits - before[1]))
        assert {each.result for each in taken} == {"accepted"}

    states = [row["state"] for row in await auto.at.rows("SELECT state FROM destination_agency.cases")]
    numbers = [fact.letter_no for fact in await auto.at.facts(ContactLetterSent)]
    assert (states.count("LETTER_SENT"), states.count("REVIEWING")) == (198, 22)
    assert len(set(numbers)) == 198
    assert len(await auto.at.facts(Applied)) == 220
    assert spent[0] == spent[1]
    assert spent[1][0] <= 8


@pytest.mark.parametrize("form_first", [True, False], ids=["form first", "money first"])
async def test_when_form_and_money_agree_the_second_of_both_completes_the_case(here: Destination, form_first: bool) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    form = form_for(await auto.letter(case_id), known_in("44"))
    total_fen = form.items.total_fen

    async def form_comes() -> None:
        await auto.hear(auto.arriving(InformationFormDocument, form, case_id))

    async def money_comes() -> None:
        await auto.money_comes(case_id, total_fen)

    first, second = (form_comes, money_comes) if form_first else (money_comes, form_comes)
    await first()
    between = (await auto.case(case_id)).state
    await second()

    case = await auto.case(case_id)
    [completed] = await auto.at.facts(Completed)
    assert between is (State.FORM_HELD if form_first else State.MONEY_HELD)
    assert (case.state, case.status) == (State.COMPLETED, Status.COMPLETED)
    assert (completed.maker, completed.checker) == (f"rule:form-and-money-agree@{VERSION}", POLICY)
    assert len(await auto.at.facts(CompletionDocument)) == 1
    assert await auto.balance(suspense("44")) == 0
    assert await auto.balance(individual(case.person_ref)) >= form.items.account_fen
    assert len((await auto.at.record(known_in("33").person.id_number)).segments) == 2
    await the_books_agree(auto)


async def test_the_person_is_told_once_that_it_is_complete_and_not_that_it_waited_to_be_booked(here: Destination) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    form = await auto.form_comes(case_id)

    await auto.money_comes(case_id, form.items.total_fen)

    facts = [message.data for message in await auto.at.told()]
    shown = [fact.public.status for fact in facts if isinstance(fact, CaseFact) and fact.public is not None]
    assert shown == [Status.SUBMITTED, Status.LETTER_SENT, Status.FUND_IN_TRANSIT, Status.COMPLETED]


@pytest.mark.parametrize("above", [False, True], ids=["at the limit", "above the limit"])
async def test_above_the_limit_two_persons_complete(here: Destination, above: bool) -> None:
    total_fen = form_for(a_letter(), known_in("44")).items.total_fen
    auto = automatic(here, limit_fen=total_fen - above)
    [case_id] = await auto.applied()
    form = await auto.form_comes(case_id)

    await auto.money_comes(case_id, form.items.total_fen)

    case = await auto.case(case_id)
    assert case.state is (State.BOOKING if above else State.COMPLETED)
    if above:
        await auto.completed(case_id)
    [completed] = await auto.at.facts(Completed)
    assert completed.checker == ("checker-33" if above else f"{POLICY}?limit_fen={total_fen}")


async def test_money_that_came_in_two_parts_was_in_doubt_and_waits_for_two_persons(here: Destination) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    form = await auto.form_comes(case_id)

    await auto.money_comes(case_id, form.items.total_fen - 100)
    short = (await auto.case(case_id)).state
    await auto.money_comes(case_id, 100)

    assert short is State.DISCREPANCY
    assert (await auto.case(case_id)).state is State.BOOKING
    assert await auto.at.facts(Completed) == []


async def test_two_parts_that_one_statement_shows_were_in_doubt_too(here: Destination) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    form = await auto.form_comes(case_id)

    auto.bank.book(case_id, 100)
    await auto.money_comes(case_id, form.items.total_fen - 100)

    assert (await auto.case(case_id)).state is State.BOOKING
    assert await auto.at.facts(Completed) == []


async def test_money_that_came_twice_is_completed_by_persons(here: Destination) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    form = await auto.form_comes(case_id)

    auto.bank.book(case_id, form.items.total_fen)
    await auto.money_comes(case_id, form.items.total_fen)

    case = await auto.case(case_id)
    assert (case.state, case.surplus_fen) == (State.BOOKING, form.items.total_fen)
    assert [fact.kind for fact in await auto.at.facts(DiscrepancyRaised)] == ["OVERPAID"]
    await auto.completed(case_id)
    await the_books_agree(auto)


async def test_a_form_about_somebody_of_another_name_is_completed_by_persons(here: Destination) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    letter = await auto.letter(case_id)
    other = letter.person.model_copy(update={"name": "另一人"})
    form = form_for(letter, known_in("44"), person=other)

    await auto.hear(auto.arriving(InformationFormDocument, form, case_id))
    await auto.money_comes(case_id, form.items.total_fen)

    assert (await auto.case(case_id)).state is State.BOOKING
    assert await auto.at.facts(Completed) == []


async def test_what_waits_for_persons_when_the_setting_changes_goes_on_waiting_for_them(here: Destination) -> None:
    case_id = await here.booking()
    auto = automatic(here)

    form = (await auto.case(case_id)).form
    assert form is not None
    await auto.hear(auto.arriving(InformationFormDocument, form.model_copy(update={"form_version": 2}), case_id, version=2))

    assert (await auto.case(case_id)).state is State.BOOKING
    await auto.completed(case_id)


async def test_two_hundred_forms_after_their_money_cost_as_many_statements_as_ten(bare: Destination) -> None:
    auto = automatic(bare)
    here, there = crowd(210), crowd(210, "44")
    await know(bare, *here)
    taken = await auto.applied(*(wish(each.person) for each in here))
    origins = dict(zip(taken, there, strict=True))
    forms = dict(zip(taken, await forms_of(auto, origins), strict=True))
    for case_id, origin in origins.items():
        auto.bank.book(case_id, form_for(await auto.letter(case_id), origin).items.total_fen)
    await auto.funds.collect()
    spent = []

    for some in (taken[:10], taken[10:]):
        before = COUNTS.statements, COUNTS.commits
        await auto.hear(*(forms[case_id] for case_id in some))
        spent.append((COUNTS.statements - before[0], COUNTS.commits - before[1]))

    assert len(await auto.at.facts(Completed)) == 210
    assert spent[0] == spent[1]
    assert spent[1][0] <= 9
    await the_books_agree(auto)


async def test_two_relationships_of_one_person_that_meet_at_once_both_join_the_record(here: Destination) -> None:
    auto = automatic(here)
    from_44, from_41 = await auto.applied(wish(), wish(origin_division="410100"))
    like_44 = known_in("44")
    like_41 = earlier(with_wage(replace(like_44, province="41"), 700_000))
    await auto.form_comes(from_44, like_44)
    await auto.form_comes(from_41, like_41)
    for case_id, payer in ((from_44, "44"), (from_41, "41")):
        form = (await auto.case(case_id)).form
        assert form is not None
        auto.bank.book(case_id, form.items.total_fen, payer=payer)

    await auto.funds.collect()

    assert {(await auto.case(each)).state for each in (from_44, from_41)} == {State.COMPLETED}
    assert len((await auto.at.record(like_44.person.id_number)).segments) == 3
    await the_books_agree(auto)


async def test_two_replicas_that_bring_form_and_money_at_once_complete_once(here: Destination) -> None:
    auto, other = automatic(here), automatic(here)
    [case_id] = await auto.applied()
    form = form_for(await auto.letter(case_id), known_in("44"))
    arriving = auto.arriving(InformationFormDocument, form, case_id)
    auto.bank.book(case_id, form.items.total_fen)

    await asyncio.gather(auto.hear(arriving), other.hear(arriving), auto.funds.collect(), other.funds.collect())

    assert (await auto.case(case_id)).state is State.COMPLETED
    assert len(await auto.at.facts(Completed)) == len(await auto.at.facts(CompletionDocument)) == 1
    await the_books_agree(auto)


async def test_a_crash_in_the_middle_of_the_completion_leaves_nothing_and_the_next_look_does_it(
    here: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = automatic(here)
    [case_id] = await auto.applied()
    form = await auto.form_comes(case_id)

    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("the process died here")

    with monkeypatch.context() as dying:
        dying.setattr(store, "save", crash)
        with pytest.raises(RuntimeError, match="died here"):
            await auto.money_comes(case_id, form.items.total_fen)
    in_between = (await auto.case(case_id)).state, len(await auto.at.facts(Completed))
    await auto.funds.collect()

    assert in_between == (State.FORM_HELD, 0)
    assert (await auto.case(case_id)).state is State.COMPLETED
    await the_books_agree(auto)


async def test_an_application_that_is_refused_at_the_window_takes_no_number_and_sends_no_letter(here: Destination) -> None:
    auto = automatic(here)

    [taken] = await auto.take(wish(destination_division="440100"))

    assert taken.result == "refused"
    assert await auto.at.told() == []
