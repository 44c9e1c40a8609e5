"""Agents, users and the tenant in the native API: made, read, changed, listed, erased; and who may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.dialects.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = {
    "context_overflow": "compaction",
    "token_budget": 4000,
    "recall": False,
    "recall_tokens": 100,
    "recall_options": {"mode": "text", "limit": 5, "lang": "en-US", "metadata_filter": {"a": 1}},
}


async def send(place: Place, method: str, path: str, body: Any = None, *, key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    async with place.http.request(method, path, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def make(place: Place, kind: str, **body: Any) -> Any:
    status, made = await send(place, "POST", f"/v1/{kind}", body)
    assert status == 201, made
    return made


async def refuse(place: Place, method: str, path: str, body: Any = None, **expected: Any) -> None:
    """Ask for what is refused; what is expected of the error, and ``status``."""
    key = expected.pop("key", "")
    wanted = expected.pop("status", 400)
    status, said = await send(place, method, path, body, key=key)
    assert status == wanted, said
    assert {name: said["error"][name] for name in expected} == expected


async def test_agent_is_shown_as_it_was_made(place: Place) -> None:
    body = {
        "name": "Guide",
        "canonical_name": "guide",
        "about": "Plans.",
        "model": "m",
        "instructions": ["one", "two"],
        "default_settings": {"temperature": 0.5},
        "system_template": "You are {{ agent.name }}.",
        "project": "p",
        "metadata": {"a": {"b": [1]}},
        **POLICY,
    }
    agent = await make(place, "agents", **body)
    options = {**agent["recall_options"]}
    assert {name: agent[name] for name in body} == {
        **body,
        "context_overflow": "summarize",
        "recall_options": options,
    }
    assert (agent["object"], agent["version"]) == ("agent", 1)
    assert {name: options[name] for name in ("mode", "limit", "lang", "num_search_messages")} == {
        "mode": "text",
        "limit": 5,
        "lang": "en-US",
        "num_search_messages": 4,
    }
    for name in (agent["id"], agent["id"].replace("-", ""), "guide"):
        assert await place.get(f"/v1/agents/{name}") == agent


async def test_patch_merges_and_put_overwrites(place: Place) -> None:
    agent = await make(place, "agents", name="Guide", about="Plans.", metadata={"a": 1, "b": 2}, token_budget=99)
    path = f"/v1/agents/{agent['id']}"
    change = {"name": "Other", "about": None, "metadata": {"a": None, "c": 3}, "context_overflow": "error"}
    _, changed = await send(place, "PATCH", path, change)
    assert (changed["name"], changed["about"], changed["metadata"]) == ("Other", "", {"b": 2, "c": 3})
    assert (changed["token_budget"], changed["context_overflow"], changed["version"]) == (99, "error", 2)
    _, replaced = await send(place, "PUT", path, {"name": "Third"})
    assert (replaced["name"], replaced["metadata"], replaced["token_budget"], replaced["version"]) == (
        "Third",
        {},
        None,
        3,
    )
    _, same = await send(place, "PATCH", path, {"name": "Third"})
    assert same == replaced


async def test_versions_can_be_read(place: Place) -> None:
    agent = await make(place, "agents", name="1", canonical_name="guide")
    for name in "23":
        await send(place, "PATCH", "/v1/agents/guide", {"name": name})
    page = await place.get("/v1/agents/guide/versions?limit=2")
    rest = await place.get(f"/v1/agents/guide/versions?cursor={page['next']}")
    assert [one["name"] for one in (*page["data"], *rest["data"])] == ["3", "2", "1"]
    assert await place.get("/v1/agents/guide/versions/1") == agent
    for version in ("9", "x", "0"):
        await refuse(place, "GET", f"/v1/agents/guide/versions/{version}", status=404, code="agent_not_found")


async def test_listing_filters_sorts_and_goes_on(place: Place) -> None:
    for name in "abcde":
        await make(place, "agents", name=name, metadata={"place": {"even": name in "bd"}})
    found, cursor = [], ""
    while True:
        page = await place.get(f"/v1/agents?limit=2{cursor}")
        found += [agent["name"] for agent in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next']}"
    assert found == list("edcba")
    for query, expected in (
        ("metadata.place.even=true", "db"),
        ("order=asc&limit=2&offset=1", "bc"),
        ("offset=9", ""),
        ("sort_by=updated_at&order=asc", "abcde"),
    ):
        listed = (await place.get(f"/v1/agents?{query}"))["data"]
        assert "".join(agent["name"] for agent in listed) == expected, query


async def test_deleted_agent_is_gone_and_its_session_goes_on(place: Place) -> None:
    agent = await make(place, "agents", name="Ada", canonical_name="ada")
    await send(place, "POST", "/v1/sessions", {"external_id": "s", "agent_id": "ada"})
    assert await place.ask("hello") == "ok"
    assert str(place.seen_texts[-1][0]).startswith("You are Ada.")
    status, said = await send(place, "DELETE", "/v1/agents/ada")
    assert (status, said) == (200, {"id": agent["id"], "object": "agent.deleted", "deleted": True})
    for name in ("ada", agent["id"]):
        await refuse(place, "GET", f"/v1/agents/{name}", status=404, code="agent_not_found")
    assert await place.ask("again") == "ok"
    assert not any("Ada" in str(text) for text in place.seen_texts[-1])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a", "color": "red"}, "color"),
        ({"name": "a", "canonical_name": "1 b"}, "canonical_name"),
        ({"name": "a", "context_overflow": "shrink"}, "context_overflow"),
        ({"name": "a", "token_budget": -1}, "token_budget"),
        ({"name": "a", "recall": "yes"}, "recall"),
        ({"name": "a", "recall_tokens": -1}, "recall_tokens"),
        ({"name": "a", "recall_options": {"alpha": 2}}, "recall_options.alpha"),
        ({"name": "a", "recall_options": {"mode": "guess"}}, "recall_options.mode"),
        ({"name": "a", "recall_options": {"depth": 1}}, "recall_options.depth"),
        ({"name": "a", "instructions": [1]}, "instructions[0]"),
        ({"name": "a", "instructions": "x" * 200_001}, "instructions"),
        ({"name": "a", "default_settings": {"messages": []}}, "default_settings"),
        ({"name": "a", "metadata": {"a": "x" * 20_000}}, "metadata"),
        ({"name": "a", "metadata": {"a": "\0"}}, "metadata"),
    ],
)
async def test_wrong_field_of_an_agent_is_named(place: Place, body: dict[str, Any], param: str) -> None:
    await refuse(place, "POST", "/v1/agents", body, param=param)


async def test_wrong_template_names_its_line(place: Place) -> None:
    body = {"name": "a", "system_template": "\n\n{% include 'x' %}"}
    await refuse(place, "POST", "/v1/agents", body, code="template_error", param="system_template")
    _, said = await send(place, "POST", "/v1/agents", body)
    assert "line 3" in said["error"]["message"]
    assert (await place.get("/v1/agents"))["data"] == []


async def test_canonical_name_is_taken_once(place: Place) -> None:
    await make(place, "agents", name="a", canonical_name="guide")
    other = await make(place, "agents", name="b")
    await refuse(place, "POST", "/v1/agents", {"name": "c", "canonical_name": "guide"}, status=409, code="agent_exists")
    path = f"/v1/agents/{other['id']}"
    await refuse(place, "PATCH", path, {"canonical_name": "guide"}, status=409, code="agent_exists")


async def test_agents_of_others_are_not_there(place: Place) -> None:
    agent = await make(place, "agents", name="a", canonical_name="guide")
    stranger = await place.make_key(tenant="strangers")
    nobodys = await send(place, "GET", "/v1/agents/none", key=stranger)
    for method in ("GET", "DELETE"):
        for name in ("guide", agent["id"]):
            assert await send(place, method, f"/v1/agents/{name}", key=stranger) == nobodys
    assert (await send(place, "GET", "/v1/agents", key=stranger))[1]["data"] == []


async def test_key_of_a_user_reads_agents_only(place: Place) -> None:
    await make(place, "agents", name="a", canonical_name="guide")
    key = await place.make_key(user="ann")
    assert (await send(place, "GET", "/v1/agents/guide", key=key))[0] == 200
    for method, path, body in (
        ("POST", "/v1/agents", {"name": "b"}),
        ("PATCH", "/v1/agents/guide", {"name": "b"}),
        ("PUT", "/v1/agents/guide", {"name": "b"}),
        ("DELETE", "/v1/agents/guide", None),
    ):
        await refuse(place, method, path, body, key=key, status=403, code="forbidden")


# Users.


async def test_user_is_shown_as_it_was_made(place: Place) -> None:
    body = {"external_id": "ann", "name": "Ann", "about": "Travels.", "project": "p", "metadata": {"a": 1}}
    user = await make(place, "users", **body)
    assert {name: user[name] for name in body} == body
    for name in (user["id"], "ann"):
        assert await place.get(f"/v1/users/{name}") == user
    nameless = await make(place, "users")
    assert nameless["external_id"] is None
    assert await place.get(f"/v1/users/{nameless['id']}") == nameless


async def test_user_is_changed_and_replaced(place: Place) -> None:
    await make(place, "users", external_id="ann", name="Ann", about="a", metadata={"a": 1, "b": 2})
    _, changed = await send(place, "PATCH", "/v1/users/ann", {"about": None, "metadata": {"a": None}})
    assert (changed["name"], changed["about"], changed["metadata"]) == ("Ann", None, {"b": 2})
    _, replaced = await send(place, "PUT", "/v1/users/ann", {"about": "b"})
    assert (replaced["external_id"], replaced["name"], replaced["about"], replaced["metadata"]) == (
        "ann",
        None,
        "b",
        {},
    )
    _, renamed = await send(place, "PATCH", "/v1/users/ann", {"external_id": "anna"})
    assert (await place.get("/v1/users/anna"))["id"] == renamed["id"]


async def test_users_are_listed_without_the_default_one(place: Place) -> None:
    for name in "ab":
        await make(place, "users", external_id=name, metadata={"n": name})
    await place.make_key(user="c")
    listed = await place.get("/v1/users")
    assert [user["external_id"] for user in listed["data"]] == ["c", "b", "a"]
    assert [user["external_id"] for user in (await place.get("/v1/users?metadata.n=a"))["data"]] == ["a"]


async def test_external_id_is_taken_once(place: Place) -> None:
    await make(place, "users", external_id="ann")
    await make(place, "users", external_id="bob")
    await refuse(place, "POST", "/v1/users", {"external_id": "ann"}, status=409, code="user_exists")
    await refuse(place, "PATCH", "/v1/users/bob", {"external_id": "ann"}, status=409, code="user_exists")


@pytest.mark.parametrize(
    ("body", "param"),
    [({"external_id": ""}, "external_id"), ({"age": 5}, "age"), ({"metadata": [1]}, "metadata"), ({"name": 1}, "name")],
)
async def test_wrong_field_of_a_user_is_named(place: Place, body: dict[str, Any], param: str) -> None:
    await refuse(place, "POST", "/v1/users", body, param=param)


async def test_key_of_a_user_sees_itself_only(place: Place) -> None:
    await make(place, "users", external_id="bob")
    key = await place.make_key(user="ann")
    assert (await send(place, "GET", "/v1/users/ann", key=key))[0] == 200
    assert (await send(place, "PATCH", "/v1/users/ann", {"name": "Ann"}, key=key))[1]["name"] == "Ann"
    await refuse(place, "GET", "/v1/users/bob", key=key, status=404, code="user_not_found")
    await refuse(place, "DELETE", "/v1/users/bob", key=key, status=404, code="user_not_found")
    await refuse(place, "GET", "/v1/users", key=key, status=403, code="forbidden")
    await refuse(place, "POST", "/v1/users", {"name": "x"}, key=key, status=403, code="forbidden")


@pytest.mark.parametrize("is_named_in_body", [False, True])
async def test_erased_user_is_gone_with_its_sessions(place: Place, is_named_in_body: bool) -> None:
    user = await make(place, "users", external_id="ann")
    key, app_key = await place.make_key(user="ann"), await place.make_key(scopes=("users",))
    own = {"Authorization": f"Bearer {key}"}
    async with place.post("mine", session_id="own", headers=own) as reply:
        assert reply.status == 200
    await send(place, "POST", "/v1/sessions", {"external_id": "shared", "user_id": "ann"})
    if is_named_in_body:
        status, receipt = await send(place, "POST", "/v1/erasures", {"user_id": "ann"})
    else:
        status, receipt = await send(place, "DELETE", "/v1/users/ann")
    assert (status, receipt["object"], receipt["user_id"]) == (200, "erasure", user["id"])
    assert (receipt["sessions"], receipt["items"], receipt["runs"]) == (2, 2, 1)
    await refuse(place, "GET", "/v1/users/ann", status=404, code="user_not_found")
    await refuse(place, "GET", "/v1/sessions/shared", status=404, code="session_not_found")
    assert (await send(place, "GET", "/v1/sessions", key=key))[0] == 401
    # Who is named again is somebody new.
    headers = {"Authorization": f"Bearer {app_key}", "X-User-Id": "ann"}
    async with place.post("again", session_id="own", headers=headers) as reply:
        assert reply.status == 200
    assert (await place.get("/v1/users/ann"))["id"] != user["id"]


# The tenant.


async def test_tenant_sets_what_counts_for_all(place: Place) -> None:
    admin = await place.make_key(scopes=("admin",))
    assert (await place.get("/v1/tenant"))["context_overflow"] is None
    _, tenant = await send(
        place, "PATCH", "/v1/tenant", {"context_overflow": "disabled", "token_budget": 60}, key=admin
    )
    assert (tenant["object"], tenant["name"], tenant["context_overflow"], tenant["token_budget"]) == (
        "tenant",
        place.tenant,
        "error",
        60,
    )
    assert await place.get("/v1/tenant") == tenant
    async with place.post("word " * 300) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (400, "context_length_exceeded")
    _, tenant = await send(place, "PATCH", "/v1/tenant", {"context_overflow": None, "token_budget": None}, key=admin)
    assert (tenant["context_overflow"], tenant["token_budget"]) == (None, None)
    assert await place.ask("word " * 300) == "ok"


async def test_only_an_admin_changes_the_tenant(place: Place) -> None:
    await refuse(place, "PATCH", "/v1/tenant", {"token_budget": 5}, status=403, code="forbidden")
    admin = await place.make_key(scopes=("admin",))
    await refuse(place, "PATCH", "/v1/tenant", {"token_budget": 0}, key=admin, param="token_budget")
    await refuse(place, "PATCH", "/v1/tenant", {"name": "x"}, key=admin, param="name")
