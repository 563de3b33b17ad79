"""Idempotency keys of HTTP: the same key with the same body is answered the same; with another body it is refused."""

import hashlib
import json
from typing import Any, Protocol

from services.runtime.http import Problem


class Rows(Protocol):
    """A transaction, as far as it is needed here."""

    async def one(self, statement: str, *values: object) -> Any:
        """First row of a statement."""

    async def execute(self, statement: str, *values: object) -> str:
        """Run a statement."""


class IdempotencyKeys:
    """Keeps the answers of one schema's `idempotency_keys` table.

    The answer is written in the transaction of the effect, so that neither stands without the other.
    """

    def __init__(self, schema: str) -> None:
        self._find = f"SELECT digest, answer FROM {schema}.idempotency_keys WHERE key = $1 AND sub = $2"  # noqa: S608
        self._keep = (
            f"INSERT INTO {schema}.idempotency_keys (key, sub, digest, answer) VALUES ($1, $2, $3, $4)"  # noqa: S608
            " ON CONFLICT (key, sub) DO NOTHING"
        )

    async def answered(self, tx: Rows, key: str | None, sub: str, body: str) -> dict[str, Any] | None:
        """The answer that was given to this key before, or None when it is new (or there is none).

        Raises:
            Problem: 409 IDEMPOTENCY_KEY_REUSED when the key came with another body.
        """
        if key is None:
            return None
        row = await tx.one(self._find, key, sub)
        if row is None:
            return None
        if row["digest"] != _digest(body):
            raise Problem(
                409,
                "IDEMPOTENCY_KEY_REUSED",
                "This Idempotency-Key was used with another body.",
                field="Idempotency-Key",
                remedy="Give a new request a new key, or send the first body again.",
            )
        found: dict[str, Any] = json.loads(row["answer"])
        return found

    async def keep(self, tx: Rows, key: str | None, sub: str, body: str, answer: dict[str, Any]) -> None:
        """Keep an answer.

        Raises:
            Problem: 409 IDEMPOTENCY_KEY_IN_USE when another request with the key is just being handled.
        """
        if key is None:
            return
        if await tx.execute(self._keep, key, sub, _digest(body), json.dumps(answer)) != "INSERT 0 1":
            raise Problem(
                409,
                "IDEMPOTENCY_KEY_IN_USE",
                "A request with this Idempotency-Key is being handled.",
                remedy="Send the same request again in a moment.",
            )


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
