"""Every error that the client raises.

    MultiturnError                     everything below; also known as JulepError
    ├── ConnectionFailed               no connection to the server, or it broke
    ├── RequestTimeout                 the server took longer than the client's timeout
    └── ApiError                       the server answered with an error; has status, code, message, param, request_id
        ├── InvalidRequestError        400, 413, 422: a field is wrong; ``param`` names it
        ├── ContextOverflowError       the context does not fit, and the session may not be cut
        ├── AuthenticationError        401: no key, or one that is wrong or revoked
        ├── PermissionDeniedError      403: the key may not do this
        ├── NotFoundError              404: it is not there, or is somebody else's
        │   ├── SessionNotFoundError
        │   ├── AgentNotFoundError
        │   ├── UserNotFoundError
        │   ├── DocumentNotFoundError
        │   ├── RunNotFoundError
        │   ├── AssetNotFoundError
        │   └── StoreNotFoundError
        ├── ConflictError              409: the state of the thing does not allow it now
        │   ├── SessionBusyError       a turn of the session is running
        │   └── RunWaitingError        a run of the session waits for a person's approval
        ├── RateLimitError             429: too many at once
        ├── UpstreamError              502, 504: the model's provider failed
        └── ServerError                every other status from 500 on

Errors of the connection, and those of the server that a second try may mend, are raised when ``max_retries`` tries were
in vain.
"""

from __future__ import annotations

from collections.abc import Mapping


