"""A turn as a chat completion, whole or in chunks. What the provider said is passed on as it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from multiturn.api.citations import list_citations, render_citation
from multiturn.api.errors import write_openai
from multiturn.api.sse import write_frame
from multiturn.errors import MultiturnError
from multiturn.model.completion import Delta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning
from multiturn.model.run import Run
from multiturn.model.usage import Usage

DONE = b"data: [DONE]\n\n"
encode = msgspec.json.Encoder().encode


def write_deltas(deltas: Sequence[Delta], *, includes_usage: bool) -> bytes:
    """Deltas that arrived together, in one write.

    Usage is always asked of the provider; who did not ask does not see it.
    """
    if includes_usage:
        return b"".join([write_frame(delta.raw) for delta in deltas])
    return b"".join(
        [
            write_frame(without_usage(delta) if delta.usage else delta.raw)
            for delta in deltas
            if delta.has_choices or not delta.usage
        ]
    )


def without_usage(delta: Delta) -> bytes:
    """A chunk that carries usage beside its choices, without it."""
    chunk = msgspec.json.decode(delta.raw)
    chunk.pop("usage", None)
    return encode(chunk)


def write_error(error: MultiturnError) -> bytes:
    """The last frame of a stream that failed."""
    return write_frame(encode(write_openai(error)))


def annotate(raw: bytes, output: Sequence[Content]) -> bytes:
    """A provider's completion with what its answer cites, where it does."""
    annotations = write_annotations(output)
    if not annotations:
        return raw
    body = msgspec.json.decode(raw)
    for choice in body.get("choices") or ():
        if choice.get("index", 0) == 0:
            choice["message"] = {**(choice.get("message") or {}), "annotations": annotations}
    return encode(body)


def write_annotation_chunk(run: Run, output: Sequence[Content]) -> bytes:
    """What a streamed answer cites, as a chunk behind its text; nothing where it cites nothing."""
    annotations = write_annotations(output)
    if not annotations:
        return b""
    choice = {"index": 0, "delta": {"annotations": annotations}, "finish_reason": None}
    return write_frame(encode({**head(run, "chat.completion.chunk"), "choices": [choice]}))


def write_annotations(output: Sequence[Content]) -> list[dict[str, Any]]:
    """Citations as OpenAI's annotations: each marker of the text, and the file that it stands for."""
    return [
        {"type": "file_citation", "file_citation": msgspec.to_builtins(render_citation(citation))}
        for citation in list_citations(output)
    ]


def write_completion(run: Run, output: Sequence[Content]) -> bytes:
    """A completion from what is stored, when what the provider sent is no longer there."""
    choice = {
        "index": 0,
        "message": write_answer(output),
        "finish_reason": run.finish_reason or "stop",
        "logprobs": None,
    }
    return encode({**head(run, "chat.completion"), "choices": [choice], "usage": write_usage(run.usage)})


def write_chunks(run: Run, output: Sequence[Content], *, includes_usage: bool) -> bytes:
    """The same as a stream."""
    shared = head(run, "chat.completion.chunk")
    answer = write_answer(output)
    if "tool_calls" in answer:
        answer["tool_calls"] = [{"index": index, **call} for index, call in enumerate(answer["tool_calls"])]
    chunks: list[dict[str, Any]] = [
        {**shared, "choices": [{"index": 0, "delta": answer, "finish_reason": None}]},
        {**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": run.finish_reason or "stop"}]},
    ]
    if includes_usage:
        chunks.append({**shared, "choices": [], "usage": write_usage(run.usage)})
    return b"".join([write_frame(encode(chunk)) for chunk in chunks])


def head(run: Run, kind: str) -> dict[str, Any]:
    """What every form of a run's answer begins with."""
    return {
        "id": f"chatcmpl-{run.id.hex}",
        "object": kind,
        "created": int(run.created_at.timestamp()),
        "model": run.model,
    }


def write_answer(output: Sequence[Content]) -> dict[str, Any]:
    """An answer's items as one assistant message."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    # Calls with results are steps of the turn, which the server took by itself.
    looked_up = {content.call_id for content in output if isinstance(content, FunctionCallOutput)}
    for content in output:
        if isinstance(content, Message):
            message |= {"content": content.content, **(content.extra or {})}
            if content.citations:
                message["annotations"] = write_annotations([content])
        elif isinstance(content, Reasoning) and content.text:
            message["reasoning_content"] = content.text
        elif isinstance(content, FunctionCall) and content.call_id not in looked_up:
            said = {"name": content.name, ("input" if content.kind == "custom" else "arguments"): content.arguments}
            message.setdefault("tool_calls", []).append(
                {"id": content.call_id, "type": content.kind, content.kind: said}
            )
    return message


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Usage in the names of chat completions."""
    usage = usage or Usage()
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
