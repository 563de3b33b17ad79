"""Idempotency keys: the same wish again is answered the same; another under its key is refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.runtime.database import Database
from services.runtime.http import Problem
from services.runtime.idempotency import IdempotencyKeys
from tests.integration.conftest import UrlOf


@pytest.fixture
async def database(province_database: UrlOf) -> AsyncIterator[Database]:
    found = Database(province_database("p44_origin_agency"))
    yield found
    await found.close()


KEYS = IdempotencyKeys("origin_agency")


async def ask(
    database: Database, key: str | None, body: str, *, sub: str = "clerk-1", answer: Any = None
) -> dict[str, Any] | None:
    """What was answered before; keeps an answer if one is given and none was."""
    async with database.transaction("test") as tx:
        found = await KEYS.answered(tx, key, sub, body)
        if found is None and answer is not None:
            await KEYS.keep(tx, key, sub, body, answer)
        return found


async def test_the_same_request_again_gets_the_first_answer(database: Database) -> None:
    first = await ask(database, "key-1", "body", answer={"case_id": "x", "n": 1})

    again = await ask(database, "key-1", "body", answer={"case_id": "y"})

    assert (first, again) == (None, {"case_id": "x", "n": 1})


async def test_another_body_under_the_key_is_refused_by_name(database: Database) -> None:
    await ask(database, "key-1", "body", answer={})

    with pytest.raises(Problem) as refusal:
        await ask(database, "key-1", "another body")

    assert (refusal.value.status, refusal.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_two_callers_may_have_the_same_key(database: Database) -> None:
    await ask(database, "key-1", "body", answer={"mine": True})

    assert await ask(database, "key-1", "another body", sub="clerk-2") is None


async def test_without_a_key_nothing_is_remembered(database: Database) -> None:
    await ask(database, None, "body", answer={"kept": False})

    assert await ask(database, None, "body") is None


async def test_of_two_requests_with_one_key_at_the_same_time_one_has_an_effect(database: Database) -> None:
    async def wish(answer: str) -> str:
        async with database.transaction("test") as tx:
            assert await KEYS.answered(tx, "key-1", "clerk-1", "body") is None
            await asyncio.sleep(0.1)
            await KEYS.keep(tx, "key-1", "clerk-1", "body", {"by": answer})
            return answer

    first, second = await asyncio.gather(wish("first"), wish("second"), return_exceptions=True)

    refused = [each for each in (first, second) if isinstance(each, Problem)]
    assert [each.code for each in refused] == ["IDEMPOTENCY_KEY_IN_USE"]
    kept = await ask(database, "key-1", "body")
    assert kept in ({"by": "first"}, {"by": "second"})


async def test_an_effect_that_was_undone_leaves_no_answer(database: Database) -> None:
    async def undone() -> None:
        async with database.transaction("test") as tx:
            await KEYS.keep(tx, "key-1", "clerk-1", "body", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()

    assert await ask(database, "key-1", "body") is None
