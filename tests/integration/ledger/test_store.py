"""The ledger in the database: entries numbered without gaps, the same books as a replay, and nothing rewritten."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.base import Fact
from contracts.envelope import Envelope, decode, encode, envelope
from contracts.events import Applied, BalanceStated, ContributionRecorded, FundsReceived, InformationFormIssued
from services.ledger import store
from services.ledger.chart import BANK, POOLED_FUND, individual, transfers_payable
from services.ledger.journal import Head
from services.ledger.replay import Replay, trial_balance
from services.runtime.database import Database
from tests.builders import CASE, PERSON, a, items
from tests.exchange import NOON
from tests.integration.conftest import UrlOf
from tests.unit.ledger.facts import BOOKED_FACTS

SERVICE = "44/origin-agency"
MINE = individual(PERSON)


@dataclass
class Books:
    """A province's ledger, written by one of its agencies."""

    database: Database

    async def record(self, *facts: Fact) -> list[Envelope[Fact]]:
        """Book facts in one transaction."""
        told = [envelope(fact, source=SERVICE, subject=CASE, time=NOON) for fact in facts]
        async with self.database.transaction("test") as tx:
            return await store.record(tx, told)

    async def heads(self) -> dict[str, Head]:
        """Where every account stands."""
        async with self.database.transaction("test") as tx:
            return await store.all_balances(tx)


@pytest.fixture
async def books(province_database: UrlOf) -> AsyncIterator[Books]:
    database = Database(province_database("p44_origin_agency"), name="ledger-test")
    yield Books(database)
    await database.close()


def contribution(account_fen: int = 300, pool_fen: int = 700) -> Fact:
    return a(ContributionRecorded, person_ref=PERSON, account_fen=account_fen, pool_fen=pool_fen)


async def test_a_booked_fact_comes_back_with_the_number_of_each_account_and_a_statement_of_the_persons(books: Books) -> None:
    fact, statement = await books.record(contribution())

    assert fact.data == contribution().model_copy(update={"account_sequences": {BANK: 1, MINE: 1, POOLED_FUND: 1}})
    assert statement.data == a(BalanceStated, person_ref=PERSON, account=MINE, sequence=1, balance_fen=300, reason="entry")
    assert (statement.causationid, statement.subject, statement.service) == (fact.id, PERSON, SERVICE)


async def test_a_batch_states_each_persons_balance_once_after_its_last_entry(books: Books) -> None:
    told = await books.record(contribution(), contribution(), contribution(0, 5))

    statements = [message.data for message in told if isinstance(message.data, BalanceStated)]

    assert [(each.account, each.sequence, each.balance_fen) for each in statements] == [(MINE, 2, 600)]
    assert [getattr(message.data, "account_sequences", None) for message in told[:3]] == [
        {BANK: 1, MINE: 1, POOLED_FUND: 1},
        {BANK: 2, MINE: 2, POOLED_FUND: 2},
        {BANK: 3, POOLED_FUND: 3},
    ]


async def test_what_moves_no_money_passes_through_as_it_is(books: Books) -> None:
    told = await books.record(a(Applied), contribution(0, 0))

    assert [message.data for message in told] == [a(Applied), contribution(0, 0)]
    assert await books.heads() == {}


async def test_the_next_batch_goes_on_where_the_last_one_stopped(books: Books) -> None:
    await books.record(contribution())
    await books.record(contribution(), a(InformationFormIssued, person_ref=PERSON, destination="33", items=items(600, 1400)))

    assert await books.heads() == {
        BANK: Head(2, 2000),
        MINE: Head(3, 0),
        POOLED_FUND: Head(3, 0),
        transfers_payable("33"): Head(1, 2000),
    }


