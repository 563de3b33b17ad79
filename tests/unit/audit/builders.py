"""Small worlds for the auditor: two provinces, their signed logs, and one normal transfer. No servers."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import events
from contracts.base import Fact, Items, SealedForPerson, SealedForProvince
from contracts.directory import NO_CHECKPOINT, DirectoryEntry, PublicKey, SignedCheckpoint, SignedEntry
from contracts.documents import (
    CompletionDocument,
    ContactLetterDocument,
    Document,
    InformationFormDocument,
    PayeeAccount,
)
from contracts.envelope import envelope
from services.audit.archive import Record, records_file, seal_again, write_archive
from services.ledger.bookkeeping import book
from services.ledger.journal import Head, sequence
from services.messaging.directory import sign_entry
from services.messaging.outbox import Outgoing, outgoing
from services.messaging.signing import Signer, fingerprint, key_id, public_hex

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
SERVICES = ("origin-agency", "destination-agency")
CASE = "018f4e00-0000-7000-8000-000000000001"
LI = "018f4e00-0000-7000-8000-0000000000a1"
LI_IN_33 = "018f4e00-0000-7000-8000-0000000000b1"
ITEMS = Items(
    before_1998_fen=0,
    until_last_year_fen=700_000,
    this_year_fen=80_000,
    account_fen=780_000,
    pool_fen=1_084_000,
    total_fen=1_864_000,
)
SEALED = SealedForProvince(encapsulated="AAAA", recipient_key="k", nonce="0" * 24, ciphertext="AAAA")


class Log:
    """One service's log while it is being written."""

    def __init__(self, service: str) -> None:
        self.signer = Signer(service, Ed25519PrivateKey.generate())
        self.records: list[Record] = []
        self.checkpoints: list[SignedCheckpoint] = []
        self.waiting: list[Outgoing] = []
        self.numbers: dict[str, int] = {}

    @property
    def head(self) -> str:
        return self.checkpoints[-1].digest if self.checkpoints else NO_CHECKPOINT

    def publish(self, now: datetime = NOON) -> None:
        """Sign what waits as one batch."""
        if not self.waiting:
            return
        first = len(self.records) + 1
        signed, proofs = self.signer.sign_batch([row.payload for row in self.waiting], first=first, previous=self.head, now=now)
        for number, row, proof in zip(range(first, first + len(proofs)), self.waiting, proofs, strict=True):
            self.records.append(Record(number, row.topic, row.key, row.role, row.payload, proof))
            self.numbers[row.event_id] = number
        self.checkpoints.append(signed)
        self.waiting = []


