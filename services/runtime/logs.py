"""Structured logs: one JSON line a fact, with ids bound by the code that knows them. No names, numbers or amounts."""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog


def _lift_extra(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """FastStream hands its context as a nested `extra`; lift it."""
    extra = event.pop("extra", None)
    if isinstance(extra, dict):
        event.update(extra)
    return event


def configure_logs(service: str, province: str, *, level: int = logging.INFO) -> None:
    """Write JSON lines to standard output, each with service and province."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _lift_extra,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, province=province)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
