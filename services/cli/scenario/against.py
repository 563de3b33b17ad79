"""Where the services are against which a story is told: a stack's own folder, or an address from a file or a URL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.processes import StackError
from deploy.local.services import Endpoints, Tokens, tokens
from deploy.local.stack import DEFAULT_HOME
from services.runtime.identity import TokenIssuer

if TYPE_CHECKING:
    from collections.abc import Mapping


class AddressInvalid(ValueError):
    """What `--against` names is no address; the text says why."""


class NothingThere(RuntimeError):
    """No stack runs there, or none that a story can be told on; the text says what helps."""


class Address(BaseModel):
    """Where the provinces' services and the bank are, as JSON. `services` is by province and service: `44.origin-agency`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provinces: tuple[str, ...] = Field(min_length=1)
    services: dict[str, str]
    bank: str
    token_key: str | None = Field(default=None, description="file of the private JWK that issues tokens, beside this one")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where stories are told."""

    endpoints: Endpoints
    tokens: Tokens
    home: Path | None


def ground(against: str | None, token_key: Path | None = None) -> Ground:
    """Find the services.

    Args:
        against: a stack's folder, a file or a URL with an address; the stack of `make up`, unless told otherwise.
        token_key: file of the private JWK that issues tokens; a stack's folder has its own.

    Raises:
        AddressInvalid: when it is none of these.
        NothingThere: when nothing was started there.
    """
    if against is not None and against.startswith(("http://", "https://")):
        return _from_address(_fetched(against), against, token_key, Path.cwd())
    where = Path(against) if against is not None else DEFAULT_HOME
    if where.is_dir():
        return _of_home(where.resolve(), token_key)
    if not where.is_file():
        if against is None:
            raise NothingThere("nothing was brought up here; do so with: jiexu up --clock scenario")
        raise AddressInvalid(f"{against} is no folder, file or URL")
    if where.name == "endpoints.json":
        return _of_home(where.resolve().parent, token_key)
    return _from_address(_json(where.read_bytes(), str(where)), str(where), token_key, where.resolve().parent)


def _of_home(home: Path, token_key: Path | None) -> Ground:
    try:
        endpoints = Endpoints.load(home)
    except StackError as error:
        raise AddressInvalid(str(error)) from error
    if endpoints is None:
        raise NothingThere(f"nothing was brought up in {home}; do so with: jiexu up --clock scenario")
    if endpoints.clock != "scenario":
        raise NothingThere(
            f"the services of {home} ask the system's clock; a story moves it, so start them with: jiexu up --clock scenario"
        )
    return Ground(endpoints, tokens(home) if token_key is None else _issuer(token_key), home)


def _from_address(found: Mapping[str, Any], named: str, token_key: Path | None, beside: Path) -> Ground:
    try:
        address = Address.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise AddressInvalid(f"{named}: {field}: {first['msg']}") from None
    key = token_key or (beside / address.token_key if address.token_key is not None else None)
    if key is None:
        raise AddressInvalid(f"{named}: it names no token_key; give the key that issues tokens with --token-key")
    endpoints = Endpoints(
        provinces=address.provinces,
        services={name: url.rstrip("/") for name, url in address.services.items()},
        bank=address.bank.rstrip("/"),
        smtp_port=0,
        mail=Path("no mail is read here"),
        clock="scenario",
    )
    return Ground(endpoints, _issuer(key), None)


def _fetched(url: str) -> Mapping[str, Any]:
    try:
        response = httpx.get(url, timeout=20, follow_redirects=True)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise NothingThere(f"{url} cannot be read: {error or type(error).__name__}") from error
    return _json(response.content, url)


def _json(content: bytes, named: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise AddressInvalid(f"{named} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise AddressInvalid(f"{named} holds no object")
    return found


def _issuer(key: Path) -> Tokens:
    try:
        return Tokens(TokenIssuer(key))
    except (OSError, ValueError, KeyError) as error:
        raise AddressInvalid(f"{key} is no private key that issues tokens: {type(error).__name__}") from None
