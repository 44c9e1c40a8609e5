"""Reads the SQLite sessions of the OpenAI Agents SDK (``SQLiteSession``): a row an item of the Responses API."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from multiturn.cli.imports_threads import Thread, ThreadWriter, read_parts

ROLES = ("user", "assistant", "system", "developer")
KINDS = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "input_image": "image_url",
}


class AgentsReader:
    """Reads sessions."""

    tables = frozenset({"agent_sessions", "agent_messages"})

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def list_threads(self) -> Sequence[str]:
        """The sessions, oldest first."""
        rows = self.database.execute("SELECT session_id FROM agent_sessions ORDER BY created_at, rowid")
        return [str(row[0]) for row in rows]

    def read_thread(self, name: str) -> Thread:
        """One session. What a model thought is left out: nobody else's model can read it."""
        writer = ThreadWriter()
        query = "SELECT message_data, created_at FROM agent_messages WHERE session_id = ? ORDER BY id"
        for data, created_at in self.database.execute(query, (name,)):
            try:
                item = msgspec.json.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                item = None
            if isinstance(item, dict):
                take_item(item, str(created_at) if created_at else None, writer)
            else:
                writer.leave("row", "it is no JSON object")
        return writer.finish(name)


def take_item(item: dict[str, Any], created_at: str | None, writer: ThreadWriter) -> None:
    """Take over an item of the Responses API."""
    kind, role = item.get("type", "message"), item.get("role")
    call_id = str(item.get("call_id") or item.get("id") or "")
    if kind == "message" and role in ROLES:
        writer.say(role, read_parts(item.get("content"), writer, KINDS), created_at=created_at)
    elif kind == "function_call" and call_id and item.get("name"):
        calls = [(call_id, str(item["name"]), str(item.get("arguments") or ""))]
        writer.call(None, calls, created_at=created_at)
    elif kind == "function_call_output" and call_id:
        writer.answer(call_id, read_parts(item.get("output"), writer, KINDS), created_at=created_at)
    else:
        writer.leave(f"item of type {kind}")
