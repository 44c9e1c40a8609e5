"""A model that is asked about items in the background: facts by a schema, schemas by a description, summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from multiturn.engine.ports import Upstream
from multiturn.engine.structured.repair import read_candidates, repair
from multiturn.engine.structured.schema import check_schema
from multiturn.engine.structured.validation import validate, write_correction
from multiturn.engine.window.messages import write_messages
from multiturn.errors import InvalidRequest, UpstreamError, UpstreamRefused
from multiturn.model.completion import ModelRequest
from multiturn.model.content import Message

# First, and once again with what is wrong with the answer.
TRIES = 2
ANSWER_TOKENS_MAX, SUMMARY_TOKENS_MAX = 1500, 300
SUMMARY_CHARACTERS_MAX = 2000
EXTRACT = (
    "Extract facts from the text below. Take only what it says; leave out what it does not say. "
    "Answer with one JSON object that fits this JSON schema, and nothing else:\n{schema}\n\nThe text:\n{text}"
)
MAKE_SCHEMA = (
    "Somebody wants these facts extracted from each file of a collection:\n{description}\n\n"
    'Write the JSON schema of one file\'s facts: an object with 1 to 12 properties, each with a "type" (string, '
    'number, integer, boolean, or array with "items" of such a type) and a "description". Nothing is nested deeper. '
    "Answer with the schema as JSON, and nothing else."
)
SUMMARISE = (
    'Say in two to four sentences what "{title}" is about, in its own language. Take only what is in the text; plain '
    "text, no introduction.\n\n{text}"
)
# What the model's schema must be: a flat one that every model can fill.
PROPERTY = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["string", "number", "integer", "boolean", "array"]},
        "description": {"type": "string"},
        "items": {
            "type": "object",
            "properties": {"type": {"type": "string", "enum": ["string", "number", "integer", "boolean"]}},
            "required": ["type"],
            "additionalProperties": False,
        },
    },
    "required": ["type"],
    "additionalProperties": False,
}
PROPERTIES_MAX = 12


class ModelExtractor:
    """Asks a model of an upstream, in the background: turns go first. ``summarises``: it writes summaries too."""

    def __init__(self, upstream: Upstream, model: str, *, summarises: bool) -> None:
        self.upstream = upstream
        self.model = model
        self.summarises = summarises

    async def extract(self, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The facts in a text as an object that fits a JSON schema. Raises UpstreamError, Unavailable."""
        asked = EXTRACT.format(schema=msgspec.json.encode(schema).decode(), text=text)
        return await self._ask_json(asked, schema)

    async def make_schema(self, description: str) -> dict[str, Any]:
        """The schema of what a description asks for. Raises UpstreamError, Unavailable."""
        asked = MAKE_SCHEMA.format(description=description)
        limit = Raw(str(ANSWER_TOKENS_MAX).encode())
        for _ in range(TRIES):
            properties = read_properties(await self._ask([Message("user", asked)], {"max_tokens": limit}))
            schema = {"type": "object", "properties": properties, "additionalProperties": False}
            if properties and is_usable(schema):
                return schema
        raise UpstreamError("The model made no usable schema of the description.", code="schema_not_met")

    async def summarise(self, title: str, text: str) -> str | None:
        """A few sentences about a text; None where summaries are not to be written by a model."""
        if not self.summarises:
            return None
        asked = [Message("user", SUMMARISE.format(title=title, text=text))]
        said = await self._ask(asked, {"max_tokens": Raw(str(SUMMARY_TOKENS_MAX).encode())})
        return " ".join(said.rpartition("</think>")[2].split())[:SUMMARY_CHARACTERS_MAX] or None

    async def _ask_json(self, asked: str, schema: dict[str, Any]) -> dict[str, Any]:
        """An answer that fits a schema: as it stands, mended, or the second one. Raises UpstreamError."""
        messages = [Message("user", asked)]
        errors: Sequence[str] = ()
        for _ in range(TRIES):
            said = await self._ask(messages, write_fields(schema))
            fitting = repair(said, schema)
            if fitting is not None:
                value: dict[str, Any] = msgspec.json.decode(fitting)
                return value
            errors = validate(said, schema).errors
            messages += [Message("assistant", said), Message("user", write_correction(errors))]
        reason = errors[0] if errors else "it is no JSON"
        raise UpstreamError(f"The model's answer does not fit the schema: {reason}", code="schema_not_met")

    async def _ask(self, messages: Sequence[Message], fields: dict[str, Raw]) -> str:
        """What the model says; a provider that does not know schemas is asked without."""
        request = ModelRequest(
            model=self.model,
            messages=Raw(b"[" + write_messages(messages) + b"]"),
            fields={**fields, "temperature": Raw(b"0")},
            is_background=True,
        )
        try:
            completion = await self.upstream.complete(request)
        except UpstreamRefused as error:
            if error.status not in (400, 422) or "response_format" not in fields:
                raise
            plain = {name: value for name, value in request.fields.items() if name != "response_format"}
            completion = await self.upstream.complete(msgspec.structs.replace(request, fields=plain))
        return completion.text or ""


def write_fields(schema: dict[str, Any]) -> dict[str, Raw]:
    """How a provider that can is told to answer by a schema."""
    format_ = {"type": "json_schema", "json_schema": {"name": "facts", "schema": schema}}
    limit = Raw(str(ANSWER_TOKENS_MAX).encode())
    return {"response_format": Raw(msgspec.json.encode(format_)), "max_tokens": limit}


def is_usable(schema: dict[str, Any]) -> bool:
    """Whether answers can be held to a schema."""
    try:
        check_schema(schema)
    except InvalidRequest:
        return False
    return True


def read_properties(said: str) -> dict[str, Any]:
    """The properties of a schema that a model wrote, as far as they are of the simple kind that was asked for."""
    found = (value.get("properties") for value in read_candidates(said) if isinstance(value, dict))
    wanted_all = next((value for value in found if isinstance(value, dict)), {})
    properties: dict[str, Any] = {}
    for name, wanted in list(wanted_all.items())[:PROPERTIES_MAX]:
        fitting = repair(msgspec.json.encode(wanted).decode(), PROPERTY)
        if fitting is not None:
            kept = {key: value for key, value in msgspec.json.decode(fitting).items() if value}
            properties[name] = {"description": name.replace("_", " "), **kept}
    return properties
