"""The shapes of an agent's tools, reasoning and limits: as they are asked for, and as they are shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.engine.tool_checks import (
    COST_MAX_USD,
    DESCRIPTION_CHARS_MAX,
    HEADERS_MAX,
    LABEL,
    NAME,
    NAME_CHARS_MAX,
    NAMES_MAX,
    SECONDS_MAX,
    STEPS_MAX,
    TIMEOUT_MAX_S,
    TOKENS_MAX,
    URL_CHARS_MAX,
)
from multiturn.model.reasoning import Effort
from multiturn.model.tool import TOOL_TIMEOUT_S

ToolName = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME.pattern}$"})]
Url = Annotated[str, Meta(max_length=URL_CHARS_MAX, extra_json_schema={"pattern": "^https?://[!-~]+$"})]
Names = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]],
    Meta(max_length=NAMES_MAX),
]
HEADERS_TEXT = (
    "Headers of every request to it, such as `Authorization`. They are kept and never shown again: their values are "
    "`***`, and a change that sends `***` keeps what is there, as long as the address is the same."
)
Headers = Annotated[dict[str, str], Meta(description=HEADERS_TEXT, extra_json_schema={"maxProperties": HEADERS_MAX})]
Allowed = Annotated[Names | None, Meta(description="The only tools that are offered, by their own names; null: all.")]
Approval = Annotated[
    Literal["never", "always"] | Names,
    Meta(
        description="Which of its tools wait for a person's word before they run: none, all, or those of these names. "
        "`POST /v1/runs/{run_id}/approvals` gives it."
    ),
]
Timeout = Annotated[
    Annotated[float, Meta(gt=0, le=TIMEOUT_MAX_S)],
    Meta(description="Seconds after which a call is given up; the model is told so."),
]
LABEL_TEXT = (
    "What stands before the names of its tools: the model knows `read` of `files` as `files__read`. It is unique in "
    "the agent."
)
Label = Annotated[str, Meta(description=LABEL_TEXT, extra_json_schema={"pattern": f"^{LABEL.pattern}$"})]


class AskedFields(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked for and shown in one shape, without what has its default."""


class FunctionToolBody(
    Struct, kw_only=True, tag_field="type", tag="function", forbid_unknown_fields=True, omit_defaults=True
):
    """A function that your application executes: its call ends the run, and the result comes with the next turn."""

    name: Annotated[ToolName, Meta(description="What the model calls it; unique in the agent.")]
    description: Annotated[
        Annotated[str, Meta(max_length=DESCRIPTION_CHARS_MAX)], Meta(description="When it is to be called, and why.")
    ] = ""
    parameters: Annotated[
        dict[str, Any], Meta(description="The JSON schema of its arguments, which are an object; at most 64 KB.")
    ] = {}


class KnowledgeToolBody(
    Struct, kw_only=True, tag_field="type", tag="knowledge", forbid_unknown_fields=True, omit_defaults=True
):
    """Looking into the knowledge stores of the answer: searching, listing, reading an outline, reading at a place."""


class McpToolsBody(AskedFields, tag_field="type", tag="mcp"):
    """The tools of an MCP server: one that the server's settings name, or one at a URL (streamable HTTP)."""

    label: Label
    server: Annotated[str | None, Meta(description="Its name in the server's settings. Either this or `url`.")] = None
    url: Annotated[Url | None, Meta(description="Where it is. Either this or `server`.")] = None
    headers: Headers = {}
    allowed: Allowed = None
    approval: Approval = "never"
    timeout_s: Timeout = TOOL_TIMEOUT_S


class HttpToolsBody(
    Struct, kw_only=True, tag_field="type", tag="openapi", forbid_unknown_fields=True, omit_defaults=True
):
    """The operations of an HTTP API as tools, by its OpenAPI description; their names are the operation ids."""

    label: Label
    document: Annotated[
        dict[str, Any] | None, Meta(description="The description itself, at most 1 MB. Either this or `url`.")
    ] = None
    url: Annotated[Url | None, Meta(description="Where the description is. Either this or `document`.")] = None
    base_url: Annotated[
        Url | None, Meta(description="Where the API is; null: where the description's first server says.")
    ] = None
    headers: Headers = {}
    allowed: Allowed = None
    approval: Approval = "never"
    timeout_s: Timeout = TOOL_TIMEOUT_S


ToolBody = FunctionToolBody | KnowledgeToolBody | McpToolsBody | HttpToolsBody


class ReasoningOptionsBody(AskedFields):
    """How much a model is to think before it speaks. What is null is left to the provider."""

    effort: Annotated[Effort | None, Meta(description="How hard, where the provider takes a word.")] = None
    budget_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=TOKENS_MAX)] | None,
        Meta(description="How many tokens at most, where the provider takes a number."),
    ] = None
    is_kept: Annotated[bool, Meta(description="Whether what it thought is stored with the answer.")] = True


class AgentLimitsBody(AskedFields):
    """How far a run may go; what is null is left to the server."""

    steps: Annotated[
        Annotated[int, Meta(ge=1, le=STEPS_MAX)] | None,
        Meta(description="Calls of the model; in the last one it is given no tools and has to answer."),
    ] = None
    tokens: Annotated[
        Annotated[int, Meta(ge=1, le=TOKENS_MAX)] | None, Meta(description="Tokens of all calls together.")
    ] = None
    seconds: Annotated[Annotated[float, Meta(gt=0, le=SECONDS_MAX)] | None, Meta(description="From its begin.")] = None
    cost_usd: Annotated[Annotated[float, Meta(gt=0, le=COST_MAX_USD)] | None, Meta(description="US dollars.")] = None


class ShownToolBody(Struct, kw_only=True):
    """A tool as a model is told of it."""

    name: Annotated[str, Meta(description="What the model calls it.")]
    description: str
    parameters: Annotated[dict[str, Any], Meta(description="The JSON schema of its arguments.")]
    type: Annotated[
        Literal["function", "knowledge", "mcp", "openapi"],
        Meta(description="`function`: your application executes it; the others the server runs."),
    ]
    source: Annotated[str | None, Meta(description="The label of the MCP server or HTTP API; null: neither.")]
    own_name: Annotated[str | None, Meta(description="Of a source: what it calls the tool itself.")]
    needs_approval: Annotated[bool, Meta(description="Whether a person is asked before it runs.")]


class MissingSourceBody(Struct, kw_only=True):
    """A source whose tools are not there now. A run goes on without them, and the model is told."""

    label: str
    reason: Annotated[str, Meta(description="Why, for a person.")]


class AgentToolsBody(Struct, kw_only=True):
    """What a model would be shown of an agent's tools now."""

    object: Literal["agent.tools"] = "agent.tools"
    data: list[ShownToolBody]
    missing: Annotated[list[MissingSourceBody], Meta(description="The sources that cannot be reached.")]
