"""Bad input to chat completions: a clear error in OpenAI's envelope, and nothing stored by halves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.contract.dialects.conftest import OpenPlace, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
HELLO = {"role": "user", "content": "hi"}
ASKED = {"model": "m", "messages": [HELLO]}
LONG = "x" * 256


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def refuse(
    place: Place,
    body: Any,
    *,
    status: int = 400,
    code: str = "invalid_request",
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = CHAT,
    method: str = "POST",
) -> dict[str, Any]:
    """Send something that is refused, and check everything that a refusal has; its error."""
    named = CIMultiDict({"session-id": "s", "Content-Type": "application/json"})
    named.update(headers or {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with place.http.request(method, path, data=data, headers=named) as reply:
        told = await reply.json()
        assert (reply.status, reply.content_type) == (status, "application/json"), told
        assert set(told) == {"error"}
        error: dict[str, Any] = told["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["code"], error["param"]) == (code, param), error
        assert error["message"].endswith("."), error
        assert len(reply.headers["X-Request-Id"]) == 32
    assert place.seen == []
    return error


async def has_stored_nothing(place: Place) -> bool:
    return bool((await place.get("/v1/sessions"))["data"] == [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"text"',
        b"[]",
        b"messages=hi",
        b"\xef\xbb\xbf{}",
        b'{"messages": [], }',
        b'{"messages": NaN}',
        b'{"messages": [{"role": "user", "content": "line\nbreak"}]}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": "hi"}], "stop": "\\udc00\\ud800"}',
        b'{"messages": [{"role": "user", "content": "hi"}], "stop": "\xff"}',
        b'{"messages": [{"role": "user", "content": "hi"}], "\xc3\x28": 1}',
        b'{"messages": [{"role": "user", "content": "hi"}], "tools": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"messages": [{"role": "user", "content": "hi"}], "tools": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
        b"[" * 100_000,
        b'{"messages": ' * 50_000,
    ],
    ids=lambda body: f"{len(body)} bytes, {body[-40:]!r}",
)
async def test_body_that_is_no_object_is_refused(place: Place, body: bytes) -> None:
    await refuse(place, body, code="invalid_json")
    assert await has_stored_nothing(place)


async def test_nesting_at_the_limit_is_stored_and_shown(place: Place) -> None:
    deep: Any = {"text": "]" * 200 + '\\"['}
    for _ in range(96):
        deep = [deep]
    await place.ask("hi", invented=deep, messages=[{**HELLO, "invented": deep}])
    assert place.seen[0]["invented"] == deep
    assert (await place.list_runs())[0]["settings"]["invented"] == deep
    assert (await place.list_items())[0]["extra"]["invented"] == deep


WRONG_FIELDS: dict[str, list[Any]] = {
    "messages": [None, 5, "hi", {}, [], [5], ["hi"], [None], [[]]],
    "model": [5, [], {}, False, LONG, "a\x00b", "a\nb", " "],
    "stream": ["yes", 1, [], {}],
    "stream_options": [5, "include_usage", [], True, {"include_usage": 1}, {"include_usage": "yes"}],
    "session_id": [5, [], {}, True, LONG, "a\x00b", "a\nb", "\x7f", "\x85", " "],
    "sessionId": [5, [], {}, True, LONG, "a\x00b", " "],
    "saveToMemory": ["no", 0, []],
    "context_overflow": [5, "shrink", "", ["truncate"]],
    "memoryStrategy": [5, "shrink", "", ["truncate"]],
    "concurrency": [5, "wait", "", ["queue"]],
    "on_disconnect": [5, "stop", "", ["finish"]],
    "idle_expiry_s": ["60", 0, -1, 1.5, True, 10**12, 10**30, []],
    "max_tokens": ["5", 0, -1, 1.5, True, []],
    "max_completion_tokens": ["5", 0, -1, 1.5, True, []],
}


@pytest.mark.parametrize("field", WRONG_FIELDS)
async def test_wrong_field_is_named(place: Place, field: str) -> None:
    headers = {"session-id": ""} if field in ("session_id", "sessionId") else None
    for value in WRONG_FIELDS[field]:
        await refuse(place, {**ASKED, field: value}, param=field, headers=headers)
    assert await has_stored_nothing(place)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000], ids=["large", "small", "long"])
async def test_number_that_nobody_can_hold_is_refused(place: Place, number: str) -> None:
    field = "invented"
    await refuse(
        place,
        b'{"model": "m", "messages": [{"role": "user"}], "%s": %s}' % (field.encode(), number.encode()),
        param=field,
    )
    await refuse(place, b'{"messages": [{"role": "user", "x": %s}]}' % number.encode(), param="messages")
    assert await has_stored_nothing(place)


async def test_missing_messages_are_named(place: Place) -> None:
    await refuse(place, {"model": "m"}, param="messages")
    await refuse(place, {"model": "m", "messages": [{"role": "system", "content": "be brief"}]}, param="messages")
    assert await has_stored_nothing(place)


async def test_what_cannot_be_done_is_refused(place: Place) -> None:
    for field in ("useRAG", "ragQuery", "useUserMemory", "autoMemory", "summaryThreshold"):
        await refuse(place, {**ASKED, field: 60}, code="not_implemented", param=field)
    assert await has_stored_nothing(place)


CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


NO_ROLES: list[Any] = [None, 5, ["user"], "User", "function", ""]
NO_CONTENTS: list[Any] = [5, True, {"type": "text"}, ["hi"], [HELLO, None]]
NO_LISTS: list[Any] = [5, "look", {"id": "call_1"}, {}, 0, False, ""]
NO_NAMES: list[Any] = ["", 5, None, []]
WRONG_MESSAGES: dict[str, list[dict[str, Any]]] = {
    "role": [{}, *({"role": role} for role in NO_ROLES)],
    "content": [
        {"role": role, "tool_call_id": "call_1", "content": said}
        for role in ("system", "developer", "user", "assistant", "tool")
        for said in NO_CONTENTS
    ],
    "tool_call_id": [{"role": "tool"}, *({"role": "tool", "tool_call_id": name} for name in NO_NAMES)],
    "tool_calls": [{"role": "assistant", "tool_calls": calls} for calls in NO_LISTS],
    "tool_calls[1]": [
        {"role": "assistant", "tool_calls": [CALL, call]}
        for call in (
            5,
            None,
            {},
            {**CALL, "id": None},
            {**CALL, "id": ""},
            {**CALL, "type": 5},
            {**CALL, "type": "id"},
            {**CALL, "type": "custom"},
            {**CALL, "function": None},
            {**CALL, "function": "look"},
            {**CALL, "function": {"arguments": "{}"}},
            {**CALL, "function": {"name": "look", "arguments": {}}},
        )
    ],
}


@pytest.mark.parametrize("param", WRONG_MESSAGES)
async def test_wrong_message_is_named(place: Place, param: str) -> None:
    for message in WRONG_MESSAGES[param]:
        await refuse(place, {**ASKED, "messages": [HELLO, message]}, param=f"messages[1].{param}")
    assert await has_stored_nothing(place)


async def test_result_without_its_call_is_refused(place: Place) -> None:
    result = {"role": "tool", "tool_call_id": "call_9", "content": "rain"}
    await refuse(place, {**ASKED, "messages": [result]}, code="unknown_tool_call", param="messages.tool_call_id")
    assert await place.list_items() == []
    (run,) = await place.list_runs()
    assert (run["status"], run["error"]["code"]) == ("failed", "unknown_tool_call")


async def test_refusal_is_the_same_when_asked_again(place: Place) -> None:
    """An idempotency key is free again when its run failed: the same request fails again, in a run of its own."""
    result = {"role": "tool", "tool_call_id": "call_9", "content": "rain"}
    told = []
    for _ in range(2):
        async with place.http.post(
            CHAT, json={**ASKED, "session_id": "s", "messages": [result]}, headers={"Idempotency-Key": "k"}
        ) as reply:
            error = (await reply.json())["error"]
            told.append((reply.status, error["type"], error["code"], error["message"]))
    assert told[0] == told[1]
    assert told[0][0] == 400


@pytest.mark.parametrize("header", ["session-id", "sessionId", "x-session-id", "session_id"])
async def test_bad_name_of_a_session_is_refused(place: Place, header: str) -> None:
    for name in (LONG, "a\tb", "a\x85b", "ø" * 256):
        headers = {"session-id": "", header: name}
        await refuse(place, ASKED, headers=headers, param=header.lower())
    assert await has_stored_nothing(place)


@pytest.mark.parametrize(
    ("headers", "fields", "param"),
    [
        ({"session-id": "a", "x-session-id": "b"}, {}, "x-session-id"),
        ({"sessionId": "a", "session_id": "A"}, {}, "session_id"),
        ({"session-id": "a"}, {"session_id": "b"}, "session_id"),
        ({"session-id": "a"}, {"session_id": "a", "sessionId": "b"}, "sessionId"),
        ({}, {"session_id": "a", "sessionId": "b"}, "sessionId"),
    ],
)
async def test_two_different_sessions_are_refused(
    place: Place, headers: dict[str, str], fields: dict[str, str], param: str
) -> None:
    await refuse(place, {**ASKED, **fields}, headers={"session-id": "", **headers}, param=param)
    assert await has_stored_nothing(place)


async def test_one_header_with_two_values_is_refused(place: Place) -> None:
    headers = [("session-id", "a"), ("session-id", "b")]
    async with place.http.post(CHAT, json=ASKED, headers=headers) as reply:
        assert (reply.status, (await reply.json())["error"]["param"]) == (400, "session-id")
    assert await has_stored_nothing(place)


async def test_one_session_named_twice_is_one(place: Place) -> None:
    await place.ask("hi", headers={"sessionId": "s", "x-session-id": "s"})
    assert await place.list_texts() == ["hi", "ok"]


async def test_empty_name_is_no_session(place: Place) -> None:
    await place.ask("hi", session_id="", headers={"session-id": ""})
    assert await has_stored_nothing(place)


@pytest.mark.parametrize("name", ["ø b", "a/b", "日本", "👩‍👩‍👧", "%2F", "a?b#c", "x" * 255, "sess_1", "\u00a0x"])
async def test_any_other_name_is_a_session(place: Place, name: str) -> None:
    await place.ask("hi", session_id=name)
    (session,) = (await place.get("/v1/sessions"))["data"]
    assert session["external_id"] == name
    assert await place.list_texts(session["id"]) == ["hi", "ok"]


async def test_bad_idempotency_key_is_refused(place: Place) -> None:
    for key in (LONG, "a\tb", " \x85"):
        await refuse(place, ASKED, headers={"Idempotency-Key": key}, param="Idempotency-Key")
    assert await has_stored_nothing(place)


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer ", "Basic dTpw"])
async def test_missing_key_is_said(place: Place, key: str) -> None:
    code = "invalid_api_key" if key else "missing_api_key"
    error = await refuse(place, ASKED, status=401, code=code, headers={"Authorization": key})
    assert error["type"] == "authentication_error"


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "apikey", "superAgentKey"])
async def test_wrong_key_is_refused(place: Place, header: str) -> None:
    for secret in ("mt-wrong", "ø", "x" * 4000):
        value = f"Bearer {secret}" if header == "Authorization" else secret
        await refuse(place, ASKED, status=401, code="invalid_api_key", headers={header: value})
    async with place.http.get("/v1/sessions", headers={header: "Bearer mt-wrong"}) as reply:
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_revoked_key_opens_nothing(place: Place) -> None:
    secret = await place.make_key()
    bearer = {"Authorization": f"Bearer {secret}"}
    await place.get("/v1/models", headers=bearer)
    keys = await place.keys.list_keys(place.tenant)
    await place.keys.revoke(place.tenant, keys[-1].id)
    error = await refuse(place, ASKED, status=401, code="invalid_api_key", headers=bearer)
    assert "revoked" in error["message"]
    assert await has_stored_nothing(place)


async def test_key_without_the_scope_acts_for_nobody(place: Place) -> None:
    await refuse(place, ASKED, status=403, code="forbidden", param="X-User-Id", headers={"X-User-Id": "user-1"})
    bearer = {"Authorization": f"Bearer {await place.make_key(scopes=('users',))}"}
    for user in (LONG, "a\tb", ""):
        await refuse(place, ASKED, param="x-user-id", headers={**bearer, "X-User-Id": user})
    assert await has_stored_nothing(place)


async def test_what_is_anothers_does_not_exist(place: Place) -> None:
    """The same bytes as for what never was; and it is untouched afterwards."""
    await place.ask("mine")
    (session,), (run,) = (await place.get("/v1/sessions"))["data"], await place.list_runs()
    other = {"Authorization": f"Bearer {await place.make_key(tenant=place.tenant + '-b')}"}
    nobody = "01a1fc90-fa6f-7167-9e60-a760fad8ae92"
    paths = ["sessions/{0}", "sessions/{0}/items", "sessions/{0}/runs"], ["runs/{0}", "runs/{0}/events"]
    asked = [(path, mine, "GET") for few, mine in zip(paths, (session["id"], run["id"]), strict=True) for path in few]
    asked += [
        ("sessions/{0}", session["id"], "DELETE"),
        ("sessions/{0}", "s", "DELETE"),
        ("runs/{0}/cancel", run["id"], "POST"),
    ]
    for path, mine, method in asked:
        told = []
        for one in (mine, nobody):
            async with place.http.request(method, "/v1/" + path.format(one), headers=other) as reply:
                told.append((reply.status, await reply.read()))
        assert told[0] == told[1]
        assert told[0][0] == 404
    assert await place.list_texts() == ["mine", "ok"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CHAT, "POST"),
        ("DELETE", CHAT, "POST"),
        ("PUT", "/v1/sessions/s", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/v1/models", "GET, HEAD"),
    ],
)
async def test_other_method_is_refused(place: Place, method: str, path: str, allow: str) -> None:
    await refuse(place, b"", status=405, code="method_not_allowed", path=path, method=method)
    async with place.http.request(method, path) as reply:
        assert reply.headers["Allow"] == allow


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/chat", "/v1/nothing", "/v2/chat/completions", "/v1/sessions/a/b", "/%00"]
)
async def test_unknown_path_is_refused(place: Place, path: str) -> None:
    await refuse(place, b"", status=404, code="not_found", path=path, method="GET")


WRONG_PARAMETERS: list[tuple[str, str]] = [
    *((f"/v1/sessions?limit={limit}", "limit") for limit in ("", "0", "-1", "101", "x", "1.5", "²", "9" * 5000)),
    *((f"/v1/sessions?before={before}", "before") for before in ("", "x", "%00", "9" * 36, "01a1fc90")),
    *((f"/v1/sessions/s/items?cursor={cursor}", "cursor") for cursor in ("", "-1", "x", "1.5", "9" * 17, "9" * 5000)),
    *((f"/v1/sessions/s/runs?cursor={cursor}", "cursor") for cursor in ("", "-1", "x", "9" * 17)),
    ("/v1/sessions/s/items?order=up", "order"),
    ("/v1/sessions/s/items?branch=none", "branch"),
    ("/v1/sessions/s/items?limit=0", "limit"),
    ("/v1/sessions/s/runs?limit=0", "limit"),
    (f"/v1/sessions/{LONG}", "session_id"),
    ("/v1/sessions/%0A", "session_id"),
    ("/v1/sessions/a%00b/items", "session_id"),
    ("/v1/sessions/%20/runs", "session_id"),
]


async def test_wrong_parameter_is_named(place: Place) -> None:
    await place.ask("hi")
    place.seen.clear()
    for path, param in WRONG_PARAMETERS:
        await refuse(place, b"", path=path, param=param, method="GET")


async def test_wrong_place_in_a_run_is_named(place: Place) -> None:
    await place.ask("hi")
    place.seen.clear()
    (run,) = await place.list_runs()
    events = f"/v1/runs/{run['id']}/events"
    for number in ("", "-1", "x", "²", "9" * 17, "9" * 5000):
        await refuse(place, b"", path=f"{events}?starting_after={number}", param="starting_after", method="GET")
        headers = {"Last-Event-ID": number, "Accept": "text/event-stream"}
        await refuse(place, b"", path=events, param="Last-Event-ID", method="GET", headers=headers)


async def test_unknown_run_is_not_found(place: Place) -> None:
    missing: dict[str, Any] = {"status": 404, "code": "run_not_found", "param": "run_id"}
    for run in ("x", "%00", "01a1fc90", "9" * 36, "run_" + "0" * 32, LONG):
        await refuse(place, b"", path=f"/v1/runs/{run}", method="GET", **missing)
        await refuse(place, b"", path=f"/v1/runs/{run}/cancel", **missing)


async def test_body_over_the_limit_is_refused(opening: OpenPlace) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 2000}]}).encode()

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    async with opening(body_bytes_max=1000) as place:
        await refuse(place, body, status=413, code="request_too_large")
        async with place.http.post(CHAT, data=in_pieces(), headers={"session-id": "s"}) as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (413, "request_too_large")
        assert await has_stored_nothing(place)
        await place.ask("small enough")


async def test_bad_order_for_a_key_is_refused(place: Place) -> None:
    bearer = {"Authorization": f"Bearer {await place.make_key(scopes=('admin',))}"}
    for broken in (b"{", b"\xff", b'{"label": "\\ud800"}'):
        await refuse(place, broken, code="invalid_json", path="/v1/keys", headers=bearer)
    wrong: list[tuple[Any, str | None]] = [
        (b"[]", None),
        (b"[" * 100_000, None),
        ({"tenant": 5}, "tenant"),
        ({"tenants": "a"}, "tenants"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"scopes": "admin"}, "scopes"),
        ({"tenant": ""}, "tenant"),
        ({"user": LONG}, "user"),
        ({"label": LONG}, "label"),
    ]
    for order, param in wrong:
        await refuse(place, order, path="/v1/keys", headers=bearer, param=param)


async def test_name_with_control_characters_makes_no_key(place: Place) -> None:
    bearer = {"Authorization": f"Bearer {await place.make_key(scopes=('admin',))}"}
    for field in ("tenant", "user", "label"):
        for text in ("a\x00b", "a\nb", " "):
            await refuse(place, {field: text}, path="/v1/keys", headers=bearer, param=field)
    for tenant in ("%00", "%0A", "", LONG):
        await refuse(place, b"", path=f"/v1/keys?tenant={tenant}", headers=bearer, param="tenant", method="GET")
