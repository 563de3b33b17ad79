"""The AsyncAPI document: every message, on its channel, with who says and hears it."""

import re
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from contracts import topics
from contracts.asyncapi_document import SAYS, document
from contracts.documents import Document
from contracts.registry import DOCUMENTS, EVENTS, FACTS

DOCUMENT = document()


def walk(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [node, *(found for child in node.values() for found in walk(child))]
    if isinstance(node, list):
        return [found for child in node for found in walk(child)]
    return []


def test_it_is_valid_asyncapi() -> None:
    assert ApplicationSchema.model_validate(DOCUMENT).asyncapi == "3.0.0"


def test_every_reference_points_at_something() -> None:
    references = [node["$ref"] for node in walk(DOCUMENT) if "$ref" in node]

    for reference in references:
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert len(references) > 100


def test_the_channels_are_the_topics_with_their_partitions_and_policies() -> None:
    for topic, channel in zip(topics.topics(("{province}",)), DOCUMENT["channels"].values(), strict=True):
        kafka = channel["bindings"]["kafka"]
        assert channel["address"] == kafka["topic"] == topic.name
        assert kafka["partitions"] == topics.PARTITIONS
        assert kafka["topicConfiguration"]["cleanup.policy"] == ["compact" if topic.compacted else "delete"]


def test_documents_cross_on_an_exchange_and_events_stay_on_a_journal() -> None:
    channels = {name: set(channel["messages"]) for name, channel in DOCUMENT["channels"].items()}

    assert channels["exchange"] == {f"{name}.v1" for name in DOCUMENTS}
    assert channels["journal"] == {f"{name}.v{FACTS[name].version}" for name in EVENTS}


@pytest.mark.parametrize("name", sorted(FACTS))
def test_every_message_carries_its_evidence_in_headers(name: str) -> None:
    message = DOCUMENT["components"]["messages"][f"{name}.v1"]
    trait = DOCUMENT["components"]["messageTraits"]["evidence"]["headers"]

    assert message["traits"] == [{"$ref": "#/components/messageTraits/evidence"}]
    assert set(trait["required"]) == {topics.SERVICE, topics.NUMBER, topics.PROOF, topics.CHECKPOINT, topics.TYPE}
    if name in DOCUMENTS:
        assert message["headers"]["required"] == [topics.ROLE]


def said_by(action: str, channel: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, operation in DOCUMENT["operations"].items():
        if operation["action"] == action and operation["channel"]["$ref"] == f"#/channels/{channel}":
            found.setdefault(name.partition(".")[0], set()).update(
                re.sub(r"\.v\d+$", "", each["$ref"].rpartition("/")[2]) for each in operation["messages"]
            )
    return found


def test_every_event_is_said_by_some_service() -> None:
    assert set().union(*said_by("send", "journal").values()) == EVENTS


def test_every_document_is_heard_by_its_role_and_sent_by_the_other() -> None:
    heard, sent = said_by("receive", "exchange"), said_by("send", "exchange")

    for name in DOCUMENTS:
        kind = FACTS[name]
        assert issubclass(kind, Document)
        assert name in heard[kind.to_role]
        assert name not in sent[kind.to_role]
        assert any(name in documents for documents in sent.values())


def test_every_service_with_a_log_signs_checkpoints() -> None:
    assert set(said_by("send", "checkpoints")) == set(SAYS)


def test_auditors_only_read() -> None:
    assert all("audit" not in said_by("send", channel) for channel in DOCUMENT["channels"])
    assert said_by("receive", "journal")["audit"] == EVENTS
