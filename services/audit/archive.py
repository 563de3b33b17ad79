"""An export on disk: one folder a province, text that a person can read, whole or not there at all.

Records lie in the order of their numbers, so that a log of any size can be checked while it is read.
"""

import base64
import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

import orjson
from pydantic import Field, ValidationError

from contracts.base import Contract, Digest, ProvinceCode
from contracts.directory import SignedCheckpoint, SignedEntry

MANIFEST = "manifest.json"
DIRECTORY = "directory.jsonl"


class ArchiveRefused(ValueError):
    """A folder that cannot be taken for an export, or a place where none can be put."""


class Record(NamedTuple):
    """One record of a service's log: its place, where it was published, its exact bytes and its inclusion path."""

    number: int
    topic: str
    key: str
    role: str | None
    value: bytes
    proof: bytes

    def line(self) -> bytes:
        """The record as one line of a records file."""
        try:
            value = {"value": self.value.decode()}
        except UnicodeDecodeError:
            value = {"value_base64": base64.b64encode(self.value).decode()}
        head = {"number": self.number, "topic": self.topic, "key": self.key, "role": self.role}
        return orjson.dumps({**head, **value, "proof": base64.b64encode(self.proof).decode()}, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def read(cls, line: bytes) -> "Record":
        """A record from its line.

        Raises:
            ValueError: when the line is none.
        """
        try:
            raw = orjson.loads(line)
            text = raw.get("value")
            value = base64.b64decode(raw["value_base64"], validate=True) if text is None else text.encode()
            record = cls(raw["number"], raw["topic"], raw["key"], raw["role"], value, base64.b64decode(raw["proof"]))
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"not a record: {type(error).__name__}") from error
        if type(record.number) is not int or not isinstance(record.topic, str) or not isinstance(record.key, str):
            raise ValueError("not a record: a field has another type")
        return record


class ServiceRange(Contract):
    """What an export holds of one service."""

    service: str = Field(pattern=r"^[a-z-]+$")
    first: int
    last: int
    records: int
    checkpoints: int


class Manifest(Contract):
    """What an export is: of which province, taken when and from where, and the digest of each of its files."""

    format: Literal["jiexu-export-1"] = "jiexu-export-1"
    province: ProvinceCode
    taken_at: datetime
    taken_from: Literal["kafka", "database"]
    services: tuple[ServiceRange, ...]
    passed_over: int = Field(default=0, description="records on the province's journal that name no service of it")
    files: dict[str, Digest]


def records_file(service: str) -> str:
    """Name of the file with a service's records."""
    return f"records-{service}.jsonl"


