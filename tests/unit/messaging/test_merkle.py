"""Merkle trees as RFC 6962 describes them, with its own test vectors."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.merkle import HASH_BYTES, leaf, root_of, tree

# The leaves and roots of the reference implementation (google/certificate-transparency, merkletree/merkle_tree_test.cc).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Inclusion paths of the same reference: (leaf, size, path).
PATHS = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        2,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    root, _ = tree([leaf(record) for record in LEAVES[:size]])

    assert root.hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("number", "size", "path"), PATHS)
def test_inclusion_paths_are_those_of_the_reference(number: int, size: int, path: list[str]) -> None:
    _, paths = tree([leaf(record) for record in LEAVES[:size]])

    assert paths[number - 1].hex() == "".join(path)


def test_the_root_of_nothing_is_never_asked_for() -> None:
    with pytest.raises(AssertionError):
        tree([])


def _recursive(records: list[bytes]) -> bytes:
    """The definition of RFC 6962 § 2.1, word by word."""
    if len(records) == 1:
        return hashlib.sha256(b"\x00" + records[0]).digest()
    split = 1
    while split * 2 < len(records):
        split *= 2
    return hashlib.sha256(b"\x01" + _recursive(records[:split]) + _recursive(records[split:])).digest()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_the_root_is_that_of_the_definition(records: list[bytes]) -> None:
    assert tree([leaf(record) for record in records])[0] == _recursive(records)


@pytest.mark.parametrize("size", range(1, 41))
def test_each_path_proves_its_own_leaf_at_its_own_place_and_no_other(size: int) -> None:
    leaves = [leaf(str(at).encode()) for at in range(size)]

    root, paths = tree(leaves)

    for at, path in enumerate(paths):
        for place in range(size):
            for other in range(size):
                proven = root_of(leaves[other], place, size, path) == root
                assert proven == (place == at and other == at), (size, at, place, other)


@given(size=st.integers(1, 40), data=st.data())
def test_a_path_that_was_touched_proves_nothing(size: int, data: st.DataObject) -> None:
    leaves = [leaf(str(at).encode()) for at in range(size)]
    root, paths = tree(leaves)
    at = data.draw(st.integers(0, size - 1))
    path = bytearray(paths[at])
    touched = data.draw(st.sampled_from(["longer", "shorter", "flipped"]))
    if touched == "longer":
        path += b"\x00" * data.draw(st.integers(1, HASH_BYTES))
    elif not path:
        return
    elif touched == "shorter":
        del path[-data.draw(st.integers(1, len(path))) :]
    else:
        path[data.draw(st.integers(0, len(path) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    assert root_of(leaves[at], at, size, bytes(path)) != root


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (10**30, 10**30)])
def test_a_place_outside_the_batch_proves_nothing(index: int, size: int) -> None:
    assert root_of(leaf(b"x"), index, size, b"") is None


def test_a_node_is_never_taken_for_a_record() -> None:
    left, right = leaf(b"a"), leaf(b"b")
    root, _ = tree([left, right])

    assert leaf(left + right) != root
    assert leaf(b"\x01" + left + right) != root
