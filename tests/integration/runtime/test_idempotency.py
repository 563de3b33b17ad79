"""Idempotency keys: the answer stands with the effect or not at all, and a key means one body of one caller."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.runtime.database import Database
from services.runtime.http import Problem
from services.runtime.idempotency import IdempotencyKeys
from tests.integration.conftest import UrlOf

KEYS = IdempotencyKeys("origin_agency")
ANSWER: dict[str, Any] = {"done": 1, "rows": [{"case_id": "c", "detail": "第三十七条"}]}


@pytest.fixture
async def database(province_database: UrlOf) -> AsyncIterator[Database]:
    found = Database(province_database("p44_origin_agency"), name="44/origin-agency")
    yield found
    await found.close()


async def answered(database: Database, key: str | None = "k-1", sub: str = "wang", body: str = "{}") -> dict[str, Any] | None:
    async with database.transaction("test") as tx:
        return await KEYS.answered(tx, key, sub, body)


async def keep(database: Database, key: str | None = "k-1", sub: str = "wang", body: str = "{}") -> None:
    async with database.transaction("test") as tx:
        await KEYS.keep(tx, key, sub, body, ANSWER)


async def test_a_new_key_has_no_answer_yet(database: Database) -> None:
    assert await answered(database) is None


async def test_the_same_key_and_body_is_answered_the_same(database: Database) -> None:
    await keep(database)

    assert await answered(database) == ANSWER


async def test_the_same_key_with_another_body_is_refused_by_name(database: Database) -> None:
    await keep(database)

    with pytest.raises(Problem) as refused:
        await answered(database, body='{"other": 1}')

    assert (refused.value.status, refused.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert refused.value.more["field"] == "Idempotency-Key"


async def test_a_key_is_each_callers_own(database: Database) -> None:
    await keep(database, sub="wang")

    assert await answered(database, sub="li", body="another") is None


async def test_without_a_key_nothing_is_kept(database: Database) -> None:
    await keep(database, key=None)

    assert await answered(database, key=None) is None
    async with database.transaction("test") as tx:
        assert await tx.value("SELECT count(*) FROM origin_agency.idempotency_keys") == 0


async def test_an_answer_is_forgotten_with_the_effect_that_broke_off(database: Database) -> None:
    async def breaks_off() -> None:
        async with database.transaction("test") as tx:
            await KEYS.keep(tx, "k-1", "wang", "{}", ANSWER)
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await breaks_off()

    assert await answered(database) is None


async def test_of_two_requests_at_once_with_one_key_one_is_asked_to_come_again(database: Database) -> None:
    outcomes = await asyncio.gather(keep(database), keep(database), return_exceptions=True)

    [refused] = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    assert outcomes.count(None) == 1
    assert (refused.status, refused.code) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert await answered(database) == ANSWER


async def test_bodies_are_compared_to_the_letter(database: Database) -> None:
    await keep(database, body='{"a":1}')

    with pytest.raises(Problem, match="IDEMPOTENCY_KEY_REUSED"):
        await answered(database, body='{"a": 1}')
