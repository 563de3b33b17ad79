"""Contracts for tests: name the fields that matter, the builder supplies the rest from the contract's own schema."""

from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

from contracts.base import Items

ModelT = TypeVar("ModelT", bound=BaseModel)

CASE = "018f4c1e-0000-7000-8000-000000000001"
OTHER_CASE = "018f4c1e-0000-7000-8000-000000000002"
PERSON = "018f4c1e-aaaa-7000-8000-00000000000a"

_BY_PATTERN = {
    r"^\d{2}$": "33",
    r"^\d{6}$": "330100",
    r"^\d{12}$": "102331000011",
    r"^\d{4}-\d{2}$": "2024-04",
    r"^\d{2}/[a-z-]+$": "33/destination-agency",
    r"^[0-9a-f]{24}$": "0" * 24,
    r"^[0-9a-f]{64}$": "ab" * 32,
    r"^[0-9a-f]{128}$": "cd" * 64,
    r"^[A-Za-z0-9+/=]*$": "AAAA",
    r"^LXH-\d{6}-\d{8}-\d{6,}$": "LXH-330100-20240506-000001",
    r"^(0(\.\d{1,4})?|1(\.0{1,4})?)$": "0.16",
}
_BY_FORMAT = {"date": "2024-05-06", "date-time": "2024-05-06T09:00:00+08:00"}


def a(model: type[ModelT], **fields: Any) -> ModelT:
    """A valid value of a contract with these fields as given."""
    plain = _plainest(model)
    return model.model_validate({name: getattr(plain, name) for name in model.model_fields} | fields)


@cache
def _plainest(model: type[BaseModel]) -> BaseModel:
    schema = model.model_json_schema()
    return model.model_validate_json(orjson.dumps(_minimal(schema, schema)))


def items(account_fen: int = 300, pool_fen: int = 700) -> Items:
    """The six items of a form whose account part was all credited before this year."""
    return Items(
        before_1998_fen=0,
        until_last_year_fen=account_fen,
        this_year_fen=0,
        account_fen=account_fen,
        pool_fen=pool_fen,
        total_fen=account_fen + pool_fen,
    )


def _minimal(root: dict[str, Any], node: dict[str, Any]) -> Any:
    if "$ref" in node:
        return _minimal(root, root["$defs"][node["$ref"].rpartition("/")[2]])
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return node["enum"][0]
    if "anyOf" in node:
        return _minimal(root, node["anyOf"][0])
    match node["type"]:
        case "object":
            fields = node.get("properties", {})
            return {name: _minimal(root, fields[name]) for name in node.get("required", ())}
        case "array":
            return [_minimal(root, node["items"]) for _ in range(node.get("minItems", 0))]
        case "integer":
            return max(node.get("minimum", 0), 0)
        case "boolean":
            return False
        case "string":
            if "pattern" in node:
                return _BY_PATTERN[node["pattern"]]
            if node.get("description") == "YYYY-MM":  # a month's pattern stands behind its validator, out of the schema
                return "2024-04"
            if "format" in node:
                return _BY_FORMAT[node["format"]]
            return CASE if node.get("minLength", 0) > 1 else "word"
        case other:
            raise AssertionError(other)
