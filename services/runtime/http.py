"""HTTP as every service speaks it: bearer tokens, RFC 9457 problem answers, bounded bodies, health, figures, a log line each."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
import uuid_utils
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import Counter, Histogram
from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.database import TRANSIENT
from services.runtime.heartbeat import Heartbeat
from services.runtime.identity import Caller, Role, TokenRefused, TokenVerifier
from services.runtime.metrics import MEDIA_TYPE as METRICS
from services.runtime.metrics import Figure, Figures

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

REQUEST_ID = "x-request-id"

# Asked every few seconds by whoever watches; a line each would bury all others.
QUIET = frozenset({"/livez", "/readyz", "/metrics", "/scenario/idle"})

# An id that a caller chose is taken over in this form alone: in any other it might be a person's number.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# What a part waits for so shortly is tried again by itself: a deadlock, a broker that chose another leader.
NOISE_S = 3.0
PATIENT_WITH = frozenset({"handler", "relay"})

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Problem(Exception):
    """A named answer to a request that cannot be done (RFC 9457).

    Args:
        status: HTTP status.
        code: stable name, upper case; `type` is `urn:jiexu:problem:<code in lower case>`.
        detail: what is wrong, for a person.
        more: members such as `field`, `remedy`, `legal_basis`, `case_id`.
    """

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.more = more

    def body(self) -> dict[str, Any]:
        """The members of the problem answer."""
        return {
            "type": f"urn:jiexu:problem:{self.code.lower().replace('_', '-')}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.more,
        }


class MoveClock(BaseModel):
    """The time at which a scenario goes on. With `back` it may lie before: another story begins, and nothing is in hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    now: AwareDatetime
    back: bool = False


class HoldRecords(BaseModel):
    """Whether a scenario holds back what a service would hear."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held: bool


def _answer(problem: Problem) -> Response:
    return Response(orjson.dumps(problem.body()), status_code=problem.status, media_type=MEDIA_TYPE)


class BoundedBody:
    """Refuses a body above the limit while it arrives, so that it never fills the memory."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        too_large = _answer(
            Problem(413, "BODY_TOO_LARGE", f"The body is larger than {self._limit} bytes.", remedy="Split the submission.")
        )
        if declared.isdigit() and int(declared) > self._limit:
            await too_large(scope, receive, send)
            return
        seen = 0
        started = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise _BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if started or seen <= self._limit:  # FastAPI makes a 400 of whatever is raised while it reads
                started = True
                await send(message)

        with suppress(_BodyTooLarge):
            await self._app(scope, counted, watched)
        if seen > self._limit and not started:
            await too_large(scope, receive, send)


class _BodyTooLarge(Exception):
    pass


class RequestCounts:
    """What is counted of requests."""

    def __init__(self, figures: Figures) -> None:
        labels = ("route", "method", "status")
        self.requests = Counter(
            "jiexu_http_requests", "HTTP requests by route, method and status.", labels, registry=figures.registry
        )
        self.seconds = Histogram(
            "jiexu_http_request_seconds",
            "How long answers took.",
            ("route", "method"),
            registry=figures.registry,
            buckets=_SECONDS,
        )


