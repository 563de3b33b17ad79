"""Kafka and PostgreSQL in containers for one process of tests, told the same as those without containers."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.kafka.broker import ADMIN as KAFKA_ADMIN
from deploy.kafka.broker import Listener, broker_properties, cluster_id, format_arguments, run_arguments
from deploy.kafka.provision import admin_client
from deploy.local.native import CHECKOUT
from deploy.local.secrets import Secrets
from deploy.local.stack import KafkaAccess, PostgresAccess
from deploy.postgres.server import ADMIN as POSTGRES_ADMIN
from deploy.postgres.server import INITDB, SETTINGS
from tests.lanes import KAFKA_IMAGE, POSTGRES_IMAGE

CLIENT, BROKER = 9092, 9094
DATA, TOLD = "/var/lib/kafka/data", "/tmp"
LIBRARIES = "/opt/kafka/libs/*"


class KafkaContainer(DockerContainer):
    """One broker with SASL/SCRAM and ACLs. testcontainers' own class drives another vendor's image alone.

    Docker chooses the port on this machine as the container starts, and the broker has to advertise it: so start.sh waits in the
    container until it is told. To itself the broker speaks over the loopback inside, for it must always reach itself.
    """

    def __init__(self, password: str) -> None:
        super().__init__(KAFKA_IMAGE)
        self._password = password
        script = (CHECKOUT / "deploy" / "kafka" / "start.sh").read_text(encoding="utf-8")
        self.with_exposed_ports(CLIENT)
        self.with_command(["bash", "-c", script, "start.sh", TOLD, DATA])

    def start(self) -> "KafkaContainer":
        """Start the broker and return when it answers its administrator."""
        super().start()
        listeners = [
            Listener("BROKER", f"127.0.0.1:{BROKER}", f"127.0.0.1:{BROKER}"),
            Listener("CLIENT", f"0.0.0.0:{CLIENT}", self.access.bootstrap),
        ]
        properties = f"{TOLD}/server.properties"
        log_settings = CHECKOUT / "deploy" / "local" / "log4j2.yaml"
        self._tell(
            "server.properties", broker_properties(self._password, listeners=listeners, controller="127.0.0.1:9093", data=DATA)
        )
        self._tell("log4j2.yaml", log_settings.read_text(encoding="utf-8"))
        self._tell(
            "format.arguments",
            format_arguments(self._password, class_path=LIBRARIES, properties=properties, cluster=cluster_id()),
        )
        # The last, because it is waited for.
        self._tell(
            "run.arguments",
            run_arguments(class_path=LIBRARIES, properties=properties, log_settings=f"{TOLD}/log4j2.yaml"),
        )
        self._wait()
        return self

    @property
    def access(self) -> KafkaAccess:
        """Where it is, and its administrator."""
        where = f"{self.get_container_host_ip()}:{self.get_exposed_port(CLIENT)}"
        return KafkaAccess(bootstrap=where, username=KAFKA_ADMIN, password=self._password)

    def _tell(self, name: str, text: str) -> None:
        self.copy_into_container(text.encode(), f"{TOLD}/{name}")

    def _wait(self, timeout_s: float = 120.0) -> None:
        access, end = self.access, time.monotonic() + timeout_s
        while True:
            try:
                admin_client(access.bootstrap, access.username, access.password).list_topics(timeout=5)
            except KafkaException as error:
                self.reload()
                if self.status != "running" or time.monotonic() > end:
                    out, err = self.get_logs()
                    said = (out + err).decode("utf-8", "replace")[-2000:]
                    raise RuntimeError(f"Kafka's container ({self.status}) does not answer: {error}\n{said}") from error
                time.sleep(0.1)
            else:
                return


def a_postgres_container(password: str) -> PostgresContainer:
    """One PostgreSQL with the settings of our servers."""
    container = PostgresContainer(POSTGRES_IMAGE, username=POSTGRES_ADMIN, password=password, dbname="postgres", driver=None)
    container.with_env("POSTGRES_INITDB_ARGS", " ".join(INITDB))
    container.with_command(["postgres", *(f"--{name}={value}" for name, value in SETTINGS.items())])
    return container


@contextmanager
def servers_in_containers(home: Path) -> Iterator[tuple[KafkaAccess, PostgresAccess]]:
    """Both servers, with passwords of this home. They are gone at the end, by themselves too if this process is killed."""
    if Path("/sys/class/net/docker0").exists() and "TESTCONTAINERS_CONNECTION_MODE" not in os.environ:
        # The engine's bridge is ours, so this is its machine, even if a file says that we are in a container ourselves.
        testcontainers_config.connection_mode_override = ConnectionMode.docker_host
    secrets = Secrets.of(home.resolve())
    password = secrets.password("postgres-admin")
    with KafkaContainer(secrets.password("kafka-admin")) as kafka, a_postgres_container(password) as postgres:
        server = PostgresAccess(
            host=postgres.get_container_host_ip(),
            port=int(postgres.get_exposed_port(5432)),
            username=POSTGRES_ADMIN,
            password=password,
        )
        yield kafka.access, server
