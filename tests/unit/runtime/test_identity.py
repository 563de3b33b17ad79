"""Tokens: what is signed by a known key, in time, with every claim; anything else is refused."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from services.runtime.identity import Role, TokenIssuer, TokenRefused, TokenVerifier
from tests.builders import PERSON


class Keys:
    """A token issuer's keys in files."""

    def __init__(self, folder: Path) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "key-1", "alg": "ES256", "use": "sig"})
        self.private = folder / "private.json"
        self.public = folder / "jwks.json"
        self.private.write_text(json.dumps(self.key.as_dict(private=True)), encoding="utf-8")
        self.public.write_text(json.dumps({"keys": [self.key.as_dict(private=False)]}), encoding="utf-8")

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """A token with some claims changed; None takes one out."""
        now = int(datetime.now(UTC).timestamp())
        usual = {"sub": "clerk-1", "roles": ["maker"], "province": "44", "iat": now, "exp": now + 60}
        kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(
            header or {"alg": "ES256", "kid": "key-1"}, kept, key or self.key, algorithms=["ES256", "HS256", "none"]
        )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def verifier(keys: Keys) -> TokenVerifier:
    return TokenVerifier(keys.public)


def test_a_token_says_who_calls_as_what_from_where(keys: Keys, verifier: TokenVerifier) -> None:
    token = TokenIssuer(keys.private).issue("clerk-1", [Role.MAKER, Role.CHECKER], "44")

    caller = verifier.verify(token)

    assert (caller.sub, caller.roles, caller.province, caller.person_ref) == (
        "clerk-1",
        frozenset({Role.MAKER, Role.CHECKER}),
        "44",
        None,
    )


def test_an_insured_persons_token_names_the_pseudonym(keys: Keys, verifier: TokenVerifier) -> None:
    token = TokenIssuer(keys.private).issue("someone", [Role.INSURED], "44", person_ref=PERSON)

    assert verifier.verify(token).person_ref == PERSON


@pytest.mark.parametrize("claim", ["sub", "roles", "province", "exp"])
def test_a_token_that_lacks_a_claim_is_refused(keys: Keys, verifier: TokenVerifier, claim: str) -> None:
    with pytest.raises(TokenRefused, match=claim):
        verifier.verify(keys.token(**{claim: None}))


@pytest.mark.parametrize(
    "claims", [{"exp": 1}, {"roles": ["emperor"]}, {"roles": "maker"}, {"roles": 7}, {"roles": [["maker"]]}], ids=str
)
def test_a_token_that_is_old_or_claims_what_is_not_is_refused(
    keys: Keys, verifier: TokenVerifier, claims: dict[str, Any]
) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(keys.token(**claims))


@pytest.mark.parametrize("sub", ["rule:K1@2026-09", "policy:automatic-approvals", "Rule:K4", " policy:x"])
def test_nobody_calls_under_the_name_of_a_rule_or_a_policy(keys: Keys, verifier: TokenVerifier, sub: str) -> None:
    with pytest.raises(TokenRefused, match="rule or a policy"):
        verifier.verify(keys.token(sub=sub))


def test_a_person_whose_name_holds_such_a_word_is_a_person(keys: Keys, verifier: TokenVerifier) -> None:
    assert verifier.verify(keys.token(sub="clerk-of-policy:1")).sub == "clerk-of-policy:1"


def test_a_token_of_another_issuer_is_refused(keys: Keys, verifier: TokenVerifier) -> None:
    other = ECKey.generate_key("P-256", {"kid": "key-1"})
    unknown = ECKey.generate_key("P-256", {"kid": "key-2"})

    for forged in (keys.token(key=other), keys.token(key=unknown, header={"alg": "ES256", "kid": "key-2"})):
        with pytest.raises(TokenRefused):
            verifier.verify(forged)


def test_a_token_cannot_choose_to_be_unsigned_or_signed_with_the_public_key(keys: Keys, verifier: TokenVerifier) -> None:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {"sub": "x", "roles": ["operator"], "province": "44", "exp": 2**40}
    unsigned = f"{part({'alg': 'none'})}.{part(claims)}."
    confused = keys.token(header={"alg": "HS256", "kid": "key-1"}, key=OctKey.import_key(keys.public.read_bytes()))

    for forged in (unsigned, confused):
        with pytest.raises(TokenRefused):
            verifier.verify(forged)


def test_a_token_whose_claims_were_touched_is_refused(keys: Keys, verifier: TokenVerifier) -> None:
    header, _, signature = keys.token().split(".")
    _, other, _ = keys.token(roles=["operator"]).split(".")

    with pytest.raises(TokenRefused):
        verifier.verify(f"{header}.{other}.{signature}")


@given(st.text(max_size=60) | st.lists(st.text("abAB09-_=", max_size=12), min_size=3, max_size=5).map(".".join))
def test_no_text_at_all_makes_the_verifier_fail_otherwise(verifier: TokenVerifier, text: str) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(text)