class Accounted:
    """Counts each request and says one line of it, by the template of its route: what stands in a path may be somebody's."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 499  # the caller left before there was an answer
        request_id = _request_id(scope)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (REQUEST_ID.encode(), request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, noting)
            except Exception:
                status = 500
                log.exception("http.failed", route=_route(scope), method=_method(scope))
                raise
            finally:
                self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = _route(scope), _method(scope)
        self._counts.requests.labels(route, method, str(status)).inc()
        self._counts.seconds.labels(route, method).observe(seconds)
        if route not in QUIET:
            case_id = str(scope.get("path_params", {}).get("case_id", ""))
            case = {"case_id": case_id} if _UUID.fullmatch(case_id) else {}
            log.info("http.request", route=route, method=method, status=status, ms=round(seconds * 1000, 1), **case)


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(REQUEST_ID.encode(), b"").decode("ascii", "replace")
    return given if _UUID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """An id by which the lines of one request are found."""
    return str(uuid_utils.uuid7())


def _route(scope: Scope) -> str:
    """The template of the route, e.g. `/cases/{case_id}`."""
    return str(getattr(scope.get("route"), "path", None) or "unmatched")


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in _METHODS else "other"  # anybody may send any word


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

ReadyCheck = Callable[[], Awaitable[dict[str, str | None]]]
AliveCheck = Callable[[], Mapping[str, str]]


class Readiness:
    """What a service waits for, and since when; what lasts but a moment is told and changes nothing.

    Args:
        ready: names what each part waits for.
        noise_s: how long a part that was well before may wait without being missed, where it tries again by itself.
    """

    def __init__(self, ready: ReadyCheck, *, noise_s: float = NOISE_S) -> None:
        self._ready = ready
        self._noise_s = noise_s
        self._waiting: dict[str, tuple[float, datetime]] = {}
        self._been_well: set[str] = set()

    async def look(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """What is waited for; what is noise; since when each, as it was first seen."""
        found = await self._ready()
        now = time.monotonic()
        for part, reason in found.items():
            if reason is None:
                self._waiting.pop(part, None)
                self._been_well.add(part)
            else:
                self._waiting.setdefault(part, (now, datetime.now(UTC)))
        waits_for: dict[str, str] = {}
        noise: dict[str, str] = {}
        for part, reason in found.items():
            if reason is None:
                continue
            lasting = now - self._waiting[part][0] >= self._noise_s
            passing = part in PATIENT_WITH and part in self._been_well and not lasting
            (noise if passing else waits_for)[part] = reason
        since = {part: seen.isoformat(timespec="seconds") for part, (_, seen) in self._waiting.items() if part in found}
        return waits_for, noise, since


def make_api(
    title: str,
    *,
    verifier: TokenVerifier | None,
    ready: ReadyCheck,
    alive: AliveCheck = dict,
    figures: Figures | None = None,
    body_limit: int = 2 << 20,
    lifespan: Callable[[FastAPI], Any] | None = None,
    **options: Any,
) -> FastAPI:
    """An HTTP API with health routes, figures and problem answers.

    Args:
        title: shown in OpenAPI.
        verifier: checks bearer tokens; None only where a document is generated and nothing is served.
        ready: names what the service waits for; a None value means that part is well.
        alive: names what should run for ever and does not, with the reason; empty while all is well.
        figures: of the process; an empty set is made where none are given.
        body_limit: bytes of a body at most.
        lifespan: what lives as long as the service.
        options: handed to FastAPI.
    """
    heart = Heartbeat()
    readiness = Readiness(ready)
    known = figures or Figures(title, "")

    @asynccontextmanager
    async def living(api: FastAPI) -> AsyncIterator[None]:
        heart.start()
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan(api):
                    yield
        finally:
            await heart.stop()

    api = FastAPI(title=title, version="1.0.0", docs_url=None, redoc_url=None, lifespan=living, **options)
    api.state.verifier = verifier
    api.state.heart = heart
    api.add_middleware(BoundedBody, limit_bytes=body_limit)
    api.add_middleware(Accounted, counts=RequestCounts(known))
    _tell_health(known, heart, readiness)

    @api.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return _answer(error)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        # The value is left out: it may be a person's.
        errors = [
            {"field": ".".join(str(part) for part in item["loc"] if part != "body"), "reason": item["msg"]}
            for item in error.errors()
        ]
        return _answer(
            Problem(
                422,
                "INVALID_INPUT",
                f"{errors[0]['field'] or 'body'}: {errors[0]['reason']}",
                errors=errors,
                remedy="Correct the named fields and send the request again.",
            )
        )

    @api.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        return _answer(Problem(error.status_code, f"HTTP_{error.status_code}", str(error.detail)))

    async def away(_: Request, error: Exception) -> Response:
        log.warning("http.dependency_away", error=type(error).__name__)
        return _answer(
            Problem(503, "TEMPORARILY_AWAY", "A server that this service needs is away.", remedy="Send the same request again.")
        )

    @api.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> Response:
        # Starlette raises it again afterwards, so that the server's log has the whole of it.
        return _answer(Problem(500, "INTERNAL_ERROR", "The service has an error of its own.", remedy="Tell the operator."))

    for kind in TRANSIENT:
        if issubclass(kind, Exception):
            api.add_exception_handler(kind, away)

    @api.get("/livez", include_in_schema=False)
    async def livez(response: Response) -> dict[str, Any]:
        wrong = {**({"loop": heart.trouble} if heart.trouble else {}), **alive()}
        if not wrong:
            return {"status": "alive"}
        response.status_code = 503
        return {"status": "standing", "because": wrong}

    @api.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, Any]:
        waits_for, noise, since = await readiness.look()
        response.status_code = 503 if waits_for else 200
        more = {key: value for key, value in (("noise", noise), ("since", since)) if value}
        return {"status": "waiting" if waits_for else "ready", "waits_for": waits_for, **more}

    @api.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await known.text(), media_type=METRICS)

    return api


def _tell_health(figures: Figures, heart: Heartbeat, readiness: Readiness) -> None:
    figures.told_by(
        "loop",
        lambda: {
            "jiexu_event_loop_lag_seconds": [((), heart.lag_s)],
            "jiexu_event_loop_stood_seconds": [((), heart.longest_s)],
        },
        Figure("jiexu_event_loop_lag_seconds", "How much too late the event loop came back to its last beat."),
        Figure("jiexu_event_loop_stood_seconds", "How long the event loop stood still at most within the last minute."),
    )

    async def waiting() -> dict[str, list[tuple[tuple[str, ...], float]]]:
        waits_for, _, _ = await readiness.look()
        return {
            "jiexu_ready": [((), float(not waits_for))],
            "jiexu_waits": [((part,), 1.0) for part in waits_for],
        }

    figures.asked_of(
        "readiness",
        waiting,
        Figure("jiexu_ready", "1 while the service waits for nothing, as on /readyz."),
        Figure("jiexu_waits", "1 for each part that the service waits for.", ("part",)),
    )


def _bearer(request: Request) -> Caller:
    header = request.headers.get("authorization", "")
    if not header.lower().startswith("bearer "):
        raise Problem(401, "TOKEN_MISSING", "The request has no bearer token.", remedy="Send `Authorization: Bearer <token>`.")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return verifier.verify(header[7:].strip())
    except TokenRefused as error:
        raise Problem(401, "TOKEN_REFUSED", f"The token was refused: {error}", remedy="Log in again.") from error


async def any_caller(request: Request) -> Caller:
    """The verified caller, of whatever province and role; the route decides.

    Raises:
        Problem: 401 when there is no valid token.
    """
    return _bearer(request)


def require(province: str, roles: Iterable[Role]) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that gives the caller, who must be of this province and have one of the roles.

    The ministry's auditors (province 00) may read in every province.

    Raises (when called):
        Problem: 401 without a token, 403 WRONG_PROVINCE or WRONG_ROLE.
    """
    wanted = frozenset(roles)

    async def check(request: Request) -> Caller:
        found = _bearer(request)
        ministry = found.province == "00" and Role.AUDITOR in found.roles & wanted
        if found.province != province and not ministry:
            raise Problem(
                403,
                "WRONG_PROVINCE",
                f"The token is of province {found.province}; this is province {province}.",
                remedy="Use a token of this province.",
            )
        if not found.roles & wanted:
            raise Problem(
                403,
                "WRONG_ROLE",
                f"This needs one of the roles {', '.join(sorted(wanted))}.",
                remedy="Ask somebody who has the role.",
            )
        return found

    return check
