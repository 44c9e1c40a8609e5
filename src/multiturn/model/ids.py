"""Ids: inside there is one form, a UUIDv7, which sorts by the time it was made."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7

# The id of a chunk is its item's with another version (8, RFC 9562 5.8) and its number in the last bits.
VERSION_BITS, ITEM_VERSION, CHUNK_VERSION = 0xF << 76, 7 << 76, 8 << 76
CHUNK_MAX = 2**32 - 1
ALIAS = re.compile(r"(?:file-)?([0-9a-f]{24})", re.ASCII)


def new_id() -> UUID:
    """Make an id (UUIDv7, RFC 9562): unique, and later ones sort behind earlier ones."""
    return uuid7()


def first_id_at(time_ms: int) -> UUID:
    """The lowest id that can be made at a time, in milliseconds since 1970: those made before it sort before it."""
    return UUID(int=max(0, time_ms) << 80)


def chunk_id(item_id: UUID, chunk: int | None) -> UUID:
    """The id of a chunk of an item; without a number it is the item as a whole."""
    if chunk is None:
        return item_id
    return UUID(int=(item_id.int & ~VERSION_BITS & ~CHUNK_MAX) | CHUNK_VERSION | (chunk & CHUNK_MAX))


def list_items_of(chunk: UUID) -> tuple[UUID, UUID]:
    """The first and the last id that the item of a chunk may have; more than one of them is as good as never there."""
    first = (chunk.int & ~VERSION_BITS & ~CHUNK_MAX) | ITEM_VERSION
    return UUID(int=first), UUID(int=first | CHUNK_MAX)


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
