"""Who calls: JWT bearer tokens with `sub`, `roles`, `province` and, for an insured person, `person_ref`."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet


class Role(StrEnum):
    """What a caller may be."""

    INSURED = "insured-person"
    EMPLOYER = "employer"
    MAKER = "maker"
    CHECKER = "checker"
    FUND_DESK = "fund-desk"
    OPERATOR = "operator"
    AUDITOR = "auditor"


STAFF = frozenset({Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR})


@dataclass(frozen=True, slots=True)
class Caller:
    """The bearer of a token that was verified."""

    sub: str
    roles: frozenset[Role]
    province: str
    person_ref: str | None = None


# Rules and policies stand in events where persons stand otherwise; nobody may call under such a name.
_NO_PERSONS = ("rule:", "policy:")


def is_person(actor: str) -> bool:
    """Whether the one who acted, as an event names it, is a person and not a rule or a policy."""
    return not actor.lower().startswith(_NO_PERSONS)


class TokenRefused(Exception):
    """The token is missing, expired, forged or lacks a claim; the text says which."""


class TokenVerifier:
    """Checks tokens against the issuer's public keys (a JWKS file)."""

    def __init__(self, keys_file: Path) -> None:
        self._keys = KeySet.import_key_set(json.loads(keys_file.read_text(encoding="utf-8")))
        self._claims = jwt.JWTClaimsRegistry(
            exp={"essential": True}, sub={"essential": True}, roles={"essential": True}, province={"essential": True}
        )

    def verify(self, token: str) -> Caller:
        """Verify a token of the form `header.claims.signature`.

        Raises:
            TokenRefused: with the reason.
        """
        try:
            claims = jwt.decode(token, self._keys, algorithms=["ES256"]).claims
            self._claims.validate(claims)
            roles = frozenset(Role(role) for role in claims["roles"])
        except (JoseError, ValueError, TypeError) as error:
            raise TokenRefused(str(error) or type(error).__name__) from error
        person_ref = claims.get("person_ref")
        if not is_person(str(claims["sub"]).strip()):
            raise TokenRefused("sub is the name of a rule or a policy, under which nobody acts")
        return Caller(str(claims["sub"]), roles, str(claims["province"]), str(person_ref) if person_ref else None)


class TokenIssuer:
    """Issues tokens for demo, tests and the scenario runner; in production the agency's own login does."""

    def __init__(self, private_key_file: Path) -> None:
        self._key = ECKey.import_key(json.loads(private_key_file.read_text(encoding="utf-8")))

    def issue(self, sub: str, roles: list[Role], province: str, *, person_ref: str | None = None, hours: int = 12) -> str:
        """A token for `sub`, valid for some hours of wall-clock time."""
        now = int(datetime.now(UTC).timestamp())
        claims: dict[str, object] = {
            "sub": sub,
            "roles": [str(role) for role in roles],
            "province": province,
            "iat": now,
            "exp": now + hours * 3600,
        }
        if person_ref is not None:
            claims["person_ref"] = person_ref
        return jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key)
