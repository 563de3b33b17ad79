"""A world: provinces with their services, a bank, a mail server, clerks and applicants, and all that goes wrong among them.

The services are the real ones, put together by their own `app()`. What is not real is named in `stand_ins`.
"""

import asyncio
import gc
import hashlib
import json
import random
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any, Literal
from unittest.mock import patch

import asyncpg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import SecretStr

from contracts import topics
from contracts.banking import Fault, OrderTaken, RemittanceOrder, ReturnOrder, StatementLine
from contracts.envelope import new_id
from services.areas import PROVINCE_SERVICES
from services.bank.standing import Standing
from services.bank.store import Account, BankStore
from services.destination_agency import app as destination_app
from services.destination_agency.intake import Applicant, Application, take
from services.messaging.directory import sign_entry
from services.messaging.handler import BatchHandler
from services.messaging.house import House
from services.messaging.parking import Refused
from services.messaging.relay import partition_of
from services.notification import app as notification_app
from services.notification.notices import Templates
from services.notification.smtp import Deferred, MailAway
from services.origin_agency import app as origin_app
from services.origin_agency.vouchers import CorrectionUnderWay
from services.origin_agency.vouchers import issue as issue_voucher
from services.records.bank import BankAway, BankRefused
from services.records.csv_import import Category, Language, ParsedFiles, Person
from services.records.importing import Import, Importer
from services.rules.amounts import YearRow
from services.rules.identity import Sex, check_character
from services.rules.loader import Tables, load_tables
from services.rules.months import Month
from services.runtime.clock import SHANGHAI, ScenarioClock
from services.runtime.database import TRANSIENT, Database
from services.runtime.http import Problem
from services.runtime.idempotency import IdempotencyKeys
from services.runtime.settings import Settings
from tests.exchange import Exchange
from tests.simulation import kafka, postgres, statements
from tests.simulation.auditor import Evidence, Mail, audit
from tests.simulation.kafka import OUTSIDE, Access, Cluster
from tests.simulation.loop import PROCESS, Process, Stuck, VirtualLoop
from tests.simulation.nature import Nature, Weather, kind_of, seeded
from tests.simulation.postgres import Server, reached_not
from tests.simulation.seldom import Seldom

MONDAY = datetime(2024, 5, 6, 9, 0, tzinfo=SHANGHAI)
FAULTS_S = 40.0  # so long things go wrong
REST_S = 2000.0  # so long the world may then take until nothing is left to do
TURNS = 400_000  # more than any world needs
APPS = {"origin-agency": origin_app, "destination-agency": destination_app, "notification": notification_app}


@cache
def tables() -> Tables:
    """The law, read once."""
    return load_tables()


@cache
def templates() -> Templates:
    """The letters, read once."""
    return Templates(tables())


@cache
def known_statements(database: str) -> dict[str, Any]:
    """The statements of a database, read once."""
    return statements.statements(database)


class Odd(Exception):
    """What a service's work fails with, now and then, for no reason that anybody knows."""


class Violation(Exception):
    """Something that must stay true is not; the first word names the measure."""


@dataclass
class Outcome:
    """What became of one world."""

    seed: int
    violations: list[str]
    counts: dict[str, int]
    records: int
    events: int
    digest: str
    last: list[str]
    cpu_s: float
    virtual_s: float
    trace: list[str] | None = None


# ---- people -------------------------------------------------------------------------------------------------------------------


@dataclass
class Citizen:
    """Somebody who moves, with what the two provinces know. `applies_to` is where they say that they come from."""

    origin: str
    destination: str
    applies_to: str
    id_number: str
    name: str
    email: str
    phone: str
    kind: str
    rows: tuple[YearRow, ...]
    rows_here: tuple[YearRow, ...]


def _citizen(chance: random.Random, nth: int, provinces: list[str]) -> Citizen:
    origin, destination, *others = chance.sample(provinces, len(provinces))
    born = f"{chance.randint(1975, 1995)}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"
    stem = f"{origin}0105{born}{2 * nth + 1:03d}"
    kinds = {"plain": 70, "still paying": 7, "unknown there": 5, "unknown here": 5, "same province": 3, "paid twice": 10}
    kinds |= {"elsewhere": 20} if others else {}
    kind = chance.choices(list(kinds), weights=list(kinds.values()))[0]
    if kind == "same province":
        destination = origin
    year = chance.choice([2021, 2022, 2023])
    rows = [
        YearRow(f"{origin}0100", Month.parse(f"{at}-{first:02d}"), Month.parse(f"{at}-12"), wage, Decimal("0.16"))
        for at in range(year, 2024)
        for first, wage in [(chance.randint(1, 6), chance.randint(4000, 9000) * 100)]
    ]
    rows.append(YearRow(f"{origin}0100", Month.parse("2024-01"), Month.parse("2024-03"), 600_000, Decimal("0.16")))
    since = Month.parse("2024-02" if kind == "paid twice" else "2024-04")
    here = YearRow(f"{destination}0100", since, Month.parse("2024-04"), 620_000, Decimal("0.16"))
    return Citizen(
        origin,
        destination,
        others[0] if kind == "elsewhere" else origin,
        stem + check_character(stem),
        f"陈{chr(ord('一') + nth)}{chance.choice('志远明亮')}",
        f"person{nth}.of.{origin}@mail.example",
        f"139{nth:04d}{chance.randrange(10_000):04d}",
        kind,
        tuple(rows),
        (here,),
    )


def _person(citizen: Citizen, province: str, *, here: bool) -> Person:
    stopped = None if here or citizen.kind == "still paying" else date(2024, 3, 31)
    return Person(
        id_number=citizen.id_number,
        name=citizen.name,
        sex=Sex.MALE,
        hukou=citizen.destination if citizen.destination != citizen.origin else province,
        phone=citizen.phone,
        email=citizen.email,
        language=Language.CHINESE,
        category=Category.URBAN_EMPLOYEE,
        scheme="110",
        first_insured_on=(citizen.rows_here if here else citizen.rows)[0].start.first_day,
        stopped_on=stopped,
        drawing_since=None,
        personal_balance_1997_fen=0,
    )


