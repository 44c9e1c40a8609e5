"""How a model is heard whose whole answer has to fit a JSON schema: nothing is told before it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from multiturn.engine.answering import Voice, close_tools
from multiturn.engine.structured.repair import repair
from multiturn.engine.structured.validation import validate, write_correction
from multiturn.engine.thoughts import extend
from multiturn.errors import UpstreamError, UpstreamRefused
from multiturn.model.completion import Completion, ModelRequest
from multiturn.model.content import Content, Message
from multiturn.model.retrieved import Snippet
from multiturn.model.step import Step
from multiturn.model.usage import Usage

# So often is a model asked for an answer that fits: first, and again with what is wrong with the last one.
TRIES = 3
BROKEN_OFF = frozenset({"length", "content_filter"})
ASKED = "Answer with one JSON object that fits this JSON schema, and nothing else: "


class SchemaAnswer:
    """An answer by a schema, while it is made: in one step. ``spent`` is what the tries before the last one used.
    ``has_tools``: the request has tools of ours, which are not called in such an answer; no client knows them.
    """

    items: Sequence[Content] = ()
    steps: Sequence[Step] = ()
    was_begun = False

    def __init__(self, voice: Voice, schema: dict[str, Any], *, has_tools: bool = False) -> None:
        self.voice = voice
        self.schema = schema
        self.has_tools = has_tools
        self.spent: list[Usage] = []
        self.found: list[Snippet] = []

    async def ask(self, request: ModelRequest, *, is_streamed: bool) -> None:
        """Ask until the answer fits. Raises UpstreamError (``schema_not_met``), and what the upstream raises."""
        tell = self._stream if is_streamed else self.voice.reply
        request = replace(request, fields={**request.fields, "response_format": write_format(self.schema)})
        request = close_tools(request) if self.has_tools else request
        errors: Sequence[str] = ()
        for _ in range(TRIES):
            completion = await self._complete(request)
            said = completion.text or ""
            if completion.tool_calls or completion.finish_reason in BROKEN_OFF:
                tell(completion)
                return
            fitting = repair(said, self.schema)
            if fitting is not None:
                tell(completion if fitting == said else self.voice.wire.rewrite_completion(completion, fitting))
                return
            errors = validate(said, self.schema).errors
            self.spent += [completion.usage] if completion.usage else []
            correction = Message("user", write_correction(errors))
            request = extend(request, [Message("assistant", said), correction])
        reason = f": {errors[0]}" if errors else "."
        raise UpstreamError(f"The model's answer does not fit the schema{reason}", code="schema_not_met")

    async def _complete(self, request: ModelRequest) -> Completion:
        """Ask once; a provider that does not know schemas is shown it in words."""
        try:
            return await self.voice.upstream.complete(request)
        except UpstreamRefused as error:
            if error.status not in (400, 422) or "response_format" not in request.fields:
                raise
            fields = {name: value for name, value in request.fields.items() if name != "response_format"}
            asked = Message("user", ASKED + msgspec.json.encode(self.schema).decode())
            return await self.voice.upstream.complete(extend(replace(request, fields=fields), [asked]))

    def _stream(self, completion: Completion) -> None:
        """Tell a whole answer as the pieces of a stream."""
        wire = self.voice.wire
        pieces = [wire.read_delta(piece) for piece in wire.cut_completion(completion.raw)]
        self.voice.speak([replace(piece, maker=completion.maker) for piece in pieces])

    def contents(self, said: Sequence[Content]) -> tuple[Content, ...]:
        """What the turn leaves behind."""
        return tuple(said)


def write_format(schema: dict[str, Any]) -> Raw:
    """The schema as providers are told of it (OpenAI, "Structured Outputs")."""
    named = {"name": "answer", "schema": schema, "strict": True}
    return Raw(msgspec.json.encode({"type": "json_schema", "json_schema": named}))
