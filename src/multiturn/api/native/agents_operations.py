"""What can be asked of agents in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.agents_wire import AgentBody, AgentChangeBody, AgentDeletedBody, AgentOrderBody
from multiturn.api.native.listing import FILTER, NEXT, OFFSET, SORT
from multiturn.api.native.operations import CURSOR, NUMBER, ORDER, PAGE_LIMIT
from multiturn.api.native.tools_wire import AgentToolsBody
from multiturn.api.native.wire import ListBody
from multiturn.api.parameters import NAME, USER

AGENT_ID = Parameter(
    name="agent_id",
    place="path",
    schema=NAME,
    text="Our id of the agent, or its canonical name.",
    example="travel_guide",
)
VERSION = Parameter(name="version", place="path", schema=NUMBER, text="The number of the version.", example=1)

ORDERED: dict[str, Any] = {
    "name": "Guide",
    "canonical_name": "travel_guide",
    "about": "Plans journeys in Europe.",
    "instructions": ["Be brief.", "Name a price where you know one."],
    "default_settings": {"temperature": 0.4},
    "context_overflow": "adaptive",
    "metadata": {"team": "travel"},
}
NEW_AGENT = Example(name="agent", title="An agent", body=ORDERED)
WEATHER: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Weather", "version": "1"},
    "servers": [{"url": "https://weather.example.org"}],
    "paths": {
        "/forecast": {
            "get": {
                "operationId": "forecast",
                "summary": "The weather of the next days.",
                "parameters": [{"name": "city", "in": "query", "required": True, "schema": {"type": "string"}}],
            }
        }
    },
}
TOOLS: list[dict[str, Any]] = [
    {"type": "knowledge"},
    {
        "type": "mcp",
        "label": "trains",
        "url": "https://trains.example.org/mcp",
        "headers": {"Authorization": "Bearer secret"},
        "allowed": ["find_train", "book_seat"],
        "approval": ["book_seat"],
    },
    {"type": "openapi", "label": "weather", "document": WEATHER, "timeout_s": 10.0},
    {
        "type": "function",
        "name": "show_map",
        "description": "Shows a place to the person on their screen.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
]
EQUIPPED = Example(
    name="tools",
    title="An agent with tools, one of which waits for a person's word",
    body={
        "name": "Planner",
        "instructions": "Book nothing that is above 100 €.",
        "tools": TOOLS,
        "reasoning": {"effort": "low"},
        "limits": {"steps": 8, "seconds": 120.0, "cost_usd": 0.5},
    },
)
AGENT_CHANGE = Example(
    name="change",
    title="Another temperature",
    body={"default_settings": {"temperature": 0.2}, "metadata": {"team": None}},
)
TOOLS_CHANGE = Example(
    name="tools",
    title="Other tools: what is kept in headers and was not sent again stays",
    body={"tools": [{**TOOLS[1], "headers": {"Authorization": "***"}, "approval": "always"}]},
)
AGENT: dict[str, Any] = {
    "id": "01a1fc90-fa6e-7c1b-8a55-0f6a4d0e6f10",
    "object": "agent",
    "version": 1,
    "created_at": examples.BEGAN,
    "updated_at": examples.BEGAN,
    "model": None,
    "system_template": None,
    "project": None,
    "token_budget": None,
    "recall": None,
    "recall_tokens": None,
    "recall_options": None,
    "reasoning": None,
    "stores": [],
    "tools": [],
    "limits": {},
    **ORDERED,
}
SHOWN_TOOLS: dict[str, Any] = {
    "object": "agent.tools",
    "data": [
        {
            "name": "show_map",
            "description": TOOLS[3]["description"],
            "parameters": TOOLS[3]["parameters"],
            "type": "function",
            "source": None,
            "own_name": None,
            "needs_approval": False,
        },
        {
            "name": "trains__book_seat",
            "description": "Books a seat.",
            "parameters": {"type": "object", "properties": {"train": {"type": "string"}}},
            "type": "mcp",
            "source": "trains",
            "own_name": "book_seat",
            "needs_approval": True,
        },
    ],
    "missing": [{"label": "weather", "reason": "It cannot be reached: the connection was refused."}],
}
TAG = "Agents"
WRITTEN: dict[int, tuple[str, ...]] = {
    400: (*ANY[400], "invalid_json", "incomplete_body", "not_storable", "template_error"),
    409: ("agent_exists",),
    413: ("request_too_large",),
}
MISSING: dict[int, tuple[str, ...]] = {404: ("agent_not_found",)}
NO_STORE: dict[int, tuple[str, ...]] = {404: ("store_not_found",)}
MISSES: dict[int, tuple[str, ...]] = {404: ("agent_not_found", "store_not_found")}

OPERATIONS = (
    Operation(
        name="listAgents",
        method="get",
        paths=("/v1/agents",),
        tag=TAG,
        summary="List agents",
        text="Those of the tenant, the newest first.",
        parameters=(PAGE_LIMIT, NEXT, OFFSET, ORDER, SORT, FILTER, USER),
        replies=(
            Reply(
                text="A page of agents. `next` is the `cursor` of the page behind it.",
                shape=ListBody[AgentBody],
                example=examples.page(AGENT),
                links=(
                    Link(operation="getAgent", parameter="agent_id", source="$response.body#/data/0/id"),
                    Link(operation="listAgentVersions", parameter="agent_id", source="$response.body#/data/0/id"),
                ),
            ),
        ),
        errors=ANY,
    ),
    Operation(
        name="createAgent",
        method="post",
        paths=("/v1/agents",),
        tag=TAG,
        summary="Make an agent",
        text="Agents are the tenant's: a key that acts for one user reads them and does not change them.",
        parameters=(USER,),
        body=Body(shape=AgentOrderBody, examples=(NEW_AGENT, EQUIPPED)),
        replies=(
            Reply(
                text="The agent, its first version.",
                status=201,
                shape=AgentBody,
                example=AGENT,
                links=(
                    Link(operation="getAgent", parameter="agent_id", source="$response.body#/id"),
                    Link(operation="updateAgent", parameter="agent_id", source="$response.body#/id"),
                    Link(operation="replaceAgent", parameter="agent_id", source="$response.body#/id"),
                    Link(operation="deleteAgent", parameter="agent_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors={**ANY, **WRITTEN, **NO_STORE},
    ),
    Operation(
        name="getAgent",
        method="get",
        paths=("/v1/agents/{agent_id}",),
        tag=TAG,
        summary="Get an agent",
        parameters=(AGENT_ID, USER),
        replies=(Reply(text="The agent as it stands.", shape=AgentBody, example=AGENT),),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="updateAgent",
        method="patch",
        paths=("/v1/agents/{agent_id}",),
        tag=TAG,
        summary="Change an agent",
        text="What is left out stays; this makes its next version, unless nothing changes. The next turn of its "
        "sessions acts on it.",
        parameters=(AGENT_ID, USER),
        body=Body(shape=AgentChangeBody, examples=(AGENT_CHANGE, TOOLS_CHANGE)),
        replies=(Reply(text="The agent as it stands now.", shape=AgentBody, example=AGENT),),
        errors={**ANY, **WRITTEN, **MISSES},
    ),
    Operation(
        name="replaceAgent",
        method="put",
        paths=("/v1/agents/{agent_id}",),
        tag=TAG,
        summary="Replace an agent",
        text="What is left out has its default; this makes its next version, unless nothing changes.",
        parameters=(AGENT_ID, USER),
        body=Body(shape=AgentOrderBody, examples=(NEW_AGENT, EQUIPPED)),
        replies=(Reply(text="The agent as it stands now.", shape=AgentBody, example=AGENT),),
        errors={**ANY, **WRITTEN, **MISSES},
    ),
    Operation(
        name="deleteAgent",
        method="delete",
        paths=("/v1/agents/{agent_id}",),
        tag=TAG,
        summary="Delete an agent",
        text="With its versions and its documents. Sessions that name it go on without it.",
        parameters=(AGENT_ID, USER),
        replies=(
            Reply(
                text="It is deleted.",
                shape=AgentDeletedBody,
                example={"id": AGENT["id"], "object": "agent.deleted", "deleted": True},
            ),
        ),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="listAgentTools",
        method="get",
        paths=("/v1/agents/{agent_id}/tools",),
        tag=TAG,
        summary="List what its model would be shown of tools",
        text="Under the names that the model knows, as MCP servers and HTTP APIs tell them now. Tools that a turn "
        "brings itself are not among them.",
        parameters=(AGENT_ID, USER),
        replies=(Reply(text="The tools, and the sources that are away.", shape=AgentToolsBody, example=SHOWN_TOOLS),),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="listAgentVersions",
        method="get",
        paths=("/v1/agents/{agent_id}/versions",),
        tag=TAG,
        summary="List an agent's versions",
        text="The newest first, the present one included.",
        parameters=(AGENT_ID, PAGE_LIMIT, CURSOR, USER),
        replies=(
            Reply(
                text="A page of versions. `next` is the `cursor` of the page behind it.",
                shape=ListBody[AgentBody],
                example=examples.page(AGENT),
            ),
        ),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="getAgentVersion",
        method="get",
        paths=("/v1/agents/{agent_id}/versions/{version}",),
        tag=TAG,
        summary="Get an agent as it was",
        parameters=(AGENT_ID, VERSION, USER),
        replies=(Reply(text="The agent in that version.", shape=AgentBody, example=AGENT),),
        errors={**ANY, **MISSING},
    ),
)
