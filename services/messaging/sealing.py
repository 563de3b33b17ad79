"""Sealing: a document body that only the receiving province can open, person data that only the person's key opens.

For a province: HPKE (RFC 9180; X25519, HKDF-SHA256, AES-256-GCM) encapsulates one data key a batch and receiver; each body is
AES-256-GCM under that key, bound to its routing facts. For a person: AES-256-GCM under the person's own key.
"""

import base64
import os
from collections.abc import Mapping
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from pydantic import ValidationError

from contracts.base import SealedForPerson, SealedForProvince
from contracts.documents import Body, Document
from services.messaging.directory import Directory
from services.messaging.signing import key_id, public_hex

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO = b"jiexu document key v1"

DocumentT = TypeVar("DocumentT", bound=Document)


class NoSealingKey(LookupError):
    """The directory has no sealing key of the receiving province."""


class Unopenable(ValueError):
    """A sealed body that this key does not open: altered, or sealed to somebody else."""


def _bound(kind: type[Document], case_id: str, sender: str, addressee: str, version: int) -> bytes:
    return f"{kind.type_name}|{case_id}|{sender}|{addressee}|{version}".encode()


class Sealer:
    """Seals the documents of one batch: make one a handler call, so that a receiver costs one encapsulation."""

    def __init__(self, directory: Directory, sender: str) -> None:
        self._directory = directory
        self._sender = sender
        self._keys: dict[str, tuple[AESGCM, str, str]] = {}

    def seal(self, kind: type[DocumentT], body: Body, *, case_id: str, addressee: str, version: int = 1) -> DocumentT:
        """Seal a body as a document of this kind.

        Raises:
            NoSealingKey: when the directory does not know the addressee.
        """
        assert isinstance(body, kind.body_type), (kind, type(body))
        data_key, encapsulated, recipient = self._key_for(addressee)
        nonce = os.urandom(12)
        text = body.model_dump_json().encode()
        sealed = data_key.encrypt(nonce, text, _bound(kind, case_id, self._sender, addressee, version))
        return kind(
            case_id=case_id,
            sender=self._sender,
            addressee=addressee,
            document_version=version,
            sealed=SealedForProvince(
                encapsulated=encapsulated,
                recipient_key=recipient,
                nonce=nonce.hex(),
                ciphertext=base64.b64encode(sealed).decode(),
            ),
        )

    def _key_for(self, addressee: str) -> tuple[AESGCM, str, str]:
        found = self._keys.get(addressee)
        if found is None:
            key = self._directory.sealing_key(addressee)
            if key is None:
                raise NoSealingKey(f"province {addressee} has no sealing key in the directory")
            data_key = os.urandom(32)
            public = X25519PublicKey.from_public_bytes(bytes.fromhex(key.public_hex))
            encapsulated = base64.b64encode(_SUITE.encrypt(data_key, public, info=_INFO)).decode()
            found = self._keys[addressee] = (AESGCM(data_key), encapsulated, key.key_id)
        return found


class Opener:
    """Opens documents that were sealed to this province."""

    def __init__(self, *keys: X25519PrivateKey) -> None:
        self._keys = {key_id(public_hex(key)): key for key in keys}
        self._data_keys: dict[str, AESGCM] = {}

    def open(self, document: Document) -> Body:
        """The body of a document.

        Raises:
            Unopenable: when it is not for us, was altered, or its body does not fit its kind.
        """
        sealed = document.sealed
        try:
            data_key = self._data_keys.get(sealed.encapsulated)
            if data_key is None:
                key = self._keys[sealed.recipient_key]
                data_key = AESGCM(_SUITE.decrypt(base64.b64decode(sealed.encapsulated, validate=True), key, info=_INFO))
                if len(self._data_keys) > 4096:
                    self._data_keys.clear()
                self._data_keys[sealed.encapsulated] = data_key
            bound = _bound(type(document), document.case_id, document.sender, document.addressee, document.document_version)
            text = data_key.decrypt(bytes.fromhex(sealed.nonce), base64.b64decode(sealed.ciphertext, validate=True), bound)
            return document.body_type.model_validate_json(text)
        except KeyError as error:
            raise Unopenable("sealed to another key") from error
        except (InvalidTag, ValueError, ValidationError) as error:
            raise Unopenable(f"the body does not open: {type(error).__name__}") from error


def seal_for_person(key: bytes, person_ref: str, text: bytes) -> SealedForPerson:
    """Put data under a person's key (32 bytes), bound to the person."""
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, text, person_ref.encode())
    return SealedForPerson(nonce=nonce.hex(), ciphertext=base64.b64encode(sealed).decode())


def open_for_person(keys: Mapping[str, bytes], person_ref: str, sealed: SealedForPerson) -> bytes | None:
    """Read data under a person's key; None where the key was destroyed, for that person is forgotten.

    Raises:
        Unopenable: when the data was altered.
    """
    key = keys.get(person_ref)
    if key is None:
        return None
    try:
        return AESGCM(key).decrypt(bytes.fromhex(sealed.nonce), base64.b64decode(sealed.ciphertext), person_ref.encode())
    except (InvalidTag, ValueError) as error:
        raise Unopenable("the person's data does not open") from error
