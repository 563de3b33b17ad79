"""Processes that are killed, paused and started again while people carry cases, and what was in their hands just then.

A process is frozen at a random moment and looked at. Only when it has something in hand is it killed there; else it goes on and
is frozen again. So every kill is one in the middle of something.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from contracts import topics
from contracts.envelope import new_id
from deploy.local.native import CHECKOUT
from deploy.local.processes import alive
from deploy.local.services import BANK
from deploy.local.stack import Stack
from services.cli.demo.many import EXPECTED, Many
from services.cli.demo.show import Show
from services.cli.demo.story import form_of
from services.cli.play import DESTINATION, NOTIFICATION, Stage, Unexpected
from services.runtime.broker import KafkaAccess
from services.runtime.identity import Role
from services.world.plan import Ending, PlannedApplication
from tests.e2e.conftest import START, Country

PATIENCE_S = 90.0  # for an answer, for something in hand, for a process to be well again


class Crew(Stage):
    """People who ask again until they are answered, and at the next replica where there is one."""

    def __init__(self, country: Country) -> None:
        super().__init__(country.endpoints, country.tokens())
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10, connect=2), limits=httpx.Limits(max_connections=64))
        self._began = (START, time.monotonic())
        every = {**country.endpoints.services, **country.endpoints.replicas}
        self._beside = {
            url: [other for also, other in every.items() if also == name or also.startswith(f"{name}-")]
            for name, url in country.endpoints.services.items()
        }
        self._turn = 0
        self.left_out: set[str] = set()
        """Base URLs to which nobody is sent, as a load balancer does with a replica that is not ready."""

    @property
    def now(self) -> datetime:
        """What every service's clock shows."""
        to, at = self._began
        return to + timedelta(seconds=time.monotonic() - at)

    async def move(self, to: datetime, **how: Any) -> None:
        """Move every service's clock, and return when all are idle again."""
        await super().move(to, **how)
        self._began = (to, time.monotonic())

    async def ask(
        self,
        method: str,
        url: str,
        token: str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One request until it is answered: with one key, so that it has one effect however often it is sent."""
        keyed = {"Idempotency-Key": new_id()} if method == "POST" else {}
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = await super().ask(
                    method, self._somewhere(url), token, json=json, params=params, headers={**(headers or {}), **keyed}
                )
                if answer.status_code < 500 and "IDEMPOTENCY_KEY_IN_USE" not in answer.text:
                    return answer
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise
            if time.monotonic() > until:
                return answer
            await asyncio.sleep(0.1)

    def _somewhere(self, url: str) -> str:
        """The same path at the replica whose turn it is; what is asked of one process alone stays there."""
        if "/scenario/" in url:
            return url
        for first, all_of_them in self._beside.items():
            if url.startswith(f"{first}/"):
                self._turn += 1
                open_ones = [each for each in all_of_them if each not in self.left_out]
                return open_ones[self._turn % len(open_ones)] + url.removeprefix(first)
        return url


class Carried(Many):
    """The cases of a world, handed in bunch by bunch and carried by clerks who take at once what lies on their desks."""

    def __init__(self, crew: Crew, applications: Sequence[PlannedApplication]) -> None:
        super().__init__(crew, Show(), applications)
        self._left = list(range(len(applications)))
        self._handing_in: list[asyncio.Task[None]] = []
        self._held_back: set[str] = set()

    @property
    def left(self) -> int:
        """Applications that nobody has handed in."""
        return len(self._left)

    async def hand_in(self, places: Iterable[int]) -> None:
        """Single applications at the window, the others as one submission a province."""
        stage, batches = self._stage, dict[str, list[int]]()
        singles = []
        for at in places:
            if self._applications[at].channel == "batch":
                batches.setdefault(self._applications[at].destination, []).append(at)
            else:
                singles.append(at)

        async def single(at: int) -> None:
            self._note(at, await self._hand_in(self._applications[at]))

        async def together(province: str, chosen: Sequence[int]) -> None:
            rows = [form_of(self._applications[at]) for at in chosen]
            answer = await stage.call("POST", province, DESTINATION, "/application-batches", Role.EMPLOYER, json={"rows": rows})
            path = f"/application-batches/{answer['batch_id']}"
            await self._worked_off(province, path)
            taken = await stage.call("GET", province, DESTINATION, f"{path}/rows", Role.EMPLOYER)
            for at, row in zip(chosen, taken, strict=True):
                self._note(at, row)

        await asyncio.gather(*map(single, singles), *(together(*each) for each in batches.items()))

    async def hand_in_what_needs_telling(self) -> None:
        """Hand in what the bank will do wrong or an origin leaves lying, and tell them so, before any clerk looks."""
        await self.hand_in(self._take(lambda at: self._applications[at].ending in _TOLD))
        await self._tell_faults()
        self._held_back = {case_id for case_id, _ in self.of(Ending.ORIGIN_SILENT)}

    def hand_in_more(self, count: int) -> None:
        """Have so many more handed in meanwhile; fewer when there are no more."""
        chosen = set(self._left[:count])
        self._handing_in.append(asyncio.create_task(self.hand_in(self._take(lambda at: at in chosen))))

    def _take(self, wanted: Callable[[int], bool]) -> list[int]:
        taken = [at for at in self._left if wanted(at)]
        self._left = [at for at in self._left if not wanted(at)]
        return taken

    async def work(self, province: str) -> None:
        """What the people of one province do all day."""
        stage = self._stage
        while True:
            await stage.decide_admissions(province)
            await stage.handle_letters(province, but=self._held_back)
            await stage.correct_accounts(province)
            await stage.remit(province)
            await stage.complete(province)
            await stage.give_back(province)
            await asyncio.sleep(0.05)

    async def speak_up(self) -> None:
        """The origins that kept silent do not any more."""
        self._held_back = set()

    async def ended(self, case_ids: Iterable[str]) -> int:
        """How many of these cases are not open any more."""
        found = 0
        for province in self._stage.provinces:
            cases = await self._stage.cases(province, DESTINATION)
            found += sum(case["status"] in _ENDED for case in cases if case["case_id"] in case_ids)
        return found

    async def settle(self, *but: Ending, all_of_them: bool = True) -> list[str]:
        """Wait until every case but some has ended as it was meant to; returns what has not in time.

        First the rest is handed in, unless only those that have been are to be waited for.
        """
        if all_of_them:
            self.hand_in_more(len(self._left))
        await asyncio.gather(*self._handing_in)
        end = time.monotonic() + PATIENCE_S
        while True:
            for case_id, application in self.of(Ending.BANK_SHORT_THEN_COMPLETED):
                await self._stage.bank("POST", f"/investigations/{case_id}", application.origin, Role.FUND_DESK)
            wrong = await self._not_ended(set(but))
            if not wrong or time.monotonic() > end:
                return wrong
            await asyncio.sleep(0.2)

    async def _not_ended(self, but: set[Ending]) -> list[str]:
        found: dict[str, tuple[str, str | None]] = {}
        for province in self._stage.provinces:
            for case in await self._stage.cases(province, DESTINATION):
                found[case["case_id"]] = (case["status"], case["code"])
        return [
            f"case {case_id} was meant to end {ending} and stands at {found.get(case_id)}"
            for ending in set(Ending) - but
            for case_id, _ in self.of(ending)
            if found.get(case_id) != EXPECTED[ending]
        ]


_ENDED = {"COMPLETED", "REJECTED", "RETURNED", "TEMP_ACCOUNT"}
_TOLD = {
    Ending.BANK_RETURNED_THEN_COMPLETED,
    Ending.BANK_SHORT_THEN_COMPLETED,
    Ending.BANK_DUPLICATED,
    Ending.BANK_LOST,
    Ending.BANK_DELAYED_THEN_COMPLETED,
    Ending.ORIGIN_SILENT,
}


@dataclass(frozen=True, slots=True)
class InHand:
    """What was under way at one moment."""

    open_cases: int = 0
    transactions: int = 0  # of the process, begun and not committed
    unpublished: int = 0  # rows of its outbox that Kafka is not known to have
    unread: int = 0  # records of its topics that its group has not committed
    waiting: int = 0  # notices not yet sent; at the bank, orders whose answer nobody has booked

    @property
    def anything(self) -> bool:
        return bool(self.transactions or self.unpublished or self.unread or self.waiting)

    def __str__(self) -> str:
        parts = {"open tx": self.transactions, "unpublished": self.unpublished, "unread": self.unread, "waiting": self.waiting}
        return f"{self.open_cases} cases; " + (", ".join(f"{count} {name}" for name, count in parts.items() if count) or "-")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of kills."""

    what: str
    how: str
    at_s: float
    in_hand: InHand
    ready_s: float
    caught_up_s: float = float("nan")


@dataclass(frozen=True)
class Mark:
    """How far everything had come at one moment: behind it a service has caught up."""

    ends: Mapping[str, Mapping[TopicPartition, int]]
    outbox: Mapping[str, int]
    notices: Mapping[str, int]
    orders: frozenset[str]


class Watch:
    """Looks at Kafka and PostgreSQL as their administrator, without asking any service."""

    def __init__(self, country: Country) -> None:
        self._stack = country.stack
        self._names = sorted(country.endpoints.services)
        self._provinces = country.endpoints.provinces
        self._databases: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self._asking = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._admin: AIOKafkaAdminClient | None = None
        self._reader: AIOKafkaConsumer | None = None

    async def close(self) -> None:
        """Let go of both, for before one of them is killed, too; they are found again when something is asked."""
        databases, self._databases = self._databases, {}
        admin, self._admin = self._admin, None
        reader, self._reader = self._reader, None
        for connection in databases.values():
            connection.terminate()
        if admin is not None:
            await admin.close()
        if reader is not None:
            await reader.stop()

    async def fetch(self, database: str, statement: str, *values: object) -> list[asyncpg.Record]:
        """Rows of one database."""
        access = self._stack.postgres
        async with self._asking:
            if (known := self._databases.get(database)) is None or known.is_closed():
                known = await asyncpg.connect(access.url_of(database, access.username, access.password), command_timeout=30)
                self._databases[database] = known
            return await known.fetch(statement, *values)

    async def value(self, database: str, statement: str, *values: object) -> int:
        """A count."""
        [row] = await self.fetch(database, statement, *values)
        return int(row[0])

    async def _kafka(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        async with self._connecting:
            if self._admin is None or self._reader is None:
                kafka = self._stack.kafka
                access = KafkaAccess(kafka.bootstrap, kafka.username, kafka.password, "e2e").client()
                self._admin, self._reader = AIOKafkaAdminClient(**access), AIOKafkaConsumer(**access, enable_auto_commit=False)
                await self._admin.start()
                await self._reader.start()
            return self._admin, self._reader

    async def unread(self, name: str, ends: Mapping[TopicPartition, int] | None = None) -> int:
        """Records that a service's group has not committed, up to some ends or to those of now."""
        admin, _ = await self._kafka()
        committed = await admin.list_consumer_group_offsets(_first(name))
        wanted = await self.ends(name) if ends is None else ends
        read = {at: max(0, known.offset) for at, known in committed.items()}  # -1 where nothing was ever committed
        return sum(max(0, end - read.get(at, 0)) for at, end in wanted.items())

    async def ends(self, name: str) -> dict[TopicPartition, int]:
        """Where the partitions end that a service hears."""
        _, reader = await self._kafka()
        province, _, service = _first(name).partition(".")
        topic = topics.journal(province) if service == NOTIFICATION else topics.exchange(province)
        found: dict[TopicPartition, int] = await reader.end_offsets(
            [TopicPartition(topic, at) for at in range(topics.PARTITIONS)]
        )
        return found

    async def open_cases(self) -> int:
        """Cases of all provinces that have not ended."""
        found = [
            await self.value(f"province_{province}", "SELECT count(*) FROM destination_agency.cases WHERE open")
            for province in self._provinces
        ]
        return sum(found)

    async def transactions(self, pid: int) -> int:
        """Transactions that a process has begun and neither committed nor rolled back."""
        ports = _ports(pid)
        return await self.value(
            "postgres", "SELECT count(*) FROM pg_stat_activity WHERE client_port = ANY ($1) AND state LIKE 'idle in tr%'", ports
        )

    async def look(self, name: str, pid: int) -> InHand:
        """What is in a process's hand; only a process that stands still has as much afterwards."""
        transactions = await self.transactions(pid)
        if name == BANK:
            return InHand(await self.open_cases(), transactions, waiting=len(await self.orders()))
        waiting = 0
        if _first(name).endswith(NOTIFICATION):
            waiting = await self.value(_database(name), "SELECT count(*) FROM notification.notices WHERE state = 'queued'")
        return InHand(await self.open_cases(), transactions, await self.unpublished(name), await self.unread(name), waiting)

    async def look_at_all(self) -> InHand:
        """What is in the hands of all services together."""
        each = [await self.look(name, self._stack.processes[name].pid) for name in self._names]
        return InHand(
            each[0].open_cases,
            sum(one.transactions for one in each),
            sum(one.unpublished for one in each),
            sum(one.unread for one in each),
            sum(one.waiting for one in each),
        )

    async def unpublished(self, name: str, through: int | None = None) -> int:
        """Rows of a service's outbox that Kafka has not acknowledged, for all that is known; up to some row or to the last."""
        schema = _schema(name)
        return await self.value(
            _database(name),
            f"SELECT (SELECT count(*) FROM {schema}.pending WHERE seq <= $1)"
            f" + (SELECT count(*) FROM {schema}.numbered WHERE number > (SELECT sent_through FROM {schema}.relay) AND seq <= $1)",
            through if through is not None else 1 << 62,
        )

    async def orders(self) -> frozenset[str]:
        """Orders for the bank whose answer is not booked."""
        found: set[str] = set()
        for province in self._provinces:
            rows = await self.fetch(
                f"province_{province}", "SELECT remittance_id FROM origin_agency.remittances WHERE state = 'ordered'"
            )
            found |= {row[0] for row in rows}
        return frozenset(found)

    async def mark(self, names: Iterable[str]) -> Mark:
        """How far some services have come, or their partners for them."""
        ends: dict[str, dict[TopicPartition, int]] = {}
        outbox: dict[str, int] = {}
        notices: dict[str, int] = {}
        for name in names:
            if name == BANK:
                continue
            ends[name] = await self.ends(name)
            outbox[name] = await self.value(_database(name), f"SELECT coalesce(max(seq), 0) FROM {_schema(name)}.outbox")
            if _schema(name) == NOTIFICATION:
                notices[name] = await self.value(_database(name), "SELECT coalesce(max(seq), 0) FROM notification.notices")
        return Mark(ends, outbox, notices, await self.orders())

    async def behind(self, mark: Mark) -> str:
        """What is not yet done of what there was at a mark; nothing when all has caught up."""
        for name, ends in mark.ends.items():
            if unread := await self.unread(name, ends):
                return f"{name} has {unread} records to read"
            if unpublished := await self.unpublished(name, mark.outbox[name]):
                return f"{name} has {unpublished} rows to publish"
        for name, last in mark.notices.items():
            queued = "SELECT count(*) FROM notification.notices WHERE state = 'queued' AND seq <= $1"
            if waiting := await self.value(_database(name), queued, last):
                return f"{name} has {waiting} notices to send"
        if left := mark.orders & await self.orders():
            return f"{len(left)} orders wait for the bank"
        return ""

    async def leader(self, name: str) -> int | None:
        """The port from which a service's relay holds its lock; None while nobody holds it."""
        rows = await self.fetch(
            "postgres",
            "SELECT a.client_port FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = $1",
            f"{_first(name).replace('.', '/')}-session",
        )
        return int(rows[0][0]) if rows else None


class Fire:
    """Kills, pauses, restarts; keeps the table of them."""

    def __init__(self, country: Country, crew: Crew, carried: Carried, watch: Watch, *, bunch: int) -> None:
        self._country = country
        self._crew = crew
        self._carried = carried
        self.watch = watch
        self._bunch = bunch
        self._began = time.monotonic()
        self._catching_up: list[asyncio.Task[None]] = []
        self._random = random.Random()
        self.rows: list[Row] = []

    async def kill(self, name: str, *, in_a_transaction: bool = False) -> None:
        """Kill a process in the middle of its work, start it again a moment later, and return when it says that it is ready.

        With `in_a_transaction` only a moment will do at which it had begun one and not committed; for as long as ten seconds.
        """
        self._carried.hand_in_more(self._bunch)
        pid = self._country.stack.processes[name].pid
        held = await self._freeze(name, pid, in_a_transaction=in_a_transaction)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        mark = await self.watch.mark([name])
        await asyncio.sleep(0.2)
        await asyncio.to_thread(self._country.services.start_again, name, now=self._crew.now)
        await self.ready(name)
        self._note(Row(name, "kill -9", killed - self._began, held, time.monotonic() - killed), killed, mark)

    async def _freeze(self, name: str, pid: int, *, in_a_transaction: bool) -> InHand:
        """Stop a process at a moment when it has something in hand, and leave it stopped."""
        began = time.monotonic()
        asked = began
        while True:
            await asyncio.sleep(self._random.uniform(0, 0.04))
            os.kill(pid, signal.SIGSTOP)
            held = await self.watch.look(name, pid)
            waited = time.monotonic() - began
            if held.anything and (held.transactions or not in_a_transaction or waited > 10):
                return held
            os.kill(pid, signal.SIGCONT)
            assert waited < PATIENCE_S, f"{name} never has anything in hand"
            if time.monotonic() - asked > 2:
                asked = time.monotonic()
                self._carried.hand_in_more(self._bunch)

    async def kill_server(self, server: str) -> None:
        """Kill Kafka or PostgreSQL with all its processes, as a machine that crashes does, and bring it up again."""
        self._carried.hand_in_more(self._bunch)
        stack, names = self._country.stack, sorted(self._country.endpoints.services)
        began = time.monotonic()
        while not (held := await self.watch.look_at_all()).anything:
            assert time.monotonic() - began < PATIENCE_S, "nothing is under way"
        mark = await self.watch.mark([*names, BANK])
        await self.watch.close()
        await asyncio.sleep(self._random.uniform(0, 0.04))
        process = psutil.Process(stack.processes[server].pid)
        family = [process, *process.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.suspend()  # so that no child sees its parent die and ends in order
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        killed = time.monotonic()

        async def is_dead() -> bool:
            return not alive(stack.processes[server])

        await until(is_dead, f"{server} survives SIGKILL")
        await asyncio.to_thread(Stack.up, stack.home, tell=lambda _: None)
        how = f"kill -9, up after {time.monotonic() - killed:.1f} s"
        await asyncio.gather(*(self.ready(name) for name in [*names, BANK]))
        self._note(Row(server, how, killed - self._began, held, time.monotonic() - killed), killed, mark)

    @asynccontextmanager
    async def paused(self, name: str, seconds: float) -> AsyncIterator[Row]:
        """Stop a process in the middle of a transaction, let it go on after some seconds; nobody is sent there meanwhile."""
        self._carried.hand_in_more(self._bunch)
        pid = self._country.stack.processes[name].pid
        url = {**self._country.endpoints.services, **self._country.endpoints.replicas}[name]
        held = await self._freeze(name, pid, in_a_transaction=True)
        stopped = time.monotonic()
        self._crew.left_out.add(url)
        row = Row(name, f"SIGSTOP {seconds:.0f} s", stopped - self._began, held, seconds)
        try:
            mark = await self.watch.mark([name])
            yield row
            await asyncio.sleep(max(0.0, stopped + seconds - time.monotonic()))
        finally:
            os.kill(pid, signal.SIGCONT)
            self._crew.left_out.discard(url)
        self._note(row, stopped, mark)

    async def leader(self, name: str) -> str:
        """Which of a service's processes leads its relay."""
        found: list[str] = []

        async def look() -> bool:
            port = await self.watch.leader(name)
            every = self._country.stack.processes
            mine = [each for each in every if each == name or each.startswith(f"{name}-")]
            found[:] = [each for each in mine if port in _ports(every[each].pid)]
            return bool(found)

        await until(look, f"nobody leads the relay of {name}")
        return found[0]

    async def ready(self, name: str) -> None:
        """Return when a process says that it is ready."""
        endpoints = self._country.endpoints
        url = endpoints.bank if name == BANK else {**endpoints.services, **endpoints.replicas}[name]
        async with httpx.AsyncClient(timeout=5) as client:

            async def is_ready() -> bool:
                with suppress(httpx.TransportError):
                    return (await client.get(f"{url}/readyz")).status_code == 200
                return False

            await until(is_ready, f"{name} is not ready")

    async def caught_up(self) -> None:
        """Return when all that was in hand at any kill is done."""
        await asyncio.gather(*self._catching_up)

    def _note(self, row: Row, since: float, mark: Mark) -> None:
        self.rows.append(row)
        place = len(self.rows) - 1

        async def catch_up() -> None:
            behind = ""

            async def nothing_is_behind() -> bool:
                nonlocal behind
                try:
                    behind = await self.watch.behind(mark)
                except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # a server was killed since
                    behind = type(error).__name__
                    await self.watch.close()
                return not behind

            await until(nothing_is_behind, f"{row.what} has not caught up")
            self.rows[place] = replace(row, caught_up_s=time.monotonic() - since)

        self._catching_up.append(asyncio.create_task(catch_up()))

    def table(self, title: str, summary: str) -> str:
        """The kills as a table, with what was found in the end."""
        lines = [
            title,
            f"{'killed':<26}{'how':<24}{'at s':>6}{'ready s':>9}{'caught up s':>13}  in hand",
            *(
                f"{row.what:<26}{row.how:<24}{row.at_s:>6.1f}{row.ready_s:>9.1f}{row.caught_up_s:>13.1f}  {row.in_hand}"
                for row in self.rows
            ),
            summary,
        ]
        return "\n".join(lines) + "\n"

    def write(self, name: str, title: str, summary: str) -> Path:
        """Write the table where a person looks for it."""
        file = CHECKOUT / ".jiexu" / f"{name}.txt"
        file.write_text(self.table(title, summary), encoding="utf-8")
        print(f"\n{self.table(title, summary)}")
        return file


def logged(log: Path, event: str, *, since: int = 0) -> list[dict[str, Any]]:
    """The lines of an event that a process has logged after the first `since` bytes of its log."""
    found = []
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            with suppress(orjson.JSONDecodeError):
                if (said := orjson.loads(line)).get("event") == event:
                    found.append(said)
    return found


async def until(what: Callable[[], Awaitable[bool]], complaint: str, *, within_s: float = PATIENCE_S) -> None:
    """Return when something is so; raises `Unexpected` when it takes too long."""
    end = time.monotonic() + within_s
    while not await what():
        if time.monotonic() > end:
            raise Unexpected(f"{complaint} after {within_s:.0f} s")
        await asyncio.sleep(0.05)


def _first(name: str) -> str:
    """The name of the first of its kind, which is that of its group, too."""
    service, _, replica = name.rpartition("-")
    return service if replica.isdigit() else name


def _schema(name: str) -> str:
    return _first(name).partition(".")[2].replace("-", "_")


def _database(name: str) -> str:
    return f"province_{name.partition('.')[0]}"


def _ports(pid: int) -> list[int]:
    """The local ports of a process's connections."""
    with suppress(psutil.NoSuchProcess):
        return [each.laddr.port for each in psutil.Process(pid).net_connections(kind="tcp") if each.status == "ESTABLISHED"]
    return []
