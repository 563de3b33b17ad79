"""A relationship that comes back: the rows of its own case, once, with the interest of the years between."""

from dataclasses import replace

from contracts.events import InterestCredited
from services.origin_agency.case import State
from services.origin_agency.reopening import reopen
from services.records import store as records
from tests.agencies import known_in
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")


async def test_only_a_case_that_was_recalled_in_this_transaction_gives_its_rows_back(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)
    settled = await origin.case(case_id)
    recalled = replace(settled, state=State.RECALLED)

    async with origin.at.database.transaction("test") as tx:
        nothing = [
            await reopen(tx, origin.at.agency, {case_id: settled}, {case_id: settled}),
            await reopen(tx, origin.at.agency, {case_id: recalled}, {case_id: recalled}),
            await reopen(tx, origin.at.agency, {}, {}),
        ]
    moved = await origin.at.record(HE.person.id_number)
    async with origin.at.database.transaction("test") as tx:
        told = await reopen(tx, origin.at.agency, {case_id: settled}, {case_id: recalled})

    assert nothing == [[], [], []]
    assert (moved.state, told) == ("moved", [])
    back = await origin.at.record(HE.person.id_number)
    assert (back.state, back.segments, back.left) == ("stopped", moved.left, ())


async def test_rows_that_left_with_another_case_are_left_alone(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)
    settled = await origin.case(case_id)
    async with origin.at.database.transaction("test") as tx:
        record = await origin.at.record(HE.person.id_number)
        await records.change(tx, origin.at.vault, [replace(record, left_with="another case")])

    async with origin.at.database.transaction("test") as tx:
        told = await reopen(tx, origin.at.agency, {case_id: settled}, {case_id: replace(settled, state=State.RECALLED)})

    assert told == []
    assert (await origin.at.record(HE.person.id_number)).state == "moved"


async def test_where_a_relationship_goes_on_here_interest_is_made_up_as_far_as_it_has_had_it(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.settled(HE)
    settled = await origin.case(case_id)
    origin.at.clock.move(origin.at.clock.now().replace(year=2026))
    async with origin.at.database.transaction("test") as tx:
        record = await origin.at.record(HE.person.id_number)
        await records.change(tx, origin.at.vault, [replace(record, state="active", stopped_on=None, interest_through=2024)])

    async with origin.at.database.transaction("test") as tx:
        told = await reopen(tx, origin.at.agency, {case_id: settled}, {case_id: replace(settled, state=State.RECALLED)})

    years = [fact.year for fact in told if isinstance(fact, InterestCredited)]
    back = await origin.at.record(HE.person.id_number)
    assert years == [2024]  # 2025 comes with the year-end run, for all rows together
    assert (back.state, back.interest_through, back.stopped_on) == ("active", 2024, None)
