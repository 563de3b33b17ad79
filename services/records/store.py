"""Find and keep persons' records. Set-wise: one statement for many persons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import cast

import asyncpg

from contracts.base import SealedForPerson
from services.records.model import SEGMENTS, Personal, Record, RecordState, from_contract, to_contract
from services.records.vault import Vault
from services.rules.amounts import Segment
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
            record.died_on,
            record.left_with,
            *_sealed(keys, record),
            _sealed_rows(keys, record.person_ref, record.left) if record.left else None,
        )
        for record in records
    ]
    if rows:
        tx.defer(SQL["change_persons"], *(list(column) for column in zip(*rows, strict=True)))


async def close(tx: Transaction, vault: Vault, moved: Mapping[str, str]) -> None:
    """The rows of these persons have left with an information form: nothing of theirs is counted here any more.

    The books gave their money up with the form, so from then on they bear no interest here either. They are kept aside, for a
    later version of the form is made from them.

    Args:
        moved: by person, the case with which the relationship left.
    """
    await _end(tx, vault, [(ref, "moved", case_id) for ref, case_id in sorted(moved.items())])


async def settle(tx: Transaction, vault: Vault, persons: Sequence[str]) -> None:
    """The accounts of these persons were paid out, to them or their heirs: nothing of theirs is counted here any more."""
    await _end(tx, vault, [(ref, "settled", None) for ref in sorted(set(persons))])


async def note_deaths(tx: Transaction, vault: Vault, died: Mapping[str, date]) -> None:
    """Note on the records of these persons the day on which they died, where none is noted."""
    known = await by_ref(tx, vault, list(died))
    await change(tx, vault, [replace(each, died_on=died[ref]) for ref, each in known.items() if each.died_on is None])


async def _end(tx: Transaction, vault: Vault, ended: Sequence[tuple[str, RecordState, str | None]]) -> None:
    keys = await vault.keys(ref for ref, _, _ in ended)
    rows = [(*each, _sealed_rows(keys, each[0], ())) for each in ended if each[0] in keys]
    if rows:
        tx.defer(SQL["close_persons"], *(list(column) for column in zip(*rows, strict=True)))


def _sealed(keys: Mapping[str, bytes], record: Record) -> tuple[str, str]:
    return (
        Vault.seal(keys, record.person_ref, record.personal.model_dump_json().encode()).model_dump_json(),
        _sealed_rows(keys, record.person_ref, record.segments),
    )


def _sealed_rows(keys: Mapping[str, bytes], person_ref: str, segments: Sequence[Segment]) -> str:
    text = SEGMENTS.dump_json(tuple(to_contract(segment) for segment in segments))
    return Vault.seal(keys, person_ref, text).model_dump_json()


def _opened_rows(keys: Mapping[str, bytes], person_ref: str, sealed: str | None) -> tuple[Segment, ...]:
    if sealed is None:
        return ()
    text = Vault.open(keys, person_ref, SealedForPerson.model_validate_json(sealed))
    return tuple(from_contract(segment) for segment in SEGMENTS.validate_json(text))


def _record(row: asyncpg.Record, keys: Mapping[str, bytes]) -> Record:
    ref = cast(str, row["person_ref"])
    personal = Vault.open(keys, ref, SealedForPerson.model_validate_json(row["personal"]))
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
        segments=_opened_rows(keys, ref, row["segments"]),
        died_on=row["died_on"],
        left=_opened_rows(keys, ref, row["left_segments"]),
        left_with=row["left_with"],
        held_since=row["held_since"],
    )
