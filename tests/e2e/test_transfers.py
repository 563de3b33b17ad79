"""A hundred and twenty transfers among three provinces, each a set of processes, from application to the auditor's replay."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts import topics
from contracts.base import Fact, Items
from contracts.envelope import Envelope, decode
from contracts.events import CaseFact, Completed, InformationFormIssued, VoucherIssued
from contracts.statuses import PublicStatus
from services.cli.demo.many import EXPECTED, Many, check_world
from services.cli.demo.proof import Books, Proof, live_books, prove
from services.cli.demo.show import Show
from services.cli.demo.story import EXPECTED_FEN, tell_story
from services.ledger.chart import BANK, INTEREST_PAID
from services.notification.notices import CHANNEL, message_id
from services.rules.amounts import yuan
from services.runtime.broker import KafkaAccess
from services.world.plan import World, plan
from tests.e2e.conftest import Country, a_country, bring_records

PROVINCES = ("44", "33", "41")
SEED = 20240506
CASES = 120

CHINESE = re.compile(r"[\u4e00-\u9fff]+")
LONG_NUMBER = re.compile(r"(?=(\d{17}[\dXx]))")
PHONE = re.compile(r"(?=(1\d{10}))")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Record:
    """A record as it lies in Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Played:
    """What is there when the last case has ended."""

    world: World
    endings: list[tuple[str, str, str, str]]
    wrong: list[str]
    proof: Proof
    books: Books
    records: list[Record]
    mails: list[dict[str, str]]
    logs: str
    story: str  # the case of the story's person

    @cached_property
    def journal(self) -> list[Envelope[Fact]]:
        """Every fact of every province, each once."""
        found = [decode(record.value) for record in self.records if record.topic.startswith("journal.")]
        return list({message.id: message for message in found}.values())

    @cached_property
    def people(self) -> "People":
        return People(self.world)


class People:
    """What is known of the people of a world, to be looked for where it must not be."""

    def __init__(self, world: World) -> None:
        persons = [record.person for case in world.cases() for record in case.records]
        asked = world.applications  # a name may be misspelt there
        self.numbers = {each.id_number for each in persons} | {each.id_number for each in asked}
        self.names = {each.name for each in persons} | {each.name for each in asked}
        self.phones = {each.phone for each in persons} | {each.phone for each in asked}
        self.addresses = {each.email for each in persons} | {each.email for each in asked}

    def found_in(self, text: str) -> set[str]:
        """Numbers, names, telephones and addresses that stand in a text."""
        runs = set(CHINESE.findall(text))
        return (
            {found.upper() for found in LONG_NUMBER.findall(text)} & self.numbers
            | set(PHONE.findall(text)) & self.phones
            | set(ADDRESS.findall(text)) & self.addresses
            | {name for name in self.names if any(name in run for run in runs)}
        )


@pytest.fixture(scope="module")
async def played() -> AsyncIterator[Played]:
    world = plan(SEED, CASES + 1, provinces=PROVINCES, protagonist=True)
    check_world(world)
    show = Show()
    with a_country("transfers", PROVINCES) as country:
        country.services.wait_ready(90)
        stage = country.stage()
        try:
            await bring_records(stage, world)
            story = await tell_story(stage, country.endpoints, show)
            many = Many(stage, show, world.applications[1:])
            await many.play()
            endings, wrong = await many.endings()
            proof = await prove(show, stage, country.stack, country.stack.home / "audit", PROVINCES)
            books = await live_books(country.stack, PROVINCES)
            records = await _everything(country)
            mails = [{name: str(value) for name, value in mail.items()} for mail in country.endpoints.mails()]
            yield Played(world, endings, wrong, proof, books, records, mails, country.logs(), story)
        finally:
            await stage.close()


async def _everything(country: Country) -> list[Record]:
    """Every record of every topic, read as the cluster's administrator."""
    kafka = country.stack.kafka
    access = KafkaAccess(kafka.bootstrap, kafka.username, kafka.password, "e2e")
    consumer = AIOKafkaConsumer(**access.client(), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, at) for topic in topics.topics(PROVINCES) for at in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Record] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(
                    Record(
                        each.topic,
                        each.key or b"",
                        each.value or b"",
                        tuple((name, value or b"") for name, value in each.headers),
                    )
                    for each in batch
                )
        return found
    finally:
        await consumer.stop()


def _record(each: ConsumerRecord) -> Record:
    headers = tuple((str(name), bytes(value or b"")) for name, value in each.headers)
    return Record(each.topic, each.key or b"", each.value or b"", headers)


def _text(*parts: bytes) -> str:
    return "\n".join(part.decode("utf-8", "replace") for part in parts)


async def test_every_case_ends_as_it_was_meant_to(played: Played) -> None:
    meant = Counter(application.ending for application in played.world.applications[1:])

    ended = {(ending, status, code or None): int(count) for ending, status, code, count in played.endings}

    assert played.wrong == []
    assert ended == {(str(ending), *EXPECTED[ending]): count for ending, count in meant.items()}
    assert len(meant) > 12
    assert sum(meant.values()) == CASES


async def test_the_story_s_person_has_what_the_worked_example_says(played: Played) -> None:
    facts = [message.data for message in played.journal if isinstance(message.data, Completed)]

    [completed] = [fact for fact in facts if fact.case_id == played.story]

    assert completed.items.total_fen == EXPECTED_FEN
    assert completed.months == 27


async def test_the_replay_of_the_exports_agrees_with_the_live_ledgers(played: Played) -> None:
    assert played.proof.agrees
    assert played.proof.facts > 10 * CASES


