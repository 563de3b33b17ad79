"""The bank's own books: an order is taken once, every fen of it is somewhere, and what was lost can be found."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from contracts.banking import Fault
from services.bank.store import SQL, Account, BankStore
from services.runtime.database import Database
from services.runtime.http import Problem
from tests.agencies import MONDAY
from tests.builders import a
from tests.integration.bank.conftest import DELAY, LATER, MUCH_LATER, Bank, FaultKind, a_return, an_order
from tests.integration.conftest import UrlOf

ROUTE = ("44", "33")


async def test_an_order_is_paid_line_by_line_after_the_delay(bank: Bank) -> None:
    order = an_order(1000, 2000)

    taken = await bank.store.take(order, MONDAY)

    assert taken.remittance_id == order.remittance_id
    assert await bank.paid(at=LATER - timedelta(seconds=1)) == ()
    lines = await bank.paid()
    assert [(line.case_id, line.amount_fen) for line in lines] == [(line.case_id, line.amount_fen) for line in order.lines]
    assert {(line.kind, line.payer, line.payee, line.booked_on) for line in lines} == {("payment", "44", "33", MONDAY.date())}
    assert {line.remittance_id for line in lines} == {order.remittance_id}


async def test_the_same_order_again_is_answered_the_same_and_pays_nothing_more(bank: Bank) -> None:
    order = an_order()
    first = await bank.store.take(order, MONDAY)

    again = await bank.store.take(order, MONDAY + timedelta(hours=5))

    assert again == first
    assert len(await bank.paid(at=MUCH_LATER)) == 1
    assert await bank.in_hands_fen() == {ROUTE: 0}


async def test_an_order_that_comes_many_times_at_once_is_taken_once(bank: Bank) -> None:
    order = an_order()

    answers = await asyncio.gather(*(bank.store.take(order, MONDAY) for _ in range(8)))

    assert len(set(answers)) == 1
    assert len(await bank.paid()) == 1


async def test_another_order_under_a_known_id_is_refused_by_name(bank: Bank) -> None:
    order = an_order(1000)
    await bank.store.take(order, MONDAY)

    with pytest.raises(Problem) as refused:
        await bank.store.take(an_order(2000, remittance_id=order.remittance_id), MONDAY)

    assert (refused.value.status, refused.value.code) == (409, "ORDER_REUSED")
    assert [line.amount_fen for line in await bank.paid()] == [1000]


async def test_an_order_whose_lines_do_not_add_up_is_refused_and_nothing_is_kept(bank: Bank) -> None:
    with pytest.raises(Problem) as refused:
        await bank.store.take(an_order(1000, total_fen=1001), MONDAY)

    assert (refused.value.status, refused.value.code) == (422, "TOTAL_DIFFERS")
    assert await bank.store.holdings() == []


HELD: list[tuple[FaultKind, dict[str, int], dict[str, int]]] = [
    ("delay", {"days": 3}, {"delivered_fen": 0, "returned_fen": 0, "in_hands_fen": 1000}),
    ("lose", {}, {"delivered_fen": 0, "returned_fen": 0, "in_hands_fen": 1000}),
    ("duplicate", {}, {"delivered_fen": 2000, "returned_fen": 0, "in_hands_fen": -1000}),
    ("return", {}, {"delivered_fen": 0, "returned_fen": 1000, "in_hands_fen": 0}),
    ("short", {"amount_fen": 180}, {"delivered_fen": 820, "returned_fen": 0, "in_hands_fen": 180}),
]


@pytest.mark.parametrize(("kind", "fields", "expected"), HELD, ids=[kind for kind, _, _ in HELD])
async def test_what_is_taken_is_delivered_returned_or_in_the_banks_hands(
    bank: Bank, kind: FaultKind, fields: dict[str, int], expected: dict[str, int]
) -> None:
    await bank.told(an_order(1000), kind, **fields)

    lines = len(await bank.paid()) + len(await bank.returned())
    [holding] = await bank.store.holdings()

    assert holding.model_dump() == {
        "payer": "44",
        "payee": "33",
        "taken_fen": 1000,
        "given_back_fen": 0,
        **expected,
    }
    assert lines == {"delay": 0, "lose": 0, "duplicate": 2, "return": 1, "short": 1}[kind]


async def test_delayed_money_comes_in_the_end(bank: Bank) -> None:
    await bank.told(an_order(1000), "delay", days=3)

    lines = await bank.paid(at=LATER + timedelta(days=3))

    assert [(line.amount_fen, line.booked_on) for line in lines] == [(1000, (LATER + timedelta(days=3)).date())]
    assert await bank.in_hands_fen() == {ROUTE: 0}


async def test_returned_money_stands_on_the_payers_statement_with_the_reason(bank: Bank) -> None:
    order = await bank.told(an_order(1000), "return")

    [line] = await bank.returned()

    assert (line.kind, line.case_id, line.reason) == ("returned", order.lines[0].case_id, "payee account refused")
    assert await bank.paid() == ()
    assert await bank.returned("33") == ()


async def test_a_fault_happens_once_and_the_same_case_is_paid_rightly_the_next_time(bank: Bank) -> None:
    first = await bank.told(an_order(1000), "return")
    await bank.store.take(an_order(1000, lines=first.lines), MONDAY)

    assert [line.amount_fen for line in await bank.returned()] == [1000]
    assert [line.amount_fen for line in await bank.paid()] == [1000]
    assert await bank.in_hands_fen() == {ROUTE: 0}


async def test_two_faults_of_a_case_happen_one_after_the_other(bank: Bank) -> None:
    first = an_order(1000)
    fault: Any = {"case_id": first.lines[0].case_id, "kind": "return"}
    await bank.store.tell_faults([a(Fault, **fault), a(Fault, **fault)])

    for _ in range(3):
        await bank.store.take(an_order(1000, lines=first.lines), MONDAY)

    assert len(await bank.returned()) == 2
    assert len(await bank.paid()) == 1


async def test_no_faults_are_no_faults(bank: Bank) -> None:
    await bank.store.tell_faults([])
    await bank.store.take(an_order(1000), MONDAY)

    assert [line.amount_fen for line in await bank.paid()] == [1000]


@pytest.mark.parametrize(
    ("kind", "fields", "amounts"),
    [("lose", {}, [1000]), ("short", {"amount_fen": 180}, [820, 180]), ("short", {"amount_fen": 1000}, [1000])],
    ids=["lost", "short", "left out altogether"],
)
async def test_an_investigation_finds_what_was_lost_or_left_out_and_pays_it_once(
    bank: Bank, kind: FaultKind, fields: dict[str, int], amounts: list[int]
) -> None:
    order = await bank.told(an_order(1000), kind, **fields)
    case = order.lines[0].case_id

    found = await bank.store.investigate(case, MONDAY)
    again = await bank.store.investigate(case, MONDAY)

    assert (found, again) == (1, 0)
    assert sorted((line.amount_fen for line in await bank.paid()), reverse=True) == amounts
    assert await bank.in_hands_fen() == {ROUTE: 0}


async def test_many_who_ask_at_once_have_what_was_left_out_paid_once(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await bank.told(an_order(1000), "short", amount_fen=180)
    # So that everybody has looked before the first has written.
    slowly = SQL["shortfall"].replace("WHERE o.kind", "WHERE pg_sleep(0.1)::text IS NOT NULL AND o.kind")
    monkeypatch.setitem(SQL, "shortfall", slowly)

    found = await asyncio.gather(*(bank.store.investigate(order.lines[0].case_id, MONDAY) for _ in range(4)))

    assert sum(found) == 1
    assert sorted(line.amount_fen for line in await bank.paid()) == [180, 820]


@pytest.mark.parametrize("kind", ["duplicate", "return", "delay"])
async def test_an_investigation_finds_nothing_where_nothing_is_missing(bank: Bank, kind: FaultKind) -> None:
    order = await bank.told(an_order(1000), kind, days=3)

    assert await bank.store.investigate(order.lines[0].case_id, MONDAY) == 0


async def test_money_that_came_twice_is_given_back_once(bank: Bank) -> None:
    order = await bank.told(an_order(1000), "duplicate")
    await bank.paid()
    back = a_return(order, 1000)

    first = await bank.store.give_back(back, LATER)
    again = await bank.store.give_back(back, LATER)

    assert first == again
    assert first.remittance_id == back.return_id
    [holding] = await bank.store.holdings()
    assert (holding.delivered_fen, holding.given_back_fen, holding.in_hands_fen) == (2000, 1000, 0)
    assert await bank.store.statement("44", "returned", 0, MUCH_LATER) == ()  # it was the bank's own


async def test_money_that_was_too_much_goes_back_to_the_province_that_paid_it(bank: Bank) -> None:
    order = an_order(1000)
    await bank.store.take(order, MONDAY)
    await bank.paid()

    await bank.store.give_back(a_return(order, 300), LATER)

    [before] = await bank.store.holdings()
    [line] = await bank.store.statement("44", "returned", 0, LATER + DELAY)
    [holding] = await bank.store.holdings()
    assert (line.case_id, line.amount_fen, line.reason) == (order.lines[0].case_id, 300, "sent back by the payee")
    assert (line.remittance_id, line.payer, line.payee) == (order.remittance_id, "44", "33")
    assert (before.in_hands_fen, holding.returned_fen, holding.given_back_fen, holding.in_hands_fen) == (300, 300, 300, 0)


async def test_of_what_came_twice_and_is_given_back_whole_the_bank_keeps_its_own(bank: Bank) -> None:
    order = await bank.told(an_order(1000), "duplicate")
    await bank.paid()

    for amount_fen in (400, 1600):
        await bank.store.give_back(a_return(order, amount_fen), LATER)

    lines = await bank.store.statement("44", "returned", 0, LATER + DELAY)
    assert [line.amount_fen for line in lines] == [1000]
    assert await bank.in_hands_fen() == {ROUTE: 0}


async def test_an_investigation_does_not_take_what_was_sent_back_for_what_was_paid(bank: Bank) -> None:
    order = await bank.told(an_order(1000), "short", amount_fen=180)
    await bank.paid()
    await bank.store.give_back(a_return(order, 820), LATER)

    assert await bank.store.investigate(order.lines[0].case_id, LATER) == 1


async def test_another_return_under_a_known_id_is_refused_by_name(bank: Bank) -> None:
    order = an_order(1000)
    await bank.store.take(order, MONDAY)
    back = a_return(order, 1000)
    await bank.store.give_back(back, LATER)

    with pytest.raises(Problem) as refused:
        await bank.store.give_back(back.model_copy(update={"amount_fen": 900}), LATER)

    assert (refused.value.status, refused.value.code) == (409, "ORDER_REUSED")


@pytest.mark.parametrize("wrong", [{"payer": "41"}, {"remittance_id": "nobody's"}])
async def test_money_of_somebody_elses_or_no_remittance_cannot_be_given_back(bank: Bank, wrong: dict[str, Any]) -> None:
    order = an_order(1000)
    await bank.store.take(order, MONDAY)

    with pytest.raises(Problem) as refused:
        await bank.store.give_back(a_return(order, **wrong), LATER)

    assert (refused.value.status, refused.value.code) == (404, "NO_SUCH_REMITTANCE")


async def test_a_statement_goes_on_after_the_last_line_seen_and_is_each_provinces_own(bank: Bank) -> None:
    await bank.store.take(an_order(1000, 2000, 3000), MONDAY)
    await bank.store.take(an_order(4000, payee="41"), MONDAY)

    first = await bank.paid()
    rest = await bank.store.statement("33", "payment", first[0].line_no, LATER)

    assert [line.amount_fen for line in first] == [1000, 2000, 3000]
    assert rest == first[1:]
    assert [line.amount_fen for line in await bank.paid("41")] == [4000]
    assert await bank.in_hands_fen() == {("44", "33"): 0, ("44", "41"): 0}


async def test_statements_asked_for_at_once_book_each_payment_once_and_hide_no_line(bank: Bank) -> None:
    for _ in range(5):
        await bank.store.take(an_order(*range(1, 21)), MONDAY)

    await asyncio.gather(*(bank.paid() for _ in range(8)), *(bank.paid("41") for _ in range(8)))

    lines = await bank.paid()
    assert sorted(line.amount_fen for line in lines) == sorted([*range(1, 21)] * 5)
    assert len({line.line_id for line in lines}) == 100


async def test_whoever_reads_on_and_on_while_orders_come_misses_no_line(bank: Bank) -> None:
    hasty = BankStore(bank.database, delay=timedelta(0))
    seen: list[str] = []
    ordered = [an_order(1000) for _ in range(30)]

    async def read_on() -> None:
        after = 0
        while len(seen) < len(ordered):
            for line in await hasty.statement("33", "payment", after, MUCH_LATER):
                seen.append(line.remittance_id)
                after = line.line_no
            await asyncio.sleep(0)

    async def others() -> None:
        while len(seen) < len(ordered):
            await hasty.statement("41", "payment", 0, MUCH_LATER)

    async with asyncio.timeout(30):
        await asyncio.gather(read_on(), others(), others(), *(hasty.take(order, MONDAY) for order in ordered))

    assert sorted(seen) == sorted(order.remittance_id for order in ordered)


async def test_the_books_of_the_bank_outlive_its_process(bank: Bank) -> None:
    order = an_order()
    first = await bank.store.take(order, MONDAY)

    restarted = BankStore(bank.database, delay=DELAY)

    assert await restarted.take(order, LATER) == first
    assert len(await restarted.statement("33", "payment", 0, LATER)) == 1


async def rows_read(fresh: Database, name: str, *values: object) -> int:
    """How many rows of its tables one of the bank's statements reads, on a connection that has no plan from smaller days."""
    reads = "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int FROM pg_stat_xact_user_tables"
    async with fresh.transaction("test") as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")  # a small table is read whole where that is cheaper
        before = int(await tx.value(reads))
        await tx.fetch(SQL[name], *values)
        return int(await tx.value(reads)) - before


