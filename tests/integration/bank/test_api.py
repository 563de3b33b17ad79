"""The bank's counter: who may ask for what, and what only a scenario may do."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from contracts.banking import Holding, OrderTaken, Statement
from services.bank.standing import Standing
from services.runtime.clock import Clock
from services.runtime.identity import Role
from tests.agencies import MONDAY
from tests.builders import CASE
from tests.integration.bank.conftest import Counter, a_return, an_order, serving

EVERY_CALL: list[tuple[str, str, Any]] = [
    ("POST", "/remittances", an_order().model_dump(mode="json")),
    ("POST", "/returns", a_return(an_order()).model_dump(mode="json")),
    ("GET", "/statement?province=44&kind=payment", None),
    ("GET", "/holdings", None),
    ("POST", f"/investigations/{CASE}", None),
    ("PUT", "/scenario/faults", {"faults": []}),
    ("PUT", "/scenario/clock", {"now": MONDAY.isoformat()}),
]


async def order_over_http(http: httpx.AsyncClient, counter: Counter, *amounts_fen: int) -> Any:
    order = an_order(*amounts_fen)
    answer = await http.post("/remittances", json=order.model_dump(mode="json"), headers=counter.bearer())
    assert answer.status_code == 201, answer.text
    return order


async def move(http: httpx.AsyncClient, counter: Counter, **by: int) -> httpx.Response:
    now = (MONDAY + timedelta(**by)).isoformat()
    return await http.put("/scenario/clock", json={"now": now}, headers=counter.bearer(Role.OPERATOR))


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL, ids=[path.split("?")[0] for _, path, _ in EVERY_CALL])
async def test_without_a_token_the_bank_says_nothing(http: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    answer = await http.request(method, path, json=body)

    assert code_of(answer) == (401, "TOKEN_MISSING")


async def test_a_fund_desk_orders_and_the_payee_reads_it_on_its_own_statement(http: httpx.AsyncClient, counter: Counter) -> None:
    order = an_order(1000)

    taken = await http.post("/remittances", json=order.model_dump(mode="json"), headers=counter.bearer())
    again = await http.post("/remittances", json=order.model_dump(mode="json"), headers=counter.bearer())
    await move(http, counter, hours=1)
    params = {"province": "33", "kind": "payment"}
    statement = await http.get("/statement", params=params, headers=counter.bearer(province="33"))

    assert (taken.status_code, again.json()) == (201, taken.json())
    assert OrderTaken.model_validate_json(taken.content).bank_reference
    [line] = Statement.model_validate_json(statement.content).lines
    assert (line.remittance_id, line.amount_fen) == (order.remittance_id, 1000)


async def test_another_body_under_a_known_id_is_a_conflict(http: httpx.AsyncClient, counter: Counter) -> None:
    order = await order_over_http(http, counter, 1000)

    other = an_order(2000, remittance_id=order.remittance_id)
    answer = await http.post("/remittances", json=other.model_dump(mode="json"), headers=counter.bearer())

    assert code_of(answer) == (409, "ORDER_REUSED")


@pytest.mark.parametrize(
    ("role", "province", "expected"),
    [
        (Role.FUND_DESK, "33", (403, "WRONG_PROVINCE")),
        (Role.MAKER, "44", (403, "WRONG_ROLE")),
        (Role.OPERATOR, "44", (403, "WRONG_ROLE")),
    ],
)
async def test_nobody_pays_from_an_account_that_is_not_the_own_desks(
    http: httpx.AsyncClient, counter: Counter, role: Role, province: str, expected: tuple[int, str]
) -> None:
    headers = counter.bearer(role, province)

    ordered = await http.post("/remittances", json=an_order().model_dump(mode="json"), headers=headers)
    given_back = await http.post("/returns", json=a_return(an_order(payee="44")).model_dump(mode="json"), headers=headers)
    read = await http.get("/statement", params={"province": "44", "kind": "payment"}, headers=headers)

    assert [code_of(answer) for answer in (ordered, given_back, read)] == [expected] * 3


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.AUDITOR, 200), (Role.FUND_DESK, 200), (Role.OPERATOR, 200), (Role.MAKER, 403), (Role.INSURED, 403)],
)
async def test_what_the_bank_holds_is_for_auditors_fund_desks_and_operators(
    http: httpx.AsyncClient, counter: Counter, role: Role, status: int
) -> None:
    await order_over_http(http, counter, 1000)

    answer = await http.get("/holdings", headers=counter.bearer(role))

    assert answer.status_code == status
    if status == 200:
        [holding] = [Holding.model_validate(row) for row in answer.json()]
        assert (holding.taken_fen, holding.in_hands_fen) == (1000, 1000)


async def test_a_return_over_http_is_taken_once(http: httpx.AsyncClient, counter: Counter) -> None:
    order = await order_over_http(http, counter, 1000)
    back = a_return(order, 1000).model_dump(mode="json")

    first = await http.post("/returns", json=back, headers=counter.bearer(province="33"))
    again = await http.post("/returns", json=back, headers=counter.bearer(province="33"))

    assert (first.status_code, again.json()) == (201, first.json())


async def test_a_lost_payment_is_looked_for_when_a_fund_desk_asks(http: httpx.AsyncClient, counter: Counter) -> None:
    order = an_order(1000)
    case = order.lines[0].case_id
    faults = {"faults": [{"case_id": case, "kind": "lose"}]}
    told = await http.put("/scenario/faults", json=faults, headers=counter.bearer(Role.OPERATOR))
    await http.post("/remittances", json=order.model_dump(mode="json"), headers=counter.bearer())

    refused = await http.post(f"/investigations/{case}", headers=counter.bearer(Role.MAKER))
    found = await http.post(f"/investigations/{case}", headers=counter.bearer(province="33"))

    assert told.json() == {"faults": 1}
    assert code_of(refused) == (403, "WRONG_ROLE")
    assert found.json() == {"payments_found": 1}


async def test_an_unknown_field_of_an_order_is_named_and_refused(http: httpx.AsyncClient, counter: Counter) -> None:
    body = {**an_order().model_dump(mode="json"), "fee_fen": 5}

    answer = await http.post("/remittances", json=body, headers=counter.bearer())

    assert code_of(answer) == (422, "INVALID_INPUT")
    assert answer.json()["errors"][0]["field"] == "fee_fen"


@pytest.mark.parametrize("call", [("/scenario/faults", {"faults": []}), ("/scenario/clock", {"now": MONDAY.isoformat()})])
async def test_only_an_operator_tells_the_bank_what_to_do_wrong_or_moves_its_clock(
    http: httpx.AsyncClient, counter: Counter, call: tuple[str, dict[str, Any]]
) -> None:
    path, body = call

    answer = await http.put(path, json=body, headers=counter.bearer(Role.FUND_DESK))

    assert code_of(answer) == (403, "WRONG_ROLE")


async def test_the_clock_goes_forward_and_never_back(http: httpx.AsyncClient, counter: Counter) -> None:
    forward = await move(http, counter, days=1)
    back = await move(http, counter, hours=1)

    assert forward.json()["now"].startswith("2024-05-07T09:00:00")
    assert code_of(back) == (409, "CLOCK_NOT_MOVED")
    assert (await http.get("/scenario/idle")).json()["in_hand"] is None


async def test_the_clock_goes_back_where_another_story_begins_and_nothing_is_in_hand(
    http: httpx.AsyncClient, counter: Counter
) -> None:
    wish = {"now": (MONDAY - timedelta(days=365)).isoformat(), "back": True}
    asked = {"province": "33", "kind": "payment", "wait_s": "0.1"}
    await http.get("/statement", params=asked, headers=counter.bearer(province="33"))
    await order_over_http(http, counter, 1000)
    await move(http, counter, hours=1)

    refused = await http.put("/scenario/clock", json=wish, headers=counter.bearer(Role.OPERATOR))
    lines = await http.get("/statement", params=asked, headers=counter.bearer(province="33"))
    seen = {**asked, "after": lines.json()["lines"][0]["line_no"]}
    await http.get("/statement", params=seen, headers=counter.bearer(province="33"))
    back = await http.put("/scenario/clock", json=wish, headers=counter.bearer(Role.OPERATOR))

    assert code_of(refused) == (409, "CLOCK_NOT_MOVED")
    assert "has not taken its statement" in refused.json()["detail"]
    assert back.json()["now"].startswith("2023-05-07T09:00")


async def test_outside_a_scenario_there_is_nothing_to_do_wrong_with(counter: Counter) -> None:
    async with counter.client(Clock()) as http:
        answers = [
            await http.put("/scenario/faults", json={"faults": []}, headers=counter.bearer(Role.OPERATOR)),
            await http.put("/scenario/clock", json={"now": MONDAY.isoformat()}, headers=counter.bearer(Role.OPERATOR)),
            await http.get("/scenario/idle"),
        ]

    assert [answer.status_code for answer in answers] == [404] * 3


async def test_a_question_stands_for_as_long_as_it_asks_for_and_not_longer_than_a_minute(
    http: httpx.AsyncClient, counter: Counter
) -> None:
    asked = {"province": "44", "kind": "payment"}

    empty = await http.get("/statement", params={**asked, "wait_s": "0.2"}, headers=counter.bearer())
    refused = [
        await http.get("/statement", params={**asked, "wait_s": wait}, headers=counter.bearer()) for wait in ("61", "-1", "inf")
    ]

    assert empty.json() == {"lines": []}
    assert [code_of(answer) for answer in refused] == [(422, "INVALID_INPUT")] * 3


async def test_a_question_is_answered_when_the_clock_has_moved_to_the_day_of_its_line(
    http: httpx.AsyncClient, counter: Counter
) -> None:
    await order_over_http(http, counter, 1000)
    asked = {"province": "33", "kind": "payment", "wait_s": "20"}
    question = asyncio.create_task(http.get("/statement", params=asked, headers=counter.bearer(province="33")))
    await asyncio.sleep(0.3)

    still_open = not question.done()
    await move(http, counter, days=1)
    async with asyncio.timeout(10):
        answer = await question

    assert still_open
    assert [line["amount_fen"] for line in answer.json()["lines"]] == [1000]


async def test_the_bank_is_idle_when_whoever_follows_a_statement_has_read_it_to_its_end(
    http: httpx.AsyncClient, counter: Counter
) -> None:
    asked = {"province": "33", "kind": "payment", "wait_s": "0.1"}
    await http.get("/statement", params=asked, headers=counter.bearer(province="33"))
    before = (await http.get("/scenario/idle")).json()["in_hand"]
    await order_over_http(http, counter, 1000)
    await move(http, counter, days=1)

    unread = (await http.get("/scenario/idle")).json()["in_hand"]
    lines = (await http.get("/statement", params=asked, headers=counter.bearer(province="33"))).json()["lines"]
    await http.get("/statement", params={**asked, "after": str(lines[-1]["line_no"])}, headers=counter.bearer(province="33"))

    assert before is None
    assert "33" in unread
    assert (await http.get("/scenario/idle")).json()["in_hand"] is None


async def test_whoever_goes_away_leaves_no_question_standing(counter: Counter) -> None:
    api = counter.api()
    standing: Standing = api.state.standing

    async with serving(api) as url, httpx.AsyncClient(base_url=url) as http:
        asked = {"province": "44", "kind": "payment", "wait_s": "60"}
        question = asyncio.create_task(http.get("/statement", params=asked, headers=counter.bearer()))
        await asyncio.sleep(0.5)
        stands = any(standing._waiting.values())
        question.cancel()
        async with asyncio.timeout(5):
            while any(standing._waiting.values()):  # noqa: ASYNC110 - the server hears of it when it hears of it
                await asyncio.sleep(0.02)

    assert stands
