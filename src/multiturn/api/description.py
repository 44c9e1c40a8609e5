"""The nouns that an API is described with: an operation, its parameters, its replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from multiturn.api.envelopes import Envelope

JSON = "application/json"
SSE = "text/event-stream"
FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a request may say besides its body. ``aliases`` are other names of the same thing.

    ``is_tried``: the line to try the operation has it.
    """

    name: str
    place: Literal["path", "query", "header"]
    text: str
    schema: Mapping[str, Any]
    aliases: tuple[str, ...] = ()
    example: str | int | None = None
    is_tried: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, the one to use first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A body, and what it shows."""

    name: str
    title: str
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request brings: a wire struct, or nothing if it likes.

    ``form`` is a struct of the fields of ``multipart/form-data``, instead of JSON or beside it, ``form_example`` one
    as curl sends it (``@name`` is a file); ``raw`` is the type of a body that is a file and nothing else.
    """

    shape: Any = None
    examples: tuple[Example, ...] = ()
    is_required: bool = True
    form: Any = None
    form_example: Mapping[str, str] = field(default_factory=dict)
    raw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a response gives to another operation: ``source`` is a runtime expression of OpenAPI."""

    operation: str
    parameter: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response that is no error: a wire struct as JSON, a stream of one as server-sent events, or text.

    ``last_event`` ends the stream and is no struct. Without a shape and with an empty ``media`` it has no body.
    """

    text: str
    status: int = 200
    shape: Any = None
    example: Any = None
    events: Any = None
    events_example: str = ""
    last_event: str | None = None
    media: str = JSON
    headers: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be asked of the server: a method on a path, or the same on several.

    ``errors`` are the codes of its failures, by status; those that any request can meet are added. ``passes_refusals``:
    a provider's own refusal comes through with its status. ``is_open``: no key is needed. ``envelope``: how the
    dialect writes errors, with statuses of its own, where it is not as OpenAI does.
    """

    name: str
    method: Literal["get", "post", "put", "patch", "delete"]
    paths: tuple[str, ...]
    tag: str
    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    replies: tuple[Reply, ...]
    errors: Mapping[int, tuple[str, ...]]
    is_open: bool = False
    passes_refusals: bool = False
    envelope: Envelope | None = None

    def failures(self) -> Mapping[int, tuple[str, ...]]:
        """The codes of its failures by the status that they have on the wire."""
        return self.errors if self.envelope is None else regroup(self.envelope, self.errors)

    def shapes(self) -> list[Any]:
        """The wire structs that it names."""
        named = [self.body.shape, self.body.form] if self.body else []
        named += [shape for reply in self.replies for shape in (reply.shape, reply.events)]
        return [shape for shape in named if shape is not None and shape is not dict]


def regroup(envelope: Envelope, errors: Mapping[int, tuple[str, ...]]) -> dict[int, tuple[str, ...]]:
    """Codes by the status that a dialect gives them."""
    grouped: dict[int, tuple[str, ...]] = {}
    for code in (code for codes in errors.values() for code in codes):
        status = envelope.find_status(code)
        grouped[status] = (*grouped.get(status, ()), code)
    return grouped


# What any request with a key can meet; one without meets a bug at worst.
ANY: Mapping[int, tuple[str, ...]] = {
    400: ("invalid_request",),
    401: ("missing_api_key", "invalid_api_key", "missing_token", "invalid_token", "keys_differ"),
    403: ("forbidden",),
    500: ("internal_error",),
    503: ("storage_failed", "jwks_unavailable"),
}
BUG: Mapping[int, tuple[str, ...]] = {500: ("internal_error",)}
# What a request that calls a model can meet besides.
PROVIDER: Mapping[int, tuple[str, ...]] = {
    502: (
        "upstream_error",
        "upstream_unauthorized",
        "upstream_unreachable",
        "upstream_cut_off",
        "upstream_invalid",
        "upstream_too_large",
        "model_crashed",
    ),
    504: ("upstream_timeout",),
}
