"""The small house every service lives in: its database, directory, outbox, relay, consumer and clock, put together once.

A service adds its work (what it decides), its HTTP routes and its own background tasks.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, FastAPI
from faststream import AckPolicy

from contracts.base import Fact
from services.messaging.codec import RawCodec, parse_batch
from services.messaging.consumer import Ends, Progress, read_whatever_comes, wait_for_records
from services.messaging.directory import Directory, DirectoryReader
from services.messaging.figures import Asked, HandlerFigures, Places, ask_consumer, ask_database, tell_relay
from services.messaging.handler import BatchHandler, Work
from services.messaging.inbox import Inbox
from services.messaging.operators import Operators
from services.messaging.outbox import Outbox
from services.messaging.quarantine import Quarantine
from services.messaging.received import Received
from services.messaging.relay import Relay, Sender
from services.messaging.retries import Retries
from services.messaging.signing import Signer, read_signing_key
from services.messaging.verification import Verifier
from services.runtime.broker import KafkaAccess, start_when_there
from services.runtime.clock import ScenarioClock
from services.runtime.database import COUNTS, TRANSIENT, Database
from services.runtime.http import HoldRecords, MoveClock, Problem, require
from services.runtime.identity import Caller, Role
from services.runtime.metrics import Figures
from services.runtime.settings import Settings

log = structlog.get_logger()

Task = Callable[[], Awaitable[None]]


class House:
    """Everything a service needs to hear and to say, made from its settings.

    Args:
        settings: of the service.
        service: its name, e.g. `origin-agency`; its database schema has the same name with underscores.
    """

    def __init__(self, settings: Settings, service: str) -> None:
        self.settings = settings
        self.service = service
        self.name = f"{settings.province}/{service}"
        schema = service.replace("-", "_")
        self.clock = settings.make_clock()
        self.database = Database(settings.database_url.get_secret_value(), name=self.name)
        self.keys_database = (
            Database(settings.keys_database_url.get_secret_value(), name=f"{self.name}-keys", size=4)
            if settings.keys_database_url
            else None
        )
        self.access = KafkaAccess(
            settings.kafka_bootstrap,
            settings.kafka_username,
            settings.kafka_password.get_secret_value(),
            self.name.replace("/", "."),
            settings.kafka_tls,
        )
        self.directory = Directory(settings.directory_root)
        self.reader = DirectoryReader(self.directory, self.access)
        self.outbox = Outbox(schema)
        self.quarantine = Quarantine(schema, self.name)
        self.relay = Relay(
            database=self.database,
            schema=schema,
            signer=Signer(self.name, read_signing_key(settings.signing_key_file)),
            sender=Sender(self.access, self.name),
            clock=self.clock,
            batch=settings.relay_batch,
            poll_s=settings.relay_poll_s,
        )
        self.verifier = Verifier(self.directory, settings.province)
        read_whatever_comes()
        self.broker = self.access.broker()
        self.progress = Progress()
        self._ends = Ends(self.access)
        self._held = False
        self.handler: BatchHandler | None = None
        self.retries: Retries | None = None
        self._alarms: list[asyncio.Event] = []  # set when a scenario moved the clock, so that timers look at once
        self._at_end: list[Task] = []
        self._first: dict[str, Callable[[], Awaitable[object]]] = {}  # what has to be done before anything is handled
        self._done_first: set[str] = set()
        self._consumer_started = False
        self._tasks: list[tuple[str, Task]] = []
        self._busy: dict[str, Callable[[], bool]] = {}
        self._forever_ended: dict[str, str] = {}
        self._may_end = {"consumer"}  # it starts what then runs by itself
        self._schema = schema
        self.figures = self._make_figures()
        self._subscriber: Any = None

    def consume(
        self,
        *topics: str,
        concerns: Callable[[Received], bool],
        wants: tuple[type[Fact], ...],
        work: Work,
    ) -> None:
        """Hear these topics: one subscriber, one consumer group, batches across all partitions."""
        assert self.handler is None, "one subscriber a service"
        group = self.name.replace("/", ".")
        handler = self.handler = BatchHandler(
            database=self.database,
            inbox=Inbox(self.service.replace("-", "_"), group),
            outbox=self.outbox,
            quarantine=self.quarantine,
            verifier=self.verifier,
            clock=self.clock,
            concerns=concerns,
            wants=wants,
            work=work,
            told=self.relay.wake,
            delayed=lambda: retries.ring(),
            pauses_s=self.settings.retry_pauses_s,
            figures=HandlerFigures(self.figures.registry),
        )
        retries = self.retries = Retries(handler, poll_s=self.settings.timer_poll_s)

        async def try_again() -> None:
            await self._ready_to_handle()
            await retries.run()

        self.also_run("retries", try_again, busy=lambda: retries.busy)
        ask_consumer(self.figures, self._places)
        broker: Any = self.broker  # the overloads do not describe a batch subscriber with a codec
        subscriber = broker.subscriber(
            *topics,
            group_id=group,
            group_instance_id=f"{group}.{self.settings.replica}",
            batch=True,
            max_records=self.settings.max_records,
            batch_timeout_ms=1,  # see wait_for_records
            fetch_max_wait_ms=40,  # of a fetch that leaves a partition out; see there, too
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            session_timeout_ms=10_000,
            codec=RawCodec(),
            parser=parse_batch,
            listener=_Assignment(),
            description=f"Messages for {self.service}",
        )

        async def handle(records: list[Received]) -> None:
            await handler.handle(records)

        subscriber(handle)
        self._subscriber = subscriber

    @property
    def operators(self) -> Operators:
        """The verbs of this service's quarantine; for a service that hears."""
        assert self.handler is not None, "what hears nothing parks nothing"
        assert self.retries is not None
        return Operators(
            self.handler,
            self.retries,
            directory=self.directory,
            province=self.settings.province,
            schema=self._schema,
            ready=self.reader.caught_up.is_set,
        )

    def also_run(self, name: str, task: Task, *, busy: Callable[[], bool] = lambda: False) -> None:
        """Add a background task; it runs as long as the service. `busy` says whether it has something in hand."""
        self._tasks.append((name, task))
        self._busy[name] = busy

    def every(
        self, seconds: float, name: str, work: Callable[[], Awaitable[int]], *, busy: Callable[[], bool] = lambda: False
    ) -> Callable[[], None]:
        """Do some work now and then, at once when a scenario has moved the clock, and whenever the returned bell is rung.

        Args:
            seconds: between two looks.
            name: of the task, for the log.
            work: returns how much it left to do; it is asked again at once until that is nothing.
            busy: whether a look that nobody asked for has found something.
        """
        alarm = asyncio.Event()
        alarm.set()
        wanted = False

        async def timer() -> None:
            nonlocal wanted
            await self.database.open_when_there()
            while True:
                wanted = alarm.is_set()
                alarm.clear()
                try:
                    while await work():
                        wanted = True
                except BaseException:
                    alarm.set()  # what broke off is looked at again
                    raise
                finally:
                    wanted = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await alarm.wait()

        self._alarms.append(alarm)
        self.also_run(name, timer, busy=lambda: wanted or alarm.is_set() or busy())
        return alarm.set

    def once(self, name: str, work: Callable[[], Awaitable[int]]) -> None:
        """Do some work when the service has started, until it finds nothing left to do."""

        async def task() -> None:
            await self.database.open_when_there()
            if self.keys_database is not None:
                await self.keys_database.open_when_there()
            while await work():
                pass

        self._may_end.add(name)
        self.also_run(name, task)

    def first(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do some work before anything is handled; until then the service is not ready."""
        self._first[name] = work

    def at_end(self, task: Task) -> None:
        """Add something to be closed when the service stops."""
        self._at_end.append(task)

    @asynccontextmanager
    async def living(self, _: FastAPI) -> AsyncIterator[None]:
        """FastAPI's lifespan: tasks start at once and wait for their servers; nothing is given up."""
        log.info("service.started", settings={key: value for key, value in self.settings.shown().items() if "url" not in key})
        look_for_garbage_seldom()
        tasks = [asyncio.create_task(self._forever(name, task), name=name) for name, task in self._all_tasks()]
        try:
            yield
        finally:
            await self.broker.stop()  # first the consumer, then what publishes its effects
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            for end in self._at_end:
                await end()
            await self._ends.close()
            await self.relay.close()
            await self.database.close()
            if self.keys_database is not None:
                await self.keys_database.close()
            log.info("service.stopped")

    def _all_tasks(self) -> Sequence[tuple[str, Task]]:
        own: list[tuple[str, Task]] = [("directory", self.reader.run), ("relay", self._relay)]
        if self.handler is not None:
            own.append(("consumer", self._consume))
        return [*own, *self._tasks]

    async def _forever(self, name: str, task: Task) -> None:
        """A task that ends by an error is a bug; say so loudly and start it again rather than stand still."""
        while True:
            try:
                await task()
                if name not in self._may_end:
                    log.error("task.ended", task=name)
                    self._forever_ended[name] = "has ended, and should run as long as the service"
                return
            except TRANSIENT as error:
                log.warning("task.waits", task=name, error=type(error).__name__)
                await asyncio.sleep(1)
            except Exception:
                log.exception("task.failed", task=name)
                await asyncio.sleep(1)

    async def _relay(self) -> None:
        await self.database.open_when_there()
        await self.relay.run()

    async def _ready_to_handle(self) -> None:
        # Without the directory every signature would be unknown, and good records would be parked.
        await self.database.open_when_there()
        if self.keys_database is not None:
            await self.keys_database.open_when_there()
        for name, work in self._first.items():
            await work()
            self._done_first.add(name)
        await self.reader.caught_up.wait()

    async def _consume(self) -> None:
        await self._ready_to_handle()
        await start_when_there(self.broker)
        wait_for_records(self._subscriber.consumer)
        self._consumer_started = True

    def alive(self) -> dict[str, str]:
        """What should run for ever and does not, with the reason; empty while the service lives."""
        return dict(self._forever_ended)

    def ask(self, more: Asked | None = None) -> None:
        """Let the database be asked for figures; `more` is what the service wants to know beside the messages. Called once."""
        ask_database(self.figures, self.database, self._schema, more)

    def _make_figures(self) -> Figures:
        figures = Figures(self.service, self.settings.province)
        tell_relay(figures, lambda: self.relay.leads)
        figures.pool("books", self.database)
        if self.keys_database is not None:
            figures.pool("keys", self.keys_database)
        return figures

    async def _places(self) -> tuple[Places, Places] | None:
        """Where the consumer stands and where its partitions end; None while it has none."""
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        if consumer is None or not self._consumer_started:
            return None
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions) if partitions else {}
        return {partition: await consumer.position(partition) for partition in partitions}, ends

    async def ready(self) -> dict[str, str | None]:
        """What the service waits for, by part; None where a part is well."""
        database = await self.database.answers()
        found: dict[str, str | None] = {
            "database": None if database else "the database does not answer",
            "directory": None if self.reader.caught_up.is_set() else "the directory is not read yet",
            "relay": self.relay.waits_for,
        }
        found |= {name: None if name in self._done_first else f"the {name} are not read yet" for name in self._first}
        if self.keys_database is not None:
            found["keys"] = None if await self.keys_database.answers() else "the keys database does not answer"
        if self.handler is not None:
            found["handler"] = self.handler.waits_for
            found["kafka"] = await self._kafka()
        return found

    async def _kafka(self) -> str | None:
        if not self._consumer_started:
            return "the consumer is not started yet"
        assert self._subscriber is not None
        consumer = self._subscriber.consumer
        if consumer is None:
            return "the consumer has stopped"
        try:
            async with asyncio.timeout(3):
                await consumer.topics()  # FastStream's own ping asks the producer, which a consumer has not
                partitions = consumer.assignment()
                ends = await consumer.end_offsets(partitions) if partitions else {}
                positions = {partition: await consumer.position(partition) for partition in partitions}
        except (KafkaError, OSError, TimeoutError) as error:
            return f"Kafka does not answer: {type(error).__name__}"
        standing = self.progress.standing(positions, ends, now=asyncio.get_running_loop().time())
        return None if standing is None else f"{standing.topic}-{standing.partition} does not move"

    async def idle(self) -> str | None:
        """What is still in hand, or None when nothing is: for the scenario's clock."""
        if self.handler is not None:
            behind = await self._behind()
            if behind:
                return behind
            if self.handler.in_flight:
                return "a batch is being handled"
        for name, busy in self._busy.items():
            if busy():
                return f"{name} is at work"
        if not self.relay.idle:
            return "the relay is at work"
        async with self.database.transaction("idle") as tx:
            if await self.quarantine.due(tx, 1):
                return "a record in quarantine waits for its next try"
            return "rows wait in the outbox" if await self.outbox.unnumbered(tx) else None

    def _hold(self, held: bool) -> None:
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        if consumer is not None:
            (consumer.pause if held else consumer.resume)(*consumer.assignment())
            self._held = held

    async def _behind(self) -> str | None:
        if self._held:
            return None  # what a scenario holds back is in nobody's hand
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        if consumer is None or not consumer.assignment():
            return "the consumer has no partitions yet"
        partitions: list[TopicPartition] = sorted(consumer.assignment())
        ends = await self._ends.of(partitions)
        for partition in partitions:
            # What was fetched is in the handler's hand at once: nothing is awaited in between.
            position = await consumer.position(partition)
            if position < ends[partition]:
                return f"{partition.topic}-{partition.partition} is {ends[partition] - position} records behind"
        return None

    def scenario(self) -> APIRouter:
        """Routes with which a scenario moves this service's clock and waits until it is idle; empty in production."""
        router = APIRouter(prefix="/scenario", include_in_schema=False)
        clock = self.clock
        if not isinstance(clock, ScenarioClock):
            return router
        Operator = Annotated[Caller, Depends(require(self.settings.province, [Role.OPERATOR]))]

        @router.put("/clock")
        async def move(wish: MoveClock, _: Operator) -> dict[str, str]:
            if wish.back and wish.now < clock.now() and (in_hand := await self.idle()) is not None:
                raise Problem(
                    409, "CLOCK_NOT_MOVED", f"the clock does not go back while something is in hand: {in_hand}", field="now"
                )
            try:
                clock.move(wish.now, back=wish.back)
            except ValueError as error:
                raise Problem(409, "CLOCK_NOT_MOVED", str(error), field="now") from error
            for alarm in self._alarms:
                alarm.set()
            return {"now": clock.now().isoformat()}

        @router.put("/documents")
        async def documents(wish: HoldRecords, _: Operator) -> dict[str, bool]:
            """Hold back what Kafka has for this service, as a slow exchange does, or let it come."""
            self._hold(wish.held)
            return {"held": self._held}

        @router.get("/idle")
        async def idle(_: Operator) -> dict[str, str | None]:
            return {"in_hand": await self.idle(), "now": clock.now().isoformat()}

        @router.get("/counts")
        async def counts(_: Operator) -> dict[str, list[int]]:
            """Statements and commits by purpose since the start."""
            return COUNTS.by_purpose

        return router


def look_for_garbage_seldom() -> None:
    """Leave what stands since the start out of Python's search for cycles, and search less often.

    A batch makes tens of thousands of objects that its end lets go by itself; to look through all of them again and again for
    cycles that are not there was a tenth of a service's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Says in the log which partitions this replica has."""

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Partitions went to another replica; what is in flight is made harmless by the inbox."""
        log.info("consumer.revoked", partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Partitions came."""
        log.info("consumer.assigned", partitions=len(assigned))
