"""What the service makes of its province's facts: a notice each, in the transaction that accepts them, and never two."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import topics
from contracts.base import Fact
from contracts.directory import NO_CHECKPOINT, DirectoryEntry, PublicKey
from contracts.envelope import Envelope, encode
from contracts.events import (
    ArrearsNotified,
    Completed,
    DeathReported,
    DoubleDrawingSettled,
    EndingNotified,
    FundsRemitted,
    MessageParked,
    NoticeDelivered,
    NoticeFailed,
    NotMovableNotified,
    QuarantineReason,
    VoucherIssued,
)
from contracts.statuses import Status
from services.messaging.directory import Directory, sign_entry
from services.messaging.handler import BatchHandler, Poison
from services.messaging.inbox import Inbox
from services.messaging.outbox import Outbox
from services.messaging.quarantine import Quarantine
from services.messaging.received import Received
from services.messaging.signing import Signer, fingerprint, key_id, public_hex
from services.messaging.verification import Verifier
from services.notification import store
from services.notification.handlers import Handlers, concerns
from services.notification.notices import HEARD, Templates
from services.notification.store import Claimed, Shown
from services.records.rulebook import SQL as RULE_SQL
from services.records.rulebook import Rules
from services.rules.loader import read_contents
from services.rules.table_import import read_rows
from services.runtime.clock import Clock
from services.runtime.database import COUNTS, Database
from tests.builders import a
from tests.integration.conftest import UrlOf
from tests.integration.notification.conftest import DOMAIN, NOON, TABLES, World, applied, letter_sent, public, received, said


@dataclass
class Desk:
    """The service's handler as the house puts it together, and what it wakes the mailer with."""

    world: World
    handed: list[Sequence[Claimed]] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    root: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.law = Templates(TABLES)
        self.rules = Rules(self.world.database, self.law, read_contents())
        self.handlers = Handlers(
            self.law, domain=DOMAIN, mailer="44/notification.0", lease_s=60, hand=self.handed.append, refresh=self.rules.refresh
        )
        directory = Directory(fingerprint(public_hex(self.root)))
        public_key = public_hex(self.key)
        directory.learn(
            sign_entry(
                a(
                    DirectoryEntry,
                    province="44",
                    keys=(
                        PublicKey(
                            key_id=key_id(public_key),
                            owner="44/destination-agency",
                            use="signing",
                            public_hex=public_key,
                            valid_from=NOON,
                        ),
                    ),
                ),
                self.root,
            )
        )
        self.batches = BatchHandler(
            database=self.world.database,
            inbox=Inbox("notification", "44.notification"),
            outbox=Outbox("notification"),
            quarantine=Quarantine("notification", "44/notification"),
            verifier=Verifier(directory, "44"),
            clock=Clock(),
            concerns=concerns,
            wants=HEARD,
            work=self.handlers.facts,
            told=lambda: None,
        )

    def published(self, messages: Sequence[Envelope[Fact]]) -> list[Received]:
        """The facts as the destination agency's relay signs and sends them."""
        signer = Signer("44/destination-agency", self.key)
        signed, proofs = signer.sign_batch([encode(message) for message in messages], first=1, previous=NO_CHECKPOINT, now=NOON)
        return received(
            messages,
            [
                {
                    topics.NUMBER: str(number).encode(),
                    topics.PROOF: proof,
                    topics.CHECKPOINT: signed.model_dump_json().encode(),
                }
                for number, proof in enumerate(proofs, 1)
            ],
        )

    async def of_case(self, case_id: str) -> list[Shown]:
        async with self.world.database.transaction("test") as tx:
            return await store.of_case(tx, case_id)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


async def test_each_public_status_change_becomes_one_notice_in_its_order(desk: Desk) -> None:
    contact = await desk.world.contact()
    case, person = contact.contact_id, contact.person_ref
    messages = [
        said(applied(contact)),
        said(letter_sent(case, person)),
        said(letter_sent(case, person, Status.ORIGIN_HANDLING)),
    ]

    await desk.batches.handle(desk.published(messages))

    assert [notice.event_id for notice in await desk.of_case(case)] == [message.id for message in messages]


async def test_a_fact_that_is_delivered_again_and_again_is_told_once(desk: Desk) -> None:
    contact = await desk.world.contact()
    messages = [said(applied(contact)), said(letter_sent(contact.contact_id, contact.person_ref))]

    for _ in range(3):
        await desk.batches.handle(desk.published(messages))
    await desk.batches.handle(desk.published([*messages, *messages]))

    assert len(await desk.of_case(contact.contact_id)) == 2


