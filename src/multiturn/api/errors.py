"""Errors on the wire: the one place that knows statuses, and the envelope of each dialect."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.envelopes import Envelope, find_envelope
from multiturn.api.error_codes import CODES
from multiturn.errors import MultiturnError, NotFound, UpstreamRefused

log = logging.getLogger(__name__)

# The types of OpenAI's envelope ("Error codes" in its API guide).
TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "server_error",
    504: "upstream_error",
}


def status_of(error: MultiturnError) -> int:
    """The status of an error, which its code decides; a provider's refusal of the request keeps its own."""
    return error.status if isinstance(error, UpstreamRefused) and error.status else find_status(error.code)


def find_status(code: str) -> int:
    """The status of a code, also where an error is told again that a run was stored with; 500 for one unknown."""
    return CODES.get(code, CODES["internal_error"]).status or 500


def write_openai(error: MultiturnError) -> dict[str, Any]:
    """An error in OpenAI's envelope; a provider's own error as it came."""
    if isinstance(error, UpstreamRefused) and (said := read_provider_error(error.body)):
        return {"error": said}
    return write_envelope(error.code, error.message, param=error.param)


def write_envelope(code: str, message: str, *, param: str | None = None) -> dict[str, Any]:
    """OpenAI's envelope."""
    return {"error": {"message": message, "type": TYPES[find_status(code)], "param": param, "code": code}}


def read_provider_error(body: bytes) -> dict[str, Any] | None:
    """The ``error`` object of a provider's body, when it is in OpenAI's envelope."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None


def respond(
    error: MultiturnError, *, headers: Mapping[str, str] | None = None, envelope: Envelope | None = None
) -> Response:
    """The response to a request that failed, in a dialect's envelope, else in OpenAI's."""
    headers = dict(headers or {})
    status = envelope.status_of(error) if envelope else status_of(error)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 says how to authenticate.
    if error.kind == "conflict" or error.code == "quota_exceeded":
        # The official clients send a 409 or a 429 again by themselves; what is meant here is that the caller decides.
        headers["x-should-retry"] = "false"
    body = envelope.write(error) if envelope else write_openai(error)
    return write_response(body, status=status, headers=headers)


def write_response(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


async def handle_error(request: Request, error: Exception) -> Response:
    """An error that was raised on purpose."""
    assert isinstance(error, MultiturnError)
    return respond(error, envelope=find_envelope(request.url.path))


async def handle_http(request: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path or method."""
    assert isinstance(error, HTTPException)
    headers = error.headers
    if error.status_code == 405:
        headers = {"Allow": ", ".join(list_methods(request))}
        text = f"{request.method} is not allowed on {request.url.path}."
        code = "method_not_allowed"
    else:
        text = f"There is no {request.method} {request.url.path}. /docs lists what there is."
        code = "not_found"
    envelope = find_envelope(request.url.path)
    body = envelope.write(NotFound(text, code=code)) if envelope else write_envelope(code, text)
    return write_response(body, status=error.status_code, headers=headers)


def list_methods(request: Request) -> list[str]:
    """The methods of a path, whose routes have one each: of the first pattern that it fits."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    fitting = [route for route in routes if route.path_regex.match(request.url.path)]
    return sorted({m for route in fitting if route.path == fitting[0].path for m in route.methods or ()})


async def handle_bug(request: Request, error: Exception) -> Response:
    """The answer to a bug, in the envelope of its path. The error goes on to the edge, which logs it."""
    return write_internal(request.url.path)


def write_internal(path: str) -> Response:
    """The answer to a bug: that it happened, and nothing of what."""
    text = "The server failed at this request. Its log has the request id."
    return respond(MultiturnError(text, code="internal_error"), envelope=find_envelope(path))
