"""The secrets of a local stack: made once, kept in files that only their owner may read, one secret a file."""

import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc.jwk import ECKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Secrets:
    """The folder `<home>/secrets`. Every secret is generated when it is first asked for and the same ever after.

    Two processes that ask for a new one at once get the same one.
    """

    folder: Path

    @classmethod
    def of(cls, home: Path) -> "Secrets":
        """The secrets of the stack in this home."""
        return cls(home / "secrets")

    def password_file(self, name: str) -> Path:
        """The file of a password, such as `kafka-44.origin-agency` or `postgres-p44_owner`: 43 letters of [A-Za-z0-9_-]."""
        return self._kept(f"password-{name}", secrets.token_urlsafe(32))

    def password(self, name: str) -> str:
        """The password itself; see `password_file` for its name."""
        return self.password_file(name).read_text(encoding="ascii")

    def signing_file(self, province: str, service: str) -> Path:
        """The Ed25519 key with which a service signs its checkpoints: 32 bytes in hex."""
        return self._kept(f"signing-{province}-{service}.key", Ed25519PrivateKey.generate().private_bytes_raw().hex())

    def signing_key(self, province: str, service: str) -> Ed25519PrivateKey:
        """The key in `signing_file`."""
        return Ed25519PrivateKey.from_private_bytes(_bytes(self.signing_file(province, service)))

    def sealing_file(self, province: str) -> Path:
        """The X25519 key to which documents for a province are sealed: 32 bytes in hex."""
        return self._kept(f"sealing-{province}.key", X25519PrivateKey.generate().private_bytes_raw().hex())

    def sealing_key(self, province: str) -> X25519PrivateKey:
        """The key in `sealing_file`."""
        return X25519PrivateKey.from_private_bytes(_bytes(self.sealing_file(province)))

    def id_hash_file(self, province: str) -> Path:
        """The HMAC key under which a province looks identity numbers up: 32 bytes in hex."""
        return self._kept(f"idhash-{province}.key", secrets.token_hex(32))

    def id_hash_key(self, province: str) -> bytes:
        """The key in `id_hash_file`."""
        return _bytes(self.id_hash_file(province))

    def directory_root_file(self) -> Path:
        """The Ed25519 key that signs the directory of agencies: 32 bytes in hex."""
        return self._kept("directory-root.key", Ed25519PrivateKey.generate().private_bytes_raw().hex())

    def directory_root_key(self) -> Ed25519PrivateKey:
        """The key in `directory_root_file`."""
        return Ed25519PrivateKey.from_private_bytes(_bytes(self.directory_root_file()))

    def token_private_file(self) -> Path:
        """The ES256 key that signs access tokens: a JWK set of one private key, with its `kid`."""
        key = ECKey.generate_key("P-256", parameters={"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)
        return self._kept("tokens.private.json", json.dumps({"keys": [key.as_dict(private=True)]}))

    def token_public_file(self) -> Path:
        """The public half of `token_private_file`, which services verify tokens with: a JWK set of one public key."""
        private = json.loads(self.token_private_file().read_text(encoding="ascii"))["keys"][0]
        public = ECKey.import_key(private).as_dict(private=False)
        return self._kept("tokens.public.json", json.dumps({"keys": [public]}))

    def _kept(self, name: str, fresh: str) -> Path:
        """The file of that name, made with this content if there is none."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a secret")
        path = self.folder / name
        if path.exists():
            return path
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Linked to its name when complete: nobody can read half of it, and of two makers the first one wins.
        draft = self.folder / f".{name}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(fresh)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                return path
        finally:
            draft.unlink()
        return path


def _bytes(path: Path) -> bytes:
    return bytes.fromhex(path.read_text(encoding="ascii"))
