"""What can be asked of an agent's tools, knowledge bases, MCP servers and hooks in Powabase's dialect, described."""

from __future__ import annotations

from typing import Any

from multiturn.api.description import ANY, Body, Example, Operation, Reply
from multiturn.api.envelopes import POWABASE
from multiturn.api.parameters import USER
from multiturn.api.powabase.described import AGENT_ID, AGENTS, BASE, OF_AGENT, WRITES, name_thing
from multiturn.api.powabase.wire import (
    PowabaseAgentKnowledgeBody,
    PowabaseAgentKnowledgeListBody,
    PowabaseAgentKnowledgeOrderBody,
    PowabaseDeletedBody,
    PowabaseHookBody,
    PowabaseHookListBody,
    PowabaseHookOrderBody,
    PowabaseMcpServerBody,
    PowabaseMcpServerChangeBody,
    PowabaseMcpServerListBody,
    PowabaseMcpServerOrderBody,
    PowabaseMcpToolListBody,
    PowabaseToolBody,
    PowabaseToolChangeBody,
    PowabaseToolListBody,
    PowabaseToolOrderBody,
)

ONE = f"{BASE}/agents/{{agent_id}}"
TOOL_ID = "0c1b7d3e-9f4a-5f0e-8a53-0d7b3d9f2b61"
KB_ID = "01a1fc90-fa71-7b0a-b1c6-5d0c7d1f9a21"
OF_TOOL = name_thing("tool_id", "The tool: the id that it has with this agent.", TOOL_ID)
OF_ASSIGNMENT = name_thing("assignment_id", "The assignment, or the knowledge base itself.", KB_ID)
OF_SERVER = name_thing("server_id", "The MCP server: the id that it has with this agent.", TOOL_ID)
OF_HOOK = name_thing("hook_id", "The hook.", TOOL_ID)
NO_AGENT, NO_OTHER = {404: ("agent_not_found",)}, {404: ("agent_not_found", "not_found")}
ADDS = {**WRITES, 400: (*WRITES[400], "not_implemented")}
DELETED = Reply(text="It is gone.", shape=PowabaseDeletedBody, example={"deleted": True})

NEW_TOOL: dict[str, Any] = {
    "tool_type": "function",
    "tool_name": "forecast",
    "config_override": {"description": "The weather of a day", "parameters": {"type": "object", "properties": {}}},
}
TOOL = {"id": TOOL_ID, **NEW_TOOL, "tool_id": None}
BASE_OF_AGENT = {"id": TOOL_ID, "agent_id": AGENT_ID, "knowledge_base_id": KB_ID, "config": {}}
NEW_SERVER: dict[str, Any] = {"name": "files", "url": "http://127.0.0.1:9000/mcp", "headers": {"X-Key": "secret"}}
SERVER = {
    "id": TOOL_ID,
    "agent_id": AGENT_ID,
    "name": "files",
    "transport": "http",
    "url": "http://127.0.0.1:9000/mcp",
    "headers": {"X-Key": "***"},
    "config": {"timeout_seconds": 30.0},
    "enabled": True,
}
NEW_HOOK: dict[str, Any] = {"event": "PreToolUse", "type": "approval", "matcher": "files__delete", "config": {}}
HOOK = {"id": TOOL_ID, **NEW_HOOK, "enabled": True, "position": 0}

