"""The tools of an agent: where they are, what a model is told of them, and what they answer."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

# Which tools of a source wait for a person's word before they run: none, all of them, or those named.
Approval = Literal["never", "always"] | tuple[str, ...]
TOOL_TIMEOUT_S = 30.0


class FunctionTool(Struct, frozen=True, kw_only=True, tag="function", tag_field="type", omit_defaults=True):
    """A function that the client executes: its call ends the run, the result comes with the next turn.

    ``parameters`` is the JSON schema of its arguments.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class KnowledgeTool(Struct, frozen=True, tag="knowledge", tag_field="type", omit_defaults=True):
    """Looking into the agent's knowledge stores: search, list, outline, read at a place."""


class McpTools(Struct, frozen=True, kw_only=True, tag="mcp", tag_field="type", omit_defaults=True):
    """The tools of an MCP server: one that the server's settings name (``server``), or one at a ``url``.

    ``label`` stands before their names; ``allowed`` are the only ones that are offered, None offers all.
    """

    label: str
    server: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    allowed: tuple[str, ...] | None = None
    approval: Approval = "never"
    timeout_s: float = TOOL_TIMEOUT_S


class HttpTools(Struct, frozen=True, kw_only=True, tag="openapi", tag_field="type", omit_defaults=True):
    """The operations of an HTTP API as tools, by its OpenAPI description: the ``document`` itself, or its ``url``.

    ``base_url`` replaces the description's first server. ``label``, ``allowed`` as of McpTools, by operation id.
    """

    label: str
    document: dict[str, Any] | None = None
    url: str | None = None
    base_url: str | None = None
    headers: dict[str, str] = {}
    allowed: tuple[str, ...] | None = None
    approval: Approval = "never"
    timeout_s: float = TOOL_TIMEOUT_S


RemoteTools = McpTools | HttpTools
Tool = FunctionTool | KnowledgeTool | McpTools | HttpTools


class ToolSpec(Struct, frozen=True, kw_only=True):
    """A tool as its source describes it: ``name`` is the source's own, ``parameters`` a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class ToolAnswer(Struct, frozen=True, kw_only=True):
    """What a tool said: a text for the model. ``is_error``: the tool says that it failed. ``meta`` is for people."""

    text: str
    is_error: bool = False
    meta: dict[str, Any] = {}
