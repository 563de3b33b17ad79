"""Writes what partners read of the contracts: JSON Schemas and the AsyncAPI document. `--check` says whether they are current.

A schema that was committed is overwritten only by one that has grown; anything else needs a new version and an upcaster.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from contracts import banking, directory
from contracts.asyncapi_document import document
from contracts.base import Fact
from contracts.compatibility import compare
from contracts.documents import Document
from contracts.envelope import Envelope, type_of
from contracts.registry import FACTS

HERE = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What crosses between parties and is no message: file name without version, and the model.
OTHERS: dict[str, type[BaseModel]] = {
    "directory.entry": directory.DirectoryEntry,
    "directory.signed_entry": directory.SignedEntry,
    "directory.checkpoint": directory.Checkpoint,
    "directory.signed_checkpoint": directory.SignedCheckpoint,
    "banking.remittance_order": banking.RemittanceOrder,
    "banking.order_taken": banking.OrderTaken,
    "banking.return_order": banking.ReturnOrder,
    "banking.statement": banking.Statement,
    "banking.holding": banking.Holding,
    "banking.fault": banking.Fault,
}


def schema_of_message(fact: type[Fact]) -> dict[str, Any]:
    """The schema of one message: its envelope, and in it the fact's own schema under the id that `dataschema` names."""
    name = f"{fact.type_name}.v{fact.version}"
    data = {"$id": f"urn:jiexu:schema:{name}", **TypeAdapter(fact).json_schema()}
    whole = TypeAdapter(Envelope[fact]).json_schema()  # type: ignore[valid-type]
    whole["properties"] |= {
        "type": {"const": type_of(fact), "type": "string"},
        "dataschema": {"const": data["$id"], "type": "string"},
        "causationid": {"type": "string", "description": whole["properties"]["causationid"]["description"]},
        "data": {"$ref": data["$id"]},
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:jiexu:message:{name}",
        "title": type_of(fact),
        "description": fact.__doc__,
        "type": "object",
        "properties": whole["properties"],
        "required": ["specversion", *whole["required"]],
        "$defs": {fact.__name__: data},
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by its file name: the messages, what sealed documents say, the directory, the bank."""
    found = {f"{fact.type_name}.v{fact.version}.json": schema_of_message(fact) for fact in FACTS.values()}
    for fact in FACTS.values():
        if issubclass(fact, Document):
            name = f"{fact.type_name}.body.v{fact.version}"
            found[f"{name}.json"] = _plain(name, fact.body_type)
    for name, model in OTHERS.items():
        found[f"{name}.v1.json"] = _plain(f"{name}.v1", model)
    return dict(sorted(found.items()))


def _plain(name: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"urn:jiexu:schema:{name}", **TypeAdapter(model).json_schema()}


def refusals(new: Mapping[str, dict[str, Any]], folder: Path) -> list[str]:
    """Why committed schemas must not be overwritten: each change that is no growth, and what helps."""
    found: list[str] = []
    for file in sorted(folder.glob("*.json")):
        name, _, version = file.stem.rpartition(".v")
        if file.name not in new:
            later = [other for other in new if other.rpartition(".v")[0] == name and _version(other) > int(version)]
            if not later:
                found.append(f"{file.stem}: the contract is gone; what was once published must be readable for ever")
            continue
        found.extend(
            f"{file.stem}: {problem}; make it version {int(version) + 1} and write the upcaster from {version}"
            for problem in compare(json.loads(file.read_text(encoding="utf-8")), new[file.name])
        )
    return found


def _version(file_name: str) -> int:
    return int(file_name.removesuffix(".json").rpartition(".v")[2])


def drift(generated: Mapping[Path, str]) -> list[Path]:
    """The files whose content is not what the contracts say now."""
    return [file for file, text in generated.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]


def as_text(document: Mapping[str, Any]) -> str:
    """JSON as it is committed."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def write_or_check(generated: Mapping[Path, str], *, check: bool) -> int:
    """Write the files, or only name those that differ; the exit code."""
    stale = drift(generated)
    for file in stale:
        if check:
            print(f"{file}: not current; run `make contracts`", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(generated[file], encoding="utf-8")
            print(file)
    return 1 if check and stale else 0


def main(arguments: list[str] | None = None, *, home: Path = HERE) -> int:
    """Generate, or check with `--check`; 1 on drift and on a change that is no growth."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with the names of files that differ")
    check = parser.parse_args(arguments).check
    found = schemas()
    refused = refusals(found, home / "schemas")
    for line in refused:
        print(f"refused: {line}", file=sys.stderr)
    if refused:
        return 1
    generated = {home / "schemas" / name: as_text(schema) for name, schema in found.items()}
    generated[home / "asyncapi" / "asyncapi.json"] = as_text(document())
    return write_or_check(generated, check=check)


if __name__ == "__main__":
    sys.exit(main())