class World:
    """Provinces that tell each other what happens. `alter` may change (or, with None, lose) a fact before it is written."""

    def __init__(self, *provinces: str) -> None:
        self.provinces = provinces or ("33", "44")
        self.root = Ed25519PrivateKey.generate()
        self.logs = {f"{province}/{service}": Log(f"{province}/{service}") for province in self.provinces for service in SERVICES}
        self.heads: dict[str, dict[str, Head]] = {province: {} for province in self.provinces}
        self.alter: Callable[[Fact], Fact | None] = lambda fact: fact
        self.time = NOON
        self.keys_valid_from = NOON - timedelta(days=30)
        self.keys_valid_to: datetime | None = None
        self._public = {name: public_hex(log.signer.key) for name, log in self.logs.items()}

    @property
    def root_fingerprint(self) -> str:
        return fingerprint(public_hex(self.root))

    def entry(self, province: str) -> DirectoryEntry:
        keys = tuple(
            PublicKey(
                key_id=key_id(public),
                owner=name,
                use="signing",
                public_hex=public,
                valid_from=self.keys_valid_from,
                valid_to=self.keys_valid_to,
            )
            for name, public in self._public.items()
            if name.startswith(province)
        )
        return DirectoryEntry(
            province=province,
            agency_name="社会保险局",
            agency_name_en="Social Insurance Agency",
            phone="020-12333",
            address="1",
            postcode="510000",
            payee=PayeeAccount(account_name="a", bank_name="b", account_no="1", exchange_no="0" * 12),
            keys=keys,
            issued_at=NOON - timedelta(days=30),
        )

    def directory(self) -> list[SignedEntry]:
        return [sign_entry(self.entry(province), self.root) for province in self.provinces]

    def say(self, service: str, subject: str, *facts: Fact) -> list[str]:
        """Book facts and write them to a service's log, each person's balance after them; returns the event ids."""
        province, ids = service[:2], []
        for fact in facts:
            self.time += timedelta(seconds=1)
            message = envelope(fact, source=service, subject=subject, time=self.time)
            entry = book(message.id, fact)
            told: list[tuple[str, Fact]] = [(message.id, fact)]
            if entry is not None:
                numbers, moved = sequence([entry], self.heads[province])
                self.heads[province].update(moved)
                told = [(message.id, fact.model_copy(update={"account_sequences": numbers[0]}))]
                told += [("", _statement(account, head)) for account, head in moved.items() if account.startswith("individual:")]
            for event_id, each in told:
                changed = self.alter(each)
                if changed is not None:
                    about = str(getattr(changed, "case_id", None) or getattr(changed, "person_ref", subject))
                    written = envelope(changed, source=service, subject=about, time=self.time, id=event_id or None)
                    self.logs[service].waiting.append(outgoing(written))
            ids.append(message.id)
        return ids

    def send(self, service: str, document: Document, person_ref: str) -> str:
        """Send a document and note that on the journal; returns its event id."""
        row = outgoing(envelope(document, source=service, subject=document.case_id, time=self.time))
        sent = events.DocumentSent(
            case_id=document.case_id,
            person_ref=person_ref,
            document_id=row.event_id,
            document_type=document.type_name,
            addressee=f"{document.addressee}/{document.to_role}",
            digest=row.digest,
        )
        self.say(service, document.case_id, sent)
        self.logs[service].waiting.append(row)
        return row.event_id

    def receive(self, service: str, sender: str, document_id: str, person_ref: str, **changes: Any) -> None:
        """Publish the sender's log and note the document on the receiver's journal."""
        log = self.logs[sender]
        log.publish()
        number = log.numbers[document_id]
        record = log.records[number - 1]
        kind = record.value.split(b'"type":"cn.jiexu.')[1].split(b".v1")[0].decode()
        fact = events.DocumentReceived(
            case_id=record.key,
            person_ref=person_ref,
            document_id=document_id,
            document_type=kind,
            sender=sender,
            number=number,
            digest=hashlib.sha256(record.value).hexdigest(),
            checkpoint_digest=log.head,
            proof="",
        )
        self.say(service, record.key, fact.model_copy(update=changes))

    def write(self, out: Path) -> dict[str, Path]:
        """Publish everything and export every province; returns the folders."""
        for log in self.logs.values():
            log.publish()
        return {
            province: write_archive(
                out,
                province,
                {name[3:]: (log.records, log.checkpoints) for name, log in self.logs.items() if name.startswith(province)},
                self.directory(),
                taken_at=NOON,
            )
            for province in self.provinces
        }


def _statement(account: str, head: Head) -> Fact:
    return events.BalanceStated(
        person_ref=account.removeprefix("individual:"),
        account=account,
        sequence=head.sequence,
        balance_fen=head.balance_fen,
        reason="entry",
    )


def an_account(world: World, *, person_ref: str = LI, province: str = "44") -> None:
    """A person with an account that holds what the usual form moves."""
    service = f"{province}/origin-agency"
    opened = events.AccountOpened(person_ref=person_ref, kind="normal", opened_on=date(2010, 1, 4), opening_fen=500_000)
    recorded = events.ContributionRecorded(
        person_ref=person_ref, year=2023, months=12, account_fen=280_000, pool_fen=1_084_000, rule_set="r"
    )
    world.say(service, person_ref, opened, recorded)


