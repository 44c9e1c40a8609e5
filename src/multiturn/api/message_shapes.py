"""Messages in the shape of OpenAI's chat completions, as ``/openapi.json`` describes them for several dialects."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


def to_model(description: str) -> Meta:
    """Mark a field that is sent to the model as it came: what is wrong with it, the provider says."""
    return Meta(description=description, extra_json_schema={"x-goes-to-model": True})


Said = Annotated[
    str | list[dict[str, Any]] | None,
    Meta(description="A text, or a list of content parts (`text`, `image_url`, `input_audio`, `file` …)."),
]
Tokens = Annotated[int, Meta(ge=1)]
Name = Annotated[str | None, to_model("Which of several that speak in this role.")]


class SystemMessage(Struct, tag_field="role", tag="system", omit_defaults=True):
    """What the model is told before the conversation.

    Under a session, those that stand first are the session's instructions: replaced when sent, kept when left out.
    """

    content: Said = None
    name: Name = None


class DeveloperMessage(SystemMessage, tag="developer"):
    """The same, as newer models call it."""


class UserMessage(Struct, tag_field="role", tag="user", omit_defaults=True):
    """What a user said."""

    content: Said = None
    name: Name = None


class CalledFunction(Struct, omit_defaults=True):
    """The call of a function."""

    name: str
    arguments: Annotated[str, Meta(description="The text that the model wrote, usually JSON.")] = ""


class CalledTool(Struct, omit_defaults=True):
    """The call of a custom tool, whose input is free text."""

    name: str
    input: str = ""


class ToolCall(Struct, omit_defaults=True):
    """A tool call that the model made."""

    id: Annotated[str, Meta(min_length=1, description="What the result names as `tool_call_id`.")]
    type: str = "function"
    function: Annotated[CalledFunction | None, Meta(description="With the type `function`.")] = None
    custom: Annotated[CalledTool | None, Meta(description="With the type `custom`.")] = None


class AssistantMessage(Struct, tag_field="role", tag="assistant", omit_defaults=True):
    """What a model said. A client that resends the conversation sends these too; the server stores only what is new."""

    content: Said = None
    name: Name = None
    refusal: Annotated[str | None, to_model("Why it did not answer.")] = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(Struct, tag_field="role", tag="tool", omit_defaults=True):
    """The result of a tool call. Under a session it may come alone: the call is in the history."""

    tool_call_id: Annotated[str, Meta(min_length=1, description="The id of the call that this answers.")]
    content: Said = None


ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage
