"""Find and keep persons' records. Set-wise: one statement for many persons."""

from collections.abc import Mapping, Sequence
from typing import cast

import asyncpg

from contracts.base import SealedForPerson
from services.records.model import SEGMENTS, Personal, Record, from_contract, to_contract
from services.records.vault import Vault
from services.runtime.database import Transaction, queries

SQL = queries(__file__)


async def by_hash(tx: Transaction, vault: Vault, hashes: Sequence[bytes], *, locked: bool = False) -> dict[bytes, Record]:
    """The records of persons found by the keyed hash of their identity number; forgotten persons are left out.

    Args:
        locked: until the transaction ends, in the order of `by_ref`.
    """
    rows = await tx.fetch(SQL["by_hash_locked" if locked else "by_hash"], list(set(hashes))) if hashes else []
    keys = await vault.keys(row["person_ref"] for row in rows)
    return {row["id_hash"]: _record(row, keys) for row in rows if row["person_ref"] in keys}


async def by_ref(tx: Transaction, vault: Vault, persons: Sequence[str]) -> dict[str, Record]:
    """The records of persons by reference, locked until the transaction ends, in one order for all writers."""
    rows = await tx.fetch(SQL["by_ref"], sorted(set(persons))) if persons else []
    keys = await vault.keys(row["person_ref"] for row in rows)
    return {row["person_ref"]: _record(row, keys) for row in rows if row["person_ref"] in keys}


async def add(tx: Transaction, keys: Mapping[str, bytes], records: Sequence[Record]) -> None:
    """Write new records."""
    rows = [
        (
            record.person_ref,
            record.id_hash,
            record.state,
            record.scheme,
            record.account_kind,
            record.has_paid,
            record.first_insured_on,
            record.stopped_on,
            record.drawing_since,
            record.interest_through,
            *_sealed(keys, record),
        )
        for record in records
    ]
    if rows:
        tx.defer(SQL["add_persons"], *(list(column) for column in zip(*rows, strict=True)))


async def change(tx: Transaction, vault: Vault, records: Sequence[Record]) -> None:
    """Write changed records back."""
    keys = await vault.keys(record.person_ref for record in records)
    rows = [
        (
            record.person_ref,
            record.state,
            record.has_paid,
            record.stopped_on,
            record.drawing_since,
            record.interest_through,
            *_sealed(keys, record),
        )
        for record in records
    ]
    if rows:
        tx.defer(SQL["change_persons"], *(list(column) for column in zip(*rows, strict=True)))


async def close(tx: Transaction, vault: Vault, persons: Sequence[str]) -> None:
    """The relationships of these persons have moved: nothing of theirs is counted here any more."""
    keys = await vault.keys(persons)
    if keys:
        empty = {ref: Vault.seal(keys, ref, SEGMENTS.dump_json(())).model_dump_json() for ref in sorted(keys)}
        tx.defer(SQL["close_persons"], list(empty), list(empty.values()))


def _sealed(keys: Mapping[str, bytes], record: Record) -> tuple[str, str]:
    segments = SEGMENTS.dump_json(tuple(to_contract(segment) for segment in record.segments))
    return (
        Vault.seal(keys, record.person_ref, record.personal.model_dump_json().encode()).model_dump_json(),
        Vault.seal(keys, record.person_ref, segments).model_dump_json(),
    )


def _record(row: asyncpg.Record, keys: Mapping[str, bytes]) -> Record:
    ref = cast(str, row["person_ref"])
    personal = Vault.open(keys, ref, SealedForPerson.model_validate_json(row["personal"]))
    segments = Vault.open(keys, ref, SealedForPerson.model_validate_json(row["segments"]))
    return Record(
        person_ref=ref,
        id_hash=row["id_hash"],
        state=row["state"],
        scheme=row["scheme"],
        account_kind=row["account_kind"],
        first_insured_on=row["first_insured_on"],
        stopped_on=row["stopped_on"],
        drawing_since=row["drawing_since"],
        interest_through=row["interest_through"],
        personal=Personal.model_validate_json(personal),
        segments=tuple(from_contract(segment) for segment in SEGMENTS.validate_json(segments)),
    )
