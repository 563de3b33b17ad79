"""Generated schemas: current, valid, true to the messages, and never overwritten by what is no growth."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from contracts import generate
from contracts.base import Fact
from contracts.envelope import encode, envelope
from contracts.generate import HERE, main, schema_of_message, schemas
from contracts.registry import DOCUMENTS, FACTS
from tests.builders import CASE, a

NOON = datetime.fromisoformat("2024-05-06T12:00:00+08:00")
SCHEMAS = schemas()


def test_what_is_committed_is_what_the_contracts_say() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_valid_json_schema_with_a_name_of_its_own(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])

    assert SCHEMAS[name]["$id"].startswith("urn:jiexu:")
    assert len({schema["$id"] for schema in SCHEMAS.values()}) == len(SCHEMAS)


@pytest.mark.parametrize("fact", FACTS.values(), ids=list(FACTS))
def test_a_published_message_fits_its_schema(fact: type[Fact]) -> None:
    record = orjson.loads(encode(envelope(a(fact), source="33/destination-agency", subject=CASE, time=NOON, causation="x")))

    problems = list(Draft202012Validator(schema_of_message(fact)).iter_errors(record))

    assert problems == []


def test_a_message_of_another_type_does_not_fit() -> None:
    record = orjson.loads(encode(envelope(a(FACTS["funds.received"]), source="33/bank", subject=CASE, time=NOON)))

    assert not Draft202012Validator(schema_of_message(FACTS["funds.remitted"])).is_valid(record)


def test_the_schema_that_a_message_names_is_the_one_of_its_data() -> None:
    fact = FACTS["funds.received"]
    record = orjson.loads(encode(envelope(a(fact), source="33/bank", subject=CASE, time=NOON)))
    registry: Registry[Any] = DRAFT202012.create_resource(schema_of_message(fact)) @ Registry()

    data_schema = registry.crawl().contents(record["dataschema"])

    assert data_schema["title"] == "FundsReceived"


def test_what_a_sealed_document_says_is_described_too() -> None:
    assert {f"{name}.body.v1.json" for name in DOCUMENTS} <= set(SCHEMAS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A copy of what is committed."""
    for folder in ("schemas", "asyncapi"):
        shutil.copytree(HERE / folder, tmp_path / folder)
    return tmp_path


def edit(file: Path, change: Any) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def test_a_stale_file_is_named_and_the_check_fails(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "schemas" / "funds.received.v1.json"
    edit(file, lambda schema: schema.update(title="another"))

    code = main(["--check"], home=home)

    assert code == 1
    assert f"{file}: not current; run `make contracts`" in capsys.readouterr().err


def test_a_missing_file_is_named_and_then_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "schemas" / "funds.received.v1.json"
    file.unlink()

    assert main(["--check"], home=home) == 1
    assert main([], home=home) == 0
    assert str(file) in capsys.readouterr().out
    assert main(["--check"], home=home) == 0


def test_a_contract_that_grew_is_written(home: Path) -> None:
    edit(home / "schemas" / "funds.received.v1.json", lambda schema: _data(schema)["properties"].pop("duplicate"))

    assert main([], home=home) == 0
    assert main(["--check"], home=home) == 0


def _data(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"]["FundsReceived"]
    return found


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_an_incompatible_change_is_refused_with_type_place_and_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    file = home / "schemas" / "funds.received.v1.json"
    edit(file, lambda schema: _data(schema)["properties"].update(channel={"type": "string"}))
    before = file.read_bytes()

    code = main(arguments, home=home)

    said = capsys.readouterr().err
    assert code == 1
    assert "funds.received.v1: data.channel: was removed or renamed" in said
    assert "make it version 2 and write the upcaster from 1" in said
    assert file.read_bytes() == before


def test_a_contract_that_is_gone_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "schemas" / "transfer.forgotten.v1.json").write_text('{"type": "object"}', encoding="utf-8")

    assert main([], home=home) == 1
    assert "transfer.forgotten.v1: the contract is gone" in capsys.readouterr().err


def test_the_schema_of_an_older_version_stays_beside_the_new_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = {**SCHEMAS, "funds.received.v2.json": {"type": "object"}}
    del grown["funds.received.v1.json"]
    monkeypatch.setattr(generate, "schemas", lambda: grown)

    assert main([], home=home) == 0
    assert (home / "schemas" / "funds.received.v1.json").is_file()
    assert (home / "schemas" / "funds.received.v2.json").is_file()
