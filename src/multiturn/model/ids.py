"""Ids: inside there is one form, a UUIDv7, which sorts by the time it was made."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7

# A store holds fewer chunks than this many bits can number; what is left of a UUIDv7 is unique all the same.
CHUNK_BITS = 24
CHUNK_MAX = 2**CHUNK_BITS - 1
ALIAS = re.compile(r"(?:file-)?([0-9a-f]{24})", re.ASCII)


def new_id() -> UUID:
    """Make an id (UUIDv7, RFC 9562): unique, and later ones sort behind earlier ones."""
    return uuid7()


def first_id_at(time_ms: int) -> UUID:
    """The lowest id that can be made at a time, in milliseconds since 1970: those made before it sort before it."""
    return UUID(int=max(0, time_ms) << 80)


def chunk_id(item_id: UUID, chunk: int | None) -> UUID:
    """The id of a piece of an item: the item's with the piece's number in its last digits. It can be read back where
    the item is known; of the item as a whole (None) it is the item's own.
    """
    return item_id if chunk is None else UUID(int=item_id.int >> CHUNK_BITS << CHUNK_BITS | chunk & CHUNK_MAX)


def find_id(text: str) -> UUID | None:
    """Read an id from any form that a client may send: plain, without dashes, or behind a prefix such as ``sess_``."""
    _, _, tail = text.rpartition("_")
    if len(tail) not in (32, 36):
        return None
    try:
        return UUID(tail)
    except ValueError:
        return None


def find_alias(text: str) -> str | None:
    """Read a short id of an asset, 24 hexadecimal digits, with or without the prefix that some dialects give it."""
    found = ALIAS.fullmatch(text.lower())
    return found[1] if found else None
