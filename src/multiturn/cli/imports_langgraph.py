"""Reads the SQLite checkpoints of LangGraph: the messages of the newest checkpoint of each thread.

A checkpoint is msgpack, in which an object of LangChain is an extension (4 and 5: of pydantic) that holds its module,
its class and its fields; older ones are JSON, in which it is ``{"lc": 2, "type": "constructor", "kwargs": …}``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from multiturn.cli.imports_threads import Thread, ThreadWriter, read_parts

PYDANTIC = (4, 5)
SNAPSHOT = 7
ROLES: Mapping[str, str] = {"human": "user", "HumanMessage": "user", "system": "system", "SystemMessage": "system"}
KINDS = {"text": "text", "image_url": "image_url", "tool_use": "known", "tool_call": "known"}
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class LangGraphReader:
    """Reads threads."""

    tables = frozenset({"checkpoints", "writes"})

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def list_threads(self) -> Sequence[str]:
        """The threads, in the order in which they were begun."""
        query = "SELECT thread_id FROM checkpoints GROUP BY thread_id ORDER BY min(checkpoint_id)"
        return [str(row[0]) for row in self.database.execute(query)]

    def read_thread(self, name: str) -> Thread:
        """One thread: its messages, all of the date of the checkpoint, which has no other."""
        writer = ThreadWriter()
        query = (
            "SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
            " ORDER BY checkpoint_id DESC LIMIT 1"
        )
        row = self.database.execute(query, (name,)).fetchone()
        try:
            checkpoint = read_blob(str(row[0] or "json"), row[1]) if row else None
        except UNREADABLE:
            checkpoint = None
        if isinstance(checkpoint, dict):
            take_checkpoint(checkpoint, writer)
        else:
            writer.leave("checkpoint", "it cannot be read")
        inner = "SELECT count(DISTINCT checkpoint_ns) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns <> ''"
        for _ in range(self.database.execute(inner, (name,)).fetchone()[0]):
            writer.leave("graph inside of the graph, with a state of its own")
        return writer.finish(name)


def read_blob(kind: str, blob: Any) -> Any:
    """A value that was stored as this kind. Raises ValueError or msgspec's errors."""
    body = blob.encode() if isinstance(blob, str) else bytes(blob)
    if kind == "msgpack":
        return msgspec.msgpack.decode(body, ext_hook=read_extension, strict=False)
    if kind == "json":
        return msgspec.json.decode(body)
    raise ValueError(kind)


def read_extension(code: int, data: memoryview) -> Any:
    """An object inside of msgpack: of one of LangChain its class and its fields; of others nothing."""
    if code in PYDANTIC:
        _, kind, fields, *_ = msgspec.msgpack.decode(data, ext_hook=read_extension, strict=False)
        return {"class": kind, "kwargs": fields}
    if code == SNAPSHOT:
        return msgspec.msgpack.decode(data, ext_hook=read_extension, strict=False)
    return None


def take_checkpoint(checkpoint: Mapping[str, Any], writer: ThreadWriter) -> None:
    """Take over the messages of a state, and count what else is in it."""
    state = checkpoint.get("channel_values")
    state = state if isinstance(state, dict) else {}
    channels = {name: value for name, value in state.items() if not str(name).startswith(("branch:", "__"))}
    messages = channels.pop("messages", None)
    for name, value in list(channels.items()):
        if messages is None and isinstance(value, list) and value and all(map(read_message, value)):
            messages = channels.pop(name)
    for name in channels:
        writer.leave(f"state '{name}' of the graph")
    for message in messages if isinstance(messages, list) else ():
        if (read := read_message(message)) is None:
            writer.leave("message", "it cannot be read")
        else:
            take_message(*read, str(checkpoint["ts"]) if checkpoint.get("ts") else None, writer)


def read_message(value: Any) -> tuple[str, dict[str, Any]] | None:
    """The class or the type of a message and its fields; None for what is none."""
    if not isinstance(value, dict):
        return None
    fields = value.get("kwargs", value)
    if not isinstance(fields, dict) or "content" not in fields:
        return None
    names = value.get("id")
    kind = value.get("class") or (names[-1] if isinstance(names, list) and names else None)
    return str(fields.get("type") or fields.get("role") or kind or ""), fields


def take_message(kind: str, fields: Mapping[str, Any], created_at: str | None, writer: ThreadWriter) -> None:
    """Take over a message of LangChain."""
    content = read_parts(fields.get("content"), writer, KINDS)
    facts = {"name": fields.get("name"), "created_at": created_at}
    if kind in ("ai", "assistant", "AIMessage", "AIMessageChunk"):
        calls = read_calls(fields.get("tool_calls"))
        if calls:
            writer.call(content or None, calls, **facts)
        else:
            writer.say("assistant", content, **facts)
    elif kind in ("tool", "ToolMessage"):
        writer.answer(str(fields.get("tool_call_id")), content, **facts)
    elif role := ROLES.get(kind) or (kind if kind in ("user", "developer") else None):
        writer.say(role, content, **facts)
    else:
        writer.leave(f"message of type {kind or 'none'}")


def read_calls(calls: Any) -> list[tuple[str, str, str]]:
    """Calls of tools: id, name and arguments of each."""
    return [
        (str(call["id"]), str(call.get("name")), msgspec.json.encode(call.get("args") or {}).decode())
        for call in calls or ()
        if isinstance(call, dict) and call.get("id")
    ]
