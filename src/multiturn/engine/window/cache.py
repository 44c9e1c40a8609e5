"""The contexts of the last turns as bytes, so that a turn does not read and write again what the model was shown the
turn before.
"""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from msgspec import Struct

from multiturn.model.item import Range


class CachedWindow(Struct, frozen=True, kw_only=True):
    """What a session's next context begins with, good as long as the session stands at this path and cut."""

    path: tuple[Range, ...]
    cut: int
    body: bytes
    tokens: int


class WindowCache:
    """Windows by session, the least recently used dropped; everything in it can be made again from the store."""

    def __init__(self, *, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self.windows: OrderedDict[UUID, CachedWindow] = OrderedDict()

    def find(self, session_id: UUID, path: tuple[Range, ...], cut: int) -> CachedWindow | None:
        """Find the window of a session that stands here; another server may have moved it on."""
        window = self.windows.get(session_id)
        if window is None or window.path != path or window.cut != cut:
            return None
        self.windows.move_to_end(session_id)
        return window

    def keep(self, session_id: UUID, window: CachedWindow) -> None:
        """Keep a session's window instead of its last one."""
        self.drop(session_id)
        self.windows[session_id] = window
        self.bytes += len(window.body)
        while self.bytes > self.bytes_max:
            _, oldest = self.windows.popitem(last=False)
            self.bytes -= len(oldest.body)

    def drop(self, session_id: UUID) -> None:
        """Forget a session's window."""
        if window := self.windows.pop(session_id, None):
            self.bytes -= len(window.body)
