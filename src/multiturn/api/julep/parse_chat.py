"""A chat of Julep's client as a turn: its messages, its tools, and what goes to the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
from msgspec import Raw, Struct
from starlette.datastructures import Headers

from multiturn.api.auth import as_written, check_id
from multiturn.api.fields import read_choice, read_output_max
from multiturn.api.julep.chat_wire import CONSUMED_FIELDS, JulepChatBody, JulepMessageBody, JulepToolBody
from multiturn.api.julep.reading import read_wire
from multiturn.api.limits import read_field, read_json_object
from multiturn.api.messages import read_messages
from multiturn.api.policy import read_policy
from multiturn.errors import InvalidRequest
from multiturn.model.policy import ContextPolicy
from multiturn.model.session import Concurrency, OnDisconnect
from multiturn.model.turn import IdempotencyKey, TurnOrder

ROUTE = "julep.chat"


class ChatOrder(Struct, frozen=True, kw_only=True):
    """A chat, read: the turn without its agent and its policy, what says those, and the tools as OpenAI writes them."""

    body: JulepChatBody
    turn: TurnOrder
    tools: list[dict[str, Any]] | None
    tool_choice: str | dict[str, Any] | None


def parse_chat(body: bytes, headers: Headers) -> ChatOrder:
    """Read a chat. Raises InvalidRequest naming the place that is wrong."""
    fields = without_nulls(read_json_object(body))
    chat = read_wire(fields, JulepChatBody)
    refuse_missing(chat, headers)
    tools, choice = read_tools(chat.tools), read_tool_choice(chat.tool_choice)
    instructions, contents = read_messages(Raw(msgspec.json.encode(write_messages(chat.messages))))
    if not contents:
        raise InvalidRequest("'messages' holds nothing to answer: only instructions.", param="messages")
    key = headers.get("idempotency-key")
    turn = TurnOrder(
        input=contents,
        instructions=instructions,
        model=check_id(chat.model, "model") if chat.model else "",
        fields=read_model_fields(fields, tools, choice),
        digest=hashlib.blake2b(body, digest_size=16).digest(),
        output_tokens_max=read_output_max(fields),
        is_streamed=chat.stream,
        is_stored=chat.save,
        is_retry=headers.get("x-stainless-retry-count", "0") not in ("", "0"),
        idempotency=IdempotencyKey(ROUTE, check_id(as_written(key), "Idempotency-Key")) if key else None,
        concurrency=read_choice(fields, "concurrency", get_args(Concurrency)),
        on_disconnect=read_choice(fields, "on_disconnect", get_args(OnDisconnect)),
        policy=read_turn_policy(chat),
        template_values=chat.metadata or {},
    )
    return ChatOrder(body=chat, turn=turn, tools=tools, tool_choice=choice)


def read_turn_policy(chat: JulepChatBody) -> ContextPolicy:
    """What this turn sets of its context; `recall` of true is what it is anyway."""
    given = {name: getattr(chat, name) for name in ("context_overflow", "token_budget", "recall_options")}
    policy = {name: value for name, value in given.items() if value is not None}
    return ContextPolicy(**read_policy(policy if chat.recall else {**policy, "recall": False}))


def without_nulls(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    """A body without the fields that are null: Julep's clients send those that were left out so."""
    return {name: value for name, value in fields.items() if bytes(value) != b"null"}


def refuse_missing(chat: JulepChatBody, headers: Headers) -> None:
    """Refuse to be asked for what is not there, instead of leaving it out in silence."""
    if not chat.recall_tools:
        text = "'recall_tools': what tools said stands in the history, and cannot be left out of a context."
        raise InvalidRequest(text, code="not_implemented", param="recall_tools")
    if headers.get("x-custom-api-key"):
        text = "'X-Custom-Api-Key': the server asks models with keys of its own."
        raise InvalidRequest(text, code="not_implemented", param="X-Custom-Api-Key")


def read_model_fields(
    fields: Mapping[str, Raw], tools: list[dict[str, Any]] | None, choice: str | dict[str, Any] | None
) -> dict[str, Raw]:
    """The fields that go to the model."""
    rest = {name: value for name, value in fields.items() if name not in CONSUMED_FIELDS}
    for name, value in rest.items():
        read_field(value, name, Any)
    if tools:
        rest["tools"] = Raw(msgspec.json.encode(tools))
    if choice is not None:
        rest["tool_choice"] = Raw(msgspec.json.encode(choice))
    return rest


def read_tools(tools: Sequence[JulepToolBody] | None) -> list[dict[str, Any]] | None:
    """Julep's tools as OpenAI writes them. Raises InvalidRequest for those that a server would have to run."""
    if not tools:
        return None
    read = []
    for index, tool in enumerate(tools):
        if tool.type != "function":
            text = f"'tools[{index}]' is of the type '{tool.type[:40]}'; only functions can be called here."
            raise InvalidRequest(text, code="not_implemented", param=f"tools[{index}].type")
        function = {"name": tool.name, **({"description": tool.description} if tool.description else {})}
        said = {name: value for name, value in (tool.function or {}).items() if value is not None}
        read.append({"type": "function", "function": {**function, **said}})
    return read


def read_tool_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Which tool the model is to call, as OpenAI writes it."""
    if isinstance(choice, dict) and "function" in choice:
        return {"type": "function", **choice}
    return choice


def write_messages(messages: Sequence[JulepMessageBody]) -> list[dict[str, Any]]:
    """Julep's messages as OpenAI writes them; results of tools in a message's parts become messages of their own."""
    written: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        facts = msgspec.to_builtins(message)
        said = [name_part(part) for part in message.content] if isinstance(message.content, list) else message.content
        results = [part for part in said if part.get("type") == "tool_result"] if isinstance(said, list) else []
        if isinstance(said, list):
            said = [part for part in said if part.get("type") != "tool_result"]
        written += [write_result(part, f"messages[{index}].content") for part in results]
        if said or not results:
            written.append({**facts, "content": said})
    return written


def name_part(part: str | dict[str, Any]) -> dict[str, Any]:
    """A content part; one without a type is what its field says."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if "type" in part:
        return part
    kind = next((name for name in ("text", "image_url") if name in part), "tool_result")
    return {"type": kind, **part}


def write_result(part: dict[str, Any], where: str) -> dict[str, Any]:
    """A tool's result as a message."""
    call_id, said = part.get("tool_use_id"), part.get("content")
    if not (isinstance(call_id, str) and call_id and isinstance(said, list)):
        raise InvalidRequest(f"'{where}': a tool_result has a 'tool_use_id' and a list as 'content'.", param=where)
    return {"role": "tool", "tool_call_id": call_id, "content": [write_result_part(one, where) for one in said]}


def write_result_part(part: Any, where: str) -> dict[str, Any]:
    """A part of a tool's result: a text, or an image as a data URL."""
    if not isinstance(part, dict):
        raise InvalidRequest(f"'{where}': the parts of a tool_result are objects.", param=where)
    source = part.get("source")
    if not isinstance(source, dict):
        return {"type": "text", **part}
    kind, data = source.get("media_type"), source.get("data")
    if not (isinstance(kind, str) and isinstance(data, str)):
        raise InvalidRequest(f"'{where}': an image has a 'media_type' and 'data'.", param=where)
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