async def test_contacts_stay_sealed_as_the_fact_carried_them(desk: Desk) -> None:
    contact = await desk.world.contact(email="zhang@mail.example")

    await desk.batches.handle(desk.published([said(applied(contact))]))

    async with desk.world.database.transaction("test") as tx:
        row = await tx.one("SELECT * FROM notification.contacts")
    assert row is not None
    assert dict(row) == {
        "contact_id": contact.contact_id,
        "person_ref": contact.person_ref,
        "language": "zh-CN",
        "personal": contact.personal.model_dump_json(),
    }
    assert "zhang" not in str(dict(row))


async def test_a_fact_that_changes_nothing_public_is_accepted_and_not_told(desk: Desk) -> None:
    contact = await desk.world.contact()
    fact = said(letter_sent(contact.contact_id, contact.person_ref, status=None))

    await desk.batches.handle(desk.published([fact]))

    assert await desk.of_case(contact.contact_id) == []
    assert desk.handed == []


async def test_a_voucher_is_told_to_the_person_it_was_issued_to(desk: Desk) -> None:
    contact = await desk.world.contact(language="en")
    voucher = a(VoucherIssued, person_ref=contact.person_ref, language="en", personal=contact.personal)
    message = said(voucher)

    await desk.batches.handle(desk.published([message]))

    async with desk.world.running(desk.world.mailer()):
        await desk.world.until_states("delivered")
    [notice] = await desk.of_case(contact.person_ref)
    assert (notice.template, notice.event_id) == ("voucher", message.id)
    assert desk.world.postbox.to() == ["zhang@mail.example"]


@pytest.mark.parametrize(
    ("kind", "template", "more"),
    [(NotMovableNotified, "not_movable", {"reasons": ("STILL_CONTRIBUTING",)}), (ArrearsNotified, "arrears", {})],
)
async def test_what_an_origin_alone_knows_is_told_although_it_has_no_contacts_of_the_case(
    desk: Desk, kind: type[Fact], template: str, more: dict[str, object]
) -> None:
    contact = await desk.world.contact(language="en")
    case_id = str(uuid4())
    message = said(a(kind, case_id=case_id, person_ref=contact.person_ref, language="en", personal=contact.personal, **more))

    await desk.batches.handle(desk.published([message]))

    async with desk.world.running(desk.world.mailer()):
        await desk.world.until_states("delivered")
    [notice] = await desk.of_case(case_id)
    assert (notice.template, notice.event_id) == (template, message.id)
    assert desk.world.postbox.to() == ["zhang@mail.example"]


async def test_the_notice_before_a_relationship_ends_finds_its_person_without_a_case(desk: Desk) -> None:
    contact = await desk.world.contact(language="zh-CN")
    fact = a(EndingNotified, person_ref=contact.person_ref, ground="nationality_lost", personal=contact.personal)
    message = said(fact)

    await desk.batches.handle(desk.published([message]))

    async with desk.world.running(desk.world.mailer()):
        await desk.world.until_states("delivered")
    [notice] = await desk.of_case(contact.person_ref)
    assert (notice.template, notice.event_id) == ("ending", message.id)
    assert desk.world.postbox.to() == ["zhang@mail.example"]


async def test_whoever_drew_two_pensions_is_told_how_it_was_settled_without_a_case(desk: Desk) -> None:
    contact = await desk.world.contact(language="zh-CN")
    reasons = ("DOUBLE_KEEP_ONE", "DOUBLE_SET_OFF")
    fact = a(DoubleDrawingSettled, person_ref=contact.person_ref, keeps="44", reasons=reasons, personal=contact.personal)
    message = said(fact)

    await desk.batches.handle(desk.published([message]))

    async with desk.world.running(desk.world.mailer()):
        await desk.world.until_states("delivered")
    [notice] = await desk.of_case(contact.person_ref)
    assert (notice.template, notice.event_id) == ("double_drawing", message.id)
    assert desk.world.postbox.to() == ["zhang@mail.example"]


