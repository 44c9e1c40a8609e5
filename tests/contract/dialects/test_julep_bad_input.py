"""What Julep's client is told when something is wrong, and that nothing is told to strangers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from multiturn.errors import UpstreamError
from tests.contract.dialects.conftest import Place
from tests.contract.dialects.julep_clients import (
    julep,
    make_session,
    open_client,
    open_julep_place,
    reason_of,
    user,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_julep_place(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def client(place: Place) -> AsyncIterator[julep.AsyncJulep]:
    async with open_client(place) as client:
        yield client


# What is wrong.


async def test_unknown_session_is_not_found(client: julep.AsyncJulep) -> None:
    sessions = client.sessions
    for name in (str(uuid4()), "nonexistent_id"):
        for ask in (sessions.get, sessions.history, sessions.delete):
            with pytest.raises(julep.NotFoundError) as caught:
                await ask(name)
            error: Any = caught.value.body
            assert (error["error"]["type"], error["error"]["code"]) == ("SessionNotFoundError", "http_404")
        with pytest.raises(julep.NotFoundError):
            await sessions.chat(name, messages=user("hi"))


async def test_strangers_session_is_answered_as_none(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    other = await place.make_key(tenant=f"{place.tenant}-other")
    async with open_client(place, key=other) as stranger:
        bodies = []
        for id_ in (session.id, str(uuid4())):
            with pytest.raises(julep.NotFoundError) as caught:
                await stranger.sessions.history(id_)
            bodies.append(caught.value.body)
        assert bodies[0] == bodies[1]
        assert (await stranger.sessions.list()).items == []


async def test_wrong_key_is_refused_as_julep_did(place: Place) -> None:
    async with open_client(place, key="mt-wrong") as client:
        with pytest.raises(julep.PermissionDeniedError) as caught:
            await client.sessions.list()
    body: Any = caught.value.body
    assert (body["error"]["message"], body["error"]["code"]) == ("Could not validate API KEY", "http_403")


async def test_session_needs_an_agent(client: julep.AsyncJulep) -> None:
    agent = await client.agents.create(name="Ines")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "At least one agent must be provided"),
        ({"agent": agent.id, "agents": [agent.id]}, "Only one of 'agent' or 'agents' should be provided"),
        (
            {"agent": str(uuid4())},
            "The specified participant ID is invalid for the given participant type during create",
        ),
        (
            {"agent": agent.id, "user": str(uuid4())},
            "The specified participant ID is invalid for the given participant type during create",
        ),
    ]
    for fields, text in wrong:
        with pytest.raises(julep.BadRequestError) as caught:
            await client.sessions.create(**fields)
        body: Any = caught.value.body
        assert body["error"]["message"] == text


@pytest.mark.parametrize(
    ("fields", "place_of"),
    [
        ({"token_budget": 0}, "body.token_budget"),
        ({"token_budget": "many"}, "body.token_budget"),
        ({"context_overflow": "forget"}, "body.context_overflow"),
        ({"recall_options": {"mode": "vector", "limit": 0}}, "body.recall_options.limit"),
        ({"recall_options": {"wrong": 1}}, "body.recall_options"),
        ({"metadata": [1]}, "body.metadata"),
        ({"situation": ""}, "body.situation"),
    ],
)
async def test_wrong_field_is_named(client: julep.AsyncJulep, fields: dict[str, Any], place_of: str) -> None:
    with pytest.raises(julep.UnprocessableEntityError) as caught:
        await make_session(client, extra_body=fields)
    body: Any = caught.value.body
    assert (body["error"]["code"], body["error"]["message"]) == ("validation_error", "Validation error")
    assert body["error"]["details"][0]["loc"] == place_of


@pytest.mark.parametrize(
    ("fields", "place_of"),
    [
        ({"messages": []}, "body.messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "body.messages.0.role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "body.messages[0].tool_call_id"),
        ({"messages": [{"role": "system", "content": "x"}]}, "body.messages"),
        ({"messages": None}, "body.messages"),
        ({"messages": user("hi"), "max_tokens": 0}, "body.max_tokens"),
        ({"messages": user("hi"), "stream": "yes"}, "body.stream"),
        ({"messages": user("hi"), "concurrency": "never"}, "body.concurrency"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "body.messages[0].content"),
    ],
)
async def test_wrong_turn_is_refused(client: julep.AsyncJulep, fields: dict[str, Any], place_of: str) -> None:
    session = await make_session(client)
    with pytest.raises(julep.UnprocessableEntityError) as caught:
        await client.sessions.chat(session.id, messages=[], extra_body=fields)
    body: Any = caught.value.body
    assert body["error"]["details"][0]["loc"] == place_of
    assert (await client.sessions.history(session.id)).entries == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"name": "x", "type": "integration"}]},
        {"recall_tools": False},
        {"x_custom_api_key": "sk-mine"},
    ],
)
async def test_what_is_not_here_is_refused(client: julep.AsyncJulep, fields: dict[str, Any]) -> None:
    session = await make_session(client)
    with pytest.raises(julep.BadRequestError) as caught:
        await client.sessions.chat(session.id, messages=user("hi"), **fields)
    assert reason_of(caught.value) == "not_implemented"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": "x"},
        {"offset": -1},
        {"sort_by": "name"},
        {"direction": "up"},
        {"metadata_filter": {"a": 1}, "metadata_filter.a.b": 2},
    ],
)
async def test_wrong_parameter_is_named(client: julep.AsyncJulep, query: dict[str, Any]) -> None:
    with pytest.raises(julep.UnprocessableEntityError) as caught:
        await client.sessions.list(extra_query=query)
    body: Any = caught.value.body
    assert body["error"]["details"][0]["loc"].startswith("query.")


async def test_unknown_path_is_in_the_dialects_words(place: Place) -> None:
    async with place.http.get("/julep/api/nothing") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "http_404")
    async with place.http.put("/julep/api/sessions") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (405, "http_405")


async def test_provider_that_fails_is_told_in_julep_words(client: julep.AsyncJulep, place: Place) -> None:
    place.will_say(UpstreamError("The provider fell over."))
    session = await make_session(client)
    with pytest.raises(julep.InternalServerError) as caught:
        await client.sessions.chat(session.id, messages=user("hi"))
    body: Any = caught.value.body
    assert (caught.value.status_code, body["error"]["code"], body["error"]["type"]) == (
        502,
        "llm_api_error",
        "LLMServiceError",
    )
