"""One place says which messages exist."""

from contracts import documents, events
from contracts.base import Fact
from contracts.documents import Document
from contracts.registry import DOCUMENTS, EVENTS, FACTS


def _defined(module: object) -> set[type[Fact]]:
    return {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Fact) and "type_name" in vars(value)
    }


def test_every_fact_that_is_defined_is_known_by_its_name() -> None:
    assert set(FACTS.values()) == _defined(events) | _defined(documents)
    assert all(FACTS[fact.type_name] is fact for fact in FACTS.values())


def test_a_message_is_either_a_document_or_an_event() -> None:
    assert set(FACTS) == DOCUMENTS | EVENTS
    assert not DOCUMENTS & EVENTS
    assert all(issubclass(FACTS[name], Document) for name in DOCUMENTS)
    assert not any(issubclass(FACTS[name], Document) for name in EVENTS)


def test_the_main_road_of_a_transfer_is_there() -> None:
    assert {
        "transfer.applied",
        "transfer.accepted",
        "contact_letter.sent",
        "information_form.issued",
        "funds.remitted",
        "funds.received",
        "transfer.completed",
        "account.balance_stated",
    } <= EVENTS
