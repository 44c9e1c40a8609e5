"""API keys: who makes a request, and who may make keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.ports import Clock
from multiturn.engine.ports_keys import KeyStore
from multiturn.engine.times import as_stored
from multiturn.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from multiturn.model.ids import new_id
from multiturn.model.tenant import (
    DEFAULT_TENANT,
    OPERATOR,
    SCOPE_ADMIN,
    SCOPE_JWT,
    SCOPE_USERS,
    SCOPES,
    ApiKey,
    Caller,
    Tenant,
)

PREFIX = "mt-"
SECRET_BYTES = 24
# A server that did not hear of a revocation (another one made it, and the notice was lost) finds out so much later.
REMEMBER = timedelta(seconds=5)
KEYS_REMEMBERED = 10_000
# When a key was last used is written at most so often.
NOTE_USES_S = 60.0


class NewKey(Struct, frozen=True, kw_only=True):
    """What a key is to be: its tenant and user by name, what it may do, until when, and a label for people."""

    tenant: str = DEFAULT_TENANT
    user: str | None = None
    label: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None


class Keys:
    """Makes, checks and revokes keys. A secret is shown once, when it is made; the store holds its SHA-256."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.callers: dict[bytes, tuple[float, Caller]] = {}
        self.users: dict[tuple[UUID, str], UUID] = {}
        self.trusted: dict[bytes, Caller] = {}
        self.uses: dict[UUID, tuple[UUID, datetime]] = {}

    def trust(self, secret: str, caller: Caller) -> None:
        """Take a secret for this caller's as long as this process lives; it is stored nowhere."""
        self.trusted[hash_secret(secret)] = caller

    async def authenticate(self, secret: str | None, *, user: str | None = None) -> Caller:
        """Tell who makes a request by a key alone.

        ``user`` is the user it acts for (``X-User-Id``). Raises Unauthenticated for a key that is missing, wrong,
        expired or revoked, or that needs a user's token beside it, Forbidden when the key may not act for users.
        """
        caller = await self.find_caller(secret)
        if SCOPE_JWT in caller.scopes:
            raise Unauthenticated(
                "This key opens nothing by itself: send the JWT of a user beside it, as 'Authorization: Bearer <JWT>'.",
                code="missing_token",
            )
        return caller if user is None else await self.act_for(caller, user)

    async def find_caller(self, secret: str | None) -> Caller:
        """Tell whose key this is, whatever it may do. Raises Unauthenticated."""
        if not secret:
            raise Unauthenticated(
                "No API key was sent. Send it as 'Authorization: Bearer <key>' (or x-api-key, or apikey).",
                code="missing_api_key",
            )
        digest = hash_secret(secret)
        now = self.clock()
        until, caller = self.callers.get(digest, (0.0, None))
        if caller is None or until <= now.timestamp():
            until, caller = await self._look_up(digest, now)
            if len(self.callers) >= KEYS_REMEMBERED:
                self.callers.clear()
            self.callers[digest] = (until, caller)
        return caller

    async def _look_up(self, digest: bytes, now: datetime) -> tuple[float, Caller]:
        """Whose key this is, and until when that may be remembered."""
        until = (now + REMEMBER).timestamp()
        if trusted := self.trusted.get(digest):
            return until, trusted
        key = await self.store.find_by_digest(digest)
        if key is None or not key.is_good(now):
            self.callers.pop(digest, None)
            raise Unauthenticated(f"{tell_wrong(key)} 'multiturn keys' lists and makes keys.")
        if key.expires_at:
            until = min(until, key.expires_at.timestamp())
        if key.used_at is None or (now - key.used_at).total_seconds() >= NOTE_USES_S:
            self.uses[key.id] = (key.tenant_id, now)
        caller = Caller(
            tenant_id=key.tenant_id, user_id=key.user_id, key_id=key.id, is_bound=key.is_bound, scopes=key.scopes
        )
        return until, caller

    async def save_uses(self) -> int:
        """Store when keys were last used, of which they are looked at when they are looked up. Tells of how many."""
        uses, self.uses = self.uses, {}
        if uses:
            await self.store.note_uses([(tenant_id, key_id, at) for key_id, (tenant_id, at) in uses.items()])
        return len(uses)

    async def act_for(self, caller: Caller, user: str) -> Caller:
        """The same caller as a user of its tenant, made where it is new. Raises Forbidden."""
        if not {SCOPE_ADMIN, SCOPE_USERS} & set(caller.scopes):
            raise Forbidden(
                "This key may not act for users: it has neither the scope 'users' nor 'admin'.", param="X-User-Id"
            )
        return replace(caller, user_id=await self.find_user_id(caller.tenant_id, user), is_bound=True)

    async def find_user_id(self, tenant_id: UUID, user: str) -> UUID:
        """Our id of a user of a tenant by its name; it is made where it is new."""
        if (known := self.users.get((tenant_id, user))) is None:
            known = await self.store.ensure_user(tenant_id, user, self.clock())
            if len(self.users) >= KEYS_REMEMBERED:
                self.users.clear()
            self.users[tenant_id, user] = known
        return known

    async def make(self, new: NewKey, *, secret: str | None = None) -> tuple[ApiKey, str]:
        """Make a key, and its tenant and user where they are new; the key and its secret.

        Raises InvalidRequest for scopes that are unknown or do not go together, an expiry that is past, or a secret
        that is a key already.
        """
        now = self.clock()
        check_new(new, now)
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
            user=new.user,
            label=new.label,
            hint=f"{secret[:5]}…{secret[-4:]}" if len(secret) > 16 else "…",
            scopes=tuple(scope for scope in SCOPES if scope in new.scopes),
            created_at=now,
            expires_at=new.expires_at and as_stored(new.expires_at),
        )
        if not await self.store.add(key, hash_secret(secret)):
            raise InvalidRequest("This secret is a key already.", code="key_exists", param="secret")
        return key, secret

    async def ensure(self, secret: str) -> None:
        """Make the first key with this secret (``MULTITURN_API_KEY``), unless it is a key already."""
        if await self.store.find_by_digest(hash_secret(secret)) is None:
            # Of servers that start together one makes it, and the others find that it is there.
            with suppress(InvalidRequest):
                await self.make(NewKey(label="first key", scopes=OPERATOR), secret=secret)

    async def has_keys(self) -> bool:
        """Whether the default tenant has a key that is good."""
        tenant = await self.store.find_tenant(DEFAULT_TENANT)
        return tenant is not None and await self._has_good(tenant.id)

    async def _has_good(self, tenant_id: UUID) -> bool:
        now = self.clock()
        return any(key.is_good(now) for key in await self.store.list_keys(tenant_id))

    async def list_keys(self, tenant: str) -> Sequence[ApiKey]:
        """List a tenant's keys, oldest first. Raises NotFound for a tenant that is not there."""
        return await self.store.list_keys((await self.get_tenant(tenant)).id)

    async def get_key(self, tenant: str, key_id: UUID | None) -> ApiKey:
        """Get a key of a tenant, revoked ones too. Raises NotFound."""
        tenant_id = (await self.get_tenant(tenant)).id
        key = await self.store.find_key(tenant_id, key_id) if key_id else None
        if key is None:
            raise NotFound("There is no such key.", code="key_not_found", param="key_id")
        return key

    async def revoke(self, tenant: str, key_id: UUID | None) -> None:
        """Revoke a key at once, on every server. Raises NotFound."""
        tenant_id = (await self.get_tenant(tenant)).id
        if key_id is None or not await self.store.revoke(tenant_id, key_id, self.clock()):
            raise NotFound("There is no such key, or it is revoked already.", code="key_not_found", param="key_id")
        self.hear_revoked(key_id)

    async def get_tenant(self, name: str) -> Tenant:
        """Get a tenant by its name. Raises NotFound."""
        tenant = await self.store.find_tenant(name)
        if tenant is None:
            raise NotFound(f"There is no tenant '{name}'.", code="tenant_not_found", param="tenant")
        return tenant

    def hear_revoked(self, key_id: UUID) -> None:
        """A key was revoked, here or on another server."""
        self.callers = {digest: known for digest, known in self.callers.items() if known[1].key_id != key_id}

    def hear_user(self, user_id: UUID) -> None:
        """A user is gone, here or on another server: whoever names it again means a new one."""
        self.users = {name: known for name, known in self.users.items() if known != user_id}


