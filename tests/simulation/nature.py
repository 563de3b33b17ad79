"""Chance, seeded: everything in a world that nobody decides comes from here, and so does every fault."""

import hashlib
import hmac
import os
import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import uuid_utils
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.simulation.loop import PROCESS, Process, VirtualLoop, forever

EPOCH_MS = 1_714_953_600_000  # 2024-05-06 08:00 in Shanghai


@dataclass
class Weather:
    """How likely each fault is, a step or a second; all of it is zero when the faults stop."""

    crash: float = 0.0  # a step of any process is its last
    restart: float = 0.0  # a second: a process is stopped in good order
    pause: float = 0.0  # a second: a process stands still
    cut: float = 0.0  # a second: a process loses its way to one of its servers
    database_lost: float = 0.0  # a statement: the connection breaks before it
    commit_unknown: float = 0.0  # a commit: done, but nobody says so
    database_restart: float = 0.0  # a second
    produce_lost: float = 0.0  # a batch does not arrive
    ack_lost: float = 0.0  # a batch arrives and nobody says so
    late_twin: float = 0.0  # a batch arrives once more, later
    commit_lost: float = 0.0  # an offset is not committed
    slow: float = 0.0  # a record is seen late
    rebalance: float = 0.0  # a second: a group shares its partitions out anew
    broker_restart: float = 0.0  # a second
    bank_away: float = 0.0  # a request to the bank is lost, or its answer
    bank_wrong: float = 0.0  # a payment is delayed, lost, doubled, returned or short
    mail_trouble: float = 0.0  # the mail server is away, puts off, or takes a mail and does not say so
    work_fails: float = 0.0  # a service's work on a batch fails for a reason without a name
    clerk_twice: float = 0.0  # a clerk repeats a command, or the wrong person tries it
    days: float = 0.0  # a second: days pass

    @classmethod
    def of(cls, chance: random.Random) -> "Weather":
        """Some faults are common in one world and absent from another; a fault that always strikes hides others."""

        def some(most: float) -> float:
            return most * chance.random() ** 2 if chance.random() < 0.7 else 0.0

        return cls(
            crash=some(0.012),
            restart=some(0.02),
            pause=some(0.03),
            cut=some(0.08),
            database_lost=some(0.03),
            commit_unknown=some(0.08),
            database_restart=some(0.02),
            produce_lost=some(0.3),
            ack_lost=some(0.3),
            late_twin=some(0.3),
            commit_lost=some(0.4),
            slow=some(0.5),
            rebalance=some(0.15),
            broker_restart=some(0.02),
            bank_away=some(0.4),
            bank_wrong=some(0.6),
            mail_trouble=some(0.4),
            work_fails=some(0.6),
            clerk_twice=some(0.4),
            days=some(0.15),
        )


@dataclass
class Nature:
    """One world's chance and what it did."""

    seed: int
    loop: VirtualLoop
    chance: random.Random = field(init=False)
    weather: Weather = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    _digest: Any = field(default_factory=hashlib.sha256)
    keep_all: list[str] | None = None

    def __post_init__(self) -> None:
        self.chance = random.Random(f"world {self.seed}")
        self.weather = Weather.of(self.chance)

    @property
    def digest(self) -> str:
        """One digest over everything that was noted, in order."""
        found: str = self._digest.hexdigest()
        return found

    def calm(self) -> None:
        """No faults any more."""
        self.weather = Weather()

    def happens(self, probability: float) -> bool:
        """Throw a dice; asks for no chance where there is none."""
        return probability > 0.0 and self.chance.random() < probability

    def note(self, text: str, *, fault: str | None = None) -> None:
        """Write down a step of the schedule."""
        if fault is not None:
            self.counts[fault] += 1
        line = f"{self.loop.now:10.4f} {PROCESS.get() or '-'} {text}"
        self._digest.update(line.encode())
        self.last.append(line)
        if self.keep_all is not None:
            self.keep_all.append(line)

    async def step(self, where: str, most_s: float = 0.02) -> None:
        """Let some time pass, after which the process may be dead."""
        process = PROCESS.get()
        await _sleep(most_s * self.chance.random() ** 2)
        if process is not None and self.happens(self.weather.crash):
            await self.crash(process, where)

    async def crash(self, process: Process, where: str) -> None:
        """The end of the calling process."""
        self.note(f"crash at {where}", fault=f"crash {kind_of(process.name)}")
        self.loop.kill(process)
        await forever()


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def kind_of(process: str) -> str:
    """`44/origin-agency.1` is an `origin-agency`."""
    return process.split("/")[-1].split(".")[0]


class SeededSuite:
    """HPKE as RFC 9180 says (base mode, X25519, HKDF-SHA256, AES-256-GCM), with an ephemeral key from the seed.

    The library takes its ephemeral keys from the operating system, so two runs would not have the same bytes. What this
    seals, the library's own suite opens: that side stays real.
    """

    _KEM, _HPKE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"

    def __init__(self, bytes_of: Any) -> None:
        self._bytes = bytes_of
        self._real = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

    def encrypt(self, text: bytes, public: X25519PublicKey, *, info: bytes) -> bytes:
        """Seal for the holder of a key."""
        ephemeral = X25519PrivateKey.from_private_bytes(self._bytes(32))
        enc = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        context = enc + public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        eae = self._extract(self._KEM, b"", b"eae_prk", ephemeral.exchange(public))
        shared = self._expand(self._KEM, eae, b"shared_secret", context, 32)
        schedule = (
            b"\x00" + self._extract(self._HPKE, b"", b"psk_id_hash", b"") + self._extract(self._HPKE, b"", b"info_hash", info)
        )
        secret = self._extract(self._HPKE, shared, b"secret", b"")
        key = self._expand(self._HPKE, secret, b"key", schedule, 32)
        nonce = self._expand(self._HPKE, secret, b"base_nonce", schedule, 12)
        return enc + AESGCM(key).encrypt(nonce, text, b"")

    def decrypt(self, sealed: bytes, private: X25519PrivateKey, *, info: bytes) -> bytes:
        """Open, with the library."""
        return self._real.decrypt(sealed, private, info=info)

    @staticmethod
    def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
        return hmac.digest(salt or b"\x00" * 32, b"HPKE-v1" + suite + label + material, "sha256")

    @staticmethod
    def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
        return hmac.digest(key, labelled + b"\x01", "sha256")[:length]


@contextmanager
def seeded(seed: int, loop: VirtualLoop) -> Iterator[None]:
    """Time, random numbers, ids and keys of this process come from the seed while the block lasts."""
    bytes_ = random.Random(f"bytes {seed}")
    state = random.getstate()
    random.seed(f"jitter {seed}")
    count = 0

    def uuid7() -> str:
        nonlocal count
        count += 1
        ms = EPOCH_MS + int(loop.now * 1000)
        tail = bytes_.getrandbits(62)
        value = (ms << 80) | (7 << 76) | ((count & 0xFFF) << 64) | (2 << 62) | tail
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    suite = SeededSuite(bytes_.randbytes)
    try:
        with (
            patch.object(os, "urandom", bytes_.randbytes),
            patch.object(uuid_utils, "uuid7", uuid7),
            patch.object(time, "monotonic", loop.time),
            patch("services.messaging.sealing._SUITE", suite),
        ):
            yield
    finally:
        random.setstate(state)
