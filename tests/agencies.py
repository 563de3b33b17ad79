"""Agencies in this process, on databases of a test's own: everything real but the bank, Kafka and the passing of time.

A database is migrated like province 44's, but it plays any province and either agency: only the roles' names are 44's.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, TypeVar

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contracts import topics
from contracts.banking import Fault, OrderTaken, RemittanceOrder, ReturnOrder, StatementLine
from contracts.base import Fact
from contracts.directory import DirectoryEntry
from contracts.documents import Body, ContactLetter, ContactLetterDocument, Document, PayeeAccount, PersonIdentity
from contracts.envelope import Envelope, decode, new_id
from deploy.postgres.provision import owner_role, service_role
from services.areas import PROVINCE_SERVICES
from services.ledger import store as ledger
from services.ledger.chart import individual
from services.ledger.journal import Head
from services.ledger.replay import Replay, fold_all
from services.messaging.handler import BatchHandler, Work
from services.messaging.inbox import Inbox
from services.messaging.outbox import Outbox
from services.messaging.quarantine import Quarantine
from services.messaging.received import Received
from services.messaging.sealing import Opener, Sealer
from services.messaging.verification import Verifier
from services.records import store as records
from services.records.agency import Agency
from services.records.bank import BankAway
from services.records.csv_import import ParsedFiles, parse_files
from services.records.importing import Import, Importer
from services.records.model import Record
from services.records.vault import Vault
from services.rules.identity import check_character
from services.rules.loader import Tables, load_tables
from services.runtime.clock import SHANGHAI, ScenarioClock
from services.runtime.database import Database
from services.world.files import CONTRIBUTION_COLUMNS, PERSON_COLUMNS, contribution_row, person_row
from services.world.people import Contribution
from services.world.plan import PROTAGONIST, ProvinceRecord
from tests.builders import a
from tests.exchange import Exchange, KafkaRecord, received
from tests.integration.conftest import UrlOf

MONDAY = datetime(2024, 5, 6, 9, 0, tzinfo=SHANGHAI)
"""The day of the story: the calendar of 2024 is known, and so are all rates up to 2023."""

PROVINCES = ("33", "41", "44")

ORIGIN = "origin-agency"
DESTINATION = "destination-agency"

FactT = TypeVar("FactT", bound=Fact)


@cache
def tables() -> Tables:
    """The law, read once for all tests."""
    return load_tables()


def payee_of(province: str) -> PayeeAccount:
    """A receiving account of its own for each province."""
    return PayeeAccount(
        account_name=f"{province} fund", bank_name=f"bank of {province}", account_no=f"9990{province}1", exchange_no="9" * 12
    )


@dataclass
class Country(Exchange):
    """The exchange of these provinces, with an agency, a telephone and a payee account in each entry of the directory."""

    def entry(self, province: str, **changes: Any) -> DirectoryEntry:
        """A province's entry as the registrar would sign it."""
        usual = {"payee": payee_of(province), "agency_name": f"agency of {province}", "phone": f"0{province}0-12333"}
        return super().entry(province, **{**usual, **changes})


def a_country(provinces: Sequence[str] = PROVINCES) -> Country:
    """Keys for every agency of these provinces."""
    return Country(
        signing={
            f"{province}/{service}": Ed25519PrivateKey.generate() for province in provinces for service in PROVINCE_SERVICES
        },
        sealing={province: X25519PrivateKey.generate() for province in provinces},
    )


