"""Tools for models that write their calls as plain JSON text, as the small ones of the catalogue do.

The model is shown the tools by its own chat template, and what it writes is read here: an answer that opens
with ``{"name": <a tool>, "arguments": {...}}``, bare, fenced or tagged, is a call. When a call is required, a
JSON schema leaves it no other choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct

from multiturn.errors import InvalidRequest
from multiturn.model.completion import ModelRequest

_OPENINGS = ("<tool_call>", "```json", "```", "")
_CLOSINGS = ("</tool_call>", "```", "")
_json = json.JSONDecoder()
_CALL_HEAD = '{"name":'
HEAD_CHARS_MAX = 64
"""How far the head of a call may stretch, spaces and all."""
# A small model that has written one call goes on to write it again until its limit; the stop takes the call's
# last brace along.
_SECOND_CALL = '}\n{"name"'


class _Function(Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Tool(Struct, tag_field="type", tag="function"):
    function: _Function


class _NamedFunction(Struct):
    name: str


class _NamedTool(Struct, tag_field="type", tag="function"):
    function: _NamedFunction


class _Written(Struct):
    name: str
    arguments: dict[str, Any]


class Call(Struct, frozen=True):
    """A call that the model wrote; ``arguments`` is JSON text."""

    name: str
    arguments: str


def show_tools(request: ModelRequest) -> tuple[ModelRequest, frozenset[str]]:
    """Rewrite a request for such a model, and name the tools that its answer may call.

    After a tool's result the model sees the result and no tools: shown both, it repeats its call instead of
    answering. Raises InvalidRequest when messages, tools or tool_choice are not what OpenAI describes.
    """
    fields = dict(request.fields)
    shown = fields.pop("tools", None)
    choice = _decode(fields.pop("tool_choice", None), str | _NamedTool | None, "tool_choice")
    fields.pop("parallel_tool_calls", None)
    tools = _choose(_decode(shown, list[_Tool] | None, "tools") or [], choice)
    messages = _decode(request.messages, list[dict[str, Any]], "messages")
    is_forced = choice == "required" or isinstance(choice, _NamedTool)
    if not tools or (_ends_with_result(messages) and not is_forced):
        told = _encode(list(_leave_out_calls(messages)))
        return msgspec.structs.replace(request, messages=told, fields=fields), frozenset()
    kwargs = _decode(fields.get("chat_template_kwargs"), dict[str, Raw] | None, "chat_template_kwargs") or {}
    fields["chat_template_kwargs"] = _encode({**kwargs, "tools": shown})
    if is_forced:
        fields["response_format"] = _encode(_require_call(tools))
    else:
        fields["stop"] = _encode([*_list_stops(fields.get("stop")), _SECOND_CALL])
    return msgspec.structs.replace(request, fields=fields), frozenset(tool.function.name for tool in tools)


def _choose(tools: list[_Tool], choice: str | _NamedTool | None) -> list[_Tool]:
    """Choose the tools that may be called. Raises InvalidRequest when the choice names none of them."""
    if choice == "none":
        return []
    if not isinstance(choice, _NamedTool):
        return tools
    name = choice.function.name
    chosen = [tool for tool in tools if tool.function.name == name]
    if not chosen:
        raise InvalidRequest(f"tool_choice names '{name}', which is no tool.", param="tool_choice")
    return chosen


def _ends_with_result(messages: Sequence[dict[str, Any]]) -> bool:
    return bool(messages) and messages[-1].get("role") == "tool"


def _leave_out_calls(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if not message.get("tool_calls"):
            yield message
        elif message.get("content"):
            yield {name: value for name, value in message.items() if name != "tool_calls"}


def _require_call(tools: Sequence[_Tool]) -> dict[str, Any]:
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool.function.name},
                "arguments": tool.function.parameters or {"type": "object"},
            },
            "required": ["name", "arguments"],
        }
        for tool in tools
    ]
    return {"type": "json_schema", "json_schema": {"name": "call", "schema": {"anyOf": calls}}}


def _list_stops(stop: Raw | None) -> list[str]:
    stops = _decode(stop, str | list[str] | None, "stop") or []
    return [stops] if isinstance(stops, str) else stops


def _decode(raw: Raw | None, kind: Any, param: str) -> Any:
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"{param} cannot be read: {error}", param=param) from error


def _encode(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


def may_be_call(text: str) -> bool:
    """Tell whether an answer that begins like this may still turn out to be a call."""
    begun = text.lstrip()
    for opening in _OPENINGS:
        if opening.startswith(begun):
            return True
        if begun.startswith(opening):
            head = "".join(begun[len(opening) :][:HEAD_CHARS_MAX].split())
            return head.startswith(_CALL_HEAD) or _CALL_HEAD.startswith(head)
    return False


def read_calls(text: str, names: frozenset[str]) -> list[Call]:
    """Read the calls that an answer consists of, each once; none when it is an answer in words."""
    calls: list[Call] = []
    rest = text.strip()
    while rest and may_be_call(rest):
        found = _read_call(rest, names)
        if found is None:
            break
        call, rest = found
        if call not in calls:
            calls.append(call)
    return calls


def _read_call(text: str, names: frozenset[str]) -> tuple[Call, str] | None:
    body = text[len(_find_start(text, _OPENINGS)) :].lstrip()
    try:
        shape, end = _read_object(body)
        written = msgspec.convert(shape, _Written)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
    if written.name not in names:
        return None
    rest = body[end:].lstrip()
    call = Call(written.name, json.dumps(written.arguments, ensure_ascii=False))
    return call, rest[len(_find_start(rest, _CLOSINGS)) :].lstrip()


def _read_object(text: str) -> tuple[Any, int]:
    """Read the JSON that the text begins with, and tell where it ends. Raises ValueError."""
    try:
        return _json.raw_decode(text)
    except ValueError:
        return _json.raw_decode(text + "}")  # The stop of a second call has taken the brace.


def _find_start(text: str, starts: Sequence[str]) -> str:
    return next(start for start in starts if text.startswith(start))


def turn_into_calls(raw: bytes, names: frozenset[str]) -> bytes:
    """Give a whole answer that consists of calls as an answer with tool calls; any other as it is."""
    answer = msgspec.json.decode(raw)
    choice = answer["choices"][0]
    calls = read_calls(choice["message"].get("content") or "", names)
    if not calls:
        return raw
    choice["message"] |= {"content": None, "tool_calls": [_render(call) for call in calls]}
    choice["finish_reason"] = "tool_calls"
    return msgspec.json.encode(answer)


def _render(call: Call) -> dict[str, Any]:
    return {
        "id": f"call_{uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


class CallReader:
    """Reads a streamed answer: holds its chunks while they may be a call, then gives them or the calls."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._held: list[bytes] = []
        self._text = ""
        self._is_open = bool(names)

    def feed(self, raw: bytes) -> list[bytes]:
        """Take one chunk and give those that can go out now."""
        if not self._is_open:
            return [raw]
        choices = msgspec.json.decode(raw).get("choices")
        choice: dict[str, Any] = choices[0] if choices else {}
        text = (choice.get("delta") or {}).get("content")
        if not text and not choice.get("finish_reason"):
            return [raw]
        self._text += text or ""
        self._held.append(raw)
        if choice.get("finish_reason"):
            return self._finish(raw)
        return [] if may_be_call(self._text) else self._release()

    def _release(self) -> list[bytes]:
        self._is_open = False
        held, self._held = self._held, []
        return held

    def _finish(self, last: bytes) -> list[bytes]:
        calls = read_calls(self._text, self._names)
        held = self._release()
        if not calls:
            return held
        chunk = msgspec.json.decode(last)
        pieces = [{"tool_calls": [{"index": place, **_render(call)}]} for place, call in enumerate(calls)]
        choices: list[dict[str, Any]] = [{"index": 0, "delta": piece, "finish_reason": None} for piece in pieces]
        choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
        return [msgspec.json.encode({**chunk, "choices": [choice]}) for choice in choices]
