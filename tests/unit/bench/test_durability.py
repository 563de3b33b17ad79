"""When no figures are given at all."""

from dataclasses import replace

import pytest

from tests.bench.durability import Durability

SAFE = Durability(
    postgres={"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "version": "15.18"},
    kafka={"retention.ms": "-1"},
    producer={"acks": "all", "idempotent": "on"},
)


def test_servers_that_write_before_they_answer_are_not_refused() -> None:
    assert SAFE.refusals == []


@pytest.mark.parametrize(
    ("durability", "said"),
    [
        (replace(SAFE, postgres={**SAFE.postgres, "fsync": "off"}), "PostgreSQL: fsync is off"),
        (replace(SAFE, postgres={**SAFE.postgres, "synchronous_commit": "local"}), "PostgreSQL: synchronous_commit is local"),
        (replace(SAFE, postgres={**SAFE.postgres, "full_page_writes": "off"}), "PostgreSQL: full_page_writes is off"),
        (replace(SAFE, producer={**SAFE.producer, "acks": "1"}), "the relay's producer: acks is 1"),
        (replace(SAFE, producer={**SAFE.producer, "idempotent": "off"}), "the relay's producer: idempotence is off"),
        (replace(SAFE, kafka={"retention.ms": "1000"}), "Kafka: journal.44 forgets after 1000 ms"),
    ],
    ids=["fsync", "synchronous-commit", "full-page-writes", "acks", "idempotence", "retention"],
)
def test_a_setting_that_is_off_is_refused_by_name(durability: Durability, said: str) -> None:
    assert durability.refusals == [said]
