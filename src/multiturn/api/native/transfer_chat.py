"""Reads plain JSON Lines of chat messages as one session."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from multiturn.api.messages import read_message
from multiturn.api.native.session_parse import read_instructions
from multiturn.api.native.transfer_lines import Piece
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import InvalidRequest
from multiturn.model.archive import Archived, ArchivedSession, LeftOut
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput
from multiturn.model.ids import new_id
from multiturn.model.item import Item

LEADING = ("system", "developer")
read_any = msgspec.json.Decoder(dict[str, Any]).decode


class ChatReader:
    """Reads messages, one a line; those of the system in front of all others are the session's instructions.

    A message's name stays with it, and its date (``created_at``) is its item's.
    """

    def __init__(self) -> None:
        self.left_out: list[LeftOut] = []
        self.leading: list[dict[str, Any]] = []
        self.history: History | None = None
        self.calls: set[str] = set()

    def read(self, piece: Piece) -> list[Archived]:
        """What a line says. Raises InvalidRequest, or msgspec's errors."""
        message = read_any(piece.body)
        said_at = read_date(message.pop("created_at", None))
        contents = read_message(message, "message")
        self._check_results(contents)
        if self.history is None and message.get("role") in LEADING:
            self.leading.append(message)
            return []
        begun = self.finish()
        assert self.history
        return [*begun, *self.history.add(contents, said_at)]

    def _check_results(self, contents: Sequence[Content]) -> None:
        """Raise InvalidRequest for a result without its call: no provider takes one."""
        for content in contents:
            if isinstance(content, FunctionCall):
                self.calls.add(content.call_id)
            elif isinstance(content, FunctionCallOutput) and content.call_id not in self.calls:
                raise InvalidRequest(f"the tool result for '{content.call_id:.80}' belongs to no call before it")

    def finish(self) -> list[Archived]:
        """The session itself, unless it has been told already."""
        if self.history:
            return []
        self.history = History()
        instructions = read_instructions(self.leading) if self.leading else None
        return [ArchivedSession(id=self.history.session_id, instructions=instructions or None)]


class History:
    """The items of a session that had none: numbered as they come, the date of one that has none that of the one
    before.
    """

    def __init__(self, said_at: datetime | None = None) -> None:
        self.session_id = new_id()
        self.seq = 0
        self.said_at = said_at

    def add(self, contents: Sequence[Content], said_at: datetime | None) -> list[Item]:
        """The next items."""
        self.said_at = said_at or self.said_at or datetime.now(UTC)
        items: list[Item] = []
        for content in contents:
            self.seq += 1
            # What came with no run names the session instead.
            facts: dict[str, Any] = {"run_id": self.session_id, "created_at": self.said_at}
            items.append(Item(seq=self.seq, content=content, tokens=count_tokens(content), **facts))
        return items


def read_date(value: Any) -> datetime | None:
    """A date: ISO 8601, or seconds since 1970. One without a zone is in UTC. Raises InvalidRequest."""
    if value is None:
        return None
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    raise InvalidRequest(f"'created_at' must be a time as 2026-11-21T09:30:00Z; it is {value!r:.40}")
