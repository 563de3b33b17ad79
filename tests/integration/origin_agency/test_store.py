"""The origin's cases in the database: as they were, in the order of urgency, and sealed."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from contracts.base import Items
from contracts.envelope import new_id
from services.origin_agency import store
from services.origin_agency.case import Case, Proposal, State
from services.records.decisions import Due
from services.records.vault import PersonForgotten
from tests.agencies import a_letter, known_in
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
        found = await tx.fetch(store.SQL["list_cases"], [str(State.LETTER_HELD)], False, 2)

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
