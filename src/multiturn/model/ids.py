"""Ids: inside there is one form, a UUIDv7, which sorts by the time it was made."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7

ALIAS = re.compile(r"(?:file-)?([0-9a-f]{24})", re.ASCII)


def new_id() -> UUID:
    """Make an id (UUIDv7, RFC 9562): unique, and later ones sort behind earlier ones."""
    return uuid7()


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
