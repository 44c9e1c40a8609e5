"""What export and import need from the store: an interface that the store fits by shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from multiturn.model.archive import ArchivedRun
from multiturn.model.content import Summary
from multiturn.model.item import Item
from multiturn.model.session import Session


class TransferStore(Protocol):
    """Reads sessions out, and takes sessions in that nobody sees until all of them are there.

    A session that is being taken in is held by a time: behind it the sweeper erases what is there of it.
    """

    async def list_runs(self, tenant_id: UUID, session_id: UUID, *, after: int, limit: int) -> Sequence[ArchivedRun]:
        """List runs that have ended, oldest first, those behind ticket ``after``."""
        ...

    async def stage(self, session: Session, until: datetime) -> None:
        """Begin to take in a session, which reserves its external id.

        Raises Conflict (``session_exists``) when that is taken within its user.
        """
        ...

    async def renew(self, tenant_id: UUID, session_ids: Sequence[UUID], until: datetime) -> None:
        """Hold sessions that are being taken in for longer."""
        ...

    async def add(self, tenant_id: UUID, session_id: UUID, items: Sequence[Item], runs: Sequence[ArchivedRun]) -> None:
        """Store a batch of a session's items and runs. Raises Conflict when the session is gone."""
        ...

    async def publish(self, sessions: Sequence[tuple[Session, int, Summary | None]]) -> None:
        """Make sessions visible as they are to be, each with its last ticket and the summary that waits for a cut.

        Raises Conflict, with none of them visible, when one is gone.
        """
        ...

    async def drop(self, tenant_id: UUID, session_ids: Sequence[UUID]) -> None:
        """Take away sessions that were being taken in; what is there of them is erased in batches."""
        ...
