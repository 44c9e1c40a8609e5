"""The upstream that other tests lean on: that it says what it was told to, when it was told to."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest
from msgspec import Raw

from multiturn.errors import UpstreamError
from multiturn.model.completion import ModelRequest
from multiturn.upstream.scripted import Script, ScriptedCall, ScriptedUpstream

CALLS = [ScriptedCall("sum", '{"a":1}', "call_a"), ScriptedCall("now", id="call_b")]


def ask(text: str = "Hi") -> ModelRequest:
    """A request."""
    return ModelRequest(model="m", messages=Raw(json.dumps([{"role": "user", "content": text}]).encode()))


async def test_scripts_are_said_in_order() -> None:
    upstream = ScriptedUpstream([Script("one"), Script("two")])
    assert [(await upstream.complete(ask())).text for _ in range(2)] == ["one", "two"]
    with pytest.raises(AssertionError, match="at their end"):
        await upstream.complete(ask())


async def test_a_function_may_answer() -> None:
    upstream = ScriptedUpstream(lambda seen: Script(seen["messages"][-1]["content"].upper()))
    assert (await upstream.complete(ask("hello"))).text == "HELLO"
    assert upstream.requests == [{"model": "m", "messages": [{"role": "user", "content": "hello"}]}]


async def test_words_are_streamed_with_their_spaces() -> None:
    upstream = ScriptedUpstream([Script("  one two\nthree")])
    texts = [delta.text async for deltas in upstream.stream(ask()) for delta in deltas]
    assert texts == ["  ", "one ", "two\n", "three", "", ""]


async def test_calls_join_to_what_they_are_whole() -> None:
    upstream = ScriptedUpstream([Script(tool_calls=CALLS)] * 2)
    answer = await upstream.complete(ask())
    arguments: dict[int, str] = {}
    async for deltas in upstream.stream(ask()):
        for call in (call for delta in deltas for call in delta.tool_calls):
            arguments[call.index] = arguments.get(call.index, "") + call.arguments
    assert (answer.text, answer.finish_reason) == (None, "tool_calls")
    assert [(call.id, call.name) for call in answer.tool_calls] == [("call_a", "sum"), ("call_b", "now")]
    assert [call.arguments for call in answer.tool_calls] == list(arguments.values())


async def test_a_held_answer_waits_where_told() -> None:
    hold = asyncio.Event()
    upstream = ScriptedUpstream([Script("one two three", pieces_first=2, hold=hold)])
    async with aclosing(upstream.stream(ask())) as stream:
        assert [(await anext(stream))[0].text for _ in range(2)] == ["one ", "two "]
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        hold.set()
        assert (await waiting)[0].text == "three"
        assert upstream.running == 1
    assert upstream.running == 0


@pytest.mark.parametrize("pieces_first", [0, 1, 2, 9])
async def test_an_error_comes_where_told(pieces_first: int) -> None:
    upstream = ScriptedUpstream([Script("one two", pieces_first=pieces_first, error=UpstreamError("broken"))])
    said: list[str] = []

    async def listen() -> None:
        async for [delta] in upstream.stream(ask()):
            said.append(delta.text)

    with pytest.raises(UpstreamError, match="broken"):
        await listen()
    assert said == ["one ", "two"][:pieces_first]
