"""What is read of OpenAI's JSON in its many variants, and what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from multiturn.errors import ContextTooLong, InvalidRequest, UpstreamError, UpstreamRefused
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest, ToolCallDelta
from multiturn.model.usage import Usage
from multiturn.upstream.openai_wire import (
    ModelMissing,
    cut_completion,
    drop_said,
    read_completion,
    read_delta,
    read_error,
    read_models,
    rewrite_completion,
    write_calls,
    write_request,
    write_text,
)

NOTHING = Delta(raw=b"")
CALL = {"id": "call_7", "type": "function", "function": {"name": "sum", "arguments": '{"a":1}'}}
CUSTOM = {"id": "call_8", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}


def chunk(delta: Any = None, **choice: Any) -> bytes:
    """One piece of a stream with one choice."""
    return json.dumps({"choices": [{"index": 0, "delta": delta, **choice}], "usage": None}).encode()


def whole(message: Any, **body: Any) -> bytes:
    """A whole answer with one choice."""
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], **body}).encode()


def refusal(message: str, **error: Any) -> bytes:
    """An error in OpenAI's envelope."""
    return json.dumps({"error": {"message": message, **error}}).encode()


def without_raw(delta: Delta) -> Delta:
    """A delta, to be compared with one that was written down."""
    return Delta(**{name: getattr(delta, name) for name in delta.__struct_fields__ if name != "raw"}, raw=b"")


