"""A record as it came: whatever it is, reading it never fails."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topics
from contracts.envelope import encode, envelope
from contracts.events import FundsReceived
from services.messaging.received import Received
from tests.builders import CASE, a
from tests.exchange import NOON, KafkaRecord

GOOD = encode(envelope(a(FundsReceived, amount_fen=7), source="33/destination-agency", subject=CASE, time=NOON, id="id-1"))


def test_a_good_record_is_decoded_once_it_is_read() -> None:
    record = Received.of(KafkaRecord(value=GOOD, offset=9))
    assert record.envelope is None

    record.read()

    assert (record.event_id, record.fact) == ("id-1", a(FundsReceived, amount_fen=7))
    assert (record.topic, record.partition, record.offset, record.key) == ("journal.33", 0, 9, CASE)
    assert record.digest == hashlib.sha256(GOOD).digest()


def test_poison_becomes_a_problem_and_no_exception() -> None:
    record = Received.of(KafkaRecord(value=b"{")).read()

    assert record.envelope is None
    assert record.problem == ("malformed", f"the record is not JSON; its key was '{CASE}'")


def test_what_cannot_be_decoded_is_filed_under_no_case() -> None:
    record = Received.of(KafkaRecord("exchange.44", 3, 17, b"x" * 100_000, b"{")).read()

    assert record.key == "unproven:exchange.44-3-17"
    assert record.problem == ("malformed", f"the record is not JSON; its key was '{'x' * 80}'")


def test_a_header_name_that_is_no_text_is_malformed_whatever_the_value_says() -> None:
    record = Received.of(
        KafkaRecord("exchange.44", 3, 17, value=GOOD, headers=(("\udcff\udcfe", b"1"), (topics.ROLE, b"x")))
    ).read()

    assert record.envelope is None
    assert record.problem == ("malformed", f"a header's name is not UTF-8; its key was '{CASE}'")
    assert record.headers == {"\\udcff\\udcfe": b"1", topics.ROLE: b"x"}
    assert (record.key, record.role) == ("unproven:exchange.44-3-17", "x")


def test_a_header_name_in_any_script_is_as_good_as_another() -> None:
    record = Received.of(KafkaRecord(value=GOOD, headers=(("省份", b"1"),))).read()

    assert (record.problem, record.headers) == (None, {"省份": b"1"})


def test_a_record_is_disowned_with_what_its_key_was() -> None:
    record = Received.of(KafkaRecord("exchange.44", 3, 17, b"a\nkey"))

    detail = record.disown("why" + "!" * 500)

    assert record.key == "unproven:exchange.44-3-17"
    assert detail.startswith("why!")
    assert detail.endswith(r"; its key was 'a\nkey'")
    assert len(detail) < 500  # what the quarantine keeps


def test_a_record_without_a_value_is_malformed() -> None:
    record = Received.of(KafkaRecord(value=None)).read()

    assert record.problem is not None
    assert record.problem[0] == "malformed"


def test_a_record_without_a_key_has_an_empty_one() -> None:
    assert Received.of(KafkaRecord(key=None)).key == ""


@pytest.mark.parametrize("key", [b"\xff\xfe", b"case\x00id"])
def test_a_key_that_the_database_could_not_keep_is_made_one_that_it_can(key: bytes) -> None:
    kept = Received.of(KafkaRecord(key=key)).key

    assert kept.encode()
    assert "\x00" not in kept


def test_headers_that_are_no_text_are_kept_as_they_are() -> None:
    record = Received.of(KafkaRecord(headers=(("odd", b"\xff"), ("null", None), (topics.ROLE, b"\xff"), (topics.NUMBER, None))))

    assert record.headers["odd"] == b"\xff"
    assert record.headers["null"] == b""
    assert record.role == "\ufffd"
    assert record.number == 0


@pytest.mark.parametrize(
    ("text", "number"), [(b"1", 1), (b"123456789012345678", 123456789012345678), (b"1" * 19, 0), (b"-1", 0), (b"1.0", 0)]
)
def test_a_number_is_one_that_the_database_can_keep(text: bytes, number: int) -> None:
    assert Received.of(KafkaRecord(headers=((topics.NUMBER, text),))).number == number


@given(
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary(max_size=40),
    headers=st.lists(
        st.tuples(
            st.sampled_from([topics.ROLE, topics.NUMBER, topics.TYPE, topics.PROOF, "x", "\udcff", "\ud800", "省"]),
            st.none() | st.binary(max_size=8),
        )
    ),
)
def test_no_record_at_all_makes_reading_fail(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    record = Received.of(KafkaRecord(key=key, value=value, headers=tuple(headers))).read()

    assert record.problem is not None
    assert isinstance(record.number, int)
    assert isinstance(record.role + record.type + record.proof_text, str)
    assert "".join(record.headers).encode() is not None  # nothing that UTF-8 has not
    assert record.key.startswith("unproven:")
