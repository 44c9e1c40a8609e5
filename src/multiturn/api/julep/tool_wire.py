"""The shapes of the tools of Julep's agents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.julep.wire import Text, Time

TYPE = "Only `function`: the client executes it. The server's own tools are set in its native API."
FUNCTION = "Its `parameters`, as JSON Schema; `name` and `description` win over those of the tool."


class JulepToolChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What may be changed of an agent's tool."""

    name: Annotated[Text | None, Meta(description="What the model calls it; unique in the agent.")] = None
    type: Annotated[str | None, Meta(description=TYPE)] = None
    description: Annotated[str | None, Meta(description="When it is to be called, and why.")] = None
    function: Annotated[dict[str, Any] | None, Meta(description=FUNCTION)] = None


class JulepToolOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A tool of an agent, as it is asked for; further fields are not looked at."""

    name: Annotated[Text, Meta(description="What the model calls it; unique in the agent.")]
    type: Annotated[str, Meta(description=TYPE)] = "function"
    description: Annotated[str | None, Meta(description="When it is to be called, and why.")] = None
    function: Annotated[dict[str, Any] | None, Meta(description=FUNCTION)] = None


class JulepFunctionBody(Struct, kw_only=True):
    """The function that the client executes."""

    name: str
    description: str | None
    parameters: dict[str, Any]


class JulepAgentToolBody(Struct, kw_only=True):
    """A tool of an agent."""

    id: str
    created_at: Time
    updated_at: Time
    name: str
    type: Literal["function"] = "function"
    description: str | None
    function: JulepFunctionBody
