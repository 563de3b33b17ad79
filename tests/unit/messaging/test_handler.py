"""Which records may go on when something of a batch is parked."""

from contracts.events import QuarantineReason
from services.messaging.handler import _split
from services.messaging.quarantine import Parked
from services.messaging.received import Received
from tests.exchange import KafkaRecord

CASES = {"a": b"case-a", "b": b"case-b"}


def at(case: str, offset: int, *, partition: int = 0, topic: str = "exchange.33") -> Received:
    return Received.of(KafkaRecord(topic, partition, offset, CASES[case]))


def poison(record: Received) -> Parked:
    return Parked(record, QuarantineReason.MALFORMED, "")


def offsets(records: list[Received]) -> list[int]:
    return [record.offset for record in records]


def test_other_cases_flow_past_a_parked_record() -> None:
    free, behind = _split([at("b", 2), at("b", 4)], [poison(at("a", 3))], set())

    assert (offsets(free), offsets(behind)) == ([2, 4], [])


def test_what_came_before_the_poison_goes_on_and_what_came_after_waits_behind_it() -> None:
    free, behind = _split([at("a", 2), at("a", 4), at("b", 5)], [poison(at("a", 3))], set())

    assert (offsets(free), offsets(behind)) == ([2, 5], [4])


def test_the_first_of_several_poisoned_records_counts_in_whatever_order_they_are_named() -> None:
    fresh = [at("a", 2), at("a", 4), at("a", 6)]

    for parked in ([poison(at("a", 3)), poison(at("a", 5))], [poison(at("a", 5)), poison(at("a", 3))]):
        free, behind = _split(fresh, parked, set())
        assert (offsets(free), offsets(behind)) == ([2], [4, 6])


def test_a_case_with_something_parked_from_before_waits_as_a_whole() -> None:
    free, behind = _split([at("a", 2), at("b", 3)], [], {"case-a"})

    assert (offsets(free), offsets(behind)) == ([3], [2])


def test_without_a_common_order_a_record_waits() -> None:
    elsewhere = [at("a", 2, partition=1), at("a", 2, topic="journal.33")]

    free, behind = _split(elsewhere, [poison(at("a", 3))], set())

    assert (free, behind) == ([], elsewhere)
