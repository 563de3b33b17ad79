"""A year's end while relationships are leaving: what is owed to another province is not credited here as well."""

from contracts.events import InterestCredited
from services.origin_agency.store import leaving
from services.records import store as records
from services.records.year_end import Run, YearEnd
from tests.agencies import MONDAY, known_in, somebody
from tests.integration.origin_agency.conftest import Origin

HE, OTHER = known_in("44"), somebody(1)
SUMMER = MONDAY.replace(year=2025, month=7)


async def credited(origin: Origin, year: int) -> Run:
    at = origin.at
    run = YearEnd(at.database, at.agency, at.ring, leaving)
    proposed = await run.propose(year, "operator-1")
    await run.approve(proposed.run_id, "checker-1")
    while await run.work():
        pass
    return (await run.runs(proposed.run_id))[0]


async def years_of(origin: Origin, id_number: str) -> list[int]:
    person = (await origin.at.record(id_number)).person_ref
    return [fact.year for fact in await origin.at.facts(InterestCredited) if fact.person_ref == person]


async def test_a_relationship_whose_form_is_out_and_not_paid_is_passed_over(origin: Origin) -> None:
    await origin.at.importing(HE, OTHER)
    await origin.issued(HE)  # in May 2024: its ④ holds the interest up to 2023
    record = await origin.at.record(HE.person.id_number)
    async with origin.at.database.transaction("test") as tx:  # an earlier release left the rows here until the money had left
        await records.change(tx, origin.at.vault, [record.reopened()])
    origin.at.clock.move(SUMMER)

    ended = await credited(origin, 2024)

    assert (ended.looked_at, ended.credited) == (2, 1)
    assert await years_of(origin, HE.person.id_number) == [2022, 2023]
    assert await years_of(origin, OTHER.person.id_number) == [2022, 2023, 2024]
    he = await origin.at.record(HE.person.id_number)
    assert (he.interest_through, await origin.at.balance_fen(he.person_ref)) == (2023, 0)


async def test_rows_that_left_with_their_form_bear_no_interest_here_any_more(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.issued(HE)
    origin.at.clock.move(SUMMER)

    ended = await credited(origin, 2024)
    await origin.order(case_id)
    await origin.funds.pay()

    assert (ended.looked_at, ended.credited) == (0, 0)
    he = await origin.at.record(HE.person.id_number)
    assert (he.state, he.segments, he.left_with) == ("moved", (), case_id)
    assert await origin.at.balance_fen(he.person_ref) == 0


async def test_a_letter_that_is_only_held_or_went_back_keeps_nobody_from_the_years_interest(origin: Origin) -> None:
    await origin.at.importing(HE)
    case_id = await origin.holding()
    origin.at.clock.move(SUMMER)

    ended = await credited(origin, 2024)

    assert ended.credited == 1
    assert (await origin.states())[case_id] == "LETTER_HELD"
    assert await years_of(origin, HE.person.id_number) == [2022, 2023, 2024]
