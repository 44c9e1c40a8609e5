"""What an agent may have of tools, reasoning and limits: plain dictionaries, as the server takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

Approval = Literal["never", "always"] | Sequence[str]


class FunctionTool(TypedDict):
    """A function that your application executes: its call ends the run, and the result comes with the next turn.

    ``parameters`` is the JSON schema of its arguments, which are an object.

    >>> tool: FunctionTool = {"type": "function", "name": "show_map", "description": "Shows a place on the screen."}
    >>> client.agents.create("Guide", tools=[tool]).tools[0]["name"]
    'show_map'
    """

    type: Literal["function"]
    name: str
    description: NotRequired[str]
    parameters: NotRequired[Mapping[str, Any]]


class KnowledgeTool(TypedDict):
    """Looking into the knowledge stores of the answer: searching, listing, reading.

    >>> tool: KnowledgeTool = {"type": "knowledge"}
    >>> store = client.stores.create("bees")
    >>> client.agents.create("Keeper", tools=[tool], stores=[store.id]).stores == (store.id,)
    True
    """

    type: Literal["knowledge"]


class McpTools(TypedDict):
    """The tools of an MCP server: one at a ``url``, or one that the server's settings name (``server``).

    ``label`` stands before their names: the model knows ``read`` of ``files`` as ``files__read``. ``headers`` are sent
    with every request; they are kept and shown as ``***``, and sending that back keeps them. ``allowed``: the only
    tools that are offered. ``approval``: which wait for a person's word: ``"never"``, ``"always"``, or their names.
    ``timeout_s``: seconds after which a call is given up, default 30, at most 600.

    >>> tools: McpTools = {"type": "mcp", "label": "trains", "url": "https://trains.example.org/mcp",
    ...     "headers": {"Authorization": "Bearer secret"}, "approval": ["book"]}
    >>> client.agents.create("Guide", tools=[tools]).tools[0]["headers"]
    {'Authorization': '***'}
    """

    type: Literal["mcp"]
    label: str
    url: NotRequired[str | None]
    server: NotRequired[str | None]
    headers: NotRequired[Mapping[str, str]]
    allowed: NotRequired[Sequence[str] | None]
    approval: NotRequired[Approval]
    timeout_s: NotRequired[float]


class HttpTools(TypedDict):
    """The operations of an HTTP API as tools, by its OpenAPI description: the ``document`` itself, or its ``url``.

    ``base_url``: where the API is, if not where the description says. The others are as of ``McpTools``; the tools'
    own names are the operation ids.

    >>> tools: HttpTools = {"type": "openapi", "label": "weather", "document": {"openapi": "3.1.0", "paths": {}}}
    >>> client.agents.create("Guide", tools=[tools]).tools[0]["label"]
    'weather'
    """

    type: Literal["openapi"]
    label: str
    document: NotRequired[Mapping[str, Any] | None]
    url: NotRequired[str | None]
    base_url: NotRequired[str | None]
    headers: NotRequired[Mapping[str, str]]
    allowed: NotRequired[Sequence[str] | None]
    approval: NotRequired[Approval]
    timeout_s: NotRequired[float]


Tool = FunctionTool | KnowledgeTool | McpTools | HttpTools


class ReasoningOptions(TypedDict, total=False):
    """How much a model is to think before it speaks: by ``effort``, or at most ``budget_tokens``, as its provider takes
    it. ``is_kept``: whether what it thought is stored with the answer (default: it is).

    >>> reasoning: ReasoningOptions = {"effort": "low"}
    >>> client.agents.create("Guide", reasoning=reasoning).reasoning
    {'effort': 'low'}
    """

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None
    budget_tokens: int | None
    is_kept: bool


class AgentLimits(TypedDict, total=False):
    """How far a run of an agent may go; None leaves it to the server.

    ``steps``: calls of the model, 1 to 100; in the last it has no tools and must answer. ``tokens``: of all calls
    together. ``seconds``: from its begin. ``cost_usd``: US dollars.

    >>> limits: AgentLimits = {"steps": 5, "cost_usd": 0.25}
    >>> client.agents.create("Guide", limits=limits).limits
    {'steps': 5, 'cost_usd': 0.25}
    """

    steps: int | None
    tokens: int | None
    seconds: float | None
    cost_usd: float | None


class Decision(TypedDict):
    """A person's word about one call: whether it may run, and why.

    >>> decision: Decision = {"call_id": "call_1", "approved": False, "reason": "Too expensive."}
    """

    call_id: str
    approved: bool
    reason: NotRequired[str | None]