TOOLS = (
    Operation(
        name="powabaseListTools",
        method="get",
        paths=(f"{ONE}/tools",),
        tag=AGENTS,
        summary="List an agent's tools (Powabase)",
        text="But those of MCP servers.",
        parameters=(OF_AGENT, USER),
        replies=(Reply(text="The tools.", shape=PowabaseToolListBody, example={"tools": [TOOL]}),),
        errors={**ANY, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseAddTool",
        method="post",
        paths=(f"{ONE}/tools",),
        tag=AGENTS,
        summary="Give an agent a tool (Powabase)",
        parameters=(OF_AGENT, USER),
        body=Body(
            shape=PowabaseToolOrderBody,
            examples=(Example(name="tool", title="A function that the client executes", body=NEW_TOOL),),
        ),
        replies=(Reply(text="It has it.", status=201, shape=PowabaseToolBody, example=TOOL),),
        errors={**ADDS, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseChangeTool",
        method="patch",
        paths=(f"{ONE}/tools/{{tool_id}}",),
        tag=AGENTS,
        summary="Change how an agent's tool is configured (Powabase)",
        parameters=(OF_AGENT, OF_TOOL, USER),
        body=Body(
            shape=PowabaseToolChangeBody,
            examples=(Example(name="change", title="Another description", body={"config_override": {}}),),
        ),
        replies=(Reply(text="As it is now.", shape=PowabaseToolBody, example=TOOL),),
        errors={**ADDS, **NO_OTHER},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseRemoveTool",
        method="delete",
        paths=(f"{ONE}/tools/{{tool_id}}",),
        tag=AGENTS,
        summary="Take a tool from an agent (Powabase)",
        parameters=(OF_AGENT, OF_TOOL, USER),
        replies=(DELETED,),
        errors={**ANY, **NO_OTHER},
        envelope=POWABASE,
    ),
)
STORES = (
    Operation(
        name="powabaseListAgentKnowledgeBases",
        method="get",
        paths=(f"{ONE}/knowledge-bases",),
        tag=AGENTS,
        summary="List an agent's knowledge bases (Powabase)",
        parameters=(OF_AGENT, USER),
        replies=(
            Reply(
                text="The knowledge bases.",
                shape=PowabaseAgentKnowledgeListBody,
                example={"knowledge_bases": [BASE_OF_AGENT]},
            ),
        ),
        errors={**ANY, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseAddAgentKnowledgeBase",
        method="post",
        paths=(f"{ONE}/knowledge-bases",),
        tag=AGENTS,
        summary="Let an agent's answers rest on a knowledge base (Powabase)",
        parameters=(OF_AGENT, USER),
        body=Body(
            shape=PowabaseAgentKnowledgeOrderBody,
            examples=(Example(name="base", title="A knowledge base", body={"knowledge_base_id": KB_ID}),),
        ),
        replies=(Reply(text="They do.", status=201, shape=PowabaseAgentKnowledgeBody, example=BASE_OF_AGENT),),
        errors={**ADDS, 404: ("agent_not_found", "store_not_found"), 409: ("conflict",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseRemoveAgentKnowledgeBase",
        method="delete",
        paths=(f"{ONE}/knowledge-bases/{{assignment_id}}",),
        tag=AGENTS,
        summary="Take a knowledge base from an agent (Powabase)",
        parameters=(OF_AGENT, OF_ASSIGNMENT, USER),
        replies=(DELETED,),
        errors={**ANY, **NO_OTHER},
        envelope=POWABASE,
    ),
)
SERVERS = (
    Operation(
        name="powabaseListMcpServers",
        method="get",
        paths=(f"{ONE}/mcp-servers",),
        tag=AGENTS,
        summary="List an agent's MCP servers (Powabase)",
        parameters=(OF_AGENT, USER),
        replies=(Reply(text="The servers.", shape=PowabaseMcpServerListBody, example={"mcp_servers": [SERVER]}),),
        errors={**ANY, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseAddMcpServer",
        method="post",
        paths=(f"{ONE}/mcp-servers",),
        tag=AGENTS,
        summary="Give an agent the tools of an MCP server (Powabase)",
        text="The hooks that the agent has count for them as well.",
        parameters=(OF_AGENT, USER),
        body=Body(
            shape=PowabaseMcpServerOrderBody,
            examples=(Example(name="server", title="A server at a URL", body=NEW_SERVER),),
        ),
        replies=(Reply(text="It has them.", status=201, shape=PowabaseMcpServerBody, example=SERVER),),
        errors={**ADDS, **NO_AGENT, 409: ("conflict",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseChangeMcpServer",
        method="put",
        paths=(f"{ONE}/mcp-servers/{{server_id}}",),
        tag=AGENTS,
        summary="Change an agent's MCP server (Powabase)",
        text="What is left out stays. A header whose value is `***` keeps the one it had, at the same address.",
        parameters=(OF_AGENT, OF_SERVER, USER),
        body=Body(
            shape=PowabaseMcpServerChangeBody,
            examples=(Example(name="change", title="A longer wait", body={"config": {"timeout_seconds": 60}}),),
        ),
        replies=(Reply(text="As it is now.", shape=PowabaseMcpServerBody, example=SERVER),),
        errors={**ADDS, **NO_OTHER, 409: ("conflict",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseRemoveMcpServer",
        method="delete",
        paths=(f"{ONE}/mcp-servers/{{server_id}}",),
        tag=AGENTS,
        summary="Take an MCP server from an agent (Powabase)",
        parameters=(OF_AGENT, OF_SERVER, USER),
        replies=(DELETED,),
        errors={**ANY, **NO_OTHER},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseListMcpServerTools",
        method="get",
        paths=(f"{ONE}/mcp-servers/{{server_id}}/tools",),
        tag=AGENTS,
        summary="List the tools that an MCP server has (Powabase)",
        parameters=(OF_AGENT, OF_SERVER, USER),
        replies=(
            Reply(
                text="The tools.",
                shape=PowabaseMcpToolListBody,
                example={"tools": [{"name": "read", "description": "Reads a file", "input_schema": {}}]},
            ),
        ),
        errors={
            **ANY,
            **NO_OTHER,
            400: ("invalid_request", "tool_source_refused"),
            503: (*ANY[503], "tools_unavailable"),
        },
        envelope=POWABASE,
    ),
)
HOOKS = (
    Operation(
        name="powabaseListHooks",
        method="get",
        paths=(f"{ONE}/hooks",),
        tag=AGENTS,
        summary="List an agent's hooks (Powabase)",
        parameters=(OF_AGENT, USER),
        replies=(Reply(text="The hooks.", shape=PowabaseHookListBody, example={"hooks": [HOOK]}),),
        errors={**ANY, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseAddHook",
        method="post",
        paths=(f"{ONE}/hooks",),
        tag=AGENTS,
        summary="Have a person asked before tools run (Powabase)",
        text="Hooks other than `PreToolUse` of the type `approval` are a 501.",
        parameters=(OF_AGENT, USER),
        body=Body(
            shape=PowabaseHookOrderBody,
            examples=(Example(name="hook", title="One tool of an MCP server", body=NEW_HOOK),),
        ),
        replies=(Reply(text="It will be.", status=201, shape=PowabaseHookBody, example=HOOK),),
        errors={**ADDS, **NO_AGENT},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseRemoveHook",
        method="delete",
        paths=(f"{ONE}/hooks/{{hook_id}}",),
        tag=AGENTS,
        summary="Take a hook from an agent (Powabase)",
        parameters=(OF_AGENT, OF_HOOK, USER),
        replies=(DELETED,),
        errors={**ANY, **NO_OTHER},
        envelope=POWABASE,
    ),
)
OPERATIONS: tuple[Operation, ...] = (*TOOLS, *STORES, *SERVERS, *HOOKS)
