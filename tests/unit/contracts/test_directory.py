"""The directory's and the checkpoints' contracts."""

import hashlib

import pytest
from pydantic import ValidationError

from contracts.directory import NO_CHECKPOINT, Checkpoint, DirectoryEntry, PublicKey, SignedCheckpoint
from tests.builders import a


def test_a_checkpoint_is_named_by_the_digest_of_its_exact_text() -> None:
    signed = a(SignedCheckpoint, checkpoint='{"service":"33/origin-agency"}')

    assert signed.digest == hashlib.sha256(b'{"service":"33/origin-agency"}').hexdigest()


def test_the_first_checkpoint_names_nothing_before_it() -> None:
    assert a(Checkpoint, previous=NO_CHECKPOINT).previous == "0" * 64


@pytest.mark.parametrize("field", ["first", "last"])
def test_numbers_of_a_log_begin_with_one(field: str) -> None:
    with pytest.raises(ValidationError):
        a(Checkpoint, **{field: 0})


@pytest.mark.parametrize(
    ("model", "field"),
    [(Checkpoint, "signed_at"), (PublicKey, "valid_from"), (PublicKey, "valid_to"), (DirectoryEntry, "issued_at")],
)
def test_a_time_that_does_not_say_its_offset_is_refused_because_it_cannot_be_compared(
    model: type[Checkpoint | PublicKey | DirectoryEntry], field: str
) -> None:
    text = a(model).model_dump(mode="json") | {field: "2024-05-06T09:00:00"}

    with pytest.raises(ValidationError, match="timezone"):
        model.model_validate(text, strict=False)


@pytest.mark.parametrize("use", ["encryption", "", "Signing"])
def test_a_key_is_for_signing_or_for_sealing(use: str) -> None:
    with pytest.raises(ValidationError):
        a(PublicKey, use=use)
