"""The contexts of the last turns as bytes, so that a turn does not read and write again what the model was shown the
turn before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

from multiturn.model.content import Summary
from multiturn.model.context import Said
from multiturn.model.item import Range
from multiturn.model.retrieved import Snippet


class WindowKey(Struct, frozen=True):
    """Where a session stands: another server may have moved it on."""

    path: tuple[Range, ...]
    cut: int
    summary: int | None
    blocks_from: int


class CachedWindow(Struct, frozen=True, kw_only=True):
    """What a session's next context begins with, good as long as the session stands where ``key`` says.

    ``tokens`` are those of ``body``, ``block_tokens`` the part of them that was recalled; ``own`` is the body as each
    provider is shown it that made artefacts in it.
    """

    key: WindowKey
    body: bytes
    tokens: int
    block_tokens: int = 0
    summary: Summary | None = None
    recent: tuple[Said, ...] = ()
    recalled: tuple[Snippet, ...] = ()
    own: Mapping[str, bytes] = {}

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return len(self.body) + sum(map(len, self.own.values()))


class WindowCache:
    """Windows by session, the least recently used dropped; everything in it can be made again from the store."""

    def __init__(self, *, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self.windows: OrderedDict[UUID, CachedWindow] = OrderedDict()

    def find(self, session_id: UUID, key: WindowKey) -> CachedWindow | None:
        """Find the window of a session that stands here."""
        window = self.windows.get(session_id)
        if window is None or window.key != key:
            return None
        self.windows.move_to_end(session_id)
        return window

    def keep(self, session_id: UUID, window: CachedWindow) -> None:
        """Keep a session's window instead of its last one."""
        self.drop(session_id)
        self.windows[session_id] = window
        self.bytes += window.size
        while self.bytes > self.bytes_max:
            _, oldest = self.windows.popitem(last=False)
            self.bytes -= oldest.size

    def drop(self, session_id: UUID) -> None:
        """Forget a session's window."""
        if window := self.windows.pop(session_id, None):
            self.bytes -= window.size
