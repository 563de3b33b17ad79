"""Two replicas of each service share the work: leaders are killed, one stands still for thirty seconds and comes back late."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from contracts import topics
from contracts.events import DeadlineBreached, DeadlineReminded
from services.cli.demo.story import day
from services.ledger.chart import BANK as BANK_ACCOUNT
from services.ledger.chart import INTEREST_PAID
from services.world.plan import Ending, plan
from tests.e2e.aftermath import Aftermath, look_back
from tests.e2e.conftest import Country, a_country, bring_records
from tests.e2e.fire import Carried, Crew, Fire, Row, Watch, logged, until

PROVINCES = ("44", "33")
WORLD = plan(32, 160, provinces=PROVINCES)
BUNCH = 8
PAUSE_S = 30.0
PAUSED = "44.origin-agency"
LEADERS = ("33.destination-agency", "44.notification", "33.origin-agency")
# A case must be open when its person comes again, or not yet handled when it is withdrawn; here nobody can say when that is.
LEFT_OUT = {Ending.REFUSED_DUPLICATE_APPLICATION, Ending.WITHDRAWN}

pytestmark = pytest.mark.timeout(400)


@dataclass
class Pause:
    """What became of the work of a replica that stood still."""

    late: str
    leader: str = ""  # of the relay, while it stood still
    partitions: int = 0  # that the other one then had
    taken_over_s: float = float("inf")
    ended: int = 0  # of the cases that were handed in while it stood still, before it went on
    of: int = 0
    partitions_again: int = 0  # that the late one got when it was back


@dataclass(frozen=True)
class Shared:
    """What is there when all is done."""

    rows: list[Row]
    handled: dict[str, int]  # batches, by process
    leaders: list[tuple[str, str]]  # before and after each kill
    pause: Pause
    after: Aftermath
    unsettled: list[str]


def others(country: Country, name: str) -> list[str]:
    """The replicas beside a process."""
    service = name.removesuffix("-1")
    return [each for each in (service, f"{service}-1") if each != name and each in country.stack.processes]


async def stand_still(country: Country, fire: Fire, carried: Carried) -> Pause:
    """The replica that leads the relay stands still in the middle of a transaction; the other one does its work."""
    late = await fire.leader(PAUSED)
    [other] = others(country, late)
    pause, log = Pause(late), country.stack.log(other)
    since, late_since = log.stat().st_size, country.stack.log(late).stat().st_size
    async with fire.paused(late, PAUSE_S):
        began = time.monotonic()

        async def took_over() -> bool:
            pause.partitions = sum(each["partitions"] for each in logged(log, "consumer.assigned", since=since)[-1:])
            return pause.partitions == topics.PARTITIONS

        await until(took_over, f"{other} never got the partitions of {late}", within_s=PAUSE_S)

        async def leads() -> bool:
            pause.leader = await fire.leader(PAUSED)
            return pause.leader == other

        await until(leads, f"{other} never led the relay in the place of {late}", within_s=PAUSE_S)
        pause.taken_over_s = time.monotonic() - began
        before = set(carried.case_of.values())
        carried.hand_in_more(2 * BUNCH)
        await asyncio.sleep(max(0.0, began + PAUSE_S - 1 - time.monotonic()))
        fresh = set(carried.case_of.values()) - before
        pause.of, pause.ended = len(fresh), await carried.ended(fresh)

    async def is_back() -> bool:
        pause.partitions_again = sum(
            each["partitions"] for each in logged(country.stack.log(late), "consumer.assigned", since=late_since)[-1:]
        )
        return 0 < pause.partitions_again < topics.PARTITIONS

    await until(is_back, f"{late} never got partitions again")
    return pause


async def lose_leaders(fire: Fire) -> list[tuple[str, str]]:
    """The replica that leads the relay is killed, service after service; the other one leads then."""
    found = []
    for service in LEADERS:
        leader = await fire.leader(service)
        await fire.kill(leader)
        found.append((leader, await fire.leader(service)))
    return found


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Shared]:
    overrides = {"bank": {"DELAY_MINUTES": "0"}, "*": {"BANK_POLL_S": "0.3"}}
    with a_country("replicas", PROVINCES, replicas=2, overrides=overrides) as country:
        country.services.wait_ready(120)
        crew, watch = Crew(country), Watch(country)
        carried = Carried(crew, [each for each in WORLD.applications if each.ending not in LEFT_OUT])
        people: list[asyncio.Task[None]] = []
        try:
            await bring_records(crew, WORLD)
            await carried.hand_in_what_needs_telling()
            people = [asyncio.create_task(carried.work(province)) for province in PROVINCES]
            fire = Fire(country, crew, carried, watch, bunch=BUNCH)
            carried.hand_in_more(3 * BUNCH)
            await carried.settle(Ending.ORIGIN_SILENT, Ending.BANK_DELAYED_THEN_COMPLETED, all_of_them=False)
            counts = await crew.counts()
            handled = {name: counts.get(f"{name} handler", (0, 0))[1] for name in country.services.names if "." in name}
            pause, leaders = await asyncio.gather(stand_still(country, fire, carried), lose_leaders(fire))
            await carried.settle(Ending.ORIGIN_SILENT, Ending.BANK_DELAYED_THEN_COMPLETED)
            await fire.caught_up()
            for date in ("2024-05-21", "2024-05-28"):  # ten working days are over, then fifteen
                await crew.move(day(date))
            await carried.speak_up()
            unsettled = await carried.settle()
            await crew.idle()
            for person in people:
                person.cancel()
            after = await look_back(country, crew, carried, watch)
            took_over = f"{pause.leader} had all of {pause.late}'s partitions and its relay after {pause.taken_over_s:.1f} s"
            went_on = f"{pause.ended} of {pause.of} cases handed in meanwhile ended before it came back"
            summary = f"{took_over}; {went_on}\n{after.summary}"
            fire.write("fire-replicas", "Two replicas of each service: leaders killed, one standing still", summary)
            yield Shared(fire.rows, handled, leaders, pause, after, unsettled)
        finally:
            for person in people:
                person.cancel()
            await watch.close()
            await crew.close()


async def test_both_replicas_of_each_service_handle_records(shared: Shared) -> None:
    assert len(shared.handled) == 2 * 3 * len(PROVINCES)
    assert [name for name, batches in shared.handled.items() if not batches] == []


async def test_when_the_leader_of_a_relay_is_killed_the_other_replica_publishes(shared: Shared) -> None:
    assert len(shared.leaders) == len(LEADERS)
    for killed, leader in shared.leaders:
        assert leader != killed
        assert leader.removesuffix("-1") == killed.removesuffix("-1")


async def test_a_consumer_that_stands_still_loses_its_partitions_and_its_relay_to_its_replica(shared: Shared) -> None:
    pause = shared.pause

    assert pause.partitions == topics.PARTITIONS
    assert pause.leader != pause.late
    assert pause.taken_over_s < PAUSE_S
    assert 0 < pause.ended <= pause.of  # the work went on without it


async def test_a_consumer_that_comes_back_late_shares_the_work_again_and_does_nothing_twice(shared: Shared) -> None:
    assert 0 < shared.pause.partitions_again < topics.PARTITIONS
    assert [row for row in shared.rows if not row.caught_up_s < 60] == []
    assert shared.after.doubled == []
    assert shared.after.lost == shared.after.altered == []


async def test_two_mailers_send_each_notice_as_one_mail_and_two_timers_tell_each_date_once(shared: Shared) -> None:
    told = Counter(type(message.data) for message in shared.after.journal)

    assert shared.after.notices ^ shared.after.mails.keys() == set()
    assert shared.after.doubled == []
    assert min(told[DeadlineReminded], told[DeadlineBreached]) > 0


async def test_every_case_of_the_replicas_ends_as_it_was_meant_to_and_the_books_agree(shared: Shared) -> None:
    assert shared.unsettled == shared.after.wrong == []
    assert shared.after.proof.agrees
    assert shared.after.quarantined == Counter()
    assert shared.after.unnumbered == 0
    for books in shared.after.books.values():
        debit = sum(books[account].balance_fen for account in (BANK_ACCOUNT, INTEREST_PAID) if account in books)
        assert debit == sum(head.balance_fen for name, head in books.items() if name not in (BANK_ACCOUNT, INTEREST_PAID))