def check_new(new: NewKey, now: datetime) -> None:
    """Raise InvalidRequest for a key that makes no sense."""
    scopes = set(new.scopes)
    if unknown := scopes - set(SCOPES):
        raise InvalidRequest(f"Unknown scope {sorted(unknown)[0]!r}; scopes are {', '.join(SCOPES)}.", param="scopes")
    if SCOPE_JWT in scopes and (new.user is not None or scopes & {SCOPE_ADMIN, SCOPE_USERS}):
        raise InvalidRequest(
            "A key with the scope 'jwt' has no user and no rights of its own: the JWT beside it names the user.",
            param="scopes",
        )
    if new.expires_at is not None and new.expires_at <= now:
        raise InvalidRequest("'expires_at' must be in the future.", param="expires_at")


def tell_wrong(key: ApiKey | None) -> str:
    """What is wrong with a key that opens nothing."""
    if key is None:
        return "This API key is wrong."
    if key.revoked_at:
        return "This API key was revoked."
    return f"This API key expired on {key.expires_at:%Y-%m-%d at %H:%M} UTC."


def require_admin(caller: Caller, what: str = "manage keys") -> None:
    """Raise Forbidden unless the key may do what operators do."""
    if SCOPE_ADMIN not in caller.scopes:
        raise Forbidden(f"This key may not {what}: it lacks the scope 'admin'.")


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256. A secret is 192 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
