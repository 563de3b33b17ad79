"""What a case shows beside its status: the list that is asked for, why a clock stands, whom to complain to, what stays."""

from dataclasses import replace
from datetime import date
from typing import Any

from contracts.documents import InterimRate, NotMovable
from contracts.statuses import Status
from services.destination_agency import store
from services.destination_agency.case import State
from services.destination_agency.showing import listed, shown
from tests.agencies import known_in, tables
from tests.integration.destination_agency.conftest import Destination, form_for, know, someone, wish

PROTAGONIST_THERE = known_in("44")


async def look(here: Destination, case_id: str) -> dict[str, Any]:
    return shown(here.at.agency, await here.case(case_id), amounts=True)


async def line_of(here: Destination, case_id: str) -> dict[str, Any]:
    async with here.at.database.transaction("test") as tx:
        rows = await tx.fetch(store.SQL["list_cases"], None, False, False, 10, False, False)
    return next(listed(here.at.agency, dict(row)) for row in rows if row["case_id"] == case_id)


async def test_the_person_sees_the_whole_list_its_legal_basis_and_why_the_clock_stands(here: Destination) -> None:
    [case_id] = await here.applied()
    await here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT", "APPLICATION_DATA"])

    case = await look(here, case_id)

    assert (case["status"], case["paused"], case["due_on"], case["working_days_left"]) == (
        "NEED_MATERIAL",
        "MATERIAL_ASKED",
        None,
        None,
    )
    assert [item["code"] for item in case["material"]] == ["IDENTITY_DOCUMENT", "APPLICATION_DATA"]
    assert all(item["text"]["zh-CN"] and item["text"]["en"] and item["legal_basis"] for item in case["material"])
    assert "期限暂停计算" in case["pause"]["zh-CN"]


async def test_an_overdue_case_says_where_to_complain_and_a_case_in_time_does_not(here: Destination) -> None:
    [case_id] = await here.admitted()
    in_time = await look(here, case_id)
    here.at.move(days=25)
    await here.desk.look_at_clocks()

    late = await look(here, case_id)

    assert "complaint" not in in_time
    assert late["overdue"]
    assert late["complaint"]["phone"] == late["holder_phone"] == "0440-12333"
    assert "行政复议" in late["complaint"]["to_do"]["zh-CN"]
    assert late["complaint"]["escalated"] is False


async def test_what_stays_at_the_old_place_is_named_with_its_reasons_while_the_rest_moves(here: Destination) -> None:
    stays = NotMovable(months=60, account_fen=1, pool_fen=2, reasons=("BACK_PAYMENT_PAPERS_MISSING",))
    [case_id] = await here.admitted()
    await here.form_comes(case_id, not_movable=stays)

    case = await look(here, case_id)

    assert (case["status"], case["part_not_movable"]) == ("FUND_IN_TRANSIT", True)
    [part] = case["not_movable"]
    assert part["code"] == "BACK_PAYMENT_PAPERS_MISSING"
    assert all((part["reason"]["zh-CN"], part["reason"]["en"], part["legal_basis"], part["remedy"]["zh-CN"]))


async def test_what_ended_otherwise_than_by_a_cancellation_is_not_shown_as_one(here: Destination) -> None:
    [case_id] = await here.admitted()
    case = replace(await here.case(case_id), status=Status.CANCELLED)

    seen = {
        state: shown(here.at.agency, replace(case, state=state), amounts=True)["text"]["zh-CN"]
        for state in (State.CANCELLED, State.CLOSED, State.RECALLED)
    }

    assert seen == {State.CANCELLED: "已撤销", State.CLOSED: "已结案（联系函已退回）", State.RECALLED: "已退回转出地"}


async def test_who_has_another_scheme_sees_the_procedure_of_that_scheme(bare: Destination) -> None:
    await know(bare, someone(11, scheme="170"))
    [case_id] = await bare.applied(wish(someone(11).person))
    await bare.desk.propose_admissions([case_id], "maker-33")
    await bare.desk.approve_admissions([case_id], "checker-33")

    case = await look(bare, case_id)

    pointer = tables().scheme("170", bare.at.agency.clock.today())
    assert (case["code"], case["remedy"]) == ("WRONG_SCHEME", {"zh-CN": pointer.pointer_zh, "en": pointer.pointer_en})


async def test_a_province_s_promise_is_shown_beside_the_legal_limit(here: Destination) -> None:
    [case_id] = await here.applied()
    case = await here.case(case_id)
    promised = replace(case, due=here.at.agency.due("ACCEPTANCE_TO_LETTER", date(2025, 4, 1), holder="32"))

    found = shown(here.at.agency, promised, amounts=False)

    # Jiangsu promises five working days since 2025-03-25; 4 to 6 April 2025 are days off.
    assert (found["service_target_on"], found["due_on"]) == ("2025-04-09", "2025-04-23")
    assert shown(here.at.agency, case, amounts=False)["service_target_on"] is None


