"""A whole enterprise moves: ten thousand rows at once, worked off in the background, whatever crashes in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from contracts.events import Applied
from services.destination_agency import batches as module
from services.destination_agency.batches import CHUNK, Batches
from services.destination_agency.intake import take
from services.runtime.identity import Role
from tests.integration.destination_agency.conftest import (
    EMPLOYER,
    ID_NUMBER,
    NAME,
    Destination,
    Http,
    number_of,
    wish,
)

LARGEST = 10_000


def rows(count: int) -> list[dict[str, Any]]:
    """So many people of one enterprise, each with a number of the own."""
    numbers = (number_of(at % 1000, born=f"19{70 + at // 9000}{1 + at // 1000 % 9:02d}15") for at in range(count))
    return [wish(id_number=number, name=f"李小{at:05d}") for at, number in enumerate(numbers)]


async def submit(here: Destination, given: list[dict[str, Any]]) -> str:
    async with here.at.database.transaction("test") as tx:
        return await here.batches.keep(tx, given, EMPLOYER.sub, "employer")


@asynccontextmanager
async def working(worker: Batches) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def handled(here: Destination, batch_id: str) -> int:
    [row] = await here.at.rows("SELECT handled FROM destination_agency.batches WHERE batch_id = $1", batch_id)
    return int(row["handled"])


async def until(here: Destination, batch_id: str, wanted: int, *, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while await handled(here, batch_id) < wanted:  # noqa: ASYNC110 - the worker is asked as an employer would ask
            await asyncio.sleep(0.02)


async def test_ten_thousand_rows_are_worked_off_while_the_employer_watches(http: Http) -> None:
    here, token = http.here, http.issued.staff("33", Role.EMPLOYER)
    given = rows(LARGEST)

    answer = await http.call("POST", "/application-batches", token, {"rows": given})
    batch_id = answer.json()["batch_id"]
    seen = set()
    async with working(here.batches):
        while True:
            state = (await http.call("GET", f"/application-batches/{batch_id}", token)).json()
            seen.add(state["handled"])
            if state["state"] == "done":
                break
            await asyncio.sleep(0.1)

    assert answer.status_code == 202
    assert (state["total"], state["accepted"], state["refused"]) == (LARGEST, LARGEST, 0)
    assert len(seen) > 5
    listed = (await http.call("GET", f"/application-batches/{batch_id}/rows", token, params={"limit": LARGEST})).json()
    assert [row["row_no"] for row in listed] == list(range(1, LARGEST + 1))
    assert len({row["case_id"] for row in listed}) == LARGEST


async def test_refused_rows_are_listed_with_reason_and_hold_no_other_back(http: Http) -> None:
    here, token = http.here, http.issued.staff("33", Role.EMPLOYER)
    good = rows(3)
    given = [
        good[0],
        {**good[1], "id_number": "41010519900315999"},
        {**good[1], "a\x00b": 1},
        {**good[2], "fee": 5},
        good[0],
        good[2],
    ]
    batch_id = (await http.call("POST", "/application-batches", token, {"rows": given})).json()["batch_id"]

    async with working(here.batches):
        await until(here, batch_id, len(given))

    path = f"/application-batches/{batch_id}/rows"
    refused = (await http.call("GET", path, token, params={"result": "refused"})).json()
    accepted = (await http.call("GET", path, token, params={"result": "accepted"})).json()
    assert [(row["row_no"], row["code"]) for row in refused] == [
        (2, "ID_NUMBER_INVALID"),
        (3, "INVALID_INPUT"),
        (4, "INVALID_INPUT"),
        (5, "DUPLICATE_APPLICATION"),
    ]
    assert all(row["detail"] for row in refused)
    assert [row["row_no"] for row in accepted] == [1, 6]
    assert refused[3]["case_id"] == accepted[0]["case_id"]


async def test_the_rows_are_asked_for_page_by_page(http: Http) -> None:
    here, token = http.here, http.issued.staff("33", Role.EMPLOYER)
    batch_id = (await http.call("POST", "/application-batches", token, {"rows": rows(5)})).json()["batch_id"]
    async with working(here.batches):
        await until(here, batch_id, 5)

    page = await http.call("GET", f"/application-batches/{batch_id}/rows", token, params={"after": 2, "limit": 2})

    assert [row["row_no"] for row in page.json()] == [3, 4]


async def test_a_worker_that_was_killed_between_two_chunks_is_followed_by_one_that_goes_on(here: Destination) -> None:
    given = rows(5 * CHUNK)
    batch_id = await submit(here, given)
    async with working(here.batches):
        await until(here, batch_id, CHUNK)
    left = await handled(here, batch_id)

    async with working(Batches(here.at.database, here.at.agency, here.at.ring)):
        await until(here, batch_id, len(given))

    facts = await here.at.facts(Applied)
    assert CHUNK <= left < len(given)
    assert left % CHUNK == 0
    assert len(facts) == len({fact.case_id for fact in facts}) == len(given)
    assert len(await here.at.rows("SELECT FROM destination_agency.batch_rows WHERE result = 'accepted'")) == len(given)


async def test_a_chunk_that_breaks_leaves_nothing_and_is_done_again(here: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = await submit(here, rows(CHUNK + 1))
    really, times = take, [0]

    async def breaking(*args: Any, **more: Any) -> Any:
        taken = await really(*args, **more)
        times[0] += 1
        if times[0] == 1:
            raise ConnectionError("the server went away")
        return taken

    monkeypatch.setattr(module, "take", breaking)
    async with working(here.batches):
        await until(here, batch_id, CHUNK + 1)

    assert times[0] == 3
    assert len(await here.at.facts(Applied)) == CHUNK + 1


async def test_two_submissions_are_both_worked_off_and_the_worker_rests(here: Destination) -> None:
    first, second = await submit(here, rows(2)), await submit(here, rows(3))

    async with working(here.batches):
        await until(here, first, 2)
        await until(here, second, 3)
        async with asyncio.timeout(5):
            while here.batches.busy:  # noqa: ASYNC110 - nothing tells when it rests
                await asyncio.sleep(0.01)

    found = await here.at.rows("SELECT refused FROM destination_agency.batches WHERE batch_id = $1", second)
    assert [row["refused"] for row in found] == [2]  # the first two are of the first submission


async def test_a_submission_stands_under_a_key_of_its_own(here: Destination) -> None:
    odd = [wish(), {**wish(), ID_NUMBER: NAME}]
    batch_id = await submit(here, odd)
    async with working(here.batches):
        await until(here, batch_id, 2)

    stored = await here.everything_stored()

    assert [text for text in (ID_NUMBER, NAME, str(wish()["email"])) if text in stored] == []


async def test_a_submission_of_which_nobody_was_told_is_worked_off_all_the_same(here: Destination) -> None:
    """The commit went through and its answer was lost: whoever asks again is answered, and nobody wakes the worker."""
    worker = Batches(here.at.database, here.at.agency, lambda: None, poll_s=0.1)

    async with working(worker):
        await asyncio.sleep(0.3)
        batch_id = await submit(here, rows(3))

        await until(here, batch_id, 3, within_s=10)

    assert await handled(here, batch_id) == 3
