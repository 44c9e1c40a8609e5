"""Errors of the server as exceptions, and the tree that they hang on."""

from __future__ import annotations

import re

import httpx
import pytest

from multiturn_client import ApiError, MultiturnError, SessionNotFoundError, errors, exceptions
from multiturn_client.errors import read_stream_error
from tests.sdk.answering import Client, fail

CODES = [
    (404, "session_not_found", "SessionNotFoundError"),
    (404, "agent_not_found", "AgentNotFoundError"),
    (404, "user_not_found", "UserNotFoundError"),
    (404, "document_not_found", "DocumentNotFoundError"),
    (404, "run_not_found", "RunNotFoundError"),
    (404, "not_found", "NotFoundError"),
    (400, "invalid_request", "InvalidRequestError"),
    (413, "request_too_large", "InvalidRequestError"),
    (400, "context_length_exceeded", "ContextOverflowError"),
    (401, "invalid_api_key", "AuthenticationError"),
    (403, "forbidden", "PermissionDeniedError"),
    (409, "session_exists", "ConflictError"),
    (409, "session_busy", "SessionBusyError"),
    (429, "queue_full", "RateLimitError"),
    (502, "upstream_error", "UpstreamError"),
    (504, "upstream_timeout", "UpstreamError"),
    (500, "internal_error", "ServerError"),
    (503, "storage_failed", "ServerError"),
]


@pytest.mark.parametrize(("status", "code", "name"), CODES)
def test_error_is_raised_as_its_class(status: int, code: str, name: str) -> None:
    with pytest.raises(ApiError) as raised:
        Client(fail(status, code, param="p", x_request_id="id"), max_retries=0).sessions.get("s")
    error = raised.value
    assert type(error).__name__ == name
    assert (error.status, error.code, error.param, error.request_id) == (status, code, "p", "id")
    assert (error.message, str(error)) == ("It failed.", "It failed.")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {"code": 7, "param": []}}'])
def test_error_without_a_reason_is_still_one(body: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        Client(httpx.Response(418, content=body)).sessions.get("s")
    assert (raised.value.status, raised.value.code) == (418, None)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"type": "upstream_error", "code": "odd"}, "UpstreamError"),
        ({"code": "upstream_cut_off"}, "UpstreamError"),
        ({"type": "server_error", "code": "interrupted"}, "ServerError"),
        ({"type": "conflict_error", "code": "run_cancelled"}, "ConflictError"),
        ({}, "ServerError"),
    ],
)
def test_error_in_a_stream_has_the_class_it_would_have_had(told: dict[str, str], name: str) -> None:
    assert type(read_stream_error({"error": told})).__name__ == name


def test_tree_is_drawn_as_it_is() -> None:
    tree = errors.__doc__ or ""
    drawn = {found[1]: found.start(1) for line in tree.splitlines() if (found := re.search(r"[├└]── (\w+)", line))}
    classes = (one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception))
    named = {one.__name__ for one in classes}
    assert {*drawn, "MultiturnError"} == named
    for name, column in drawn.items():
        assert len(getattr(errors, name).__mro__) == column // 4 + 3, name


def test_names_of_the_other_client_are_there() -> None:
    assert exceptions.JulepError is MultiturnError
    assert exceptions.SessionNotFoundError is SessionNotFoundError
    public = {name for name in errors.__dict__ if name.endswith(("Error", "Failed", "Timeout"))}
    assert set(exceptions.__all__) == public
