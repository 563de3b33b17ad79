"""Samples are real records: the first of each type, byte for byte, and never edited."""

from datetime import datetime
from pathlib import Path

from contracts.base import Fact
from contracts.envelope import encode, envelope
from contracts.events import FundsReceived, FundsRemitted
from services.cli.samples import keep_samples
from tests.builders import CASE, a

NOON = datetime.fromisoformat("2024-05-06T12:00:00+08:00")


def a_record(fact: type[Fact]) -> bytes:
    return encode(envelope(a(fact), source="33/destination-agency", subject=CASE, time=NOON))


def test_the_first_record_of_each_type_is_kept_byte_for_byte(tmp_path: Path) -> None:
    first, second, other = a_record(FundsReceived), a_record(FundsReceived), a_record(FundsRemitted)

    written = keep_samples([first, second, other], tmp_path / "samples")

    assert written == ["funds.received.v1.json", "funds.remitted.v1.json"]
    assert (tmp_path / "samples" / "funds.received.v1.json").read_bytes() == first


def test_a_sample_that_is_there_is_never_edited(tmp_path: Path) -> None:
    first, later = a_record(FundsReceived), a_record(FundsReceived)
    keep_samples([first], tmp_path)

    written = keep_samples([later], tmp_path)

    assert written == []
    assert (tmp_path / "funds.received.v1.json").read_bytes() == first


def test_poison_makes_no_sample(tmp_path: Path) -> None:
    assert keep_samples([b"", b"{", b'{"type": "cn.jiexu.../../../evil.v1"}'], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