def checkpoints_file(service: str) -> str:
    """Name of the file with a service's signed checkpoints."""
    return f"checkpoints-{service}.jsonl"


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened export. Only the manifest is read; nothing in it is believed."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> "Archive":
        """Open an export.

        Raises:
            ArchiveRefused: when the folder has no manifest that can be read.
        """
        try:
            manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        except OSError as error:
            raise ArchiveRefused(f"{folder} is no export: {error.strerror or error}") from error
        except ValidationError as error:
            raise ArchiveRefused(f"{folder / MANIFEST} cannot be read as a manifest") from error
        if len({each.service for each in manifest.services}) < len(manifest.services):
            raise ArchiveRefused(f"{folder / MANIFEST} names a service twice")
        return cls(folder, manifest)

    @property
    def province(self) -> str:
        """The province whose log this is said to be."""
        return self.manifest.province

    @property
    def records(self) -> int:
        """How many records the manifest speaks of, for a progress bar."""
        return sum(each.records for each in self.manifest.services)

    def files(self) -> list[str]:
        """The files that the manifest's services must have."""
        names = [each.service for each in self.manifest.services]
        return [*(records_file(name) for name in names), *(checkpoints_file(name) for name in names), DIRECTORY]

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of one file; none where it is missing, which its digest tells."""
        path = self.folder / name
        if path.is_file():
            with path.open("rb", buffering=1 << 20) as file:
                yield from file


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal_again(folder: Path) -> None:
    """Count and digest the files anew, as somebody would who altered them and does not want it to show here."""
    manifest = Archive.open(folder).manifest
    services = []
    for each in manifest.services:
        lines = (folder / records_file(each.service)).read_bytes().splitlines()
        numbers = [Record.read(line).number for line in lines]
        checkpoints = len((folder / checkpoints_file(each.service)).read_bytes().splitlines())
        services.append(
            _range(each.service, numbers[0] if numbers else 0, numbers[-1] if numbers else 0, len(lines), checkpoints)
        )
    files = {name: digest_of(folder / name) for name in sorted(manifest.files) if (folder / name).is_file()}
    changed = manifest.model_copy(update={"services": tuple(services), "files": files})
    (folder / MANIFEST).write_bytes(_manifest_bytes(changed))


class Draft:
    """An export being made. It gets its name when it is whole; until then it is nothing.

    Records may come in any order and more than once: they wait in a temporary SQLite file, which also sorts them. Identical
    repeats are dropped; other bytes under the same number are kept, one line each, for the verifier to name.
    """

    def __init__(self, out: Path, province: str) -> None:
        self._target = out / province
        if self._target.exists():
            raise ArchiveRefused(f"{self._target} is there already; an export is never overwritten, so choose another place")
        self._province = province
        out.mkdir(parents=True, exist_ok=True)
        self._folder = out / f".{province}.{secrets.token_hex(6)}.part"
        self._waiting: list[tuple[str, int, str, str, str | None, bytes, bytes]] = []
        self._checkpoints: dict[str, set[bytes]] = {}
        self._last_seen: dict[str, bytes] = {}
        self._entries: set[bytes] = set()
        self._limits: dict[str, int] | None = None
        self.passed_over = 0
        self.taken = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700)
        self._sorter = sqlite3.connect(self._folder / "sorting", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-65536", "temp_store=FILE"):
            self._sorter.execute(f"PRAGMA {pragma}")
        self._sorter.execute("CREATE TABLE r (service TEXT, number INT, topic TEXT, key TEXT, role TEXT, value BLOB, proof BLOB)")
        self._sorter.execute("BEGIN")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sorter.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def take(self, service: str, record: Record) -> None:
        """Take one record of a service of this province (its name without the province)."""
        if self._limits is not None and record.number > self._limits.get(service, 0):
            return
        self._waiting.append((service, *record))
        self.taken += 1
        if len(self._waiting) >= 5000:
            self._store()

    def take_checkpoint(self, service: str, signed: bytes) -> None:
        """Take a signed checkpoint as it travels; the same one comes with every record of its batch."""
        if self._last_seen.get(service) != signed:
            self._last_seen[service] = signed
            if self._limits is not None and _place(signed)[1] > self._limits.get(service, 0):
                return
            self._checkpoints.setdefault(service, set()).add(signed)

    def take_entry(self, signed: bytes) -> None:
        """Take a signed entry of the directory."""
        self._entries.add(signed)

    def close_at(self, last: dict[str, int]) -> None:
        """From now on take only what completes this export: a service's numbers up to its last; later ones are for the next."""
        self._limits = last

    def announced(self) -> dict[str, int]:
        """The last number that each service's checkpoints speak of."""
        return {service: max((_place(signed)[1] for signed in found), default=0) for service, found in self._checkpoints.items()}

    def missing(self, announced: dict[str, int]) -> int:
        """How many of the announced numbers have not come yet."""
        self._store()
        self._sorter.execute("CREATE INDEX IF NOT EXISTS by_number ON r (service, number)")
        count = "SELECT count(DISTINCT number) FROM r WHERE service = ? AND number BETWEEN 1 AND ?"
        return sum(last - int(self._sorter.execute(count, (name, last)).fetchone()[0]) for name, last in announced.items())

    def finish(self, services: Iterable[str], *, taken_at: datetime, taken_from: Literal["kafka", "database"]) -> Path:
        """Write the files and give the folder its name.

        Args:
            services: names that must have their files even if they said nothing.
            taken_at: when the export was begun.
            taken_from: where the records come from.
        """
        self._store()
        entries = [_one_line(line) for line in sorted(self._entries, key=_issued)]
        files = {DIRECTORY: self._write(DIRECTORY, entries)}
        seen = {row[0] for row in self._sorter.execute("SELECT DISTINCT service FROM r")}
        ranges = []
        for service in sorted({*services, *seen, *self._checkpoints}):
            counted = _Counted(self._sorted(service))
            files[records_file(service)] = self._write(records_file(service), counted)
            kept = [_one_line(line) for line in sorted(self._checkpoints.get(service, ()), key=_place)]
            files[checkpoints_file(service)] = self._write(checkpoints_file(service), kept)
            ranges.append(_range(service, counted.first, counted.last, counted.records, len(kept)))
        manifest = Manifest(
            province=self._province,
            taken_at=taken_at,
            taken_from=taken_from,
            services=tuple(ranges),
            passed_over=self.passed_over,
            files=dict(sorted(files.items())),
        )
        self._write(MANIFEST, [_manifest_bytes(manifest)])
        self._sorter.close()
        (self._folder / "sorting").unlink()
        self._folder.chmod(0o755)
        _sync(self._folder)
        try:
            self._folder.rename(self._target)
        except OSError as error:
            raise ArchiveRefused(f"{self._target} was made by somebody else meanwhile") from error
        _sync(self._target.parent)
        return self._target

    def _store(self) -> None:
        if self._waiting:
            self._sorter.executemany("INSERT INTO r VALUES (?, ?, ?, ?, ?, ?, ?)", self._waiting)
            self._waiting.clear()

    def _sorted(self, service: str) -> Iterator[Record]:
        # The order of repeats must not depend on the order in which they came.
        rows = self._sorter.execute(
            "SELECT number, topic, key, role, value, proof FROM r WHERE service = ?"
            " ORDER BY number, topic, key, role, value, proof",
            (service,),
        )
        previous: Record | None = None
        for row in rows:
            record = Record(*row)
            if record != previous:
                yield record
            previous = record

    def _write(self, name: str, lines: Iterable[bytes]) -> str:
        digest = hashlib.sha256()
        with (self._folder / name).open("wb", buffering=1 << 20) as file:
            for line in lines:
                file.write(line)
                digest.update(line)
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest()


