"""Every service, Kafka and PostgreSQL are killed without warning in the middle of a run; it completes by itself, and nothing is
lost or doubled.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from services.ledger.chart import BANK as BANK_ACCOUNT
from services.ledger.chart import INTEREST_PAID
from services.rules.amounts import yuan
from services.world.plan import Ending, plan
from tests.e2e.aftermath import Aftermath, look_back
from tests.e2e.conftest import a_country, bring_records
from tests.e2e.fire import Carried, Crew, Fire, Row, Watch

PROVINCES = ("44", "33")
WORLD = plan(31, 200, provinces=PROVINCES)
BUNCH = 9  # applications handed in with each kill
KILLS = (
    "44.origin-agency",
    "33.notification",
    "bank",
    "33.destination-agency",
    "33.origin-agency",
    "44.notification",
    "bank",
    "44.destination-agency",
)
# Those need the days to pass, or a case to be open when its person comes again.
LEFT_OUT = {Ending.REFUSED_DUPLICATE_APPLICATION, Ending.ORIGIN_SILENT, Ending.BANK_DELAYED_THEN_COMPLETED, Ending.WITHDRAWN}

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Burnt:
    """What is there when the fire is out."""

    rows: list[Row]
    after: Aftermath
    unsettled: list[str]


@pytest.fixture(scope="module")
async def burnt() -> AsyncIterator[Burnt]:
    with a_country("fire", PROVINCES, overrides={"bank": {"DELAY_MINUTES": "0"}, "*": {"BANK_POLL_S": "0.3"}}) as country:
        country.services.wait_ready(90)
        crew, watch = Crew(country), Watch(country)
        carried = Carried(crew, [each for each in WORLD.applications if each.ending not in LEFT_OUT])
        people: list[asyncio.Task[None]] = []
        try:
            await bring_records(crew, WORLD)
            await carried.hand_in_what_needs_telling()
            people = [asyncio.create_task(carried.work(province)) for province in PROVINCES]
            fire = Fire(country, crew, carried, watch, bunch=BUNCH)
            for name in KILLS:
                await fire.kill(name, in_a_transaction=True)
            for server in ("postgres", "kafka"):
                await fire.kill_server(server)
            for name in KILLS[:4]:
                await fire.kill(name)
            unsettled = await carried.settle()
            await fire.caught_up()
            await crew.idle()
            for person in people:
                person.cancel()
            after = await look_back(country, crew, carried, watch)
            fire.write("fire-services", "Services and servers killed in the middle of a run", after.summary)
            yield Burnt(fire.rows, after, unsettled)
        finally:
            for person in people:
                person.cancel()
            await watch.close()
            await crew.close()


async def test_each_service_was_killed_in_the_middle_of_its_work_and_caught_up_by_itself(burnt: Burnt) -> None:
    kills = Counter(row.what.partition(".")[2] or row.what for row in burnt.rows)

    assert {"origin-agency", "destination-agency", "notification", "bank"} <= {each for each, times in kills.items() if times > 2}
    assert [row for row in burnt.rows if not row.in_hand.anything] == []
    assert sum(row.in_hand.transactions > 0 for row in burnt.rows) > 3
    assert [row for row in burnt.rows if not row.caught_up_s < 60] == []


async def test_kafka_and_postgres_were_killed_in_the_middle_of_the_run_and_every_record_they_had_taken_is_there(
    burnt: Burnt,
) -> None:
    servers = [row for row in burnt.rows if row.what in ("kafka", "postgres")]

    assert {row.what for row in servers if row.in_hand.anything and row.in_hand.open_cases > 0} == {"kafka", "postgres"}
    assert burnt.after.lost == []
    assert burnt.after.unnumbered == 0
    assert burnt.after.proof.agrees  # the auditor's own word: no number is missing, none altered
    assert len(burnt.after.written) > 10 * burnt.after.endings.total()


async def test_every_case_ends_as_it_was_meant_to(burnt: Burnt) -> None:
    assert burnt.unsettled == []
    assert burnt.after.wrong == []
    assert burnt.after.endings.total() > 150


async def test_the_books_of_both_sides_are_equal_and_the_replay_of_the_exports_agrees(burnt: Burnt) -> None:
    assert burnt.after.proof.agrees
    assert burnt.after.proof.lie_found
    for province, books in burnt.after.books.items():
        debit = sum(books[account].balance_fen for account in (BANK_ACCOUNT, INTEREST_PAID) if account in books)
        credit = sum(head.balance_fen for account, head in books.items() if account not in (BANK_ACCOUNT, INTEREST_PAID))
        assert debit == credit, (province, yuan(debit - credit))


async def test_nothing_was_done_twice_and_what_was_sent_twice_is_the_same_to_the_byte(burnt: Burnt) -> None:
    assert burnt.after.doubled == []
    assert burnt.after.altered == []
    assert burnt.after.effects > 5 * burnt.after.endings.total()


async def test_every_notice_is_one_mail_and_no_mail_is_of_no_notice(burnt: Burnt) -> None:
    assert burnt.after.notices - burnt.after.mails.keys() == set()
    assert burnt.after.mails.keys() - burnt.after.notices == set()
    assert len(burnt.after.mails) > 3 * burnt.after.endings.total()


async def test_nothing_stands_in_quarantine(burnt: Burnt) -> None:
    assert burnt.after.quarantined == Counter()
