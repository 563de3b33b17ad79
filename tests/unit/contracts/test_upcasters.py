"""Older facts brought up to date: the machinery, shown with a type that has grown twice."""

from datetime import datetime
from typing import Any, ClassVar

import orjson
import pytest
from pydantic import Field

from contracts import envelope as envelopes
from contracts.base import Fact, Fen
from contracts.envelope import Undecodable, decode, encode, envelope
from contracts.registry import FACTS
from contracts.upcasters import UPCASTERS, bring_up_to_date

NOON = datetime.fromisoformat("2024-05-06T12:00:00+08:00")


class Paid(Fact):
    """In version 1 an amount in yuan as text; in 2 in fen; in 3 with its currency."""

    type_name: ClassVar[str] = "test.paid"
    version: ClassVar[int] = 3
    amount_fen: Fen
    currency: str = Field(min_length=3)


def _yuan_to_fen(data: dict[str, Any]) -> dict[str, Any]:
    yuan, _, fen = data["amount_yuan"].partition(".")
    return {"amount_fen": int(yuan) * 100 + int(fen or 0)}


def _add_currency(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "currency": "CNY"}


STEPS = {("test.paid", 1): _yuan_to_fen, ("test.paid", 2): _add_currency}


@pytest.fixture(autouse=True)
def _grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FACTS, "test.paid", Paid)
    monkeypatch.setattr(envelopes, "_ADAPTERS", {})
    for step, upcaster in STEPS.items():
        monkeypatch.setitem(UPCASTERS, step, upcaster)


def a_record(version: int, data: object) -> bytes:
    raw = orjson.loads(
        encode(envelope(Paid(amount_fen=1, currency="CNY"), source="33/bank", subject="x", time=NOON, id="paid-1"))
    )
    return orjson.dumps({**raw, "type": f"cn.jiexu.test.paid.v{version}", "data": data})


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, {"amount_yuan": "12.34"}),
        (2, {"amount_fen": 1234}),
        (3, {"amount_fen": 1234, "currency": "CNY"}),
    ],
)
def test_a_record_of_any_version_is_read_as_the_current_one(version: int, data: object) -> None:
    read = decode(a_record(version, data))

    assert read.data == Paid(amount_fen=1234, currency="CNY")
    assert read.type == "cn.jiexu.test.paid.v3"
    assert (read.id, read.time) == ("paid-1", NOON)


def test_a_version_of_tomorrow_is_refused_by_name() -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(a_record(4, {"amount_fen": 1, "currency": "CNY"}))

    assert refusal.value.reason == "unknown_version"


@pytest.mark.parametrize(
    "data",
    [{}, {"amount_yuan": 12}, {"amount_yuan": None}, {"amount_yuan": "twelve"}, [], None, "text", 7, {"amount_yuan": ["1", "2"]}],
)
def test_data_that_an_upcaster_cannot_read_is_poison_by_name(data: object) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(a_record(1, data))

    assert refusal.value.reason == "invalid"


def test_what_an_upcaster_makes_must_be_a_valid_fact_too() -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(a_record(1, {"amount_yuan": "-12"}))

    assert refusal.value.reason == "invalid"


def test_a_missing_step_is_poison_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(UPCASTERS, ("test.paid", 2))

    with pytest.raises(Undecodable) as refusal:
        decode(a_record(1, {"amount_yuan": "1"}))

    assert refusal.value.reason == "invalid"


def test_the_record_that_came_in_is_not_changed() -> None:
    raw = {"type": "cn.jiexu.test.paid.v1", "data": {"amount_yuan": "1"}}

    bring_up_to_date(raw, "test.paid", 1, 3, STEPS)

    assert raw == {"type": "cn.jiexu.test.paid.v1", "data": {"amount_yuan": "1"}}


def test_every_fact_that_has_grown_brings_all_its_upcasters() -> None:
    needed = {(name, version) for name, fact in FACTS.items() for version in range(1, fact.version)}

    assert needed <= set(UPCASTERS)
