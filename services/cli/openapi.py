"""Writes the OpenAPI documents of every service that speaks HTTP. `python -m services.cli.openapi [--check]`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from contracts.generate import HERE, as_text, write_or_check
from services.bank import api as bank
from services.destination_agency import api as destination
from services.ledger import reading as books
from services.messaging import quarantine_api
from services.notification import api as notification
from services.origin_agency import api as origin
from services.records import corrections_api, double_drawings_api, endings_api, papers_api, persons_api, rules_api, year_end_api
from services.runtime.clock import Clock
from services.runtime.http import MEDIA_TYPE, make_api

_PROBLEM = {
    "title": "Problem",
    "description": "Why a request cannot be done (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "urn:jiexu:problem:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "stable name, upper case"},
        "field": {"type": "string"},
        "remedy": {"type": "string"},
        "legal_basis": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
                "required": ["field", "reason"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code"],
}
_ANSWER = {
    "description": "Why the request cannot be done",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


async def _not_served() -> dict[str, str | None]:
    return {}


class _Nothing:
    """Stands for what a route would work with; the routes keep it or a part of it and never use it, for nothing is served."""

    def __getattr__(self, name: str) -> Any:
        return self


_NOTHING: Any = _Nothing()


def _origin(api: FastAPI) -> None:
    """The origin agency shows its province's books, too."""
    origin.add_routes(api, _NOTHING, "00", _NOTHING)
    books.add_routes(api, _NOTHING, "00")
    rules_api.add_routes(api, _NOTHING, "00")
    rules_api.add_import(api, _NOTHING, "00", _NOTHING)
    year_end_api.add_routes(api, _NOTHING, "00")
    papers_api.add_routes(api, _NOTHING, "00")
    corrections_api.add_routes(api, _NOTHING, "00")
    endings_api.add_routes(api, _NOTHING, "00", _NOTHING)
    double_drawings_api.add_routes(api, _NOTHING, "00")
    persons_api.add_routes(api, _NOTHING, _NOTHING, "00")


def _destination(api: FastAPI) -> None:
    destination.add_routes(api, _NOTHING, "00")
    rules_api.add_routes(api, _NOTHING, "00")


# One line a service: its name, and what adds its routes. A province's code is in no document.
SERVICES: dict[str, Callable[[FastAPI], None]] = {
    "origin-agency": _origin,
    "destination-agency": _destination,
    "notification": lambda api: notification.add_routes(api, _NOTHING, "00"),
    "bank": lambda api: bank.add_routes(api, _NOTHING, Clock()),
}

# Those that hear what others say, and so may have something in quarantine.
HEARING = ("origin-agency", "destination-agency", "notification")


def documents() -> dict[str, dict[str, Any]]:
    """Every service's OpenAPI document by the service's name."""
    found = {}
    for service, add_routes in SERVICES.items():
        api = make_api(f"Jiexu {service.replace('-', ' ')}", verifier=None, ready=_not_served)
        add_routes(api)
        if service in HEARING:
            quarantine_api.add_routes(api, _NOTHING, "00")
        found[service] = _completed(api.openapi())
    return found


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """Say what is the same for all routes: bearer tokens, and problems instead of FastAPI's own errors."""
    components = document.setdefault("components", {})
    kept = {
        name: schema
        for name, schema in components.get("schemas", {}).items()
        if name not in ("HTTPValidationError", "ValidationError")
    }
    components["schemas"] = {**kept, "Problem": _PROBLEM}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    document["security"] = [{"token": []}]
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _ANSWER
    return document


def main(arguments: list[str] | None = None, *, home: Path = HERE) -> int:
    """Generate, or check with `--check`; 1 on drift."""
    parser = argparse.ArgumentParser(prog="python -m services.cli.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with the names of files that differ")
    check = parser.parse_args(arguments).check
    return write_or_check(
        {home / "openapi" / f"{service}.json": as_text(document) for service, document in documents().items()}, check=check
    )


if __name__ == "__main__":
    sys.exit(main())
