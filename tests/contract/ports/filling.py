"""Sessions with everything that can be in one, and what is left of them afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from multiturn.model.event import EventBatch
from multiturn.model.ids import new_id
from multiturn.model.item import Range
from multiturn.model.session import ForkOrder, Session
from multiturn.model.turn import IdempotencyKey
from multiturn.store.erasure import begin_erasure
from multiturn.store.sqlite import SqliteDatabase
from tests.contract.ports.stores import Stores, texts

WHERE = "WHERE tenant_id = :tenant_id AND session_id = :session_id"
# One row of every table that has something of a session besides its items, runs, events and keys.
ROWS: dict[str, str] = {
    "fill_segments": "INSERT INTO session_segments (tenant_id, session_id, first, last, body) "
    "VALUES (:tenant_id, :session_id, :first, :last, :bytes)",
    "fill_retrieved": "INSERT INTO retrieved_contexts (tenant_id, run_id, session_id, seq, body) "
    "VALUES (:tenant_id, :run_id, :session_id, :last, :text)",
    "fill_pending": "INSERT INTO pending_summaries (tenant_id, session_id, body) "
    "VALUES (:tenant_id, :session_id, :text) ON CONFLICT DO NOTHING",
    "fill_store": "INSERT INTO knowledge_stores "
    "(tenant_id, id, owner_kind, owner_id, created_at, version, erased, chunks) "
    "VALUES (:tenant_id, :session_id, 'session', :session_id, 0, 1, 0, 1) ON CONFLICT DO NOTHING",
    "fill_item": "INSERT INTO knowledge_items (tenant_id, id, store_id, created_at, title, metadata, language, digest, "
    "chunks, characters, content) "
    "VALUES (:tenant_id, :run_id, :session_id, 0, :text, '{}', 'english', :bytes, 1, 1, :text)",
    "fill_segment": "INSERT INTO knowledge_segments (tenant_id, store_id, item_id, number, version, body) "
    "VALUES (:tenant_id, :session_id, :run_id, 0, 1, :bytes)",
}
COUNTS = {
    "items": f"SELECT count(*) FROM items {WHERE}",
    "segments": f"SELECT count(*) FROM session_segments {WHERE}",
    "runs": f"SELECT count(*) FROM runs {WHERE}",
    "events": f"SELECT count(*) FROM run_events WHERE run_id IN (SELECT id FROM runs {WHERE})",
    "keys": f"SELECT count(*) FROM idempotency_keys {WHERE}",
    "retrieved": f"SELECT count(*) FROM retrieved_contexts {WHERE}",
    "pending": f"SELECT count(*) FROM pending_summaries {WHERE}",
    "members": f"SELECT count(*) FROM session_members {WHERE}",
    "forks": f"SELECT count(*) FROM forks {WHERE}",
    "documents": "SELECT count(*) FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :session_id",
    "chunks": "SELECT count(*) FROM knowledge_segments WHERE tenant_id = :tenant_id AND store_id = :session_id",
}


async def run_sql(stores: Stores, sql: str, parameters: dict[str, Any]) -> Any:
    """Run a statement that no store has; its first row, if it has any."""
    database: Any = stores.database
    if isinstance(database, SqliteDatabase):
        async with database.transaction() as tx:
            return tx.connection.execute(sql, parameters).fetchall()
    for name in parameters:
        sql = sql.replace(f":{name}", f"%({name})s")
    async with database.transaction() as tx:
        cursor = await tx.connection.execute(sql.encode(), parameters)
        return await cursor.fetchall() if cursor.description else []


async def fill(stores: Stores, name: str, *, turns: int, word: str = "") -> Session:
    """A session with so many turns, each of which says ``word`` and leaves something in every table."""
    for number in range(turns):
        text = f"{word} {number}"
        begun = await stores.begin(name, text=text, idempotency=IdempotencyKey("chat", f"{name}-{new_id()}"))
        batch = EventBatch(first=1, body=f'{{"event": "{text}"}}')
        await stores.runs.save_events([(stores.tenant_id, begun.run.id, batch)], stores.clock())
        await stores.end(begun)
        last = begun.session.head + 2
        row = {"first": last - 1, "last": last, "text": text, "bytes": f"{text} {name} {number}".encode()}
        ids = {"tenant_id": stores.tenant_id, "session_id": begun.session.id, "run_id": begun.run.id}
        for sql in ROWS.values():
            named = {key: value for key, value in {**row, **ids}.items() if f":{key}" in sql}
            await run_sql(stores, sql, named)
    return await stores.session(name)


async def left(stores: Stores, session_id: UUID) -> dict[str, int]:
    """What is left of a session, by kind; kinds of which nothing is left are not named."""
    which = {"tenant_id": stores.tenant_id, "session_id": session_id}
    counted = {kind: (await run_sql(stores, sql, which))[0][0] for kind, sql in COUNTS.items()}
    return {kind: count for kind, count in counted.items() if count}


async def fork(stores: Stores, origin: Session, at: int | None = None, name: str | None = None) -> Session:
    """A fork of a session."""
    order = ForkOrder(id=new_id(), at=at, external_id=name)
    made = await stores.sessions.fork(stores.tenant_id, origin.id, order, stores.clock())
    assert made
    return made


async def read(stores: Stores, session: Session) -> list[object]:
    """What the active branch of a session says."""
    return texts(await stores.items.load(session.tenant_id, session.id, session.path))


async def delete(stores: Stores, session: Session) -> None:
    """Delete a session and erase what goes with it."""
    assert await stores.sessions.delete(stores.tenant_id, session.id)
    await stores.erase(limit=3)


async def clear(stores: Stores, session: Session) -> Session:
    """Clear a session and erase what goes with it."""
    cleared = await stores.sessions.clear(stores.tenant_id, session.id, stores.clock())
    assert cleared
    assert cleared.run_id is None
    await stores.erase(limit=3)
    return cleared


async def erase_owner(stores: Stores, owner_id: UUID) -> None:
    """Erase what belongs to an id."""
    async with stores.database.transaction() as tx:
        await begin_erasure(tx, stores.tenant_id, owner_id)
    await stores.erase()


async def search_files(database: SqliteDatabase, word: str) -> list[str]:
    """The files of a SQLite database in which a word stands, its log emptied."""
    await database.vacuum()
    paths = [Path(f"{database.path}{suffix}") for suffix in ("", "-wal")]
    return [path.name for path in paths if path.exists() and word.encode() in path.read_bytes()]


def ranges(*pairs: tuple[int, int, UUID | None]) -> tuple[Range, ...]:
    """Ranges of a path."""
    return tuple(Range(*pair) for pair in pairs)
