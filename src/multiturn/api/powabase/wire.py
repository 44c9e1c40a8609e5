"""The shapes of Powabase's agents, and of what is attached to them (contracts/powabase 2.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.auth import ID_CHARS_MAX

Time = Annotated[datetime, Meta(tz=True)]
Text = Annotated[str, Meta(min_length=1)]
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Settings = Annotated[
    dict[str, Any],
    Meta(
        description="Fields of the model's request (`temperature`, `max_tokens` …), `reasoning_effort`, "
        "`timeout_seconds` and `max_steps`, which the server acts on; anything else is kept and given back."
    ),
]


class PowabaseAgentOrderBody(Struct, kw_only=True, omit_defaults=True):
    """An agent as it is asked for."""

    name: Annotated[Text, Meta(description="What it is called.")]
    model: Annotated[Text | None, Meta(description="The model that answers; left out, the server's.")] = None
    system_prompt: Annotated[str | None, Meta(description="What it is to do.")] = None
    settings: Settings | None = None


class PowabaseAgentChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What is to be changed of an agent; `settings` replace those it had."""

    name: Text | UnsetType = UNSET
    model: Text | UnsetType | None = UNSET
    system_prompt: str | UnsetType | None = UNSET
    settings: Settings | UnsetType | None = UNSET


class PowabaseAgentBody(Struct, kw_only=True):
    """Who answers."""

    id: str
    name: str
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    created_at: Time
    updated_at: Time


class PowabaseAgentRowBody(PowabaseAgentBody, kw_only=True):
    """An agent of a listing, and how much it is used in the sessions that the caller may see."""

    session_count: Annotated[int, Meta(description="The sessions that it takes part in.")]
    total_runs: Annotated[int, Meta(description="The runs in them.")]
    last_run_at: Time | None


class PowabaseAgentListBody(Struct, kw_only=True):
    """A page of agents, the newest first."""

    agents: list[PowabaseAgentRowBody]
    total: int
    limit: int
    offset: int


class PowabaseMessageBody(Struct, kw_only=True):
    """That it was done."""

    message: str


class PowabaseDeletedBody(Struct, kw_only=True):
    """That it was deleted."""

    deleted: Literal[True] = True


class PowabaseToolOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A tool that an agent is to have."""

    tool_type: Annotated[
        Text,
        Meta(
            description="`function`: the client executes it, `config_override` has `description` and `parameters`. "
            "`knowledge`: it looks into the agent's knowledge bases. `openapi`: the operations of an HTTP API, "
            "`config_override` has `document` or `url`, and `base_url`, `headers`, `allowed`, `timeout_s`."
        ),
    ]
    tool_name: Annotated[Text, Meta(description="The function's name, or what stands before the operations' names.")]
    tool_id: Annotated[str | None, Meta(description="Not used: a tool is known by its type and its name.")] = None
    config_override: dict[str, Any] | None = None


class PowabaseToolBody(Struct, kw_only=True):
    """A tool of an agent. Values of headers are not shown."""

    id: str
    tool_type: str
    tool_name: str
    tool_id: str | None = None
    config_override: dict[str, Any]


class PowabaseToolChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What is to be changed of a tool."""

    config_override: dict[str, Any] | None = None


class PowabaseToolListBody(Struct, kw_only=True):
    """The tools of an agent, but those of MCP servers."""

    tools: list[PowabaseToolBody]


class PowabaseAgentKnowledgeOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A knowledge base that an agent's answers are to rest on."""

    knowledge_base_id: Id
    config: Annotated[dict[str, Any] | None, Meta(description="Only an empty one: a run says how it searches.")] = None


class PowabaseAgentKnowledgeBody(Struct, kw_only=True):
    """A knowledge base of an agent."""

    id: str
    agent_id: str
    knowledge_base_id: str
    config: dict[str, Any] = {}


class PowabaseAgentKnowledgeListBody(Struct, kw_only=True):
    """The knowledge bases of an agent."""

    knowledge_bases: list[PowabaseAgentKnowledgeBody]


class PowabaseMcpServerOrderBody(Struct, kw_only=True, omit_defaults=True):
    """An MCP server whose tools an agent is to have."""

    name: Annotated[Text, Meta(description="What stands before the names of its tools.")]
    url: Annotated[Text | None, Meta(description="Its address; not for `stdio`.")] = None
    transport: Annotated[
        Text,
        Meta(description="`http` (streamable HTTP), or `stdio` for a server of this name in this server's settings."),
    ] = "http"
    headers: dict[str, str] | None = None
    config: Annotated[
        dict[str, Any] | None,
        Meta(description="`allowed_tools`: the only ones that are offered. `timeout_seconds`: of one call."),
    ] = None
    enabled: Annotated[bool, Meta(description="Only true: a server that is not to be used is deleted.")] = True


class PowabaseMcpServerChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What is to be changed of an MCP server; what is left out stays."""

    name: Text | None = None
    url: Text | None = None
    transport: Text | None = None
    headers: dict[str, str] | None = None
    config: dict[str, Any] | None = None
    enabled: bool | None = None


class PowabaseMcpServerBody(Struct, kw_only=True):
    """An MCP server of an agent. Values of headers are not shown."""

    id: str
    agent_id: str
    name: str
    transport: str
    url: str | None
    headers: dict[str, str]
    config: dict[str, Any]
    enabled: bool = True


class PowabaseMcpServerListBody(Struct, kw_only=True):
    """The MCP servers of an agent."""

    mcp_servers: list[PowabaseMcpServerBody]


class PowabaseMcpToolBody(Struct, kw_only=True):
    """A tool as its server describes it now."""

    name: str
    description: str
    input_schema: dict[str, Any]


class PowabaseMcpToolListBody(Struct, kw_only=True):
    """The tools of an MCP server."""

    tools: list[PowabaseMcpToolBody]


class PowabaseHookOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A hook of an agent: only `PreToolUse` of the type `approval` is there."""

    event: Annotated[Text, Meta(description="`PreToolUse`.")]
    type: Annotated[Text, Meta(description="`approval`: a person is asked before the tool runs.")]
    config: Annotated[dict[str, Any] | None, Meta(description="Kept and given back.")] = None
    matcher: Annotated[
        str | None,
        Meta(
            description="Which tools: names as the model knows them (`files__read`) or as their server does (`read`), "
            "`files__*` for all of a server, several with `|` between them; `*` or nothing for all."
        ),
    ] = None
    enabled: Annotated[bool, Meta(description="Only true: a hook that is not to be used is deleted.")] = True
    position: int = 0


class PowabaseHookBody(Struct, kw_only=True):
    """A hook of an agent."""

    id: str
    event: str
    matcher: str | None
    type: str
    config: dict[str, Any]
    enabled: bool = True
    position: int = 0


class PowabaseHookListBody(Struct, kw_only=True):
    """The hooks of an agent."""

    hooks: list[PowabaseHookBody]
