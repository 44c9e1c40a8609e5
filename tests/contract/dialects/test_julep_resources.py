"""The real Julep client against the real server: agents, users and their documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Place
from tests.contract.dialects.julep_clients import (
    facts_of,
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


# Agents and users.


async def test_agent_is_made_changed_and_deleted(client: julep.AsyncJulep) -> None:
    made = await client.agents.create(
        name="Ines",
        about="a guide",
        canonical_name="guide",
        model="m",
        instructions=["Be brief.", "Be kind."],
        default_settings={"temperature": 0.5},
        default_system_template="Hi",
        metadata={"a": 1},
        project="p",
    )
    assert facts_of(await client.agents.get(made.id)) == facts_of(made)
    assert (await client.agents.get("guide")).id == made.id
    updated = await client.agents.update(made.id, about="the guide", metadata={"b": 2})
    assert (updated.about, updated.metadata, updated.instructions) == (
        "the guide",
        {"a": 1, "b": 2},
        ["Be brief.", "Be kind."],
    )
    reset = await client.agents.reset(made.id, name="Rui")
    assert (reset.name, reset.about, reset.model, reset.metadata) == ("Rui", "", None, {})
    assert (await client.agents.delete(made.id)).id == made.id
    with pytest.raises(julep.NotFoundError) as caught:
        await client.agents.get(made.id)
    assert reason_of(caught.value) == "agent_not_found"


async def test_agents_are_listed_and_put(client: julep.AsyncJulep) -> None:
    id_ = str(uuid4())
    put = await client.agents.create_or_update(id_, name="Ines", metadata={"n": 1})
    again = await client.agents.create_or_update(id_, name="Eva")
    assert (put.id, again.id, again.name, again.metadata) == (id_, id_, "Eva", {})
    others = [(await client.agents.create(name=f"n{number}", metadata={"n": number})).id for number in (1, 2)]
    assert [agent.id async for agent in client.agents.list(limit=1)] == [others[1], others[0], id_]
    found = await client.agents.list(metadata_filter={"n": 2})
    assert [agent.id for agent in found.items] == [others[1]]
    assert "scripted" in [model.id for model in (await client.agents.list_models()).models]


async def test_user_is_made_changed_and_erased(client: julep.AsyncJulep) -> None:
    made = await client.users.create(name="Ada", about="likes trams", metadata={"a": 1}, project="p")
    assert facts_of(await client.users.get(made.id)) == facts_of(made)
    updated = await client.users.update(made.id, about="likes boats", metadata={"b": 2})
    assert (updated.name, updated.about, updated.metadata) == ("Ada", "likes boats", {"a": 1, "b": 2})
    reset = await client.users.reset(made.id, name="Eva")
    assert (reset.name, reset.about, reset.metadata) == ("Eva", None, {})
    session = await make_session(client, user=made.id)
    assert [one.id async for one in client.users.list()] == [made.id]
    assert (await client.users.delete(made.id)).id == made.id
    with pytest.raises(julep.NotFoundError):
        await client.users.get(made.id)
    with pytest.raises(julep.NotFoundError):
        await client.sessions.get(session.id)
    id_ = str(uuid4())
    assert (await client.users.create_or_update(id_, name="Rui")).id == id_


# Documents.


@pytest.mark.parametrize("kind", ["agents", "users"])
async def test_documents_are_kept_found_and_deleted(client: julep.AsyncJulep, kind: str) -> None:
    owners: Any = getattr(client, kind)
    owner = await owners.create(name="Ines")
    who = {f"{kind[:-1]}_id": owner.id}
    made = await owners.docs.create(
        **who, title="Trams", content=["Tram 28 runs to Estrela.", "Tram 15 runs to Belém."], metadata={"t": "n"}
    )
    await owners.docs.create(**who, title="Boats", content="Boats cross the Tejo.", metadata={"t": "m"})
    assert (made.content, made.metadata, made.modality) == (
        ["Tram 28 runs to Estrela.", "Tram 15 runs to Belém."],
        {"t": "n"},
        "text",
    )
    assert facts_of(await client.docs.get(made.id)) == facts_of(made)
    assert [doc.title async for doc in owners.docs.list(**who, limit=1)] == ["Boats", "Trams"]
    kept = await owners.docs.list(**who, metadata_filter={"t": "n"})
    assert [doc.title for doc in kept.items] == ["Trams"]
    found = await owners.docs.search(**who, text="tram", metadata_filter={"t": "n"})
    assert found.docs[0].id == made.id
    assert (found.docs[0].owner.id, found.docs[0].owner.role) == (owner.id, kind[:-1])
    assert "Tram" in found.docs[0].snippet.content
    assert found.time >= 0
    assert (await owners.docs.search(**who, text="tram", metadata_filter={"t": "m"})).docs == []
    with pytest.raises(julep.ConflictError) as caught:
        await owners.docs.create(**who, title="Boats", content="Boats cross the Tejo.")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert (await owners.docs.delete(made.id, **who)).id == made.id
    deleted = await owners.docs.bulk_delete(**who, metadata_filter={"t": "m"})
    assert len(deleted) == 1
    assert (await owners.docs.list(**who)).items == []


async def test_search_by_a_vector_finds_what_is_meant(client: julep.AsyncJulep) -> None:
    agent = await client.agents.create(name="Ines")
    near = await client.agents.docs.create(agent.id, title="Trams", content="yellow tram")
    await client.agents.docs.create(agent.id, title="Boats", content="blue boat")
    one, two = (await client.docs.embed(text=["tram", "boat"])).vectors
    (only,) = (await client.docs.embed(text="tram")).vectors
    assert only == one != two
    found: Any = await client.agents.docs.search(agent.id, vector=one, limit=1, confidence=0.1)
    assert [doc.id for doc in found.docs] == [near.id]
    assert len(found.docs[0].snippet.embedding) == len(one)
    assert found.docs[0].distance < 1
    both: Any = await client.agents.docs.search(agent.id, text="tram", vector=one, alpha=0.3, include_embeddings=False)
    assert (both.docs[0].id, both.docs[0].snippet.embedding) == (near.id, None)
    asked: Any = await client.agents.docs.search(agent.id, text="tram", extra_body={"mode": "hybrid"})
    assert asked.docs[0].id == near.id
    with pytest.raises(julep.UnprocessableEntityError):
        await client.agents.docs.search(agent.id, vector=[1.0, 2.0])


async def test_all_documents_go_only_where_that_is_said(client: julep.AsyncJulep) -> None:
    agent = await client.agents.create(name="Ines")
    for title in ("one", "two"):
        await client.agents.docs.create(agent.id, title=title, content=f"text {title}", metadata={"t": title})
    with pytest.raises(julep.UnprocessableEntityError):
        await client.agents.docs.bulk_delete(agent.id)
    assert len(await client.agents.docs.bulk_delete(agent.id, metadata_filter={"t": "one"}, delete_all=True)) == 1
    assert len(await client.agents.docs.bulk_delete(agent.id, delete_all=True)) == 1
    assert await client.agents.docs.bulk_delete(agent.id, delete_all=True) == []


async def test_document_of_a_stranger_is_not_there(client: julep.AsyncJulep, place: Place) -> None:
    person, agent = await client.users.create(name="Ada"), await client.agents.create(name="Ines")
    doc = await client.users.docs.create(person.id, title="t", content="secret")
    async with open_client(place, key=await place.make_key(user="eva")) as eva:
        asks: Any = (
            eva.docs.get(doc.id),
            eva.users.docs.list(person.id),
            eva.users.docs.search(person.id, text="secret"),
            eva.users.docs.delete(doc.id, user_id=person.id),
            eva.users.get(person.id),
        )
        for ask in asks:
            with pytest.raises(julep.NotFoundError):
                await ask
        with pytest.raises(julep.BadRequestError):
            await eva.sessions.create(agent=agent.id, user=person.id)
        with pytest.raises(julep.PermissionDeniedError):
            await eva.users.list()
    for wrong in (str(uuid4()), "none"):
        with pytest.raises(julep.NotFoundError):
            await client.docs.get(wrong)
        with pytest.raises(julep.NotFoundError):
            await client.agents.docs.delete(wrong, agent_id=agent.id)
        with pytest.raises(julep.NotFoundError):
            await client.agents.docs.list(wrong)


@pytest.mark.parametrize("texts", [[], ["a"] * 101, "a" * 30_001])
async def test_too_much_is_not_embedded(client: julep.AsyncJulep, texts: Any) -> None:
    with pytest.raises(julep.UnprocessableEntityError):
        await client.docs.embed(text=texts)


async def test_session_has_documents_too(client: julep.AsyncJulep, place: Place) -> None:
    session = await make_session(client)
    base = f"/julep/api/sessions/{session.id}"
    notes = {"title": "Notes", "content": "Quantum computers use qubits.", "metadata": {"type": "notes"}}
    async with place.http.post(f"{base}/docs", json=notes) as reply:
        assert reply.status == 201, await reply.text()
        doc = await reply.json()
    for path in ("search", "docs/search"):
        async with place.http.post(
            f"{base}/{path}", json={"text": "quantum", "metadata_filter": {"type": "notes"}}
        ) as reply:
            (hit,) = (await reply.json())["docs"]
            assert (hit["id"], hit["owner"]) == (doc["id"], {"id": session.id, "role": "session"})
    assert (await place.get(f"{base}/docs"))["items"] == [doc]
    async with place.http.delete(f"{base}/docs/{doc['id']}") as reply:
        assert reply.status == 202
    assert (await place.get(f"{base}/docs"))["items"] == []


async def test_documents_stand_in_the_answer(client: julep.AsyncJulep, place: Place) -> None:
    agent = await client.agents.create(name="Ines")
    doc = await client.agents.docs.create(agent.id, title="Trams", content="The zanzibar tram is yellow.")
    session = await client.sessions.create(agent=agent.id)
    answer: Any = await client.sessions.chat(session.id, messages=user("What colour is the zanzibar tram?"))
    assert [one.id for one in answer.docs] == [doc.id]
    assert answer.docs[0].snippet.content == "The zanzibar tram is yellow."
    assert "The zanzibar tram is yellow." in str(place.seen[0]["messages"])
    stream: Any = await client.sessions.chat(session.id, messages=user("And the zanzibar tram?"), stream=True)
    async for chunk in stream:
        assert isinstance(chunk.docs, list)
    rendered: Any = await client.sessions.render(session.id, messages=user("The zanzibar tram again?"))
    assert isinstance(rendered.docs, list)
    await client.sessions.chat(session.id, messages=user("What of the zanzibar tram?"), recall=False)