class MultiturnError(Exception):
    """Everything that this client raises; ``message`` is a text for a person.

    >>> try:
    ...     client.sessions.get("nonexistent_id")
    ... except MultiturnError as error:
    ...     print(error.message)
    There is no such session.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConnectionFailed(MultiturnError):
    """There is no connection to the server, or it broke. A turn that had begun goes on there.

    >>> with Multiturn("mt-…", base_url="http://127.0.0.1:1", max_retries=0) as other:
    ...     other.sessions.get("trip")
    Traceback (most recent call last):
    multiturn_client.errors.ConnectionFailed: ...
    """


class RequestTimeout(MultiturnError):
    """The server took longer than the client's ``timeout``. A turn that had begun goes on there.

    >>> session.ask("Tell a long story.", timeout=0.1)
    Traceback (most recent call last):
    multiturn_client.errors.RequestTimeout: ...
    """


class ApiError(MultiturnError):
    """The server answered with an error.

    ``status`` is the HTTP status, ``code`` a stable word (the server's docs/errors.md lists them), ``param`` the field
    that is wrong, ``request_id`` what the server's log has (each None where the server named none).

    >>> try:
    ...     client.sessions.create(context_overflow="forget")
    ... except ApiError as error:
    ...     print(error.status, error.code, error.param)
    400 invalid_request context_overflow
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id


class InvalidRequestError(ApiError):
    """A field of the request is wrong (400, 413, 422); ``param`` names it.

    >>> client.sessions.create(token_budget=-1)
    Traceback (most recent call last):
    multiturn_client.errors.InvalidRequestError: ...
    """


class ContextOverflowError(ApiError):
    """The context does not fit its budget, and ``context_overflow="error"`` does not let it be cut.

    >>> client.sessions.create(context_overflow="error", token_budget=2_000).ask("very long " * 2_000)
    Traceback (most recent call last):
    multiturn_client.errors.ContextOverflowError: ...
    """


class AuthenticationError(ApiError):
    """No key was sent, or one that is wrong or revoked (401).

    >>> with Multiturn("wrong", base_url=client.base_url) as other:
    ...     other.sessions.get("trip")
    Traceback (most recent call last):
    multiturn_client.errors.AuthenticationError: ...
    """


class PermissionDeniedError(ApiError):
    """The key is good and may not do this (403): it has not the scope, or is one of another user.

    >>> with Multiturn(plain_key, base_url=client.base_url, user_id="somebody") as other:
    ...     other.sessions.get("trip")
    Traceback (most recent call last):
    multiturn_client.errors.PermissionDeniedError: ...
    """


class NotFoundError(ApiError):
    """The thing is not there, or belongs to somebody else: the answer is the same (404).

    >>> client.runs.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.RunNotFoundError: ...
    """


class SessionNotFoundError(NotFoundError):
    """There is no such session, or it is somebody else's.

    >>> client.sessions.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.SessionNotFoundError: ...
    """


class AgentNotFoundError(NotFoundError):
    """There is no such agent.

    >>> client.agents.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.AgentNotFoundError: ...
    """


class UserNotFoundError(NotFoundError):
    """There is no such user.

    >>> client.users.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.UserNotFoundError: ...
    """


class DocumentNotFoundError(NotFoundError):
    """There is no such document in this session, or of this agent or user.

    >>> session.docs.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.DocumentNotFoundError: ...
    """


class RunNotFoundError(NotFoundError):
    """There is no such run, or it is in a session of somebody else.

    >>> client.runs.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.RunNotFoundError: ...
    """


class AssetNotFoundError(NotFoundError):
    """There is no such asset.

    >>> client.assets.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.AssetNotFoundError: ...
    """


class StoreNotFoundError(NotFoundError):
    """There is no such knowledge store.

    >>> client.stores.get("nonexistent_id")
    Traceback (most recent call last):
    multiturn_client.errors.StoreNotFoundError: ...
    """


class ConflictError(ApiError):
    """The state of the thing does not allow this now (409), for example a name that is taken.

    >>> client.sessions.create(external_id="taken")
    Session(...)
    >>> client.sessions.create(external_id="taken")
    Traceback (most recent call last):
    multiturn_client.errors.ConflictError: ...
    """


class SessionBusyError(ConflictError):
    """Another turn of the session runs, and ``concurrency="reject"`` did not let this one wait.

    >>> with session.stream("Tell a long story.") as stream:
    ...     session.ask("And now?", concurrency="reject")
    Traceback (most recent call last):
    multiturn_client.errors.SessionBusyError: ...
    """


class RunWaitingError(ConflictError):
    """A run of the session waits for a person's approval: until it is given, or the run is cancelled, no other turn is
    taken.

    >>> issubclass(RunWaitingError, ConflictError)
    True
    """


class RateLimitError(ApiError):
    """Too many requests at once (429): of this key, of the session's queue, or at the provider.

    >>> issubclass(RateLimitError, ApiError)
    True
    """


class UpstreamError(ApiError):
    """The model's provider failed, did not answer in time, or is away (502, 504). The history is as it was.

    >>> session.ask("The model is away")
    Traceback (most recent call last):
    multiturn_client.errors.UpstreamError: ...
    """


class ServerError(ApiError):
    """The server failed, or cannot answer now (500, 503).

    >>> issubclass(ServerError, ApiError)
    True
    """


JulepError = MultiturnError

BY_CODE: Mapping[str, type[ApiError]] = {
    "session_not_found": SessionNotFoundError,
    "agent_not_found": AgentNotFoundError,
    "user_not_found": UserNotFoundError,
    "document_not_found": DocumentNotFoundError,
    "run_not_found": RunNotFoundError,
    "asset_not_found": AssetNotFoundError,
    "store_not_found": StoreNotFoundError,
    "session_busy": SessionBusyError,
    "run_waiting": RunWaitingError,
    "context_length_exceeded": ContextOverflowError,
}
BY_STATUS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
    502: UpstreamError,
    504: UpstreamError,
}


# The server's types of errors, for those that come in a stream and have no status of their own.
BY_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "conflict_error": 409,
    "rate_limit_error": 429,
    "server_error": 500,
    "upstream_error": 502,
}


def find_class(status: int, code: str | None) -> type[ApiError]:
    """The class of an error by its code, else by its status."""
    if found := BY_CODE.get(code or ""):
        return found
    return BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequestError)


def read_error(status: int, body: object, *, request_id: str | None = None) -> ApiError:
    """The error that a response tells."""
    told = body.get("error") if isinstance(body, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    code, param = told.get("code"), told.get("param")
    code = code if isinstance(code, str) else None
    message = str(told.get("message") or f"The server answered {status} without saying why.")
    named = param if isinstance(param, str) else None
    return find_class(status, code)(message, status=status, code=code, param=named, request_id=request_id)


def read_stream_error(body: object, *, request_id: str | None = None) -> ApiError:
    """The error that the last event of a stream, or a run that failed, tells; its status is what it would have had."""
    told = body.get("error") if isinstance(body, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    is_upstream = str(told.get("code")).startswith(("upstream_", "model_"))
    status = BY_TYPE.get(str(told.get("type")), 502 if is_upstream else 500)
    return read_error(status, body, request_id=request_id)
