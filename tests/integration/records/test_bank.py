"""The adapter to the bank, against the bank itself on loopback, and against one that is away or in trouble."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from contracts.envelope import new_id
from deploy.local.services import bank_token_file
from deploy.local.stack import Stack
from services.bank.api import add_routes
from services.bank.store import BankStore
from services.records.bank import Bank, BankAway, BankRefused, HttpBank, follow
from services.runtime.clock import ScenarioClock
from services.runtime.database import Database
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from tests.agencies import MONDAY, BankDouble
from tests.integration.bank.conftest import a_return, an_order, serving
from tests.integration.conftest import UrlOf


@pytest.fixture
async def url(stack: Stack, bank_database: UrlOf) -> AsyncIterator[str]:
    async def ready() -> dict[str, str | None]:
        return {}

    database = Database(bank_database("bank"), name="bank")
    api = make_api("bank", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
    add_routes(api, BankStore(database, delay=timedelta(0)), ScenarioClock(MONDAY))
    async with serving(api) as found:
        yield found
    await database.close()


@pytest.fixture
async def desk(stack: Stack, url: str) -> AsyncIterator[HttpBank]:
    """44's adapter."""
    found = HttpBank(url, bank_token_file(stack.home, "44"))
    yield found
    await found.close()


async def test_an_order_given_twice_is_answered_the_same_and_its_money_arrives_once(
    desk: HttpBank, stack: Stack, url: str
) -> None:
    order = an_order(1000, 2000)
    payee = HttpBank(url, bank_token_file(stack.home, "33"))

    first, again = await desk.remit(order), await desk.remit(order)
    lines = await payee.lines("33", "payment", 0)
    rest = await payee.lines("33", "payment", lines[0].line_no)
    await payee.close()

    assert first == again
    assert first.remittance_id == order.remittance_id
    assert [(line.case_id, line.amount_fen) for line in lines] == [(line.case_id, line.amount_fen) for line in order.lines]
    assert rest == lines[1:]
    assert await desk.lines("44", "returned", 0) == ()


async def test_money_is_given_back_over_http(desk: HttpBank, stack: Stack, url: str) -> None:
    order = an_order(1000)
    await desk.remit(order)
    payee = HttpBank(url, bank_token_file(stack.home, "33"))
    back = a_return(order, 1000)

    taken, again = await payee.give_back(back), await payee.give_back(back)
    await payee.close()

    assert taken == again
    assert taken.remittance_id == back.return_id


async def test_an_order_for_somebody_elses_account_is_refused_with_the_banks_words(desk: HttpBank) -> None:
    with pytest.raises(BankRefused, match="WRONG_PROVINCE"):
        await desk.remit(an_order(1000, payer="41"))


async def test_a_bank_that_does_not_answer_is_away(stack: Stack) -> None:
    desk = HttpBank(f"http://127.0.0.1:{stack.port('nobody')}", bank_token_file(stack.home, "44"))

    with pytest.raises(BankAway, match="ConnectError"):
        await desk.remit(an_order())
    await desk.close()


async def test_a_bank_in_trouble_of_its_own_is_away(stack: Stack) -> None:
    async def statement() -> Response:
        return Response("out of order", status_code=503)

    api = FastAPI()
    api.add_api_route("/statement", statement)

    async with serving(api) as url:
        desk = HttpBank(url, bank_token_file(stack.home, "44"))
        with pytest.raises(BankAway, match="HTTP 503"):
            await desk.lines("44", "returned", 0)
        await desk.close()


async def test_the_token_is_read_without_its_line_end(tmp_path: Path, stack: Stack, url: str) -> None:
    token = tmp_path / "token"
    token.write_text(bank_token_file(stack.home, "44").read_text().strip() + "\n")
    desk = HttpBank(url, token)

    lines = await desk.lines("44", "returned", 0)
    await desk.close()

    assert lines == ()


@pytest.mark.parametrize("kind", ["payment", "returned"])
async def test_the_double_of_other_tests_answers_as_the_bank_does(desk: HttpBank, kind: str) -> None:
    order = an_order(1000, remittance_id=new_id())
    banks: list[Bank] = [desk, BankDouble()]

    answers = []
    for bank in banks:
        first, again = await bank.remit(order), await bank.remit(order)
        answers.append((first == again, first.remittance_id, await bank.lines("44", kind, 0)))  # type: ignore[arg-type]

    assert answers[0] == answers[1] == (True, order.remittance_id, ())


async def test_a_question_stands_at_the_bank_until_a_line_comes(desk: HttpBank, stack: Stack, url: str) -> None:
    payee = HttpBank(url, bank_token_file(stack.home, "33"))
    standing = asyncio.create_task(payee.lines("33", "payment", 0, wait_s=20))
    await asyncio.sleep(0.3)

    still_open = not standing.done()
    await desk.remit(an_order(1000))
    async with asyncio.timeout(10):
        lines = await standing
    await payee.close()

    assert still_open
    assert [line.amount_fen for line in lines] == [1000]


async def test_a_question_may_stand_longer_than_any_other_answer_may_take(
    desk: HttpBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.records.bank.PATIENCE_S", 0.5)

    assert await desk.lines("44", "returned", 0, wait_s=1.0) == ()


class Looks:
    """What a fund desk's looks find, and when they were made."""

    def __init__(self, *found: int, takes_s: float = 0) -> None:
        self._found = list(found)
        self._takes_s = takes_s
        self.asked: list[tuple[float, float]] = []

    async def __call__(self, wait_s: float) -> int:
        self.asked.append((asyncio.get_running_loop().time(), wait_s))
        if not self._found:
            raise BankAway("enough")
        await asyncio.sleep(self._takes_s)
        return self._found.pop(0)

    @property
    def pauses(self) -> list[float]:
        """Between each look and the next."""
        return [after - before for (before, _), (after, _) in pairwise(self.asked)]


async def test_whoever_follows_asks_again_at_once_after_a_line_and_rests_after_an_empty_answer_that_came_quickly() -> None:
    looks = Looks(1, 3, 0, 0)

    with pytest.raises(BankAway, match="enough"):
        await follow(looks, wait_s=20, rest_s=0.3)

    at_once, again, rested, rested_again = looks.pauses
    assert max(at_once, again) < 0.25
    assert min(rested, rested_again) >= 0.3
    assert {wait_s for _, wait_s in looks.asked} == {20}


async def test_whoever_follows_does_not_rest_where_the_question_stood_long_enough() -> None:
    looks = Looks(0, 0, takes_s=0.3)

    with pytest.raises(BankAway):
        await follow(looks, wait_s=0.2, rest_s=60)

    assert max(looks.pauses) < 5
