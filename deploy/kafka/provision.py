"""Brings a Kafka cluster to the state that is asked for: SCRAM users, topics and ACLs, each as a set.

Running it again changes nothing. What a principal was allowed before and is no longer, is withdrawn.
"""

# The client library says it is typed, but re-exports its administrative names in a way that a strict checker refuses.
# mypy: disable-error-code="attr-defined"

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

AGENCIES = ("origin-agency", "destination-agency", "certification")
"""The services of a province that exchange documents with other provinces."""

SERVICES = (*AGENCIES, "notification", "portal")
"""The services of a province that have a principal of their own."""

MINISTRY = "00"
"""The code under which the ministry's auditor and the registrar of the directory stand."""

_TIMEOUT = 30.0
# The least that Kafka accepts. More would slow every connection down and protect only passwords that can be guessed.
_ITERATIONS = 4096


class ProvisionError(RuntimeError):
    """The cluster holds something that may not be changed into what is asked for."""


@dataclass(frozen=True)
class Principal:
    """Who signs in to Kafka with SCRAM-SHA-512, and with which password."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be. The number of partitions can never change, because it decides which key lies where."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def principal_name(province: str, service: str) -> str:
    """The Kafka principal of a province's service, such as `44.origin-agency`."""
    return f"{province}.{service}"


def acls_for(province: str, service: str) -> frozenset[AclBinding]:
    """What the principal of a service may do. Everything else is refused.

    Provinces are two-digit codes; `00` stands for the ministry, whose services are `audit` and `registrar`.
    Raises `ValueError` for a service that no such province has.
    """
    user = principal_name(province, service)
    if (province, service) == (MINISTRY, "audit"):
        return frozenset(
            {
                *(_topic(user, AclOperation.READ, prefix, prefixed=True) for prefix in ("journal.", "exchange.")),
                *(_topic(user, AclOperation.READ, name) for name in ("checkpoints", "directory")),
                _topic(user, AclOperation.WRITE, "checkpoints"),
                _groups(user, province),
            }
        )
    if (province, service) == (MINISTRY, "registrar"):
        return frozenset({_topic(user, AclOperation.WRITE, "directory")})
    if province == MINISTRY or service not in SERVICES:
        raise ValueError(f"province {province} has no service {service} with a Kafka principal")
    # Every service that has a journal signs what it writes there, so it tells its checkpoints and verifies others'.
    allowed = {
        _topic(user, AclOperation.READ, f"journal.{province}"),
        _topic(user, AclOperation.WRITE, f"journal.{province}"),
        _topic(user, AclOperation.READ, "checkpoints"),
        _topic(user, AclOperation.WRITE, "checkpoints"),
        _topic(user, AclOperation.READ, "directory"),
        _groups(user, province),
    }
    if service in AGENCIES:
        allowed |= {
            _topic(user, AclOperation.WRITE, "exchange.", prefixed=True),
            _topic(user, AclOperation.READ, f"exchange.{province}"),
        }
    return frozenset(allowed)


