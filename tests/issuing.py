"""An issuer of tokens for tests: its keys, the JWKS that it publishes, and tokens right and wrong."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example"
AUDIENCE = "multiturn"


@cache
def rsa_key(_name: str = "a") -> rsa.RSAPrivateKey:
    """An RSA key, made once a process: making one takes 0.1 s."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    """An Ed25519 key."""
    return ed25519.Ed25519PrivateKey.generate()


def write_jwks(*kids: str) -> str:
    """A JWKS of these keys: ``ec``, ``ed``, or any other name for an RSA key."""
    return json.dumps({"keys": [write_jwk(kid) for kid in kids]})


def write_jwk(kid: str) -> dict[str, Any]:
    """One public key."""
    if kid == "ec":
        key = ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True)
    elif kid == "ed":
        key = OKPAlgorithm.to_jwk(ed_key().public_key(), as_dict=True)
    else:
        key = RSAAlgorithm.to_jwk(rsa_key(kid).public_key(), as_dict=True)
    return {**key, "kid": kid, "use": "sig"}


def make_claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves a claim out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 3600, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def make_token(kid: str | None = "a", algorithm: str = "RS256", *, key: Any = None, **changes: Any) -> str:
    """A token, signed by the key of this name unless another is given."""
    if key is None:
        key = {"ES256": ec_key, "EdDSA": ed_key}.get(algorithm, lambda: rsa_key(kid or "a"))()
    return jwt.encode(make_claims(**changes), key, algorithm, headers={"kid": kid} if kid else None)
