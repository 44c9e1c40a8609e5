"""Tokens of users (JWTs): who makes a request, and of which tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from multiturn.engine.keys import KEYS_REMEMBERED, Keys, hash_secret
from multiturn.engine.ports_keys import TokenReader
from multiturn.errors import Forbidden, Unauthenticated
from multiturn.model.tenant import DEFAULT_TENANT, SCOPE_READ, Caller

TOKEN_CHARS_MAX = 16_384
NAME_CHARS_MAX = 255


class TokenRules(Struct, frozen=True, kw_only=True):
    """What of a token means what: the claim that names the user, and the tenant, by a claim or once for all."""

    user_claim: str = "sub"
    tenant: str = DEFAULT_TENANT
    tenant_claim: str | None = None


class Verified(Struct, frozen=True, kw_only=True):
    """What a token that is right says, and until when that may be believed."""

    until: float
    user: str
    tenant: str | None


class Tokens:
    """Tells whose a token is. One that was right is remembered until it expires, or the issuer's keys are others."""

    def __init__(self, reader: TokenReader, keys: Keys, rules: TokenRules) -> None:
        self.reader = reader
        self.keys = keys
        self.rules = rules
        self.verified: dict[bytes, Verified] = {}
        self.keys_version = -1
        self.tenants: dict[str, UUID] = {}

    async def authenticate(self, token: str, *, key: str | None = None, user: str | None = None) -> Caller:
        """Tell who makes a request with a token: its user, in the tenant of the key beside it, else in its own.

        ``user`` is a user that the request names besides. Raises Unauthenticated (``invalid_token``, ``keys_differ``,
        or what a wrong key raises), Forbidden when another user is named, Unavailable (``jwks_unavailable``).
        """
        beside = await self.keys.find_caller(key) if key else None
        said = await self._verify(token)
        if user is not None and user != said.user:
            raise Forbidden("The JWT names its user; 'X-User-Id' may not name another.", param="X-User-Id")
        tenant_id = beside.tenant_id if beside else await self._find_tenant_id(said.tenant)
        if beside and said.tenant is not None and tenant_id != await self._find_tenant_id(said.tenant):
            raise Unauthenticated("The key and the JWT are of different tenants.", code="keys_differ")
        user_id = await self.keys.find_user_id(tenant_id, said.user)
        if beside and beside.is_bound and beside.user_id != user_id:
            raise Unauthenticated("The key and the JWT are of different users.", code="keys_differ")
        return Caller(
            tenant_id=tenant_id,
            user_id=user_id,
            key_id=beside.key_id if beside else user_id,
            is_bound=True,
            scopes=(SCOPE_READ,) if beside and not beside.can_write else (),
        )

    async def _verify(self, token: str) -> Verified:
        """What a token says, read or remembered."""
        if len(token) > TOKEN_CHARS_MAX:
            raise wrong_token(f"it has more than {TOKEN_CHARS_MAX} characters")
        await self.reader.refresh()
        if self.keys_version != self.reader.keys_version:
            self.verified.clear()
        digest, now = hash_secret(token), self.keys.clock().timestamp()
        known = self.verified.get(digest)
        if known is None or known.until <= now:
            known = self._understand(await self.reader.read(token))
            self.keys_version = self.reader.keys_version
            if len(self.verified) >= KEYS_REMEMBERED:
                self.verified.clear()
            self.verified[digest] = known
        return known

    def _understand(self, claims: Mapping[str, Any]) -> Verified:
        tenant = None
        if self.rules.tenant_claim:
            tenant = read_name(claims, self.rules.tenant_claim)
        return Verified(until=float(claims["exp"]), user=read_name(claims, self.rules.user_claim), tenant=tenant)

    async def _find_tenant_id(self, name: str | None) -> UUID:
        """Our id of the tenant that a token names, else of that of the settings; it is made where it is new."""
        name = self.rules.tenant if name is None else name
        if (known := self.tenants.get(name)) is None:
            known = (await self.keys.store.ensure_tenant(name, self.keys.clock())).id
            if len(self.tenants) >= KEYS_REMEMBERED:
                self.tenants.clear()
            self.tenants[name] = known
        return known


def read_name(claims: Mapping[str, Any], claim: str) -> str:
    """A claim that names somebody; a dotted one is inside another. Raises Unauthenticated."""
    value: Any = claims
    for part in [claim] if claim in claims else claim.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        raise wrong_token(f"it has no claim '{claim}'")
    if not isinstance(value, str) or not value.strip() or len(value) > NAME_CHARS_MAX or not value.isprintable():
        raise wrong_token(f"its claim '{claim}' must be a text of 1 to {NAME_CHARS_MAX} printable characters")
    return value


def wrong_token(why: str) -> Unauthenticated:
    """The error of a token that opens nothing."""
    return Unauthenticated(f"This JWT is not accepted: {why}.", code="invalid_token")
