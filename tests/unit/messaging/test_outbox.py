"""What is too large for Kafka is refused where it is told."""

import pytest

from contracts import topics
from contracts.base import Fact
from contracts.documents import ContactLetterDocument
from contracts.envelope import Envelope, encode, envelope
from contracts.events import Cancelled
from services.messaging.outbox import TooLarge, outgoing
from tests.builders import CASE, a
from tests.exchange import NOON


def a_message(size_bytes: int) -> Envelope[Fact]:
    """A message whose encoding has exactly this size."""

    def of(reason: str) -> Envelope[Fact]:
        return envelope(a(Cancelled, case_id=CASE, reason=reason), source="44/origin-agency", subject=CASE, time=NOON, id="id-1")

    return of("x" * (size_bytes - len(encode(of("")))))


def test_the_largest_message_goes_out() -> None:
    assert len(outgoing(a_message(topics.MAX_VALUE_BYTES)).payload) == topics.MAX_VALUE_BYTES


def test_a_larger_message_is_refused_by_its_type_and_size_and_without_its_content() -> None:
    with pytest.raises(TooLarge) as refusal:
        outgoing(a_message(topics.MAX_VALUE_BYTES + 1))

    assert (refusal.value.type, refusal.value.size_bytes) == ("cn.jiexu.transfer.cancelled.v1", 1_000_001)
    assert str(refusal.value) == "cn.jiexu.transfer.cancelled.v1 has 1000001 bytes, more than 1000000"


def test_a_document_has_the_same_limit() -> None:
    sealed = a(ContactLetterDocument).sealed.model_copy(update={"ciphertext": "A" * 1_000_000})
    large = a(ContactLetterDocument, case_id=CASE, addressee="44", sealed=sealed)

    with pytest.raises(TooLarge, match=r"cn\.jiexu\.document\.contact_letter\.v1"):
        outgoing(envelope(large, source="33/destination-agency", subject=CASE, time=NOON))


def test_the_limit_leaves_room_for_key_headers_and_frame() -> None:
    kept = {topic.config["max.message.bytes"] for topic in topics.topics(("44",))}

    assert kept == {str(topics.MAX_RECORD_BYTES)}
    assert topics.MAX_RECORD_BYTES - topics.MAX_VALUE_BYTES > 16 * 1024
