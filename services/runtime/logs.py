"""Structured logs: one JSON line a fact, with ids bound by the code that knows them. No names, numbers or amounts.

What libraries log becomes such a line too. An exception is told by its kind and place: its words may hold a person's data.
"""

import asyncio
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

_Info = tuple[type[BaseException], BaseException, TracebackType | None]

# Their words name files, hosts, attributes and types, and no values of ours.
_WORDS_ARE_SAFE = (OSError, ImportError, AttributeError, NameError, TypeError, NotImplementedError, asyncio.InvalidStateError)
_MOST_FRAMES = 30

# The last defence, should somebody log what nobody may: identity numbers, mobile phones, addresses of e-mail.
_PERSONAL = re.compile(
    r"(?<![0-9A-Za-z-])(?:\d{17}[\dXx]|[A-Z]{3}\d[0-9A-Z]{14}|1[3-9]\d{9})(?![0-9A-Za-z-])|[^\s@\"'<>=:,\\]+@[\w-]+(?:\.[\w-]+)+"
)
_MASK = "[masked]"


def _lift_extra(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """FastStream hands its context as a nested `extra`; lift it."""
    extra = event.pop("extra", None)
    if isinstance(extra, dict):
        event.update(extra)
    return event


def _exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put kind and place of an exception, and of what caused it, in the stead of its words."""
    given = event.pop("exc_info", None)
    if not given:
        return event
    info: _Info | tuple[None, None, None]
    if isinstance(given, BaseException):
        info = (type(given), given, given.__traceback__)
    elif isinstance(given, tuple):
        info = given
    else:
        info = sys.exc_info()
    error: BaseException | None = info[1]
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames]
        words = f": {error}" if isinstance(error, _WORDS_ARE_SAFE) else ""
        told = [*places, f"{type(error).__name__}{words}", *(["raised while handling it:", *told] if told else [])]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if told:
        event["exception"] = "\n".join(told)
    return event


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _PERSONAL.sub(_MASK, value)
        elif isinstance(value, dict | list | tuple):
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    match value:
        case str():
            return _PERSONAL.sub(_MASK, value)
        case dict():
            return {key: _masked(each) for key, each in value.items()}
        case list() | tuple():
            return [_masked(each) for each in value]
        case _:
            return value


class _AsLine(logging.Handler):
    """Writes what a library logs as one of our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, unless its exception is in the log already."""
        if record.name == "uvicorn.error" and record.exc_info and "ASGI application" in str(record.msg):
            return  # `http.failed` has said it, with the id of the request
        structlog.get_logger().log(
            record.levelno, "library", logger=record.name, message=record.getMessage(), exc_info=record.exc_info or None
        )


def configure_logs(service: str, province: str, *, level: int = logging.INFO) -> None:
    """Write JSON lines to standard output, each with service and province; what libraries warn of, too."""

    def whose(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not bound as a context: what a library's thread logs has none of ours.
        event.setdefault("service", service)
        event.setdefault("province", province)
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            whose,
            _lift_extra,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception,
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _AsLine) for handler in root.handlers):
        root.addHandler(_AsLine(logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # it gave them handlers of its own before it called us
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.captureWarnings(True)


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
