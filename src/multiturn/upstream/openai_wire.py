"""OpenAI's chat completions as bytes: writes requests, reads answers, their pieces, errors and model lists.

Only the fields that the server needs are decoded; the JSON itself is passed on in ``raw``, as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from multiturn.errors import ContextTooLong, InvalidRequest, UpstreamError, UpstreamRefused
from multiturn.model.completion import Completion, Delta, Maker, ModelInfo, ModelRequest, ToolCallDelta
from multiturn.upstream.usage_wire import UsageBody, read_usage

REASON_CHARS_MAX = 1000
NO_ARTEFACTS: Mapping[str, Raw] = {}
T = TypeVar("T")


class ModelMissing(UpstreamRefused):
    """The provider does not serve the model; the router, which knows all names, makes ModelNotFound of it."""

    default_code = "model_not_found"


class _Part(Struct, gc=False):
    text: str | None = None


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Custom(Struct, gc=False):
    name: str | None = None
    input: str | None = None


class _ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None
    extra_content: Raw = Raw()


class _Said(Struct, gc=False):
    """A message, or the piece of one: both have the same fields, which may be null or missing."""

    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    reasoning_details: Raw = Raw()
    extra_content: Raw = Raw()


class _Choice(Struct, gc=False):
    index: int = 0
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Answer(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: UsageBody | None = None
    error: Any = None


_answers = msgspec.json.Decoder(_Answer)
_SILENCE = _Choice()


def write_request(request: ModelRequest, *, stream: bool) -> bytes:
    """Write the body of a call; a stream always asks for its usage, beside what the client asked of it.

    Raises InvalidRequest when the client's ``stream_options`` are not an object.
    """
    body: dict[str, Any] = {"model": request.model, "messages": request.messages, **request.fields}
    body.pop("stream", None)
    asked = body.pop("stream_options", None)
    if stream:
        body["stream"] = True
        body["stream_options"] = {**_read_stream_options(asked), "include_usage": True}
    return msgspec.json.encode(body)


def _read_stream_options(asked: Raw | None) -> dict[str, Raw]:
    if asked is None:
        return {}
    try:
        return msgspec.json.decode(asked, type=dict[str, Raw] | None) or {}
    except msgspec.MsgspecError as error:
        raise InvalidRequest("stream_options must be an object.", param="stream_options") from error


def read_delta(raw: bytes, maker: Maker | None = None) -> Delta:
    """Read one piece of a streamed answer, of which ``maker`` is who answers.

    Raises what ``read_error`` makes of an error that arrives as a piece, and UpstreamError
    (``upstream_invalid``) on nonsense.
    """
    answer = _read_answer(raw)
    usage = None if answer.usage is None else read_usage(answer.usage)
    if not answer.choices:
        return Delta(raw=raw, usage=usage, has_choices=False, maker=maker)
    choice = _find_first(answer.choices)
    said = choice.delta
    if said is None:
        return Delta(raw=raw, finish_reason=choice.finish_reason or None, usage=usage, maker=maker)
    return Delta(
        raw=raw,
        text=_join(said.content),
        reasoning=said.reasoning_content or said.reasoning or "",
        refusal=said.refusal or "",
        tool_calls=_read_tool_calls(said.tool_calls) if said.tool_calls else (),
        finish_reason=choice.finish_reason or None,
        usage=usage,
        maker=maker,
        artefacts=_read_artefacts(said),
        thought_as=_find_thoughts(said),
    )


def read_completion(raw: bytes, maker: Maker | None = None) -> Completion:
    """Read a whole answer, of which ``maker`` is who answers.

    Raises as ``read_delta`` does; an answer without a choice is nonsense too.
    """
    answer = _read_answer(raw)
    if not answer.choices:
        raise UpstreamError("The upstream's answer has no choices.", code="upstream_invalid")
    choice = _find_first(answer.choices)
    said = choice.message or _Said()
    return Completion(
        raw=raw,
        text=None if said.content is None else _join(said.content),
        reasoning=said.reasoning_content or said.reasoning or "",
        refusal=said.refusal,
        tool_calls=_read_tool_calls(said.tool_calls or ()),
        finish_reason=choice.finish_reason or None,
        usage=None if answer.usage is None else read_usage(answer.usage),
        maker=maker,
        artefacts=_read_artefacts(said),
        thought_as=_find_thoughts(said),
    )


def _read_artefacts(said: _Said) -> Mapping[str, Raw]:
    """What is for the provider alone: OpenRouter's ``reasoning_details``, Gemini's ``extra_content``."""
    if not said.reasoning_details and not said.extra_content:
        return NO_ARTEFACTS
    return _keep_given({"reasoning_details": said.reasoning_details, "extra_content": said.extra_content})


def _keep_given(fields: Mapping[str, Raw]) -> Mapping[str, Raw]:
    """The fields that are there and not null."""
    return {name: value for name, value in fields.items() if value and bytes(value) != b"null"}


def _find_thoughts(said: _Said) -> str:
    """The field in which reasoning came: DeepSeek and most others say ``reasoning_content``, vLLM ``reasoning``."""
    if said.reasoning_content:
        return "reasoning_content"
    return "reasoning" if said.reasoning else ""


def write_text(like: Delta, text: str) -> Delta:
    """A piece of the stream that ``like`` is of, in which choice 0 says ``text`` and nothing else is."""
    return _write_said(like, {"content": text})


def write_calls(like: Delta, calls: Sequence[ToolCallDelta]) -> Delta:
    """A piece of the stream that ``like`` is of, in which choice 0 calls these tools."""
    said = [
        {"index": place, "id": call.id, "type": "function", "function": _write_function(call), **call.artefacts}
        for place, call in enumerate(calls)
    ]
    return _write_said(like, {"tool_calls": said})


def _write_function(call: ToolCallDelta) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}


def _write_said(like: Delta, said: dict[str, Any]) -> Delta:
    body = msgspec.json.decode(like.raw)
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    return read_delta(msgspec.json.encode({**head, "choices": [{"index": 0, "delta": said, "finish_reason": None}]}))


def drop_said(delta: Delta) -> Delta | None:
    """The piece without the text and the calls of choice 0; None where nothing else is in it."""
    body = msgspec.json.decode(delta.raw)
    kept = []
    for choice in body.get("choices") or ():
        said = dict(choice.get("delta") or {})
        if choice.get("index", 0) == 0:
            said = {name: value for name, value in said.items() if name not in ("content", "tool_calls")}
        if any(value not in (None, "", []) for value in said.values()) or choice.get("finish_reason"):
            kept.append({**choice, "delta": said})
    if not kept and not body.get("usage"):
        return None
    return read_delta(msgspec.json.encode({**body, "choices": kept}))


def rewrite_completion(
    completion: Completion, text: str | None, calls: Sequence[ToolCallDelta] | None = None
) -> Completion:
    """A whole answer whose choice 0 says ``text``, and of its calls only ``calls`` where those are given."""
    body = msgspec.json.decode(completion.raw)
    kept = None if calls is None else {call.id for call in calls}
    for choice in body.get("choices") or ():
        if choice.get("index", 0) == 0:
            said = {**(choice.get("message") or {}), "content": text}
            if kept is not None:
                said["tool_calls"] = [call for call in said.get("tool_calls") or () if call.get("id") in kept]
            choice["message"] = said
    return read_completion(msgspec.json.encode(body))


def cut_completion(raw: bytes) -> list[bytes]:
    """Cut a whole answer into the pieces of a stream, for a provider that was asked for one and cannot.

    Raises as ``read_completion`` does.
    """
    read_completion(raw)
    body = msgspec.json.decode(raw)
    usage = body.pop("usage", None)
    body["object"] = "chat.completion.chunk"
    body["choices"] = [_cut_choice(choice) for choice in body["choices"]]
    pieces = [body] if usage is None else [body, {**body, "choices": [], "usage": usage}]
    return [msgspec.json.encode(piece) for piece in pieces]


def _cut_choice(choice: dict[str, Any]) -> dict[str, Any]:
    said = choice.pop("message", None) or {}
    calls = said.get("tool_calls")
    if calls:
        said = {**said, "tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}
    return {"index": 0, **choice, "delta": said}


def _read_answer(raw: bytes) -> _Answer:
    answer = _decode(_answers, raw)
    if answer.error:
        code = answer.error.get("code") if isinstance(answer.error, dict) else None
        raise read_error(code if isinstance(code, int) and 400 <= code < 600 else 500, raw)
    return answer


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        text = f"The upstream's answer cannot be read: {error}"
        raise UpstreamError(text, code="upstream_invalid") from error


def _find_first(choices: Sequence[_Choice]) -> _Choice:
    """Find choice 0, which need not come first, or at all, in a piece of a stream with ``n`` above 1."""
    if choices[0].index == 0:
        return choices[0]
    return next((choice for choice in choices if choice.index == 0), _SILENCE)


def _join(content: str | Sequence[_Part] | None) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text or "" for part in content or ())


def _read_tool_calls(calls: Sequence[_ToolCall]) -> tuple[ToolCallDelta, ...]:
    return tuple(_read_tool_call(place, call) for place, call in enumerate(calls))


def _read_tool_call(place: int, call: _ToolCall) -> ToolCallDelta:
    index = place if call.index is None else call.index
    artefacts = _keep_given({"extra_content": call.extra_content}) if call.extra_content else NO_ARTEFACTS
    if call.custom is not None:
        return ToolCallDelta(index, call.id, call.custom.name, call.custom.input or "", "custom", artefacts)
    function = call.function or _Function()
    arguments = function.arguments or ""
    if isinstance(arguments, dict):  # Some providers send the arguments as an object instead of its text.
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCallDelta(index, call.id, function.name, arguments, artefacts=artefacts)


class _ModelMeta(Struct, gc=False):
    n_ctx: int | None = None
    n_ctx_train: int | None = None


class _Model(Struct, gc=False):
    """A listed model; vLLM, OpenRouter, Groq and llama.cpp each name its window in their own way."""

    id: str
    owned_by: str | None = None
    created: float | None = None
    max_model_len: int | None = None
    context_length: int | None = None
    context_window: int | None = None
    meta: _ModelMeta | None = None


class _ModelList(Struct, gc=False):
    data: list[_Model]


_model_lists = msgspec.json.Decoder(_ModelList | list[_Model])


def read_models(raw: bytes) -> tuple[ModelInfo, ...]:
    """Read the answer of ``/models``. Raises UpstreamError (``upstream_invalid``) on nonsense."""
    listed = _decode(_model_lists, raw)
    return tuple(map(_read_model, listed if isinstance(listed, list) else listed.data))


def _read_model(model: _Model) -> ModelInfo:
    window = model.max_model_len or model.context_length or model.context_window
    if model.meta is not None:
        window = window or model.meta.n_ctx or model.meta.n_ctx_train
    created = int(model.created or 0)
    return ModelInfo(id=model.id, owned_by=model.owned_by or "", created=created, context_tokens=window)


class _Reason(Struct):
    """Why a provider refused, drawn from whichever shape its error has."""

    message: str
    words: str
    """The message and the names of the error, for recognising it."""
    tokens_max: int | None = None


# The wordings of OpenAI, vLLM, SGLang, llama.cpp, Ollama, LM Studio, Anthropic, Gemini, Mistral, xAI, TGI
# and OpenRouter; a test holds one of each.
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size"
    r"|max(?:imum)? (?:context|prompt|model) length"
    r"|context (?:size|length|window|limit)|context the overflows"
    r"|(?:prompt|input) (?:is )?too long|tokens exceed the configured limit|maximum number of tokens allowed"
    r"|`inputs` tokens \+",
    re.IGNORECASE,
)
_TOKENS_MAX = re.compile(
    r"(?:> ?"  # Anthropic: "250000 tokens > 200000 maximum"
    r"|(?:(?:context|prompt|model) length|context (?:size|window|limit)|configured limit)"
    r"(?: of| is)?(?: only)? \(?"
    r"|tokens allowed \("  # Gemini
    r"|must be <= "  # TGI
    r"|model with (?=\d+ maximum context length)"  # Mistral
    r")(\d+)",
    re.IGNORECASE,
)
_MODEL_MISSING = re.compile(
    r"model_not_found|model_not_available|invalid_model|DeploymentNotFound|not_found_error model:"
    r"|\bmodels?\b.{0,160}?\b(?:does not exist|not exist|not found)\b"
    r"|(?:invalid|unknown|no such) model\b|not a valid model|no endpoints found for",
    re.IGNORECASE,
)


def read_error(status: int, body: bytes, *, retry_after_s: float | None = None) -> UpstreamError:
    """Translate a provider's error into ours.

    A key that the provider refuses is the server's, never the client's, and the provider may quote it: that
    answer is not passed on.
    """
    if status in (401, 403):
        text = f"The upstream refused the server's key ({status}): check MULTITURN_UPSTREAM_KEY."
        return UpstreamError(text, code="upstream_unauthorized", status=status)
    reason = _read_reason(body)
    if status in (400, 413, 422, 500) and _TOO_LONG.search(reason.words):
        return ContextTooLong(reason.message, status=status, tokens_max=reason.tokens_max)
    if status in (400, 404, 422) and _MODEL_MISSING.search(reason.words):
        return ModelMissing(reason.message, status=status, body=body)
    if 400 <= status < 500:
        return UpstreamRefused(reason.message, status=status, body=body, retry_after_s=retry_after_s)
    text = f"The upstream failed ({status}): {reason.message}"
    return UpstreamError(text, status=status, retry_after_s=retry_after_s)


def _read_reason(body: bytes) -> _Reason:
    try:
        shape = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body[:REASON_CHARS_MAX].decode(errors="replace").strip() or "it gave no reason."
        return _Reason(message=text, words=text)
    if isinstance(shape, list) and shape:  # Gemini wraps its error in a list.
        shape = shape[0]
    error = shape.get("error") or shape if isinstance(shape, dict) else shape
    facts: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
    message = _write_message(facts)
    words = " ".join(str(facts.get(name) or "") for name in ("code", "type")) + " " + message
    return _Reason(message=message, words=words, tokens_max=_find_tokens_max(facts, message))


def _write_message(facts: dict[str, Any]) -> str:
    """Write the reason as one text; a gateway (OpenRouter) keeps the provider's own in ``metadata.raw``."""
    message = facts.get("message") or facts.get("detail") or facts
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    metadata = facts.get("metadata")
    inner = metadata.get("raw") if isinstance(metadata, dict) else None
    return (f"{text}: {inner}" if isinstance(inner, str) else text)[:REASON_CHARS_MAX]


def _find_tokens_max(facts: dict[str, Any], message: str) -> int | None:
    named = facts.get("n_ctx")  # llama.cpp
    if isinstance(named, int):
        return named
    found = _TOKENS_MAX.search(message)
    return int(found[1]) if found else None
