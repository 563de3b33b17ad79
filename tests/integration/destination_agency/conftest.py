"""33's destination agency on databases of the test's own, with people, a bank in memory, and its HTTP interface."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, cast

import httpx
import pytest

from contracts.base import Items
from contracts.documents import (
    Body,
    ContactLetter,
    ContactLetterDocument,
    Document,
    InformationForm,
    InformationFormDocument,
    LetterReturn,
    LetterReturnDocument,
    PersonIdentity,
)
from contracts.envelope import decode
from deploy.local.services import Tokens, tokens
from deploy.local.stack import Stack
from services.cli.demo.story import form_of
from services.destination_agency import store
from services.destination_agency.api import Office, add_routes
from services.destination_agency.app import BODY_LIMIT, HEARS
from services.destination_agency.batches import Batches
from services.destination_agency.case import Case
from services.destination_agency.desk import Desk
from services.destination_agency.funds import FundDesk
from services.destination_agency.handlers import Handlers
from services.destination_agency.intake import Applicant, Application, Taken, take
from services.ledger.replay import fold_all, trial_balance
from services.messaging.received import Received
from services.records.model import to_contract
from services.rules.amounts import compute
from services.rules.identity import check_character
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from services.world.people import Contribution, Person
from services.world.plan import PROTAGONIST, ProvinceRecord, segment_of
from tests.agencies import BankDouble, InProcess, in_process, known_in, opened, tables
from tests.integration.conftest import UrlOf

CLERK = Applicant("maker-33", "clerk")
EMPLOYER = Applicant("employer-33", "employer")

STORY = PROTAGONIST.application
ID_NUMBER, NAME = STORY.id_number, STORY.name
TRANSFERRED_ON = date(2024, 5, 8)


def number_of(serial: int, *, born: str = "19900315", prefix: str = "410105") -> str:
    """A valid identity number; odd serials are men."""
    seventeen = f"{prefix}{born}{serial:03d}"
    return seventeen + check_character(seventeen)


PROXY = {
    "name": "林小雨",
    "id_number": number_of(41, born="19880808"),
    "relation": "女儿",
    "phone": "13800001111",
    "address": "杭州市西湖区某路1号",
    "postcode": "310000",
}


def someone(serial: int, province: str = "33", *, born: str = "19900315", **person: Any) -> ProvinceRecord:
    """What a province knows of somebody like the story's person; `person` changes fields of the person."""
    like = known_in(province)
    number = number_of(serial, born=born)
    usual: dict[str, Any] = {"id_number": number, "name": f"王小{serial:03d}", "email": f"wang{serial}@mail.example"}
    rows = tuple(replace(row, id_number=number) for row in like.contributions)
    return ProvinceRecord(province, replace(like.person, **{**usual, **person}), rows)


def temporary(record: ProvinceRecord) -> ProvinceRecord:
    """The same person on a temporary account."""
    return replace(record, contributions=tuple(replace(row, kind="temporary") for row in record.contributions))


def without_payment(record: ProvinceRecord) -> ProvinceRecord:
    """The same person, who has not paid anything yet."""
    return replace(record, contributions=())


def with_wage(record: ProvinceRecord, wage_fen: int) -> ProvinceRecord:
    """The same person with another wage, so that amounts can be told apart."""
    rows: tuple[Contribution, ...] = tuple(replace(row, monthly_wage_fen=wage_fen) for row in record.contributions)
    return replace(record, contributions=rows)


def earlier(record: ProvinceRecord) -> ProvinceRecord:
    """The same months ten years before, of another place: nobody else holds them."""
    rows = tuple(
        replace(row, division=f"{record.province}0100", start=row.start.replace("202", "201"), end=row.end.replace("202", "201"))
        for row in record.contributions
    )
    return replace(record, contributions=rows)


def corrected(record: ProvinceRecord, year: str = "2022", wage_fen: int = 550_000) -> ProvinceRecord:
    """The same record with another wage in one year."""
    rows = tuple(replace(row, monthly_wage_fen=wage_fen) if row.start.startswith(year) else row for row in record.contributions)
    return replace(record, contributions=rows)


def wish(person: Person | None = None, **fields: Any) -> dict[str, Any]:
    """An application as it is sent: the story's, or somebody else's."""
    usual = form_of(STORY)
    if person is not None:
        usual |= {"id_number": person.id_number, "name": person.name, "phone": person.phone, "email": person.email}
    if fields.get("approved_transfer"):
        usual["materials"] = ["PERSONNEL_TRANSFER_APPROVAL"]
    return {**usual, **fields}


