"""Sessions as Julep's client asks for them, in the engine's nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from multiturn.api import session_names
from multiturn.api.julep.wire import JulepSessionChangeBody, JulepSessionOrderBody
from multiturn.api.policy import read_policy
from multiturn.api.services import Services
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.policy import ContextPolicy
from multiturn.model.session import Session, SessionChange, SessionKey, SessionOrder, SessionSettings
from multiturn.model.tenant import Caller

POLICY = ("context_overflow", "token_budget", "recall_options")
# What a session has that was made without saying so.
DEFAULTS: Mapping[str, Any] = {"situation": None, "system_template": None, "render_templates": True}


def session_key(caller: Caller, name: str) -> SessionKey:
    """A session as a path names it."""
    return session_names.session_key(caller, name, param="path.session_id")


async def find_participants(
    services: Services, caller: Caller, body: JulepSessionOrderBody, *, when: str
) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """The agents and the users of a session that is asked for, in the words that Julep refused them with.

    Raises InvalidRequest for none, for both of two fields that mean the same, and for one that is not there.
    """
    agents = pick("agent", body.agent or body.agent_id, body.agents)
    users = pick("user", body.user or body.user_id, body.users)
    if not agents:
        raise InvalidRequest("At least one agent must be provided", code="invalid_participant", param="agent")
    try:
        agent_ids = [(await services.agents.get(caller, name)).id for name in agents]
        user_ids = [(await services.users.get(caller, name)).id for name in users]
    except NotFound as error:
        text = f"The specified participant ID is invalid for the given participant type during {when}"
        raise InvalidRequest(text, code="invalid_participant", param=error.param) from error
    return tuple(dict.fromkeys(agent_ids)), tuple(dict.fromkeys(user_ids))


def pick(kind: str, one: str | None, several: Sequence[str] | None) -> Sequence[str]:
    """The names of one of two fields. Raises InvalidRequest when both are there."""
    if one and several:
        text = f"Only one of '{kind}' or '{kind}s' should be provided"
        raise InvalidRequest(text, code="invalid_participant", param=kind)
    return [one] if one else several or ()


def read_order(body: JulepSessionOrderBody, agents: tuple[UUID, ...], users: tuple[UUID, ...]) -> SessionOrder:
    """A session that is to be made."""
    policy = ContextPolicy(**read_policy(list_given(body, POLICY)))
    settings = SessionSettings(
        agents=agents,
        users=users,
        policy=policy,
        wire=write_wire(body, {}),
        **{**DEFAULTS, **list_given(body, tuple(DEFAULTS))},
    )
    return SessionOrder(settings=settings, metadata=body.metadata or {})


def read_change(
    body: JulepSessionChangeBody,
    session: Session,
    *,
    overwrites: bool,
    participants: Mapping[str, tuple[UUID, ...]] | None = None,
) -> SessionChange:
    """What is to be changed of a session: only what is given, or everything."""
    given = list_given(body, tuple(DEFAULTS))
    policy = dict.fromkeys(POLICY) if overwrites else {}
    policy |= list_given(body, POLICY)
    base = None if overwrites else session.settings.policy.documents
    settings = {**(DEFAULTS if overwrites else {}), **given, **(participants or {})}
    wire = write_wire(body, {} if overwrites else session.settings.wire)
    return SessionChange(
        settings={**settings, "wire": wire},
        policy=read_policy(policy, base=base),
        metadata=body.metadata or {},
        replaces_metadata=overwrites,
    )


def list_given(body: JulepSessionChangeBody, names: Sequence[str]) -> dict[str, Any]:
    """The fields of these that are given: null is as if left out."""
    return {name: value for name in names if (value := getattr(body, name)) is not None}


def write_wire(body: JulepSessionChangeBody, known: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a session and given back."""
    return {**known, **list_given(body, ("forward_tool_calls", "auto_run_tools"))}
