"""Sessions that begin with what was said elsewhere: checked in Powabase's words, kept as completed runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from multiturn.api.limits import read_json_object
from multiturn.api.powabase.session_wire import SEED_CHARS_MAX, SEED_MAX
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import InvalidRequest
from multiturn.model.agent import Agent
from multiturn.model.archive import ArchivedRun, ArchivedSession, Sourced
from multiturn.model.content import Message
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.run import AgentVersion, Run
from multiturn.model.session import SessionSettings

ROLES = ("user", "assistant")
FIELD = "initial_messages"


class Seed(NamedTuple):
    """A session that is asked for: whose it is to be, and its first messages, two for each run."""

    user_id: UUID | None
    said: Sequence[str]


def read_seed(body: bytes) -> Seed:
    """Read a session that is asked for; no body asks for an empty one.

    Raises InvalidRequest for the first thing that is wrong.
    """
    fields = read_json_object(body) if body.strip() else {}
    read = {name: decode(fields[name], name) for name in ("user_id", FIELD) if name in fields}
    return Seed(read_user(read.get("user_id")), read_messages(read.get(FIELD)))


def decode(raw: msgspec.Raw, name: str) -> Any:
    """A field of a body. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"'{name}': {error}.", code="invalid_json", param=name) from error


def read_user(value: Any) -> UUID | None:
    """Whose the session is to be. Raises InvalidRequest."""
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest("user_id must be a uuid", param="user_id") from error


def read_messages(messages: Any) -> Sequence[str]:
    """What was said before. Raises InvalidRequest."""
    if messages is None:
        return ()
    if not isinstance(messages, list):
        raise InvalidRequest(f"{FIELD} must be a list", param=FIELD)
    if len(messages) > SEED_MAX:
        raise InvalidRequest(f"{FIELD} is limited to {SEED_MAX} messages; got {len(messages)}", param=FIELD)
    if len(messages) % 2:
        text = f"{FIELD} must contain an even number of messages (user/assistant pairs); got {len(messages)}"
        raise InvalidRequest(text, param=FIELD)
    return [read_message(message, index) for index, message in enumerate(messages)]


def read_message(message: Any, index: int) -> str:
    """What one message says. Raises InvalidRequest."""
    where, role = f"{FIELD}[{index}]", ROLES[index % 2]
    if not isinstance(message, dict):
        raise InvalidRequest(f"{where} must be an object", param=where)
    if message.get("role") != role:
        text = f"{where} must have role '{role}' — {FIELD} must alternate user/assistant, starting with user"
        raise InvalidRequest(text, param=f"{where}.role")
    content, param = message.get("content"), f"{where}.content"
    if not isinstance(content, str):
        raise InvalidRequest(f"{where} content must be a string", param=param)
    if not content.strip():
        raise InvalidRequest(f"{where} content must not be empty", param=param)
    if len(content) > SEED_CHARS_MAX:
        text = f"{where} content is limited to {SEED_CHARS_MAX} characters; got {len(content)}"
        raise InvalidRequest(text, param=param)
    return content


async def tell_session(agent: Agent, said: Sequence[str], now: datetime) -> AsyncIterator[Sourced]:
    """A session of an agent as an import brings it: its messages, and a run for each pair of them."""
    session_id = new_id()
    settings = SessionSettings(agents=(agent.id,))
    runs = [write_run(agent, session_id, ticket, now) for ticket in range(1, len(said) // 2 + 1)]
    records: list[Any] = [ArchivedSession(id=session_id, settings=settings, created_at=now, active_at=now)]
    for seq, text in enumerate(said, start=1):
        content = Message("user" if seq % 2 else "assistant", text)
        run_id = runs[(seq - 1) // 2].id
        records.append(Item(seq=seq, run_id=run_id, content=content, tokens=count_tokens(content), created_at=now))
    records += [ArchivedRun(run=run) for run in runs]
    for place, record in enumerate(records):
        where = f"{FIELD}[{place - 1}]" if isinstance(record, Item) else FIELD
        yield Sourced(where, len(said[place - 1]) if isinstance(record, Item) else 0, record)


def write_run(agent: Agent, session_id: UUID, ticket: int, now: datetime) -> Run:
    """The run of a pair: what a user said elsewhere, and what was answered."""
    asked = 2 * ticket - 1
    return Run(
        id=new_id(),
        tenant_id=agent.tenant_id,
        session_id=session_id,
        ticket=ticket,
        status="completed",
        model=agent.body.model or "",
        created_at=now,
        started_at=now,
        ended_at=now,
        input_items=Range(asked, asked),
        output_items=Range(asked + 1, asked + 1),
        finish_reason="stop",
        agent=AgentVersion(agent.id, agent.version),
    )