@dataclass
class InProcess:
    """One agency of one province, of which nothing runs by itself."""

    agency: Agency
    database: Database
    keys: Database
    country: Country
    clock: ScenarioClock
    owner_url: str
    keys_owner_url: str
    rung: list[datetime] = field(default_factory=list)
    _sent: dict[str, int] = field(default_factory=dict)

    @property
    def province(self) -> str:
        """Which province it plays."""
        return self.agency.province

    @property
    def schema(self) -> str:
        """The schema of its service."""
        return self.agency.service.replace("-", "_")

    @property
    def vault(self) -> Vault:
        """Its vault."""
        return self.agency.vault

    @property
    def opener(self) -> Opener:
        """Opens what is addressed to it."""
        return Opener(self.country.sealing[self.province])

    def ring(self) -> None:
        """Stands for the relay's wake-up: notes when it was rung."""
        self.rung.append(self.clock.now())

    def move(self, **by: float) -> datetime:
        """Let time pass, e.g. `days=3`; returns the new time."""
        self.clock.move(self.clock.now() + timedelta(**by))
        return self.clock.now()

    async def told(self) -> list[Envelope[Fact]]:
        """Everything it has said, in order, decoded from the exact bytes."""
        return await told_facts(self.database, self.schema)

    async def facts(self, kind: type[FactT]) -> list[FactT]:
        """What it has said of one kind, in order."""
        return [message.data for message in await self.told() if isinstance(message.data, kind)]

    async def letters(self, kind: type[Document]) -> list[Body]:
        """The opened bodies of the documents of one kind that it has sent, in order."""
        return [opened(document, self.country) for document in await self.facts(kind)]

    async def heads(self) -> dict[str, Head]:
        """Where every account of the province's books stands."""
        async with self.database.transaction("test") as tx:
            return await ledger.all_balances(tx)

    async def balance_fen(self, person_ref: str) -> int:
        """What the ledger holds for a person."""
        return (await self.heads()).get(individual(person_ref), Head()).balance_fen

    async def replayed(self) -> Replay:
        """The books made again from what this agency has said."""
        return fold_all((message.id, message.data) for message in await self.told())

    async def person(self, id_number: str) -> Record | None:
        """The record of a person by identity number."""
        id_hash = self.vault.id_hash(id_number)
        async with self.database.transaction("test") as tx:
            return (await records.by_hash(tx, self.vault, [id_hash])).get(id_hash)

    async def record(self, id_number: str) -> Record:
        """The record of a person who must be there."""
        found = await self.person(id_number)
        assert found is not None, id_number
        return found

    async def rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Ask the province's database as its owner."""
        return await _as_owner(self.owner_url, statement, *values)

    async def keys_rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Ask the keys database as its owner."""
        return await _as_owner(self.keys_owner_url, statement, *values)

    async def places_of(self, *texts: str) -> dict[str, list[str]]:
        """Of these texts those that stand somewhere in clear, and in which columns of the province's two databases."""
        contents = [await _contents(url) for url in (self.owner_url, self.keys_owner_url)]
        found = {
            text: [place for each in contents for place, content in each.items() if text.encode() in content] for text in texts
        }
        return {text: places for text, places in found.items() if places}

    async def forget(self, person_ref: str) -> None:
        """Destroy a person's key, as the operator does when the law says so."""
        statement = "UPDATE keys.person_keys SET key = NULL, destroyed_at = now() WHERE person_ref = $1 RETURNING person_ref"
        assert await self.keys_rows(statement, person_ref), person_ref

    async def importing(self, *people: ProvinceRecord) -> Import:
        """Import what files say about these people, as an operator does; whatever is wrong is an error of the test."""
        return await self.importing_files(persons_csv(people), contributions_csv(people))

    async def importing_files(self, persons: bytes | None, contributions: bytes | None) -> Import:
        """Import two files."""
        importer = Importer(self.database, self.agency)
        job = Import(new_id(), new_id().replace("-", "").ljust(64, "0"), "operator-1", parsed(persons, contributions))
        assert not job.parsed.errors, job.parsed.errors
        assert not (await importer.known(job.parsed)).errors
        await importer.begin(job)
        await importer.run(job)
        return job

    def handler(self, work: Work, wants: tuple[type[Fact], ...]) -> BatchHandler:
        """The real batch handler around this agency's work: inbox, verification, quarantine."""
        return BatchHandler(
            database=self.database,
            inbox=Inbox(self.schema, self.agency.name.replace("/", ".")),
            outbox=self.agency.outbox,
            quarantine=Quarantine(self.schema, self.agency.name),
            verifier=Verifier(self.agency.directory, self.province),
            clock=self.clock,
            concerns=lambda record: record.role == self.agency.service,
            wants=wants,
            work=work,
            told=self.ring,
        )

    async def parked(self) -> list[tuple[str, str, str]]:
        """Case, reason and detail of what is in quarantine, in the order in which it came."""
        found = await self.rows(f'SELECT case_key, reason, detail FROM {self.schema}.quarantine ORDER BY parked_at, "offset"')
        return [(row["case_key"], row["reason"], row["detail"]) for row in found]

    def arriving(
        self,
        kind: type[Document],
        body: Body,
        *,
        case_id: str,
        sender: str,
        version: int = 1,
        service: str | None = None,
        addressee: str | None = None,
    ) -> Received:
        """A document of another province as Kafka gives it here: sealed, signed, numbered; decoded, not yet verified."""
        document = Sealer(self.country.directory(), sender).seal(
            kind, body, case_id=case_id, addressee=addressee or self.province, version=version
        )
        # Documents to the origin come from destinations, and the other way round.
        name = service or f"{sender}/{DESTINATION if kind.to_role == ORIGIN else ORIGIN}"
        return self._next(document, service=name, case_id=case_id)

    def _next(self, document: Document, *, service: str, case_id: str) -> Received:
        first = self._sent[service] = self._sent.get(service, 0) + 1
        [record] = self.country.publish(document, service=service, subject=case_id, first=first)
        return received(self._place(record))

    def _place(self, record: KafkaRecord) -> KafkaRecord:
        """Its place in the partition: no two records have the same."""
        offset = self._sent["offset"] = self._sent.get("offset", -1) + 1
        return record.but(topic=topics.exchange(self.province), offset=offset)