# ---- one process --------------------------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """One replica of a service, which is started again whenever it ends."""

    world: "World"
    name: str  # `44/origin-agency.0`
    province: str
    service: str
    process: Process | None = None
    house: House | None = None
    office: Any = None
    stopping: asyncio.Event | None = None

    @property
    def serves(self) -> bool:
        """Whether it can be asked something."""
        return self.process is not None and self.process.alive and not self.process.paused and self.office is not None

    def start(self) -> None:
        """Start a new process."""
        world = self.world
        process = self.process = Process(self.name)
        process.at_death.append(lambda: self._died(process))
        self.stopping = asyncio.Event()
        world.loop.start(process, self._run(process), self.name)

    def _died(self, process: Process) -> None:
        world = self.world
        self.house = self.office = None
        for server in world.servers.values():
            after = 0.3 * world.nature.chance.random()
            world.loop.call_later(after, server.forget, process, context=OUTSIDE.copy())
        wait = world.nature.chance.choice((0.2, 1.0, 6.0, 15.0)) * (0.2 + world.nature.chance.random())
        world.loop.call_later(wait, self._again, process, context=OUTSIDE.copy())

    def _again(self, process: Process) -> None:
        if self.process is process and not self.world.over:
            self.world.nature.note(f"{self.name} starts again", fault=f"starts again {self.service}")
            self.start()

    async def _run(self, process: Process) -> None:
        assert self.stopping is not None
        self.world.starting = self
        try:
            api: Any = APPS[self.service].app()
            async with api.lifespan(None):
                await self.stopping.wait()
        except Exception as error:
            if self.world.over:
                return  # it is being swept away
            self.world.violations.append(f"services: {self.name} ended with {type(error).__name__}: {error}")
        self.world.loop.kill(process)


@dataclass
class _Api:
    """In the place of FastAPI: keeps the life of the service and drops its routes."""

    lifespan: Any

    def include_router(self, *_: Any, **__: Any) -> None:
        """Nothing is served over HTTP."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: lambda route: route


class _Key:
    """A key file."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read_text(self, encoding: str = "ascii") -> str:
        """What stands in it."""
        return self._text


class _Settings(Settings):
    """Settings that come from the world instead of the environment."""

    def shown(self) -> dict[str, str]:
        """Nothing to be shown."""
        return {}

    def make_clock(self) -> Any:
        """The clock that all services share."""
        return World.now_running().clock


# ---- the world outside the provinces ------------------------------------------------------------------------------------------


class SimulatedBank:
    """The fund desks' way to the bank: requests and answers get lost; the bank itself is the real one."""

    def __init__(self, *_: Any) -> None:
        self._world = World.now_running()

    async def close(self) -> None:
        """Nothing to close."""

    async def remit(self, order: RemittanceOrder) -> OrderTaken:
        """Order a payment."""
        found: OrderTaken = await self._ask(lambda bank: bank.store.take(order, self._world.clock.now()))
        return found

    async def give_back(self, order: ReturnOrder) -> OrderTaken:
        """Give money back."""
        found: OrderTaken = await self._ask(lambda bank: bank.store.give_back(order, self._world.clock.now()))
        return found

    async def lines(
        self, province: str, kind: Literal["payment", "returned"], after: int, *, wait_s: float = 0
    ) -> tuple[StatementLine, ...]:
        """Statement lines."""
        found: tuple[StatementLine, ...] = await self._ask(
            lambda bank: bank.standing.lines(Account(province, kind), after, wait_s), wait_s
        )
        return found

    async def _ask(self, act: Callable[["BankMachine"], Awaitable[Any]], wait_s: float = 0) -> Any:
        world = self._world
        nature, bank = world.nature, world.bank
        await nature.step("to the bank")
        caller = PROCESS.get()
        cut = caller is not None and (caller.name, "bank") in reached_not(nature)
        if cut or not bank.serves or nature.happens(nature.weather.bank_away):
            nature.note("the bank is away", fault="bank requests lost")
            await asyncio.sleep(1)
            raise BankAway("away")
        try:
            done, answer = await world.in_process(bank.process, act(bank), 10 + wait_s)
        except Problem as error:
            raise BankRefused(error.code) from error
        except TRANSIENT as error:
            raise BankAway(type(error).__name__) from error
        if not done:
            raise BankAway("no answer")
        await nature.step("from the bank")
        if nature.happens(nature.weather.bank_away):
            nature.note("the bank's answer is lost", fault="bank answers lost")
            raise BankAway("the answer is lost")
        return answer


class _InOrder(Standing):
    """The bank's standing questions, woken in an order that does not hang on the hashes of a process."""

    def _wake(self, accounts: frozenset[Account]) -> None:
        for account in sorted(accounts, key=str):
            super()._wake(frozenset({account}))


class _Counted(asyncio.Event):
    """An event whose place in a set is the same in every run."""

    def __init__(self) -> None:
        super().__init__()
        self._nth = World.now_running().nth()

    def __hash__(self) -> int:
        return self._nth

    def __eq__(self, other: object) -> bool:
        return self is other


