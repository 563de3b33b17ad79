"""Keys: the directory is the root's, and names what stands in the secret files."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.directory import SignedEntry
from deploy.local.exchange import directory_entry
from deploy.local.secrets import Secrets
from deploy.local.services import bank_token_file
from services.areas import PROVINCE_SERVICES
from services.cli.doctor.findings import Finding
from services.cli.doctor.trust import look
from services.messaging.directory import sign_entry
from services.rules.loader import load_tables
from services.runtime.clock import Clock

NOW = Clock().now()


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    found = Secrets.of(tmp_path)
    bank_token_file(tmp_path, "44")
    return found


def directory(secrets: Secrets, *, root: Ed25519PrivateKey | None = None) -> dict[str, SignedEntry]:
    entry = directory_entry(load_tables().province("44"), secrets, PROVINCE_SERVICES, NOW)
    return {"44": sign_entry(entry, root or secrets.directory_root_key())}


def found(secrets: Secrets, known: dict[str, SignedEntry], provinces: tuple[str, ...] = ("44",)) -> list[Finding]:
    return look(secrets.folder, known, provinces, now=NOW, up="jiexu up")


def test_keys_that_the_root_names_and_that_stand_in_the_files_are_well(secrets: Secrets) -> None:
    assert found(secrets, directory(secrets)) == []


@pytest.mark.parametrize("name", ["signing-44-notification.key", "sealing-44.key"])
def test_another_key_in_a_file_is_named_with_both(secrets: Secrets, name: str) -> None:
    known = directory(secrets)
    (secrets.folder / name).write_text("5a" * 32)

    [finding] = found(secrets, known)

    assert finding.about == ("key 44/notification" if "signing" in name else "key 44/sealing")
    assert "holds another key" in finding.says
    assert "5a5a" not in finding.says


def test_a_missing_key_is_named_and_none_is_made(secrets: Secrets) -> None:
    known = directory(secrets)
    (secrets.folder / "signing-44-origin-agency.key").unlink()

    [finding] = found(secrets, known)

    assert finding.about == "key 44/origin-agency"
    assert not (secrets.folder / "signing-44-origin-agency.key").exists()


def test_an_entry_that_another_root_signed_is_refused(secrets: Secrets) -> None:
    secrets.directory_root_file()

    [finding] = found(secrets, directory(secrets, root=Ed25519PrivateKey.generate()))

    assert finding.about == "directory 44"
    assert "another root" in finding.says


def test_a_province_without_an_entry_is_named(secrets: Secrets) -> None:
    bank_token_file(secrets.folder.parent, "33")

    [finding] = found(secrets, directory(secrets), ("44", "33"))

    assert finding.about == "directory 33"


@pytest.mark.parametrize(("ends_in", "note"), [(timedelta(days=-1), False), (timedelta(days=10), True)])
def test_a_key_that_has_ended_is_wrong_and_one_that_ends_soon_a_note(secrets: Secrets, ends_in: timedelta, note: bool) -> None:
    entry = directory_entry(load_tables().province("44"), secrets, PROVINCE_SERVICES, NOW)
    keys = tuple(
        key.model_copy(update={"valid_to": NOW + ends_in}) if key.owner == "44/notification" else key for key in entry.keys
    )
    known = {"44": sign_entry(entry.model_copy(update={"keys": keys}), secrets.directory_root_key())}

    [finding] = found(secrets, known)

    assert (finding.about, finding.note) == ("key 44/notification", note)


def test_a_bank_token_that_does_not_hold_is_named(secrets: Secrets) -> None:
    known = directory(secrets)
    (secrets.folder / "bank-token-44.jwt").write_text("a.b.c")

    [finding] = found(secrets, known)

    assert finding.about == "bank token 44"
