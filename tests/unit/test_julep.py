"""Julep's dialect where it is pure: queries, messages, tools, entries, chunks and errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from starlette.datastructures import Headers, QueryParams

from multiturn.api.envelopes import JULEP, find_envelope
from multiturn.api.error_codes import CODES
from multiturn.api.julep.chat_wire import JulepMessageBody, JulepToolBody
from multiturn.api.julep.history import render_history
from multiturn.api.julep.parse_chat import parse_chat, read_tool_choice, read_tools, write_messages
from multiturn.api.julep.reading import read_filter, read_list_query, read_time, wrong_place
from multiturn.api.julep.render import write_distance
from multiturn.api.julep.render_chat import says_something, write_delta
from multiturn.errors import (
    ContextOverflow,
    InvalidRequest,
    MultiturnError,
    NotFound,
    RateLimited,
    Unauthenticated,
    UpstreamError,
    UpstreamRefused,
)
from multiturn.model.completion import Delta, ToolCallDelta
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.item import Item
from multiturn.model.session import Session

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}

# Queries.


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {}),
        ("metadata_filter.a=x", {"a": "x"}),
        ("metadata_filter.a.b.c=1", {"a": {"b": {"c": 1}}}),
        ("metadata_filter.a.b=1&metadata_filter.a.c=2", {"a": {"b": 1, "c": 2}}),
        ("metadata_filter.l=1&metadata_filter.l=2", {"l": [1, 2]}),
        ("metadata_filter.t=true&metadata_filter.f=false", {"t": True, "f": False}),
        ("metadata_filter.n=-1.5", {"n": -1.5}),
        ("metadata_filter.n=1e3", {"n": "1e3"}),
        ("metadata_filter.n=12345678901234567890", {"n": "12345678901234567890"}),
        ("metadata_filter.empty=", {"empty": ""}),
        ("metadata_filter=x&other.a=1", {}),
    ],
)
def test_filter_is_nested_by_dots_and_listed_by_repetition(query: str, wanted: dict[str, Any]) -> None:
    assert read_filter(QueryParams(query)) == wanted


@pytest.mark.parametrize(
    "query", ["metadata_filter.a=1&metadata_filter.a.b=2", "metadata_filter.a.b=2&metadata_filter.a=1"]
)
def test_value_is_no_object_as_well(query: str) -> None:
    with pytest.raises(InvalidRequest, match="both a value and an object"):
        read_filter(QueryParams(query))


def test_listing_has_the_defaults_of_julep() -> None:
    query = read_list_query(QueryParams(""))
    assert (query.limit, query.offset, query.sort_by, query.direction) == (100, 0, "created_at", "desc")


@pytest.mark.parametrize("query", ["limit=1001", "limit=-1", "limit=", "offset=x", "sort_by=", "direction=DESC"])
def test_wrong_parameter_names_its_place(query: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_list_query(QueryParams(query))
    assert caught.value.param == f"query.{query.partition('=')[0]}"


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-21T09:30:00Z", 9),
        ("2026-11-21T09:30:00", 9),
        ("2026-11-21T09:30:00%2B02:00", 7),
        ("2026-11-21T09:30:00+02:00", 7),
        ("2026-11-21 09:30:00.123456", 9),
    ],
)
def test_time_is_read_however_it_was_written(text: str, hour: int) -> None:
    time = read_time(QueryParams(f"before={text}"), "before")
    assert time is not None
    assert time.astimezone(UTC).hour == hour


def test_time_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="ISO 8601"):
        read_time(QueryParams("before=yesterday"), "before")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Expected `int`, got `str` - at `$.token_budget`", "body.token_budget"),
        ("Object missing required field `name`", "body.name"),
        ("Object missing required field `role` - at `$.messages[0]`", "body.messages.0.role"),
        ("Expected `object`, got `array`", "body"),
    ],
)
def test_wrong_field_is_named_as_julep_named_it(text: str, place: str) -> None:
    assert wrong_place(text).param == place


# Messages and tools.


def read(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return write_messages(msgspec.convert(list(messages), list[JulepMessageBody]))


def test_texts_become_parts() -> None:
    assert read({"role": "user", "content": ["a", {"text": "b"}]}) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


def test_result_in_a_message_becomes_one_of_its_own() -> None:
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": [{"text": "12 mm"}, IMAGE]}
    told, rest = read({"role": "user", "content": [{"type": "text", "text": "so?"}, result]})
    assert (told["role"], told["tool_call_id"]) == ("tool", "call_1")
    assert told["content"] == [
        {"type": "text", "text": "12 mm"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
    ]
    assert rest == {"role": "user", "content": [{"type": "text", "text": "so?"}]}
    assert len(read({"role": "user", "content": [result]})) == 1


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_result"},
        {"type": "tool_result", "tool_use_id": "", "content": []},
        {"type": "tool_result", "tool_use_id": "c", "content": "text"},
        {"type": "tool_result", "tool_use_id": "c", "content": ["text"]},
        {"type": "tool_result", "tool_use_id": "c", "content": [{"source": {"data": 1}}]},
    ],
)
def test_result_that_cannot_be_read_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"role": "user", "content": [part]})
    assert caught.value.param == "messages[0].content"


def test_functions_are_written_as_openai_writes_them() -> None:
    tool = JulepToolBody(name="look", description="d", function={"parameters": {}, "strict": True, "description": None})
    assert read_tools([tool]) == [
        {"type": "function", "function": {"name": "look", "description": "d", "parameters": {}, "strict": True}}
    ]
    assert read_tools([]) is None
    assert read_tool_choice({"function": {"name": "look"}}) == {"type": "function", "function": {"name": "look"}}
    assert (read_tool_choice("auto"), read_tool_choice(None)) == ("auto", None)


@pytest.mark.parametrize("kind", ["integration", "system", "api_call", "computer_20241022", "bash_20241022"])
def test_tool_that_a_server_would_run_is_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_tools([JulepToolBody(name="x", type=kind)])
    assert (caught.value.code, caught.value.param) == ("not_implemented", "tools[0].type")


def parse(body: dict[str, Any], **headers: str) -> Any:
    return parse_chat(msgspec.json.encode({"messages": [{"role": "user", "content": "hi"}], **body}), Headers(headers))


def test_only_what_is_the_models_goes_to_the_model() -> None:
    ours = {"agent": "a", "save": False, "recall": False, "metadata": {"a": 1}, "stream": True, "connection_pool": 1}
    turn = parse({**ours, "temperature": 1.5, "top_p": None, "reasoning_effort": "low", "max_tokens": 9}).turn
    assert {name: bytes(value) for name, value in turn.fields.items()} == {
        "temperature": b"1.5",
        "reasoning_effort": b'"low"',
        "max_tokens": b"9",
    }
    assert (turn.is_stored, turn.is_streamed, turn.is_aligned, turn.output_tokens_max) == (False, True, False, 9)
    assert (turn.policy.recall, turn.template_values, turn.model) == (False, {"a": 1}, "")


def test_turn_sets_its_own_policy() -> None:
    turn = parse({"context_overflow": "compaction", "token_budget": 900, "recall_options": {"limit": 2}}).turn
    assert (turn.policy.overflow, turn.policy.token_budget, turn.policy.documents.limit) == ("summarize", 900, 2)
    assert (turn.policy.recall, parse({}).turn.policy.overflow) == (None, None)


def test_retries_and_keys_are_known() -> None:
    assert parse({}, **{"x-stainless-retry-count": "2"}).turn.is_retry
    assert not parse({}, **{"x-stainless-retry-count": "0"}).turn.is_retry
    assert parse({}, **{"idempotency-key": "k"}).turn.idempotency.key == "k"


# Entries.

SESSION = Session(
    id=uuid4(),
    tenant_id=uuid4(),
    user_id=uuid4(),
    external_id=None,
    created_at=NOW,
    active_at=NOW,
    instructions='[{"role":"system","content":"Be brief."}]',
)


def render(*runs: tuple[Content, ...], has_beginning: bool = False) -> Any:
    """The history of runs, each with its items."""
    items: list[Item] = []
    for contents in runs:
        run_id = uuid4()
        for content in contents:
            items.append(Item(seq=len(items) + 1, run_id=run_id, content=content, tokens=2, created_at=NOW))
    return render_history(SESSION, items, has_beginning=has_beginning)


def test_words_and_calls_are_one_entry() -> None:
    calls = FunctionCall("c1", "look", "{}"), FunctionCall("c2", "look", "{}", kind="custom")
    history = render(
        (Message("user", "look"), Reasoning("hm"), Message("assistant", "I look."), *calls),
        (FunctionCallOutput("c1", "seen"), FunctionCallOutput("c2", [{"type": "text", "text": "t"}]), *calls[:1]),
    )
    assert [(entry.role, entry.source, entry.token_count) for entry in history.entries] == [
        ("user", "api_request", 2),
        ("assistant", "api_response", 6),
        ("tool", "api_request", 2),
        ("tool", "api_request", 2),
        ("assistant", "api_response", 2),
    ]
    assert [call["type"] for call in history.entries[1].tool_calls] == ["function", "custom"]
    assert history.entries[1].tool_calls[1]["custom"] == {"name": "look", "input": "{}"}
    assert (history.entries[2].tool_call_id, history.entries[4].content) == ("c1", [])


def test_what_a_client_says_for_the_model_is_a_request() -> None:
    history = render((Message("assistant", "a"), Message("user", "b"), Message("assistant", "c")))
    assert [entry.source for entry in history.entries] == ["api_request", "api_request", "api_response"]


def test_summary_names_what_it_stands_for() -> None:
    turn = (Message("user", "a"), Message("assistant", "b"))
    history = render(turn, (Summary("short", 1, 2, "m"), *turn))
    summary = history.entries[2]
    assert (summary.role, summary.source, summary.model) == ("system", "summarizer", "m")
    assert [(relation.head, relation.tail) for relation in history.relations] == [
        (history.entries[0].id, summary.id),
        (history.entries[1].id, summary.id),
    ]


def test_instructions_stand_at_the_beginning() -> None:
    assert render(has_beginning=True).entries[0].content == [{"type": "text", "text": "Be brief."}]
    assert render().entries == []


def test_entry_keeps_its_id() -> None:
    one, two = (render((Message("user", "a"), Message("assistant", "b"))).entries for _ in range(2))
    assert [entry.id for entry in one] == [entry.id for entry in two]
    assert len({UUID(entry.id) for entry in one}) == 2


# Chunks.


def test_what_a_model_thinks_is_not_told() -> None:
    assert not says_something(Delta(raw=b"{}", reasoning="hm"))
    assert not says_something(Delta(raw=b"{}", finish_reason="stop"))
    assert write_delta(Delta(raw=b"{}", refusal="No.")).content == "No."


def test_piece_of_a_call_always_has_a_name() -> None:
    piece = write_delta(Delta(raw=b"{}", tool_calls=[ToolCallDelta(0, arguments="{}")]))
    assert piece.tool_calls == [
        {"index": 0, "id": None, "type": "function", "function": {"name": "", "arguments": "{}"}}
    ]


@pytest.mark.parametrize("mode", ["text", "hybrid", "vector"])
def test_nearer_is_smaller_in_every_mode(mode: Any) -> None:
    assert write_distance(mode, 2.0, 0.9) < write_distance(mode, 1.0, 0.2)
    assert write_distance("vector", 1.0, 0.75) == 0.25


# Errors.


@pytest.mark.parametrize(
    ("error", "status", "code", "type_"),
    [
        (NotFound("x", code="session_not_found"), 404, "http_404", "SessionNotFoundError"),
        (NotFound("x", code="document_not_found"), 404, "http_404", "DocNotFoundError"),
        (Unauthenticated("x"), 403, "http_403", "http_error"),
        (InvalidRequest("x", param="a"), 422, "validation_error", None),
        (InvalidRequest("x", code="not_implemented"), 400, "http_400", "http_error"),
        (ContextOverflow("x"), 400, "prompt_too_big", "PromptTooBigError"),
        (RateLimited("x", code="queue_full"), 429, "http_429", "http_error"),
        (UpstreamError("x"), 502, "llm_api_error", "LLMServiceError"),
        (UpstreamRefused("x", status=422, body=b""), 400, "llm_bad_request", "LLMServiceBadRequest"),
        (UpstreamRefused("x", status=429, body=b""), 429, "llm_bad_request", "LLMServiceBadRequest"),
    ],
)
def test_error_is_told_in_juleps_words(error: MultiturnError, status: int, code: str, type_: str | None) -> None:
    body = JULEP.write(error)["error"]
    assert (JULEP.status_of(error), body["code"], body.get("type"), body["reason"]) == (status, code, type_, error.code)


def test_every_code_can_be_told() -> None:
    for code in CODES.values():
        if code.status:
            written = JULEP.write(MultiturnError(code.meaning, code=code.name))
            msgspec.convert(written, JULEP.shape)
            assert 400 <= JULEP.find_status(code.name) < 600


@pytest.mark.parametrize(
    ("param", "place"),
    [("a.b", "body.a.b"), ("query.limit", "query.limit"), ("X-User-Id", "header.X-User-Id"), (None, "body")],
)
def test_place_says_where_a_field_stands(param: str | None, place: str) -> None:
    (detail,) = JULEP.write(InvalidRequest("'a' is missing.", param=param))["error"]["details"]
    assert (detail["loc"], detail["type"]) == (place, "missing")


@pytest.mark.parametrize(
    ("path", "is_juleps"),
    [("/julep/api", True), ("/julep/api/sessions", True), ("/julep/apis", False), ("/v1/sessions", False)],
)
def test_path_has_the_envelope_of_its_dialect(path: str, is_juleps: bool) -> None:
    assert (find_envelope(path) is JULEP) == is_juleps
