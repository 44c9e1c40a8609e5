"""What prepared contexts need from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from multiturn.model.prepared import PreparedContext


class PreparedStore(Protocol):
    """Keeps prepared contexts. With a ``user_id`` only that user's are there."""

    async def add(self, prepared: PreparedContext) -> None:
        """Store a new one."""
        ...

    async def find(self, tenant_id: UUID, prepared_id: UUID, *, user_id: UUID | None) -> PreparedContext | None:
        """Find one."""
        ...

    async def list_prepared(
        self, tenant_id: UUID, *, user_id: UUID | None, limit: int, offset: int
    ) -> tuple[Sequence[PreparedContext], int]:
        """A page of them, newest first, and how many there are in all."""
        ...

    async def delete(self, tenant_id: UUID, prepared_id: UUID, *, user_id: UUID | None) -> bool:
        """Delete one for good; False when there is none."""
        ...
