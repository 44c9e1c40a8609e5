"""What quotas need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from multiturn.model.quota import Quota, QuotaKind, QuotaRules, StoredQuota


class QuotaStore(Protocol):
    """Keeps quotas. Without a ``subject_id`` one is the tenant's, or that of each user or session without its own."""

    async def load_rules(self, tenant_id: UUID) -> QuotaRules:
        """Tell at a glance what is limited in a tenant."""
        ...

    async def find(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None = None) -> Quota | None:
        """Find one quota."""
        ...

    async def set(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None, quota: Quota) -> None:
        """Store a quota instead of the one before. Every server hears of it."""
        ...

    async def delete(self, tenant_id: UUID, kind: QuotaKind, subject_id: UUID | None = None) -> bool:
        """Delete a quota; False when there is none. Every server hears of it."""
        ...

    async def list_quotas(
        self, tenant_id: UUID, *, after: tuple[QuotaKind, UUID | None] | None, limit: int
    ) -> Sequence[StoredQuota]:
        """List a tenant's quotas, by kind and then by subject, those behind the one named."""
        ...
