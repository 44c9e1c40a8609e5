"""What can be asked of the tools of Julep's agents, described."""

from __future__ import annotations

from typing import Any

from multiturn.api.description import ANY, Body, Example, Operation, Reply
from multiturn.api.envelopes import JULEP
from multiturn.api.julep.described import AT, BASE, DELETED, OF_AGENT, PAGING, PEOPLE, name_thing
from multiturn.api.julep.people_operations import NO_AGENT, WRITES
from multiturn.api.julep.tool_wire import JulepAgentToolBody, JulepToolChangeBody, JulepToolOrderBody
from multiturn.api.julep.wire import ItemsBody, JulepDeletedBody
from multiturn.api.parameters import USER as ACTS_FOR

TOOL_ID = "01a1fc90-fa71-7f0a-8c1b-2f9a5a7f1d22"
TOOLS_PATH = f"{BASE}/agents/{{agent_id}}/tools"
TOOL_PATH = f"{TOOLS_PATH}/{{tool_id}}"
OF_TOOL = name_thing("tool_id", "The tool: its UUID, or its name.", TOOL_ID)
NO_TOOL = {404: ("agent_not_found", "tool_not_found")}
WRITES_TOOL = {**WRITES, 400: (*WRITES[400], "not_implemented"), 409: ("agent_exists",)}

PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: dict[str, Any] = {
    "id": TOOL_ID,
    "created_at": AT,
    "updated_at": AT,
    "name": "forecast",
    "type": "function",
    "description": "The weather of the next days.",
    "function": {"name": "forecast", "description": "The weather of the next days.", "parameters": PARAMETERS},
}
NEW_TOOL = Example(
    name="tool",
    title="A function",
    body={
        "name": "forecast",
        "type": "function",
        "description": "The weather of the next days.",
        "function": {"parameters": PARAMETERS},
    },
)
TOOL_CHANGE = Example(name="change", title="Another name", body={"name": "weather"})

TOOLS = (
    Operation(
        name="julepListTools",
        method="get",
        paths=(TOOLS_PATH,),
        tag=PEOPLE,
        summary="List an agent's tools (Julep)",
        text="Its functions, also those that another API gave it. What the server runs is not among them.",
        parameters=(OF_AGENT, *PAGING, ACTS_FOR),
        replies=(Reply(text="A page.", shape=ItemsBody[JulepAgentToolBody], example={"items": [TOOL]}),),
        errors={**ANY, **NO_AGENT},
        envelope=JULEP,
    ),
    Operation(
        name="julepCreateTool",
        method="post",
        paths=(TOOLS_PATH,),
        tag=PEOPLE,
        summary="Give an agent a tool (Julep)",
        text="A function: its calls come back to the client in a chat. Every change of an agent's tools makes its next "
        "version.",
        parameters=(OF_AGENT, ACTS_FOR),
        body=Body(shape=JulepToolOrderBody, examples=(NEW_TOOL,)),
        replies=(Reply(text="It is made.", status=201, shape=JulepAgentToolBody, example=TOOL),),
        errors={**WRITES_TOOL, **NO_AGENT},
        envelope=JULEP,
    ),
    Operation(
        name="julepGetTool",
        method="get",
        paths=(TOOL_PATH,),
        tag=PEOPLE,
        summary="Get an agent's tool (Julep)",
        parameters=(OF_AGENT, OF_TOOL, ACTS_FOR),
        replies=(Reply(text="The tool.", shape=JulepAgentToolBody, example=TOOL),),
        errors={**ANY, **NO_TOOL},
        envelope=JULEP,
    ),
    Operation(
        name="julepUpdateTool",
        method="patch",
        paths=(TOOL_PATH,),
        tag=PEOPLE,
        summary="Change an agent's tool (Julep)",
        text="What is given counts, and null is not.",
        parameters=(OF_AGENT, OF_TOOL, ACTS_FOR),
        body=Body(shape=JulepToolChangeBody, examples=(TOOL_CHANGE,)),
        replies=(Reply(text="As it is now.", shape=JulepAgentToolBody, example=TOOL),),
        errors={**WRITES_TOOL, **NO_TOOL},
        envelope=JULEP,
    ),
    Operation(
        name="julepResetTool",
        method="put",
        paths=(TOOL_PATH,),
        tag=PEOPLE,
        summary="Overwrite an agent's tool (Julep)",
        parameters=(OF_AGENT, OF_TOOL, ACTS_FOR),
        body=Body(shape=JulepToolOrderBody, examples=(NEW_TOOL,)),
        replies=(Reply(text="As it is now.", shape=JulepAgentToolBody, example=TOOL),),
        errors={**WRITES_TOOL, **NO_TOOL},
        envelope=JULEP,
    ),
    Operation(
        name="julepDeleteTool",
        method="delete",
        paths=(TOOL_PATH,),
        tag=PEOPLE,
        summary="Take a tool away from an agent (Julep)",
        parameters=(OF_AGENT, OF_TOOL, ACTS_FOR),
        replies=(Reply(text="It is gone.", status=202, shape=JulepDeletedBody, example=DELETED),),
        errors={**ANY, **NO_TOOL},
        envelope=JULEP,
    ),
)