def admin_client(bootstrap: str, username: str, password: str) -> AdminClient:
    """A client that signs in with SCRAM-SHA-512 and tells nothing on stderr: its errors arrive as `KafkaException`."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": username,
            "sasl.password": password,
            "log_level": 0,
        },
        error_cb=lambda _: None,
    )


def provision(
    admin: AdminClient,
    *,
    principals: Sequence[Principal],
    topics: Sequence[TopicSpec],
    acls: Iterable[AclBinding],
    replication_factor: int = -1,
) -> None:
    """Bring users, topics and ACLs to what is given, and return when the broker that answers us knows all of it.

    Users and topics that are not named stay as they are; so do ACLs of principals that are not among `principals`.
    ACLs of those who are become exactly `acls`. A replication factor of -1 is the cluster's default.
    Raises `ProvisionError` when a topic exists with another number of partitions, when `acls` name a principal that is not
    given, or when the cluster does not show what it has accepted; `KafkaException` for what the cluster refuses.
    """
    wanted = frozenset(acls)
    users = frozenset(f"User:{principal.name}" for principal in principals)
    if strangers := {acl.principal for acl in wanted} - users:
        raise ProvisionError(f"ACLs for principals that are not given: {', '.join(sorted(strangers))}")
    _provision_users(admin, principals)
    _provision_topics(admin, topics, replication_factor)
    _provision_acls(admin, users, wanted)


def _provision_users(admin: AdminClient, principals: Sequence[Principal]) -> None:
    if not principals:
        return
    # A stored credential cannot be compared with a password, so it is written again: the password given is the one that holds.
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    _settle(
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(each.name, info, each.password.encode()) for each in principals]
        )
    )
    names = {principal.name for principal in principals}

    def known() -> bool:
        # Asked without names, the cluster lists whom it knows; asked for a name that is not there, it raises.
        described = cast("Future[dict[str, Any]]", admin.describe_user_scram_credentials())
        return names <= described.result(_TIMEOUT).keys()

    _until(known, f"the users {', '.join(sorted(names))}")


def _provision_topics(admin: AdminClient, topics: Sequence[TopicSpec], replication_factor: int) -> None:
    existing = admin.list_topics(timeout=_TIMEOUT).topics
    for topic in topics:
        if topic.name in existing and len(existing[topic.name].partitions) != topic.partitions:
            raise ProvisionError(
                f"topic {topic.name} has {len(existing[topic.name].partitions)} partitions, not {topic.partitions}; "
                "the number cannot be changed, since keys would move to other partitions"
            )
    if missing := [topic for topic in topics if topic.name not in existing]:
        futures = admin.create_topics(
            [
                NewTopic(topic.name, topic.partitions, replication_factor=replication_factor, config=topic.config)
                for topic in missing
            ]
        )
        # Somebody else may have created one since we looked.
        _settle(futures, but=KafkaError.TOPIC_ALREADY_EXISTS)
        names = {topic.name for topic in missing}

        def known() -> bool:
            shown = admin.list_topics(timeout=_TIMEOUT).topics
            return names <= shown.keys() and all(
                shown[name].partitions and all(part.leader >= 0 for part in shown[name].partitions.values()) for name in names
            )

        _until(known, f"the topics {', '.join(sorted(names))}")
    _configure_topics(admin, [topic for topic in topics if topic.name in existing and topic.config])


def _configure_topics(admin: AdminClient, topics: Sequence[TopicSpec]) -> None:
    """Set the settings of existing topics that differ from what is asked for."""
    if not topics:
        return
    described = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name) for topic in topics])
    current = {resource.name: future.result(_TIMEOUT) for resource, future in described.items()}
    changes = []
    for topic in topics:
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in sorted(topic.config.items())
            if name not in current[topic.name] or current[topic.name][name].value != value
        ]
        if entries:
            changes.append(ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries))
    if changes:
        _settle(admin.incremental_alter_configs(changes))


def _provision_acls(admin: AdminClient, users: Collection[str], wanted: frozenset[AclBinding]) -> None:
    def shown() -> frozenset[AclBinding]:
        found: list[AclBinding] = admin.describe_acls(_any_acl()).result(_TIMEOUT)
        return frozenset(acl for acl in found if acl.principal in users)

    held = shown()
    if missing := sorted(wanted - held):
        _settle(admin.create_acls(missing))
    if surplus := sorted(held - wanted):
        _settle(admin.delete_acls([_exactly(acl) for acl in surplus]))
    if missing or surplus:
        _until(lambda: shown() == wanted, "the ACLs")


def _topic(user: str, operation: AclOperation, name: str, *, prefixed: bool = False) -> AclBinding:
    # Describing a topic follows from reading or writing it, and so does an idempotent producer from writing any.
    pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
    return AclBinding(ResourceType.TOPIC, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _groups(user: str, province: str) -> AclBinding:
    return AclBinding(
        ResourceType.GROUP,
        f"{province}.",
        ResourcePatternType.PREFIXED,
        f"User:{user}",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )


def _any_acl() -> AclBindingFilter:
    anything = cast(str, None)  # that is how the library spells it, and not how it declares it
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _exactly(acl: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )


def _settle(futures: dict[Any, Any], *, but: int | None = None) -> None:
    """Wait for the answers; raises the first refusal, apart from the one kind that is expected."""
    for future in futures.values():
        try:
            future.result(_TIMEOUT)
        except KafkaException as error:
            if but is None or error.args[0].code() != but:
                raise


def _until(known: Callable[[], bool], what: str) -> None:
    """Wait until the broker shows what its controller has accepted: a client that comes a moment too early is refused."""
    end = time.monotonic() + _TIMEOUT
    while not known():
        if time.monotonic() > end:
            raise ProvisionError(f"the cluster accepted {what}, but does not show them after {_TIMEOUT:.0f} s")
        time.sleep(0.02)