@asynccontextmanager
async def in_process(
    province_database: UrlOf,
    keys_database: UrlOf,
    *,
    province: str = "44",
    service: Literal["origin-agency", "destination-agency"] = "origin-agency",
    country: Country | None = None,
    at: datetime = MONDAY,
    hash_key: bytes | None = None,
    keys_kept_s: float = 60.0,
    size: int = 4,
) -> AsyncIterator[InProcess]:
    """Build an agency on these databases, and close them afterwards.

    Both agencies of a province share its two databases and its `hash_key` (by default one is made of the province's code);
    two provinces need two of each (see the `pristine` fixture). With `keys_kept_s=0` a destroyed key is gone at once.
    """
    known = country or a_country()
    role = service_role("44", service)
    async with AsyncExitStack() as closing:
        database = Database(province_database(role), name=f"{province}/{service}", size=size)
        closing.push_async_callback(database.close)
        keys = Database(keys_database(role), name=f"{province}/{service}-keys", size=size)
        closing.push_async_callback(keys.close)
        clock = ScenarioClock(at)
        agency = Agency(
            province=province,
            service=service,
            tables=tables(),
            vault=Vault(keys, hash_key or province.encode() * 16, kept_s=keys_kept_s),
            directory=known.directory(),
            outbox=Outbox(service.replace("-", "_")),
            clock=clock,
        )
        owner = owner_role("44")
        yield InProcess(agency, database, keys, known, clock, province_database(owner), keys_database(owner))


async def told_facts(database: Database, schema: str) -> list[Envelope[Fact]]:
    """What a service has said, in order, decoded from its outbox."""
    async with database.transaction("test") as tx:
        rows = await tx.fetch(f"SELECT payload FROM {schema}.outbox ORDER BY seq")
    return [decode(row["payload"]) for row in rows]


def opened(letter: Document, country: Exchange) -> Body:
    """What a document says, opened with its addressee's key."""
    return Opener(country.sealing[letter.addressee]).open(letter)


