"""Requests as data: what is sent, made by pure functions; the two clients only carry them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from multiturn_client.files import Upload
from multiturn_client.options import Message, Messages
from multiturn_client.records import Run

Scalar = str | int | float | bool
Query = tuple[tuple[str, str], ...]
# These stand for one thing and are sent under a name of their own, or as a header.
OURS = ("extra_body", "idempotency_key", "timeout")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. ``is_repeatable``: sending it twice does what sending it once does, also when the first reached the
    server and its answer did not arrive.
    """

    method: Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
    path: str
    query: Query = ()
    body: Any = None
    content: bytes | None = None
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    is_repeatable: bool = True


def get(*path: str, **query: Any) -> Request:
    """A request for something that is there."""
    return Request(method="GET", path=write_path(*path), query=write_query(query))


def delete(*path: str, **query: Any) -> Request:
    """A request to delete something."""
    return Request(method="DELETE", path=write_path(*path), query=write_query(query))


def send_file(*path: str, upload: Upload) -> Request:
    """A request with a file."""
    return Request(method="POST", path=write_path(*path), upload=upload, is_repeatable=False)


def patch(*path: str, body: Mapping[str, Any]) -> Request:
    """A request to change something."""
    return Request(method="PATCH", path=write_path(*path), body=write_body(body))


def post(*path: str, body: Mapping[str, Any] | None = None, is_repeatable: bool = False) -> Request:
    """A request to make or do something."""
    sent = None if body is None else write_body(body)
    return Request(method="POST", path=write_path(*path), body=sent, is_repeatable=is_repeatable)


def chat(session_id: str, messages: Messages, options: Mapping[str, Any], *, is_streamed: bool = False) -> Request:
    """A turn, under a name that makes it safe to send again."""
    key = options.get("idempotency_key") or str(uuid.uuid4())
    request = turn((session_id, "chat"), messages, options, {"stream": True} if is_streamed else {})
    headers = {"Idempotency-Key": str(key), **({"Accept": "text/event-stream"} if is_streamed else {})}
    return replace(request, headers=headers, timeout=options.get("timeout"), is_repeatable=True)


def preview(session_id: str, messages: Messages, options: Mapping[str, Any], *, with_messages: bool) -> Request:
    """A turn that is not taken: what the model would be shown."""
    asked = turn((session_id, "context", "preview"), messages, options, {})
    return replace(asked, query=write_query({"messages": with_messages}), is_repeatable=True)


def turn(path: Sequence[str], messages: Messages, options: Mapping[str, Any], fields: Mapping[str, Any]) -> Request:
    """A turn's body: its messages, and what is said about it."""
    said = {name: value for name, value in options.items() if name not in OURS}
    body = {"messages": write_messages(messages), **said, **fields, **(options.get("extra_body") or {})}
    return post("sessions", *path, body=body)


def events(run_id: str, *, after: int) -> Request:
    """The events of a run behind a number, as a stream."""
    asked = get("runs", run_id, "events", starting_after=after)
    return replace(asked, headers={"Accept": "text/event-stream"})


def items_of(run: Run) -> Request:
    """The items that a run added to the history."""
    named = (run.input_items, run.output_items)
    numbers = [number for range_ in named for number in range_ or ()]
    span = {"after": min(numbers) - 1, "before": max(numbers) + 1}
    return get("sessions", run.session_id, "items", order="asc", limit=100, **span)


def write_messages(messages: Messages) -> list[Message]:
    """Messages; a text is one of the user's."""
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)


def write_path(*parts: str) -> str:
    """A path below ``/v1``, whatever the names in it hold."""
    return "/v1/" + "/".join(write_part(part) for part in parts)


def write_part(part: str) -> str:
    """A part of a path; dots alone would be taken for the folder above."""
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def write_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as JSON knows it: times become texts, sequences lists."""
    return {name: write_value(value) for name, value in body.items()}


def write_value(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, datetime):
        return write_time(value)
    if isinstance(value, Mapping):
        return {str(name): write_value(one) for name, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [write_value(one) for one in value]
    return value


def write_query(query: Mapping[str, Any]) -> Query:
    """Parameters as the server reads them: objects with dots, lists by repetition, without what is None."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, Mapping):
            pairs += write_query({f"{name}.{key}": one for key, one in value.items()})
        elif isinstance(value, Sequence) and not isinstance(value, str):
            pairs += [(name, write_scalar(one)) for one in value]
        elif value is not None:
            pairs.append((name, write_scalar(value)))
    return tuple(pairs)


def write_scalar(value: Any) -> str:
    """One value of a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return write_time(value) if isinstance(value, datetime) else str(value)


def write_time(value: datetime) -> str:
    """A time in UTC. One without a zone is this machine's local time."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
