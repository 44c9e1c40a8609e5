"""What was recalled for turns, summaries made ahead of need, and the search index of what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from multiturn.model.content import Summary
from multiturn.model.context import ContextRecord
from multiturn.model.item import Range
from multiturn.model.retrieved import RetrievedContext, StoredSegment
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.rows import as_id, as_json
from multiturn.store.sessions import lock_by_id

read_retrieved = msgspec.json.Decoder(RetrievedContext).decode
read_record = msgspec.json.Decoder(ContextRecord).decode
read_summary = msgspec.json.Decoder(Summary).decode


class SqlContextStore:
    """Keeps contexts and their index in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find_retrieved(self, tenant_id: UUID, run_id: UUID) -> RetrievedContext | None:
        """Find what was retrieved for a run."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_retrieved", {"tenant_id": tenant_id, "run_id": run_id})
        return read_retrieved(row[0]) if row else None

    async def find_record(self, tenant_id: UUID, run_id: UUID) -> ContextRecord | None:
        """Find what a run's model was shown; None where it was not kept."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_run_context", {"tenant_id": tenant_id, "id": run_id})
        return read_record(row[0]) if row and row[0] else None

    async def load_blocks(
        self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]
    ) -> dict[int, RetrievedContext]:
        """Load what was retrieved for the messages of these ranges, by the message's ``seq``."""
        blocks: dict[int, RetrievedContext] = {}
        async with self.database.reading() as tx:
            for range_ in ranges:
                owner_id = range_.session_id or session_id
                where = {"tenant_id": tenant_id, "session_id": owner_id, "first": range_.first, "last": range_.last}
                blocks |= {seq: read_retrieved(body) for seq, body in await tx.fetch_all("list_blocks", where)}
        return blocks

    async def find_pending(self, tenant_id: UUID, session_id: UUID) -> Summary | None:
        """Find the summary that waits for the next cut."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_pending_summary", {"tenant_id": tenant_id, "session_id": session_id})
        return read_summary(row[0]) if row else None

    async def save_pending(self, tenant_id: UUID, session_id: UUID, summary: Summary) -> None:
        """Keep a summary for the next cut instead of the last one, unless that stands for more.

        Nothing happens where the session is gone, or was cleared since. It is held until the summary is stored: a clear
        or a delete beside this finds what was saved before it.
        """
        who = {"tenant_id": tenant_id, "session_id": session_id}
        async with self.database.transaction() as tx:
            locked = await lock_by_id(tx, tenant_id, session_id)
            if locked is None:
                return
            row = await tx.fetch_one("find_pending_summary", who)
            path = locked.session.path
            if row and measure_reach(path, read_summary(row[0])) > measure_reach(path, summary):
                return
            await tx.execute("save_pending_summary", {**who, "body": as_json(summary), "first": summary.first})

    async def list_segments(self, tenant_id: UUID, session_id: UUID, *, after: int) -> Sequence[StoredSegment]:
        """List the segments that begin behind the item ``after``."""
        where = {"tenant_id": tenant_id, "session_id": session_id, "after": after}
        async with self.database.reading() as tx:
            return [read_segment(row) for row in await tx.fetch_all("list_segments", where)]

    async def list_models(self, tenant_id: UUID, session_id: UUID, *, last: int) -> Mapping[int, str | None]:
        """Tell of the segments that begin up to the item ``last`` which model made their vectors."""
        where = {"tenant_id": tenant_id, "session_id": session_id, "last": last}
        async with self.database.reading() as tx:
            return {row[0]: row[1] for row in await tx.fetch_all("list_segment_models", where)}

    async def find_segment(self, tenant_id: UUID, session_id: UUID, first: int) -> StoredSegment | None:
        """Find the segment that begins with this item."""
        where = {"tenant_id": tenant_id, "session_id": session_id, "first": first}
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_segment", where)
        return read_segment(row) if row else None

    async def save_segment(self, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> None:
        """Keep a segment; nothing happens where one begins there already, or the items are gone."""
        async with self.database.transaction() as tx:
            if await hold_items(tx, tenant_id, session_id, segment):
                await tx.execute("save_segment", write_segment(tenant_id, session_id, segment))

    async def save_vectors(self, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> None:
        """Replace a segment by the same with other vectors; nothing happens where the items are gone."""
        async with self.database.transaction() as tx:
            if await hold_items(tx, tenant_id, session_id, segment):
                await tx.execute("save_segment_vectors", write_segment(tenant_id, session_id, segment))

    async def list_due(self, model: str, *, limit: int) -> Sequence[tuple[UUID, UUID, StoredSegment]]:
        """List some segments that have no vectors of this model: (tenant id, session id, segment) each."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_due_segments", {"model": model, "limit": limit})
        return [(as_id(row[0]), as_id(row[1]), read_segment(row[2:])) for row in rows]

    async def list_models_in_use(self) -> Sequence[str]:
        """List the models of which there are vectors, of documents too."""
        async with self.database.reading() as tx:
            return [row[0] for row in await tx.fetch_all("list_embedding_models", {})]


async def hold_items(tx: Transaction, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> bool:
    """Whether the items of a segment are there; until the transaction ends they stay."""
    first = {"tenant_id": tenant_id, "session_id": session_id, "seq": segment.first}
    return await tx.fetch_one("hold_item", first) is not None


def measure_reach(path: Sequence[Range], summary: Summary) -> int:
    """How far into a path a summary reaches; 0 for one of another branch."""
    return summary.last if any(range_.first <= summary.last <= range_.last for range_ in path) else 0


def read_segment(row: Row) -> StoredSegment:
    """A row of ``session_segments`` as the queries select it."""
    first, last, model, body = row
    return StoredSegment(first=first, last=last, model=model, body=bytes(body))


def write_segment(tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> dict[str, object]:
    """A segment as the parameters of the queries."""
    return {
        "tenant_id": tenant_id,
        "session_id": session_id,
        "first": segment.first,
        "last": segment.last,
        "model": segment.model,
        "body": segment.body,
    }
