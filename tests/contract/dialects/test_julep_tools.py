"""Tools of Julep's agents: the real client makes and changes them, and turns are shown them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.julep_clients import julep, open_client, reason_of, user
from tests.unit.tool_hosts import ScriptedHost, echo

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
SOURCE = {"type": "mcp", "label": "files", "url": "http://127.0.0.1:9/mcp"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    host = ScriptedHost({"read": echo})
    async with open_place(tmp_path_factory.mktemp("server"), None, model="scripted", tool_host=host) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def client(place: Place) -> AsyncIterator[julep.AsyncJulep]:
    async with open_client(place) as client:
        yield client


async def make_tool(client: julep.AsyncJulep, agent_id: str, name: str = "forecast") -> Any:
    return await client.agents.tools.create(
        agent_id,
        name=name,
        type="function",
        description="The weather.",
        function={"parameters": dict(PARAMETERS)},
    )


async def test_tool_is_made_listed_changed_and_taken_away(client: julep.AsyncJulep) -> None:
    agent = await client.agents.create(name="Ines")
    made: Any = await make_tool(client, agent.id)
    assert (made.name, made.type, made.description) == ("forecast", "function", "The weather.")
    assert made.function.parameters == PARAMETERS
    other = await make_tool(client, agent.id, "tides")
    assert [tool.id async for tool in client.agents.tools.list(agent.id, direction="asc")] == [made.id, other.id]
    assert [tool.name async for tool in client.agents.tools.list(agent.id, limit=1)] == ["tides", "forecast"]
    changed = await client.agents.tools.update(made.id, agent_id=agent.id, name="weather")
    assert (changed.id, changed.name, changed.description, changed.created_at) == (
        made.id,
        "weather",
        "The weather.",
        made.created_at,
    )
    reset: Any = await client.agents.tools.reset(made.id, agent_id=agent.id, name="storms", type="function")
    assert (reset.id, reset.name, reset.description, reset.function.parameters) == (made.id, "storms", None, {})
    gone = await client.agents.tools.delete(made.id, agent_id=agent.id)
    assert gone.id == made.id
    assert [tool.name async for tool in client.agents.tools.list(agent.id)] == ["tides"]
    with pytest.raises(julep.NotFoundError) as caught:
        await client.agents.tools.delete(made.id, agent_id=agent.id)
    assert reason_of(caught.value) == "tool_not_found"


async def test_changes_of_an_agent_leave_its_tools(client: julep.AsyncJulep, place: Place) -> None:
    agent = await client.agents.create(name="Ines")
    made = await make_tool(client, agent.id)
    await client.agents.update(agent.id, about="a guide")
    await client.agents.reset(agent.id, name="Ada")
    await client.agents.create_or_update(agent.id, name="Eva")
    async with place.http.put(f"/v1/agents/{agent.id}", json={"name": "Ida", "tools": [tool_of(made)]}) as reply:
        assert reply.status == 200, await reply.text()
    assert [tool.id async for tool in client.agents.tools.list(agent.id)] == [made.id]
    assert (await place.get(f"/v1/agents/{agent.id}"))["tools"] == [tool_of(made)]


def tool_of(made: Any) -> dict[str, Any]:
    """A tool in the native API."""
    return {"type": "function", "name": made.name, "description": made.description, "parameters": PARAMETERS}


async def test_tools_made_at_once_are_all_there(client: julep.AsyncJulep) -> None:
    agent = await client.agents.create(name="Ines")
    names = {f"tool_{number}" for number in range(8)}
    await asyncio.gather(*(make_tool(client, agent.id, name) for name in names))
    assert {tool.name async for tool in client.agents.tools.list(agent.id)} == names


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"name": "a", "type": "integration", "integration": {"provider": "brave"}}, 400, "not_implemented"),
        ({"name": "a", "type": "api_call"}, 400, "not_implemented"),
        ({"type": "function"}, 422, "invalid_request"),
        ({"name": "a b"}, 422, "invalid_request"),
        ({"name": "forecast"}, 422, "invalid_request"),
        ({"name": "a", "function": {"parameters": []}}, 422, "invalid_request"),
        ({"name": "a", "function": {"parameters": {"type": "string"}}}, 422, "invalid_request"),
    ],
)
async def test_tool_that_is_wrong_is_refused(
    client: julep.AsyncJulep, place: Place, body: dict[str, Any], status: int, reason: str
) -> None:
    agent = await client.agents.create(name="Ines")
    await make_tool(client, agent.id)
    async with place.http.post(f"/julep/api/agents/{agent.id}/tools", json=body) as reply:
        said = await reply.json()
        assert (reply.status, said["error"]["reason"]) == (status, reason), said
    if reason == "not_implemented":
        assert body["type"] in said["error"]["message"]


async def test_model_is_told_of_the_agents_tools_and_calls_come_back(client: julep.AsyncJulep, place: Place) -> None:
    agent = await client.agents.create(name="Ines")
    await make_tool(client, agent.id)
    session = await client.sessions.create(agent=agent.id, auto_run_tools=True)
    assert session.auto_run_tools is True
    place.will_say(Script(tool_calls=[ScriptedCall("forecast", '{"city": "Lisbon"}')]), "It rains.")
    answer: Any = await client.sessions.chat(session.id, messages=user("Will it rain?"), auto_run_tools=True)
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "forecast"
    assert [tool["function"]["name"] for tool in place.seen[-1]["tools"]] == ["forecast"]
    result: Any = [{"role": "tool", "tool_call_id": call.id, "content": "12 mm"}]
    answer = await client.sessions.chat(session.id, messages=result)
    assert answer.choices[0].message.content == "It rains."
    rendered: Any = await client.sessions.render(session.id, messages=user("And now?"))
    assert [tool.function.name for tool in rendered.tools or ()] == ["forecast"]


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_tools_of_the_server_run_there(client: julep.AsyncJulep, place: Place, is_streamed: bool) -> None:
    agent = await client.agents.create(name="Ines")
    async with place.http.patch(f"/v1/agents/{agent.id}", json={"tools": [SOURCE]}) as reply:
        assert reply.status == 200, await reply.text()
    assert [tool.name async for tool in client.agents.tools.list(agent.id)] == []
    session = await client.sessions.create(agent=agent.id)
    place.will_say(Script("I look. ", tool_calls=[ScriptedCall("files__read", '{"text": "a"}')]), "It says a.")
    if is_streamed:
        stream: Any = await client.sessions.chat(session.id, messages=user("Read it."), stream=True)
        chunks = [chunk.choices[0] async for chunk in stream]
        said = "".join([str(choice.delta.content or "") for choice in chunks])
        assert not any(choice.tool_calls for choice in chunks)
    else:
        answer: Any = await client.sessions.chat(session.id, messages=user("Read it."))
        said = str(answer.choices[0].message.content)
        assert not answer.choices[0].message.tool_calls
    assert said == "I look. \n\nIt says a."
