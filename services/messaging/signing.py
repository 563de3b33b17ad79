"""Checkpoints: one Ed25519 signature for a batch of records, each of which can be proven alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.directory import Checkpoint, SignedCheckpoint
from services.messaging.merkle import leaf, tree


def public_hex(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    """The raw public key of a private one, in hex."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def fingerprint(public: str) -> str:
    """What a person compares: SHA-256 of a raw public key given in hex."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()


def read_signing_key(file: Path) -> Ed25519PrivateKey:
    """Read a key file: 32 raw bytes in hex."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text(encoding="ascii").strip()))


def read_sealing_key(file: Path) -> X25519PrivateKey:
    """Read a key file: 32 raw bytes in hex."""
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text(encoding="ascii").strip()))


def key_id(public: str) -> str:
    """A short name of a public key: the beginning of its fingerprint."""
    return fingerprint(public)[:16]


@dataclass(frozen=True, slots=True)
class Signer:
    """The key a service signs its log with."""

    service: str
    key: Ed25519PrivateKey

    def sign_batch(
        self, records: Sequence[bytes], *, first: int, previous: str, now: datetime
    ) -> tuple[SignedCheckpoint, list[bytes]]:
        """Sign records `first`, first+1, … as one batch after the checkpoint with digest `previous`.

        Returns the signed checkpoint and each record's inclusion path.
        """
        root, paths = tree([leaf(record) for record in records])
        checkpoint = Checkpoint.model_construct(
            service=self.service,
            key_id=key_id(public_hex(self.key)),
            first=first,
            last=first + len(records) - 1,
            root=root.hex(),
            previous=previous,
            signed_at=now,
        ).model_dump_json()
        return SignedCheckpoint.model_construct(checkpoint=checkpoint, signature=self.key.sign(checkpoint.encode()).hex()), paths


def signature_holds(public: str, text: str, signature: str) -> bool:
    """Whether an Ed25519 signature (hex) over a text is of this key (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