async def test_the_replay_notices_one_altered_digit(played: Played) -> None:
    assert played.proof.lie_found


async def test_the_books_of_every_province_balance(played: Played) -> None:
    for province, books in played.books.items():
        debit = sum(books[account].balance_fen for account in (BANK, INTEREST_PAID) if account in books)
        credit = sum(head.balance_fen for account, head in books.items() if account not in (BANK, INTEREST_PAID))

        assert debit == credit, province


async def test_no_case_is_completed_twice(played: Played) -> None:
    completed = [message.data.case_id for message in played.journal if isinstance(message.data, Completed)]

    assert len(completed) == len(set(completed))
    assert len(completed) > CASES // 2


async def test_each_public_change_of_status_is_one_mail_and_no_mail_is_sent_twice(played: Played) -> None:
    vouchers = [message for message in played.journal if isinstance(message.data, VoucherIssued)]
    changes = [message for message in played.journal if isinstance(message.data, CaseFact) and message.data.public is not None]
    changes += vouchers  # of which the person is told as well
    ids = [mail["message_id"] for mail in played.mails]

    [domain] = {each.rpartition("@")[2].rstrip(">") for each in ids}
    expected = {message_id(message.id, CHANNEL, domain): message for message in changes}
    assert [each for each, times in Counter(ids).items() if times > 1] == []
    assert [message.type for each, message in expected.items() if each not in ids] == []
    assert [mail["subject"] for mail in played.mails if mail["message_id"] not in expected] == []
    assert len(ids) == len(changes) > 3 * CASES


async def test_a_person_is_never_told_the_same_status_twice_in_a_row(played: Played) -> None:
    told: dict[str, list[PublicStatus]] = {}
    for message in played.journal:
        fact = message.data
        if isinstance(fact, CaseFact) and fact.public is not None and message.service.endswith("destination-agency"):
            told.setdefault(fact.case_id, []).append(fact.public)

    assert [case_id for case_id, shown in told.items() if any(before == after for before, after in pairwise(shown))] == []
    assert len(told) > CASES // 2


async def test_no_mail_says_an_amount(played: Played) -> None:
    issued = [message.data for message in played.journal if isinstance(message.data, InformationFormIssued)]
    amounts = {getattr(fact.items, item) for fact in issued for item in Items.model_fields} - {0}
    written = {text for fen in amounts for text in (yuan(fen), yuan(fen).replace(",", ""), str(fen))}

    for mail in played.mails:
        said = _without_ids(mail)
        assert written.isdisjoint(re.findall(r"[\d,.]*\d", said)), mail["subject"]
        assert re.search(r"\d\.\d\d\b|元|yuan|RMB|¥", said) is None, said


async def test_no_mail_shows_more_than_the_last_four_digits_of_any_number(played: Played) -> None:
    people = played.people
    parts = {number[at : at + 5] for number in (*people.numbers, *people.phones) for at in range(len(number) - 4)}
    ours = {"12333"}  # the hotline

    for mail in played.mails:
        runs = set(re.findall(r"\d{5,}[\dXx]?", _without_ids(mail))) - ours
        shown = {run[at : at + 5] for run in runs for at in range(len(run) - 4)}
        assert shown.isdisjoint(parts), mail["text"]


def _without_ids(mail: dict[str, str]) -> str:
    """A mail without the case's id and the letter's number, which are nobody's secret."""
    return re.sub(r"LXH-[\d-]+", "", UUID.sub("", f"{mail['subject']}\n{mail['text']}"))


async def test_nothing_in_kafka_names_a_person(played: Played) -> None:
    by_topic: dict[str, list[bytes]] = {}
    for record in played.records:
        parts = (
            record.key,
            record.value,
            *(name.encode() for name, _ in record.headers),
            *(value for _, value in record.headers),
        )
        by_topic.setdefault(record.topic, []).extend(parts)

    found = {topic: played.people.found_in(_text(topic.encode(), *parts)) for topic, parts in by_topic.items()}

    assert {topic: secrets for topic, secrets in found.items() if secrets} == {}
    assert {topic for topic, parts in by_topic.items() if len(parts) > 100} >= {
        f"{kind}.{province}" for kind in ("exchange", "journal") for province in PROVINCES
    }


async def test_keys_are_cases_and_pseudonyms_alone(played: Played) -> None:
    keys = {record.key.decode() for record in played.records if record.topic.startswith(("exchange.", "journal."))}

    assert [key for key in keys if UUID.fullmatch(key) is None] == []


async def test_no_log_names_a_person_or_an_amount(played: Played) -> None:
    completed = [message.data.items for message in played.journal if isinstance(message.data, Completed)]
    amounts = {str(items.total_fen) for items in completed} | {yuan(items.total_fen) for items in completed}

    assert played.people.found_in(played.logs) == set()
    assert amounts.isdisjoint(re.findall(r"[\d,.]*\d", played.logs))
    assert "service.started" in played.logs


async def test_no_service_met_an_error_of_its_own(played: Played) -> None:
    assert [line for line in played.logs.splitlines() if '"level": "error"' in line or '"level":"error"' in line] == []
    assert "Traceback" not in played.logs


async def test_what_we_look_for_would_be_found(played: Played) -> None:
    application = played.world.applications[5]
    said = f"...{application.id_number}... 姓名{application.name}先生 {application.phone}; <{application.email}>"

    assert played.people.found_in(said) == {application.id_number, application.name, application.phone, application.email}