async def test_the_employer_who_applied_is_written_to_at_the_end_and_the_person_as_ever(desk: Desk) -> None:
    contact = await desk.world.contact(email="li@mail.example", employer_email="personnel@mail.example")
    end = a(
        Completed,
        case_id=contact.contact_id,
        person_ref=contact.person_ref,
        public=public(Status.COMPLETED, due_on=None, employer_told=True),
    )

    await desk.batches.handle(desk.published([said(applied(contact)), said(end)]))

    async with desk.world.running(desk.world.mailer()):
        await desk.world.until_states("delivered")
    notices = await desk.of_case(contact.contact_id)
    assert [(notice.template, notice.channel) for notice in notices] == [
        ("status", "email"),
        ("status", "email"),
        ("employer", "employer_email"),
    ]
    assert desk.world.postbox.to() == ["li@mail.example", "li@mail.example", "personnel@mail.example"]
    evidence = (await desk.world.told()).of(NoticeDelivered)
    assert [fact.recipient for fact in evidence] == ["person", "person", "employer"]
    assert "personnel" not in str([fact.model_dump() for fact in evidence])


async def test_the_employers_notice_is_in_hand_at_once_although_the_persons_own_is_too(desk: Desk) -> None:
    contact = await desk.world.contact(employer_email="personnel@mail.example")
    shown = public(Status.COMPLETED, due_on=None, employer_told=True)
    end = a(Completed, case_id=contact.contact_id, person_ref=contact.person_ref, public=shown)

    await desk.batches.handle(desk.published([said(end)]))

    assert [[notice.template for notice in handed] for handed in desk.handed] == [["status", "employer"]]


async def test_nobody_is_written_to_about_their_own_death_and_what_waits_is_not_sent(desk: Desk) -> None:
    contact, other = await desk.world.contact(email="li@mail.example"), await desk.world.contact()
    case, person = contact.contact_id, contact.person_ref
    death = a(DeathReported, case_id=case, person_ref=person, public=public(Status.CANCELLED))
    voucher = a(VoucherIssued, person_ref=person, language="zh-CN", personal=contact.personal)
    messages = [said(applied(contact)), said(applied(other)), said(death), said(letter_sent(case, person, Status.CANCELLED))]

    await desk.batches.handle(desk.published(messages))
    await desk.batches.handle(desk.published([said(voucher)]))
    async with desk.world.running(desk.world.mailer()):
        await desk.world.until_states("delivered", "failed")

    assert desk.world.postbox.to() == ["zhang@mail.example"]
    assert {notice.reason for notice in await desk.of_case(case)} == {"PERSON_DECEASED"}
    failed = (await desk.world.told()).of(NoticeFailed)
    assert len(failed) == 4
    assert {fact.reason for fact in failed} == {"PERSON_DECEASED"}


async def test_a_death_that_is_reported_again_changes_nothing(desk: Desk) -> None:
    contact = await desk.world.contact()
    reports = [said(a(DeathReported, case_id=contact.contact_id, person_ref=contact.person_ref)) for _ in range(2)]

    await desk.batches.handle(desk.published(reports))
    await desk.batches.handle(desk.published(reports))

    async with desk.world.database.transaction("test") as tx:
        assert await tx.value("SELECT count(*) FROM notification.deceased") == 1


async def test_what_is_not_ours_is_passed_over_by_its_header_undecoded(desk: Desk) -> None:
    contact = await desk.world.contact()
    fact = a(FundsRemitted, case_id=contact.contact_id, person_ref=contact.person_ref, public=public(Status.FUND_IN_TRANSIT))
    records = desk.published([said(fact)])

    await desk.batches.handle(records)

    assert not concerns(records[0])
    assert records[0].envelope is None
    assert await desk.of_case(contact.contact_id) == []


async def test_a_fact_without_words_waits_in_quarantine_with_its_case_and_holds_up_no_other(desk: Desk) -> None:
    odd, well = await desk.world.contact(), await desk.world.contact()
    unknown = letter_sent(odd.contact_id, odd.person_ref).model_copy(
        update={"public": public(Status.REJECTED, code="NO_SUCH_REASON")}
    )
    messages = [
        said(applied(odd)),
        said(unknown),
        said(letter_sent(odd.contact_id, odd.person_ref, Status.CANCELLED)),
        said(applied(well)),
    ]

    await desk.batches.handle(desk.published(messages))

    assert [notice.event_id for notice in await desk.of_case(odd.contact_id)] == [messages[0].id]
    assert [notice.event_id for notice in await desk.of_case(well.contact_id)] == [messages[3].id]
    parked = (await desk.world.told()).of(MessageParked)
    assert [fact.reason for fact in parked] == [QuarantineReason.UNEXPECTED, QuarantineReason.BEHIND_PARKED]


