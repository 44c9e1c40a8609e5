"""Every error that the server raises on purpose.

    MultiturnError
    ├── InvalidRequest            a field is wrong; names it and what would be right
    │   ├── ContextOverflow       the context does not fit and may not be cut
    │   └── UnreadableFile        a file is not what it should be; says so to a person
    ├── Unauthenticated           no key, or one that is wrong or revoked
    ├── Forbidden                 the key may not do this
    ├── NotFound                  it is not there, or it is another tenant's
    │   └── ModelNotFound         the upstream has no such model; names those it has
    ├── Conflict                  the state of the session does not allow it now
    │   ├── SessionBusy           a turn of the session is running
    │   └── TurnConflict          the turn lost its lease, or the history moved on
    ├── TooLarge                  a body or a value is over its limit
    ├── RateLimited               too many at once; try again later
    ├── RunCancelled              the run was cancelled before it had an answer
    ├── UpstreamError             the model's provider failed
    │   ├── UpstreamRefused       it answered with an error of its own
    │   ├── UpstreamTimeout       it took too long
    │   └── ContextTooLong        it says that the context is too long
    ├── Unavailable               a part of this server cannot answer now
    └── SettingsError             a setting is unknown or wrong; the server does not start

A *kind* decides the status (``api/errors.py``), a *code* is stable and documented in ``docs/errors.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class MultiturnError(Exception):
    """An error raised on purpose: a kind, a stable code, and a text that names the thing and what to do about it."""

    kind: ClassVar[str] = "unavailable"
    default_code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after_s = retry_after_s


class InvalidRequest(MultiturnError):
    """A field of the request is wrong; ``param`` names it."""

    kind = "invalid"
    default_code = "invalid_request"


class ContextOverflow(InvalidRequest):
    """The context does not fit the budget and the session's strategy does not allow to cut it."""

    default_code = "context_length_exceeded"


class UnreadableFile(InvalidRequest):
    """A file is empty, broken, encrypted, of a kind that nobody reads, or too much: the text says to a person why."""

    default_code = "unreadable_file"


class Unauthenticated(MultiturnError):
    """No key was sent, or one that is wrong or revoked."""

    kind = "unauthenticated"
    default_code = "invalid_api_key"


class Forbidden(MultiturnError):
    """The key is good and may not do this."""

    kind = "forbidden"
    default_code = "forbidden"


class NotFound(MultiturnError):
    """The thing is not there, or belongs to another tenant: the answer is the same."""

    kind = "missing"
    default_code = "not_found"


class ModelNotFound(NotFound):
    """No upstream serves this model; ``models`` are the names that would be answered."""

    default_code = "model_not_found"

    def __init__(self, model: str, models: Sequence[str]) -> None:
        known = ", ".join(models) or "none"
        super().__init__(f"The model '{model}' does not exist. Models that exist: {known}.", param="model")
        self.models = tuple(models)


class Conflict(MultiturnError):
    """The state of the thing does not allow this now."""

    kind = "conflict"
    default_code = "conflict"


class SessionBusy(Conflict):
    """Another turn of the session is running and this one was not to wait for it."""

    default_code = "session_busy"


class TurnConflict(Conflict):
    """The turn lost its lease, or the session's history is no longer where the turn began."""

    default_code = "turn_conflict"


class TooLarge(MultiturnError):
    """A body or a value is over its limit."""

    kind = "too_large"
    default_code = "request_too_large"


class RateLimited(MultiturnError):
    """Too many at once: wait ``retry_after_s`` seconds and try again."""

    kind = "limited"
    default_code = "rate_limit_exceeded"


class RunCancelled(MultiturnError):
    """The run was cancelled before it had an answer."""

    kind = "conflict"
    default_code = "run_cancelled"


class UpstreamError(MultiturnError):
    """The provider of the model failed; ``status`` is its HTTP status where it gave one."""

    kind = "upstream"
    default_code = "upstream_error"

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code=code, retry_after_s=retry_after_s)
        self.status = status


class UpstreamRefused(UpstreamError):
    """The provider answered with an error of its own: ``body`` is that answer, as it came."""

    default_code = "upstream_refused"

    def __init__(self, message: str, *, status: int, body: bytes, retry_after_s: float | None = None) -> None:
        super().__init__(message, status=status, retry_after_s=retry_after_s)
        self.body = body


class UpstreamTimeout(UpstreamError):
    """The provider did not connect, begin or go on in time."""

    default_code = "upstream_timeout"


class ContextTooLong(UpstreamError):
    """The provider says that the context is too long; ``tokens_max`` is its limit where it named one."""

    default_code = "context_length_exceeded"

    def __init__(self, message: str, *, status: int, tokens_max: int | None = None) -> None:
        super().__init__(message, status=status)
        self.tokens_max = tokens_max


class Unavailable(MultiturnError):
    """A part of this server cannot answer now."""

    default_code = "unavailable"


class SettingsError(MultiturnError):
    """A setting is unknown or wrong; the text names it and what would be right."""

    kind = "invalid"
    default_code = "invalid_setting"
