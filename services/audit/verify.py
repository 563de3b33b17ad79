"""Whether an export is what it claims: complete, in order, and signed by whom the directory names. Reads files, nothing else.

The directory's root fingerprint comes from outside; an archive that brings its own root proves nothing.
"""

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from contracts import topics
from contracts.base import Fact
from contracts.directory import NO_CHECKPOINT, Checkpoint, SignedCheckpoint, SignedEntry
from contracts.documents import Document
from contracts.envelope import Envelope, Undecodable, decode
from services.audit.archive import DIRECTORY, Archive, Record, checkpoints_file, digest_of, records_file
from services.messaging.directory import Directory, DirectoryRefused
from services.messaging.merkle import leaf, root_of, tree
from services.messaging.signing import fingerprint, signature_holds


class Outcome(StrEnum):
    """What an auditor can say of a log."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    NOT_COMPLETE = "not_complete"


class Kind(StrEnum):
    """What can be wrong with an export, by name."""

    ROOT_DIFFERS = "ROOT_DIFFERS"
    ENTRY_FORGED = "ENTRY_FORGED"
    ENTRY_UNREADABLE = "ENTRY_UNREADABLE"
    PROVINCE_UNKNOWN = "PROVINCE_UNKNOWN"
    RECORD_ALTERED = "RECORD_ALTERED"
    RECORD_TWICE = "RECORD_TWICE"
    RECORD_MISSING = "RECORD_MISSING"
    RECORD_UNNUMBERED = "RECORD_UNNUMBERED"
    RECORD_OUT_OF_ORDER = "RECORD_OUT_OF_ORDER"
    RECORD_UNPROVEN = "RECORD_UNPROVEN"
    RECORD_UNREADABLE = "RECORD_UNREADABLE"
    RECORD_UNKNOWN_TYPE = "RECORD_UNKNOWN_TYPE"
    PROOF_ALTERED = "PROOF_ALTERED"
    SOURCE_DIFFERS = "SOURCE_DIFFERS"
    SENDER_DIFFERS = "SENDER_DIFFERS"
    PLACE_DIFFERS = "PLACE_DIFFERS"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    CHECKPOINT_UNREADABLE = "CHECKPOINT_UNREADABLE"
    CHECKPOINT_MISSING = "CHECKPOINT_MISSING"
    CHECKPOINT_FORKED = "CHECKPOINT_FORKED"
    CHAIN_BROKEN = "CHAIN_BROKEN"
    TAIL_MISSING = "TAIL_MISSING"
    SERVICE_MISSING = "SERVICE_MISSING"
    EMPTY = "EMPTY"
    FILE_MISSING = "FILE_MISSING"
    FILE_ALTERED = "FILE_ALTERED"
    COUNT_DIFFERS = "COUNT_DIFFERS"


# Not against the log, but not enough to say that it agrees either.
_INCOMPLETE = frozenset(
    {
        Kind.PROVINCE_UNKNOWN,
        Kind.RECORD_MISSING,
        Kind.RECORD_UNPROVEN,
        Kind.RECORD_UNKNOWN_TYPE,
        Kind.CHECKPOINT_MISSING,
        Kind.TAIL_MISSING,
        Kind.SERVICE_MISSING,
        Kind.EMPTY,
        Kind.FILE_MISSING,
    }
)
# What explains everything after it comes first; what only says that a file is not as it was comes last.
_FIRST = frozenset({Kind.ROOT_DIFFERS, Kind.ENTRY_FORGED, Kind.ENTRY_UNREADABLE, Kind.PROVINCE_UNKNOWN})
_LAST = frozenset({Kind.FILE_MISSING, Kind.FILE_ALTERED, Kind.COUNT_DIFFERS})

_MOST_OF_A_KIND = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: what, in whose log, at which number, and what was expected instead."""

    kind: Kind
    service: str
    number: int
    field: str
    expected: str
    found: str

    @property
    def outcome(self) -> Outcome:
        """What this finding alone makes of the log."""
        return Outcome.NOT_COMPLETE if self.kind in _INCOMPLETE else Outcome.DISAGREES

    def __str__(self) -> str:
        place = f"{self.service} {self.number}" if self.number else self.service
        return f"{self.kind}: {place}: {self.field}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of an export; the first divergence comes first."""

    kind: Outcome
    findings: tuple[Finding, ...]
    province: str
    records: int
    checkpoints: int
    last: dict[str, int]
    counts: dict[str, int]

    @property
    def first(self) -> Finding | None:
        """The first divergence."""
        return self.findings[0] if self.findings else None

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values. `counts` has every finding, also those of which only the first hundred are listed."""
        return asdict(self)


class Verified(NamedTuple):
    """A record whose evidence holds, with the digest of the checkpoint that covers it."""

    service: str
    record: Record
    envelope: Envelope[Fact]
    checkpoint_digest: str


Observe = Callable[[Verified], None]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Batch:
    first: int
    last: int
    root: str
    digest: str
    signed: bool


class _Findings:
    """Findings as they come; of each kind the first hundred are kept, all are counted."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts: dict[str, int] = {}

    def add(self, kind: Kind, service: str, number: int = 0, field: str = "", expected: object = "", found: object = "") -> None:
        count = self.counts[kind.value] = self.counts.get(kind.value, 0) + 1
        if count <= _MOST_OF_A_KIND:
            self.kept.append(Finding(kind, service, number, field, str(expected), str(found)))

    def ordered(self) -> tuple[Finding, ...]:
        def rank(finding: Finding) -> tuple[int, str, int]:
            place = 0 if finding.kind in _FIRST else 3 if finding.kind in _LAST else 1 if finding.number else 2
            return place, finding.service, finding.number

        return tuple(sorted(self.kept, key=rank))

    def outcome(self) -> Outcome:
        kinds = {Kind(kind) for kind in self.counts}
        if kinds - _INCOMPLETE:
            return Outcome.DISAGREES
        return Outcome.NOT_COMPLETE if kinds else Outcome.AGREES


