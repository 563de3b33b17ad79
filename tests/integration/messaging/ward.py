"""A service of 44 with everything around its quarantine, whose work can be told to go wrong."""

import asyncio
from collections.abc import Sequence
from typing import Any

from contracts.base import Fact
from contracts.documents import (
    ContactLetter,
    ContactLetterDocument,
    Document,
    Reminder,
    ReminderDocument,
)
from contracts.envelope import decode, new_id
from contracts.events import MessageDecided, QuarantineReason
from services.messaging.handler import BatchHandler, Poison
from services.messaging.inbox import Inbox
from services.messaging.operators import Operators
from services.messaging.quarantine import Quarantine
from services.messaging.received import Received
from services.messaging.retries import Retries
from services.messaging.sealing import Opener, Sealer, Unopenable
from services.messaging.verification import Verifier
from services.runtime.clock import Clock
from services.runtime.database import Transaction
from tests.builders import a
from tests.exchange import Exchange, KafkaRecord
from tests.integration.messaging.conftest import SCHEMA, SERVICE, Service

SENDER = "33/destination-agency"


class Ward:
    """The handler, the retries and the operators' verbs of one replica. Its work notes what each document says."""

    def __init__(self, service: Service, exchange: Exchange, *, pauses_s: Sequence[float] = (0.05, 0.1)) -> None:
        self.service = service
        self.exchange = exchange
        self.wrong: dict[str, Exception | QuarantineReason] = {}
        self.hold: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.calls = 0
        directory = exchange.directory()
        self._opener = Opener(exchange.sealing["44"])
        self.handler = BatchHandler(
            database=service.database,
            inbox=Inbox(SCHEMA, "44.origin-agency"),
            outbox=service.outbox,
            quarantine=Quarantine(SCHEMA, SERVICE),
            verifier=Verifier(directory, "44"),
            clock=Clock(),
            concerns=lambda record: record.role in ("origin-agency", ""),
            wants=(ContactLetterDocument, ReminderDocument),
            work=self.work,
            told=lambda: None,
            pauses_s=pauses_s,
            lot=lambda: 0.5,
        )
        self.retries = Retries(self.handler, poll_s=0.05)
        self.operators = Operators(self.handler, self.retries, directory=directory, province="44", schema=SCHEMA)

    async def work(self, tx: Transaction, records: Sequence[Received]) -> None:
        """Note what each document says, then go wrong where that was asked for."""
        self.calls += 1
        for record in records:
            document = record.fact
            assert isinstance(document, Document)
            try:
                body = self._opener.open(document)
            except Unopenable as error:
                raise Poison(record, QuarantineReason.UNOPENABLE, str(error)) from error
            assert isinstance(body, ContactLetter | Reminder)
            await tx.execute(
                "INSERT INTO origin_agency.effects VALUES ($1, $2, $3, $4)",
                record.event_id,
                record.key,
                body.letter_no,
                record.digest.hex(),
            )
        self.entered.set()
        if self.hold is not None:
            await self.hold.wait()
        for record in records:
            match self.wrong.get(record.key) or self.wrong.get(record.event_id):
                case QuarantineReason() as reason:
                    raise Poison(record, reason, "told to be wrong")
                case Exception() as mistake:
                    raise mistake
                case None:
                    pass

    async def hear(self, *records: KafkaRecord) -> None:
        """Take a batch as Kafka gives it."""
        await self.handler.handle([Received.of(record) for record in records])

    async def effects(self) -> list[tuple[str, str]]:
        """Case and letter number of what took effect, in that order."""
        rows = await self.service.rows("SELECT case_id, said FROM origin_agency.effects ORDER BY seq")
        return [(row["case_id"], row["said"]) for row in rows]

    async def cases(self) -> list[str]:
        """The cases of what took effect, in that order."""
        return [case for case, _ in await self.effects()]

    async def rows(self) -> list[dict[str, Any]]:
        """The quarantine in log order."""
        found = await self.service.rows('SELECT * FROM origin_agency.quarantine ORDER BY topic, partition, "offset"')
        return [dict(row) for row in found]

    async def states(self) -> list[str]:
        """Where each record in quarantine stands, in log order."""
        return [row["state"] for row in await self.rows()]

    async def ids(self) -> list[str]:
        """Ids in log order."""
        return [row["quarantine_id"] for row in await self.rows()]

    async def told(self) -> list[Fact]:
        """Everything that the service has said."""
        return [
            decode(row["payload"]).data
            for row in await self.service.rows("SELECT payload FROM origin_agency.outbox ORDER BY seq")
        ]

    async def decided(self) -> list[MessageDecided]:
        """The decisions on the journal."""
        return [fact for fact in await self.told() if isinstance(fact, MessageDecided)]

    async def parked(self, reason: QuarantineReason = QuarantineReason.UNEXPECTED, *, kind: str = "letter") -> tuple[str, str]:
        """A parked document of a new case, as its work has refused it by name; its case and its id in the quarantine."""
        case = new_id()
        self.wrong[case] = reason
        first = len(await self.rows()) + 1
        (record,) = (letters if kind == "letter" else reminders)(self.exchange, case, first=first)
        await self.hear(record.but(offset=100 + first))
        (row,) = [row for row in await self.rows() if row["case_key"] == case]
        self.wrong.clear()
        return case, row["quarantine_id"]


async def prepare(service: Service) -> None:
    """Somewhere to note effects."""
    await service.execute(
        "CREATE TABLE origin_agency.effects (event_id text UNIQUE, case_id text, said text, digest text,"
        " seq bigint GENERATED ALWAYS AS IDENTITY)"
    )
    await service.execute("GRANT SELECT, INSERT ON origin_agency.effects TO p44_origin_agency")


def sealed(exchange: Exchange, kind: type[Document], body: Any, case: str) -> Document:
    """A document of 33 for 44."""
    return Sealer(exchange.directory(), "33").seal(kind, body, case_id=case, addressee="44")


def letter_no(number: int) -> str:
    """The nth letter's number."""
    return f"LXH-330100-20240506-{number:06d}"


def letters(exchange: Exchange, *cases: str, first: int = 1, service: str = SENDER) -> list[KafkaRecord]:
    """One signed batch of letters, one a case, numbered from `first`, at offsets 0, 1, …"""
    documents = [
        sealed(exchange, ContactLetterDocument, a(ContactLetter, letter_no=letter_no(at)), case)
        for at, case in enumerate(cases, first)
    ]
    return exchange.publish(*documents, service=service, first=first)


def reminders(exchange: Exchange, *cases: str, first: int = 1) -> list[KafkaRecord]:
    """One signed batch of reminders, about which no money moves."""
    documents = [
        sealed(exchange, ReminderDocument, a(Reminder, letter_no=letter_no(at)), case) for at, case in enumerate(cases, first)
    ]
    return exchange.publish(*documents, service=SENDER, first=first)
