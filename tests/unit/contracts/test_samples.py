"""Samples: one real message each, which every later version of the contracts must be able to read."""

from pathlib import Path

import orjson
import pytest

from contracts.envelope import PREFIX, decode, type_of
from contracts.generate import HERE
from contracts.registry import FACTS

SAMPLES = HERE / "samples"
FILES = sorted(SAMPLES.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sample_is_read_as_the_current_version(file: Path) -> None:
    read = decode(file.read_bytes())

    assert read.type == type_of(type(read.data))
    assert file.stem.rpartition(".v")[0] == type(read.data).type_name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sample_is_kept_under_the_type_and_version_with_which_it_was_published(file: Path) -> None:
    assert file.stem == orjson.loads(file.read_bytes())["type"].removeprefix(PREFIX)


def test_every_message_has_a_sample() -> None:
    wanted = {type_of(fact).removeprefix(PREFIX) for fact in FACTS.values()}

    assert wanted - {file.stem for file in FILES} == set()
