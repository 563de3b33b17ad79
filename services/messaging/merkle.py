"""Merkle trees over record bytes, with the leaf and node hashing of RFC 6962 § 2.1. Pure."""

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32


def leaf(record: bytes) -> bytes:
    """Hash of one record's exact bytes."""
    return hashlib.sha256(b"\x00" + record).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root of a non-empty batch and each leaf's inclusion path (its hashes joined, bottom up)."""
    assert leaves
    level = list(leaves)
    paths: list[list[bytes]] = [[] for _ in leaves]
    groups = [[at] for at in range(len(leaves))]  # the leaves below each node of the level
    while len(level) > 1:
        above: list[bytes] = []
        merged: list[list[int]] = []
        for at in range(0, len(level) - 1, 2):
            left, right = level[at], level[at + 1]
            for below in groups[at]:
                paths[below].append(right)
            for below in groups[at + 1]:
                paths[below].append(left)
            above.append(_node(left, right))
            merged.append(groups[at] + groups[at + 1])
        if len(level) % 2:
            above.append(level[-1])
            merged.append(groups[-1])
        level, groups = above, merged
    return level[0], [b"".join(path) for path in paths]


def root_of(record_leaf: bytes, index: int, size: int, path: bytes) -> bytes | None:
    """The root that a path leads to (RFC 9162 § 2.1.3.2), or None where the path cannot belong to that place."""
    if not 0 <= index < size or len(path) % HASH_BYTES:
        return None
    hashes = [path[at : at + HASH_BYTES] for at in range(0, len(path), HASH_BYTES)]
    found, last = record_leaf, size - 1
    for sibling in hashes:
        if last == 0:
            return None
        if index % 2 or index == last:
            found = _node(sibling, found)
            while index % 2 == 0 and index != 0:
                index >>= 1
                last >>= 1
        else:
            found = _node(found, sibling)
        index >>= 1
        last >>= 1
    return found if last == 0 else None
