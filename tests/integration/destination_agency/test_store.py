"""Cases in the database: what was saved is what is loaded, and persons' data is under their keys."""

import asyncio
from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from contracts.base import SealedForPerson
from contracts.documents import PersonIdentity
from services.destination_agency import store
from services.destination_agency.case import Case, Proposal, Question, State
from services.destination_agency.joining import brought
from services.records.vault import PersonForgotten
from services.rules.deadlines import Pause
from tests.agencies import tables
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


SEALED = SealedForPerson(nonce="0" * 24, ciphertext="d29yZHM=")


async def test_what_most_cases_have_nothing_of_is_loaded_as_it_was_saved_too(here: Destination) -> None:
    case_id = await here.booking()
    case = await here.case(case_id)
    assert case.form is not None
    questions = (
        Question("q1", "33", "AMOUNTS_DIFFER", date(2024, 5, 6), SEALED, 1, "44", date(2024, 5, 7), True, SEALED),
        Question("q2", "44", "other", date(2024, 5, 6), SEALED),
    )
    much = replace(
        case,
        asked=("IDENTITY_DOCUMENT",),
        supplied=True,
        letter_version=3,
        proposal=Proposal("duplicates", "insured-1", "why", "410100", "q1", True, "own"),
        there=PersonIdentity(id_number="41", name="陈志源"),
        proposed_there=PersonIdentity(id_number="42", name="陈志元"),
        form=case.form.model_copy(update={"form_version": 2}),
        booked=case.form,
        questions=questions,
        stands=brought(case.form, tables()),
        former=("41",),
        escalate_on=date(2024, 6, 7),
        reminded=True,
        breached=True,
        reminded_on=date(2024, 5, 8),
        before_recall=State.DUPLICATE_CLEARING,
        recall_code="WRONG_PERSON",
        returning_fen=700,
        gathering="018f4c1e-cccc-7000-8000-00000000000c",
        died_on=date(2024, 5, 1),
        due=replace(case.due, target_on=date(2024, 5, 9), pauses=(Pause("MATERIAL_ASKED", date(2024, 5, 6), date(2024, 5, 8)),)),
    )

    assert await saved(here, much) == much
    assert await saved(here, replace(much, escalate_on=None, escalated=True)) == replace(much, escalate_on=None, escalated=True)
    assert await saved(here, replace(much, origin="41", open_key=b"x" * 32)) == replace(much, origin="41", open_key=b"x" * 32)
    assert await here.at.places_of("陈志源", "陈志元") == {}


async def test_a_clock_that_stands_keeps_its_dates_and_is_never_due(here: Destination) -> None:
    [case_id] = await here.applied()
    standing = replace(await here.case(case_id), paused_on=date(2024, 5, 6), state=State.NEED_MATERIAL)

    assert await saved(here, standing) == standing
    async with here.at.database.transaction("test") as tx:
        assert await store.due(tx, date(2030, 1, 1), 9) == []
    [row] = await here.at.rows("SELECT due_on, remind_on FROM destination_agency.cases")
    assert (row["due_on"], row["remind_on"]) == (store.NEVER, store.NEVER)


async def test_after_a_breach_the_case_is_due_again_on_the_day_of_the_escalation(here: Destination) -> None:
    [case_id] = await here.admitted()
    late = replace(await here.case(case_id), reminded=True, breached=True, escalate_on=date(2024, 6, 7))
    await saved(here, late)

    async def due(on: date) -> list[str]:
        async with here.at.database.transaction("test") as tx:
            return await store.due(tx, on, 9)

    assert (await due(date(2024, 6, 6)), await due(date(2024, 6, 7))) == ([], [case_id])


async def test_a_completed_case_that_is_looked_at_again_hinders_no_new_transfer(here: Destination) -> None:
    case_id = await here.booking()
    await here.completed(case_id)
    await here.form_comes(case_id, version=2)
    held = await here.case(case_id)

    [taken] = await here.take(wish())

    assert (held.state, taken.result) == (State.CORRECTION_HELD, "accepted")
    assert held.open_key == (await here.case(taken.case_id or "")).open_key


async def test_a_completed_case_of_an_older_version_has_its_form_in_the_books(here: Destination) -> None:
    case_id = await here.booking()
    await here.completed(case_id)
    await here.at.rows("UPDATE destination_agency.cases SET body = (body::jsonb - 'booked')::text")

    case = await here.case(case_id)

    assert case.booked == case.form
    assert case.letter_version == 1


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