A_NEW_REFUSAL = """[[refusal]]
code = "NO_SUCH_REASON"
rule = ""
uses = ["admission"]
curable = false
legal_basis = "the notice of 2027"
reason_zh = "新通知"
reason_en = "By the notice of 2027."
remedy_zh = "请咨询经办机构。"
remedy_en = "Ask the agency."
effective_from = 2024-01-01
effective_to = "open"
source = "the notice of 2027"
confidence = "found"
"""


async def test_a_reason_that_was_imported_a_moment_ago_has_its_words(desk: Desk, province_database: UrlOf) -> None:
    contact = await desk.world.contact()
    refused = letter_sent(contact.contact_id, contact.person_ref).model_copy(
        update={"public": public(Status.REJECTED, code="NO_SUCH_REASON")}
    )
    before = desk.law.tables.version
    await imported(A_NEW_REFUSAL, province_database("p44_origin_agency"))

    await desk.batches.handle(desk.published([said(refused)]))

    [notice] = await desk.of_case(contact.contact_id)
    assert notice.template == "refusal"
    assert desk.law.tables.version != before
    [handed] = desk.handed[-1]
    letter = desk.law.render(handed.template, handed.template_version, "en", handed.said)
    assert "By the notice of 2027." in letter.body
    assert (await desk.world.told()).of(MessageParked) == []


async def imported(text: str, url: str) -> None:
    """An operator imports rows at the origin agency of the province, under its own role."""
    database = Database(url, name="origin-agency")
    new = read_rows(text, "toml", read_contents())
    row = (
        1,
        "import-1",
        new.table,
        "toml",
        text,
        "",
        "0" * 64,
        new.effective_from,
        len(new.rows),
        False,
        "",
        "before",
        "after",
        "o",
    )
    try:
        await database.open()
        async with database.transaction("rules") as tx:
            assert await tx.value(RULE_SQL["add_rule_import"], *row) == 1
    finally:
        await database.close()


async def test_the_work_refuses_a_fact_without_words_by_name(desk: Desk) -> None:
    unknown = letter_sent("c" * 36, "p" * 36).model_copy(update={"public": public(Status.RETURNED, code="NO_SUCH_REASON")})
    [record] = received([said(unknown)])

    with pytest.raises(Poison, match="NO_SUCH_REASON"):
        async with desk.world.database.transaction("test") as tx:
            await desk.handlers.facts(tx, [record.read()])


async def test_a_batch_that_is_rolled_back_leaves_no_notice(desk: Desk) -> None:
    contact = await desk.world.contact()
    [record] = received([said(applied(contact))])

    async def crash_before_the_commit() -> None:
        async with desk.world.database.transaction("test") as tx:
            await desk.handlers.facts(tx, [record.read()])
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        await crash_before_the_commit()
    assert await desk.of_case(contact.contact_id) == []


async def test_notices_are_in_the_mailers_hand_only_when_their_commit_is_over(desk: Desk) -> None:
    contact = await desk.world.contact()
    [record] = desk.published([said(applied(contact))])

    async with desk.world.database.transaction("test") as tx:
        await desk.handlers.facts(tx, [record.read()])
        before = list(desk.handed)

    assert before == []
    assert [[notice.case_id for notice in handed] for handed in desk.handed] == [[contact.contact_id]]


async def test_a_notice_waits_for_an_earlier_one_of_its_case_and_is_not_handed_over(desk: Desk) -> None:
    contact = await desk.world.contact()
    await desk.world.queue(contact, Status.SUBMITTED)

    await desk.batches.handle(desk.published([said(letter_sent(contact.contact_id, contact.person_ref))]))

    assert desk.handed == [[]]
    assert [notice.state for notice in await desk.of_case(contact.contact_id)] == ["queued", "queued"]


async def test_two_hundred_facts_become_sent_notices_in_at_most_five_statements_and_three_commits(desk: Desk) -> None:
    contacts = [await desk.world.contact(email=f"p{at}@mail.example") for at in range(200)]
    records = desk.published([said(applied(contact)) for contact in contacts])
    mailer = desk.world.mailer(batch=201)
    desk.handlers._hand = mailer.hand
    before = (COUNTS.statements, COUNTS.commits)

    await desk.batches.handle(records)
    handled = (COUNTS.statements, COUNTS.commits)
    await mailer._round()

    after = (COUNTS.statements, COUNTS.commits)
    assert (handled[0] - before[0], handled[1] - before[1]) == (3, 1)  # accept; contacts; notices
    assert (after[0] - handled[0], after[1] - handled[1]) == (2, 2)  # keys; record and tell
    assert len(desk.world.postbox.mails) == 200
    await mailer._server.close()