class BankMachine:
    """The bank's process."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.start()

    @property
    def serves(self) -> bool:
        """Whether it can be asked something."""
        return self.process.alive and not self.process.paused

    def start(self) -> None:
        """Start a new process on the same database."""
        world = self.world
        process = self.process = Process("bank")
        self.store = BankStore(Database("sim://bank"), delay=timedelta(hours=world.nature.chance.choice((0, 6, 30))))
        self.standing = _InOrder(self.store, world.clock, look_again_s=20.0)
        process.at_death.append(lambda: self._died(process))

    def _died(self, process: Process) -> None:
        world = self.world
        world.loop.call_later(0.1, world.servers["bank"].forget, process, context=OUTSIDE.copy())
        world.loop.call_later(2 * world.nature.chance.random(), self.start, context=OUTSIDE.copy())


class SimulatedMailServer:
    """In the place of the SMTP client: mails are put off, or taken without an answer."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._world = World.now_running()
        self.is_open = False

    async def open(self) -> None:
        """Connect."""
        nature = self._world.nature
        await nature.step("mail server")
        if nature.happens(nature.weather.mail_trouble):
            nature.note("the mail server is away", fault="mail server away")
            raise MailAway("away")

    async def send(self, mail: Any, to: str) -> str:
        """Send one mail."""
        world, nature = self._world, self._world.nature
        await self.open()
        await nature.step("mail")
        if nature.happens(nature.weather.mail_trouble):
            nature.note("mail put off", fault="mails put off")
            raise Deferred("451 later")
        world.deliver(mail["Message-ID"], to)
        await nature.step("mail taken")
        if nature.happens(nature.weather.mail_trouble):
            nature.note("mail taken without an answer", fault="mail answers lost")
            raise Deferred("the connection was lost")
        return "250 taken"

    async def close(self) -> None:
        """Nothing to close."""

    async def close_if_idle(self) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """Nothing to close."""


# ---- the world ----------------------------------------------------------------------------------------------------------------


@dataclass
class Wish:
    """An application that somebody wants to hand in until it is answered."""

    citizen: Citizen
    key: str
    at: float
    answered: bool = False
    batch: bool = False


_RUNNING: list["World"] = []
_TO_BE_REPEATED: tuple[type[BaseException], ...] = (*TRANSIENT, asyncpg.UniqueViolationError)
_NOT_TRIED: tuple[type[BaseException], ...] = (*TRANSIENT, Refused)
_TRIED = ("handler_failed", "behind_parked")  # what an operator lets be tried again