DELTAS = {
    "text": (chunk({"role": "assistant", "content": "Hé"}), Delta(raw=b"", text="Hé")),
    "null content": (chunk({"content": None}), NOTHING),
    "null delta": (chunk(None), NOTHING),
    "parts": (
        chunk({"content": [{"text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]}),
        Delta(raw=b"", text="ab"),
    ),
    "reasoning_content": (
        chunk({"reasoning_content": "Hm"}),
        Delta(raw=b"", reasoning="Hm", thought_as="reasoning_content"),
    ),
    "reasoning": (chunk({"reasoning": "Hm", "content": ""}), Delta(raw=b"", reasoning="Hm", thought_as="reasoning")),
    "refusal": (chunk({"refusal": "No"}), Delta(raw=b"", refusal="No")),
    "finish": (chunk({}, finish_reason="length"), Delta(raw=b"", finish_reason="length")),
    "empty finish": (chunk({"content": "a"}, finish_reason=""), Delta(raw=b"", text="a")),
    "legacy call": (chunk({"function_call": {"name": "f", "arguments": "{"}}), NOTHING),
    "unknown fields": (chunk({"content": "a", "audio": {}}, logprobs={}), Delta(raw=b"", text="a")),
    "no choices": (b'{"choices":[]}', Delta(raw=b"", has_choices=False)),
    "null choices": (b'{"choices":null,"usage":null}', Delta(raw=b"", has_choices=False)),
    "usage alone": (
        b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}',
        Delta(raw=b"", has_choices=False, usage=Usage(input_tokens=9, output_tokens=4)),
    ),
    "first call piece": (
        chunk({"tool_calls": [{"index": 1, **CALL, "function": {"name": "sum", "arguments": ""}}]}),
        Delta(raw=b"", tool_calls=(ToolCallDelta(1, "call_7", "sum"),)),
    ),
    "later call piece": (
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": '{"a'}}]}),
        Delta(raw=b"", tool_calls=(ToolCallDelta(1, arguments='{"a'),)),
    ),
    "custom call": (
        chunk({"tool_calls": [{"index": 0, **CUSTOM}]}),
        Delta(raw=b"", tool_calls=(ToolCallDelta(0, "call_8", "sql", "SELECT 1", "custom"),)),
    ),
    "call without index": (
        chunk({"tool_calls": [CALL, {**CALL, "id": "call_9", "function": None}]}),
        Delta(raw=b"", tool_calls=(ToolCallDelta(0, "call_7", "sum", '{"a":1}'), ToolCallDelta(1, "call_9"))),
    ),
    "arguments as object": (
        chunk({"tool_calls": [{**CALL, "function": {"name": "sum", "arguments": {"a": 1}}}]}),
        Delta(raw=b"", tool_calls=(ToolCallDelta(0, "call_7", "sum", '{"a":1}'),)),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), DELTAS.values(), ids=DELTAS.keys())
def test_every_variant_of_a_piece_is_read(raw: bytes, expected: Delta) -> None:
    assert without_raw(read_delta(raw)) == expected


def test_a_piece_keeps_its_json_as_it_came() -> None:
    raw = b'{ "choices":[{"delta":{"content":"a","future":[1, 2]}}] , "new_field":{} }'
    assert read_delta(raw).raw is raw


def test_choice_zero_is_found_by_index() -> None:
    other = {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}
    zero = {"index": 0, "delta": {"content": "zero"}}
    both = read_delta(json.dumps({"choices": [other, zero]}).encode())
    alone = read_delta(json.dumps({"choices": [other]}).encode())
    assert (both.text, both.finish_reason) == ("zero", None)
    assert (alone.text, alone.finish_reason, alone.has_choices) == ("", None, True)


NONSENSE = [
    b"",
    b"<html>502</html>",
    b"[]",
    b'"text"',
    b'{"choices":5}',
    b'{"choices":[{"delta":{"content":5}}]}',
    b'{"choices":[{"index":"zero"}]}',
    b'{"choices":[',
    b'{"choices":[{"delta":{"content":"\xff"}}]}',
    b'{"x":' * 200_000,
]


@pytest.mark.parametrize("raw", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("read", [read_delta, read_completion, cut_completion])
def test_nonsense_is_an_upstream_error(read: Any, raw: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(raw)
    assert caught.value.code == "upstream_invalid"


@pytest.mark.parametrize("raw", [b"", b"{}", b"5", b'{"data":{}}', b'{"data":[{"name":"a"}]}', b'["a"]'])
def test_a_list_needs_models(raw: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_models(raw)
    assert caught.value.code == "upstream_invalid"


@pytest.mark.parametrize("raw", [b'{"choices":[]}', b'{"choices":null}', b"{}"])
def test_a_whole_answer_needs_a_choice(raw: bytes) -> None:
    with pytest.raises(UpstreamError, match="no choices"):
        read_completion(raw)


def test_a_whole_answer_is_read() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    raw = whole({"role": "assistant", "content": "Hi", "reasoning": "Hm", "tool_calls": [CALL]}, usage=usage)
    assert read_completion(raw) == Completion(
        raw=raw,
        text="Hi",
        reasoning="Hm",
        thought_as="reasoning",
        tool_calls=(ToolCallDelta(0, "call_7", "sum", '{"a":1}'),),
        finish_reason="stop",
        usage=Usage(input_tokens=100, cached_tokens=64, output_tokens=20, reasoning_tokens=12),
    )


@pytest.mark.parametrize(
    ("message", "text", "said_no"),
    [
        ({"content": None, "refusal": "No"}, None, "No"),
        ({"content": ""}, "", None),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": None}]}, "a", None),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_a_message_may_lack_anything(message: Any, text: str | None, said_no: str | None) -> None:
    answer = read_completion(whole(message))
    assert (answer.text, answer.refusal, answer.tool_calls) == (text, said_no, ())


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(input_tokens=9, cached_tokens=4)),
        ({"prompt_tokens": 9, "cached_tokens": 4}, Usage(input_tokens=9, cached_tokens=4)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
            Usage(input_tokens=9, cached_tokens=4, cache_write_tokens=3),
        ),
        (
            {"prompt_tokens": 9, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 99},
            Usage(input_tokens=9, cached_tokens=4, cache_write_tokens=5),
        ),
        # What xAI and Gemini thought stands beside what they said.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 41,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input_tokens=9, output_tokens=32, reasoning_tokens=30),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 41},
            Usage(input_tokens=9, output_tokens=32, reasoning_tokens=30),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 32,
                "total_tokens": 41,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input_tokens=9, output_tokens=32, reasoning_tokens=30),
        ),
        ({"prompt_tokens": -5, "completion_tokens": 10**30}, Usage(output_tokens=10**9)),
        (
            {"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 30}},
            Usage(output_tokens=2, reasoning_tokens=2),
        ),
    ],
)
def test_providers_say_their_usage_in_many_ways(usage: dict[str, Any], expected: Usage) -> None:
    assert read_completion(whole({"content": "a"}, usage=usage)).usage == expected


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": 3}, {"prompt_tokens": 3, "completion_tokens": None, "prompt_tokens_details": None}],
)
def test_usage_may_be_incomplete(usage: dict[str, Any]) -> None:
    assert read_completion(whole({"content": "a"}, usage=usage)).usage == Usage(input_tokens=3)


@pytest.mark.parametrize("read", [read_delta, read_completion])
def test_an_error_in_place_of_an_answer_is_raised(read: Any) -> None:
    with pytest.raises(UpstreamError, match="overloaded") as caught:
        read(refusal("overloaded"))
    assert caught.value.status == 500


def test_an_error_in_a_piece_keeps_its_status() -> None:
    choices = [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]
    raw = json.dumps({"error": {"code": 429, "message": "Rate limited"}, "choices": choices}).encode()
    with pytest.raises(UpstreamRefused, match="Rate limited") as caught:
        read_delta(raw)
    assert (caught.value.status, caught.value.body) == (429, raw)


def test_a_cut_answer_says_the_same() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    raw = whole({"content": "Hi", "tool_calls": [CALL, CUSTOM]}, usage=usage, id="x", new=1)
    said, told = map(read_delta, cut_completion(raw))
    answer = read_completion(raw)
    assert (said.text, said.finish_reason, told.usage) == (answer.text, answer.finish_reason, answer.usage)
    assert said.tool_calls == answer.tool_calls
    assert not told.has_choices
    first = json.loads(said.raw)
    assert (first["object"], first["id"], first["new"]) == ("chat.completion.chunk", "x", 1)
    assert "message" not in first["choices"][0]
    assert [call["index"] for call in first["choices"][0]["delta"]["tool_calls"]] == [0, 1]


def ask(**fields: bytes) -> ModelRequest:
    """A request whose messages are spelled in a way that no encoder would."""
    raw = {name: Raw(value) for name, value in fields.items()}
    return ModelRequest(model="m", messages=Raw(b'[ {"role":"x"} ]'), fields=raw)


def streamed(**fields: bytes) -> Any:
    """The body of a streamed call."""
    return json.loads(write_request(ask(**fields), stream=True))


def test_a_request_is_spliced_not_rewritten() -> None:
    body = write_request(ask(seed=b"1.50e3", future=b'{ "a":"\\u00e9" }'), stream=False)
    assert body == b'{"model":"m","messages":[ {"role":"x"} ],"seed":1.50e3,"future":{ "a":"\\u00e9" }}'


def test_a_stream_always_asks_for_usage() -> None:
    options = b'{"include_usage":false,"include_obfuscation": false}'
    assert streamed()["stream_options"] == {"include_usage": True}
    assert streamed(stream_options=b"null")["stream_options"] == {"include_usage": True}
    merged = streamed(stream_options=options, stream=b"false")
    assert merged["stream"] is True
    assert merged["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_a_whole_answer_is_asked_without_stream() -> None:
    body = write_request(ask(stream=b"true", stream_options=b"{}"), stream=False)
    assert set(json.loads(body)) == {"model", "messages"}


def test_stream_options_must_be_an_object() -> None:
    with pytest.raises(InvalidRequest) as caught:
        streamed(stream_options=b"[1]")
    assert caught.value.param == "stream_options"


TOO_LONG = [
    # OpenAI
    (
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001",
        8192,
    ),
    (400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in", 272000),
    (400, "Your input exceeds the context window of this model. Please adjust your input.", None),
    # vLLM
    (
        400,
        "This model's maximum context length is 2048 tokens. However, you requested 4000 tokens (3000",
        2048,
    ),
    (400, "The decoder prompt (length 9000) is longer than the maximum model length of 4096.", 4096),
    (
        400,
        "model's maximum context length is 4096 tokens and your request has 100 (5000 > 4096 - 100).",
        4096,
    ),
    # SGLang
    (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens).", 8192),
    # llama.cpp
    (400, "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096),
    (500, "Context size has been exceeded.", None),
    # Ollama
    (400, "prompt too long; exceeded max context length by 123 tokens", None),
    (400, "the input length exceeds the context length", None),
    # LM Studio
    (400, "when context the overflows. However, it is loaded with context length of only 4096 tokens", 4096),
    # Anthropic
    (400, "prompt is too long: 250000 tokens > 200000 maximum", 200000),
    (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 200000),
    # OpenRouter
    (400, "This endpoint's maximum context length is 131072 tokens. However, you requested about", 131072),
    # Gemini
    (400, "token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576),
    # Mistral
    (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32768),
    # xAI
    (400, "This model's maximum prompt length is 131072 but the request contains 150000 tokens.", 131072),
    # TGI
    (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", 4096),
]


@pytest.mark.parametrize(("status", "message", "tokens_max"), TOO_LONG, ids=range(len(TOO_LONG)))
def test_too_long_a_context_is_recognised(status: int, message: str, tokens_max: int | None) -> None:
    error = read_error(status, refusal(message))
    assert isinstance(error, ContextTooLong)
    assert (error.tokens_max, error.message) == (tokens_max, message)


@pytest.mark.parametrize(
    ("facts", "tokens_max"),
    [
        ({"code": "context_length_exceeded"}, None),
        ({"type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}, 4096),
        ({"metadata": {"raw": '{"error":{"code":"context_length_exceeded"}}'}}, None),
    ],
)
def test_too_long_is_known_without_words(facts: dict[str, Any], tokens_max: int | None) -> None:
    error = read_error(400, refusal("Provider returned error", **facts))
    assert isinstance(error, ContextTooLong)
    assert error.tokens_max == tokens_max


MODEL_MISSING = [
    (404, refusal("The model `x` does not exist or you do not have access to it.", code="model_not_found")),
    (404, b'{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}'),
    (404, refusal('model "gpt-4.1" not found, try pulling it first', type="api_error")),
    (404, b'{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}'),
    (404, b'[{"error":{"code":404,"message":"models/x is not found for API version v1main"}}]'),
    (404, refusal("No endpoints found for x.")),
    (404, refusal("The API deployment for this resource does not exist.", code="DeploymentNotFound")),
    (400, refusal("x is not a valid model ID", code=400)),
    (400, b'{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}'),
    (400, refusal("Model Not Exist")),
    (400, refusal("Invalid model name passed in model=x.")),
]


@pytest.mark.parametrize(("status", "body"), MODEL_MISSING, ids=range(len(MODEL_MISSING)))
def test_a_missing_model_is_recognised(status: int, body: bytes) -> None:
    assert isinstance(read_error(status, body), ModelMissing)


ORDINARY = [
    (400, refusal("Invalid value for 'temperature': must be at most 2.", param="temperature")),
    (400, refusal("This model does not support tools.")),
    (400, refusal("messages[3].tool_call_id was not found")),
    (402, refusal("Insufficient credits")),
    (404, b"404 page not found"),
    (404, refusal("No endpoints found that support tool use.")),
    (409, b'{"detail":"busy"}'),
    (413, b"<html><h1>413 Request Entity Too Large</h1></html>"),
    (422, b'{"detail":[{"loc":["body","messages"],"msg":"field required"}]}'),
]


@pytest.mark.parametrize(("status", "body"), ORDINARY, ids=range(len(ORDINARY)))
def test_another_refusal_stays_as_it_came(status: int, body: bytes) -> None:
    error = read_error(status, body)
    assert type(error) is UpstreamRefused
    assert (error.status, error.body) == (status, body)
    assert error.message


def test_too_many_requests_tells_when_to_return() -> None:
    error = read_error(429, refusal("Slow down"), retry_after_s=7)
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.retry_after_s, error.message) == (429, 7, "Slow down")


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key_of_the_server_stays_untold(status: int) -> None:
    error = read_error(status, refusal("Incorrect API key provided: sk-abc***xyz"))
    assert not isinstance(error, UpstreamRefused)
    assert (error.code, error.status) == ("upstream_unauthorized", status)
    assert "sk-abc" not in error.message


REASONS = [
    (refusal("Overloaded"), "Overloaded"),
    (b'{"error":"no slot"}', "no slot"),
    (b'{"message":"crashed"}', "crashed"),
    (b'{"detail":{"why":"disk"}}', '{"why":"disk"}'),
    (b'[{"error":{"message":"quota"}}]', "quota"),
    (b"Bad Gateway\n", "Bad Gateway"),
    (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}"),
    (b"", "no reason"),
    (b"[]", "[]"),
    (b"null", "null"),
]


@pytest.mark.parametrize(("body", "reason"), REASONS)
def test_a_failure_tells_the_providers_reason(body: bytes, reason: str) -> None:
    error = read_error(503, body, retry_after_s=2)
    assert not isinstance(error, UpstreamRefused)
    assert reason in error.message
    assert (error.status, error.retry_after_s) == (503, 2)


def test_a_reason_is_never_longer_than_a_page() -> None:
    assert len(read_error(500, b"<p>" * 100_000).message) < 1100
    assert len(read_error(500, refusal("x" * 100_000)).message) < 1100


LISTS = [
    ({"id": "a"}, ModelInfo(id="a")),
    ({"id": "a", "owned_by": None, "created": 17.0}, ModelInfo(id="a", created=17)),
    (
        {"id": "a", "owned_by": "v", "max_model_len": 2048},
        ModelInfo(id="a", owned_by="v", context_tokens=2048),
    ),
    ({"id": "a", "context_length": 131072}, ModelInfo(id="a", context_tokens=131072)),
    ({"id": "a", "context_window": 8192}, ModelInfo(id="a", context_tokens=8192)),
    ({"id": "a", "meta": {"n_ctx": 4096, "n_ctx_train": 32768}}, ModelInfo(id="a", context_tokens=4096)),
    ({"id": "a", "meta": {"n_ctx_train": 32768}}, ModelInfo(id="a", context_tokens=32768)),
    ({"id": "a", "meta": None, "context_length": None}, ModelInfo(id="a")),
]


@pytest.mark.parametrize(("model", "expected"), LISTS)
def test_a_listed_model_tells_its_window(model: dict[str, Any], expected: ModelInfo) -> None:
    assert read_models(json.dumps({"object": "list", "data": [model]}).encode()) == (expected,)
    assert read_models(json.dumps([model]).encode()) == (expected,)


def choice_of(index: int = 0, end: str | None = None, **said: Any) -> dict[str, Any]:
    """A choice of a piece."""
    return {"index": index, "delta": said, "finish_reason": end}


def piece(*choices: dict[str, Any], **fields: Any) -> Delta:
    """A piece of a stream with these choices."""
    return read_delta(json.dumps({"id": "c", "model": "m", "created": 1, "choices": choices, **fields}).encode())


def test_a_written_text_is_nothing_but_that() -> None:
    like = piece(
        choice_of(role="assistant", content="a", reasoning_content="hm", end="stop"), usage={"prompt_tokens": 1}
    )
    written = write_text(like, "b")
    assert (written.text, written.reasoning, written.finish_reason, written.usage) == ("b", "", None, None)
    body = json.loads(written.raw)
    assert (body["id"], body["model"], body["created"]) == ("c", "m", 1)
    assert body["choices"] == [choice_of(content="b")]


def test_written_calls_can_be_read_again() -> None:
    calls = [ToolCallDelta(4, "x", "look", '{"a":1}'), ToolCallDelta(7, "y", "see", "{}")]
    assert write_calls(piece(choice_of(content="a")), calls).tool_calls == (
        ToolCallDelta(0, "x", "look", '{"a":1}'),
        ToolCallDelta(1, "y", "see", "{}"),
    )


@pytest.mark.parametrize(
    ("delta", "left"),
    [
        (piece(choice_of(content="a")), None),
        (piece(choice_of(content="a", tool_calls=[{"index": 0, "id": "x"}])), None),
        (piece(choice_of(content="a", role="")), None),
        (piece(choice_of(content="a", role="assistant")), [choice_of(role="assistant")]),
        (piece(choice_of(content="a", reasoning_content="hm")), [choice_of(reasoning_content="hm")]),
        (piece(choice_of(content="a", end="stop")), [choice_of(end="stop")]),
        (piece(choice_of(content="a"), choice_of(1, content="b")), [choice_of(1, content="b")]),
        (piece(choice_of(content="a"), usage={"prompt_tokens": 1}), []),
        (piece(usage={"prompt_tokens": 1}), []),
    ],
)
def test_what_is_left_of_a_piece_without_its_words(delta: Delta, left: list[dict[str, Any]] | None) -> None:
    dropped = drop_said(delta)
    assert (json.loads(dropped.raw)["choices"] if dropped else None) == left
    if dropped:
        assert (dropped.text, dropped.tool_calls) == ("", ())
        assert (dropped.finish_reason, dropped.reasoning, dropped.usage) == (
            delta.finish_reason,
            delta.reasoning,
            delta.usage,
        )


def answer_of(*messages: dict[str, Any]) -> Completion:
    """A whole answer with a choice for each message."""
    choices = [{"index": place, "message": one, "finish_reason": "stop"} for place, one in enumerate(messages)]
    return read_completion(json.dumps({"id": "c", "choices": choices, "usage": {"prompt_tokens": 2}}).encode())


def test_a_whole_answer_says_another_text_and_all_else_as_it_came() -> None:
    said = answer_of({"content": "a", "reasoning_content": "hm", "extra": 1}, {"content": "b"})
    told = rewrite_completion(said, "c")
    assert (told.text, told.reasoning, told.usage, told.finish_reason) == ("c", "hm", said.usage, "stop")
    messages = [one["message"] for one in json.loads(told.raw)["choices"]]
    assert messages == [{"content": "c", "reasoning_content": "hm", "extra": 1}, {"content": "b"}]


def test_a_whole_answer_keeps_some_of_its_calls() -> None:
    said = answer_of({"content": None, "tool_calls": [CALL, CUSTOM]})
    assert [call.id for call in rewrite_completion(said, None).tool_calls] == ["call_7", "call_8"]
    kept = [call for call in said.tool_calls if call.id == "call_8"]
    assert [call.id for call in rewrite_completion(said, None, kept).tool_calls] == ["call_8"]
    assert rewrite_completion(said, "a", []).tool_calls == ()