async def test_a_pause_shows_its_reason_stops_both_clocks_and_stands_on_the_work_list(here: Destination) -> None:
    [case_id] = await here.applied()
    running = await look(here, case_id)
    here.at.move(days=1)
    await here.desk.ask_for_material([case_id], "maker-33", ["IDENTITY_DOCUMENT"])
    here.at.move(days=30)
    standing, line = await look(here, case_id), await line_of(here, case_id)
    await here.desk.supply_material(case_id, "person", ["IDENTITY_DOCUMENT"])
    again, after = await look(here, case_id), await line_of(here, case_id)

    assert (running["clocks"]["stands"], running["clocks"]["used_wd"]) == (None, 0)
    assert (standing["clocks"]["stands"], standing["clocks"]["used_wd"], standing["clocks"]["state"]) == (
        "MATERIAL_ASKED",
        1,
        "on_time",
    )
    assert (line["paused"], line["paused_on"], line["due_on"]) == ("MATERIAL_ASKED", date(2024, 5, 7), None)
    [pause] = again["clocks"]["pauses"]
    assert (again["clocks"]["stands"], again["clocks"]["used_wd"]) == (None, 1)
    assert (pause["reason"], pause["since"], pause["until"]) == ("MATERIAL_ASKED", "2024-05-07", "2024-06-06")
    assert (after["paused"], after["paused_on"]) == (None, None)
    assert after["due_on"] is not None
    assert again["clocks"]["legal_limit"]["due_on"] == again["due_on"] == after["due_on"].isoformat()


async def test_the_destination_sees_the_origin_s_clock_while_it_waits_for_the_origin(here: Destination) -> None:
    [case_id] = await here.admitted()

    case = await look(here, case_id)

    assert (case["holder"], case["clocks"]["leg"]) == ("44", "LETTER_TO_FORM")
    assert case["clocks"]["legal_limit"]["due_on"] == case["due_on"]


async def test_a_form_at_an_interim_rate_is_shown_as_rate_pending_to_the_person_and_on_the_work_list(here: Destination) -> None:
    [case_id] = await here.admitted()
    before = await look(here, case_id)
    await here.form_comes(case_id, interim_rates=(InterimRate(year=2023, rate="0.0397"),))

    case = await look(here, case_id)

    assert before["rate_pending"] is None
    assert case["rate_pending"]["code"] == "RATE_PENDING"
    assert case["rate_pending"]["years"] == [{"year": 2023, "interim_rate": "0.0397", "published_rate": "0.0397"}]
    assert (await line_of(here, case_id))["rate_pending"] == "RATE_PENDING"


async def test_while_the_origin_waits_for_a_rate_the_person_is_shown_what_for(here: Destination) -> None:
    here.at.clock.move(here.at.clock.now().replace(year=2027, month=3))
    [case_id] = await here.admitted()

    case = await look(here, case_id)

    assert (case["rate_pending"]["waits"], [each["year"] for each in case["rate_pending"]["years"]]) == (True, [2026])


async def test_arrears_that_were_refused_are_named_with_their_months_and_what_that_means(here: Destination) -> None:
    [case_id] = await here.admitted()
    letter = await here.letter(case_id)
    [segment] = form_for(letter, PROTAGONIST_THERE).segments
    unpaid = segment.rows[-1].model_copy(update={"status": "arrears"})
    paid_up = await look(here, case_id)
    await here.form_comes(case_id, segments=(segment.model_copy(update={"rows": (*segment.rows[:-1], unpaid)}),))

    case = await look(here, case_id)

    assert "arrears" not in paid_up
    assert (case["arrears"]["code"], case["arrears"]["months"]) == ("ARREARS_REFUSED", unpaid.months)
    assert all((case["arrears"]["reason"]["zh-CN"], case["arrears"]["legal_basis"], case["arrears"]["remedy"]["en"]))


async def test_a_soldier_stands_before_others_on_the_work_list_says_so_to_the_origin_and_is_decided_like_anybody(
    here: Destination,
) -> None:
    await know(here, someone(31, category="soldier"), someone(33))
    [first] = await here.applied(wish(someone(33).person))
    here.at.move(days=1)
    [by_word] = await here.applied(wish(soldier=True))
    [by_record] = await here.applied(wish(someone(31).person))

    async with here.at.database.transaction("test") as tx:
        rows = await tx.fetch(store.SQL["list_cases"], None, False, False, 10, False, False)
    order = [(row["case_id"], row["served_first"]) for row in rows]
    assert (await here.desk.propose_admissions([by_record], "maker-33")).done == 1
    assert (await here.desk.approve_admissions([by_record], "checker-33")).done == 1

    assert order == [*sorted([(by_word, True), (by_record, True)]), (first, False)]
    assert (await here.letter(by_record)).served_first


async def test_the_supervisors_list_is_what_was_escalated(here: Destination) -> None:
    await know(here, someone(33))
    [quiet] = await here.applied(wish(someone(33).person))
    [overdue] = await here.applied()
    here.at.move(days=30)
    await here.desk.look_at_clocks()
    assert (await here.desk.escalate([overdue], "maker-33")).done == 1

    async with here.at.database.transaction("test") as tx:
        late = {row["case_id"] for row in await tx.fetch(store.SQL["list_cases"], None, True, False, 10, False, False)}
        rows = await tx.fetch(store.SQL["list_cases"], None, False, False, 10, False, True)

    assert late == {quiet, overdue}
    assert [(row["case_id"], row["escalated"]) for row in rows] == [(overdue, True)]
