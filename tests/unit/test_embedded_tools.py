"""Calls that a small model writes as text are read as calls, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from multiturn.errors import InvalidRequest
from multiturn.model.completion import ModelRequest
from multiturn.upstream.embedded_tools import Call, CallReader, may_be_call, read_calls, show_tools, turn_into_calls

NAMES = frozenset({"find"})
PARIS = '{"name": "find", "arguments": {"city": "Paris"}}'
ROME = PARIS.replace("Paris", "Rome")
CALL = Call("find", '{"city": "Paris"}')
FIND = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
SEND = {"type": "function", "function": {"name": "send"}}
QUESTION: dict[str, Any] = {"role": "user", "content": "Where?"}
ASKED: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT: dict[str, Any] = {"role": "tool", "tool_call_id": "1", "content": "Here."}


def write(messages: Sequence[Mapping[str, Any]], **fields: Any) -> ModelRequest:
    raw = {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return ModelRequest(model="any", messages=Raw(msgspec.json.encode(messages)), fields=raw)


def read(raw: Mapping[str, Raw]) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in raw.items()}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (PARIS, [CALL]),
        (f"\n```json\n{PARIS}\n```", [CALL]),
        (
            f"<tool_call>\n{PARIS}\n</tool_call>\n<tool_call>\n{ROME}\n</tool_call>",
            [CALL, Call("find", '{"city": "Rome"}')],
        ),
        (f"{PARIS}\n{PARIS}\n{PARIS}", [CALL]),
        (f"{PARIS}\nThere you are.", [CALL]),
        (PARIS[:-1], [CALL]),
        (PARIS[:-9], []),
        ("", []),
        ("In Paris.", []),
        ("```python\nprint()\n```", []),
        ('{"name": "other", "arguments": {}}', []),
        ('{"name": ["find"], "arguments": {}}', []),
        ('{"name": "find", "arguments": "Paris"}', []),
        ('{"name": "find"}', []),
        ('{"city": "Paris"}', []),
        ('{"name": ' + "[" * 100_000, []),
    ],
)
def test_only_whole_calls_are_read(text: str, calls: list[Call]) -> None:
    assert read_calls(text, NAMES) == calls


@pytest.mark.parametrize("text", [PARIS, f"```json\n{PARIS}", f"<tool_call>{PARIS}", '{\n  "name"  : "find"'])
def test_call_is_held_from_its_first_letter(text: str) -> None:
    assert all(may_be_call(text[:end]) for end in range(len(text) + 1))


@pytest.mark.parametrize("text", ["I", "```python", '{"city"', "<b>", '{"names"'])
def test_words_are_let_go_at_once(text: str) -> None:
    assert not may_be_call(text)


def test_whole_answer_becomes_calls() -> None:
    raw = msgspec.json.encode({"choices": [{"message": {"content": PARIS}, "finish_reason": "stop"}]})
    choice = json.loads(turn_into_calls(raw, NAMES))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"city": "Paris"}'}
    assert choice["message"]["tool_calls"][0]["id"].startswith("call_")


def stream(text: str) -> list[dict[str, Any]]:
    """Stream a text letter by letter through a reader."""
    reader = CallReader(NAMES)
    choices = [{"delta": {"role": "assistant", "content": None}}]
    choices += [{"delta": {"content": letter}} for letter in text]
    chunks: list[dict[str, Any]] = [{"id": "1", "choices": [choice]} for choice in choices]
    chunks += [
        {"id": "1", "choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"id": "1", "choices": [], "usage": {}},
    ]
    return [json.loads(piece) for chunk in chunks for piece in reader.feed(msgspec.json.encode(chunk))]


@pytest.mark.parametrize("text", ["In Paris.", "", '{"name": "other"}', "``` x"])
def test_streamed_words_pass_unchanged(text: str) -> None:
    pieces = stream(text)
    assert "".join(p["choices"][0]["delta"].get("content") or "" for p in pieces[:-1]) == text
    assert pieces[-2]["choices"][0]["finish_reason"] == "stop"
    assert pieces[-1]["usage"] == {}


def test_streamed_call_comes_as_a_call() -> None:
    role, call, end, usage = stream(f"<tool_call>\n{PARIS}\n</tool_call>")
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert call["choices"][0]["delta"]["tool_calls"][0]["index"] == 0
    assert call["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Paris"}'
    assert end["choices"][0]["finish_reason"] == "tool_calls"
    assert usage["usage"] == {}


def test_tools_are_shown_by_the_template() -> None:
    request, names = show_tools(write([QUESTION], tools=[FIND, SEND], tool_choice="auto", stop="."))
    fields = read(request.fields)
    assert names == {"find", "send"}
    assert fields["chat_template_kwargs"]["tools"] == [FIND, SEND]
    assert fields["stop"][0] == "."
    assert fields.keys() == {"chat_template_kwargs", "stop"}


def test_named_tool_binds_the_answer() -> None:
    choice = {"type": "function", "function": {"name": "find"}}
    request, names = show_tools(write([QUESTION], tools=[FIND, SEND], tool_choice=choice))
    (schema,) = read(request.fields)["response_format"]["json_schema"]["schema"]["anyOf"]
    assert names == {"find"}
    assert schema["properties"]["name"] == {"const": "find"}
    with pytest.raises(InvalidRequest, match="which is no tool"):
        show_tools(write([QUESTION], tools=[SEND], tool_choice=choice))


@pytest.mark.parametrize("fields", [{"tools": [FIND]}, {}, {"tools": [FIND], "tool_choice": "none"}])
def test_result_is_shown_without_its_call(fields: dict[str, Any]) -> None:
    request, names = show_tools(write([QUESTION, ASKED, RESULT], **fields))
    assert json.loads(bytes(request.messages)) == [QUESTION, RESULT]
    assert not names
    assert not request.fields


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": "find"},
        {"tools": [{"type": "web"}]},
        {"tools": [FIND], "tool_choice": 1},
        {"tools": [FIND], "stop": 1},
    ],
)
def test_fields_of_another_shape_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        show_tools(write([QUESTION], **fields))
