"""Rows to nouns and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from multiturn.model.content import Content
from multiturn.model.context import WindowState
from multiturn.model.item import Item, Range
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.run import AgentVersion, Run, RunError
from multiturn.model.session import NO_SETTINGS, Session, SessionSettings
from multiturn.model.step import Step
from multiturn.model.tenant import ApiKey
from multiturn.model.usage import Usage
from multiturn.store.database import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Costs are stored in billionths of a US dollar.
NANO = 1_000_000_000
MILLISECOND = timedelta(milliseconds=1)
NOTHING_ELSE = WindowState()

read_content = msgspec.json.Decoder(Content).decode
read_contents = msgspec.json.Decoder(tuple[Content, ...]).decode
read_ranges = msgspec.json.Decoder(tuple[Range, ...]).decode
read_usage = msgspec.json.Decoder(Usage).decode
read_error = msgspec.json.Decoder(RunError).decode
read_step = msgspec.json.Decoder(Step).decode
read_reasoning = msgspec.json.Decoder(ReasoningOptions).decode
read_settings = msgspec.json.Decoder(SessionSettings).decode
read_shown = msgspec.json.Decoder(WindowState).decode
read_metadata = msgspec.json.Decoder(dict[str, Any]).decode
encode = msgspec.json.Encoder().encode


def as_id(value: bytes | UUID) -> UUID:
    """An id as SQLite (16 bytes) or PostgreSQL (a UUID) gives it."""
    return value if isinstance(value, UUID) else UUID(bytes=value)


def as_time(value_ms: int) -> datetime:
    """A stored time."""
    return EPOCH + timedelta(milliseconds=value_ms)


def as_ms(time: datetime) -> int:
    """A time as it is stored: milliseconds since 1970. In whole numbers, as a float would lose the last of them."""
    return (time - EPOCH) // MILLISECOND


def as_json(value: object) -> str:
    """A value as it is stored: compact JSON."""
    return encode(value).decode()


def read_session(row: Row) -> Session:
    """A row of ``sessions`` as the queries select it."""
    (tenant_id, id_, user_id, external_id, created, active, expiry, instructions, metadata, *rest) = row
    head, path, cut, run_id, settings, shown, cleared, waiting_run_id = rest
    return Session(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        user_id=as_id(user_id),
        external_id=external_id,
        created_at=as_time(created),
        active_at=as_time(active),
        idle_expiry_s=expiry,
        instructions=instructions,
        metadata=read_metadata(metadata) if metadata != "{}" else {},
        head=head,
        path=read_ranges(path) if path else whole_path(head),
        cut=cut,
        run_id=as_id(run_id) if run_id else None,
        settings=read_settings(settings) if settings else NO_SETTINGS,
        shown=read_shown(shown) if shown else NOTHING_ELSE,
        cleared=cleared,
        waiting_run_id=as_id(waiting_run_id) if waiting_run_id else None,
    )


def whole_path(head: int) -> tuple[Range, ...]:
    """The path of a session that never branched."""
    return (Range(1, head),) if head else ()


def read_item(row: Row) -> Item:
    """A row of ``items`` as the queries select it."""
    seq, run_id, created, tokens, status, body = row
    return Item(
        seq=seq,
        run_id=as_id(run_id),
        created_at=as_time(created),
        tokens=tokens,
        status=status,
        content=read_content(body),
    )


def write_item(tenant_id: UUID, session_id: UUID, item: Item) -> dict[str, Any]:
    """An item as the parameters of ``append_item``."""
    return {
        "tenant_id": tenant_id,
        "session_id": session_id,
        "seq": item.seq,
        "run_id": item.run_id,
        "created_at": as_ms(item.created_at),
        "tokens": item.tokens,
        "status": item.status,
        "body": as_json(item.content),
    }


def read_run(row: Row) -> Run:
    """A row of ``runs`` as the queries select it."""
    (tenant_id, id_, session_id, ticket, status, model, created, started, ended, *rest) = row
    input_first, input_last, output_first, output_last, input_, output, settings, labels, *outcome = rest
    usage, error, finish, first_token_ms, agent_id, agent_version, reasoning, cost = outcome
    return Run(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        session_id=as_id(session_id),
        ticket=ticket,
        status=status,
        model=model,
        created_at=as_time(created),
        started_at=as_time(started) if started is not None else None,
        ended_at=as_time(ended) if ended is not None else None,
        input_items=Range(input_first, input_last) if input_first is not None else None,
        output_items=Range(output_first, output_last) if output_first is not None else None,
        input=read_contents(input_) if input_ else (),
        output=read_contents(output) if output else (),
        settings=read_metadata(settings) if settings else {},
        labels=read_metadata(labels) if labels else {},
        usage=read_usage(usage) if usage else None,
        error=read_error(error) if error else None,
        finish_reason=finish,
        first_token_ms=first_token_ms,
        agent=AgentVersion(as_id(agent_id), agent_version) if agent_id else None,
        reasoning=read_reasoning(reasoning) if reasoning else None,
        cost_usd=None if cost is None else cost / NANO,
    )


def read_key(row: Row) -> ApiKey:
    """A row of ``api_keys`` as the queries select it."""
    tenant_id, id_, user_id, is_bound, user, label, hint, scopes, created, *times = row
    expires, used, revoked = (as_time(time) if time is not None else None for time in times)
    return ApiKey(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        user_id=as_id(user_id),
        is_bound=bool(is_bound),
        user=user if is_bound else None,
        label=label,
        hint=hint,
        scopes=tuple(scopes.split()),
        created_at=as_time(created),
        expires_at=expires,
        used_at=used,
        revoked_at=revoked,
    )
