"""The origin's cases in the database: as they were, in the order of urgency, and sealed."""

import json
from dataclasses import fields, replace
from datetime import date, timedelta

import pytest

from contracts.base import Items, SealedForPerson
from contracts.documents import NotMovable
from contracts.envelope import new_id
from services.origin_agency import store
from services.origin_agency.case import Case, GivenPaper, Interim, Proposal, Question, State, Wish
from services.records.decisions import Due
from services.records.vault import PersonForgotten
from tests.agencies import a_letter, known_in
from tests.builders import a
from tests.integration.origin_agency.conftest import Origin

MONDAY = date(2024, 5, 6)
ITEMS = Items(before_1998_fen=0, until_last_year_fen=2, this_year_fen=1, account_fen=3, pool_fen=7, total_fen=10)


async def a_case(origin: Origin, **fields: object) -> Case:
    """A new case whose person has a key."""
    person = new_id()
    await origin.at.vault.make([person])
    case = Case(
        case_id=new_id(),
        destination="33",
        letter=a_letter(),
        state=State.LETTER_HELD,
        received_on=MONDAY,
        due=Due(MONDAY + timedelta(days=18), MONDAY + timedelta(days=11)),
        person_ref=person,
    )
    return replace(case, **fields)  # type: ignore[arg-type]


async def saved(origin: Origin, *cases: Case) -> None:
    async with origin.at.database.transaction("test") as tx:
        await store.save(tx, origin.at.vault, cases)


async def test_a_case_is_somebodys_whether_the_province_knows_the_person_or_not(origin: Origin) -> None:
    known, unknown = await a_case(origin), await a_case(origin, person_ref=None)
    await origin.at.vault.make([unknown.case_id])
    await saved(origin, known, unknown)

    async with origin.at.database.transaction("test") as tx:
        found = [await store.whose_case(tx, case_id) for case_id in (known.case_id, unknown.case_id, new_id())]

    assert found == [known.person_ref, unknown.case_id, None]


async def test_a_case_comes_back_as_it_went_in(origin: Origin) -> None:
    case = await a_case(
        origin,
        state=State.REMITTED,
        proposal=Proposal("maker-1", "return", "STILL_CONTRIBUTING", "note"),
        form_version=2,
        items=ITEMS,
        remittance_id="R1",
        remitted_fen=10,
        closed=True,
        reminded=True,
        breached=True,
    )

    await saved(origin, case)

    assert await origin.case(case.case_id) == case
    async with origin.at.database.transaction("test") as tx:
        assert await store.load(tx, origin.at.vault, [case.case_id, new_id()]) == {case.case_id: case}


async def test_whoever_becomes_known_later_is_kept_with_the_letter_under_the_own_key(origin: Origin) -> None:
    case = await a_case(origin, person_ref=None)
    await origin.at.vault.make([case.case_id])
    await saved(origin, case)
    person = new_id()
    await origin.at.vault.make([person])

    known = replace(case, person_ref=person)
    await saved(origin, known)
    await origin.at.forget(case.case_id)

    assert await origin.case(case.case_id) == known


async def test_a_letter_is_readable_to_nobody_without_the_persons_key(origin: Origin) -> None:
    case = await a_case(origin)
    await saved(origin, case)
    he = known_in("44").person

    in_clear = await origin.at.places_of(he.name, he.id_number)
    await origin.at.forget(case.known_as)

    assert in_clear == {}
    with pytest.raises(PersonForgotten):
        await origin.case(case.case_id)


async def test_the_most_urgent_case_comes_first(origin: Origin) -> None:
    cases = [await a_case(origin, due=Due(MONDAY + timedelta(days=days), MONDAY)) for days in (9, 3, 6)]
    await saved(origin, *cases, await a_case(origin, state=State.SETTLED))

    async with origin.at.database.transaction("test") as tx:
        found = await tx.fetch(store.SQL["list_cases"], [str(State.LETTER_HELD)], False, 2, False, False)

    assert [row["case_id"] for row in found] == [cases[1].case_id, cases[2].case_id]


