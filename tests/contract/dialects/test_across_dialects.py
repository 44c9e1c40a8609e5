"""One session through three dialects: begun with an agent of Powabase's, gone on with in chat completions and in
Julep's dialect; each shows all of it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.julep_clients import open_client, texts_of, user
from tests.contract.dialects.knowing import make, make_store, put, send
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGES = "The iron bridge was opened in 1781.\n\nIt cost six thousand pounds and took three years to build.\n"
DESK = {"type": "mcp", "label": "desk", "url": "https://desk.example/mcp"}
SAY = ScriptedCall("desk__echo", '{"text": "one"}')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The server of this module, with a default model and with tools in memory."""
    folder = tmp_path_factory.mktemp("server")
    async with open_place(folder, None, model="scripted", tool_host=ScriptedHost({"echo": echo})) as place:
        yield place


async def make_agent(place: Place) -> str:
    """An agent with a tool and a knowledge store; its id."""
    store = await make_store(place, "things")
    await put(place, store, "bridges.md", BRIDGES)
    agent = {"name": "guide", "model": "scripted", "tools": [DESK], "stores": [store.rpartition("/")[2]]}
    return str((await make(place, "/v1/agents", agent))["id"])


async def stream(place: Place, agent: str, **body: Any) -> list[dict[str, Any]]:
    """Run an agent in Powabase's dialect; its frames."""
    async with place.http.post(f"/api/agents/{agent}/run/stream", json=body) as reply:
        assert reply.status == 200, await reply.text()
        text = (await reply.read()).decode()
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


async def test_session_goes_on_in_every_dialect_and_each_shows_all(place: Place) -> None:
    agent = await make_agent(place)
    place.will_say(Script("Let me ask.", tool_calls=[SAY]), "It took three years to build.")
    frames = await stream(place, agent, message="How long did it take?")
    kinds = [frame["event"] for frame in frames]
    assert kinds[0] == "start"
    assert kinds[-1] == "complete"
    assert {"tool_call", "tool_result", "step_started", "step_completed", "content_delta"} <= set(kinds)
    session, said = frames[0]["session_id"], frames[-1]["content"]
    assert said.startswith("Let me ask.\n\nIt took three years to build [1].")

    place.will_say("It cost six thousand pounds.")
    answer = await place.client().chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": "And the cost?"}], extra_body={"session_id": session}
    )
    chatted = str(answer.choices[0].message.content)
    assert chatted.startswith("It cost six thousand pounds")
    assert [message["role"] for message in place.seen[-1]["messages"]].count("tool") == 1

    place.will_say("The iron bridge was opened in 1781.")
    async with open_client(place) as client:
        replied: Any = await client.sessions.chat(session_id=plain(session), messages=user("When did it open?"))
        told = json.loads(replied.model_dump_json())["choices"][0]["message"]["content"]
        history = await client.sessions.history(plain(session))
    expected = ["How long did it take?", said, "And the cost?", chatted, "When did it open?", told]
    assert [text for text in texts_of(history) if text in expected] == expected

    native = [item["content"] for item in await place.list_items(plain(session)) if item["type"] == "message"]
    assert native == expected
    messages = (await place.get(f"/api/sessions/{session}/messages"))["messages"]
    assert [message["content"] for message in messages] == expected
    assert messages[1]["citations"][0]["source_name"] == "bridges.md"
    assert messages[1]["tool_calls"][0]["tool_name"] == "desk__echo"
    assert all(message["citations"] for message in messages[1::2])
    runs = (await place.get(f"/api/sessions/{session}/runs"))["runs"]
    assert [run["status"] for run in runs] == ["completed"] * 3


async def test_session_deleted_in_one_dialect_is_gone_in_all(place: Place) -> None:
    agent = await make_agent(place)
    place.will_say("Three years.")
    session = (await stream(place, agent, message="How long?"))[0]["session_id"]
    async with open_client(place) as client:
        await client.sessions.delete(plain(session))
    for path in (f"/api/sessions/{session}", f"/v1/sessions/{session}"):
        status, _ = await send(place, "GET", path)
        assert status == 404


def plain(session: str) -> str:
    """A session's id without the dialect's prefix, as a client of another dialect has it from a listing."""
    return session.removeprefix("sess_")
