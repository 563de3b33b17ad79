"""An agency put together from its settings, or told by name what it lacks."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.local.exchange import root_fingerprint
from deploy.local.services import bank_token_file
from deploy.local.stack import Stack
from services.records.office import SettingMissing, build
from services.runtime.settings import Settings
from tests.agencies import InProcess


def settings(stack: Stack, at: InProcess, **changes: Any) -> Settings:
    usual: dict[str, Any] = {
        "province": "44",
        "database_url": at.owner_url,
        "keys_database_url": at.keys_owner_url,
        "kafka_bootstrap": stack.kafka.bootstrap,
        "kafka_username": "44.origin-agency",
        "kafka_password": "secret",
        "signing_key_file": stack.secrets.signing_file("44", "origin-agency"),
        "sealing_key_file": stack.secrets.sealing_file("44"),
        "id_hash_key_file": stack.secrets.id_hash_file("44"),
        "token_keys_file": stack.secrets.token_public_file(),
        "directory_root": root_fingerprint(stack.secrets),
        "bank_url": "http://127.0.0.1:1",
        "bank_token_file": bank_token_file(stack.home, "44"),
    }
    return Settings(**{**usual, **changes})


@pytest.mark.parametrize("service", ["origin-agency", "destination-agency"])
async def test_an_agency_has_its_name_its_keys_and_the_law(stack: Stack, at: InProcess, service: str) -> None:
    parts = build(settings(stack, at), service)

    assert parts.agency.name == f"44/{service}"
    assert parts.agency.directory is parts.house.directory
    assert parts.agency.clock is parts.house.clock
    assert parts.agency.tables.refusal("NO_RELATIONSHIP", date(2024, 3, 1)).uses
    await parts.bank.close()


async def test_two_agencies_of_a_province_find_a_person_by_the_same_hash(stack: Stack, at: InProcess) -> None:
    built = [build(settings(stack, at), service) for service in ("origin-agency", "destination-agency")]

    hashes = {parts.agency.vault.id_hash("11010519491231002X") for parts in built}

    assert len(hashes) == 1
    for parts in built:
        await parts.bank.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys_database_url", None),
        ("sealing_key_file", None),
        ("id_hash_key_file", None),
        ("bank_token_file", None),
        ("bank_url", ""),
    ],
)
async def test_what_an_agency_cannot_do_without_is_named(stack: Stack, at: InProcess, name: str, value: str | None) -> None:
    with pytest.raises(SettingMissing, match=name.upper()):
        build(settings(stack, at, **{name: value}), "origin-agency")


async def test_a_key_file_that_is_not_there_stops_the_start(stack: Stack, at: InProcess, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build(settings(stack, at, sealing_key_file=tmp_path / "nothing"), "origin-agency")
