"""A record as it came from Kafka: its bytes, its headers, and what could be read of them."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from contracts import topics
from contracts.base import Fact
from contracts.envelope import Envelope, Undecodable, decode


@dataclass(slots=True)
class Received:
    """One record. `envelope` is None while it is not decoded, or cannot be; then `problem` says why."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, bytes]
    digest: bytes
    envelope: Envelope[Fact] | None = None
    problem: tuple[str, str] | None = None
    checkpoint_digest: str = ""
    was_key: str | None = None
    """The key as it came, where the record was disowned."""

    @classmethod
    def of(cls, record: Any) -> "Received":
        """Take an aiokafka record. Never raises: headers and keys that are not text are kept as they are."""
        value = record.value or b""
        found = cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=(record.key or b"").decode("utf-8", "replace").replace("\x00", "\ufffd"),  # PostgreSQL's text has no NUL
            value=value,
            headers={_text(name): content or b"" for name, content in record.headers},
            digest=hashlib.sha256(value).digest(),
        )
        if any(name != _text(name) for name, _ in record.headers):
            found.problem = ("malformed", found.disown("a header's name is not UTF-8"))
        return found

    def disown(self, detail: str) -> str:
        """Take the record away from the case that its key names, because nothing proves that it belongs there.

        The key is not signed. Poison parks the case of its key, so poison without proof gets a key that is nobody's.

        Returns:
            The detail, and what the key was.
        """
        if self.was_key is not None:
            return detail  # it was taken away before
        was, self.key = self.key, f"unproven:{self.topic}-{self.partition}-{self.offset}"
        self.was_key = was
        return f"{detail[:300]}; its key was {was[:80]!r}"

    @property
    def role(self) -> str:
        """The addressed role, empty on a journal."""
        return self.headers.get(topics.ROLE, b"").decode("ascii", "replace")

    @property
    def proof_text(self) -> str:
        """The inclusion path as base64, as the journal notes it."""
        return base64.b64encode(self.headers.get(topics.PROOF, b"")).decode()

    @property
    def type(self) -> str:
        """CloudEvents type by the header, to pass over what is not wanted without decoding it."""
        return self.headers.get(topics.TYPE, b"").decode("ascii", "replace")

    @property
    def event_id(self) -> str:
        """Id of the message; asked only of decoded records."""
        assert self.envelope is not None, (self.topic, self.partition, self.offset)
        return self.envelope.id

    @property
    def fact(self) -> Fact:
        """The fact of a decoded record."""
        assert self.envelope is not None, (self.topic, self.partition, self.offset)
        return self.envelope.data

    @property
    def number(self) -> int:
        """Place in the sender's log; 0 where the header is missing or no number."""
        text = self.headers.get(topics.NUMBER, b"")
        return int(text) if text.isdigit() and len(text) < 19 else 0

    def read(self) -> "Received":
        """Decode the value; poison becomes `problem`."""
        if self.envelope is None and self.problem is None:
            try:
                self.envelope = decode(self.value)
            except Undecodable as error:
                self.problem = (error.reason, self.disown(error.detail))
        return self


def _text(name: str) -> str:
    """A header's name as text that the database can keep; bytes that are none come as surrogates and are spelt out."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
