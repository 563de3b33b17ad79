"""Cases in the database: what was saved is what is loaded, and persons' data is under their keys."""

import asyncio
from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from services.destination_agency import store
from services.destination_agency.case import Case, State
from services.records.vault import PersonForgotten
from tests.integration.destination_agency.conftest import ID_NUMBER, Destination, know, someone, wish


async def saved(here: Destination, case: Case) -> Case:
    async with here.at.database.transaction("test") as tx:
        await store.save(tx, here.at.vault, [case])
    return await here.case(case.case_id)


async def loaded(here: Destination, *case_ids: str) -> dict[str, Case]:
    async with here.at.database.transaction("test") as tx:
        return await store.load(tx, here.at.vault, "33", case_ids)


async def test_a_case_is_loaded_as_it_was_saved_at_every_step(here: Destination) -> None:
    case_id = await here.booking()
    await here.money_comes(case_id, 700)
    case = replace(
        await here.case(case_id), maker="m", surplus_maker="f", reminded=True, breached=True, code="X", discrepancy="Y"
    )

    assert await saved(here, case) == case
    assert case.form is not None
    assert case.decision is not None


async def test_unknown_cases_are_not_in_the_answer(here: Destination) -> None:
    [case_id] = await here.applied()

    assert list(await loaded(here, case_id, "nobody")) == [case_id]
    assert await loaded(here) == {}


async def test_a_loaded_case_is_locked_until_the_transaction_ends(here: Destination) -> None:
    [case_id] = await here.applied()

    async with here.at.database.transaction("test") as tx:
        await store.load(tx, here.at.vault, "33", [case_id])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await loaded(here, case_id)

    assert list(await loaded(here, case_id)) == [case_id]


async def test_a_case_of_a_forgotten_person_cannot_be_read_any_more(here: Destination) -> None:
    [case_id] = await here.applied()
    await here.at.forget((await here.case(case_id)).person_ref)

    with pytest.raises(PersonForgotten):
        await here.case(case_id)


async def test_one_relationship_has_one_open_case_whatever_the_code_does(here: Destination) -> None:
    [case_id] = await here.applied()
    twin = replace(await here.case(case_id), case_id="018f4c1e-0000-7000-8000-00000000ffff")

    with pytest.raises(asyncpg.UniqueViolationError, match="cases_open"):
        await saved(here, twin)
    ended = await saved(here, replace(twin, state=State.REFUSED))

    assert ended.state is State.REFUSED


async def test_due_cases_are_those_whose_clock_has_something_to_say(here: Destination) -> None:
    await know(here, someone(1))
    first, second = await here.applied(wish(), wish(someone(1).person))
    case = await here.case(second)
    await saved(here, replace(case, reminded=True))

    async def due(on: date, limit: int = 9) -> list[str]:
        async with here.at.database.transaction("test") as tx:
            return await store.due(tx, on, limit)

    assert await due(case.due.remind_on - (case.due.due_on - case.due.remind_on)) == []
    assert await due(case.due.remind_on) == [first]
    assert await due(date(2024, 7, 1)) == sorted([first, second])
    assert len(await due(date(2024, 7, 1), 1)) == 1


async def test_open_cases_are_found_by_the_keyed_hash_alone(here: Destination) -> None:
    [case_id] = await here.applied()
    key = here.at.vault.id_hash(f"{ID_NUMBER}|44")

    async with here.at.database.transaction("test") as tx:
        found = await store.open_cases(tx, [key, here.at.vault.id_hash(f"{ID_NUMBER}|41")])

    assert {key: case for key, (case, _) in found.items()} == {key: case_id}


async def test_serial_numbers_drawn_before_a_case_is_saved_are_its_own_and_nobody_elses(here: Destination) -> None:
    [case_id] = await here.applied()
    given = await here.case(case_id)
    async with here.at.database.transaction("test") as tx:
        drawn = await store.serials(tx, 3)

    twin = replace(given, case_id="018f4c1e-0000-7000-8000-00000000ffff", state=State.REFUSED, serial=drawn[1])
    await know(here, someone(1))
    [later] = await here.applied(wish(someone(1).person))

    assert (await saved(here, twin)).serial == drawn[1]
    assert (await saved(here, replace(given, serial=drawn[2]))).serial == given.serial  # a number is for good
    assert len({given.serial, *drawn, (await here.case(later)).serial}) == 5
