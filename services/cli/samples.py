"""Keeps one real record of each type that has been published: proof, for ever, that it can still be read."""

from collections.abc import Iterable
from pathlib import Path

import orjson

from contracts.envelope import PREFIX, Undecodable, decode


def keep_samples(records: Iterable[bytes], folder: Path) -> list[str]:
    """Store the first record of each type and version that has no sample yet, exactly as it was published.

    A sample that is there is never touched. Returns the names of the files that were written, in the order of the records.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {file.name for file in folder.glob("*.json")}
    written: list[str] = []
    for record in records:
        try:
            decode(record)
        except Undecodable:
            continue  # poison proves nothing
        name = f"{orjson.loads(record)['type'].removeprefix(PREFIX)}.json"
        if name not in kept:
            (folder / name).write_bytes(record)
            kept.add(name)
            written.append(name)
    return written
