"""A province's books over HTTP: what an auditor reads is what was booked, and nobody else reads it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.envelope import envelope
from contracts.events import ContributionRecorded
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.ledger import reading, store
from services.ledger.chart import BANK, POOLED_FUND, individual
from services.runtime.database import Database
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.builders import CASE, PERSON, a
from tests.exchange import NOON
from tests.integration.conftest import UrlOf

MINE = individual(PERSON)


async def _well() -> dict[str, str | None]:
    return {}


@pytest.fixture
async def database(province_database: UrlOf) -> AsyncIterator[Database]:
    database = Database(province_database("p44_origin_agency"), name="reading-test")
    yield database
    await database.close()


@pytest.fixture
async def http(stack: Stack, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    api = make_api("test", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=_well)
    reading.add_routes(api, database, "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://44") as client:
        yield client


async def book(database: Database, *amounts: tuple[int, int]) -> None:
    """Book contributions, each as an event of its own: so much to the account, so much to the pooled fund."""
    facts = [a(ContributionRecorded, person_ref=PERSON, account_fen=account, pool_fen=pool) for account, pool in amounts]
    async with database.transaction("test") as tx:
        await store.record(tx, [envelope(fact, source="44/origin-agency", subject=CASE, time=NOON) for fact in facts])


def bearer(stack: Stack, role: Role = Role.AUDITOR, province: str = "44") -> dict[str, str]:
    return {"authorization": f"Bearer {tokens(stack.home).staff(province, role)}"}


async def test_accounts_stand_where_they_were_booked_and_one_that_was_never_used_is_left_out(
    http: httpx.AsyncClient, database: Database, stack: Stack
) -> None:
    await book(database, (300, 700), (100, 0))

    answer = await http.get(
        "/ledger/accounts", params={"account": [MINE, POOLED_FUND, BANK, "suspense:33"]}, headers=bearer(stack)
    )

    assert {row["account"]: (row["sequence"], row["balance_fen"]) for row in answer.json()} == {
        MINE: (2, 400),
        POOLED_FUND: (1, 700),
        BANK: (2, 1100),
    }


async def test_entries_come_in_the_order_of_their_account_after_a_number(
    http: httpx.AsyncClient, database: Database, stack: Stack
) -> None:
    await book(database, (300, 700), (100, 0), (50, 60))

    every = await http.get("/ledger/entries", params={"account": BANK}, headers=bearer(stack))
    later = await http.get("/ledger/entries", params={"account": BANK, "after": 1}, headers=bearer(stack))
    first = await http.get("/ledger/entries", params={"account": BANK, "limit": 1}, headers=bearer(stack))
    mine = await http.get("/ledger/entries", params={"account": MINE, "after": 2}, headers=bearer(stack))

    told = [(row["debit"], row["debit_sequence"], row["credit"], row["amount_fen"]) for row in every.json()]
    assert told == [
        (BANK, 1, MINE, 300),
        (BANK, 1, POOLED_FUND, 700),
        (BANK, 2, MINE, 100),
        (BANK, 3, MINE, 50),
        (BANK, 3, POOLED_FUND, 60),
    ]
    assert later.json() == every.json()[2:]
    assert first.json() == every.json()[:1]
    assert [(row["credit_sequence"], row["amount_fen"]) for row in mine.json()] == [(3, 50)]


async def test_the_ministrys_auditor_reads_them_too(http: httpx.AsyncClient, stack: Stack) -> None:
    answer = await http.get("/ledger/accounts", params={"account": BANK}, headers=bearer(stack, province="00"))

    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    ("role", "province", "code"),
    [(Role.MAKER, "44", "WRONG_ROLE"), (Role.OPERATOR, "44", "WRONG_ROLE"), (Role.AUDITOR, "33", "WRONG_PROVINCE")],
)
@pytest.mark.parametrize("path", ["/ledger/accounts", "/ledger/entries"])
async def test_nobody_else_reads_the_books(
    http: httpx.AsyncClient, stack: Stack, path: str, role: Role, province: str, code: str
) -> None:
    answer = await http.get(path, params={"account": BANK}, headers=bearer(stack, role, province))

    assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_an_account_must_be_named(http: httpx.AsyncClient, stack: Stack) -> None:
    answers = [await http.get(path, headers=bearer(stack)) for path in ("/ledger/accounts", "/ledger/entries")]

    assert [answer.status_code for answer in answers] == [422, 422]
