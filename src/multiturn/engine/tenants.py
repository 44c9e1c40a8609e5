"""What a tenant sets for the contexts of all its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.ports import Clock, TenantStore
from multiturn.errors import Forbidden, NotFound
from multiturn.model.policy import ContextPolicy
from multiturn.model.tenant import SCOPE_ADMIN, Caller, Tenant

# A server that did not hear of a change (another one made it, and the notice was lost) finds out so much later.
REMEMBER = timedelta(seconds=30)
POLICIES_REMEMBERED = 10_000


class Tenants:
    """The policies of tenants; every turn asks for one, so they are remembered."""

    def __init__(self, store: TenantStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.policies: dict[UUID, tuple[float, ContextPolicy]] = {}
        self.heard = 0

    async def policy_of(self, tenant_id: UUID) -> ContextPolicy:
        """Tell a tenant's policy."""
        now = self.clock().timestamp()
        known = self.policies.get(tenant_id)
        if known is not None and known[0] > now:
            return known[1]
        heard = self.heard
        policy = await self.store.find_policy(tenant_id)
        if heard == self.heard:
            # Otherwise one was changed meanwhile, and this may be what it was before.
            if len(self.policies) >= POLICIES_REMEMBERED:
                self.policies.clear()
            self.policies[tenant_id] = (now + REMEMBER.total_seconds(), policy)
        return policy

    async def get(self, caller: Caller) -> tuple[Tenant, ContextPolicy]:
        """Get the caller's tenant, and what it sets. Raises NotFound."""
        tenant = await self.store.find(caller.tenant_id)
        if tenant is None:
            raise tenant_not_found()
        return tenant, await self.store.find_policy(tenant.id)

    async def change_policy(self, caller: Caller, change: Mapping[str, Any]) -> tuple[Tenant, ContextPolicy]:
        """Set fields of the tenant's policy by name; None unsets.

        Raises Forbidden without the scope ``admin``, NotFound.
        """
        if SCOPE_ADMIN not in caller.scopes:
            raise Forbidden("This key may not change the tenant: it lacks the scope 'admin'.")
        tenant = await self.store.find(caller.tenant_id)
        policy = await self.store.change_policy(caller.tenant_id, lambda policy: replace(policy, **change))
        if tenant is None or policy is None:
            raise tenant_not_found()
        self.hear_policy(tenant.id)
        return tenant, policy

    def hear_policy(self, tenant_id: UUID) -> None:
        """A tenant's policy was changed, here or on another server."""
        self.heard += 1
        self.policies.pop(tenant_id, None)


def tenant_not_found() -> NotFound:
    """The error of a tenant that is not there."""
    return NotFound("There is no such tenant.", code="tenant_not_found")
