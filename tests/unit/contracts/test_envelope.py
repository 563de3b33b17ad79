"""The envelope: CloudEvents that others can read, exact bytes, and poison refused by name."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Fact
from contracts.envelope import Undecodable, decode, encode, envelope, new_id, type_of
from contracts.events import Applied, BalanceStated, ContributionRecorded, FundsReceived
from contracts.registry import FACTS
from tests.builders import CASE, PERSON, a

SHANGHAI = timezone(timedelta(hours=8))
NOON = datetime(2024, 5, 6, 12, tzinfo=SHANGHAI)


def record(**changes: object) -> bytes:
    """A good record with some attributes changed; None takes one out."""
    raw = orjson.loads(encode(envelope(a(FundsReceived), source="33/destination-agency", subject=CASE, time=NOON)))
    raw.update(changes)
    return orjson.dumps({name: value for name, value in raw.items() if value is not None})


@pytest.mark.parametrize("fact", FACTS.values(), ids=list(FACTS))
def test_every_fact_comes_back_from_its_bytes_as_it_was_said(fact: type[Fact]) -> None:
    said = envelope(a(fact), source="33/destination-agency", subject=CASE, time=NOON, causation=new_id())

    read = decode(encode(said))

    assert read.data == said.data
    assert type(read.data) is fact
    assert (read.id, read.source, read.type, read.subject, read.time, read.causationid) == (
        said.id,
        said.source,
        said.type,
        said.subject,
        said.time,
        said.causationid,
    )


def test_an_envelope_says_its_province_and_service() -> None:
    said = envelope(a(FundsReceived), source="33/destination-agency", subject=CASE, time=NOON)

    assert (said.province, said.service) == ("33", "33/destination-agency")


def test_the_same_message_always_has_the_same_bytes() -> None:
    said = envelope(a(FundsReceived), source="33/destination-agency", subject=CASE, time=NOON)

    assert encode(said) == encode(said)
    assert encode(decode(encode(said))) == encode(said)


def test_a_fact_that_carries_nothing_optional_is_written_with_its_defaults() -> None:
    said = envelope(a(FundsReceived), source="33/destination-agency", subject=CASE, time=NOON)

    assert orjson.loads(encode(said))["data"]["duplicate"] is False


def test_another_cloudevents_library_reads_our_records() -> None:
    said = envelope(
        a(FundsReceived, amount_fen=1234), source="33/destination-agency", subject=CASE, time=NOON, causation="cause-1"
    )

    read = from_structured_event(
        KafkaMessage(headers={"content-type": b"application/cloudevents+json"}, key=None, value=encode(said)), JSONFormat()
    )

    assert read.get_id() == said.id
    assert read.get_source() == "/provinces/33/destination-agency"
    assert read.get_type() == "cn.jiexu.funds.received.v1"
    assert read.get_subject() == CASE
    assert read.get_time() == NOON
    assert read.get_datacontenttype() == "application/json"
    assert read.get_dataschema() == "urn:jiexu:schema:funds.received.v1"
    assert read.get_extension("causationid") == "cause-1"
    data = read.get_data()
    assert isinstance(data, dict)
    assert data["amount_fen"] == 1234


def test_we_read_what_another_cloudevents_library_writes() -> None:
    fact = a(FundsReceived, amount_fen=77)
    event = CloudEvent(
        attributes={
            "id": "from-elsewhere",
            "source": "/provinces/44/origin-agency",
            "type": type_of(FundsReceived),
            "specversion": "1.0",
            "subject": CASE,
            "time": datetime(2024, 5, 6, 4, tzinfo=UTC),
            "datacontenttype": "application/json",
        },
        data=json.loads(fact.model_dump_json()),
    )

    read = decode(JSONFormat().write(event))

    assert read.data == fact
    assert read.time == NOON


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (b"null", "malformed"),
        (b'"text"', "malformed"),
        (b"[" * 3000, "malformed"),
        (record(type=None), "malformed"),
        (record(type=7), "malformed"),
        (record(type="cn.jiexu.transfer.vanished.v1"), "unknown_type"),
        (record(type=""), "unknown_type"),
        (record(type="cn.jiexu.funds.received"), "unknown_type"),
        (record(type="cn.jiexu.funds.received.v2"), "unknown_version"),
        (record(type="cn.jiexu.funds.received.v0"), "unknown_version"),
        (record(type="cn.jiexu.funds.received.v01"), "unknown_version"),
        (record(type="cn.jiexu.funds.received.v-1"), "unknown_version"),
        (record(type="cn.jiexu.funds.received.v²"), "unknown_version"),
        (record(type="cn.jiexu.funds.received.v١"), "unknown_version"),
        (record(type="cn.jiexu.funds.received.v" + "9" * 5000), "unknown_version"),
        (record(type="funds.received.v1"), "invalid"),
        (record(specversion="0.3"), "invalid"),
        (record(id=""), "invalid"),
        (record(id="with\x00nul"), "invalid"),
        (record(id=None), "invalid"),
        (record(source="33/destination-agency"), "invalid"),
        (record(source="/provinces/33/destination-agency\n"), "invalid"),
        (record(time="2024-05-06T12:00:00"), "invalid"),
        (record(time="at noon"), "invalid"),
        (record(data=None), "invalid"),
        (record(data=[]), "invalid"),
        (record(data={}), "invalid"),
    ],
)
def test_poison_is_refused_by_name(value: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(value)

    assert refusal.value.reason == reason


def test_a_field_that_we_do_not_know_is_passed_over_so_that_a_contract_may_grow() -> None:
    raw = orjson.loads(record())
    raw["newextension"] = "x"
    raw["data"]["a_new_field"] = {"of": "tomorrow"}

    read = decode(orjson.dumps(raw))

    assert read.data == a(FundsReceived)


@pytest.mark.parametrize("amount", [1.0, 1.5, "1", True, None, -1, 10**13 + 1, 10**30])
def test_money_that_is_not_whole_fen_within_bounds_is_refused(amount: object) -> None:
    raw = orjson.loads(record())
    raw["data"]["amount_fen"] = amount
    value = json.dumps(raw).encode()

    with pytest.raises(Undecodable) as refusal:
        decode(value)

    assert refusal.value.reason == "invalid"
    assert "amount_fen" in refusal.value.detail


def test_a_refusal_says_where_and_never_what_for_the_value_may_be_a_persons() -> None:
    applied = orjson.loads(encode(envelope(a(Applied), source="33/destination-agency", subject=CASE, time=NOON)))
    applied["data"]["applied_on"] = "Li Lei 440101199003151234"
    contribution = envelope(a(ContributionRecorded), source="33/origin-agency", subject=PERSON, time=NOON)
    recorded = orjson.loads(encode(contribution))
    recorded["data"]["year"] = "Li Lei 440101199003151234"

    for raw in (applied, recorded):
        with pytest.raises(Undecodable) as refusal:
            decode(orjson.dumps(raw))

        assert "Li Lei" not in str(refusal.value)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(value: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from(["specversion", "id", "source", "type", "subject", "time", "dataschema", "causationid", "data"]),
    value=_JSON,
)
def test_no_attribute_can_make_the_decoder_fail_otherwise(name: str, value: object) -> None:
    raw = orjson.loads(record())
    raw[name] = value

    with suppress(Undecodable):
        decode(json.dumps(raw).encode())


@given(balance_fen=st.integers(-(10**13), 10**13), sequence=st.integers(0, 2**62), second=st.integers(0, 86_399))
def test_numbers_and_times_survive_the_journey_exactly(balance_fen: int, sequence: int, second: int) -> None:
    fact = a(BalanceStated, balance_fen=balance_fen, sequence=sequence)
    said = envelope(fact, source="33/origin-agency", subject=PERSON, time=NOON + timedelta(seconds=second, microseconds=second))

    read = decode(encode(said))

    assert read.data == fact
    assert read.time == said.time


def test_ids_grow_with_time() -> None:
    first, second = new_id(), new_id()

    assert first < second
    assert first[14] == "7"


def test_a_time_without_an_offset_cannot_be_said() -> None:
    with pytest.raises(AssertionError):
        envelope(
            a(FundsReceived),
            source="33/destination-agency",
            subject=CASE,
            time=datetime.combine(date(2024, 5, 6), datetime.min.time()),
        )
