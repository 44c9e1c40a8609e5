"""API keys and quotas, for keys with the scope ``admin``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.admin.quotas import QuotaRoutes
from multiturn.api.admin.wire import KeyBody, KeyListBody, NewKeyBody, RevokedKeyBody
from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_struct
from multiturn.api.services import Services
from multiturn.engine.keys import NewKey, require_admin
from multiturn.model.ids import find_id
from multiturn.model.tenant import DEFAULT_TENANT, ApiKey


class AdminRoutes:
    """Makes, lists and revokes keys."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/keys", self.list_keys, methods=["GET"]),
            Route(f"{base}/keys", self.make_key, methods=["POST"]),
            Route(f"{base}/keys/{{key_id}}", self.get_key, methods=["GET"]),
            Route(f"{base}/keys/{{key_id}}", self.revoke_key, methods=["DELETE"]),
            *QuotaRoutes(self.services).below(base),
        ]

    async def list_keys(self, request: Request) -> Response:
        """List a tenant's keys."""
        require_admin(await authenticate(self.services, request))
        tenant = read_tenant(request)
        keys = await self.services.keys.list_keys(tenant)
        return write_response(KeyListBody(data=[render_key(key, tenant) for key in keys]))

    async def make_key(self, request: Request) -> Response:
        """Make a key, and its tenant and user where they are new."""
        require_admin(await authenticate(self.services, request))
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        asked = read_struct(body or b"{}", NewKeyBody)
        for name, value in (("tenant", asked.tenant), ("user", asked.user), ("label", asked.label or None)):
            if value is not None:
                check_id(value, name)
        new = NewKey(
            tenant=asked.tenant,
            user=asked.user,
            label=asked.label,
            scopes=tuple(asked.scopes),
            expires_at=asked.expires_at,
        )
        key, secret = await self.services.keys.make(new)
        return write_response(render_key(key, asked.tenant, secret), status=201)

    async def get_key(self, request: Request) -> Response:
        """One key, without its secret."""
        require_admin(await authenticate(self.services, request))
        tenant = read_tenant(request)
        key = await self.services.keys.get_key(tenant, find_id(request.path_params["key_id"]))
        return write_response(render_key(key, tenant))

    async def revoke_key(self, request: Request) -> Response:
        """Revoke a key at once."""
        require_admin(await authenticate(self.services, request))
        key_id = request.path_params["key_id"]
        await self.services.keys.revoke(read_tenant(request), find_id(key_id))
        return write_response(RevokedKeyBody(id=key_id))


def read_tenant(request: Request) -> str:
    """The tenant that is asked for, by name. Raises InvalidRequest."""
    return check_id(request.query_params.get("tenant", DEFAULT_TENANT), "tenant")


def render_key(key: ApiKey, tenant: str, secret: str | None = None) -> KeyBody:
    """A key."""
    return KeyBody(
        id=str(key.id),
        tenant=tenant,
        user_id=str(key.user_id),
        user=key.user,
        label=key.label,
        hint=key.hint,
        scopes=list(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        used_at=key.used_at,
        revoked_at=key.revoked_at,
        secret=secret,
    )
