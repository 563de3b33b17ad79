"""The persons' keys, in a database of their own. Destroying a key forgets the person; numbers and sums still verify."""

import hashlib
import hmac
import os
import time
from collections.abc import Iterable, Mapping, Sequence

from contracts.base import SealedForPerson
from services.messaging.sealing import open_for_person, seal_for_person
from services.records.model import SEGMENTS, from_contract, to_contract
from services.rules.year_rows import Segment, YearRow
from services.runtime.database import Database, queries

SQL = queries(__file__)


class PersonForgotten(LookupError):
    """The person's key was destroyed; what was sealed under it cannot be read any more."""


class Vault:
    """Makes and finds persons' keys, seals and opens what belongs to a person.

    Args:
        database: the province's `keys` database.
        hash_key: the province's key for finding persons by identity number without storing it.
        kept_s: for how many seconds a key that was asked for is kept in memory; a destroyed key is gone after that.
        kept: how many keys are kept at most.
    """

    def __init__(self, database: Database, hash_key: bytes, *, kept_s: float = 60.0, kept: int = 20_000) -> None:
        self._database = database
        self._hash_key = hash_key
        self._kept_s = kept_s
        self._kept = kept
        self._known: dict[str, tuple[float, bytes]] = {}

    def id_hash(self, id_number: str) -> bytes:
        """The keyed hash under which a person is found."""
        return hmac.new(self._hash_key, id_number.encode(), hashlib.sha256).digest()

    async def make(self, persons: Sequence[str]) -> dict[str, bytes]:
        """Make a key (32 bytes) for each new person. A key without a person does no harm, so it comes first.

        Whoever has one keeps it: a step that broke off after this one is taken again. Whoever was forgotten stays so.
        """
        keys = {person_ref: os.urandom(32) for person_ref in persons}
        if keys:
            async with self._database.transaction("keys") as tx:
                added = {row["person_ref"] for row in await tx.fetch(SQL["add_keys"], list(keys), list(keys.values()))}
            keys = {person_ref: key for person_ref, key in keys.items() if person_ref in added}
            self._keep(keys)
            keys |= await self.keys(person_ref for person_ref in persons if person_ref not in added)
        return keys

    async def keys(self, persons: Iterable[str]) -> dict[str, bytes]:
        """The keys of persons; whoever was forgotten is not in the answer."""
        now = time.monotonic()
        found: dict[str, bytes] = {}
        missing: list[str] = []
        for person_ref in set(persons):
            at, key = self._known.get(person_ref, (-self._kept_s, b""))
            if now - at < self._kept_s:
                found[person_ref] = key
            else:
                missing.append(person_ref)
        if missing:
            async with self._database.transaction("keys") as tx:
                asked = {row["person_ref"]: row["key"] for row in await tx.fetch(SQL["person_keys"], sorted(missing))}
            self._keep(asked)
            found |= asked
        return found

    def _keep(self, keys: Mapping[str, bytes]) -> None:
        if len(self._known) + len(keys) > self._kept:
            self._known.clear()
        now = time.monotonic()
        self._known.update({person_ref: (now, key) for person_ref, key in keys.items()})

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


def seal_rows(keys: Mapping[str, bytes], person_ref: str, rows: Sequence[YearRow]) -> SealedForPerson:
    """Put year rows under a person's key, in the form in which rows travel.

    Raises:
        PersonForgotten: when there is no key.
    """
    return Vault.seal(keys, person_ref, SEGMENTS.dump_json((to_contract(Segment(None, 0, 0, tuple(rows))),)))


def open_rows(keys: Mapping[str, bytes], person_ref: str, sealed: SealedForPerson) -> tuple[YearRow, ...]:
    """Read year rows under a person's key.

    Raises:
        PersonForgotten, Unopenable: as `Vault.open`.
    """
    text = Vault.open(keys, person_ref, sealed)
    return tuple(row for segment in SEGMENTS.validate_json(text) for row in from_contract(segment).rows)
