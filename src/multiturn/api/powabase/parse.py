"""Agents as Powabase's clients ask for them, in the engine's nouns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from msgspec import UNSET
from msgspec.structs import replace

from multiturn.api.powabase.wire import PowabaseAgentChangeBody, PowabaseAgentOrderBody
from multiturn.errors import InvalidRequest
from multiturn.model.agent import AgentBody, AgentLimits
from multiturn.model.reasoning import Effort, ReasoningOptions

# Settings that are fields of a model's request; those that are none of these nor ours are kept, and reach no model.
OF_THE_MODEL = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "min_p",
        "parallel_tool_calls",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "top_k",
        "top_p",
    }
)
EFFORT, TIMEOUT, STEPS = "reasoning_effort", "timeout_seconds", "max_steps"
# Where an agent keeps what only this dialect knows.
KEPT = "powabase_settings"


def read_agent(body: PowabaseAgentOrderBody) -> AgentBody:
    """An agent that is to be made."""
    plain = AgentBody(name=body.name, model=body.model, instructions=body.system_prompt or ())
    return replace(plain, **read_settings(body.settings or {}, plain))


def read_change(body: PowabaseAgentChangeBody, before: AgentBody) -> dict[str, Any]:
    """What is to be changed of an agent. Raises InvalidRequest when it is nothing."""
    given: dict[str, Any] = {}
    if body.name is not UNSET:
        given["name"] = body.name
    if body.model is not UNSET:
        given["model"] = body.model
    if body.system_prompt is not UNSET:
        given["instructions"] = body.system_prompt or ()
    if body.settings is not UNSET:
        given |= read_settings(body.settings or {}, before)
    if not given:
        raise InvalidRequest("No valid fields to update: name, model, system_prompt, settings")
    return given


def read_settings(settings: Mapping[str, Any], before: AgentBody) -> dict[str, Any]:
    """Settings as fields of an agent. Raises InvalidRequest for one that the server is to act on and cannot."""
    effort, seconds, steps = (settings.get(name) for name in (EFFORT, TIMEOUT, STEPS))
    reasoning = None
    if effort is not None:
        if effort not in get_args(Effort):
            words = ", ".join(get_args(Effort))
            raise InvalidRequest(f"'settings.{EFFORT}' must be one of {words}.", param=f"settings.{EFFORT}")
        reasoning = replace(before.reasoning or ReasoningOptions(), effort=effort)
    known = OF_THE_MODEL | {EFFORT, TIMEOUT, STEPS}
    wire = {name: value for name, value in before.wire.items() if name != KEPT}
    if kept := {name: value for name, value in settings.items() if name not in known}:
        wire[KEPT] = kept
    return {
        "default_settings": {name: value for name, value in settings.items() if name in OF_THE_MODEL},
        "reasoning": reasoning,
        "limits": read_limits(before.limits, seconds, steps),
        "wire": wire,
    }


def read_limits(before: AgentLimits, seconds: Any, steps: Any) -> AgentLimits:
    """How far a run may go. Raises InvalidRequest."""
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise InvalidRequest(f"'settings.{TIMEOUT}' must be a number of seconds.", param=f"settings.{TIMEOUT}")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int)):
        raise InvalidRequest(f"'settings.{STEPS}' must be a whole number.", param=f"settings.{STEPS}")
    return replace(before, seconds=None if seconds is None else float(seconds), steps=steps)


def write_settings(body: AgentBody) -> dict[str, Any]:
    """An agent's settings as they were given, whichever dialect gave them."""
    ours = {
        EFFORT: body.reasoning.effort if body.reasoning else None,
        TIMEOUT: body.limits.seconds,
        STEPS: body.limits.steps,
    }
    told = {name: value for name, value in ours.items() if value is not None}
    return {**body.default_settings, **told, **body.wire.get(KEPT, {})}
