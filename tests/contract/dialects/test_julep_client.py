"""The real Julep client against the real server: sessions, turns and histories, sync and async."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from multiturn.errors import UpstreamError
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place
from tests.contract.dialects.julep_clients import (
    facts_of,
    julep,
    make_session,
    open_client,
    open_julep_place,
    reason_of,
    texts_of,
    user,
)
from tests.house.tree import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_julep_place(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def client(place: Place) -> AsyncIterator[julep.AsyncJulep]:
    async with open_client(place) as client:
        yield client


# Sessions.


async def test_session_comes_back_as_it_was_made(client: julep.AsyncJulep) -> None:
    agent, person = await client.agents.create(name="Ines"), await client.users.create(name="Ada")
    wanted: Any = {
        "situation": "A journey.",
        "system_template": "Hello {{ agent.name }}",
        "render_templates": False,
        "token_budget": 2000,
        "context_overflow": "truncate",
        "forward_tool_calls": True,
        "recall_options": {"mode": "hybrid", "limit": 5, "alpha": 0.25, "k_multiplier": 3},
        "metadata": {"channel": "web", "nested": {"deep": [1, 2]}},
    }
    made = await client.sessions.create(agent=agent.id, user=person.id, **wanted)
    found: Any = await client.sessions.get(made.id)
    assert facts_of(found) == facts_of(made)
    assert UUID(found.id).version == 7
    assert found.created_at.tzinfo is not None
    shown = found.model_dump()
    assert {name: shown[name] for name in wanted if name != "recall_options"} == {
        name: value for name, value in wanted.items() if name != "recall_options"
    }
    assert {**wanted["recall_options"], **found.recall_options.model_dump(exclude_none=True)} == (
        found.recall_options.model_dump(exclude_none=True)
    )
    assert (found.agent, found.agents, found.user, found.users) == (agent.id, [agent.id], person.id, [person.id])


async def test_defaults_are_those_of_julep(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    assert (session.render_templates, session.context_overflow, session.token_budget) == (True, None, None)
    assert (session.auto_run_tools, session.forward_tool_calls, session.metadata) == (False, False, {})
    assert (session.kind, session.summary, session.recall_options) == (None, None, None)


async def test_update_merges_and_reset_overwrites(client: julep.AsyncJulep) -> None:
    session = await make_session(client, situation="A journey.", metadata={"a": 1, "b": {"c": 2}}, token_budget=900)
    options: Any = {"mode": "text", "limit": 3}
    updated = await client.sessions.update(session.id, metadata={"b": 3}, recall_options=options)
    assert updated.metadata == {"a": 1, "b": 3}
    assert (updated.situation, updated.token_budget) == ("A journey.", 900)
    again: Any = await client.sessions.update(session.id, recall_options={"mode": "text", "lang": "en"})
    assert (again.recall_options.limit, again.recall_options.lang) == (3, "en")
    reset = await client.sessions.reset(session.id, metadata={"d": 4})
    assert (reset.metadata, reset.situation, reset.token_budget, reset.recall_options) == ({"d": 4}, None, None, None)


async def test_reset_keeps_the_history(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    await client.sessions.chat(session.id, messages=user("one"))
    await client.sessions.reset(session.id, situation="Another one.")
    assert texts_of(await client.sessions.history(session.id)) == ["one", "ok"]


async def test_create_or_update_takes_the_id_that_it_is_given(client: julep.AsyncJulep) -> None:
    agent, id_ = await client.agents.create(name="Ines"), str(uuid4())
    made = await client.sessions.create_or_update(id_, agent=agent.id, situation="first")
    again = await client.sessions.create_or_update(id_, agent=agent.id, metadata={"n": 2})
    assert (made.id, again.id) == (id_, id_)
    assert (made.situation, again.situation, again.metadata) == ("first", None, {"n": 2})
    assert [session.id async for session in client.sessions.list()] == [id_]


async def test_listing_goes_on_to_its_end(client: julep.AsyncJulep) -> None:
    made = [(await make_session(client, metadata={"n": number})).id for number in range(5)]
    assert [session.id async for session in client.sessions.list(limit=2)] == made[::-1]
    oldest = client.sessions.list(limit=2, direction="asc", sort_by="created_at")
    assert [session.id async for session in oldest] == made
    await client.sessions.chat(made[1], messages=user("hi"))
    page = await client.sessions.list(sort_by="updated_at", limit=1)
    assert [session.id for session in page.items] == [made[1]]
    assert (await client.sessions.list(offset=99)).items == []


async def test_listing_is_filtered_by_metadata(client: julep.AsyncJulep) -> None:
    one = await make_session(client, metadata={"a": {"b": 1}, "t": True, "l": [1, 2, 3]})
    await make_session(client, metadata={"a": {"b": 2}})
    filters: list[dict[str, object]] = [{"a": {"b": 1}}, {"t": True}, {"l": [1, 2]}, {"a": {"b": 1}, "t": True}]
    for wanted in filters:
        found = await client.sessions.list(metadata_filter=wanted)
        assert [session.id for session in found.items] == [one.id], wanted
    assert (await client.sessions.list(metadata_filter={"a": {"b": "x"}})).items == []


@pytest.mark.parametrize("names", [("agent", "user"), ("agent_id", "user_id")])
async def test_listing_is_filtered_by_who_takes_part(client: julep.AsyncJulep, names: tuple[str, str]) -> None:
    agent, person = await client.agents.create(name="Ines"), await client.users.create(name="Ada")
    await make_session(client)
    alone = await client.sessions.create(agent=agent.id)
    both = await client.sessions.create(agent=agent.id, user=person.id)
    for_agent = client.sessions.list(extra_query={names[0]: agent.id})
    assert [session.id async for session in for_agent] == [both.id, alone.id]
    for_user = client.sessions.list(extra_query={names[1]: person.id})
    assert [session.id async for session in for_user] == [both.id]
    assert (await client.sessions.list(extra_query={names[0]: str(uuid4())})).items == []


async def test_names_of_the_documentation_make_a_session(client: julep.AsyncJulep) -> None:
    agent, person = await client.agents.create(name="Ines"), await client.users.create(name="Ada")
    body = {"agent_id": agent.id, "user_id": person.id, "context_overflow": "summarize"}
    session: Any = await client.sessions.create(extra_body=body)
    assert (session.agent, session.user, session.context_overflow) == (agent.id, person.id, "summarize")


async def test_deleted_session_is_gone(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    deleted = await client.sessions.delete(session.id)
    assert (deleted.id, deleted.jobs) == (session.id, [])
    assert deleted.deleted_at > session.created_at
    with pytest.raises(julep.NotFoundError):
        await client.sessions.get(session.id)


# Turns.


async def test_chat_remembers(client: julep.AsyncJulep, place: Place) -> None:
    place.will_say("Hello Ada.", "You are Ada.")
    session = await make_session(client)
    first: Any = await client.sessions.chat(session.id, messages=user("I am Ada."))
    second: Any = await client.sessions.chat(session.id, messages=user("Who am I?"))
    assert first.choices[0].message.content == "Hello Ada."
    assert (second.choices[0].message.role, second.choices[0].finish_reason) == ("assistant", "stop")
    assert (second.docs, second.jobs, UUID(second.id).version) == ([], [], 7)
    assert second.usage.total_tokens == second.usage.prompt_tokens + second.usage.completion_tokens
    texts = [message["content"] for message in place.seen[1]["messages"]]
    assert texts[1:] == ["I am Ada.", "Hello Ada.", "Who am I?"]
    assert "You are Ines." in texts[0]


async def test_several_messages_are_all_stored(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    messages: Any = [*user("I need help"), {"role": "assistant", "content": "With what?"}, *user("Quantum computing")]
    await client.sessions.chat(session.id, messages=messages)
    history = await client.sessions.history(session.id)
    assert texts_of(history) == ["I need help", "With what?", "Quantum computing", "ok"]
    assert [entry.source for entry in history.entries] == ["api_request"] * 3 + ["api_response"]
    assert [entry.role for entry in history.entries] == ["user", "assistant", "user", "assistant"]


async def test_the_same_message_again_is_another_one(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    for _ in range(2):
        await client.sessions.chat(session.id, messages=user("again"))
    assert texts_of(await client.sessions.history(session.id)) == ["again", "ok"] * 2


async def test_stream_comes_in_chunks_and_ends(client: julep.AsyncJulep, place: Place) -> None:
    place.will_say("four words are said")
    session = await make_session(client)
    stream: Any = await client.sessions.chat(session.id, messages=user("hi"), stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "four words are said"
    assert len(chunks) > 3
    assert {(chunk.choices[0].delta.role, chunk.choices[0].finish_reason) for chunk in chunks} == {
        ("assistant", "stop")
    }
    assert len({(chunk.id, chunk.created_at) for chunk in chunks}) == 1
    assert all(chunk.docs == [] for chunk in chunks)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert texts_of(await client.sessions.history(session.id)) == ["hi", "four words are said"]


async def test_error_in_mid_stream_is_an_event(client: julep.AsyncJulep, place: Place) -> None:
    place.will_say(Script("one two three", pieces_first=2, error=UpstreamError("The provider fell over.")))
    session = await make_session(client)
    stream: Any = await client.sessions.chat(session.id, messages=user("hi"), stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices is None
    assert (chunks[-1].error["code"], chunks[-1].error["reason"]) == ("llm_api_error", "upstream_error")
    assert (await client.sessions.history(session.id)).entries == []


async def test_tool_is_called_and_its_result_is_heard(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    place.will_say(Script(tool_calls=[ScriptedCall("forecast", '{"city":"Lisbon"}')]), "It will rain.")
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools: Any = [{"name": "forecast", "type": "function", "description": "d", "function": {"parameters": parameters}}]
    asked: Any = await client.sessions.chat(
        session.id, messages=user("Rain?"), tools=tools, tool_choice={"function": {"name": "forecast"}}
    )
    (call,) = asked.choices[0].tool_calls
    assert (call.id, call.type, call.function.name) == ("call_1", "function", "forecast")
    assert (asked.choices[0].finish_reason, asked.choices[0].message.tool_calls[0].id) == ("tool_calls", "call_1")
    assert place.seen[0]["tools"] == [
        {"type": "function", "function": {"name": "forecast", "description": "d", "parameters": parameters}}
    ]
    assert place.seen[0]["tool_choice"] == {"type": "function", "function": {"name": "forecast"}}
    result: Any = [{"role": "tool", "tool_call_id": "call_1", "content": "12 mm"}]
    told: Any = await client.sessions.chat(session.id, messages=result)
    assert told.choices[0].message.content == "It will rain."
    history = await client.sessions.history(session.id)
    assert [(entry.role, entry.source) for entry in history.entries] == [
        ("user", "api_request"),
        ("assistant", "api_response"),
        ("tool", "api_request"),
        ("assistant", "api_response"),
    ]
    calls: Any = history.entries[1].tool_calls
    assert (calls[0].function.arguments, history.entries[2].tool_call_id) == ('{"city":"Lisbon"}', "call_1")


async def test_streamed_tool_call_comes_in_pieces(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    place.will_say(Script(tool_calls=[ScriptedCall("forecast", '{"city":"Lisbon"}')]))
    tools: Any = [{"name": "forecast", "type": "function", "function": {"parameters": {}}}]
    stream: Any = await client.sessions.chat(session.id, messages=user("Rain?"), tools=tools, stream=True)
    chunks = [chunk async for chunk in stream]
    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert "".join(piece.function.arguments for piece in pieces) == '{"city":"Lisbon"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_parts_of_a_message_reach_the_model(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    image = {"type": "image_url", "image_url": {"url": "https://example.test/a.png", "detail": "low"}}
    messages: Any = [{"role": "user", "content": ["one", {"type": "text", "text": "two"}, image]}]
    await client.sessions.chat(session.id, messages=messages)
    text = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert place.seen[0]["messages"][-1]["content"] == [*text, image]
    history: Any = await client.sessions.history(session.id)
    assert [part.type for part in history.entries[0].content] == ["text", "text", "image_url"]


async def test_settings_go_to_the_model_and_the_turns_win(client: julep.AsyncJulep, place: Place) -> None:
    agent = await client.agents.create(
        name="Ines", model="agents-model", default_settings={"temperature": 0.1, "top_p": 0.5}
    )
    session = await client.sessions.create(agent=agent.id)
    await client.sessions.chat(session.id, messages=user("hi"), temperature=0.9, stop=["."], seed=7, max_tokens=50)
    asked = place.seen[0]
    assert (asked["model"], asked["temperature"], asked["top_p"]) == ("agents-model", 0.9, 0.5)
    assert (asked["stop"], asked["seed"], asked["max_tokens"]) == (["."], 7, 50)
    await client.sessions.chat(session.id, messages=user("hi"), model="other", extra_body={"reasoning_effort": "low"})
    assert (place.seen[1]["model"], place.seen[1]["reasoning_effort"]) == ("other", "low")
    assert not {"agent", "save", "recall", "metadata", "context_overflow"} & place.seen[1].keys()


async def test_null_counts_as_left_out(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    nothing: Any = {"temperature": None, "agent": None, "tools": None, "tool_choice": None, "metadata": None}
    await client.sessions.chat(session.id, messages=user("hi"), **nothing)
    assert "temperature" not in place.seen[0]


async def test_of_several_agents_the_named_one_speaks(client: julep.AsyncJulep, place: Place) -> None:
    one, two = await client.agents.create(name="Ines"), await client.agents.create(name="Rui", model="ruis-model")
    other = await client.agents.create(name="Eva")
    session = await client.sessions.create(agents=[one.id, two.id])
    await client.sessions.chat(session.id, messages=user("hi"))
    await client.sessions.chat(session.id, messages=user("hi"), agent=two.id)
    heads = [request["messages"][0]["content"] for request in place.seen]
    assert "You are Ines." in heads[0]
    assert "You are Rui." in heads[1]
    assert place.seen[1]["model"] == "ruis-model"
    with pytest.raises(julep.BadRequestError) as caught:
        await client.sessions.chat(session.id, messages=user("hi"), agent=other.id)
    assert reason_of(caught.value) == "agent_not_in_session"


async def test_templates_know_who_speaks_and_of_what(client: julep.AsyncJulep, place: Place) -> None:
    agent, person = await client.agents.create(name="Ines"), await client.users.create(name="Ada")
    template = "{{ agent.name }}|{{ user.name }}|{{ session.situation }}|{{ metadata.mood }}"
    session = await client.sessions.create(
        agent=agent.id, user=person.id, situation="A journey.", system_template=template
    )
    await client.sessions.chat(session.id, messages=user("hi"), metadata={"mood": "glad"})
    assert place.seen[0]["messages"][0]["content"] == "Ines|Ada|A journey.|glad"


async def test_messages_of_users_are_rendered_when_the_session_says_so(client: julep.AsyncJulep, place: Place) -> None:
    rendered, literal = await make_session(client), await make_session(client, render_templates=False)
    for session in (rendered, literal):
        await client.sessions.chat(session.id, messages=user("I am {{ agent.name }}'s guest"))
    assert [request["messages"][-1]["content"] for request in place.seen] == [
        "I am Ines's guest",
        "I am {{ agent.name }}'s guest",
    ]
    with pytest.raises(julep.BadRequestError) as caught:
        await client.sessions.chat(rendered.id, messages=user("a {{ broken"))
    assert reason_of(caught.value) == "template_error"


async def test_unsaved_turn_leaves_nothing(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    answer: Any = await client.sessions.chat(session.id, messages=user("hi"), save=False)
    assert answer.choices[0].message.content == "ok"
    assert (await client.sessions.history(session.id)).entries == []


async def test_render_shows_what_a_turn_would(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    await client.sessions.chat(session.id, messages=user("one"))
    tools: Any = [{"name": "look", "type": "function", "function": {"parameters": {}}}]
    rendered: Any = await client.sessions.render(session.id, messages=user("two"), tools=tools)
    assert [message.role for message in rendered.messages] == ["system", "user", "assistant", "user"]
    assert [message.content for message in rendered.messages[1:]] == ["one", "ok", "two"]
    assert (rendered.docs, rendered.tools[0].function.name) == ([], "look")
    assert len(place.seen) == 1
    assert texts_of(await client.sessions.history(session.id)) == ["one", "ok"]


# The history.


async def test_history_has_what_entries_have(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    await client.sessions.chat(session.id, messages=[{"role": "user", "content": "hi", "name": "ada"}])
    history = await client.sessions.history(session.id)
    again = await client.sessions.history(session.id)
    asked, answered = history.entries
    assert (history.session_id, history.relations) == (session.id, [])
    assert (asked.name, asked.source, answered.source) == ("ada", "api_request", "api_response")
    assert asked.token_count > 0
    assert asked.created_at == asked.timestamp
    assert [entry.id for entry in again.entries] == [asked.id, answered.id]
    assert len({UUID(asked.id), UUID(answered.id)}) == 2


async def test_history_comes_in_pieces(client: julep.AsyncJulep) -> None:
    session = await make_session(client)
    for text in ("one", "two", "three"):
        await client.sessions.chat(session.id, messages=user(text))
    newest = await client.sessions.history(session.id, extra_query={"limit": 3})
    assert texts_of(newest) == ["ok", "three", "ok"]
    second = (await client.sessions.history(session.id)).entries[2]
    before = {"before": second.created_at.isoformat(), "limit": 10}
    assert texts_of(await client.sessions.history(session.id, extra_query=before)) == ["one", "ok"]
    later = {"before": str(datetime.now(UTC) + timedelta(minutes=1))}
    assert len((await client.sessions.history(session.id, extra_query=later)).entries) == 6


async def test_system_message_is_the_first_entry_and_stays(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    await client.sessions.chat(session.id, messages=[{"role": "system", "content": "Be brief."}, *user("one")])
    await client.sessions.chat(session.id, messages=user("two"))
    history = await client.sessions.history(session.id)
    assert texts_of(history) == ["Be brief.", "one", "ok", "two", "ok"]
    assert history.entries[0].role == "system"
    assert [message["content"] for message in place.seen[1]["messages"]][1:] == ["Be brief.", "one", "ok", "two"]


@pytest.mark.parametrize("path", ["DELETE history", "POST clear"])
async def test_cleared_session_is_empty_and_goes_on(client: julep.AsyncJulep, place: Place, path: str) -> None:
    session = await make_session(client, metadata={"kept": True})
    await client.sessions.chat(session.id, messages=user("secret"))
    method, name = path.split()
    async with place.http.request(method, f"/julep/api/sessions/{session.id}/{name}") as reply:
        assert reply.status in (200, 202)
        assert (await reply.json())["id"] == session.id
    assert (await client.sessions.history(session.id)).entries == []
    assert (await client.sessions.get(session.id)).metadata == {"kept": True}
    await client.sessions.chat(session.id, messages=user("new"))
    assert texts_of(await client.sessions.history(session.id)) == ["new", "ok"]
    assert "secret" not in str(place.seen[-1])


async def test_session_is_the_same_in_every_dialect(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    await client.sessions.chat(session.id, messages=user("from Julep"))
    chat = place.client({"X-Session-Id": session.id})
    messages: Any = user("from OpenAI")
    await chat.chat.completions.create(model="m", messages=messages)
    assert [message["content"] for message in place.seen[1]["messages"]][1:] == ["from Julep", "ok", "from OpenAI"]
    assert "You are Ines." in place.seen[1]["messages"][0]["content"]
    await client.sessions.chat(session.id, messages=user("from Julep again"))
    assert texts_of(await client.sessions.history(session.id)) == [
        *("from Julep", "ok"),
        *("from OpenAI", "ok"),
        *("from Julep again", "ok"),
    ]


async def test_session_of_another_dialect_is_continued_here(client: julep.AsyncJulep, place: Place) -> None:
    await place.ask("from OpenAI", session_id="trip")
    ours = (await place.get("/v1/sessions/trip"))["id"]
    for name in ("trip", ours, ours.replace("-", "")):
        await client.sessions.chat(name, messages=user(f"as {name}"))
    assert len((await client.sessions.history("trip")).entries) == 8
    assert (await client.sessions.get("trip")).id == ours


# The other client.


def walk_sessions(client: julep.Julep) -> Iterator[Any]:
    """Ask for everything about sessions, as a program without an event loop does."""
    agent, person = client.agents.create(name="Ines"), client.users.create(name="Ada")
    session = client.sessions.create(agent=agent.id, user=person.id, context_overflow="adaptive")
    assert client.sessions.create_or_update(str(uuid4()), agent=agent.id).id != session.id
    answer: Any = client.sessions.chat(session_id=session.id, messages=user("hi"))
    yield answer.choices[0].message.content
    stream: Any = client.sessions.chat(session_id=session.id, messages=user("hi"), stream=True)
    yield "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    yield from texts_of(client.sessions.history(session_id=session.id))
    yield len(client.sessions.render(session_id=session.id, messages=user("hi")).messages)
    yield client.sessions.update(session_id=session.id, metadata={"topic": "quantum computing"}).metadata
    yield client.sessions.reset(session_id=session.id).metadata
    yield len(list(client.sessions.list(limit=1, offset=0)))
    assert client.sessions.get(session_id=session.id).id == session.id
    assert client.sessions.delete(session_id=session.id).id == session.id


def walk_others(client: julep.Julep) -> Iterator[Any]:
    """Ask for everything about agents, users and documents."""
    owners: Any
    for owners, name in ((client.agents, "agent_id"), (client.users, "user_id")):
        one = owners.create(name="Ines")
        owners.create_or_update(str(uuid4()), name="Rui")
        assert owners.get(one.id).id == owners.update(one.id, about="new").id == owners.reset(one.id, name="Eva").id
        yield sorted(other.name for other in owners.list(limit=1))
        doc = owners.docs.create(one.id, title="Trams", content="Tram 28")
        assert [other.id for other in owners.docs.list(one.id)] == [doc.id]
        yield owners.docs.search(one.id, text="tram").docs[0].snippet.content
        assert client.docs.get(doc.id).title == "Trams"
        owners.docs.delete(doc.id, **{name: one.id})
        yield owners.docs.bulk_delete(one.id, delete_all=True)
        assert owners.delete(one.id).id == one.id
    yield [model.id for model in client.agents.list_models().models]
    yield len(client.docs.embed(text="tram").vectors)


async def test_sync_client_works_as_well(place: Place) -> None:
    def run() -> tuple[list[Any], list[Any]]:
        with julep.Julep(api_key=place.key, base_url=f"{place.url}/julep/api", max_retries=0) as client:
            return list(walk_sessions(client)), list(walk_others(client))

    sessions, others = await asyncio.to_thread(run)
    assert sessions == ["ok", "ok", "hi", "ok", "hi", "ok", 6, {"topic": "quantum computing"}, {}, 2]
    assert others == [["Eva", "Ines", "Rui"], "Tram 28", [], ["Ada", "Eva", "Rui"], "Tram 28", [], ["scripted"], 1]


async def test_first_lines_of_the_documentation_run(place: Place) -> None:
    code = (ROOT / "docs" / "julep.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    code = code.replace("http://127.0.0.1:8000", place.url).replace("mt-...", place.key)
    said = io.StringIO()
    with redirect_stdout(said):
        await asyncio.to_thread(exec, code, {})
    assert said.getvalue() == "ok\n"