async def test_a_look_reads_what_is_new_and_not_what_was_ever_paid(bank: Bank, bank_database: UrlOf) -> None:
    hasty = BankStore(bank.database, delay=timedelta(0))
    read = []

    for history in (10, 400):
        paid, returned = an_order(*([1000] * history)), an_order(*([1000] * history))
        await hasty.tell_faults([a(Fault, case_id=line.case_id, kind="return") for line in returned.lines])
        await hasty.take(paid, MONDAY)
        await hasty.take(returned, MONDAY)
        after = (await hasty.statement("33", "payment", 0, LATER))[-1].line_no
        looks: tuple[tuple[Any, ...], ...] = (
            ("wait_for_due", LATER),
            ("book_lines", LATER, LATER.date()),
            ("paid_in", "33", after),
            ("next_paid_in", "33"),
            ("returned_to", "33", 0),  # to 44 much was returned, to 33 nothing ever
            ("next_returned_to", "33"),
        )
        fresh = Database(bank_database("bank"), name="fresh", size=1)
        read.append({name: await rows_read(fresh, name, *values) for name, *values in looks})
        await fresh.close()

    assert read[0] == read[1] == dict.fromkeys(read[0], 0)


async def test_what_is_due_at_once_is_booked_with_its_order(bank: Bank) -> None:
    hasty = BankStore(bank.database, delay=timedelta(0))
    told: list[Any] = []
    hasty.booked = told.append

    await hasty.take(an_order(1000, 2000), MONDAY)

    async with bank.database.transaction("test") as tx:
        lines = await tx.value("SELECT count(*) FROM bank.lines")
    assert lines == 2
    assert told == [frozenset({Account("33", "payment")})]
