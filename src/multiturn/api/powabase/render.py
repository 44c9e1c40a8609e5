"""Agents in the shapes of Powabase's clients."""

from __future__ import annotations

from multiturn.api.powabase.parse import write_settings
from multiturn.api.powabase.wire import PowabaseAgentBody, PowabaseAgentRowBody
from multiturn.model.agent import Agent
from multiturn.model.overview import AgentUse


def render_agent(agent: Agent) -> PowabaseAgentBody:
    """An agent."""
    return PowabaseAgentBody(
        id=str(agent.id),
        name=agent.body.name,
        model=agent.body.model,
        system_prompt=write_prompt(agent),
        settings=write_settings(agent.body),
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )


def render_row(agent: Agent, use: AgentUse) -> PowabaseAgentRowBody:
    """An agent of a listing."""
    return PowabaseAgentRowBody(
        id=str(agent.id),
        name=agent.body.name,
        model=agent.body.model,
        system_prompt=write_prompt(agent),
        settings=write_settings(agent.body),
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        session_count=use.sessions,
        total_runs=use.runs,
        last_run_at=use.last_run_at,
    )


def write_prompt(agent: Agent) -> str | None:
    """What an agent is to do, as one text."""
    told = agent.body.instructions
    return (told if isinstance(told, str) else "\n".join(told)) or None
