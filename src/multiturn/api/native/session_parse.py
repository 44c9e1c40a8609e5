"""What is asked of sessions in the native API, as the engine's orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request

from multiturn.api.auth import check_id
from multiturn.api.messages import read_message
from multiturn.api.native.metadata import read_metadata
from multiturn.api.native.query import (
    read_choice,
    read_number,
    read_place,
    read_time,
)
from multiturn.api.native.session_wire import SessionChangeBody, SessionFields, SessionOrderBody
from multiturn.api.policy import read_policy
from multiturn.api.services import Services
from multiturn.errors import InvalidRequest
from multiturn.model.content import Content
from multiturn.model.ids import find_id
from multiturn.model.listing import SessionFilter, SessionSort, Span
from multiturn.model.policy import ContextPolicy
from multiturn.model.session import SessionChange, SessionOrder, SessionSettings
from multiturn.model.tenant import Caller

SORTS: Mapping[tuple[str, str], SessionSort] = {
    ("created_at", "desc"): "newest",
    ("created_at", "asc"): "oldest",
    ("active_at", "desc"): "active_last",
    ("active_at", "asc"): "active_first",
}
TEXT_CHARS_MAX = 500


async def read_order(services: Services, caller: Caller, body: SessionOrderBody) -> SessionOrder:
    """A session to make. Raises InvalidRequest, and NotFound for who is not there."""
    settings = await read_settings(services, caller, body)
    contents: list[Content] = []
    for index, message in enumerate(body.items or ()):
        contents += read_message(message, f"items[{index}]")
    return SessionOrder(
        external_id=None if body.external_id is None else check_id(body.external_id, "external_id"),
        settings=SessionSettings(**settings, policy=ContextPolicy(**read_policy(body))),
        instructions=read_instructions(body.instructions) or None,
        metadata=body.metadata or {},
        idle_expiry_s=body.idle_expiry_s or None,
        items=tuple(contents),
    )


async def read_change(services: Services, caller: Caller, body: SessionChangeBody) -> SessionChange:
    """What is to be changed. Raises InvalidRequest, and NotFound for who is not there."""
    return SessionChange(
        settings=await read_settings(services, caller, body),
        policy=read_policy(body),
        metadata=body.metadata or {},
        replaces_metadata=body.metadata is None,
        instructions=read_instructions(body.instructions),
        idle_expiry_s=body.idle_expiry_s,
    )


async def read_settings(services: Services, caller: Caller, body: SessionFields) -> dict[str, Any]:
    """The fields of SessionSettings that a body sets."""
    settings: dict[str, Any] = {}
    for name in ("model", "situation", "system_template"):
        if (value := getattr(body, name)) is not UNSET:
            settings[name] = value
    if settings.get("model") is not None:
        check_id(settings["model"], "model")
    if body.render_templates is not UNSET:
        settings["render_templates"] = bool(body.render_templates)
    if body.stores is not UNSET:
        named = [check_id(name, "stores") for name in body.stores or ()]
        settings["store_ids"] = tuple([(await services.stores.get(caller.tenant_id, name)).id for name in named])
    for name, one, find in (("agents", "agent_id", find_agent), ("users", "user_id", find_user)):
        if (names := read_names(body, name, one)) is not UNSET:
            found = [await find(services, caller, member) for member in names]
            settings[name] = tuple(dict.fromkeys(found))
    return settings


def read_names(body: SessionFields, several: str, one: str) -> Sequence[str] | UnsetType:
    """Who takes part, named in one field or in both: the one first."""
    names: Sequence[str] | UnsetType | None = getattr(body, several)
    name: str | UnsetType | None = getattr(body, one)
    if names is UNSET and name is UNSET:
        return UNSET
    first = [name] if isinstance(name, str) else []
    return first if names is UNSET or names is None else [*first, *names]


async def find_agent(services: Services, caller: Caller, name: str) -> UUID:
    """The id of an agent that a body names. Raises NotFound."""
    return (await services.agents.get(caller, name)).id


async def find_user(services: Services, caller: Caller, name: str) -> UUID:
    """The id of a user that a body names: a caller that acts for a user sees no other. Raises NotFound."""
    return (await services.users.get(caller, name)).id


def read_instructions(said: str | list[dict[str, Any]] | UnsetType | None) -> str | UnsetType | None:
    """Instructions as the JSON of messages; None for nothing. Raises InvalidRequest."""
    if said is UNSET or not said:
        return None if said is not UNSET else UNSET
    messages = [{"role": "system", "content": said}] if isinstance(said, str) else said
    for index, message in enumerate(messages):
        where = f"instructions[{index}]"
        read_message(message, where)
        if message.get("role") not in ("system", "developer"):
            raise InvalidRequest(f"'{where}.role' must be system or developer.", param=f"{where}.role")
    return msgspec.json.encode(messages).decode()


async def read_filter(services: Services, caller: Caller, request: Request) -> SessionFilter:
    """Which sessions a listing shows. Raises InvalidRequest."""
    query = request.query_params
    sort = SORTS[
        read_choice(request, "sort_by", ("created_at", "active_at")), read_choice(request, "order", ("desc", "asc"))
    ]
    before = query.get("before")
    before_id = None if before is None else find_id(before)
    if before is not None and before_id is None:
        raise InvalidRequest("'before' must be the id of a session.", param="before")
    text = query.get("text")
    if text is not None and len(text) > TEXT_CHARS_MAX:
        raise InvalidRequest(f"'text' must have at most {TEXT_CHARS_MAX} characters.", param="text")
    agent, user = query.get("agent"), query.get("user")
    return SessionFilter(
        agent_id=None if agent is None else find_id(agent) or await find_agent(services, caller, agent),
        user_id=None if user is None else find_id(user) or await find_user(services, caller, user),
        metadata=read_metadata(query),
        active_after=read_time(request, "active_after"),
        active_before=read_time(request, "active_before"),
        text=text,
        sort=sort,
        before=before_id,
        offset=read_number(request, "offset") or 0,
    )


def read_span(request: Request) -> Span:
    """The stretch of a history that is asked for. Raises InvalidRequest."""
    after, before = read_place(request, "after"), read_place(request, "before")
    return Span(
        after=after if isinstance(after, int) else None,
        before=before if isinstance(before, int) else None,
        since=after if isinstance(after, datetime) else None,
        until=before if isinstance(before, datetime) else None,
    )
