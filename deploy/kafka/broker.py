"""What our one-node broker is told, the same whether it runs as a process or in a container."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

ADMIN = "admin"
"""The broker's super user."""

JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""Options of the Java runtime."""


@dataclass(frozen=True)
class Listener:
    """Where clients come in, with SASL/SCRAM: `bind` is where the broker listens, `advertised` what it tells them."""

    name: str
    bind: str
    advertised: str


def broker_properties(password: str, *, listeners: Sequence[Listener], controller: str, data: str) -> str:
    """The text of `server.properties`: one KRaft node that lets nobody in but by a password, with ACLs.

    Args:
        password: the super user's.
        listeners: for clients; over the first one the broker talks to itself.
        controller: `host:port` of the controller's listener, which must be reachable by nobody but the broker.
        data: the folder of the records.
    """
    # The broker signs in to itself on both kinds of listener. A listener without a password would make anybody on this
    # machine the super user, since the controller takes administrative requests directly.
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    names = [listener.name for listener in listeners]
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        # Named here and not in the storage, so that the port may change from one start to the next.
        "controller.quorum.voters": f"1@{controller}",
        "listeners": ",".join([*(f"{each.name}://{each.bind}" for each in listeners), f"CONTROLLER://{controller}"]),
        "advertised.listeners": ",".join(f"{each.name}://{each.advertised}" for each in listeners),
        "listener.security.protocol.map": ",".join(f"{name}:SASL_PLAINTEXT" for name in [*names, "CONTROLLER"]),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": names[0],
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.mechanism.controller.protocol": "PLAIN",
    }
    for name in names:
        prefix = f"listener.name.{name.lower()}"
        settings[f"{prefix}.sasl.enabled.mechanisms"] = "SCRAM-SHA-512"
        settings[f"{prefix}.scram-sha-512.sasl.jaas.config"] = f'{scram} username="{ADMIN}" password="{password}";'
    settings |= {
        # SCRAM users live in the metadata that the controller serves, so it cannot use them to let itself in.
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{plain} username="{ADMIN}" password="{password}" user_{ADMIN}="{password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        # Journals are never deleted, and a group that slept through a long holiday still knows where it was.
        "log.retention.ms": -1,
        "offsets.retention.minutes": 10 * 366 * 24 * 60,
        "group.initial.rebalance.delay.ms": 0,
        # After a crash the node must wait until its former self has timed out; there is no other node to worry about.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 1000,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # The cleaner takes this from the heap at once; its default is a quarter of ours.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def cluster_id() -> str:
    """A new id of a cluster, as Kafka makes them: 16 random bytes in 22 letters."""
    # One that begins with a hyphen would be read as an option.
    while (found := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return found


def format_arguments(password: str, *, class_path: str, properties: str, cluster: str) -> str:
    """A file of arguments with which Java formats the storage and puts the super user into it.

    A file, because everybody may read the arguments of a process. For `cluster` see `cluster_id`.
    """
    user = f"SCRAM-SHA-512=[name={ADMIN},password={password}]"
    tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties, "--add-scram", user]
    return _arguments(["-XX:TieredStopAtLevel=1", "-cp", class_path, *tool])


def run_arguments(*, class_path: str, properties: str, log_settings: str) -> str:
    """A file of arguments with which Java runs the broker."""
    return _arguments([*JVM, f"-Dlog4j2.configurationFile={log_settings}", "-cp", class_path, "kafka.Kafka", properties])


def _arguments(words: Sequence[str]) -> str:
    """Words as Java's argument files want them."""
    return "\n".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "\n"
