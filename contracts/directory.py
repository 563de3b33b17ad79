"""The signed directory of agencies, and the signed checkpoints of every service's log."""

import hashlib
from typing import Literal

from pydantic import AwareDatetime, Field

from contracts.base import Contract, Digest, ProvinceCode, ServiceName
from contracts.documents import PayeeAccount


class PublicKey(Contract):
    """One public key with the time in which it may be used."""

    key_id: str
    owner: ServiceName = Field(description="province/service; sealing keys belong to `province/sealing`")
    use: Literal["signing", "sealing"]
    public_hex: str = Field(pattern=r"^[0-9a-f]{64}$", description="raw Ed25519 or X25519 key")
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None


class DirectoryEntry(Contract):
    """A province's agency: whom to call, where to pay, which keys it signs and opens with."""

    province: ProvinceCode
    agency_name: str
    agency_name_en: str
    phone: str
    address: str
    postcode: str
    payee: PayeeAccount
    keys: tuple[PublicKey, ...]
    issued_at: AwareDatetime


class SignedEntry(Contract):
    """An entry as it stands on the `directory` topic: its exact text and the root's signature over it."""

    entry: str = Field(description="JSON of a DirectoryEntry, exactly as signed")
    root: str = Field(pattern=r"^[0-9a-f]{64}$", description="the root's public key; its digest is the fingerprint")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


class Checkpoint(Contract):
    """A signed batch head: numbers first..last of a service's log, hashed into one root (RFC 6962)."""

    service: ServiceName
    key_id: str
    first: int = Field(ge=1)
    last: int = Field(ge=1)
    root: Digest
    previous: Digest = Field(description="digest of the checkpoint before; 64 zeros for the first")
    signed_at: AwareDatetime


class SignedCheckpoint(Contract):
    """A checkpoint as it travels: its exact text and the service's Ed25519 signature over it."""

    checkpoint: str = Field(description="JSON of a Checkpoint, exactly as signed")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")

    @property
    def digest(self) -> str:
        """What the next checkpoint names as its predecessor."""
        return hashlib.sha256(self.checkpoint.encode()).hexdigest()


NO_CHECKPOINT = "0" * 64
