"""The persons' keys, in a database of their own. Destroying a key forgets the person; numbers and sums still verify."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence

from contracts.base import SealedForPerson
from services.messaging.sealing import open_for_person, seal_for_person
from services.runtime.database import Database, queries

SQL = queries(__file__)


class PersonForgotten(LookupError):
    """The person's key was destroyed; what was sealed under it cannot be read any more."""


class Vault:
    """Makes and finds persons' keys, seals and opens what belongs to a person.

    Args:
        database: the province's `keys` database.
        hash_key: the province's key for finding persons by identity number without storing it.
    """

    def __init__(self, database: Database, hash_key: bytes) -> None:
        self._database = database
        self._hash_key = hash_key

    def id_hash(self, id_number: str) -> bytes:
        """The keyed hash under which a person is found."""
        return hmac.new(self._hash_key, id_number.encode(), hashlib.sha256).digest()

    async def make(self, persons: Sequence[str]) -> dict[str, bytes]:
        """Make a key (32 bytes) for each new person. A key without a person does no harm, so it comes first."""
        keys = {person_ref: os.urandom(32) for person_ref in persons}
        if keys:
            async with self._database.transaction("keys") as tx:
                await tx.execute(SQL["add_keys"], list(keys), list(keys.values()))
        return keys

    async def keys(self, persons: Iterable[str]) -> dict[str, bytes]:
        """The keys of persons; whoever was forgotten is not in the answer."""
        wanted = sorted(set(persons))
        if not wanted:
            return {}
        async with self._database.transaction("keys") as tx:
            return {row["person_ref"]: row["key"] for row in await tx.fetch(SQL["person_keys"], wanted)}

    @staticmethod
    def seal(keys: Mapping[str, bytes], person_ref: str, text: bytes) -> SealedForPerson:
        """Put a text under a person's key.

        Raises:
            PersonForgotten: when there is no key.
        """
        if person_ref not in keys:
            raise PersonForgotten(person_ref)
        return seal_for_person(keys[person_ref], person_ref, text)

    @staticmethod
    def open(keys: Mapping[str, bytes], person_ref: str, sealed: SealedForPerson) -> bytes:
        """Read a text under a person's key.

        Raises:
            PersonForgotten: when there is no key.
            Unopenable: when the text was altered.
        """
        text = open_for_person(keys, person_ref, sealed)
        if text is None:
            raise PersonForgotten(person_ref)
        return text
