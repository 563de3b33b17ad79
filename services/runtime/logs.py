"""Structured logs: one JSON line a fact, with ids bound by the code that knows them. No names, numbers or amounts."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

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


class _StandardError:
    """Standard error as it is when a line is written: whoever runs a command inside a process may have put another one there."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def logs_of_a_command() -> None:
    """Write what shared code logs to standard error, for a person: a command's standard output is its answer alone."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )
