"""Questions that stand: answered when a line comes, at the latest when the time is over, and no line is ever missed."""

import asyncio
import time
from datetime import timedelta

import pytest

from services.bank.standing import Standing
from services.bank.store import Account, BankStore
from services.runtime.clock import Clock, ScenarioClock
from tests.agencies import MONDAY
from tests.integration.bank.conftest import Bank, an_order

TO_33 = Account("33", "payment")
LONG_S = 20.0


class Desk:
    """A bank process of its own, on the bank's database."""

    def __init__(
        self, bank: Bank, *, delay: timedelta = timedelta(0), clock: Clock | None = None, look_again_s: float = 15.0
    ) -> None:
        self.clock = clock or ScenarioClock(MONDAY)
        self.store = BankStore(bank.database, delay=delay)
        self.standing = Standing(self.store, self.clock, look_again_s=look_again_s)

    async def take(self, *amounts_fen: int, payee: str = "33") -> None:
        await self.store.take(an_order(*amounts_fen, payee=payee), self.clock.now())

    def ask(self, account: Account = TO_33, after: int = 0, wait_s: float = LONG_S) -> asyncio.Task[list[int]]:
        """Ask; the amounts of the answer."""

        async def amounts() -> list[int]:
            return [line.amount_fen for line in await self.standing.lines(account, after, wait_s)]

        return asyncio.create_task(amounts())


async def settled() -> None:
    """Long enough for a question to have looked once."""
    await asyncio.sleep(0.3)


async def test_what_is_there_is_answered_at_once(bank: Bank) -> None:
    desk = Desk(bank)
    await desk.take(1000)

    began = time.monotonic()

    assert await desk.ask() == [1000]
    assert time.monotonic() - began < 5


async def test_a_question_without_a_wait_is_answered_at_once_with_nothing(bank: Bank) -> None:
    assert await Desk(bank).ask(wait_s=0) == []


async def test_a_question_that_stands_is_answered_when_a_line_comes(bank: Bank) -> None:
    desk = Desk(bank)
    question, elsewhere = desk.ask(), desk.ask(Account("41", "payment"), wait_s=2)
    await settled()

    still_open = not question.done()
    await desk.take(1000, 2000)
    async with asyncio.timeout(5):  # far sooner than it would look again by itself
        found = await question

    assert still_open
    assert found == [1000, 2000]
    assert await elsewhere == []


async def test_when_the_time_is_over_the_answer_is_empty(bank: Bank) -> None:
    began = time.monotonic()

    assert await Desk(bank).ask(wait_s=0.3) == []
    assert 0.3 <= time.monotonic() - began < 5


async def test_money_that_is_under_way_is_answered_when_it_becomes_due(bank: Bank) -> None:
    desk = Desk(bank, delay=timedelta(seconds=0.7), clock=Clock())
    await desk.take(1000)
    question = desk.ask()
    await settled()

    async with asyncio.timeout(5):
        assert await question == [1000]


async def test_a_moved_clock_makes_every_question_look(bank: Bank) -> None:
    clock = ScenarioClock(MONDAY)
    desk = Desk(bank, delay=timedelta(minutes=30), clock=clock)
    await desk.take(1000)
    question = desk.ask()
    await settled()

    clock.move(MONDAY + timedelta(hours=1))
    desk.standing.look_again()

    async with asyncio.timeout(5):
        assert await question == [1000]


async def test_what_another_process_of_the_bank_books_is_seen_at_the_next_look(bank: Bank) -> None:
    asked, other = Desk(bank, look_again_s=0.2), Desk(bank)
    question = asked.ask()
    await settled()

    await other.take(1000)

    async with asyncio.timeout(5):
        assert await question == [1000]


async def test_money_that_was_lost_is_answered_when_the_bank_has_found_it(bank: Bank) -> None:
    desk = Desk(bank)
    order = await Bank(desk.store, bank.database).told(an_order(1000), "lose")
    question = desk.ask()
    await settled()

    await desk.store.investigate(order.lines[0].case_id, desk.clock.now())

    async with asyncio.timeout(5):
        assert await question == [1000]


async def test_whoever_follows_a_statement_line_by_line_gets_each_line_once(bank: Bank) -> None:
    desk = Desk(bank)
    seen: list[str] = []

    async def follow() -> None:
        after = 0
        while len(seen) < 60:
            for line in await desk.standing.lines(TO_33, after, LONG_S):
                seen.append(line.line_id)
                after = line.line_no

    async with asyncio.timeout(40):
        await asyncio.gather(follow(), *(desk.take(1, 2, 3) for _ in range(20)))

    assert len(set(seen)) == len(seen) == 60


async def test_a_bank_that_stops_answers_what_stands(bank: Bank) -> None:
    desk = Desk(bank)
    question = desk.ask()
    await settled()

    desk.standing.close()

    async with asyncio.timeout(5):
        assert await question == []


async def test_a_statement_is_unread_until_it_was_asked_for_beyond_its_last_line(bank: Bank) -> None:
    desk = Desk(bank)
    never_followed = await desk.standing.unread()
    assert await desk.ask(wait_s=0.05) == []
    nothing_yet = await desk.standing.unread()
    await desk.take(1000)

    unread = await desk.standing.unread()
    [line] = await desk.standing.lines(TO_33, 0, LONG_S)
    handed_over = await desk.standing.unread()
    await desk.standing.lines(TO_33, line.line_no, 0.05)

    assert never_followed is nothing_yet is None
    assert unread == handed_over == "33 has not taken its statement of payments beyond 0"
    assert await desk.standing.unread() is None


@pytest.mark.parametrize("leaves", [True, False], ids=["who asked has gone", "answered"])
async def test_a_question_that_ended_leaves_nothing_behind(bank: Bank, leaves: bool) -> None:
    desk = Desk(bank)
    question = desk.ask(wait_s=LONG_S if leaves else 0.05)
    await settled()

    if leaves:
        question.cancel()
    await asyncio.gather(question, return_exceptions=True)

    assert not any(desk.standing._waiting.values())
