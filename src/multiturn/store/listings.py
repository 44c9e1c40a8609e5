"""Which sessions a listing shows: filters that SQL decides, and the words that are looked for in what was said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Reasoning, Summary
from multiturn.model.item import Range
from multiturn.model.listing import SessionFilter
from multiturn.model.session import Session
from multiturn.store.database import Transaction
from multiturn.store.rows import as_json, as_ms, read_content, read_session

LAST_ID = UUID(int=2**128 - 1)
TIME_MAX = 2**62
# A search through items stops for others behind so many of them, and looks at so many sessions at a time.
ITEMS_PER_LOOK = 500
SESSIONS_PER_LOOK = 50
# SQLite's LIKE knows upper and lower case of ASCII only; anything else is left to the reading of what was found.
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
SPECIAL = re.compile(r"[!%_]")


async def find_sessions(
    tx: Transaction, tenant_id: UUID, wanted: SessionFilter, *, now: datetime, limit: int
) -> Sequence[Session]:
    """Find the sessions that a filter keeps, at most ``limit``."""
    which: dict[str, Any] = {
        "tenant_id": tenant_id,
        "before": wanted.before or LAST_ID,
        "now": as_ms(now),
        "owner_id": wanted.owner_id,
        "agent_id": wanted.agent_id,
        "active_after": -TIME_MAX if wanted.active_after is None else as_ms(wanted.active_after),
        "active_before": TIME_MAX if wanted.active_before is None else as_ms(wanted.active_before),
        "wanted": as_json(wanted.metadata),
    }
    query = f"list_sessions_{wanted.sort}"
    if user_id := wanted.user_id or wanted.owner_id:
        query, which = "list_sessions_of_user", {**which, "user_id": user_id, "sort": wanted.sort}
    if words := (wanted.text or "").split():
        return await find_with_words(tx, query, which, words, count=wanted.offset + limit, skip=wanted.offset)
    rows = await tx.fetch_all(query, {**which, "limit": limit, "offset": wanted.offset})
    return [read_session(row) for row in rows]


async def find_with_words(
    tx: Transaction, query: str, which: Mapping[str, Any], words: Sequence[str], *, count: int, skip: int
) -> Sequence[Session]:
    """Look through the sessions of a query, one after the other, until ``count`` of them hold the words."""
    found: list[Session] = []
    offset = 0
    while True:
        rows = await tx.fetch_all(query, {**which, "limit": SESSIONS_PER_LOOK, "offset": offset})
        for session in map(read_session, rows):
            if await holds_words(tx, session, words):
                found.append(session)
            if len(found) >= count:
                return found[skip:]
        if len(rows) < SESSIONS_PER_LOOK:
            return found[skip:]
        offset += SESSIONS_PER_LOOK


async def holds_words(tx: Transaction, session: Session, words: Sequence[str]) -> bool:
    """Whether the external id, the metadata, or an item of the active path holds all these words."""
    if holds(session.external_id or "", words) or holds(as_json(session.metadata), words):
        return True
    pattern = write_pattern(max(words, key=len))
    for range_ in split_ranges(session.path):
        where = {"tenant_id": session.tenant_id, "session_id": range_.session_id or session.id, "pattern": pattern}
        rows = await tx.fetch_all("find_words", {**where, "first": range_.first, "last": range_.last})
        if any(holds(read_text(read_content(row[0])), words) for row in rows):
            return True
        # SQLite answers on the event loop: turns go on between two looks.
        await asyncio.sleep(0)
    return False


def holds(text: str, words: Sequence[str]) -> bool:
    """Whether a text holds all these words, case aside."""
    lowered = text.lower()
    return all(word.lower() in lowered for word in words)


def split_ranges(path: Sequence[Range]) -> list[Range]:
    """A path in ranges of at most ``ITEMS_PER_LOOK``, the newest first."""
    return [
        Range(max(range_.first, last - ITEMS_PER_LOOK + 1), last, range_.session_id)
        for range_ in reversed(path)
        for last in range(range_.last, range_.first - 1, -ITEMS_PER_LOOK)
    ]


def write_pattern(word: str) -> str:
    """What LIKE compares an item's JSON with: the word as JSON writes it, ``!`` in front of what is special to LIKE."""
    written = SPECIAL.sub(r"!\g<0>", msgspec.json.encode(word).decode()[1:-1])
    return f"%{NOT_ASCII.sub('%', written)}%"


def read_text(content: Content) -> str:
    """What an item says, in words."""
    match content:
        case FunctionCall(_, name, arguments):
            return f"{name} {arguments}"
        case Reasoning(text) | Summary(text):
            return text
    said = content.output if isinstance(content, FunctionCallOutput) else content.content
    if said is None or isinstance(said, str):
        return said or ""
    return " ".join(part["text"] for part in said if isinstance(part.get("text"), str))