@dataclass
class World:
    """One seeded world."""

    seed: int
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    trace: bool = False
    weather: Weather | None = None

    def nth(self) -> int:
        """A number that nobody had before."""
        self.given += 1
        return self.given

    @staticmethod
    def now_running() -> "World":
        """The one that runs in this process."""
        return _RUNNING[-1]

    def __post_init__(self) -> None:
        self.nature = Nature(self.seed, self.loop)
        if self.weather is not None:
            self.nature.weather = self.weather
        if self.trace:
            self.nature.keep_all = []
        self.over = False
        self.given = 0
        self.violations: list[str] = []
        self.mails: list[Mail] = []
        self.machines: list[Machine] = []
        self.clerks_idle: dict[str, bool] = {}
        self.clerks_wait: dict[str, str] = {}
        self.withdrawn: set[str] = set()
        self.vouchers: set[str] = set()
        self.faulted: set[str] = set()
        self.imported: set[str] = set()
        self.starting: Machine | None = None
        self.elsewhere: dict[str, str] = {}  # which province holds the relationship of a case that names another one
        self.seldom = Seldom(self)

    # -- making

    def build(self) -> None:
        """Provinces, keys, databases, people."""
        chance = self.nature.chance
        self.provinces = sorted(chance.sample(["44", "33", "41"], chance.choice((2, 2, 2, 3))))
        keys = random.Random(f"keys {self.seed}")
        self.country = Exchange(
            root=Ed25519PrivateKey.from_private_bytes(keys.randbytes(32)),
            signing={
                f"{province}/{service}": Ed25519PrivateKey.from_private_bytes(keys.randbytes(32))
                for province in self.provinces
                for service in PROVINCE_SERVICES
            },
            sealing={province: X25519PrivateKey.from_private_bytes(keys.randbytes(32)) for province in self.provinces},
        )
        self.hash_keys = {province: keys.randbytes(32).hex() for province in self.provinces}
        self.clock = ScenarioClock(MONDAY)
        self.servers: dict[str, Server] = {}
        for province in self.provinces:
            self._server(f"province_{province}", "province", statements.province_tables())
            self._server(f"keys_{province}", "keys", statements.keys_tables())
        self._server("bank", "bank", statements.bank_tables())
        self.cluster = Access.cluster = Cluster(self.nature)
        for province in self.provinces:
            entry = sign_entry(
                self.country.entry(province, agency_name=f"agency of {province}", phone="12333"), self.country.root
            )
            row = (province.encode(), entry.model_dump_json().encode(), ())
            self.cluster.append(topics.DIRECTORY, partition_of(province), [row])
        self.bank = BankMachine(self)
        count = chance.choice((2, 2, 3, 3, 4))
        self.citizens = [_citizen(chance, nth, self.provinces) for nth in range(count)]
        self.wishes: list[Wish] = []
        for citizen in self.citizens:
            at = 20 * chance.random()
            self.wishes.append(Wish(citizen, f"key-{len(self.wishes)}", at, batch=chance.random() < 0.2))
            if chance.random() < 0.2:
                self.wishes.append(Wish(citizen, f"key-{len(self.wishes)}", at + 3 * chance.random()))
        for province in self.provinces:
            for service in PROVINCE_SERVICES:
                for replica in range(chance.choice((1, 1, 1, 2))):
                    self.machines.append(Machine(self, f"{province}/{service}.{replica}", province, service))

    def _server(self, name: str, kind: str, made: list[postgres.Table]) -> None:
        server = self.servers[name] = Server(name, self.nature, made, known_statements(kind))
        statements.first_rows(server.tables)

    def settings(self) -> Settings:
        """The settings of the machine that starts now."""
        machine = self.starting
        assert machine is not None
        secret = SecretStr("")
        seed_of = {name: key.private_bytes_raw().hex() for name, key in self.country.signing.items()}
        automatic = random.Random(f"{self.seed} approvals").random() < 0.25
        return _Settings.model_construct(
            environment="development",
            province=machine.province,
            database_url=SecretStr(f"sim://province_{machine.province}"),
            keys_database_url=SecretStr(f"sim://keys_{machine.province}"),
            kafka_bootstrap="sim",
            kafka_username="",
            kafka_password=secret,
            signing_key_file=_Key(seed_of[f"{machine.province}/{machine.service}"]),  # type: ignore[arg-type]
            sealing_key_file=_Key(self.country.sealing[machine.province].private_bytes_raw().hex()),  # type: ignore[arg-type]
            id_hash_key_file=_Key(self.hash_keys[machine.province]),  # type: ignore[arg-type]
            token_keys_file=_Key(""),  # type: ignore[arg-type]
            directory_root=self.country.root_fingerprint,
            bank_url="sim://bank",
            bank_token_file=_Key(""),  # type: ignore[arg-type]
            clock="scenario",
            scenario_start=MONDAY,
            max_records=200,
            relay_batch=500,
            relay_poll_s=8.0,
            timer_poll_s=30.0,
            bank_poll_s=6.0,
            bank_wait_s=20.0,
            approvals="automatic" if automatic else "two-persons",
            replica=machine.name.rpartition(".")[2],
        )

    # -- asking a service

    async def in_process(self, process: Process, act: Any, patience_s: float) -> tuple[bool, Any]:
        """Let a process do something; whether it came to an end, and what it answered."""
        task = self.loop.start(process, act)
        task.add_done_callback(lambda done: done.cancelled() or done.exception(), context=OUTSIDE.copy())
        gone: asyncio.Future[None] = self.loop.create_future()

        def died() -> None:
            if not gone.done():
                gone.set_result(None)

        process.at_death.append(died)
        await asyncio.wait({task, gone}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        process.at_death.remove(died)
        if not task.done():
            return False, None
        return True, task.result()

    async def ask(self, province: str, service: str, act: Callable[[Any], Awaitable[Any]], what: str) -> tuple[bool, Any]:
        """Send a command to one of a service's replicas, as somebody at a desk does."""
        nature = self.nature
        serving = [machine for machine in self.machines if (machine.province, machine.service) == (province, service)]
        serving = [machine for machine in serving if machine.serves]
        if not serving:
            return False, None
        machine = nature.chance.choice(serving)
        assert machine.process is not None
        nature.note(f"{what} at {machine.name}")
        try:
            done, answer = await self.in_process(machine.process, act(machine.office), 60.0)
        except _TO_BE_REPEATED as error:
            nature.note(f"{what}: {type(error).__name__}")
            return False, None
        except Exception as error:
            self.violations.append(f"commands: {what} ended with {type(error).__name__}: {error}")
            return False, None
        nature.note(f"{what}: {answer if done else 'no answer'}"[:160])
        return done, answer

    # -- what people do

    async def _import(self, province: str) -> None:
        """An operator brings the records in, and again until it is done."""
        people = {
            citizen.id_number: (_person(citizen, province, here=here), citizen.rows_here if here else citizen.rows)
            for citizen in self.citizens
            for here in (False, True)
            if province == (citizen.destination if here else citizen.origin)
            and citizen.kind != ("unknown here" if here else "unknown there")
            and not (here and citizen.kind == "same province")
        }
        parsed = ParsedFiles(
            tuple(person for person, _ in people.values()), {number: rows for number, (_, rows) in people.items()}, ()
        )
        digest = hashlib.sha256(f"{self.seed} {province}".encode()).hexdigest()

        async def act(office: Any) -> bool:
            importer: Importer = office.importer
            before = await importer.begun(digest)
            if before is not None and before[2] == "done":
                return True
            after = before[1] if before is not None else 0
            wanted = await importer.known(parsed, after=after)
            job = Import(before[0] if before else new_id(), digest, "operator-1", wanted)
            if before is None:
                await importer.begin(job)
            await importer.run(job, after=after)
            office.told()
            return True

        while not (await self.ask(province, "origin-agency", act, "import"))[0]:  # noqa: ASYNC110 - asked again
            await asyncio.sleep(2)
        self.imported.add(province)

    async def _applicant(self, wish: Wish) -> None:
        await asyncio.sleep(wish.at)
        while len(self.imported) < len(self.provinces):  # noqa: ASYNC110 - an applicant looks now and then
            await asyncio.sleep(1)
        citizen = wish.citizen
        wanted = Application(
            id_number=citizen.id_number,
            name=citizen.name,
            origin_division=f"{citizen.applies_to}0100",
            destination_division=f"{citizen.destination}0100",
            phone=citizen.phone,
            email=citizen.email,
        )
        keys = IdempotencyKeys("destination_agency")
        body = wanted.model_dump_json()

        async def one(office: Any) -> Any:
            async with office.database.transaction("application") as tx:
                known = await keys.answered(tx, wish.key, "clerk-1", body)
                if known is not None:
                    return known
                [taken] = await take(tx, office.agency, [wanted], Applicant("clerk-1", "clerk"), channel="single")
                answer = {"result": taken.result, "case_id": taken.case_id, "code": taken.code}
                if taken.result == "accepted":
                    await keys.keep(tx, wish.key, "clerk-1", body, answer)
            office.told()
            return answer

        async def list_(office: Any) -> Any:
            async with office.database.transaction("submission") as tx:
                known = await keys.answered(tx, wish.key, "clerk-1", body)
                if known is not None:
                    return known
                batch_id = await office.batches.keep(tx, [wanted.model_dump(mode="json")], "clerk-1", "clerk")
                await keys.keep(tx, wish.key, "clerk-1", body, {"batch_id": batch_id})
            office.batches.wake()
            return {"batch_id": batch_id}

        while True:
            done, answer = await self.ask(citizen.destination, "destination-agency", list_ if wish.batch else one, "application")
            if done:
                break
            await asyncio.sleep(3 * self.nature.chance.random())
        wish.answered = True
        if citizen.applies_to != citizen.origin and answer.get("case_id"):
            self.elsewhere[answer["case_id"]] = citizen.origin
        if self.nature.happens(self.nature.weather.bank_wrong) and answer.get("case_id"):
            await self._wrong(answer["case_id"])

    async def _wrong(self, case_id: str) -> None:
        """The bank will do something wrong with this case's payment."""
        if case_id in self.faulted:
            return
        self.faulted.add(case_id)
        kind: Any = self.nature.chance.choice(["delay", "lose", "duplicate", "return", "short"])
        fault = Fault(case_id=case_id, kind=kind, days=3 if kind == "delay" else 0, amount_fen=10_000 if kind == "short" else 0)
        self.nature.note(f"the bank will {kind}", fault=f"bank: {kind}")
        try:
            await self.in_process(self.bank.process, self.bank.store.tell_faults([fault]), 10)
        except TRANSIENT:
            self.nature.note("it will not")

    async def _clerk(self, province: str, service: str) -> None:
        """Looks at the work list and does what is to be done, with a second person where the law wants one."""
        chance = self.nature.chance
        name = f"{province}/{service}"
        find = self._origin_work if service == "origin-agency" else self._destination_work
        slow_s = chance.choice((0.0, 0.0, 0.0, 12.0))  # some have other things to do, until the calm
        while True:
            await asyncio.sleep(0.2 + 1.5 * chance.random() + (slow_s if self.loop.now < FAULTS_S else 0.0))
            work = find(province)
            self.clerks_idle[name] = not work
            if not work:
                await asyncio.sleep(1.0)
                continue
            what, case_ids, act = chance.choice(work)
            self.clerks_wait[name] = f"{what} {len(case_ids)}"
            if self.nature.happens(self.nature.weather.clerk_twice):
                self.nature.note(f"{what} twice", fault="commands repeated")
                self.loop.start(None, self._again(province, service, act, what))
            await self.ask(province, service, act, what)

    async def _operator(self) -> None:
        """Looks into the quarantines and lets what is parked be tried again."""
        while True:
            await asyncio.sleep(4 + 4 * self.nature.chance.random())
            for machine in self.machines:
                if not machine.serves or machine.house is None:
                    continue
                schema = machine.service.replace("-", "_")
                for row in self.rows(machine.province, f"{schema}.quarantine"):
                    if row["state"] == "parked" and row["reason"] in ("handler_failed", "behind_parked"):
                        await self._retry(machine, row["quarantine_id"])

    async def _retry(self, machine: Machine, quarantine_id: str) -> None:
        if not machine.serves or machine.house is None or machine.process is None:
            return
        self.nature.note(f"{quarantine_id} is tried again at {machine.name}", fault="operators' retries")
        act = machine.house.operators.retry(quarantine_id, who="operator-1", reason="it may have passed")
        try:
            await self.in_process(machine.process, act, 30.0)
        except _NOT_TRIED as error:
            self.nature.note(f"not tried: {type(error).__name__}")

    async def _again(self, province: str, service: str, act: Any, what: str) -> None:
        await asyncio.sleep(0.05 * self.nature.chance.random())
        await self.ask(province, service, act, what)

    def rows(self, province: str, table: str) -> list[dict[str, Any]]:
        """What is committed in a province's table."""
        return self.servers[f"province_{province}"].tables[table].rows()

    def _destination_work(self, province: str) -> list[tuple[str, list[str], Any]]:
        chance, weather = self.nature.chance, self.nature.weather
        by_state: dict[str, list[str]] = {}
        surplus = []
        for row in self.rows(province, "destination_agency.cases"):
            by_state.setdefault(row["state"], []).append(row["case_id"])
            if row["surplus"]:
                surplus.append((row["case_id"], json.loads(row["body"])["surplus_maker"]))
        found: list[tuple[str, list[str], Any]] = []

        def add(what: str, ids: list[str], act: Callable[[Any, list[str]], Awaitable[Any]]) -> None:
            if ids:
                found.append((what, ids, partial(_acting, act, ids)))

        checker = "maker-1" if self.nature.happens(weather.clerk_twice) else "checker-1"
        add(
            "propose admissions",
            by_state.get("REVIEWING", []),
            lambda o, ids: o.desk.propose_admissions(ids, "maker-1"),
        )
        add(
            "approve admissions",
            by_state.get("ADMISSION_PROPOSED", []),
            lambda o, ids: o.desk.approve_admissions(ids, checker),
        )
        add(
            "propose completions",
            by_state.get("BOOKING", []),
            lambda o, ids: o.desk.propose_completions(ids, "maker-1"),
        )
        add(
            "approve completions",
            by_state.get("COMPLETION_PROPOSED", []),
            lambda o, ids: o.desk.approve_completions(ids, checker),
        )
        ordered = {row["case_id"] for row in self.rows(province, "destination_agency.returns") if row["state"] == "ordered"}
        add(
            "propose sending back",
            [case_id for case_id, maker in surplus if maker is None],
            lambda o, ids: o.desk.propose_sending_back(ids, "fund-1"),
        )
        add(
            "approve sending back",
            [case_id for case_id, maker in surplus if maker is not None and case_id not in ordered],
            lambda o, ids: _with_bell(o, o.desk.approve_sending_back(ids, "checker-1")),
        )
        found += self.seldom.at_destination(province, checker)
        for case_id in by_state.get("LETTER_SENT", []):
            if case_id not in self.withdrawn:
                self.withdrawn.add(case_id)
                if chance.random() < 0.12:
                    add("withdraw", [case_id], lambda o, ids: o.desk.withdraw(ids[0], "clerk-1"))
        return found

    def _origin_work(self, province: str) -> list[tuple[str, list[str], Any]]:
        by_state: dict[str, list[str]] = {}
        payable = []
        for row in self.rows(province, "origin_agency.cases"):
            by_state.setdefault(row["state"], []).append(row["case_id"])
            body = json.loads(row["body"])
            owes = row["state"] in ("FORM_ISSUED", "PAYMENT_RETURNED") and body["items"]["total_fen"] > body["remitted_fen"]
            if (
                owes
                and not body["sent_back"]
                and not (body["account_wanted"] and self._letter_version(row) <= body["paid_version"])
            ):
                payable.append(row["case_id"])
            if row["person_ref"] and row["person_ref"] not in self.vouchers and self.nature.chance.random() < 0.02:
                self.vouchers.add(row["person_ref"])
                ref = row["person_ref"]
                return [("voucher", [ref], partial(_voucher, ref))]
        found: list[tuple[str, list[str], Any]] = []

        def add(what: str, ids: list[str], act: Callable[[Any, list[str]], Awaitable[Any]]) -> None:
            if ids:
                found.append((what, ids, partial(_acting, act, ids)))

        checker = "maker-1" if self.nature.happens(self.nature.weather.clerk_twice) else "checker-1"
        soft = self.nature.chance.choice((10, None))
        add("propose", by_state.get("LETTER_HELD", []), lambda o, ids: o.desk.propose(ids, "maker-1", cure_days=soft))
        add("approve", by_state.get("HANDLING_PROPOSED", []), lambda o, ids: _proposed_again(o, ids, checker))
        add("propose remittances", payable, lambda o, ids: o.desk.propose_remittances(ids, "fund-1"))
        add(
            "approve remittances",
            by_state.get("REMITTANCE_PROPOSED", []),
            lambda o, ids: _with_bell(o, o.desk.approve_remittances(ids, checker)),
        )
        return found + self.seldom.at_origin(province, checker)

    def _letter_version(self, row: Mapping[str, Any]) -> int:
        """The version of a case's letter, as its destination has sent it."""
        for there in self.rows(row["destination"], "destination_agency.cases"):
            if there["case_id"] == row["case_id"]:
                return int(json.loads(there["body"]).get("letter_version", 1))
        return 1

    def deliver(self, message_id: str, to: str) -> None:
        """A mail is in somebody's box. Whether its notice and its event are committed is looked up now."""
        found = None
        for province in self.provinces:
            for row in self.rows(province, "notification.notices"):
                if row["message_id"] == message_id:
                    found = (province, row["event_id"])
        committed = found is not None and any(
            row["event_id"] == found[1] for service in statements.SCHEMAS for row in self.rows(found[0], f"{service}.outbox")
        )
        self.nature.note(f"mail {message_id}")
        self.mails.append(Mail(message_id, to, committed))

    # -- what goes wrong

    async def _chaos(self) -> None:
        nature = self.nature
        chance = nature.chance
        while True:
            await asyncio.sleep(1)
            weather = nature.weather
            if nature.happens(weather.restart):
                machine = chance.choice(self.machines)
                if machine.serves and machine.stopping is not None:
                    nature.note(f"{machine.name} is told to stop", fault=f"stopped {machine.service}")
                    machine.stopping.set()
            if nature.happens(weather.pause):
                self._pause(chance.choice(self.machines))
            if nature.happens(weather.cut):
                self._cut(chance.choice(self.machines))
            if nature.happens(weather.database_restart):
                server = chance.choice(list(self.servers.values()))
                nature.note(f"{server.name} restarts", fault="database restarts")
                server.down = True
                server.restart()
                self.loop.call_later(3 * chance.random(), setattr, server, "down", False, context=OUTSIDE.copy())
            if nature.happens(weather.broker_restart):
                nature.note("kafka restarts", fault="broker restarts")
                self.cluster.down = True
                self.loop.call_later(5 * chance.random(), setattr, self.cluster, "down", False, context=OUTSIDE.copy())
            if nature.happens(weather.rebalance) and self.cluster.groups:
                self.cluster.groups[chance.choice(sorted(self.cluster.groups))].rebalance()
            if nature.happens(weather.days):
                self.let_pass(timedelta(hours=chance.choice((1, 7, 24, 72, 240))))
            if self.bank.process.alive and nature.happens(weather.restart):
                nature.note("the bank dies", fault="crash bank")
                self.loop.kill(self.bank.process)

    def _pause(self, machine: Machine) -> None:
        process = machine.process
        if process is None or not machine.serves:
            return
        nature, loop = self.nature, self.loop
        seconds = nature.chance.choice((2.0, 8.0, 30.0))
        nature.note(f"{machine.name} stands still for {seconds}", fault=f"paused {machine.service}")
        loop.pause(process)
        loop.call_later(seconds, loop.resume, process, context=OUTSIDE.copy())
        broker: Any = machine.house.broker if machine.house is not None else None
        if broker is not None and seconds > kafka.SESSION_S:
            loop.call_later(kafka.SESSION_S, broker.expire, context=OUTSIDE.copy())
        if nature.chance.random() < 0.5:  # the server gives up a client that does not answer
            for server in self.servers.values():
                loop.call_later(seconds / 2, server.forget, process, context=OUTSIDE.copy())

    def _cut(self, machine: Machine) -> None:
        nature, loop = self.nature, self.loop
        where = nature.chance.choice(["kafka", f"province_{machine.province}", f"keys_{machine.province}", "bank"])
        way = (machine.name, where)
        if way in reached_not(nature) or machine.process is None:
            return
        seconds = nature.chance.choice((1.0, 5.0, 20.0))
        nature.note(f"{machine.name} cannot reach {where} for {seconds}", fault="network partitions")
        reached_not(nature).add(way)
        loop.call_later(seconds, reached_not(nature).discard, way, context=OUTSIDE.copy())
        if where in self.servers:
            self.servers[where].forget(machine.process)
        broker: Any = machine.house.broker if machine.house is not None else None
        if where == "kafka" and broker is not None and seconds > kafka.SESSION_S:
            loop.call_later(kafka.SESSION_S, broker.expire, context=OUTSIDE.copy())

    def let_pass(self, by: timedelta) -> None:
        """Days pass: the clock is moved, as a scenario does it."""
        self.clock.move(self.clock.now() + by)
        self.nature.note(f"it is {self.clock.now():%Y-%m-%d %H:%M}", fault="clock moves")
        for machine in self.machines:
            house: Any = machine.house
            for alarm in house._alarms if house is not None else ():
                alarm.set()
        self.bank.standing.look_again()

    # -- the run

    async def main(self) -> None:
        """From the first start to rest."""
        for machine in self.machines:
            machine.start()
        outside = [self._import(province) for province in self.provinces]
        outside += [self._applicant(wish) for wish in self.wishes]
        outside += [self._chaos(), self._operator()]
        outside += [self._clerk(province, service) for province in self.provinces for service in PROVINCE_SERVICES[:2]]
        for coroutine in outside:
            self.loop.start(None, coroutine)
        await asyncio.sleep(FAULTS_S)
        self.nature.note("calm")
        self.nature.calm()
        await self._come_to_rest()
        self.over = True

    async def _come_to_rest(self) -> None:
        until = self.loop.now + REST_S
        moves = 0
        why: str | None = "it is not looked at yet"
        while self.loop.now < until:
            await asyncio.sleep(3)
            if self.violations:
                return  # what failed may keep the world from ever resting
            why = self._in_hand()
            if why is not None:
                continue
            await asyncio.sleep(5)  # what is in somebody's head only
            why = self._in_hand()
            if why is not None:
                continue
            waiting = self._open_cases()
            if not waiting or moves > 14:
                return
            moves += 1
            self.let_pass(timedelta(days=self.nature.chance.choice((1, 2, 4))))
            for case_id in waiting:
                with suppress(*TRANSIENT):
                    await self.in_process(self.bank.process, self.bank.store.investigate(case_id, self.clock.now()), 10)
        raise Violation(f"rest: {why}; {self.clerks_wait}")

    def _open_cases(self) -> list[str]:
        found = []
        for province in self.provinces:
            for row in self.rows(province, "destination_agency.cases"):
                if row["open"] or row["surplus"]:
                    found.append(row["case_id"])
            for row in self.rows(province, "origin_agency.cases"):
                body = json.loads(row["body"])
                owed = body["items"]["total_fen"] if body["items"] else 0
                # What was paid above a later form, or for one that is taken back, is on its way here.
                if row["state"] not in ("RETURNED", "SETTLED", "CANCELLED", "RECALLED") or body["remitted_fen"] > owed:
                    found.append(row["case_id"])
        return sorted(set(found))

    def _in_hand(self) -> str | None:
        """What is still under way, or None."""
        for machine in self.machines:
            if not machine.serves:
                return f"{machine.name} is not there"
        if not all(wish.answered for wish in self.wishes):
            return "an application is not answered"
        for name, idle in self.clerks_idle.items():
            if not idle:
                return f"{name} has work: {self.clerks_wait.get(name)}"
        for province in self.provinces:
            for service in statements.SCHEMAS:
                if self.rows(province, f"{service}.pending"):
                    return f"{province}/{service} has rows without a number"
                numbers = [row["number"] for row in self.rows(province, f"{service}.numbered")]
                if max(numbers, default=0) > self.rows(province, f"{service}.relay")[0]["sent_through"]:
                    return f"{province}/{service} has rows that are not published"
                waits = self._quarantine_waits(province, service)
                if waits is not None:
                    return waits
            if any(row["state"] == "queued" for row in self.rows(province, "notification.notices")):
                return f"{province} has notices to send"
            if any(row["state"] == "ordered" for row in self.rows(province, "origin_agency.remittances")):
                return f"{province} has remittances to pay"
            if any(row["state"] == "ordered" for row in self.rows(province, "destination_agency.returns")):
                return f"{province} has money to give back"
            if any(row["handled"] < row["total"] for row in self.rows(province, "destination_agency.batches")):
                return f"{province} has submissions to work off"
        return self.cluster.behind()

    def _quarantine_waits(self, province: str, service: str) -> str | None:
        """What is tried again by itself, or by an operator, or stands behind such a record, is under way."""
        rows = self.rows(province, f"{service}.quarantine")
        given_up = {row["case_key"] for row in rows if row["state"] == "parked" and row["reason"] not in _TRIED}
        left = [row for row in rows if row["state"] in statements.OPEN and row["case_key"] not in given_up]
        return f"{province}/{service} has {len(left)} records in quarantine" if left else None

    def evidence(self) -> Evidence:
        """What the auditor is shown: the logs, the public keys, and what the databases say at the end."""
        rows = self.rows
        return Evidence(
            records=self.cluster.records(),
            keys={name: key.public_key() for name, key in self.country.signing.items()},
            accounts={
                province: {row["account"]: (row["sequence"], row["balance_fen"]) for row in rows(province, "ledger.accounts")}
                for province in self.provinces
            },
            postings={province: rows(province, "ledger.postings") for province in self.provinces},
            outbox={
                f"{province}/{schema.replace('_', '-')}": len(rows(province, f"{schema}.outbox"))
                for province in self.provinces
                for schema in statements.SCHEMAS
            },
            notices={province: rows(province, "notification.notices") for province in self.provinces},
            orders=self.servers["bank"].tables["bank.orders"].rows(),
            lines=self.servers["bank"].tables["bank.lines"].rows(),
            mails=self.mails,
            secrets=[
                text for citizen in self.citizens for text in (citizen.id_number, citizen.name, citizen.email, citizen.phone)
            ],
        )


async def _with_bell(office: Any, act: Awaitable[Any]) -> Any:
    result = await act
    office.ring_funds()
    return result


def _acting(act: Callable[[Any, list[str]], Awaitable[Any]], ids: list[str], office: Any) -> Awaitable[Any]:
    return act(office, ids)


async def _voucher(person_ref: str, office: Any) -> str:
    try:
        await issue_voucher(office.database, office.agency, person_ref)
    except CorrectionUnderWay:
        return "not now"
    office.told()
    return "issued"


async def _proposed_again(office: Any, ids: list[str], checker: str) -> Any:
    """Approve; what is refused by name is proposed again, for the record has changed since."""
    result = await office.desk.approve(ids, checker)
    again = [row.case_id for row in result.rows if row.result == "refused" and row.code not in ("NOT_NOW", "SAME_PERSON")]
    if again:
        await office.desk.propose(again, "maker-1")
    return result


@contextmanager
def stand_ins(world: World) -> Iterator[None]:
    """Put the simulated world in the place of the real one. Nothing else of our code is changed."""

    async def create_pool(url: str, *, max_size: int, **_: Any) -> postgres.Pool:
        pool = postgres.Pool(world.servers[url.removeprefix("sim://")], max_size)
        pool.give(await pool.take())
        return pool

    async def connect(url: str, **_: Any) -> postgres.Connection:
        return await postgres.connect(world.servers[url.removeprefix("sim://")])

    def make_api(*_: Any, lifespan: Any, **__: Any) -> _Api:
        machine = world.starting
        assert machine is not None
        if machine.service == "notification":
            machine.office = object()
        return _Api(lifespan)

    def add_routes(_: Any, office: Any, *__: Any) -> None:
        assert world.starting is not None
        if world.starting.service != "notification":
            world.starting.office = office

    def handler(self: BatchHandler, *, work: Any, **parts: Any) -> None:
        async def odd(tx: Any, records: Any) -> None:
            await work(tx, records)
            if world.nature.happens(world.nature.weather.work_fails):
                world.nature.note("the work fails", fault="work failed")
                raise Odd("for no reason")

        real_handler(self, work=odd, **parts)

    real_handler = BatchHandler.__init__
    real_init = House.__init__

    def init(house: House, *args: Any, **kwargs: Any) -> None:
        real_init(house, *args, **kwargs)
        assert world.starting is not None
        world.starting.house = house

    with ExitStack() as stack:
        _RUNNING.append(world)
        stack.callback(_RUNNING.pop)
        stack.enter_context(seeded(world.seed, world.loop))
        stack.enter_context(patch.object(time, "perf_counter", world.loop.time))
        stack.enter_context(patch.object(asyncio, "Event", _Counted))
        stack.enter_context(patch.object(asyncpg, "create_pool", create_pool))
        stack.enter_context(patch.object(asyncpg, "connect", connect))
        stack.enter_context(patch("services.runtime.database.together", postgres.together))
        stack.enter_context(patch("services.messaging.house.look_for_garbage_seldom", lambda: None))  # the process is not its
        stack.enter_context(patch("services.messaging.house.KafkaAccess", Access))
        stack.enter_context(patch("services.messaging.relay.AIOKafkaProducer", kafka.Producer))
        stack.enter_context(patch("services.messaging.directory.AIOKafkaConsumer", kafka.DirectoryConsumer))
        stack.enter_context(patch.object(House, "__init__", init))
        stack.enter_context(patch.object(BatchHandler, "__init__", handler))
        stack.enter_context(patch.object(House, "scenario", lambda _: None))
        stack.enter_context(patch("services.records.office.HttpBank", SimulatedBank))
        stack.enter_context(patch("services.records.office.read_contents", lambda _: {}))
        stack.enter_context(patch("services.records.office.build_tables", lambda _: tables()))
        stack.enter_context(patch("services.notification.app.read_contents", lambda _: {}))
        stack.enter_context(patch("services.notification.app.build_tables", lambda _: tables()))
        stack.enter_context(patch("services.notification.app.Templates", lambda _: templates()))
        stack.enter_context(patch("services.notification.app.MailServer", SimulatedMailServer))
        for app in APPS.values():
            stack.enter_context(patch.object(app, "Settings", world.settings))
            stack.enter_context(patch.object(app, "configure_logs", lambda *_: None))
            stack.enter_context(patch.object(app, "TokenVerifier", lambda *_: None))
            stack.enter_context(patch.object(app, "make_api", make_api))
            stack.enter_context(patch.object(app, "add_routes", add_routes))
        stack.enter_context(_logs(world))
        yield


@contextmanager
def _logs(world: World) -> Iterator[None]:
    """What our code logs belongs to the schedule; what it logs as an error that nobody expects is a violation."""

    def note(_: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        if world.over:
            raise structlog.DropEvent
        name = event.get("event")
        words = {key: value for key, value in event.items() if key not in ("event", "exc_info")}
        world.nature.note(f"log {name} {words}"[:200])
        if name in (
            "task.failed",
            "task.ended",
            "handler.failed",
            "handler.unexaminable",
            "mailer.notice_broken",
            "retry.failed",
        ):
            error = sys.exc_info()[1]
            if isinstance(error, Odd):
                raise structlog.DropEvent
            place = traceback.extract_tb(error.__traceback__)[-1] if error is not None and error.__traceback__ else None
            where = f" at {place.filename.rpartition('services/')[2]}:{place.lineno}" if place else ""
            world.violations.append(f"logs: {name} {type(error).__name__ if error else words}: {str(error)[:200]}{where}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[note], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def run(seed: int, *, trace: bool = False, weather: Weather | None = None) -> Outcome:
    """Run one world to its end and audit it."""
    began = time.process_time()
    gc.disable()  # the world is thrown away as a whole, and a collection in its midst costs time
    loop = VirtualLoop()
    world = World(seed, loop, trace, weather)
    events = 0
    try:
        with stand_ins(world):
            world.build()
            main = loop.start(None, world.main())
            try:
                until_done(loop, main)
                main.result()
            except Violation as violation:
                world.violations.append(str(violation))
            except Stuck:
                world.violations.append("rest: nobody can go on")
            finally:
                digest, last = world.nature.digest, list(world.nature.last)
                violations = list(world.violations)
                world.over = True
                loop.end()
            found = audit(world.evidence())
            violations += found.violations
            events = found.events
    finally:
        world.over = True
        loop.end()
        gc.enable()
    nature = world.nature
    return Outcome(
        seed,
        violations,
        dict(sorted(nature.counts.items())),
        sum(len(log) for log in world.cluster.logs.values()),
        events,
        digest,
        last,
        time.process_time() - began,
        loop.now,
        nature.keep_all,
    )


def until_done(loop: VirtualLoop, main: "asyncio.Task[None]") -> None:
    """Run a world's own loop until its main task has ended.

    Raises:
        Violation: when it takes more turns than any world needs.
        Stuck: when nobody can go on.
    """
    asyncio.events._set_running_loop(loop)
    try:
        while not main.done():
            loop._run_once()
            if loop.turns > TURNS:
                raise Violation("rest: the world does not end")
    finally:
        asyncio.events._set_running_loop(None)


__all__ = ["Outcome", "World", "kind_of", "run"]
