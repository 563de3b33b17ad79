"""A small exchange in memory: provinces with keys, a signed directory, and records as Kafka would give them."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contracts import topics
from contracts.base import Fact
from contracts.directory import NO_CHECKPOINT, DirectoryEntry, PublicKey
from contracts.envelope import encode, envelope
from contracts.events import FundsReceived
from services.messaging.directory import Directory, sign_entry
from services.messaging.outbox import outgoing
from services.messaging.received import Received
from services.messaging.signing import Signer, fingerprint, key_id, public_hex
from tests.builders import CASE, a

NOON = datetime.fromisoformat("2024-05-06T12:00:00+08:00")
LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00+08:00")

SERVICES = ("33/destination-agency", "33/origin-agency", "44/origin-agency", "44/destination-agency")


@dataclass(frozen=True)
class KafkaRecord:
    """What aiokafka gives of a record."""

    topic: str = "journal.33"
    partition: int = 0
    offset: int = 0
    key: bytes | None = CASE.encode()
    value: bytes | None = b"{}"
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0

    def but(self, **changes: Any) -> "KafkaRecord":
        """The same record with some parts changed."""
        return replace(self, **changes)

    def with_header(self, name: str, value: bytes | None) -> "KafkaRecord":
        """The same record with a header added or replaced."""
        kept = tuple(header for header in self.headers if header[0] != name)
        return replace(self, headers=(*kept, (name, value)))


@dataclass
class Exchange:
    """Keys of every service and province, and the directory that names them."""

    root: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    signing: dict[str, Ed25519PrivateKey] = field(
        default_factory=lambda: {name: Ed25519PrivateKey.generate() for name in SERVICES}
    )
    sealing: dict[str, X25519PrivateKey] = field(
        default_factory=lambda: {name: X25519PrivateKey.generate() for name in ("33", "44")}
    )

    @property
    def root_fingerprint(self) -> str:
        """What a service is told from outside."""
        return fingerprint(public_hex(self.root))

    def entry(self, province: str, **changes: Any) -> DirectoryEntry:
        """A province's entry as the registrar would sign it."""
        keys = [
            PublicKey(key_id=key_id(public_hex(key)), owner=owner, use="signing", public_hex=public_hex(key), valid_from=LONG_AGO)
            for owner, key in self.signing.items()
            if owner.startswith(f"{province}/")
        ]
        sealing = public_hex(self.sealing[province])
        keys.append(
            PublicKey(key_id=key_id(sealing), owner=f"{province}/sealing", use="sealing", public_hex=sealing, valid_from=LONG_AGO)
        )
        return a(DirectoryEntry, **{"province": province, "keys": tuple(keys), "issued_at": LONG_AGO, **changes})

    def directory(self) -> Directory:
        """A directory that has read every province's entry."""
        found = Directory(self.root_fingerprint)
        for province in self.sealing:
            found.learn(sign_entry(self.entry(province), self.root))
        return found

    def signer(self, service: str) -> Signer:
        """What a service signs its log with."""
        return Signer(service, self.signing[service])

    def publish(
        self,
        *facts: Fact,
        service: str = "33/destination-agency",
        subject: str | None = None,
        first: int = 1,
        signed_at: datetime = NOON,
        signer: Signer | None = None,
    ) -> list[KafkaRecord]:
        """Records of one signed batch, as a consumer gets them, each of its fact's own case if none is given."""
        rows = [
            outgoing(envelope(fact, source=service, subject=subject or str(getattr(fact, "case_id", CASE)), time=NOON))
            for fact in facts
        ]
        signed, proofs = (signer or self.signer(service)).sign_batch(
            [row.payload for row in rows], first=first, previous=NO_CHECKPOINT, now=signed_at
        )
        found = []
        for at, (row, proof) in enumerate(zip(rows, proofs, strict=True)):
            headers: list[tuple[str, bytes | None]] = [
                (topics.SERVICE, service.encode()),
                (topics.NUMBER, str(first + at).encode()),
                (topics.PROOF, proof),
                (topics.CHECKPOINT, signed.model_dump_json().encode()),
                (topics.TYPE, row.type.encode()),
            ]
            if row.role is not None:
                headers.append((topics.ROLE, row.role.encode()))
            found.append(KafkaRecord(row.topic, 0, at, row.key.encode(), row.payload, tuple(headers)))
        return found


def received(record: KafkaRecord) -> Received:
    """A record as a handler sees it, decoded."""
    return Received.of(record).read()


def a_received(fact: Fact | None = None, **of: Any) -> Received:
    """A decoded record without evidence."""
    value = encode(envelope(fact or a(FundsReceived), source="33/destination-agency", subject=CASE, time=NOON))
    return received(KafkaRecord(**{"value": value, **of}))
