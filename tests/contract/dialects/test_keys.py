"""Keys and tokens over HTTP: who makes them, what they open, and what they do not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Place, open_place
from tests.issuing import AUDIENCE, ISSUER, make_token, write_jwks

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    settings: Any = {"jwt_jwks_url": write_jwks("a"), "jwt_issuer": ISSUER, "jwt_audience": (AUDIENCE,)}
    async with open_place(tmp_path_factory.mktemp("server"), None, **settings) as place:
        yield place


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def ask(place: Place, method: str, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
    """Ask for something; status and body."""
    async with place.http.request(method, path, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def chat(place: Place, headers: dict[str, str]) -> tuple[int, Any]:
    """Take a turn in the session ``s`` of whoever this is."""
    body = {"model": "m", "session_id": "s", "messages": [{"role": "user", "content": "hi"}]}
    return await ask(place, "POST", "/v1/chat/completions", headers, body)


async def test_key_is_made_read_listed_and_revoked(place: Place) -> None:
    admin = bearer(await place.make_key(tenant="operators", scopes=("admin",)))
    ends = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    wanted = {"tenant": place.tenant, "user": "ann", "label": "phone", "scopes": ["read"]}
    status, made = await ask(place, "POST", "/v1/keys", admin, {**wanted, "expires_at": ends.isoformat()})
    assert status == 201
    assert (made["user"], made["scopes"], made["used_at"]) == ("ann", ["read"], None)
    assert datetime.fromisoformat(made["expires_at"]) == ends
    one = f"/v1/keys/{made['id']}?tenant={place.tenant}"
    status, read = await ask(place, "GET", one, admin)
    assert (status, read) == (200, {**made, "secret": None})
    _, listed = await ask(place, "GET", f"/v1/keys?tenant={place.tenant}", admin)
    assert read in listed["data"]
    key = bearer(made["secret"])
    assert (await ask(place, "GET", "/v1/sessions", key))[0] == 200
    assert (await chat(place, key))[1]["error"]["code"] == "forbidden"
    assert (await ask(place, "DELETE", one, admin))[0] == 200
    assert (await ask(place, "GET", "/v1/sessions", key))[0] == 401
    assert (await ask(place, "GET", one, admin))[1]["revoked_at"]
    for path in (f"/v1/keys/{made['id']}?tenant=operators", f"/v1/keys/nothing?tenant={place.tenant}"):
        assert (await ask(place, "GET", path, admin))[1]["error"]["code"] == "key_not_found"


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"scopes": ["jwt", "users"]}, "scopes"),
        ({"scopes": ["jwt"], "user": "ann"}, "scopes"),
    ],
)
async def test_wrong_key_names_what_is_wrong(place: Place, wanted: dict[str, Any], param: str) -> None:
    admin = bearer(await place.make_key(tenant="operators", scopes=("admin",)))
    status, said = await ask(place, "POST", "/v1/keys", admin, {"tenant": place.tenant, **wanted})
    assert (status, said["error"]["param"]) == (400, param)


async def test_token_is_its_user_like_a_key_of_it(place: Place) -> None:
    tenant_key = await place.make_key(scopes=("jwt",))
    ann = {**bearer(make_token(sub="ann")), "apikey": tenant_key}
    assert (await chat(place, ann))[0] == 200
    own = bearer(await place.make_key(user="ann"))
    _, sessions = await ask(place, "GET", "/v1/sessions", own)
    assert len(sessions["data"]) == 1
    bob = {**bearer(make_token(sub="bob")), "apikey": tenant_key}
    path = f"/v1/sessions/{sessions['data'][0]['id']}"
    assert (await ask(place, "GET", path, bob))[1]["error"]["code"] == "session_not_found"
    acting = {**bearer(await place.make_key(scopes=("admin",))), "X-User-Id": "ann"}
    assert (await ask(place, "GET", path, acting))[0] == 200


async def test_token_alone_is_of_the_tenant_of_the_settings(place: Place) -> None:
    assert (await chat(place, bearer(make_token(sub="zoe"))))[0] == 200
    here = {**bearer(make_token(sub="zoe")), "apikey": place.key}
    assert (await ask(place, "GET", "/v1/sessions", here))[1]["data"] == []
    assert len((await ask(place, "GET", "/v1/sessions", bearer(make_token(sub="zoe"))))[1]["data"]) == 1


async def test_token_names_its_user_alone(place: Place) -> None:
    ann = {**bearer(make_token(sub="ann")), "apikey": place.key}
    assert (await ask(place, "GET", "/v1/sessions", {**ann, "X-User-Id": "ann"}))[0] == 200
    status, said = await ask(place, "GET", "/v1/sessions", {**ann, "X-User-Id": "bob"})
    assert (status, said["error"]["param"]) == (403, "X-User-Id")


BAD = {
    "expired": lambda: make_token(exp=int(time.time()) - 600),
    "another issuer": lambda: make_token(iss="https://other.example"),
    "unsigned": lambda: f"eyJhbGciOiJub25lIn0.{make_token().split('.')[1]}.",
    "without its signature": lambda: make_token().rpartition(".")[0] + ".",
    "a hundred thousand characters": lambda: make_token(much="x" * 7000) + "x" * 20_000,
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_is_refused_in_each_envelope(place: Place, name: str) -> None:
    headers = {**bearer(BAD[name]()), "apikey": place.key}
    status, said = await ask(place, "GET", "/v1/sessions", headers)
    assert (status, said["error"]["type"], said["error"]["code"]) == (401, "authentication_error", "invalid_token")
    status, said = await ask(place, "GET", "/julep/api/sessions", headers)
    assert (status, said["error"]["reason"]) == (403, "invalid_token")
    status, said = await ask(place, "GET", "/v1.3/sessions", headers)
    assert (status, said["code"], said["reason"]) == (401, "api_key_invalid", "invalid_token")
    status, said = await ask(place, "GET", "/api/agents", headers)
    assert (status, said["code"]) == (401, "invalid_token")


async def test_two_keys_are_refused(place: Place) -> None:
    other = await place.make_key(user="ann")
    status, said = await ask(place, "GET", "/api/agents", {**bearer(other), "apikey": place.key})
    assert (status, said["code"]) == (401, "keys_differ")
