"""Names, keys and partitions of the topics. Twelve partitions each, for ever: a key must stay where it is."""

from dataclasses import dataclass

PARTITIONS = 12

# Kafka's limit counts a record with its key, headers and frame; a value has to leave room for them.
MAX_RECORD_BYTES = 1_048_576
MAX_VALUE_BYTES = 1_000_000

CHECKPOINTS = "checkpoints"
DIRECTORY = "directory"

# Header names. A role lets the services on one exchange skip what is not theirs without decoding it.
ROLE = "jx-role"
SERVICE = "jx-service"
NUMBER = "jx-number"
PROOF = "jx-proof"
CHECKPOINT = "jx-checkpoint"
TYPE = "ce_type"

ROLES = ("origin-agency", "destination-agency")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: what it carries, what its records are keyed by, and how long it keeps them."""

    name: str
    summary: str
    key: str
    partitions: int = PARTITIONS
    compacted: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Kafka's own settings of the topic."""
        policy = "compact" if self.compacted else "delete"
        return {"cleanup.policy": policy, "retention.ms": "-1", "max.message.bytes": str(MAX_RECORD_BYTES)}


def exchange(province: str) -> str:
    """Documents addressed to a province, signed by the sender and sealed to the receiver."""
    return f"exchange.{province}"


def journal(province: str) -> str:
    """What a province says happened."""
    return f"journal.{province}"


def topics(provinces: tuple[str, ...]) -> tuple[Topic, ...]:
    """Every topic of an exchange among these provinces."""
    own = [
        topic
        for province in provinces
        for topic in (
            Topic(exchange(province), f"Documents addressed to province {province}", "case id"),
            Topic(journal(province), f"What province {province} says happened", "case id or account reference"),
        )
    ]
    return (
        *own,
        Topic(CHECKPOINTS, "Signed batch heads of every service", "province/service"),
        Topic(DIRECTORY, "Agencies, payee accounts and public keys, signed by the root", "province", compacted=True),
    )
