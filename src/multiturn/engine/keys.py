"""API keys: who makes a request, and who may make keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.ports import Clock, KeyStore
from multiturn.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from multiturn.model.ids import new_id
from multiturn.model.tenant import SCOPE_ADMIN, SCOPE_USERS, SCOPES, ApiKey, Caller

DEFAULT_TENANT = "default"
PREFIX = "mt-"
SECRET_BYTES = 24
# A server that did not hear of a revocation (another one made it, and the notice was lost) finds out so much later.
REMEMBER = timedelta(seconds=5)
KEYS_REMEMBERED = 10_000


class NewKey(Struct, frozen=True, kw_only=True):
    """What a key is to be: its tenant and user by name, what it may do, and a label for people."""

    tenant: str = DEFAULT_TENANT
    user: str | None = None
    label: str = ""
    scopes: tuple[str, ...] = ()


class Keys:
    """Makes, checks and revokes keys. A secret is shown once, when it is made; the store holds its SHA-256."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.callers: dict[bytes, tuple[float, Caller]] = {}
        self.users: dict[tuple[UUID, str], UUID] = {}
        self.trusted: dict[bytes, Caller] = {}

    def trust(self, secret: str, caller: Caller) -> None:
        """Take a secret for this caller's as long as this process lives; it is stored nowhere."""
        self.trusted[hash_secret(secret)] = caller

    async def authenticate(self, secret: str | None, *, user: str | None = None) -> Caller:
        """Tell who makes a request.

        ``user`` is the user it acts for (``X-User-Id``). Raises Unauthenticated for a key that is missing, wrong or
        revoked, Forbidden when the key may not act for users.
        """
        if not secret:
            raise Unauthenticated(
                "No API key was sent. Send it as 'Authorization: Bearer <key>' (or x-api-key, or apikey).",
                code="missing_api_key",
            )
        digest = hash_secret(secret)
        now = self.clock().timestamp()
        until, caller = self.callers.get(digest, (0.0, None))
        if caller is None or until < now:
            caller = await self._look_up(digest)
            if len(self.callers) >= KEYS_REMEMBERED:
                self.callers.clear()
            self.callers[digest] = (now + REMEMBER.total_seconds(), caller)
        return caller if user is None else await self._act_for(caller, user)

    async def _look_up(self, digest: bytes) -> Caller:
        if trusted := self.trusted.get(digest):
            return trusted
        key = await self.store.find_by_digest(digest)
        if key is None or key.revoked_at:
            self.callers.pop(digest, None)
            text = "This API key was revoked." if key else "This API key is wrong."
            raise Unauthenticated(f"{text} 'multiturn keys' lists and makes keys.")
        return Caller(
            tenant_id=key.tenant_id, user_id=key.user_id, key_id=key.id, is_bound=key.is_bound, scopes=key.scopes
        )

    async def _act_for(self, caller: Caller, user: str) -> Caller:
        if SCOPE_USERS not in caller.scopes:
            raise Forbidden("This key may not act for users: it lacks the scope 'users'.", param="X-User-Id")
        if (known := self.users.get((caller.tenant_id, user))) is None:
            known = await self.store.ensure_user(caller.tenant_id, user, self.clock())
            if len(self.users) >= KEYS_REMEMBERED:
                self.users.clear()
            self.users[caller.tenant_id, user] = known
        return replace(caller, user_id=known, is_bound=True)

    async def make(self, new: NewKey, *, secret: str | None = None) -> tuple[ApiKey, str]:
        """Make a key, and its tenant and user where they are new; the key and its secret.

        Raises InvalidRequest for an unknown scope or a secret that is a key already.
        """
        if unknown := set(new.scopes) - set(SCOPES):
            raise InvalidRequest(
                f"Unknown scope {sorted(unknown)[0]!r}; scopes are {', '.join(SCOPES)}.", param="scopes"
            )
        now = self.clock()
        tenant = await self.store.ensure_tenant(new.tenant, now)
        user_id = tenant.default_user_id
        if new.user:
            user_id = await self.store.ensure_user(tenant.id, new.user, now)
        secret = secret or PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(
            id=new_id(),
            tenant_id=tenant.id,
            user_id=user_id,
            is_bound=new.user is not None,
            label=new.label,
            hint=f"{secret[:5]}…{secret[-4:]}" if len(secret) > 16 else "…",
            scopes=new.scopes,
            created_at=now,
        )
        if not await self.store.add(key, hash_secret(secret)):
            raise InvalidRequest("This secret is a key already.", code="key_exists", param="secret")
        return key, secret

    async def ensure(self, secret: str) -> None:
        """Make the first key with this secret (``MULTITURN_API_KEY``), unless it is a key already."""
        if await self.store.find_by_digest(hash_secret(secret)) is None:
            # Of servers that start together one makes it, and the others find that it is there.
            with suppress(InvalidRequest):
                await self.make(NewKey(label="first key", scopes=SCOPES), secret=secret)

    async def has_keys(self) -> bool:
        """Whether the default tenant has a key that is good."""
        tenant = await self.store.find_tenant(DEFAULT_TENANT)
        return tenant is not None and any(not key.revoked_at for key in await self.store.list_keys(tenant.id))

    async def list_keys(self, tenant: str) -> Sequence[ApiKey]:
        """List a tenant's keys, oldest first. Raises NotFound for a tenant that is not there."""
        return await self.store.list_keys(await self._tenant_id(tenant))

    async def revoke(self, tenant: str, key_id: UUID | None) -> None:
        """Revoke a key at once, on every server. Raises NotFound."""
        tenant_id = await self._tenant_id(tenant)
        if key_id is None or not await self.store.revoke(tenant_id, key_id, self.clock()):
            raise NotFound("There is no such key, or it is revoked already.", code="key_not_found", param="key_id")
        self.hear_revoked(key_id)

    async def _tenant_id(self, name: str) -> UUID:
        tenant = await self.store.find_tenant(name)
        if tenant is None:
            raise NotFound(f"There is no tenant '{name}'.", code="tenant_not_found", param="tenant")
        return tenant.id

    def hear_revoked(self, key_id: UUID) -> None:
        """A key was revoked, here or on another server."""
        self.callers = {digest: known for digest, known in self.callers.items() if known[1].key_id != key_id}

    def hear_user(self, user_id: UUID) -> None:
        """A user is gone, here or on another server: whoever names it again means a new one."""
        self.users = {name: known for name, known in self.users.items() if known != user_id}


def require_admin(caller: Caller) -> None:
    """Raise Forbidden unless the key may manage keys."""
    if SCOPE_ADMIN not in caller.scopes:
        raise Forbidden("This key may not manage keys: it lacks the scope 'admin'.")


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256. A secret is 192 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
