"""Whether a record is what it claims: numbered, in a signed batch, by the service that it names, for this reader."""

from dataclasses import dataclass

from pydantic import ValidationError

from contracts import topics
from contracts.directory import Checkpoint, SignedCheckpoint
from contracts.documents import Document
from contracts.events import QuarantineReason
from services.messaging.directory import Directory
from services.messaging.merkle import leaf, root_of
from services.messaging.received import Received
from services.messaging.signing import signature_holds


class Unverified(ValueError):
    """The evidence of a record does not hold; `reason` is one of QuarantineReason."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Verified:
    checkpoint: Checkpoint
    digest: str


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose signature covers a record (`province/service`), and the digest of its checkpoint."""

    service: str
    digest: str


class Verifier:
    """Verifies one signature a batch and one short path a record."""

    def __init__(self, directory: Directory, province: str) -> None:
        self._directory = directory
        self._province = province
        self._known: dict[bytes, _Verified] = {}

    def check(self, record: Received) -> None:
        """Verify a decoded record and note its checkpoint's digest on it; what does not hold loses the case of its key.

        Raises:
            Unverified: with the reason by name.
        """
        try:
            record.checkpoint_digest = self._proven(record)
        except Unverified as error:
            raise Unverified(error.reason, record.disown(error.detail)) from error
        except Exception as error:
            record.disown(type(error).__name__)
            raise

    def _proven(self, record: Received) -> str:
        """The digest of the checkpoint that proves the record."""
        signed = self.signed(record)
        assert record.envelope is not None
        if record.envelope.service != signed.service:
            raise Unverified(QuarantineReason.WRONG_SENDER, f"{signed.service} signed for {record.envelope.service}")
        if record.key != record.envelope.subject:
            raise Unverified(QuarantineReason.WRONG_KEY, f"it is about {record.envelope.subject}")
        fact = record.fact
        if isinstance(fact, Document):
            if fact.sender != record.envelope.province:
                raise Unverified(QuarantineReason.WRONG_SENDER, f"sent by {record.envelope.province} as {fact.sender}")
            if fact.addressee != self._province or record.topic != topics.exchange(self._province):
                raise Unverified(QuarantineReason.WRONG_ADDRESSEE, f"addressed to {fact.addressee}")
        elif record.topic != topics.journal(record.envelope.province):
            raise Unverified(QuarantineReason.WRONG_ADDRESSEE, "a journal holds its own province's facts alone")
        return signed.digest

    def signed(self, record: Received) -> Signed:
        """Who signed exactly these bytes, whatever they say; a record that cannot be decoded may be signed, too.

        Raises:
            Unverified: when nobody did whom the directory knows.
        """
        verified = self._checkpoint(record.headers.get(topics.CHECKPOINT, b""))
        checkpoint = verified.checkpoint
        if not checkpoint.first <= record.number <= checkpoint.last:
            raise Unverified(QuarantineReason.BAD_PROOF, "the number is not in the batch")
        size = checkpoint.last - checkpoint.first + 1
        root = root_of(leaf(record.value), record.number - checkpoint.first, size, record.headers.get(topics.PROOF, b""))
        if root is None or root.hex() != checkpoint.root:
            raise Unverified(QuarantineReason.BAD_PROOF, "the record is not in the signed batch")
        return Signed(checkpoint.service, verified.digest)

    def _checkpoint(self, header: bytes) -> _Verified:
        found = self._known.get(header)
        if found is not None:
            return found
        if not header:
            raise Unverified(QuarantineReason.UNSIGNED, "the record has no checkpoint")
        try:
            signed = SignedCheckpoint.model_validate_json(header)
            checkpoint = Checkpoint.model_validate_json(signed.checkpoint)
        except ValidationError as error:
            raise Unverified(QuarantineReason.UNSIGNED, "the checkpoint cannot be read") from error
        public = self._directory.signing_key(checkpoint.key_id, checkpoint.service, checkpoint.signed_at)
        if public is None:
            raise Unverified(QuarantineReason.UNKNOWN_SENDER, f"no key {checkpoint.key_id} of {checkpoint.service} at that time")
        if not signature_holds(public, signed.checkpoint, signed.signature):
            raise Unverified(QuarantineReason.BAD_SIGNATURE, f"the signature of {checkpoint.service} does not hold")
        if len(self._known) > 4096:
            self._known.clear()
        found = self._known[header] = _Verified(checkpoint, signed.digest)
        return found
