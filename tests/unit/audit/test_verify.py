"""What an auditor finds in one export: every way to alter a log has its name and its place."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import events
from contracts.directory import SignedCheckpoint, SignedEntry
from contracts.documents import CompletionDocument
from contracts.envelope import envelope
from services.audit.archive import Record, seal_again
from services.audit.verify import Kind, Outcome, Verdict, Verified, verify
from services.messaging.directory import sign_entry
from services.messaging.outbox import Outgoing, outgoing
from services.messaging.signing import Signer, fingerprint, public_hex
from tests.unit.audit.builders import CASE, LI, NOON, SEALED, World, a_transfer, edit

ORIGIN = "44/origin-agency"


@pytest.fixture
def world() -> World:
    return a_transfer()


@pytest.fixture
def export(world: World, tmp_path: Path) -> Path:
    return world.write(tmp_path)["44"]


def found(verdict: Verdict) -> list[tuple[Kind, str, int]]:
    return [(finding.kind, finding.service, finding.number) for finding in verdict.findings]


def edit_lines(folder: Path, name: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = (folder / name).read_bytes().splitlines(keepends=True)
    (folder / name).write_bytes(b"".join(change(lines)))
    seal_again(folder)


def test_an_untouched_export_agrees(world: World, export: Path) -> None:
    seen: list[Verified] = []

    verdict = verify(export, world.root_fingerprint, observe=seen.append)

    assert verdict.kind is Outcome.AGREES
    assert verdict.findings == ()
    assert verdict.records == len(world.logs[ORIGIN].records) == len(seen)
    assert [each.record.number for each in seen] == list(range(1, len(seen) + 1))
    assert verdict.last == {ORIGIN: len(seen), "44/destination-agency": 0}


def test_a_verdict_is_machine_readable(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: records[1:])

    answer = orjson.loads(orjson.dumps(verify(export, world.root_fingerprint).as_json()))

    assert answer["kind"] == "not_complete"
    assert answer["findings"][0]["kind"] == "RECORD_MISSING"
    assert answer["counts"] == {"RECORD_MISSING": 1}


@pytest.mark.parametrize("number", range(1, 15))
def test_an_altered_value_is_found_at_its_number_even_if_the_manifest_covers_it(world: World, export: Path, number: int) -> None:
    def alter(records: list[Record]) -> list[Record]:
        record = records[number - 1]
        records[number - 1] = record._replace(value=record.value.replace(b'"specversion"', b'"specversioN"'))
        return records

    edit(export, "origin-agency", alter)
    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.RECORD_ALTERED, ORIGIN, number)]
    assert verdict.findings[0].field == "value"


def test_an_altered_file_is_found_by_its_digest_after_what_was_altered_in_it(world: World, export: Path) -> None:
    file = export / "records-origin-agency.jsonl"
    file.write_bytes(file.read_bytes().replace(b"280000", b"280001", 1))

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.RECORD_ALTERED, ORIGIN, 3), (Kind.FILE_ALTERED, "44", 0)]
    assert verdict.findings[1].field == "records-origin-agency.jsonl"


def test_an_altered_number_leaves_a_gap_and_a_second_record_under_another(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: [each._replace(number=6) if each.number == 5 else each for each in records])

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.RECORD_MISSING, ORIGIN, 5), (Kind.RECORD_TWICE, ORIGIN, 6)]


def test_a_record_deleted_in_the_middle_leaves_the_log_not_complete_at_its_number(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: [record for record in records if record.number != 7])

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.RECORD_MISSING, ORIGIN, 7)]


def test_a_tail_cut_off_shows_against_the_checkpoints_of_the_export(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: records[:-3])

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.RECORD_MISSING, ORIGIN, 12)]
    assert verdict.findings[0].expected == "records 12 to 14"


def cut_last_batch(world: World, export: Path) -> int:
    last = orjson.loads(world.logs[ORIGIN].checkpoints[-2].checkpoint)["last"]
    edit(export, "origin-agency", lambda records: [record for record in records if record.number <= last])
    edit_lines(export, "checkpoints-origin-agency.jsonl", lambda lines: lines[:-1])
    return int(last)


def test_a_tail_cut_off_with_its_checkpoint_shows_only_against_a_checkpoint_that_others_hold(world: World, export: Path) -> None:
    last = cut_last_batch(world, export)

    alone = verify(export, world.root_fingerprint)
    against = verify(export, world.root_fingerprint, known=world.logs[ORIGIN].checkpoints)

    assert alone.kind is Outcome.AGREES
    assert against.kind is Outcome.NOT_COMPLETE
    assert found(against) == [(Kind.TAIL_MISSING, ORIGIN, last + 1)]


def test_a_log_written_anew_disagrees_with_the_checkpoints_that_others_hold(world: World, tmp_path: Path) -> None:
    held = list(world.logs[ORIGIN].checkpoints)
    log = world.logs[ORIGIN]
    rows = [Outgoing(str(each.number), each.topic, each.key, each.role, "", each.key, each.value) for each in log.records]
    log.records, log.checkpoints, log.waiting = [], [], rows[:4]
    log.publish()
    log.waiting = rows[4:]

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint, known=held)

    assert verdict.kind is Outcome.DISAGREES
    assert {kind for kind, _, _ in found(verdict)} == {Kind.CHECKPOINT_FORKED}


def test_a_known_checkpoint_that_the_service_did_not_sign_is_not_believed(world: World, export: Path) -> None:
    last = world.logs[ORIGIN].checkpoints[-1]
    forged = SignedCheckpoint(checkpoint=last.checkpoint.replace('"last":14', '"last":99'), signature=last.signature)

    verdict = verify(export, world.root_fingerprint, known=[forged])

    assert found(verdict) == [(Kind.SIGNATURE_WRONG, ORIGIN, 99)]


def test_two_records_that_changed_places_are_both_found(world: World, export: Path) -> None:
    def swap(records: list[Record]) -> list[Record]:
        records[1], records[3] = records[3]._replace(number=2), records[1]._replace(number=4)
        return records

    edit(export, "origin-agency", swap)
    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.RECORD_ALTERED, ORIGIN, 2), (Kind.RECORD_ALTERED, ORIGIN, 4)]


def test_lines_out_of_order_are_found(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: [*records[:1], records[2], records[1], *records[3:]])

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert (Kind.RECORD_OUT_OF_ORDER, ORIGIN, 2) in found(verdict)


def test_a_second_record_under_the_same_number_is_found_and_the_signed_one_is_believed(world: World, export: Path) -> None:
    seen: list[Verified] = []

    def double(records: list[Record]) -> list[Record]:
        false = records[3]._replace(value=records[3].value.replace(b"cn.jiexu", b"cn.jiexU"))
        return [*records[:3], false, *records[3:]]

    edit(export, "origin-agency", double)
    verdict = verify(export, world.root_fingerprint, observe=seen.append)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.RECORD_TWICE, ORIGIN, 4)]
    assert [each.record.value for each in seen] == [each.value for each in world.logs[ORIGIN].records]


def test_an_identical_repeat_is_harmless(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: [*records[:3], records[2], *records[3:]])

    assert verify(export, world.root_fingerprint).kind is Outcome.AGREES


def test_an_altered_proof_is_found_though_the_tree_is_whole(world: World, export: Path) -> None:
    edit(
        export,
        "origin-agency",
        lambda records: [each._replace(proof=each.proof[::-1]) if each.number == 5 else each for each in records],
    )

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.PROOF_ALTERED, ORIGIN, 5)]


@pytest.mark.parametrize("change", [{"topic": "journal.33"}, {"key": "another"}, {"role": "origin-agency"}])
def test_a_place_that_does_not_follow_from_the_signed_bytes_is_found(world: World, export: Path, change: dict[str, str]) -> None:
    edit(export, "origin-agency", lambda records: [records[0]._replace(**change), *records[1:]])  # type: ignore[arg-type]

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.PLACE_DIFFERS, ORIGIN, 1)]


def test_a_record_without_a_number_is_found(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: [records[0]._replace(number=0), *records])

    verdict = verify(export, world.root_fingerprint)

    assert (Kind.RECORD_UNNUMBERED, ORIGIN, 0) in found(verdict)


def test_a_record_beyond_every_checkpoint_is_not_proven(world: World, export: Path) -> None:
    edit(export, "origin-agency", lambda records: [*records, records[-1]._replace(number=15)])

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.RECORD_UNPROVEN, ORIGIN, 15)]


def test_a_log_signed_with_a_key_that_the_directory_does_not_know_is_found(tmp_path: Path) -> None:
    world = World()
    world.logs[ORIGIN].signer = Signer(ORIGIN, Ed25519PrivateKey.generate())
    export = a_transfer(world).write(tmp_path)["44"]
    seen: list[Verified] = []

    verdict = verify(export, world.root_fingerprint, observe=seen.append)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.KEY_UNKNOWN, ORIGIN, 1), (Kind.KEY_UNKNOWN, ORIGIN, 13)]
    assert seen == []


def test_a_log_signed_with_another_services_key_is_found(tmp_path: Path) -> None:
    world = World()
    world.logs[ORIGIN].signer = Signer(ORIGIN, world.logs["33/origin-agency"].signer.key)

    verdict = verify(a_transfer(world).write(tmp_path)["44"], world.root_fingerprint)

    assert found(verdict)[0] == (Kind.KEY_UNKNOWN, ORIGIN, 1)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_checkpoint_signed_outside_the_time_of_its_key_is_found(tmp_path: Path, days: int) -> None:
    world = World()
    if days < 0:
        world.keys_valid_to = NOON + timedelta(days=days)
    else:
        world.keys_valid_from = NOON + timedelta(days=days)

    verdict = verify(a_transfer(world).write(tmp_path)["44"], world.root_fingerprint)

    assert found(verdict)[0] == (Kind.KEY_UNKNOWN, ORIGIN, 1)


def test_an_altered_checkpoint_is_found(world: World, export: Path) -> None:
    edit_lines(
        export,
        "checkpoints-origin-agency.jsonl",
        lambda lines: [lines[0].replace(b'\\"signed_at\\":\\"2024', b'\\"signed_at\\":\\"2025'), *lines[1:]],
    )

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.SIGNATURE_WRONG, ORIGIN, 1), (Kind.CHAIN_BROKEN, ORIGIN, 13)]


def test_a_checkpoint_whose_time_has_no_offset_is_not_read(world: World, export: Path) -> None:
    edit_lines(
        export,
        "checkpoints-origin-agency.jsonl",
        lambda lines: [lines[0].replace(b"12:00:00Z", b"12:00:00"), *lines[1:]],
    )

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict)[0] == (Kind.CHECKPOINT_UNREADABLE, ORIGIN, 1)


def test_a_missing_checkpoint_leaves_its_records_unproven(world: World, export: Path) -> None:
    edit_lines(export, "checkpoints-origin-agency.jsonl", lambda lines: lines[1:])

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict)[0] == (Kind.CHECKPOINT_MISSING, ORIGIN, 1)
    assert verdict.counts[Kind.RECORD_UNPROVEN] == 12


def test_two_checkpoints_over_the_same_numbers_are_a_fork(world: World, export: Path) -> None:
    log = world.logs[ORIGIN]
    other, _ = log.signer.sign_batch([b"{}"], first=13, previous=log.checkpoints[0].digest, now=NOON)

    edit_lines(export, "checkpoints-origin-agency.jsonl", lambda lines: [*lines, other.model_dump_json().encode() + b"\n"])
    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.CHECKPOINT_FORKED, ORIGIN, 13)]


def test_a_directory_forged_under_the_right_roots_name_is_found(world: World, export: Path) -> None:
    stranger = Ed25519PrivateKey.generate()
    world.logs[ORIGIN].signer = Signer(ORIGIN, stranger)
    own = sign_entry(world.entry("44"), stranger)
    forged = SignedEntry(entry=own.entry, root=public_hex(world.root), signature=own.signature)

    edit_lines(export, "directory.jsonl", lambda lines: [lines[0], forged.model_dump_json().encode() + b"\n"])
    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict)[0] == (Kind.ENTRY_FORGED, "44", 0)


def test_a_directory_of_another_root_is_found_first(world: World, export: Path) -> None:
    stranger = public_hex(Ed25519PrivateKey.generate())

    verdict = verify(export, fingerprint(stranger))

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict)[0] == (Kind.ROOT_DIFFERS, "44", 0)
    assert verdict.findings[0].found == world.root_fingerprint


def test_an_export_without_its_own_entry_cannot_be_told(world: World, export: Path) -> None:
    edit_lines(export, "directory.jsonl", lambda lines: lines[:1])

    verdict = verify(export, world.root_fingerprint)

    assert found(verdict)[0] == (Kind.PROVINCE_UNKNOWN, "44", 0)
    assert verdict.kind is not Outcome.AGREES


def test_an_empty_export_is_never_green(tmp_path: Path) -> None:
    world = World()

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.EMPTY, "44", 0)]


def test_an_export_that_misses_a_service_of_the_directory_is_not_complete(world: World, export: Path) -> None:
    manifest = orjson.loads((export / "manifest.json").read_bytes())
    manifest["services"] = [each for each in manifest["services"] if each["service"] != "destination-agency"]
    for name in ("records", "checkpoints"):
        (export / f"{name}-destination-agency.jsonl").unlink()
        del manifest["files"][f"{name}-destination-agency.jsonl"]
    (export / "manifest.json").write_bytes(orjson.dumps(manifest))

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.SERVICE_MISSING, "44/destination-agency", 0)]


def test_an_export_that_misses_a_file_is_not_complete(world: World, export: Path) -> None:
    (export / "records-destination-agency.jsonl").unlink()

    verdict = verify(export, world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.FILE_MISSING, "44", 0)]


def test_counts_that_are_not_those_of_the_files_are_found(world: World, export: Path) -> None:
    manifest = orjson.loads((export / "manifest.json").read_bytes())
    manifest["services"][1]["records"] += 1
    (export / "manifest.json").write_bytes(orjson.dumps(manifest))

    verdict = verify(export, world.root_fingerprint)

    assert found(verdict) == [(Kind.COUNT_DIFFERS, ORIGIN, 0)]


def an_outgoing(value: bytes, topic: str = "journal.44") -> Outgoing:
    return Outgoing("x", topic, CASE, None, "", CASE, value)


def test_a_record_of_another_service_in_a_signed_log_is_found(world: World, tmp_path: Path) -> None:
    settled = events.TransferSettled(case_id=CASE, person_ref=LI, destination="33")
    world.logs[ORIGIN].waiting.append(outgoing(envelope(settled, source="44/notification", subject=CASE, time=NOON)))

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.SOURCE_DIFFERS, ORIGIN, 15)]


def test_a_document_in_another_provinces_name_is_found(world: World, tmp_path: Path) -> None:
    document = CompletionDocument(case_id=CASE, sender="41", addressee="33", sealed=SEALED)
    world.logs[ORIGIN].waiting.append(outgoing(envelope(document, source=ORIGIN, subject=CASE, time=NOON)))

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.SENDER_DIFFERS, ORIGIN, 15)]


def test_signed_bytes_that_are_no_message_disagree(world: World, tmp_path: Path) -> None:
    world.logs[ORIGIN].waiting.append(an_outgoing(b"\xff not json"))

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert verdict.kind is Outcome.DISAGREES
    assert found(verdict) == [(Kind.RECORD_UNREADABLE, ORIGIN, 15)]


def test_a_signed_message_whose_time_has_no_offset_disagrees(world: World, tmp_path: Path) -> None:
    value = world.logs[ORIGIN].records[0].value.replace(b"+00:00", b"")
    world.logs[ORIGIN].waiting.append(an_outgoing(value))

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert found(verdict) == [(Kind.RECORD_UNREADABLE, ORIGIN, 15)]
    assert "time" in verdict.findings[0].found


def test_a_signed_message_of_a_contract_that_is_newer_than_the_auditor_cannot_be_told(world: World, tmp_path: Path) -> None:
    world.logs[ORIGIN].waiting.append(an_outgoing(b'{"type":"cn.jiexu.transfer.completed.v9"}'))

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert verdict.kind is Outcome.NOT_COMPLETE
    assert found(verdict) == [(Kind.RECORD_UNKNOWN_TYPE, ORIGIN, 15)]


def test_of_very_many_findings_the_first_hundred_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    world = World()
    world.logs[ORIGIN].waiting = [an_outgoing(b"[]") for _ in range(250)]

    verdict = verify(world.write(tmp_path)["44"], world.root_fingerprint)

    assert len(verdict.findings) == 100
    assert verdict.counts == {Kind.RECORD_UNREADABLE: 250}
