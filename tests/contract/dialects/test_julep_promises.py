"""What Julep's documentation promised and no version of it did, by its real client: overflow, summaries, documents, and
turns that are asked for twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.julep_clients import (
    julep,
    make_session,
    open_client,
    open_julep_place,
    reason_of,
    texts_of,
    user,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "The tram climbs past the cathedral, the castle and the tiled houses of the old town. " * 4
# A summary is made behind a turn; whoever waits for it looks this often and no longer than that.
LOOKS, LOOK_S = 100, 0.05


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with open_julep_place(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def client(place: Place) -> AsyncIterator[julep.AsyncJulep]:
    async with open_client(place) as client:
        yield client


async def say_much(client: julep.AsyncJulep, session_id: str, *, turns: int) -> None:
    """Take turns that do not fit a small budget together."""
    for number in range(turns):
        await client.sessions.chat(session_id, messages=user(f"{number}: {LONG}"))


async def find_shown(client: julep.AsyncJulep, session_id: str, **fields: Any) -> list[str]:
    """What the next turn would show the model."""
    rendered: Any = await client.sessions.render(session_id, messages=user("next"), **fields)
    return [message.content for message in rendered.messages]


async def test_truncated_context_is_short_and_the_history_whole(client: julep.AsyncJulep) -> None:
    session = await make_session(client, context_overflow="truncate", token_budget=600)
    await say_much(client, session.id, turns=12)
    shown = await find_shown(client, session.id)
    assert "You are Ines." in shown[0]
    assert shown[-1] == "next"
    assert not any(text.startswith("0: ") for text in shown)
    assert len((await client.sessions.history(session.id)).entries) == 24


async def test_overflow_is_an_error_where_that_is_wanted(client: julep.AsyncJulep) -> None:
    session = await make_session(client, extra_body={"context_overflow": "error"}, token_budget=600)
    with pytest.raises(julep.BadRequestError) as caught:
        await say_much(client, session.id, turns=12)
    body: Any = caught.value.body
    assert (body["error"]["code"], body["error"]["type"]) == ("prompt_too_big", "PromptTooBigError")
    cut: Any = {"context_overflow": "truncate"}
    answer: Any = await client.sessions.chat(session.id, messages=user("next"), extra_body=cut)
    assert answer.choices[0].message.content == "ok"


@pytest.mark.parametrize("strategy", ["summarize", "adaptive"])
async def test_summary_stands_for_what_was_cut(client: julep.AsyncJulep, place: Place, strategy: str) -> None:
    session = await make_session(client, extra_body={"context_overflow": strategy}, token_budget=600)
    for _ in range(LOOKS):
        await say_much(client, session.id, turns=1)
        history = await client.sessions.history(session.id)
        summaries = [entry for entry in history.entries if entry.source == "summarizer"]
        if summaries:
            break
        await asyncio.sleep(LOOK_S)
    summary = summaries[0]
    assert (summary.role, texts_of(history).count("ok")) != ("user", 0)
    replaced = [relation.head for relation in history.relations if relation.tail == summary.id]
    ids = [entry.id for entry in history.entries]
    assert replaced
    assert set(replaced) < set(ids)
    assert history.entries[0].id in replaced
    assert len(set(ids)) == len(ids)


async def test_document_of_a_session_is_recalled_in_it_alone(client: julep.AsyncJulep, place: Place) -> None:
    one, two = await make_session(client), await make_session(client)
    note = {"title": "Notes", "content": "The password of the vault is zanzibar."}
    async with place.http.post(f"/julep/api/sessions/{one.id}/docs", json=note) as reply:
        doc = await reply.json()
    asked = user("What is the password of the vault?")
    told: Any = await client.sessions.chat(one.id, messages=asked)
    other: Any = await client.sessions.chat(two.id, messages=asked)
    assert ([one.id for one in told.docs], other.docs) == ([doc["id"]], [])
    assert (told.docs[0].owner.role, told.docs[0].title) == ("session", "Notes")
    assert "zanzibar" in str(place.seen[0])
    assert "zanzibar" not in str(place.seen[1])


async def test_template_that_names_documents_gets_them(client: julep.AsyncJulep, place: Place) -> None:
    template = "{% for doc in docs %}{{ doc.title }}: {{ doc.content[0] }} {{ doc.metadata.kind }}{% endfor %}"
    agent = await client.agents.create(name="Ines", default_system_template=template)
    doc = await client.agents.docs.create(
        agent.id, title="Notes", content="The password is zanzibar.", metadata={"kind": "secret"}
    )
    session = await client.sessions.create(agent=agent.id)
    answer: Any = await client.sessions.chat(session.id, messages=user("Which password?"))
    texts = [message["content"] for message in place.seen[0]["messages"]]
    assert texts == ["Notes: The password is zanzibar. secret", "Which password?"]
    assert [one.id for one in answer.docs] == [doc.id]


async def test_turn_without_recall_shows_no_documents(client: julep.AsyncJulep, place: Place) -> None:
    agent = await client.agents.create(name="Ines")
    await client.agents.docs.create(agent.id, title="Notes", content="The password is zanzibar.")
    session = await client.sessions.create(agent=agent.id)
    answer: Any = await client.sessions.chat(session.id, messages=user("Which password?"), recall=False)
    assert answer.docs == []
    assert "zanzibar" not in str(place.seen[0])


async def test_every_chunk_has_the_documents(client: julep.AsyncJulep, place: Place) -> None:
    place.will_say("it is zanzibar")
    agent = await client.agents.create(name="Ines")
    doc = await client.agents.docs.create(agent.id, title="Notes", content="The password is zanzibar.")
    session = await client.sessions.create(agent=agent.id)
    stream: Any = await client.sessions.chat(session.id, messages=user("Which password?"), stream=True)
    assert [[one.id for one in chunk.docs] async for chunk in stream] == [[doc.id]] * 4


async def test_retry_joins_the_turn_that_it_repeats(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    again = {"x-stainless-retry-count": "1"}
    first: Any = await client.sessions.chat(session.id, messages=user("once"))
    second: Any = await client.sessions.chat(session.id, messages=user("once"), extra_headers=again)
    assert (first.id, second.choices[0].message.content) == (second.id, "ok")
    assert (len(place.seen), texts_of(await client.sessions.history(session.id))) == (1, ["once", "ok"])


async def test_key_makes_a_turn_once_also_as_a_stream(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    key = {"Idempotency-Key": "k1"}
    texts = []
    for _ in range(2):
        stream: Any = await client.sessions.chat(session.id, messages=user("once"), stream=True, extra_headers=key)
        texts.append("".join([chunk.choices[0].delta.content or "" async for chunk in stream]))
    assert (texts, len(place.seen)) == (["ok", "ok"], 1)
    with pytest.raises(julep.ConflictError) as caught:
        await client.sessions.chat(session.id, messages=user("twice"), extra_headers=key)
    assert reason_of(caught.value) == "idempotency_key_reused"
    assert caught.value.response.headers["x-should-retry"] == "false"


async def test_key_of_one_user_sees_its_own_sessions_only(client: julep.AsyncJulep, place: Place) -> None:
    agent = await client.agents.create(name="Ines")
    theirs = await client.sessions.create(agent=agent.id)
    async with open_client(place, key=await place.make_key(user="ada")) as ada:
        own = await ada.sessions.create(agent=agent.id)
        assert [session.id async for session in ada.sessions.list()] == [own.id]
        for ask in (ada.sessions.get, ada.sessions.history, ada.sessions.delete):
            with pytest.raises(julep.NotFoundError):
                await ask(theirs.id)
        with pytest.raises(julep.PermissionDeniedError):
            await ada.agents.create(name="Eva")
    assert {session.id async for session in client.sessions.list()} == {own.id, theirs.id}


async def test_fork_has_the_history_up_to_its_place(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    for text in ("one", "two"):
        await client.sessions.chat(session.id, messages=user(text))
    async with place.http.post(f"/v1/sessions/{session.id}/fork", json={"at": 2}) as reply:
        fork = (await reply.json())["id"]
    await client.sessions.chat(fork, messages=user("other"))
    assert texts_of(await client.sessions.history(fork)) == ["one", "ok", "other", "ok"]
    assert texts_of(await client.sessions.history(session.id)) == ["one", "ok", "two", "ok"]
    assert (await client.sessions.get(fork)).situation is None
