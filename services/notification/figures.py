"""What notification tells operators of its notices: how many wait, how long, and what became of them."""

from prometheus_client import CollectorRegistry, Counter

from services.messaging.figures import Asked
from services.notification.store import SQL
from services.runtime.metrics import Figure

QUEUED = (
    Figure("jiexu_notices_queued", "Notices that are not sent yet."),
    Figure("jiexu_notices_oldest_seconds", "How long the oldest of them has waited; 0 when there is none."),
)


class MailerFigures:
    """What the mailer counts. Without a registry nobody reads it, as in tests."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._notices = Counter(
            "jiexu_notices",
            "Notices tried: delivered to the mail server, failed for good, or put off.",
            ("result", "reason"),
            registry=registry,
        )
        self._notices.labels("delivered", "")

    def became(self, state: str, reason: str | None) -> None:
        """A notice was tried, and that is recorded."""
        self._notices.labels("put_off" if state == "queued" else str(state), str(reason or "")).inc()


def asked() -> Asked:
    """Notification's own figures."""
    return Asked(SQL["figures"], tuple, QUEUED)
