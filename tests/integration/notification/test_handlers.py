"""What the service makes of its province's facts: a notice each, in the transaction that accepts them, and never two."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import topics
from contracts.base import Fact
from contracts.directory import NO_CHECKPOINT, DirectoryEntry, PublicKey
from contracts.envelope import Envelope, encode
from contracts.events import FundsRemitted, MessageParked, QuarantineReason, VoucherIssued
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
from services.notification.notices import HEARD
from services.notification.store import Claimed, Shown
from services.runtime.clock import Clock
from services.runtime.database import COUNTS
from tests.builders import a
from tests.integration.notification.conftest import DOMAIN, NOON, TABLES, World, applied, letter_sent, public, received, said


@dataclass
class Desk:
    """The service's handler as the house puts it together, and what it wakes the mailer with."""

    world: World
    handed: list[Sequence[Claimed]] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    root: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.handlers = Handlers(TABLES, domain=DOMAIN, mailer="44/notification.0", lease_s=60, hand=self.handed.append)
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
