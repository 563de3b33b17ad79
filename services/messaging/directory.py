"""Who is who on the exchange: agencies, payee accounts and public keys, each entry signed by the root."""

import asyncio
import hashlib
from datetime import datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from contracts import topics
from contracts.directory import DirectoryEntry, PublicKey, SignedEntry
from services.messaging.signing import fingerprint, public_hex, signature_holds
from services.runtime.broker import KafkaAccess
from services.runtime.database import pause

log = structlog.get_logger()


class DirectoryRefused(ValueError):
    """An entry that the trusted root did not sign."""


class DirectoryUnread(OSError):
    """The directory is not read yet, so nobody can say that a province has no entry. It passes by itself."""


def sign_entry(entry: DirectoryEntry, root: Ed25519PrivateKey) -> SignedEntry:
    """Sign an entry with the directory's root key."""
    text = entry.model_dump_json()
    return SignedEntry(entry=text, root=public_hex(root), signature=root.sign(text.encode()).hex())


def open_entry(signed: SignedEntry, root_fingerprint: str) -> DirectoryEntry:
    """Read an entry that the root with this fingerprint signed.

    Raises:
        DirectoryRefused: when another key signed it or the text was altered.
    """
    if fingerprint(signed.root) != root_fingerprint:
        raise DirectoryRefused("the entry is signed by another root")
    if not signature_holds(signed.root, signed.entry, signed.signature):
        raise DirectoryRefused("the signature does not hold")
    return DirectoryEntry.model_validate_json(signed.entry)


class Directory:
    """The entries that are known, by province. The root's fingerprint comes from outside, never from the topic."""

    def __init__(self, root_fingerprint: str) -> None:
        self._root = root_fingerprint
        self._entries: dict[str, DirectoryEntry] = {}
        self._signed: dict[str, SignedEntry] = {}
        self._keys: dict[str, PublicKey] = {}
        self.unread = False
        """Whether a reader has still to read what was there when it began."""

    def learn(self, signed: SignedEntry) -> DirectoryEntry:
        """Take an entry in; the newest of a province counts. Keys of older entries stay known for old records.

        Raises:
            DirectoryRefused: when the root did not sign it.
        """
        entry = open_entry(signed, self._root)
        known = self._entries.get(entry.province)
        newest = known is None or known.issued_at <= entry.issued_at
        if newest:
            self._entries[entry.province] = entry
            self._signed[entry.province] = signed
        for key in entry.keys:
            if newest or key.key_id not in self._keys:  # an older entry does not bring back a key that was ended
                self._keys[key.key_id] = key
        return entry

    def knows(self, province: str) -> bool:
        """Whether the province has an entry. Raises `DirectoryUnread` while it may yet come to light."""
        return self.entry(province) is not None

    def entry(self, province: str) -> DirectoryEntry | None:
        """The newest entry of a province. Raises `DirectoryUnread` while it may yet come to light."""
        found = self._entries.get(province)
        if found is None and self.unread:
            raise DirectoryUnread(f"the directory is not read yet, and {province} may stand in it")
        return found

    def provinces(self) -> tuple[str, ...]:
        """Every province that takes part."""
        return tuple(sorted(self._entries))

    def signed_entries(self) -> tuple[SignedEntry, ...]:
        """The newest entries as they were signed, for an export."""
        return tuple(self._signed[province] for province in sorted(self._signed))

    def signing_key(self, key: str, owner: str, at: datetime) -> str | None:
        """The public key (hex) with which `owner` could sign at that time, or None."""
        found = self._keys.get(key)
        if found is None or found.owner != owner or found.use != "signing" or at < found.valid_from:
            return None
        return found.public_hex if found.valid_to is None or at <= found.valid_to else None

    def sealing_key(self, province: str) -> PublicKey | None:
        """The newest key under which documents for a province are sealed. Raises `DirectoryUnread` as `entry` does."""
        entry = self.entry(province)
        keys = [key for key in entry.keys if key.use == "sealing" and key.valid_to is None] if entry else []
        return max(keys, key=lambda key: key.valid_from, default=None)

    def digest(self) -> str:
        """One digest over all entries, to tell whether two parties see the same directory."""
        return hashlib.sha256("\n".join(signed.entry for signed in self.signed_entries()).encode()).hexdigest()


class DirectoryReader:
    """Follows the `directory` topic for as long as the service lives."""

    def __init__(self, directory: Directory, access: KafkaAccess) -> None:
        self._directory = directory
        self._access = access
        self.caught_up = asyncio.Event()
        directory.unread = True

    async def run(self) -> None:
        """Read from the beginning and go on reading; starts again whenever the broker was away."""
        attempt = 0
        while True:
            consumer = AIOKafkaConsumer(**self._access.client(), enable_auto_commit=False, auto_offset_reset="earliest")
            try:
                await consumer.start()
                await self._follow(consumer)
            except (KafkaError, OSError) as error:
                log.warning("directory.away", error=type(error).__name__)
                await pause(attempt)
                attempt += 1
            finally:
                await consumer.stop()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        partitions = [TopicPartition(topics.DIRECTORY, at) for at in range(topics.PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    self._take(record.value)
            if not self.caught_up.is_set():
                positions = [await consumer.position(partition) >= ends[partition] for partition in partitions]
                if all(positions):
                    log.info("directory.read", provinces=len(self._directory.provinces()))
                    self._directory.unread = False
                    self.caught_up.set()

    def _take(self, value: bytes | None) -> None:
        try:
            self._directory.learn(SignedEntry.model_validate_json(value or b""))
        except (DirectoryRefused, ValidationError) as error:
            log.error("directory.entry_refused", reason=type(error).__name__)