async def test_a_transaction_that_fails_has_booked_nothing(books: Books) -> None:
    async def fail() -> None:
        async with books.database.transaction("test") as tx:
            await store.record(tx, [envelope(contribution(), source=SERVICE, subject=CASE, time=NOON)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await books.heads() == {}
    (numbered, _) = await books.record(contribution())
    assert getattr(numbered.data, "account_sequences", {})[MINE] == 1


async def test_an_event_is_booked_once_for_good(books: Books) -> None:
    message = envelope(contribution(), source=SERVICE, subject=CASE, time=NOON, id="event-1")

    async def book() -> None:
        async with books.database.transaction("test") as tx:
            await store.record(tx, [message])

    await book()
    with pytest.raises(asyncpg.UniqueViolationError):
        await book()

    assert (await books.heads())[MINE] == Head(1, 300)


async def test_writers_at_the_same_time_get_numbers_without_gap_or_repeat_and_do_not_deadlock(books: Books) -> None:
    persons = [f"018f4c1e-bbbb-7000-8000-{at:012d}" for at in range(6)]

    async def writer(order: Sequence[str]) -> list[Envelope[Fact]]:
        told: list[Envelope[Fact]] = []
        for _ in range(4):
            told += await books.record(*(a(ContributionRecorded, person_ref=who, account_fen=1, pool_fen=1) for who in order))
        return told

    said = [
        message for told in await asyncio.gather(*(writer(persons[at:] + persons[:at]) for at in range(6))) for message in told
    ]

    replay = Replay()
    for message in said:
        replay.fold(message.id, message.data)
    assert replay.problems() == []
    assert replay.compare(await books.heads()) == []
    assert (await books.heads())[BANK] == Head(144, 288)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(BOOKED_FACTS, min_size=1, max_size=6), min_size=1, max_size=4), data=st.data())
async def test_the_replay_of_what_was_published_gives_the_live_books(
    province_database: UrlOf, batches: list[list[Fact]], data: st.DataObject
) -> None:
    books = Books(Database(province_database("p44_origin_agency"), name="ledger-test"))
    (before,) = [await books.heads()]
    replay = Replay()

    for batch in batches:
        for message in await books.record(*batch):
            replay.fold(message.id, decode(encode(message)).data)

    live = await books.heads()
    if not before:  # examples share the database; the first has it alone
        assert replay.compare(live) == []
        assert replay.problems() == []
    assert trial_balance(live) == 0
    await books.database.close()


async def test_three_statements_book_a_batch_however_many_entries_it_has(books: Books) -> None:
    counted = []
    for size in (1, 100):
        async with books.database.transaction("test") as tx:
            await store.record(tx, [envelope(contribution(), source=SERVICE, subject=CASE, time=NOON) for _ in range(size)])
        counted.append(tx.statements)

    assert counted[0] == counted[1] <= 3


async def test_balances_are_told_for_the_accounts_that_were_ever_used(books: Books) -> None:
    await books.record(contribution())

    async with books.database.transaction("test") as tx:
        found = await store.balances(tx, [MINE, individual("nobody")])

    assert found == {MINE: Head(1, 300)}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.postings SET amount_fen = 1",
        "DELETE FROM ledger.postings",
        "TRUNCATE ledger.postings",
        "DELETE FROM ledger.accounts",
        "DROP TABLE ledger.postings",
    ],
)
async def test_what_is_booked_cannot_be_rewritten_by_those_who_book(books: Books, statement: str) -> None:
    await books.record(contribution())

    async def rewrite() -> None:
        async with books.database.transaction("test") as tx:
            await tx.execute(statement)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await rewrite()


async def test_who_does_not_book_may_not_even_look(province_database: UrlOf) -> None:
    database = Database(province_database("p44_notification"), name="ledger-test")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await Books(database).heads()
    await database.close()


async def test_the_accounts_are_what_their_postings_add_up_to(books: Books) -> None:
    await books.record(contribution(), a(FundsReceived, origin="33", amount_fen=50), contribution(7, 8))

    async with books.database.transaction("test") as tx:
        rows = await tx.fetch(
            "SELECT account, sum(fen)::bigint AS fen FROM (SELECT debit AS account, amount_fen AS fen FROM ledger.postings"
            " UNION ALL SELECT credit, -amount_fen FROM ledger.postings) AS lines GROUP BY account"
        )

    sums = {row["account"]: abs(row["fen"]) for row in rows}
    assert sums == {account: abs(head.balance_fen) for account, head in (await books.heads()).items()}
