"""The errors under the name that Julep's documentation gives their module; ``errors`` draws them as a tree."""

from __future__ import annotations

from multiturn_client.errors import (
    AgentNotFoundError,
    ApiError,
    AuthenticationError,
    ConflictError,
    ConnectionFailed,
    ContextOverflowError,
    DocumentNotFoundError,
    InvalidRequestError,
    JulepError,
    MultiturnError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeout,
    RunNotFoundError,
    ServerError,
    SessionBusyError,
    SessionNotFoundError,
    UpstreamError,
    UserNotFoundError,
)

__all__ = [
    "AgentNotFoundError",
    "ApiError",
    "AuthenticationError",
    "ConflictError",
    "ConnectionFailed",
    "ContextOverflowError",
    "DocumentNotFoundError",
    "InvalidRequestError",
    "JulepError",
    "MultiturnError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTimeout",
    "RunNotFoundError",
    "ServerError",
    "SessionBusyError",
    "SessionNotFoundError",
    "UpstreamError",
    "UserNotFoundError",
]
