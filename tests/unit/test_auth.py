"""Which key and which token a request brings, by its headers."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from multiturn.api.auth import Credentials, find_credentials
from multiturn.errors import Unauthenticated

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"
BEARER = f"Bearer {TOKEN}"

FOUND: dict[str, tuple[dict[str, str], Credentials, Credentials]] = {
    "nothing": ({}, Credentials(None), Credentials(None)),
    "a bearer": ({"Authorization": "Bearer mt-a"}, Credentials("mt-a"), Credentials("mt-a")),
    "a bearer in any case": ({"authorization": "bearer  mt-a "}, Credentials("mt-a"), Credentials("mt-a")),
    "x-api-key": ({"x-api-key": "mt-a"}, Credentials("mt-a"), Credentials("mt-a")),
    "a token": ({"Authorization": BEARER}, Credentials(None, TOKEN), Credentials(TOKEN)),
    "x-api-key and another bearer": (
        {"x-api-key": "mt-a", "Authorization": "Bearer sk-b"},
        Credentials("mt-a"),
        Credentials("mt-a"),
    ),
    "x-api-key and a token": (
        {"x-api-key": "mt-a", "Authorization": BEARER},
        Credentials("mt-a", TOKEN),
        Credentials("mt-a"),
    ),
    "x-api-key and a password": (
        {"x-api-key": "mt-a", "Authorization": "Basic x"},
        Credentials("mt-a"),
        Credentials("mt-a"),
    ),
    "apikey and the same bearer": (
        {"apikey": "mt-a", "Authorization": "Bearer mt-a"},
        Credentials("mt-a"),
        Credentials("mt-a"),
    ),
    "apikey twice, in the shape of a token": (
        {"apikey": TOKEN, "Authorization": BEARER},
        Credentials(TOKEN),
        Credentials(TOKEN),
    ),
    "superAgentKey and a provider's token": (
        {"superAgentKey": "mt-a", "Authorization": BEARER, "apikey": "mt-b"},
        Credentials("mt-a"),
        Credentials("mt-a"),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_headers_name_a_key_and_a_token(name: str) -> None:
    headers, with_tokens, without = FOUND[name]
    assert find_credentials(Headers(headers), takes_tokens=True) == with_tokens
    assert find_credentials(Headers(headers), takes_tokens=False) == without


def test_apikey_and_a_token_are_two_where_tokens_are_taken() -> None:
    headers = Headers({"apikey": "mt-a", "Authorization": BEARER})
    assert find_credentials(headers, takes_tokens=True) == Credentials("mt-a", TOKEN)
    with pytest.raises(Unauthenticated, match="takes no JWTs") as caught:
        find_credentials(headers, takes_tokens=False)
    assert caught.value.code == "keys_differ"


@pytest.mark.parametrize("takes_tokens", [True, False])
def test_two_keys_are_refused(*, takes_tokens: bool) -> None:
    headers = Headers({"apikey": "mt-a", "Authorization": "Bearer mt-b"})
    with pytest.raises(Unauthenticated, match="Two different keys") as caught:
        find_credentials(headers, takes_tokens=takes_tokens)
    assert caught.value.code == "keys_differ"


@pytest.mark.parametrize("value", ["mt-a", "Basic mt-a", "Bearer", "Bearer  "])
def test_header_that_is_no_bearer_is_refused(value: str) -> None:
    with pytest.raises(Unauthenticated, match="Bearer <key>"):
        find_credentials(Headers({"Authorization": value}), takes_tokens=True)
