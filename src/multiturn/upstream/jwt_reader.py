"""Checks the tokens of users (JWTs, RFC 7519) by the keys of their issuer. Loaded only where tokens are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from msgspec import Struct

from multiturn.errors import Unauthenticated
from multiturn.upstream.jwks import Jwks

BUILT_MAX = 1000


class TokenChecks(Struct, frozen=True, kw_only=True):
    """What is asked of a token; ``leeway_s`` is how far the clocks of issuer and server may be apart."""

    algorithms: Sequence[str]
    issuer: str
    audience: Sequence[str] = ()
    leeway_s: float = 60.0


class JwtReader:
    """Reads tokens. The algorithm is one of ours to choose, never the token's alone, and must be that of the key."""

    def __init__(self, jwks: Jwks, checks: TokenChecks) -> None:
        self.jwks = jwks
        self.checks = checks
        self.built: dict[tuple[int, int, str], jwt.PyJWK] = {}

    @property
    def keys_version(self) -> int:
        """Another number when the keys of the issuer are others."""
        return self.jwks.version

    async def refresh(self) -> None:
        """Fetch the issuer's keys again, if that is due. Raises Unavailable when there never were any."""
        await self.jwks.refresh()

    async def read(self, token: str) -> Mapping[str, Any]:
        """What a token says that is right. Its expiry is given with the leeway added."""
        algorithm, kid = self._read_header(token)
        keys = self._find_keys(algorithm, kid)
        if not keys and await self.jwks.look_again():
            keys = self._find_keys(algorithm, kid)
        if not keys:
            named = "without a key id ('kid')" if kid is None else "by a key that its issuer does not have"
            raise refuse(f"it was signed {named}")
        if len(keys) > 1:
            raise refuse("it does not say which of its issuer's keys it was signed with ('kid')")
        claims = self._check(token, keys[0], algorithm)
        return {**claims, "exp": int(claims["exp"]) + self.checks.leeway_s}

    def _read_header(self, token: str) -> tuple[str, str | None]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise refuse("it cannot be read") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self.checks.algorithms:
            known = ", ".join(self.checks.algorithms)
            raise refuse(f"it is signed by '{str(algorithm)[:20]}', and this server takes {known}")
        return algorithm, kid

    def _find_keys(self, algorithm: str, kid: str | None) -> Sequence[jwt.PyJWK]:
        """The keys of this name, else all, that are for this algorithm."""
        found = []
        for index, key in enumerate(self.jwks.keys):
            if (kid is None or key.get("kid") == kid) and (built := self._build(index, key, algorithm)):
                found.append(built)
        return found

    def _build(self, index: int, key: Mapping[str, Any], algorithm: str) -> jwt.PyJWK | None:
        if key.get("alg", algorithm) != algorithm:
            return None
        name = (self.jwks.version, index, algorithm)
        if name not in self.built:
            if len(self.built) >= BUILT_MAX:
                self.built.clear()
            try:
                self.built[name] = jwt.PyJWK(dict(key), algorithm)
            except (jwt.PyJWTError, ValueError, TypeError):
                return None  # A key of another kind: an RSA key is none for HS256.
        return self.built[name]

    def _check(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        checks = self.checks
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=list(checks.audience) or None,
                issuer=checks.issuer,
                leeway=checks.leeway_s,
                options={"require": ["exp", "iss"], "verify_aud": bool(checks.audience), "verify_sub": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise refuse(tell_why(error, checks)) from error


def tell_why(error: Exception, checks: TokenChecks) -> str:
    """Why a token is not accepted, in words of ours."""
    match error:
        case jwt.ExpiredSignatureError():
            return "it has expired"
        case jwt.ImmatureSignatureError():
            return "it is not valid yet ('nbf' or 'iat' is in the future)"
        case jwt.InvalidIssuerError():
            return f"it is from another issuer than '{checks.issuer}'"
        case jwt.InvalidAudienceError():
            return f"it is for another audience than '{', '.join(checks.audience)}'"
        case jwt.InvalidSignatureError():
            return "its signature is wrong"
        case jwt.MissingRequiredClaimError():
            if error.claim == "aud":
                return f"it is for no audience, and must be for '{', '.join(checks.audience)}'"
            return f"it has no claim '{error.claim}'"
        case _:
            return "it cannot be read"


def refuse(why: str) -> Unauthenticated:
    """The error of a token that opens nothing."""
    return Unauthenticated(f"This JWT is not accepted: {why}.", code="invalid_token")
