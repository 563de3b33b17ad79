"""What a doctor sees of keys: whether the directory is the root's, and names the keys that stand in the secret files."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contracts.directory import DirectoryEntry, PublicKey, SignedEntry
from deploy.local.expected import SERVICES
from services.cli.doctor.findings import Finding
from services.messaging.directory import DirectoryRefused, open_entry
from services.messaging.signing import fingerprint, key_id, public_hex
from services.runtime.identity import TokenRefused, TokenVerifier

_EXPIRES_SOON = timedelta(days=30)
_RESTORE = "put the right key back from where it is kept safe; is it lost, the directory needs an entry with a new one"


def look(
    folder: Path, directory: Mapping[str, SignedEntry], provinces: tuple[str, ...], *, now: datetime, up: str
) -> list[Finding]:
    """Whether the directory can be trusted and fits the keys in the secrets' folder.

    Args:
        folder: of the secrets; nothing is made there.
        directory: as it stands on Kafka, by province.
        provinces: that take part.
        now: by which keys are valid.
        up: the command that publishes missing entries.
    """
    root_file = folder / "directory-root.key"
    root = _signing(root_file)
    if root is None:
        return [Finding("directory root", f"{root_file} is missing or holds no key", _RESTORE)]
    found = []
    for province in provinces:
        about = f"directory {province}"
        signed = directory.get(province)
        if signed is None:
            found.append(Finding(about, f"the directory has no entry of province {province}: nobody believes it", up, ("kafka",)))
            continue
        try:
            entry = open_entry(signed, fingerprint(root))
        except (DirectoryRefused, ValueError) as error:
            says = f"the directory's entry of {province} is refused: {error}"
            remedy = "find out who wrote it; with the right directory-root.key in place, " + up
            found.append(Finding(about, says, remedy))
            continue
        found += _keys(folder, entry, now)
    return found + _tokens(folder, provinces)


def _keys(folder: Path, entry: DirectoryEntry, now: datetime) -> list[Finding]:
    found = []
    province = entry.province
    wanted = [(f"{province}/{service}", "signing", folder / f"signing-{province}-{service}.key") for service in SERVICES]
    wanted.append((f"{province}/sealing", "sealing", folder / f"sealing-{province}.key"))
    for owner, use, file in wanted:
        about = f"key {owner}"
        public = _signing(file) if use == "signing" else _sealing(file)
        if public is None:
            found.append(Finding(about, f"{file} is missing or holds no key", _RESTORE))
            continue
        keys = [key for key in entry.keys if key.owner == owner and key.use == use]
        known = next((key for key in keys if key.public_hex == public), None)
        if known is None:
            says = f"{file} holds another key ({key_id(public)}) than the directory names for {owner} ({_ids(keys)})"
            found.append(Finding(about, f"{says}: what is signed or sealed with it is refused after the next start", _RESTORE))
        elif now < known.valid_from or (known.valid_to is not None and now > known.valid_to):
            says = f"the key of {owner} is not valid now: from {known.valid_from:%F} to {known.valid_to or 'ever'}"
            found.append(Finding(about, says, "publish an entry with a key that is valid"))
        elif known.valid_to is not None and known.valid_to - now < _EXPIRES_SOON:
            says = f"the key of {owner} ends on {known.valid_to:%F}"
            found.append(Finding(about, says, "publish an entry with its successor before that day", note=True))
    return found


def _ids(keys: list[PublicKey]) -> str:
    return ", ".join(key.key_id for key in keys) or "none"


def _tokens(folder: Path, provinces: tuple[str, ...]) -> list[Finding]:
    public = folder / "tokens.public.json"
    found = []
    for province in provinces:
        file = folder / f"bank-token-{province}.jwt"
        try:
            TokenVerifier(public).verify(file.read_text(encoding="ascii"))
        except (OSError, ValueError, TokenRefused) as error:
            says = f"the token with which {province} signs in to the bank does not hold: {error}"
            remedy = f"remove {file}; the next jiexu up makes a new one"
            found.append(Finding(f"bank token {province}", says, remedy))
    return found


def _bytes(file: Path) -> bytes | None:
    try:
        return bytes.fromhex(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def _signing(file: Path) -> str | None:
    raw = _bytes(file)
    return public_hex(Ed25519PrivateKey.from_private_bytes(raw)) if raw is not None and len(raw) == 32 else None


def _sealing(file: Path) -> str | None:
    raw = _bytes(file)
    return public_hex(X25519PrivateKey.from_private_bytes(raw)) if raw is not None and len(raw) == 32 else None
