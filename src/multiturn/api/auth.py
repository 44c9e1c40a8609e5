"""Who makes a request: the key in its headers, and the user that it acts for."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from multiturn.api.services import Services
from multiturn.errors import InvalidRequest, Unauthenticated
from multiturn.model.tenant import Caller

# A key may come in any of these; `superAgentKey` beside a bearer token is that of contracts/session-header 3.2.
KEY_HEADERS = ("superagentkey", "x-api-key", "apikey")
USER_HEADER = "x-user-id"
ID_CHARS_MAX = 255
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# What `check_id` lets through, as a regular expression of JSON Schema (ECMA-262); the length is said beside it.
NAME_PATTERN = r"[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*"


async def authenticate(services: Services, headers: Headers) -> Caller:
    """Tell who makes a request.

    Raises Unauthenticated for a missing, wrong or revoked key, Forbidden for a user that the key may not act for.
    """
    if services.open_caller:
        return services.open_caller
    user = headers.get(USER_HEADER)
    if user is not None:
        user = check_id(as_written(user), USER_HEADER)
    return await services.keys.authenticate(find_secret(headers), user=user)


def find_secret(headers: Headers) -> str | None:
    """The key of a request. Raises Unauthenticated for an Authorization header that is not a bearer token."""
    for name in KEY_HEADERS:
        if secret := headers.get(name):
            return secret
    authorization = headers.get("authorization")
    if not authorization:
        return None
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthenticated("The Authorization header must be 'Bearer <key>'.")
    return secret.strip()


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