class _Counted:
    """Lines of records, counted while they are written."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._from = records
        self.first = self.last = self.records = 0

    def __iter__(self) -> Iterator[bytes]:
        for record in self._from:
            self.first = self.first or record.number
            self.last = record.number
            self.records += 1
            yield record.line()


def write_archive(
    out: Path,
    province: str,
    logs: dict[str, tuple[Sequence[Record], Sequence[SignedCheckpoint]]],
    directory: Sequence[SignedEntry],
    *,
    taken_at: datetime,
) -> Path:
    """Write an export of logs that are at hand: a service's records and checkpoints by its name without the province."""
    with Draft(out, province) as draft:
        for entry in directory:
            draft.take_entry(entry.model_dump_json().encode())
        for service, (records, checkpoints) in logs.items():
            for record in records:
                draft.take(service, record)
            for checkpoint in checkpoints:
                draft.take_checkpoint(service, checkpoint.model_dump_json().encode())
        return draft.finish(logs, taken_at=taken_at, taken_from="database")


def _range(service: str, first: int, last: int, records: int, checkpoints: int) -> ServiceRange:
    return ServiceRange(service=service, first=first, last=last, records=records, checkpoints=checkpoints)


def _manifest_bytes(manifest: Manifest) -> bytes:
    return manifest.model_dump_json(indent=2).encode() + b"\n"


def _place(signed: bytes) -> tuple[int, int, bytes]:
    """First and last number of a signed checkpoint, for sorting; what cannot be read comes first."""
    try:
        raw = orjson.loads(orjson.loads(signed)["checkpoint"])
        return int(raw["first"]), int(raw["last"]), signed
    except (ValueError, KeyError, TypeError):
        return 0, 0, signed


def _issued(signed: bytes) -> tuple[str, float, bytes]:
    """Province and time of a directory entry, for sorting: the newest of a province is learnt last."""
    try:
        raw = orjson.loads(orjson.loads(signed)["entry"])
        return str(raw["province"]), datetime.fromisoformat(raw["issued_at"]).timestamp(), signed
    except (ValueError, KeyError, TypeError):
        return "", 0.0, signed


def _one_line(signed: bytes) -> bytes:
    """JSON as one line; what is no JSON is kept as a JSON text, so that the verifier names it."""
    try:
        return orjson.dumps(orjson.loads(signed), option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONDecodeError:
        return orjson.dumps({"unreadable": base64.b64encode(signed).decode()}, option=orjson.OPT_APPEND_NEWLINE)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
