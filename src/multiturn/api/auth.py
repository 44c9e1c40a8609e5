"""Who makes a request: the key and the token in its headers, and the user that it acts for."""

from __future__ import annotations

import re
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from multiturn.api.services import Services
from multiturn.errors import Forbidden, InvalidRequest, Unauthenticated
from multiturn.model.tenant import Caller

# A key may come in any of these; `superAgentKey` beside a bearer token is that of contracts/session-header 3.2.
FIRST_HEADER = "superagentkey"
KEY_HEADERS = ("x-api-key", "apikey")
USER_HEADER = "x-user-id"
# Chat completions, whose clients may have the provider's key as their bearer.
RELAYING_PATHS = ("/v1/chat/", "/api/publicLLM", "/api/v1/")
READING_METHODS = ("GET", "HEAD", "OPTIONS")
ID_CHARS_MAX = 255
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# What `check_id` lets through, as a regular expression of JSON Schema (ECMA-262); the length is said beside it.
NAME_PATTERN = r"[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*"
# A JSON Web Token: the header of its three parts is base64url of what begins with `{"`.
JWT = re.compile(r"ey[\w-]+\.[\w-]*\.[\w-]*", re.ASCII)


class Credentials(NamedTuple):
    """What a request says of who makes it: a key of ours, and the token of a user."""

    key: str | None
    token: str | None = None


async def authenticate(services: Services, request: HTTPConnection, *, reads: bool = False) -> Caller:
    """Tell who makes a request.

    ``reads`` says of a POST that it changes nothing. Raises Unauthenticated for a missing, wrong, expired or revoked
    key or token, Forbidden for a user that the key may not act for, or a change with a key that may only read.
    """
    user = request.headers.get(USER_HEADER)
    if user is not None:
        user = check_id(as_written(user), USER_HEADER)
    if services.open_caller:
        return await services.keys.act_for(services.open_caller, user) if user else services.open_caller
    relays = request.scope["path"].startswith(RELAYING_PATHS)
    found = find_credentials(request.headers, takes_tokens=services.tokens is not None, relays=relays)
    if services.tokens and found.token:
        caller = await services.tokens.authenticate(found.token, key=found.key, user=user)
    else:
        caller = await services.keys.authenticate(found.key, user=user)
    if not reads and request.scope.get("method") not in READING_METHODS:
        require_write(caller)
    return caller


def require_write(caller: Caller) -> None:
    """Raise Forbidden for a key that may only read."""
    if not caller.can_write:
        raise Forbidden("This key may only read: it has the scope 'read'.")


def find_credentials(headers: Headers, *, takes_tokens: bool, relays: bool = False) -> Credentials:
    """The key of a request, and the token beside it where the server takes tokens.

    Raises Unauthenticated for an Authorization header alone that is no bearer, and for two keys that differ: beside
    ``apikey`` clients send the bearer too, which is the same or a user's (contracts/powabase 2.1). Where a request
    ``relays`` to a model, the bearer may be the key of the model's provider.
    """
    if secret := headers.get(FIRST_HEADER):
        return Credentials(secret)
    name, key = next(((name, key) for name in KEY_HEADERS if (key := headers.get(name))), ("", None))
    authorization = headers.get("authorization")
    if not authorization:
        return Credentials(key)
    scheme, _, bearer = authorization.partition(" ")
    bearer = bearer.strip() if scheme.lower() == "bearer" else ""
    is_token = JWT.fullmatch(bearer) is not None
    if key is None:
        if not bearer:
            raise Unauthenticated("The Authorization header must be 'Bearer <key>'.")
        return Credentials(None, bearer) if takes_tokens and is_token else Credentials(bearer)
    if takes_tokens and is_token and bearer != key:
        return Credentials(key, bearer)
    if name == "apikey" and not relays and bearer not in ("", key):
        raise Unauthenticated(tell_two(is_token=is_token), code="keys_differ")
    return Credentials(key)


def tell_two(*, is_token: bool) -> str:
    """What is wrong with another bearer beside ``apikey``."""
    if is_token:
        return "This server takes no JWTs: its operator has not set MULTITURN_JWT_JWKS_URL."
    return "Two different keys were sent, as 'apikey' and as the bearer: send the same in both, or one of them."


def as_written(value: str) -> str:
    """A header's value as its sender wrote it: what travels is bytes, and clients make them by UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def check_id(value: str, name: str) -> str:
    """A name that a client chose: 1 to 255 characters, not all blank, none of them a control character.

    Raises InvalidRequest.
    """
    if not value.strip() or len(value) > ID_CHARS_MAX:
        raise InvalidRequest(f"'{name}' must have 1 to {ID_CHARS_MAX} characters; it has {len(value)}.", param=name)
    if CONTROL.search(value):
        raise InvalidRequest(f"'{name}' must not hold control characters.", param=name)
    return value
