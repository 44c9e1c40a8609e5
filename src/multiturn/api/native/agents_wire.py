"""The shapes of agents in the native API: as they are shown, and as they are asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.auth import NAME_PATTERN
from multiturn.api.native.tools_wire import AgentLimitsBody, ReasoningOptionsBody, ToolBody
from multiturn.api.native.wire import Time
from multiturn.api.policy import PolicyFields, PolicyShown
from multiturn.engine.agents import ABOUT_CHARS_MAX, CANONICAL_NAME, INSTRUCTIONS_MAX
from multiturn.engine.metadata import LABEL_CHARS_MAX
from multiturn.engine.tool_checks import STORES_MAX, TOOLS_MAX

ABOUT = "What it is, in a sentence or two; templates show it."
CANONICAL = "A name to find it by, unique in its tenant."
MODEL = "The model that answers, unless the session or the turn names another; null: the server's default."
INSTRUCTIONS = "What it is told: a text, or a list of them."
SETTINGS = "Fields of the model's request, such as `temperature`; a turn's own win."
TEMPLATE = "The template of the system message, in Jinja; null: the standard one."
PROJECT = "A label."
REASONING = "How much the model is to think; a turn's own word wins. null: it is left to the provider."
TOOLS = "What its model may call, in this order; a change replaces all of them."
STORES = "The knowledge stores that its answers rest on and cite"
LIMITS = "How far a run of it may go; a change replaces all of them."
METADATA = "Anything that the application wants to keep here, at most 16 KB."

Label = Annotated[
    str, Meta(min_length=1, max_length=LABEL_CHARS_MAX, extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})
]
Canonical = Annotated[str, Meta(extra_json_schema={"pattern": f"^{CANONICAL_NAME.pattern}$"})]
About = Annotated[str, Meta(max_length=ABOUT_CHARS_MAX)]
Texts = Annotated[list[str], Meta(max_length=INSTRUCTIONS_MAX)]
Tools = Annotated[list[ToolBody], Meta(max_length=TOOLS_MAX)]
Stores = Annotated[list[str], Meta(max_length=STORES_MAX)]


class AgentBody(PolicyShown, kw_only=True):
    """Who answers in a session: what it is, what it is told, and how it is asked."""

    id: Annotated[str, Meta(description="Our id.")]
    object: Literal["agent"] = "agent"
    version: Annotated[int, Meta(description="1 when it was made; every change makes the next.")]
    created_at: Annotated[Time, Meta(description="When it was made, in UTC.")]
    updated_at: Annotated[Time, Meta(description="When this version was made, in UTC.")]
    name: str
    about: Annotated[str, Meta(description=ABOUT)]
    canonical_name: Annotated[str | None, Meta(description=CANONICAL)]
    model: Annotated[str | None, Meta(description=MODEL)]
    instructions: Annotated[str | list[str], Meta(description=INSTRUCTIONS)]
    default_settings: Annotated[dict[str, Any], Meta(description=SETTINGS)]
    system_template: Annotated[str | None, Meta(description=TEMPLATE)]
    project: Annotated[str | None, Meta(description=PROJECT)]
    reasoning: Annotated[ReasoningOptionsBody | None, Meta(description=REASONING)]
    stores: Annotated[list[str], Meta(description=f"{STORES}, by our ids.")]
    tools: Annotated[list[ToolBody], Meta(description=TOOLS)]
    limits: Annotated[AgentLimitsBody, Meta(description=LIMITS)]
    metadata: Annotated[dict[str, Any], Meta(description=METADATA)]


class AgentFields(PolicyFields, kw_only=True):
    """What may be set of an agent besides its name; null unsets it."""

    about: Annotated[About | UnsetType | None, Meta(description=ABOUT)] = UNSET
    canonical_name: Annotated[Canonical | UnsetType | None, Meta(description=CANONICAL)] = UNSET
    model: Annotated[Label | UnsetType | None, Meta(description=MODEL)] = UNSET
    instructions: Annotated[str | Texts | UnsetType | None, Meta(description=INSTRUCTIONS)] = UNSET
    default_settings: Annotated[dict[str, Any] | UnsetType | None, Meta(description=SETTINGS)] = UNSET
    system_template: Annotated[str | UnsetType | None, Meta(description=TEMPLATE)] = UNSET
    project: Annotated[Label | UnsetType | None, Meta(description=PROJECT)] = UNSET
    reasoning: Annotated[ReasoningOptionsBody | UnsetType | None, Meta(description=REASONING)] = UNSET
    stores: Annotated[Stores | UnsetType | None, Meta(description=f"{STORES}, by their ids or names.")] = UNSET
    tools: Annotated[Tools | UnsetType | None, Meta(description=TOOLS)] = UNSET
    limits: Annotated[AgentLimitsBody | UnsetType | None, Meta(description=LIMITS)] = UNSET


class AgentOrderBody(AgentFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An agent to make, or what one is to be from now on."""

    name: Annotated[Label, Meta(description="What it is called.")]
    metadata: Annotated[dict[str, Any] | None, Meta(description=METADATA)] = None


class AgentChangeBody(AgentFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of an agent; what is left out stays."""

    name: Annotated[Label | UnsetType, Meta(description="What it is called.")] = UNSET
    metadata: Annotated[dict[str, Any] | None, Meta(description="Merged key by key: null takes a key away.")] = None


class AgentDeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: Annotated[str, Meta(description="Our id of the agent.")]
    object: Literal["agent.deleted"] = "agent.deleted"
    deleted: Literal[True] = True
