"""A stage whose services answer what a test says; every request is noted. The world is faked, not our code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deploy.local.services import Endpoints
from services.cli.play import Stage
from services.runtime.identity import Role

ENDPOINTS = Endpoints(
    provinces=("33", "44"),
    services={
        f"{province}.{service}": f"http://{province}.{service}"
        for province in ("33", "44")
        for service in ("origin-agency", "destination-agency", "notification")
    },
    bank="http://bank",
    smtp_port=25,
    mail=Path("mail.jsonl"),
    clock="scenario",
)

REFS = {"33": "ref-33", "44": "ref-44"}


class Issuer:
    """Stands for the login: a token says who it is of."""

    def staff(self, province: str, *roles: Role, name: str = "") -> str:
        return name or f"{roles[0]}-{province}"

    def insured(self, province: str, person_ref: str) -> str:
        return f"insured-{person_ref}"


Answer = Any
"""JSON, a response, or what makes one of a request."""


class Town:
    """Services that answer by path. Without being told they are idle, take records, know the people and have empty books."""

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        self.answers: dict[str, Answer] = {
            "/scenario/idle": {"in_hand": None},
            "/scenario/clock": {"now": "x"},
            "/scenario/documents": {"held": True},
            "/records/imports": {"import_id": "i1"},
            "/records/imports/i1": {"state": "done"},
            "/records/lookups": lambda request: {"person_ref": REFS[request.url.host[:2]]},
            "/ledger/accounts": [],
            "/ledger/entries": [],
            "/holdings": [],
            "/quarantine": [],
            "/applications": {"result": "accepted", "case_id": "case-1"},
            "/cases/case-1": {},
            **(answers or {}),
        }
        self.asked: list[tuple[str, str, str, Any]] = []  # method, host/path, whose token, body

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        content = json.loads(request.content) if request.content else dict(request.url.params.multi_items())
        bearer = request.headers["authorization"].removeprefix("Bearer ")
        self.asked.append((request.method, f"{request.url.host}{path}", bearer, content))
        answer = self.answers[path]
        if isinstance(answer, list) and answer and isinstance(answer[0], httpx.Response):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def to(self, end: str) -> list[tuple[str, str, str, Any]]:
        """The requests whose path ends so."""
        return [request for request in self.asked if request[1].endswith(end)]


def a_stage(town: Town, endpoints: Endpoints = ENDPOINTS) -> Stage:
    """A stage in front of a town."""
    stage = Stage(endpoints, Issuer())  # type: ignore[arg-type]
    stage._client = httpx.AsyncClient(transport=httpx.MockTransport(town))
    return stage


def rows(*, result: str = "done", **more: Any) -> dict[str, Any]:
    """The answer to a list of one case."""
    return {"rows": [{"case_id": "case-1", "result": result, "code": None, **more}]}


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    """A named refusal."""
    return httpx.Response(status, json={"code": code, "detail": "no", **more})
