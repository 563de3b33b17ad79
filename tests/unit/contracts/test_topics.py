"""Topics: names, keys and partitions, which must stay what they are."""

import pytest

from contracts import topics


def test_the_topics_of_an_exchange_are_two_a_province_and_two_for_all() -> None:
    names = [topic.name for topic in topics.topics(("33", "44"))]

    assert names == ["exchange.33", "journal.33", "exchange.44", "journal.44", "checkpoints", "directory"]


@pytest.mark.parametrize("topic", topics.topics(("33",)), ids=lambda topic: topic.name)
def test_a_topic_has_twelve_partitions_for_ever(topic: topics.Topic) -> None:
    assert topic.partitions == 12


@pytest.mark.parametrize("topic", topics.topics(("33",)), ids=lambda topic: topic.name)
def test_evidence_never_expires(topic: topics.Topic) -> None:
    assert topic.config["retention.ms"] == "-1"


def test_only_the_directory_forgets_what_was_replaced() -> None:
    policies = {topic.name: topic.config["cleanup.policy"] for topic in topics.topics(("33",))}

    assert policies == {"exchange.33": "delete", "journal.33": "delete", "checkpoints": "delete", "directory": "compact"}


def test_header_names_are_part_of_the_contract() -> None:
    names = (topics.ROLE, topics.SERVICE, topics.NUMBER, topics.PROOF, topics.CHECKPOINT, topics.TYPE)

    assert names == ("jx-role", "jx-service", "jx-number", "jx-proof", "jx-checkpoint", "ce_type")


def test_no_topic_is_keyed_by_who_a_person_is() -> None:
    assert {topic.key for topic in topics.topics(("33",))} == {
        "case id",
        "case id or account reference",
        "province/service",
        "province",
    }
