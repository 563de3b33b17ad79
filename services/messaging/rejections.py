"""Documents that their addressee rejected: the rejection that goes out, and the one that comes in."""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from contracts import topics
from contracts.base import Fact
from contracts.documents import (
    Document,
    Rejection,
    RejectionToDestinationDocument,
    RejectionToOriginDocument,
)
from contracts.envelope import PREFIX
from contracts.events import DocumentRejected, QuarantineReason
from services.messaging.handler import Poison
from services.messaging.parking import REJECTIONS, Refused
from services.messaging.received import Received
from services.messaging.verification import Unverified, Verifier
from services.runtime.database import Transaction, queries

_BY_ROLE: dict[str, type[Document]] = {kind.to_role: kind for kind in (RejectionToOriginDocument, RejectionToDestinationDocument)}


def rejection_of(
    record: Received, verifier: Verifier, *, otherwise: str, code: str, remedy: str
) -> tuple[type[Document], str, str, Rejection]:
    """What tells the sender of a record that it was rejected: kind of document, province, case, body.

    Args:
        record: as it came; it need not be decodable.
        verifier: says who signed it.
        otherwise: id of the case where none can be told.
        code: why.
        remedy: what the sender can do.

    Raises:
        Refused: SENDER_NOT_PROVEN, NOT_A_DOCUMENT or NOT_REJECTABLE.
    """
    if not record.topic.startswith("exchange."):
        raise Refused("NOT_A_DOCUMENT", "Only documents of other provinces can be rejected.", "Retry it, amend it or skip it.")
    record.read()
    kind = type(record.envelope.data) if record.envelope is not None else None
    if kind in REJECTIONS:
        raise Refused("NOT_REJECTABLE", "A rejection is not rejected in its turn.", "Retry it, or skip it.")
    try:
        sender = verifier.signed(record).service
    except Unverified as error:
        raise Refused(
            "SENDER_NOT_PROVEN",
            f"Nobody is proven to have sent it ({error.reason}), so there is nobody to reject it to.",
            "Skip it; if a partner misses a document, let them send it again.",
        ) from error
    province, _, role = sender.partition("/")
    if role not in _BY_ROLE:
        raise Refused("NOT_A_DOCUMENT", f"{sender} sends no documents.", "Skip it.")
    case_id = next((text for text in (_subject(record), record.key, record.was_key) if text and len(text) == 36), otherwise)
    body = Rejection(
        document_type=_type_of(record),
        document_id=record.envelope.id if record.envelope is not None else None,
        number=record.number,
        digest=record.digest.hex(),
        code=code,
        remedy=remedy,
    )
    return _BY_ROLE[role], province, case_id, body


def _subject(record: Received) -> str | None:
    return record.envelope.subject if record.envelope is not None else None


def _type_of(record: Received) -> str:
    """The type by name, as far as the bytes say one."""
    try:
        raw = orjson.loads(record.value)
    except orjson.JSONDecodeError:
        return "unknown"
    named = raw.get("type") if isinstance(raw, dict) else None
    return named.removeprefix(PREFIX).rpartition(".v")[0][:80] or "unknown" if isinstance(named, str) else "unknown"


class Rejections:
    """What others have rejected of a service's documents, in its schema."""

    def __init__(self, schema: str) -> None:
        self._sql = queries(__file__, schema=schema)

    async def take(
        self, tx: Transaction, came: Sequence[tuple[Received, Rejection]], known_as: dict[str, str]
    ) -> dict[str, DocumentRejected]:
        """Keep rejections that came; returns what is to be told, by the event id of each.

        Args:
            tx: the handler's transaction.
            came: records with their opened bodies.
            known_as: the pseudonym of each case's person; the case stands for who is not known.

        Raises:
            Poison: for one that names no document that this service has sent to its sender. It holds up no case.
        """
        told: dict[str, DocumentRejected] = {}
        rows = []
        for record, body in came:
            assert record.envelope is not None
            document: Fact = record.fact
            assert isinstance(document, Document), type(document)
            sent = await tx.one(self._sql["was_sent"], body.number, topics.exchange(document.sender))
            if sent is None or hashlib.sha256(sent["payload"]).hexdigest() != body.digest:
                raise Poison(record, QuarantineReason.WRONG_SENDER, "it rejects what this service never sent there")
            sender = record.envelope.service
            told[record.event_id] = DocumentRejected(
                case_id=document.case_id,
                person_ref=known_as.get(document.case_id, document.case_id),
                rejected_by=sender,
                document_id=sent["event_id"],
                document_type=body.document_type,
                number=body.number,
                digest=body.digest,
                code=body.code,
                remedy=body.remedy,
            )
            rows.append(
                (
                    record.event_id,
                    document.case_id,
                    sender,
                    body.document_type,
                    body.number,
                    body.digest,
                    body.code,
                    body.remedy,
                    record.envelope.time,
                )
            )
        if rows:
            await tx.execute(self._sql["keep_rejections"], *(list(column) for column in zip(*rows, strict=True)))
        return told

    async def received(self, tx: Transaction, limit: int = 200) -> list[dict[str, Any]]:
        """The rejected documents, the latest first."""
        return [dict(row) for row in await tx.fetch(self._sql["list_rejections"], limit)]