def an_application(world: World, *, case_id: str = CASE) -> str:
    """Province 33 accepts an application and sends its contact letter to 44; returns the letter's id."""
    service = "33/destination-agency"
    who: dict[str, Any] = {"case_id": case_id, "person_ref": LI_IN_33}
    applied = events.Applied(
        **who,
        origin="44",
        origin_division="440100",
        destination="33",
        destination_division="330100",
        applied_on=date(2024, 5, 6),
        applied_by="person",
        channel="single",
        language="zh-CN",
        due_on=date(2024, 5, 27),
        personal=SealedForPerson(nonce="0" * 24, ciphertext="AAAA"),
    )
    accepted = events.Accepted(**who, rule="r", account_kind="normal", rule_set="r", maker="m", checker="c")
    letter = events.ContactLetterSent(**who, origin="44", letter_no="l", letter_version=1, due_on=date(2024, 5, 27))
    world.say(service, case_id, applied, accepted, letter)
    return world.send(service, ContactLetterDocument(case_id=case_id, sender="33", addressee="44", sealed=SEALED), LI_IN_33)


def a_form(world: World, letter_id: str, *, case_id: str = CASE, items: Items = ITEMS) -> str:
    """Province 44 takes the letter and issues the form; returns the form's id."""
    service = "44/origin-agency"
    who: dict[str, Any] = {"case_id": case_id, "person_ref": LI}
    world.receive(service, "33/destination-agency", letter_id, LI)
    letter = events.ContactLetterReceived(
        **who, destination="33", letter_no="l", received_on=date(2024, 5, 7), due_on=date(2024, 5, 28)
    )
    issued = events.InformationFormIssued(
        **who,
        destination="33",
        form_version=1,
        items=items,
        months=170,
        transfer_on=date(2024, 5, 8),
        rule_set="r",
        maker="m",
        checker="c",
    )
    world.say(service, case_id, letter, issued)
    return world.send(service, InformationFormDocument(case_id=case_id, sender="44", addressee="33", sealed=SEALED), LI)


def money_out(world: World, *, case_id: str = CASE, amount_fen: int = ITEMS.total_fen) -> None:
    """Province 44 pays."""
    who: dict[str, Any] = {"case_id": case_id, "person_ref": LI}
    remitted = events.FundsRemitted(
        **who,
        destination="33",
        remittance_id="R1",
        bank_reference="B1",
        amount_fen=amount_fen,
        form_version=1,
        maker="m",
        checker="c",
    )
    world.say("44/origin-agency", case_id, remitted, events.RelationshipClosed(**who, destination="33"))


def form_in(world: World, form_id: str, *, case_id: str = CASE, items: Items = ITEMS) -> None:
    """Province 33 takes the form."""
    world.receive("33/destination-agency", "44/origin-agency", form_id, LI_IN_33)
    held = events.InformationFormReceived(
        case_id=case_id, person_ref=LI_IN_33, origin="44", form_version=1, items=items, months=170
    )
    world.say("33/destination-agency", case_id, held)


def money_in(
    world: World, *, case_id: str = CASE, amount_fen: int = ITEMS.total_fen, line: str = "1", again: bool = False
) -> None:
    """Province 33 finds the money on its statement."""
    received = events.FundsReceived(
        case_id=case_id,
        person_ref=LI_IN_33,
        origin="44",
        remittance_id="R1",
        line_id=line,
        amount_fen=amount_fen,
        duplicate=again,
    )
    world.say("33/destination-agency", case_id, received)


def money_back(world: World, *, case_id: str = CASE, amount_fen: int = ITEMS.total_fen) -> None:
    """Province 33 gives money back."""
    sent_back = events.FundsSentBack(
        case_id=case_id,
        person_ref=LI_IN_33,
        origin="44",
        remittance_id="R1",
        bank_reference="B2",
        amount_fen=amount_fen,
        maker="m",
        checker="c",
    )
    world.say("33/destination-agency", case_id, sent_back)


def completion(world: World, *, case_id: str = CASE, items: Items = ITEMS) -> str:
    """Province 33 books and says so; returns the notice's id."""
    completed = events.Completed(
        case_id=case_id,
        person_ref=LI_IN_33,
        origin="44",
        form_version=1,
        items=items,
        months=170,
        maker="m",
        checker="c",
    )
    world.say("33/destination-agency", case_id, completed)
    notice = CompletionDocument(case_id=case_id, sender="33", addressee="44", sealed=SEALED)
    return world.send("33/destination-agency", notice, LI_IN_33)


def settlement(world: World, notice_id: str, *, case_id: str = CASE) -> None:
    """Province 44 learns that 33 has booked."""
    world.receive("44/origin-agency", "33/destination-agency", notice_id, LI)
    world.say("44/origin-agency", case_id, events.TransferSettled(case_id=case_id, person_ref=LI, destination="33"))