async def test_only_cases_whose_clock_has_something_to_say_are_looked_at(origin: Origin) -> None:
    due = Due(MONDAY + timedelta(days=18), MONDAY + timedelta(days=11))
    quiet = await a_case(origin, due=Due(due.due_on + timedelta(days=30), due.remind_on + timedelta(days=30)))
    reminded = await a_case(origin, due=due, reminded=True)
    waiting = await a_case(origin, due=due)
    ended = await a_case(origin, due=due, state=State.RETURNED)
    breached = await a_case(origin, due=due, reminded=True, breached=True)
    await saved(origin, quiet, reminded, waiting, ended, breached)

    async with origin.at.database.transaction("test") as tx:
        on_reminder = await store.due(tx, due.remind_on, 10)
        on_the_last_day = await store.due(tx, due.due_on, 10)
        after = await store.due(tx, due.due_on + timedelta(days=1), 10)

    assert on_reminder == on_the_last_day == [waiting.case_id]
    assert after == sorted([reminded.case_id, waiting.case_id])


async def test_nothing_to_save_and_nothing_to_load_is_nothing(origin: Origin) -> None:
    await saved(origin)

    async with origin.at.database.transaction("test") as tx:
        assert await store.load(tx, origin.at.vault, []) == {}
        assert await store.look(tx, origin.at.vault, new_id()) is None


async def test_everything_that_a_case_can_remember_comes_back(origin: Origin) -> None:
    sealed = a(SealedForPerson)
    plain = await a_case(origin)
    full = replace(
        plain,
        due=replace(plain.due, limit="LETTER_TO_FORM", started_on=MONDAY, target_on=MONDAY + timedelta(days=9)),
        state=State.PAYMENT_RETURNED,
        proposal=Proposal(
            *("maker-1", "return", "NO_RELATIONSHIP", "note", 10, "445200"),
            papers=(GivenPaper("COURT_DOCUMENT", "2018-03-01", "court", "2013-01", "2013-12"),),
        ),
        wish=Wish(
            *("recall", "maker-2", "it was wrong", "RECALL_WRONG_PERSON"),
            papers=(GivenPaper("COURT_DOCUMENT", "2018-03-01", "court"),),
        ),
        form_version=2,
        items=ITEMS,
        transfer_on=MONDAY,
        remittance_id="R1",
        remitted_fen=4,
        ordered_fen=6,
        paid_version=3,
        account_wanted=True,
        sent_back=True,
        booked_there=2,
        form_digest="d" * 64,
        not_movable=NotMovable(months=60, account_fen=5, pool_fen=6, reasons=("BACK_PAYMENT_PAPERS_MISSING",)),
        notice_until=MONDAY + timedelta(days=11),
        notice_late=True,
        told_stays=NotMovable(months=48, account_fen=4, pool_fen=5, reasons=("BACK_PAYMENT_PAPERS_MISSING",)),
        closed=True,
        reminded=True,
        breached=True,
        escalate_on=MONDAY + timedelta(days=30),
        escalated=True,
        arrears_until=MONDAY + timedelta(days=5),
        died_on=MONDAY,
        recall_reason="it was wrong",
        interim=(Interim(2025, "0.0262", 700),),
        questions=(
            Question("q1", True, "other", plain.known_as, sealed, MONDAY),
            Question("q2", False, "other", plain.known_as, sealed, MONDAY, sealed, True, MONDAY, plain.known_as),
        ),
    )
    await saved(origin, full)

    assert await origin.case(full.case_id) == full
    same = {each.name for each in fields(Case) if getattr(full, each.name) == getattr(plain, each.name)}
    assert same == {"case_id", "destination", "letter", "received_on", "person_ref"}  # nothing is left at its default


async def test_a_case_that_an_earlier_release_wrote_is_read(origin: Origin) -> None:
    ordered = await a_case(origin, state=State.REMITTANCE_ORDERED, items=ITEMS, form_version=1, remittance_id="R1")
    paid = await a_case(origin, state=State.REMITTED, items=ITEMS, form_version=1, remittance_id="R1", remitted_fen=10)
    await saved(origin, ordered, paid)
    known_then = ("proposal", "form_version", "items", "remitted_fen", "closed", "provisional", "limit", "started_on")
    for row in await origin.at.rows("SELECT case_id, body FROM origin_agency.cases"):
        body = {name: value for name, value in json.loads(row["body"]).items() if name in known_then}
        body["proposal"] = {"maker": "maker-1", "outcome": "form", "code": "", "note": ""}
        await origin.at.rows("UPDATE origin_agency.cases SET body = $2 WHERE case_id = $1", row["case_id"], json.dumps(body))

    found = [await origin.case(case.case_id) for case in (ordered, paid)]

    assert [(case.ordered_fen, case.paying, case.transfer_on) for case in found] == [(10, True, None), (0, False, None)]
    assert found[0].proposal == Proposal("maker-1", "form")
