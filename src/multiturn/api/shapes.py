"""Shapes that belong to no dialect: errors, and how the server is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class ErrorFactsBody(Struct, kw_only=True, omit_defaults=True):
    """What is wrong. A provider's own error may have further fields, and lack some of these."""

    message: Annotated[str, Meta(description="A text for a person: what is wrong and what to do. It may change.")]
    type: Annotated[
        str | None,
        Meta(
            description="One of OpenAI's: `invalid_request_error`, `authentication_error`, `permission_error`, "
            "`conflict_error`, `rate_limit_error`, `upstream_error`, `server_error`."
        ),
    ] = None
    param: Annotated[str | None, Meta(description="The field, header or parameter that is wrong.")] = None
    code: Annotated[str | int | None, Meta(description="Stable: see the table of error codes.")] = None


class ErrorBody(Struct, kw_only=True):
    """An error, in OpenAI's envelope."""

    error: ErrorFactsBody


class HealthBody(Struct, kw_only=True):
    """The server lives; how what answers is."""

    status: Literal["ok"] = "ok"
    models: Annotated[
        list[dict[str, Any]],
        Meta(
            description="The embedded model (`name`, `state`, `detail`, `queue_length`), or each upstream (`name`, the "
            "`state` of its circuit breaker, `retry_after_s`)."
        ),
    ]


class ReadyBody(Struct, kw_only=True):
    """Whether turns are taken."""

    status: Annotated[str, Meta(description="`ready`, or why not.")]