def verify(
    folder: Path,
    root_fingerprint: str,
    *,
    known: Iterable[SignedCheckpoint] = (),
    observe: Observe | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Verify an export.

    Args:
        folder: of the export.
        root_fingerprint: SHA-256 of the directory's root key, from outside.
        known: checkpoints that others hold of these services, e.g. those that partners have countersigned. They show a
            tail that was cut off, and a log that was written anew.
        observe: given every record whose evidence holds, service by service in the order of numbers.
        progress: told how many records are done.

    Raises:
        ArchiveRefused: when the folder is no export at all.
        ValueError: when one of `known` is no checkpoint.
    """
    archive = Archive.open(folder)
    findings = _Findings()
    _check_files(archive, findings)
    directory = _read_directory(archive, root_fingerprint, findings)
    present = {each.service for each in archive.manifest.services}
    for service in sorted(_expected_services(directory, archive.province) - present):
        findings.add(Kind.SERVICE_MISSING, f"{archive.province}/{service}", 0, "log", "its records and checkpoints", "none")
    outside = _known(known, directory, findings)
    records, checkpoints, last = 0, 0, {}
    for each in archive.manifest.services:
        log = _Log(archive, each.service, directory, findings, observe)
        log.read_checkpoints(outside.get(log.name, []))
        log.read_records(progress)
        records += log.records
        checkpoints += log.checkpoints
        last[log.name] = log.last
        if (each.records, each.checkpoints, each.last) != (log.records, log.checkpoints, log.last):
            said = f"{each.records} records to {each.last} under {each.checkpoints} checkpoints"
            there = f"{log.records} records to {log.last} under {log.checkpoints} checkpoints"
            findings.add(Kind.COUNT_DIFFERS, log.name, 0, "manifest.services", said, there)
    if records == 0:
        findings.add(Kind.EMPTY, archive.province, 0, "records", "at least one", "none")
    return Verdict(findings.outcome(), findings.ordered(), archive.province, records, checkpoints, last, findings.counts)


def _check_files(archive: Archive, findings: _Findings) -> None:
    for name in archive.files():
        path, said = archive.folder / name, archive.manifest.files.get(name, "no digest")
        if not path.is_file():
            findings.add(Kind.FILE_MISSING, archive.province, 0, name, said, "no file")
        elif (there := digest_of(path)) != said:
            findings.add(Kind.FILE_ALTERED, archive.province, 0, name, said, there)


def _read_directory(archive: Archive, root_fingerprint: str, findings: _Findings) -> Directory:
    directory = Directory(root_fingerprint)
    for line in archive.lines(DIRECTORY):
        try:
            signed = SignedEntry.model_validate_json(line)
            directory.learn(signed)
        except DirectoryRefused:
            there = fingerprint(signed.root)
            if there != root_fingerprint:
                findings.add(Kind.ROOT_DIFFERS, archive.province, 0, "directory.root", root_fingerprint, there)
            else:
                findings.add(Kind.ENTRY_FORGED, archive.province, 0, "directory.signature", "the root's", "another")
        except ValidationError:
            findings.add(Kind.ENTRY_UNREADABLE, archive.province, 0, "directory.entry", "a signed entry", "something else")
    if not directory.knows(archive.province):
        findings.add(Kind.PROVINCE_UNKNOWN, archive.province, 0, "directory", "an entry of the province", "none that holds")
    return directory


def _expected_services(directory: Directory, province: str) -> set[str]:
    entry = directory.entry(province)
    keys = entry.keys if entry is not None else ()
    return {key.owner[3:] for key in keys if key.use == "signing" and key.owner[:2] == province}


def _known(
    known: Iterable[SignedCheckpoint], directory: Directory, findings: _Findings
) -> dict[str, list[tuple[Checkpoint, str]]]:
    """Checkpoints from outside whose own signatures hold, by service."""
    found: dict[str, list[tuple[Checkpoint, str]]] = {}
    for signed in known:
        checkpoint = Checkpoint.model_validate_json(signed.checkpoint)
        public = directory.signing_key(checkpoint.key_id, checkpoint.service, checkpoint.signed_at)
        if public is None or not signature_holds(public, signed.checkpoint, signed.signature):
            findings.add(
                Kind.SIGNATURE_WRONG,
                checkpoint.service,
                checkpoint.last,
                "known checkpoint",
                "the service's signature",
                "another",
            )
        else:
            found.setdefault(checkpoint.service, []).append((checkpoint, signed.digest))
    return found


class _Log:
    """One service's log, read once from front to back."""

    def __init__(
        self, archive: Archive, service: str, directory: Directory, findings: _Findings, observe: Observe | None
    ) -> None:
        self.name = f"{archive.province}/{service}"
        self.batches: list[_Batch] = []
        self.records = 0
        self.checkpoints = 0
        self.last = 0
        self._archive = archive
        self._service = service
        self._source = f"/provinces/{self.name}"
        self._journal = topics.journal(archive.province)
        self._directory = directory
        self._findings = findings
        self._observe = observe

    def read_checkpoints(self, outside: Sequence[tuple[Checkpoint, str]]) -> None:
        """Read the chain of batch heads: signed by the service's key, one after the other, from number 1."""
        expected, previous = 1, NO_CHECKPOINT
        for line in self._archive.lines(checkpoints_file(self._service)):
            self.checkpoints += 1
            try:
                signed = SignedCheckpoint.model_validate_json(line)
                checkpoint = Checkpoint.model_validate_json(signed.checkpoint)
            except ValidationError:
                self._find(Kind.CHECKPOINT_UNREADABLE, expected, "checkpoint", "a signed checkpoint", "something else")
                continue
            holds = self._is_signed(checkpoint, signed)
            if checkpoint.first > expected:
                self._find(Kind.CHECKPOINT_MISSING, expected, "checkpoint", f"one from {expected}", f"from {checkpoint.first}")
            elif checkpoint.first < expected or checkpoint.last < checkpoint.first:
                span = f"{checkpoint.first} to {checkpoint.last}"
                self._find(Kind.CHECKPOINT_FORKED, checkpoint.first, "checkpoint", f"one from {expected}", span)
                continue
            elif checkpoint.previous != previous:
                self._find(Kind.CHAIN_BROKEN, checkpoint.first, "previous", previous, checkpoint.previous)
            self.batches.append(_Batch(checkpoint.first, checkpoint.last, checkpoint.root, signed.digest, holds))
            expected, previous = checkpoint.last + 1, signed.digest
        by_last = {batch.last: batch for batch in self.batches}
        for checkpoint, digest in outside:
            here = by_last.get(checkpoint.last)
            if here is not None and here.digest != digest:
                self._find(Kind.CHECKPOINT_FORKED, checkpoint.first, "digest", f"{digest} as others hold it", here.digest)
            elif here is None and checkpoint.last >= expected:
                self._find(Kind.TAIL_MISSING, expected, "log", f"records to {checkpoint.last}", f"records to {expected - 1}")
            elif here is None:
                held = f"{checkpoint.first} to {checkpoint.last} as others hold it"
                self._find(Kind.CHECKPOINT_FORKED, checkpoint.first, "checkpoint", held, "other batches")

    def read_records(self, progress: Progress | None) -> None:
        """Read the records, batch by batch: each number once, each at its place in a signed tree."""
        waiting: list[Record] = []
        batch: _Batch | None = None
        for line in self._archive.lines(records_file(self._service)):
            try:
                record = Record.read(line)
            except ValueError:
                self._find(Kind.RECORD_UNREADABLE, self.last + 1, "line", "a record", "something else")
                continue
            self.records += 1
            number = record.number
            if number < 1:
                self._find(Kind.RECORD_UNNUMBERED, 0, "number", "1 or more", number)
                continue
            if number > self.last + 1:
                self._missing(number - 1)
            elif number < self.last:
                self._find(Kind.RECORD_OUT_OF_ORDER, number, "number", f"above {self.last}", number)
            if waiting and not (batch is not None and batch.first <= number <= batch.last):
                self._close(batch, waiting, progress)
                waiting = []
            if not waiting:
                batch = self._batch_of(number)
            self.last = max(self.last, number)
            waiting.append(record)
        if waiting:
            self._close(batch, waiting, progress)
        if self.batches and self.batches[-1].last > self.last:
            self._missing(self.batches[-1].last)

    def _find(self, kind: Kind, number: int, field: str, expected: object, found: object) -> None:
        self._findings.add(kind, self.name, number, field, expected, found)

    def _is_signed(self, checkpoint: Checkpoint, signed: SignedCheckpoint) -> bool:
        if checkpoint.service != self.name:
            self._find(Kind.SOURCE_DIFFERS, checkpoint.first, "checkpoint.service", self.name, checkpoint.service)
            return False
        public = self._directory.signing_key(checkpoint.key_id, self.name, checkpoint.signed_at)
        if public is None:
            expected = f"a key of {self.name} at {checkpoint.signed_at.isoformat()}"
            self._find(Kind.KEY_UNKNOWN, checkpoint.first, "checkpoint.key_id", expected, checkpoint.key_id)
            return False
        if not signature_holds(public, signed.checkpoint, signed.signature):
            self._find(
                Kind.SIGNATURE_WRONG, checkpoint.first, "checkpoint.signature", f"that of key {checkpoint.key_id}", "another"
            )
            return False
        return True

    def _missing(self, through: int) -> None:
        first = self.last + 1
        span = f"record {first}" if first == through else f"records {first} to {through}"
        self._find(Kind.RECORD_MISSING, first, "number", span, "none")

    def _batch_of(self, number: int) -> _Batch | None:
        at = bisect_left(self.batches, number, key=lambda batch: batch.last)
        return self.batches[at] if at < len(self.batches) and self.batches[at].first <= number else None

    def _close(self, batch: _Batch | None, records: list[Record], progress: Progress | None) -> None:
        if progress is not None:
            progress(len(records))
        if batch is None:
            for record in records:
                self._find(Kind.RECORD_UNPROVEN, record.number, "checkpoint", "one that covers the number", "none")
            return
        proven = self._prove_together(batch, records)
        if proven is None:
            proven = self._prove_alone(batch, records)
        for record in proven:
            self._read(batch, record)

    def _prove_together(self, batch: _Batch, records: list[Record]) -> list[Record] | None:
        """The whole tree at once, which costs less than a path a record; None where it is not the tree that was signed."""
        if len(records) != batch.last - batch.first + 1 or any(
            record.number != number for number, record in enumerate(records, batch.first)
        ):
            return None
        root, paths = tree([leaf(record.value) for record in records])
        if root.hex() != batch.root:
            return None
        for record, path in zip(records, paths, strict=True):
            if record.proof != path:
                expected, found = base64.b64encode(path).decode(), base64.b64encode(record.proof).decode()
                self._find(Kind.PROOF_ALTERED, record.number, "proof", expected, found)
        return records

    def _prove_alone(self, batch: _Batch, records: list[Record]) -> list[Record]:
        """Each record by its own path: of several under one number the one that was signed is the true one."""
        by_number: dict[int, list[Record]] = {}
        for record in records:
            rivals = by_number.setdefault(record.number, [])
            if record not in rivals:
                rivals.append(record)
        proven = []
        size = batch.last - batch.first + 1
        for number, rivals in sorted(by_number.items()):
            roots = [root_of(leaf(each.value), number - batch.first, size, each.proof) for each in rivals]
            held = [each for each, root in zip(rivals, roots, strict=True) if root is not None and root.hex() == batch.root]
            true = held[0] if held else rivals[0]
            if held:
                proven.append(true)
            else:
                there = "a path that cannot belong here" if roots[0] is None else f"root {roots[0].hex()}"
                self._find(Kind.RECORD_ALTERED, number, "value", f"root {batch.root}", there)
            for other in rivals:
                if other is not true:
                    expected, found = hashlib.sha256(true.value).hexdigest(), hashlib.sha256(other.value).hexdigest()
                    self._find(
                        Kind.RECORD_TWICE, number, "value", f"one record, of digest {expected}", f"another, of digest {found}"
                    )
        return proven

    def _read(self, batch: _Batch, record: Record) -> None:
        """What a proven record says must fit where it stands."""
        try:
            envelope = decode(record.value)
        except Undecodable as error:
            unknown = error.reason.startswith("unknown")
            kind = Kind.RECORD_UNKNOWN_TYPE if unknown else Kind.RECORD_UNREADABLE
            self._find(kind, record.number, "value", "a message of a known contract", f"{error.reason}: {error.detail}")
            return
        if envelope.source != self._source:
            self._find(Kind.SOURCE_DIFFERS, record.number, "source", self._source, envelope.source)
            return
        fact = envelope.data
        if isinstance(fact, Document):
            if fact.sender != self._archive.province:
                self._find(Kind.SENDER_DIFFERS, record.number, "data.sender", self._archive.province, fact.sender)
                return
            topic, role = topics.exchange(fact.addressee), str(fact.to_role)
        else:
            topic, role = self._journal, None
        # Topic, key and role are not signed, but follow from what is.
        if record.topic != topic or record.key != envelope.subject or record.role != role:
            expected, found = f"{topic} {envelope.subject} {role}", f"{record.topic} {record.key} {record.role}"
            self._find(Kind.PLACE_DIFFERS, record.number, "topic, key, role", expected, found)
        if batch.signed and self._observe is not None:
            self._observe(Verified(self.name, record, envelope, batch.digest))
