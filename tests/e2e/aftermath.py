"""What is left when the fire is out: what was lost, what was done twice, who was told what."""

from collections import Counter
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import events, topics
from contracts.base import Fact
from contracts.envelope import Envelope, decode
from services.cli.demo.proof import Books, Proof, live_books, prove
from services.cli.demo.show import Show
from services.cli.play import Stage
from services.notification.notices import CHANNEL, message_id
from services.runtime.broker import KafkaAccess
from tests.e2e.conftest import Country
from tests.e2e.fire import Carried, Watch

SERVICES = ("origin_agency", "destination_agency", "notification")

Place = tuple[str, int]
"""A service and a number of its log."""


@dataclass(frozen=True)
class Aftermath:
    """Everything that can be said of a run when its last case has ended."""

    endings: Counter[str]
    wrong: list[str]
    proof: Proof
    books: Books
    written: dict[Place, bytes]  # in the outboxes: digests of the exact bytes
    published: dict[Place, Counter[bytes]]  # in Kafka: how often which bytes
    journal: list[Envelope[Fact]]  # each fact once
    mails: Counter[str]  # by Message-ID
    quarantined: Counter[str]
    unnumbered: int

    @property
    def lost(self) -> list[Place]:
        """Records that a service wrote and Kafka does not have."""
        return sorted(self.written.keys() - self.published.keys())

    @property
    def altered(self) -> list[Place]:
        """Numbers under which Kafka has something else than what the service wrote."""
        return sorted(place for place, bytes_ in self.published.items() if bytes_.keys() != {self.written.get(place)})

    @property
    def sent_again(self) -> int:
        """Records that stand in Kafka more than once, with the same bytes."""
        return sum(times - 1 for bytes_ in self.published.values() for times in bytes_.values())

    @property
    def doubled(self) -> list[str]:
        """Effects that happened more than once, whatever was repeated on the way."""
        found = Counter(effect for message in self.journal if (effect := effect_of(message)) is not None)
        return sorted(effect for effect, times in found.items() if times > 1)

    @property
    def effects(self) -> int:
        """How many effects were looked at."""
        return sum(effect_of(message) is not None for message in self.journal)

    @property
    def notices(self) -> set[str]:
        """The Message-IDs of all notices that the journals ask for."""
        [domain] = {each.rpartition("@")[2].rstrip(">") for each in self.mails}
        asked = [
            message
            for message in self.journal
            if isinstance(message.data, events.VoucherIssued | events.NotMovableNotified | events.ArrearsNotified)
            or (isinstance(message.data, events.CaseFact) and message.data.public is not None)
        ]
        return {message_id(message.id, CHANNEL, domain) for message in asked}

    @property
    def mails_again(self) -> int:
        """Mails that came again under the same Message-ID."""
        return self.mails.total() - len(self.mails)

    @property
    def summary(self) -> str:
        """For under the table of kills."""
        return (
            f"{self.endings.total()} cases, {len(self.wrong)} ended otherwise than meant; "
            f"{len(self.written)} records: lost {len(self.lost)}, altered {len(self.altered)}, sent again {self.sent_again}; "
            f"{self.effects} effects: doubled {len(self.doubled)}; "
            f"{len(self.notices)} notices: lost {len(self.notices - self.mails.keys())}, "
            f"unasked {len(self.mails.keys() - self.notices)}, again under the same Message-ID {self.mails_again}; "
            f"quarantined {self.quarantined.total()}; replay {'agrees' if self.proof.agrees else 'DISAGREES'}"
        )


def effect_of(message: Envelope[Fact]) -> str | None:
    """A name for what may happen only once; None for a fact that may come again."""
    match message.data:
        case events.Completed() | events.Recalled() | events.RelationshipClosed() | events.TransferSettled() as fact:
            return f"{fact.type_name} {fact.case_id}"
        case events.ContactLetterSent() as fact:
            return f"{fact.type_name} {fact.case_id} {fact.letter_version}"
        case events.InformationFormIssued() | events.Corrected() as fact:
            return f"{fact.type_name} {fact.case_id} {fact.form_version}"
        case events.FundsRemitted() as fact:
            return f"{fact.type_name} {fact.case_id} {fact.remittance_id}"
        case events.FundsReceived() | events.FundsReturned() as fact:
            return f"{fact.type_name} {fact.line_id}"
        case events.FundsSentBack() as fact:
            return f"{fact.type_name} {fact.case_id} {fact.bank_reference}"
        case events.NoticeDelivered() | events.NoticeFailed() as fact:
            return f"notice {fact.notice_id}"
        case events.DocumentReceived() | events.DocumentSent() as fact:
            return f"{fact.type_name} {message.service} {fact.document_id}"
        case events.DeadlineReminded() | events.DeadlineBreached() as fact:
            return f"{fact.type_name} {message.service} {fact.case_id} {fact.leg} {fact.due_on}"
        case events.Accepted() | events.Refused() | events.TransferReturned() as fact:
            return f"decided {fact.case_id} {fact.type_name}"
        case _:
            return None


async def look_back(country: Country, stage: Stage, carried: Carried, watch: Watch) -> Aftermath:
    """Export, verify and replay; compare what was written with what was published, and both with the mails."""
    provinces = country.endpoints.provinces
    rows, wrong = await carried.endings()
    proof = await prove(Show(), stage, country.stack, country.stack.home / "audit", provinces)
    written: dict[Place, bytes] = {}
    quarantined: Counter[str] = Counter()
    unnumbered = 0
    for province in provinces:
        for schema in SERVICES:
            service = f"{province}/{schema.replace('_', '-')}"
            database = f"province_{province}"
            unnumbered += await watch.value(database, f"SELECT count(*) FROM {schema}.pending")
            rows_written = f"SELECT n.number, o.payload FROM {schema}.numbered AS n JOIN {schema}.outbox AS o USING (seq)"
            for row in await watch.fetch(database, rows_written):
                written[(service, row["number"])] = row["payload"]
            for row in await watch.fetch(database, f"SELECT reason, state FROM {schema}.quarantine"):
                quarantined[f"{service} {row['reason']} {row['state']}"] += 1
    published, journal = await _published(country)
    return Aftermath(
        Counter(ending for ending, *_, count in rows for _ in range(int(count))),
        wrong,
        proof,
        await live_books(country.stack, provinces),
        written,
        published,
        journal,
        Counter(str(mail["message_id"]) for mail in country.endpoints.mails()),
        quarantined,
        unnumbered,
    )


async def _published(country: Country) -> tuple[dict[Place, Counter[bytes]], list[Envelope[Fact]]]:
    """Every record of every service as it lies in Kafka, read as the cluster's administrator, and the facts of the journals."""
    kafka = country.stack.kafka
    access = KafkaAccess(kafka.bootstrap, kafka.username, kafka.password, "e2e")
    consumer = AIOKafkaConsumer(**access.client(), enable_auto_commit=False, auto_offset_reset="earliest")
    found: dict[Place, Counter[bytes]] = {}
    journal: dict[str, Envelope[Fact]] = {}
    await consumer.start()
    try:
        names = [f(province) for f in (topics.exchange, topics.journal) for province in country.endpoints.provinces]
        partitions = [TopicPartition(name, at) for name in names for at in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    headers = dict(record.headers)
                    place = (headers[topics.SERVICE].decode(), int(headers[topics.NUMBER]))
                    found.setdefault(place, Counter())[record.value] += 1
                    if record.topic.startswith("journal."):
                        message = decode(record.value)
                        journal[message.id] = message
    finally:
        await consumer.stop()
    return found, list(journal.values())
