"""Whatever a model, its tools, persons and clients do in runs: nothing is told that is not stored, lost or doubled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from multiturn.errors import UpstreamError
from multiturn.model.tool import ToolAnswer
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.knowing import make
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEDS = range(40)
TURNS = 4
SOON_S = 20.0
LOOK_S = 0.01
TOOLS = [
    {"type": "mcp", "label": "desk", "url": "https://desk.example/mcp"},
    {"type": "mcp", "label": "ask", "url": "https://ask.example/mcp", "approval": "always"},
]
SHOW = {"type": "function", "function": {"name": "show", "parameters": {"type": "object"}}}
OURS = [f"{label}__{name}" for label in ("desk", "ask") for name in ("echo", "fail", "slow", "long")]


def fail(arguments: dict[str, Any]) -> ToolAnswer:
    raise UpstreamError("It broke.", code="tool_failed")


async def dawdle(arguments: dict[str, Any]) -> ToolAnswer:
    await asyncio.sleep(0.005)
    return echo(arguments)


def talk(arguments: dict[str, Any]) -> ToolAnswer:
    return ToolAnswer(text="word " * 500)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The server of this module; what its model says is up to each session."""
    host = ScriptedHost({"echo": echo, "fail": fail, "slow": dawdle, "long": talk})
    async with open_place(tmp_path_factory.mktemp("server"), None, tool_host=host) as place:
        yield place


