"""HTTP as every service speaks it: bearer tokens, RFC 9457 problem answers, bounded bodies, health."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.database import TRANSIENT
from services.runtime.identity import Caller, Role, TokenRefused, TokenVerifier

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


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
    """The time at which a scenario goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    now: AwareDatetime


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


ReadyCheck = Callable[[], Awaitable[dict[str, str | None]]]


def make_api(
    title: str, *, verifier: TokenVerifier | None, ready: ReadyCheck, body_limit: int = 2 << 20, **options: Any
) -> FastAPI:
    """An HTTP API with health routes and problem answers.

    Args:
        title: shown in OpenAPI.
        verifier: checks bearer tokens; None only where a document is generated and nothing is served.
        ready: names what the service waits for; a None value means that part is well.
        body_limit: bytes of a body at most.
        options: handed to FastAPI.
    """
    api = FastAPI(title=title, version="1.0.0", docs_url=None, redoc_url=None, **options)
    api.state.verifier = verifier
    api.add_middleware(BoundedBody, limit_bytes=body_limit)

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
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @api.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, Any]:
        waits_for = {name: reason for name, reason in (await ready()).items() if reason is not None}
        response.status_code = 503 if waits_for else 200
        return {"status": "waiting" if waits_for else "ready", "waits_for": waits_for}

    return api


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
