"""The caller's tenant in the native API: read, and changed by a key with the scope ``admin``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_struct
from multiturn.api.native.tenant_wire import TenantBody, TenantChangeBody
from multiturn.api.policy import read_policy, render_policy
from multiturn.api.services import Services
from multiturn.model.policy import ContextPolicy
from multiturn.model.tenant import Tenant


class TenantRoutes:
    """What a tenant sets for all its sessions."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/tenant", self.get_tenant, methods=["GET"]),
            Route(f"{base}/tenant", self.update_tenant, methods=["PATCH"]),
        ]

    async def get_tenant(self, request: Request) -> Response:
        """The tenant of the key."""
        caller = await authenticate(self.services, request)
        return write_response(render_tenant(*await self.services.tenants.get(caller)))

    async def update_tenant(self, request: Request) -> Response:
        """Change what it sets."""
        caller = await authenticate(self.services, request)
        raw = await read_body(request, bytes_max=self.services.body_bytes_max)
        read_json_object(raw)
        body = read_struct(raw, TenantChangeBody)
        return write_response(render_tenant(*await self.services.tenants.change_policy(caller, read_policy(body))))


def render_tenant(tenant: Tenant, policy: ContextPolicy) -> TenantBody:
    """A tenant."""
    return TenantBody(id=str(tenant.id), name=tenant.name, created_at=tenant.created_at, **render_policy(policy))
