"""Checkpoints: one signature a batch, each naming the one before."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.directory import NO_CHECKPOINT, Checkpoint
from services.messaging.merkle import leaf, root_of
from services.messaging.signing import (
    Signer,
    fingerprint,
    key_id,
    public_hex,
    read_sealing_key,
    read_signing_key,
    signature_holds,
)

NOON = datetime.fromisoformat("2024-05-06T12:00:00+08:00")
# RFC 8032 § 7.1, test 1.
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
SIGNATURE_OF_NOTHING = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED))


def test_keys_and_signatures_are_ed25519_as_others_know_it(key: Ed25519PrivateKey) -> None:
    assert public_hex(key) == PUBLIC
    assert signature_holds(PUBLIC, "", SIGNATURE_OF_NOTHING)


def test_a_key_is_named_by_the_beginning_of_its_fingerprint(key: Ed25519PrivateKey) -> None:
    assert fingerprint(PUBLIC).startswith(key_id(PUBLIC))
    assert len(key_id(PUBLIC)) == 16


def test_key_files_hold_32_bytes_in_hex(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SEED}\n", encoding="ascii")

    assert public_hex(read_signing_key(file)) == PUBLIC
    assert len(public_hex(read_sealing_key(file))) == 64


def test_a_batch_is_signed_once_and_each_record_proven_alone(key: Ed25519PrivateKey) -> None:
    records = [b"first", b"second", b"third"]

    signed, paths = Signer("33/origin-agency", key).sign_batch(records, first=8, previous=NO_CHECKPOINT, now=NOON)

    checkpoint = Checkpoint.model_validate_json(signed.checkpoint)
    assert (checkpoint.service, checkpoint.first, checkpoint.last) == ("33/origin-agency", 8, 10)
    assert (checkpoint.key_id, checkpoint.previous, checkpoint.signed_at) == (key_id(PUBLIC), NO_CHECKPOINT, NOON)
    assert signature_holds(PUBLIC, signed.checkpoint, signed.signature)
    for at, (record, path) in enumerate(zip(records, paths, strict=True)):
        root = root_of(leaf(record), at, 3, path)
        assert root is not None
        assert root.hex() == checkpoint.root


def test_checkpoints_make_a_chain(key: Ed25519PrivateKey) -> None:
    signer = Signer("33/origin-agency", key)

    first, _ = signer.sign_batch([b"a"], first=1, previous=NO_CHECKPOINT, now=NOON)
    second, _ = signer.sign_batch([b"b"], first=2, previous=first.digest, now=NOON)

    assert json.loads(second.checkpoint)["previous"] == first.digest


def test_the_same_batch_has_the_same_checkpoint(key: Ed25519PrivateKey) -> None:
    signer = Signer("33/origin-agency", key)

    assert signer.sign_batch([b"a"], first=1, previous=NO_CHECKPOINT, now=NOON) == signer.sign_batch(
        [b"a"], first=1, previous=NO_CHECKPOINT, now=NOON
    )


@pytest.mark.parametrize(
    ("public", "text", "signature"),
    [
        (PUBLIC, "x", SIGNATURE_OF_NOTHING),
        (PUBLIC, "", SIGNATURE_OF_NOTHING[:-2] + "0c"),
        (PUBLIC, "", ""),
        (PUBLIC, "", "zz"),
        ("", "", SIGNATURE_OF_NOTHING),
        ("00" * 32, "", SIGNATURE_OF_NOTHING),
        (PUBLIC[:-2] + "00", "", SIGNATURE_OF_NOTHING),
    ],
)
def test_a_signature_that_is_not_of_this_key_and_text_does_not_hold(public: str, text: str, signature: str) -> None:
    assert not signature_holds(public, text, signature)