async def _as_owner(url: str, statement: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def _contents(url: str) -> dict[str, bytes]:
    """All that stands in each column of a database, as bytes; what is text inside of bytes is found in it too."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        found: dict[str, bytes] = {}
        for schema, table in tables:
            rows = await connection.fetch(f'SELECT * FROM "{schema}"."{table}"')
            for column in rows[0].keys() if rows else ():
                values = (row[column] for row in rows)
                texts = (value if isinstance(value, bytes) else str(value).encode() for value in values)
                found[f"{schema}.{table}.{column}"] = b"\n".join(texts)
        return found
    finally:
        await connection.close()


def persons_csv(people: Sequence[ProvinceRecord]) -> bytes:
    """The persons file of a province that knows these people."""
    return _csv(PERSON_COLUMNS, [person_row(known.person) for known in people])


def contributions_csv(people: Sequence[ProvinceRecord]) -> bytes:
    """The contributions file of a province that knows these people."""
    return _csv(CONTRIBUTION_COLUMNS, [contribution_row(row) for known in people for row in known.contributions])


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    return "\n".join(",".join(cells) for cells in (columns, *rows)).encode() + b"\n"


def parsed(persons: bytes | None, contributions: bytes | None, *, accept_good_rows: bool = False) -> ParsedFiles:
    """Two files, read."""
    return parse_files(persons, contributions, tables=tables(), accept_good_rows=accept_good_rows)


def known_in(province: str) -> ProvinceRecord:
    """What a province knows of the story's person: 44 all of Example 3, 33 one month."""
    found = PROTAGONIST.record(province)
    assert found is not None, province
    return found


def somebody(
    nth: int = 0, *, born: str = "19900315", rows: Sequence[Contribution] | None = None, **person: Any
) -> ProvinceRecord:
    """Another man whom 44 knows, the nth of his birthday, with the rows of the story's person if none are given."""
    he = known_in("44")
    first_seventeen = f"410105{born}{2 * nth + 1:03d}"
    number = first_seventeen + check_character(first_seventeen)
    name = f"{he.person.name[0]}{chr(ord('一') + nth)}"
    return ProvinceRecord(
        he.province,
        replace(he.person, **{"id_number": number, "name": name, **person}),
        tuple(replace(row, id_number=number) for row in (he.contributions if rows is None else rows)),
    )


def a_letter(
    person: ProvinceRecord | None = None, /, *, origin: str = "44", destination: str = "33", **fields: Any
) -> ContactLetter:
    """A contact letter about somebody (by default the story's person) from one province to another."""
    who = (person or known_in("44")).person
    usual: dict[str, Any] = {
        "letter_no": f"LXH-{destination}0100-20240506-000001",
        "letter_version": 1,
        "account_kind": "normal",
        "person": PersonIdentity(id_number=who.id_number, name=who.name),
        "origin_division": f"{origin}0100",
        "destination_division": f"{destination}0100",
        "payee": payee_of(destination),
    }
    return a(ContactLetter, **{**usual, **fields})


def arriving_letter(
    at: InProcess, letter: ContactLetter | None = None, *, case_id: str | None = None, sender: str = "33", **more: Any
) -> Received:
    """A contact letter as it comes to an origin agency."""
    body = letter or a_letter(origin=at.province, destination=sender)
    return at.arriving(ContactLetterDocument, body, case_id=case_id or new_id(), sender=sender, **more)


@dataclass
class BankDouble:
    """The banks, in memory: takes orders, books lines when they are asked for, and does wrong what it is told to.

    `loses_answers` is how many of the next answers get lost after the order was taken: the caller only sees that nobody
    answers.
    """

    orders: dict[str, RemittanceOrder] = field(default_factory=dict)
    returns: dict[str, ReturnOrder] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    booked: list[StatementLine] = field(default_factory=list)
    asked: int = 0
    loses_answers: int = 0

    async def remit(self, order: RemittanceOrder) -> OrderTaken:
        """Take an order; the same again is answered the same, another body under its id is an error of ours."""
        known = self.orders.get(order.remittance_id)
        assert known in (None, order), (known, order)
        if known is None:
            self.orders[order.remittance_id] = order
            for line in order.lines:
                self._pay(order, line.case_id, line.amount_fen, self.faults.pop(line.case_id, None))
        return self._answer(order.remittance_id)

    async def give_back(self, order: ReturnOrder) -> OrderTaken:
        """Take money back."""
        known = self.returns.setdefault(order.return_id, order)
        assert known == order, (known, order)
        return self._answer(order.return_id)

    async def lines(
        self, province: str, kind: Literal["payment", "returned"], after: int, *, wait_s: float = 0
    ) -> tuple[StatementLine, ...]:
        """A province's lines of one kind after a number; it never waits for one."""
        return tuple(
            line
            for line in self.booked
            if line.kind == kind and (line.payer if kind == "returned" else line.payee) == province and line.line_no > after
        )

    def fault(self, case_id: str, kind: Literal["lose", "duplicate", "return", "short"], *, amount_fen: int = 0) -> None:
        """What to do wrong with the next payment of a case."""
        self.faults[case_id] = Fault(case_id=case_id, kind=kind, amount_fen=amount_fen)

    def book(
        self,
        case_id: str,
        amount_fen: int,
        *,
        payer: str = "44",
        payee: str = "33",
        kind: Literal["payment", "returned"] = "payment",
        remittance_id: str | None = None,
        reason: str = "",
    ) -> StatementLine:
        """A line of a statement, as if somebody had paid."""
        number = len(self.booked) + 1
        line = StatementLine(
            line_no=number,
            line_id=f"L{number}",
            kind=kind,
            remittance_id=remittance_id or new_id(),
            case_id=case_id,
            payer=payer,
            payee=payee,
            amount_fen=amount_fen,
            booked_on=MONDAY.date(),
            reason=reason,
        )
        self.booked.append(line)
        return line

    @property
    def paid_fen(self) -> Mapping[str, int]:
        """What each case was ordered to be paid, over all orders."""
        found: dict[str, int] = {}
        for order in self.orders.values():
            for line in order.lines:
                found[line.case_id] = found.get(line.case_id, 0) + line.amount_fen
        return found

    def _pay(self, order: RemittanceOrder, case_id: str, amount_fen: int, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        amounts = {"lose": [], "duplicate": [amount_fen] * 2}.get(kind or "", [amount_fen])
        if fault is not None and kind == "short":
            amounts = [amount_fen - fault.amount_fen]
        for amount in amounts:
            self.book(
                case_id,
                amount,
                payer=order.payer,
                payee=order.payee_province,
                kind="returned" if kind == "return" else "payment",
                remittance_id=order.remittance_id,
                reason="payee account refused" if kind == "return" else "",
            )

    def _answer(self, order_id: str) -> OrderTaken:
        self.asked += 1
        if self.loses_answers:
            self.loses_answers -= 1
            raise BankAway("the answer got lost")
        return OrderTaken(remittance_id=order_id, bank_reference=f"B-{order_id[:8]}")
