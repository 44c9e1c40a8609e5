"""Forks in the store: sessions that share items of others, which live until the last of them goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from multiturn.errors import InvalidRequest
from multiturn.model.context import WindowState
from multiturn.model.item import Range
from multiturn.model.session import ForkOrder, Origin, Session
from multiturn.store.database import Transaction
from multiturn.store.rows import as_id


def branch_off(origin: Session, order: ForkOrder, now: datetime) -> Session:
    """The session that shares the active path of its origin up to a ``seq``, each range naming whose items they are.

    Raises InvalidRequest where that path has no such item.
    """
    last = origin.path[-1].last if origin.path else 0
    at = last if order.at is None else order.at
    if order.at is not None and not any(range_.first <= at <= range_.last for range_ in origin.path):
        raise InvalidRequest(
            f"The session has no item {at} on its active branch. 'GET …/items' lists those that it has.",
            code="unknown_seq",
            param="at",
        )
    shown, cut = find_window(origin, at)
    return Session(
        id=order.id,
        tenant_id=origin.tenant_id,
        user_id=origin.user_id,
        external_id=order.external_id,
        created_at=now,
        active_at=now,
        idle_expiry_s=origin.idle_expiry_s,
        instructions=origin.instructions,
        metadata=origin.metadata if order.metadata is None else order.metadata,
        head=at,
        path=tuple(
            Range(range_.first, min(range_.last, at), range_.session_id or origin.id)
            for range_ in origin.path
            if range_.first <= at
        ),
        cut=cut,
        settings=replace(origin.settings, origin=Origin(session_id=origin.id, seq=at)),
        shown=shown,
    )


def find_window(origin: Session, at: int) -> tuple[WindowState, int]:
    """What the model is shown of the shared items: what the origin's is shown, where that was so at ``at`` already.

    The blocks that were recalled for the origin's turns stay with it.
    """
    summary = origin.shown.summary
    if origin.cut > at or (summary is not None and summary > at):
        return WindowState(blocks_from=at + 1), 1
    return replace(origin.shown, blocks_from=at + 1), origin.cut


async def share(tx: Transaction, fork: Session) -> None:
    """Note what the fork shares, of each owning session from the first item to the last."""
    for owner_id in {range_.session_id for range_ in fork.path if range_.session_id}:
        ranges = [range_ for range_ in fork.path if range_.session_id == owner_id]
        shared = {"first": ranges[0].first, "last": ranges[-1].last}
        who = {"tenant_id": fork.tenant_id, "origin_id": owner_id, "session_id": fork.id}
        await tx.execute("add_fork", {**who, **shared})


async def release(tx: Transaction, tenant_id: UUID, session_id: UUID) -> None:
    """The session shares nothing any more: what nobody needs now of those whose items it shared is erased.

    The origin is held meanwhile. Were it deleted beside this, its erasure could still see the fork, and nobody would
    look again.
    """
    who = {"tenant_id": tenant_id, "session_id": session_id}
    for row in await tx.fetch_all("list_origins", who):
        origin_id = as_id(row[0])
        origin = await tx.fetch_one("hold_origin", {"tenant_id": tenant_id, "origin_id": origin_id})
        cleared = origin[0] if origin else None
        if cleared != 0:
            last_ticket = None if cleared is None else 0
            erased = {"tenant_id": tenant_id, "session_id": origin_id, "last_seq": cleared, "last_ticket": last_ticket}
            await tx.execute("begin_erasure", erased)
    await tx.execute("drop_forks", who)


def find_gaps(kept: Sequence[tuple[int, int]], last: int) -> list[tuple[int, int]]:
    """The stretches from 1 to ``last`` that are in none of the kept ones."""
    gaps: list[tuple[int, int]] = []
    free = 1
    for first, end in sorted(kept):
        if first > free:
            gaps.append((free, min(first - 1, last)))
        free = max(free, end + 1)
    return [gap for gap in (*gaps, (free, last)) if gap[0] <= gap[1]]
