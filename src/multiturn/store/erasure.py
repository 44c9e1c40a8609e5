"""What was taken away, erased in small batches: items and their index, runs with what they said, documents.

What belongs to an id is erased, be it a session's, an agent's or a user's; of a session that was cleared, what was
there until then. Items that a fork still shares stay, with their index, until the last fork goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from multiturn.store.database import Transaction
from multiturn.store.forks import find_gaps, release
from multiturn.store.rows import as_id

RUNS_PER_BATCH = 20
# The index of a batch of items or chunks takes tens of kilobytes.
SEGMENTS_PER_BATCH = 20
# A document may have a million characters.
DOCUMENTS_PER_BATCH = 5
# Parts have a few hundred characters each.
PARTS_PER_BATCH = 500
NUMBER_MAX = 2**62


async def begin_erasure(tx: Transaction, tenant_id: UUID, owner_id: UUID) -> None:
    """Have everything erased that belongs to this id."""
    everything = {"last_seq": None, "last_ticket": None}
    await tx.execute("begin_erasure", {"tenant_id": tenant_id, "session_id": owner_id, **everything})


async def erase_next(tx: Transaction, *, limit: int) -> int:
    """Erase about ``limit`` rows of what is due; tells how many, 0 when nothing is left to this server."""
    row = await tx.fetch_one("next_erasure", {})
    if row is None:
        return 0
    tenant, id_, last_seq, last_ticket = row
    which = {"tenant_id": as_id(tenant), "session_id": as_id(id_)}
    if erased := await erase_said(tx, which, NUMBER_MAX if last_seq is None else last_seq, limit):
        return erased
    if erased := await erase_runs(tx, which, NUMBER_MAX if last_ticket is None else last_ticket, limit):
        return erased
    if last_seq is None and (erased := await erase_documents(tx, which)):
        return erased
    return await finish(tx, which, is_whole=last_seq is None)


async def erase_said(tx: Transaction, which: Mapping[str, Any], last: int, limit: int) -> int:
    """Erase items up to a ``seq`` that nobody shares, and behind them their index."""
    shared = [(row[0], row[1]) for row in await tx.fetch_all("list_shared", which)]
    gaps = find_gaps(shared, last)
    for query, most in (("erase_items", limit), ("erase_segments", SEGMENTS_PER_BATCH)):
        erased = 0
        for first, end in gaps:
            erased += await tx.execute(query, {**which, "first": first, "last": end, "limit": most - erased})
            if erased >= most:
                break
        if erased:
            return erased
    return 0


async def erase_runs(tx: Transaction, which: Mapping[str, Any], last_ticket: int, limit: int) -> int:
    """Erase the oldest runs with their events, their steps, and what was retrieved for them."""
    runs = {**which, "runs": RUNS_PER_BATCH, "last_ticket": last_ticket}
    if (events := await tx.execute("erase_events", {**runs, "limit": limit})) == limit:
        return events
    beside = [await tx.execute(query, runs) for query in ("erase_retrieved", "erase_steps", "erase_waits")]
    return events + sum(beside) + await tx.execute("erase_runs", runs)


async def erase_documents(tx: Transaction, which: Mapping[str, Any]) -> int:
    """Erase documents, their index first, and what was read of an asset; the id may be that of one item."""
    if segments := await tx.execute("erase_knowledge_segments", {**which, "limit": SEGMENTS_PER_BATCH}):
        return segments
    item = {"tenant_id": which["tenant_id"], "item_id": which["session_id"]}
    if parts := await tx.execute("erase_item_parts", {**item, "limit": PARTS_PER_BATCH}):
        return parts
    if parts := await tx.execute(
        "erase_knowledge_parts", {**which, "items": DOCUMENTS_PER_BATCH, "limit": PARTS_PER_BATCH}
    ):
        return parts
    return await tx.execute("erase_knowledge_items", {**which, "limit": DOCUMENTS_PER_BATCH})


async def finish(tx: Transaction, which: Mapping[str, Any], *, is_whole: bool) -> int:
    """Take away the little that is left, and what only forks had kept of others."""
    await tx.execute("erase_idempotency_keys", which)
    await release(tx, which["tenant_id"], which["session_id"])
    if is_whole:
        for query in ("erase_knowledge_stores", "drop_members", "drop_pending_summary", "drop_quotas"):
            await tx.execute(query, which)
    return await tx.execute("end_erasure", which)