def a_transfer(world: World | None = None, *, case_id: str = CASE) -> World:
    """One normal transfer from 44 to 33, all of it."""
    world = world or World()
    an_account(world)
    letter_id = an_application(world, case_id=case_id)
    form_id = a_form(world, letter_id, case_id=case_id)
    money_out(world, case_id=case_id)
    form_in(world, form_id, case_id=case_id)
    money_in(world, case_id=case_id)
    settlement(world, completion(world, case_id=case_id), case_id=case_id)
    return world


def an_amendment(world: World, items: Items, *, supersedes: Items = ITEMS, version: int = 2, case_id: str = CASE) -> str:
    """Province 44 corrects its record and replaces its form by a later version; returns the form's id."""
    service = "44/origin-agency"
    differs = events.ContributionCorrected(
        person_ref=LI,
        year=2023,
        account_difference_fen=items.account_fen - supersedes.account_fen,
        interest_difference_fen=0,
        pool_difference_fen=items.pool_fen - supersedes.pool_fen,
        reason="the wage was another one",
        rule_set="r",
        maker="m",
        checker="c",
    )
    issued = events.InformationFormIssued(
        case_id=case_id,
        person_ref=LI,
        destination="33",
        form_version=version,
        items=items,
        supersedes=supersedes,
        months=170,
        transfer_on=date(2024, 5, 8),
        rule_set="r",
        maker="m",
        checker="c",
    )
    world.say(service, LI, differs, issued)
    document = InformationFormDocument(case_id=case_id, sender="44", addressee="33", document_version=version, sealed=SEALED)
    return world.send(service, document, LI)


def a_correction(world: World, items: Items, *, supersedes: Items = ITEMS, version: int = 2, case_id: str = CASE) -> None:
    """Province 33 books what a later form changes."""
    corrected = events.Corrected(
        case_id=case_id,
        person_ref=LI_IN_33,
        origin="44",
        form_version=version,
        items=items,
        supersedes=supersedes,
        months=170,
        maker="m",
        checker="c",
    )
    world.say("33/destination-agency", case_id, corrected)


def a_recall(world: World, *, case_id: str = CASE) -> None:
    """Province 44 asks the transfer back and 33 has it on its work list."""
    asked = events.RecallRequested(
        case_id=case_id, person_ref=LI, destination="33", code="WRONG_PERSON", reason="of another", maker="m", checker="c"
    )
    got = events.RecallReceived(case_id=case_id, person_ref=LI_IN_33, origin="44", code="WRONG_PERSON", reason="of another")
    world.say("44/origin-agency", case_id, asked)
    world.say("33/destination-agency", case_id, got)


def given_up(world: World, *, items: Items = ITEMS, case_id: str = CASE) -> None:
    """Province 33 gives up what it had booked."""
    recalled = events.Recalled(
        case_id=case_id,
        person_ref=LI_IN_33,
        origin="44",
        code="WRONG_PERSON",
        items=items,
        months=170,
        maker="m",
        checker="c",
    )
    world.say("33/destination-agency", case_id, recalled)


def taken_back(world: World, *, items: Items = ITEMS, amount_fen: int = ITEMS.total_fen, case_id: str = CASE) -> None:
    """The money is back in province 44, which takes its form back."""
    who: dict[str, Any] = {"case_id": case_id, "person_ref": LI, "destination": "33"}
    world.say(
        "44/origin-agency",
        case_id,
        events.RecallAnswered(**who, agreed=True),
        events.FundsReturned(**who, remittance_id="R1", line_id="B1", amount_fen=amount_fen, reason="sent back"),
        events.InformationFormRevoked(**who, form_version=1, items=items, reason="of another"),
        events.RelationshipReopened(**who, reason="of another"),
    )


def edit(folder: Path, service: str, change: Callable[[list[Record]], Iterable[Record]]) -> None:
    """Alter the records of an export and cover it up in the manifest."""
    file = folder / records_file(service)
    records = [Record.read(line) for line in file.read_bytes().splitlines()]
    file.write_bytes(b"".join(record.line() for record in change(records)))
    seal_again(folder)
