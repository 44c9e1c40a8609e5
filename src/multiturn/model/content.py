"""What an item can hold: a message, a tool call, its result, or reasoning.

``extra`` keeps the fields that a client or a provider sent and that we do not know, as they came.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from multiturn.model.citation import Citation

Role = Literal["system", "developer", "user", "assistant"]
Extra = dict[str, Any]


class Artefacts(Struct, frozen=True, omit_defaults=True):
    """What a provider gave of its reasoning for itself alone: signatures, encrypted thoughts.

    ``provider`` is who made them and the only one that is shown them again: ``fields`` as they came, and the text of
    the reasoning as the field ``text_as``, where that is named.
    """

    provider: str
    fields: dict[str, Any] = {}
    text_as: str = ""


class Message(Struct, frozen=True, tag="message", tag_field="type", omit_defaults=True):
    """Something said: a role and either a text, a list of content parts (text, image_url, input_audio, file …), or
    nothing. ``citations`` are what an answer over a knowledge store rests on.
    """

    role: Role
    content: str | list[dict[str, Any]] | None = None
    extra: Extra | None = None
    citations: tuple[Citation, ...] = ()


class FunctionCall(Struct, frozen=True, tag="function_call", tag_field="type", omit_defaults=True):
    """The model's call of a tool.

    ``arguments`` is the text the model wrote, usually JSON. ``kind`` is ``custom`` for free-text tools.
    """

    call_id: str
    name: str
    arguments: str = ""
    kind: str = "function"
    extra: Extra | None = None
    artefacts: Artefacts | None = None


class FunctionCallOutput(Struct, frozen=True, tag="function_call_output", tag_field="type", omit_defaults=True):
    """The result of the call ``call_id``: a text or a list of content parts."""

    call_id: str
    output: str | list[dict[str, Any]] | None = None
    extra: Extra | None = None


class Reasoning(Struct, frozen=True, tag="reasoning", tag_field="type", omit_defaults=True):
    """What the model thought before it spoke; stored, and not shown again but to who made its ``artefacts``."""

    text: str
    extra: Extra | None = None
    artefacts: Artefacts | None = None


class Summary(Struct, frozen=True, tag="summary", tag_field="type", omit_defaults=True):
    """What stands in the context for the items ``first`` to ``last``, which stay stored; written by ``model``."""

    text: str
    first: int
    last: int
    model: str = ""


Content = Message | FunctionCall | FunctionCallOutput | Reasoning | Summary
