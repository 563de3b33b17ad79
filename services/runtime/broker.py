"""How a service reaches Kafka: one principal, SASL/SCRAM, the same for FastStream and for plain clients."""

import ssl
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from faststream.security import SASLScram512

from services.runtime.database import pause

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where Kafka is and as whom we come."""

    bootstrap: str
    username: str
    password: str
    client_id: str
    tls: bool = False

    def client(self) -> dict[str, Any]:
        """Arguments of an aiokafka client."""
        context = ssl.create_default_context() if self.tls else None
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": self.client_id,
            "security_protocol": "SASL_SSL" if self.tls else "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_context": context,
        }

    def broker(self, *, graceful_timeout_s: float = 15.0) -> KafkaBroker:
        """FastStream's broker for consuming; what is published goes through the relay alone."""
        context = ssl.create_default_context() if self.tls else None
        return KafkaBroker(
            self.bootstrap,
            client_id=self.client_id,
            security=SASLScram512(self.username, self.password, ssl_context=context, use_ssl=self.tls),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            consumer_only=True,
            graceful_timeout=graceful_timeout_s,
            logger=structlog.get_logger("faststream"),
            log_level=10,
        )


async def start_when_there(broker: KafkaBroker) -> None:
    """Start a broker as soon as Kafka answers; it raises at once while Kafka is away."""
    attempt = 0
    while True:
        try:
            await broker.start()
        except (KafkaError, OSError) as error:
            log.warning("kafka.away", error=type(error).__name__, attempt=attempt)
            await broker.stop()
            await pause(attempt)
            attempt += 1
        else:
            return
