"""Every fact by its type name: one place that says which messages exist."""

from contracts import documents, events
from contracts.base import Fact


def _facts() -> dict[str, type[Fact]]:
    found: dict[str, type[Fact]] = {}
    for module in (events, documents):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Fact) and "type_name" in vars(value):
                assert value.type_name not in found or found[value.type_name] is value, value.type_name
                found[value.type_name] = value
    return found


FACTS: dict[str, type[Fact]] = _facts()
DOCUMENTS: frozenset[str] = frozenset(name for name, fact in FACTS.items() if issubclass(fact, documents.Document))
EVENTS: frozenset[str] = frozenset(FACTS) - DOCUMENTS
