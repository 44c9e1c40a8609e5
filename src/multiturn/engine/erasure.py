"""Takes away for good what sessions, agents and users leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from multiturn.engine.ports import RetentionStore
from multiturn.model.agent import ErasureReceipt, User
from multiturn.model.knowledge import Owner
from multiturn.model.session import RetiredSession

ERASE_ROWS = 200
# So many batches a request erases itself; the sweeper erases the rest.
ERASE_BATCHES = 50
SESSIONS_PER_STEP = 50


async def erase_pending(retention: RetentionStore) -> bool:
    """Erase what was taken away, so that no byte of it is left in files of our own; False when it was too much for one
    request, and the sweeper goes on.
    """
    is_complete = False
    for _ in range(ERASE_BATCHES):
        if not await retention.erase_batch(limit=ERASE_ROWS):
            is_complete = True
            break
    await retention.vacuum()
    return is_complete


async def erase_documents(retention: RetentionStore, tenant_id: UUID, owner: Owner) -> None:
    """Erase the documents of an agent or a user that was deleted."""
    await retention.erase_owned(tenant_id, owner.id)
    await erase_pending(retention)


async def retire_sessions(retention: RetentionStore, user: User) -> Sequence[RetiredSession]:
    """Take away all sessions that a user owns or takes part in, with those that were forked from them."""
    retired: list[RetiredSession] = []
    while batch := await retention.retire_user(user.tenant_id, user.id, limit=SESSIONS_PER_STEP):
        retired += batch
    return retired


def write_receipt(
    user: User, retired: Sequence[RetiredSession], *, documents: int, is_complete: bool, now: datetime
) -> ErasureReceipt:
    """What was taken away with a user."""
    return ErasureReceipt(
        user_id=user.id,
        erased_at=now,
        sessions=len(retired),
        forks=sum(one.session.settings.origin is not None for one in retired),
        items=sum(one.items for one in retired),
        runs=sum(one.runs for one in retired),
        documents=documents + sum(one.documents for one in retired),
        is_complete=is_complete,
    )
