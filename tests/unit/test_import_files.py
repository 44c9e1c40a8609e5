"""What other programs kept, as chat messages: LangGraph's states and the items of the OpenAI Agents SDK."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from multiturn.cli.imports_agents import take_item
from multiturn.cli.imports_files import find_reader
from multiturn.cli.imports_langgraph import LangGraphReader, read_blob, take_checkpoint
from multiturn.cli.imports_threads import Thread, ThreadWriter
from multiturn.errors import MultiturnError

NO_PLACE = "it has no place among chat messages"


def read_items(*items: dict[str, Any]) -> Thread:
    """Items of the Responses API as a thread."""
    writer = ThreadWriter()
    for item in items:
        take_item(item, "2026-01-01 10:00:00", writer)
    return writer.finish("t")


def read_state(**channels: Any) -> Thread:
    """A state of a graph as a thread."""
    writer = ThreadWriter()
    take_checkpoint({"channel_values": channels}, writer)
    return writer.finish("t")


def human(content: Any, **fields: Any) -> dict[str, Any]:
    """A message as LangChain writes it into JSON."""
    names = ["langchain", "schema", "messages", "HumanMessage"]
    return {"lc": 1, "type": "constructor", "id": names, "kwargs": {"content": content, **fields}}


def test_parts_become_those_of_chat_completions() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    text = {"type": "input_text", "text": "What is this?"}
    thread = read_items({"role": "user", "content": [text, picture, {"type": "input_file", "file_id": "f"}]})
    assert thread.messages[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    assert thread.left_out == [f"1 × part of type input_file: {NO_PLACE}"]


def test_texts_alone_become_one_text() -> None:
    thread = read_items({"role": "assistant", "content": [{"type": "output_text", "text": "Yes."}, "No."]})
    assert thread.messages == [{"role": "assistant", "content": "Yes.No.", "created_at": "2026-01-01 10:00:00"}]


def test_result_without_its_call_is_left_out() -> None:
    result = {"type": "function_call_output", "call_id": "c", "output": "1"}
    assert read_items(result).messages == []
    assert read_items(result).left_out == ["1 × tool result: no model takes one whose call is not there"]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    roles = [message["role"] for message in read_items(call, result).messages]
    assert roles == ["assistant", "tool"]


@pytest.mark.parametrize(
    "item", [{}, {"type": "message", "role": "robot"}, {"type": "function_call"}, {"type": "computer_call", "id": "c"}]
)
def test_items_that_say_nothing_are_counted(item: dict[str, Any]) -> None:
    thread = read_items(item, item)
    assert thread.messages == []
    assert thread.left_out[0].startswith("2 × item of type ")


def test_checkpoints_of_older_versions_are_json() -> None:
    state = {"channel_values": {"messages": [human("Hello", type="human", name="ann")]}, "ts": "2024-05-01T10:00:00Z"}
    writer = ThreadWriter()
    take_checkpoint(read_blob("json", msgspec.json.encode(state)), writer)
    assert writer.messages == [
        {"role": "user", "content": "Hello", "name": "ann", "created_at": "2024-05-01T10:00:00Z"}
    ]


def test_messages_are_found_under_another_name() -> None:
    thread = read_state(history=[human("Hello")], topic="trams", **{"branch:to:x": None, "__start__": {}})
    assert [message["content"] for message in thread.messages] == ["Hello"]
    assert thread.left_out == [f"1 × state 'topic' of the graph: {NO_PLACE}"]


def test_messages_of_unknown_kinds_are_counted() -> None:
    said = [human("x", type="remove"), {"role": "user", "content": "plain"}, "text", human("y", type="system")]
    thread = read_state(messages=said)
    assert [(message["role"], message["content"]) for message in thread.messages] == [
        ("user", "plain"),
        ("system", "y"),
    ]
    assert thread.left_out == [f"1 × message of type remove: {NO_PLACE}", "1 × message: it cannot be read"]


def test_calls_are_told_with_what_was_said_beside_them() -> None:
    calls = [{"id": "c", "name": "f", "args": {"a": 1}, "type": "tool_call"}, {"name": "without id"}]
    said = [{"type": "text", "text": "Wait."}, {"type": "tool_use", "id": "c"}]
    thread = read_state(messages=[human(said, type="ai", tool_calls=calls), human("1", type="tool", tool_call_id="c")])
    asked, answered = thread.messages
    assert asked["content"] == "Wait."
    assert asked["tool_calls"] == [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]
    assert (answered["role"], answered["tool_call_id"]) == ("tool", "c")


def test_inner_graphs_and_broken_checkpoints_are_told(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "x.sqlite")
    columns = "thread_id, checkpoint_ns, checkpoint_id, type, checkpoint"
    database.execute(f"CREATE TABLE checkpoints ({columns})")
    rows = [("a", "", "1", "msgpack", b"\xc1"), ("a", "inner:1", "2", "msgpack", b""), ("b", "", "1", "pickle", b"")]
    database.executemany(f"INSERT INTO checkpoints ({columns}) VALUES (?, ?, ?, ?, ?)", rows)
    reader = LangGraphReader(database)
    assert list(reader.list_threads()) == ["a", "b"]
    assert reader.read_thread("a").left_out == [
        "1 × checkpoint: it cannot be read",
        f"1 × graph inside of the graph, with a state of its own: {NO_PLACE}",
    ]
    assert reader.read_thread("b").left_out == ["1 × checkpoint: it cannot be read"]


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE other (a)")
    database.commit()
    with pytest.raises(MultiturnError, match="without the tables of langgraph or openai_agents"):
        find_reader(path, None)
    with pytest.raises(MultiturnError, match="without the tables of openai_agents"):
        find_reader(path, "openai_agents")


def test_files_that_are_no_database_are_the_servers(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{}")
    assert find_reader(path, None) is None
    with pytest.raises(MultiturnError, match="not a SQLite"):
        find_reader(path, "langgraph")
