"""What the origin's clerks see: both clocks of the leg, and which cases wait for a rate or stand on one that is not theirs."""

from dataclasses import replace
from datetime import date
from typing import Any

from services.origin_agency import store
from services.origin_agency.case import Interim, State
from services.origin_agency.showing import listed, shown
from services.rules.loader import Tables
from tests.integration.origin_agency.conftest import Origin
from tests.unit.rules.amount_builders import with_rate


async def work_list(origin: Origin, tables: Tables | None = None) -> dict[str, dict[str, Any]]:
    agency = replace(origin.at.agency, tables=tables or origin.at.agency.tables)
    async with origin.at.database.transaction("test") as tx:
        rows = await tx.fetch(store.SQL["list_cases"], None, False, 10, False, False)
    return {row["case_id"]: listed(agency, dict(row)) for row in rows}


async def test_the_origin_sees_both_clocks_of_its_leg_and_a_missed_promise_before_the_breach(origin: Origin) -> None:
    case_id = await origin.holding()
    case = await origin.case(case_id)
    # Jiangsu promises five working days: 2025-04-01 + 5 = 04-09, for 4 to 6 April are days off; the law's 15 end on 04-23.
    promised = replace(case, due=origin.at.agency.due("LETTER_TO_FORM", date(2025, 4, 1), holder="32"))
    there = replace(origin.at.agency, province="32")
    async with origin.at.database.transaction("test") as tx:
        await store.save(tx, origin.at.vault, [promised])
    origin.at.clock.move(origin.at.clock.now().replace(year=2025, month=4, day=10))

    seen = shown(there, await origin.case(case_id))
    line = (await work_list(origin))[case_id]

    assert (seen["due_on"], seen["service_target_on"]) == ("2025-04-23", "2025-04-09")
    assert (seen["clocks"]["state"], seen["clocks"]["legal_limit"]["left_wd"]) == ("target_missed", 9)
    assert seen["clocks"]["service_target"]["promised"]
    assert (line["service_target_on"], line["target_missed"], line["breached"]) == (date(2025, 4, 9), True, False)


async def test_a_leg_that_is_over_shows_no_clock(origin: Origin) -> None:
    case = await origin.case(await origin.holding())

    ended = shown(origin.at.agency, replace(case, state=State.SETTLED))

    assert ended["clocks"] is None
    assert shown(origin.at.agency, case)["clocks"]["legal_limit"]["due_on"] == case.due.due_on.isoformat()


async def test_a_case_that_waits_for_a_rate_is_shown_so_before_anybody_is_refused(origin: Origin) -> None:
    in_2024 = shown(origin.at.agency, await origin.case(await origin.holding()))
    origin.at.clock.move(origin.at.clock.now().replace(year=2027, month=3))

    waiting = shown(origin.at.agency, await origin.case(await origin.holding()))

    assert in_2024["rate_pending"] is None
    assert (waiting["rate_pending"]["code"], waiting["rate_pending"]["waits"]) == ("RATE_PENDING", True)
    assert [each["year"] for each in waiting["rate_pending"]["years"]] == [2026]


async def test_the_work_list_says_which_interim_cases_can_be_amended_now_that_the_rate_has_come(origin: Origin) -> None:
    plain, pending = await origin.holding(), await origin.holding()
    case = replace(await origin.case(pending), interim=(Interim(2026, "0.0150", 19_494),), state=State.SETTLED)
    async with origin.at.database.transaction("test") as tx:
        await store.save(tx, origin.at.vault, [case])

    before, after = await work_list(origin), await work_list(origin, with_rate(2026, "0.0260"))

    assert [(each[pending]["rate_pending"], each[pending]["rate_ready"]) for each in (before, after)] == [
        ("RATE_PENDING", False),
        ("RATE_PENDING", True),
    ]
    assert (after[plain]["rate_pending"], after[plain]["rate_ready"]) == (None, False)
    seen = shown(origin.at.agency, await origin.case(pending))["rate_pending"]
    assert seen["years"] == [{"year": 2026, "interim_rate": "0.0150", "published_rate": None}]
