"""The leaves of Powabase's dialect: which tools a hook means, settings of agents, seeds, and pages of a history."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from multiturn.api.envelopes import find_envelope, write_powabase
from multiturn.api.powabase.attachments import Hook, add_hook, drop_hook, find_approval, match
from multiturn.api.powabase.history import Window, keep_newest, split_turns
from multiturn.api.powabase.names import read_given, write_chunk, write_run, write_session_id
from multiturn.api.powabase.parse import read_settings, write_settings
from multiturn.api.powabase.parse_run import choose_reasoning
from multiturn.api.powabase.render_run import (
    Story,
    find_method,
    is_shown,
    list_calls,
    read_arguments,
    render_citations,
    render_diagnostics,
)
from multiturn.api.powabase.seeding import read_seed
from multiturn.api.powabase.stories import join_spans
from multiturn.api.powabase.stream import Frame, RunWriter
from multiturn.errors import InvalidRequest, MultiturnError, NotFound, UpstreamError
from multiturn.model.agent import AgentBody
from multiturn.model.citation import Citation
from multiturn.model.completion import Delta
from multiturn.model.content import Content, FunctionCall, Message
from multiturn.model.event import Ended, Event, Spoke, Stepped
from multiturn.model.ids import find_id, new_id
from multiturn.model.item import Item, Range
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.step import (
    ApprovalAsked,
    ApprovalGiven,
    ReasoningDropped,
    Step,
    StepEnded,
    StepStarted,
    ToolCall,
    ToolCalled,
    ToolReturned,
    ToolsMissing,
)
from multiturn.model.tool import McpTools

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DESK = McpTools(label="desk", url="https://desk.example/mcp")
FEW = McpTools(label="desk", url="https://desk.example/mcp", allowed=("read", "write"))


def hook(matcher: str | None) -> Hook:
    return Hook(id=str(new_id()), matcher=matcher)


@pytest.mark.parametrize(
    ("matcher", "every", "few"),
    [
        (None, "always", "always"),
        ("*", "always", "always"),
        ("desk__*", "always", "always"),
        ("d*", "always", "always"),
        ("desk__read", ("read",), ("read",)),
        ("read", ("read",), ("read",)),
        ("read|desk__write", ("read", "write"), ("read", "write")),
        ("r*", "always", ("read",)),
        ("desk__w*", "always", ("write",)),
        ("other__read", "never", "never"),
        ("delete", ("delete",), "never"),
    ],
)
def test_matcher_means_these_tools(matcher: str | None, every: Any, few: Any) -> None:
    assert match(DESK, hook(matcher)) == every
    assert match(FEW, hook(matcher)) == few


def test_hooks_add_up_and_go_alone() -> None:
    first, second = hook("read"), hook("write")
    asked = msgspec.structs.replace(DESK, approval=("delete",))
    both = find_approval(asked, [first, second], [])
    assert both == ("delete", "read", "write")
    left = find_approval(msgspec.structs.replace(DESK, approval=both), [second], [first])
    assert left == ("delete", "write")
    every = find_approval(DESK, [hook("*")], [])
    assert find_approval(msgspec.structs.replace(DESK, approval=every), [], [hook("*")]) == "never"


def test_hooks_are_kept_with_the_agent() -> None:
    body = AgentBody(name="a", tools=(DESK,), wire={"other": 1})
    asked = hook("*")
    more = add_hook(body, hook=asked)
    assert isinstance(more.tools[0], McpTools)
    assert more.tools[0].approval == "always"
    assert set(more.wire) == {"other", "powabase_hooks"}
    assert drop_hook(more, hook=asked) == body


def test_settings_come_back_as_they_went() -> None:
    settings = {"temperature": 0.2, "reasoning_effort": "high", "timeout_seconds": 5.0, "max_steps": 3, "color": "blue"}
    body = msgspec.structs.replace(AgentBody(name="a"), **read_settings(settings, AgentBody(name="a")))
    assert body.default_settings == {"temperature": 0.2}
    assert write_settings(body) == settings
    assert write_settings(msgspec.structs.replace(body, **read_settings({}, body))) == {}


@pytest.mark.parametrize(
    ("is_wanted", "usual", "chosen"),
    [
        (None, "low", None),
        (True, "low", "low"),
        (True, None, "medium"),
        (True, "none", "medium"),
        (False, "low", "none"),
        (False, None, "none"),
    ],
)
def test_run_says_how_much_is_thought(is_wanted: bool | None, usual: Any, chosen: str | None) -> None:
    options = choose_reasoning(is_wanted, ReasoningOptions(effort=usual) if usual else None)
    assert (options and options.effort) == chosen


def said(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": "x"} for role in roles]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ("hi", "initial_messages must be a list"),
        (said("user"), "initial_messages must contain an even number of messages (user/assistant pairs); got 1"),
        (
            said("assistant", "user"),
            "initial_messages[0] must have role 'user' — initial_messages must alternate user/assistant, starting with "
            "user",
        ),
        (
            said("user", "user"),
            "initial_messages[1] must have role 'assistant' — initial_messages must alternate user/assistant, starting "
            "with user",
        ),
        ([{"role": "user"}, *said("assistant")], "initial_messages[0] content must be a string"),
        ([{"role": "user", "content": " "}, *said("assistant")], "initial_messages[0] content must not be empty"),
        (
            [{"role": "user", "content": "x" * 20_001}, *said("assistant")],
            "initial_messages[0] content is limited to 20000 characters; got 20001",
        ),
        (["hi", "ho"], "initial_messages[0] must be an object"),
        (said("user", "assistant") * 101, "initial_messages is limited to 200 messages; got 202"),
    ],
)
def test_seed_that_is_wrong_says_what(messages: Any, text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_seed(msgspec.json.encode({"initial_messages": messages}))
    assert caught.value.message == text


def test_seed_keeps_what_was_said_and_by_whom() -> None:
    user_id = new_id()
    seed = read_seed(msgspec.json.encode({"user_id": str(user_id), "initial_messages": said("user", "assistant")}))
    assert seed == (user_id, ["x", "x"])
    assert read_seed(b"") == (None, ())
    assert read_seed(b'{"initial_messages": null}') == (None, ())
    with pytest.raises(InvalidRequest, match="valid JSON"):
        read_seed(b"{")
    with pytest.raises(InvalidRequest, match="user_id must be a uuid"):
        read_seed(b'{"user_id": 7}')


SESSION = Session(id=new_id(), tenant_id=new_id(), user_id=new_id(), external_id=None, created_at=NOW, active_at=NOW)


def items(*runs: tuple[UUID, str]) -> list[Item]:
    """Messages of these runs by these roles."""
    contents: list[Content] = [Message(role, "x") for _, role in runs]  # type: ignore[arg-type]
    return [
        Item(seq=seq, run_id=run_id, content=content, tokens=1, created_at=NOW)
        for seq, ((run_id, _), content) in enumerate(zip(runs, contents, strict=True), start=1)
    ]


def test_turns_are_parted_by_run_or_where_a_user_speaks() -> None:
    first, second, none = new_id(), new_id(), SESSION.id
    told = [(none, "user"), (none, "assistant"), (none, "user"), (none, "user"), (none, "assistant")]
    turns = split_turns(SESSION, items(*told, (first, "user"), (first, "assistant"), (second, "user")))
    assert [[item.seq for item in turn] for turn in turns] == [[1, 2], [3, 4, 5], [6, 7], [8]]


def test_page_has_whole_turns() -> None:
    turns = [items((new_id(), "user"), *[(new_id(), "assistant")] * count) for count in (1, 150, 60, 1)]
    assert [len(turn) for turn in keep_newest(turns, Window())] == [61, 2]
    assert [len(turn) for turn in keep_newest(turns, Window(3))] == [151, 61, 2]
    assert len(keep_newest([items(*[(new_id(), "user")] * 300)], Window())[0]) == 300
    assert keep_newest([], Window()) == []


def cite(number: int, quote: str = "q") -> Citation:
    return Citation(number=number, start=0, end=3, claim_start=0, claim_end=9, title="t", quote=quote, item_id=new_id())


def test_each_key_is_cited_once_in_the_order_of_the_text() -> None:
    answer = Message("assistant", "x", None, (cite(7, "first"), cite(2), cite(7, "again"), cite(2)))
    told = render_citations(answer)
    assert [(one.key, one.text_excerpt) for one in told] == [("7", "first"), ("2", "q")]
    assert len(render_citations(Message("assistant", "x", None, (cite(1, "y" * 400),)))[0].text_excerpt) == 300


def test_chunks_are_shown_or_not_and_counted() -> None:
    snippets = (
        Snippet(source="document", text="a", number=1, lexical=1.0, similarity=0.5),
        Snippet(source="document", text="b", omitted="budget", similarity=0.5),
        Snippet(source="document", text="c", number=3, omitted="shown_already", lexical=1.0),
    )
    found = RetrievedContext(query="q", snippets=snippets, block="…", tokens=12)
    assert [is_shown(found, one) for one in snippets] == [True, False, True]
    told = render_diagnostics(found, None)
    assert (told["items_included"], told["items_dropped"], told["included_indices"]) == (2, 1, [0, 2])
    assert not is_shown(msgspec.structs.replace(found, block=""), snippets[0])
    assert [find_method(one) for one in snippets] == ["hybrid", "vector_search", "full_text"]
    assert render_diagnostics(None, None)["total_items"] == 0


def test_calls_of_both_sides_are_told_in_order() -> None:
    ours = ToolCall(call_id="1", name="read", arguments='{"a": 1}', result="x", duration_ms=2.0)
    step = Step(number=1, started_at=NOW, calls=(ours,))
    told = list_calls([step], [FunctionCall("1", "read"), FunctionCall("2", "theirs", "no JSON")])
    assert [(call.call_id, call.arguments, call.result) for call in told] == [
        ("1", {"a": 1}, "x"),
        ("2", "no JSON", None),
    ]
    assert read_arguments("") == {}


def test_spans_that_touch_are_read_at_once() -> None:
    spans = [Range(3, 4), Range(1, 2), Range(8, 9), Range(4, 6)]
    assert join_spans(spans) == [Range(1, 6), Range(8, 9)]


def test_ids_are_read_in_every_form() -> None:
    id_ = new_id()
    for text in (write_session_id(id_), write_run(id_), str(id_), id_.hex):
        assert find_id(text) == id_ == read_given(text, "id")
    assert write_chunk(id_, None) == str(id_)
    assert len({write_chunk(id_, 1), write_chunk(id_, 2), str(id_)}) == 3
    with pytest.raises(InvalidRequest, match="must be a uuid"):
        read_given("x", "id")


@pytest.mark.parametrize(
    ("path", "has_own"),
    [
        ("/api/agents", True),
        ("/api/sessions/x", True),
        ("/api/publicLLM", False),
        ("/api/publicLLM/chat/completions", False),
        ("/api/v1/chat/completions", False),
        ("/apis", False),
    ],
)
def test_envelope_is_chosen_by_path(path: str, has_own: bool) -> None:
    envelope = find_envelope(path)
    assert (envelope is not None and envelope.write is write_powabase) == has_own


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotFound("There is no such session.", code="session_not_found"), "Session not found"),
        (InvalidRequest("'limit' is wrong.", param="limit"), "'limit' is wrong."),
    ],
)
def test_errors_are_flat(error: MultiturnError, text: str) -> None:
    written = write_powabase(error)
    assert (written["error"], written["code"]) == (text, error.code)


# The stream of a run.

RUN = Run(
    id=new_id(), tenant_id=new_id(), session_id=new_id(), ticket=1, status="in_progress", model="m", created_at=NOW
)


def write_delta(text: str = "", thought: str = "") -> Delta:
    return Delta(raw=b"{}", text=text, reasoning=thought)


async def tell(*events: Event | None, error: MultiturnError | None = None) -> list[dict[str, Any] | str]:
    """The frames of a run with these events and its end: their JSON, or the comment that they are."""
    done = msgspec.structs.replace(RUN, status="failed" if error else "completed", finish_reason="stop")
    output = () if error else (Message("assistant", "Yes."),)

    async def happen() -> AsyncGenerator[Event | None]:
        for event in events:
            yield event
        yield Ended(99, done, output, error)

    async def load(ended: Ended) -> Story:
        return Story(run=ended.run, output=ended.output)

    async def wait() -> None:
        waited.append(True)

    waited: list[bool] = []
    writer = RunWriter(Frame(run=RUN, session="s", is_new=True), load, wait)
    told = b"".join([frame async for frame in writer.write(happen())]).decode()
    asked = sum(isinstance(one, Stepped) and isinstance(one.what, ApprovalAsked) for one in events)
    assert len(waited) == asked
    assert told.endswith("\n\n")
    frames = told.removesuffix("\n\n").split("\n\n")
    return [json.loads(frame[6:]) if frame.startswith("data: ") else frame for frame in frames]


def kinds(told: list[dict[str, Any] | str]) -> list[str]:
    return [one if isinstance(one, str) else one["event"] for one in told]


async def test_silence_is_a_comment() -> None:
    told = await tell(None, Spoke(1, [write_delta("Yes.")]), None)
    assert kinds(told)[1:5] == [": keepalive", "step_started", "content_delta", ": keepalive"]
    assert kinds(told)[-2:] == ["chunk", "complete"]


async def test_run_that_says_nothing_has_a_step_too() -> None:
    assert kinds(await tell()) == ["start", "step_started", "step_completed", "chunk", "complete"]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            ToolCalled(step=1, call_id="c", name="read", arguments='{"a": 1}'),
            {"event": "tool_call", "step": 1, "tool_name": "read", "arguments": {"a": 1}, "call_id": "c"},
        ),
        (
            ToolReturned(step=1, call_id="c", name="read", preview="x", duration_ms=2.5, meta={"code": "tool_failed"}),
            {
                "event": "tool_result",
                "step": 1,
                "tool_name": "read",
                "call_id": "c",
                "result_preview": "x",
                "duration_ms": 2.5,
                "is_error": False,
                "result_meta": {"code": "tool_failed"},
            },
        ),
        (
            ApprovalGiven(step=1, call_id="c", name="read", approved=False, reason="no"),
            {
                "event": "hook_result",
                "hook_event": "PreToolUse",
                "type": "approval",
                "step": 1,
                "tool_name": "read",
                "call_id": "c",
                "approved": False,
                "reason": "no",
            },
        ),
        (
            ToolsMissing(label="desk", reason="It is away."),
            {"event": "tools_missing", "source": "desk", "message": "It is away."},
        ),
        (
            ReasoningDropped(from_provider="a", to_provider="b"),
            {"event": "reasoning_dropped_at_provider_switch", "from_provider": "a", "to_provider": "b"},
        ),
        (StepStarted(step=1, is_last=True), {"event": "step_started", "step": 1, "is_last_step": True}),
    ],
)
async def test_happening_is_told(what: Any, expected: dict[str, Any]) -> None:
    assert (await tell(Stepped(1, what)))[1] == expected


async def test_approval_is_told_when_it_can_be_given() -> None:
    asked = ApprovalAsked(step=1, call_id="c", name="delete", arguments="{}", source="files")
    told = (await tell(Stepped(1, asked)))[1]
    assert isinstance(told, dict)
    assert (told["event"], told["tool_name"], told["tool_input"]) == ("approval_requested", "delete", {})
    assert f"/api/agents/runs/{write_run(RUN.id)}/approve" in told["message"]


async def test_thoughts_are_told_whole_before_what_follows_them() -> None:
    told = await tell(
        Stepped(1, StepStarted(step=1)),
        Spoke(2, [write_delta(thought="Let me "), write_delta(thought="see.")]),
        Stepped(4, ToolCalled(step=1, call_id="c", name="read", arguments="")),
        Stepped(5, StepEnded(step=1, finish_reason="tool_calls", has_calls=True)),
        Stepped(6, StepStarted(step=2)),
        Spoke(7, [write_delta(thought="Ah."), write_delta("Yes.")]),
        Stepped(9, StepEnded(step=2, finish_reason="stop")),
    )
    whole = [one for one in told if isinstance(one, dict) and one["event"] == "reasoning"]
    assert [(one["step"], one["content"]) for one in whole] == [(1, "Let me see."), (2, "Ah.")]
    assert kinds(told)[4:6] == ["reasoning", "tool_call"]
    assert kinds(told)[-4:] == ["reasoning", "step_completed", "chunk", "complete"]


async def test_failure_is_told_and_completes() -> None:
    told = await tell(Spoke(1, [write_delta("Y")]), error=UpstreamError("It broke."))
    assert kinds(told) == ["start", "step_started", "content_delta", "error", "complete"]
    failed, complete = told[-2:]
    assert isinstance(failed, dict)
    assert isinstance(complete, dict)
    assert (failed["error"], failed["run_id"]) == ("It broke.", write_run(RUN.id))
    assert (complete["status"], complete["error"], complete["content"]) == ("failed", "It broke.", "")