@dataclass
class Story:
    """A session that goes as chance has it: its model has the session's name."""

    place: Place
    session: str
    chance: Random
    open_calls: list[str] = field(default_factory=list)
    shown: str = ""

    def say(self, seen: dict[str, Any]) -> Script:
        """What the model says next."""
        chance, calls = self.chance, []
        text = " ".join(f"w{chance.randrange(1000)}" for _ in range(chance.randint(0, 6)))
        if seen.get("tool_choice") != "none" and chance.random() < 0.7:
            names = chance.choices([*OURS, "show"], k=chance.randint(1, 4))
            told = json.dumps({"text": text})
            calls = [ScriptedCall(name, told, id=f"c{chance.randrange(10**9)}") for name in names]
        return Script(text if calls else f"{text}.", tool_calls=calls, pause_s=chance.choice([0, 0, 0.001]))

    @property
    def seen(self) -> list[str]:
        """The messages of each request of this session, as bytes."""
        requests = [one for one in self.place.seen if one["model"] == self.session]
        return [json.dumps(one["messages"])[:-1] for one in requests]

    async def live(self) -> None:
        """Take turns."""
        for _ in range(TURNS):
            asked = len(self.seen)
            told, status = await self.take_turn()
            run = (await self.place.list_runs(self.session))[-1]
            assert run["status"] == status
            await self.check_events(run, told)
            await self.check_history(run)
            await self.check_prefix(run, asked)

    async def take_turn(self) -> tuple[str | None, str]:
        """Take a turn; what was told where it was a stream, and how it ended."""
        is_streamed = self.chance.random() < 0.6
        answered = [call for call in self.open_calls if self.chance.random() < 0.8]
        messages: list[dict[str, Any]] = [{"role": "tool", "tool_call_id": one, "content": "ok"} for one in answered]
        if not messages or self.chance.random() < 0.3:
            messages.append({"role": "user", "content": f"Go on {self.chance.random()}."})
        body = {"model": self.session, "session_id": self.session, "messages": messages, "tools": [SHOW]}
        before = len(await self.place.list_runs(self.session))
        async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as group:
            asking = group.create_task(self.ask({**body, "stream": is_streamed}))
            status = await self.accompany(before)
        told = asking.result()
        return (told if is_streamed else None), status

    async def ask(self, body: dict[str, Any]) -> str:
        """Ask; the words that were told."""
        async with self.place.http.post("/v1/chat/completions", json=body) as reply:
            text = await reply.text()
        if not body["stream"]:
            return ""
        frames = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        choices = [choice for frame in frames for choice in frame.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    async def accompany(self, before: int) -> str:
        """Say a person's words, and cancel at any moment; how the run ended."""
        cancel_at = self.chance.uniform(0, 0.06) if self.chance.random() < 0.35 else None
        began = asyncio.get_running_loop().time()
        while True:
            runs = await self.place.list_runs(self.session)
            if len(runs) > before and runs[-1]["status"] not in ("queued", "in_progress", "waiting"):
                return str(runs[-1]["status"])
            if len(runs) > before:
                run_id = runs[-1]["id"]
                if cancel_at is not None and asyncio.get_running_loop().time() - began > cancel_at:
                    async with self.place.http.post(f"/v1/runs/{run_id}/cancel") as reply:
                        assert reply.status == 200, await reply.text()
                elif runs[-1]["status"] == "waiting":
                    await self.decide(run_id)
            await asyncio.sleep(LOOK_S)

    async def decide(self, run_id: str) -> None:
        """Say words about some of the calls, perhaps twice at once."""
        async with self.place.http.get(f"/v1/runs/{run_id}/approvals") as reply:
            if reply.status != 200:
                return
            calls = (await reply.json())["data"]
        some = self.chance.sample(calls, self.chance.randint(1, len(calls))) if calls else []
        words = [{"call_id": call["call_id"], "approved": self.chance.random() < 0.7} for call in some]
        twice = self.chance.choice([1, 1, 2])
        replies = await asyncio.gather(*(self.say_words(run_id, words) for _ in range(twice)))
        assert set(replies) <= {200, 409}, replies

    async def say_words(self, run_id: str, words: list[dict[str, Any]]) -> int:
        async with self.place.http.post(f"/v1/runs/{run_id}/approvals", json={"decisions": words}) as reply:
            return reply.status

    async def check_events(self, run: dict[str, Any], told: str | None) -> None:
        """Events have numbers without gaps, and their words are those that are stored, and that a client was told."""
        events = (await self.place.get(f"/v1/runs/{run['id']}/events?limit=1000"))["data"]
        assert [event["number"] for event in events] == list(range(1, len(events) + 1))
        spoken = "".join(event.get("text") or "" for event in events if event["type"] == "delta")
        items = [one for one in await self.place.list_items(self.session) if one["run_id"] == run["id"]]
        stored = [one["content"] or "" for one in items if one["type"] == "message" and one["role"] == "assistant"]
        if told is not None:
            assert told == spoken
            assert not stored or "".join(stored) == spoken
        begun = [event["step"]["call_id"] for event in events if self.is_step(event, "tool_called")]
        ended = [event["step"]["call_id"] for event in events if self.is_step(event, "tool_returned")]
        assert len(set(begun)) == len(begun)
        assert len(set(ended)) == len(ended)
        assert set(ended) <= set(begun)
        if run["status"] == "completed":
            assert set(ended) == set(begun)
        steps = (await self.place.get(f"/v1/runs/{run['id']}/steps"))["data"]
        done = {call["call_id"] for step in steps for call in step["calls"] if call.get("result") is not None}
        assert set(ended) <= done

    def is_step(self, event: dict[str, Any], kind: str) -> bool:
        return bool(event["type"] == "step" and event["step"]["type"] == kind)

    async def check_history(self, run: dict[str, Any]) -> None:
        """Every call of a tool of ours has its result, once; those of the client's in this turn wait for it."""
        items = await self.place.list_items(self.session)
        assert [one["seq"] for one in items] == list(range(1, len(items) + 1))
        calls = {one["call_id"]: one["name"] for one in items if one["type"] == "function_call"}
        results = [one["call_id"] for one in items if one["type"] == "function_call_output"]
        assert len(set(results)) == len(results)
        assert set(results) <= set(calls)
        assert {name for call_id, name in calls.items() if call_id not in results} <= {"show"}
        news = {one["call_id"] for one in items if one["type"] == "function_call" and one["run_id"] == run["id"]}
        self.open_calls = [call_id for call_id in calls if call_id in news and call_id not in results]

    async def check_prefix(self, run: dict[str, Any], asked: int) -> None:
        """What the model was shown in this turn begins with what it was shown in the last that the history has."""
        seen = self.seen[asked:]
        for later in seen:
            assert later.startswith(self.shown)
        for earlier, later in pairwise(seen):
            assert later.startswith(earlier)
        if seen and run["output_items"] is not None:
            self.shown = seen[-1]


async def test_runs_may_go_as_they_like(place: Place) -> None:
    agent = await make(place, "/v1/agents", {"name": "clerk", "model": "m", "tools": TOOLS, "limits": {"steps": 5}})
    stories: dict[str, Story] = {}
    for seed in SEEDS:
        session = str((await make(place, "/v1/sessions", {"agents": [agent["id"]]}))["id"])
        stories[session] = Story(place, session, Random(seed))
    before, place.upstream.choose = place.upstream.choose, lambda seen: stories[seen["model"]].say(seen)
    try:
        async with asyncio.TaskGroup() as group:
            for story in stories.values():
                group.create_task(story.live())
    finally:
        place.upstream.choose = before