def form_for(letter: ContactLetter, origin: ProvinceRecord, *, version: int = 1, **changed: Any) -> InformationForm:
    """The form that the origin makes of its record; `changed` replaces items or other fields."""
    segment = segment_of(origin)
    found = compute([segment], transfer_on=TRANSFERRED_ON, province=origin.province, tables=tables())
    items = {name: changed.pop(name, getattr(found, name)) for name in Items.model_fields}
    usual: dict[str, Any] = {
        "letter_no": letter.letter_no,
        "form_version": version,
        "person": PersonIdentity(id_number=origin.person.id_number, name=origin.person.name),
        "first_insured_on": origin.person.first_insured_on,
        "stopped_on": origin.person.stopped_on,
        "months": found.months,
        "deemed_months": 0,
        "items": Items(**items),
        "transfer_on": TRANSFERRED_ON,
        "rule_set": tables().version,
        "segments": (to_contract(segment),),
    }
    return InformationForm(**{**usual, **changed})


@dataclass
class Destination:
    """The agency, its desks, what hears documents for it, its submissions, and its bank."""

    at: InProcess
    urls: tuple[UrlOf, UrlOf]
    bank: BankDouble = field(default_factory=BankDouble)

    def __post_init__(self) -> None:
        at = self.at
        self.desk = Desk(at.database, at.agency, at.ring)
        self.funds = FundDesk(at.database, at.agency, self.bank, at.ring)
        self.batches = Batches(at.database, at.agency, at.ring)
        self.handler = at.handler(Handlers(at.agency, at.opener).documents, HEARS)

    async def take(self, *wishes: dict[str, Any], by: Applicant = CLERK) -> list[Taken]:
        """Hand applications in."""
        async with self.at.database.transaction("test") as tx:
            return await take(tx, self.at.agency, [Application(**each) for each in wishes], by, channel="single")

    async def applied(self, *wishes: dict[str, Any], by: Applicant = CLERK) -> list[str]:
        """Cases of applications that must be taken; the story's where none is given."""
        taken = await self.take(*(wishes or (wish(),)), by=by)
        assert [each.result for each in taken] == ["accepted"] * len(taken), taken
        return [cast(str, each.case_id) for each in taken]

    async def admitted(self, *wishes: dict[str, Any]) -> list[str]:
        """Cases whose contact letters have left."""
        cases = await self.applied(*wishes)
        assert (await self.desk.propose_admissions(cases, "maker-33")).done == len(cases)
        result = await self.desk.approve_admissions(cases, "checker-33")
        assert result.done == len(cases), result
        return cases

    async def letter(self, case_id: str) -> ContactLetter:
        """The contact letter of a case, opened by its addressee."""
        sent = [found for found in await self.at.facts(ContactLetterDocument) if found.case_id == case_id]
        body = opened(sent[-1], self.at.country)
        assert isinstance(body, ContactLetter)
        return body

    def arriving(self, kind: type[Document], body: Body, case_id: str, *, sender: str = "44", **more: Any) -> Received:
        """A document of an origin as Kafka gives it."""
        return self.at.arriving(kind, body, case_id=case_id, sender=sender, **more)

    async def hear(self, *documents: Received) -> None:
        """Take documents in as one batch."""
        await self.handler.handle(documents)

    async def form_comes(self, case_id: str, origin: ProvinceRecord | None = None, **changed: Any) -> InformationForm:
        """The origin's form arrives; returns it."""
        form = form_for(await self.letter(case_id), origin or known_in("44"), **changed)
        await self.hear(self.arriving(InformationFormDocument, form, case_id, sender=(origin or known_in("44")).province))
        return form

    async def money_comes(self, case_id: str, amount_fen: int, **line: Any) -> None:
        """The bank shows a payment, and the fund desk looks."""
        self.bank.book(case_id, amount_fen, **line)
        await self.funds.collect()

    async def returned(self, case_id: str, code: str = "NO_RELATIONSHIP", *, until: date | None = None) -> None:
        """The origin sends the letter back: for good, or to be cured."""
        body = LetterReturn(
            letter_no=(await self.letter(case_id)).letter_no, code=code, legal_basis="国办发〔2009〕66号", curable_until=until
        )
        await self.hear(self.arriving(LetterReturnDocument, body, case_id, sender=(await self.case(case_id)).origin))

    async def booking(self, *wishes: dict[str, Any], origin: ProvinceRecord | None = None) -> str:
        """A case of which form and money have met."""
        [case_id] = await self.admitted(*wishes)
        form = await self.form_comes(case_id, origin)
        await self.money_comes(case_id, form.items.total_fen)
        return case_id

    async def completed(self, *case_ids: str) -> None:
        """Complete cases by two persons."""
        assert (await self.desk.propose_completions(case_ids, "maker-33")).done == len(case_ids)
        result = await self.desk.approve_completions(case_ids, "checker-33")
        assert result.done == len(case_ids), result

    async def case(self, case_id: str) -> Case:
        """A case that must be there, not locked."""
        async with self.at.database.transaction("test") as tx:
            found = await store.look(tx, self.at.vault, self.at.province, case_id)
        assert found is not None, case_id
        return found

    async def balance(self, account: str) -> int:
        """Where an account of the books stands."""
        heads = await self.at.heads()
        return heads[account].balance_fen if account in heads else 0

    async def everything_stored(self) -> str:
        """All rows of all tables of the province and of the keys, as text and as bytes read as text."""
        found: list[str] = []
        for ask in (self.at.rows, self.at.keys_rows):
            names = await ask(
                "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            for name in names:
                for row in await ask(f"SELECT * FROM {name['name']}"):
                    found.extend(_text(value) for value in row.values())
        return "\n".join(found)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


SCHEMAS = ("origin_agency", "destination_agency")  # records are brought in by the one, before the other begins


async def the_books_agree(there: Destination) -> None:
    """The ledger of the province is what both of its agencies have said."""
    heads = await there.at.heads()
    outboxes = [await there.at.rows(f"SELECT payload FROM {schema}.outbox ORDER BY seq") for schema in SCHEMAS]
    said = [decode(row["payload"]) for rows in outboxes for row in rows]
    replay = fold_all((message.id, message.data) for message in said)
    assert replay.problems() == []
    assert replay.compare(heads) == []
    assert trial_balance(heads) == 0


async def the_record_is_what_the_books_hold(there: Destination, id_number: str = ID_NUMBER) -> None:
    """What the person's record computes to is what the account holds, to the fen."""
    record = await there.at.record(id_number)
    each = (compute((part,), transfer_on=date(2024, 12, 31), province="33", tables=tables()) for part in record.segments)
    assert sum(found.account_fen for found in each) == await there.at.balance_fen(record.person_ref)


@dataclass
class Http:
    """The agency over HTTP, as its callers see it."""

    client: httpx.AsyncClient
    issued: Tokens
    here: Destination

    async def call(self, method: str, path: str, token: str, json: Any = None, **more: Any) -> httpx.Response:
        """One request."""
        headers = {"authorization": f"Bearer {token}", **more.pop("headers", {})}
        return await self.client.request(method, path, json=json, headers=headers, **more)


@asynccontextmanager
async def serving(here: Destination, stack: Stack) -> AsyncIterator[Http]:
    async def ready() -> dict[str, str | None]:
        return {}

    verifier = TokenVerifier(stack.secrets.token_public_file())
    api = make_api("Destination", verifier=verifier, ready=ready, body_limit=BODY_LIMIT)
    office = Office(here.at.database, here.at.agency, here.desk, here.at.ring, here.batches, here.at.ring)
    add_routes(api, office, "33")
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://destination", timeout=60) as client:
        yield Http(client, tokens(stack.home), here)


@pytest.fixture
async def bare(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[Destination]:
    """33's agency, which knows nobody yet."""
    async with in_process(province_database, keys_database, province="33", service="destination-agency", keys_kept_s=0) as at:
        yield Destination(at, (province_database, keys_database))


@pytest.fixture
async def here(bare: Destination) -> Destination:
    """33's agency, which knows the story's person."""
    await know(bare, known_in("33"))
    return bare


@pytest.fixture
async def http(here: Destination, stack: Stack) -> AsyncIterator[Http]:
    async with serving(here, stack) as found:
        yield found


async def know(here: Destination, *people: ProvinceRecord) -> None:
    """Bring records in, as the province's origin agency does, which alone may."""
    async with in_process(*here.urls, province="33", service="origin-agency", country=here.at.country) as origin:
        await origin.importing(*people)
