"""The CloudEvents 1.0 envelope, structured JSON: the exact bytes of a record carry everything that is signed."""

import re
from datetime import datetime
from typing import Generic, Literal, TypeVar

import orjson
import uuid_utils
from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.base import Contract, Fact
from contracts.registry import FACTS
from contracts.upcasters import UPCASTERS, bring_up_to_date

PREFIX = "cn.jiexu."

_VERSION = re.compile(r"[1-9][0-9]{0,3}")

FactT = TypeVar("FactT", bound=Fact, covariant=True)


class Undecodable(ValueError):
    """A record that no contract describes. `reason` is a stable code: malformed, unknown_type, unknown_version, invalid."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Envelope(Contract, Generic[FactT]):
    """One message: CloudEvents attributes and the fact they carry."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(pattern=r"^[!-~]{1,64}$", description="UUIDv7, or derived where a step taken twice must collide")
    source: str = Field(pattern=r"^/provinces/\d{2}/[a-z-]+$")
    type: str = Field(pattern=r"^cn\.jiexu\.[a-z_.]+\.v\d+$")
    subject: str = Field(min_length=1, max_length=64, description="the case, or the account reference where there is none")
    time: AwareDatetime = Field(description="when it happened, with offset")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    causationid: str | None = Field(default=None, description="id of the message that led to this one")
    data: FactT

    @property
    def province(self) -> str:
        """Two-digit code of the province that says it."""
        return self.source[11:13]

    @property
    def service(self) -> str:
        """`province/service` of the sender."""
        return self.source[11:]


_ADAPTERS: dict[str, TypeAdapter[Envelope[Fact]]] = {}
_ENVELOPE = Envelope[Fact]  # to name it each time costs more than to fill it


def type_of(fact: type[Fact]) -> str:
    """CloudEvents `type` of a fact, e.g. `cn.jiexu.transfer.completed.v1`."""
    return f"{PREFIX}{fact.type_name}.v{fact.version}"


def new_id() -> str:
    """A fresh UUIDv7 (RFC 9562), sortable by time."""
    return str(uuid_utils.uuid7())


def envelope(
    fact: Fact, *, source: str, subject: str, time: datetime, causation: str | None = None, id: str | None = None
) -> Envelope[Fact]:
    """Wrap a fact. `source` is `province/service`; `time` must carry an offset.

    The values are ours and already checked, so pydantic does not check them again.
    """
    assert time.tzinfo is not None, time
    return _ENVELOPE.model_construct(
        id=id or new_id(),
        source=f"/provinces/{source}",
        type=type_of(type(fact)),
        subject=subject,
        time=time,
        causationid=causation,
        data=fact,
    )


def encode(message: Envelope[Fact]) -> bytes:
    """The exact bytes that are numbered, hashed, signed and published."""
    head: dict[str, object] = {
        "specversion": "1.0",
        "id": message.id,
        "source": message.source,
        "type": message.type,
        "subject": message.subject,
        "time": message.time.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"urn:jiexu:schema:{message.type.removeprefix(PREFIX)}",
    }
    if message.causationid is not None:
        head["causationid"] = message.causationid
    return orjson.dumps(head)[:-1] + b',"data":' + message.data.__pydantic_serializer__.to_json(message.data) + b"}"


def decode(value: bytes) -> Envelope[Fact]:
    """Read a record of any known version as the current one.

    Raises:
        Undecodable: by name, never anything else; poison is data.
    """
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Undecodable("malformed", "the record is not JSON") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise Undecodable("malformed", "the record has no CloudEvents type")
    type_name, _, version = raw["type"].removeprefix(PREFIX).rpartition(".v")
    fact = FACTS.get(type_name)
    if fact is None:
        raise Undecodable("unknown_type", raw["type"][:80])
    if not _VERSION.fullmatch(version) or int(version) > fact.version:
        raise Undecodable("unknown_version", raw["type"][:80])
    try:
        if int(version) < fact.version:
            value = orjson.dumps(bring_up_to_date(raw, type_name, int(version), fact.version, UPCASTERS))
        return adapter(fact).validate_json(value)
    except ValidationError as error:
        raise Undecodable("invalid", _first_problem(error)) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # an upcaster met data that its version never had
        raise Undecodable("invalid", f"version {version} cannot be brought up to date: {type(error).__name__}") from error


def adapter(fact: type[Fact]) -> TypeAdapter[Envelope[Fact]]:
    """The validator of one fact's envelope, built when it is first wanted."""
    found = _ADAPTERS.get(fact.type_name)
    if found is None:
        found = _ADAPTERS[fact.type_name] = TypeAdapter(Envelope[fact])  # type: ignore[valid-type]
    return found


def _first_problem(error: ValidationError) -> str:
    """Where the first problem is, without the value, which may be a person's."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
